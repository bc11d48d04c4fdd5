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

The coefficients come from `refkan.truth` over rational numbers, Fractions or those of flint, and are rounded once, the
error kept.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise
from math import comb, factorial, inf, lcm, ulp
from operator import mul
from typing import Any, Literal

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import EPS, MAX, SMALLEST, Intervals, down, quiet, spread, up
from refkan.base import FloatArray, Frozen, IntArray, ShortRepr, lazy

POLYNOMIAL = 10**6
"""Smoothness of what is one polynomial."""

Sides = Literal["right", "inside", "both"]
"""Which pieces count that an interval meets in one point, an end of it: as values do, none, or those of both sides."""

Derivatives = tuple[list[Intervals], IntArray]
"""Enclosures of f^(k)/k! over intervals (B, ...), and the number of continuous derivatives on each of B."""

Polynomial = list[Any]
"""Coefficients by power of (x - middle)/(h - l), `middle` the middle of the reference interval [l, h]."""

Term = tuple[Any, Sequence[Sequence[Any]]]
"""A family of `refkan.truth` over rational numbers, its tails included, and the coefficients C[q, i] of functions."""


class Pieces(Frozen):
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
    def enclose(self, x: Intervals, derivatives: int, sides: Sides = "right") -> Derivatives:
        """Enclose s^(k)/k! over intervals (B,) for k = 0, ..., derivatives, each (B, Q).

        At a knot derivatives are those from the right, as the values of functions that jump are. With "inside" they
        are limits from inside the interval, which needs some; with "both", and at points, they may be of either side.

        Returned with the number of continuous derivatives on each interval (B,).
        """
        return self.over(x, *self.met(x, sides), derivatives)

    @lazy
    def errors(self) -> list[FloatArray]:
        """What sums of weights, none negative, make of these bounds the error of the same sums of coefficients."""
        errors = []
        for middle, radius in zip(self.middles, self.radii, strict=True):
            m = middle.shape[2] - 1
            gamma = (8 * m + 8) * EPS  # 5 roundings a factor, m factors, and sums of m + 1 terms twice
            # Fewer than 4 (m + 2)^2 products, of weights, which |beta| multiplies, and of |beta| and its error.
            lost = 4 * (m + 2) ** 2 * SMALLEST * (1 + np.abs(middle).max(axis=2, keepdims=True))
            errors.append((gamma * np.abs(middle) + (1 + gamma) * radius + lost) * (1 + gamma))
        return errors

    def met(self, x: Intervals, sides: Sides) -> tuple[IntArray, IntArray]:
        """The first and the last piece that each interval (B,) meets."""
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
        return first, np.maximum(first, last)

    def over(self, x: Intervals, first: IntArray, last: IntArray, derivatives: int) -> Derivatives:
        """Enclose over intervals (B,) that meet the pieces from `first` to `last`."""
        counts = last - first + 1
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        box = np.repeat(np.arange(counts.size), counts)
        piece = np.arange(box.size) - np.repeat(starts, counts) + np.repeat(first, counts)
        crossed = np.where(piece < last[box], self.smoothness[np.minimum(piece, self.smoothness.size - 1)], POLYNOMIAL)
        points = np.maximum(x.lo[box], self.left[piece]), np.minimum(x.hi[box], self.right[piece])
        low, high = self.low[piece], self.high[piece]
        length = high - low  # finite: domains are bounded in size, see `refkan.splines.knots`
        factors = [((high - point) / length, (point - low) / length) for point in points]
        if np.array_equal(*points):
            factors = factors[:1]
        degree = len(self.middles) - 1
        weights = sizes = _weights(factors, degree)
        if any((factor < 0).any() for pair in factors for factor in pair):  # beyond the reference interval
            sizes = _weights([(np.abs(mu), np.abs(lam)) for mu, lam in factors], degree)
        enclosures = []
        for k in range(derivatives + 1):
            if k > degree:
                enclosures.append(Intervals.of(np.zeros((counts.size, self.middles[0].shape[1]))))
                continue
            c = np.einsum("tji,tqi->tqj", weights[degree - k], self.middles[k][piece])
            off = np.einsum("tji,tqi->tqj", sizes[degree - k], self.errors[k][piece])
            low, high = spread(c, off)
            low, high = low.min(axis=2), high.max(axis=2)
            enclosures.append(
                Intervals(down(np.minimum.reduceat(low, starts, axis=0)), up(np.maximum.reduceat(high, starts, axis=0)))
            )
        return enclosures, np.minimum.reduceat(crossed, starts)


class PiecesOfInputs(ShortRepr):
    """Functions of several inputs, of one degree: enclosed together, as if they were pieces of one line."""

    def __init__(self, inputs: Sequence[Pieces]) -> None:
        self.inputs = tuple(inputs)
        names = "left", "right", "low", "high", "smoothness"
        left, right, low, high, smoothness = (
            np.concatenate([getattr(each, name) for each in inputs]) for name in names
        )
        middles, radii = (
            [np.concatenate(each) for each in zip(*(getattr(pieces, name) for pieces in inputs), strict=True)]
            for name in ("middles", "radii")
        )
        self.together = Pieces(left, right, low, high, middles, radii, smoothness, None)
        self.starts = np.cumsum([0, *(each.left.size for each in inputs[:-1])])

    @quiet()
    def enclose(self, x: Intervals, derivatives: int, sides: Sides = "right") -> Derivatives:
        """As `Pieces.enclose` of each input: intervals (B, P) to enclosures (B, P, Q), and smoothness (B, P)."""
        met = [each.met(x[:, p], sides) for p, each in enumerate(self.inputs)]
        first, last = ((np.stack(ends, axis=1) + self.starts).reshape(-1) for ends in zip(*met, strict=True))
        parts, smoothness = self.together.over(x.reshape(-1), first, last, derivatives)
        return [part.reshape(*x.lo.shape, -1) for part in parts], smoothness.reshape(x.lo.shape)


def _weights(factors: list[tuple[FloatArray, FloatArray]], most: int) -> list[FloatArray]:
    """Coefficients (T, j, i) of z^i in (mu_x + lambda_x z)^(m-j) (mu_y + lambda_y z)^j for m = 0, ..., most.

    Of one factor (mu, lambda), that of a point, those of j = 0 alone.
    """
    tables = [np.ones((factors[0][0].size, 1, 1))]
    for _ in range(most):
        rows = tables[-1], tables[-1][:, -1:]
        tables.append(
            np.concatenate([_times(each, *factor) for each, factor in zip(rows, factors, strict=False)], axis=1)
        )
    return tables


def _times(rows: FloatArray, mu: FloatArray, lam: FloatArray) -> FloatArray:
    """Rows (T, j, i) of coefficients times mu + lambda z."""
    product = np.zeros((*rows.shape[:2], rows.shape[2] + 1))
    product[..., :-1] = rows * mu[:, None, None]
    product[..., 1:] += rows * lam[:, None, None]
    return product


def pieces_of_sum(*terms: Term) -> Pieces:
    """Pieces of the sum over terms of sum_i C[q, i] phi_i, on the knots of all, exactly.

    Where the domains end differently, a sum of functions that jump is of no piece there: ask continuous ones.
    """
    cuts = sorted({t for family, _ in terms for t in _cuts(family)})
    degree, polynomials = max(_degree(family) for family, _ in terms), []
    regions = _regions(cuts, terms[0][0].domain)
    for region in regions:
        of_terms = [_polynomials(*term, region, degree) for term in terms]
        polynomials.append([[sum(c) for c in zip(*rows, strict=True)] for rows in zip(*of_terms, strict=True)])
    ends = {family.domain[1] for family, _ in terms}
    return pieces_of_polynomials(regions, polynomials, cuts.index(*ends) if len(ends) == 1 else None)


def _degree(family: Any) -> int:
    return int(family.degree if hasattr(family, "degree") else family.order - 1)


def _cuts(family: Any) -> list[Any]:
    """Where one polynomial ends and the next begins."""
    a, b = family.domain
    knots = set(getattr(family, "knots", ()))
    return sorted(knots | {a, b}) if family.outside == "natural" else sorted({t for t in knots if a < t < b} | {a, b})


def _regions(cuts: list[Any], domain: tuple[Any, Any]) -> list[tuple[Any, Any]]:
    """Reference intervals: the pieces, and as much as the domain before the first and after the last."""
    reach = domain[1] - domain[0]
    before = min(nearest(cuts[0] - reach), np.nextafter(nearest(cuts[0]), -np.inf))
    after = max(nearest(cuts[-1] + reach), np.nextafter(nearest(cuts[-1]), np.inf))
    return list(pairwise([_rational(before, reach), *cuts, _rational(after, reach)]))


def _polynomials(family: Any, coefficients: Any, region: tuple[Any, Any], degree: int) -> list[Polynomial]:
    """The functions on a piece, by powers."""
    low, high = region
    rows = _derivatives(family, low, high, degree)
    return [
        [sum(C[i] * f for i, f in rows[k].items()) * (high - low) ** k / factorial(k) for k in range(degree + 1)]
        for C in coefficients
    ]


@lru_cache(maxsize=1024)
def _derivatives(family: Any, low: Any, high: Any, degree: int) -> list[dict[int, Any]]:
    """All derivatives of the functions in the middle of a piece; kept, as most inputs have the same functions."""
    return [family.functions((low + high) / 2, k) for k in range(degree + 1)]


@quiet()
def pieces_of_polynomials(
    regions: Sequence[tuple[Any, Any]], polynomials: list[list[Polynomial]], end: int | None = None
) -> Pieces:
    """Pieces of polynomials [region][q] on reference intervals one beside another, cut where these meet, at floats."""
    degree = len(polynomials[0][0]) - 1
    beta = [[_bernstein(p) for p in each] for each in polynomials]
    exact, rounded = [], []  # Bernstein coefficients [k][region][q]
    for k in range(degree + 1):
        divisors = [factorial(k) * (high - low) ** k for low, high in regions]
        exact.append([[[c / d for c in b] for b in each] for d, each in zip(divisors, beta, strict=True)])
        rounded.append(np.array([[[_rounded(c) for c in b] for b in each] for each in exact[k]]).transpose(3, 0, 1, 2))
        beta = [[[(degree - k) * (d - c) for c, d in pairwise(b)] for b in each] for each in beta]

    def smoothness(left: int) -> int:
        """The number of continuous derivatives at the right end of a piece."""
        sides = [zip(*table[left : left + 2], strict=True) for table in exact]
        return next((k - 1 for k, pairs in enumerate(sides) if any(a[-1] != b[0] for a, b in pairs)), POLYNOMIAL)

    at, infinity = np.array([nearest(low) for low, _ in regions[1:]]), [np.inf]
    return Pieces(
        np.concatenate([np.negative(infinity), at]),
        np.concatenate([at, infinity]),
        np.array([nearest(low) for low, _ in regions]),
        np.array([nearest(high) for _, high in regions]),
        [middle.copy() for middle, _ in rounded],
        [radius.copy() for _, radius in rounded],
        np.array([*map(smoothness, range(len(at))), POLYNOMIAL]),
        end,
    )


def nearest(c: Any) -> float:
    """The float nearest to a rational number, the largest of all beyond them."""
    try:
        return int(c.numerator) / int(c.denominator)  # Python divides integers with one rounding
    except OverflowError:
        return MAX if c > 0 else -MAX


def _rational(x: float, like: Any) -> Any:
    """A float as the number that it is, of the type of another."""
    return type(like)(*float(x).as_integer_ratio())


def _rounded(c: Any) -> tuple[float, float]:
    """The nearest float, and by how much it may be off: by anything from the largest float on."""
    x = nearest(c)
    return x, 0.0 if c == _rational(x, c) else ulp(x) if abs(x) < MAX else inf


@cache
def _to_bernstein(d: int) -> tuple[list[list[int]], int]:
    """The matrix from powers of z - 1/2 to Bernstein polynomials, as integers over one denominator.

    The coefficient j of (z - 1/2)^k is its blossom at j ones and d - j zeros: an elementary symmetric function.
    """
    rows = range(d + 1)
    common = 2**d * lcm(*(comb(d, k) for k in rows))

    def entry(j: int, k: int) -> int:
        signed = sum((-1) ** (k - i) * comb(j, i) * comb(d - j, k - i) for i in range(k + 1))
        return signed * (common // (comb(d, k) * 2**k))

    return [[entry(j, k) for k in rows] for j in rows], common


def _bernstein(p: Polynomial) -> list[Any]:
    """Coefficients in Bernstein polynomials on [0, 1] of sum_k p_k (z - 1/2)^k."""
    matrix, denominator = _to_bernstein(len(p) - 1)
    return [sum(map(mul, row, p)) / denominator for row in matrix]
