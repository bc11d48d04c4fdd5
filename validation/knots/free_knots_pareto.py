r"""W2: free knots against other adaptive grids: a table of error and time at equal parameters.

One layer, order 3, targets of varying complexity in one variable, budgets of 11 and 19 (full: 35 and 67 too)
coefficients' worth of parameters; interior knots that are free count as parameters. Grids: uniform; halved where the
residual is, or where derivatives jump; breakpoints shared out by the r-th derivative; quantiles of the inputs (equal to
uniform here); free knots from uniform ones, and the best of several random starts. All by variable projection.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Estimate, Verdict, decide, exactly, judge, twin
from refkan.training.adaptivity import sampled
from refkan.training.adaptivity.cut_networks import with_random_knots
from validation.knots.adaptive_runs import LINE, VP, Setting, final, refine, spaced
from validation.statements import Progress, Resume, RunSize, answers, each_part, quick_and_full

CLAIMS = ("W2",)
ORDER = 3
GRIDS = ("uniform", "residual", "jumps", "curvature", "quantile")
FREE = ("free", "free, best of several")
ARMS = (*GRIDS, *FREE)
TARGETS = ("smooth", *LINE)
ROUNDING = 1e-12

QUICK, FULL = quick_and_full(intervals=((9, 17), (9, 17, 33, 65)), samples=(300, 2000), steps=(16, 60), starts=(2, 4))
"""Intervals of fixed grids; samples, steps and starts of free knots."""


@answers(QUICK, FULL)
def run(size: RunSize, progress: Progress, resume: Resume) -> list[Verdict]:
    def trained(target: str, n: int, arm: str) -> Any:
        key = {"task": "W2", "target": target, "intervals": n, "arm": arm, "size": repr(size)}
        return resume(key, partial(cell, target, arm, n, size))

    told, values = "W2: {}, {} intervals, {}", (TARGETS, size.intervals, ARMS)
    return [verdict(each_part(resume, progress, told, trained, *values), size)]


def cell(name: str, arm: str, intervals: int, size: RunSize) -> dict[str, Any]:
    """Error, seconds and parameters of one grid on one target; n fixed or (n + 1)/2 free intervals."""
    n_params = intervals + ORDER - 1
    record: dict[str, Any] = {"target": name, "arm": arm, "intervals": intervals}
    if arm in FREE:
        starts = 1 if arm == "free" else size.starts
        return record | free_knots(name, (intervals + 1) // 2, starts, size)
    setting = Setting(name, ORDER, size.samples, 10 * size.samples + 1, n_params)
    if arm == "uniform":
        return record | uniform(setting, intervals)
    # From 4 intervals on, the last refinement cut down to the budget.
    ran = refine(setting, arm)
    return record | reached(final(ran), float(ran["seconds"][-1]), int(ran["n_params"][-1]))


def reached(error: float, seconds: float, parameters: int) -> dict[str, Any]:
    return {"error": error, "seconds": seconds, "parameters": parameters}


def uniform(setting: Setting, intervals: int) -> dict[str, Any]:
    """One fit on uniform knots: nothing is gained by getting there from coarser ones."""
    problem, _ = setting.problem()
    target = rk.problems.TARGETS[setting.target]
    net = rk.kan([1, 1], ORDER, intervals, list(target.domain))
    theta = np.zeros(net.n_params)
    here = rk.LeastSquares(net, problem.x, problem.y)
    rk.minimize(here, theta, VP, steps=1)  # kernels are loaded off the clock
    began = process_time()
    result = rk.minimize(here, theta, VP, steps=1, ridge=1e-14)
    seconds = process_time() - began
    return reached(setting.measure()(net, result.theta), seconds, net.n_params)


def free_knots(name: str, intervals: int, starts: int, size: RunSize) -> dict[str, Any]:
    """Free knots from uniform ones, then from random ones; the one of the least training error."""
    target = rk.problems.TARGETS[name]
    x = spaced(target, size.samples)
    measure = Setting(name, ORDER, size.samples, 10 * size.samples + 1, 0).measure()
    rng = np.random.default_rng(intervals)
    seconds, best = 0.0, None
    for k in range(starts):
        net = rk.kan([1, 1], ORDER, intervals, list(target.domain), free_knots=True)
        net = net if k == 0 else with_random_knots(net, rng)
        net, theta = net.initialize(rng, x)
        problem = sampled(net, target, x)
        problem.residual_and_jacobian(theta)  # kernels are loaded off the clock
        began = process_time()
        result = rk.minimize(problem, theta, VP, steps=size.steps, ridge=1e-13)
        seconds += process_time() - began
        if best is None or result.value < best[0]:
            best = (result.value, net, result.theta)
    assert best is not None
    return reached(measure(best[1], best[2]), seconds, best[1].n_params - 1)  # s has a redundant direction


def expected_parameters(intervals: int) -> int:
    """Return n + r - 1; free knots on m = (n + 1)/2 intervals have m + r - 1 coefficients and m - 1 knots, as many."""
    return intervals + ORDER - 1


def leads(table: Sequence[Mapping[str, Any]], size: RunSize, ours: str = FREE[1]) -> list[Estimate]:
    """The least error of the other grids over that of one, median over targets, above 1 at every budget."""
    cells = {(c["target"], c["arm"], c["intervals"]): max(c["error"], ROUNDING) for c in table}
    others = [arm for arm in ARMS if arm not in FREE and arm != ours]
    return [
        exactly(
            f"least error of the others over {ours}, {expected_parameters(n)} parameters, median over targets",
            float(np.median([min(cells[t, arm, n] for arm in others) / cells[t, ours, n] for t in TARGETS])),
            at_least=1.0,
        )
        for n in size.intervals
    ]


def summary(table: Sequence[Mapping[str, Any]], intervals: int) -> dict[str, tuple[float, float]]:
    """Median over targets of error and time of each grid, as quotients by the uniform grid."""
    numbers = {
        (c["target"], c["arm"]): (max(c["error"], ROUNDING), c["seconds"]) for c in table if c["intervals"] == intervals
    }
    places = {}
    for arm in ARMS:
        quotients = [np.divide(numbers[target, arm], numbers[target, "uniform"]) for target in TARGETS]
        error, seconds = np.median(quotients, axis=0).tolist()
        places[arm] = (error, seconds)
    return places


def front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names that no other point beats in both numbers."""
    return [
        name
        for name, (error, seconds) in points.items()
        if not any(e <= error and s <= seconds and (e, s) != (error, seconds) for e, s in points.values())
    ]


def verdict(table: Sequence[Mapping[str, Any]], size: RunSize) -> Verdict:
    if any(c["parameters"] != expected_parameters(c["intervals"]) for c in table):
        raise AssertionError("every grid must have the parameters of its budget")
    n = size.intervals[-1]
    points = summary(table, n)
    helped = [{**c, "error": c["error"] / 100} if c["arm"] in FREE else c for c in table]
    shown = ", ".join(f"{arm} {error:.2g} in {seconds:.2g} times the time" for arm, (error, seconds) in points.items())
    return Verdict(
        "W2",
        decide(leads(table, size)),
        f"error as a share of that of uniform knots, medians over {len(TARGETS)} targets at {expected_parameters(n)} "
        f"parameters: {shown}; on the front of error and time: {', '.join(front(points))}",
        data={"table": list(table), "summary": {k: summary(table, k) for k in size.intervals}},
        mutations={
            "uniform knots beat the other grids": twin(leads(table, size, "uniform")),
            "uniform knots alone are on the front": judge(front(points) == ["uniform"]),
        },
        controls={"with a hundredth of the errors of free knots": twin(leads(helped, size))},
        estimates=tuple(leads(table, size)),
    )
