"""Table 2 of [S26]: its cells as choices of factors, and how one of them is run for a seed.

What the paper leaves open is a factor. The values that come first are the reading that the printed means and deviations
single out (`table_two_rows`). Both networks have 55 and 230 parameters (R7): cubic splines on 5 intervals, refined to
40, after a linear first layer, or quadratic ones throughout, (1, 3) intervals to (8, 24).

The first layer, and all of an MLP, start uniformly in +-1/sqrt(fan-in), biases of MLPs too. In the ReLU basis descent
is in w = A^T u, which is (17a); both bases start from the same u. MLPs take as many epochs as the coarse KAN. Numbers
are mean squares over the squared range of the target on the samples.
"""

from collections.abc import Iterable, Sequence
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Factor, Grid
from refkan.claims.cells import Cell
from refkan.claims.experiments import Choice
from refkan.training.problems.regression import ROTATION
from validation.statements import cells_at, place_of
from validation.table_two.quasi_newton import DIVERGED, Descent, Function, lbfgs
from validation.table_two.ridge_network import BOUNDS, bisected, change_of_basis, local_polynomials, value_and_gradient

SEEDS = tuple(range(1234, 1259))
"""The five of the paper, and twenty more."""

TEST_SEED, TEST_POINTS = 20_000, 20_000
FIDELITIES = {"coarse": (128, 0, 0, 0), "fine": (0, 0, 0, 16), "multilevel": (32, 16, 8, 4)}
BASES = ("spline", "ReLU")
MLPS = {"MLP-5": (2, 5, 1), "MLP-30": (2, 30, 1), "MLP-20-20": (2, 20, 20, 1)}

HIDDEN, ORDER, INTERVALS = 5, 4, 5
"""Of the network whose first layer is linear."""

STARTS = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "he": lambda rng, size: np.sqrt(2 / HIDDEN) * rng.standard_normal(size),
    "unit": lambda rng, size: rng.uniform(0, 1, size),
    "uniform": lambda rng, size: rng.uniform(-1, 1, size) / np.sqrt(HIDDEN),
}

OPEN = (
    Factor("network", ("linear-first", "splines"), "linear layer before splines, or splines throughout"),
    Factor("bounds", tuple(sorted(BOUNDS, key=lambda name: name != "samples")), "what maps hidden nodes to [0, 1]"),
    Factor("sense", ("function", "arguments"), "what is turned counterclockwise: f(R^-1 x), or f(R x)"),
    Factor("start", tuple(STARTS), "how spline coefficients start"),
    Factor("search", ("wolfe", "fixed"), "line search of L-BFGS: strong Wolfe conditions, or steps of 1"),
    Factor("precision", ("64", "32"), "bits throughout"),
    Factor("fine", ("own", "prolonged"), "start of fine training: drawn on the finest level, or the coarse start"),
    Factor(
        "powers", ("plain", "scaled"), "of the ReLU basis, (x - t)^3 or ((x - t)/h)^3: the weight of the first layer"
    ),
    Factor("target", ("scaled", "raw"), "to [0, 1] by its extremes on the samples (supplement D.1), or raw"),
)

PLACE = (
    Factor("model", (*BASES, *MLPS), "row of the table"),
    Factor("fidelity", ("multilevel", "coarse", "fine"), "schedule of epochs"),
    Factor("samples", ("20000",), "training points", number=True),
    Factor("divisor", ("1",), "by which epochs are divided", number=True),
    Factor("ulps", ("none", "one"), "what is added to every entry of the start"),
)

PRINTED = {
    ("ReLU", "coarse"): ("1.10e-2", "8.32e-3"),
    ("ReLU", "fine"): ("1.35e0", "1.50e-1"),
    ("ReLU", "multilevel"): ("1.06e-2", "8.03e-3"),
    ("spline", "coarse"): ("1.65e-3", "4.18e-5"),
    ("spline", "fine"): ("2.54e-3", "5.64e-3"),
    ("spline", "multilevel"): ("3.67e-5", "7.19e-5"),
    ("MLP-5", "coarse"): ("2.94e-2", "1.60e-2"),
    ("MLP-30", "coarse"): ("1.02e-3", "9.42e-4"),
    ("MLP-20-20", "coarse"): ("3.33e-4", "2.92e-4"),
}
"""Table 2 of [S26] as printed: mean and standard deviation of the mean squared error over five runs."""

PUBLISHED = {cell: (float(mean), float(deviation)) for cell, (mean, deviation) in PRINTED.items()}
UNIT = "mean square error over the squared range of the target"


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train one cell; return its last and best errors, the losses epoch by epoch, and the work."""
    kind = np.float32 if cell["precision"] == "32" else np.float64
    x, y, squared_range = data(cell["sense"], cell["target"], cell.seed, int(cell["samples"]), cell.seed)
    x_test, y_test, _ = data(cell["sense"], cell["target"], cell.seed, int(cell["samples"]), TEST_SEED)
    rng = np.random.default_rng([cell.seed, 1])
    model: Any = Mlp if cell["model"] in MLPS else LinearFirst if cell["network"] == "linear-first" else Splines
    made = model(cell, x.astype(kind), y.astype(kind), rng)
    began, runs = process_time(), []
    of_level = FIDELITIES["coarse" if cell["model"] in MLPS else cell["fidelity"]]
    schedule = [-(-count // int(cell["divisor"])) for count in of_level]
    for level, epochs in enumerate(schedule):
        if level and not made.starts_fine and any(schedule[level:]):
            made.refine()
        if epochs:
            start = made.theta.astype(kind)
            if cell["ulps"] == "one" and not runs:
                start = np.nextafter(start, np.inf, dtype=kind)
            runs.append(lbfgs(made.function(), start, epochs, cell["search"] == "wolfe"))
            made.theta = runs[-1].theta
    last = made.theta
    tested = made.mse(last, x_test.astype(kind), y_test.astype(kind))
    return {
        "mse": bounded(runs[-1].losses[-1] / squared_range),
        "best": min(run.best for run in runs) / squared_range,
        "test": bounded(tested / squared_range),
        "parameters": int(last.size) + (HIDDEN if model is LinearFirst else 0),
        "evaluations": sum(run.evaluations for run in runs),
        "cpu seconds": process_time() - began,
        "course": course(runs, squared_range),
    }


def bounded(error: float) -> float:
    """Return an error, `DIVERGED` for what is larger or no number."""
    return error if error < DIVERGED else DIVERGED


def course(runs: Sequence[Descent], squared_range: float) -> dict[str, list[Any]]:
    """Loss before each epoch and after the last, level by level."""
    return {
        "level": [k for k, run in enumerate(runs) for _ in run.losses],
        "mse": [float(f"{bounded(loss / squared_range):.4g}") for run in runs for loss in run.losses],
    }


def data(sense: str, target: str, seed: int, samples: int, points: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Points of a seed, `TEST_POINTS` for `TEST_SEED`, their targets, and the squared range of the training targets."""

    def drawn(of: int) -> tuple[np.ndarray, np.ndarray]:
        count = TEST_POINTS if of == TEST_SEED else samples
        x = np.random.default_rng(of).uniform(1e-4, 0.9999, (count, 2))
        angle = ROTATION * (-1 if sense == "function" else 1)
        return x, rk.problems.regression_target(x, angle=angle).ravel()

    (_, y), (x, values) = drawn(seed), drawn(points)
    low, high = float(y.min()), float(y.max())
    if target == "raw":
        return x, values, (high - low) ** 2
    return x, (values - low) / (high - low), 1.0


class LinearFirst:
    """The network of `ridge_network`, in either basis. The five biases of the first layer cancel, and are left out."""

    def __init__(self, cell: Cell, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> None:
        self.starts_fine = cell["fidelity"] == "fine" and cell["fine"] == "own"
        self._bounds = BOUNDS[cell["bounds"]]
        self._relu, self._scaled = cell["model"] == "ReLU", cell["powers"] == "scaled"
        self._x, self._y = np.ascontiguousarray(x.T), y
        self._n = INTERVALS * (8 if self.starts_fine else 1)
        self._W = rng.uniform(-1, 1, 2 * HIDDEN) / np.sqrt(2)
        self._set(STARTS[cell["start"]](rng, (HIDDEN, self._n + ORDER - 1)))

    def _set(self, u: np.ndarray) -> None:
        self._A = change_of_basis(self._n, ORDER) / (self._n ** (ORDER - 1) if self._scaled else 1)
        self._inverse = np.linalg.inv(self._A)
        self.theta = np.concatenate([self._W, (u @ self._A if self._relu else u).ravel()])

    def refine(self) -> None:
        self._W, w = np.split(self.theta.astype(float), [2 * HIDDEN])
        w = w.reshape(HIDDEN, -1)
        u = bisected(w @ self._inverse if self._relu else w, ORDER)
        self._n *= 2
        self._set(u)

    def _evaluate(self, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        M, g = local_polynomials(ORDER).astype(theta.dtype), np.empty_like(theta)
        inverse = self._inverse.astype(theta.dtype)
        first = 2 * HIDDEN
        if not self._relu:
            return value_and_gradient(theta, HIDDEN, self._n, M, self._bounds, x, y, g), g
        u = np.concatenate([theta[:first], (theta[first:].reshape(HIDDEN, -1) @ inverse).ravel()])
        loss = value_and_gradient(u, HIDDEN, self._n, M, self._bounds, x, y, g)
        g[first:] = (g[first:].reshape(HIDDEN, -1) @ inverse.T).ravel()
        return loss, g

    def function(self) -> Function:
        return lambda theta: self._evaluate(theta, self._x, self._y)

    def mse(self, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
        return float(self._evaluate(theta, np.ascontiguousarray(x.T), y)[0])


class OfLibrary:
    """A network of refkan, trained by the same optimiser; in single precision it is evaluated in double."""

    starts_fine = False

    def __init__(self, net: rk.Network, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        self.net, self.theta, self._x, self._y = net, theta, x.astype(float), y.astype(float)[:, None]

    def function(self) -> Function:
        problem = rk.LeastSquares(self.net, self._x, self._y)

        def evaluate(theta: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = problem.value_and_gradient(theta.astype(float))
            return 2 * value, (2 * gradient).astype(theta.dtype)

        return evaluate

    def mse(self, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean((self.net(theta.astype(float), x.astype(float)).ravel() - y) ** 2))


class Splines(OfLibrary):
    """Quadratic splines throughout, hidden nodes mapped to [0, 1] by their extremes on the samples."""

    def __init__(self, cell: Cell, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> None:
        self.starts_fine = cell["fidelity"] == "fine" and cell["fine"] == "own"
        basis = "spline" if cell["model"] == "spline" else "relu" if cell["powers"] == "plain" else "scaled-relu"
        intervals = [8, 24] if self.starts_fine else [1, 3]
        net = rk.kan([2, HIDDEN, 1], order=3, intervals=intervals, basis=basis, node_map="min-max")
        super().__init__(*net.initialize(rng, x.astype(float), scheme="normal"), x, y)

    def refine(self) -> None:
        fine = self.net.refine()
        self.net, self.theta = fine, self.net.convert(self.theta.astype(float), fine)


class Mlp(OfLibrary):
    """A network of ReLUs, without a bias of the output."""

    def __init__(self, cell: Cell, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> None:
        net = rk.mlp(list(MLPS[cell["model"]]))
        parts = [rng.uniform(-1, 1, layer.n_params) / np.sqrt(layer.n_inputs) for layer in net.layers]
        super().__init__(net, np.concatenate(parts), x, y)


GRID = Grid("cell of Table 2", OPEN, PLACE, run_cell, apart=("course",))


def cells_of(
    seeds: Sequence[int],
    reading: Choice,
    models: Iterable[str] = BASES,
    fidelities: Sequence[str] = tuple(FIDELITIES),
    **size: str,
) -> list[Cell]:
    """All combinations; MLPs have one fidelity."""
    parts = ((model, f) for model in models for f in (("coarse",) if model in MLPS else fidelities))
    return cells_at(GRID, seeds, (place(reading, *part) for part in parts), **size)


def place(reading: Choice, model: str, fidelity: str) -> dict[str, str]:
    """Return where the runs of a cell lie under a reading.

    MLPs know few of the factors, networks of splines have one start and one map, and where fine training starts
    matters to no other.
    """
    matters = {factor.name for factor in OPEN}
    if model in MLPS:
        matters = {"sense", "search", "precision", "target"}
    elif reading.get("network") == "splines":
        matters -= {"bounds", "start"}
    matters -= {name for name, here in (("fine", fidelity == "fine"), ("powers", model == "ReLU")) if not here}
    return place_of(GRID, reading, matters, model=model, fidelity=fidelity)
