r"""Two networks of the same shape, layer by layer: how far apart their values can be over a box.

Let z and w be the inputs of a layer of both networks, |z_p - w_p| <= d_p, all of them in R_p. Then

    |s_qp(z_p) - t_qp(w_p)|  <=  sup over R_p of |s_qp - t_qp|  +  d_p sup over R_p of |t_qp'|,

and the sums over p bound the inputs of the next layer. The differences s_qp - t_qp are piecewise polynomials, made over
Fractions on the knots of both: of a network and a refined one they are zero but for the rounding of coefficients, and
where those are not rounded, exactly zero. Subdivision sees that only up to the width of its boxes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, quiet
from refkan.analysis.exact.enclosures.network_intervals import (
    ActivationStep,
    EdgeStep,
    IntervalNetwork,
    LinearStep,
    SigmoidStep,
)
from refkan.analysis.exact.enclosures.polynomial_pieces import Pieces, pieces_of_difference
from refkan.analysis.exact.enclosures.scalar_functions import ACTIVATIONS, silu
from refkan.analysis.exact.enclosures.taylor_intervals import TaylorIntervals
from refkan.base.array_types import FloatArray


@quiet()
def layerwise_difference(left: IntervalNetwork, right: IntervalNetwork, ends: FloatArray) -> float:
    """Bound |F_q - G_q| over a box (P, 2); infinite for networks of different shapes or maps, and where they jump."""
    if [type(step) for step in left.steps] != [type(step) for step in right.steps]:
        return np.inf
    x, y = (TaylorIntervals({(0,): Intervals(ends[None, :, 0], ends[None, :, 1])}, 0) for _ in range(2))
    apart = Intervals.of(np.zeros(len(ends)))
    for left_step, other in zip(left.steps, right.steps, strict=True):
        hull = Intervals(np.minimum(x.value.lo, y.value.lo), np.maximum(x.value.hi, y.value.hi))
        next_apart = DIFFERENCES[type(left_step)](left_step, other, hull[0], apart)
        if next_apart is None:
            return np.inf
        apart = next_apart
        x, y = left_step.apply(x)[0], other.apply(y)[0]
    return float(apart.hi.max())


def _of_edges(left_step: EdgeStep, other: EdgeStep, inputs: Intervals, apart: Intervals) -> Intervals | None:
    """How far the outputs of two layers are apart."""
    if (left_step.layer.n_inputs, left_step.layer.n_outputs) != (other.layer.n_inputs, other.layer.n_outputs):
        return None
    total = Intervals.of(np.zeros(left_step.layer.n_outputs))
    branches = [
        np.zeros((left_step.layer.n_outputs, left_step.layer.n_inputs)) if w is None else w
        for w in (left_step.silu, other.silu)
    ]
    branch = _distance(*branches)
    met = [step.edges.enclose(inputs[None], 0, "both")[1][0] for step in (left_step, other)]
    (_, slopes), smoothness = other.of_inputs(inputs[None], 1)
    for p in range(left_step.layer.n_inputs):
        at = inputs[p : p + 1]
        difference = pieces_of_difference(*(family for step in (left_step, other) for family in step.functions(p)))
        if difference.end is None and min(met[0][p], met[1][p]) < 0:
            return None
        if not _is_zero(difference):
            total = total + Intervals.of(difference.enclose(at, 0)[0][0].magnitude[0])
        if np.any(branch[:, p]):
            total = total + Intervals.of(branch[:, p]) * Intervals.of(silu(at, 0)[0][0].magnitude)
        if not apart.hi[p] <= 0:
            if smoothness[0, p] < 0:
                return None
            total = total + Intervals.of(slopes.magnitude[0, p]) * apart[p]
    return total


def _is_zero(pieces: Pieces) -> bool:
    return not any(np.any(array) for array in (*pieces.middles, *pieces.radii))


def _of_linear_maps(step: LinearStep, other: LinearStep, inputs: Intervals, apart: Intervals) -> Intervals | None:
    """W z + b - (W' w + b') = W' (z - w) + (W - W') z + (b - b')."""
    if step.weights.shape != other.weights.shape:
        return None
    result = _product(np.abs(other.weights), apart)
    weights, shift = _distance(step.weights, other.weights), _distance(step.shift, other.shift)
    if np.any(weights):
        result = result + _product(weights, Intervals.of(inputs.magnitude))
    return result + Intervals.of(shift) if np.any(shift) else result


def _product(weights: FloatArray, x: Intervals) -> Intervals:
    product = Intervals.of(weights) * x
    return product.sum(1) if weights.ndim == 2 else product


def _of_activations(
    step: ActivationStep, other: ActivationStep, inputs: Intervals, apart: Intervals
) -> Intervals | None:
    """By the largest slope between both."""
    if step.name != other.name:
        return None
    slopes = ACTIVATIONS[step.name](inputs[None], 1, "both")[0][1]
    return Intervals.of(slopes.magnitude[0]) * apart


def _of_sigmoids(step: SigmoidStep, other: SigmoidStep, inputs: Intervals, apart: Intervals) -> Intervals:
    """(a - a') (1 - g) + (b - b') g + (b' - a') (g - g'); the slope of a sigmoid is at most 1/4."""
    ends = np.maximum(_distance(step.low, other.low), _distance(step.high, other.high))
    return other.length * Intervals.of(0.25) * apart + Intervals.of(ends)


def _distance(mine: FloatArray, theirs: FloatArray) -> FloatArray:
    """|x - y| of floats, rounded up, and zero where they are equal."""
    return np.where(mine == theirs, 0.0, (Intervals.of(mine) - Intervals.of(theirs)).magnitude)


Difference = Callable[[Any, Any, Intervals, Intervals], Intervals | None]
"""(one step, another, inputs of both, how far these are apart) -> how far the outputs are; None if unknown."""

DIFFERENCES: dict[type, Difference] = {
    EdgeStep: _of_edges,
    LinearStep: _of_linear_maps,
    ActivationStep: _of_activations,
    SigmoidStep: _of_sigmoids,
}
