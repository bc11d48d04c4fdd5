"""A network as a graph of nodes and functions, the knots of a network, and a function before and after refinement."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, as_samples, as_vector, check_annotated, check_type, is_sequence
from refkan.networks import Network
from refkan.networks.edge_functions import edge_values
from refkan.networks.layers import Layer
from refkan.plots.style import BLUE, GREY, LINE, ORANGE, THIN, Axes, Figure, Style, finish, place

MOST_EDGES = 64
"""Functions are drawn for layers with at most so many edges; larger layers show only lines."""

WIDEST = 3.0
"""Line width in points of an edge that makes up all of its output."""

BINS = 16


def curves(layer: Layer, theta: FloatArray, count: int = 101) -> tuple[FloatArray, FloatArray]:
    """Return points t (count, P) over the domains and the edges' functions there, (count, Q, P)."""
    ends = layer.domains
    t = ends[:, 0] + np.linspace(0.0, 1.0, count)[:, None] * (ends[:, 1] - ends[:, 0])
    return t, edge_values(layer, theta, t)


def shares(edges: FloatArray) -> FloatArray:
    """Return how much of each output's variation an edge makes up, (Q, P): standard deviations that sum to one.

    `edges` (N, Q, P) are values of the edges, as `Network.activations` has them.
    """
    spread = edges.std(axis=0)
    total = spread.sum(axis=1, keepdims=True)
    return np.divide(spread, total, out=np.zeros_like(spread), where=total > 0)


def network(
    net: Network,
    theta: Any,
    x: Any,
    axes: Axes | None = None,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Figure:
    """Draw the network from left to right: its nodes, and the function on each edge.

    The thickness of a line shows the edge's share of the variation of its output on x. The box of an edge shows its
    function over the domain of the input, the breakpoints below it, and a histogram of the inputs for the samples x.
    Thick lines from an input do not prove that it matters, because edges may cancel in later layers.

    Parameters
    ----------
    net : Network
    theta : array (n_params,)
    x : array (N, P)
    axes : matplotlib Axes, optional
    inputs, outputs : sequence of str, optional
        Names of the nodes on the left, by default x0, x1, ..., and on the right.

    Raises
    ------
    ValueError
        If x holds no sample, or there is not one name for each node.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> net, theta = rk.kan([2, 3, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    >>> axes = rk.plots.network(net, theta, x, inputs=["width", "force"]).axes[0]
    >>> len([line for line in axes.lines if line.get_gid() == "function"])
    9
    >>> [text.get_text() for text in axes.texts]
    ['width', 'force', 'y0']
    """
    check_type("net", net, Network)
    theta = as_vector("theta", theta, net.n_params)
    x = as_samples("x", x, net.widths[0])
    if not x.shape[0]:
        raise ValueError("x must hold at least one sample; got none")
    input_names = _names("inputs", inputs, "x", net.widths[0])
    output_names = _names("outputs", outputs, "y", net.widths[-1])
    edges = [a * b for a, b in zip(net.widths[:-1], net.widths[1:], strict=True)]
    rows = max([*net.widths, *(count for count in edges if count <= MOST_EDGES)])
    figure, axes = place(axes, (2.6 * len(net.layers) + 1.0, max(2.4, 0.5 * rows)))
    heights = [_heights(width) for width in net.widths]
    seen = net.activations(theta, x)
    for k, (layer, z, values) in enumerate(zip(net.layers, seen.inputs, seen.edges, strict=True)):
        ends = heights[k : k + 2]
        _draw_layer(axes, k, layer, theta[net.slices[k]], z, shares(values), ends)
    for k, ys in enumerate(heights):
        axes.plot(np.full(ys.size, k), ys, ls="none", marker="o", ms=6, color=BLUE, gid="nodes", zorder=4)
    style: Style = {"va": "center", "fontsize": 9, "color": GREY, "parse_math": False}
    for name, y in zip(input_names, heights[0], strict=True):
        axes.text(-0.04, y, name, ha="right", **style)
    for name, y in zip(output_names, heights[-1], strict=True):
        axes.text(len(net.layers) + 0.04, y, name, ha="left", **style)
    axes.set(xlim=(-0.2, len(net.layers) + 0.2), ylim=(-0.02, 1.02))
    axes.set_axis_off()
    return figure


def _names(argument: str, names: Sequence[str] | None, letter: str, count: int) -> list[str]:
    """Return names of nodes; raise ValueError, naming the argument, unless there is one for each node."""
    if names is None:
        return [f"{letter}{k}" for k in range(count)]
    if not is_sequence(names) or len(names) != count:
        raise ValueError(f"{argument} must hold a name for each of {count}; got {names!r}")
    return [str(name) for name in names]


def _heights(count: int) -> FloatArray:
    """Return the middles of `count` equal parts of (0, 1), the first on top."""
    return 1.0 - (np.arange(count) + 0.5) / count


def _draw_layer(
    axes: Axes, k: int, layer: Layer, theta: FloatArray, z: FloatArray, share: FloatArray, ends: Sequence[FloatArray]
) -> None:
    (left, right), (Q, P) = ends, share.shape
    style: Style = {"color": GREY, "gid": "edge"}
    if Q * P > MOST_EDGES:
        for q, p in np.ndindex(Q, P):
            axes.plot([k, k + 1], [left[p], right[q]], lw=WIDEST * share[q, p], **style)
        return
    t, f = curves(layer, theta)
    spaces = layer.spaces_at(theta)
    middles, half = _heights(Q * P), 0.4 / (Q * P)
    for p, q in np.ndindex(P, Q):
        y, width = middles[p * Q + q], 0.2 + WIDEST * share[q, p]
        axes.plot([k, k + 0.35], [left[p], y], lw=width, zorder=1, **style)
        axes.plot([k + 0.65, k + 1], [y, right[q]], lw=width, zorder=1, **style)
        box = _Box(axes, k, y, half, *layer.domains[p])
        box.draw_histogram(z[:, p])
        box.draw_function(t[:, p], f[:, q, p])
        if spaces:
            box.draw_knots(spaces[p].breakpoints)


class _Box(Frozen):
    """The box of an edge between the layers k and k + 1, at the height y, over the domain [low, high]."""

    axes: Any
    k: int
    y: float
    half: float
    low: float
    high: float

    def across(self, points: FloatArray) -> FloatArray:
        """Where points of the domain are in the figure."""
        return self.k + 0.37 + 0.26 * (points - self.low) / (self.high - self.low)

    def draw_histogram(self, z: FloatArray) -> None:
        """Draw how many inputs z lie in each part of the domain."""
        inside = z[(z >= self.low) & (z <= self.high)]
        counts, bounds = np.histogram(inside, bins=BINS, range=(self.low, self.high))
        if not counts.any():
            return
        bottom = self.y - self.half
        tops = bottom + 1.2 * self.half * counts / counts.max()
        style: Style = {"step": "post", "color": GREY, "alpha": 0.25, "lw": 0}
        self.axes.fill_between(self.across(bounds), bottom, [*tops, tops[-1]], **style)

    def draw_function(self, t: FloatArray, f: FloatArray) -> None:
        """Draw values f at t, scaled to the height of the box."""
        scaled = np.zeros_like(f)
        if np.ptp(f) > 0:
            scaled = 2 * (f - f.min()) / np.ptp(f) - 1
        style: Style = {"color": BLUE, "lw": LINE, "gid": "function", "zorder": 3}
        self.axes.plot(self.across(t), self.y + self.half * scaled, **style)

    def draw_knots(self, breakpoints: FloatArray) -> None:
        """Draw the breakpoints below the box."""
        below = np.full(breakpoints.size, self.y - self.half)
        style: Style = {"ls": "none", "marker": "|", "ms": 3, "mew": THIN, "color": ORANGE, "gid": "knots"}
        self.axes.plot(self.across(breakpoints), below, **style)


def knots(net: Network, theta: Any, axes: Axes | None = None) -> Figure:
    """Draw the breakpoints of every input of every layer that has knots, one row each, with free knots at theta.

    Domains are drawn on the same length, 0 to 1, so that layers can be compared.

    Raises
    ------
    ValueError
        For a network without knots.

    Examples
    --------
    >>> import refkan as rk
    >>> figure = rk.plots.knots(rk.kan([2, 1], order=3, intervals=4), [0.0] * 12)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['layer 0, input 0', 'layer 0, input 1']
    """
    check_annotated(knots, locals())
    theta = as_vector("theta", theta, net.n_params)
    rows, names = [], []
    for k, (layer, where) in enumerate(zip(net.layers, net.slices, strict=True)):
        for p, space in enumerate(layer.spaces_at(theta[where])):
            low, high = space.domain
            rows.append((space.breakpoints - low) / (high - low))
            names.append(f"layer {k}, input {p}")
    if not rows:
        raise ValueError(f"net must have layers with knots; got {net}")
    figure, axes = place(axes, (6.0, 0.8 + 0.3 * len(rows)))
    axes.eventplot(rows, colors=BLUE, lineoffsets=range(len(rows)), linelengths=0.6, linewidths=LINE)
    axes.hlines(range(len(rows)), 0.0, 1.0, colors=GREY, lw=THIN)
    axes.set_yticks(range(len(rows)), labels=names)
    axes.invert_yaxis()
    finish(axes, xlabel="place in the domain")
    return figure


def refinement(
    net: Network, theta: Any, fine: Network, layer: int = 0, output: int = 0, input: int = 0, axes: Axes | None = None
) -> Figure:
    """Draw the function of one edge, and its breakpoints before and after refinement, which does not change it.

    Parameters
    ----------
    net, theta : Network, array (n_params,)
    fine : Network
        What `net.refine` or `net.insert` returned.
    layer, output, input : int
        Which edge.
    axes : matplotlib Axes, optional

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net = rk.kan([1, 1], order=3, intervals=2)
    >>> axes = rk.plots.refinement(net, [0.0, 1.0, -1.0, 2.0], net.refine()).axes[0]
    >>> before, after = (line.get_ydata() for line in axes.lines[:2])
    >>> bool(np.abs(before - after).max() < 1e-14)
    True
    """
    check_annotated(refinement, locals())
    theta = as_vector("theta", theta, net.n_params)
    net.edge_function(theta, layer, output, input)  # refuses numbers of no edge, and layers without knots
    fine_theta = net.convert(theta, fine)
    figure, axes = place(axes)

    def draw(net: Network, theta: FloatArray, when: str, **style: Any) -> FloatArray:
        """Draw the edge in one network, and return its breakpoints."""
        part = theta[net.slices[layer]]
        t, f = curves(net.layers[layer], part, count=401)
        axes.plot(t[:, input], f[:, output, input], label=f"{when}, {net.n_params} parameters", **style)
        return net.layers[layer].spaces_at(part)[input].breakpoints

    old = draw(net, theta, "before", color=GREY, lw=3.0)
    new = np.setdiff1d(draw(fine, fine_theta, "after", color=BLUE, lw=LINE), old)
    bottom = axes.get_ylim()[0]
    style: Style = {"ls": "none", "marker": "|", "clip_on": False}
    axes.plot(old, np.full(old.size, bottom), ms=12, color=GREY, **style)
    axes.plot(new, np.full(new.size, bottom), ms=8, color=ORANGE, **style)
    finish(axes, xlabel=f"input {input} of layer {layer}", ylabel=f"edge to output {output}")
    return figure
