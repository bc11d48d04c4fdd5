"""Table 2 of [S26]: its cells as configurations, and how one of them is run.

What the paper leaves open and is fixed here: the initialisation (see `Network.initialize`; rows in the ReLU basis start
twice, from the same function and from Gaussian coefficients of matched variance), affine node maps for L-BFGS, the
budget of inner iterations in an epoch of L-BFGS (1 or 20), and the epochs of the MLPs (as many as the coarse KAN has,
whose epoch costs about as much). Errors are mean squares at fresh points of a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims.parts import Parts
from refkan.hierarchy import MultilevelResult, minimize_multilevel

PUBLISHED_SEEDS = tuple(range(1234, 1239))
SEEDS = tuple(range(1234, 1259))
"""The five of the paper, and twenty more."""

TEST_SEED, TEST_POINTS = 20_000, 20_000

INTERVALS = (1, 3)

FIDELITIES = {"coarse": (128, 0, 0, 0), "fine": (0, 0, 0, 16), "multilevel": (32, 16, 8, 4)}
"""Epochs of each level: equal nominal work, 16 evaluations on the finest level where an epoch is one evaluation."""

LONGER = "fine, longer"
"""The finest level with as many epochs as the multilevel run has in all: what may fit into the same time."""

TARGETS: dict[str, dict[str, Any]] = {
    "rotated": {},
    "rotated about (1/2, 1/2)": {"centre": (0.5, 0.5)},
    "unrotated": {"angle": 0.0},
}

BASES: dict[str, tuple[str, str]] = {
    "spline": ("spline", "linear"),
    "ReLU, same start": ("relu", "linear"),
    "ReLU, Gaussian start": ("relu", "gaussian"),
}
"""Basis and scheme of the start."""

RELU = ("ReLU, same start", "ReLU, Gaussian start")

FIXED = "lbfgs-fixed-step"

METHODS: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "L-BFGS, 1 inner": (FIXED, {"inner": 1}, 1, "affine"),
    "L-BFGS, 20 inner": (FIXED, {"inner": 20}, 1, "affine"),
    "L-BFGS-B, 20 iterations": ("lbfgs", {}, 20, "affine"),
    "Levenberg-Marquardt": ("levenberg-marquardt", {}, 1, "mean-std"),
    "variable projection": ("variable-projection", {}, 1, "mean-std"),
}
"""Method, options, steps in an epoch, and node map."""

PAPERS = ("L-BFGS, 1 inner", "L-BFGS, 20 inner")
"""The optimiser of the paper with the two budgets."""

MLPS = {"MLP [2,5,1]": (2, 5, 1), "MLP [2,30,1]": (2, 30, 1), "MLP [2,20,20,1]": (2, 20, 20, 1)}

PUBLISHED = {
    ("ReLU", "coarse"): (1.10e-2, 8.3e-3),
    ("ReLU", "fine"): (1.35, 0.15),
    ("ReLU", "multilevel"): (1.06e-2, 8.0e-3),
    ("spline", "coarse"): (1.65e-3, 4.2e-5),
    ("spline", "fine"): (2.54e-3, 5.6e-3),
    ("spline", "multilevel"): (3.67e-5, 7.2e-5),
    ("MLP [2,5,1]", "fine"): (2.94e-2, None),
    ("MLP [2,30,1]", "fine"): (1.02e-3, None),
    ("MLP [2,20,20,1]", "fine"): (3.33e-4, None),
}
"""Table 2 of [S26]: mean and standard deviation of the mean squared error over five seeds."""


@dataclass(frozen=True, order=True)
class Cell:
    """One training of one seed."""

    target: str
    model: str
    method: str
    fidelity: str
    seed: int
    samples: int
    divisor: int = 1
    """By which all epochs are divided, in quick runs."""

    @property
    def schedule(self) -> list[int]:
        """Epochs of each level."""
        epochs = (0, 0, 0, sum(FIDELITIES["multilevel"])) if self.fidelity == LONGER else FIDELITIES[self.fidelity]
        return [-(-count // self.divisor) for count in epochs]


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train one cell; return errors, the course of the training, and both measures of work."""
    x, y, x_test, y_test = data(cell.target, cell.seed, cell.samples)
    method, options, steps, node_map = METHODS[cell.method]
    rng = np.random.default_rng([cell.seed, 1])
    if cell.model in MLPS:
        net, scheme = rk.mlp(list(MLPS[cell.model])), "linear"
        schedule = [FIDELITIES["coarse"][0] // cell.divisor * steps]
    else:
        basis, scheme = BASES[cell.model]
        net = rk.kan([2, 5, 1], order=3, intervals=list(INTERVALS), basis=basis, node_map=node_map)
        schedule = [steps * count for count in cell.schedule]
    net, theta = net.initialize(rng, x, scheme=scheme)
    problem = rk.LeastSquares(net, x, y)
    began = process_time()
    result = minimize_multilevel(problem, theta, schedule, method, **options)
    cpu = process_time() - began
    error = result.network(result.theta, x_test) - y_test
    return {
        "test": float(np.mean(error**2)),
        "training": 2 * result.value,
        "start": 2 * problem.value(theta),
        "parameters": problem.net.n_params if cell.fidelity == "coarse" else result.network.n_params,
        "nominal": result.work.nominal,
        "measured": result.work.measured,
        "seconds": float(sum(result.work.seconds)),
        "cpu seconds": cpu,
        "change by prolongation": max(result.changes, default=0.0),
        "course": course(result),
    }


def course(result: MultilevelResult) -> dict[str, np.ndarray]:
    """Best mean squared error on the samples so far, level, seconds and nominal work, after each epoch or step."""
    h = result.history
    return {
        "level": h.level.astype(np.int64),
        "mse": 2 * np.minimum.accumulate(h.value),
        "seconds": h.seconds,
        "work": h.work,
    }


@cache
def data(target: str, seed: int, samples: int) -> tuple[np.ndarray, ...]:
    """Samples and test points with their targets."""
    f = TARGETS[target]
    x = np.random.default_rng(seed).uniform(1e-4, 0.9999, (samples, 2))
    x_test = np.random.default_rng(TEST_SEED).uniform(1e-4, 0.9999, (TEST_POINTS, 2))
    return x, rk.problems.regression_target(x, **f), x_test, rk.problems.regression_target(x_test, **f)


def run_cells(
    cells: Iterable[Cell],
    checkpoints: Parts | None = None,
    progress: Callable[[str], Any] = lambda text: None,
) -> dict[Cell, dict[str, Any]]:
    """Run or resume cells in their order."""
    cells = list(cells)
    found: dict[Cell, dict[str, Any]] = {}
    marks: dict[str, list[float]] = {}
    for number, cell in enumerate(cells, 1):
        progress(f"{number}/{len(cells)}: {cell.target}, {cell.model}, {cell.method}, {cell.fidelity}, {cell.seed}")
        if checkpoints is None:
            found[cell] = run_cell(cell)
            continue
        kind = "MLP" if cell.model in MLPS else BASES[cell.model][0]
        if f"{kind} {cell.method}" not in marks:
            marks[f"{kind} {cell.method}"] = mark(kind, cell.method)
        key = {"task": "cell of Table 2", **asdict(cell), "mark": marks[f"{kind} {cell.method}"]}
        found[cell] = checkpoints.run(key, lambda cell=cell: run_cell(cell))
    return found


def mark(kind: str, method: str) -> list[float]:
    """Values of a tiny training, in the key of stored cells, so that these are void once the library trains otherwise.

    To six digits: BLAS does not give the same bits everywhere.
    """
    name, options, _, node_map = METHODS[method]
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 2))
    net = rk.mlp([2, 3, 1]) if kind == "MLP" else rk.kan([2, 3, 1], 3, [1, 2], basis=kind, node_map=node_map)
    net, theta = net.initialize(rng, x)
    problem = rk.LeastSquares(net, x, rk.problems.regression_target(x))
    result = minimize_multilevel(problem, theta, [2] if kind == "MLP" else [2, 1], name, **options)
    return [float(f"{level.value:.6g}") for level in result.levels]


def cells_of(
    seeds: Sequence[int],
    samples: int,
    targets: Iterable[str],
    methods: Iterable[str],
    models: Iterable[str] = tuple(BASES),
    fidelities: Iterable[str] = (*FIDELITIES, LONGER),
    divisor: int = 1,
) -> list[Cell]:
    """All combinations, seed by seed, so that an interrupted run has whole seeds; MLPs have one fidelity."""
    return [
        Cell(target, model, method, fidelity, seed, samples, divisor)
        for target in targets
        for method in methods
        for seed in seeds
        for model in models
        for fidelity in (("fine",) if model in MLPS else fidelities)
    ]
