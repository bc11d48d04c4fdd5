"""Calibration: what intervals and verdicts say of invented papers, of which the truth is known.

`coverage` draws runs from a population, forms an interval, and counts how often it contains the true value. `papers`
invents papers: a population, a number of runs, a statistic, and a claim that is true or false; `judged` sends each of
them through readings, estimates and verdicts, and counts claims that hold although they are false, and claims that are
refuted although they are true.

Examples
--------
>>> from refkan.claims.calibration import coverage, populations
>>> bad_runs = populations()["one run in five 10 to 100 times worse"]
>>> coverage(bad_runs, "median", 10, samples=200)
0.97
>>> coverage(bad_runs, "median", 3, samples=200) is None  # three runs have no interval
True
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from refkan.base.annotations import Checked, check_annotated
from refkan.claims.estimates import estimate
from refkan.claims.invented_runs import SIGMA, Population, populations
from refkan.claims.readings import Beside, Reading, Readings
from refkan.claims.seed_intervals import TABLE, Interval, Numbers, Statistic, with_interval
from refkan.claims.statuses import Status

__all__ = ["Paper", "Population", "accepted", "coverage", "judged", "papers", "populations", "rates"]

SIZES = (3, 5, 10, 25)
"""Runs of an invented paper."""

FACTORS = (0.25, 0.8, 1.0, 1.25, 4.0)
"""Bounds of claims, over the true value."""

Form = Callable[[Numbers, Statistic], Interval | None]
"""Forms the interval of a statistic from rows of runs; None if it says that there is none."""


def present(rows: Numbers, statistic: Statistic) -> Interval | None:
    """Return the interval that `refkan.claims.estimate` forms, None where it forms none."""
    _, ends, _ = with_interval(rows, statistic)
    return None if ends == (-np.inf, np.inf) else ends


def coverage(
    population: Population,
    statistic: Statistic,
    size: int,
    samples: int = 2000,
    seed: int = 0,
    form: Form = present,
) -> float | None:
    """Return the share of samples whose interval contains the true value; None if no sample has an interval.

    Parameters
    ----------
    population : Population
        Where runs are drawn from.
    statistic : str
        One of the population's `truths`.
    size : int
        Runs of a sample.
    samples, seed : int
        Number of samples, and the seed that they are drawn with.
    form : callable
        Forms an interval of rows of runs, (rows, statistic) -> (low, high) or None.

    Examples
    --------
    >>> from refkan.claims.calibration import coverage, populations
    >>> coverage(populations()["share 0.5"], "share", 25, samples=100) >= 0.93
    True
    """
    check_annotated(coverage, locals())
    truth = population.truths[statistic]
    rng = np.random.default_rng([seed, size])
    intervals = [form(rows, statistic) for rows in population.rows(rng, samples, size)]
    hits = [interval[0] <= truth <= interval[1] for interval in intervals if interval is not None]
    return float(np.mean(hits)) if hits else None


class Paper(Checked):
    """An invented paper: what is claimed of runs of a population, with as many runs as it was judged by.

    Examples
    --------
    >>> from refkan.claims.calibration import Paper, populations
    >>> Paper(populations()["share 0.5"], "share", 25, bound=0.6).true
    False
    """

    population: Population
    statistic: Statistic
    size: int
    bound: float

    @property
    def true(self) -> bool:
        """Whether its claim is true: whether the statistic of the population is at least the bound."""
        return self.population.truths[self.statistic] >= self.bound


def papers() -> list[Paper]:
    """Return all invented papers: populations, deciding statistics, sizes, and claims true, just true, and false.

    Examples
    --------
    >>> from refkan.claims.calibration import papers
    >>> len(papers())
    276
    """
    made = []
    for population in populations().values():
        for statistic, truth in population.truths.items():
            if statistic in ("mean", "geometric mean"):
                continue
            bounds = dict.fromkeys(min(truth * f, 1.0) if statistic == "share" else truth * f for f in FACTORS)
            made += [Paper(population, statistic, size, bound) for size in SIZES for bound in bounds]
    return made


def verdict_of(paper: Paper, rng: np.random.Generator) -> Status:
    """Return the status of a paper's claim, from runs drawn under its own reading and under a wrong one.

    Under both readings there is a calibration cell of 25 runs with a published mean and deviation of five; under the
    wrong reading its runs are ten times as large, and those of the claim a tenth, unless a share is claimed.
    """
    rows = paper.population.rows(rng, 1, paper.size)[0]
    cell, published = rng.lognormal(0.0, SIGMA, 25), rng.lognormal(0.0, SIGMA, TABLE)

    def under(name: str, factor: float) -> Reading:
        ours = dict(enumerate((cell * factor).tolist()))
        beside = Beside("baseline", "", ours, float(published.mean()), float(published.std(ddof=1)))
        wrong = 1.0 if paper.statistic == "share" else 1 / factor
        above = dict(enumerate((rows[0] * wrong).tolist()))
        below = dict(enumerate(rows[1].tolist())) if paper.population.pair else None
        made = estimate("x", above, paper.statistic, over=below, at_least=paper.bound, cost="invented")
        return Reading({"reading": name}, estimates=(made,), calibration=(beside,))

    return Readings([under("published", 1.0), under("other", 10.0)]).status


def accepted(population: Population, size: int, samples: int = 200, seed: int = 0) -> float:
    """Return how often `Beside.meets` does not reject a published mean and deviation of five runs like ours.

    Examples
    --------
    >>> from refkan.claims.calibration import accepted, populations
    >>> accepted(populations()["log-normal, sigma 0.5"], 10, samples=20)  # ten runs reject nothing
    1.0
    """
    check_annotated(accepted, locals())
    rng = np.random.default_rng([seed, size])
    answers = []
    for _ in range(samples):
        ours, published = population.draw(rng, (size,)), population.draw(rng, (TABLE,))
        numbers = dict(enumerate(ours.tolist()))
        cell = Beside("cell", "", numbers, float(published.mean()), float(published.std(ddof=1)))
        answers.append(cell.meets is not False)
    return float(np.mean(answers))


def judged(chosen: Iterable[Paper], repeats: int, seed: int = 0) -> dict[tuple[Statistic, int], Counter[str]]:
    """Return by statistic and size how often claims came out how, each paper judged some times.

    The counts are of "true" and "false" claims, and of "true, refuted", "false, holds", "true, holds", "false, refuted"
    and of "undecided"; a status that says "under some readings" counts as "holds", and "not reproduced" as "refuted".

    Examples
    --------
    >>> from refkan.claims.calibration import judged, papers
    >>> (counts,) = judged(papers()[:1], repeats=3).values()
    >>> counts["true"], counts["undecided"]  # three runs decide nothing
    (3, 3)
    """
    rng, made = np.random.default_rng(seed), dict[tuple[Statistic, int], Counter[str]]()
    for paper in chosen:
        counts = made.setdefault((paper.statistic, paper.size), Counter())
        truth = str(paper.true).lower()
        for _ in range(repeats):
            counts.update([truth, _counted(verdict_of(paper, rng), truth)])
    return made


def _counted(status: Status, truth: str) -> str:
    if status.startswith("holds"):
        return f"{truth}, holds"
    return f"{truth}, refuted" if status in ("refuted", "not reproduced") else "undecided"


def rates(counts: Mapping[str, int]) -> dict[str, Any]:
    """Return the rates of false "holds" among false claims and of false "refuted" among true ones, and of "undecided".

    Examples
    --------
    >>> from refkan.claims.calibration import rates
    >>> rates({"true": 90, "false": 10, "false, holds": 1, "undecided": 50})
    {'false holds': 0.1, 'false refuted': 0.0, 'undecided': 0.5}
    """
    wrong, right = counts.get("false", 0), counts.get("true", 0)
    return {
        "false holds": counts.get("false, holds", 0) / max(wrong, 1),
        "false refuted": counts.get("true, refuted", 0) / max(right, 1),
        "undecided": counts.get("undecided", 0) / max(wrong + right, 1),
    }
