"""What R5 trains: settings of multilevel training from many starts on the regression target, and one seed of them."""

from dataclasses import replace
from statistics import median
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.base import Frozen
from refkan.training.multilevel import Stage, multistart
from refkan.training.multilevel.staged_results import StagedResult, interval_weight
from refkan.training.problems.regression import ROTATION
from validation.table_two.cells_of_table import TEST_POINTS, TEST_SEED

ORDER = 3


class Setting(Frozen, eq=True):
    """One target, by its angle and kink, with one split of the intervals and `hidden` nodes between the two layers.

    `intervals` are those of the coarsest level, `factors` those of the refinements that follow; steps, survivors and
    samples (None: all) are those of each level, of which the last ones are `reported`. Ridge and roughness are those of
    the last layer's coefficients; the ridge draws them to where they are at the "start" of each level, or to "zero".
    """

    intervals: tuple[int, int]
    factors: tuple[Any, ...]
    steps: tuple[int, ...]
    survivors: tuple[int, ...]
    samples: tuple[int | None, ...]
    reported: int = 1
    ridge: float = 1e-9
    ridge_about: str = "start"
    roughness: float = 1e-9
    angle: float = ROTATION
    kink: bool = True
    hidden: int = 5


STEPS, STARTS, SAMPLES = (6, 10, 20, 40), (128, 96, 16, 4), (500, 500, 2000, None)

SMOOTH = Setting(
    (1, 6),
    ((1, 2), 2, 2, 2),
    (10, 15, 30, 30, 30),
    (16, 6, 3, 2, 2),
    (500, 1000, None, None, None),
    reported=3,
    ridge=1e-11,
    roughness=1e-8,
    kink=False,
)

FULL = {
    "rotated": Setting(
        (1, 3), (2, 2, 2, 2, 2), (6, 10, 20, 30, 25, 25), (*STARTS, 3, 2), (*SAMPLES, None, None), reported=3
    ),
    "rotated, outer layer finer": Setting(
        (1, 4), ((1, 2), 2, 2), STEPS, STARTS, SAMPLES, ridge_about="zero", roughness=0.0
    ),
    "unrotated": Setting((1, 3), (2, 2, 2), STEPS, (96, 72, 14, 4), SAMPLES, angle=0.0),
    "rotated, smooth": SMOOTH,
    "rotated, smooth, two nodes": replace(
        SMOOTH, intervals=(2, 12), survivors=(16, 6, 3, 3, 3), reported=4, ridge=1e-12, roughness=3e-7, hidden=2
    ),
}

FEW, SMALL = (4, 3, 2, 1), (500, 500, 1000, None)

QUICK = {
    "rotated": Setting((1, 3), (2, 2, 2, 2), (4, 6, 10, 12, 6), (*FEW, 1), (*SMALL, None), reported=2),
    "unrotated": Setting((1, 3), (2, 2, 2), STEPS, FEW, SMALL, angle=0.0),
}

LAST_KINK = np.sqrt(4.0 / 3.0)
"""Where |sin(3 pi y'^2)| has its last kink in the rotated square, whose corner lies at y' = 1.159."""


def run_seed(setting: Setting, seed: int, samples: int) -> dict[str, Any]:
    """Train from many starts; return test errors of the last levels and the work."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(1e-4, 0.9999, (samples, 2))
    x_test = np.random.default_rng(TEST_SEED).uniform(1e-4, 0.9999, (TEST_POINTS, 2))
    y, y_test = (rk.problems.regression_target(at, setting.angle, kink=setting.kink) for at in (x, x_test))
    net = rk.kan([2, setting.hidden, 1], order=ORDER, intervals=list(setting.intervals), node_map="mean-std")
    problem = rk.LeastSquares(net, x, y)
    began = process_time()
    trained = multistart(
        problem,
        rng,
        Stage.refined(setting.steps, setting.survivors, setting.samples, setting.factors),
        solver="cholesky",
        ridge=setting.ridge,
        ridge_about=setting.ridge_about,
        roughness=setting.roughness,
    )
    seconds = process_time() - began
    levels = trained.stages[-setting.reported :]
    squares = [(level.network(level.theta, x_test) - y_test)[:, 0] ** 2 for level in levels]
    beyond = beyond_last_kink(x_test, setting)
    work = [work_up_to(problem, trained, len(setting.steps) - setting.reported + k) for k in range(setting.reported)]
    return {
        "seed": seed,
        "squared range": float(np.ptp(y)) ** 2,
        "test": [float(np.mean(square)) for square in squares],
        "of it beyond the last kink": [float(np.sum(square[beyond]) / beyond.size) for square in squares],
        "samples beyond the last kink": int(np.sum(beyond_last_kink(x, setting))),
        "training": [2 * float(level.values[0]) for level in levels],
        "parameters": [level.network.n_params for level in levels],
        "of many starts": [2 * level.values for level in trained.stages],
        "nominal": [nominal for nominal, _ in work],
        "measured": [measured for _, measured in work],
        "cpu seconds": seconds,
    }


def beyond_last_kink(x: np.ndarray, setting: Setting) -> np.ndarray:
    """Where points lie beyond the last kink; nowhere if the target has none."""
    c, s = np.cos(setting.angle), np.sin(setting.angle)
    return np.asarray(setting.kink & (s * x[:, 0] + c * x[:, 1] > LAST_KINK))


def work_up_to(problem: rk.LeastSquares, trained: StagedResult, last: int) -> tuple[float, float]:
    """Both measures of the work of all levels up to one, in evaluations of its network on all samples."""
    until = trained.stages[: last + 1]
    nets = [level.network for level in until]
    nominal = sum(
        level.evaluations * level.samples * interval_weight(net) for level, net in zip(until, nets, strict=True)
    ) / (problem.x.shape[0] * interval_weight(nets[-1]))
    unit = gradient_seconds(replace(problem, net=nets[-1]), until[-1].theta)
    return nominal, sum(level.seconds for level in until) / unit


REPEATS = 5
"""Gradients that are timed, after one that is not; their median is the unit."""


def gradient_seconds(problem: rk.LeastSquares, theta: np.ndarray) -> float:
    """Time one value with gradient: the median of five, after one that loads what is to be loaded."""
    problem.value_and_gradient(theta)
    times = []
    for _ in range(REPEATS):
        start = process_time()
        problem.value_and_gradient(theta)
        times.append(process_time() - start)
    return median(times)
