r"""Upper bounds of a network by Lagrange multipliers: its Lagrangian is a sum of functions of single nodes.

Let t be the inputs and all hidden nodes, layer by layer, and f_qp the functions by which node p goes into node q of the
next layer (`node_tables`). Points of the network have t_q = sum_p f_qp(t_p), so for any numbers mu_q of the hidden
nodes, with mu = 1 of the output,

    F  =  sum_p f_p(t_p) + sum_q mu_q (sum_p f_qp(t_p) - t_q)  =  sum over the nodes v of phi_v(t_v),

    phi_v(t)  =  sum_q mu_q f_qv(t) - mu_v t,

where mu_v is zero of inputs. So F is at most the sum of the greatest values of functions of one variable, over a box in
which each node has an interval of its own: whatever mu is, and as sharp as Lagrange duality is with the best one. What
it misses, the gap, is due to functions phi_v that are not concave, and halving the intervals of those nodes, hidden
ones among them, closes it. (Geoffrion, Lagrangean relaxation for integer programming, 1974; Falk, SIAM J. Control 7,
1969, on convergence.)

The best mu minimises a convex function with kinks. With tau log sum exp(phi_v/tau) over some points in place of the
greatest value it is smooth, its Hessian a sum of covariances over tau, and Newton's method takes a few steps. Those
steps are floats, and need no proof: the bound holds for what they end with.
"""

from typing import Any, NamedTuple

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import EPS, SMALLEST, Intervals, quiet, up
from refkan.analysis.exact.nodes.node_tables import NodeTable
from refkan.base.array_types import FloatArray

POINTS = 17
"""Points of each node where the smoothed functions are sampled."""

PLACE = np.linspace(0.0, 1.0, POINTS)
"""Where they lie, in parts of the interval of the node."""

NEWTON = 7
"""Steps of Newton's method with one smoothing."""

SETTLED = 1e-3
"""A step that closes no more of the gap of a box is its last one."""

SHARPER = 1.0, 0.1
"""Parts of the smoothing, one after the other: the smoothed bound alone favours multipliers that leave few points."""

SMOOTHING = 0.3
"""The smoothing tau as a part of the gap of one node, the gap shared evenly."""


@quiet()
def lagrangian_bound(tables: list[NodeTable], mu: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bound the output over boxes (B), for multipliers of the hidden nodes (B, H); and what cells add to it, (B, V)."""
    greatest, added, leaving, start = [], [], np.zeros((len(mu), tables[0].cuts.shape[1])), 0
    for table in tables:
        Q = table.values.shape[2]
        entering = mu[:, start : start + Q] if table is not tables[-1] else np.ones((len(mu), 1))
        start += Q
        phi = np.einsum("bq,bpqk->bpk", entering, table.values) - leaving[:, :, None] * table.cuts
        height = np.maximum(np.einsum("bq,bpqk->bpk", entering, table.heights), 0.0)
        beyond = np.einsum("bq,bpqk->bpk", np.abs(entering), table.errors)
        # a chord that rises by d, and a parabola of height b: above its higher end by (4 b - d)^2/(16 b) if d < 4 b
        left = np.maximum(4 * height - np.abs(np.diff(phi, axis=2)), 0.0)
        cells = np.maximum(phi[..., :-1], phi[..., 1:]) + left * (left / np.maximum(16 * height, SMALLEST))
        cells = cells + beyond
        cells = np.where(np.isnan(cells), np.inf, cells)
        # Each of these is a sum of Q + 1 products, right to (Q + 2) eps/2 of what absolute values give, or to half of
        # the smallest float a product; what is made of them grows no faster than they do, and is rounded ten times.
        sizes = np.einsum(
            "bq,bpq->bp", np.abs(entering), (np.abs(table.values).max(axis=3) + np.abs(table.heights).max(axis=3))
        )
        sizes += np.abs(leaving) * np.abs(table.cuts).max(axis=2) + np.where(table.kept, beyond, 0.0).max(axis=2)
        rounding = (8 * Q + 32) * (EPS * sizes + SMALLEST)
        greatest.append(up(np.where(table.kept, cells, -np.inf).max(axis=2) + rounding))
        added.append(np.where(table.kept, beyond, 0.0).max(axis=2))
        leaving = entering
    total = np.concatenate(greatest, axis=1)
    return Intervals(total, total).sum(1).hi, np.concatenate(added, axis=1)


class Relaxation(NamedTuple):
    """What the smoothed functions say of boxes (B).

    Attributes
    ----------
    value : array (B,)
        The smoothed bound.
    slope, curvature : array (B, H), (B, H, H)
        Its derivatives in the multipliers times the widths of their nodes.
    weights, phi : array (B, V, POINTS)
        Of the points of each node, and the functions there.
    """

    value: FloatArray
    slope: FloatArray
    curvature: FloatArray
    weights: FloatArray
    phi: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Where the nodes lie on average, in parts of their intervals, (B, V)."""
        return self.weights @ PLACE

    @property
    def gaps(self) -> FloatArray:
        """By how much the average of phi exceeds phi there, (B, V): positive where phi is not concave."""
        return (self.weights * self.phi).sum(axis=2) - _between(self.phi, self.mean)

    def where(self, better: Any, other: "Relaxation") -> "Relaxation":
        """These where they are better, others elsewhere."""
        pairs = zip(self, other, strict=True)
        return Relaxation(*(np.where(better.reshape(-1, *(1,) * (a.ndim - 1)), a, b) for a, b in pairs))


class SmoothedBound:
    """The bound with smoothed greatest values, for boxes (B) of nodes in `tables`."""

    def __init__(self, tables: list[NodeTable]) -> None:
        ends = [table.ends() for table in tables]
        self.low = [each.lo for each in ends]
        self.width = [np.maximum(each.hi - each.lo, SMALLEST) for each in ends]
        self.values = [_sampled(table, each) for table, each in zip(tables, ends, strict=True)]
        counts = [each.shape[1] for each in self.low]
        self.starts = np.cumsum([0, *counts]) - counts[0]  # of each layer among the hidden nodes
        self.widths = np.concatenate(self.width, axis=1)[:, counts[0] :]

    def by_secants(self) -> FloatArray:
        """Multipliers (B, H) as of a network whose functions are straight from end to end."""
        slope, multipliers = np.ones((len(self.widths), 1)), []
        for values, width in zip(self.values[:0:-1], self.width[:0:-1], strict=True):
            slope = np.einsum("bq,bpq->bp", slope, values[..., -1] - values[..., 0]) / width
            multipliers.append(slope)
        return np.concatenate(multipliers[::-1], axis=1)

    def at(self, nu: FloatArray, tau: FloatArray) -> Relaxation:
        """Evaluate at multipliers times widths (B, H), with smoothing (B)."""
        (B, H), scale = nu.shape, tau[:, None, None]
        value, slope, curvature = np.zeros(B), np.zeros((B, H)), np.zeros((B, H, H))
        every, functions = [], []
        for k, values in enumerate(self.values):
            P, Q = values.shape[1:3]
            mine, theirs = (
                slice(max(start, 0), start + n) for start, n in zip(self.starts[k : k + 2], (P, Q), strict=True)
            )
            if k + 1 < len(self.values):
                moved = values / self.width[k + 1][:, None, :, None]
                phi = np.einsum("bq,bpqk->bpk", nu[:, theirs], moved)
            else:
                phi = values[:, :, 0]
            if k:
                shift = self.low[k] / self.width[k]
                phi = phi - nu[:, mine, None] * (PLACE + shift[..., None])
            top = phi.max(axis=2, keepdims=True)
            weights = np.exp((phi - top) / scale)
            total = weights.sum(axis=2, keepdims=True)
            weights = weights / total
            value += (top + scale * np.log(total)).sum(axis=(1, 2))
            every.append(weights)
            functions.append(phi)
            mean = weights @ PLACE
            around = PLACE - mean[..., None]
            if k:
                slope[:, mine] -= mean + shift
                diagonal = np.arange(mine.start, mine.stop)
                curvature[:, diagonal, diagonal] += (weights * around**2).sum(axis=2)
            if k + 1 < len(self.values):
                average = np.einsum("bpk,bpqk->bpq", weights, moved)
                slope[:, theirs] += average.sum(axis=1)
                off = moved - average[..., None]
                weighted = off * weights[:, :, None]
                curvature[:, theirs, theirs] += np.einsum("bpqk,bprk->bqr", weighted, off, optimize=True)
                if k:
                    mixed = np.einsum("bpqk,bpk->bpq", weighted, around)
                    curvature[:, mine, theirs] -= mixed
                    curvature[:, theirs, mine] -= mixed.transpose(0, 2, 1)
        return Relaxation(value, slope, curvature / scale, *(np.concatenate(a, axis=1) for a in (every, functions)))

    def bends(self) -> FloatArray:
        """By how much functions leave their chords from end to end, (B, V), in parts of the intervals they go into.

        The best multipliers are zero where a convex combination of points meets the nodes of the next layer at their
        best, though no single point may: then no phi has a gap, and cutting a node whose functions bend tells.
        """
        bends = []
        for values, width in zip(self.values[:-1], self.width[1:], strict=True):
            chords = values[..., :1] * (1 - PLACE) + values[..., -1:] * PLACE
            bends.append((np.abs(values - chords).max(axis=3) / width[:, None]).sum(axis=2))
        return np.nan_to_num(np.concatenate([*bends, np.zeros_like(self.low[-1])], axis=1))

    @quiet()
    def minimized(self, mu: FloatArray, goal: float, gap: FloatArray, allowed: float) -> tuple[FloatArray, Relaxation]:
        """Better multipliers than mu (B, H), with damped steps of Newton's method; `gap` (B) is to be closed.

        Where the bound is below the goal, or above by less than `allowed`, steps are as if it were above by that.
        """
        tau = SMOOTHING * gap / sum(each.shape[1] for each in self.width)
        nu, straight = mu * self.widths, self.by_secants() * self.widths
        state, other = self.at(nu, tau), self.at(straight, tau)
        better = ~(other.value >= state.value)
        nu, H = np.where(better[:, None], straight, nu), nu.shape[1]
        for sharper in SHARPER:
            state, damping, settled = self.at(nu, tau * sharper), np.ones(len(nu)), np.zeros(len(nu), dtype=bool)
            for _ in range(NEWTON):
                # Damping of 1 alone makes the step of Polyak, which closes the gap to the goal if it is straight.
                size = damping * (state.slope**2).sum(axis=1) / np.maximum(state.value - goal, allowed)
                matrix = state.curvature + (size + SMALLEST**0.5)[:, None, None] * np.eye(H)
                solvable = np.isfinite(matrix).all(axis=(1, 2))  # and so is the slope, whose square it holds
                matrix = np.where(solvable[:, None, None], matrix, np.eye(H))
                slope = np.where(solvable[:, None], state.slope, 0.0)
                trial = nu - np.linalg.solve(matrix, slope[..., None])[..., 0]
                other = self.at(trial, tau * sharper)
                better, gained = (other.value <= state.value) & ~settled, state.value - other.value
                nu, state = np.where(better[:, None], trial, nu), other.where(better, state)
                damping = np.where(better, np.maximum(0.2 * damping, 1e-6), 5.0 * damping)
                settled |= better & (gained <= SETTLED * gap)
                if settled.all():
                    break
        return nu / self.widths, state


def _sampled(table: NodeTable, ends: Intervals) -> FloatArray:
    """Values (B, P, Q, POINTS) at points from end to end of the cells that are kept."""
    cells = table.errors.shape[3]
    first, last = (np.argmax(kept, axis=2) for kept in (table.kept, table.kept[..., ::-1]))
    place = (first[..., None] + (cells - last - first)[..., None] * np.linspace(0.0, 1.0, POINTS)) / cells
    return np.stack([_between(table.values[:, :, q], place) for q in range(table.values.shape[2])], axis=2)


def _between(values: FloatArray, place: FloatArray) -> FloatArray:
    """Straight between samples (B, P, K + 1), at parts (B, P) or (B, P, ...) of the interval."""
    at = place.reshape(*values.shape[:2], int(np.prod(place.shape[2:]))) * (values.shape[2] - 1)
    k = np.clip(np.nan_to_num(at).astype(int), 0, values.shape[2] - 2)
    left, right = np.take_along_axis(values, k, 2), np.take_along_axis(values, k + 1, 2)
    return (left + (at - k) * (right - left)).reshape(place.shape)
