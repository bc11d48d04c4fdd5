"""X2: the first experiment. KAN against ReLU MLP and traditional KAN: loss against work on the regression target.

The rotated target of [S26] section 5.1; mean squared errors on the samples, under every reading
(`first_experiment_cells.OPEN`), sign tests over seeds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refkan.claims import Reading, Readings, Verdict, judge
from refkan.claims.cells import Cell, Found, beside, records, seeds_of
from refkan.claims.experiments import Choice
from validation.architectures.first_experiment_cells import GRID, OURS, cells_of, place
from validation.measures import sign_test
from validation.statements import Size, Statement

CLAIMS = ("X2",)

NAMES = {
    "spline": "KAN, spline basis",
    "ReLU": "KAN, ReLU basis, same start",
    "ReLU-gaussian": "KAN, ReLU basis, Gaussian start",
    "SiLU": "traditional KAN (SiLU edge)",
    "MLP-30": "MLP [2,30,1]",
    "MLP-20-20": "MLP [2,20,20,1]",
}

LEVEL = 0.01
SEEDS = tuple(range(1234, 1246))

FEW = 7
"""As many as a sign test needs: if all agree, p = 1/128."""

QUICK = {"samples": "400", "evaluations": "70"}
SCREENING = {"samples": "600", "evaluations": "150"}
PAPER = {"samples": "3000", "evaluations": "600"}
LIST = GRID.every()


def quick_cells() -> list[Cell]:
    return cells_of(SEEDS[:FEW], [reading for reading in LIST if reading["map"] == "affine"], **QUICK)


def full_cells(seeds: Sequence[int]) -> list[Cell]:
    """All readings on fewer samples and evaluations, then those of the linear start at full size."""
    cells = cells_of(seeds[:FEW], LIST, **SCREENING)
    return cells + cells_of(seeds, [reading for reading in LIST if reading["start"] == "linear"], **PAPER)


def was_run(measured: Found, reading: Choice, size: Size) -> bool:
    return all(records(measured, **place(reading, model), **size) for model in NAMES)


STATEMENT = Statement(GRID, LIST, (PAPER, SCREENING, QUICK), SEEDS, quick_cells, full_cells, was_run)


def losses(measured: Found, reading: Choice, size: Size) -> dict[str, dict[int, float]]:
    """Return what each contestant reached with equal work, by seed.

    Equal seconds are the median time of the spline KAN for its evaluations.
    """
    runs = {model: records(measured, **place(reading, model), **size) for model in NAMES}
    if reading["work"] == "evaluations":
        return {model: {seed: run["mse"] for seed, run in group.items()} for model, group in runs.items()}
    limit = float(np.median([run["seconds"] for run in runs[OURS].values()]))
    return {model: {s: best_within(run["course"], limit) for s, run in group.items()} for model, group in runs.items()}


def best_within(curve: Mapping[str, Any], seconds: float) -> float:
    """Loss reached within a time; that of the first evaluation if none fits."""
    return float(curve["loss"][max(0, np.searchsorted(curve["seconds"], seconds, side="right") - 1)])


def compare(losses: Mapping[str, Mapping[int, float]], first: str) -> tuple[dict[str, float], dict[str, float]]:
    """Medians, and one-sided sign tests over common seeds that `first` is lower than each other contestant."""
    medians = {name: float(np.median(list(values.values()))) for name, values in losses.items()}
    p = {}
    for name, values in losses.items():
        if name != first:
            common = values.keys() & losses[first].keys()
            p[name] = sign_test((losses[first][seed] for seed in common), (values[seed] for seed in common))
    return medians, p


def comes_first(name: str, medians: Mapping[str, float], p: Mapping[str, float]) -> bool:
    """The criterion: the least median, and ahead of each of the others at the level."""
    return min(medians, key=lambda other: medians[other]) == name and all(value < LEVEL for value in p.values())


def readings(measured: Found) -> Readings:
    """Return the statement under every reading that was run."""
    results = []
    for reading, size in STATEMENT.at_all_sizes(measured):
        reached = losses(measured, reading, size)
        seeds = min(map(len, reached.values()))
        medians, p = compare(reached, OURS)
        order = sorted(medians.items(), key=lambda item: item[1])
        behind = [NAMES[name] for name, value in p.items() if value >= LEVEL]
        text = f"median MSE, {seeds} seeds: {', '.join(f'{NAMES[name]} {value:.1e}' for name, value in order)}"
        text += f"; the spline KAN is not ahead with p < {LEVEL} of {', '.join(behind)}" if behind else ""
        cells = [
            cell
            for model, name in NAMES.items()
            for cell in beside(measured, name, UNIT, "mse", place(reading, model) | dict(size))
        ]
        holds = comes_first(OURS, medians, p) if seeds >= FEW else None
        choice = {**reading, "samples": size["samples"]}
        results.append(Reading(choice, holds, text, cells=tuple(cells), size=written_size(size)))
    return Readings(results, STATEMENT.left(measured))


UNIT = "mean squared error on the samples after all evaluations"


def written_size(size: Size) -> str:
    return f"{size['samples']} samples, {size['evaluations']} evaluations"


DETAILS = """\
Rotated target of [S26] section 5.1, SciPy's L-BFGS-B, one evaluation of value and gradient the unit of work: for the
KANs, which share their intervals, this is also the papers' nominal count. Equal seconds are the median processor time
of the spline KAN for its evaluations. Sign tests are paired over seeds and one-sided. The MLPs have about half and
about three times as many parameters as the KANs."""


def verdict(measured: Found) -> Verdict:
    pairs = STATEMENT.at_all_sizes(measured)
    every = [losses(measured, *each) for each in pairs]
    return readings(measured).verdict(
        "X2",
        details=DETAILS,
        data={"seeds": seeds_of(measured)},
        mutations={
            f"{NAMES[name]} first": judge(any(comes_first(name, *compare(r, name)) for r in every), experiment=True)
            for name in ("ReLU", "MLP-30")
        },
    )


run = STATEMENT.runner(lambda measured: [verdict(measured)])
