"""What is estimated of the runs of Table 2: errors and ratios with intervals, and where printed numbers lie in ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.claims import Beside, Choice
from refkan.claims.cells import Found, numbers, records
from refkan.claims.experiments import written
from validation.table_two.cells_of_table import OPEN, PLACE, PUBLISHED, UNIT, place

LEAST_SEEDS = 10
"""Fewer decide nothing."""

DIVERGED = 1e30

DROP = 2.0


@dataclass(frozen=True)
class Under:
    """The runs of a reading at a size."""

    found: Found
    reading: Choice
    size: Choice

    def where(self, model: str, fidelity: str, ulps: str = "none") -> dict[str, str]:
        """Return the factors of a cell."""
        return place(self.reading, model, fidelity) | dict(self.size) | {"ulps": ulps}

    def errors(self, model: str, fidelity: str, key: str = "mse", ulps: str = "none") -> dict[int, float]:
        """Return errors by seed; what diverged is large."""
        values = numbers(self.found, key, **self.where(model, fidelity, ulps))
        return {seed: min(value, DIVERGED) if value == value else DIVERGED for seed, value in values.items()}

    def ratio(self, above: Mapping[int, float], below: Mapping[int, float]) -> Estimate:
        """Estimate the median of the ratios of the runs of a seed."""
        seeds = sorted(above.keys() & below.keys())
        return Estimate.of([above[seed] / below[seed] for seed in seeds])

    def beside(self, cells: Sequence[tuple[str, str]]) -> tuple[Beside, ...]:
        """Return published cells beside ours."""
        made = []
        for model, fidelity in cells:
            where = self.where(model, fidelity)
            if values := self.errors(model, fidelity):
                again = written({f.name: where[f.name] for f in (*OPEN, *PLACE)})
                made.append(Beside(f"{model}, {fidelity}", UNIT, values, *PUBLISHED[model, fidelity], again))
        return tuple(made)

    def drops(self, model: str = "spline") -> list[list[bool]]:
        """For each refinement and seed, whether the loss falls by DROP within a quarter of the level's epochs."""
        hits: list[list[bool]] = [[], [], []]
        for record in records(self.found, **self.where(model, "multilevel")).values():
            level, mse = (np.asarray(record["course"][key]) for key in ("level", "mse"))
            for k in (1, 2, 3):
                here = mse[level == k]
                hits[k - 1].append(bool(here[0] >= DROP * here[max(1, -(-(here.size - 1) // 4))]))
        return hits


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float], statistic: Callable[..., Any] = np.median) -> Estimate:
        """Estimate a statistic of the values of the seeds."""
        if not values:
            return cls(np.nan, np.nan, np.nan, 0)
        draws = np.random.default_rng(0).choice(np.asarray(values, float), (2000, len(values)))
        low, high = np.percentile(statistic(draws, axis=1), (2.5, 97.5))
        return cls(float(statistic(np.asarray(values, float))), float(low), float(high), len(values))

    def above(self, threshold: float) -> bool | None:
        """Whether the interval lies above a threshold; None where it straddles or has too few seeds."""
        if self.count < LEAST_SEEDS or self.low <= threshold <= self.high:
            return None
        return bool(self.low > threshold)

    def below(self, threshold: float) -> bool | None:
        """Whether it lies below."""
        return None if (answer := self.above(threshold)) is None else not answer

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]" if self.count else "not run"


def all_of(answers: Sequence[bool | None]) -> bool | None:
    """Whether all hold: not if one fails, None while one is open."""
    return False if any(answer is False for answer in answers) else None if None in answers else True


def places_of_published(
    values: Sequence[float], published: tuple[float, float], draws: int = 2000
) -> tuple[float, float]:
    """Return the share of samples of five of our seeds with a mean, and with a deviation, below the published one."""
    rng = np.random.default_rng(0)
    five = np.array([rng.choice(values, 5, replace=False) for _ in range(draws)])
    return float(np.mean(five.mean(axis=1) < published[0])), float(np.mean(five.std(axis=1, ddof=1) < published[1]))


def met(cell: Beside) -> bool:
    """Whether the published mean and deviation lie within the 95 % of those of five of our seeds."""
    assert cell.published is not None
    assert cell.deviation is not None
    if len(cell.values) < LEAST_SEEDS:
        return False
    shares = places_of_published(list(cell.values.values()), (cell.published, cell.deviation))
    return all(0.025 <= share <= 0.975 for share in shares)
