"""Figure 6 of [S26], Poisson's equation with a jump: its curves as choices of factors, and how one of them is run.

What the paper leaves open is a factor.
"""

from typing import Any

import refkan as rk
from refkan.claims import Factor, Grid
from refkan.claims.cells import Cell
from validation.equations.curves import Curves, constant
from validation.equations.pde_runs import Model, numbers_of, train
from validation.equations.recipes.poisson_setup import poisson_setup
from validation.equations.recipes.schedules import Decaying, Ramped
from validation.equations.recipes.setups import Setup
from validation.equations.recipes.trainers import Attended

SPLINE, RELU, DENSE = "spline", "ReLU", "MLP"
STEPS = 1250

OPEN = (
    Factor("loss", ("means", "sums"), "of squares over the points of a term: sums are printed, figure 6 fits means"),
    Factor("map", ("mean-std", "affine", "sigmoid", "min-max"), "node map between the layers"),
    Factor("start", ("linear", "normal"), "of coefficients: random linear functions, or u ~ N(0, 1)"),
    Factor("mlp", ("x-y", "level-set"), "inputs of [2, 16, 16, 1]; with |x| as well it has the printed 352 parameters"),
)

PLACE = (
    Factor("model", (SPLINE, RELU, DENSE), "curve of the figure"),
    Factor("rate", ("constant", "decaying"), "of Adam on each level; constant as published"),
    Factor("points", ("49",), "interior points in each direction, and on the interface", number=True),
    Factor("divisor", ("1",), "by which steps are divided", number=True),
    Factor("levels", ("4",), "number of levels", number=True),
    Factor("first", ("4",), "intervals of the first level", number=True),
)


BASES = {SPLINE: "spline", RELU: "relu"}

INPUTS = {"x-y": 2, "level-set": 3}
"""Of the MLP."""


def setup_of(cell: Cell) -> Setup:
    """Return the equation with the inputs and the loss of a cell."""
    level_set = cell["model"] != DENSE or cell["mlp"] == "level-set"
    setup = poisson_setup(int(cell["points"]), level_set=level_set)
    if cell["loss"] == "sums":
        setup = setup.weighted(**{term.name: term.weight * term.n_points for term in setup.terms})
    return setup


def model_of(cell: Cell, setup: Setup) -> Model:
    """Return the network of a cell with its training."""
    steps, levels = -(-STEPS // int(cell["divisor"])), int(cell["levels"])
    rates: dict[str, Any] = {"constant": 1e-2, "decaying": Decaying(1e-2, 1e-4, steps)}
    options = {"schedule": Ramped(rates[cell["rate"]])}
    if cell["model"] == DENSE:
        net = rk.mlp([INPUTS[cell["mlp"]], 16, 16, 1], "tanh")
        return Model(net, (steps * levels,), Attended(), options)
    net = setup.kan(intervals=int(cell["first"]), basis=BASES[cell["model"]], node_map=cell["map"])
    return Model(net, (steps,) * levels, Attended(), options, scheme=cell["start"])


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train one cell; return its loss and its true error, those after each level, and the course of the training."""
    setup = setup_of(cell)
    run = train(model_of(cell, setup), setup, cell.seed, every=max(2, EVERY // int(cell["divisor"])))
    return numbers_of(run) | {"course": run["course"]}


EVERY = 25
"""Steps after which the true error is noted; of a shorter training as many times fewer, but two at least."""

GRID = Grid("curve of figure 6", OPEN, PLACE, run_cell, apart=("course",))

CURVES = Curves(
    GRID,
    "rate",
    {**dict.fromkeys((SPLINE, RELU), ("loss", "map", "start")), DENSE: ("loss", "mlp")},
    (*constant(SPLINE, RELU, DENSE), (SPLINE, "decaying")),
)
