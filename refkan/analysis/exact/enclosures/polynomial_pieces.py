r"""Piecewise polynomials of one variable, and enclosures of their ranges by Bernstein coefficients.

On a piece [l, h] a polynomial s of degree d is sum_i beta_i B_i, B_i the Bernstein polynomials, and lies between the
least and the greatest beta_i, as the B_i are non-negative and sum to one. On a part [x, y] of it the coefficients are
values of the blossom of s, d - j times at x and j times at y (knot insertion: Boehm; de Casteljau): with
lambda = (x - l)/(h - l), mu = (h - x)/(h - l), they are those of

    prod over the d arguments of (mu + lambda z)

as polynomials in z, applied to beta. Rounding is a small multiple of sum |weights| |beta|, which is added, the weights
those of |mu| and |lambda|. Underflow adds at most half the smallest float to each product, and each such error meets no
larger factors than the weights do: their sum is at least 1, as |mu| + |lambda| is. The hull exceeds the range by
O((y - x)^2); end coefficients are attained. (Farouki, Comput. Aided Geom. Design 29, 2012; Garloff, 1986, for
enclosures.)

The coefficients come from `refkan.truth` over Fractions and are rounded once, the error kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import comb, factorial
from operator import mul
from typing import Any, Literal

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import EPS, MAX, SMALLEST, Intervals, down, quiet, spread, up
from refkan.base.array_types import FloatArray, IntArray
from refkan.base.short_reprs import ShortRepr

POLYNOMIAL = 10**6
"""Smoothness of what is one polynomial."""

Sides = Literal["right", "inside", "both"]
"""Which pieces count that an interval meets in one point, an end of it: as values do, none, or those of both sides."""

Polynomial = list[Fraction]
"""Coefficients by power of (x - middle)/(h - l), `middle` the middle of the reference interval [l, h]."""


@dataclass(frozen=True, eq=False)
class Pieces(ShortRepr):
    """Functions s_q (Q) of one variable, polynomials on each of some pieces that cover the real line.

    Attributes
    ----------
    left, right : array (pieces,)
        Ends of the pieces, infinite at both ends of the line.
    low, high : array (pieces,)
        Reference intervals of the Bernstein coefficients.
    middles, radii : list over derivatives k of arrays (pieces, Q, d - k + 1)
        Bernstein coefficients of s^(k)/k!, and by how much they were rounded.
    smoothness : array (pieces,)
        Continuous derivatives at the right end of each piece: -1 where the functions jump.
    end : int or None
        The last piece of the domain, which is closed; all others hold their left ends alone, as in `truth`.
    """

    left: FloatArray
    right: FloatArray
    low: FloatArray
    high: FloatArray
    middles: list[FloatArray]
    radii: list[FloatArray]
    smoothness: IntArray
    end: int | None

    @quiet()
    def enclose(self, x: Intervals, derivatives: int, sides: Sides = "right") -> tuple[list[Intervals], IntArray]:
        """Enclose s^(k)/k! over intervals (B,) for k = 0, ..., derivatives, each (B, Q).

        At a knot derivatives are those from the right, as the values of functions that jump are. With "inside" they
        are limits from inside the interval, which needs some; with "both", and at points, they may be of either side.

        Returned with the number of continuous derivatives on each interval (B,).
        """
        first = np.searchsorted(self.right, x.lo, side="right")
        last = np.searchsorted(self.left, x.hi, side="right") - 1
        if sides != "right":
            closed = (x.lo == x.hi) | (sides == "both")
            first = np.where(closed, np.searchsorted(self.right, x.lo, side="left"), first)
            last = np.where(closed, last, np.searchsorted(self.left, x.hi, side="left") - 1)
        elif self.end is not None:  # the last piece of the domain is closed
            first = np.where(x.lo == self.left[self.end + 1], self.end, first)
            last = np.where(x.hi == self.left[self.end + 1], self.end, last)
        first, last = np.minimum(first, self.left.size - 1), np.clip(last, 0, self.left.size - 1)
        last = np.maximum(first, last)
        counts = last - first + 1
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        box = np.repeat(np.arange(counts.size), counts)
        piece = np.arange(box.size) - np.repeat(starts, counts) + np.repeat(first, counts)
        crossed = np.where(piece < last[box], self.smoothness[np.minimum(piece, self.smoothness.size - 1)], POLYNOMIAL)
        points = np.maximum(x.lo[box], self.left[piece]), np.minimum(x.hi[box], self.right[piece])
        low, high = self.low[piece], self.high[piece]
        length = high - low  # finite: domains are bounded in size, see `refkan.splines.knots`
        factors = [((high - point) / length, (point - low) / length) for point in points]
        degree = len(self.middles) - 1
        powers = [_powers(mu, lam, degree) for mu, lam in factors]
        sizes = powers  # within the reference interval, where no factor is negative
        if any((factor < 0).any() for pair in factors for factor in pair):
            sizes = [_powers(np.abs(mu), np.abs(lam), degree) for mu, lam in factors]
        enclosures = []
        Q = self.middles[0].shape[1]
        for k in range(derivatives + 1):
            if k >= len(self.middles):
                enclosures.append(Intervals.of(np.zeros((counts.size, Q))))
                continue
            hull = _hull(powers, sizes, self.middles[k][piece], self.radii[k][piece])
            enclosures.append(
                Intervals(np.minimum.reduceat(hull.lo, starts, axis=0), np.maximum.reduceat(hull.hi, starts, axis=0))
            )
        return enclosures, np.minimum.reduceat(crossed, starts)


Powers = list[FloatArray]
"""Coefficients (T, k + 1) of (mu + lambda z)^k, for k = 0, 1, ..."""


def _hull(powers: list[Powers], sizes: list[Powers], middle: FloatArray, radius: FloatArray) -> Intervals:
    """Bound polynomials with Bernstein coefficients (T, Q, m + 1) between two points.

    Of the points there are the powers of mu + lambda z, and those of their absolute values.
    """
    m = middle.shape[2] - 1
    W = _weights(powers, m)
    size = W if sizes is powers else _weights(sizes, m)
    gamma = (8 * m + 8) * EPS  # 3 roundings a factor, m factors, sums of at most m + 1 terms three times over
    # Fewer than 4 (m + 2)^2 products, of weights, which |beta| multiplies, and of |beta| and its error.
    lost = 4 * (m + 2) ** 2 * SMALLEST * (1 + np.abs(middle).max(axis=2, keepdims=True))
    c = np.einsum("tji,tqi->tqj", W, middle)
    error = np.einsum("tji,tqi->tqj", size, gamma * np.abs(middle) + (1 + gamma) * radius + lost) * (1 + gamma)
    low, high = spread(c, error)
    return Intervals(down(low.min(axis=2)), up(high.max(axis=2)))


def _powers(mu: FloatArray, lam: FloatArray, most: int) -> Powers:
    rows, factor = [np.ones((mu.size, 1))], np.stack([mu, lam], axis=1)
    for _ in range(most):
        rows.append(_times(rows[-1], factor))
    return rows


def _weights(powers: list[Powers], m: int) -> FloatArray:
    """Coefficients (T, j, i) of z^i in (mu_x + lambda_x z)^(m-j) (mu_y + lambda_y z)^j."""
    return np.stack([_times(powers[0][m - j], powers[1][j]) for j in range(m + 1)], axis=1)


def _times(p: FloatArray, q: FloatArray) -> FloatArray:
    out = np.zeros((p.shape[0], p.shape[1] + q.shape[1] - 1))
    for i in range(q.shape[1]):
        out[:, i : i + p.shape[1]] += p * q[:, i : i + 1]
    return out


def pieces_of_family(family: Any, coefficients: Sequence[Sequence[Fraction]]) -> Pieces:
    """Pieces of sum_i C[q, i] phi_i for a family of `refkan.truth` over Fractions, its tails included."""
    cuts, b = _cuts(family), family.domain[1]
    regions = _regions(cuts, family.domain)
    polynomials = [_polynomials(family, coefficients, region, _degree(family)) for region in regions]
    return pieces_of_polynomials(cuts, regions, polynomials, cuts.index(b))


def pieces_of_difference(family: Any, coefficients: Any, other: Any, other_coefficients: Any) -> Pieces:
    """Pieces of sum_i C[q, i] phi_i - sum_j D[q, j] psi_j of two families, on the knots of both, exactly.

    Where the domains end differently, a difference of functions that jump is of no piece there: ask continuous ones.
    """
    cuts = sorted({*_cuts(family), *_cuts(other)})
    degree = max(_degree(family), _degree(other))
    regions = _regions(cuts, family.domain)
    polynomials = []
    for region in regions:
        pair = zip(
            _polynomials(family, coefficients, region, degree),
            _polynomials(other, other_coefficients, region, degree),
            strict=True,
        )
        polynomials.append([[a - b for a, b in zip(p, q, strict=True)] for p, q in pair])
    b = family.domain[1]
    return pieces_of_polynomials(cuts, regions, polynomials, cuts.index(b) if b == other.domain[1] else None)


def _degree(family: Any) -> int:
    return int(family.degree if hasattr(family, "degree") else family.order - 1)


def _cuts(family: Any) -> list[Fraction]:
    """Where one polynomial ends and the next begins."""
    a, b = family.domain
    knots = set(getattr(family, "knots", ()))
    return sorted(knots | {a, b}) if family.outside == "natural" else sorted({t for t in knots if a < t < b} | {a, b})


def _regions(cuts: list[Fraction], domain: tuple[Fraction, Fraction]) -> list[tuple[Fraction, Fraction]]:
    """Reference intervals: the pieces, and as much as the domain before the first and after the last."""
    reach = domain[1] - domain[0]
    before = min(_nearest(cuts[0] - reach), np.nextafter(float(cuts[0]), -np.inf))
    after = max(_nearest(cuts[-1] + reach), np.nextafter(float(cuts[-1]), np.inf))
    return list(pairwise([Fraction(float(before)), *cuts, Fraction(float(after))]))


def _polynomials(family: Any, coefficients: Any, region: tuple[Fraction, Fraction], degree: int) -> list[Polynomial]:
    """The functions on a piece, by powers."""
    low, high = region
    rows = [family.functions((low + high) / 2, k) for k in range(degree + 1)]
    return [
        [
            sum((C[i] * f for i, f in rows[k].items()), Fraction(0)) * (high - low) ** k / factorial(k)
            for k in range(degree + 1)
        ]
        for C in coefficients
    ]


@quiet()
def pieces_of_polynomials(
    cuts: Sequence[Fraction],
    regions: Sequence[tuple[Fraction, Fraction]],
    polynomials: list[list[Polynomial]],
    end: int | None = None,
) -> Pieces:
    """Pieces of polynomials [region][q] between cuts (one fewer than regions), on reference intervals `regions`.

    The cuts and the ends of the reference intervals must be floats.
    """
    degree = len(polynomials[0][0]) - 1
    bernstein = [[_bernstein(p) for p in each] for each in polynomials]
    middles, radii = [], []
    for k in range(degree + 1):
        exact = [
            [[c / (factorial(k) * (high - low) ** k) for c in _derivative(beta, k)] for beta in each]
            for (low, high), each in zip(regions, bernstein, strict=True)
        ]
        middle = np.array([[[_nearest(c) for c in beta] for beta in each] for each in exact])
        rounded = [[[c == Fraction(_nearest(c)) for c in beta] for beta in each] for each in exact]
        size = np.abs(middle)
        middles.append(middle)
        radii.append(np.where(rounded, 0.0, up(size) - size))  # infinite from the largest float on
    at = np.array([float(t) for t in cuts])
    return Pieces(
        np.concatenate([[-np.inf], at]),
        np.concatenate([at, [np.inf]]),
        np.array([float(low) for low, _ in regions]),
        np.array([float(high) for _, high in regions]),
        middles,
        radii,
        np.array([*_smoothness(cuts, regions, polynomials), POLYNOMIAL]),
        end,
    )


def _nearest(c: Fraction) -> float:
    """The nearest float, the largest of all beyond them."""
    try:
        return float(c)
    except OverflowError:
        return MAX if c > 0 else -MAX


@cache
def _to_bernstein(d: int) -> list[list[Fraction]]:
    """The matrix from powers of z - 1/2 to Bernstein polynomials: z^i = sum_j (j choose i)/(d choose i) B_j."""
    rows, half = range(d + 1), Fraction(-1, 2)
    shifted = [[comb(k, i) * half ** max(k - i, 0) for k in rows] for i in rows]
    shares = [[Fraction(comb(j, i), comb(d, i)) for i in rows] for j in rows]
    return [[sum((shares[j][i] * shifted[i][k] for i in rows), Fraction(0)) for k in rows] for j in rows]


def _bernstein(p: Polynomial) -> list[Fraction]:
    """Coefficients in Bernstein polynomials on [0, 1] of sum_k p_k (z - 1/2)^k."""
    return [sum(map(mul, row, p), Fraction(0)) for row in _to_bernstein(len(p) - 1)]


def _derivative(beta: list[Fraction], k: int) -> list[Fraction]:
    for _ in range(k):
        beta = [(len(beta) - 1) * (b - a) for a, b in pairwise(beta)]
    return beta


def _smoothness(cuts: Any, regions: Any, polynomials: list[list[Polynomial]]) -> list[int]:
    """Number of continuous derivatives at each cut, checked exactly."""
    orders = range(len(polynomials[0][0]))
    smoothness = []
    for j, cut in enumerate(cuts):
        left, right = (
            [[_slope(p, (cut - (low + high) / 2) / (high - low), high - low, k) for p in each] for k in orders]
            for (low, high), each in zip(regions[j : j + 2], polynomials[j : j + 2], strict=True)
        )
        smoothness.append(next((k - 1 for k in orders if left[k] != right[k]), POLYNOMIAL))
    return smoothness


def _slope(p: Polynomial, z: Fraction, h: Fraction, k: int) -> Fraction:
    """sum_i p_i (i choose k) z^(i-k)/h^k: the k-th derivative over k!."""
    return sum((p[i] * comb(i, k) * z ** (i - k) for i in range(k, len(p))), Fraction(0)) / h**k
