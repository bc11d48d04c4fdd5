r"""R1 to R4, R8 to R11: Table 2 and figure 4 of [S26], regression in both bases, coarse, fine and multilevel.

The table prints means of five runs, and its claims compare them: what tables of five of our runs print decides, the
median over tables that share no run, and how often a table shows a claim stands beside. One run in five decides a mean
(R6), so that medians of ratios of two runs of one seed stand beside, too.

No bound is printed for a drop of the loss (R4, R11): one is none, and two is asked.

The verdict is that of the reading that printed numbers single out: its network is the one of which the numbers of
parameters of Tables 2 and 3 are (R7), and its other values were found by trying on the printed means and deviations. It
speaks, whichever of them it meets; which of the cells that a statement is not about it meets is told. All others are a
table of sensitivity, on fewer points. A quick run shows which way a small run points, and decides nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims import Beside, Figure, Reading, Verdict
from refkan.claims.cells import Cell, Found, beside, numbers, records
from refkan.claims.experiments import Choice, written
from validation.panels import figure, panel
from validation.statements import Size, Statement
from validation.table_two.cells_of_table import BASES, FIDELITIES, GRID, MLPS, PUBLISHED, SEEDS, UNIT, cells_of, place
from validation.table_two.compared_cells import FALL, JUDGED, LARGER, LAST_FALL, named

CLAIMS = ("R1", "R2", "R3", "R4", "R8", "R9", "R10", "R11")
BASE = GRID.reading()

LIST = GRID.around()
"""The base reading, and all that differ from it in one factor."""

SCALED = GRID.reading(powers="scaled")
"""The one other reading under which printed numbers of the ReLU basis come out: at the size of the paper, too."""

FULL, SMALL = {"samples": "20000", "divisor": "1"}, {"samples": "4000", "divisor": "1"}
QUICK = {"samples": "300", "divisor": "16"}
KANS = tuple((basis, fidelity) for basis in BASES for fidelity in FIDELITIES)

ABOUT: dict[str, tuple[tuple[str, str], ...]] = {
    "R1": KANS,
    "R2": (*(("spline", fidelity) for fidelity in FIDELITIES), (LARGER, "coarse")),
    "R3": (("ReLU", "coarse"), ("ReLU", "multilevel"), ("spline", "coarse"), ("spline", "multilevel")),
    "R4": (("spline", "multilevel"),),
    "R8": tuple((basis, fidelity) for basis in BASES for fidelity in ("coarse", "fine")),
    "R9": (("ReLU", "fine"), ("spline", "multilevel"), ("spline", "fine"), ("ReLU", "multilevel")),
    "R10": KANS,
    "R11": (("spline", "fine"), ("ReLU", "fine"), *((model, "coarse") for model in MLPS)),
}
"""Printed cells of each statement; the others are those that it is not about."""

OF_FULL_SIZE = ("R4", "R10", "R11")
"""Of typical errors, or of parts of the epochs of a level, of which a quick run has one or two: it points nowhere."""


def quick_cells() -> list[Cell]:
    return cells_of(SEEDS[:2], BASE, [*BASES, "MLP-30"], **QUICK)


def full_cells(seeds: Sequence[int]) -> list[Cell]:
    """The base reading and scaled powers at the size of the paper, others at 4000 points, moved starts, then MLPs."""
    few = seeds[:FEW]
    cells = cells_of(seeds, BASE) + [c for r in reversed(LIST[1:]) for c in cells_of(few, r, **SMALL)]
    cells += cells_of(seeds, SCALED) + cells_of(few, BASE, ulps="one")
    return list(dict.fromkeys(cells + cells_of(seeds, BASE, ["MLP-5", "MLP-30"]) + cells_of(seeds, BASE, [LARGER])))


FEW = 10


def was_run(measured: Found, reading: Choice, size: Size) -> bool:
    return all(errors(measured, reading, size, *cell) for cell in KANS)


STATEMENT = Statement(GRID, LIST, (FULL, SMALL, QUICK), SEEDS, quick_cells, full_cells, was_run)


def errors(
    measured: Found, reading: Choice, size: Size, model: str, fidelity: str, ulps: str = "none"
) -> dict[int, float]:
    return numbers(measured, "mse", **place(reading, model, fidelity), **size, ulps=ulps)


def falls(record: Mapping[str, Any]) -> list[float]:
    """At each refinement: by how much the loss falls in a quarter of the level's epochs, over that just before."""
    level, mse = (np.asarray(record["course"][key]) for key in ("level", "mse"))
    made = []
    for before, here in ((mse[level == k], mse[level == k + 1]) for k in range(3)):
        quarter = min(max(1, -(-(here.size - 1) // 4)), before.size - 1)
        made.append(float(here[0] / here[quarter] / (before[-1 - quarter] / before[-1])))
    return made


def cells(measured: Found, reading: Choice, size: Size, which: Sequence[tuple[str, str]]) -> tuple[Beside, ...]:
    made = []
    for cell in which:
        where = place(reading, *cell) | {**size, "ulps": "none"}
        made += beside(measured, named(*cell), UNIT, "mse", where, PUBLISHED[cell])
    return tuple(made)


def last_falls(measured: Found, reading: Choice, size: Size) -> tuple[Beside, ...]:
    """Return what R11 is about, by seed; the multilevel training of splines beside it."""
    made = []
    for cell in (*ABOUT["R11"], ("spline", "multilevel")):
        runs = records(measured, **place(reading, *cell), **size, ulps="none")
        courses = {seed: np.asarray(record["course"]["mse"]) for seed, record in runs.items()}
        made += [Beside(named(*cell), LAST_FALL, {s: fall(mse) for s, mse in courses.items()})] if courses else []
    return tuple(made)


def fall(mse: np.ndarray) -> float:
    """Return by how much a loss falls in the last quarter of its epochs."""
    return float(mse[-1 - max(1, -(-(mse.size - 1) // 4))] / mse[-1])


def falls_in_both_bases(measured: Found, reading: Choice, size: Size) -> tuple[Beside, ...]:
    made = []
    for basis in BASES:
        runs = records(measured, **place(reading, basis, "multilevel"), **size, ulps="none")
        by_seed = {seed: falls(record) for seed, record in runs.items()}
        made += [Beside(f"{basis}, refinement {k + 1}", FALL, {s: f[k] for s, f in by_seed.items()}) for k in range(3)]
    return tuple(made)


FALLS = {"R4": falls_in_both_bases, "R11": last_falls}
"""Of the loss, beside the errors that the others are about."""


def verdicts(measured: Found) -> list[Verdict]:
    every = STATEMENT.at_largest_size(measured)
    return [verdict(id, measured, every) for id in CLAIMS]


def verdict(id: str, measured: Found, every: Sequence[tuple[Choice, Size]]) -> Verdict:
    """Return the verdict of the base reading at its largest size, with all readings."""
    results = []
    for reading, size in every:
        about = cells(measured, reading, size, ABOUT[id])
        others = cells(measured, reading, size, [cell for cell in PUBLISHED if cell not in ABOUT[id]])
        under = Reading if id in OF_FULL_SIZE and size == QUICK else JUDGED[id].reading
        results.append(
            under(
                {**reading, "samples": size["samples"]},
                cells=(*about, *(FALLS[id](measured, reading, size) if id in FALLS else ())),
                calibration=others,
                size=f"{size['samples']} points" + ("" if size["divisor"] == "1" else ", fewer epochs"),
                reduced=size != FULL,
                speaks=reading == BASE,
            )
        )
    base = next(result for result in results if result.speaks)
    met = [cell.cell for cell in base.calibration if cell.meets]
    alike = f"of the {len(base.calibration)} other cells {len(met)} have printed means and deviations like five"
    first = id == CLAIMS[0]
    return JUDGED[id].verdict(
        id,
        results,
        measured=f"{base.measured} ({base.size}); {alike} of our runs: {', '.join(met) or 'none'}",
        details=digits(measured) if first else "",
        data={"seeds": list(base.cells[0].values)},
        figures=(forest(measured, every[0][1]), courses(measured, every[0][1])) if first else (),
    )


def digits(measured: Found) -> str:
    """Compare the spread of a cell under one ulp of the start with that over seeds, in decades."""
    parts = []
    for cell in KANS:
        here, moved = (errors(measured, BASE, FULL, *cell, ulps) for ulps in ("none", "one"))
        if not moved:
            continue
        ulp = [abs(np.log10(moved[seed] / here[seed])) for seed in moved]
        spread = np.std(np.log10([here[seed] for seed in moved]))
        parts.append(f"{named(*cell)} {np.median(ulp):.2g} (largest {max(ulp):.2g}) against {spread:.2g}")
    if not parts:
        return ""
    return (
        "Decades by which an error changes if every entry of the start is moved by one unit in the last place, median"
        f" over seeds, against the deviation over seeds: {'; '.join(parts)}."
    )


def forest(measured: Found, size: Size) -> Figure:
    """Draw every cell: seeds, the 95 % of means of five of them, and the published mean."""
    drawing = Drawing(figsize=(7.5, 4.2), layout="constrained")
    axis = drawing.subplots()
    names = [cell for cell in reversed(PUBLISHED) if errors(measured, BASE, size, *cell)]
    for k, cell in enumerate(names):
        values = np.array(list(errors(measured, BASE, size, *cell).values()))
        means = values[np.random.default_rng(0).integers(values.size, size=(2000, 5))].mean(axis=1)
        axis.plot(np.percentile(means, (2.5, 97.5)), [k, k], color="C0", lw=5, alpha=0.4)
        axis.plot(values, np.full(values.size, k + 0.2), ".", color="C0", ms=4)
        axis.plot(PUBLISHED[cell][0], k, "D", color="C3", ms=6)
    axis.set_yticks(range(len(names)), [named(*cell) for cell in names])
    axis.set(xscale="log", xlabel=f"{UNIT};\ndots: runs, band: means of five, diamond: published")
    return Figure.from_matplotlib(drawing, "table-two", f"Table 2: published means on our runs, {written(BASE)}.")


def courses(measured: Found, size: Size) -> Figure:
    """Draw the losses of multilevel training in both bases, epoch by epoch, each seed."""
    panels = []
    for basis in BASES:
        runs = list(records(measured, **place(BASE, basis, "multilevel"), **size, ulps="none").values())
        losses = [record["course"]["mse"] for record in runs]
        lines = [(range(len(mse)), mse, "-", {"color": "C0", "lw": 0.8, "alpha": 0.7}) for mse in losses]
        refined = np.flatnonzero(np.diff(runs[0]["course"]["level"])) + 0.5
        said = {"title": f"{basis} basis", "xlabel": "epoch; lines: refinements", "ylabel": "mean square error"}
        panels.append(panel(lines, "semilogy", marks=refined, **said))
    caption = "Losses of multilevel training: each line a seed."
    return figure("table-two-courses", caption, *panels, size=(7, 3.2), sharey=True)


run = STATEMENT.runner(verdicts)
