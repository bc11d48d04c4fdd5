r"""Taylor coefficients of functions of several variables, as intervals: at points, or over boxes.

A value holds, for every monomial x^alpha of degree up to K, intervals of D^alpha f/alpha!. Over a box these enclose the
coefficients at all of its points. With c the centre, x - c in R, and f with n - 1 continuous derivatives the last of
which is piecewise smooth,

    D^alpha f(x)/alpha! = sum_{|beta| < n} binom(alpha + beta, alpha) f_{alpha+beta}(c) (x - c)^beta
                        + sum_{|beta| = n} binom(alpha + beta, alpha) f_{alpha+beta}(box) (x - c)^beta

which exceeds the range by O(width^2) for n = 1 already (mean value form; Moore; Rall and Corliss for higher n).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, reduce
from itertools import product
from math import comb, factorial
from operator import mul

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.base.array_types import FloatArray, IntArray
from refkan.base.short_reprs import ShortRepr

Index = tuple[int, ...]


@cache
def monomials(variables: int, order: int) -> tuple[Index, ...]:
    """Exponents of all monomials up to a degree, by degree."""
    indices = [index for index in product(range(order + 1), repeat=variables) if sum(index) <= order]
    return tuple(sorted(indices, key=lambda index: (sum(index), tuple(-i for i in index))))


def units(variables: int) -> tuple[Index, ...]:
    """Exponents of the first derivatives, one a variable."""
    return monomials(variables, 1)[1:]


@dataclass(frozen=True, eq=False)
class TaylorIntervals(ShortRepr):
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

    def __getitem__(self, index: object) -> "TaylorIntervals":
        return self.map(lambda part: part[index])

    def __neg__(self) -> "TaylorIntervals":
        return self.map(lambda part: -part)

    def __add__(self, other: "TaylorIntervals | float") -> "TaylorIntervals":
        if not isinstance(other, TaylorIntervals):
            return TaylorIntervals(self.parts | {self.zero: self.value + Intervals.of(other)}, self.order)
        parts = dict(self.parts)
        for index, part in other.parts.items():
            parts[index] = parts[index] + part if index in parts else part
        return TaylorIntervals(parts, min(self.order, other.order))

    def __sub__(self, other: "TaylorIntervals | float") -> "TaylorIntervals":
        return self + -other

    def __rsub__(self, other: float) -> "TaylorIntervals":
        return -self + other

    def __mul__(self, other: "TaylorIntervals | float | Intervals") -> "TaylorIntervals":
        if not isinstance(other, TaylorIntervals):
            factor = other if isinstance(other, Intervals) else Intervals.of(other)
            return self.map(lambda part: part * factor)
        parts: dict[Index, Intervals] = {}
        order = min(self.order, other.order)
        for i, a in self.parts.items():
            for j, b in other.parts.items():
                index = tuple(map(sum, zip(i, j, strict=True)))
                if sum(index) <= order:
                    parts[index] = parts[index] + a * b if index in parts else a * b
        return TaylorIntervals(parts, order)

    __radd__, __rmul__ = __add__, __mul__

    def departure(self) -> "TaylorIntervals":
        """The part without constant term."""
        return TaylorIntervals({i: part for i, part in self.parts.items() if any(i)}, self.order)

    def composed(self, coefficients: list[Intervals]) -> "TaylorIntervals":
        """Return f of this number, from enclosures of f^(k)/k! over its constant term, k = 0, ..., K."""
        parts = {self.zero: coefficients[0]}
        d = self.departure()
        power = d
        for c in coefficients[1:]:
            if not d.parts:
                break
            for index, part in power.parts.items():
                parts[index] = parts[index] + c * part if index in parts else c * part
            power = power * d
        return TaylorIntervals(parts, self.order)

    def exp(self) -> "TaylorIntervals":
        """The exponential function."""
        value = self.value.exp()
        return self.composed([value * _reciprocal_factorial(k) for k in range(self.order + 1)])

    def sin(self) -> "TaylorIntervals":
        """The sine."""
        s, c = self.value.sin(), self.value.cos()
        return self.composed([(s, c, -s, -c)[k % 4] * _reciprocal_factorial(k) for k in range(self.order + 1)])

    def cos(self) -> "TaylorIntervals":
        """The cosine."""
        s, c = self.value.sin(), self.value.cos()
        return self.composed([(c, -s, -c, s)[k % 4] * _reciprocal_factorial(k) for k in range(self.order + 1)])

    def derivative(self, index: Index) -> "TaylorIntervals":
        """The derivative D^index, as Taylor number of lower order."""
        parts = {}
        for i, part in self.parts.items():
            lower = tuple(a - b for a, b in zip(i, index, strict=True))
            if min(lower) >= 0:
                factor = reduce(mul, (factorial(a) // factorial(b) for a, b in zip(i, lower, strict=True)), 1)
                parts[lower] = part * Intervals.of(float(factor)) if factor > 1 else part
        if self.zero not in parts:
            parts[self.zero] = Intervals.of(np.zeros_like(self.value.lo))
        return TaylorIntervals(parts, self.order - sum(index))


def _reciprocal_factorial(k: int) -> Intervals:
    return Intervals.of(1.0).over(Intervals.of(float(factorial(k))))


def variables(points: Intervals, order: int) -> list[TaylorIntervals]:
    """The variables x_p at points or boxes (B, P): Taylor numbers of shape (B,)."""
    ones = Intervals.of(np.ones_like(points.lo[:, 0]))
    zero, *firsts = monomials(points.lo.shape[1], 1)
    return [TaylorIntervals({zero: points[:, p], unit: ones}, order) for p, unit in enumerate(firsts)]


@dataclass(frozen=True, eq=False)
class Expansion(ShortRepr):
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
        return replace(self, centre=centre, over=function(self.over, boxes))


def narrowed(expansion: Expansion, index: Index) -> Intervals:
    """Enclose a coefficient over boxes: the natural enclosure met with the Taylor forms of all orders that hold."""
    centre, box, reach = expansion.centre, expansion.over, expansion.reach
    zero = Intervals.of(np.zeros_like(centre.value.lo))
    result = box.parts.get(index, zero)
    trailing = (1,) * (zero.lo.ndim - 1)
    total, size = zero, sum(index)
    for n in range(box.order - size + 1):
        level = [beta for beta in monomials(len(index), n) if sum(beta) == n]
        terms = []
        for beta in level:
            target = tuple(map(sum, zip(index, beta, strict=True)))
            if target in box.parts:
                terms.append((target, beta))
        holds = expansion.smoothness >= size + n - 1
        if n and holds.any():
            form = total
            for target, beta in terms:
                form = form + box.parts[target] * _power(reach, index, beta, trailing)
            result = result.meet(form.where(holds.reshape(-1, *trailing)))
        for target, beta in terms:
            if target in centre.parts:
                total = total + centre.parts[target] * _power(reach, index, beta, trailing)
    return result


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


def _power(reach: Intervals, index: Index, beta: Index, trailing: tuple[int, ...]) -> Intervals:
    """binom(index + beta, index) (x - c)^beta."""
    factor = reduce(mul, (comb(a + b, a) for a, b in zip(index, beta, strict=True)), 1)
    result = Intervals.of(np.full((reach.lo.shape[0], *trailing), float(factor)))
    for p, exponent in enumerate(beta):
        x = reach[:, p].reshape(-1, *trailing)
        for _ in range(exponent // 2):
            result = result * x.squared()
        if exponent % 2:
            result = result * x
    return result
