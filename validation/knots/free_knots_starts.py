r"""K2 ([A25]) and K4: what free knots make of the grid that they start from.

One layer on each of the targets of varying complexity, orders 2 and 3, 8 intervals, random breakpoints (independent
uniform points but for a floor). Fixed: the best coefficients on the random knots. Free: coefficients and knots trained
from the same random knots by variable projection. Errors are root mean squares at fresh points; those below 1e-10 count
as 1e-10, since how close to rounding a start ends is not what the claims are about. A case is a target and an order.

K2 compares spreads over starts, logarithms of the errors' interdecile quotient: "removed" is 0. K4 is a statement on
existence, which one start in a thousand makes true.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Estimate, Verdict, decide, estimate, twin
from refkan.training.adaptivity import Fixed, sampled
from refkan.training.adaptivity.cut_networks import with_random_knots
from validation.knots.adaptive_runs import LINE, VP, rms, spaced
from validation.statements import Progress, Resume, RunSize, answers, each_part, quick_and_full

CLAIMS = ("K2", "K4")

HALF, POOR, SOME = 0.5, 10.0, 1e-3
"""The spread that is left, at most; the factor that makes a start poor; the share of such starts, at least."""

ROUNDING = 1e-10
TARGETS = ("smooth", *LINE)

EXACT = 1e-10
"""Largest error of |x - 1/pi| at which the kink counts as found; what is left then is the rounding of the knot."""

QUICK, FULL = quick_and_full(
    intervals=((8,), (4, 8, 16)), starts=(8, 16), samples=(150, 600), steps=(15, 60), kink_starts=(12, 50)
)


@answers(QUICK, FULL)
def run(size: RunSize, progress: Progress, resume: Resume) -> list[Verdict]:
    def case(target: str, order: int, n: int) -> dict[str, Any]:
        names = {"target": target, "order": order, "intervals": n}
        task = partial(all_starts, target, order, n, size)
        return names | resume({"task": "K2", **names, "size": repr(size)}, task)

    told, values = "K2, K4: {}, order {}, {} intervals", (TARGETS, (2, 3), size.intervals)
    cases = each_part(resume, progress, told, case, *values)
    progress("K4: |x - 1/pi|")
    kinks = {n: [kink(n, seed) for seed in range(size.kink_starts)] for n in (2, 4, 8)}
    return [grids(cases), starts(cases, kinks)]


def all_starts(name: str, order: int, intervals: int, size: RunSize) -> dict[str, list[float]]:
    """Errors of every start with the random knots fixed, and after training them."""
    target, errors = rk.problems.TARGETS[name], dict[str, list[float]](fixed=[], free=[])
    x, fresh = spaced(target, size.samples), spaced(target, 10_001)
    for seed in range(size.starts):
        rng = np.random.default_rng([seed, order, intervals])
        net = with_random_knots(rk.kan([1, 1], order, intervals, list(target.domain), free_knots=True), rng)
        net, theta = net.initialize(rng, x)
        free = sampled(net, target, x)
        still, at = Fixed()(free, theta)
        arms = ("fixed", sampled(still, target, x), at, 1), ("free", free, theta, size.steps)
        for arm, problem, start, steps in arms:
            result = rk.minimize(problem, start, VP, steps=steps, ridge=1e-13)
            errors[arm].append(max(rms(problem.net, result.theta, target, fresh), ROUNDING))
    return errors


def kink(intervals: int, seed: int) -> float:
    """Largest error on |x - 1/pi|, order 2, after training from random knots."""
    target = rk.problems.TARGETS["kink"]
    rng = np.random.default_rng([seed, intervals])
    x, fresh = target.sample(rng, 400), spaced(target, 4001)
    net = with_random_knots(rk.kan([1, 1], 2, intervals, free_knots=True), rng)
    net, theta = net.initialize(rng, x)
    # The gradient is not to end it: knots are found to sqrt of what the value can tell.
    result = rk.minimize(
        sampled(net, target, x), theta, "levenberg-marquardt", steps=200, tolerance_gradient=0.0, max_rejections=8
    )
    return float(np.abs(net(result.theta, fresh) - target(fresh)).max())


def quotient(errors: Sequence[float], high: float, low: float) -> float:
    q = np.quantile(errors, [high, low])
    return float(q[0] / q[1])


def spreads(cases: Sequence[Mapping[str, Any]], arm: str) -> np.ndarray:
    return np.array([quotient(case[arm], 0.9, 0.1) for case in cases])


def left(cases: Sequence[Mapping[str, Any]], above: str = "free", below: str = "fixed") -> Estimate:
    """How much of the spread is left, in logarithms, median over cases; cases are the population, not seeds."""
    first, other = (np.log(spreads(cases, arm)) for arm in (above, below))
    quotients = np.divide(first, other, out=np.full(first.size, np.inf), where=other > 0)
    name = f"log spread of {above} over {below} knots, median over cases"
    return estimate(name, dict(enumerate(quotients.tolist())), at_most=HALF)


def poor(cases: Sequence[Mapping[str, Any]], arm: str = "free", factor: float = POOR) -> Estimate:
    """The share of starts that end poor, above 0."""
    ended = [error > factor * min(case[arm]) for case in cases for error in case[arm]]
    name = f"share of starts that end above {factor:g} times the best"
    return estimate(name, {k: float(value) for k, value in enumerate(ended)}, "share", at_least=SOME)


def shrunk(cases: Sequence[Mapping[str, Any]], power: float) -> list[dict[str, Any]]:
    """Cases whose errors with free knots are powers of those with fixed ones: their logarithms times a number."""
    return [{**case, "free": [error**power for error in case["fixed"]]} for case in cases]


def grids(cases: Sequence[Mapping[str, Any]]) -> Verdict:
    free, fixed = spreads(cases, "free"), spreads(cases, "fixed")
    asked = left(cases)
    return Verdict(
        "K2",
        decide([asked]),
        f"spread q90/q10 over random grids, medians over {len(cases)} cases: free {np.median(free):.3g}, fixed "
        f"{np.median(fixed):.3g}; {asked.told()}",
        details="Training lowers the error from nearly every grid, but not by the same factor: where the difficulty is"
        " at one place, most starts find it and some do not, which widens the spread that fixed knots have when none of"
        " them is near that place.",
        data={"cases": list(cases)},
        mutations={
            "fixed knots depend less on the grid": twin([left(cases, "fixed", "free")]),
            "a spread of 0.6 in the logarithm": twin([left(shrunk(cases, 0.6))]),
        },
        controls={"a spread of 0.4 in the logarithm": twin([left(shrunk(cases, 0.4))])},
        estimates=(asked,),
    )


def starts(cases: Sequence[Mapping[str, Any]], kinks: Mapping[int, Sequence[float]]) -> Verdict:
    tails = np.array([quotient(case["free"], 0.9, 0.5) for case in cases])
    asked = poor(cases)
    counts = {n: sum(error <= EXACT for error in errors) for n, errors in kinks.items()}
    shown = ", ".join(f"{count} of {len(kinks[n])} with {n} intervals" for n, count in counts.items())
    return Verdict(
        "K4",
        decide([asked]),
        f"{asked.told()}; worst decile over median, median over {len(cases)} cases: {np.median(tails):.3g};"
        f" |x - 1/pi|, order 2: kink found to rounding from {shown}",
        data={"q90/q50": tails, "kink errors": kinks},
        mutations={
            "starts that all end alike": twin([poor([{**case, "free": [1.0] * len(case["free"])} for case in cases])]),
        },
        controls={"one poor start of each case": twin([poor([{"free": [1.0] * 15 + [11.0]}])])},
        estimates=(asked,),
    )
