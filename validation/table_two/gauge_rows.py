r"""R12, R13: what the free scale of rows costs multilevel runs of Table 2: runs of one seed differ in the scale.

Bounds were chosen on the seeds 1234 to 1258, where 3 of 6 bad runs in the spline basis became good, none of 19 good
ones bad, and 14 of 21 runs at rest in the ReLU basis moved. They are judged on other seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from refkan.claims import Beside, Cell, Estimate, Reading, Verdict, estimate
from refkan.claims.cells import Found, records
from validation.statements import ByCells, Cells, Change, Progress, Resume, answers, named
from validation.table_two.cells_of_table import BASES, UNIT
from validation.table_two.compared_cells import FALL, ORDERS
from validation.table_two.gauge_cells import GRID, ROWS, SEEDS
from validation.table_two.table_two_rows import falls

CLAIMS = ("R12", "R13")

CURED, SPOILT = 0.25, 0.05
"""R12: least share of bad runs that become good, greatest share of good ones that become bad."""

AT_REST, MOVING, GAIN = 0.5, 0.5, 0.99
"""R13: least share of runs at rest, of those that then move, and the loss over that of the coarse level at rest."""

COST = "one seed takes a minute of processor time in all cells"
FEW = 100
"""Seeds of all cells but the multilevel ones in the spline basis, of which all are run."""

COARSE, SLOPE, SPREADS = "after the coarse level", "slope along -g over |g|", "greatest spread over least"
Numbers = Mapping[int, float]


def in_words(model: str, fidelity: str, rows: str) -> str:
    return f"{model}, {fidelity}" if rows == "free" else f"{model}, {fidelity}, {rows}"


def bad(free: Numbers, other: Numbers) -> dict[int, bool]:
    """Return which runs end above ten times the median of free ones."""
    bound = ORDERS * float(np.median(list(free.values())))
    return {seed: error > bound for seed, error in other.items()}


def errors(cells: Cells, model: str) -> dict[str, Numbers]:
    """Return the errors of multilevel runs by what happened to their rows, and those of the coarse level."""
    return {rows: named(cells, in_words(model, "multilevel", rows), UNIT) for rows in ROWS} | {
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
    before, after, moved = (bad(of["free"], of[rows]) for rows in ROWS)
    ill, well = ([seed for seed in after if before[seed] == is_bad] for is_bad in (True, False))
    return (
        share("bad runs that become good", {s: not after[s] for s in ill}, at_least=CURED),
        share("good runs that become bad", {s: after[s] for s in well}, at_most=SPOILT),
        share("bad runs that become good if moved by one unit", {s: not moved[s] for s in ill}),
        share("good runs that become bad if moved by one unit", {s: moved[s] for s in well}),
        share("bad runs, rows free", {s: before[s] for s in after}),
        share("bad runs, rows balanced", after),
        share("bad runs, rows moved", moved),
    )


def rests(cells: Cells) -> tuple[Estimate, ...]:
    """R13: of ReLU runs with free rows, how many gain nothing, and how many of these gain with other rows."""
    of = errors(cells, "ReLU")
    slope, spreads = named(cells, "ReLU, free", SLOPE), named(cells, "ReLU, free", SPREADS)
    gains = {rows: {s: e <= GAIN * of[COARSE][s] for s, e in of[rows].items()} for rows in ROWS}
    resting = [seed for seed, gaining in gains["free"].items() if not gaining]
    why = {s: (slope[s] > 0, spreads[s] > 1e3) for s in resting}
    return (
        share("runs at rest, rows free", {s: not gaining for s, gaining in gains["free"].items()}, at_least=AT_REST),
        share("of them moving with balanced rows", {s: gains["balanced"][s] for s in resting}, at_least=MOVING),
        share("of them moving with rows moved by one unit", {s: gains["moved"][s] for s in resting}),
        share("of them with a loss that rises along -g", {s: tie for s, (tie, _) in why.items()}),
        share("of them with spreads of a ratio above 1000", {s: far for s, (_, far) in why.items()}),
        share("of them with either", {s: any(both) for s, both in why.items()}),
        share("of those resting with balanced rows too, with a loss that rises along -g",
              {s: tie for s, (tie, _) in why.items() if not gains["balanced"][s]}),
    )  # fmt: skip


def invented(told: str, model: str, every: int) -> Change:
    """Give runs invented errors: one of three is ten thousand times the others, balanced rows mend some of these."""

    def error(seed: int, rows: str, seeds: list[int]) -> float:
        k = seeds.index(seed)
        mended = rows == "balanced" and (k // 3) % every == every - 1
        return 1e-6 if k % 3 or mended else 1e-2

    def change(cells: Cells) -> Cells:
        made = []
        for c in cells:
            name = c.cell.removesuffix(", balanced")
            if c.unit == UNIT and name == f"{model}, multilevel":
                rows = "free" if name == c.cell else "balanced"
                seeds = sorted(c.values)
                c = replace(c, values={s: error(s, rows, seeds) for s in seeds})
            made.append(c)
        return made

    return told, change


def resting(told: str, every: int) -> Change:
    """Give ReLU runs invented errors: all rest, and balanced rows halve the loss of one of `every`."""
    loss = {f"ReLU, {COARSE}": 1.0, "ReLU, multilevel": 1.0, "ReLU, multilevel, moved": 1.0}

    def change(cells: Cells) -> Cells:
        made = []
        for c in cells:
            seeds = sorted(c.values)
            if c.unit == UNIT and c.cell in loss:
                c = replace(c, values=dict.fromkeys(seeds, loss[c.cell]))
            elif c.unit == UNIT and c.cell == "ReLU, multilevel, balanced":
                c = replace(c, values={s: 1.0 if k % every else 0.5 for k, s in enumerate(seeds)})
            made.append(c)
        return made

    return told, change


JUDGED = {
    "R12": ByCells(
        cures,
        invented("with one of three runs bad, and every other of these mended", "spline", 2),
        invented("with one of three runs bad, and one in ten of these mended", "spline", 10),
        experiment=False,
    ),
    "R13": ByCells(
        rests,
        resting("with runs that rest, all of which move", 1),
        resting("with runs that rest, one in three of which moves", 3),
        experiment=False,
    ),
}


def besides(measured: Found, **size: str) -> list[Beside]:
    """Return errors of all cells, and of multilevel runs the falls of the loss and the starts of the second level."""
    made = []
    for model, fidelity, rows in product(BASES, ("multilevel", "coarse", "fine"), ROWS):
        runs = records(measured, model=model, fidelity=fidelity, rows=rows, **size)
        if not runs:
            continue
        made.append(Beside(in_words(model, fidelity, rows), UNIT, {s: r["mse"] for s, r in runs.items()}))
        if fidelity == "multilevel":
            made += starts(model, rows, runs)
    return made


def starts(model: str, rows: str, runs: Mapping[int, Mapping[str, Any]]) -> list[Beside]:
    """Return what runs in a basis have behind the coarse level."""
    second = {seed: record["levels"][1] for seed, record in runs.items()}
    ratios = {s: at["greatest spread"] / at["least spread"] for s, at in second.items()}
    made = [
        Beside(f"{model}, {rows}", SLOPE, {s: at["slope"] / at["gradient"] for s, at in second.items()}),
        Beside(f"{model}, {rows}", SPREADS, ratios),
        Beside(f"{model}, {rows}", "extremes apart", {s: at["extremes apart"] for s, at in second.items()}),
    ]
    if rows == "free":
        made.append(Beside(f"{model}, {COARSE}", UNIT, {s: r["levels"][0]["last"] for s, r in runs.items()}))
    for k in range(3):
        by_seed = {seed: falls(record)[k] for seed, record in runs.items()}
        made.append(Beside(f"{model}, {rows}, refinement {k + 1}", FALL, by_seed))
    return made


def cells_of_run(seeds: Sequence[int], **size: str) -> list[Cell]:
    """All treatments in both bases, and coarse and fine training beside them, seed by seed."""
    made = []
    for k, seed in enumerate(seeds):
        places = [("spline", "multilevel", rows) for rows in ROWS]
        if k < FEW:
            places += [("ReLU", "multilevel", rows) for rows in ROWS]
            places += [(model, fidelity, "free") for model in BASES for fidelity in ("coarse", "fine")]
        names = ("model", "fidelity", "rows")
        made += [GRID.cell(seed, **dict(zip(names, place, strict=True)), **size) for place in places]
    return made


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
