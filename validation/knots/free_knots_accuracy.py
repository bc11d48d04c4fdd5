r"""K1 ([A25]): free knots improve the accuracy further, at equal parameters and equal work.

One variable: one layer, orders 2 and 3, every target of varying complexity; free knots trained from uniform ones by
variable projection, against fixed uniform knots with as many parameters (interior knots that are free count), whose
best coefficients are found exactly: more work would not change them. Networks: the rotated regression target of [S26],
[2, 5, 1], order 3, mean-std map; tournaments of the same stages, starts and steps in both arms, the fixed knots of the
outer layer being uniform and then cut where the residual is. Full: 225 parameters (1 and 19 free intervals against 1
and 37), 32 starts, 20,000 samples, 20 seeds; quickly 125 parameters, 4 starts, 1000 samples, 3 seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Estimate, Verdict, decide, estimate, exactly, twin
from validation.knots import rotated_target
from validation.knots.adaptive_runs import LINE, VP, rms, spaced
from validation.statements import Progress, Resume, RunSize, answers, each_part, quick_and_full

CLAIMS = ("K1",)
TARGETS = ("smooth", *LINE)

ROUNDING = 1e-10
"""Errors below this are set to it: how far below does not count."""

QUICK, FULL = quick_and_full(
    samples=(400, 2000),
    steps=(20, 200),
    seeds=(range(1234, 1237), range(1234, 1254)),
    network=(rotated_target.QUICK, rotated_target.FULL),
)

INTERVALS = (4, 8, 16)


@answers(QUICK, FULL)
def run(size: RunSize, progress: Progress, resume: Resume) -> list[Verdict]:
    def one_variable(*place: Any) -> Any:
        case = (*place, size.samples, size.steps)
        return resume({"task": "K1, one layer", "case": case}, partial(one_layer, *case))

    def trained(seed: int, name: str) -> Any:
        key = {"task": "K1", "seed": seed, "network": repr(size.network), "arm": name}
        return resume(key, partial(rotated_target.run_seed, seed, name == "free", size.network))

    parts = (
        ("K1: {}, order {}, {} intervals", one_variable, TARGETS, (2, 3), INTERVALS),
        ("K1: rotated regression target, seed {}, {} knots", trained, size.seeds, ("free", "fixed")),
    )
    line, networks = resume.each(lambda part: each_part(resume, progress, *part), parts)
    pairs = zip(networks[::2], networks[1::2], strict=True)
    plane = [{"free": a, "fixed": b, "seed": seed} for seed, (a, b) in zip(size.seeds, pairs, strict=True)]
    return [verdict(line, plane)]


def one_layer(name: str, order: int, intervals: int, samples: int, steps: int) -> dict[str, Any]:
    """Root mean square errors of n free intervals and of 2 n - 1 fixed ones: equal parameters."""
    target = rk.problems.TARGETS[name]
    x, fresh = spaced(target, samples), spaced(target, 20_001)
    y = target(x)
    record: dict[str, Any] = {"target": name, "order": order, "intervals": intervals}
    for arm, n in (("free", intervals), ("fixed", 2 * intervals - 1)):
        net = rk.kan([1, 1], order, n, list(target.domain), free_knots=arm == "free")
        net, theta = net.initialize(np.random.default_rng(0), x)
        began = process_time()
        result = rk.minimize(rk.LeastSquares(net, x, y), theta, VP, steps=steps, ridge=1e-13)
        error, seconds = rms(net, result.theta, target, fresh), process_time() - began
        counted = net.n_params - (1 if arm == "free" else 0)  # s has a redundant direction
        record[arm] = {"error": error, "parameters": counted, "seconds": seconds}
    if record["free"]["parameters"] != record["fixed"]["parameters"]:
        raise AssertionError(f"parameters differ: {record}")
    return record


Pairs = Sequence[Mapping[str, Any]]


def asked(line: Pairs, plane: Pairs, first: str = "free", other: str = "fixed") -> list[Estimate]:
    """Errors of the other arm over the first in both groups, above 1."""
    errors = {arm: np.maximum([pair[arm]["error"] for pair in line], ROUNDING) for arm in (first, other)}
    ratios = {pair["seed"]: float(np.sqrt(pair[other]["test mse"] / pair[first]["test mse"])) for pair in plane}
    middle, name = float(np.median(errors[other] / errors[first])), f"error of {other} over {first} knots"
    return [
        exactly(f"{name}, one variable, median of {len(line)} cases", middle, at_least=1.0),
        estimate(f"{name}, rotated target", ratios, at_least=1.0, cost=COST),
    ]


COST = "one seed takes twenty seconds of processor time"


def verdict(line: Pairs, plane: Pairs) -> Verdict:
    estimates = asked(line, plane)
    mse = {arm: float(np.median([pair[arm]["test mse"] for pair in plane])) for arm in ("free", "fixed")}
    n_params = 10 * (len(plane[0]["free"]["breakpoints"][0]) - 1) + 35
    return Verdict(
        "K1",
        decide(estimates),
        "; ".join(e.told() for e in estimates) + f"; rotated target, {n_params} parameters: median test MSE"
        f" {mse['free']:.2g} with free knots in the outer layer, {mse['fixed']:.2g} with fixed ones",
        details="The rotated target turns by an angle, for which linear edges of the inner layer do, so that the outer"
        " layer can have the parameters. Starts and steps of both arms are the same; the columns of the knots make"
        " steps dearer.",
        data={"one variable": list(line), "rotated target": list(plane), "seeds": [pair["seed"] for pair in plane]},
        mutations={
            "fixed knots are ahead": twin(asked(line, plane, "fixed", "free")),
            "an arm is ahead of itself by a hundredth": twin(
                [replace(e, at_least=1.01) for e in asked(line, plane, "free", "free")]
            ),
        },
        estimates=tuple(estimates),
    )
