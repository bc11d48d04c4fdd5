"""Q5, Q6: what training level by level attains, losses and true errors: Levenberg-Marquardt, and Adam for Burgers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refkan.base import Frozen
from refkan.base.plain_text import counted
from refkan.claims import Estimate, Verdict, decide, estimate, exactly, judge, twin
from validation.equations import own_trainings
from validation.equations.burgers_cells import PUBLISHED
from validation.equations.pde_runs import medians, spread, without
from validation.statements import Progress, Resume, answers

CLAIMS = ("Q5", "Q6")


class Target(Frozen, eq=True):
    """A row: the model's name in its claim, and the largest median error at which it counts as solved."""

    model: str
    error: float


BURGERS, FIXED = "Burgers, redrawn points", "Burgers, fixed points"
PUBLISHED_POINTS, MORE_POINTS = "Poisson, published points", "Poisson, 97 x 97 points"
ALLEN_CAHN = "Allen-Cahn, redrawn points"

TARGETS = {
    BURGERS: Target(own_trainings.REDRAWN, 3e-4),
    PUBLISHED_POINTS: Target(own_trainings.PUBLISHED_POINTS, 7e-3),
    MORE_POINTS: Target(own_trainings.MORE_POINTS, 3e-3),
    ALLEN_CAHN: Target(own_trainings.ALLEN_CAHN, 2e-2),
}

PUBLISHED_SIZE = 1e-4
"""The loss that counts as of the published size, 2.4e-5, which may be a mean or a sum of three terms."""

DETAILS = """\
Levenberg-Marquardt on all residuals, from the coarsest level to the finest, each start a random linear function with
noise on every edge. Burgers: [2, 8, 8, 1], sigmoid maps, 64 x 64 points, drawn anew every ten steps, half of them in
proportion to |u_x| from the second level on; the same on a fixed grid beside it, which is not judged. Poisson:
[3, 5, 1], weights 1e-2, 1 and 100, the best of 8 starts after one refinement by its loss on 49 x 49 points; 380
parameters on those points, and 700 with 97 x 97 points from the third level on. Allen-Cahn: [2, 5, 5, 1], sigmoid maps,
points drawn anew, the best of 6 starts by its loss after one refinement on 1,024 points, then 4,096. Numbers of starts
and points were chosen by losses and times of seed 100, which is not among those that are reported. A start is chosen
by its loss alone. Losses are on fixed points of the same numbers; errors are relative, in the 2-norm, on grids of their
own. The quick sizes are small and far from what is asked: one seed, 16 x 16, 13 x 13 and 250 points, at most 3
levels."""

OF_ADAM = """\
Cubic splines on 5, 10 and 20 intervals, widths [2, 20, 20, 1] at full size and [2, 5, 5, 1] in the quick run, affine
maps; loss: sum of three mean squares on 64 x 64 (quick: 16 x 16) points, 64 (16) initial points and 64 (16) on each
end. Adam with weight decay 1e-4, rate cyclic between 1e-4 and 1e-3 with cycle 100 and factor 0.9995, begun anew on each
level; steps {800, 400, 200} (quick: a tenth): the base reading of Q2."""


@answers(True, False)
def run(quick: bool, progress: Progress, resume: Resume) -> list[Verdict]:
    models = own_trainings.runs(quick, range(1 if quick else 6), progress, resume)
    rows = {name: models[target.model] for name, target in TARGETS.items()} | {FIXED: models[own_trainings.FIXED]}
    return [verdict(rows), published_size(models[own_trainings.ADAM])]


def reached(name: str, values: Mapping[int, float], asked: float, published: float | None = None) -> Estimate:
    return estimate(name, values, at_most=asked, published=published, cost="see the run")


def verdict(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Verdict:
    text = "; ".join(
        f"{name} ({group[0]['levels'][-1]['parameters']} parameters, {counted(len(group), 'seed')}): loss "
        f"{spread(group, 'loss')}, error {spread(group, 'error')}"
        for name, group in runs.items()
    )
    errors = {name: {run["seed"]: run["error"] for run in group} for name, group in runs.items()}
    estimates = tuple(reached(f"error, {name}", errors[name], target.error) for name, target in TARGETS.items())
    fixed = {name: errors[FIXED if name == BURGERS else name] for name in TARGETS}
    first = {name: medians(runs[name], "error")[0] for name in TARGETS}
    return Verdict(
        "Q5",
        decide(estimates),
        text,
        details=DETAILS,
        data={
            "seeds": {name: list(of) for name, of in errors.items()},
            "runs": without(runs, "lines", "residual", "solution"),
        },
        mutations={
            "a fixed grid for Burgers": twin([reached(n, fixed[n], TARGETS[n].error) for n in TARGETS]),
            "errors after the first level": twin([exactly(n, first[n], at_most=TARGETS[n].error) for n in TARGETS]),
        },
        estimates=estimates,
        controls={
            "a millionth of the errors": twin([exactly(n, 1e-6 * first[n], at_most=TARGETS[n].error) for n in TARGETS])
        },
    )


def published_size(runs: Sequence[Mapping[str, Any]]) -> Verdict:
    """Set the median loss of multilevel training by Adam beside the published one."""
    after = medians(runs, "loss")
    losses = ", ".join(f"{run['loss']:.2g}" for run in runs)
    published = PUBLISHED["KAN", "multilevel"][0]
    asked = reached("loss", {run["seed"]: run["loss"] for run in runs}, PUBLISHED_SIZE, published)
    return Verdict(
        "Q6",
        decide([asked]),
        f"{counted(len(runs), 'seed')}: loss {spread(runs, 'loss')}, "
        f"mean {np.mean([run['loss'] for run in runs]):.1e}, published {published:.1e}, error {spread(runs, 'error')};"
        f" losses of the seeds: {losses}",
        details=OF_ADAM,
        data={"seeds": [run["seed"] for run in runs], "runs": without({own_trainings.ADAM: runs}, "lines")},
        mutations={
            f"loss after level {k + 1} of {len(after)}": judge(loss <= PUBLISHED_SIZE)
            for k, loss in enumerate(after[:-1])
        },
        estimates=(asked,),
        controls={"the published loss": twin([exactly("loss", published, at_most=PUBLISHED_SIZE)])},
    )
