r"""R1 to R4: Table 2 and figure 4 of [S26], the regression problem in both bases, coarse, fine and multilevel.

Estimated are medians over seeds of ratios of two runs of one seed, and shares of runs, with 95 % percentile intervals
of 2000 bootstrap samples of the seeds. A statement holds where the interval lies on its side of the threshold, is not
reproduced where it lies on the other, and is undecided where it straddles:

R1. "1-3 orders of magnitude": ReLU over spline errors between sqrt(10) and 10^3.5, in every fidelity; as corrected, an
order or more in multilevel and fine training.
R2. "orders of magnitude better accuracy than just training on a coarse or fine model": ratios above 10; "an order
better than a larger MLP": above sqrt(10) for the best MLP.
R3. "effectively no improvement" of multilevel over coarse training in the ReLU basis: a ratio below 2 (published 1.04).
R4. After each refinement the loss drops abruptly: by 2 within a quarter of the level's epochs, in 90 % of the runs.

The verdict is that of the reading that printed numbers single out. The network is the one of which the numbers of
parameters of Tables 2 and 3 are (R7). Readings are calibrated on cells that a statement is not about: a printed mean
lies within the 95 % of the means of five of our seeds, and the printed deviation within those of their deviations. All
others are a table of sensitivity. A quick run shows which way a small run points, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims import Cell, Choice, Figure, Reading, Readings, Table, Verdict, judge
from refkan.claims.cells import Found
from refkan.claims.experiments import written
from refkan.claims.running.kept_parts import Parts, resume_from
from validation.grounds import require
from validation.table_two import cells_of_table
from validation.table_two.cells_of_table import (
    BASES,
    FIDELITIES,
    GRID,
    MLPS,
    PUBLISHED,
    SEEDS,
    UNIT,
    cells_of,
)
from validation.table_two.table_two_estimates import LEAST_SEEDS, Estimate, Under, all_of, met, places_of_published

CLAIMS = ("R1", "R2", "R3", "R4")

EXPERIMENT = cells_of_table.EXPERIMENT

BASE = GRID.reading()

LIST = GRID.around()
"""The base reading, and all that differ from it in one factor."""

FULL, SMALL = {"samples": "20000", "divisor": "1"}, {"samples": "4000", "divisor": "1"}

QUICK = {"samples": "300", "divisor": "16"}

ORDER, ORDERS, NOTHING, SHARE = np.sqrt(10.0), 10.0, 2.0, 0.9

THREE_ORDERS = 10.0**3.5

KAN_CELLS = tuple((basis, fidelity) for basis in BASES for fidelity in FIDELITIES)

CALIBRATION: dict[str, tuple[tuple[str, str], ...]] = {
    "R1": tuple((model, "coarse") for model in MLPS),
    "R2": tuple(("ReLU", fidelity) for fidelity in ("coarse", "fine")),
    "R3": (*(("spline", fidelity) for fidelity in FIDELITIES), *((model, "coarse") for model in MLPS)),
    "R4": (("spline", "coarse"), ("spline", "fine")),
}
"""Cells that a statement is not about."""

ABOUT: dict[str, tuple[tuple[str, str], ...]] = {
    "R1": KAN_CELLS,
    "R2": (*(("spline", fidelity) for fidelity in FIDELITIES), *((model, "coarse") for model in MLPS)),
    "R3": (("ReLU", "coarse"), ("ReLU", "multilevel")),
    "R4": (("spline", "multilevel"),),
}


def run(
    quick: bool,
    progress: Callable[[str], Any] = lambda message: None,
    checkpoints: Parts | None = None,
    seeds: int | None = None,
) -> list[Verdict]:
    """Train all cells and judge the four statements; at full size with at most `seeds` seeds a reading."""
    require(CLAIMS)
    cells = cells_of(SEEDS[:3], BASE, [*BASES, "MLP-30"], **QUICK) if quick else full_cells(SEEDS[:seeds])
    return verdicts(GRID.run(cells, resume_from(checkpoints), progress))


def full_cells(seeds: Sequence[int]) -> list[Cell]:
    """The base reading with MLPs at the size of the paper, all others at 4000 points, and starts moved by an ulp."""
    cells = cells_of(seeds, BASE) + cells_of(seeds[:10], BASE, list(MLPS)) + cells_of(seeds[:10], BASE, ulps="one")
    for reading in LIST:
        cells += cells_of(seeds[:10], reading, **SMALL)
    return list(dict.fromkeys(cells))


Judged = tuple[bool | None, bool, str]
"""Whether a statement holds, whether it does as corrected, and what was estimated."""


def orders_between_bases(runs: Under) -> Judged:
    """R1."""
    ratios = {f: runs.ratio(runs.errors("ReLU", f), runs.errors("spline", f)) for f in FIDELITIES}
    answers = [answer for e in ratios.values() for answer in (e.above(ORDER), e.below(THREE_ORDERS))]
    more = all(ratios[f].above(ORDER) is True for f in ("fine", "multilevel"))
    text = "ReLU over spline errors: " + ", ".join(f"{f} {estimate}" for f, estimate in ratios.items())
    return all_of(answers), more, text


def rivals(runs: Under) -> dict[str, tuple[Estimate, float]]:
    """Ratios of the errors of coarse and fine training and of the best MLP to those of multilevel training."""
    ours = runs.errors("spline", "multilevel")
    mlps = [runs.errors(model, "coarse") for model in MLPS]
    common = set.intersection(*map(set, mlps))
    best = {seed: min(errors[seed] for errors in mlps) for seed in common}
    made = {f: (runs.ratio(runs.errors("spline", f), ours), ORDERS) for f in ("coarse", "fine")}
    return made | {"best MLP": (runs.ratio(best, ours), ORDER)}


def orders_by_levels(runs: Under) -> Judged:
    """R2."""
    made = rivals(runs)
    answers = {name: estimate.above(threshold) for name, (estimate, threshold) in made.items()}
    text = "errors over those of multilevel training: " + ", ".join(f"{name} {e}" for name, (e, _) in made.items())
    return all_of(list(answers.values())), answers["coarse"] is True, text


def no_gain(runs: Under) -> Judged:
    """R3."""
    gain, spline = (runs.ratio(runs.errors(b, "coarse"), runs.errors(b, "multilevel")) for b in ("ReLU", "spline"))
    return gain.below(NOTHING), False, f"coarse over multilevel errors: ReLU {gain}, spline {spline}"


def abrupt_drops(runs: Under) -> Judged:
    """R4."""
    shares = [Estimate.of([float(hit) for hit in level], np.mean) for level in runs.drops()]
    answers = [share.above(SHARE - 1e-9) for share in shares]
    relu = [float(np.mean(level)) if level else np.nan for level in runs.drops("ReLU")]
    text = "runs whose loss halves within a quarter of the epochs after each refinement: " + ", ".join(map(str, shares))
    return all_of(answers), False, text + "; in the ReLU basis " + ", ".join(f"{share:.2g}" for share in relu)


STATEMENTS: dict[str, Callable[[Under], Judged]] = {
    "R1": orders_between_bases,
    "R2": orders_by_levels,
    "R3": no_gain,
    "R4": abrupt_drops,
}

CORRECTED = {"R1": "by an order of magnitude or more in fine and multilevel training", "R2": "than coarse training"}


def sizes_of(found: Found) -> list[Under]:
    """Return every reading that was run, at each size."""
    sizes = dict.fromkeys((cell["samples"], cell["divisor"]) for cell in found)
    made = [Under(found, r, {"samples": samples, "divisor": divisor}) for samples, divisor in sizes for r in LIST]
    return [runs for runs in made if all(runs.errors(*cell) for cell in KAN_CELLS)]


def verdicts(found: Found) -> list[Verdict]:
    """Judge the four statements on whatever cells there are."""
    under = sizes_of(found)
    return [verdict(id, under) for id in STATEMENTS]


def reading_of(id: str, runs: Under) -> Reading:
    """Return a statement under a reading."""
    holds, corrected, text = STATEMENTS[id](runs)
    size = f"{runs.size['samples']} points" + ("" if runs.size["divisor"] == "1" else ", fewer epochs")
    reduced = runs.size["samples"] != "20000"
    choice = {**runs.reading, "samples": runs.size["samples"]}
    cells, calibration = runs.beside(ABOUT[id]), runs.beside(CALIBRATION[id])
    return Reading(choice, holds, text, corrected, cells, calibration, size, reduced)


def verdict(id: str, under: Sequence[Under]) -> Verdict:
    """Return the verdict of the base reading at its largest size, with all readings."""
    made = [reading_of(id, runs) for runs in under]
    base = next(reading for reading, runs in zip(made, under, strict=True) if dict(runs.reading) == BASE)
    first = next(runs for runs in under if dict(runs.reading) == BASE)
    agree = [reading.holds for reading in made if reading is not base]
    calibrated = [met(cell) for cell in base.calibration]
    measured = f"{base.measured} ({base.size}, {len(base.cells[0].values)} seeds)"
    if calibrated:
        measured += (
            f"; of {len(calibrated)} other cells {sum(calibrated)} have a printed mean and deviation within 95 % of"
        )
        measured += " those of any five of our seeds"
    if agree:
        measured += f"; more readings under which it holds {agree.count(True)}, fails {agree.count(False)}"
    return Verdict(
        id,
        Readings([replace(base, calibration=())]).status,  # it speaks, whichever other cells it meets
        measured,
        corrected=CORRECTED.get(id, "") if base.corrected and not base.holds else "",
        details=digits(first),
        figures=(forest(first),) if id == "R1" else (),
        tables=(sensitivity(id, under, made), calibration_table(under))
        if id == "R1"
        else (sensitivity(id, under, made),),
        mutations=mutations(id, first),
        readings=tuple(Readings([base, *(reading for reading in made if reading is not base)]).plain()),
    )


def mutations(id: str, runs: Under) -> dict[str, Any]:
    """Statements that differ from the claims by as little as the seeds can tell."""
    if id == "R1":
        ratios = [runs.ratio(runs.errors("ReLU", f), runs.errors("spline", f)) for f in FIDELITIES]
        return {"less than an order": judge(all(r.below(ORDER) is True for r in ratios), experiment=True)}
    if id == "R2":
        made = rivals(runs).values()
        return {"less than orders": judge(all(e.below(least) is True for e, least in made), experiment=True)}
    if id == "R3":
        gain = runs.ratio(runs.errors("spline", "coarse"), runs.errors("spline", "multilevel"))
        return {"in the spline basis": judge(gain.below(NOTHING) is True, experiment=True)}
    relu = [Estimate.of([float(hit) for hit in level], np.mean) for level in runs.drops("ReLU")]
    return {"in the ReLU basis": judge(all(share.above(SHARE - 1e-9) is True for share in relu), experiment=True)}


def differences(reading: Choice) -> str:
    """Write in which factors a reading differs from the base reading."""
    return ", ".join(f"{name}={value}" for name, value in reading.items() if value != BASE[name]) or "base"


def sensitivity(id: str, under: Sequence[Under], made: Sequence[Reading]) -> Table:
    """Return the statement under every reading."""
    answers = {True: "yes", False: "no", None: "open"}
    rows = tuple(
        (differences(runs.reading), runs.size["samples"], answers[reading.holds], reading.measured)
        for runs, reading in zip(under, made, strict=True)
    )
    return Table(f"{id} under each reading", ("reading", "points", "holds", "estimates"), rows)


def calibration_table(under: Sequence[Under]) -> Table:
    """Return medians of the cells under every reading, with the places of the printed mean and deviation."""
    rows = [("printed means", "20000", *(f"{PUBLISHED[cell][0]:.2e}" for cell in KAN_CELLS))]
    for runs in under:
        texts = []
        for cell in KAN_CELLS:
            values = list(runs.errors(*cell).values())
            shares = places_of_published(values, PUBLISHED[cell]) if len(values) >= LEAST_SEEDS else ()
            texts.append(f"{np.median(values):.2e}" + "".join(f" {share:.0%}" for share in shares))
        rows.append((differences(runs.reading), runs.size["samples"], *texts))
    columns = ("reading", "points", *(" ".join(cell) for cell in KAN_CELLS))
    caption = "Medians, and the share of five of our seeds whose mean, and deviation, is below the printed one"
    return Table(f"{caption}. Base reading: {written(BASE)}", columns, tuple(rows))


def digits(runs: Under) -> str:
    """Compare the spread of a cell under one ulp of the start with that over seeds, in decades."""
    parts = []
    for cell in KAN_CELLS:
        here, moved = runs.errors(*cell), runs.errors(*cell, ulps="one")
        if moved:
            ulp = [abs(np.log10(moved[seed] / here[seed])) for seed in moved if seed in here]
            spread = np.std(np.log10([here[seed] for seed in moved if seed in here]))
            parts.append(f"{' '.join(cell)} {np.median(ulp):.2g} (largest {max(ulp):.2g}) against {spread:.2g}")
    if not parts:
        return ""
    return (
        "Decades by which an error changes if every entry of the start is moved by one unit in the last place, median"
        f" over seeds, against the deviation over seeds: {'; '.join(parts)}."
    )


def forest(runs: Under) -> Figure:
    """Draw every cell: seeds, the 95 % of means of five of them, and the published mean."""
    drawing = Drawing(figsize=(7.5, 4.2), layout="constrained")
    axis = drawing.subplots()
    names = list(reversed(PUBLISHED))
    for k, cell in enumerate(names):
        values = np.array(list(runs.errors(*cell).values()))
        if values.size >= 5:
            rng = np.random.default_rng(0)
            means = [rng.choice(values, 5, replace=False).mean() for _ in range(2000)]
            axis.plot(
                np.percentile(means, (2.5, 97.5)),
                [k, k],
                color="C0",
                lw=5,
                alpha=0.4,
                label="means of five" if k == 0 else None,
            )
            axis.plot(values, np.full(values.size, k + 0.2), ".", color="C0", ms=4, label="runs" if k == 0 else None)
        axis.plot(PUBLISHED[cell][0], k, "D", color="C3", ms=6, label="published mean" if k == 0 else None)
    axis.set_yticks(range(len(names)), [" ".join(cell) if cell[0] in BASES else cell[0] for cell in names])
    axis.set(xscale="log", xlabel=UNIT)
    axis.legend(fontsize="small", loc="lower left")
    caption = f"Table 2: published means on ours, {written(runs.reading)}."
    return Figure.from_matplotlib(drawing, "table-two", caption)
