"""The greatest value of a network over a box: branch and bound on intervals of all nodes, with Lagrangian bounds."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import (
    SMALLEST,
    Intervals,
    concatenated,
    in_tasks,
    quiet,
    require_order,
)
from refkan.analysis.exact.enclosures.subdivision import Progress, Range, Slack, most_promising
from refkan.analysis.exact.nodes.multipliers import SmoothedBound, lagrangian_bound
from refkan.analysis.exact.nodes.node_tables import NodeFunctions, contracted, tabulated
from refkan.base import FloatArray, Frozen

TOGETHER = 32
"""Boxes halved at once."""

TASK = 2 * TOGETHER, 8
"""Boxes evaluated at once, and in a task of an executor."""

CENTRAL = 0.2
"""Parts of an interval at both ends in which it is not cut."""

WITHIN = 0.9
"""The part of the slack that multipliers are asked to leave."""


class NodeBoxes(Frozen):
    """Boxes (B) of intervals of all nodes (V).

    Attributes
    ----------
    nodes : Intervals (B, V)
    bound : array (B,)
        Of the output.
    mu : array (B, H)
        Multipliers that gave it.
    gaps, cuts : array (B, V)
        How much each node contributes to the gap, and where it would be cut.
    """

    nodes: Intervals
    bound: FloatArray
    mu: FloatArray
    gaps: FloatArray
    cuts: FloatArray

    def __getitem__(self, rows: Any) -> "NodeBoxes":
        return NodeBoxes(*(part[rows] for part in vars(self).values()))

    @classmethod
    def joined(cls, parts: Sequence["NodeBoxes"]) -> "NodeBoxes":
        """One after the other."""
        nodes, *others = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(concatenated(list(nodes)), *(np.concatenate(each) for each in others))


class NodeSearch:
    """The greatest value of an output over a box (P, 2), `layers` its functions of single nodes.

    `attained(points)` encloses it at points (n, P) of the box.
    """

    def __init__(
        self,
        layers: list[NodeFunctions],
        attained: Callable[[FloatArray], Intervals],
        slack: Slack,
        executor: Executor | None = None,
    ) -> None:
        self.layers, self.attained, self.slack, self.executor = layers, attained, slack, executor
        self.low, self.high, self.count, self.aside, self.smooth = np.inf, -np.inf, 0, -np.inf, True

    @quiet()
    def run(
        self, box: FloatArray, budget: int, points: FloatArray, report: Callable[[Any], Any] | None
    ) -> Range | None:
        """Enclose it; None if a function jumps, of which tables say nothing."""
        hidden = sum(layer.n_nodes for layer in self.layers[1:])
        start = np.concatenate([box.T, np.repeat([[-np.inf], [np.inf]], hidden, axis=1)], axis=1)
        self.see(points)
        pool = self.evaluated(Intervals(start[:1], start[1:]), np.zeros((1, hidden)), np.full(1, np.inf))
        reached = stuck = False
        while self.smooth:
            gaps = (pool.bound - self.high) / self.allowed
            gaps = np.where(np.isnan(gaps), np.inf, gaps)
            whole = ~np.isfinite(pool.gaps).any(axis=1)
            stuck |= bool((whole & (gaps > 1)).any())
            left = (gaps > 1) & ~whole
            self.put_aside(pool.bound[~left])
            pool, gaps = pool[left], gaps[left]
            chosen = most_promising(gaps, min(TOGETHER, (budget - self.count) // 2))
            if not chosen.size:
                reached = not gaps.size and not stuck
                break
            if report is not None:
                report(Progress(self.count, budget, float(self.high), float(pool.bound[chosen[0]])))
            parents, pool = pool[chosen], pool[np.setdiff1d(np.arange(gaps.size), chosen)]
            new = self.evaluated(_cut(parents), np.repeat(parents.mu, 2, axis=0), np.repeat(parents.bound, 2))
            pool = NodeBoxes.joined([pool, new])
        if not self.smooth:
            return None
        self.put_aside(pool.bound)
        require_order(np.array(self.high), np.array(self.aside))
        outer = Intervals(np.array([-np.inf]), np.array([self.aside]))
        return Range(outer, Intervals(np.array([self.low]), np.array([self.high])), self.count, reached)

    @property
    def allowed(self) -> float:
        """By how much bounds may exceed what is attained."""
        return float(np.max(self.slack(np.array(self.low), np.array(self.high))))

    def put_aside(self, bounds: FloatArray) -> None:
        """Keep the bounds of boxes, and no more of them."""
        self.aside = float(np.max(bounds, initial=self.aside))

    def see(self, points: FloatArray) -> None:
        """Take note of the values at points of the box."""
        values = self.attained(points)
        self.low = min(self.low, values.hi.min(initial=np.inf))
        self.high = max(self.high, values.lo.max(initial=-np.inf))

    def evaluated(self, nodes: Intervals, mu: FloatArray, parents: FloatArray) -> NodeBoxes:
        """Bound boxes in others of known bounds; those that hold nothing above what is attained are left out."""
        self.count += len(mu)
        bounded = partial(bounded_boxes, self.layers, self.high, self.allowed)
        parts, points, smooth = zip(*in_tasks(bounded, (nodes, mu, parents), len(mu), TASK, self.executor), strict=True)
        self.smooth &= all(smooth)
        self.put_aside(np.array([self.high]))
        if any(map(len, points)):
            self.see(np.concatenate(points))
        return NodeBoxes.joined(parts)


def bounded_boxes(
    layers: list[NodeFunctions], high: float, allowed: float, nodes: Intervals, mu: FloatArray, parents: FloatArray
) -> tuple[NodeBoxes, FloatArray, bool]:
    """Bound boxes in others of known bounds, where `high` is attained, and bounds may exceed what is by `allowed`.

    Returned without those that hold nothing above it; with a point of each, and whether all functions are continuous.
    """
    P = layers[0].n_nodes
    tables, possible, bounded, smooth = tabulated(layers, nodes)
    tables, above = contracted(tables, np.full(len(mu), high))
    rows = np.nonzero(possible & (above | ~bounded))[0]
    if not rows.size:
        none = np.empty((0, nodes.lo.shape[1]))
        return NodeBoxes(nodes[rows], parents[rows], mu[rows], none, none), none[:, :P], smooth
    tables = [table[rows] for table in tables]
    nodes, mu, parents, bounded = nodes[rows], mu[rows], parents[rows], bounded[rows]
    ends = [table.ends() for table in tables]
    within = Intervals(*(np.concatenate([getattr(each, end) for each in ends], axis=1) for end in ("lo", "hi")))
    # Tables of boxes that are not bounded say nothing, nor do the ends of their cells.
    within = Intervals(*(np.where(bounded[:, None], *pair) for pair in ((within.lo, nodes.lo), (within.hi, nodes.hi))))
    bound, added = lagrangian_bound(tables, mu)
    bound = np.minimum(bound, parents)
    middles, gaps = np.full_like(added, 0.5), added
    if mu.shape[1]:
        goal = high + WITHIN * allowed
        gap = np.maximum(np.nan_to_num(bound - goal), allowed)
        smoothed = SmoothedBound(tables)
        better, state = smoothed.minimized(mu, goal, gap, allowed)
        again, other = lagrangian_bound(tables, better)
        lower = again < bound
        mu, bound = np.where(lower[:, None], better, mu), np.fmin(bound, again)
        gaps, middles = np.nan_to_num(state.gaps + np.where(lower[:, None], other, added)), state.mean
        bends, unexplained = smoothed.bends(), np.maximum(np.nan_to_num(bound - goal) - gaps.sum(axis=1), 0.0)
        gaps += (unexplained / np.maximum(bends.sum(axis=1), SMALLEST))[:, None] * bends
    width = within.hi - within.lo
    centre = within.lo + width * middles
    inputs = np.clip(centre[:, :P], nodes.lo[:, :P], nodes.hi[:, :P])
    points = np.where(np.isfinite(inputs), inputs, nodes.lo[:, :P])
    cuts = np.clip(centre, within.lo + CENTRAL * width, within.hi - CENTRAL * width)
    inside = (within.lo < cuts) & (cuts < within.hi)
    gaps = np.where(inside, np.nan_to_num(gaps), -np.inf)
    return NodeBoxes(within, np.where(bounded, bound, parents), mu, gaps, cuts), points, smooth


def _cut(boxes: NodeBoxes) -> Intervals:
    """Two parts of each box, beside one another, cut in the node that contributes most to the gap."""
    node, rows = boxes.gaps.argmax(axis=1), np.arange(len(boxes.bound))
    lo, hi = np.repeat(boxes.nodes.lo, 2, axis=0), np.repeat(boxes.nodes.hi, 2, axis=0)
    hi[2 * rows, node] = lo[2 * rows + 1, node] = boxes.cuts[rows, node]
    return Intervals(lo, hi)
