r"""Taylor coefficients of functions of several variables, as intervals: at points, or over boxes.

A value holds, for every monomial x^alpha of degree up to K, intervals of D^alpha f/alpha!. Over a box these enclose the
coefficients at all of its points. With c the centre, x - c in R, and f with n - 1 continuous derivatives the last of
which is piecewise smooth,

    D^alpha f(x)/alpha! = sum_{|beta| < n} binom(alpha + beta, alpha) f_{alpha+beta}(c) (x - c)^beta
                        + sum_{|beta| = n} binom(alpha + beta, alpha) f_{alpha+beta}(box) (x - c)^beta

which exceeds the range by O(width^2) for n = 1 already (mean value form; Moore; Rall and Corliss for higher n).
"""

from collections.abc import Callable, Iterable
from functools import cache, lru_cache, partial, reduce
from itertools import product
from math import comb, factorial, perm, prod
from operator import mul
from typing import NamedTuple

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, joined
from refkan.base import FloatArray, Frozen, IntArray

Index = tuple[int, ...]


@cache
def monomials(variables: int, order: int) -> tuple[Index, ...]:
    """Exponents of all monomials up to a degree, by degree."""
    indices = [index for index in product(range(order + 1), repeat=variables) if sum(index) <= order]
    return tuple(sorted(indices, key=lambda index: (sum(index), tuple(-i for i in index))))


def units(variables: int) -> tuple[Index, ...]:
    """Exponents of the first derivatives, one a variable."""
    return monomials(variables, 1)[1:]


class TaylorIntervals(Frozen):
    """Coefficients by exponent, arrays of one shape; those that are left out are zero.

    Attributes
    ----------
    parts : dict
    order : int
        K.
    """

    parts: dict[Index, Intervals]
    order: int

    @property
    def zero(self) -> Index:
        """The exponent of the constant term."""
        return (0,) * len(next(iter(self.parts)))

    @property
    def value(self) -> Intervals:
        """The constant term."""
        return self.parts[self.zero]

    def map(self, function: Callable[[Intervals], Intervals]) -> "TaylorIntervals":
        """Apply a linear map to every coefficient."""
        return TaylorIntervals({index: function(part) for index, part in self.parts.items()}, self.order)

    def together(self, function: Callable[[Intervals], Intervals]) -> "TaylorIntervals":
        """Apply a linear map of the last axes to every coefficient, to all at once."""
        whole = function(joined(list(self.parts.values()), 0))
        return TaylorIntervals({index: whole[k] for k, index in enumerate(self.parts)}, self.order)

    def __getitem__(self, index: object) -> "TaylorIntervals":
        return self.map(lambda part: part[index])

    def __neg__(self) -> "TaylorIntervals":
        return self.map(lambda part: -part)

    def __add__(self, other: "TaylorIntervals | float | FloatArray") -> "TaylorIntervals":
        if not isinstance(other, TaylorIntervals):
            return TaylorIntervals(self.parts | {self.zero: self.value + Intervals.of(other)}, self.order)
        terms = [*self.parts.items(), *other.parts.items()]
        return TaylorIntervals(_collected(terms), min(self.order, other.order))

    def __sub__(self, other: "TaylorIntervals | float") -> "TaylorIntervals":
        return self + -other

    def __rsub__(self, other: float) -> "TaylorIntervals":
        return -self + other

    def __mul__(self, other: "TaylorIntervals | float | FloatArray | Intervals") -> "TaylorIntervals":
        if not isinstance(other, TaylorIntervals):
            factor = other if isinstance(other, Intervals) else Intervals.of(other)
            return self.map(lambda part: part * factor)
        order = min(self.order, other.order)
        pairs = [(i, j) for i in self.parts for j in other.parts if sum(i) + sum(j) <= order]
        products = _products([self.parts[i] for i, _ in pairs], [other.parts[j] for _, j in pairs])
        terms = [(_sum(*pair), part) for pair, part in zip(pairs, products, strict=True)]
        return TaylorIntervals(_collected(terms), order)

    __radd__, __rmul__ = __add__, __mul__

    def __pow__(self, power: int) -> "TaylorIntervals":
        if power == 0:
            return self * 0.0 + 1.0
        return reduce(mul, [self] * power)

    def composed(self, coefficients: list[Intervals]) -> "TaylorIntervals":
        """Return f of this number, from enclosures of f^(k)/k! over its constant term, k = 0, ..., K."""
        total = TaylorIntervals({self.zero: coefficients[0]}, self.order)
        power = departure = TaylorIntervals({i: part for i, part in self.parts.items() if any(i)}, self.order)
        for k, c in enumerate(coefficients[1:]):
            power = power * departure if k else departure
            if power.parts:
                total = total + power.together(partial(mul, c))
        return total

    def exp(self) -> "TaylorIntervals":
        """The exponential function."""
        return self._with_derivatives([self.value.exp()])

    def sin(self) -> "TaylorIntervals":
        """The sine."""
        s, c = self.value.sin(), self.value.cos()
        return self._with_derivatives([s, c, -s, -c])

    def cos(self) -> "TaylorIntervals":
        """The cosine."""
        s, c = self.value.sin(), self.value.cos()
        return self._with_derivatives([c, -s, -c, s])

    def _with_derivatives(self, cycle: list[Intervals]) -> "TaylorIntervals":
        """A function of this number, from its derivatives, which repeat."""
        one, orders = Intervals.of(1.0), range(self.order + 1)
        return self.composed([cycle[k % len(cycle)] * one.over(Intervals.of(float(factorial(k)))) for k in orders])

    def derivative(self, index: Index) -> "TaylorIntervals":
        """The derivative D^index, as Taylor number of lower order."""
        parts = {self.zero: Intervals.of(np.zeros_like(self.value.lo))}
        for i, part in self.parts.items():
            lower = tuple(a - b for a, b in zip(i, index, strict=True))
            if min(lower) >= 0:
                factor = prod(perm(a, b) for a, b in zip(i, index, strict=True))
                parts[lower] = part * Intervals.of(float(factor)) if factor > 1 else part
        return TaylorIntervals(parts, self.order - sum(index))


def _collected(terms: Iterable[tuple[Index, Intervals]]) -> dict[Index, Intervals]:
    """The sums of parts of one exponent."""
    parts: dict[Index, Intervals] = {}
    for index, part in terms:
        parts[index] = parts[index] + part if index in parts else part
    return parts


def _products(left: list[Intervals], right: list[Intervals]) -> list[Intervals]:
    """Products of many pairs: at once, each side of one shape."""
    if not left:
        return []
    whole = joined(left, 0) * joined(right, 0)
    return [whole[k] for k in range(len(left))]


def _sum(i: Index, j: Index) -> Index:
    return tuple(a + b for a, b in zip(i, j, strict=True))


def variables(points: Intervals, order: int) -> list[TaylorIntervals]:
    """The variables x_p at points or boxes (B, P): Taylor numbers of shape (B,)."""
    ones = Intervals.of(np.ones_like(points.lo[:, 0]))
    zero, *firsts = monomials(points.lo.shape[1], 1)
    return [TaylorIntervals({zero: points[:, p], unit: ones}, order) for p, unit in enumerate(firsts)]


class Expansion(NamedTuple):
    """A function around the centres of boxes.

    Attributes
    ----------
    centre, over : TaylorIntervals
        Of arrays (B, ...), at the centres and over the boxes.
    reach : Intervals
        x - c, (B, P).
    smoothness : array (B,)
        Number of continuous derivatives of the function on each box.
    """

    centre: TaylorIntervals
    over: TaylorIntervals
    reach: Intervals
    smoothness: IntArray

    def coefficient(self, index: Index) -> Intervals:
        """The coefficient at the centres."""
        zero = Intervals.of(np.zeros_like(self.centre.value.lo))
        return self.centre.parts.get(index, zero)

    def map(self, function: Callable[[TaylorIntervals, Intervals], TaylorIntervals], boxes: Intervals) -> "Expansion":
        """Apply a function of Taylor numbers, and of the points or boxes where they are."""
        centre = function(self.centre, Intervals.of(boxes.middle))
        return self._replace(centre=centre, over=function(self.over, boxes))


def narrowed(expansion: Expansion, index: Index) -> Intervals:
    """Enclose a coefficient over boxes: the natural enclosure met with the Taylor forms of all orders that hold."""
    centre, over, reach = expansion.centre.parts, expansion.over.parts, expansion.reach
    zero, size = Intervals.of(np.zeros_like(expansion.over.value.lo)), sum(index)
    result, form = over.get(index, zero), centre.get(index, zero)
    for n in range(1, expansion.over.order - size + 1):
        holds = expansion.smoothness >= size + n - 1
        if holds.any():
            taylor = sum(_terms(over, reach, index, n), form)
            result = result.meet(taylor.where(holds.reshape(-1, *(1,) * (zero.lo.ndim - 1))))
        if n < expansion.over.order - size:
            form = sum(_terms(centre, reach, index, n), form)
    return result


def _terms(parts: dict[Index, Intervals], reach: Intervals, index: Index, n: int) -> list[Intervals]:
    """Summands of degree n of a Taylor form of a coefficient, without those that are zero."""
    betas = [b for b in monomials(len(index), n) if sum(b) == n and _sum(index, b) in parts]
    coefficients = [parts[_sum(index, beta)] for beta in betas]
    return _products(
        coefficients,
        [
            _power(reach, index, beta).reshape(-1, *(1,) * (c.lo.ndim - 1))
            for beta, c in zip(betas, coefficients, strict=True)
        ],
    )


def influence(expansion: Expansion, order: int) -> FloatArray:
    """How much derivatives of an order move along each input within its box, about: what halving it gains, (B, P)."""
    widths = expansion.reach.hi - expansion.reach.lo
    weights = np.zeros_like(widths)
    for index, part in expansion.over.parts.items():
        if sum(index) > order:
            size = part.magnitude.reshape(len(widths), -1).max(axis=1)
            inputs = [p for p, exponent in enumerate(index) for _ in range(exponent)]
            for k, p in enumerate(inputs):
                others = inputs[:k] + inputs[k + 1 :]
                weights[:, p] += size * widths[:, p] * np.prod(widths[:, others[order:]], axis=1)
    return weights


@lru_cache(maxsize=128)
def _power(reach: Intervals, index: Index, beta: Index) -> Intervals:
    """binom(index + beta, index) (x - c)^beta, (B,); kept, as every layer asks for it again."""
    factors = []
    for p, exponent in enumerate(beta):
        x = reach[:, p]
        factors += [x.squared()] * (exponent // 2) + [x] * (exponent % 2)
    binomial = prod(comb(a + b, a) for a, b in zip(index, beta, strict=True))
    return reduce(mul, factors if binomial == 1 else [Intervals.of(float(binomial)), *factors])
