"""X2: the first experiment. KAN against ReLU MLP and traditional KAN: loss against work on the regression target.

The rotated target of [S26] section 5.1; mean squared errors on the samples, under every reading
(`first_experiment_cells.OPEN`), in pairs by seed.
"""

from collections.abc import Sequence

from refkan.claims import Estimate, Verdict, estimate
from refkan.claims.cells import Cell, Found, beside, records, seeds_of
from refkan.claims.experiments import Choice
from validation.architectures.first_experiment_cells import GRID, OURS, cells_of, place
from validation.statements import ByCells, Cells, Size, Statement, exchanged, ratios, times

CLAIMS = ("X2",)

NAMES = {
    "spline": "KAN, spline basis",
    "ReLU": "KAN, ReLU basis, same start",
    "ReLU-gaussian": "KAN, ReLU basis, Gaussian start",
    "SiLU": "traditional KAN (SiLU edge)",
    "MLP-30": "MLP [2,30,1]",
    "MLP-20-20": "MLP [2,20,20,1]",
}

SEEDS = tuple(range(1234, 1246))
FEW = 7

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


UNIT = "mean squared error on the samples after all evaluations"
COST = "one seed takes 20 s of processor time"


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """The loss of every other contestant over that of the spline KAN, above 1."""
    ours, *others = NAMES.values()
    return tuple(
        estimate(f"loss of {name} over {ours}", ratios(cells, name, ours, UNIT), at_least=1.0, cost=COST)
        for name in others
    )


JUDGED = {
    "X2": ByCells(
        asked,
        control=times(spline=1e-3),
        twin=exchanged(NAMES["ReLU"], NAMES[OURS]),
        published=False,
    )
}


def cells(measured: Found, reading: Choice, size: Size) -> Cells:
    places = {name: place(reading, model) | dict(size) for model, name in NAMES.items()}
    return [cell for name, at in places.items() for cell in beside(measured, name, UNIT, "mse", at)]


def written_size(size: Size) -> str:
    return f"{size['samples']} samples, {size['evaluations']} evaluations"


STATEMENT = Statement(GRID, LIST, (PAPER, SCREENING, QUICK), SEEDS, quick_cells, full_cells, was_run, written_size)


DETAILS = """\
Rotated target of [S26] section 5.1, SciPy's L-BFGS-B, one evaluation of value and gradient the unit of work: for the
KANs, which share their intervals, this is also the papers' nominal count. The MLPs have about half and about three
times as many parameters as the KANs."""


def verdict(measured: Found) -> Verdict:
    by = JUDGED["X2"]
    results = [
        by.reading({**reading, "samples": size["samples"]}, cells(measured, reading, size), size=written_size(size))
        for reading, size in STATEMENT.at_all_sizes(measured)
    ]
    data = {"seeds": seeds_of(measured)}
    return by.verdict("X2", results, STATEMENT.left(measured), details=DETAILS, data=data)


run = STATEMENT.runner(lambda measured: [verdict(measured)])
