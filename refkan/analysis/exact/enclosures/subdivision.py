r"""Extremes of functions over a box with proof, by subdivision: many boxes at once.

Every box has an enclosure of the function, and values at points in it say what is attained. Boxes whose enclosure could
pass what is attained by more than the tolerance are halved along all axes; the others need not be. (Branch and bound;
Moore, Kearfott and Cloud, Introduction to Interval Analysis, 2009.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, quiet, require_order
from refkan.base.array_types import FloatArray
from refkan.base.short_reprs import ShortRepr

Quantities = Callable[[Intervals], tuple[Intervals, Intervals]]
"""Boxes (B, P) -> enclosures (B, C) over them, and at their centres."""

CHUNK = 2048
"""Boxes evaluated at once."""

NORMAL = float(np.finfo(np.float64).tiny)
"""The smallest normal number."""


@dataclass(frozen=True, eq=False)
class Range(ShortRepr):
    """Ranges of C quantities over a box.

    Attributes
    ----------
    outer : Intervals (C,)
        They hold every value.
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
    """Two results, ``low, high = result``, which hold in any case, and how far they came.

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

    def __new__(cls, results: Any, reached: bool = True, boxes: int = 0, remedy: str = "") -> Proven:
        """Join two results."""
        self = super().__new__(cls, results)
        self.reached, self.boxes, self.remedy = reached, boxes, remedy
        return self

    @classmethod
    def by(cls, results: Any, subdivision: Range, tolerance: float, budget: int) -> Proven:
        """Results of a subdivision."""
        remedy = f"budget = {budget} boxes do not suffice for tolerance = {tolerance}: raise one of them"
        return cls(results, subdivision.reached, subdivision.boxes, "" if subdivision.reached else remedy)


@quiet()
def range_over(
    quantities: Quantities,
    box: FloatArray,
    tolerance: float | None,
    budget: int,
    greatest: bool = False,
    relative: bool = False,
) -> Range:
    """Enclose ranges over a box (P, 2); one evaluation if there is no tolerance.

    With greatest=True the tolerance is one of the greatest values alone; with relative=True it is relative to what is
    attained, down to the smallest normal number, below which float64 has no relative accuracy.
    """
    boxes = Intervals(box[None, :, 0].copy(), box[None, :, 1].copy())
    outer, attained = _evaluated(quantities, boxes)
    inner_low, inner_high = attained.hi.min(axis=0), attained.lo.max(axis=0)
    retired_low, retired_high = np.full(inner_low.shape, np.inf), np.full(inner_low.shape, -np.inf)
    count, reached = 1, False
    while tolerance is not None:
        inner_low, inner_high = _corners(quantities, boxes, outer, inner_low, inner_high)
        slack: FloatArray | float = tolerance
        if relative:
            slack = np.maximum(tolerance * np.maximum(inner_high, 0.0), NORMAL)
        above, below = outer.hi > inner_high + slack, outer.lo < inner_low - slack
        active = (above if greatest else above | below).any(axis=1)
        retired_low, retired_high = _with(retired_low, retired_high, outer[~active])
        boxes, outer = boxes[active], outer[active]
        if not active.any():
            reached = True
            break
        children = _halved(boxes)
        if count + children.lo.shape[0] > budget or not _splits(boxes, children):
            break
        count += children.lo.shape[0]
        parents = outer
        outer, attained = _evaluated(quantities, children)
        repeated = 2 ** box.shape[0]
        outer = outer.meet(parents[np.repeat(np.arange(parents.lo.shape[0]), repeated)])
        inner_low = np.minimum(inner_low, attained.hi.min(axis=0))
        inner_high = np.maximum(inner_high, attained.lo.max(axis=0))
        boxes = children
    low, high = _with(retired_low, retired_high, outer)
    require_order(low, inner_low)
    require_order(inner_high, high)
    return Range(Intervals(low, high), Intervals(inner_low, inner_high), count, reached)


def _evaluated(quantities: Quantities, boxes: Intervals) -> tuple[Intervals, Intervals]:
    """Evaluate in chunks."""
    chunks = [quantities(boxes[first : first + CHUNK]) for first in range(0, boxes.lo.shape[0], CHUNK)]
    outer, inner = (
        Intervals(np.concatenate([part.lo for part in parts]), np.concatenate([part.hi for part in parts]))
        for parts in zip(*chunks, strict=True)
    )
    return outer, inner


def _corners(
    quantities: Quantities, boxes: Intervals, outer: Intervals, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Improve what is attained by the corners of the most promising boxes: extremes often lie on the boundary."""
    if not boxes.lo.shape[0]:
        return low, high
    chosen = np.unique(np.concatenate([outer.lo.argmin(axis=0), outer.hi.argmax(axis=0)]))[:64]
    ends = boxes.lo[chosen], boxes.hi[chosen]
    points = [
        np.stack([ends[side][:, p] for p, side in enumerate(sides)], axis=1)
        for sides in product((0, 1), repeat=boxes.lo.shape[1])
    ]
    _, attained = _evaluated(quantities, Intervals.of(np.concatenate(points)))
    return np.minimum(low, attained.hi.min(axis=0)), np.maximum(high, attained.lo.max(axis=0))


def _with(low: FloatArray, high: FloatArray, outer: Intervals) -> tuple[FloatArray, FloatArray]:
    return (
        np.minimum(low, outer.lo.min(axis=0, initial=np.inf)),
        np.maximum(high, outer.hi.max(axis=0, initial=-np.inf)),
    )


def _halved(boxes: Intervals) -> Intervals:
    """The 2^P halves of each box, those of one box together."""
    middle = np.clip(0.5 * boxes.lo + 0.5 * boxes.hi, boxes.lo, boxes.hi)
    halves = ((boxes.lo, middle), (middle, boxes.hi))
    P = boxes.lo.shape[1]
    parts = []
    for sides in product((0, 1), repeat=P):
        parts.append([np.stack([halves[side][end][:, p] for p, side in enumerate(sides)], axis=1) for end in (0, 1)])
    lo, hi = (np.stack([part[end] for part in parts], axis=1).reshape(-1, P) for end in (0, 1))
    return Intervals(lo, hi)


def _splits(boxes: Intervals, children: Intervals) -> bool:
    """Whether floats are left to halve at."""
    widest = (boxes.hi - boxes.lo).max()
    return bool(widest > 0 and (children.hi - children.lo).max() < widest)
