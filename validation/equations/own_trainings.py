"""Trainings of our own, level by level: Levenberg-Marquardt on three equations, and Adam as published for Burgers."""

from collections.abc import Sequence
from typing import Any

from validation.equations.allen_cahn.allen_cahn_cells import GRID, ours
from validation.equations.burgers_cells import on_lines
from validation.equations.pde_runs import Model, run_models
from validation.equations.recipes.poisson_setup import poisson_setup
from validation.equations.recipes.schedules import Cyclic
from validation.equations.recipes.space_time_setups import allen_cahn_setup, burgers_setup
from validation.equations.recipes.trainers import Redrawn
from validation.statements import Progress, Resume

FIXED, REDRAWN = "LM multilevel, fixed points", "LM multilevel, redrawn points"
PUBLISHED_POINTS, MORE_POINTS = "Levenberg-Marquardt, published points", "Levenberg-Marquardt, 97 x 97 points"
ADAM, ALLEN_CAHN = "multilevel", "splines, Levenberg-Marquardt"
WEIGHT_DECAY = 1e-4


def burgers(quick: bool) -> dict[str, Model]:
    """Points drawn anew, half of them where the solution is steep; and fixed ones; Adam at the schedule of Table 3.

    A quick run takes a tenth of Adam's steps.
    """
    setup = burgers_setup((16, 16), 16, (1.0, 10.0, 10.0)) if quick else burgers_setup(weights=(1.0, 10.0, 10.0))
    net = setup.kan([2, 5, 5, 1] if quick else [2, 8, 8, 1])
    steps = (12, 8, 4) if quick else (120, 100, 30)
    steep = ({}, {"steep": 0.5}, {"steep": 0.5})
    published = burgers_setup().kan([2, 5, 5, 1] if quick else [2, 20, 20, 1], node_map="affine")
    options: dict[str, Any] = {"schedule": Cyclic(), "weight_decay": WEIGHT_DECAY}
    return {
        REDRAWN: Model(net, steps, Redrawn(setup.ranges, seed=0), per_level=steep, setup=setup),
        FIXED: Model(net, steps, "levenberg-marquardt", setup=setup, seeds=2),
        ADAM: Model(published, (80, 40, 20) if quick else (800, 400, 200), options=options),
    }


def poisson(quick: bool) -> dict[str, Model]:
    """The published points, and more from the third level on; the better of several starts."""
    few, many = (poisson_setup(n, (1e-2, 1.0, 100.0)) for n in ((13, 25) if quick else (49, 97)))
    options: dict[str, Any] = {"method": "levenberg-marquardt", "starts": 2 if quick else 8, "setup": few}
    steps = 6 if quick else 60
    return {
        PUBLISHED_POINTS: Model(few.kan(), (steps,) * 3, **options),
        MORE_POINTS: Model(few.kan(), (steps,) * (3 if quick else 4), later=many, **options),
    }


def allen_cahn(quick: bool) -> dict[str, Model]:
    """Points drawn anew: 2 starts on 250 of them quickly; else 6 starts on 1,024, then 4,096."""
    setup, divisor, levels = (allen_cahn_setup(250, 101, 26), 20, 3) if quick else (allen_cahn_setup(), 1, 4)
    return {ALLEN_CAHN: ours(GRID.cell(0), setup, divisor, levels)}


def runs(quick: bool, seeds: Sequence[int], progress: Progress, resume: Resume) -> dict[str, list[dict[str, Any]]]:
    equations = (
        ("Burgers", burgers(quick), burgers_setup((16, 16), 16) if quick else burgers_setup(), on_lines),
        ("Poisson", poisson(quick), poisson_setup(13 if quick else 49), None),
        ("Allen-Cahn", allen_cahn(quick), allen_cahn_setup(300, 101, 26) if quick else allen_cahn_setup(), None),
    )

    made = resume.each(lambda of: run_models(*of[:3], seeds, progress, resume, of[3]), equations)
    return {name: runs for group in made for name, runs in group.items()}
