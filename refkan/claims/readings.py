"""Readings: a verdict on an experiment is about a set-up, and what its description leaves open is a factor.

A reading is one choice of each factor. A statement is judged under every reading that was run. Calibration cells, which
the statement does not concern, select plausible readings: a reading counts if its means and deviations match the
published ones there. The others form a table of sensitivity.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, field
from typing import Any

import numpy as np

from refkan.base.annotations import Checked, Natural, NonNegative, check_annotated
from refkan.base.plain_text import counted
from refkan.claims.estimates import ENOUGH, Estimate, agree
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
    deviation: NonNegative | None = None
    again: str = ""
    of: Natural = 5

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
        if len(self.values) == 1:
            return 0.0
        return float(np.std(list(self.values.values()), ddof=1))

    @property
    def meets(self) -> bool | None:
        """Whether the published mean and deviation are like those of `of` of our seeds.

        Each must lie in the central 95 % of what `of` numbers drawn from ours have. None where nothing is published, or
        fewer seeds were run than the published numbers are of. Fewer than `ENOUGH` of our seeds reject nothing, None:
        the right set-up would be rejected in 30 to 60 % of the cases (`refkan.claims.calibration.accepted`).
        """
        if self.published is None or len(self.values) < self.of:
            return None
        ours = np.array(list(self.values.values()))
        drawn = ours[np.random.default_rng(0).integers(ours.size, size=(DRAWS, self.of))]
        pairs = [(self.published, drawn.mean(axis=1))]
        if self.deviation is not None and self.of > 1:
            pairs.append((self.deviation, drawn.std(axis=1, ddof=1)))
        tail = (1 - LEVEL) / 2
        near = all(tail <= np.mean(numbers <= said) and tail <= np.mean(numbers >= said) for said, numbers in pairs)
        return near or (False if ours.size >= ENOUGH else None)

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
            texts = "; ".join(estimate.told() for estimate in self.estimates)
            measured = ". ".join(filter(None, (self.measured, texts)))
            vars(self).update(holds=agree(self.estimates), measured=measured)

    @property
    def calibrated(self) -> bool | None:
        """Whether we meet every calibration cell; None without such cells, or with too few seeds to tell."""
        answers = [cell.meets for cell in self.calibration if cell.published is not None]
        if not answers or None in answers:
            return None
        return all(answers)

    def plain(self) -> dict[str, Any]:
        """Return the reading as JSON data."""
        data = vars(self) | {"choice": dict(self.choice), "calibrated": self.calibrated}
        data |= {name: [cell.plain() for cell in data[name]] for name in ("cells", "calibration")}
        return data | {"estimates": [asdict(estimate) for estimate in self.estimates]}


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

        If no reading meets the cells, all decide, unless every reading was compared with cells: the published set-up
        is then another one, and none decides.
        """
        chosen = [result for result in self.results if result.speaks]
        if chosen or self.calibrated:
            return chosen or self.calibrated
        compared = [result.calibrated is not None for result in self.results]
        return [] if all(compared) else list(self.results)

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

        A statement about all readings requires that every reading was run and decided. A statement that fails under
        all, in runs of the published size, is "refuted" if the set-up is known to be the published one (calibrated), if
        nothing was published, or if intervals say so and no published number is compared with ours. It is "not
        reproduced" if published numbers are compared with ours under every reading, and none is known to be the
        published set-up.
        """
        decided, holding = self.decided, self.holding
        complete = bool(decided) and not self.left and len(decided) == len(self.speaking)
        if holding:
            if complete and len(holding) == len(decided):
                return "holds"
            return "holds under some readings"
        if complete and all(result.corrected for result in decided):
            return "holds as corrected"
        if any(result.reduced for result in self.speaking or self.results) or self.left:
            return "undecided"
        published = all(any(cell.published is not None for cell in result.cells) for result in self.results)
        if complete and (any(result.calibrated for result in decided) or not self.experiment):
            return "refuted"
        if published and self.results and (complete or not self.speaking):
            return "not reproduced"
        if complete and all(result.estimates for result in decided):
            return "refuted"
        return "undecided"

    def over(self) -> str:
        """Say over which readings the statement holds."""
        speaking, decided, tried = self.speaking, self.decided, len(self.results)
        undecided = len(speaking) - len(decided)
        parts = []
        if decided:
            number = counted(len(decided), "reading")
            parts.append(f"holds under {len(self.holding)} of {number}{self._common()}")
        elif speaking:
            parts.append(f"undecided under {counted(undecided, 'reading')}")
        else:
            parts.append("no reading speaks" if tried else "no reading was run")
        corrected = sum(result.corrected and not result.holds for result in decided)
        if corrected:
            parts.append(f"as corrected under {corrected} more")
        if len(speaking) < tried:
            singled_out = any(result.speaks for result in speaking)
            how = "is singled out, and speaks" if singled_out else "meet the calibration cells, and speak"
            parts.append(f"{len(speaking)} of {tried} tried {how}")
        numbers = {
            "undecided": undecided if decided else 0,
            "at less than the published size": sum(result.reduced for result in speaking),
            "not run": len(self.left),
        }
        parts += [f"{counted(number, 'reading')} {what}" for what, number in numbers.items() if number]
        return "; ".join(parts)

    def _common(self) -> str:
        """Return what the readings have in common under which the statement holds, if it fails under others."""
        holding, decided = self.holding, self.decided
        common = shared(holding, decided) if len(holding) < len(decided) else {}
        if not holding or not common:
            return ""
        also = sum(all(r.choice[name] in values for name, values in common.items()) for r in decided)
        text = ", ".join(f"{name}={'|'.join(values)}" for name, values in common.items())
        return f": {text} (of {also} so)" if also > len(holding) else f": {text}"

    @property
    def first(self) -> Reading | None:
        """The reading that is reported in full: the first that speaks, or the first of all."""
        for result in (*self.speaking, *self.results):
            return result
        return None

    def told(self) -> str:
        """Say over which readings the statement holds, and what was measured under the first that speaks."""
        if self.first is None:
            return self.over()
        set_up = written(self.first.choice)
        if self.first.size:
            set_up += f" ({self.first.size})"
        return f"{self.over()}. Under {set_up}: {self.first.measured}"

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
