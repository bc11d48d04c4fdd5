r"""Formulas c f(a z + b) + d in place of functions on edges: Taylor numbers of them, and their distance from the edges.

The distance of an edge s from a formula g over a range is enclosed by subdivision. Over a part of length 2h around m,

    |s - g|  <=  |s(m) - g(m)| + |s'(m) - g'(m)| h + sup |s'' - g''| h^2/2,

or the ranges of s and g give less. On a part that contains a knot, the polynomials on both sides of it count.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import SLACK, Intervals, down, quiet, up
from refkan.analysis.exact.enclosures.scalar_functions import tanh
from refkan.analysis.exact.enclosures.subdivision import Evaluation, of_greatest, range_over
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, influence, narrowed
from refkan.base import FloatArray

PARTS = 400
"""Parts of a range that the enclosure of a distance may evaluate."""

CLOSE = 0.02
"""The share of a distance by which its enclosure may exceed it, if the parts suffice."""

LARGE_SHIFT = 30.0
"""A shift b that stays in exp(a z + b), whose factor exp(b) is far from 1."""

OfInterval = Callable[[Intervals, int], Any]
"""(intervals (B,), K) -> enclosures of f^(k)/k! up to K, and the number of continuous derivatives (B,)."""


class ListedFunction(NamedTuple):
    """A function f of formulas.

    Attributes
    ----------
    text : str
        How it is written.
    normal : callable
        (a, b) -> constants with which c f(a z + b) + d are the same functions, and simpler.
    of_floats : callable
    of_taylor : callable
        Of Taylor numbers up to order 2.
    """

    text: str
    normal: Callable[[float, float], tuple[float, float]]
    of_floats: Callable[[FloatArray], FloatArray]
    of_taylor: Callable[[TaylorIntervals], TaylorIntervals]


def _derivatives(u: TaylorIntervals, *coefficients: Intervals) -> TaylorIntervals:
    return u.composed(list(coefficients[: u.order + 1]))


@quiet()
def _sqrt(u: TaylorIntervals) -> TaylorIntervals:
    """The square root; everything where the argument may be negative."""
    root = Intervals(down(np.sqrt(u.value.lo)), up(np.sqrt(u.value.hi)))
    slope = Intervals.of(0.5).over(root)
    return _derivatives(u, root, slope, slope * slope.over(u.value) * Intervals.of(-0.5) * root)


@quiet()
def _log(u: TaylorIntervals) -> TaylorIntervals:
    """The logarithm; everything where the argument may be negative. It is as accurate in floats as exp."""
    low, high = np.log(u.value.lo), np.log(u.value.hi)
    value = Intervals(down(low - SLACK * np.abs(low)), up(high + SLACK * np.abs(high)))
    slope = Intervals.of(1.0).over(u.value)
    return _derivatives(u, value, slope, slope * slope * Intervals.of(-0.5))


def _reciprocal(u: TaylorIntervals) -> TaylorIntervals:
    first = Intervals.of(1.0).over(u.value)
    return _derivatives(u, first, -(first * first), first * first * first)


def _unit_slope(a: float, b: float) -> tuple[float, float]:
    return 1.0, b / a


def _unit_size(a: float, b: float) -> tuple[float, float]:
    return float(np.copysign(1.0, a)), b / abs(a)


def _no_shift(a: float, b: float) -> tuple[float, float]:
    if abs(b) < LARGE_SHIFT:
        return a, 0.0
    return a, b


def _unchanged(a: float, b: float) -> tuple[float, float]:
    return a, b


LISTED = {
    "x": ListedFunction("{}", lambda a, b: (1.0, 0.0), lambda u: u, lambda u: u),
    "x^2": ListedFunction("({})^2", _unit_slope, np.square, lambda u: u * u),
    "x^3": ListedFunction("({})^3", _unit_slope, lambda u: u**3, lambda u: u * u * u),
    "exp": ListedFunction("exp({})", _no_shift, np.exp, TaylorIntervals.exp),
    "log": ListedFunction("log({})", _unit_size, np.log, _log),
    "sqrt": ListedFunction("sqrt({})", _unit_size, np.sqrt, _sqrt),
    "1/x": ListedFunction("1/({})", _unit_slope, np.reciprocal, _reciprocal),
    "sin": ListedFunction("sin({})", _unchanged, np.sin, TaylorIntervals.sin),
    "tanh": ListedFunction("tanh({})", _unchanged, np.tanh, lambda u: u.composed(tanh(u.value, u.order)[0])),
    "exp(-x^2)": ListedFunction("exp(-({})^2)", _unchanged, lambda u: np.exp(-(u**2)), lambda u: (-(u * u)).exp()),
}
"""Functions f of formulas c f(a z + b) + d, simpler ones first."""


class EdgeFormula(NamedTuple):
    """z -> c f(a z + b) + d; the constants are the floats that they are."""

    function: str
    a: float
    b: float
    c: float
    d: float

    def of_floats(self, z: FloatArray) -> FloatArray:
        """The values, in floats."""
        return self.c * LISTED[self.function].of_floats(self.a * z + self.b) + self.d

    def of_intervals(self, z: Intervals, order: int) -> list[Intervals]:
        """Enclosures of g^(k)/k! over intervals (B,), k = 0, ..., order, which is at most 2."""
        variable = TaylorIntervals({(0,): z, (1,): Intervals.of(np.ones_like(z.lo))}, order)
        values = LISTED[self.function].of_taylor(variable * self.a + self.b) * self.c + self.d
        return [values.parts.get((k,), Intervals.of(np.zeros_like(z.lo))) for k in range(order + 1)]


def distance_from(formula: EdgeFormula, edge: OfInterval, low: float, high: float) -> float:
    """Bound |s(z) - g(z)| for all z in [low, high]; infinite where the formula has no value."""
    over = range_over(partial(_apart, formula, edge), np.array([[low, high]]), of_greatest(CLOSE), PARTS, greatest=True)
    return float(over.outer.hi[0])


def _apart(formula: EdgeFormula, edge: OfInterval, parts: Intervals) -> Evaluation:
    """The distance over parts (B, 1), and at their middles."""
    middles = Intervals.of(parts.middle)
    centre, _ = _difference(formula, edge, middles[:, 0], 1)
    over, smoothness = _difference(formula, edge, parts[:, 0], 2)
    expansion = Expansion(centre, over, parts - middles, smoothness)
    sizes = (narrowed(expansion, (0,)).absolute()[:, None], centre.value.absolute()[:, None])
    return Evaluation(*sizes, influence(expansion, 0))


def _difference(formula: EdgeFormula, edge: OfInterval, z: Intervals, order: int) -> tuple[TaylorIntervals, Any]:
    s, smoothness = edge(z, order)
    pairs = zip(s, formula.of_intervals(z, order), strict=True)
    return TaylorIntervals({(k,): left - right for k, (left, right) in enumerate(pairs)}, order), smoothness
