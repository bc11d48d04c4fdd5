"""Figures 7 to 9 of [S26], the Allen-Cahn equation: trainings as choices of factors, and how one of them is run.

What the paper leaves open, or says in two ways, is a factor.
"""

from dataclasses import replace
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Factor, Grid
from refkan.claims.cells import Cell
from validation.equations.allen_cahn.allen_cahn_observed import observed
from validation.equations.curves import Curves, constant
from validation.equations.pde_runs import Model, numbers_of, train
from validation.equations.recipes.schedules import Decaying, Ramped
from validation.equations.recipes.setups import Setup, tensor_grid
from validation.equations.recipes.space_time_setups import allen_cahn_setup
from validation.equations.recipes.trainers import Attended, Redrawn

SPLINE, RELU, DENSE, OURS = "spline", "ReLU", "MLP", "LM"
STEPS = 2500

OUR_STEPS, OUR_POINTS, OUR_STARTS, LATER_POINTS = (150, 100, 60, 30), 1024, 6, 4096
"""Levenberg-Marquardt: steps of each level, points, starts, and points from the third level on."""

OPEN = (
    Factor("periodic", ("with", "without"), "values and slopes matched at 101 times; D.2 lists no such term"),
    Factor("rate", ("1e-2", "1e-3"), "of Adam: a ramp from 1e-4 to 1e-2 in ten steps (D.2), or 1e-3 (text)"),
    Factor("layout", ("random", "grid"), "of the points: as in the text, or as in D.2"),
    Factor("start", ("linear", "normal"), "of coefficients: random linear functions, or u ~ N(0, 1)"),
)

PLACE = (
    Factor("model", (SPLINE, RELU, DENSE, OURS), "curve of the figure, and splines by Levenberg-Marquardt"),
    Factor("schedule", ("constant", "decaying"), "of the rate on each level; constant as published"),
    Factor("points", ("20000",), "of the equation", number=True),
    Factor("divisor", ("1",), "by which steps are divided", number=True),
    Factor("levels", ("4",), "number of levels", number=True),
)

BASES = {SPLINE: "spline", RELU: "relu"}

BATCH = 1000
"""Points of a step where there are more."""


def with_terms(cell: Cell, setup: Setup) -> Setup:
    """Return the equation without the term that a cell does not have."""
    if cell["periodic"] == "without":
        return replace(setup, terms=setup.terms[:2])
    return setup


def few_points(points: int) -> Setup:
    """Return the equation with few points of all terms."""
    return allen_cahn_setup(points, initial_points=101, times=26)


def setup_of(cell: Cell) -> Setup:
    """Return the equation with the points and the terms of a cell; few of all where those of the equation are few."""
    points = int(cell["points"])
    setup = allen_cahn_setup(points) if points > BATCH else few_points(points)
    if cell["layout"] == "grid":
        side = int(np.sqrt(points))
        grid = tensor_grid(np.linspace(-1.0, 1.0, side), np.linspace(0.0, 1.0, side))
        setup = replace(setup, terms=(setup.terms[0].at(grid), *setup.terms[1:]))
    return with_terms(cell, setup)


def model_of(cell: Cell, setup: Setup) -> Model:
    """Return the network of a cell with its training."""
    divisor, levels = int(cell["divisor"]), int(cell["levels"])
    if cell["model"] == OURS:
        return ours(cell, setup, divisor, levels)
    steps = -(-STEPS // divisor)
    rate: Any = float(cell["rate"])
    if cell["schedule"] == "decaying":
        rate = Decaying(rate, 1e-4, steps)
    if cell["rate"] == "1e-2":
        rate = Ramped(rate)
    options = {"schedule": rate}
    trainer = Attended()
    if setup.terms[0].n_points > BATCH:
        trainer = Attended(batch=BATCH)
    if cell["model"] == DENSE:
        return Model(rk.mlp([2, 20, 20, 1], "tanh"), (steps * levels,), trainer, options)
    net = setup.kan(domain=(-1.0, 1.0), basis=BASES[cell["model"]])
    return Model(net, (steps,) * levels, trainer, options, scheme=cell["start"])


def ours(cell: Cell, setup: Setup, divisor: int, levels: int) -> Model:
    """Return splines under Levenberg-Marquardt on points drawn anew, the best of several starts."""
    points = min(OUR_POINTS, setup.terms[0].n_points)
    if divisor > 1:
        starts, few, later = 2, few_points(points), None
    else:
        starts, few = OUR_STARTS, allen_cahn_setup(points)
        later = with_terms(cell, allen_cahn_setup(LATER_POINTS))
    return Model(
        setup.kan(),
        tuple(-(-steps // divisor) for steps in OUR_STEPS[:levels]),
        Redrawn(setup.ranges, seed=0),
        starts=starts,
        scheme=cell["start"],
        setup=with_terms(cell, few),
        later=later,
    )


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train one cell; return loss, true error and bandwidth, those after each level, and what figures draw."""
    setup = setup_of(cell)
    run = train(model_of(cell, setup), setup, cell.seed, observed)
    made = numbers_of(run, "bandwidth", "residual", "solution")
    return made | {"bandwidths": made["bandwidth"], "bandwidth": made["bandwidth"][-1]}


GRID = Grid("training of figure 7", OPEN, PLACE, run_cell, apart=("residual", "solution"))

CURVES = Curves(
    GRID,
    "schedule",
    {**dict.fromkeys((SPLINE, RELU), tuple(GRID.reading())), DENSE: ("periodic", "rate", "layout")}
    | {OURS: ("periodic", "start")},
    (*constant(SPLINE, RELU, DENSE, OURS), (SPLINE, "decaying")),
)
