"""Readings: a verdict on an experiment is about a set-up, and what its description leaves open is a factor.

A reading is one choice of each factor. A statement is judged under every reading that was run. Which readings may be
those of the authors is told by calibration cells, whose published means and deviations ours must meet, and which the
statement is not about, so that nothing is tuned to a verdict: those that meet them speak, the others are a table of
sensitivity.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, field
from typing import Any

import numpy as np

from refkan.base.annotations import Checked, check_annotated
from refkan.base.plain_text import counted
from refkan.claims.estimates import Estimate, agree
from refkan.claims.experiments import Choice, written
from refkan.claims.seed_intervals import DRAWS, LEVEL
from refkan.claims.statuses import Status
from refkan.claims.verdicts import Verdict


class Beside(Checked):
    """A cell of a published table and our measurement, in the same unit, with the number of every seed.

    `cell` says which one it is and `unit` what its numbers are. `values` holds what was measured: seed -> number;
    `published` and `deviation` are the published mean and standard deviation, None where there is none, and `of` the
    number of seeds that they are of. `again` is the choice that runs this cell again, for the command line.

    Examples
    --------
    >>> from refkan.claims import Beside
    >>> ours = {seed: 0.010 + 0.001 * (seed % 5) for seed in range(25)}
    >>> Beside("spline", "mean squared error", ours, published=0.0121, deviation=0.0015).meets
    True
    >>> Beside("spline", "mean squared error", ours, published=0.0121, deviation=0.0001).meets  # five so alike?
    False
    """

    cell: str
    unit: str
    values: Mapping[int, float]
    published: float | None = None
    deviation: float | None = None
    again: str = ""
    of: int = 5

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
        """Standard deviation of the seeds' numbers; 0 for a single seed."""
        return float(np.std(list(self.values.values()), ddof=1)) if len(self.values) > 1 else 0.0

    @property
    def meets(self) -> bool | None:
        """Whether the published mean and deviation are like those of `of` of our seeds.

        Each must lie in the central 95 % of what `of` numbers drawn from ours have. None where nothing is published, or
        fewer seeds were run than the published numbers are of.
        """
        if self.published is None or len(self.values) < self.of:
            return None
        ours = np.array(list(self.values.values()))
        drawn = ours[np.random.default_rng(0).integers(ours.size, size=(DRAWS, self.of))]
        pairs = [(self.published, drawn.mean(axis=1))]
        if self.deviation is not None and self.of > 1:
            pairs.append((self.deviation, drawn.std(axis=1, ddof=1)))
        tail = (1 - LEVEL) / 2
        return all(tail <= np.mean(numbers <= said) and tail <= np.mean(numbers >= said) for said, numbers in pairs)

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
            "meets": self.meets,
            "seeds": seeds,
            "values": [float(f"{self.values[seed]:.4g}") for seed in seeds],
            "again": self.again,
        }


class Reading(Checked):
    """A statement under one reading.

    Attributes
    ----------
    choice
        A value for each factor.
    holds
        Whether the statement met its criterion; None where that is undecided, and where `estimates` say it.
    measured
        The numbers that decide, on one line; those of the estimates where it is empty.
    corrected
        Whether the corrected statement did.
    cells
        The published cells that the statement is about, beside ours.
    calibration
        Cells that it is not about.
    size
        Of the run: points, epochs.
    reduced
        Whether the run is smaller than the published one, or than is asked for: that the statement fails in it shows
        neither that it is not reproduced nor that it is refuted.
    estimates
        What decides, with intervals: `holds` is then whether all lie on the side of the statement.
    speaks
        Whether something else than its calibration cells singles it out: of several readings it speaks alone then.

    Examples
    --------
    >>> from refkan.claims import Reading, estimate
    >>> ratio = estimate("ratio of errors", {seed: 20.0 + seed for seed in range(25)}, at_least=10.0)
    >>> reading = Reading({"start": "linear"}, estimates=(ratio,))
    >>> reading.holds, reading.calibrated is None
    (True, True)
    """

    choice: Choice
    holds: bool | None = None
    measured: str = ""
    corrected: bool = False
    cells: tuple[Beside, ...] = ()
    calibration: tuple[Beside, ...] = ()
    size: str = ""
    reduced: bool = False
    estimates: tuple[Estimate, ...] = ()
    speaks: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.estimates:
            told = "; ".join(estimate.told() for estimate in self.estimates)
            measured = f"{self.measured}. {told}" if self.measured else told
            vars(self).update(holds=agree(self.estimates), measured=measured)

    @property
    def calibrated(self) -> bool | None:
        """Whether we meet every calibration cell; None without such cells, or with too few seeds to tell."""
        answers = [cell.meets for cell in self.calibration if cell.published is not None]
        return None if not answers or None in answers else all(answers)

    def plain(self) -> dict[str, Any]:
        """Return the reading as JSON data."""
        told = vars(self) | {"choice": dict(self.choice), "calibrated": self.calibrated}
        told |= {name: [cell.plain() for cell in told[name]] for name in ("cells", "calibration")}
        return told | {"estimates": [asdict(estimate) for estimate in self.estimates]}


class Readings(Checked):
    """A statement under all the readings that were run, and the number of named readings that were not.

    Attributes
    ----------
    results
        The statement under each; the first that speaks is the one that is told in full.
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
    def calibrated(self) -> list[Reading]:
        """The readings that meet the calibration cells."""
        return [result for result in self.results if result.calibrated]

    @property
    def speaking(self) -> list[Reading]:
        """The readings that decide the verdict of the row: those singled out, or those that meet the calibration cells.

        All speak where none can meet cells. None does where every reading was calibrated and no one meets the cells:
        the set-up is then another one.
        """
        if chosen := [result for result in self.results if result.speaks]:
            return chosen
        told = [result for result in self.results if result.calibrated is not None]
        return self.calibrated if self.calibrated or (told and len(told) == len(self.results)) else list(self.results)

    @property
    def decided(self) -> list[Reading]:
        """The speaking readings that decided either way."""
        return [result for result in self.speaking if result.holds is not None]

    @property
    def holding(self) -> list[Reading]:
        """The speaking readings under which the statement holds as printed."""
        return [result for result in self.speaking if result.holds]

    @property
    def status(self) -> Status:
        """The status of the statement over the readings that speak.

        Whatever is said of all asks that none is left and each decided. A statement that fails under all, in runs of
        the published size, is "refuted" where the set-up is known to be the published one (calibrated), where nothing
        was published, or where no published number stands beside ours and intervals say so. It is "not reproduced"
        where published numbers stand beside ours under every reading and none is known to be the published set-up.
        """
        decided, holding = self.decided, self.holding
        complete = bool(decided) and not self.left and len(decided) == len(self.speaking)
        if holding:
            return "holds" if complete and len(holding) == len(decided) else "holds under some readings"
        if complete and all(result.corrected for result in decided):
            return "holds as corrected"
        if any(result.reduced for result in self.speaking or self.results) or self.left:
            return "undecided"
        published = all(any(cell.published is not None for cell in result.cells) for result in self.results)
        if complete and (any(result.calibrated for result in decided) or not self.experiment):
            return "refuted"
        if published and self.results and (complete or not self.speaking):
            return "not reproduced"
        return "refuted" if complete and all(result.estimates for result in decided) else "undecided"

    def over(self) -> str:
        """Say over which readings the statement holds."""
        speaking, decided, holding = self.speaking, self.decided, self.holding
        undecided = len(speaking) - len(decided)
        if decided:
            text = f"holds under {len(holding)} of {counted(len(decided), 'reading')}"
        elif speaking:
            text = f"undecided under {counted(undecided, 'reading')}"
        else:
            text = "no reading speaks" if self.results else "no reading was run"
        if holding and len(holding) < len(decided):
            common = shared(holding, decided)
            if common:
                also = sum(all(r.choice[n] in v for n, v in common.items()) for r in decided)
                text += ": " + ", ".join(f"{name}={'|'.join(values)}" for name, values in common.items())
                text += f" (of {also} so)" if also > len(holding) else ""
        corrected = [result for result in decided if result.corrected and not result.holds]
        if corrected:
            text += f"; as corrected under {len(corrected)} more"
        if len(speaking) < len(self.results):
            singled_out = any(result.speaks for result in speaking)
            how = "is singled out, and speaks" if singled_out else "meet the calibration cells, and speak"
            text += f"; {len(speaking)} of {len(self.results)} tried {how}"
        if decided and undecided:
            text += f"; {counted(undecided, 'reading')} undecided"
        if smaller := sum(result.reduced for result in speaking):
            text += f"; {counted(smaller, 'reading')} at less than the published size"
        if self.left:
            text += f"; {counted(len(self.left), 'reading')} not run"
        return text

    @property
    def first(self) -> Reading | None:
        """The reading that is reported in full: the first that speaks, or the first of all."""
        return next(iter([*self.speaking, *self.results]), None)

    def told(self) -> str:
        """Say over which readings the statement holds, and what was measured under the first that speaks."""
        if self.first is None:
            return self.over()
        size = f" ({self.first.size})" if self.first.size else ""
        return f"{self.over()}. Under {written(self.first.choice)}{size}: {self.first.measured}"

    def verdict(self, id: str, *, measured: str = "", corrected: str = "", **more: Any) -> Verdict:
        """Return the verdict of a row: its status and numbers over the readings, and other arguments of `Verdict`."""
        check_annotated(Readings.verdict, locals())
        if not any(result.corrected for result in self.results):
            corrected = ""
        estimates = self.first.estimates if self.first else ()
        given = {"corrected": corrected, "readings": tuple(self.plain()), "estimates": estimates} | more
        return Verdict(id, self.status, measured or self.told(), **given)

    def plain(self) -> list[dict[str, Any]]:
        """Return the readings as JSON data."""
        return [result.plain() for result in self.results]


def shared(some: Sequence[Reading], among: Iterable[Reading]) -> dict[str, list[str]]:
    """Return the values of each factor in `some` readings, for factors that have others `among` all of them."""
    among = list(among)
    common = {}
    for name in dict.fromkeys(name for result in among for name in result.choice):
        values = list(dict.fromkeys(result.choice[name] for result in some))
        if set(values) != {result.choice[name] for result in among}:
            common[name] = values
    return common
