r"""Enclosures of networks over boxes of inputs: values, gradients and second derivatives."""

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from operator import add
from typing import Annotated, Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, joined
from refkan.analysis.exact.enclosures.network_intervals import IntervalNetwork, interval_network
from refkan.analysis.exact.enclosures.subdivision import Evaluation, of_range, range_over
from refkan.analysis.exact.enclosures.taylor_intervals import influence, monomials, narrowed, units
from refkan.base import (
    ArgumentCheck,
    FloatArray,
    Frozen,
    Natural,
    Positive,
    as_array,
    as_shape,
    check_annotated,
    check_count,
    real,
    require_floats,
)
from refkan.networks import Network
from refkan.training.optimizers.progress import report_of

BUDGET = 100_000
"""Boxes that a subdivision may evaluate by default."""

Telling = bool | Callable[[Any], Any]
"""Whether lines about a subdivision are printed, or a function that is told instead."""


class Bounds(Frozen):
    """Bounds of a network over a box: [..., 0] is a lower and [..., 1] an upper bound.

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
    derivatives: Annotated[int, ArgumentCheck("0, 1 or 2", check_count, maximum=2)] = 2,
    tolerance: Positive | None = None,
    budget: Natural = BUDGET,
    progress: Telling = False,
    executor: Executor | None = None,
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
    executor : concurrent.futures.Executor, optional
        Evaluates the boxes of a step at once: threads, processes, a ``distributed.Client(...).get_executor()``. The
        bounds are the same, bit for bit. It pays where steps take long: networks of many edges, many boxes.

    Returns
    -------
    Bounds

    Raises
    ------
    ValueError
        For boxes that are empty or reach outside the domain under outside="error", for arguments that do not fit, and
        for a box or theta that float64 would round.

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
    steps, ends = posed(enclose, locals())
    P, Q, wanted = steps.n_inputs, steps.n_outputs, monomials(steps.n_inputs, derivatives)
    quantities, report = partial(_coefficients, steps, derivatives), report_of(progress)
    slack = None if tolerance is None else of_range(tolerance)
    ranges = range_over(quantities, ends, slack, budget, report=report, executor=executor)
    table = np.stack([ranges.outer.lo, ranges.outer.hi], axis=-1).reshape(Q, len(wanted), 2)
    position, firsts = {index: k for k, index in enumerate(wanted)}, units(P)
    seconds = [[tuple(map(add, one, other)) for other in firsts] for one in firsts]
    first = table[:, [position[unit] for unit in firsts]] if derivatives else None
    second = table[:, [[position[index] for index in row] for row in seconds]] if derivatives == 2 else None
    return Bounds(table[:, 0], first, second, ranges.boxes, ranges.reached)


def _coefficients(steps: IntervalNetwork, derivatives: int, boxes: Intervals) -> Evaluation:
    """All derivatives up to an order of all outputs, as one list of quantities."""
    expansion = steps.sweep(boxes, 2, at_centre=max(derivatives, 1))
    outer, inner = [], []
    for index in monomials(steps.n_inputs, derivatives):
        factor = Intervals.of(2.0 if max(index, default=0) == 2 else 1.0)
        outer.append(narrowed(expansion, index) * factor)
        inner.append(expansion.coefficient(index) * factor)
    over, inside = (joined(parts, 2).reshape(len(boxes.lo), -1) for parts in (outer, inner))
    return Evaluation(over, inside, influence(expansion, min(derivatives, 1)))


def bounding_box(x: Any) -> FloatArray:
    """Return the smallest box (P, 2) that contains samples x (N, P): the minimum and maximum of each input.

    Raises
    ------
    ValueError
        If x holds no sample, numbers that are not finite, or numbers that float64 would round.

    Examples
    --------
    >>> import refkan as rk
    >>> rk.exact.bounding_box([[0.0, 5.0], [1.0, 3.0]])
    array([[0., 1.],
           [3., 5.]])
    """
    samples = real("x", as_array("x", x, 2))
    require_floats("x", x)
    if not samples.shape[0]:
        raise ValueError("x must hold at least one sample; got none")
    return np.stack([samples.min(axis=0), samples.max(axis=0)], axis=1)


def posed(function: Callable[..., Any], given: dict[str, Any], name: str = "net") -> tuple[IntervalNetwork, FloatArray]:
    """Check the arguments of a certificate over a box; return the network called `name` and the box (P, 2)."""
    check_annotated(function, given)
    steps = interval_network(given[name], given["theta" if name == "net" else f"{name}_theta"], name)
    return steps, checked_box(steps, given["box"])


def checked_box(steps: IntervalNetwork, box: Any) -> FloatArray:
    """Check a box (P, 2)."""
    ends: FloatArray = real("box", as_shape("box", box, (steps.n_inputs, 2)))
    require_floats("box", box)
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
