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
from validation.statements import Progress, Resume, RunSize, quick_and_full

FIXED, REDRAWN = "LM multilevel, fixed points", "LM multilevel, redrawn points"
PUBLISHED_POINTS, MORE_POINTS = "Levenberg-Marquardt, published points", "Levenberg-Marquardt, 97 x 97 points"
ADAM, ALLEN_CAHN = "multilevel", "splines, Levenberg-Marquardt"
WEIGHT_DECAY = 1e-4


QUICK, FULL = quick_and_full(
    burgers_points=(16, 64),
    burgers_hidden=(5, 8),
    published_hidden=(5, 20),
    burgers_steps=((12, 8, 4), (120, 100, 30)),
    adam_steps=((80, 40, 20), (800, 400, 200)),
    poisson_points=(13, 49),
    more_points=(25, 97),
    poisson_starts=(2, 8),
    poisson_steps=(6, 60),
    more_levels=(3, 4),
    allen_cahn_points=((250, 101, 26), ()),
    observed_points=((300, 101, 26), ()),
    divisor=(20, 1),
    allen_cahn_levels=(3, 4),
)
"""A quick run takes a tenth of Adam's steps."""


def burgers(size: RunSize) -> dict[str, Model]:
    """Points drawn anew, half of them where the solution is steep; and fixed ones; Adam at the schedule of Table 3."""
    n = size.burgers_points
    setup = burgers_setup((n, n), n, (1.0, 10.0, 10.0))
    net = setup.kan([2, size.burgers_hidden, size.burgers_hidden, 1])
    steep = ({}, {"steep": 0.5}, {"steep": 0.5})
    width = size.published_hidden
    published = burgers_setup().kan([2, width, width, 1], node_map="affine")
    options: dict[str, Any] = {"schedule": Cyclic(), "weight_decay": WEIGHT_DECAY}
    redrawn = Redrawn(setup.ranges, seed=0)
    return {
        REDRAWN: Model(net, size.burgers_steps, redrawn, per_level=steep, setup=setup),
        FIXED: Model(net, size.burgers_steps, "levenberg-marquardt", setup=setup, seeds=2),
        ADAM: Model(published, size.adam_steps, options=options),
    }


def poisson(size: RunSize) -> dict[str, Model]:
    """The published points, and more from the third level on; the better of several starts."""
    few, many = (poisson_setup(n, (1e-2, 1.0, 100.0)) for n in (size.poisson_points, size.more_points))
    options: dict[str, Any] = {"method": "levenberg-marquardt", "starts": size.poisson_starts, "setup": few}
    steps = size.poisson_steps
    return {
        PUBLISHED_POINTS: Model(few.kan(), (steps,) * 3, **options),
        MORE_POINTS: Model(few.kan(), (steps,) * size.more_levels, later=many, **options),
    }


def allen_cahn(size: RunSize) -> dict[str, Model]:
    """Points drawn anew: 2 starts on 250 of them quickly; else 6 starts on 1,024, then 4,096."""
    setup = allen_cahn_setup(*size.allen_cahn_points)
    return {ALLEN_CAHN: ours(GRID.cell(0), setup, size.divisor, size.allen_cahn_levels)}


def runs(quick: bool, seeds: Sequence[int], progress: Progress, resume: Resume) -> dict[str, list[dict[str, Any]]]:
    """Train all models of the three equations."""
    size = QUICK if quick else FULL
    n = size.burgers_points
    equations = (
        ("Burgers", burgers(size), burgers_setup((n, n), n), on_lines),
        ("Poisson", poisson(size), poisson_setup(size.poisson_points), None),
        ("Allen-Cahn", allen_cahn(size), allen_cahn_setup(*size.observed_points), None),
    )

    made = resume.each(lambda of: run_models(*of[:3], seeds, progress, resume, of[3]), equations)
    return {name: runs for group in made for name, runs in group.items()}
