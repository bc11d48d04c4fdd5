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

(Ogita and Aishima, Japan J. Indust. Appl. Math. 35, 2018), to which X^2/2 is added. Where that is not small, the
columns i and j belong to one block of D, less what the turns towards columns l of larger d take from it, the sum of
D_il D_lj/d_l, and float64 finds the eigenvectors of the block: each time it resolves some fifteen digits more.
Where |d_i| is less than 2^-800 |d_j|, X_ij = D_ij/d_j = -X_ji is taken in balls: the range of float64 ends at 2^-1074.
"""

from typing import Any

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.csgraph import connected_components

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure, mantissa_and_exponent
from refkan.base.array_types import FloatArray
from refkan.truth import UndecidedError

GAIN = 40
"""Bits that a step adds at least, where the precision suffices."""

STALLS = 3
"""Steps in a row that do not halve the width, after which it is as far as it goes."""

SETTLED = 3
"""Steps after which a diagonal entry of unknown sign says that it does not."""

FAR = 400
"""Half of the bits by which |d_i| and |d_j| differ from which float64 holds no X_ij with all its digits."""


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
            stalled += 1
            if width < widest / 2:
                stalled = 0
            if width < widest:
                best, widest = values, width
        if best is not None and (widest <= relative_width or stalled == STALLS):
            return best
        V = (V + V * _correction(flint, D.mid(), G.mid(), negligible)).mid()
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
    scales = [abs(entry).rsqrt() for entry in d]
    e = departure(flint, G)
    rows = [zip(row[:i], scales, strict=False) for i, row in enumerate(D.tolist())]  # below the diagonal
    F = [entry * scale * scales[i] for i, row in enumerate(rows) for entry, scale in row]
    f = greatest_norm(flint, F) * flint.arb(2).sqrt()
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
    made = flint.arb_mat(n, n)
    for k in range(n):
        made[k, k] = 1
    return made


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
        lengths = [G[k, k].mid().sqrt() for k in range(G.nrows())]  # by zero: refused as no number
        scaled = [
            [entry / (a * b) for entry, b in zip(row, lengths, strict=True)]
            for row, a in zip(G.mid().tolist(), lengths, strict=True)
        ]
        values, U = eigh(_floats(scaled))
        C = U / np.sqrt(np.maximum(values, values[-1] * 2.0**-GAIN))
        Z = Z * flint.arb_mat([[(x / a).mid() for x in row] for row, a in zip(C.tolist(), lengths, strict=True)])
    raise UndecidedError


@np.errstate(all="ignore")
def _correction(flint: Any, D: Any, G: Any, negligible: float) -> Any:
    """Y of V (I + Y): X between columns that are apart, and eigenvectors of the blocks of the others.

    Where Y does not turn i and k, the column with the larger |d| takes R_ik alone: half of it would carry what is large
    into columns that are small in H. In float64, D being F_ik 2^(halves_i + halves_k): what is lost is found again.
    """
    n, D, E = D.nrows(), D.tolist(), (G - unit(flint, G.nrows())).tolist()
    order = sorted(range(n), key=lambda k: abs(D[k][k]))  # |d_i| <= |d_k| for i < k
    d = [D[k][k] for k in order]
    if not all(entry.is_finite() for entry in d):
        raise UndecidedError
    halves = np.array([_half_of_exponent(entry) for entry in d], dtype=float)
    scales = [flint.arb(2) ** -int(half) for half in halves]
    scaled = list(zip(order, scales, strict=True))
    far = halves - halves[:, None] > FAR
    F = _floats([[D[i][k] * a * b for k, b in scaled] for i, a in scaled])
    F[far | far.T] = 0.0
    E = _floats([[E[i][k] for k in order] for i in order])
    differences = _floats([[(y - x) * b * b for y, b in zip(d, scales, strict=True)] for x in d])
    own, lower = np.diag(F), np.tri(n, dtype=bool)
    rise = np.exp2(halves[:, None] - halves)
    share, gap, quotient = F / own * rise, differences / own, own[:, None] / own * rise**2  # of d_k
    here, there = share - E, share - quotient * E
    left = ~(lower | (np.abs(there) <= negligible * np.sqrt(np.abs(quotient))))  # by R_ik alone
    lengths = np.abs(np.diag(E))
    doubt = np.maximum(np.maximum(np.abs(here), np.abs(there)), np.maximum.outer(lengths, lengths))
    left &= ~far
    apart = np.abs(gap) > 8 * n * doubt
    count, labels = connected_components(left & ~apart, directed=False)
    turned = left & apart & (labels[:, None] != labels)
    X = np.where(turned, here / gap, 0.0) - np.where(turned, there / gap, 0.0).T
    Y = X + X @ X / 2 - np.where(lower | turned, 0.0, E) - np.diag(np.diag(E) / 2)
    if count < n:
        Q = np.eye(n)
        taken = np.where(turned, F, 0.0)
        gone = (taken / np.where(own == 0, 1.0, own)) @ taken.T  # what the turns towards larger d take from D
        for block in (np.flatnonzero(labels == label) for label in range(count)):
            part, top = np.ix_(block, block), block[-1]
            weights, middle = np.exp2(halves[block] - halves[top]), sum(d[k] for k in block) / len(block)
            entries = [[D[order[i]][order[k]] - (middle if i == k else 0) for k in block] for i in block]
            # what D is then, less a multiple of the unit matrix, which leaves small differences
            S = _floats([[entry * scales[top] * scales[top] for entry in row] for row in entries])
            S -= E[part] * (own[block] * weights**2)[np.minimum.outer(*[np.arange(len(block))] * 2)]
            S -= gone[part] * weights[:, None] * weights
            if not np.isfinite(S).all():  # beyond what float64 holds side by side
                raise UndecidedError
            Q[part] = eigh(S)[1]
        Y = Q - np.eye(n) + Y @ Q
    back = np.argsort(order)
    turns = flint.arb_mat(n, n)
    for i, k in np.argwhere(far & (labels[:, None] != labels)).tolist():
        turns[order[i], order[k]] = D[order[i]][order[k]] / d[k]
        turns[order[k], order[i]] = -turns[order[i], order[k]]
    made = flint.arb_mat(Y[np.ix_(back, back)].tolist())
    return made + turns + turns * made


def _half_of_exponent(x: Any) -> int:
    """About half of the binary logarithm of |x|."""
    mantissa, exponent = mantissa_and_exponent(x)
    return (exponent + mantissa.bit_length()) // 2


def _floats(rows: list[list[Any]]) -> FloatArray:
    """Midpoints in float64.

    Raises
    ------
    UndecidedError
        If one is not a number.
    """
    array = np.array([[float(entry) for entry in row] for row in rows])
    if np.isnan(array).any():
        raise UndecidedError
    return array
