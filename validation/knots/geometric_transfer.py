r"""A2: geometric refinement (knot insertion) against refinement that refits by least squares at the data.

Networks [2, 5, 1], order 3, mean-std map, intervals doubled from 2 to 16, L-BFGS with the same number of steps on each
level in all arms. Geometric: the coefficients by knot insertion, exact. Rivals: grid extension (the same uniform knots,
edges refitted at their inputs by least squares) and the grid update of KAN codes (quantiles of the inputs, refitted).

The corrected statement was written after a run that showed it: refits at quantiles also move knots to where activations
are.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from refkan.claims import Estimate, Verdict, decide, estimate, twin
from validation.knots.adaptive_runs import LBFGS, Setting, all_arms, final
from validation.measures import means_by_seed
from validation.statements import Progress, Resume, RunSize, answers, each_part, quick_and_full

CLAIMS = ("A2",)
OURS, RIVALS = "uniform", ("extension", "quantile")
NAMES = {"uniform": "knot insertion", "extension": "grid extension", "quantile": "quantile refit"}
TARGETS = ("regression", "front", "crease", "peak-2d")
Row = dict[str, dict[str, Any]]
QUICK, FULL = quick_and_full(samples=(500, 1000), steps=(14, 50), seeds=(range(3), range(25)))


def settings(size: RunSize) -> list[Setting]:
    """Return a setting for each pair: 15 (n + 2) parameters, n = 16."""
    shape = (3, size.samples, 20_000, 270, 5, 2, size.steps, LBFGS)
    return [Setting(target, *shape, seed) for target in TARGETS for seed in size.seeds]


@answers(QUICK, FULL)
def run(size: RunSize, progress: Progress, resume: Resume) -> list[Verdict]:
    arms = partial(all_arms, resume, strategies=(OURS, *RIVALS))
    return [verdict(each_part(resume, progress, "A2: {0.target}, seed {0.seed}", arms, settings(size)))]


def transfer_time(run: Mapping[str, Any]) -> float:
    return float(np.sum(run["refining"]))


def over(
    rows: Sequence[Row], first: str, other: str, measure: Callable[[Mapping[str, Any]], float]
) -> dict[int, float]:
    """A number of another arm over that of the first, by seed the geometric mean over targets."""
    return means_by_seed((row[first]["seed"], measure(row[other]) / measure(row[first])) for row in rows)


ERROR, TIME = "error", "time of the refinements"
Bounds = Mapping[tuple[str, str], Mapping[str, float]]

CORRECTED: Bounds = {(ERROR, "extension"): {"at_least": 0.95, "at_most": 1.05}, (ERROR, "quantile"): {"at_most": 1}} | {
    (TIME, rival): {"at_least": 2} for rival in RIVALS
}


def asked(
    rows: Sequence[Row], first: str = OURS, others: Sequence[str] = RIVALS, bounds: Bounds | None = None
) -> list[Estimate]:
    """Errors and times of the others over those of the first, above 1 or within other bounds."""
    return [
        estimate(
            f"{key}, {NAMES[other]} over {NAMES[first]}",
            over(rows, first, other, number),
            **({"at_least": 1} if bounds is None else bounds[key, other]),
        )
        for key, number in ((ERROR, final), (TIME, transfer_time))
        for other in others
    ]


def spoilt(rows: Sequence[Row]) -> list[Row]:
    """The rows with ten times the errors of the rivals, on which the claim is true."""
    return [
        {arm: {**run, "error": 10 * np.asarray(run["error"])} if arm in RIVALS else run for arm, run in row.items()}
        for row in rows
    ]


def verdict(rows: Sequence[Row]) -> Verdict:
    estimates = asked(rows)
    numbers = {"error": final, "seconds of refinements": transfer_time, "change": lambda run: run["change"].max()}
    return Verdict(
        "A2",
        decide(estimates, corrected=asked(rows, bounds=CORRECTED)),
        "; ".join(e.told() for e in estimates),
        corrected="it is as accurate as grid extension and costs a part of either refit; refits at quantiles are more"
        " accurate",
        details="A refit sees an edge where activations are: coefficients of intervals without any come out as those of"
        " least norm, so that even the grid extension changes the function there. Activations outside the domain are"
        " moved to its ends for the refit.",
        data={
            "seeds": sorted({row[OURS]["seed"] for row in rows}),
            "pairs": [
                {"target": row[OURS]["target"], "seed": row[OURS]["seed"]}
                | {f"{quantity}, {NAMES[arm]}": of(run) for arm, run in row.items() for quantity, of in numbers.items()}
                for row in rows
            ],
        },
        mutations={
            "quantile refits beat knot insertion": twin(asked(rows, "quantile", [OURS])),
            "grid extension beats knot insertion": twin(asked(rows, "extension", [OURS])),
        },
        controls={"ten times the errors of the rivals": twin(asked(spoilt(rows)))},
        estimates=tuple(estimates),
    )
