"""Q1: Poisson's equation with a jump. Errors of the spline network fall in a staircase, in the ReLU basis not.

The statement is judged under every reading that is run (`poisson_cells.OPEN`): the median true error falls at each
refinement in the spline basis, and stays above 0.3 in the ReLU basis. The paper shows curves and no numbers: none can
stand beside ours, and nothing is "not reproduced". As corrected: with a learning rate that decays on each level, which
is no reading, since the paper names a constant one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims.cells import Cell, Found, beside, records, seeds_of
from refkan.claims.readings import Beside, Choice, Reading, Readings
from refkan.claims.running.kept_parts import Parts
from refkan.claims.verdicts import Figure, Verdict, judge
from validation.equations.poisson_cells import DENSE, GRID, RELU, SPLINE, STEPS, cells_of, place
from validation.grounds import require
from validation.statements import Size, Statement

CLAIMS = ("Q1",)

EXPERIMENT = GRID.experiment

RELU_FLOOR = 0.3

FEW = 3
"""Fewer seeds decide nothing about a median."""

QUICK = {"points": "9", "divisor": "40", "levels": "3", "first": "2"}
SCREENING = {"points": "27", "divisor": "10", "levels": "4", "first": "4"}
PAPER = {"points": "49", "divisor": "1", "levels": "4", "first": "4"}

SEEDS = tuple(range(5))

BASE = GRID.reading()

LIST = GRID.around()

CURVES = ((SPLINE, "constant"), (RELU, "constant"), (DENSE, "constant"))
DECAYED = (SPLINE, "decaying")


def run(
    quick: bool,
    progress: Callable[[str], Any] = lambda message: None,
    checkpoints: Parts | None = None,
    seeds: int | None = None,
) -> list[Verdict]:
    """Train all curves; at full size with at most `seeds` seeds a reading."""
    require(CLAIMS)
    return [verdict(STATEMENT.run(quick, progress, checkpoints, seeds))]


def quick_cells() -> list[Cell]:
    """The reading of the earlier runs, and that of sums, small."""
    both = [cell for r in (BASE, GRID.reading(loss="sums")) for cell in cells_of(SEEDS[:FEW], r, CURVES[:2], **QUICK)]
    return both + cells_of(SEEDS[:1], BASE, CURVES[2:], **QUICK)


def full_cells(seeds: Sequence[int]) -> list[Cell]:
    """All readings on fewer points and steps, then the base reading at the size of the paper."""
    few = seeds[:FEW]
    cells = [cell for seed in few for reading in LIST for cell in cells_of([seed], reading, CURVES, **SCREENING)]
    cells += cells_of(few, BASE, [DECAYED], **SCREENING)
    return cells + cells_of(seeds, BASE, [*CURVES, DECAYED], **PAPER)


def was_run(measured: Found, reading: Choice, size: Size) -> bool:
    """Whether the curves were run, that of the dense network where the reading differs from the base in it."""
    curves = CURVES[: 2 if reading["mlp"] == BASE["mlp"] else 3]
    return all(records(measured, **place(reading, *curve), **size) for curve in curves)


STATEMENT = Statement(GRID, LIST, (PAPER, SCREENING, QUICK), SEEDS, quick_cells, full_cells, was_run)


def after_levels(
    measured: Found, reading: Choice, size: Size, curve: tuple[str, str], key: str = "errors"
) -> list[float]:
    """Return the medians over seeds of a number after each level; nothing for a curve that was not run."""
    runs = records(measured, **place(reading, *curve), **size).values()
    return [float(np.median(values)) for values in zip(*(run[key] for run in runs), strict=True)]


def cells(measured: Found, reading: Choice, size: Size) -> tuple[Beside, ...]:
    """Return true errors and losses at the end, with every seed."""
    made = []
    for key, unit in (("error", "true error, relative, in the 2-norm"), ("loss", "loss on the points")):
        for curve in (*CURVES, DECAYED):
            made += beside(measured, written_curve(curve), unit, key, place(reading, *curve) | dict(size))
    return tuple(made)


def written_curve(curve: tuple[str, str]) -> str:
    """Write the name of a curve."""
    return f"{curve[0]}, decaying rate" if curve == DECAYED else curve[0]


def written_size(size: Size) -> str:
    """Write points, steps and levels."""
    steps = "all steps" if size["divisor"] == "1" else f"1/{size['divisor']} of the steps"
    return (
        f"{size['points']} x {size['points']} points, {steps}, {size['levels']} levels from {size['first']} intervals"
    )


def readings(measured: Found) -> Readings:
    """Return the statement under every reading that was run."""
    results = []
    for reading, size in STATEMENT.at_largest_size(measured):
        stairs = {curve: after_levels(measured, reading, size, curve) for curve in (*CURVES, DECAYED)}
        seeds = len(records(measured, **place(reading, *CURVES[0]), **size))
        text = "; ".join(
            f"{written_curve(curve)} {' -> '.join(f'{error:.2g}' for error in errors)}"
            for curve, errors in stairs.items()
            if errors
        )
        enough = seeds >= FEW
        relu, decayed = stairs[CURVES[1]], stairs[DECAYED]
        results.append(
            Reading(
                {**reading, "points": size["points"]},
                holds(stairs[CURVES[0]], relu) if enough else None,
                f"median true error after each level, {seeds} seeds: {text}",
                corrected=bool(enough and decayed and holds(decayed, relu)),
                cells=cells(measured, reading, size),
                size=written_size(size),
                reduced=size != PAPER,
            )
        )
    return STATEMENT.judged(measured, results)


DETAILS = """\
Network [3, 5, 1], cubic, with |x| as third input; weights 1e-2 (equation), 1e-1 (interface), 1 (boundary);
residual-based attention on the equation, begun anew on each level. 4, 8, 16 and 32 intervals (quick: 2, 4 and 8), 49 x
49 points. Adam with rate 1e-2 after a rise from 1e-4 in ten steps on each level, 1250 steps a level, as published. The
MLP has tanh and takes as many steps as all levels together. Errors are relative, in the 2-norm over 200 x 200
midpoints. Readings are screened on fewer points and steps, which the size of each says. Rows with Levenberg-Marquardt
are in Q5.

The quick size has 2, 4 and 8 intervals, 100 to 220 parameters: with 380 parameters on fewer points a network is free to
do as it likes between them."""


def verdict(measured: Found) -> Verdict:
    """Judge the staircases under every reading."""
    made = readings(measured)
    every = STATEMENT.at_largest_size(measured)
    turned, fallen = [], []
    for each in every:
        spline, relu = (after_levels(measured, *each, curve) for curve in CURVES[:2])
        decided = spline if holds(spline, relu) else after_levels(measured, *each, DECAYED) or spline
        turned.append(holds(decided[::-1], relu) if falls(decided) else False)
        fallen.append(falls(relu) and min(relu) < RELU_FLOOR)
    return Verdict(
        "Q1",
        made.status,
        made.told(),
        corrected=CORRECTED if any(result.corrected for result in made.results) else "",
        details=f"{DETAILS}\n\n{what_decides(measured)}",
        data={"seeds": seeds_of(measured)},
        figures=tuple(draw(measured, *each) for each in every[:1]),
        mutations={
            "levels in reverse order": judge(any(turned), experiment=True),
            "the ReLU basis falls below 0.3": judge(any(fallen), experiment=True),
        },
        readings=tuple(made.plain()),
    )


CORRECTED = "with a learning rate that decays on each level"


def holds(spline: Sequence[float], relu: Sequence[float]) -> bool:
    """Whether median errors fall at each refinement, and those in the ReLU basis stay above 0.3."""
    return falls(spline) and min(relu) > RELU_FLOOR


def falls(errors: Sequence[float]) -> bool:
    """Whether errors fall at each refinement."""
    return all(fine < coarse for coarse, fine in pairwise(errors))


def what_decides(measured: Found) -> str:
    """Say what the readings change at the end of spline training, and on which level the staircase breaks."""
    parts = []
    for reading, size in STATEMENT.at_all_sizes(measured):
        errors = after_levels(measured, reading, size, CURVES[0])
        rises = [str(k + 2) for k, (coarse, fine) in enumerate(pairwise(errors)) if fine >= coarse]
        where = f"rises on level {', '.join(rises)}" if rises else "falls on every level"
        changed = ", ".join(f"{name}={value}" for name, value in reading.items() if value != BASE[name])
        parts.append(f"{changed or 'base reading'} ({size['points']} points): {errors[-1]:.2g} at the end, {where}")
    return "The median error of the splines: " + "; ".join(parts) + "." if parts else ""


def draw(measured: Found, reading: Choice, size: Size) -> Figure:
    """Draw true errors and losses of every seed against steps, and their medians, like figure 6."""
    canvas = Drawing(figsize=(9.5, 3.6), layout="constrained")
    places = {curve: records(measured, **place(reading, *curve), **size) for curve in (*CURVES, DECAYED)}
    pairs = (("steps of errors", "errors", "relative error"), ("steps", "losses", "loss"))
    for axes, (steps, key, label) in zip(canvas.subplots(1, 2), pairs, strict=True):
        for k, (curve, runs) in enumerate(places.items()):
            courses = [run["course"] for run in runs.values()]
            if not courses:
                continue
            for course in courses:
                axes.semilogy(course[steps], course[key], color=f"C{k}", lw=0.5, alpha=0.4)
            length = min(len(course[key]) for course in courses)
            middle = np.median([np.asarray(course[key])[:length] for course in courses], axis=0)
            axes.semilogy(
                np.asarray(courses[0][steps])[:length], middle, color=f"C{k}", lw=2, label=written_curve(curve)
            )
        for level in range(1, int(size["levels"])):
            axes.axvline(level * -(-STEPS // int(size["divisor"])), color="0.7", lw=0.8, ls=":")
        axes.set(xlabel="steps of Adam (dotted: refinements)", ylabel=label)
    canvas.axes[0].legend(fontsize=7, framealpha=0.7)
    changed = ", ".join(f"{name}={value}" for name, value in reading.items())
    return Figure.from_matplotlib(
        canvas, "poisson-staircases", f"Thin: each seed. Thick: median. {changed}, {written_size(size)}."
    )
