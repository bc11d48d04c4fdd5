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

Matrices are exact until they are rounded to balls; Arb solves the shifted systems, approximately.
"""

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

ITERATIONS = 30
"""Uniform, random and graded knots up to dim = 200 took at most 10; without enough bits it never converges."""


def matrix_of(space: SplineSpace, which: str, scaled: bool = False) -> Any:
    """The matrix "AtA", "AAt", "gram" or "relu_gram" of a space, as fmpq_mat."""
    if which in ("gram", "relu_gram"):
        return rational_gram(space, "spline" if which == "gram" else "relu", scaled)
    A = rational_change_of_basis(space, scaled)
    return A.transpose() * A if which == "AtA" else A * A.transpose()


def irreducible_blocks(matrix: Any) -> list[Any]:
    """The irreducible diagonal blocks: r-fold interior knots cut the Gram matrix of the B-splines in pieces.

    Entry (i, i+1) is zero only if the supports up to the i-th do not overlap those after it, as supports are
    intervals in ascending order. The other matrices have no zero beside the diagonal.
    """
    rows, n = matrix.tolist(), matrix.nrows()
    cuts = [0, *(i + 1 for i in range(n - 1) if rows[i][i + 1] == 0), n]
    return [type(matrix)([row[a:b] for row in rows[a:b]]) for a, b in pairwise(cuts)]


def extreme_eigenvalue(flint: Any, matrix: Any, end: End, alternates: bool) -> Enclosure:
    """Enclose the smallest or largest eigenvalue of an irreducible matrix of balls.

    Parameters
    ----------
    alternates : bool
        Whether its eigenvector alternates in sign.

    Raises
    ------
    UndecidedError
        If the enclosure does not reach the relative width WIDTH at the present precision.
    """
    n, rows = matrix.nrows(), matrix.tolist()
    if alternates:  # S M S
        rows = [[-x if (i + k) % 2 else x for k, x in enumerate(row)] for i, row in enumerate(rows)]
    M, z = flint.arb_mat(rows), flint.arb_mat([[1]] * n)
    shift = flint.arb(0)  # at the lower end, plain inverse iteration until there is a positive bound
    for _ in range(ITERATIONS):
        image = (M * z).entries()
        if end == "largest" or all(x > 0 for x in image):
            low, high = collatz_wielandt(image, z.entries())
            if high - low <= WIDTH * low:
                return Enclosure.between(low, high)
            shift = high if end == "largest" else low
        shifted = flint.arb_mat(M)
        for k in range(n):
            shifted[k, k] -= shift
        try:
            y = shifted.solve(z, algorithm="approx").mid()
        except ZeroDivisionError as error:
            raise UndecidedError from error
        # Above the largest eigenvalue, matrix - shift has a non-positive inverse.
        z = -y if end == "largest" else y
        if not all(x > 0 for x in z.entries()):
            raise UndecidedError
    raise UndecidedError


def collatz_wielandt(image: list[Any], z: list[Any]) -> tuple[Any, Any]:
    """The least and the greatest number that image_i/z_i can be, as balls of radius zero."""
    ratios = [x / v for x, v in zip(image, z, strict=True)]
    return min(ratio.lower() for ratio in ratios), max(ratio.upper() for ratio in ratios)
