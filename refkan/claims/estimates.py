"""Estimates: the numbers that decide a statement on an experiment, each with an interval over seeds.

A statement names a quantity and a bound. It holds if the whole interval lies on its side of the bound, is refuted if
the whole interval lies beyond, and is undecided if the interval contains the bound.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from refkan.base.annotations import Checked, check_annotated
from refkan.base.plain_text import counted
from refkan.claims.seed_intervals import DESCRIPTIVE, Statistic, chance_of_tables, checked_numbers, with_interval
from refkan.claims.statuses import Status

ENOUGH = 25
"""Seeds that decide; fewer decide only if the cost of more is stated."""

FEWEST = 5
"""Seeds below which nothing is decided at any cost: no interval of so few covers their median with 93 %."""


class Estimate(Checked):
    """A number that decides, or accompanies one that does, with its interval and the bound of the statement.

    Attributes
    ----------
    name
        What is estimated.
    value, low, high
        The estimate and the ends of its interval; all equal for a number that does not depend on chance.
    unit
        Of all its numbers; "" for ratios, exponents and shares.
    at_least, at_most
        Bounds of the statement; both None for a number that decides nothing.
    published
        The published value, in the same unit; None if there is none.
    seeds
        Seeds of the runs, or of the pairs of a paired statistic; empty for a number that does not depend on chance.
    method
        How the interval is formed.
    cost
        What more seeds would cost. Without it fewer than `ENOUGH` seeds decide nothing, and with it fewer than
        `FEWEST`.

    Examples
    --------
    >>> from refkan.claims import Estimate
    >>> ratio = Estimate("coarse error over fine", 12.0, 8.0, 15.0, at_least=10.0, seeds=tuple(range(25)))
    >>> ratio.holds is None, ratio.points  # the interval holds 10, the estimate lies above it
    (True, True)
    """

    name: str
    value: float
    low: float
    high: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    published: float | None = None
    seeds: tuple[int, ...] = ()
    method: str = ""
    cost: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        least, most = self._bounds
        if least > most:
            raise ValueError(f"at_least must not exceed at_most; got {self.at_least} and {self.at_most}")
        if not self.low <= self.value <= self.high:
            interval = self.low, self.high
            raise ValueError(f"value must lie between low and high; got {self.value} and the interval {interval}")

    @property
    def decides(self) -> bool:
        """Whether the statement sets a bound for it."""
        return self.at_least is not None or self.at_most is not None

    @property
    def enough(self) -> bool:
        """Whether there are seeds enough to decide: `ENOUGH`, or `FEWEST` if the cost of more is stated."""
        return not self.seeds or len(self.seeds) >= (FEWEST if self.cost else ENOUGH)

    @property
    def holds(self) -> bool | None:
        """Whether the interval lies on the side of the statement; None if it contains the bound, or seeds are few."""
        if not (self.decides and self.enough):
            return None
        least, most = self._bounds
        if least <= self.low and self.high <= most:
            return True
        if self.high < least or self.low > most:
            return False
        return None

    @property
    def points(self) -> bool:
        """Whether the estimate itself lies on the side of the statement: the direction of a small run."""
        least, most = self._bounds
        return least <= self.value <= most

    @property
    def _bounds(self) -> tuple[float, float]:
        """The bounds, infinite where the statement sets none."""
        return _ends(self.at_least, self.at_most)

    @property
    def asked(self) -> str:
        """The bounds, as text."""
        parts = {"at least": self.at_least, "at most": self.at_most}
        return ", ".join(f"{word} {bound:.3g}" for word, bound in parts.items() if bound is not None)

    @property
    def without_interval(self) -> str:
        """Say that there is no interval, if it is the whole line or all positive numbers; "" otherwise."""
        if self.high < np.inf or self.low not in (-np.inf, 0.0):
            return ""
        if self.method.partition(",")[0] in DESCRIPTIVE:
            return "no interval"
        number = counted(len(self.seeds), "seed")
        return f"{number}: no interval" if self.seeds else "no interval"

    def told(self) -> str:
        """Write the estimate with its interval and its bound on one line."""
        text = f"{self.name} {self.value:.3g}"
        if self.low != self.high and not self.without_interval:
            text += f" [{self.low:.3g}, {self.high:.3g}]"
        if self.unit:
            text += f" {self.unit}"
        asked = f"asked: {self.asked}" if self.decides else ""
        remarks = "; ".join(filter(None, (self.without_interval, asked)))
        return f"{text} ({remarks})" if remarks else text


def _ends(at_least: float | None, at_most: float | None) -> tuple[float, float]:
    least = -np.inf if at_least is None else at_least
    most = np.inf if at_most is None else at_most
    return least, most


def estimate(
    name: str,
    values: Mapping[int, float | bool],
    statistic: Statistic = "median",
    *,
    over: Mapping[int, float] | None = None,
    unit: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
    published: float | None = None,
    cost: str = "",
) -> Estimate:
    """Estimate a statistic of one number a seed, with its interval; only this module forms intervals from runs.

    What is compared is compared within a seed: give the ratio of the two runs of each seed, which says what a run is
    like, or the second run as `over`, where a table prints means or medians of its columns.

    Parameters
    ----------
    name : str
        What is estimated.
    values : mapping
        seed -> number, an infinite one for a run that diverged; for a share 1 where it is so, else 0.
    statistic : "median", "share", "mean of five", "mean" or "geometric mean"
        A median has two order statistics as its interval: the k-th smallest and the k-th largest of n numbers enclose
        it with probability 1 - 2 sum_(j<k) C(n, j)/2^n at least. That is 95 % or more from six seeds on, 93.75 % for
        five, and there is no interval for fewer. For a ratio it is the sign test, inverted. A share has the interval of
        Clopper and Pearson. "mean of five" is the median over tables of five seeds each, which have no seed in common,
        of what such a table prints: the mean, or the ratio of the means. A mean and a geometric mean have no interval,
        because none of few runs covers them where one run in five is bad, and decide nothing.
    over : mapping, optional
        The numbers of another run of the same seeds: what is estimated is then the statistic of `values` over that of
        `over`. Medians need six seeds, since both intervals must hold.
    unit, at_least, at_most, published, cost
        See `Estimate`.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        For no values, one that is NaN, or a share of something else than 0 and 1; for `over` of other seeds; for a
        bound of a mean or a geometric mean.

    Examples
    --------
    >>> from refkan.claims import estimate
    >>> ratios = {seed: 8.0 + seed for seed in range(9)}
    >>> gain = estimate("coarse error over fine", ratios, at_least=5.0, cost="a day a seed")
    >>> gain.told(), gain.holds
    ('coarse error over fine 12 [9, 15] (asked: at least 5)', True)
    >>> gain.method
    'median, order statistics 2 and 8 of 9, covering 96.09%'
    """
    check_annotated(estimate, locals())
    bounds = (at_least, at_most)
    if statistic in DESCRIPTIVE and bounds != (None, None):
        raise ValueError(
            f"statistic must be 'median', 'share' or 'mean of five' for a number with a bound, since no interval of few"
            f" runs covers a {statistic}; got {statistic!r}"
        )
    rows = _rows(values, over, statistic)
    value, (low, high), by = with_interval(rows, statistic)
    method = by if by.startswith((statistic, "ratio")) else f"{statistic}, {by}"
    return Estimate(name, value, low, high, unit, *bounds, published, tuple(values), method, cost)


def _rows(values: Mapping[int, float | bool], over: Mapping[int, float] | None, statistic: Statistic) -> Any:
    """Return the numbers of both runs as rows, in the order of the seeds of the first."""
    if over is None:
        return np.array([checked_numbers("values", values, statistic)])
    if set(over) != set(values):
        raise ValueError(f"over must have the seeds of values, {sorted(values)}; got {sorted(over)}")
    below = {seed: over[seed] for seed in values}
    return np.array([checked_numbers("values", values, statistic), checked_numbers("over", below, statistic)])


def shown_by_tables(
    name: str,
    values: Mapping[int, float | bool],
    *,
    over: Mapping[int, float] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Estimate:
    """Estimate how often a table of five seeds prints a mean, or a ratio of means, within bounds; it decides nothing.

    Raises
    ------
    ValueError
        For fewer than five seeds.

    Examples
    --------
    >>> from refkan.claims.estimates import shown_by_tables
    >>> errors = {seed: 100.0 if seed % 5 == 0 else 1.0 for seed in range(25)}  # one run in five goes bad
    >>> shown_by_tables("tables with a mean below 2", errors, at_most=2.0).told()
    'tables with a mean below 2 0.289 [0, 0.522]'
    """
    check_annotated(shown_by_tables, locals())
    bounds = _ends(at_least, at_most)
    value, (low, high), by = chance_of_tables(_rows(values, over, "mean"), *bounds)
    return Estimate(name, value, low, high, seeds=tuple(values), method=by)


def exactly(name: str, value: float, **more: Any) -> Estimate:
    """Return an estimate of a number that does not depend on chance, such as an exact count or a certified bound.

    Examples
    --------
    >>> from refkan.claims import exactly
    >>> exactly("networks that differ", 0, at_most=0).told()
    'networks that differ 0 (asked: at most 0)'
    """
    check_annotated(exactly, locals())
    return Estimate(name, value, value, value, **more)


def from_plain(data: Mapping[str, Any]) -> Estimate:
    """Return the estimate that was made plain JSON data, in which an infinite number is text."""
    given = {field.name: data[field.name] for field in fields(Estimate)}
    numbers = ("value", "low", "high", "at_least", "at_most", "published")
    given |= {name: float(given[name]) for name in numbers if given[name] is not None}
    return Estimate(**(given | {"seeds": tuple(given["seeds"])}))


def _deciding(estimates: Iterable[Estimate]) -> list[Estimate]:
    """Return the estimates that have a bound; ValueError if none has."""
    deciding = [estimate for estimate in estimates if estimate.decides]
    if not deciding:
        raise ValueError("estimates must hold at least one with a bound (at_least, at_most); got none")
    return deciding


def agree(estimates: Iterable[Estimate]) -> bool | None:
    """Return whether all estimates hold: False if one is beyond its bound, else None if one is undecided."""
    answers = [estimate.holds for estimate in _deciding(estimates)]
    if False in answers:
        return False
    return None if None in answers else True


def decide(estimates: Iterable[Estimate], corrected: Iterable[Estimate] = ()) -> Status:
    """Turn estimates into a status, by the position of their intervals relative to the bounds.

    Parameters
    ----------
    estimates
        Those of the statement as printed: all must lie on its side.
    corrected
        Those of the corrected statement; none where there is no correction.

    Returns
    -------
    Status
        "holds", "holds as corrected", "refuted" or "undecided".

    Examples
    --------
    >>> from refkan.claims import decide, estimate
    >>> ratios = {seed: 3.0 + seed / 100 for seed in range(25)}
    >>> asked = estimate("ratio", ratios, at_least=10.0)
    >>> decide([asked]), decide([asked], corrected=[estimate("ratio", ratios, at_least=1.0)])
    ('refuted', 'holds as corrected')
    >>> decide([estimate("ratio", {0: 12.0}, at_least=10.0)])  # of one seed
    'undecided'
    """
    check_annotated(decide, locals())
    corrected = tuple(corrected)
    answer = agree(estimates)
    if answer is None:
        return "undecided"
    if answer:
        return "holds"
    if corrected and agree(corrected):
        return "holds as corrected"
    return "refuted"


def twin(estimates: Iterable[Estimate]) -> Status:
    """Return the status of a mutated claim or a positive control, from its estimates without their intervals.

    Intervals of small runs contain the bound, so that every twin of a small run would fail.

    Examples
    --------
    >>> from refkan.claims import exactly, twin
    >>> twin([exactly("ratio", 12.0, at_least=10.0)]), twin([exactly("ratio", 9.0, at_least=10.0)])
    ('holds', 'refuted')
    """
    check_annotated(twin, locals())
    estimates = _deciding(estimates)
    return "holds" if all(estimate.points for estimate in estimates) else "refuted"
