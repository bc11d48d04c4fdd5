r"""Extreme eigenvalues of A^T A and of the Gram matrices, enclosed by Collatz-Wielandt ratios.

For an entrywise non-negative matrix B and any x > 0, min (Bx)_i/x_i <= rho(B) <= max (Bx)_i/x_i. All that is needed
is a non-negative matrix whose spectral radius is the wanted eigenvalue. With S = diag(1, -1, 1, ...):

* A = S |A| S, as signs alternate along the rows of A. Hence A^T A = S |A|^T |A| S, and lambda_max = rho(|A|^T |A|).
  A^-1 = D^-1 Delta_2 D^-1 ... Delta_r D^-1 has no negative entry, and 1/lambda_min = rho(A^-1 A^-T).
* The B-splines are totally positive: all minors of (b_i(x_k)) are non-negative (Karlin). By the Cauchy-Binet formula
  under the integral so are those of their Gram matrix G, and, D^-1 and Delta_k being totally non-negative, those of
  the Gram matrix A^-1 G A^-T of the ReLU powers. For such a matrix, lambda_max(G) = rho(G); the cofactors in G^-1 show
  that S G^-1 S is non-negative, so that 1/lambda_min(G) = rho(S G^-1 S).

At the lower end nothing need be inverted. Let M^-1 >= 0, M being A^T A or S G S. For z > 0 with x = M z > 0,
the ratios of M^-1 at x are (M^-1 x)_i/x_i = z_i/x_i, hence min x_i/z_i <= lambda_min <= max x_i/z_i.

At both ends the certificate is one product with the matrix in ball arithmetic: it does not matter where z came from. It
comes from Noda's iteration: inverse iteration shifted by the latest Collatz-Wielandt bound. A bound never passes the
eigenvalue, so the shifted inverse keeps its sign, the iterates stay positive and converge quadratically
(Noda, Numer. Math. 17, 1971; Elsner, Linear Algebra Appl. 15, 1976).

Matrices are exact until they are rounded to balls. The shifted systems are definite and solved approximately: by Arb,
or where the band is narrow by elimination without pivots, whose cost is linear in dim.
"""

from functools import partial
from itertools import pairwise
from typing import Any, Literal

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.spectra.rational import rational_change_of_basis, rational_gram
from refkan.splines.spaces import SplineSpace
from refkan.truth import UndecidedError

End = Literal["smallest", "largest"]

ALTERNATING: dict[str, End] = {"AtA": "largest", "AAt": "largest", "gram": "smallest", "relu_gram": "smallest"}
"""The end of the spectrum of a matrix whose eigenvector alternates in sign. That of the other end is positive."""

WIDTH = 2.0**-58
"""Relative width that an enclosure must reach: eps/64, so that the rounding to float64 decides how wide it ends."""

ITERATIONS = 20
"""Uniform, random and graded knots up to dim = 200 took at most 10; without enough bits it never converges."""

NARROW = 16
"""A band is narrow if dim is at least so many times its half-width."""


def matrix_of(space: SplineSpace, which: str, scaled: bool = False) -> Any:
    """The matrix "AtA", "AAt", "gram" or "relu_gram" of a space, as fmpq_mat."""
    if which in ("gram", "relu_gram"):
        return rational_gram(space, "spline" if which == "gram" else "relu", scaled)
    A = rational_change_of_basis(space, scaled)
    if which == "AtA":
        return A.transpose() * A
    return A * A.transpose()


def irreducible_blocks(matrix: Any) -> list[tuple[Any, int]]:
    """The irreducible diagonal blocks: r-fold interior knots cut the Gram matrix of the B-splines in pieces.

    With each comes its half-width, the k beyond which its entries (i, i + k) are zero. Entry (i, i+1) is zero only if
    the supports up to the i-th do not overlap those after it, as supports are intervals in ascending order. The other
    matrices have no zero beside the diagonal.
    """
    rows, n = matrix.tolist(), matrix.nrows()
    cuts = [0, *(i + 1 for i in range(n - 1) if rows[i][i + 1] == 0), n]
    return [
        (
            type(matrix)([row[a:b] for row in rows[a:b]]),
            max(k - i for i in range(a, b) for k in range(i, b) if rows[i][k] != 0),
        )
        for a, b in pairwise(cuts)
    ]


def extreme_eigenvalue(flint: Any, matrix: Any, width: int, end: End, alternates: bool) -> Enclosure:
    """Enclose the smallest or largest eigenvalue of an irreducible matrix of rational numbers.

    Parameters
    ----------
    width : int
        Its half-width, see `irreducible_blocks`.
    alternates : bool
        Whether its eigenvector alternates in sign.

    Raises
    ------
    UndecidedError
        If the enclosure does not reach the relative width WIDTH at the present precision.
    """
    n, M = matrix.nrows(), flint.arb_mat(matrix)

    def flipped(vector: list[Any]) -> list[Any]:  # S times it, for S M S
        return [-x if alternates and k % 2 else x for k, x in enumerate(vector)]

    if NARROW * width <= n:
        band = [[flint.arb(matrix[i, k]) for k in range(i, min(i + width + 1, n))] for i in range(n)]
        solve = partial(solve_banded, band)
    else:
        solve = partial(solve_dense, M)
    z = [flint.arb(1)] * n
    shift = flint.arb(0)  # at the lower end, plain inverse iteration until there is a positive bound
    for _ in range(ITERATIONS):
        image = flipped((M * flint.arb_mat(n, 1, flipped(z))).entries())
        if end == "largest" or all(x > 0 for x in image):
            low, high = collatz_wielandt(image, z)
            if high - low <= WIDTH * low:
                return Enclosure.between(low, high)
            shift = high if end == "largest" else low
        try:
            y = flipped(solve(shift, flipped(z)))
        except ZeroDivisionError as error:
            raise UndecidedError from error
        # Above the largest eigenvalue, matrix - shift has a non-positive inverse.
        z = [-x for x in y] if end == "largest" else y
        if not all(x > 0 for x in z):
            raise UndecidedError
    raise UndecidedError


def solve_dense(M: Any, shift: Any, z: list[Any]) -> list[Any]:
    """Solve (M - shift) y = z, approximately."""
    shifted = type(M)(M)
    for k in range(M.nrows()):
        shifted[k, k] -= shift
    return list(shifted.solve(type(M)(len(z), 1, z), algorithm="approx").mid().entries())


def solve_banded(band: list[list[Any]], shift: Any, z: list[Any]) -> list[Any]:
    """Do the same with a narrow symmetric matrix, of which band[i] holds row i from its diagonal on.

    Balls become their midpoints before they grow; whether y is near the solution, the ratios that it has will tell.
    """
    rows, y = [[row[0] - shift, *row[1:]] for row in band], list(z)
    for k, row in enumerate(rows):
        row[:], y[k] = [entry.mid() for entry in row], y[k].mid()
        for i in range(1, len(row)):
            factor = (row[i] / row[0]).mid()
            y[k + i] -= factor * y[k]
            for j in range(i, len(row)):
                rows[k + i][j - i] -= factor * row[j]
    for k in reversed(range(len(rows))):
        right = sum((entry * value for entry, value in zip(rows[k][1:], y[k + 1 :], strict=False)), start=-y[k])
        y[k] = (-right / rows[k][0]).mid()
    return y


def collatz_wielandt(image: list[Any], z: list[Any]) -> tuple[Any, Any]:
    """The least and the greatest number that image_i/z_i can be, as balls of radius zero."""
    ratios = [x / v for x, v in zip(image, z, strict=True)]
    return min(ratio.lower() for ratio in ratios), max(ratio.upper() for ratio in ratios)
