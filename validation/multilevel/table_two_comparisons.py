"""The runs of Table 2 under one reading: errors paired over seeds, gains, and drops of the loss after refinements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from refkan.claims.cells import numbers, records
from refkan.claims.readings import Choice
from validation.multilevel.table_two import FIDELITIES, LONGER, MLPS
from validation.multilevel.table_two_report import Found, place

AHEAD, ROUNDED, LEVEL = 10.0, 10.0**0.5, 0.01
"""An order of magnitude, what rounds to one, and the level of the sign tests."""

GAIN, DROP, SHARE = 2.0, 2.0, 0.9

FEW = 3
"""Fewer seeds decide nothing about a median or a share."""


@dataclass(frozen=True)
class Comparison:
    """One set of errors against another, paired over seeds."""

    against: str
    ratio: float
    p: float
    pairs: int
    wanted: float = AHEAD

    @classmethod
    def of(cls, ours: dict[int, float], theirs: dict[int, float], against: str, wanted: float = AHEAD) -> Comparison:
        """Median of theirs / ours, and the one-sided sign test that ours are smaller."""
        seeds = sorted(ours.keys() & theirs.keys())
        if not seeds:
            return cls(against, float("nan"), 1.0, 0, wanted)
        ratios = np.array([theirs[s] / ours[s] for s in seeds])
        wins = int(np.sum(ratios > 1))
        p = float(binomtest(wins, len(seeds), 0.5, alternative="greater").pvalue)
        return cls(against, float(np.median(ratios)), p, len(seeds), wanted)

    @property
    def ahead(self) -> bool:
        """Whether ours are smaller by as much as is wanted, and significantly so."""
        return self.ratio >= self.wanted and self.p < LEVEL

    @property
    def small(self) -> bool:
        """Whether no outcome of so few pairs could be significant."""
        return 0.5**self.pairs >= LEVEL

    def __str__(self) -> str:
        return f"{self.against} {self.ratio:.2g} (p = {self.p:.1g}, {self.pairs} seeds)"


def best_of(parts: Iterable[dict[int, float]]) -> dict[int, float]:
    """The least of several errors, seed by seed."""
    parts = [part for part in parts if part]
    if not parts:
        return {}
    return {seed: min(part[seed] for part in parts) for seed in set.intersection(*(set(part) for part in parts))}


@dataclass(frozen=True)
class Under:
    """The runs under one reading at one size."""

    found: Found
    reading: Choice
    size: Mapping[str, str]

    def errors(self, model: str, fidelity: str, key: str = "test") -> dict[int, float]:
        """Seed -> a number of its record."""
        return numbers(self.found, key, **place(self.reading, model, fidelity), **self.size)

    def spline_against_relu(self) -> dict[str, Comparison]:
        """Fidelity -> the spline runs against the ReLU runs."""
        return {f: Comparison.of(self.errors("spline", f), self.errors("ReLU", f), f, ROUNDED) for f in FIDELITIES}

    def multilevel_against(self, ours: tuple[str, str] = ("spline", "multilevel")) -> list[Comparison]:
        """The multilevel spline runs (or others) against coarse, fine and the best MLP, at equal nominal work."""
        mine = self.errors(*ours)
        mlps = best_of(self.errors(model, "coarse") for model in MLPS)
        others = [f for f in FIDELITIES if f != ours[1]]
        return [
            *(Comparison.of(mine, self.errors("spline", f), f) for f in others),
            Comparison.of(mine, mlps, "best MLP", ROUNDED),
        ]

    def in_equal_time(self) -> list[Comparison]:
        """Coarse and longer fine training, on the samples, in the processor time of the multilevel run."""
        limits = self.errors("spline", "multilevel", "seconds")
        trained = self.errors("spline", "multilevel", "training")
        made = []
        for name, fidelity in (("coarse in equal time", "coarse"), ("fine in equal time", LONGER)):
            where = place(self.reading, "spline", fidelity) | dict(self.size)
            reached = {}
            for seed, record in records(self.found, **where).items():
                course = record["course"]
                last = int(np.searchsorted(course["seconds"], limits[seed], side="right")) - 1
                reached[seed] = float(course["mse"][max(last, 0)])
            made.append(Comparison.of(trained, reached, name))
        return [comparison for comparison in made if comparison.pairs]

    def gains(self, model: str) -> Comparison:
        """Coarse over multilevel errors."""
        return Comparison.of(self.errors(model, "multilevel"), self.errors(model, "coarse"), model)

    def drops(self, model: str = "spline", before: bool = False) -> list[list[bool]]:
        """For each refinement and seed, whether the value falls by DROP within a quarter of the level's steps.

        With `before`, in the last quarter of the level before instead.
        """
        where = place(self.reading, model, "multilevel") | dict(self.size)
        hits: list[list[bool]] = [[], [], []]
        for record in records(self.found, **where).values():
            course = record["course"]
            for level in (1, 2, 3):
                mse = np.asarray(course["mse"])[np.asarray(course["level"]) == (level - 1 if before else level)]
                quarter = max(1, -(-(mse.size - 1) // 4))
                pair = (mse[-1 - quarter], mse[-1]) if before else (mse[0], mse[min(quarter, mse.size - 1)])
                hits[level - 1].append(bool(pair[0] >= DROP * pair[1]))
        return hits
