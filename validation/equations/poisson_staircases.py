"""Q1: Poisson's equation with a jump. Errors of the spline network fall in a staircase, in the ReLU basis not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from refkan.claims.parts import Parts
from refkan.claims.verdicts import Verdict, judge
from refkan.training import Attended, Decaying, Ramped, poisson
from validation.equations.pde_figures import draw_levels
from validation.equations.pde_runs import Model, medians, run_models, table

CLAIMS = ("Q1",)

SPLINE, RELU, DENSE = "splines, multilevel", "ReLU basis, multilevel", "MLP [2,16,16,1]"
DECAYED = "splines, decaying rate"
PUBLISHED_POINTS, MORE_POINTS = "Levenberg-Marquardt, published points", "Levenberg-Marquardt, 97 x 97 points"

RELU_FLOOR = 0.3

CAPTION = "Poisson's equation with a jump: error and loss after each level, medians (thick) and all seeds."

DETAILS = """Network [3, 5, 1], cubic, with |x| as third input; weights 1e-2 (equation), 1e-1 (interface), 1 (boundary);
residual-based attention on the equation, begun anew on each level. \
4, 8, 16 and 32 intervals (quick: 2, 4 and 8), 49 x 49
points (quick: 17 x 17). Adam with rate 1e-2 after a rise from 1e-4 in ten steps on each level, \
1250 steps a level (quick:
150), as published; in the row "decaying rate" it falls from 1e-2 to 1e-4 on each level. \
The MLP is for x and y alone, as its
name says, with tanh; it takes as many steps as all levels together. Losses are those on the published terms; errors are
relative, in the 2-norm over 200 x 200 midpoints. Rows with Levenberg-Marquardt are in Q5.

The quick size had 4, 8 and 16 intervals at first, and came out now "holds", now "holds as corrected": \
380 parameters on 289
points of the equation are free to do as they like between them, and at the published rate the error did not fall on the
last level (0.42, 0.178, 0.18 after 250 steps a level). \
It was changed to 2, 4 and 8 intervals, 100 to 220 parameters, so that
there are more points than parameters on every level. Decided on seeds 100 to 105, which are not among those that are
reported: there the error at the published rate fell at each refinement from every single seed \
(medians 1.06, 0.57, 0.22)."""


def run(
    quick: bool, progress: Callable[[str], None] = lambda message: None, checkpoints: Parts | None = None
) -> list[Verdict]:
    """Train all models from all seeds: 3 quickly, 5 at full size."""
    seeds = range(3) if quick else range(5)
    return [verdict(runs(models(quick), quick, seeds, progress, checkpoints), list(seeds))]


def runs(
    chosen: Mapping[str, Model],
    quick: bool,
    seeds: Sequence[int],
    progress: Callable[[str], None],
    checkpoints: Parts | None,
) -> dict[str, list[dict[str, Any]]]:
    """Train some of the models."""
    return run_models("Poisson", chosen, poisson(17 if quick else 49), seeds, progress, checkpoints)


def models(quick: bool) -> dict[str, Model]:
    """The models of figure 6, and one with a decaying rate."""
    levels, steps, first = (3, 150, 2) if quick else (4, 1250, 4)
    setup, plain = poisson(), poisson(17 if quick else 49, level_set=False)
    schedule = (steps,) * levels
    constant = {"schedule": Ramped(1e-2)}
    net, relu = (setup.kan(intervals=first, basis=basis) for basis in ("spline", "relu"))
    dense = plain.mlp([2, 16, 16, 1])
    return {
        SPLINE: Model(net, schedule, Attended(), constant),
        DECAYED: Model(net, schedule, Attended(), {"schedule": Ramped(Decaying(1e-2, 1e-4, steps))}),
        RELU: Model(relu, schedule, Attended(), constant),
        DENSE: Model(dense, (steps * levels,), Attended(), constant, setup=plain),
    }


def own_models(quick: bool) -> dict[str, Model]:
    """Levenberg-Marquardt, the better of several starts: on the published points, on more from the third level on."""
    few, many = (poisson(n, (1e-2, 1.0, 100.0)) for n in ((17, 33) if quick else (49, 97)))
    options: dict[str, Any] = {"method": "levenberg-marquardt", "starts": 2 if quick else 8, "setup": few}
    steps = 20 if quick else 60
    return {
        PUBLISHED_POINTS: Model(few.kan(), (steps,) * 3, **options),
        MORE_POINTS: Model(few.kan(), (steps,) * (3 if quick else 4), later=many, **options),
    }


def verdict(runs: Mapping[str, Sequence[Mapping[str, Any]]], seeds: list[int]) -> Verdict:
    """Judge the staircases as published and with a decaying rate."""
    published, decayed, relu = (medians(runs[name], "error") for name in (SPLINE, DECAYED, RELU))
    decided = published if holds(published, relu) else decayed
    steps = {name: " -> ".join(f"{e:.2g}" for e in medians(group, "error")) for name, group in runs.items()}
    return Verdict(
        "Q1",
        judge(holds(published, relu), holds(decayed, relu), experiment=True),
        f"median error after each level, {len(seeds)} seeds: " + "; ".join(f"{n} {text}" for n, text in steps.items()),
        corrected="with a learning rate that decays on each level",
        details=DETAILS + " All seeds, median and extremes: " + table(runs) + ".",
        data={"seeds": seeds, "runs": runs},
        figures=(draw_levels(runs, "poisson-staircases", CAPTION),),
        mutations={
            "levels in reverse order": judge(holds(decided[::-1], relu), experiment=True),
            "the ReLU basis falls below 0.3": judge(falls(relu) and min(relu) < RELU_FLOOR, experiment=True),
        },
    )


def holds(spline: Sequence[float], relu: Sequence[float]) -> bool:
    """Whether median errors fall at each refinement, and those in the ReLU basis stay above 0.3."""
    return falls(spline) and min(relu) > RELU_FLOOR


def falls(errors: Sequence[float]) -> bool:
    """Whether errors fall at each refinement."""
    return all(fine < coarse for coarse, fine in pairwise(errors))
