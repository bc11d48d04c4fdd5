r"""Edges of a network replaced by formulas c f(a z + b) + d, as many as a proven distance allows.

For each function f of a list, a and b are sought on a grid and improved by the method of Nelder and Mead; c is that of
least squares, and d centres what is left. This arithmetic in floats proves nothing. The constants that result are taken
as they are, and the distance of the formula from its edge is enclosed for all inputs in the range
(`enclosures.formulas_on_edges`). How many edges are replaced is decided as in `pruned`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from refkan.analysis.exact.enclosures.boxes import smoothness_over
from refkan.analysis.exact.enclosures.float_intervals import quiet
from refkan.analysis.exact.enclosures.formulas_on_edges import LISTED, EdgeFormula, distance_from
from refkan.analysis.exact.enclosures.network_intervals import (
    EdgeStep,
    IntervalNetwork,
    LinearStep,
    with_fixed_constants,
)
from refkan.analysis.exact.nodes.extremes_over_boxes import layerwise_difference
from refkan.analysis.exact.nodes.replaced_edges import (
    Pruned,
    PrunedEdge,
    most_replacements,
    proven_distance,
    ranges_of_edges,
)
from refkan.base import FloatArray, as_samples
from refkan.networks import Network
from refkan.networks.edge_functions import edge_values

POINTS = 129
"""Points of an edge at which formulas are fitted."""

SCALES = np.geomspace(0.1, 12.8, 15)
SHIFTS = np.linspace(-4.0, 4.0, 33)
"""The grid of |a| and b, for z scaled to [-1, 1]."""

TINY = 1e-300
"""In place of the length of a range that is a point."""

FACTOR, SHARE = 2.0, 0.01
"""By how much a simpler function may be further away: a factor of the least distance, and a share of the tolerance."""


class Formula(PrunedEdge):
    """An edge that was replaced by c f(a z + b) + d, z its input.

    Attributes
    ----------
    layer, output, input : int
    kind : str
        The function f.
    bound : float
        Proven: the largest |difference| of an output of the network if no other edge were replaced.
    distance : float
        Proven: the largest |difference| from the edge, over the range of its input.
    constants : sequence of float
        a, b, c, d.

    Examples
    --------
    >>> from refkan.analysis.exact.nodes.fitted_formulas import Formula
    >>> print(Formula(0, 0, 1, "sin", bound=0.01, distance=0.01, constants=(2.0, 0.5, 3.0, -1.0)))
    3 sin(2 z + 0.5) - 1
    """

    distance: float
    constants: Sequence[float]

    def __str__(self) -> str:
        a, b, c, d = self.constants
        argument = f"{a:.6g} z".removeprefix("1 ") + _signed(b)
        return f"{c:.6g} {LISTED[self.kind].text.format(argument)}{_signed(d)}"

    def __call__(self, z: FloatArray) -> FloatArray:
        """Return the values at z, in floats."""
        return EdgeFormula(self.kind, *self.constants).of_floats(z)


def _signed(number: float) -> str:
    """How a summand is written; nothing for zero."""
    if number == 0:
        return ""
    text = f"{number:+.6g}"
    return f" {text[0]} {text[1:]}"


class WithFormulas(Pruned):
    """A network some of whose edges are formulas, which count in exact arithmetic in `bound`.

    Attributes
    ----------
    network, theta : Network, array (n_params,)
        The given network, statistics and free knots fixed: edges without a formula are its edges.
    edges : tuple of Formula

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net, x = rk.kan([1, 1], order=4, intervals=8), np.linspace(0.0, 1.0, 50)[:, None]
    >>> theta = rk.minimize(rk.LeastSquares(net, x, np.sin(3.0 * x)), np.zeros(11), "levenberg-marquardt").theta
    >>> result = rk.exact.pruned(net, theta, [[0.0, 1.0]], tolerance=1e-3, formulas=True)
    >>> result.edges[0].kind, bool(np.abs(result(x) - net(theta, x)).max() <= result.bound <= 1e-3)
    ('sin', True)
    """

    edges: tuple[Formula, ...]

    def __call__(self, x: Any) -> FloatArray:
        """Return the outputs (N, Q) at x (N, P), in floats."""
        z = as_samples("x", x, self.network.widths[0])
        for k, layer in enumerate(self.network.layers):
            values = edge_values(layer, self.theta[self.network.slices[k]], z)
            for edge in self.edges:
                if edge.layer == k:
                    values[:, edge.output, edge.input] = edge(z[:, edge.input])
            z = values.sum(axis=2)
            if k < len(self.network.node_maps):
                z = self.network.node_maps[k].value(z)
        return z


def replaced_by_formulas(
    steps: IntervalNetwork, net: Network, theta: Any, ends: FloatArray, tolerance: float, budget: int
) -> WithFormulas:
    """Replace as many edges as `pruned` does."""
    if any(isinstance(step, LinearStep) for step in steps.steps):
        raise ValueError("net must have functions on edges to be written as formulas; dense layers have none")
    if smoothness_over(steps, ends) < 0:
        raise ValueError("net must be continuous on the box to be compared with formulas; splines of order 1 jump")
    fixed, parameters = with_fixed_constants(net, theta)
    candidates = sorted(_candidates(steps, fixed, parameters, ends, tolerance), key=lambda formula: formula.bound)

    def distance(count: int) -> float:
        return proven_distance(steps, with_formulas(steps, candidates[:count]), ends, tolerance, budget)

    count = most_replacements(lambda count: distance(count) <= tolerance, len(candidates))
    return WithFormulas(fixed, parameters, distance(count), tuple(candidates[:count]), ())


def with_formulas(steps: IntervalNetwork, edges: list[Formula]) -> IntervalNetwork:
    """The network with some edges replaced."""
    new, layer = [], 0
    for step in steps.steps:
        if isinstance(step, EdgeStep):
            here = [edge for edge in edges if edge.layer == layer]
            layer += 1
            listed = tuple((edge.output, edge.input, EdgeFormula(edge.kind, *edge.constants)) for edge in here)
            step = replace(step, formulas=listed)
        new.append(step)
    return replace(steps, steps=tuple(new))


@quiet()
def _candidates(
    steps: IntervalNetwork, net: Network, theta: FloatArray, ends: FloatArray, tolerance: float
) -> list[Formula]:
    """The formula of each edge, if one has a value in the whole range."""
    found = []
    edge_steps = [step for step in steps.steps if isinstance(step, EdgeStep)]
    for k, (step, (low, high)) in enumerate(zip(edge_steps, ranges_of_edges(steps, ends), strict=True)):
        z = low + np.linspace(0.0, 1.0, POINTS)[:, None] * (high - low)
        values = edge_values(net.layers[k], theta[net.slices[k]], z)
        for q, p in np.ndindex(values.shape[1:]):
            formula = fitted(z[:, p], values[:, q, p], tolerance)
            if formula is None:
                continue
            apart = distance_from(formula, step.edge(q, p), float(low[p]), float(high[p]))
            name, *constants = formula
            alone = Formula(k, q, p, name, np.inf, apart, constants)
            bound = layerwise_difference(steps, with_formulas(steps, [alone]), ends)
            found.append(replace(alone, bound=bound))
    return found


def fitted(z: FloatArray, s: FloatArray, tolerance: float) -> EdgeFormula | None:
    """The formula that is closest to s at the points z, or nearly so and simpler; None if none has values there."""
    middle, half = 0.5 * (z[-1] + z[0]), max(0.5 * (z[-1] - z[0]), TINY)
    best = [_best(name, (z - middle) / half, s) for name in LISTED]
    distances = np.array([size for size, _ in best])
    allowed = FACTOR * distances.min() + SHARE * tolerance
    if not np.isfinite(allowed):
        return None
    first = int(np.argmax(distances <= allowed))
    name, (scale, shift) = list(LISTED)[first], best[first][1]
    a, b = LISTED[name].normal(scale / half, shift - scale / half * middle)
    _, c, d = _projected(LISTED[name].of_floats(a * z + b), s)
    return EdgeFormula(name, a, b, float(c), float(d))


@quiet()
def _best(name: str, u: FloatArray, s: FloatArray) -> tuple[float, FloatArray]:
    """The least distance at points u in [-1, 1], and scale and shift of the argument."""
    function = LISTED[name].of_floats

    def size(inner: FloatArray) -> float:
        return float(_projected(function(inner[0] * u + inner[1]), s)[0])

    if name == "x":
        return size(np.array([1.0, 0.0])), np.array([1.0, 0.0])
    scales = np.concatenate([SCALES, -SCALES])
    arguments = scales[:, None, None] * u + SHIFTS[:, None]
    sizes = _projected(function(arguments), s)[0]
    i, j = np.unravel_index(int(np.argmin(sizes)), sizes.shape)
    options = {"xatol": 1e-9, "fatol": 1e-12, "maxfev": 300}
    result = minimize(size, [scales[i], SHIFTS[j]], method="Nelder-Mead", options=options)
    return float(result.fun), result.x


@quiet()
def _projected(f: FloatArray, s: FloatArray) -> tuple[Any, Any, Any]:
    """Distance, c and d of c f + d from s, at points on the last axis; infinite where f has no value."""
    centred = f - f.mean(axis=-1, keepdims=True)
    norm = (centred**2).sum(axis=-1)
    c = (centred * s).sum(axis=-1) / np.where(norm > 0, norm, 1.0)
    rest = s - c[..., None] * f
    low, high = rest.min(axis=-1), rest.max(axis=-1)
    half = 0.5 * (high - low)
    return np.where(np.isfinite(half), half, np.inf), c, 0.5 * (low + high)
