"""The page of calibration: coverage of intervals, withdrawn and present, and rates of false verdicts.

    python docs/calibration.py

writes docs/calibration.md in some minutes. The withdrawn intervals stand here alone: Student's t of fewer than ten
runs, and percentile bootstraps of more, of means, geometric means and medians.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import t

from refkan.claims.calibration import (
    SIZES,
    Population,
    accepted,
    coverage,
    judged,
    papers,
    populations,
    rates,
)
from refkan.claims.seed_intervals import Interval, Numbers, Statistic, rank
from validation.records.markdown import markdown_table

BEFORE, DRAWS, AFTER, REPEATS = 400, 1999, 2000, 20


def student(numbers: np.ndarray) -> Interval:
    """Student's interval of a mean."""
    half = t.ppf(0.975, numbers.size - 1) * numbers.std(ddof=1) / np.sqrt(numbers.size)
    return float(numbers.mean() - half), float(numbers.mean() + half)


def withdrawn(rows: Numbers, statistic: Statistic) -> Interval | None:
    """Return the interval that was withdrawn; None where there was none."""
    size = rows.shape[1]
    if size < 10 and len(rows) == 2:
        return None
    if size < 10 and statistic == "median":
        return None if size < 6 else (float(rows.min()), float(rows.max()))
    if size < 10:
        low, high = student(np.log(rows[0]) if statistic == "geometric mean" else rows[0])
        return (float(np.exp(low)), float(np.exp(high))) if statistic == "geometric mean" else (low, high)
    chosen = np.random.default_rng(0).integers(size, size=(DRAWS, size))
    centre = np.median if statistic == "median" else np.mean
    drawn = centre(np.log(rows)[:, chosen] if statistic == "geometric mean" else rows[:, chosen], axis=-1)
    if statistic == "geometric mean":
        drawn = np.exp(drawn)
    low, high = np.quantile(drawn[0] / drawn[1] if len(rows) == 2 else drawn[0], (0.025, 0.975))
    return float(low), float(high)


def percent(value: float | None) -> str:
    """Write a share in percent, and none where there is no interval."""
    return "none" if value is None else f"{100 * value:.0f}"


def measured(population: Population, statistic: Statistic, former: bool) -> list[str]:
    """Return the coverage of a statistic by size, of the withdrawn or of the present intervals."""
    options = {"samples": BEFORE, "form": withdrawn} if former else {"samples": AFTER}
    return [percent(coverage(population, statistic, size, **options)) for size in SIZES]


def before() -> str:
    """Return the coverage of the intervals that were withdrawn."""
    lines = [
        [each.name, statistic, *measured(each, statistic, True)]
        for each in populations().values()
        for statistic in ("mean", "geometric mean", "median")
        if statistic in each.truths
    ]
    return markdown_table(["runs", "statistic", *map(str, SIZES)], lines)


def after() -> str:
    """Return the coverage of the intervals that decide."""
    lines = [
        [each.name, statistic, *measured(each, statistic, False)]
        for each in populations().values()
        for statistic in each.truths
        if statistic not in ("mean", "geometric mean")
    ]
    return markdown_table(["runs", "statistic", *map(str, SIZES)], lines)


def verdicts() -> str:
    """Return the rates of false verdicts by statistic and size."""
    lines = []
    for (statistic, size), counts in judged(papers(), REPEATS).items():
        own = rates(counts)
        numbers = [f"{100 * own[name]:.1f}" for name in ("false holds", "false refuted", "undecided")]
        lines.append([statistic, str(size), str(counts["true"] + counts["false"]), *numbers])
    return markdown_table(["statistic", "runs", "verdicts", "false holds", "false refuted", "undecided"], lines)


def readings() -> str:
    """Return how often the right set-up is accepted by its calibration cell."""
    chosen = [each for each in populations().values() if "mean" in each.truths and "slopes" not in each.name]
    lines = [[each.name, *(percent(accepted(each, size)) for size in (10, 25))] for each in chosen]
    return markdown_table(["runs", "10", "25"], lines)


def ranks() -> str:
    """Return the order statistics that enclose a median, by number of runs."""
    lines = []
    for size in (4, 5, 6, 7, 8, 9, 10, 12, 20, 25):
        k, surely = rank(size, 0.95, 0.93)
        widest = f"{100 - 200 / 2**size:.2f}"
        chosen = [f"{k} and {size - k + 1}", f"{100 * surely:.2f}"] if k else ["none", ""]
        lines.append([str(size), *chosen, widest])
    return markdown_table(["runs n", "order statistics", "coverage, %", "of the range, %"], lines)


def page() -> str:
    """Return the page."""
    return f"""# Calibration

Do the intervals under the verdicts contain the true value as often as they say? Written by `python
docs/calibration.py`: runs are drawn from populations of which the truth is known
([`refkan.claims.calibration`](reference.rst)), and hits are counted.

## Intervals that were withdrawn

Earlier verdicts had nominal intervals of 95 %: Student's t, of logarithms for geometric means, below ten runs, and
percentile bootstraps over seeds from ten on. In percent, of {BEFORE} samples each, by number of runs:

{before()}
One bad run in five, which is what R6 finds of the trainings behind Table 2, is enough to make means and geometric means
useless: the interval of five runs misses the truth in one sample of three.

## Intervals that decide

**Medians.** Let x_(1) <= ... <= x_(n) be n independent runs, and m a median of their distribution: P(x < m) <= 1/2 and
P(x > m) <= 1/2. If m < x_(k), fewer than k runs are at most m; a run is at most m with probability 1/2 or more, so
that this happens with probability at most

    B(k) = sum_(j<k) C(n, j) / 2^n,

and likewise m > x_(n+1-k). So [x_(k), x_(n+1-k)] contains m with probability 1 - 2 B(k) at least. Nothing is assumed of
the distribution; ties make the interval cover more, not less. The largest k with 1 - 2 B(k) >= 95 % is taken. For k = 1
the interval is the range, with 1 - 2^(1-n): five runs have 1 - 2^-4 = 93.75 %, which is admitted, four have 87.5 % and
three 75 %, which are not: so few runs decide nothing, at any price. For ratios of two runs of one seed this is the
sign test, inverted: a bound lies below the interval if the test with that bound rejects.

{ranks()}
Coverage is discrete: between 93.75 % for five runs and 99.2 % for eight, and never exactly 95 %. It costs power. Five
runs decide only unanimously.

**Shares.** The interval of Clopper and Pearson, [p_l, p_u] with P(X >= x; p_l) = P(X <= x; p_u) = 2.5 %, contains p
with 95 % at least, by the same argument on the binomial distribution.

**Ratios of two medians**, of runs that are not paired: both intervals are taken at 97.5 % (six runs: 96.9 %), so that
both hold with 95 % (93.75 %) by Bonferroni's inequality, and the ratio lies between the quotients of their ends.

**Tables of means.** A printed mean of five runs is a random number. What is estimated is what a table would print: the
median over tables of five of the mean, or of the ratio of two means. Seeds, in their order, make n/5 tables that share
no run, so that the argument for medians applies to the tables: 25 seeds are five tables, and decide unanimously. How
often a table shows a statement is printed beside: its value is that over all choices of five seeds, its interval that
of Clopper and Pearson for the tables that share no run.

**Means and geometric means** stand beside medians, without an interval, and decide nothing.

Coverage in percent, of {AFTER} samples each (1.0 is two standard deviations at 95 %), by number of runs; "none": there
is no interval, and a claim is undecided:

{after()}
## Verdicts

{len(papers())} invented papers: the populations above, {len(SIZES)} sizes, and claims "at least b", b from a quarter to
four times the true value, so that some are true, some just true and some false. Each of them, {REPEATS} times, goes
through readings (one is the paper's, whose baseline has the published mean and deviation of five runs; in the other
all is ten times larger or smaller), estimates and verdicts. Percent of false claims that "hold", of true claims that
are "refuted" or "not reproduced", and of all that are undecided:

{verdicts()}
## What is not calibrated

Which reading is the paper's is decided by its calibration cells: the published mean and deviation must each lie in the
central 95 % of those of five of our runs. How often that accepts the right set-up, in percent, by number of our runs:

{readings()}
With 25 runs one right set-up in five is rejected: a mean and a deviation are two conditions, and five of our runs drawn
again vary less than five new ones. Central 99 % do not mend it (86 to 89 %), and a rule that is exact needs 40 tables,
200 seeds. So fewer than 25 of our runs reject no reading any more, and rejections by 25 are no proof: rows that hang on
one show all readings. The columns of the verdicts contain what this costs: an experiment none of whose readings is
accepted is undecided.
"""


if __name__ == "__main__":
    Path(__file__).with_name("calibration.md").write_text(page(), encoding="utf-8")
