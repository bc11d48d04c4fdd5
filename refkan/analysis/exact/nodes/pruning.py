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
from refkan.analysis.exact.enclosures.network_intervals import IntervalNetwork, interval_network, with_fixed_constants
from refkan.analysis.exact.nodes.extremes_over_boxes import layerwise_difference
from refkan.analysis.exact.nodes.fitted_formulas import replaced_by_formulas
from refkan.analysis.exact.nodes.replaced_edges import (
    Pruned,
    PrunedEdge,
    most_replacements,
    proven_distance,
    ranges_of_edges,
)
from refkan.base import FloatArray, Natural, Positive
from refkan.networks import Network
from refkan.networks.edge_functions import edge_values

POINTS = 65
"""Points of an edge between whose values a line is drawn."""

Key = tuple[int, int, int]


def pruned(
    net: Network, theta: Any, box: Any, tolerance: Positive, budget: Natural = 2000, formulas: bool = False
) -> Pruned:
    r"""Replace edges by constants, straight lines or formulas while the proven distance stays below a tolerance.

    With formulas=True an edge is replaced by c f(a z + b) + d, z its input and f one of x, x^2, x^3, exp, log, sqrt,
    1/x, sin, tanh and exp(-x^2): the closest one, or the first one of the list that is nearly as close.

    Parameters
    ----------
    net : Network
        Of splines of order 2 or more, with SiLU or without it. Formulas may replace continuous functions on edges in
        any basis. Mean-std and min-max maps are those of
        ``net.freeze(theta)``, free knots those of ``net.with_fixed_knots(theta)``.
    theta : array (n_params,)
    box : array (P, 2)
        Least and greatest of each input.
    tolerance : float
        What the largest |difference| of outputs in the box must not exceed.
    budget : int
        Boxes that each enclosure of a distance may evaluate.
    formulas : bool

    Returns
    -------
    Pruned
        Called with x (N, P) it returns the outputs (N, Q). With formulas=True its edges are formulas, which are
        printed, called and have constants, and network and theta are the given ones: no network holds a formula.

    Raises
    ------
    ValueError
        As `enclose`; for layers of other functions than splines, and with formulas=True for dense layers and networks
        that jump.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([2, 1], order=3, intervals=2)
    >>> result = rk.exact.pruned(net, [0.0, 1.0, 1.0, 0.0, 0.5, 0.5, 0.51, 0.5], [[0.0, 1.0]] * 2, tolerance=0.01)
    >>> [(edge.input, edge.kind) for edge in result.edges], result.bound <= 0.01
    ([(1, 'constant')], True)
    >>> result = rk.exact.pruned(net, [0.0, 0.0, 0.5, 1.5, 0.5, 0.0, 0.0, 0.5], [[0, 1]] * 2, 0.01, formulas=True)
    >>> [edge.kind for edge in result.edges], result.bound < 1e-9
    (['x^2', 'x^2'], True)
    """
    steps, ends = posed(pruned, locals())
    if formulas:
        return replaced_by_formulas(steps, net, theta, ends, tolerance, budget)
    fixed, parameters = with_fixed_constants(net, theta)
    for k, layer in enumerate(fixed.layers):
        if not layer.has_knots or layer.basis != "spline" or layer.spaces_at(parameters[fixed.slices[k]])[0].order < 2:
            raise ValueError(
                f"net must have layers of splines of order 2 or more to be pruned; layer {k} is {layer.describe()}: "
                "net.to_basis('spline') and net.convert(theta, other) rewrite ReLU powers"
            )
    candidates = _candidates(steps, fixed, parameters, ends)
    choose = partial(_replaced, fixed, parameters, candidates)

    def distance(w: FloatArray) -> float:
        return proven_distance(steps, interval_network(fixed, w), ends, tolerance, budget)

    count = most_replacements(lambda count: distance(choose(count)[0]) <= tolerance, len(candidates))
    w, edges = choose(count)
    unused, nodes = _without_unused_nodes(fixed, w)
    if nodes and distance(unused) <= tolerance:
        w = unused
    else:
        nodes = ()
    return Pruned(fixed, w, distance(w), edges, nodes)


def _candidates(steps: IntervalNetwork, net: Network, theta: FloatArray, ends: FloatArray) -> list[Any]:
    """Replacements of single edges with their coefficients, by the bound of what each does alone."""
    found = []
    for k, (layer, ranges) in enumerate(zip(net.layers, ranges_of_edges(steps, ends), strict=True)):
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
