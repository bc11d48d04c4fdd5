"""Condition numbers against the number of intervals, for every model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import NullFormatter

from refkan.claims import Figure
from validation.conditioning.network_spectra import MATRICES

STYLES = {"spline": ("o-", "B-splines"), "relu": ("^-", "ReLU powers"), "scaled-relu": ("v--", "scaled ReLU powers")}


def condition_figure(
    layers: Sequence[Mapping[str, Any]], networks: Sequence[Mapping[str, Any]], models: Sequence[Mapping[str, Any]]
) -> Figure:
    """One layer for all orders; Gauss-Newton and Hessian of networks of order 3, with the other architectures."""
    canvas = Canvas(figsize=(11, 4), layout="constrained")
    one, *rest = canvas.subplots(1, 3)
    for colour, order in enumerate(sorted({case["order"] for case in layers})):
        chosen = [case for case in layers if case["order"] == order]
        n = [case["intervals"] for case in chosen]
        one.loglog(n, [case["spline"] for case in chosen], "o-", color=f"C{colour}", label=f"r = {order}")
        one.loglog(n, [case["relu"] for case in chosen], "^-", color=f"C{colour}", mfc="none")
    _ticks(one, {case["intervals"] for case in layers})
    one.set(title="one layer", xlabel="n", ylabel="condition number")
    one.legend(fontsize="x-small", title="dots B-splines, triangles ReLU", title_fontsize="x-small")
    for axes, (matrix, title) in zip(rest, (("gauss-newton", "Gauss-Newton"), ("hessian", "Hessian")), strict=True):
        cases = [c for c in networks if (c["order"], c["state"], c["node map"]) == (3, "start", "affine")]
        for basis, (style, label) in STYLES.items():
            _median_line(axes, [(c["level"], c[matrix][basis]) for c in cases], style, label)
        axes.set(title=f"{title} of [2, 5, 1], r = 3, at the start", xlabel="intervals of the second layer")
    for name in dict.fromkeys(case["model"] for case in models):
        cases = [c for c in models if (c["model"], c["order"], c["state"]) == (name, 3, "start")]
        bound = " (at least)" if any(case["lower bound"] for case in cases) else ""
        _median_line(rest[0], [(c["level"], c["condition"]) for c in cases], "x:", name + bound)
    for axes in rest:
        _ticks(axes, {case["level"][1] for case in networks})
    canvas.legend(*rest[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="x-small")
    caption = (
        "Condition numbers against the number of intervals. MLPs have as many parameters as the spline network. Where"
        " singular values run into rounding without a gap, only a lower bound is known."
    )
    return Figure.from_matplotlib(canvas, "condition-numbers", caption)


def ratio_figure(networks: Sequence[Mapping[str, Any]]) -> Figure:
    """Ratio of the ReLU basis to the B-splines in every single run, start and trained, both matrices together."""
    canvas = Canvas(figsize=(9, 4), layout="constrained")
    node_maps = list(dict.fromkeys(case["node map"] for case in networks))
    states = list(dict.fromkeys(case["state"] for case in networks))
    panels = canvas.subplots(1, len(node_maps), sharey=True, squeeze=False)[0]
    for axes, node_map in zip(panels, node_maps, strict=True):
        for number, state in enumerate(states):
            cases = [case for case in networks if (case["node map"], case["state"]) == (node_map, state)]
            # Side by side, so that the states do not cover one another.
            n = [case["level"][1] * 1.08 ** (number - 1) for case in cases for _ in MATRICES]
            values = [case[matrix]["relu"] / case[matrix]["spline"] for case in cases for matrix in MATRICES]
            axes.loglog(n, values, "ov^"[number % 3], color=f"C{number}", mfc="none", ms=4, label=state)
        axes.axhline(1.0, color="0.5", lw=0.8)
        axes.set(title=f"{node_map} maps", xlabel="intervals of the second layer")
        _ticks(axes, {case["level"][1] for case in networks})
    canvas.axes[0].set(ylabel="condition number, ReLU over B-splines")
    canvas.axes[0].legend(fontsize="small")
    caption = (
        "Ratio of the condition numbers in the ReLU basis and of the B-splines, one mark for each run, order and"
        " matrix. Below the line the ReLU powers have the lower one."
    )
    return Figure.from_matplotlib(canvas, "condition-ratios", caption)


def _ticks(axes: Any, numbers: Iterable[int]) -> None:
    ticks = sorted(numbers)
    axes.set_xticks(ticks, labels=[str(n) for n in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())


def _median_line(axes: Any, points: Sequence[tuple[tuple[int, int], float]], style: str, label: str) -> None:
    levels = sorted({level for level, _ in points})
    values = [np.median([value for level, value in points if level == chosen]) for chosen in levels]
    axes.loglog([level[1] for level in levels], values, style, label=label, mfc="none")
