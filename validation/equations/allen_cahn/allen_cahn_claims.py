"""Q3 and Q4: what figures 7 to 9 say of Allen-Cahn, judged on one set of trainings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refkan.claims import Verdict
from refkan.claims.running.kept_parts import Parts
from validation.equations.allen_cahn import allen_cahn_success, residual_bandwidth
from validation.equations.allen_cahn.allen_cahn_cells import GRID
from validation.equations.allen_cahn.allen_cahn_runs import STATEMENT
from validation.grounds import require

CLAIMS = ("Q3", "Q4")

EXPERIMENT = GRID.experiment


JUDGED = {**allen_cahn_success.JUDGED, **residual_bandwidth.JUDGED}


def run(
    quick: bool,
    progress: Callable[[str], Any] = lambda message: None,
    checkpoints: Parts | None = None,
    seeds: int | None = None,
) -> list[Verdict]:
    """Train all models: 3 seeds quickly, 6 at full size, or at most `seeds`."""
    require(CLAIMS)
    measured = STATEMENT.run(quick, progress, checkpoints, seeds)
    return [allen_cahn_success.verdict(measured), residual_bandwidth.verdict(measured)]
