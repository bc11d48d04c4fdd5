r"""A network over boxes of inputs: Taylor coefficients in x as intervals, layer by layer.

Every layer is y_q = sum_p s_qp(x_p) with piecewise polynomials s_qp, so that its range over a box is the sum of ranges;
dependencies arise between layers, where Taylor forms around the centre of the box narrow the ranges again.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import factorial
from typing import Any

import numpy as np

from refkan import truth
from refkan.analysis.exact.enclosures.float_intervals import (
    Intervals,
    down,
    joined,
    quiet,
    require_rounding_to_nearest,
    up,
)
from refkan.analysis.exact.enclosures.polynomial_pieces import (
    POLYNOMIAL,
    Pieces,
    Sides,
    pieces_of_family,
    pieces_of_polynomials,
)
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, narrowed, variables
from refkan.analysis.exact.ranks.network_rows import irrational_parts
from refkan.base.arguments import as_vector, check_type, real
from refkan.base.array_types import FloatArray, IntArray
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network
from refkan.truth.layers import SumLayer
from refkan.truth.node_maps import Affine, Sigmoid


@dataclass(frozen=True, eq=False)
class EdgeStep(ShortRepr):
    """A layer with its coefficients: pieces of each input.

    Under outside="error" it has values on the domains (P, 2) alone. Its end pieces go on here: what is bounded is an
    extension of the network, so that Taylor forms hold also around centres where the network itself has no value.
    """

    edges: tuple[Pieces, ...]
    domains: FloatArray | None
    layer: SumLayer
    theta: Any

    def functions(self, p: int) -> tuple[Any, list[Any]]:
        """The family of an input, and the coefficients of its functions, one row an output."""
        return self.layer.families[p], [self.layer.edge(self.theta, q, p) for q in range(self.layer.n_outputs)]

    def apply(self, x: TaylorIntervals) -> TaylorIntervals:
        """Sum the functions of all inputs, x of shape (B, P)."""
        return self.apply_smoothly(x)[0]

    def apply_smoothly(self, x: TaylorIntervals, sides: Sides = "right") -> tuple[TaylorIntervals, IntArray]:
        """As `apply`, and the number of continuous derivatives of the functions met over each box (B,)."""
        enclosed = [pieces.enclose(x.value[:, p], x.order, sides) for p, pieces in enumerate(self.edges)]
        edges = [coefficients for coefficients, _ in enclosed]
        c = [joined([edge[k] for edge in edges], 2) for k in range(x.order + 1)]  # (B, Q, P)
        y = x[:, None, :].composed(c).map(lambda part: part.sum(2))
        return y, np.minimum.reduce([smoothness for _, smoothness in enclosed])


@dataclass(frozen=True, eq=False)
class AffineStep(ShortRepr):
    """z = scale y + shift."""

    scale: FloatArray
    shift: FloatArray

    def apply(self, y: TaylorIntervals) -> TaylorIntervals:
        """Map the nodes (B, Q)."""
        scaled = y * Intervals.of(self.scale)
        parts = scaled.parts | {scaled.zero: scaled.value + Intervals.of(self.shift)}
        return TaylorIntervals(parts, y.order)


@dataclass(frozen=True, eq=False)
class SigmoidStep(ShortRepr):
    """z = a + (b - a) g, g the sigmoid, whose derivatives are polynomials in g: P_0 = g, P_{k+1} = P_k' g (1 - g)."""

    low: FloatArray
    high: FloatArray

    @property
    def length(self) -> Intervals:
        """b - a."""
        return Intervals.of(self.high) - Intervals.of(self.low)

    def apply(self, y: TaylorIntervals) -> TaylorIntervals:
        """Map the nodes (B, Q)."""
        table = _sigmoid_derivatives(y.order)
        g = y.value.sigmoid()
        nodes = [table.enclose(g[:, q], 0)[0][0] for q in range(g.lo.shape[1])]
        c = [joined([node[:, k] for node in nodes], 1) for k in range(y.order + 1)]
        scaled = y.composed(c) * self.length
        return TaylorIntervals(scaled.parts | {scaled.zero: scaled.value + Intervals.of(self.low)}, y.order)


@cache
def _sigmoid_derivatives(order: int) -> Pieces:
    """P_k/k! on [0, 1], in powers of g - 1/2: g (1 - g) = 1/4 - (g - 1/2)^2."""
    P = [Fraction(1, 2), Fraction(1)]
    rows = []
    for k in range(order + 1):
        rows.append([c / factorial(k) for c in P] + [Fraction(0)] * (order + 2 - len(P)))
        slope = [i * c for i, c in enumerate(P)][1:]
        P = [Fraction(0)] * (len(slope) + 2)
        for i, c in enumerate(slope):
            P[i] += c / 4
            P[i + 2] -= c
    return pieces_of_polynomials([], [(Fraction(0), Fraction(1))], [rows])


@dataclass(frozen=True, eq=False)
class IntervalNetwork(ShortRepr):
    """Steps of a network at theta, made by `interval_network`.

    Attributes
    ----------
    steps : tuple
    n_inputs, n_outputs : int
    domains : array (P, 2) or None
        Where the first layer has values.
    """

    steps: tuple[Any, ...]
    n_inputs: int
    n_outputs: int
    domains: FloatArray | None

    @quiet()
    def sweep(self, box: Intervals, order: int, limits: bool = False) -> Expansion:
        """Expand around the centres of boxes (B, P).

        By default derivatives at knots are those from the right. With limits=True the expansion holds their limits from
        inside each box over it, where it has an inside, and those of all sides at its centre.
        """
        # A float between the ends; which one does not matter.
        middle = np.clip(0.5 * box.lo + 0.5 * box.hi, box.lo, box.hi)
        points = Intervals.of(middle)
        reach = box - points
        centre, over = (_stacked(variables(x, order)) for x in (points, box))
        smoothness = np.full(middle.shape[0], POLYNOMIAL)
        for k, step in enumerate(self.steps):
            if isinstance(step, EdgeStep):
                centre = step.apply_smoothly(centre, "both" if limits else "right")[0]
                over, met = step.apply_smoothly(over, "right" if k or not limits else "inside")
                smoothness = np.minimum(smoothness, met)
            else:
                centre, over = step.apply(centre), step.apply(over)
            if k:
                value = narrowed(Expansion(centre, over, reach, smoothness), over.zero)
                over = TaylorIntervals(over.parts | {over.zero: value}, over.order)
        return Expansion(centre, over, reach, smoothness)


def _stacked(x: list[TaylorIntervals]) -> TaylorIntervals:
    """One Taylor number of shape (B, P) from P of shape (B,)."""
    zeros = Intervals.of(np.zeros_like(x[0].value.lo))
    indices = {index for each in x for index in each.parts}
    return TaylorIntervals(
        {index: joined([each.parts.get(index, zeros) for each in x], 1) for index in indices}, x[0].order
    )


def interval_network(net: Network, theta: Any) -> IntervalNetwork:
    """Read a network; mean-std and min-max maps are frozen at theta, `net.freeze(theta)`.

    Raises
    ------
    ValueError
        For layers that are no sums of piecewise polynomials of one input.
    ArithmeticError
        Where float64 does not round as bounds need it.
    """
    require_rounding_to_nearest()
    check_type("net", net, Network)
    net.require_bound()
    theta = real("theta", as_vector("theta", theta, net.n_params))
    net = net.freeze(theta)
    refused = sorted({"silu", "tanh", "free knots"} & set(irrational_parts(net)))
    evaluation = truth.of(net, theta, [])
    network = evaluation.network
    if refused or not all(isinstance(layer, SumLayer) for layer in network.layers):
        raise ValueError(
            f"net must be made of spline, ReLU-power or Chebyshev layers to be enclosed; got {net}"
            + (f" with {', '.join(refused)}" if refused else "")
            + ": fix free knots with net.with_fixed_knots(theta); SiLU edges and dense layers are not supported"
        )
    steps: list[Any] = []
    first = None
    for k, (layer, part) in enumerate(zip(network.layers, network.parts(evaluation.theta), strict=True)):
        assert isinstance(layer, SumLayer)
        coefficients = [[layer.edge(part, q, p) for q in range(layer.n_outputs)] for p in range(layer.n_inputs)]
        edges = map(pieces_of_family, layer.families, coefficients)
        steps.append(EdgeStep(tuple(edges), _domains(layer), layer, part))
        if k == 0:
            first = steps[0].domains
        if k < len(network.node_maps):
            steps += _step_of_map(network.node_maps[k])
    return IntervalNetwork(tuple(steps), net.widths[0], net.widths[-1], first)


def _domains(layer: SumLayer) -> FloatArray | None:
    """Domains with their margin, rounded outwards; None where the functions go on for ever."""
    if layer.margin is None:
        return None
    rows = []
    for family in layer.families:
        a, b = family.domain
        slack = layer.margin * (b - a)
        rows.append([float(down(float(a - slack))), float(up(float(b + slack)))])
    return np.array(rows)


def _step_of_map(node_map: Any) -> list[Any]:
    if isinstance(node_map, Affine):
        return [AffineStep(_floats(node_map.scales), _floats(node_map.shifts))]
    if isinstance(node_map, Sigmoid):
        return [SigmoidStep(*(_floats([domain[k] for domain in node_map.domains]) for k in (0, 1)))]
    return []


def _floats(numbers: Any) -> FloatArray:
    """Rational numbers that are floats."""
    return np.array([float(number) for number in numbers])
