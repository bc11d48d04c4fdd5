"""The figure of a training: loss by step, and the solution with its error."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from refkan.array_types import FloatArray
from refkan.training.setups import Setup, midpoints, tensor_grid
from refkan.training.starts import StartsResult

SIDE = 120
"""Points each way of pictures over two variables; nine times as many for one."""


def to_png(setup: Setup, trained: StartsResult) -> bytes:
    """Draw losses by step and, for one or two variables, the network, and how far it is from the solution."""
    from matplotlib.figure import Figure  # drawing is the only part that needs it

    canvas = Figure(figsize=(12, 3.4), layout="constrained")
    loss, *rest = canvas.subplots(1, 3 if len(setup.ranges) <= 2 else 1, squeeze=False)[0]
    done = 0
    for level in trained.levels:
        values = 2.0 * level.result.history.value
        loss.semilogy(done + np.arange(values.size), values, label=f"{level.network.n_params} parameters")
        done += values.size - 1
    loss.set(xlabel="step", ylabel="loss", title=setup.name)
    loss.legend(frameon=False, fontsize=8)
    if rest:
        draw_solution(setup, trained, *rest)
    stream = io.BytesIO()
    canvas.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()


def draw_solution(setup: Setup, trained: StartsResult, left: Any, right: Any) -> None:
    """The network on the left, the logarithm of its error on the right."""
    last = trained.levels[-1]
    axes = [midpoints(low, high, SIDE if len(setup.ranges) == 2 else 9 * SIDE) for low, high in setup.ranges]
    points = tensor_grid(*axes)
    exact: FloatArray = np.asarray(setup.reference(points))[:, 0]
    values = last.network(last.result.theta, setup.inputs(points))[:, 0]
    wrong = np.log10(np.abs(values - exact) + 1e-16)
    if len(axes) == 1:
        left.plot(axes[0], values, label="network")
        left.plot(axes[0], exact, "k--", lw=0.8, label="solution")
        left.legend(frameon=False, fontsize=8)
        right.plot(axes[0], wrong)
        right.set(title="log10 |error|")
        return
    extent = [end for pair in setup.ranges for end in pair]
    for place, picture, title in ((left, values, "network"), (right, wrong, "log10 |error|")):
        image = place.imshow(picture.reshape(SIDE, SIDE).T, origin="lower", aspect="auto", extent=extent)
        place.figure.colorbar(image, ax=place)
        place.set(title=title)
