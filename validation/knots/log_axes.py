"""Logarithmic axes: ticks that can be read on short ones, and panels of errors against what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, NullLocator

FEW = 2.0
"""Powers of ten spanned, below which ticks at 2 and 5 are added."""


def label(axis: Axis, plain: bool = False) -> None:
    """Put ticks at powers of ten, and at 2 and 5 times them on a short axis; as plain numbers, or as powers."""
    low, high = sorted(axis.get_view_interval())
    short = np.log10(high / low) < FEW
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if short else (1.0,), numticks=7))
    axis.set_minor_locator(NullLocator())
    powers = LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(np.inf, np.inf))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}") if plain else powers)


@dataclass(frozen=True)
class Curve:
    """The errors of one way to train, and what they cost; `style` is that of the line."""

    name: str
    parameters: Sequence[float]
    seconds: Sequence[float]
    errors: Sequence[float]
    style: Mapping[str, Any]


def draw_costs(curves: Mapping[str, Sequence[Curve]], size: tuple[float, float], legend: int = 7) -> Figure:
    """Draw errors against parameters above, against seconds below, a column for each target by its name."""
    drawing = Figure(figsize=size)
    panels = drawing.subplots(2, len(curves))
    for (above, below), (target, column) in zip(panels.T, curves.items(), strict=True):
        for curve in column:
            above.loglog(curve.parameters, curve.errors, label=curve.name, **curve.style)
            below.loglog(curve.seconds, curve.errors, **curve.style)
        above.set(title=target, xlabel="parameters")
        below.set(xlabel="seconds")
        for axes in (above, below):
            label(axes.yaxis)
            axes.tick_params(labelsize=8)
        label(above.xaxis, plain=True)
        label(below.xaxis)
    panels[0, 0].legend(fontsize=legend)
    for axes in panels[:, 0]:
        axes.set_ylabel("error (rms)")
    drawing.tight_layout()
    return drawing
