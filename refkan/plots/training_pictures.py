"""The figure of a training: loss by step, and the network with its error against the solution."""

from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.networks import Network
from refkan.plots import history, network
from refkan.plots import to_png as png_of
from refkan.training.multilevel import MultistartResult
from refkan.training.recipes.records import chosen_level
from refkan.training.recipes.setups.setups import Setup, midpoints, tensor_grid

SIDE = 120
"""Points each way of pictures over two variables; nine times as many for one."""

SHOWN = 2000
"""Points at which a network of more than two variables is compared with the solution."""

MOST_EDGES = 500
"""Networks with more edges in a layer are not drawn: their picture would take minutes, and show nothing."""

DECADES = 5.0
"""Errors are shown down to so many decades below the largest: along the lines where they vanish there is no end."""


def to_png(setup: Setup, trained: MultistartResult) -> bytes:
    """Draw losses by step, the network, and how far it is from the solution: over one or two variables as pictures.

    For more variables, and for data, the values of the network are drawn against those given.
    """
    from matplotlib.figure import Figure  # drawing is the only part that needs it

    drawing = len(setup.ranges) <= 2 and setup.values is None
    canvas = Figure(figsize=(12, 3.4) if drawing else (8, 3.4), layout="constrained")
    loss, *rest = canvas.subplots(1, 3 if drawing else 2)
    draw_losses(setup, trained, loss)
    if not drawing:
        draw_values(setup, trained, *rest)
    elif len(setup.ranges) == 1:
        draw_curves(setup, trained, *rest)
    else:
        draw_pictures(setup, trained, *rest)
    return png_of(canvas, dpi=110)


def can_be_drawn(net: Network) -> bool:
    """Whether no layer has more edges than `MOST_EDGES`."""
    return all(layer.n_inputs * layer.n_outputs <= MOST_EDGES for layer in net.layers)


def network_png(setup: Setup, trained: MultistartResult) -> bytes:
    """Draw the network with the function of each edge, its nodes under the names of the data's columns."""
    last = chosen_level(setup, trained)
    x = setup.inputs(setup.grid if setup.samples is None else setup.samples)[:SHOWN]
    names = setup.variables if len(setup.variables) == last.network.widths[0] else None
    return png_of(network(last.network, last.result.theta, x, inputs=names, outputs=[setup.output]), dpi=110)


def draw_losses(setup: Setup, trained: MultistartResult, place: Any) -> None:
    """Losses by step, level after level, with the true error that each ended with."""
    labels = [
        f"{level.network.n_params} parameters, error {setup.error(level.network, level.result.theta):.1e}"
        for level in trained.course
    ]
    history(trained, place, labels, factor=2.0)
    place.set_title(setup.name)


def draw_values(setup: Setup, trained: MultistartResult, place: Any) -> None:
    """Values of the network against those of the solution at points of the grid."""
    exact = setup.exact[:SHOWN]
    place.plot(exact, values_at(setup, trained, setup.grid[:SHOWN]), ".", ms=2, label="network")
    ends = [exact.min(), exact.max()]
    given = "solution" if setup.values is None else "data"
    place.plot(ends, ends, "k--", lw=0.8, label=given)
    place.set(xlabel=given, ylabel="network", title=f"values at {exact.size} points")
    place.legend(frameon=False, fontsize=8)


def draw_curves(setup: Setup, trained: MultistartResult, left: Any, right: Any) -> None:
    """Functions of one variable, and the error."""
    ((low, high),) = setup.ranges
    x = midpoints(low, high, 9 * SIDE)
    exact, values = solution_at(setup, x[:, None]), values_at(setup, trained, x[:, None])
    left.plot(x, values, label="network")
    left.plot(x, exact, "k--", lw=0.8, label="solution")
    left.set(xlabel=setup.variables[0])
    left.legend(frameon=False, fontsize=8)
    right.semilogy(x, np.abs(values - exact), lw=0.8)
    right.set(xlabel=setup.variables[0], title="|error|", ylim=shown_errors(values - exact))


def draw_pictures(setup: Setup, trained: MultistartResult, left: Any, right: Any) -> None:
    """The network over two variables on the left, the logarithm of its error on the right."""
    from matplotlib.colors import LogNorm

    points = tensor_grid(*(midpoints(low, high, SIDE) for low, high in setup.ranges))
    values = values_at(setup, trained, points)
    wrong = values - solution_at(setup, points)
    low, high = shown_errors(wrong)
    pictures: tuple[tuple[Any, FloatArray, str, dict[str, Any]], ...] = (
        (left, values, "network", {}),
        (right, np.clip(np.abs(wrong), low, high), "|error|", {"norm": LogNorm(low, high)}),
    )
    extent = [end for pair in setup.ranges for end in pair]
    for place, picture, title, options in pictures:
        image = place.imshow(picture.reshape(SIDE, SIDE).T, origin="lower", aspect="auto", extent=extent, **options)
        place.figure.colorbar(image, ax=place)
        place.set(title=title, xlabel=setup.variables[0], ylabel=setup.variables[1])


def values_at(setup: Setup, trained: MultistartResult, points: FloatArray) -> FloatArray:
    """Values of the trained network at points (N, d)."""
    last = chosen_level(setup, trained)
    return last.network(last.result.theta, setup.inputs(points))[:, 0]


def solution_at(setup: Setup, points: FloatArray) -> FloatArray:
    """Values of the solution at points (N, d)."""
    return np.asarray(setup.reference(points), dtype=float)[:, 0]


def shown_errors(wrong: FloatArray) -> tuple[float, float]:
    """The range of errors that is shown; any range where there is no error, or a network that overflows."""
    sizes = np.abs(wrong[np.isfinite(wrong)])
    largest = float(sizes.max(initial=0.0)) or 1.0
    return largest * 10.0**-DECADES, largest
