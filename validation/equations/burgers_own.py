"""Burgers' equation by training level by level: Levenberg-Marquardt on points of its own, and Adam as published."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from refkan.claims.running.kept_parts import Parts
from refkan.training.recipes import Cyclic, Redrawn, burgers_setup
from validation.equations.burgers_cells import on_lines
from validation.equations.pde_runs import Model, run_models

FIXED, REDRAWN = "LM multilevel, fixed points", "LM multilevel, redrawn points"

ADAM = "multilevel"

WEIGHT_DECAY = 1e-4


def own_models(quick: bool) -> dict[str, Model]:
    """Levenberg-Marquardt on points drawn anew, half of them where the solution is steep; and on fixed ones."""
    setup = burgers_setup((16, 16), 16, (1.0, 10.0, 10.0)) if quick else burgers_setup(weights=(1.0, 10.0, 10.0))
    net = setup.kan([2, 5, 5, 1] if quick else [2, 8, 8, 1])
    steps = (12, 8, 4) if quick else (120, 100, 30)
    steep = ({}, {"steep": 0.5}, {"steep": 0.5})
    return {
        REDRAWN: Model(net, steps, Redrawn(setup.ranges, seed=0), per_level=steep, setup=setup),
        FIXED: Model(net, steps, "levenberg-marquardt", setup=setup, seeds=2),
    }


def adam_model(quick: bool) -> dict[str, Model]:
    """Adam at the schedule of Table 3, a tenth of its steps in a quick run."""
    part = 10 if quick else 1
    net = burgers_setup().kan([2, 5, 5, 1] if quick else [2, 20, 20, 1], node_map="affine")
    options: dict[str, Any] = {"schedule": Cyclic(), "weight_decay": WEIGHT_DECAY}
    return {ADAM: Model(net, (800 // part, 400 // part, 200 // part), options=options)}


def runs(
    chosen: Mapping[str, Model],
    quick: bool,
    seeds: Sequence[int],
    progress: Callable[[str], None],
    checkpoints: Parts | None,
) -> dict[str, list[dict[str, Any]]]:
    """Train models."""
    setup = burgers_setup((16, 16), 16) if quick else burgers_setup()
    return run_models("Burgers", chosen, setup, seeds, progress, checkpoints, on_lines)
