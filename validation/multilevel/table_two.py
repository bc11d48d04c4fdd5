"""Table 2 of [S26]: its cells as choices of factors, and how one of them is run for a seed.

What the paper leaves open is a factor, the value first that the probe of the supplement's set-up came nearest with:

    target     scaled to [0, 1] by its extremes on the samples (supplement D.1), or raw
    map        between the layers: min-max, affine, mean-std
    start      coefficients u ~ N(0, 1) whatever the basis; a random linear function on each edge; Gaussian coefficients
               in the layer's own basis, w for the ReLU basis, with the output variance of the linear start
    fine       where fine training starts: coefficients of its own, drawn on the finest level, or the coarse start,
               prolonged, as multilevel training with no epochs on the levels before
    inner      iterations of L-BFGS in an epoch
    precision  bits: with 32 the parameters u, the values and the gradients are rounded after each evaluation, and the
               change of basis A is applied in single precision; the arithmetic between is that of 64
    rotation   of the target about (0, 0), about (1/2, 1/2), or none

MLPs start by He's rule and take as many epochs as the coarse KAN, whose epoch costs about as much. Every error is a
mean square over the squared range of the target on the samples, at fresh points of a fixed seed: the unit of a scaled
target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims.cells import Cell as Chosen
from refkan.claims.cells import Grid
from refkan.claims.readings import Factor
from refkan.training.multilevel import MultilevelResult, minimize_multilevel

PUBLISHED_SEEDS = tuple(range(1234, 1239))
SEEDS = tuple(range(1234, 1259))
"""The five of the paper, and twenty more."""

TEST_SEED, TEST_POINTS = 20_000, 20_000

INTERVALS, FINEST = (1, 3), (8, 24)

FIDELITIES = {"coarse": (128, 0, 0, 0), "fine": (0, 0, 0, 16), "multilevel": (32, 16, 8, 4)}
"""Epochs of each level: equal nominal work, 16 evaluations on the finest level where an epoch is one evaluation."""

LONGER = "longer"
"""The finest level with as many epochs as the multilevel run has in all: what may fit into the same time."""

ROTATIONS: dict[str, dict[str, Any]] = {"origin": {}, "middle": {"centre": (0.5, 0.5)}, "none": {"angle": 0.0}}

BASES = {"spline": "spline", "ReLU": "relu"}

MLPS = {"MLP-5": (2, 5, 1), "MLP-30": (2, 30, 1), "MLP-20-20": (2, 20, 20, 1)}

METHODS: dict[str, tuple[str, int]] = {
    "L-BFGS": ("lbfgs-fixed-step", 1),
    "L-BFGS-B": ("lbfgs", 20),
    "Levenberg-Marquardt": ("levenberg-marquardt", 1),
    "variable-projection": ("variable-projection", 1),
}
"""Method of the library, and its steps in an epoch. The paper's is L-BFGS with a fixed step; it alone has `inner`."""

OPEN = (
    Factor("target", ("scaled", "raw"), "the target, scaled to [0, 1] or raw"),
    Factor("map", ("min-max", "affine", "mean-std"), "node map between the layers"),
    Factor("start", ("normal", "linear", "gaussian"), "how coefficients start"),
    Factor("fine", ("own", "prolonged"), "start of fine training: drawn there, or the coarse one prolonged"),
    Factor("inner", ("20", "1"), "iterations of L-BFGS in an epoch"),
    Factor("precision", ("64", "32"), "bits"),
    Factor("rotation", ("origin", "middle", "none"), "centre of the target's rotation"),
)
"""What the paper leaves open. The first values make up the reading that is run largest."""

PLACE = (
    Factor("model", (*BASES, *MLPS), "row of the table"),
    Factor("fidelity", ("multilevel", "coarse", "fine", LONGER), "schedule of epochs"),
    Factor("method", tuple(METHODS), "optimiser"),
    Factor("samples", ("20000",), "training points", number=True),
    Factor("divisor", ("1",), "by which epochs are divided", number=True),
)
"""Which cell of the table, and its size."""

PUBLISHED = {
    ("ReLU", "coarse"): (1.10e-2, 8.3e-3),
    ("ReLU", "fine"): (1.35, 0.15),
    ("ReLU", "multilevel"): (1.06e-2, 8.0e-3),
    ("spline", "coarse"): (1.65e-3, 4.2e-5),
    ("spline", "fine"): (2.54e-3, 5.6e-3),
    ("spline", "multilevel"): (3.67e-5, 7.2e-5),
    ("MLP-5", "coarse"): (2.94e-2, 1.6e-2),
    ("MLP-30", "coarse"): (1.02e-3, 9.4e-4),
    ("MLP-20-20", "coarse"): (3.33e-4, 2.9e-4),
}
"""Table 2 of [S26]: mean and standard deviation of the mean squared error over five seeds."""

UNIT = "mean square error over the squared range of the target"


@dataclass(frozen=True, order=True)
class Cell(Chosen):
    """One training of one seed: every factor, as it is written."""

    @classmethod
    def of(cls, seed: int, **choice: str) -> Cell:
        """Return the cell with the default of every factor that is not given."""
        return cls(GRID.cell(seed, **choice).choice, seed)

    @property
    def reading(self) -> dict[str, str]:
        """The open details alone."""
        return {factor.name: self[factor.name] for factor in OPEN}

    @property
    def schedule(self) -> list[int]:
        """Epochs of each level."""
        fidelity = self["fidelity"]
        epochs = (0, 0, 0, sum(FIDELITIES["multilevel"])) if fidelity == LONGER else FIDELITIES[fidelity]
        if self["model"] in MLPS:
            epochs = FIDELITIES["coarse"][:1]
        if self.starts_fine:
            epochs = epochs[-1:]
        return [-(-count // int(self["divisor"])) for count in epochs]

    @property
    def starts_fine(self) -> bool:
        """Whether a KAN is drawn on the finest level."""
        return self["model"] in BASES and self["fidelity"] in ("fine", LONGER) and self["fine"] == "own"


def run_cell(chosen: Chosen) -> dict[str, Any]:
    """Train one cell; return errors, the course of the training, and both measures of work."""
    cell = Cell(chosen.choice, chosen.seed)
    x, y, x_test, y_test, squared_range = data(cell["rotation"], cell["target"], cell.seed, int(cell["samples"]))
    method, steps = METHODS[cell["method"]]
    options: dict[str, Any] = {"inner": int(cell["inner"])} if cell["method"] == "L-BFGS" else {}
    rng = np.random.default_rng([cell.seed, 1])
    if cell["model"] in MLPS:
        net = rk.mlp(list(MLPS[cell["model"]]))
    else:
        basis = BASES[cell["model"]]
        intervals = list(FINEST if cell.starts_fine else INTERVALS)
        net = rk.kan([2, 5, 1], order=3, intervals=intervals, basis=basis, node_map=cell["map"])
    net, theta = net.initialize(rng, x, scheme=cell["start"])
    problem: Any = rk.LeastSquares(net, x, y)
    if cell["precision"] == "32":
        problem = SinglePrecision(problem)
    began = process_time()
    result = minimize_multilevel(problem, theta, [steps * count for count in cell.schedule], method, **options)
    cpu = process_time() - began
    trained = result.network
    best = rounded(trained, result.theta) if cell["precision"] == "32" else result.theta
    error = trained(best, x_test) - y_test
    return {
        "test": float(np.mean(error**2)) / squared_range,
        "training": 2 * result.value / squared_range,
        "start": 2 * problem.value_and_gradient(theta)[0] / squared_range,
        "parameters": net.n_params if cell["fidelity"] == "coarse" else trained.n_params,
        "nominal": result.work.nominal,
        "measured": result.work.measured,
        "seconds": float(sum(result.work.seconds)),
        "cpu seconds": cpu,
        "change by prolongation": max(result.changes, default=0.0),
        "course": course(result, squared_range),
    }


def course(result: MultilevelResult, squared_range: float) -> dict[str, np.ndarray]:
    """Best mean squared error on the samples so far, level, seconds and nominal work, after each epoch or step."""
    h = result.history
    return {
        "level": h.level.astype(np.int64),
        "mse": 2 * np.minimum.accumulate(h.value) / squared_range,
        "seconds": h.seconds,
        "work": h.work,
    }


@cache
def data(rotation: str, target: str, seed: int, samples: int) -> tuple[Any, ...]:
    """Samples and test points with their targets, and the squared range of the targets as they are trained on."""
    f = ROTATIONS[rotation]
    x = np.random.default_rng(seed).uniform(1e-4, 0.9999, (samples, 2))
    x_test = np.random.default_rng(TEST_SEED).uniform(1e-4, 0.9999, (TEST_POINTS, 2))
    y, y_test = (rk.problems.regression_target(points, **f) for points in (x, x_test))
    low, high = float(y.min()), float(y.max())
    if target == "raw":
        return x, y, x_test, y_test, (high - low) ** 2
    return x, (y - low) / (high - low), x_test, (y_test - low) / (high - low), 1.0


@dataclass(frozen=True, eq=False)
class SinglePrecision:
    """A least-squares problem whose parameters, value and gradient are rounded to single precision."""

    problem: rk.LeastSquares
    net: rk.Network = field(init=False)
    x: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "net", self.problem.net)
        object.__setattr__(self, "x", self.problem.x)

    def with_network(self, net: rk.Network) -> SinglePrecision:
        """Return the problem of another network."""
        return SinglePrecision(rk.LeastSquares(net, self.problem.x, self.problem.y))

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return both, of the rounded parameters, rounded."""
        value, gradient = self.problem.value_and_gradient(rounded(self.net, theta))
        return float(single(np.array(value))), single(gradient)


def single(values: np.ndarray) -> np.ndarray:
    """Return values rounded to single precision, as doubles; what is too large for it is infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


def rounded(net: rk.Network, theta: np.ndarray) -> np.ndarray:
    """Return the parameters that single precision holds: theta, or w = A^T u of a rounded u, with a rounded A."""
    if net.basis == "spline" or not hasattr(net.layers[0], "spaces"):
        return single(theta)
    parts, first = [], 0
    for layer in net.layers:
        w = layer.unpack(theta[first : first + layer.n_params])["coefficients"]
        first += layer.n_params
        new = np.empty(w.shape)
        for p, space in enumerate(layer.spaces):
            change = rk.ChangeOfBasis(space)
            u, A = change.to_spline(w[:, p]).astype(np.float32), change.dense().astype(np.float32)
            new[:, p] = u @ A  # A^T u, row by row, summed in single precision
        parts.append(layer.pack(coefficients=new))
    return np.concatenate(parts)


GRID = Grid("cell of Table 2", OPEN, PLACE, run_cell, apart=("course",))

EXPERIMENT = GRID.experiment


def cells_of(
    seeds: Sequence[int],
    reading: Mapping[str, str],
    models: Iterable[str] = tuple(BASES),
    fidelities: Iterable[str] = tuple(FIDELITIES),
    **size: str,
) -> list[Cell]:
    """All combinations, seed by seed, so that an interrupted run has whole seeds; MLPs have one fidelity.

    What an MLP does not have, such as a node map, is at its default, so that readings share its runs.
    """
    shared = {name: reading[name] for name in ("target", "inner", "rotation") if name in reading}
    return [
        Cell.of(seed, model=model, fidelity=fidelity, **(shared if model in MLPS else reading), **size)
        for seed in seeds
        for model in models
        for fidelity in (("coarse",) if model in MLPS else fidelities)
    ]
