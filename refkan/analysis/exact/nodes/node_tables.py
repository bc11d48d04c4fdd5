r"""A network as functions of single nodes, and tables that bound them.

A layer of splines, ReLU powers or Chebyshev polynomials, and an affine map, is z_q = sum_p f_qp(t_p): each node t_p of
the layer before goes into it by functions of its own. What is done to a node alone, a node map or an activation, is
part of the functions that follow it, and so z_q is a node again.

A table holds the functions of a node in its interval. It is cut into cells; let c be the chord of f on [s, s + h], and
x = s + u h. If f' is continuous there and f'' in [m, M], then

    f - c  =  -integral of G(x, y) f''(y) dy   in   4 u (1 - u) [-M h^2/8, -m h^2/8],

G the Green's function of -d^2/dx^2 with zeros at both ends, which is not negative and has the integral h^2 u (1 - u)/2.
So f is its chord, a parabola of height b of which the middle of that interval is known, and a remainder of order h^3
where f'' has slopes. If f alone is continuous, with slopes in [m, M] and k in [m, M] that of the chord,

    f - c  <=  min((M - k)(x - s), (k - m)(s + h - x))  <=  h (M - k)(k - m)/(M - m)  <=  h (M - m)/4,

since f rises no faster than M from the left end and falls no faster than m towards the right one; and so for c - f.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, down, quiet, up
from refkan.analysis.exact.enclosures.network_intervals import EdgeStep, IntervalNetwork, LinearStep, Step
from refkan.analysis.exact.enclosures.polynomial_pieces import POLYNOMIAL
from refkan.analysis.exact.enclosures.taylor_intervals import TaylorIntervals
from refkan.base import FloatArray, Frozen, IntArray

CELLS = 32
"""Cells of a table."""


class NodeFunctions(Frozen):
    """The functions f_qp by which the nodes of a layer go into the next one.

    Attributes
    ----------
    alone : tuple of Step
        What is done to each node alone.
    mixing : EdgeStep or LinearStep
        What is summed over the nodes.
    q, sign : int or None, float
        The only output wanted, times what.
    """

    alone: tuple[Step, ...]
    mixing: EdgeStep | LinearStep
    q: int | None = None
    sign: float = 1.0

    @property
    def n_nodes(self) -> int:
        """P."""
        return self.mixing.layer.n_inputs if isinstance(self.mixing, EdgeStep) else self.mixing.weights.shape[1]

    def enclose(self, t: Intervals, order: int) -> tuple[TaylorIntervals, IntArray]:
        """Taylor coefficients (B, Q, P) in the nodes (B, P), and how many derivatives are continuous (B)."""
        x = TaylorIntervals({(0,): t, (1,): Intervals.of(np.ones_like(t.lo))}, order)
        smoothness = np.full(len(t.lo), POLYNOMIAL)
        for step in self.alone:
            x, met = step.apply(x)
            smoothness = np.minimum(smoothness, met)
        x, met = self.mixing.of_each_input(x)
        return x if self.q is None else x[:, self.q : self.q + 1] * self.sign, np.minimum(smoothness, met)


def node_functions(steps: IntervalNetwork, q: int, sign: float) -> list[NodeFunctions]:
    """The layers of output q of a network, times a sign."""
    layers: list[NodeFunctions] = []
    alone: list[Step] = []
    for step in steps.steps:
        if isinstance(step, EdgeStep | LinearStep):
            layers.append(NodeFunctions(tuple(alone), step))
            alone = []
        else:
            alone.append(step)
    if not alone:
        last = layers.pop()
        return [*layers, replace(last, q=q, sign=sign)]
    same = LinearStep(np.eye(steps.n_outputs), np.zeros(steps.n_outputs))
    return [*layers, NodeFunctions(tuple(alone), same, q, sign)]


class NodeTable(Frozen):
    """Functions of P nodes over B boxes, on K cells each.

    Attributes
    ----------
    cuts : array (B, P, K + 1)
        Ends of the cells.
    values : array (B, P, Q, K + 1)
        The functions there, about.
    heights : array (B, P, Q, K)
        Heights of the parabolas that are added to the chord of these values in each cell.
    errors : array (B, P, Q, K)
        By how much they may leave that.
    kept : array of bool (B, P, K)
        Cells in which the nodes may lie; at least one of each node where the box may hold any point.
    """

    cuts: FloatArray
    values: FloatArray
    heights: FloatArray
    errors: FloatArray
    kept: Any

    def __getitem__(self, boxes: Any) -> "NodeTable":
        return NodeTable(*(part[boxes] for part in vars(self).values()))

    @quiet()
    def of_cells(self) -> Intervals:
        """The range of each function on each cell, (B, P, Q, K)."""
        left, right = self.values[..., :-1], self.values[..., 1:]
        below, above = np.minimum(self.heights, 0.0) - self.errors, np.maximum(self.heights, 0.0) + self.errors
        return Intervals(down(np.minimum(left, right) + down(below)), up(np.maximum(left, right) + up(above)))

    def of_nodes(self) -> Intervals:
        """The range of each function over the cells that are kept, (B, P, Q)."""
        cells, kept = self.of_cells(), self.kept[:, :, None]
        low, high = np.where(kept, cells.lo, np.inf).min(axis=3), np.where(kept, cells.hi, -np.inf).max(axis=3)
        nothing = low > high
        return Intervals(np.where(nothing, -np.inf, low), np.where(nothing, np.inf, high))

    def ends(self) -> Intervals:
        """Where the nodes lie, (B, P)."""
        cuts, kept = self.cuts, self.kept
        low, high = (
            np.where(kept, cuts[..., :-1], np.inf).min(axis=2),
            np.where(kept, cuts[..., 1:], -np.inf).max(axis=2),
        )
        nothing = low > high
        return Intervals(np.where(nothing, cuts[..., 0], low), np.where(nothing, cuts[..., -1], high))


@quiet()
def node_table(functions: NodeFunctions, nodes: Intervals) -> tuple[NodeTable, bool]:
    """Tabulate functions of nodes (B, P), and say whether they are continuous there."""
    B, P = nodes.lo.shape
    share = np.arange(CELLS + 1) / CELLS
    lo, hi = nodes.lo[..., None], nodes.hi[..., None]
    cuts = np.minimum(np.maximum(lo + (hi - lo) * share, lo), hi)
    cuts[..., -1] = nodes.hi

    def enclosed(ends: Intervals, order: int) -> tuple[list[Intervals], IntArray]:
        """Coefficients over intervals (B, P, k), each (B, P, Q, k), and how many derivatives are continuous (B, k)."""
        count = ends.lo.shape[2]
        rows = Intervals(*(np.moveaxis(end, 1, 2).reshape(B * count, P) for end in (ends.lo, ends.hi)))
        x, smoothness = functions.enclose(rows, order)
        zero = Intervals.of(np.zeros_like(x.value.lo))
        parts = [x.parts.get((k,), zero).reshape(B, count, *zero.lo.shape[1:]) for k in range(order + 1)]
        moved = [Intervals(*(np.moveaxis(end, (1, 2, 3), (3, 2, 1)) for end in (part.lo, part.hi))) for part in parts]
        return moved, smoothness.reshape(B, count)

    (at,), _ = enclosed(Intervals(cuts, cuts), 0)
    (whole, slope, bend), smoothness = enclosed(Intervals(cuts[..., :-1], cuts[..., 1:]), 2)
    length = np.diff(cuts, axis=2)[:, :, None]
    width = Intervals(np.maximum(down(length), 0.0), up(length))
    values = 0.5 * at.lo + 0.5 * at.hi
    off = np.maximum(up(at.hi - values), up(values - at.lo))
    off = np.maximum(off[..., :-1], off[..., 1:])
    ends = values[..., :-1], values[..., 1:]
    hull = np.maximum(up(whole.hi - np.minimum(*ends)), up(np.maximum(*ends) - whole.lo))
    straight = np.fmin(up(off + up(up(up(slope.hi - slope.lo) * width.hi) * 0.25)), hull)
    parabolas = -bend * (width.squared() * Intervals.of(0.25))  # f''/2 times h^2/4
    heights = 0.5 * parabolas.lo + 0.5 * parabolas.hi
    around = up(off + np.maximum(up(parabolas.hi - heights), up(heights - parabolas.lo)))
    bent = (smoothness > 0)[:, None, None] & (np.abs(heights) + around < straight)
    errors, heights = np.where(bent, around, straight), np.where(bent, heights, 0.0)
    known = np.isfinite(errors) & np.isfinite(values[..., :-1]) & np.isfinite(values[..., 1:])
    errors, heights = np.where(known, errors, np.inf), np.where(known, heights, 0.0)
    values = np.where(np.isfinite(values), values, 0.0)
    return NodeTable(cuts, values, heights, errors, np.ones((B, P, CELLS), dtype=bool)), bool(smoothness.min() >= 0)


def contracted(tables: list[NodeTable], least: FloatArray) -> tuple[list[NodeTable], Any]:
    """Drop cells in which no point of a box (B) can lie whose output is at least `least`; and boxes that lose a node.

    z_q = sum_p f_qp in [a, b] needs f_qp in [a, b] less the sum of the ranges of all others.
    """
    wanted = Intervals(least[:, None], np.full_like(least[:, None], np.inf))
    possible, result = np.ones(least.size, dtype=bool), []
    for table in reversed(tables):
        ranges, cells = table.of_nodes(), table.of_cells()
        total = ranges.sum(1)
        others = Intervals(down(total.lo[:, None] - ranges.lo), up(total.hi[:, None] - ranges.hi))
        room = Intervals(down(wanted.lo[:, None] - others.hi), up(wanted.hi[:, None] - others.lo))[..., None]
        kept = table.kept & ((cells.hi >= room.lo) & (cells.lo <= room.hi)).all(axis=2)
        possible &= kept.any(axis=2).all(axis=1)
        table = replace(table, kept=kept)
        wanted = table.ends()
        result.append(table)
    return result[::-1], possible


def tabulated(layers: list[NodeFunctions], boxes: Intervals) -> tuple[list[NodeTable], Any, Any, bool]:
    """Tables of all layers over boxes of all nodes (B, V), each box met with what the layers before make of it.

    Returned with which boxes may hold a point; which are bounded: tables of others say nothing; and whether all
    functions are continuous.
    """
    B = boxes.lo.shape[0]
    possible, bounded, smooth = np.ones(B, dtype=bool), np.ones(B, dtype=bool), True
    tables: list[NodeTable] = []
    start = 0
    for functions in layers:
        nodes = boxes[:, start : start + functions.n_nodes]
        if tables:
            made = tables[-1].of_nodes().sum(1)
            low, high = np.maximum(nodes.lo, made.lo), np.minimum(nodes.hi, made.hi)
            empty = np.asarray((low > high).any(axis=1))
            possible &= ~empty
            nodes = Intervals(np.where(empty[:, None], made.lo, low), np.where(empty[:, None], made.hi, high))
        with quiet():
            bounded &= np.isfinite(nodes.hi - nodes.lo).all(axis=1)
        nodes = Intervals(*(np.where(bounded[:, None], end, 0.0) for end in (nodes.lo, nodes.hi)))
        table, continuous = node_table(functions, nodes)
        tables.append(table)
        smooth &= continuous
        start += functions.n_nodes
    return tables, possible | ~bounded, bounded, smooth
