"""Figures of the claims about the speed of gradient descent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from refkan.claims import Figure

TITLES = {"spline": "spline basis", "relu": "ReLU basis"}


def rate_figure(layers: Sequence[Mapping[str, Any]], networks: Sequence[Mapping[str, Any]]) -> Figure:
    """Measured against predicted rates of all modes, one layer and networks, both bases."""
    canvas = Canvas(figsize=(9, 3.8), layout="constrained")
    for axes, cases, title in zip(canvas.subplots(1, 2), (layers, networks), ("one layer", "networks"), strict=True):
        for (basis, name), marker in zip(TITLES.items(), "o^", strict=True):
            rates = [case[basis]["rates"] for case in cases]
            predicted, measured, seen = (
                np.concatenate([getattr(part, field) for part in rates] or [np.empty(0)])
                for field in ("predicted", "measured", "resolved")
            )
            seen = seen.astype(bool)
            axes.loglog(predicted[seen], measured[seen], marker, mfc="none", ms=5, label=name)
        low, high = axes.get_xlim()
        axes.loglog([low, high], [low, high], color="0.6", lw=0.8, zorder=0)
        axes.set(xlabel="predicted rate a step", ylabel="measured rate a step", title=title)
        axes.legend(frameon=False, fontsize="small")
    caption = "Rates of gradient descent, -log of the factor a step, mode by mode, in steps of 1/(2 lambda_max)."
    return Figure.from_matplotlib(canvas, "descent-rates", caption)


def trajectory_figure(case: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Amplitude of every mode against steps, both bases, coloured from the smoothest to the most oscillatory one."""
    from matplotlib import colormaps

    canvas = Canvas(figsize=(9, 3.8), layout="constrained")
    for axes, basis in zip(canvas.subplots(1, 2, sharey=True), ("relu", "spline"), strict=True):
        rows, every = case[basis]["amplitudes"], case[basis]["steps between"]
        count = rows.shape[1]
        steps = every * np.arange(len(rows))
        for mode in range(count):
            axes.semilogy(steps, np.maximum(rows[:, mode], 1e-18), color=colormaps["viridis"](mode / count), lw=0.9)
        axes.set(xlabel="steps", title=f"{TITLES[basis]}, condition number {case[basis]['condition']:.2g}")
    canvas.axes[0].set(ylabel="amplitude / at the start", ylim=(1e-16, 3))
    caption = (
        f"One layer in L2, r = {case['relu']['order']}, n = {case['relu']['intervals']}, largest stable step: the"
        " amplitude of every mode, from the largest eigenvalue (dark) to the smallest (light)."
    )
    return Figure.from_matplotlib(canvas, "descent-trajectories", caption)
