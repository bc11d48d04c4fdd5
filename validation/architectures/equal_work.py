r"""Contestants that are trained on the same samples with the same number of evaluations."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.base import Frozen
from refkan.claims.running.kept_parts import Resume
from refkan.training.problems.regression import Target

TEST_SEED = 20_000
"""Of the fresh test points, the same for all."""

MARKS = 60

LONGEST = 4
"""Times the evaluations that a contestant may use at most to fill a time."""


class Contestant(Frozen, eq=True):
    """A network, the scheme that starts it, and the coordinates that it descends in (by default its own)."""

    net: rk.Network
    scheme: str = "linear"
    geometry: str | None = None

    @property
    def centred(self) -> bool:
        """Whether inputs come as [-1, 1]^d: for dense networks, whose kinks all start at 0; splines have [0, 1]^d."""
        return all(isinstance(layer, rk.DenseLayer) for layer in self.net.layers)


class Samples(Frozen):
    """Points of [0, 1]^d and values with mean 0 and variance 1 on the training points."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @classmethod
    def of(cls, target: Target, seed: int, n_train: int, n_test: int) -> "Samples":
        """Draw the training points by `seed` and the test points by one seed for all."""
        points = target.sample(np.random.default_rng([seed, 0]), n_train)
        fresh = target.sample(np.random.default_rng(TEST_SEED), n_test)
        values, fresh_values = target(points), target(fresh)
        low, high = np.array(target.domain).T
        mean, std = values.mean(), values.std()
        unit, fresh_unit = (points - low) / (high - low), (fresh - low) / (high - low)
        return cls(unit, (values - mean) / std, fresh_unit, (fresh_values - mean) / std)


class BudgetSpentError(Exception):
    """The budget of evaluations is used up."""


class Budget:
    """A problem that ends with `BudgetSpentError` after a number of evaluations, and after a time if one is given.

    It notes the mean squared error at each evaluation, and the best parameters within the evaluations and the time.
    """

    def __init__(self, problem: rk.LeastSquares, evaluations: int, limit: float = 0.0) -> None:
        self.problem, self.net, self.evaluations, self.limit = problem, problem.net, evaluations, limit
        self.losses: list[float] = []
        self.seconds = self.clock = 0.0
        self.best = np.inf

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient; `BudgetSpentError` once the evaluations and the time are used."""
        used = len(self.losses)
        if used >= self.evaluations and (self.clock >= self.limit or used >= LONGEST * self.evaluations):
            raise BudgetSpentError
        start = process_time()
        value, gradient = self.problem.value_and_gradient(theta)
        self.clock += process_time() - start
        self.losses.append(2.0 * value)  # one output: the loss is half the mean squared error
        if value < self.best:
            self.best = value
            if used < self.evaluations:
                self.at_budget = theta.copy()
            if used == 0 or self.clock <= self.limit:
                self.in_time = theta.copy()
        if used < self.evaluations:
            self.seconds = self.clock
        return value, gradient

    def spend(self, theta: np.ndarray, steps: int, geometry: str | None = None) -> None:
        """Train by L-BFGS-B until the budget is used up, or the method ends."""
        with suppress(BudgetSpentError):
            rk.minimize(self, theta, steps=steps, geometry=geometry)


def train(
    contestant: Contestant, drawn: Callable[[], Samples], seed: int, evaluations: int, limit: float = 0.0
) -> dict[str, Any]:
    """Train with L-BFGS-B and return errors at training and test points, the curve of the loss, and the cost.

    Equal seeds start networks in both bases, with the scheme "linear", at the same function. With a limit, training
    goes on until these CPU seconds are used as well, and the test error reached within them is returned too.
    """
    samples = drawn()
    x, x_test = samples.x, samples.x_test
    if contestant.centred:
        x, x_test = 2 * x - 1, 2 * x_test - 1
    net, theta = contestant.net.initialize(np.random.default_rng([seed, 1]), x, scheme=contestant.scheme)
    problem = rk.LeastSquares(net, x, samples.y)
    problem.value_and_gradient(theta)  # outside the clock: compiled kernels are loaded once
    budget = Budget(problem, evaluations, limit)
    budget.spend(theta, LONGEST * evaluations, contestant.geometry)

    def test_error(theta: np.ndarray) -> float:
        return float(np.mean((net(theta, x_test) - samples.y_test) ** 2))

    curve = np.minimum.accumulate(budget.losses[:evaluations])
    result = {
        "training": float(curve[-1]),
        "test": test_error(budget.at_budget),
        "curve": curve[np.minimum(marks(evaluations), curve.size) - 1],
        "evaluations": int(curve.size),
        "seconds": budget.seconds,
        "parameters": net.n_params,
    }
    return result | {"test in time": test_error(budget.in_time)} if limit else result


def train_all(
    names: Mapping[str, Any],
    contestants: Mapping[str, Contestant],
    target: Target,
    size: Any,
    resume: Resume,
    limited: str = "",
) -> dict[str, Any]:
    """Train contestants on the samples of a target and of the seed in `names`, which name the pair.

    `size` has the numbers of samples, test points and evaluations. Those after the contestant `limited` get the time
    that it took, too.
    """
    drawn = partial(Samples.of, target, names["seed"], size.samples, size.test_points)

    def trained(name: str, limit: float = 0.0) -> Any:
        key = {**names, "target": target.id, "contestant": name, "samples": size.samples}
        key |= {"test points": size.test_points, "evaluations": size.evaluations}
        return resume(key, partial(train, contestants[name], drawn, names["seed"], size.evaluations, limit))

    first = {limited: trained(limited)} if limited else {}
    limit = first[limited]["seconds"] if limited else 0.0
    others = [name for name in contestants if name not in first]
    return first | dict(zip(others, resume.each(partial(trained, limit=limit), others), strict=True))


def targets(*dimensions: int) -> list[Target]:
    """Return all superpositions, formulas and special functions of so many variables."""
    problems = rk.problems
    groups = (problems.SUPERPOSITIONS, problems.FORMULAS, problems.SPECIAL_FUNCTIONS)
    return [target for group in groups for target in group if target.dimension in dimensions]


def marks(evaluations: int) -> np.ndarray:
    """Return the evaluations, counted from 1, at which the best loss so far is kept: evenly spaced in the logarithm."""
    return np.unique(np.geomspace(1, evaluations, MARKS).round().astype(int))
