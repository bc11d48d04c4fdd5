r"""Enclosures of networks over boxes of inputs: values, gradients, second derivatives, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.arguments import as_shape, check_count, check_positive, real
from refkan.array_types import FloatArray
from refkan.errors import ConvergenceError
from refkan.exact.float_intervals import Intervals, joined
from refkan.exact.layerwise_differences import layerwise_difference
from refkan.exact.network_intervals import IntervalNetwork, interval_network
from refkan.exact.subdivision import Range, range_over
from refkan.exact.taylor_intervals import Expansion, monomials, narrowed
from refkan.networks import Network
from refkan.short_reprs import ShortRepr

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
        Of spline, ReLU-power or Chebyshev layers. Mean-std and min-max maps are frozen at theta, and the bounds are
        those of ``net.freeze(theta)``. Under outside="error" they are those of the network with its end pieces
        continued, and hold wherever the network has a value.
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
        For boxes that are empty or reach outside the domain under outside="error", arguments that do not fit, and
        networks with other layers.

    Notes
    -----
    Bernstein coefficients of the pieces, Taylor forms around the centre: see `refkan.exact.polynomial_pieces` and
    `refkan.exact.taylor_intervals`. Everything is rounded outwards.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net = rk.kan([1, 1], order=3, intervals=2)
    >>> bounds = rk.exact.enclose(net, [0.0, 1.0, 1.0, 0.0], [[0.0, 1.0]], tolerance=1e-9)
    >>> np.round(bounds.value, 6), np.round(bounds.first, 6), bounds.reached
    (array([[0.5, 1. ]]), array([[[-2.,  2.]]]), True)
    """
    check_count("derivatives", derivatives, 0, 2)
    check_count("budget", budget, 1)
    if tolerance is not None:
        check_positive("tolerance", tolerance)
    steps = interval_network(net, theta)
    ends = checked_box(steps, box)
    P, Q = steps.n_inputs, steps.n_outputs
    wanted = monomials(P, derivatives)
    order = max(2, derivatives)

    def quantities(boxes: Intervals) -> tuple[Intervals, Intervals]:
        found = steps.sweep(boxes, order)
        outer, inner = [], []
        for index in wanted:
            factor = Intervals.of(2.0 if max(index, default=0) == 2 else 1.0)
            outer.append(narrowed(found, index) * factor)
            inner.append(found.coefficient(index) * factor)
        return flat(joined(outer, 2)), flat(joined(inner, 2))

    found = range_over(quantities, ends, tolerance, budget)
    table = np.stack([found.outer.lo, found.outer.hi], axis=-1).reshape(Q, len(wanted), 2)
    position = {index: k for k, index in enumerate(wanted)}

    def at(*inputs: int) -> FloatArray:
        bounds: FloatArray = table[:, position[tuple(inputs.count(p) for p in range(P))]]
        return bounds

    first = np.stack([at(p) for p in range(P)], axis=1) if derivatives else None
    second = None
    if derivatives == 2:
        second = np.stack([np.stack([at(p, l) for l in range(P)], axis=1) for p in range(P)], axis=1)
    return Bounds(at(), first, second, found.boxes, found.reached)


def extrema(
    net: Network, theta: Any, box: Any, tolerance: float = 1e-6, budget: int = BUDGET
) -> tuple[FloatArray, FloatArray]:
    r"""Enclose the least and the greatest value of each output over a box: two arrays (Q, 2).

    The values are attained: the least lies in [minima[q, 0], minima[q, 1]].

    Parameters
    ----------
    net, theta, box, tolerance, budget
        As for `enclose`.

    Raises
    ------
    ConvergenceError
        If the budget does not suffice.
    ValueError
        As `enclose`.

    Examples
    --------
    >>> import refkan as rk
    >>> minima, maxima = rk.exact.extrema(rk.kan([1, 1], 3, 2), [0.0, 1.0, 1.0, 0.0], [[0.0, 1.0]])
    >>> minima.round(5), maxima.round(5)
    (array([[0.5, 0.5]]), array([[1., 1.]]))
    """
    steps = interval_network(net, theta)
    ends = checked_box(steps, box)

    def quantities(boxes: Intervals) -> tuple[Intervals, Intervals]:
        found = steps.sweep(boxes, 2)
        return narrowed(found, found.over.zero), found.centre.value

    found = require_reached(range_over(quantities, ends, check_positive("tolerance", tolerance), budget), budget)
    minima = np.stack([found.outer.lo, found.inner.lo], axis=-1)
    return minima, np.stack([found.inner.hi, found.outer.hi], axis=-1)


def lipschitz_constant(
    net: Network, theta: Any, box: Any, tolerance: float = 1e-6, budget: int = BUDGET
) -> tuple[float, float]:
    r"""Enclose the greatest |dF/dx|_F over a box, the Frobenius norm of the Jacobian in x.

    For one output it is the Lipschitz constant in the Euclidean norm, for more an upper bound of it.

    Parameters
    ----------
    net, theta, box, budget
        As for `enclose`.
    tolerance : float
        Of the square of the constant.

    Raises
    ------
    ConvergenceError, ValueError
        As `extrema`; for networks that jump.

    Examples
    --------
    >>> import refkan as rk
    >>> low, high = rk.exact.lipschitz_constant(rk.kan([1, 1], 3, 2), [0.0, 1.0, 1.0, 0.0], [[0.0, 1.0]])
    >>> low <= 2.0 <= high, round(high, 6)
    (True, 2.0)
    """
    steps = interval_network(net, theta)
    ends = checked_box(steps, box)
    if smoothness_over(steps, ends) < 0:
        raise ValueError("net must be continuous on the box to have a Lipschitz constant; splines of order 1 jump")
    firsts = [index for index in monomials(steps.n_inputs, 1) if sum(index)]

    def quantities(boxes: Intervals) -> tuple[Intervals, Intervals]:
        found = steps.sweep(boxes, 2)
        outer = [narrowed(found, index).squared() for index in firsts]
        inner = [found.coefficient(index).squared() for index in firsts]
        return joined(outer, 2).sum((1, 2))[:, None], joined(inner, 2).sum((1, 2))[:, None]

    found = require_reached(range_over(quantities, ends, check_positive("tolerance", tolerance), budget), budget)
    low, high = max(found.inner.hi[0], 0.0), found.outer.hi[0]
    return float(np.nextafter(np.sqrt(low), 0.0)), float(np.nextafter(np.sqrt(high), np.inf))


def sup_difference(
    net: Network, theta: Any, other: Network, other_theta: Any, box: Any, tolerance: float = 1e-6, budget: int = BUDGET
) -> tuple[float, float]:
    r"""Enclose the greatest |F_q(x) - G_q(x)| of two networks over a box and all outputs.

    Of networks of one shape it is bounded layer by layer first (`refkan.exact.layerwise_differences`): of a network and
    a refined one that is the rounding of coefficients, and zero where nothing was rounded. If that is within the
    tolerance, it is the answer, from 0 on; if not, boxes are subdivided.

    Parameters
    ----------
    net, theta, other, other_theta
        Two networks of the same numbers of inputs and outputs.
    box, tolerance, budget
        As for `enclose`.

    Raises
    ------
    ConvergenceError, ValueError
        As `extrema`; for networks of different shapes.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([1, 1], 3, 2)
    >>> rk.exact.sup_difference(net, [0, 1, 1, 0], net, [0, 1, 1, 0.5], [[0, 1]])[0] > 0.24999
    True
    """
    left, right = interval_network(net, theta), interval_network(other, other_theta)
    if (left.n_inputs, left.n_outputs) != (right.n_inputs, right.n_outputs):
        raise ValueError(
            f"other must have {left.n_inputs} inputs and {left.n_outputs} outputs as net has; "
            f"got {right.n_inputs} and {right.n_outputs}"
        )
    ends = checked_box(left, box)
    checked_box(right, box)
    bound = layerwise_difference(left, right, ends)
    if bound is not None and bound <= check_positive("tolerance", tolerance):
        return 0.0, bound

    def quantities(boxes: Intervals) -> tuple[Intervals, Intervals]:
        f, g = left.sweep(boxes, 2), right.sweep(boxes, 2)
        smoothness = np.minimum(f.smoothness, g.smoothness)
        difference = Expansion(f.centre - g.centre, f.over - g.over, f.reach, smoothness)
        return narrowed(difference, f.over.zero), difference.centre.value

    found = require_reached(range_over(quantities, ends, check_positive("tolerance", tolerance), budget), budget)
    low = max(0.0, float(found.inner.hi.max()), float((-found.inner.lo).max()))
    high = float(found.outer.magnitude.max())
    return low, high if bound is None else min(high, bound)


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


def require_reached(found: Range, budget: int) -> Range:
    """Raise unless the tolerance was reached."""
    if not found.reached:
        excess = np.maximum(found.inner.lo - found.outer.lo, found.outer.hi - found.inner.hi).max()
        raise ConvergenceError(
            f"budget = {budget} boxes do not suffice: the bounds exceed what is attained by {excess:.3g}; "
            "raise the budget or the tolerance"
        )
    return found
