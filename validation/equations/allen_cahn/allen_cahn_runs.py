"""Trainings on the Allen-Cahn equation that the claims about success and about residual spectra share."""

from collections.abc import Sequence

from refkan.claims import Cell, Choice
from refkan.claims.cells import Found
from validation.equations.allen_cahn.allen_cahn_cells import CURVES, GRID
from validation.equations.curves import FEW, written_steps
from validation.statements import Size, Statement

QUICK = {"points": "100", "divisor": "100", "levels": "3"}
SCREENING = {"points": "1000", "divisor": "20", "levels": "4"}
PAPER = {"points": "20000", "divisor": "1", "levels": "4"}
SEEDS = tuple(range(6))
BASE = GRID.reading()

LIST = (*GRID.around(), BASE | {"periodic": "without", "layout": "grid"})
"""The readings: the base reading, every other that differs from it in one factor, and what D.2 says alone."""

*SHOWN, DECAYED = CURVES.shown
cells_of = CURVES.cells_of

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
    return cells_of(SEEDS[:FEW], BASE, SHOWN[:2], **QUICK) + cells_of(SEEDS[:1], BASE, SHOWN[2:], **QUICK)


def full_cells(seeds: Sequence[int]) -> list[Cell]:
    """All readings on fewer points and steps, then the base reading at the size of the paper."""
    few = seeds[:FEW]
    cells = [cell for seed in few for reading in LIST for cell in cells_of([seed], reading, SHOWN, **SCREENING)]
    return cells + cells_of(seeds, BASE, CURVES.shown, **PAPER)


def was_run(measured: Found, reading: Choice, size: Size) -> bool:
    """Whether the three curves of the paper were run."""
    return all(CURVES.of(measured, reading, size, curve) for curve in SHOWN[:3])


def written_size(size: Size) -> str:
    """Write points, steps and levels."""
    return f"{size['points']} points, {written_steps(size)}, {size['levels']} levels"


STATEMENT = Statement(GRID, LIST, (PAPER, SCREENING, QUICK), SEEDS, quick_cells, full_cells, was_run, written_size)
