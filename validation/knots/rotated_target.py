"""The rotated regression target with free knots in the outer layer, and with fixed ones at equal parameters."""

from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.training.adaptivity import Cut
from refkan.training.adaptivity.cut_networks import Freed
from refkan.training.multilevel import Stage
from refkan.training.multilevel.stages import NetworkChange, Refined
from validation.knots.adaptive_runs import TEST_SEED

OUTER = (1,)
DOUBLED = Refined((1, 2))


@dataclass(frozen=True)
class Size:
    """What is spent on a seed, stage by stage, and the intervals of the outer layer with free knots.

    Stages are the coarsest, one for each doubling of the outer layer, the one that frees the knots or doubles once
    more, the one that cuts the last intervals, and the last; samples None are all. With fixed knots 2 outer - 1
    intervals have as many parameters as free ones, the interior knots among them.
    """

    survivors: tuple[int, ...]
    samples: tuple[int | None, ...]
    steps: tuple[int, ...]
    all_samples: int
    test_points: int
    outer: int

    @property
    def n_params(self) -> int:
        """Parameters of both arms: coefficients, and interior knots where they are free."""
        return 10 * self.outer + 35


FULL = Size((32, 16, 8, 4, 2, 1), (2000, 2000, 2000, 2000, 5000, None), (20, 20, 20, 40, 30, 12), 20_000, 20_000, 19)
"""Half the starts of an earlier full run (64, 32, 16, 8, 4, 2), for its time: 37 s of CPU a seed instead of 95."""

QUICK = Size((4, 3, 2, 1, 1), (400, 400, 500, 600, None), (8, 8, 16, 15, 6), 1000, 5000, 9)


def stages(size: Size, free: bool) -> list[Stage]:
    """Return the stages of an arm; they differ where one frees its knots and the other doubles its intervals."""
    doublings = len(size.survivors) - 4
    # s has one redundant direction for each of the five inputs, which counts in n_params but not as a knot.
    most = size.n_params + 5 if free else size.n_params
    turn: NetworkChange = Freed(OUTER) if free else DOUBLED
    changes = [None, *[DOUBLED] * doublings, turn, Cut("residual", OUTER, fraction=1.0, max_params=most), None]
    rows = zip(size.survivors, size.steps, size.samples, changes, strict=True)
    return [Stage(*row) for row in rows]


def run_seed(seed: int, free: bool, size: Size) -> dict[str, Any]:
    """Train [2, 5, 1], order 3, mean-std map, from (1, 4) intervals; return errors, knots and cost."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(1e-4, 0.9999, (size.all_samples, 2))
    net = rk.kan([2, 5, 1], order=3, intervals=[1, 4], node_map="mean-std")
    problem = rk.LeastSquares(net, x, rk.problems.regression_target(x))
    began = process_time()
    result = rk.multistart(problem, rng, stages(size, free), ridge=1e-9)
    seconds = process_time() - began
    test = np.random.default_rng(TEST_SEED).uniform(1e-4, 0.9999, (size.test_points, 2))
    error = result.network(result.theta, test) - rk.problems.regression_target(test)
    layer, where = result.network.layers[1], result.network.slices[1]
    counted = result.network.n_params - (5 if free else 0)
    if counted != size.n_params:
        raise AssertionError(f"{counted} parameters instead of {size.n_params}")
    return {
        "test mse": float(np.mean(error**2)),
        "training mse": 2 * result.value,
        "cpu seconds": seconds,
        "breakpoints": [space.breakpoints for space in layer.spaces_at(result.theta[where])],  # type: ignore[attr-defined]
    }
