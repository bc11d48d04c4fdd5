"""Ticks of logarithmic axes that can be read where the data span less than two powers of ten."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
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


def label_costs(above: Axes, below: Axes) -> None:
    """Label two panels of errors, the upper one against parameters, the lower one against seconds."""
    for axes in (above, below):
        label(axes.yaxis)
        axes.tick_params(labelsize=8)
    label(above.xaxis, plain=True)
    label(below.xaxis)
