"""Adaptive trainings on targets of varying complexity: set-ups, errors at fresh points, and comparisons in pairs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

import refkan as rk
from refkan.base import Frozen
from refkan.claims.running.kept_parts import Resume
from refkan.training.adaptivity import minimize_adaptive, sampled
from refkan.training.adaptivity.strategies import Strategy
from refkan.training.problems.regression import Target

TOLD = "{0.target}, order {0.order}, {0.max_params} parameters, seed {0.seed}"
"""What progress says of a setting."""

TEST_SEED = 20_000
"""Of the fresh test points, the same for all."""

LINE = ("kink", "step", "steep", "cusp", "chirp", "peak")
"""Targets of one variable with places that need more knots than others."""

PLANE = ("front", "disc", "crease", "peak-2d", "chirp-2d")
"""Targets of two variables with lines or spots that do."""

VP, LBFGS = "variable-projection", "lbfgs"


class Setting(Frozen, eq=True):
    """A target, a network [d, hidden, 1] with mean-std map (a single layer if `hidden` is 0), and a budget.

    Samples and test points are equally spaced for one variable; for more they are drawn at random, the test points by
    one seed for all. All layers begin with `intervals`, `steps` are those of each training.
    """

    target: str
    order: int
    samples: int
    test_points: int
    max_params: int
    hidden: int = 0
    intervals: int = 4
    steps: int = 1
    method: str = VP
    seed: int = 0

    def problem(self) -> tuple[rk.LeastSquares, np.ndarray]:
        """Return least squares of the first network on the samples, and the start."""
        target = rk.problems.TARGETS[self.target]
        rng = np.random.default_rng([self.seed, 0])
        x = spaced(target, self.samples) if target.dimension == 1 else target.sample(rng, self.samples)
        widths = [target.dimension, *([self.hidden] if self.hidden else []), 1]
        net = rk.kan(widths, self.order, self.intervals, list(target.domain), node_map="mean-std")
        net, theta = net.initialize(np.random.default_rng([self.seed, 1]), x)
        return sampled(net, target, x), theta

    def measure(self) -> Callable[[rk.Network, np.ndarray], float]:
        """Return the function that says the root mean square error at the test points."""
        target, n = rk.problems.TARGETS[self.target], self.test_points
        x = spaced(target, n) if target.dimension == 1 else target.sample(np.random.default_rng(TEST_SEED), n)
        return lambda net, theta: rms(net, theta, target, x)


def spaced(target: Target, n: int) -> np.ndarray:
    """Return the middles of n equal parts of the domain, (n, 1)."""
    ((a, b),) = target.domain
    return a + (b - a) * ((np.arange(n) + 0.5) / n)[:, None]


def rms(net: rk.Network, theta: np.ndarray, target: Target, x: np.ndarray) -> float:
    return float(np.sqrt(np.mean((net(theta, x) - target(x)) ** 2)))


def refine(setting: Setting, strategy: str | Strategy, **options: Any) -> dict[str, Any]:
    """Train adaptively up to the budget and return what each round says, as plain data."""
    problem, theta = setting.problem()
    ridge = {"ridge": 1e-14 if setting.hidden == 0 else 1e-9} if setting.method == VP else {}
    # The first call of a kernel loads it: not on the clock.
    rk.minimize(problem, theta, setting.method, steps=1, **ridge)
    result = minimize_adaptive(
        problem,
        theta,
        strategy,
        setting.method,
        **{"steps": setting.steps, "max_params": setting.max_params, "max_rounds": 100, "patience": 100, **options},
        measure=setting.measure(),
        **ridge,
    )
    rounds = result.course
    return asdict(setting) | {
        "n_params": np.array([r.network.n_params for r in rounds]),
        "error": np.array(result.errors),
        "seconds": np.cumsum([r.seconds + r.refining for r in rounds]),
        "refining": np.array([r.refining for r in rounds]),
        "steps": np.array([r.result.history.value.size - 1 for r in rounds]),
        "change": np.array([r.change for r in rounds]),
    }


def all_arms(resume: Resume, setting: Setting, strategies: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Train adaptively by strategies, or find what runs with this setting returned before."""

    def trained(strategy: str) -> dict[str, Any]:
        key = {"task": "adaptive training", "strategy": strategy, **asdict(setting)}
        return dict(resume(key, partial(refine, setting, strategy)))

    return dict(zip(strategies, resume.each(trained, strategies), strict=True))


def matched(resume: Resume, setting: Setting, ours: str, rivals: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Train ours and rivals; in two variables those, which double [2, 5, 1], take as many steps in all as ours used."""
    runs = all_arms(resume, setting, [ours])
    if setting.hidden:
        doublings = int(np.log2((setting.max_params / 15 - 2) / setting.intervals))  # 15 (n + 2) parameters
        setting = replace(setting, steps=int(np.ceil(runs[ours]["steps"].sum() / (1 + doublings))))
    return runs | all_arms(resume, setting, rivals)


def final(run: Mapping[str, Any]) -> float:
    return float(run["error"][-1])


def seconds_to(run: Mapping[str, Any], error: float) -> float:
    """Time until the error is no larger than this; infinite if it never is."""
    reached = np.flatnonzero(np.asarray(run["error"]) <= error)
    return float(run["seconds"][reached[0]]) if reached.size else float("inf")
