r"""W3: discontinuities and sharp gradients: adaptive geometric refinement against refits, on each of four targets.

The targets step, kink, tanh(50 x) and a moving front in two variables. Geometric: intervals halved by knot insertion
where the residual is. Rivals, with doubled intervals refitted by least squares: quantiles of the inputs (the grid
update of KAN codes) and uniform knots (their grid extension). One variable: one layer, best coefficients after each
refinement, a pair is (order, intervals). Front: [2, 5, 1], order 3, variable projection, a pair is a seed; the rivals
have as many steps in all as the geometric arm used.

Criterion, fixed before the run: against both rivals, at equal parameters, the lower error at fresh points, and the
rival's final error in less time than the rival took (refinements and trainings), each by a one-sided sign test over
pairs with p < 0.01. As corrected, the lower error alone, on each target of one variable: written after a trial run had
shown that there refits are so cheap that a few take less time than the rounds of the geometric arm, and that on the
front neither side is ahead. Later runs only test whether that lasts.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from refkan.claims import Verdict
from validation.knots.adaptive_runs import TOLD, Setting, final, matched, seconds_to
from validation.measures import sign_test
from validation.statements import Progress, Resume, RunSize, answers, by_criterion, each_part, quick_and_full

CLAIMS = ("W3",)
OURS, RIVALS = "residual", ("quantile", "extension")
ARMS = (OURS, *RIVALS)
LINE, FRONT = ("step", "kink", "steep"), "front"
LEVEL = 0.01

START = 2
"""Intervals of the front's network to begin with."""

Row = dict[str, dict[str, Any]]

QUICK, FULL = quick_and_full(
    orders=((2, 3), (2, 3, 4)),
    intervals=((8, 16, 32, 64), (8, 16, 32, 64, 128)),
    line_samples=(2000, 20_000),
    samples=(400, 2000),
    max_params=(90, 150),
    steps=(6, 15),
    seeds=(range(8), range(10)),
)
"""Orders and intervals for one variable; samples, parameters, steps and seeds for the front."""


def settings(size: RunSize, target: str) -> list[Setting]:
    if target == FRONT:
        shape = (FRONT, 3, size.samples, 10_000, size.max_params, 5, START, size.steps)
        return [Setting(*shape, seed=seed) for seed in size.seeds]
    points = (size.line_samples, 10 * size.line_samples + 1)
    return [Setting(target, r, *points, n + r - 1) for r in size.orders for n in size.intervals]


@answers(QUICK, FULL)
def run(size: RunSize, progress: Progress, resume: Resume) -> list[Verdict]:
    targets, arms = (*LINE, FRONT), partial(matched, resume, ours=OURS, rivals=RIVALS)
    told = f"W3: {TOLD}"
    rows = resume.each(lambda target: each_part(resume, progress, told, arms, settings(size, target)), targets)
    return [verdict(dict(zip(targets, rows, strict=True)))]


def compare(rows: Sequence[Row], first: str, other: str) -> dict[str, float]:
    """Median ratio of errors, other over first, and of times to the other's error; p values of both sign tests."""
    errors = [[final(row[arm]) for row in rows] for arm in (first, other)]
    taken = [float(row[other]["seconds"][-1]) for row in rows]
    needed = [seconds_to(row[first], final(row[other])) for row in rows]
    return {
        "error ratio": float(np.median(np.divide(errors[1], errors[0]))),
        "error p": sign_test(*errors),
        "time ratio": float(np.median(np.divide(taken, needed))),
        "time p": sign_test(needed, taken),
    }


def holds(rows: Mapping[str, Sequence[Row]], first: str, others: Sequence[str]) -> dict[str, bool]:
    """Whether `first` has the lower error and time against each of the others, target by target."""
    return {
        target: all(
            (c := compare(rows[target], first, other))["error p"] < LEVEL and c["time p"] < LEVEL for other in others
        )
        for target in rows
    }


def verdict(rows: Mapping[str, Sequence[Row]]) -> Verdict:
    comparisons = {target: {arm: compare(rows[target], OURS, arm) for arm in RIVALS} for target in rows}
    held = holds(rows, OURS, RIVALS)
    lower = [t for t, c in comparisons.items() if all(c[rival]["error p"] < LEVEL for rival in RIVALS)]
    accurate = set(LINE) <= set(lower)
    names = [target for target, yes in held.items() if yes]
    shown = ", ".join(
        f"{target} {c['quantile']['error ratio']:.3g} (p = {c['quantile']['error p']:.2g}; time"
        f" {c['quantile']['time ratio']:.2g}, p = {c['quantile']['time p']:.2g})"
        for target, c in comparisons.items()
    )
    altered = {
        "quantile refits are ahead": all(holds(rows, "quantile", [OURS]).values()),
        "grid extension is ahead": all(holds(rows, "extension", [OURS]).values()),
    }
    return by_criterion(
        "W3",
        all(held.values()),
        f"error of quantile refits over residual-driven insertion at equal parameters, medians: {shown}; "
        f"error and time on: {', '.join(names) or 'none'}",
        altered,
        accurate,
        corrected=f"the lower error at equal parameters on {', '.join(lower)}; whether in less time is left open"
        if accurate and not all(held.values())
        else "",
        details="The time ratio is that of the rival's whole run over the time in which the geometric arm reaches its"
        " final error; infinite times count as lost. For one variable the samples are evenly spread, so that quantiles"
        " of the inputs are uniform knots: the inputs of a first layer say nothing of where the target is difficult.",
        data={
            "comparisons": comparisons,
            "runs": {
                t: [{arm: (final(row[arm]), float(row[arm]["seconds"][-1])) for arm in ARMS} for row in rows[t]]
                for t in rows
            },
        },
    )
