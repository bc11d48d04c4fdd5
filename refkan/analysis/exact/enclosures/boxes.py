r"""Enclosures of networks over boxes of inputs: values, gradients, second derivatives, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, joined
from refkan.analysis.exact.enclosures.layerwise_differences import layerwise_difference
from refkan.analysis.exact.enclosures.network_intervals import IntervalNetwork, interval_network
from refkan.analysis.exact.enclosures.subdivision import Proven, range_over
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, monomials, narrowed
from refkan.base.annotations import check_annotated
from refkan.base.arguments import as_shape, check_count, check_positive, real
from refkan.base.array_types import FloatArray
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network

BUDGET = 100_000
"""Boxes that a subdivision may evaluate by default."""


@dataclass(frozen=True, eq=False)
class Bounds(ShortRepr):
    """Bounds of a network over a box, each [..., 0] a lower and [..., 1] an upper one.

    Attributes
    ----------
    value : array (Q, 2)
    first : array (Q, P, 2) or None
        dF_q/dx_p; at a knot where it jumps, from the right, as everywhere in refkan.
    second : array (Q, P, P, 2) or None
        Of the polynomial pieces: where first derivatives jump, it does not see that.
    boxes : int
        How many boxes were evaluated.
    reached : bool
        Whether every bound is attained but for the tolerance asked for; False without one.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([1, 1], order=3, intervals=2)
    >>> bounds = rk.exact.enclose(net, [0.0, 1.0, 1.0, 0.0], [[0.0, 1.0]], derivatives=1)
    >>> low, high = bounds.value[0]
    >>> bool(low <= 0.5 and 1.0 <= high), bounds.first.shape, bounds.second, bounds.boxes
    (True, (1, 1, 2), None, 1)
    """

    value: FloatArray
    first: FloatArray | None
    second: FloatArray | None
    boxes: int
    reached: bool


def enclose(
    net: Network, theta: Any, box: Any, derivatives: int = 2, tolerance: float | None = None, budget: int = BUDGET
) -> Bounds:
    r"""Enclose values and derivatives of a network over a box of inputs, for every x in the box.

    Parameters
    ----------
    net : Network
        Of any layers. Mean-std and min-max maps are frozen at theta, and the bounds are those of ``net.freeze(theta)``;
        free knots are those of ``net.with_fixed_knots(theta)``. Under outside="error" they are those of the network
        with its end pieces continued, and hold wherever the network has a value.
    theta : array (n_params,)
    box : array (P, 2)
        Least and greatest of each input; they may be equal.
    derivatives : {0, 1, 2}
        How many of value, first and second derivatives are enclosed.
    tolerance : float, optional
        Absolute distance from the ranges that the bounds may keep: the box is subdivided until then. By default
        there is no subdivision, and the excess falls with the square of the box (of values, and of first derivatives
        where second ones are bounded; of second derivatives linearly).
    budget : int
        Boxes that may be evaluated; ``.reached`` says whether they sufficed. The bounds hold in any case.

    Returns
    -------
    Bounds

    Raises
    ------
    ValueError
        For boxes that are empty or reach outside the domain under outside="error", and arguments that do not fit.

    Notes
    -----
    Bernstein coefficients of the pieces, Taylor forms around the centre: see `polynomial_pieces` and
    `taylor_intervals` beside this file. Everything is rounded outwards.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net = rk.kan([1, 1], order=3, intervals=2)
    >>> bounds = rk.exact.enclose(net, [0.0, 1.0, 1.0, 0.0], [[0.0, 1.0]], tolerance=1e-9)
    >>> np.round(bounds.value, 6), np.round(bounds.first, 6), bounds.reached
    (array([[0.5, 1. ]]), array([[[-2.,  2.]]]), True)
    """
    check_count("derivatives", derivatives, 0, 2)
    check_effort(1.0 if tolerance is None else tolerance, budget)
    steps = interval_network(net, theta)
    ends = checked_box(steps, box)
    P, Q = steps.n_inputs, steps.n_outputs
    wanted = monomials(P, derivatives)
    order = max(2, derivatives)

    def quantities(boxes: Intervals) -> tuple[Intervals, Intervals]:
        expansion = steps.sweep(boxes, order)
        outer, inner = [], []
        for index in wanted:
            factor = Intervals.of(2.0 if max(index, default=0) == 2 else 1.0)
            outer.append(narrowed(expansion, index) * factor)
            inner.append(expansion.coefficient(index) * factor)
        return flat(joined(outer, 2)), flat(joined(inner, 2))

    ranges = range_over(quantities, ends, tolerance, budget)
    table = np.stack([ranges.outer.lo, ranges.outer.hi], axis=-1).reshape(Q, len(wanted), 2)
    position = {index: k for k, index in enumerate(wanted)}

    def at(*inputs: int) -> FloatArray:
        bounds: FloatArray = table[:, position[tuple(inputs.count(p) for p in range(P))]]
        return bounds

    first = np.stack([at(p) for p in range(P)], axis=1) if derivatives else None
    second = None
    if derivatives == 2:
        second = np.stack([np.stack([at(p, l) for l in range(P)], axis=1) for p in range(P)], axis=1)
    return Bounds(at(), first, second, ranges.boxes, ranges.reached)


def extrema(net: Network, theta: Any, box: Any, tolerance: float = 1e-6, budget: int = BUDGET) -> Proven:
    r"""Enclose the least and the greatest value of each output over a box: two arrays (Q, 2).

    The least lies in [minima[q, 0], minima[q, 1]]. Where the network jumps it is the greatest lower bound. Under
    outside="error" it is that of the network with its end pieces continued, which may be attained where the network
    itself has no value, because an activation leaves a domain.

    Parameters
    ----------
    net, theta, box, tolerance, budget
        As for `enclose`.

    Returns
    -------
    minima, maxima : array (Q, 2)
        As `Proven`: they hold in any case, and ``.reached`` says whether their ends are within the tolerance.

    Raises
    ------
    ValueError
        As `enclose`.

    Examples
    --------
    >>> import refkan as rk
    >>> minima, maxima = rk.exact.extrema(rk.kan([1, 1], 3, 2), [0.0, 1.0, 1.0, 0.0], [[0.0, 1.0]])
    >>> minima.round(5), maxima.round(5)
    (array([[0.5, 0.5]]), array([[1., 1.]]))
    """
    check_effort(tolerance, budget)
    check_annotated(extrema, locals())
    steps = interval_network(net, theta)
    ends = checked_box(steps, box)

    def quantities(boxes: Intervals) -> tuple[Intervals, Intervals]:
        expansion = steps.sweep(boxes, 2)
        return narrowed(expansion, expansion.over.zero), expansion.centre.value

    values = range_over(quantities, ends, tolerance, budget)
    minima = np.stack([values.outer.lo, values.inner.lo], axis=-1)
    maxima = np.stack([values.inner.hi, values.outer.hi], axis=-1)
    return Proven.by((minima, maxima), values, tolerance, budget)


def lipschitz_constant(net: Network, theta: Any, box: Any, tolerance: float = 1e-3, budget: int = BUDGET) -> Proven:
    r"""Enclose the least upper bound of |dF/dx|_F inside a box, the Frobenius norm of the Jacobian in x.

    For one output it is the Lipschitz constant in the Euclidean norm, for more an upper bound of it. Derivatives at a
    knot, or at an end of the box, count as limits from inside the box; across sides of length zero from either side.

    Parameters
    ----------
    net, theta, box, budget
        As for `enclose`.
    tolerance : float
        Distance that the bounds may keep, relative to the constant.

    Returns
    -------
    low, high : float
        As `Proven`: they hold in any case, and ``.reached`` says whether they are within the tolerance.

    Raises
    ------
    ValueError
        As `enclose`; for networks that jump.

    Examples
    --------
    >>> import refkan as rk
    >>> low, high = rk.exact.lipschitz_constant(rk.kan([1, 1], 3, 2), [0.0, 1.0, 1.0, 0.0], [[0.0, 1.0]])
    >>> low <= 2.0 <= high, high / low < 1.002
    (True, True)
    """
    check_effort(tolerance, budget)
    check_annotated(lipschitz_constant, locals())
    steps = interval_network(net, theta)
    ends = checked_box(steps, box)
    if smoothness_over(steps, ends) < 0:
        raise ValueError("net must be continuous on the box to have a Lipschitz constant; splines of order 1 jump")
    firsts = [index for index in monomials(steps.n_inputs, 1) if sum(index)]

    def quantities(boxes: Intervals) -> tuple[Intervals, Intervals]:
        expansion = steps.sweep(boxes, 2, limits=True)
        over = joined([narrowed(expansion, index) for index in firsts], 2).norm((1, 2))[:, None]
        # Of limits from all sides at the centre, and of all limits over the box, the least is surely attained.
        least = joined([expansion.coefficient(index) for index in firsts], 2).norm((1, 2)).lo[:, None]
        return over, Intervals(np.maximum(least, over.lo), over.hi)

    norms = range_over(quantities, ends, tolerance, budget, greatest=True, relative=True)
    return Proven.by((float(norms.inner.hi[0]), float(norms.outer.hi[0])), norms, tolerance, budget)


def sup_difference(
    net: Network, theta: Any, other: Network, other_theta: Any, box: Any, tolerance: float = 1e-6, budget: int = BUDGET
) -> Proven:
    r"""Enclose the least upper bound of |F_q(x) - G_q(x)| of two networks over a box and all outputs.

    Of networks of one shape it is bounded layer by layer first (`layerwise_differences`): of a network and
    a refined one that is the rounding of coefficients, and zero where nothing was rounded. If that is within the
    tolerance, it is the answer, from 0 on; if not, boxes are subdivided. For outside="error" see `extrema`.

    Parameters
    ----------
    net, theta, other, other_theta
        Two networks of the same numbers of inputs and outputs.
    box, tolerance, budget
        As for `enclose`.

    Returns
    -------
    low, high : float
        As `Proven`: they hold in any case, and ``.reached`` says whether they are within the tolerance.

    Raises
    ------
    ValueError
        As `enclose`; for networks of different shapes.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([1, 1], 3, 2)
    >>> rk.exact.sup_difference(net, [0, 1, 1, 0], net, [0, 1, 1, 0.5], [[0, 1]])[0] > 0.24999
    True
    """
    check_effort(tolerance, budget)
    check_annotated(sup_difference, locals())
    left, right = interval_network(net, theta), interval_network(other, other_theta)
    if (left.n_inputs, left.n_outputs) != (right.n_inputs, right.n_outputs):
        raise ValueError(
            f"other must have {left.n_inputs} inputs and {left.n_outputs} outputs as net has; "
            f"got {right.n_inputs} and {right.n_outputs}"
        )
    ends = checked_box(left, box)
    checked_box(right, box)
    bound = layerwise_difference(left, right, ends)
    if bound <= tolerance:
        return Proven((0.0, bound))

    def quantities(boxes: Intervals) -> tuple[Intervals, Intervals]:
        f, g = left.sweep(boxes, 2), right.sweep(boxes, 2)
        smoothness = np.minimum(f.smoothness, g.smoothness)
        difference = Expansion(f.centre - g.centre, f.over - g.over, f.reach, smoothness)
        return largest(narrowed(difference, f.over.zero)), largest(difference.centre.value)

    sizes = range_over(quantities, ends, tolerance, budget, greatest=True)
    both = Intervals(sizes.inner.hi, sizes.outer.hi).meet(Intervals(np.zeros(1), np.array([bound])))
    return Proven.by((float(both.lo[0]), float(both.hi[0])), sizes, tolerance, budget)


def largest(values: Intervals) -> Intervals:
    """The largest absolute value of each row, (B, 1)."""
    sizes = values.absolute()
    return Intervals(sizes.lo.max(axis=1, keepdims=True), sizes.hi.max(axis=1, keepdims=True))


def check_effort(tolerance: Any, budget: Any) -> None:
    """Check the tolerance and the budget of a subdivision."""
    check_positive("tolerance", tolerance)
    check_count("budget", budget, 1)


def checked_box(steps: IntervalNetwork, box: Any) -> FloatArray:
    """Check a box (P, 2)."""
    ends: FloatArray = real("box", as_shape("box", box, (steps.n_inputs, 2)))
    empty = ends[:, 0] > ends[:, 1]
    if empty.any():
        p = int(np.argmax(empty))
        raise ValueError(f"box must not be empty; got box[{p}] = [{ends[p, 0]}, {ends[p, 1]}], least above greatest")
    if steps.domains is not None:
        outside = (ends[:, 0] < steps.domains[:, 0]) | (ends[:, 1] > steps.domains[:, 1])
        if outside.any():
            p = int(np.argmax(outside))
            raise ValueError(
                f"box must lie in the domain under outside='error'; got box[{p}] = {ends[p].tolist()}, domain "
                f"{steps.domains[p].tolist()}: take a smaller box, or a network of another policy"
            )
    return ends


def smoothness_over(steps: IntervalNetwork, ends: FloatArray) -> int:
    """Number of continuous derivatives on a box (P, 2), at least."""
    return int(steps.sweep(Intervals(ends[None, :, 0], ends[None, :, 1]), 2).smoothness[0])


def flat(table: Intervals) -> Intervals:
    """Turn (B, Q, any) into (B, Q any)."""
    return Intervals(table.lo.reshape(table.lo.shape[0], -1), table.hi.reshape(table.hi.shape[0], -1))
