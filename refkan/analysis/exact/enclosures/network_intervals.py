r"""A network over boxes of inputs: Taylor coefficients in x as intervals, layer by layer.

Layers of splines, ReLU powers and Chebyshev polynomials are y_q = sum_p s_qp(x_p) with functions s_qp of one input, so
that the range over a box is the sum of ranges; dense layers are affine maps, and an activation of each node.
Dependencies arise between layers, where Taylor forms around the centre of the box narrow the ranges again.
"""

from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from refkan import networks, truth
from refkan.analysis.exact.enclosures.float_intervals import (
    Intervals,
    down,
    joined,
    quiet,
    require_rounding_to_nearest,
    up,
)
from refkan.analysis.exact.enclosures.formulas_on_edges import EdgeFormula, OfInterval
from refkan.analysis.exact.enclosures.polynomial_pieces import (
    POLYNOMIAL,
    Derivatives,
    PiecesOfInputs,
    Sides,
    nearest,
    pieces_of_sum,
)
from refkan.analysis.exact.enclosures.scalar_functions import ACTIVATIONS, sigmoid, silu
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, narrowed, variables
from refkan.analysis.exact.extra import rational_numbers
from refkan.base import FloatArray, Frozen, IntArray, as_vector, check_type, real, require_floats
from refkan.networks import Network
from refkan.truth.layers import DenseLayer, SiluLayer, SumLayer
from refkan.truth.node_maps import Affine, Sigmoid


class Step(Frozen):
    """A part of a network: what it makes of Taylor numbers (B, P) over boxes."""

    def apply(self, x: TaylorIntervals, sides: Sides = "right") -> tuple[TaylorIntervals, IntArray | int]:
        """Return the outputs, and the number of continuous derivatives of the functions met over each box."""
        raise NotImplementedError


class MixingStep(Step):
    """Sums over the inputs of functions of each."""

    def of_each_input(self, x: TaylorIntervals, sides: Sides = "right") -> tuple[TaylorIntervals, IntArray | int]:
        """The summands (B, Q, P) of the outputs, one an input."""
        raise NotImplementedError

    def apply(self, x: TaylorIntervals, sides: Sides = "right") -> tuple[TaylorIntervals, IntArray | int]:  # noqa: D102
        y, smoothness = self.of_each_input(x, sides)
        return y.together(lambda part: part.sum(-1)), smoothness


class EdgeStep(MixingStep):
    """A layer of functions on edges with its coefficients: pieces of each input, and multiples of silu (Q, P), if any.

    Under outside="error" its end pieces go on here: what is bounded is an extension of the network, so that Taylor
    forms hold also around centres where the network itself has no value. `formulas` take the place of functions: each
    belongs to an output and an input.
    """

    edges: PiecesOfInputs
    layer: SumLayer
    theta: Any
    silu: FloatArray | None
    formulas: tuple[tuple[int, int, EdgeFormula], ...] = ()

    def functions(self, p: int) -> tuple[Any, list[Any]]:
        """The family of an input, and the coefficients of its functions, one row an output."""
        return self.layer.families[p], [self.layer.edge(self.theta, q, p) for q in range(self.layer.n_outputs)]

    def of_inputs(self, x: Intervals, order: int, sides: Sides = "right") -> Derivatives:
        """The functions of inputs (B, P), (B, P, Q)."""
        c, smoothness = self.edges.enclose(x, order, sides)
        if self.silu is not None:
            w, branch = Intervals.of(self.silu.T), silu(x, order)[0]
            c = [spline + part[..., None] * w for spline, part in zip(c, branch, strict=True)]
        for q, p, formula in self.formulas:
            c = [part.replaced((..., p, q), g) for part, g in zip(c, formula.of_intervals(x[:, p], order), strict=True)]
        return c, smoothness

    def edge(self, q: int, p: int) -> OfInterval:
        """The function on one edge."""
        single = replace(
            self,
            edges=PiecesOfInputs([self.edges.inputs[p]]),
            silu=None if self.silu is None else self.silu[:, p : p + 1],
            formulas=tuple((i, 0, formula) for i, j, formula in self.formulas if j == p),
        )
        return partial(_of_edge, single, q)

    def of_each_input(self, x: TaylorIntervals, sides: Sides = "right") -> tuple[TaylorIntervals, IntArray]:  # noqa: D102
        enclosed, smoothness = self.of_inputs(x.value, x.order, sides)
        c = [Intervals(part.lo.swapaxes(1, 2), part.hi.swapaxes(1, 2)) for part in enclosed]  # (B, Q, P)
        return x[:, None, :].composed(c), smoothness.min(axis=1)


def _of_edge(single: EdgeStep, q: int, z: Intervals, order: int) -> Derivatives:
    c, smoothness = single.of_inputs(z[:, None], order)
    return [part[:, 0, q] for part in c], smoothness[:, 0]


class LinearStep(MixingStep):
    """z = W y + shift, W a matrix (Q, P)."""

    weights: FloatArray
    shift: FloatArray

    def of_each_input(self, x: TaylorIntervals, sides: Sides = "right") -> tuple[TaylorIntervals, int]:  # noqa: D102
        first = np.zeros_like(self.weights)  # whose summand has the shift
        first[:, 0] = self.shift
        return x[:, None, :] * self.weights + first, POLYNOMIAL


class DiagonalStep(Step):
    """z = w y + shift, node by node."""

    weights: FloatArray
    shift: FloatArray

    def apply(self, x: TaylorIntervals, sides: Sides = "right") -> tuple[TaylorIntervals, int]:  # noqa: D102
        return x * self.weights + self.shift, POLYNOMIAL


class ActivationStep(Step):
    """z = f(y), one function of every node."""

    name: str

    def apply(self, x: TaylorIntervals, sides: Sides = "right") -> tuple[TaylorIntervals, IntArray]:  # noqa: D102
        c, smoothness = ACTIVATIONS[self.name](x.value, x.order, sides)
        return x.composed(c), smoothness


class SigmoidStep(Step):
    """z = a + (b - a) g, g the sigmoid."""

    low: FloatArray
    high: FloatArray

    def apply(self, x: TaylorIntervals, sides: Sides = "right") -> tuple[TaylorIntervals, IntArray]:  # noqa: D102
        c, smoothness = sigmoid(x.value, x.order)
        return x.composed(c) * (Intervals.of(self.high) - Intervals.of(self.low)) + self.low, smoothness


class IntervalNetwork(Frozen):
    """Steps of a network at theta, made by `interval_network`.

    Attributes
    ----------
    steps : tuple
    n_inputs, n_outputs : int
    domains : array (P, 2) or None
        Where the first layer has values.
    net, theta : Network, array (n_params,)
        What they are of, statistics and free knots fixed, end pieces continued: for floats that need no proof.
    """

    steps: tuple[Step, ...]
    n_inputs: int
    n_outputs: int
    domains: FloatArray | None
    net: Network
    theta: FloatArray

    @quiet()
    def sweep(self, box: Intervals, order: int, limits: bool = False, at_centre: int | None = None) -> Expansion:
        """Expand around the centres of boxes (B, P), there to the order `at_centre` if that is lower.

        What `narrowed` makes of the expansion needs orders below the highest alone there.

        By default derivatives at knots are those from the right. With limits=True the expansion holds their limits from
        inside each box over it, where it has an inside, and those of all sides at its centre.
        """
        points = Intervals.of(box.middle)
        reach = box - points
        if at_centre is None:
            at_centre = order
        centre = _stacked(variables(points, at_centre))
        over = _stacked(variables(box, order))
        smoothness = np.full(box.lo.shape[0], POLYNOMIAL)
        sides: tuple[Sides, Sides] = ("right", "right")
        if limits:
            sides = ("both", "inside")
        for k, step in enumerate(self.steps):
            centre, _ = step.apply(centre, sides[0])
            over, met = step.apply(over, sides[1])
            sides = (sides[0], "right")  # slopes inside the box are those of the first layer alone
            smoothness = np.minimum(smoothness, met)
            if k:  # sums of functions of single inputs have the sums of their ranges
                value = narrowed(Expansion(centre, over, reach, smoothness), over.zero)
                over = TaylorIntervals(over.parts | {over.zero: value}, over.order)
        return Expansion(centre, over, reach, smoothness)

    @quiet()
    def at(self, points: FloatArray) -> Intervals:
        """The values at points (n, P)."""
        x = _stacked(variables(Intervals.of(points), 0))
        for step in self.steps:
            x, _ = step.apply(x)
        return x.value


def _stacked(x: list[TaylorIntervals]) -> TaylorIntervals:
    """One Taylor number of shape (B, P) from P of shape (B,)."""
    zeros = Intervals.of(np.zeros_like(x[0].value.lo))
    indices = {index for each in x for index in each.parts}
    return TaylorIntervals(
        {index: joined([each.parts.get(index, zeros) for each in x], 1) for index in indices}, x[0].order
    )


@quiet()
def interval_network(net: Network, theta: Any, name: str = "net") -> IntervalNetwork:
    """Read a network; mean-std and min-max maps and free knots are fixed where they are at theta.

    Raises
    ------
    ValueError
        If net is not bound to data, theta does not fit, or float64 would round it.
    ArithmeticError
        Where float64 does not round as bounds need it.
    """
    require_rounding_to_nearest()
    check_type(name, net, Network)
    net.require_bound()
    label = "theta" if name == "net" else f"{name}_theta"
    parameters = real(label, as_vector(label, theta, net.n_params))
    require_floats(label, theta)
    return _read(net, parameters.tobytes())


@lru_cache(maxsize=4)
def _read(net: Network, parameters: bytes) -> IntervalNetwork:
    """The network at parameters, the bytes of floats; kept, as several certificates are often asked of one network."""
    net, theta = with_fixed_constants(net, np.frombuffer(parameters))
    evaluation = truth.of(net, theta, [], rational_numbers())
    network = evaluation.network
    steps: list[Step] = []
    for k, (layer, part) in enumerate(zip(network.layers, network.parts(evaluation.theta), strict=True)):
        steps += _steps_of_layer(layer, part)
        if k < len(network.node_maps):
            steps += _step_of_map(network.node_maps[k])
    domains = _domains(steps[0].layer) if isinstance(steps[0], EdgeStep) else None
    net = replace(net, layers=tuple(map(_continued, net.layers)))
    return IntervalNetwork(tuple(steps), net.widths[0], net.widths[-1], domains, net, theta)


def _continued(layer: Any) -> Any:
    """The layer with its end pieces continued, if it has no values outside its domain."""
    if isinstance(layer, networks.layers.SiluLayer):
        return replace(layer, spline=_continued(layer.spline))
    if layer.outside == "error":
        return replace(layer, outside="polynomial")
    return layer


def with_fixed_constants(net: Network, theta: FloatArray) -> tuple[Network, FloatArray]:
    """Freeze statistics, and free knots, at theta: the parameters s of these are left out."""
    frozen = net.freeze(theta)
    fixed = frozen.with_fixed_knots(theta)
    pairs = zip(fixed.layers, frozen.unpack(theta), strict=True)
    return fixed, np.concatenate(
        [layer.pack(**{name: blocks[name] for name in layer.blocks}) for layer, blocks in pairs]
    )


def _steps_of_layer(layer: Any, theta: Any) -> list[Step]:
    if isinstance(layer, DenseLayer):
        shift = [0] * layer.n_outputs
        if layer.bias:
            shift = theta[layer.n_inputs * layer.n_outputs :]
        linear = LinearStep(_floats(layer.weights(theta)), _floats(shift))
        if layer.activation == "identity":
            return [linear]
        return [linear, ActivationStep(layer.activation)]
    branch = None
    if isinstance(layer, SiluLayer):
        theta, w_b, _ = layer.split(theta)
        layer, branch = layer.spline, _floats(w_b)
    assert isinstance(layer, SumLayer)
    layer = replace(layer, families=list(map(_hashable, layer.families)))
    coefficients = [[layer.edge(theta, q, p) for q in range(layer.n_outputs)] for p in range(layer.n_inputs)]
    edges = PiecesOfInputs([pieces_of_sum(term) for term in zip(layer.families, coefficients, strict=True)])
    return [EdgeStep(edges, layer, theta, branch)]


def _hashable(family: Any) -> Any:
    """A family whose lists are tuples."""
    return replace(family, **{name: tuple(each) for name, each in vars(family).items() if isinstance(each, list)})


def _domains(layer: SumLayer) -> FloatArray | None:
    """Domains with their margin, rounded outwards; None where the functions go on for ever."""
    if layer.margin is None:
        return None
    ends = [(a, b, layer.margin * (b - a)) for a, b in (family.domain for family in layer.families)]
    low, high = _floats([[a - slack for a, _, slack in ends], [b + slack for _, b, slack in ends]])
    return np.stack([down(low), up(high)], axis=1)


def _step_of_map(node_map: Any) -> list[Step]:
    if isinstance(node_map, Affine):
        return [DiagonalStep(_floats(node_map.scales), _floats(node_map.shifts))]
    if isinstance(node_map, Sigmoid):
        return [SigmoidStep(*(_floats([domain[k] for domain in node_map.domains]) for k in (0, 1)))]
    return []


_floats = np.vectorize(nearest, otypes=[float])
"""Rational numbers that are floats."""
