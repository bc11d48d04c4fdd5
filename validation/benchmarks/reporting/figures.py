"""The figure of a record: time of a layer against n, Q and N, with what the machine could do at best."""

from collections.abc import Mapping, Sequence
from typing import Any

from refkan.claims import Figure
from validation.benchmarks.measured.curves import AXES
from validation.benchmarks.measured.limits import COPY, DGEMM
from validation.benchmarks.running.record import CaseData, by_row
from validation.panels import Line, figure, panel

STYLES = {
    "refkan": ("o-", "#b2182b"),
    "dense Phi + GEMM": ("o-", "#7f7f7f"),
    "torch (lean)": ("o-", "#e08214"),
    "jax (lean, jit)": ("o-", "#1b7837"),
    "flashkan": ("o-", "#2166ac"),
    DGEMM: ("--", "black"),
    COPY: (":", "black"),
}

NAME = "speed-curves"

CAPTION = (
    "Forward and backward of a cubic layer, medians. Dashed: as many operations (6 r N P Q) in dgemm; dotted: reading"
    " inputs, cotangents and coefficients and writing outputs and gradients once, at the bandwidth of a copy."
)


def curves(document: Mapping[str, Any]) -> Figure:
    """Return time of forward and backward of a layer against each axis."""
    measured = by_row(document)["curves"]
    panels = []
    for axis in AXES:
        points = [case for case in measured if case["parameters"]["against"] == axis]
        fixed = {"P": 20, "Q": 20, "n": 16, "N": 4096} | {axis: None}
        title = ", ".join(f"{k} = {v}" for k, v in fixed.items() if v is not None)
        lines = [line for name in STYLES for line in curve(points, axis, name)]
        panels.append(panel(lines, xlabel=axis, ylabel="seconds", title=title))
    return figure(NAME, CAPTION, *panels, size=(10.0, 4.0), sharey=True)


def curve(points: Sequence[CaseData], axis: str, name: str) -> list[Line]:
    """Return the line of a contestant; none where it has no time."""
    times = {
        case["parameters"][axis]: entry["seconds"]["median"]
        for case in points
        for entry in case["entries"]
        if entry["name"] == name and entry["status"] == "timed"
    }
    style, colour = STYLES[name]
    x = sorted(times)
    return [(x, [times[n] for n in x], style, {"color": colour, "ms": 3.5, "label": name})] if times else []
