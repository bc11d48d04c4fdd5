r"""What follows from enclosures over boxes: extreme values, Lipschitz constants, and how far networks are apart.

Networks of one shape are compared layer by layer. With z and w the inputs of a layer, in R_p, |z_p - w_p| <= d_p,

    |S_q(z) - T_q(w)|  <=  sup over R of |S_q - T_q|  +  sum_p d_p sup over R of |dT_q/dx_p|,

which bounds the inputs of the next layer; the last term is the tangent of T along [-d, d]. The differences of functions
on edges are piecewise polynomials, made over Fractions on the knots of both: of a network and a refined one they are
zero but for the rounding of coefficients, and where those are not rounded, exactly zero. Subdivision sees that only up
to the width of its boxes.
"""

from concurrent.futures import Executor
from functools import partial
from itertools import product
from typing import Annotated, Any

import numpy as np

from refkan.analysis.exact.enclosures.boxes import BUDGET, Telling, posed, smoothness_over
from refkan.analysis.exact.enclosures.float_intervals import Intervals, joined, quiet, up
from refkan.analysis.exact.enclosures.formulas_on_edges import distance_from
from refkan.analysis.exact.enclosures.network_intervals import ActivationStep, EdgeStep, IntervalNetwork, SigmoidStep
from refkan.analysis.exact.enclosures.polynomial_pieces import pieces_of_sum
from refkan.analysis.exact.enclosures.scalar_functions import silu
from refkan.analysis.exact.enclosures.subdivision import (
    NORMAL,
    Evaluation,
    Proven,
    Range,
    absolute,
    of_greatest,
    of_range,
    range_over,
)
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, influence, narrowed, units
from refkan.analysis.exact.nodes.node_subdivision import NodeSearch
from refkan.analysis.exact.nodes.node_tables import node_functions
from refkan.base import FloatArray, Natural, Positive, one_of
from refkan.networks import Network
from refkan.networks.network import ValueSweep
from refkan.training.optimizers.progress import report_of

STARTS, ASCENT, KEPT = 64, 40, 8
"""Points from which large values are sought, steps from each, and how many of them are then enclosed."""


def extrema(
    net: Network,
    theta: Any,
    box: Any,
    tolerance: Positive = 1e-6,
    budget: Natural = BUDGET,
    progress: Telling = False,
    executor: Executor | None = None,
) -> Proven:
    r"""Enclose the minimum and the maximum of each output over a box: two arrays (Q, 2).

    The minimum lies in [minima[q, 0], minima[q, 1]]. For discontinuous networks it is the infimum. Under
    outside="error" it is that of the network with its end pieces continued. It may be attained where an activation
    leaves a domain, so that the network itself has no value.

    Parameters
    ----------
    net, theta, box, budget, progress, executor
        As for `enclose`; the budget is shared by all extremes.
    tolerance : float
        Distance that the two ends of an extreme may keep, relative as for `enclose`.

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
    steps, ends = posed(extrema, locals())
    report, points = report_of(progress), _promising(steps, ends)
    extremes: list[Range] = []
    for q, sign in product(range(steps.n_outputs), (-1.0, 1.0)):
        left = max((budget - sum(each.boxes for each in extremes)) // (2 * steps.n_outputs - len(extremes)), 1)
        attained, slack = partial(_values, steps, q, sign), of_range(tolerance)
        search = NodeSearch(node_functions(steps, q, sign), attained, slack, executor)
        greatest = search.run(ends, left, points[q], report)
        if greatest is None:  # where functions jump, boxes of inputs alone
            output = partial(_output, steps, q, sign)
            greatest = range_over(output, ends, slack, left, True, points[q], report, executor)
        extremes.append(greatest)
    ends_of = [np.array([[each.inner.hi[0], each.outer.hi[0]] for each in extremes[side::2]]) for side in (0, 1)]
    return Proven.by((-ends_of[0][:, ::-1], ends_of[1]), extremes, tolerance, budget)


def _output(steps: IntervalNetwork, q: int, sign: float, boxes: Intervals) -> Evaluation:
    """An output, times a sign, over boxes."""
    return Evaluation.of_value(steps.sweep(boxes, 2, at_centre=1).map(lambda y, at: y[:, q] * sign, boxes))


def _values(steps: IntervalNetwork, q: int, sign: float, points: FloatArray) -> Intervals:
    """An output, times a sign, at points (n, P)."""
    return steps.at(points)[:, q] * Intervals.of(sign)


@quiet()
def _promising(steps: IntervalNetwork, ends: FloatArray) -> FloatArray:
    """Points (Q, K, P) where each output is small, or large: ascent in floats, each point with its own step."""
    P, Q, sides = len(ends), steps.n_outputs, ends[:, 1] - ends[:, 0]
    random = ends[:, 0] + np.random.default_rng(0).uniform(size=(STARTS, P)) * sides
    x = np.tile(np.clip(random, ends[:, 0], ends[:, 1]), (2 * Q, 1))
    dy = np.repeat(np.concatenate([-np.eye(Q), np.eye(Q)]), STARTS, axis=0)
    chosen = dy != 0
    length, best = np.full((len(x), 1), 0.25), np.full((len(x), 1), -np.inf)
    trial, gradient = x, np.zeros_like(x)
    for _ in range(ASCENT):
        sweep = ValueSweep(steps.net, steps.theta, trial, share=False)
        value = (sweep.value[chosen] * dy[chosen])[:, None]
        slopes = np.asarray(sweep.pull_back(dy, inputs=True)[1]) * sides
        better = value > best
        best, x = np.where(better, value, best), np.where(better, trial, x)
        gradient = np.where(better, slopes, gradient)
        length = length * np.where(better, 1.5, 0.4)
        norm = np.linalg.norm(gradient, axis=1, keepdims=True)
        trial = np.clip(x + length * sides * gradient / np.where(norm > 0, norm, 1.0), ends[:, 0], ends[:, 1])
        trial = np.where(np.isfinite(trial), trial, x)
    order = np.argsort(-best.reshape(2, Q, STARTS), axis=2)[..., :KEPT]
    highest = np.take_along_axis(x.reshape(2, Q, STARTS, P), order[..., None], axis=2)
    return np.moveaxis(highest, 0, 1).reshape(Q, 2 * KEPT, P)


def lipschitz_constant(
    net: Network,
    theta: Any,
    box: Any,
    tolerance: Positive = 1e-3,
    budget: Natural = BUDGET,
    progress: Telling = False,
    norm: Annotated[str, one_of(("2", "1", "inf"))] = "2",
    executor: Executor | None = None,
) -> Proven:
    r"""Enclose the least upper bound of a norm of the Jacobian dF/dx inside a box.

    With norm="1" or "inf", for inputs and outputs alike, the result is the Lipschitz constant: the largest column sum
    of |dF/dx|, or the largest row sum. With norm="2" the Frobenius norm is used. For one output it equals the Lipschitz
    constant in the Euclidean norm; for more it is an upper bound. Derivatives at a knot, or at an end of the box, count
    as limits from inside the box; across sides of length zero they count from either side.

    Parameters
    ----------
    net, theta, box, budget, progress, executor
        As for `enclose`.
    tolerance : float
        Distance that the bounds may keep, relative to the constant.
    norm : {"2", "1", "inf"}

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
    steps, ends = posed(lipschitz_constant, locals())
    if smoothness_over(steps, ends) < 0:
        raise ValueError("net must be continuous on the box to have a Lipschitz constant; splines of order 1 jump")
    quantities, report = partial(_jacobian_norm, steps, norm), report_of(progress)
    norms = range_over(quantities, ends, of_greatest(tolerance), budget, True, report=report, executor=executor)
    return Proven.by((float(norms.inner.hi[0]), float(norms.outer.hi[0])), [norms], tolerance, budget)


def _jacobian_norm(steps: IntervalNetwork, norm: str, boxes: Intervals) -> Evaluation:
    """A norm of dF/dx over boxes, and at their centres."""
    expansion, firsts = steps.sweep(boxes, 2, limits=True, at_centre=1), units(steps.n_inputs)

    def size(jacobian: Intervals) -> Intervals:
        """Of matrices (B, Q, P), (B, 1)."""
        if norm == "2":
            return jacobian.norm((1, 2))[:, None]
        return largest(jacobian.absolute().sum(1 if norm == "1" else 2))

    over = size(joined([narrowed(expansion, index) for index in firsts], 2))
    # Of limits from all sides at the centre, and of all limits over the box, the least is surely attained.
    least = size(joined([expansion.coefficient(index) for index in firsts], 2)).lo
    return Evaluation(over, Intervals(np.maximum(least, over.lo), over.hi), influence(expansion, 1))


def sup_difference(
    net: Network,
    theta: Any,
    other: Network,
    other_theta: Any,
    box: Any,
    tolerance: Positive = 1e-6,
    budget: Natural = BUDGET,
    progress: Telling = False,
    executor: Executor | None = None,
) -> Proven:
    r"""Enclose the least upper bound of |F_q(x) - G_q(x)| of two networks over a box and all outputs.

    For networks of the same shape a first bound is computed layer by layer. Between a network and its refinement this
    is the rounding of the coefficients, and zero if nothing was rounded. If it is within the tolerance, the result is
    the interval from 0 to this bound; otherwise boxes are subdivided. For outside="error" see `extrema`.

    Parameters
    ----------
    net, theta, other, other_theta
        Two networks of the same numbers of inputs and outputs.
    box, budget, progress, executor
        As for `enclose`.
    tolerance : float
        Distance that the bounds may keep, relative to the largest value of both at the corners and the centre of the
        box, so that networks that are equal but for rounding are told apart from others.

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
    left, ends = posed(sup_difference, locals())
    if (left.n_inputs, left.n_outputs) != (other.widths[0], other.widths[-1]):
        raise ValueError(
            f"other must have {left.n_inputs} inputs and {left.n_outputs} outputs as net has; "
            f"got {other.widths[0]} and {other.widths[-1]}"
        )
    right, _ = posed(sup_difference, locals(), "other")
    bound = layerwise_difference(left, right, ends)
    allowed = tolerance * max(_size(left, ends), _size(right, ends), NORMAL)
    if bound <= allowed:
        return Proven((0.0, bound))

    quantities, report = partial(largest_difference, left, right), report_of(progress)
    sizes = range_over(quantities, ends, absolute(allowed), budget, True, report=report, executor=executor)
    both = Intervals(sizes.inner.hi, sizes.outer.hi).meet(Intervals(np.zeros(1), np.array([bound])))
    return Proven.by((float(both.lo[0]), float(both.hi[0])), [sizes], tolerance, budget)


def largest_difference(left: IntervalNetwork, right: IntervalNetwork, boxes: Intervals) -> Evaluation:
    """The largest |F_q - G_q| over boxes."""
    f, g = (steps.sweep(boxes, 2, at_centre=1) for steps in (left, right))
    difference = Expansion(f.centre - g.centre, f.over - g.over, f.reach, np.minimum(f.smoothness, g.smoothness))
    over = largest(narrowed(difference, f.over.zero))
    return Evaluation(over, largest(difference.centre.value), influence(difference, 0))


@quiet()
def _size(steps: IntervalNetwork, ends: FloatArray) -> float:
    """The largest |F_q| at the centre of a box and two of its corners."""
    points = np.stack([*ends.T, Intervals(*ends.T).middle])
    sizes = steps.sweep(Intervals.of(points), 0).centre.value.absolute().lo
    return float(sizes.max())


def largest(values: Intervals) -> Intervals:
    """The largest absolute value of each row, (B, 1)."""
    sizes = values.absolute()
    return Intervals(sizes.lo.max(axis=1, keepdims=True), sizes.hi.max(axis=1, keepdims=True))


@quiet()
def layerwise_difference(left: IntervalNetwork, right: IntervalNetwork, ends: FloatArray) -> float:
    """Bound |F_q - G_q| over a box (P, 2); infinite for networks of different shapes or maps, and where they jump."""
    if [type(step) for step in left.steps] != [type(step) for step in right.steps]:
        return np.inf
    x = y = Intervals(ends[None, :, 0], ends[None, :, 1])
    apart = np.zeros((1, len(ends)))
    for step, other in zip(left.steps, right.steps, strict=True):
        hull = Intervals(np.minimum(x.lo, y.lo), np.maximum(x.hi, y.hi))
        difference = _difference(step, other, hull)
        if difference is None:
            return np.inf
        if apart.any():
            moved, smoothness = other.apply(TaylorIntervals({(0,): hull, (1,): Intervals(-apart, apart)}, 1))
            if np.min(smoothness) < 0:
                return np.inf
            difference = up(difference + moved.parts[1,].magnitude)
        apart = difference
        x, y = (each.apply(TaylorIntervals({(0,): z}, 0))[0].value for each, z in ((step, x), (other, y)))
    return float(apart.max())


def _difference(step: Any, other: Any, z: Intervals) -> FloatArray | None:
    """Bound |S_q - T_q|, (1, Q), over inputs (1, P); None if unknown."""
    if isinstance(step, EdgeStep):
        return _of_edges(step, other, z)
    if isinstance(step, ActivationStep):
        return np.zeros_like(z.lo) if step.name == other.name else None
    if isinstance(step, SigmoidStep):  # (a - a') (1 - g) + (b - b') g
        return np.asarray(np.maximum(_distance(step.low, other.low), _distance(step.high, other.high))[None])
    if step.weights.shape != other.weights.shape:
        return None
    apart = type(step)(_distance(step.weights, other.weights), _distance(step.shift, other.shift))
    if not (apart.weights.any() or apart.shift.any()):
        return np.zeros((1, len(apart.shift)))
    return apart.apply(TaylorIntervals({(0,): Intervals.of(z.magnitude)}, 0))[0].value.hi


def _of_edges(step: EdgeStep, other: EdgeStep, z: Intervals) -> FloatArray | None:
    """The same of two layers of functions on edges; None also where a difference may jump."""
    if (step.layer.n_inputs, step.layer.n_outputs) != (other.layer.n_inputs, other.layer.n_outputs):
        return None
    total = np.zeros((1, step.layer.n_outputs))
    branch = _distance(*(np.zeros((1, 1)) if each.silu is None else each.silu for each in (step, other)))
    if branch.any():
        total = total + (Intervals.of(branch) * Intervals.of(silu(z, 0)[0][0].magnitude)).sum(1).hi
    smoothness = np.minimum(*(each.edges.enclose(z, 0, "both")[1][0] for each in (step, other)))
    for p in range(step.layer.n_inputs):
        (family, coefficients), (other_family, others) = step.functions(p), other.functions(p)
        difference = pieces_of_sum((family, coefficients), (other_family, [[-c for c in row] for row in others]))
        if difference.end is None and smoothness[p] < 0:
            return None
        if any(np.any(array) for array in (*difference.middles, *difference.radii)):
            total = up(total + difference.enclose(z[0, p : p + 1], 0)[0][0].magnitude)
    for q, p, formula in other.formulas:  # in place of functions that both have
        total[0, q] = up(total[0, q] + distance_from(formula, step.edge(q, p), z.lo[0, p], z.hi[0, p]))
    return total


def _distance(mine: FloatArray, theirs: FloatArray) -> FloatArray:
    """|x - y| of floats, rounded up, and zero where they are equal."""
    return np.where(mine == theirs, 0.0, (Intervals.of(mine) - Intervals.of(theirs)).magnitude)
