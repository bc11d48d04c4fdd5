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

Matrices are symmetric and banded, lists of diagonals of balls, band[k][i] = X_{i,i+k} = X_{i+k,i}, and solved by
L D L^T without pivoting.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import require
from refkan.analysis.exact.spectra import rational
from refkan.analysis.exact.spectra.rational import Band
from refkan.base import Array, Record, check_type
from refkan.splines import change_of_basis
from refkan.splines.spaces import SplineSpace
from refkan.truth import UndecidedError

End = Literal["smallest", "largest"]

WIDTH = 2.0**-58
"""Relative width that an enclosure must reach: eps/64, so that the rounding to float64 decides how wide it ends."""

ITERATIONS = 30
"""Uniform, random and graded knots up to dim = 200 took at most 10; without enough bits it never converges."""


class Congruence(Record, eq=True):
    """The symmetric matrix F^-1 K F^-T with K banded and F = A or the identity: rational entries, or balls.

    Attributes
    ----------
    K : Band
    metric : Band
        F F^T.
    deltas : list of arrays, or None
        The spans Delta_2, ..., Delta_r that make F = A; None for F = I.
    alternating : {"smallest", "largest"}
        The end of the spectrum whose eigenvector alternates in sign. That of the other end is positive.
    """

    K: Band
    metric: Band
    deltas: list[Array] | None
    alternating: End

    @classmethod
    def of(cls, space: SplineSpace, which: str, scaled: bool = False) -> "Congruence":
        """The matrix "AtA", "AAt", "gram" or "relu_gram" of a space, with rational entries."""
        check_type("space", space, SplineSpace)
        identity = [[require("flint").fmpq(1)] * space.dim]
        if which == "gram":
            return cls(rational.gram_band(space), identity, None, "smallest")
        A = rational.change_of_basis_band(space, scaled)
        if which == "AtA":
            return cls(rational.normal_band(A), identity, None, "largest")
        metric = rational.normal_band(A, transposed=True)
        if which == "AAt":
            return cls(metric, identity, None, "largest")
        return cls(rational.gram_band(space), metric, rational.spans(space, scaled), "smallest")

    def blocks(self) -> "list[Congruence]":
        """The irreducible diagonal blocks: r-fold interior knots cut the Gram matrix of the B-splines in pieces.

        Entry (i, i+1) is zero only if the supports up to the i-th do not overlap those after it, as supports are
        intervals in ascending order. The other two matrices have no zero beside the diagonal.
        """
        if self.deltas is not None:
            return [self]
        dim = len(self.K[0])
        beside = self.K[1] if len(self.K) > 1 else [0] * (dim - 1)
        cuts = [0, *(i + 1 for i, entry in enumerate(beside) if entry == 0), dim]
        return [
            Congruence(_block(self.K, a, b), _block(self.metric, a, b), None, self.alternating)
            for a, b in pairwise(cuts)
        ]

    def rounded(self, arb: Callable[[Any], Any]) -> "Congruence":
        """The same matrix with entries enclosed in balls of the present precision."""
        K, metric = ([[arb(entry) for entry in diagonal] for diagonal in band] for band in (self.K, self.metric))
        deltas = None
        if self.deltas is not None:
            deltas = [np.array([arb(d) for d in delta], dtype=object) for delta in self.deltas]
        return Congruence(K, metric, deltas, self.alternating)

    def multiply(self, v: list[Any]) -> list[Any]:
        """F^-1 K F^-T v in balls. Where all entries of S F^-1 K F^-T S v have one sign, so have all terms."""
        if self.deltas is None:
            return product(self.K, v)
        inner = change_of_basis.solve_transposed(self.deltas, np.array(v, dtype=object)).tolist()
        outer = np.array(product(self.K, inner), dtype=object)
        return list(change_of_basis.solve(self.deltas, outer))

    def solve_shifted(self, shift: Any, v: list[Any]) -> list[Any]:
        """Approximate (F^-1 K F^-T - shift)^-1 v = F^T (K - shift F F^T)^-1 F v."""
        pencil = combination(self.K, shift, self.metric)
        if self.deltas is None:
            return approximate_solution(pencil, v)
        right = list(change_of_basis.apply(self.deltas, np.array(v, dtype=object)))
        inner = np.array(approximate_solution(pencil, right), dtype=object)
        return list(change_of_basis.apply_transposed(self.deltas, inner))


def _block(band: Band, a: int, b: int) -> Band:
    return [diagonal[a : b - k] for k, diagonal in enumerate(band[: b - a])]


def extreme_eigenvalue(matrix: Congruence, end: End, unit: Any) -> Enclosure:
    """Enclose the smallest or largest eigenvalue of an irreducible matrix of balls; `one` is the ball of 1.

    Raises
    ------
    UndecidedError
        If the enclosure does not reach the relative width WIDTH at the present precision.
    """
    alternate = end == matrix.alternating
    signs = [-unit if alternate and i % 2 else unit for i in range(len(matrix.K[0]))]
    z = [unit] * len(signs)
    shift = 0 * unit  # at the lower end, plain inverse iteration until there is a positive bound
    for _ in range(ITERATIONS):
        image = _signed(signs, matrix.multiply(_signed(signs, z)))
        if end == "largest" or all(x > 0 for x in image):
            low, high = collatz_wielandt(image, z)
            if high - low <= WIDTH * low:
                return Enclosure.between(low, high)
            shift = high if end == "largest" else low
        try:
            y = _signed(signs, matrix.solve_shifted(shift, _signed(signs, z)))
        except ZeroDivisionError as error:
            raise UndecidedError from error
        # Above the largest eigenvalue, matrix - shift has a non-positive inverse.
        z = [-x.mid() if end == "largest" else x.mid() for x in y]
        if not all(x > 0 for x in z):
            raise UndecidedError
    raise UndecidedError


def collatz_wielandt(image: list[Any], z: list[Any]) -> tuple[Any, Any]:
    """The least and the greatest number that image_i/z_i can be, as balls of radius zero."""
    ratios = [x / v for x, v in zip(image, z, strict=True)]
    return min(ratio.lower() for ratio in ratios), max(ratio.upper() for ratio in ratios)


def _signed(signs: list[Any], v: list[Any]) -> list[Any]:
    return [s * x for s, x in zip(signs, v, strict=True)]


def product(band: Band, v: list[Any]) -> list[Any]:
    """X v, the terms of an entry added in any order: v decides whether they cancel."""
    out = [entry * x for entry, x in zip(band[0], v, strict=True)]
    for k in range(1, len(band)):
        for i, entry in enumerate(band[k]):
            out[i] += entry * v[i + k]
            out[i + k] += entry * v[i]
    return out


def combination(band: Band, shift: Any, metric: Band) -> Band:
    """The band of X - shift M."""
    out = []
    for k in range(max(len(band), len(metric))):
        if k >= len(metric):
            out.append(list(band[k]))
        elif k >= len(band):
            out.append([-shift * m for m in metric[k]])
        else:
            out.append([entry - shift * m for entry, m in zip(band[k], metric[k], strict=True)])
    return out


def approximate_solution(band: Band, v: list[Any]) -> list[Any]:
    """An approximate solution of X y = v: midpoints only, for iterations whose result is certified otherwise.

    No pivoting: the matrices are definite, or positive after the signs of a row and a column are changed.

    Raises
    ------
    ZeroDivisionError
        If a pivot is zero at the present precision.
    """
    dim, width = len(v), len(band) - 1
    rows = [[band[k][i].mid() for k in range(min(width, dim - 1 - i) + 1)] for i in range(dim)]
    y = list(v)
    for i, (pivot, *row) in enumerate(rows):
        if pivot == 0:
            raise ZeroDivisionError(f"pivot {i} is zero")
        for k, entry in enumerate(row):
            factor = (entry / pivot).mid()
            below = rows[i + 1 + k]
            for m in range(k, len(row)):
                below[m - k] = (below[m - k] - factor * row[m]).mid()
            y[i + 1 + k] = (y[i + 1 + k] - factor * y[i]).mid()
    for i in reversed(range(dim)):
        pivot, *row = rows[i]
        known = sum((entry * y[i + 1 + k] for k, entry in enumerate(row)), 0 * pivot)
        y[i] = ((y[i] - known) / pivot).mid()
    return y
