"""Trainings on the Allen-Cahn equation that the claims about success and about residual spectra share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refkan.claims import Beside, Cell, Choice
from refkan.claims.cells import Found, beside, records
from validation.equations.allen_cahn.allen_cahn_cells import DENSE, GRID, OURS, RELU, SPLINE, cells_of, place
from validation.statements import Size, Statement

FEW = 3
"""Fewer seeds decide nothing about a median."""

QUICK = {"points": "100", "divisor": "100", "levels": "3"}
SCREENING = {"points": "1000", "divisor": "20", "levels": "4"}
PAPER = {"points": "20000", "divisor": "1", "levels": "4"}

SEEDS = tuple(range(6))

BASE = GRID.reading()

LIST = (*GRID.around(), BASE | {"periodic": "without", "layout": "grid"})
"""The readings: the base reading, every other that differs from it in one factor, and what D.2 says alone."""

CURVES = ((SPLINE, "constant"), (RELU, "constant"), (DENSE, "constant"), (OURS, "constant"))
DECAYED = (SPLINE, "decaying")

SETUP = """\
Network [2, 5, 5, 1], cubic on 4, 8, 16 and 32 intervals of [-1, 1] in every input, sigmoid maps; points in minibatches
of 1,000 where there are more; 501 initial points (101 where there are few points), periodicity of values and slopes at
101 (26) times, all in every step; weights 0.1 (equation), 1, 1; residual-based attention on the equation, begun anew on
each level. Adam, 2500 steps a level; as corrected and with a decaying rate it falls to 1e-4 on each level. The MLP has
tanh and takes all steps on its one level. Our own row, Levenberg-Marquardt: splines on the ranges of the variables,
points drawn anew every ten steps, the start with the least loss after one refinement on 1,024 points (6 starts), then
4,096 points (2 starts and fewer points at smaller sizes). Readings are screened on fewer points and steps, which the
size of each says: weak evidence."""


def quick_cells() -> list[Cell]:
    """The base reading, small, with one seed of the dense network and of our own training."""
    return cells_of(SEEDS[:FEW], BASE, CURVES[:2], **QUICK) + cells_of(SEEDS[:1], BASE, CURVES[2:], **QUICK)


def full_cells(seeds: Sequence[int]) -> list[Cell]:
    """All readings on fewer points and steps, then the base reading at the size of the paper."""
    few = seeds[:FEW]
    cells = [cell for seed in few for reading in LIST for cell in cells_of([seed], reading, CURVES, **SCREENING)]
    return cells + cells_of(seeds, BASE, [*CURVES, DECAYED], **PAPER)


def was_run(measured: Found, reading: Choice, size: Size) -> bool:
    """Whether the three curves of the paper were run."""
    return all(of(measured, reading, size, curve) for curve in CURVES[:3])


def written_size(size: Size) -> str:
    """Write points, steps and levels."""
    steps = "all steps" if size["divisor"] == "1" else f"1/{size['divisor']} of the steps"
    return f"{size['points']} points, {steps}, {size['levels']} levels"


STATEMENT = Statement(GRID, LIST, (PAPER, SCREENING, QUICK), SEEDS, quick_cells, full_cells, was_run, written_size)


def of(measured: Found, reading: Choice, size: Size, curve: tuple[str, str]) -> dict[int, Mapping[str, Any]]:
    """Return the runs of a curve under a reading, by seed."""
    return records(measured, **place(reading, *curve), **size)


def after_levels(measured: Found, reading: Choice, size: Size, curve: tuple[str, str], key: str) -> list[float]:
    """Return the medians over seeds of a number after each level; nothing for a curve that was not run."""
    runs = of(measured, reading, size, curve).values()
    return [float(np.median(values)) for values in zip(*(run[key] for run in runs), strict=True)]


def cells(measured: Found, reading: Choice, size: Size, units: Mapping[str, str]) -> tuple[Beside, ...]:
    """Return numbers at the end, each in its unit, with every seed."""
    return tuple(
        cell
        for key, unit in units.items()
        for curve in (*CURVES, DECAYED)
        for cell in beside(measured, written_curve(curve), unit, key, place(reading, *curve) | dict(size))
    )


def written_curve(curve: tuple[str, str]) -> str:
    """Write the name of a curve."""
    return f"{curve[0]}, decaying rate" if curve == DECAYED else curve[0]
