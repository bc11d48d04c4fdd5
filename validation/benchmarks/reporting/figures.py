"""Figures of a record: what was asked and reached, time against n, Q and N, and how far the machine's limits are."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from refkan.claims import Figure
from validation.benchmarks.measured.curves import AXES
from validation.benchmarks.measured.limits import COPY, DGEMM
from validation.benchmarks.reporting.table import CaseData
from validation.benchmarks.reporting.targets import Outcome
from validation.benchmarks.running.record import by_row

COLOURS = {
    "refkan": "#b2182b",
    "dense Phi + GEMM": "#7f7f7f",
    "torch (lean)": "#e08214",
    "jax (lean, jit)": "#1b7837",
    "flashkan": "#2166ac",
    DGEMM: "black",
    COPY: "black",
}
DASHES = {DGEMM: "--", COPY: ":"}
MET, MISSED = "#1b7837", "#b2182b"


CAPTIONS = {
    "speed-targets": "What was measured over what was asked: medians and quartiles of the ratios within rounds; to the"
    " right of 1 is met.",
    "speed-curves": "Forward and backward of a cubic layer, medians. Dashed: as many operations (6 r N P Q) in dgemm;"
    " dotted: reading inputs, cotangents and coefficients and writing outputs and gradients once, at the bandwidth of a"
    " copy.",
    "speed-machine": "Left: operations a second of forward and backward, counted as 6 r N P Q, and of dgemm in the same"
    " rounds. Right: evaluation of a spline and copying as many numbers.",
}


def captions(document: Mapping[str, Any], outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return name and caption of the figures for which the record holds measurements, without drawing them."""
    rows = by_row(document)
    there = {
        "speed-targets": any(outcome.measured is not None for outcome in outcomes),
        "speed-curves": "curves" in rows,
        "speed-machine": "limits" in rows,
    }
    return {name: caption for name, caption in CAPTIONS.items() if there[name]}


def figures(document: Mapping[str, Any], outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return the figures for which the record holds measurements."""
    rows = by_row(document)
    draw: dict[str, Callable[[], Canvas]] = {
        "speed-targets": lambda: targets_figure([outcome for outcome in outcomes if outcome.measured is not None]),
        "speed-curves": lambda: curves_figure(rows["curves"]),
        "speed-machine": lambda: machine_figure(rows["limits"]),
    }
    return [
        Figure.from_matplotlib(draw[name](), name, caption) for name, caption in captions(document, outcomes).items()
    ]


def targets_figure(outcomes: Sequence[Outcome]) -> Canvas:
    """Return what was measured over what was asked, with quartiles; beyond 1 is met, whatever the direction."""
    canvas = Canvas(figsize=(9, 1.0 + 0.17 * len(outcomes)), layout="constrained")
    axes = canvas.subplots()
    for place, outcome in enumerate(outcomes):
        assert outcome.measured is not None
        asked, power = outcome.target.asked, 1 if outcome.target.at_least else -1
        numbers = (outcome.measured["median"], *outcome.measured["quartiles"])
        median, low, high = ((number / asked) ** power for number in numbers)
        colour = MET if outcome.met else MISSED
        axes.plot([low, high], [place, place], color=colour, lw=1.2)
        axes.plot(median, place, "o", color=colour, ms=4)
    labels = [", ".join(filter(None, (o.target.group, o.target.point))) for o in outcomes]
    axes.set_yticks(range(len(outcomes)), labels, fontsize=6.5)
    axes.axvline(1.0, color="0.4", lw=0.8)
    axes.set(xscale="log", xlabel="measured over asked (asked over measured, where less is better)")
    low, high = axes.get_xlim()
    ticks = [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= tick <= high]
    axes.set_xticks(ticks, map(str, ticks))
    axes.minorticks_off()
    axes.set_ylim(len(outcomes) - 0.5, -0.5)
    axes.grid(axis="x", which="both", color="0.92")
    return canvas


def curves_figure(measured: Sequence[CaseData]) -> Canvas:
    """Return time of forward and backward of a layer against n, Q and N, with what the machine could do at best."""
    canvas = Canvas(figsize=(10, 4), layout="constrained")
    panels = canvas.subplots(1, len(AXES), sharey=True)
    for axes, axis in zip(panels, AXES, strict=True):
        points = [case for case in measured if case["parameters"]["against"] == axis]
        for name, colour in COLOURS.items():
            _curve(axes, points, axis, name, colour)
        fixed = {"P": 20, "Q": 20, "n": 16, "N": 4096} | {axis: None}
        title = ", ".join(f"{k} = {v}" for k, v in fixed.items() if v is not None)
        axes.set(xscale="log", yscale="log", xlabel=axis, title=title)
        axes.set_xscale("log", base=2)
        axes.grid(which="major", color="0.92")
    panels[0].set_ylabel("seconds")
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return canvas


def _curve(axes: Axes, points: Sequence[CaseData], axis: str, name: str, colour: str) -> None:
    found = [
        (case["parameters"][axis], entry["seconds"]["median"])
        for case in points
        for entry in case["entries"]
        if entry["name"] == name and entry["status"] == "timed"
    ]
    if found:
        x, seconds = zip(*sorted(found), strict=True)
        axes.plot(
            x, seconds, DASHES.get(name, "o-"), color=colour, ms=3.5, lw=1.8 if name == "refkan" else 1.1, label=name
        )


def machine_figure(measured: Sequence[CaseData]) -> Canvas:
    """Return rates of layers beside that of dgemm, and times of spline evaluation beside that of a copy."""
    canvas = Canvas(figsize=(10, 3.8), layout="constrained")
    left, right = canvas.subplots(1, 2)
    layers = [case for case in measured if case["parameters"]["of"] == "layer"]
    values = [case for case in measured if case["parameters"]["of"] == "evaluation"]
    shapes = [f"({c['parameters']['P']},{c['parameters']['Q']})\nn = {c['parameters']['n']}" for c in layers]
    _beside(left, layers, DGEMM, shapes, lambda case, seconds: 24e-9 * _pairs(case) / seconds)
    left.set(ylabel="1e9 operations a second", title="forward + backward of a layer")
    knots = [f"n = {c['parameters']['n']}\n{c['parameters']['knots']}" for c in values]
    _beside(right, values, COPY, knots, lambda case, seconds: 1e9 * seconds / case["parameters"]["points"])
    right.set(ylabel="nanoseconds a point", title="evaluation of a cubic spline")
    return canvas


def _pairs(case: CaseData) -> int:
    """N P Q."""
    return math.prod(case["parameters"][name] for name in "NPQ")


def _beside(
    axes: Axes, cases: Sequence[CaseData], limit: str, names: Sequence[str], height: Callable[[CaseData, float], float]
) -> None:
    """Draw bars of ours and of a limit of the machine, made of medians of seconds, for each case."""
    for key, colour, offset in (("refkan", COLOURS["refkan"], 0.0), (limit, "0.6", 0.4)):
        medians = [next(e["seconds"]["median"] for e in case["entries"] if e["name"] == key) for case in cases]
        heights = [height(case, median) for case, median in zip(cases, medians, strict=True)]
        axes.bar([k + offset for k in range(len(cases))], heights, width=0.4, color=colour, label=key.split(",")[0])
    axes.set_xticks([k + 0.2 for k in range(len(cases))], names, fontsize=7)
    axes.legend(frameon=False, fontsize="small")
