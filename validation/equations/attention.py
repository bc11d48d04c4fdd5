"""Q8: residual-based attention, with it and without, on Poisson's equation with a jump.

The paper uses it on every equation, and shows no run without it: no numbers can stand beside ours. The splines of
figure 6, under the base reading of Q1, are trained from the same starts with lambda_i = 1 throughout instead.
"""

from dataclasses import replace
from itertools import chain, product
from typing import Any

from refkan.claims import Beside, Estimate, Factor, Grid, Verdict
from refkan.claims.cells import Cell, Found, numbers
from validation.equations import poisson_cells
from validation.equations.pde_runs import numbers_of, train
from validation.statements import ByCells, Cells, on_grid, over, raw, times

CLAIMS = ("Q8",)
WITH, WITHOUT = "with attention", "without attention"
COST = "one seed takes four minutes of processor time at the size of the paper"
UNITS = {"error": "true error", "loss": "loss"}


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train the splines of figure 6 with attention or without; losses are without the weights of attention."""
    setup = poisson_cells.setup_of(cell)
    model = poisson_cells.model_of(cell, setup)
    return numbers_of(train(replace(model, method="adam") if cell["attention"] == WITHOUT else model, setup, cell.seed))


ATTENTION = Factor("attention", (WITH, WITHOUT), "on the residuals of the equation")
MATTERS = 1.25
"""Factor by which an error or a loss must change to count; the paper names none."""

GRID = Grid("attention", poisson_cells.OPEN, (*poisson_cells.PLACE, ATTENTION), run_cell)


def cells(quick: bool) -> list[Cell]:
    """Both trainings from the same starts, on fewer points and steps than the paper has."""
    seeds, size = range(25), {"points": "27", "divisor": "4"}
    if quick:
        seeds, size = range(3), {"points": "9", "divisor": "40", "levels": "3", "first": "2"}
    return [GRID.cell(seed, attention=kind, **size) for seed in seeds for kind in ATTENTION.values]


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """Errors and losses without attention over those with it, at least 1.25: the least improvement that counts."""
    return _compared(cells, at_least=MATTERS)


def asked_of_equivalence(cells: Cells) -> tuple[Estimate, ...]:
    """Both numbers change by less than 25 % either way: two one-sided tests, by one interval between the bounds."""
    return _compared(cells, at_least=1 / MATTERS, at_most=MATTERS)


def _compared(cells: Cells, **asked: float) -> tuple[Estimate, ...]:
    names = {unit: f"{unit} without attention over that with it" for unit in UNITS.values()}
    compared = (over(name, cells, WITHOUT, WITH, unit, cost=COST, **asked) for unit, name in names.items())
    return tuple(chain(*compared))


JUDGED = {
    "Q8": ByCells(
        asked,
        control=("runs without attention end ten times higher", times(without=10.0)[1]),
        twin=("runs without attention end 10 % lower", times(without=0.9)[1]),
        corrected=asked_of_equivalence,
    )
}


EQUIVALENT = "attention changes error and loss by less than 25 % either way"


def verdict(measured: Found) -> Verdict:
    pairs = product(ATTENTION.values, UNITS.items())
    made = [Beside(kind, unit, numbers(measured, key, attention=kind)) for kind, (key, unit) in pairs]
    size = next(iter(measured))
    shown = f"{size['points']} x {size['points']} points, 1/{size['divisor']} of the steps"
    reduced = (size["points"], size["divisor"]) != ("49", "1")
    reading = JUDGED["Q8"].reading(poisson_cells.GRID.reading(), made, size=shown, reduced=reduced)
    return JUDGED["Q8"].verdict("Q8", [reading], corrected=EQUIVALENT, data=raw(measured))


run = on_grid(GRID, cells, verdict)
