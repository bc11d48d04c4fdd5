"""The first experiment as choices of factors: loss against work of KANs and MLPs on the rotated regression target.

Networks [2, 5, 1] with quadratic splines on (4, 12) intervals, and MLPs around their number of parameters; SciPy's
L-BFGS-B.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Factor, Grid
from refkan.claims.cells import Cell
from validation.architectures.equal_work import Budget
from validation.statements import cells_at, place_of

KANS: dict[str, dict[str, Any]] = {
    "spline": {},
    "ReLU": {"basis": "relu"},
    "ReLU-gaussian": {"basis": "relu"},
    "SiLU": {"edge": "silu"},
}
"""KAN in the spline basis; in the ReLU basis, started at the same function or by a Gaussian in w; traditional KAN."""

MLPS = {"MLP-30": [2, 30, 1], "MLP-20-20": [2, 20, 20, 1]}
OURS = "spline"

OPEN = (
    Factor("map", ("affine", "mean-std"), "between the layers of the KANs"),
    Factor("start", ("linear", "normal"), "of their coefficients: random linear functions, or u ~ N(0, 1)"),
)

PLACE = (
    Factor("model", (*KANS, *MLPS), "contestant"),
    Factor("samples", ("3000",), "training points", number=True),
    Factor("evaluations", ("600",), "of value and gradient", number=True),
)


def place(reading: Mapping[str, str], model: str) -> dict[str, str]:
    """Return where the runs of a contestant lie under a reading."""
    matters = () if model in MLPS else ("map",) if model == "ReLU-gaussian" else ("map", "start")
    return place_of(GRID, reading, matters, model=model)


def network_of(cell: Cell) -> tuple[rk.Network, str]:
    model = cell["model"]
    if model in MLPS:
        return rk.mlp(MLPS[model]), "linear"
    net = rk.kan([2, 5, 1], order=3, intervals=[4, 12], node_map=cell["map"], **KANS[model])
    return net, "gaussian" if model == "ReLU-gaussian" else cell["start"]


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train one contestant; return the best mean squared error after all evaluations, and the seconds that it took."""
    rng = np.random.default_rng(cell.seed)
    x = rng.uniform(1e-4, 0.9999, (int(cell["samples"]), 2))
    net, scheme = network_of(cell)
    net, theta = net.initialize(rng, x, scheme=scheme)
    problem, evaluations = rk.LeastSquares(net, x, rk.problems.regression_target(x)), int(cell["evaluations"])
    problem.value_and_gradient(theta)  # outside the clock: compiled kernels are loaded once
    budget = Budget(problem, evaluations)
    budget.spend(theta, evaluations)
    return {"mse": min(budget.losses), "seconds": budget.seconds, "parameters": net.n_params}


GRID = Grid("first experiment", OPEN, PLACE, run_cell)


def cells_of(seeds: Sequence[int], readings: Iterable[Mapping[str, str]], **size: str) -> list[Cell]:
    return cells_at(GRID, seeds, (place(*pair) for pair in product(readings, (*KANS, *MLPS))), **size)
