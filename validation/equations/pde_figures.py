"""Figures of trainings on differential equations."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure as Drawing

from refkan.claims import Figure
from validation.equations.pde_runs import medians


def draw_levels(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], name: str, caption: str, ticks: Sequence[int] | None = None
) -> Figure:
    """Draw errors and losses after each level over the number of parameters, every seed and the median.

    `ticks` are numbers of parameters to write at the axis: by default those of all levels, where they lie apart.
    """
    canvas = Drawing(figsize=(9, 3.4), layout="constrained")
    if ticks is None:
        ticks = sorted({level["parameters"] for group in runs.values() for level in group[0]["levels"]})
    for axes, key in zip(canvas.subplots(1, 2), ("error", "loss"), strict=True):
        for label, group in runs.items():
            sizes = [level["parameters"] for level in group[0]["levels"]]
            (line,) = axes.loglog(sizes, medians(group, key), "o-", ms=4, label=label)
            for each in group:
                axes.loglog(sizes, [level[key] for level in each["levels"]], lw=0.5, alpha=0.4, color=line.get_color())
        axes.set(xlabel="parameters", ylabel="relative error" if key == "error" else "loss")
        axes.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=7)
        axes.minorticks_off()
    axes.legend(frameon=False, fontsize=7)
    return Figure.from_matplotlib(canvas, name, caption)
