"""The largest stable steps of gradient descent in both bases: predicted at the start, and found by runs."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Experiment, Factor
from refkan.claims.experiments import Choice
from validation.descent.kernels import kernels_of_both_bases
from validation.descent.kernels.kernels_of_both_bases import NODE_MAPS, WIDTHS, Case, radius, relu_jacobian
from validation.statements import Progress, RunSize, each, quick_and_full, silent

BASES = {"scaled": "scaled-relu", "plain": "relu"}
"""The two scalings of the ReLU basis and their names as coordinates."""

MAPS = (*NODE_MAPS, "min-max")

OPEN = (
    Factor("scaling", tuple(BASES), "of the ReLU basis: that of Theorem 2, or plain powers"),
    Factor("map", MAPS, "node map between the layers"),
    Factor("start", ("linear", "normal"), "parameters: random linear functions, or coefficients u ~ N(0, 1)"),
)

PLACE = (
    Factor("order", ("3",), "r", number=True),
    Factor("intervals", ("4",), "n", number=True),
    Factor("widths", tuple("-".join(map(str, widths)) for widths in WIDTHS[1:] + WIDTHS[:1]), "of the network"),
    Factor("samples", ("300",), "uniform inputs", number=True),
)

SHOWN = (2, 5, 1)

CELL = 2.0**0.25
"""Ratio of the steps that runs tell apart."""

EXPONENTS = np.arange(-12, 21)
"""Runs try the predicted step times CELL^k."""

QUICK, FULL = quick_and_full(
    intervals=((4, 16), (2, 4, 8, 16, 32)),
    seeds=(range(1), range(2)),
    samples=(30, 300),
    run_cases=(
        [Case(r, 4, SHOWN, MAPS[r % 2], 0) for r in (1, 2, 3, 4)],
        [Case(*item) for item in product((1, 2, 3, 4), (12,), (SHOWN,), MAPS, range(1), ("linear", "normal"))],
    ),
    steps=(60, 150),
)
"""Predictions for `intervals` and `seeds`, runs for `run_cases`."""


def largest_steps(J: np.ndarray, net: rk.Network, samples: int) -> dict[str, float]:
    """2/lambda_max of the Gauss-Newton matrices J^T J/N in the three coordinates."""
    jacobians = {"spline": J} | {name: relu_jacobian(net, J, name == "scaled") for name in BASES}
    return {name: 2.0 * samples / radius(matrix) for name, matrix in jacobians.items()}


def predict(case: Case, samples: int) -> dict[str, Any]:
    """The largest stable steps of a network at its start, and their ratios, ReLU over spline basis."""
    net, theta, x = case.build(samples)
    steps = largest_steps(net.jacobian(theta, x), net, samples)
    ratios = {name: steps[name] / steps["spline"] for name in BASES}
    fine, theta_fine = refined(net, theta)
    control = 2.0 * samples / radius(fine.jacobian(theta_fine, x)) / steps["spline"]
    return case.with_results(steps=steps, ratios=ratios, control=control)


def refined(net: rk.Network, theta: np.ndarray) -> tuple[rk.Network, np.ndarray]:
    """The same function in the B-splines on twice as many intervals, by interpolation of the coarse basis."""
    layers, parts = [], []
    for layer, where in zip(net.layers, net.slices, strict=True):
        assert isinstance(layer, rk.SplineLayer)
        coarse = layer.spaces[0]
        fine = rk.SplineSpace.uniform(coarse.order, 2 * coarse.intervals, coarse.domain)
        points = np.linspace(*coarse.domain, fine.dim)
        values = rk.bsplines.design_matrix(coarse, points).toarray()
        P = np.linalg.solve(rk.bsplines.design_matrix(fine, points).toarray(), values)
        layers.append(rk.SplineLayer((fine,) * layer.n_inputs, layer.n_outputs, layer.outside))
        parts.append((theta[where].reshape(-1, coarse.dim) @ P.T).ravel())
    return replace(net, layers=tuple(layers)), np.concatenate(parts)


def one_layer_exponents(order: int) -> dict[str, float]:
    """Exponents of n in the ratios of one layer and uniformly distributed inputs, from the Gram matrices."""
    intervals, ratios = (32, 128), []
    for n in intervals:
        space = rk.SplineSpace.uniform(order, n)
        spline = np.linalg.eigvalsh(rk.bsplines.gram_matrix(space).toarray())[-1]
        relu = [np.linalg.eigvalsh(rk.relu_powers.gram_matrix(space, scaled=name == "scaled"))[-1] for name in BASES]
        ratios.append(spline / np.array(relu))
    exponents = np.log(ratios[1] / ratios[0]) / np.log(intervals[1] / intervals[0])
    return {name: float(value) for name, value in zip(BASES, exponents, strict=True)}


class Linearised:
    """The least-squares problem of the network that is linear in theta, tangent at the start."""

    def __init__(self, problem: rk.LeastSquares, theta: np.ndarray) -> None:
        self.net, self.start = problem.net, theta
        self.residual, self.J = problem.misfit(theta).ravel(), problem.net.jacobian(theta, problem.x)
        self.samples = problem.x.shape[0]

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient of |e + J (theta - start)|^2/(2N)."""
        e = self.residual + self.J @ (theta - self.start)
        return float(e @ e) / (2 * self.samples), self.J.T @ e / self.samples


def decreases(problem: Any, theta: np.ndarray, coordinates: str, step: float, steps: int) -> bool:
    """Whether all steps of gradient descent are done, end below the start and are never above it.

    A run that leaps over the ridge where it started may come down elsewhere, but the step was not stable.
    """
    result = rk.minimize(problem, theta, "gd", steps, geometry=coordinates, learning_rate=step)
    values = result.history.value
    return len(values) == steps + 1 and bool(values[-1] < values[0] and np.all(values <= values[0]))


def largest_that_decreases(problem: Any, theta: np.ndarray, coordinates: str, predicted: float, steps: int) -> float:
    """By bisection, the largest step that decreases, over the predicted one; inf or 0 beyond what is tried."""
    low, high = -1, EXPONENTS.size  # low decreases, high does not
    while high - low > 1:
        middle = (low + high) // 2
        if decreases(problem, theta, coordinates, predicted * CELL ** float(EXPONENTS[middle]), steps):
            low = middle
        else:
            high = middle
    if low < 0:
        return 0.0
    return float(CELL ** EXPONENTS[low]) if high < EXPONENTS.size else np.inf


def run_case(case: Case, samples: int, steps: int) -> dict[str, Any]:
    """Largest steps of runs, of the network and of its linearisation, over the predicted ones."""
    net, theta, x = case.build(samples)
    smooth = np.sin(3.0 * x.sum(axis=1, keepdims=True) + np.arange(net.widths[-1]))
    problem = rk.LeastSquares(net, x, smooth)
    predicted = largest_steps(net.jacobian(theta, x), net, samples)
    coordinates = {"spline": "spline"} | BASES
    largest = {
        kind: {
            name: largest_that_decreases(objective, theta, coordinates[name], predicted[name], steps)
            for name in predicted
        }
        for kind, objective in (("network", problem), ("linearised", Linearised(problem, theta)))
    }
    ratios = {
        name: largest["network"][name] * predicted[name] / (largest["network"]["spline"] * predicted["spline"])
        for name in BASES
    }
    return case.with_results(predicted=predicted, over_predicted=largest, ratios=ratios)


def measure(size: RunSize, progress: Progress = silent) -> dict[str, Any]:
    told, orders = "r = {0.order}, n = {0.intervals}, {0.widths}, {0.node_map}", (1, 2, 3, 4)
    cases = kernels_of_both_bases.random_cases(orders, size.intervals, size.seeds, MAPS, OPEN[2].values)
    runs = each(progress, f"N2: runs, {told}", size.run_cases)
    return {
        "seeds": list(size.seeds),
        "samples": size.samples,
        "predictions": [predict(case, size.samples) for case in each(progress, f"N2: {told}", cases)],
        "runs": [run_case(case, size.samples, size.steps) for case in runs],
        "one layer, exponents of n": {order: one_layer_exponents(order) for order in orders},
    }


def run_again(choice: Choice, seed: int) -> dict[str, float]:
    """Return the largest stable steps of one network in both bases, and their ratio."""
    widths = tuple(map(int, choice["widths"].split("-")))
    case = Case(int(choice["order"]), int(choice["intervals"]), widths, choice["map"], seed, choice["start"])
    prediction = predict(case, int(choice["samples"]))
    scaling = choice["scaling"]
    return {
        "step in the spline basis": prediction["steps"]["spline"],
        "step in the ReLU basis": prediction["steps"][scaling],
        "ratio": prediction["ratios"][scaling],
    }


EXPERIMENT = Experiment((*OPEN, *PLACE), run_again)
