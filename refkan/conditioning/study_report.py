"""Studies as JSON and as a figure."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np

from refkan.conditioning.study_rows import Study


def to_json(study: Study) -> bytes:
    """The rows as a JSON list; numbers that JSON does not have (nan, infinity) as null."""
    rows = [{name: _plain(value) for name, value in row.as_dict().items()} for row in study.rows]
    return (json.dumps(rows, indent=1, allow_nan=False) + "\n").encode("ascii")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value


def to_png(study: Study) -> bytes:
    """Condition number against the number of intervals, medians over seeds with their extremes, one line a series.

    Dense networks, which have no intervals, are horizontal lines.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5.0), layout="constrained")
    axes = figure.subplots()
    ticks: set[int] = set()
    for label, points in _series(study).items():
        n = np.array(sorted(k for k in points if k is not None))
        if n.size:
            spread = np.array([[f(points[k]) for k in n] for f in (np.median, np.min, np.max)])
            axes.errorbar(n, spread[0], np.abs(spread[1:] - spread[0]), marker="o", capsize=3, label=label)
            ticks.update(n.tolist())
        else:
            axes.axhline(float(np.median(points[None])), linestyle="--", color="0.4", label=label)
    axes.set_xlabel("intervals n")
    axes.set_ylabel("condition number of the numerical range")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(ticks), labels=list(map(str, sorted(ticks))))
    axes.set_yscale("log")
    axes.grid(visible=True, alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=150)
    return target.getvalue()


def _series(study: Study) -> dict[str, dict[int | None, list[float]]]:
    """Condition numbers by series and number of intervals (the largest, where layers differ)."""
    series: dict[str, dict[int | None, list[float]]] = {}
    for row in study.rows:
        if not math.isfinite(row.condition):
            continue
        point = row.configuration
        order = [] if point.order is None else [f"r = {point.order}"]
        extra = [] if point.preconditioner is None else [f"with {point.preconditioner}"]
        label = " ".join([point.kind, *extra, str(list(point.widths)), *order])
        n = max(point.intervals) if isinstance(point.intervals, tuple) else point.intervals
        series.setdefault(label, {}).setdefault(n, []).append(row.condition)
    return series
