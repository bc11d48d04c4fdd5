r"""Multilevel runs of Table 2 with rows of the first layer as they come or balanced, and where each level starts.

The network of `ridge_network` maps every hidden node by its extremes on the samples: it does not change if a row of W
is multiplied by a number c > 0 (docs/gauge.md). Balanced rows are multiplied by powers of two after every refinement,
so that the spread max - min of each node is in [1/sqrt(2), sqrt(2)). No value of the network changes by that, to the
last bit: what changes are the directions of descent alone. Moved rows are a placebo: every entry of W is moved by one
unit in the last place, since a run may also end elsewhere because of rounding.

At the start of a level the gradient g is taken of balanced rows, and the loss is followed along -g for a short step.
If it rises there although g is not zero, then two samples share an extreme of a node, and g is the gradient of only
one side. How far apart they are is the least distance of the two least or the two greatest values of a node, over its
spread.
"""

from typing import Any

import numpy as np

from refkan.claims import Factor, Grid
from refkan.claims.cells import Cell
from validation.table_two.cells_of_table import (
    BASES,
    FIDELITIES,
    HIDDEN,
    LinearFirst,
    bounded,
    cells_of,
    course,
    data,
)
from validation.table_two.cells_of_table import GRID as TABLE
from validation.table_two.quasi_newton import Descent, lbfgs

SEEDS = tuple(range(2000, 2200))
"""None of those on which the criteria were chosen, 1234 to 1258."""

ROWS = ("free", "balanced", "moved")

PLACE = (
    Factor("model", BASES, "row of the table"),
    Factor("rows", ROWS, "of the first layer, after each refinement"),
    Factor("samples", ("20000",), "training points", number=True),
    Factor("divisor", ("1",), "by which epochs are divided", number=True),
)

STEP = 1e-9
"""Along -g/|g|, at balanced rows: the curvature 1e7 of the stiffest loss seen bends it by 1/100."""


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train one cell; return its error, the losses epoch by epoch, and the start of every level."""
    size = {name: cell[name] for name in ("samples", "divisor")}
    (same,) = cells_of([cell.seed], TABLE.reading(), [cell["model"]], ["multilevel"], **size)
    x, y, _ = data(same["sense"], same["target"], cell.seed, int(cell["samples"]), cell.seed)
    made = LinearFirst(same, x, y, np.random.default_rng([cell.seed, 1]))
    runs: list[Descent] = []
    starts: list[dict[str, float]] = []
    schedule = [-(-count // int(cell["divisor"])) for count in FIDELITIES["multilevel"]]
    for level, epochs in enumerate(schedule):
        if level:
            made.refine()
            made.theta = TREATMENTS[cell["rows"]](made.theta, x)
        starts.append(start_of_level(made, x))
        runs.append(lbfgs(made.function(), made.theta, epochs, wolfe=True))
        made.theta = runs[-1].theta
    end = spreads(made.theta, x)
    return {
        "mse": bounded(runs[-1].losses[-1]),
        "levels": [s | level_of(run) for s, run in zip(starts, runs, strict=True)],
        "spreads at the end": [float(end.min()), float(end.max())],
        "course": course(runs, 1.0),
    }


def first_layer(theta: np.ndarray) -> np.ndarray:
    """Return the rows of W, a view (nodes, 2)."""
    return theta[: 2 * HIDDEN].reshape(HIDDEN, 2)


def spreads(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the spread of every hidden node on the samples."""
    return np.ptp(first_layer(theta) @ x.T, axis=1)


def balanced(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return theta with every row of W times the power of two that takes its spread into [1/sqrt(2), sqrt(2))."""
    made = theta.copy()
    exponents = np.ceil(-0.5 - np.log2(spreads(theta, x)))
    first_layer(made)[...] = np.ldexp(first_layer(theta), exponents.astype(int)[:, None])
    return made


def moved(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return theta with every entry of W moved by one unit in the last place."""
    made = theta.copy()
    first_layer(made)[...] = np.nextafter(first_layer(theta), np.inf)
    return made


TREATMENTS = {"free": lambda theta, x: theta, "balanced": balanced, "moved": moved}


def start_of_level(made: LinearFirst, x: np.ndarray) -> dict[str, float]:
    """Return spreads, distances of extremes and slopes where a level starts."""
    width = spreads(made.theta, x)
    theta = balanced(made.theta, x)
    loss, g = made.function()(theta)
    length = float(np.linalg.norm(g))
    after, _ = made.function()(theta - STEP * g / length)
    values = np.sort(first_layer(theta) @ x.T, axis=1)
    apart = np.minimum(values[:, 1] - values[:, 0], values[:, -1] - values[:, -2])
    return {
        "least spread": float(width.min()),
        "greatest spread": float(width.max()),
        "extremes apart": float((apart / np.ptp(values, axis=1)).min()),
        "gradient": length,
        "slope": float(after - loss) / STEP,
    }


def level_of(run: Descent) -> dict[str, float]:
    return {"first": bounded(run.losses[0]), "last": bounded(run.losses[-1]), "evaluations": run.evaluations}


GRID = Grid("cell of Table 2 with its gauge", (), PLACE, run_cell, apart=("course",))
