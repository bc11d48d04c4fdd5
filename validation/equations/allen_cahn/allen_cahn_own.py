"""The Allen-Cahn equation by Levenberg-Marquardt on points that are drawn anew, the best of several starts."""

from collections.abc import Callable, Sequence
from typing import Any

from refkan.claims.running.kept_parts import Parts
from refkan.training.recipes import Redrawn, allen_cahn_setup
from validation.equations.pde_runs import Model, run_models

OURS = "splines, Levenberg-Marquardt"


def runs(
    quick: bool, seeds: Sequence[int], progress: Callable[[str], None], checkpoints: Parts | None
) -> dict[str, list[dict[str, Any]]]:
    """Train: 2 starts on 250 points quickly; else 6 starts on 1,024 points, then 4,096 points."""
    setup = allen_cahn_setup(300, initial_points=101, times=26) if quick else allen_cahn_setup()
    model = Model(
        setup.kan(),
        (8, 5, 3) if quick else (150, 100, 60, 30),
        Redrawn(setup.ranges, seed=0),
        starts=2 if quick else 6,
        setup=allen_cahn_setup(250, 101, 26) if quick else allen_cahn_setup(1024),
        later=None if quick else allen_cahn_setup(4096),
    )
    return run_models("Allen-Cahn", {OURS: model}, setup, seeds, progress, checkpoints)
