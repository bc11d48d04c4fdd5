r"""Extremes of functions over a box with proof, by subdivision: branch and bound, the largest gap first.

Every box has an enclosure of the function, and values at points in it say what is attained. A box whose enclosure could
pass what is attained by more than the tolerance is halved along the input that moves the function most, those first
that could pass it most; the others need not be. (Moore, Kearfott and Cloud, Introduction to Interval Analysis, 2009.)
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, concatenated, in_tasks, quiet, require_order
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, influence, narrowed
from refkan.base import FloatArray, Frozen, IntArray

CHUNK = 2048, 64
"""Boxes evaluated at once, and in a task of an executor."""

BATCH = 256
"""Boxes halved before those that could pass most are chosen again."""

NEARLY = 0.5
"""Boxes of gaps down to this part of the largest are halved at once."""

FEWEST = 32
"""Boxes that a step makes at least, if the budget allows: so many take hardly longer than two."""

CORNERS = 4
"""Inputs up to which the corners of promising boxes are tried: extremes often lie there."""

NORMAL = float(np.finfo(np.float64).tiny)
"""The smallest normal number."""

LEVEL = 2.0**-20
"""The part of the largest value that a range counts as at least, when a tolerance is relative to it: a millionth."""


class Evaluation(NamedTuple):
    """C quantities over boxes (B, P).

    Attributes
    ----------
    over, inside : Intervals (B, C)
        Over each box, and at a point of it.
    weights : array (B, P) or None
        How much the quantities move along each input, any scale; the widths if there are none.
    """

    over: Intervals
    inside: Intervals
    weights: FloatArray | None = None

    @classmethod
    def of_value(cls, f: Expansion) -> "Evaluation":
        """One quantity, a function that is expanded around the centres of boxes."""
        return cls(narrowed(f, f.over.zero)[:, None], f.centre.value[:, None], influence(f, 0))


Quantities = Callable[[Intervals], Evaluation]
"""Boxes (B, P) -> C quantities over them."""

Slack = Callable[[FloatArray, FloatArray], Any]
"""(least, greatest values attained) -> by how much bounds may exceed them, (C) or a number."""


def of_range(tolerance: float) -> Slack:
    """Relative to the range attained; of values that are nearly constant, to a millionth of the largest."""

    def slack(low: FloatArray, high: FloatArray) -> FloatArray:
        size = np.maximum(np.abs(low), np.abs(high))
        half = 0.5 * high - 0.5 * low  # the range itself may overflow, and an infinite slack would hold for any bound
        return np.fmax(2.0 * (tolerance * np.fmax(half, 0.5 * LEVEL * size)), NORMAL)

    return slack


def of_greatest(tolerance: float) -> Slack:
    """Relative to the greatest value, down to the smallest normal number: below it float64 has no relative accuracy."""
    return lambda low, high: np.fmax(tolerance * np.fmax(high, 0.0), NORMAL)


def absolute(tolerance: float) -> Slack:
    """As it is."""
    return lambda low, high: tolerance


class Progress(Frozen, eq=True):
    """What `progress` is told of a subdivision; as text, a line about it.

    Attributes
    ----------
    boxes, budget : int
        How many were evaluated, and how many may be.
    attained, bound : float
        Of the quantity that is furthest from its tolerance: the greatest (or least) value attained, and its bound.
    """

    boxes: int
    budget: int
    attained: float
    bound: float

    def __str__(self) -> str:
        return f"{self.boxes} of {self.budget} boxes: {self.attained:.6g} attained, bound {self.bound:.6g}"


class Range(NamedTuple):
    """Ranges of C quantities over a box.

    Attributes
    ----------
    outer : Intervals (C,)
        They hold every value; from -infinity on where the greatest ones alone are sought.
    inner : Intervals (C,)
        The least is at most inner.lo, the greatest at least inner.hi: values that are attained, enclosed.
    boxes : int
        How many were evaluated.
    reached : bool
        Whether the ends of `outer` are attained but for the tolerance.
    """

    outer: Intervals
    inner: Intervals
    boxes: int
    reached: bool


class Proven(tuple[Any, Any]):
    """Two results, ``low, high = result``, which hold in any case, and whether they reached the tolerance.

    Attributes
    ----------
    reached : bool
        Whether they are within the tolerance of one another.
    boxes : int
        How many boxes were evaluated.
    remedy : str
        What to do for closer ones, empty if they were reached.

    Examples
    --------
    >>> import refkan as rk
    >>> net, theta = rk.kan([1, 1, 1], 4, 2, node_map="none"), [0, 1, -2, 1, 3, 0, 2, -1, 1, 0]
    >>> bounds = rk.exact.lipschitz_constant(net, theta, [[0.0, 1.0]], budget=1)
    >>> bounds.reached, bounds.remedy
    (False, 'budget = 1 boxes do not suffice for tolerance = 0.001: raise one of them')
    """

    reached: bool
    boxes: int
    remedy: str

    def __new__(cls, results: Any, reached: bool = True, boxes: int = 0, remedy: str = "") -> "Proven":
        """Join two results."""
        self = super().__new__(cls, results)
        self.reached, self.boxes, self.remedy = reached, boxes, remedy
        return self

    @classmethod
    def by(cls, results: Any, ranges: Sequence[Range], tolerance: float, budget: int) -> "Proven":
        """Results of subdivisions that share a budget."""
        reached = all(each.reached for each in ranges)
        remedy = f"budget = {budget} boxes do not suffice for tolerance = {tolerance}: raise one of them"
        return cls(results, reached, sum(each.boxes for each in ranges), "" if reached else remedy)


@quiet()
def range_over(
    quantities: Quantities,
    box: FloatArray,
    slack: Slack | None,
    budget: int,
    greatest: bool = False,
    points: FloatArray | None = None,
    report: Callable[[Any], Any] | None = None,
    executor: Executor | None = None,
) -> Range:
    """Enclose ranges over a box (P, 2); one evaluation without `slack`.

    With greatest=True the greatest values alone are sought. `points` (K, P) of the box are tried first. With an
    executor of processes `quantities` are a function of a module, or a partial of one.
    """
    pool = _Pool(quantities, box, greatest, executor)
    reached = False
    while slack is not None:
        gaps = pool.gaps(slack)
        pool.put_aside(gaps <= 1)
        if not pool.boxes.lo.size:
            reached = not pool.stuck
            break
        gaps = gaps[gaps > 1]
        chosen = most_promising(gaps, min(BATCH, (budget - pool.count) // 2))
        if not chosen.size:
            break
        if report is not None:
            report(pool.progress(budget, int(chosen[0])))
        pool.halve(chosen, budget, pool.corners(chosen) if points is None else points)
        points = None
    outer = _hull(pool.aside, pool.over)
    if greatest:  # where the least values may lie is not halved
        outer = Intervals(np.full_like(outer.lo, -np.inf), outer.hi)
    require_order(outer.lo, pool.low)
    require_order(pool.high, outer.hi)
    return Range(outer, Intervals(pool.low, pool.high), pool.count, reached)


def most_promising(gaps: FloatArray, most: int) -> IntArray:
    """Boxes of gaps down to a part of the largest, those first."""
    order = np.argsort(-gaps, kind="stable")[:most]
    return order[gaps[order] >= NEARLY * gaps.max(initial=0.0)]


class _Pool:
    """Boxes (B, P) that may hold extremes, C quantities over them, and what is attained: low and high (C)."""

    def __init__(self, quantities: Quantities, box: FloatArray, greatest: bool, executor: Executor | None) -> None:
        self.quantities, self.greatest, self.executor = quantities, greatest, executor
        self.boxes = Intervals(box[None, :, 0].copy(), box[None, :, 1].copy())
        self.low, self.high, self.count, self.stuck = np.array(np.inf), np.array(-np.inf), 0, False
        self.over, self.weights = self.evaluated(self.boxes, np.empty((0, len(box))))
        nothing = np.full(self.over.lo.shape[1], np.inf)
        self.aside = Intervals(nothing, -nothing)

    def evaluated(self, boxes: Intervals, points: FloatArray) -> tuple[Intervals, FloatArray]:
        """Evaluate boxes, and points as boxes of no width: what these attain counts alone."""
        n, everything = boxes.lo.shape[0], concatenated([boxes, Intervals(points, points)])
        parts = in_tasks(self.quantities, (everything,), len(everything.lo), CHUNK, self.executor)
        over, inside = (concatenated([part[which] for part in parts]) for which in (0, 1))
        self.low = np.minimum(self.low, inside.hi.min(axis=0))
        self.high = np.maximum(self.high, inside.lo.max(axis=0))
        self.count += n
        widths = boxes.hi - boxes.lo
        weights = widths if parts[0].weights is None else np.concatenate([part.weights for part in parts])[:n]
        weights = np.where(np.isfinite(weights).all(axis=1, keepdims=True) & (weights > 0), weights, widths)
        return over[:n], weights

    def gaps(self, slack: Slack) -> FloatArray:
        """By how many times the slack each box (B) could pass what is attained; infinite for what is not a number."""
        allowed = slack(self.low, self.high)
        gaps = (self.over.hi - self.high) / allowed
        if not self.greatest:
            gaps = np.maximum(gaps, (self.low - self.over.lo) / allowed)
        return np.where(np.isnan(gaps), np.inf, gaps).max(axis=1, initial=-np.inf)

    def put_aside(self, boxes: Any) -> None:
        """Keep the bounds of boxes, and no more of them."""
        self.aside = _hull(self.aside, self.over[boxes])
        self.boxes, self.over, self.weights = self.boxes[~boxes], self.over[~boxes], self.weights[~boxes]

    def corners(self, chosen: IntArray) -> FloatArray:
        """Corners of the most promising boxes, in few dimensions."""
        lo, hi = (end[chosen[:4]] for end in (self.boxes.lo, self.boxes.hi))
        P = lo.shape[1]
        if P > CORNERS:
            return lo[:0]
        return np.concatenate([np.where(np.array(sides), hi, lo) for sides in product((False, True), repeat=P)])

    def halve(self, chosen: IntArray, budget: int, points: FloatArray) -> None:
        """Put the parts of boxes in their place."""
        parents, parts, weights = self.over[chosen], self.boxes[chosen], self.weights[chosen]
        origin = np.arange(chosen.size)
        while True:
            parts, weights, source = _halved(parts, weights)
            origin = origin[source]
            if len(source) >= FEWEST or 2 * len(source) > budget - self.count or len(source) == len(np.unique(source)):
                break
        kept = np.ones(self.boxes.lo.shape[0], dtype=bool)
        kept[chosen] = False
        self.boxes, self.over, self.weights = self.boxes[kept], self.over[kept], self.weights[kept]
        whole = np.bincount(origin)[origin] == 1  # no float lies inside
        if whole.any():
            self.stuck = True
            self.aside = _hull(self.aside, parents[origin[whole]])
            parts, origin = parts[~whole], origin[~whole]
            if not origin.size:
                return
        over, weights = self.evaluated(parts, points)
        over = over.meet(parents[origin])
        self.boxes, self.over = concatenated([self.boxes, parts]), concatenated([self.over, over])
        self.weights = np.concatenate([self.weights, weights])

    def progress(self, budget: int, worst: int) -> Progress:
        """How far it is, by the box of the largest gap."""
        sides = [(self.high, self.over.hi[worst])] + [(self.low, self.over.lo[worst])] * (not self.greatest)
        attained, bounds = max(sides, key=lambda side: np.abs(side[1] - side[0]).max())
        q = int(np.argmax(np.abs(bounds - attained)))
        return Progress(self.count, budget, float(attained[q]), float(bounds[q]))


def _halved(boxes: Intervals, weights: FloatArray) -> tuple[Intervals, FloatArray, IntArray]:
    """Halves of boxes along their inputs of largest weight, beside one another, and where they come from.

    Boxes that no float halves along any input stay as they are.
    """
    middle = boxes.middle
    inside = np.array((boxes.lo < middle) & (middle < boxes.hi))
    axis, splits = np.where(inside, weights, -1.0).argmax(axis=1), np.array(inside.any(axis=1))
    source = np.repeat(np.arange(axis.size), 1 + splits)
    second = np.concatenate([[False], source[1:] == source[:-1]])
    lo, hi, weights = boxes.lo[source], boxes.hi[source], weights[source]
    for end, rows in ((hi, splits[source] & ~second), (lo, second)):
        end[rows, axis[source[rows]]] = middle[source[rows], axis[source[rows]]]
    weights[splits[source], axis[source[splits[source]]]] *= 0.5
    return Intervals(lo, hi), weights, source


def _hull(known: Intervals, more: Intervals) -> Intervals:
    """From the least to the greatest of rows (C) and (B, C)."""
    lo, hi = more.lo.min(axis=0, initial=np.inf), more.hi.max(axis=0, initial=-np.inf)
    return Intervals(np.minimum(known.lo, lo), np.maximum(known.hi, hi))
