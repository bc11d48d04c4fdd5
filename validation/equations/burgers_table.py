"""Q2, Q9: Burgers' equation, Table 3 of [S26] under readings of what it leaves open, with true errors beside losses.

Estimated under every reading that is run (`burgers_cells.OPEN`). Readings of Q2 are calibrated on the MLPs, which the
statement is not about.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from refkan.claims import Beside, Estimate, Figure, Verdict
from refkan.claims.cells import Cell, Found, beside, numbers, records
from refkan.claims.experiments import Choice
from validation.equations import burgers_cells
from validation.equations.burgers_cells import FIDELITIES, GRID, MLPS, PUBLISHED, SPLINE, T, X, cells_of, place
from validation.equations.curves import FEW, written_steps
from validation.equations.recipes.space_time_setups import burgers_setup
from validation.panels import Line, figure, panel
from validation.statements import AS_PUBLISHED, ByCells, Cells, Size, Statement, differences, over, times

CLAIMS = ("Q2", "Q9")
COARSE, FINE, MULTILEVEL = FIDELITIES
QUICK = {"points": "10", "divisor": "25", "width": "5"}
SCREENING = {"points": "16", "divisor": "4", "width": "8"}
PAPER = {"points": "64", "divisor": "1", "width": "20"}
BASE = GRID.reading()

LIKELY = BASE | {"boundary": "without"}
"""What D.2 says where it says something: no points on the ends."""

LIST = (*GRID.around(), LIKELY | {"start": "normal", "fine": "own"})
MLP = ("MLP-20-20", "coarse")


def quick_cells() -> list[Cell]:
    """The reading of the earlier runs and, with one seed, the likely one, small, and an MLP."""
    seeds = burgers_cells.PUBLISHED_SEEDS[:FEW]
    cells = cells_of(seeds, BASE, [SPLINE], **QUICK) + cells_of(seeds[:1], LIKELY, [SPLINE], **QUICK)
    return cells + cells_of(seeds, BASE, [MLP[0]], **QUICK)


def full_cells(seeds: Sequence[int]) -> list[Cell]:
    """All readings on fewer points and steps, then the base reading at the size of the paper."""
    few = seeds[:FEW]
    cells = [cell for seed in few for reading in LIST for cell in cells_of([seed], reading, **SCREENING)]
    return cells + cells_of(seeds, BASE, **PAPER)


def was_run(measured: Found, reading: Choice, size: Size) -> bool:
    """Whether the splines were trained; for a reading that changes the MLPs alone, whether an MLP was."""
    wanted = [(SPLINE, fidelity) for fidelity in FIDELITIES]
    wanted += [MLP] if reading["activation"] != BASE["activation"] else []
    return all(losses(measured, reading, size, *cell) for cell in wanted)


def written_size(size: Size) -> str:
    return f"{size['points']} x {size['points']} points, {written_steps(size)}, width {size['width']}"


SIZES = (PAPER, SCREENING, QUICK)
STATEMENT = Statement(GRID, LIST, SIZES, burgers_cells.PUBLISHED_SEEDS, quick_cells, full_cells, was_run, written_size)


def losses(
    measured: Found, reading: Choice, size: Size, model: str, fidelity: str, key: str = "loss"
) -> dict[int, float]:
    """Return a number of a cell of the table, by seed."""
    return numbers(measured, key, **place(reading, model, fidelity), **size)


COST = (
    "one seed takes ten minutes of processor time; a failure decides no row while the other readings have a quarter of"
    " the steps"
)


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """The losses of both other fidelities over that of multilevel training: "2-3 orders" are 10^1.5 to 10^3.5.

    Those of the MLPs stand beside: their cells are what calibrates the readings.
    """
    asked = {"at_least": 10**1.5, "at_most": 10**3.5, "cost": COST}
    names = {fidelity: f"loss of {fidelity} over multilevel training" for fidelity in (COARSE, FINE)}
    best = f"{SPLINE}, {MULTILEVEL}"
    made = (over(name, cells, f"{SPLINE}, {f}", best, LOSS, **asked) for f, name in names.items())
    beside = (over(f"loss of {model} over multilevel training", cells, model, best, LOSS) for model in MLPS)
    return (*chain(*made), *chain(*beside))


def asked_of_mlps(cells: Cells) -> tuple[Estimate, ...]:
    """The losses of MLPs over that of the coarsest KAN, at least 1."""
    below, asked = f"{SPLINE}, {COARSE}", {"at_least": 1.0, "cost": COST}
    made = (over(f"loss of {model} over the coarsest KAN", cells, model, below, LOSS, **asked) for model in MLPS)
    return tuple(chain(*made))


JUDGED = {
    "Q2": ByCells(asked, control=AS_PUBLISHED, twin=times(multilevel=1e4)),
    "Q9": ByCells(asked_of_mlps, control=AS_PUBLISHED, twin=times(MLP=1e-12)),
}


def cells(measured: Found, reading: Choice, size: Size, mlps: bool) -> tuple[Beside, ...]:
    """Return losses beside the published ones, and true errors, of the MLPs or of the KANs."""
    made = []
    for key, unit in (("loss", LOSS), ("error", ERROR)):
        for model, fidelity in PUBLISHED:
            if (model in MLPS) == mlps:
                name = model if mlps else f"{model}, {fidelity}"
                where = place(reading, model, fidelity) | dict(size)
                made += beside(measured, name, unit, key, where, PUBLISHED[model, fidelity] if key == "loss" else None)
    return tuple(made)


LOSS, ERROR = "training loss", "true error, relative, in the 2-norm"

DETAILS = """\
Cubic splines, widths [2, 20, 20, 1] (quick: [2, 5, 5, 1]). Equation, initial values and, under most readings, boundary
values on n x n points and n points on each edge, n = 64 as published. Adam, rate cyclic between 1e-4 and 1e-3 with
cycle 100 and factor 0.9995, begun anew on each level; steps: coarse {3200, 0, 0}, fine {0, 0, 800}, multilevel {800,
400, 200}, MLPs 3200. Readings are screened on fewer points and steps, which the size of each says; a loss of such a run
beside the published one tells what the size costs, not whether the number is right. Errors are relative, in the 2-norm,
on 256 x 101 points. Rows with Levenberg-Marquardt are in Q5.

A small loss on a fixed grid of points is not a small error: the spacing of 64 points is wider than the front. Both
stand in every table."""


def verdict(measured: Found, id: str = "Q2") -> Verdict:
    def told(reading: Choice, size: Size) -> str:
        error = np.median(list(losses(measured, reading, size, SPLINE, MULTILEVEL, "error").values()))
        return f"true error of multilevel training {error:.2g}, median"

    if id == "Q9":
        every = STATEMENT.judged(JUDGED[id], measured, lambda *at: (*cells(*at, mlps=False), *cells(*at, mlps=True)))
        return STATEMENT.verdict(id, JUDGED[id], measured, [reading for reading in every if reading.estimates])
    about, others = (lambda *at: cells(*at, mlps=False)), (lambda *at: cells(*at, mlps=True))
    results = STATEMENT.judged(JUDGED[id], measured, about, told, others)
    return STATEMENT.verdict(id, JUDGED[id], measured, results, [draw], details=DETAILS)


def draw(measured: Found, reading: Choice, size: Size) -> Figure:
    """Draw loss against true error, and the solution of the first seed on lines of constant time."""
    runs = {cell: records(measured, **place(reading, *cell), **size) for cell in PUBLISHED}
    scatter: list[Line] = []
    for (model, fidelity), group in runs.items():
        losses, errors = ([record[key] for record in group.values()] for key in ("loss", "error"))
        scatter += [(losses, errors, "o", {"ms": 4, "label": model if model in MLPS else fidelity})] if group else []
    points = np.stack(np.meshgrid(X, T), axis=-1).reshape(-1, 2)
    exact = burgers_setup().reference(points).reshape(T.size, X.size)
    lines: list[Line] = [(X, exact.T, "k-", {"lw": 0.8})]
    for fidelity, style in ((COARSE, "C0:"), (MULTILEVEL, "C2--")):
        group = runs[SPLINE, fidelity]
        lines.append((X, np.asarray(group[min(group)]["lines"]).T, style, {"lw": 1.2}))
    published = [mean for (model, _), (mean, _) in PUBLISHED.items() if model == SPLINE]
    return figure(
        "burgers-table",
        "Left: loss and true error of every run. Right: the first seed at three times, exact, coarse (dotted),"
        f" multilevel (dashed). {differences(reading, BASE)}, {written_size(size)}.",
        panel(scatter, marks=published, xlabel="loss (dotted: published means)", ylabel="relative error"),
        panel(lines, "plot", xlabel="x", ylabel="u at t = " + ", ".join(f"{t:g}" for t in T)),
        size=(9.5, 3.6),
    )


run = STATEMENT.runner(lambda measured: [verdict(measured, id) for id in CLAIMS])
