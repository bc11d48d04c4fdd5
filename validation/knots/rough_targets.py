r"""W3: discontinuities and sharp gradients: adaptive geometric refinement against refits, on each of four targets.

The targets step, kink, tanh(50 x) and a moving front in two variables. Geometric: intervals halved by knot insertion
where the residual is. Rivals, with doubled intervals refitted by least squares: quantiles of the inputs (the grid
update of KAN codes) and uniform knots (their grid extension). One variable: one layer, best coefficients after each
refinement, a pair is (order, intervals). Front: [2, 5, 1], order 3, variable projection, a pair is a seed; the rivals
have as many steps in all as the geometric arm used.

Judged are the lower error at fresh points, at equal parameters, and the rival's final error in less time than the rival
took (refinements and trainings). For one variable samples are evenly spaced and coefficients the best ones: errors do
not depend on chance, and are lower on every (order, intervals); their times are medians over these. On the front both
are medians over seeds. The corrected statement, lower errors for one variable, was written after a trial run.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from refkan.claims import Estimate, Verdict, decide, estimate, exactly, twin
from validation.knots.adaptive_runs import TOLD, Setting, final, matched, seconds_to
from validation.statements import Progress, Resume, RunSize, answers, each_part, quick_and_full

CLAIMS = ("W3",)
OURS, RIVALS = "residual", ("quantile", "extension")
ARMS = (OURS, *RIVALS)
LINE, FRONT = ("step", "kink", "steep"), "front"

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


Rows = Mapping[str, Sequence[Row]]
COST = "one seed takes two seconds of processor time"


def ratios(rows: Sequence[Row], first: str, other: str) -> tuple[dict[int, float], dict[int, float]]:
    """Errors of the other over those of the first, and its time over that in which the first gets to its error."""
    pairs = {k: (row[first], row[other]) for k, row in enumerate(rows)}
    errors = {k: final(theirs) / final(own) for k, (own, theirs) in pairs.items()}
    needed = {k: seconds_to(own, final(theirs)) for k, (own, theirs) in pairs.items()}
    return errors, {k: float(np.divide(theirs["seconds"][-1], needed[k])) for k, (_, theirs) in pairs.items()}


def asked_of_errors(rows: Rows, first: str = OURS, others: Sequence[str] = RIVALS) -> list[Estimate]:
    """Ask for lower errors: of every pair in one variable, in the median over seeds on the front."""
    made = []
    for target, other in product(rows, others):
        values, _ = ratios(rows[target], first, other)
        name = f"{target}, error of {other} over {first}"
        if target == FRONT:
            made.append(estimate(name, values, at_least=1.0, cost=COST))
        else:
            made.append(exactly(f"{name}, least of {len(values)}", min(values.values()), at_least=1.0))
    return made


def asked(rows: Rows, first: str = OURS, others: Sequence[str] = RIVALS) -> list[Estimate]:
    """Ask for lower errors in less time."""
    names = {(target, other): f"{target}, time of {other} over {first}" for target, other in product(rows, others)}
    times = {place: ratios(rows[place[0]], first, place[1])[1] for place in names}
    in_time = [estimate(names[place], times[place], at_least=1.0, cost=COST) for place in names]
    return [*asked_of_errors(rows, first, others), *in_time]


def spoilt(rows: Rows) -> dict[str, list[Row]]:
    """The rows with a million times the errors of the rivals, on which the statement is true."""

    def worse(row: Row) -> Row:
        return row | {arm: row[arm] | {"error": 1e6 * np.asarray(row[arm]["error"])} for arm in RIVALS}

    return {target: [worse(row) for row in of] for target, of in rows.items()}


def verdict(rows: Rows) -> Verdict:
    estimates = asked(rows)
    status = decide(estimates, corrected=asked_of_errors({target: rows[target] for target in LINE}))
    return Verdict(
        "W3",
        status,
        "; ".join(e.told() for e in estimates),
        corrected=CORRECTED if status == "holds as corrected" else "",
        mutations={
            "quantile refits are ahead": twin(asked(rows, "quantile", [OURS])),
            "grid extension is ahead": twin(asked(rows, "extension", [OURS])),
        },
        controls={"a million times the errors of the rivals": twin(asked(spoilt(rows)))},
        estimates=tuple(estimates),
        details="The time ratio is that of the rival's whole run over the time in which the geometric arm reaches its"
        " final error, 0 if it never does. For one variable the samples are evenly spread, so that quantiles of the"
        " inputs are uniform knots: the inputs of a first layer say nothing of where the target is difficult.",
        data={
            "runs": {
                t: [{arm: (final(row[arm]), float(row[arm]["seconds"][-1])) for arm in ARMS} for row in rows[t]]
                for t in rows
            },
        },
    )


CORRECTED = "the lower error at equal parameters for one variable; whether in less time is left open"
