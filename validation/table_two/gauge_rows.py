r"""R12, R13: what the free scale of rows costs multilevel runs of Table 2: runs of one seed differ in the scale.

Bounds were chosen on the seeds 1234 to 1258, where 3 of 6 bad runs in the spline basis became good, none of 19 good
ones bad, and 14 of 21 runs at rest in the ReLU basis moved. They are judged on other seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from refkan.claims import Beside, Estimate, Reading, Verdict, estimate
from refkan.claims.cells import Cell, Found, records
from validation.statements import ByCells, Cells, Change, Progress, Resume, answers, named
from validation.table_two.cells_of_table import BASES, UNIT
from validation.table_two.cells_of_table import SEEDS as OF_TABLE
from validation.table_two.compared_cells import FALL, ORDERS
from validation.table_two.gauge_cells import GRID, ROWS, SEEDS
from validation.table_two.table_two_rows import falls

CLAIMS = ("R12", "R13")

CURED, SPOILT = 0.25, 0.05
"""R12: least share of bad runs that become good, greatest share of good ones that become bad."""

AT_REST, MOVING, GAIN = 0.5, 0.4, 0.99
"""R13: least share of runs at rest, of those that then move, and the loss over that of the coarse level at rest."""

COST = "one seed takes three seconds of processor time in a basis"
FEW, PLACEBOS = 60, {"spline": 20, "ReLU": 4}
"""Seeds in the ReLU basis, and those with moved rows."""

COARSE, APART = "after the coarse level", "least distance of two extremes over the spread of their node"
SLOPE, SPREADS = "slope along -g over |g|", "greatest spread over least"
Numbers = Mapping[int, float]


def in_words(model: str, rows: str) -> str:
    return f"{model}, multilevel, rows {rows}"


def bad(free: Numbers, other: Numbers) -> dict[int, bool]:
    """Return which runs end above ten times the median of free ones."""
    bound = ORDERS * float(np.median(list(free.values())))
    return {seed: error > bound for seed, error in other.items()}


def errors(cells: Cells, model: str) -> dict[str, Numbers]:
    """Return the errors of multilevel runs by what happened to their rows, and those of the coarse level."""
    return {rows: named(cells, in_words(model, rows), UNIT) for rows in ROWS} | {
        COARSE: named(cells, f"{model}, {COARSE}", UNIT)
    }


def share(name: str, values: Mapping[int, bool], **asked: float) -> Estimate:
    """Return the share of runs of which something is true; nothing is known of it without runs."""
    if not values:
        return Estimate(f"{name}, of no runs", 0.0, 0.0, 1.0, **asked)
    return estimate(name, values, "share", cost=COST, **asked)


def cures(cells: Cells) -> tuple[Estimate, ...]:
    """R12: of bad and of good runs with free rows, how the runs of the same seeds with other rows end."""
    of = errors(cells, "spline")
    before, after, placebo = (bad(of["free"], of[rows]) for rows in ROWS)
    ill, well = ([seed for seed in after if before[seed] == is_bad] for is_bad in (True, False))
    return (
        share("bad runs that become good", {s: not after[s] for s in ill}, at_least=CURED),
        share("good runs that become bad", {s: after[s] for s in well}, at_most=SPOILT),
        share("bad runs that become good if moved by one unit", {s: not placebo[s] for s in ill if s in placebo}),
        share("good runs that become bad if moved by one unit", {s: placebo[s] for s in well if s in placebo}),
        share("bad runs, rows free", {s: before[s] for s in after}),
        share("bad runs, rows balanced", after),
        share("bad runs, rows moved", placebo),
    )


def rests(cells: Cells) -> tuple[Estimate, ...]:
    """R13: of ReLU runs with free rows, how many gain nothing, and how many of these gain with other rows."""
    of = errors(cells, "ReLU")
    slope, spreads = (named(cells, in_words("ReLU", "free"), unit) for unit in (SLOPE, SPREADS))
    gains = {rows: {s: e <= GAIN * of[COARSE][s] for s, e in of[rows].items()} for rows in ROWS}
    resting = [seed for seed, gaining in gains["free"].items() if not gaining]
    moved = {seed: gaining for seed, gaining in gains["moved"].items() if seed in resting}
    why = {s: (slope[s] > 0, spreads[s] > 1e3) for s in resting}
    return (
        share("runs at rest, rows free", {s: not gaining for s, gaining in gains["free"].items()}, at_least=AT_REST),
        share("of them moving with balanced rows", {s: gains["balanced"][s] for s in resting}, at_least=MOVING),
        share("of them moving with rows moved by one unit", moved),
        share("of them with a loss that rises along -g", {s: tie for s, (tie, _) in why.items()}),
        share("of them with spreads of a ratio above 1000", {s: far for s, (_, far) in why.items()}),
        share("of them with either", {s: any(both) for s, both in why.items()}),
        share("of those resting with balanced rows too, with a loss that rises along -g",
              {s: tie for s, (tie, _) in why.items() if not gains["balanced"][s]}),
    )  # fmt: skip


def invented(told: str, model: str, error: Callable[[int, str], float]) -> Change:
    """Give multilevel runs and coarse levels invented errors, by the number of the run and what they are errors of."""
    names = {in_words(model, rows): rows for rows in ROWS} | {f"{model}, {COARSE}": COARSE}

    def change(cells: Cells) -> Cells:
        return [
            replace(c, values={s: error(k, names[c.cell]) for k, s in enumerate(sorted(c.values))})
            if c.unit == UNIT and c.cell in names
            else c
            for c in cells
        ]

    return told, change


def mending(every: int) -> Callable[[int, str], float]:
    """Return errors of which one in three is ten thousand times the others; balanced rows mend one of `every`."""

    def error(k: int, rows: str) -> float:
        well = k % 3 != 0
        mended = rows == "balanced" and (k // 3) % every == every - 1
        return 1e-6 if well or mended else 1e-2

    return error


def moving(every: int) -> Callable[[int, str], float]:
    """Return errors of runs that all rest; balanced rows halve the error of one of `every`."""
    return lambda k, rows: 0.5 if rows == "balanced" and k % every == 0 else 1.0


JUDGED = {
    "R12": ByCells(
        cures,
        invented("with one of three runs bad, and every other of these mended", "spline", mending(2)),
        invented("with one of three runs bad, and one in ten of these mended", "spline", mending(10)),
        experiment=False,
    ),
    "R13": ByCells(
        rests,
        invented("with runs that rest, all of which move", "ReLU", moving(1)),
        invented("with runs that rest, one in five of which moves", "ReLU", moving(5)),
        experiment=False,
    ),
}


def besides(measured: Found, **size: str) -> list[Beside]:
    """Return errors, the falls of the loss and the starts of the second level; those on seeds of Table 2 apart."""
    made = []
    for model, rows in product(BASES, ROWS):
        runs = records(measured, model=model, rows=rows, **size)
        own = {seed: record for seed, record in runs.items() if seed not in OF_TABLE}
        of_table = {seed: record for seed, record in runs.items() if seed in OF_TABLE}
        made += errors_and_starts(in_words(model, rows), model, rows, own)
        made += errors_and_starts(f"{in_words(model, rows)}, seeds of Table 2", model, rows, of_table)
    return made


def errors_and_starts(name: str, model: str, rows: str, runs: Mapping[int, Mapping[str, Any]]) -> list[Beside]:
    """Return how runs end, what they have behind the coarse level, and how the loss falls at refinements."""
    if not runs:
        return []
    second = {seed: record["levels"][1] for seed, record in runs.items()}
    numbers: dict[tuple[str, str], Numbers] = {
        (name, UNIT): {s: record["mse"] for s, record in runs.items()},
        (name, SLOPE): {s: at["slope"] / at["gradient"] for s, at in second.items()},
        (name, SPREADS): {s: at["greatest spread"] / at["least spread"] for s, at in second.items()},
        (name, APART): {s: at["extremes apart"] for s, at in second.items()},
    }
    if rows == "free":
        numbers[f"{model}, {COARSE}", UNIT] = {s: record["levels"][0]["last"] for s, record in runs.items()}
    for k in range(3):
        numbers[f"{name}, refinement {k + 1}", FALL] = {s: falls(record)[k] for s, record in runs.items()}
    return [Beside(cell, unit, values) for (cell, unit), values in numbers.items()]


def cells_of_run(seeds: Sequence[int], **size: str) -> list[Cell]:
    """Free and balanced rows in both bases, balanced ones on the seeds of Table 2, and moved ones of few seeds."""
    pair = ROWS[:2]
    places = [(seed, "spline", rows) for seed in seeds for rows in pair]
    places += [(seed, model, "balanced") for seed in OF_TABLE[: len(seeds)] for model in BASES]
    places += [(seed, "ReLU", rows) for seed in seeds[:FEW] for rows in pair]
    places += [(seed, model, "moved") for model in BASES for seed in seeds[: PLACEBOS[model]]]
    return [GRID.cell(seed, model=model, rows=rows, **size) for seed, model, rows in places]


QUICK = {"samples": "300", "divisor": "8"}
FULL = {"samples": "20000", "divisor": "1"}


@answers((SEEDS[:12], QUICK), (SEEDS, FULL))
def run(size: tuple[Sequence[int], Mapping[str, str]], progress: Progress, resume: Resume) -> list[Verdict]:
    """Run all cells and judge them; a quick run has too few epochs to say anything of rest."""
    seeds, of_runs = size
    measured = GRID.run(cells_of_run(seeds, **of_runs), resume, progress)
    cells = tuple(besides(measured, **of_runs))
    return [verdict(id, cells, quick=of_runs == QUICK) for id in CLAIMS]


def verdict(id: str, cells: Cells, quick: bool = False) -> Verdict:
    """Return the verdict of a row from the numbers of all cells."""
    about = [c for c in cells if id == "R12" or c.cell.startswith("ReLU")]
    by = JUDGED[id]
    choice = {"samples": (QUICK if quick else FULL)["samples"]}
    reading = Reading if quick else by.reading
    seeds = sorted({seed for c in about for seed in c.values})
    result = reading(choice, cells=tuple(about), reduced=quick, speaks=True)
    return by.verdict(id, [result], data={"seeds": seeds})
