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

V is found by products of matrices of balls, O(n^3) with a small constant, and eigenvectors in float64. With
V^T V = I - R, the columns of V (I + X) are orthonormal and make H diagonal, up to terms of second order, for

    X_ij = (D_ij + d_j R_ij)/(d_j - d_i)

(Ogita and Aishima, Japan J. Indust. Appl. Math. 35, 2018). Where that is not small, the columns i and j belong to one
block of D, and float64 finds the eigenvectors of the block: each time it resolves some fifteen digits more.
"""

from collections.abc import Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.csgraph import connected_components

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.base.array_types import FloatArray
from refkan.truth import UndecidedError

GAIN = 40
"""Bits that a step adds at least, where the precision suffices."""

LEVEL = 20
"""Bits between the largest and the smallest eigenvalue that one decomposition in float64 is trusted for."""

SOLVES = 3
"""Steps of the iteration for Y; each gains some nine digits."""

STALLS = 3
"""Steps in a row that do not halve the width, after which it is as far as it goes."""

SETTLED = 3
"""Steps after which a diagonal entry of unknown sign says that it does not."""


def enclosed_eigenvalues(flint: Any, H: Any, relative_width: float = 0.0) -> list[Enclosure]:
    """Enclose the eigenvalues of a symmetric arb_mat, ascending and with multiplicity, to a width or as far as it goes.

    Raises
    ------
    UndecidedError
        If the precision does not suffice to prove that none of them is zero.
    """
    n = H.nrows()
    negligible = max(relative_width / (16 * max(n, 1)), 2.0 ** (8 - flint.ctx.prec))
    V, D, G = unit(flint, n), H, unit(flint, n)
    best: list[Enclosure] | None = None
    widest, stalled = np.inf, 0
    for step in range(6 + flint.ctx.prec // GAIN):
        try:
            values = certified(flint, D, G)
        except UndecidedError:
            if best is None and step > SETTLED and any(D[k, k].contains(0) for k in range(n)):
                raise
            stalled += best is not None
        else:
            width = max((value.relative_width for value in values), default=0.0)
            stalled = 0 if width < widest / 2 else stalled + 1
            best, widest = (values, width) if width < widest else (best, widest)
        if best is not None and (widest <= relative_width or stalled == STALLS):
            return best
        V = (V * _correction(flint, D.mid(), G.mid(), negligible)).mid()
        D, G = products(H, V)
    if best is None:
        raise UndecidedError
    return best


def products(H: Any, V: Any) -> tuple[Any, Any]:
    """D = V^T H V and G = V^T V."""
    return V.transpose() * (H * V), V.transpose() * V


def certified(flint: Any, D: Any, G: Any) -> list[Enclosure]:
    """Enclose the eigenvalues of H by the `products` of approximate eigenvectors V, whatever their origin."""
    n = D.nrows()
    d = [D[k, k] for k in range(n)]
    if not all(entry > 0 or entry < 0 for entry in d):
        raise UndecidedError
    roots = [abs(entry).sqrt() for entry in d]
    e = departure(flint, G)
    f = greatest_norm(flint, [D[i, k] / (roots[i] * roots[k]) for i in range(n) for k in range(n) if i != k])
    if not (e < 0.5 and f < 0.5):
        raise UndecidedError
    low, high = (1 - f) / (1 + e), (1 + f) / (1 - e)
    ends = [(entry * low, entry * high) if entry > 0 else (entry * high, entry * low) for entry in d]
    enclosures = [Enclosure.between(a, b) for a, b in ends]
    lower, upper = sorted(value.low for value in enclosures), sorted(value.high for value in enclosures)
    return [Enclosure(a, b) for a, b in zip(lower, upper, strict=True)]


def departure(flint: Any, G: Any) -> Any:
    """An upper bound of |G - I|_F."""
    return greatest_norm(flint, (G - unit(flint, G.nrows())).entries())


def unit(flint: Any, n: int) -> Any:
    """The unit matrix."""
    return flint.arb_mat(n, n, [int(i == k) for i in range(n) for k in range(n)])


def greatest_norm(flint: Any, entries: list[Any]) -> Any:
    """An upper bound of the Euclidean norm; balls around zero are squared by what is largest in them."""
    return flint.arb(sum((entry.abs_upper() ** 2 for entry in entries), flint.arb(0)).sqrt().upper())


def nearly_orthonormal(flint: Any, Z: Any) -> Any:
    """Z C for a regular C such that |(Z C)^T Z C - I|_F < 1/4, in balls.

    Raises
    ------
    UndecidedError
        Where the columns depend on one another, or may.
    """
    for _ in range(6 + flint.ctx.prec // GAIN):
        G = Z.transpose() * Z
        if departure(flint, G) < 0.25:
            return Z
        lengths = [G[k, k].mid().sqrt() for k in range(G.nrows())]
        if not all(length > 0 for length in lengths):
            raise UndecidedError
        scaled = [
            [entry / (a * b) for entry, b in zip(row, lengths, strict=True)]
            for row, a in zip(G.mid().tolist(), lengths, strict=True)
        ]
        values, U = eigh(_floats(scaled))
        C = U / np.sqrt(np.maximum(values, values[-1] * 2.0**-GAIN))
        Z = Z * flint.arb_mat([[(x / a).mid() for x in row] for row, a in zip(C.tolist(), lengths, strict=True)])
    raise UndecidedError


def _correction(flint: Any, D: Any, G: Any, negligible: float) -> Any:
    """I + X between columns that are apart, times eigenvectors of the blocks of the others.

    Where X does not turn i and k, the column with the larger |d| takes R_ik alone: half of it would carry what is large
    into columns that are small in H.
    """
    n, D, G = D.nrows(), D.tolist(), G.tolist()
    d = [D[k][k] for k in range(n)]
    X: list[list[Any]] = [[(3 - G[i][i]) / 2 if i == k else 0 for k in range(n)] for i in range(n)]
    apart: dict[tuple[int, int], Any] = {}
    together = np.zeros((n, n), bool)
    for i, k in combinations(sorted(range(n), key=lambda k: abs(d[k])), 2):  # |d_i| <= |d_k|
        X[i][k] = -G[i][k]
        if not abs(D[i][k]) <= negligible * abs(d[i] * d[k]).sqrt():
            gap, here, there = d[k] - d[i], D[i][k] - d[k] * G[i][k], D[i][k] - d[i] * G[i][k]
            if abs(gap) > 8 * n * max(abs(here), abs(there)):
                apart[i, k] = here / gap, -there / gap
            else:
                together[i, k] = True
    count, labels = connected_components(together, directed=False)
    for (i, k), turn in apart.items():
        if labels[i] != labels[k]:
            X[i][k], X[k][i] = turn
    correction = flint.arb_mat(X).mid()
    blocks = [np.flatnonzero(labels == block).tolist() for block in range(count)]
    if all(len(block) == 1 for block in blocks):
        return correction
    Q: list[list[Any]] = [[int(i == k) for k in range(n)] for i in range(n)]
    for block in blocks:
        # what D is when columns are orthonormal
        S = [[D[i][k] + min(d[i], d[k], key=abs) * (int(i == k) - G[i][k]) for k in block] for i in block]
        for i, row in zip(block, _vectors_of_block(flint, S).tolist(), strict=True):
            for k, entry in zip(block, row, strict=True):
                Q[i][k] = entry
    return (correction * flint.arb_mat(Q)).mid()


def _vectors_of_block(flint: Any, block: list[list[Any]]) -> Any:
    """Approximate eigenvectors of a symmetric matrix of points, the largest magnitudes first, level after level.

    With S_level Y = S_level,rest, the rest less the level times Y is orthogonal to the level in S, and the level plus
    the rest times Y^T is orthogonal to the rest but for terms of second order. S_level is nearly diagonal.
    """
    S = flint.arb_mat(block).mid()
    n = S.nrows()
    done: list[Any] = []
    rest = unit(flint, n)
    while True:
        Q = flint.arb_mat(_float_eigenvectors(S).tolist())
        Q = (Q * (3 * unit(flint, S.nrows()) - Q.transpose() * Q) / 2).mid()  # orthonormal to twice the digits
        S, rest = (Q.transpose() * S * Q).mid(), (rest * Q).mid()
        sizes = [abs(S[k, k]) for k in range(S.nrows())]
        level = [k for k, size in enumerate(sizes) if size * 2**LEVEL >= max(sizes)]
        below = [k for k in range(S.nrows()) if k not in set(level)]
        top = _taken(rest, range(n), level)
        if not below or not max(sizes) > 0:
            return _beside(flint, [*done, rest])
        across, own, low = _taken(S, level, below), _taken(S, level, level), _taken(rest, range(n), below)
        Y = 0 * across
        for _ in range(SOLVES):
            missing = (across - own * Y).tolist()
            Y = (Y + flint.arb_mat([[e / S[k, k] for e in row] for k, row in zip(level, missing, strict=True)])).mid()
        done.append((top + low * Y.transpose()).mid())
        rest = (low - top * Y).mid()
        S = (_taken(S, below, below) - across.transpose() * Y).mid()


def _float_eigenvectors(S: Any) -> FloatArray:
    """Eigenvectors in float64 of a matrix less a multiple of the unit matrix, which leaves small differences."""
    rows, n = S.tolist(), S.nrows()
    middle = sum(row[k] for k, row in enumerate(rows)) / n
    rows = [[entry - middle if i == k else entry for k, entry in enumerate(row)] for i, row in enumerate(rows)]
    largest = max(abs(entry) for row in rows for entry in row)
    return eigh(_floats(rows, largest))[1] if largest > 0 else np.eye(n)


def _taken(matrix: Any, rows: Sequence[int], columns: Sequence[int]) -> Any:
    return type(matrix)([[matrix[i, k] for k in columns] for i in rows])


def _beside(flint: Any, parts: list[Any]) -> Any:
    return flint.arb_mat([[*chain(*rows)] for rows in zip(*(part.tolist() for part in parts), strict=True)])


def _floats(rows: list[list[Any]], unit: Any = 1) -> FloatArray:
    """Midpoints in float64.

    Raises
    ------
    UndecidedError
        If one is not finite.
    """
    array = np.array([[float((entry / unit).mid()) for entry in row] for row in rows])
    if not np.isfinite(array).all():
        raise UndecidedError
    return array
