"""Poisson's equation with a jump by Levenberg-Marquardt, the better of several starts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from refkan.claims.running.kept_parts import Parts
from refkan.training.recipes import poisson_setup
from validation.equations.pde_runs import Model, run_models

PUBLISHED_POINTS, MORE_POINTS = "Levenberg-Marquardt, published points", "Levenberg-Marquardt, 97 x 97 points"


def own_models(quick: bool) -> dict[str, Model]:
    """Levenberg-Marquardt on the published points, and on more from the third level on."""
    few, many = (poisson_setup(n, (1e-2, 1.0, 100.0)) for n in ((13, 25) if quick else (49, 97)))
    options: dict[str, Any] = {"method": "levenberg-marquardt", "starts": 2 if quick else 8, "setup": few}
    steps = 6 if quick else 60
    return {
        PUBLISHED_POINTS: Model(few.kan(), (steps,) * 3, **options),
        MORE_POINTS: Model(few.kan(), (steps,) * (3 if quick else 4), later=many, **options),
    }


def runs(
    chosen: Mapping[str, Model],
    quick: bool,
    seeds: Sequence[int],
    progress: Callable[[str], None],
    checkpoints: Parts | None,
) -> dict[str, list[dict[str, Any]]]:
    """Train models."""
    return run_models("Poisson", chosen, poisson_setup(13 if quick else 49), seeds, progress, checkpoints)
