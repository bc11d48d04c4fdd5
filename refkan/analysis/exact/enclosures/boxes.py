r"""Enclosures of networks over boxes of inputs: values, gradients and second derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, joined
from refkan.analysis.exact.enclosures.posed_boxes import BUDGET, Telling, posed
from refkan.analysis.exact.enclosures.subdivision import Evaluation, of_range, range_over
from refkan.analysis.exact.enclosures.taylor_intervals import influence, monomials, narrowed
from refkan.base.arguments import check_count
from refkan.base.array_types import FloatArray
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network
from refkan.training.optimizers.results import report_of


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
    net: Network,
    theta: Any,
    box: Any,
    derivatives: int = 2,
    tolerance: float | None = None,
    budget: int = BUDGET,
    progress: Telling = False,
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
        Least and greatest of each input; they may be equal. ``bounding_box(x)`` is that of samples.
    derivatives : {0, 1, 2}
        How many of value, first and second derivatives are enclosed.
    tolerance : float, optional
        Distance from the ranges that the bounds may keep, relative to the range of each quantity as it is found, or to
        a millionth of its largest value: the box is subdivided until then. By default there is no subdivision, and the
        excess falls with the square of the box (of values, and of first derivatives where second ones are bounded; of
        second derivatives linearly).
    budget : int
        Boxes that may be evaluated; ``.reached`` says whether they sufficed. The bounds hold in any case.
    progress : bool or callable
        Whether lines about the subdivision go to the standard error stream, or a function that is told instead.

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
    >>> bounds = rk.exact.enclose(net, [0.0, 1.0, 1.0, 0.0], [[0.0, 1.0]], tolerance=1e-6)
    >>> np.round(bounds.value, 5), np.round(bounds.first, 5), bounds.reached
    (array([[0.5, 1. ]]), array([[[-2.,  2.]]]), True)
    """
    check_count("derivatives", derivatives, 0, 2)
    steps, ends = posed(enclose, locals())
    P, Q = steps.n_inputs, steps.n_outputs
    wanted = monomials(P, derivatives)
    order = max(2, derivatives)

    def quantities(boxes: Intervals) -> Evaluation:
        expansion = steps.sweep(boxes, order)
        outer, inner = [], []
        for index in wanted:
            factor = Intervals.of(2.0 if max(index, default=0) == 2 else 1.0)
            outer.append(narrowed(expansion, index) * factor)
            inner.append(expansion.coefficient(index) * factor)
        return Evaluation(
            joined(outer, 2).reshape(len(boxes.lo), -1),
            joined(inner, 2).reshape(len(boxes.lo), -1),
            influence(expansion, min(derivatives, 1)),
        )

    slack = None if tolerance is None else of_range(tolerance)
    ranges = range_over(quantities, ends, slack, budget, report=report_of(progress))
    table = np.stack([ranges.outer.lo, ranges.outer.hi], axis=-1).reshape(Q, len(wanted), 2)
    position = {index: k for k, index in enumerate(wanted)}

    def at(*inputs: int) -> FloatArray:
        bounds: FloatArray = table[:, position[tuple(inputs.count(p) for p in range(P))]]
        return bounds

    def of_each(*inputs: int) -> FloatArray:
        return np.stack([at(*inputs, p) for p in range(P)], axis=1)

    first = of_each() if derivatives else None
    second = np.stack([of_each(p) for p in range(P)], axis=1) if derivatives == 2 else None
    return Bounds(at(), first, second, ranges.boxes, ranges.reached)
