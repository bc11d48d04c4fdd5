"""Readings: a verdict on an experiment is about a set-up, and what its description leaves open is a factor.

A reading is one choice of each factor. A statement is judged under every reading that was run; its verdict says over
which of them it holds. Which readings are likely those of the authors is told by calibration cells, whose numbers are
published and which the statement is not about, so that nothing is tuned to a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refkan.base.annotations import Checked, check_annotated
from refkan.claims.verdicts import Status

NEAR = 4.0
"""A published mean is met by a measured median within this factor of it."""

Choice = Mapping[str, str]
"""A value for each of some factors."""


@dataclass(frozen=True)
class Factor(Checked):
    """A detail that an experiment leaves open, with its possible values, the default first.

    `meaning` says what it is. With `number` any positive whole number is a value, and `values` holds the default alone.

    Examples
    --------
    >>> from refkan.claims import Factor
    >>> Factor("start", ("linear", "normal"), meaning="how coefficients begin").check("normal")
    'normal'
    >>> Factor("epochs", ("50",), number=True).check("no")
    Traceback (most recent call last):
    ValueError: epochs must be a positive whole number; got 'no'
    """

    name: str
    values: tuple[str, ...]
    meaning: str = ""
    number: bool = False

    def check(self, value: str) -> str:
        """Return the value; ValueError, with those that exist, if there is no such value."""
        if self.number:
            if value.isdecimal() and int(value) > 0:
                return str(int(value))
            raise ValueError(f"{self.name} must be a positive whole number; got {value!r}")
        if value not in self.values:
            raise ValueError(f"{self.name} must be one of {', '.join(self.values)}; got {value!r}")
        return value


@dataclass(frozen=True)
class Experiment(Checked):
    """An experiment whose cells can be run one at a time: its factors, and what runs one choice of them for a seed.

    Examples
    --------
    >>> from refkan.claims import Experiment, Factor
    >>> factors = Factor("start", ("linear", "normal")), Factor("batch", ("all", "64"))
    >>> experiment = Experiment(factors, lambda choice, seed: {})
    >>> experiment.choose("start=normal")
    {'start': 'normal', 'batch': 'all'}
    """

    factors: tuple[Factor, ...]
    run: Callable[[Choice, int], Mapping[str, Any]]

    def choose(self, text: str = "") -> dict[str, str]:
        """Read "name=value,name=value" into a value for every factor, the default where none is named.

        Raises
        ------
        ValueError
            For an unknown factor or value, or a factor named twice; the message lists those that exist.
        """
        check_annotated(Experiment.choose, locals())
        known = {factor.name: factor for factor in self.factors}
        chosen: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals:
                raise ValueError(f"a cell is written name=value,name=value; got {part!r}. {self.describe()}")
            if name not in known:
                raise ValueError(f"no factor is called {name!r}. {self.describe()}")
            if name in chosen:
                raise ValueError(f"{name} is given twice")
            chosen[name] = known[name].check(value)
        return {factor.name: chosen.get(factor.name, factor.values[0]) for factor in self.factors}

    def describe(self) -> str:
        """Write all factors with their values, on one line."""
        parts = [
            f"{f.name}={'any number, default ' + f.values[0] if f.number else '|'.join(f.values)}" for f in self.factors
        ]
        return f"Factors: {', '.join(parts)}"


def written(choice: Choice) -> str:
    """Write a choice as `Experiment.choose` reads it."""
    return ",".join(f"{name}={value}" for name, value in choice.items())


@dataclass(frozen=True)
class Beside(Checked):
    """A cell of a published table beside what was measured, in the same unit, with the number of every seed.

    `cell` says which one it is and `unit` what its numbers are. `values` holds what was measured: seed -> number;
    `published` and `deviation` are the published mean and standard deviation, None where there is none. `again` is the
    choice that runs this cell again, for the command line.

    Examples
    --------
    >>> from refkan.claims import Beside
    >>> cell = Beside("epochs 50, spline", "mean squared error", {0: 0.012, 1: 0.010, 2: 0.020}, published=0.011)
    >>> cell.median, cell.near
    (0.012, True)
    """

    cell: str
    unit: str
    values: Mapping[int, float]
    published: float | None = None
    deviation: float | None = None
    again: str = ""

    @property
    def median(self) -> float:
        """Median of the seeds' numbers."""
        return float(np.median(list(self.values.values())))

    @property
    def mean(self) -> float:
        """Mean of the seeds' numbers."""
        return float(np.mean(list(self.values.values())))

    @property
    def spread(self) -> float:
        """Standard deviation of the seeds' numbers; 0 where there is one alone."""
        return float(np.std(list(self.values.values()), ddof=1)) if len(self.values) > 1 else 0.0

    @property
    def near(self) -> bool | None:
        """Whether the median lies within a factor `NEAR` of the published mean; None where none is published."""
        if self.published is None:
            return None
        return self.published / NEAR <= self.median <= self.published * NEAR

    def plain(self) -> dict[str, Any]:
        """Return the cell as JSON data."""
        seeds = list(self.values)
        return {
            "cell": self.cell,
            "unit": self.unit,
            "published": self.published,
            "published deviation": self.deviation,
            "median": self.median,
            "mean": self.mean,
            "deviation": self.spread,
            "near": self.near,
            "seeds": seeds,
            "values": [float(f"{self.values[seed]:.4g}") for seed in seeds],
            "again": self.again,
        }


@dataclass(frozen=True)
class Reading(Checked):
    """A statement under one reading.

    Attributes
    ----------
    choice
        A value for each factor.
    holds
        Whether the statement met its criterion; None where the run was too small to say (too few seeds, say).
    corrected
        Whether the corrected statement did.
    measured
        The numbers that decide, on one line.
    cells
        The published cells that the statement is about, beside ours.
    calibration
        Cells that it is not about.
    size
        Of the run: points, epochs.
    reduced
        Whether the run is smaller than the published one, or than is asked for: that the statement fails in it shows
        neither that it is not reproduced nor that it is refuted.

    Examples
    --------
    >>> from refkan.claims import Reading
    >>> reading = Reading({"start": "linear"}, holds=True, measured="0.012 against 0.031")
    >>> reading.calibrated is None, reading.plain()["choice"]
    (True, {'start': 'linear'})
    """

    choice: Choice
    holds: bool | None
    measured: str
    corrected: bool = False
    cells: tuple[Beside, ...] = ()
    calibration: tuple[Beside, ...] = ()
    size: str = ""
    reduced: bool = False

    @property
    def calibrated(self) -> bool | None:
        """Whether every calibration cell is near its published mean; None without such cells."""
        answers = [cell.near for cell in self.calibration if cell.near is not None]
        return all(answers) if answers else None

    def plain(self) -> dict[str, Any]:
        """Return the reading as JSON data."""
        return {
            "choice": dict(self.choice),
            "holds": self.holds,
            "corrected": self.corrected,
            "measured": self.measured,
            "calibrated": self.calibrated,
            "size": self.size,
            "reduced": self.reduced,
            "cells": [cell.plain() for cell in self.cells],
            "calibration": [cell.plain() for cell in self.calibration],
        }


@dataclass(frozen=True)
class Readings(Checked):
    """A statement under all the readings that were run, and how many that were named were not.

    Attributes
    ----------
    results
        The statement under each; the first reading is the one that is told in full.
    left
        Readings that were named and not run.
    experiment
        Whether the statement is about a published experiment. A general statement, of which nothing was published that
        could stand beside a measurement, is refuted where it fails under every reading.

    Examples
    --------
    >>> from refkan.claims import Reading, Readings
    >>> both = [Reading({"start": name}, holds=name == "linear", measured="") for name in ("linear", "normal")]
    >>> readings = Readings(both)
    >>> readings.status, readings.over()
    ('holds under some readings', 'holds under 1 of 2 readings: start=linear')
    """

    results: Sequence[Reading]
    left: Sequence[Choice] = field(default=())
    experiment: bool = True

    @property
    def decided(self) -> list[Reading]:
        """The readings whose runs were large enough."""
        return [result for result in self.results if result.holds is not None]

    @property
    def holding(self) -> list[Reading]:
        """The readings under which the statement holds as printed."""
        return [result for result in self.results if result.holds]

    @property
    def status(self) -> Status:
        """The status of the statement over its readings.

        Whatever is said of all readings asks that none is left and none too small to decide; "not reproduced" asks for
        published numbers beside ours under every reading, too, and for runs of the published size.
        """
        decided, holding = self.decided, self.holding
        complete = bool(decided) and not self.left and len(decided) == len(self.results)
        if holding:
            return "holds" if complete and len(holding) == len(decided) else "holds under some readings"
        if complete and all(result.corrected for result in decided):
            return "holds as corrected"
        if not self.experiment:
            return "refuted" if complete and not any(result.reduced for result in self.results) else "undecided"
        side_by_side = all(
            not result.reduced and any(c.published is not None for c in result.cells) for result in self.results
        )
        return "not reproduced" if complete and side_by_side else "undecided"

    def over(self) -> str:
        """Say over which readings the statement holds."""
        decided, holding = self.decided, self.holding
        text = f"holds under {len(holding)} of {counted(len(decided), 'reading')}"
        if holding and len(holding) < len(decided):
            common = shared(holding, decided)
            if common:
                also = sum(all(r.choice[n] in v for n, v in common.items()) for r in decided)
                text += ": " + ", ".join(f"{name}={'|'.join(values)}" for name, values in common.items())
                text += f" (of {also} so)" if also > len(holding) else ""
        corrected = [result for result in decided if result.corrected and not result.holds]
        if corrected:
            text += f"; as corrected under {len(corrected)} more"
        calibrated = [result for result in decided if result.calibrated]
        if any(result.calibrated is not None for result in decided):
            kept = sum(bool(result.holds) for result in calibrated)
            text += f"; of the {len(calibrated)} that meet the calibration cells, under {kept}"
        small = len(self.results) - len(decided)
        if small:
            text += f"; {counted(small, 'reading')} too small to decide"
        smaller = sum(result.reduced for result in self.results)
        if smaller:
            text += f"; {counted(smaller, 'reading')} at less than the published size"
        if self.left:
            text += f"; {counted(len(self.left), 'reading')} not run"
        return text

    def told(self) -> str:
        """Say over which readings the statement holds, and what was measured under the first."""
        if not self.results:
            return self.over()
        first = self.results[0]
        size = f" ({first.size})" if first.size else ""
        return f"{self.over()}. Under {written(first.choice)}{size}: {first.measured}"

    def plain(self) -> list[dict[str, Any]]:
        """Return the readings as JSON data."""
        return [result.plain() for result in self.results]


def counted(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def varied(results: Iterable[Reading]) -> list[str]:
    """Names of the factors that have more than one value in these readings."""
    results = list(results)
    names = list(dict.fromkeys(name for result in results for name in result.choice))
    return [name for name in names if len({result.choice[name] for result in results}) > 1]


def shared(some: Sequence[Reading], among: Sequence[Reading]) -> dict[str, list[str]]:
    """Return the values of each factor in `some` readings, for factors that have others `among` all of them."""
    found = {}
    for name in varied(among):
        values = list(dict.fromkeys(result.choice[name] for result in some))
        if set(values) != {result.choice[name] for result in among}:
            found[name] = values
    return found
