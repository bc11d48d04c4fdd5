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
"""Powers of ten spanned, below which ticks at 3 times them are added; below half of it at 2 and 5 times them."""


def label(axis: Axis, plain: bool = False) -> None:
    """Put ticks at powers of ten, between them on a short axis too; as plain numbers, or as powers."""
    low, high = sorted(axis.get_view_interval())
    powers_spanned = np.log10(high / low)
    between = (1.0, 2.0, 5.0) if powers_spanned < FEW / 2 else (1.0, 3.0) if powers_spanned < FEW else (1.0,)
    axis.set_major_locator(LogLocator(subs=between, numticks=7))
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
    drawing = Figure(figsize=size, layout="constrained")
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
    return drawing
