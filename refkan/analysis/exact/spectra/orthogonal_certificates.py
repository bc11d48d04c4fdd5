r"""All eigenvalues of a symmetric matrix of balls without eigenvalue zero, enclosed by one congruence.

Let V be approximate eigenvectors of H of any origin, D = V^T H V and V^T V = I + E. By Ostrowski's theorem
(Horn and Johnson, Matrix Analysis, 4.5.9) the k-th eigenvalue of V^T H V is that of H times a number between the
extreme eigenvalues of V^T V. With d the diagonal of D and S = diag(|d|)^(1/2), let D = S (sign(d) + F) S. Then

    diag(d) - f diag(|d|)  <=  D  <=  diag(d) + f diag(|d|),     f = |F|_F,

and, eigenvalues of symmetric matrices being monotone,

    |d_(k)| (1 - f)/(1 + e)  <=  |lambda_k|  <=  |d_(k)| (1 + f)/(1 - e),     e = |E|_F,

lambda_k with the sign of d_(k), the k-th smallest entry of d. Every eigenvalue is enclosed to the same relative width,
the smallest included, and the signs are those of the inertia: no gap enters, and eigenvalues may coincide.
(Veselic and Slapnicar, Linear Algebra Appl. 195, 1993; Rump, Acta Numerica 19, 2010, section 13, surveys such methods.)
"""

from collections.abc import Callable
from typing import Any

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.truth import UndecidedError

NEARLY_ORTHOGONAL = 1e-2
"""Departure from V^T V = I below which the iteration V (3 I - V^T V)/2 is used; it squares the departure."""


def enclosed_eigenvalues(flint: Any, H: Any) -> list[Enclosure]:
    """Enclose the eigenvalues of a symmetric arb_mat, ascending and with multiplicity.

    Raises
    ------
    UndecidedError
        If the precision does not suffice to prove that none of them is zero.
    """
    n = H.nrows()
    V = orthogonalised(flint, approximate_eigenvectors(flint, H))
    return certified(flint, H, V) if n else []


def certified(flint: Any, H: Any, V: Any) -> list[Enclosure]:
    """Enclose the eigenvalues of H by approximate eigenvectors, the columns of V, whatever their origin."""
    n = H.nrows()
    D = V.transpose() * (H * V)
    d = [D[k, k] for k in range(n)]
    if not all(entry > 0 or entry < 0 for entry in d):
        raise UndecidedError
    roots = [abs(entry).sqrt() for entry in d]
    e = departure(flint, V)
    f = greatest_norm(flint, [D[i, k] / (roots[i] * roots[k]) for i in range(n) for k in range(n) if i != k])
    if not (e < 0.5 and f < 0.5):
        raise UndecidedError
    low, high = (1 - f) / (1 + e), (1 + f) / (1 - e)
    ends = [(entry * low, entry * high) if entry > 0 else (entry * high, entry * low) for entry in d]
    enclosures = [Enclosure.between(a, b) for a, b in ends]
    lower, upper = sorted(value.low for value in enclosures), sorted(value.high for value in enclosures)
    return [Enclosure(a, b) for a, b in zip(lower, upper, strict=True)]


def departure(flint: Any, V: Any) -> Any:
    """An upper bound of |V^T V - I|_F."""
    E = V.transpose() * V
    return greatest_norm(flint, [E[i, k] - int(i == k) for i in range(V.ncols()) for k in range(V.ncols())])


def greatest_norm(flint: Any, entries: list[Any]) -> Any:
    """An upper bound of the Euclidean norm; balls around zero are squared by what is largest in them."""
    return flint.arb(sum((entry.abs_upper() ** 2 for entry in entries), flint.arb(0)).sqrt().upper())


def approximate_eigenvectors(flint: Any, H: Any) -> Any:
    """Real approximate eigenvectors, the columns of an arb_mat of radius zero, by the QR algorithm."""
    _, right = flint.acb_mat(H.mid()).eig(right=True, algorithm="approx")
    columns = []
    for vector in right.transpose().tolist():
        largest = max(vector, key=lambda x: abs(x).mid())  # the phase is arbitrary: this makes the vector real
        if not abs(largest).mid() > 0:
            raise UndecidedError
        real = [(x / largest).real.mid() for x in vector]
        norm = sum((x * x for x in real), flint.arb(0)).sqrt().mid()
        columns.append([(x / norm).mid() for x in real])
    return flint.arb_mat(columns).transpose()


def orthogonalised(flint: Any, V: Any) -> Any:
    """Make columns orthonormal to about the precision in use: those of close eigenvalues need not come out so."""
    for _ in range(60):
        e = departure(flint, V)
        if e < flint.arb(2) ** (8 - flint.ctx.prec) * V.ncols():
            return V
        previous = V
        V = _newton_schulz(flint, V) if e < NEARLY_ORTHOGONAL else _orthonormal(flint, V)
        if e < NEARLY_ORTHOGONAL and not departure(flint, V) < e / 2:
            return previous
    return V


def _newton_schulz(flint: Any, V: Any) -> Any:
    n = V.ncols()
    unit = flint.arb_mat([[int(i == k) for k in range(n)] for i in range(n)])
    return (V * ((3 * unit - V.transpose() * V) / 2)).mid()


def _orthonormal(flint: Any, V: Any) -> Any:
    return flint.arb_mat(gram_schmidt(flint, V.transpose().tolist(), lambda x: x.mid())).transpose()


def gram_schmidt(flint: Any, vectors: list[list[Any]], rounded: Callable[[Any], Any] | None = None) -> list[list[Any]]:
    """Orthonormal vectors in balls, which hold those of exact numbers; `rounded` to midpoints, each made so twice.

    Raises
    ------
    UndecidedError
        Where a vector vanishes, or may.
    """
    to = rounded or (lambda x: x)
    least = flint.arb(2) ** (-flint.ctx.prec // 2) if rounded else 0
    done: list[list[Any]] = []
    for vector in vectors:
        for _ in range(2 if rounded else 1):
            for other in done:
                share = to(sum((a * b for a, b in zip(vector, other, strict=True)), flint.arb(0)))
                vector = [to(a - share * b) for a, b in zip(vector, other, strict=True)]
            norm = to(sum((a * a for a in vector), flint.arb(0)).sqrt())
            if not norm > least:
                raise UndecidedError
            vector = [to(a / norm) for a in vector]
        done.append(vector)
    return done
