"""Studies as JSON and as a figure."""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from refkan.conditioning.study_rows import Row, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def to_json(study: Study) -> bytes:
    """The rows as a JSON list; numbers that JSON does not have (nan, infinity) as null."""
    rows = [{name: _plain(value) for name, value in row.as_dict().items()} for row in study.rows]
    return (json.dumps(rows, indent=1, allow_nan=False) + "\n").encode("ascii")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value


def to_png(study: Study) -> bytes:
    """The figure of a study as a PNG file."""
    target = io.BytesIO()
    condition_figure(study).savefig(target, format="png", dpi=150)
    return target.getvalue()


def condition_figure(study: Study) -> Figure:
    """Condition number against the number of intervals, medians over seeds with their extremes, one line a series.

    Hollow markers stand where a seed's row has flags, which doubt its number. Dense networks, which have no intervals,
    are horizontal lines, dotted where a row has flags.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(7.5, 5.0), layout="constrained")
    axes = figure.subplots()
    ticks: set[int] = set()
    flagged = False
    for label, points in _series(study).items():
        values = {n: [row.condition for row in rows] for n, rows in points.items()}
        doubted = {n for n, rows in points.items() if any(row.flags for row in rows)}
        flagged = flagged or bool(doubted)
        numbers = sorted(n for n in points if n is not None)
        if numbers:
            spread = np.array([[f(values[n]) for n in numbers] for f in (np.median, np.min, np.max)])
            bars = axes.errorbar(
                numbers, spread[0], np.abs(spread[1:] - spread[0]), marker="o", capsize=3, label=label, zorder=2
            )
            hollow = [n in doubted for n in numbers]
            axes.plot(
                np.array(numbers)[hollow], spread[0][hollow], marker="o", linestyle="none", zorder=3,
                markerfacecolor="white", markeredgecolor=bars[0].get_color(), gid="flagged",
            )  # fmt: skip
            ticks.update(numbers)
        else:
            style = ":" if doubted else "--"
            axes.axhline(float(np.median(values[None])), linestyle=style, color="0.4", label=label)
    axes.set_xlabel("intervals n")
    axes.set_ylabel("condition number of the numerical range")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(ticks), labels=list(map(str, sorted(ticks))))
    axes.set_yscale("log")
    axes.grid(visible=True, alpha=0.3)
    handles, _ = axes.get_legend_handles_labels()
    if flagged:
        told = "hollow, dotted: flagged"
        handles.append(Line2D([], [], marker="o", linestyle=":", color="0.4", markerfacecolor="white", label=told))
    if handles:
        axes.legend(handles=handles, fontsize="small")
    return figure


def _series(study: Study) -> dict[str, dict[int | None, list[Row]]]:
    """Rows with condition numbers by series and number of intervals (the largest, where layers differ)."""
    series: dict[str, dict[int | None, list[Row]]] = {}
    for row in study.rows:
        if not math.isfinite(row.condition):
            continue
        point = row.configuration
        order = [] if point.order is None else [f"r = {point.order}"]
        extra = [] if point.preconditioner is None else [f"with {point.preconditioner}"]
        label = " ".join([point.kind, *extra, str(list(point.widths)), *order])
        n = max(point.intervals) if isinstance(point.intervals, tuple) else point.intervals
        series.setdefault(label, {}).setdefault(n, []).append(row)
    return series
