r"""Edges of a network replaced by constants or straight lines, as many as a proven distance allows.

An edge s on the range [l, h] of its input is replaced by the line, or the constant, that is about in the middle of s
there. Its coefficients in B-splines are the values of the line at the Greville points,

    alpha + beta z = sum_i (alpha + beta xi_i) b_i(z),    xi_i = (t_(i+1) + ... + t_(i+r-1))/(r - 1),

so that the result is a network of the same layers at other parameters. The bound of a single replacement is that of
`layerwise_difference`. Replacements are taken in the order of these bounds; how many of them, bisection decides, which
encloses the distance of the whole network from the given one each time.
"""

from functools import partial
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.boxes import posed
from refkan.analysis.exact.enclosures.float_intervals import Intervals, quiet
from refkan.analysis.exact.enclosures.network_intervals import (
    EdgeStep,
    IntervalNetwork,
    interval_network,
    with_fixed_constants,
)
from refkan.analysis.exact.enclosures.subdivision import absolute, range_over
from refkan.analysis.exact.enclosures.taylor_intervals import TaylorIntervals
from refkan.analysis.exact.nodes.extremes_over_boxes import largest_difference, layerwise_difference
from refkan.base import FloatArray, Frozen, Natural, Positive
from refkan.networks import Network
from refkan.networks.edge_functions import edge_values

POINTS = 65
"""Points of an edge between whose values a line is drawn."""

CLOSE = 0.1
"""The share of the tolerance by which the enclosure of a distance may exceed it."""

Key = tuple[int, int, int]


class PrunedEdge(Frozen):
    """An edge that was replaced: "constant" or "line", and a bound of the distance if no other edge were replaced.

    Examples
    --------
    >>> from refkan.analysis.exact.nodes.pruning import PrunedEdge
    >>> PrunedEdge(layer=0, output=0, input=1, kind="line", bound=0.01).kind
    'line'
    """

    layer: int
    output: int
    input: int
    kind: str
    bound: float


class Pruned(Frozen):
    """A network some of whose edges are constant or straight.

    Attributes
    ----------
    network, theta : Network, array (n_params,)
        The given network, statistics and free knots fixed, at other parameters.
    bound : float
        Proven: the largest |difference| of an output from the given network in the box is not above it.
    edges : tuple of PrunedEdge
        Replaced edges, those of the smallest bounds first.
    nodes : tuple of (int, int)
        Hidden nodes, by layer and number, on which nothing depends any more.

    Examples
    --------
    >>> import refkan as rk
    >>> result = rk.exact.pruned(rk.kan([1, 1], 2, 1), [0.5, 0.5], [[0.0, 1.0]], tolerance=0.1)
    >>> result.bound, result.edges[0].kind, result.theta
    (0.0, 'constant', array([0.5, 0.5]))
    """

    network: Network
    theta: FloatArray
    bound: float
    edges: tuple[PrunedEdge, ...]
    nodes: tuple[tuple[int, int], ...]


def pruned(net: Network, theta: Any, box: Any, tolerance: Positive, budget: Natural = 2000) -> Pruned:
    r"""Replace edges by constants or straight lines while the proven distance stays below a tolerance.

    Parameters
    ----------
    net : Network
        Of splines of order 2 or more, with SiLU or without it. Mean-std and min-max maps are those of
        ``net.freeze(theta)``, free knots those of ``net.with_fixed_knots(theta)``.
    theta : array (n_params,)
    box : array (P, 2)
        Least and greatest of each input.
    tolerance : float
        What the largest |difference| of outputs in the box must not exceed.
    budget : int
        Boxes that each enclosure of a distance may evaluate.

    Returns
    -------
    Pruned

    Raises
    ------
    ValueError
        As `enclose`; for layers of other functions than splines.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([2, 1], order=3, intervals=2)
    >>> result = rk.exact.pruned(net, [0.0, 1.0, 1.0, 0.0, 0.5, 0.5, 0.51, 0.5], [[0.0, 1.0]] * 2, tolerance=0.01)
    >>> [(edge.input, edge.kind) for edge in result.edges], result.bound <= 0.01
    ([(1, 'constant')], True)
    """
    steps, ends = posed(pruned, locals())
    fixed, parameters = with_fixed_constants(net, theta)
    for k, layer in enumerate(fixed.layers):
        if not layer.has_knots or layer.basis != "spline" or layer.spaces_at(parameters[fixed.slices[k]])[0].order < 2:
            raise ValueError(
                f"net must have layers of splines of order 2 or more to be pruned; layer {k} is {layer.describe()}: "
                "net.to_basis('spline') and net.convert(theta, other) rewrite ReLU powers"
            )
    candidates = _candidates(steps, fixed, parameters, ends)
    choose = partial(_replaced, fixed, parameters, candidates)
    distance = partial(_distance, steps, fixed, ends, 0.5 * CLOSE * tolerance, budget)
    few, many = 0, len(candidates) + 1
    while many - few > 1:
        middle = (few + many) // 2
        if distance(choose(middle)[0]) <= tolerance:
            few = middle
        else:
            many = middle
    w, edges = choose(few)
    unused, nodes = _without_unused_nodes(fixed, w)
    if nodes and distance(unused) <= tolerance:
        w = unused
    else:
        nodes = ()
    return Pruned(fixed, w, distance(w), edges, nodes)


def _candidates(steps: IntervalNetwork, net: Network, theta: FloatArray, ends: FloatArray) -> list[Any]:
    """Replacements of single edges with their coefficients, by the bound of what each does alone."""
    found = []
    for k, (layer, ranges) in enumerate(zip(net.layers, _ranges(steps, ends), strict=True)):
        part = theta[net.slices[k]]
        low, high = ranges
        z = low + np.linspace(0.0, 1.0, POINTS)[:, None] * (high - low)
        values = edge_values(layer, part, z)
        for q, p in np.ndindex(layer.n_outputs, layer.n_inputs):
            space, s = layer.spaces_at(part)[p], values[:, q, p]
            for kind in ("line", "constant"):
                slope = 0.0
                if kind == "line" and high[p] > low[p]:
                    slope = (s[-1] - s[0]) / (high[p] - low[p])
                rest = s - slope * z[:, p]
                coefficients = 0.5 * (rest.min() + rest.max()) + slope * greville_points(space)
                edge = {(k, q, p): coefficients}
                alone = interval_network(net, with_edges(net, theta, edge))
                bound = layerwise_difference(steps, alone, ends)
                found.append((bound, kind == "constant", PrunedEdge(k, q, p, kind, bound), coefficients))
    return sorted(found, key=lambda candidate: candidate[:2])


@quiet()
def _ranges(steps: IntervalNetwork, ends: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Least and greatest inputs (P,) of each layer of edges."""
    x, ranges = TaylorIntervals({(0,): Intervals(ends[None, :, 0], ends[None, :, 1])}, 0), []
    for step in steps.steps:
        if isinstance(step, EdgeStep):
            ranges.append((x.value.lo[0], x.value.hi[0]))
        x, _ = step.apply(x)
    return ranges


def greville_points(space: Any) -> FloatArray:
    """Means of the knots inside the supports of B-splines, (dim,): the coefficients of z."""
    inner = np.lib.stride_tricks.sliding_window_view(space.knots[1:-1], space.order - 1)
    points: FloatArray = inner.mean(axis=1)
    return points


def with_edges(net: Network, theta: FloatArray, edges: dict[Key, FloatArray]) -> FloatArray:
    """Parameters at which some edges are splines of given coefficients, without SiLU."""
    parts = []
    for k, (layer, blocks) in enumerate(zip(net.layers, net.unpack(theta), strict=True)):
        new = {name: np.array(block) for name, block in blocks.items()}
        for (_, q, p), coefficients in [(key, c) for key, c in edges.items() if key[0] == k]:
            new["coefficients"][q, p] = coefficients
            if "w_b" in new:
                new["w_b"][q, p], new["w_s"][q, p] = 0.0, 1.0
        parts.append(layer.pack(**new))
    return np.concatenate(parts)


def _replaced(
    net: Network, theta: FloatArray, candidates: list[Any], count: int
) -> tuple[FloatArray, tuple[PrunedEdge, ...]]:
    """Parameters after the first replacements, and the edges; a constant takes the place of a line."""
    chosen: dict[Key, tuple[PrunedEdge, FloatArray]] = {}
    for *_, edge, coefficients in candidates[:count]:
        key = (edge.layer, edge.output, edge.input)
        if key not in chosen or edge.kind == "constant":
            chosen[key] = edge, coefficients
    w = with_edges(net, theta, {key: coefficients for key, (_, coefficients) in chosen.items()})
    return w, tuple(edge for edge, _ in chosen.values())


def _without_unused_nodes(net: Network, theta: FloatArray) -> tuple[FloatArray, tuple[tuple[int, int], ...]]:
    """Parameters at which edges lead to no node whose own edges are all constant, and those nodes."""
    w, nodes = theta, []
    for k in reversed(range(len(net.layers) - 1)):
        following = net.unpack(w)[k + 1]
        constant = np.ptp(following["coefficients"], axis=2) == 0
        if "w_b" in following:
            constant &= following["w_b"] == 0
        layer = net.layers[k]
        for q in np.flatnonzero(constant.all(axis=0)).tolist():
            nodes.append((k, q))
            dims = [space.dim for space in layer.spaces_at(w[net.slices[k]])]
            w = with_edges(net, w, {(k, q, p): np.zeros(dim) for p, dim in enumerate(dims)})
    return w, tuple(nodes)


def _distance(
    steps: IntervalNetwork, net: Network, ends: FloatArray, slack: float, budget: int, theta: FloatArray
) -> float:
    """A bound of |difference| from the given network over a box: layer by layer, or where that is less by boxes."""
    other = interval_network(net, theta)
    by_layers = layerwise_difference(steps, other, ends)
    if by_layers <= slack:
        return by_layers
    quantities = partial(largest_difference, steps, other)
    sizes = range_over(quantities, ends, absolute(slack), budget, greatest=True)
    return min(by_layers, float(sizes.outer.hi[0]))
