"""Where knots are, and the same function before and after refinement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import as_vector
from refkan.networks import Network
from refkan.plots.network_edges import curves
from refkan.plots.style import BLUE, GREY, LINE, ORANGE, THIN, finish, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def knots(net: Network, theta: Any, axes: Axes | None = None) -> Figure:
    """Draw the breakpoints of every input of every layer that has knots, one row each, free knots where they are.

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
    """Draw the function of one edge before and after refinement, with the breakpoints of both: it is the same function.

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
    figure, axes = place(axes)
    theta = as_vector("theta", theta, net.n_params)
    shown = ((net, theta, GREY, 3.0, "before"), (fine, net.convert(theta, fine), BLUE, LINE, "after"))
    spaces = []
    for of, at, color, width, name in shown:
        part = of.layers[layer], at[of.slices[layer]]
        t, f = curves(*part, count=401)
        axes.plot(t[:, input], f[:, output, input], color=color, lw=width, label=f"{name}, {of.n_params} parameters")
        spaces.append(part[0].spaces_at(part[1])[input])
    old, all_of_them = (space.breakpoints for space in spaces)
    new = np.setdiff1d(all_of_them, old)
    bottom = axes.get_ylim()[0]
    for points, color, height in ((old, GREY, 12), (new, ORANGE, 8)):
        axes.plot(points, np.full(points.size, bottom), ls="none", marker="|", ms=height, color=color, clip_on=False)
    finish(axes, xlabel=f"input {input} of layer {layer}", ylabel=f"edge to output {output}")
    return figure
