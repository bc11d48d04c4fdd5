"""Q1, Q7: Poisson's equation with a jump. Errors of the spline network fall in a staircase, and below an MLP's.

The paper shows curves and no numbers. The same factors of losses stand beside those of errors. The corrected statement
of Q1, with a learning rate that decays on each level, is no reading, since the paper names a constant one. For Q7 true
errors are noted every 25 steps; where the splines never get to the least error of the MLP, twice all steps are counted.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from refkan.claims import Beside, Estimate, Figure, Verdict, estimate
from refkan.claims.cells import Cell, Found, beside, records
from refkan.claims.experiments import Choice
from validation.equations.curves import FEW, Curve, written_curve, written_steps
from validation.equations.poisson_cells import CURVES, DENSE, GRID, RELU, SPLINE, STEPS
from validation.panels import Line, figure, panel
from validation.statements import ByCells, Cells, Size, Statement, levelled, named, over, times

CLAIMS = ("Q1", "Q7")
QUICK = {"points": "9", "divisor": "100", "levels": "3", "first": "2"}
SCREENING = {"points": "27", "divisor": "10", "levels": "4", "first": "4"}
PAPER = {"points": "49", "divisor": "1", "levels": "4", "first": "4"}
SEEDS = tuple(range(5))
BASE = GRID.reading()
LIST = GRID.around()
*SHOWN, DECAYED = CURVES.shown
cells_of = CURVES.cells_of


def quick_cells() -> list[Cell]:
    """The reading of the earlier runs, and with one seed that of sums, small; one dense network."""
    sums = cells_of(SEEDS[:1], GRID.reading(loss="sums"), SHOWN[:2], **QUICK)
    return cells_of(SEEDS[:FEW], BASE, SHOWN[:2], **QUICK) + sums + cells_of(SEEDS[:1], BASE, SHOWN[2:], **QUICK)


def full_cells(seeds: Sequence[int]) -> list[Cell]:
    """The base reading at the size of the paper, then all readings on fewer points and steps."""
    few = seeds[:FEW]
    cells = cells_of(seeds, BASE, CURVES.shown, **PAPER) + cells_of(few, BASE, [DECAYED], **SCREENING)
    return cells + [cell for seed in few for reading in LIST for cell in cells_of([seed], reading, SHOWN, **SCREENING)]


def was_run(measured: Found, reading: Choice, size: Size) -> bool:
    """Whether the curves were run, that of the dense network where the reading differs from the base in it."""
    curves = SHOWN[: 2 if reading["mlp"] == BASE["mlp"] else 3]
    return all(CURVES.of(measured, reading, size, curve) for curve in curves)


def written_size(size: Size) -> str:
    points, levels = f"{size['points']} x {size['points']} points", f"{size['levels']} levels"
    return f"{points}, {written_steps(size)}, {levels} from {size['first']} intervals"


STATEMENT = Statement(GRID, LIST, (PAPER, SCREENING, QUICK), SEEDS, quick_cells, full_cells, was_run, written_size)
COST = (
    "one seed takes 341 s of processor time at the size of the paper, 25 take 2.4 hours; a failure decides no row"
    " while the other readings have a tenth of the steps"
)
FACTOR = "{} on level {} over that on the next"


def asked_of(spline: str) -> Callable[[Cells], tuple[Estimate, ...]]:
    """Every refinement lowers the error of the splines; the ReLU basis's stays slightly below 1; losses beside."""

    def asked(cells: Cells) -> tuple[Estimate, ...]:
        steps = {c.unit: c.values for c in cells if c.cell == spline and c.unit.endswith("over that on the next")}
        relu, common = named(cells, RELU, ERROR), {"cost": COST}
        return (
            *(estimate(f"{u}, splines", v, at_least=1.0 if "error" in u else None, **common) for u, v in steps.items()),
            estimate("error of the ReLU basis", relu, at_least=10**-0.5, at_most=1.0, **common),
        )

    return asked


ERROR, STEPS_TO_LEAST, RISES = (
    "true error, relative, in the 2-norm",
    "steps to the least error of the MLP",
    "decades by which the error rises",
)

UNITS = {"error": ERROR, "loss": "loss on the points"}

LEAST_RISE = 1e-3
"""In decades: an error that never rises is taken to rise by so much, for ratios."""


def rises(errors: Sequence[float]) -> float:
    """Return the decades by which an error rises, all rises together."""
    return max(LEAST_RISE, float(np.diff(np.log10(errors)).clip(0).sum()))


def steps_to(error: float, course: Mapping[str, Any]) -> float:
    """Return the steps until an error is that low; twice all steps where it never is."""
    low = np.flatnonzero(np.asarray(course["errors"]) <= error)
    return float(course["steps of errors"][low[0]] if low.size else 2 * course["steps of errors"][-1])


def race(measured: Found, reading: Choice, size: Size) -> tuple[Beside, ...]:
    """Return what Q7 compares, of the splines and of the MLP."""
    where = {model: CURVES.place(reading, model) | dict(size) for model in (SPLINE, DENSE)}
    runs = {model: records(measured, **at) for model, at in where.items()}
    least = {seed: min(run["course"]["errors"]) for seed, run in runs[DENSE].items()}
    if not least:
        return ()
    made = [cell for model, at in where.items() for cell in beside(measured, model, ERROR, "error", at)]
    for model, own in runs.items():
        courses = {seed: run["course"] for seed, run in own.items() if seed in least}
        if courses:
            made.append(Beside(model, STEPS_TO_LEAST, {s: steps_to(least[s], course) for s, course in courses.items()}))
            made.append(Beside(model, RISES, {s: rises(course["errors"]) for s, course in courses.items()}))
    return tuple(made)


def asked_of_race(cells: Cells) -> tuple[Estimate, ...]:
    """Each number of the MLP is at least that of the splines."""
    units, asked = (ERROR, STEPS_TO_LEAST, RISES), {"at_least": 1.0, "cost": COST}
    return tuple(chain(*(over(f"{unit}, MLP over splines", cells, DENSE, SPLINE, unit, **asked) for unit in units)))


HALVED = {SPLINE: 2.0, RELU: 0.7}
"""Numbers of which the statement is true: every step halves what the splines have, the ReLU basis's error is 0.7."""

JUDGED = {
    "Q1": ByCells(
        asked_of(SPLINE),
        control=levelled("with every error halved on each level", lambda c: HALVED.get(c.cell, 1.0)),
        twin=times(spline=1e-3),
        corrected=asked_of(f"{SPLINE}, decaying rate"),
    ),
    "Q7": ByCells(asked_of_race, control=times(MLP=1e3), twin=times(MLP=1e-3)),
}


def levels(measured: Found, reading: Choice, size: Size, curve: Curve) -> tuple[Beside, ...]:
    """Return by how much each refinement lowers error and loss, by seed."""
    made, runs = [], CURVES.of(measured, reading, size, curve)
    for key in ("error", "loss"):
        for k in range(int(size["levels"]) - 1):
            values = {seed: run[f"{key}s"][k] / run[f"{key}s"][k + 1] for seed, run in runs.items() if f"{key}s" in run}
            made += [Beside(written_curve(curve), FACTOR.format(key, k + 1), values)] if values else []
    return tuple(made)


DETAILS = """\
Network [3, 5, 1], cubic, with |x| as third input; weights 1e-2 (equation), 1e-1 (interface), 1 (boundary);
residual-based attention on the equation, begun anew on each level. 4, 8, 16 and 32 intervals (quick: 2, 4 and 8), 49 x
49 points. Adam with rate 1e-2 after a rise from 1e-4 in ten steps on each level, 1250 steps a level, as published. The
MLP has tanh and takes as many steps as all levels together. Errors are relative, in the 2-norm over 200 x 200
midpoints. Readings are screened on fewer points and steps, which the size of each says. Rows with Levenberg-Marquardt
are in Q5.

The quick size has 2, 4 and 8 intervals, 100 to 220 parameters: with 380 parameters on fewer points a network is free to
do as it likes between them."""


def verdicts(measured: Found) -> list[Verdict]:
    def told(reading: Choice, size: Size) -> str:
        stairs = CURVES.told(measured, reading, size, "errors", ".2g", CURVES.shown)
        return f"median true error after each level: {stairs}"

    def about(*at: Any) -> Cells:
        return *CURVES.cells(*at, UNITS), *(cell for curve in (SHOWN[0], DECAYED) for cell in levels(*at, curve))

    stairs = STATEMENT.judged(JUDGED["Q1"], measured, about, told)
    corrected = "with a learning rate that decays on each level"
    return [
        STATEMENT.verdict("Q1", JUDGED["Q1"], measured, stairs, [draw], corrected=corrected, details=DETAILS),
        STATEMENT.verdict("Q7", JUDGED["Q7"], measured, STATEMENT.judged(JUDGED["Q7"], measured, race)),
    ]


def draw(measured: Found, reading: Choice, size: Size) -> Figure:
    """Draw true errors and losses of every seed against steps, and their medians, like figure 6."""
    refined = [level * -(-STEPS // int(size["divisor"])) for level in range(1, int(size["levels"]))]
    panels = []
    for steps, key, label in (("steps of errors", "errors", "relative error"), ("steps", "losses", "loss")):
        lines: list[Line] = []
        for k, curve in enumerate(CURVES.shown):
            courses = [run["course"] for run in CURVES.of(measured, reading, size, curve).values()]
            lines += [(c[steps], c[key], "-", {"color": f"C{k}", "lw": 0.5, "alpha": 0.4}) for c in courses]
            if courses:
                length = min(len(course[key]) for course in courses)
                middle = np.median([np.asarray(course[key])[:length] for course in courses], axis=0)
                own = {"color": f"C{k}", "lw": 2, "label": written_curve(curve)}
                lines.append((np.asarray(courses[0][steps])[:length], middle, "-", own))
        said = {"xlabel": "steps of Adam (dotted: refinements)", "ylabel": label}
        panels.append(panel(lines, "semilogy", marks=refined, **said))
    choices = ", ".join(f"{name}={value}" for name, value in reading.items())
    caption = f"Thin: each seed. Thick: median. {choices}, {written_size(size)}."
    return figure("poisson-staircases", caption, *panels, size=(9.5, 3.6))


run = STATEMENT.runner(verdicts)
