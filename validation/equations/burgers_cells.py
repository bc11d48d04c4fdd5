"""Table 3 of [S26], Burgers' equation: its cells as choices of factors, and how one of them is run for a seed.

What the paper leaves open is a factor. What a model does not have is at its default, so that readings share its runs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Factor, Grid
from refkan.claims.cells import Cell
from refkan.claims.experiments import Choice
from validation.equations.pde_runs import Model, numbers_of, train
from validation.equations.recipes.schedules import Cyclic
from validation.equations.recipes.setups import Setup
from validation.equations.recipes.space_time_setups import burgers_setup
from validation.statements import cells_at, place_of

PUBLISHED_SEEDS = tuple(range(1234, 1284, 10))
FIDELITIES = {"coarse": (3200,), "fine": (0, 0, 800), "multilevel": (800, 400, 200)}
SPLINE = "KAN"
MLPS = {"MLP-20-20": (2, 20, 20, 1), "MLP-56-56": (2, 56, 56, 1)}

INTERVALS = {"linear-5": (0, 5, 5), "5": (5, 5, 5), "1-5-2": (1, 5, 2)}
"""Layer by layer; 0 stands for a linear layer, with which the network alone has the printed 3400 and 9700 parameters
(R7); the fine level of the last has 9700."""

OPEN = (
    Factor("intervals", tuple(INTERVALS), "of the coarsest level, layer by layer"),
    Factor("boundary", ("with", "without"), "points on each end, as many as in a direction, which D.2 does not name"),
    Factor("start", ("linear", "normal"), "of coefficients: random linear functions, or u ~ N(0, 1)"),
    Factor("fine", ("prolonged", "own"), "start of fine training: the coarse start, or drawn on the finest level"),
    Factor("loss", ("means", "sums"), "of the terms' squares: each in its own unit"),
    Factor("map", ("affine", "sigmoid", "mean-std", "min-max"), "node map between the layers"),
    Factor("decay", ("1e-4", "0"), 'of the weights, "weight-regularized Adam": Adam\'s, decoupled, or none'),
    Factor("activation", ("tanh", "relu3"), "of the MLPs; a ReLU network has no second derivative"),
)

PLACE = (
    Factor("model", (SPLINE, *MLPS), "row of the table"),
    Factor("fidelity", ("multilevel", "coarse", "fine"), "schedule of steps"),
    Factor("points", ("64",), "collocation points in each direction, and on each edge", number=True),
    Factor("divisor", ("1",), "by which steps are divided", number=True),
    Factor("width", ("20",), "of the KAN's hidden layers", number=True),
)

OF_MLPS = ("boundary", "loss", "decay", "activation")
"""Open details that matter to an MLP."""

PUBLISHED = {
    (SPLINE, "coarse"): (6.635e-3, 4.1e-3),
    (SPLINE, "fine"): (4.072e-3, 2.5e-3),
    (SPLINE, "multilevel"): (2.402e-5, 1.9e-5),
    ("MLP-20-20", "coarse"): (2.334e-2, 1.7e-3),
    ("MLP-56-56", "coarse"): (1.734e-2, 8.0e-3),
}
"""Table 3 of [S26]: mean and standard deviation of the training loss."""


def place(reading: Choice, model: str, fidelity: str) -> dict[str, str]:
    """Return where the runs of a cell lie under a reading."""
    matters = {factor.name for factor in OPEN} - {"activation"}
    if model in MLPS:
        matters = set(OF_MLPS)
    if fidelity != "fine":
        matters -= {"fine"}
    return place_of(GRID, reading, matters, model=model, fidelity=fidelity)


def setup_of(cell: Cell) -> Setup:
    """Return the equation with the terms and the loss of a cell."""
    n = int(cell["points"])
    setup = burgers_setup((n, n), n)
    if cell["boundary"] == "without":
        setup = replace(setup, terms=setup.terms[:2])
    if cell["loss"] == "sums":
        setup = setup.weighted(**{term.name: float(term.n_points) for term in setup.terms})
    return setup


def model_of(cell: Cell, setup: Setup) -> Model:
    """Return the network of a cell with its training."""
    divisor = int(cell["divisor"])
    schedules = {name: tuple(-(-count // divisor) for count in steps) for name, steps in FIDELITIES.items()}
    adam: dict[str, Any] = {"schedule": Cyclic(), "weight_decay": float(cell["decay"])}
    if cell["model"] in MLPS:
        return Model(rk.mlp(MLPS[cell["model"]], cell["activation"]), schedules["coarse"], options=adam)
    schedule = schedules[cell["fidelity"]]
    first, *intervals = INTERVALS[cell["intervals"]]
    if cell["fidelity"] == "fine" and cell["fine"] == "own":
        first, intervals, schedule = 4 * first, [4 * n for n in intervals], schedule[-1:]
    width = int(cell["width"])
    net = setup.kan([2, width, width, 1], [first or 1, *intervals], node_map=cell["map"])
    if not first:
        net = replace(net, layers=(rk.DenseLayer(2, width, bias=False), *net.layers[1:]))
    return Model(net, schedule, options=adam, scheme=cell["start"])


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train one cell; return its loss and its true error, those after each level, and its size."""
    setup = setup_of(cell)
    run = train(model_of(cell, setup), setup, cell.seed, on_lines)
    return numbers_of(run) | {name: run["levels"][-1][name] for name in ("mean squares", "lines")}


X, T = np.linspace(-1.0, 1.0, 201), np.array([0.25, 0.5, 1.0])


def on_lines(problem: Any, theta: np.ndarray) -> dict[str, Any]:
    """Values of the network on lines t = const, array (3, 201)."""
    points = np.stack(np.meshgrid(X, T), axis=-1).reshape(-1, 2)
    return {"lines": problem.net(theta, points).reshape(T.size, X.size)}


GRID = Grid("cell of Table 3", OPEN, PLACE, run_cell, apart=("lines",))


def cells_of(seeds: Sequence[int], reading: Choice, models: Iterable[str] = (SPLINE, *MLPS), **size: str) -> list[Cell]:
    """All cells of some models under a reading; MLPs have one fidelity."""
    places = []
    for model in models:
        fidelities = ("coarse",) if model in MLPS else tuple(FIDELITIES)
        places += [place(reading, model, fidelity) for fidelity in fidelities]
    return cells_at(GRID, seeds, places, **size)
