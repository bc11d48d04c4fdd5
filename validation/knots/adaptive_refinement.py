r"""A1, the third experiment: error-driven refinement against uniform refinement on targets of varying complexity.

Targets of one variable, one layer: orders 2 and 3 (full: 4 too); the best coefficients are found exactly after every
refinement, from 4 intervals to 32 (full: 16, 32, 64). Targets of two variables: [2, 5, 1], order 3, mean-std map, both
layers refined from 2 intervals on, variable projection; the uniform arm has as many steps in all as the error-driven
one used. Errors are root mean squares at fresh points, at equal parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from refkan.claims import Estimate, Verdict, decide, estimate, exactly, twin
from refkan.training.adaptivity import Refinement
from refkan.training.adaptivity.bisection import bisect, mark_layer, may_be_cut
from refkan.training.adaptivity.indicators import residual_shares, squared_residuals
from refkan.training.adaptivity.strategies import Situation, Strategy
from validation.knots.adaptive_runs import LINE, PLANE, TOLD, Setting, all_arms, final, matched, refine
from validation.measures import means_by_seed
from validation.statements import Progress, Resume, RunSize, answers, each_part, quick_and_full

CLAIMS = ("A1",)
OURS = "residual"
Runs = dict[str, list[dict[str, Any]]]

QUICK, FULL = quick_and_full(
    orders=((2, 3), (2, 3, 4)),
    budgets=((24,), (16, 32, 64)),
    line_samples=(1000, 20_000),
    plane_params=((150,), (150, 270)),
    plane_samples=(300, 2000),
    plane_steps=(6, 15),
    seeds=(range(1), range(5)),
)


def cut_the_least(situation: Situation) -> Refinement:
    """Halve the intervals into which the least of the residual falls: the mutation."""
    squares, marks = squared_residuals(situation.problem, situation.theta), []
    for k, state in situation.states().items():
        eta = residual_shares(state, squares)
        worth, possible = may_be_cut(state, situation.least_samples)
        marks += mark_layer(k, eta.max() - eta + 1e-3 * eta.max(), worth, possible, 0.3)
    room = situation.room or 0
    marks = marks[:room]
    if not marks:
        return Refinement(situation.net, situation.theta, "max_params leaves room for 0 more parameters")
    return Refinement(*bisect(situation.net, situation.theta, marks))


def settings(size: RunSize, target: str) -> list[Setting]:
    if target in PLANE:
        of, shape = (target, 3, size.plane_samples, 20_000), (5, 2, size.plane_steps)
        return [Setting(*of, most, *shape, seed=seed) for most, seed in product(size.plane_params, size.seeds)]
    points = size.line_samples, 10 * size.line_samples + 1
    return [Setting(target, order, *points, n + order - 1) for order, n in product(size.orders, size.budgets)]


def run_arms(setting: Setting, resume: Resume) -> dict[str, dict[str, Any]]:
    """Run both arms, in two variables with as many steps, and in one the strategy that the mutation asks for."""
    if setting.target in PLANE:
        return matched(resume, setting, OURS, ("uniform",))
    key = {"task": "the least residual", **asdict(setting)}
    runs = all_arms(resume, setting, (OURS, "uniform"))
    return runs | {"least residual": resume(key, partial(refine, setting, Strategy(cut_the_least, exact=True)))}


@answers(QUICK, FULL)
def run(size: RunSize, progress: Progress, resume: Resume) -> list[Verdict]:
    def on_target(target: str) -> list[dict[str, dict[str, Any]]]:
        return each_part(resume, progress, f"A1: {TOLD}", partial(run_arms, resume=resume), settings(size, target))

    targets = ("smooth", *LINE, *PLANE)
    return [verdict(dict(zip(targets, resume.each(on_target, targets), strict=True)))]


def ratios(runs: Sequence[Mapping[str, Any]], above: str = "uniform", below: str = OURS) -> list[float]:
    """Ratios of final errors, one a run, where both arms were run."""
    return [final(r[above]) / final(r[below]) for r in runs if above in r and below in r]


NAME = "error of {} over {}"
COST = "one seed takes 27 s of processor time"


def in_one_variable(runs: Runs, above: str = "uniform", below: str = OURS) -> list[Estimate]:
    """Ratios on every target, medians over orders and budgets: samples are evenly spaced, and no chance enters."""
    name = NAME.format(above, below)
    return [exactly(f"{t}: {name}", float(np.median(ratios(runs[t], above, below))), at_least=1.0) for t in LINE]


def in_two_variables(runs: Runs, above: str = "uniform", below: str = OURS) -> Estimate:
    """The ratio by seed, the geometric mean over targets and budgets."""
    rows = [row for target in PLANE for row in runs[target]]
    values = means_by_seed((row[below]["seed"], final(row[above]) / final(row[below])) for row in rows)
    return estimate(f"two variables: {NAME.format(above, below)}", values, at_least=1.0, cost=COST)


def asked(runs: Runs, above: str = "uniform", below: str = OURS) -> list[Estimate]:
    return [*in_one_variable(runs, above, below), in_two_variables(runs, above, below)]


def spoilt(runs: Runs) -> Runs:
    """The runs with a billion times the errors of uniform refinement, on which the statement is true."""

    def worse(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"uniform": row["uniform"] | {"error": 1e9 * np.asarray(row["uniform"]["error"])}}

    return {target: [worse(row) for row in rows] for target, rows in runs.items()}


def verdict(runs: Runs) -> Verdict:
    estimates = asked(runs)
    status = decide(estimates, corrected=in_one_variable(runs))
    shown = ", ".join(f"{target} {np.median(ratios(runs[target])):.3g}" for target in ("smooth", *PLANE))
    text = f"{'; '.join(e.told() for e in estimates)}; medians of the same ratio: {shown}"
    return Verdict(
        "A1",
        status,
        text,
        corrected="error-driven refinement beats uniform refinement for functions of one variable with local features"
        if status == "holds as corrected"
        else "",
        mutations={
            "uniform beats error-driven": twin(asked(runs, OURS, "uniform")),
            "refining where the residual is least beats uniform": twin(in_one_variable(runs, below="least residual")),
        },
        controls={"a billion times the errors of uniform refinement": twin(asked(spoilt(runs)))},
        estimates=tuple(estimates),
        details=DETAILS,
        data={
            "errors": {t: [{name: final(arm) for name, arm in row.items()} for row in runs[t]] for t in runs},
            "seeds": sorted({row[OURS]["seed"] for rows in runs.values() for row in rows}),
        },
    )


DETAILS = """Marking by Doerfler's rule, half of the indicator; halved intervals, at most as many as the budget allows.
What is gained depends on how local the difficulty is. For a step the error falls like the root of the interval that
holds it, so that it is halved by two knots instead of four times as many; for one variable nothing but the number of
samples ends this. In two variables an edge of the first layer sees the residual of a whole strip, and a front that is
not along an axis needs a direction more than it needs knots: less is gained."""
