"""Intervals of a statistic of one number a seed, whose coverage follows from counting and from no distribution.

The interval of a median has two order statistics as its ends. A number lies above the median with probability at most
1/2, so that the k-th smallest of n does with probability at most sum_(j<k) C(n, j)/2^n, whatever the distribution. A
share has the interval of Clopper and Pearson. `refkan.claims.calibration` measures what both cover.
"""

from collections.abc import Mapping
from math import comb
from typing import Any, Literal

import numpy as np

LEVEL = 0.95
"""Probability that an interval has at least, if there are seeds enough."""

LEAST_LEVEL = 0.93
"""Least probability of an interval that decides; the range of five numbers covers their median with 0.9375."""

DRAWS = 9999
"""Tables that are drawn to estimate how often a table shows something."""

TABLE = 5
"""Runs behind a printed mean."""

Numbers = np.ndarray[Any, np.dtype[np.float64]]

Statistic = Literal["median", "share", "mean of five", "mean", "geometric mean"]

DESCRIPTIVE = ("mean", "geometric mean")
"""Statistics without an interval: one run in five that goes bad moves them further than any interval of few runs."""


def checked_numbers(name: str, values: Mapping[int, float], statistic: Statistic) -> list[float]:
    """Return the numbers; ValueError for none, one that is NaN, or one of which there is no such statistic."""
    numbers = np.array(list(values.values()), dtype=float)
    if not numbers.size or np.isnan(numbers).any():
        raise ValueError(f"{name} must be at least one number a seed, none of them NaN; got {dict(values)}")
    if statistic == "share" and not np.isin(numbers, (0, 1)).all():
        raise ValueError(f"{name} must be 0 or 1 for a share; got {dict(values)}")
    if statistic == "geometric mean" and (numbers < 0).any():
        raise ValueError(f"{name} must not be negative for a geometric mean; got {dict(values)}")
    return numbers.tolist()


Interval = tuple[float, float]

NOTHING: Interval = (-np.inf, np.inf)


def with_interval(numbers: Numbers, statistic: Statistic) -> tuple[float, Interval, str]:
    """Return the statistic of a row of numbers, or of the first row over that of the second, and its interval."""
    if statistic == "mean of five":
        tables = disjoint_tables(numbers)
        if not tables.size:
            return _statistic(numbers, "mean"), NOTHING, f"no interval: no table of {TABLE} seeds"
        value, ends, how = with_interval(tables[np.newaxis], "median")
        return value, ends, f"median over {tables.size} tables of {TABLE} seeds, {how}"
    value = _statistic(numbers, statistic)
    if statistic in DESCRIPTIVE:
        return value, NOTHING, f"{statistic}, which no interval of few runs covers"
    if statistic == "share" and len(numbers) == 1:
        return value, _of_share(int(numbers.sum()), numbers.size), "Clopper-Pearson"
    if statistic == "median" and len(numbers) == 1:
        return value, *_of_median(numbers[0])
    if statistic == "median":
        return value, *_of_ratio(*numbers)
    return value, NOTHING, "no interval"


def _statistic(numbers: Numbers, statistic: Statistic) -> float:
    """Return the statistic of one row, or its ratio of two rows; infinity over infinity counts as infinite."""
    centre = np.median if statistic == "median" else np.mean
    with np.errstate(divide="ignore", invalid="ignore"):  # a number of zero; two means of zero, or of infinity
        if statistic == "geometric mean":
            logarithms = np.mean(np.log(numbers), axis=1)
            ratio = np.exp(logarithms[0] - logarithms[1:].sum())
        else:
            centres = centre(numbers, axis=1)
            ratio = centres[0] / centres[1] if len(numbers) == 2 else centres[0]
    return float(np.nan_to_num(ratio, nan=np.inf, posinf=np.inf))


def rank(size: int, level: float, least: float) -> tuple[int, float]:
    """Return k so that the k-th smallest and the k-th largest of `size` numbers enclose the median, and how surely.

    The largest k whose probability, 1 - 2 sum_(j<k) C(size, j)/2^size, is at least `level`, or 1 if that of the range
    is at least `least`; 0 if it is not.
    """
    k, beyond = 0, 1
    surely = 1 - 2 * beyond / 2**size
    if surely < least:
        return 0, 0.0
    while 1 - 2 * (beyond + comb(size, k + 1)) / 2**size >= level:
        k += 1
        beyond += comb(size, k)
        surely = 1 - 2 * beyond / 2**size
    return k + 1, surely


def _of_median(numbers: Any, level: float = LEVEL, least: float = LEAST_LEVEL) -> tuple[Interval, str]:
    """Return the order statistics that enclose the median, and which ones they are."""
    size = numbers.size
    k, surely = rank(size, level, least)
    if not k:
        return NOTHING, f"no interval: the range of {size} covers a median with {max(0.0, 1 - 2.0 ** (1 - size)):.2%}"
    ordered = np.sort(numbers)
    ends = float(ordered[k - 1]), float(ordered[size - k])
    return ends, f"order statistics {k} and {size - k + 1} of {size}, covering {surely:.2%}"


def _of_ratio(above: Any, below: Any) -> tuple[Interval, str]:
    """Return the ratio of the ends of the intervals of two medians, each of which misses with half the probability."""
    level, least = (1 + LEVEL) / 2, (1 + LEAST_LEVEL) / 2
    (low, high), how = _of_median(above, level, least)
    (least_below, most_below), _ = _of_median(below, level, least)
    known = np.isfinite(low) and np.isfinite(most_below)
    if low < 0 or least_below <= 0 or not known:
        return NOTHING, f"ratio of medians, {how}"
    return (low / most_below, high / least_below), f"ratio of medians, each by {how}"


def _of_share(hits: int, size: int) -> Interval:
    from scipy.stats import binomtest  # half a second, which not every process of claims need wait for

    ends = binomtest(hits, size).proportion_ci(LEVEL)
    return float(ends.low), float(ends.high)


def disjoint_tables(numbers: Numbers) -> Numbers:
    """Return the means of every five numbers in their order, or their ratios: what as many tables would print."""
    whole = numbers.shape[1] // TABLE * TABLE
    means = numbers[:, :whole].reshape(len(numbers), -1, TABLE).mean(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = means[0] / means[1] if len(means) == 2 else means[0]
    return np.nan_to_num(ratios, nan=np.inf, posinf=np.inf)


def chance_of_tables(numbers: Numbers, low: float, high: float) -> tuple[float, Interval, str]:
    """Return how often a table of five prints a mean, or a ratio of means, within bounds.

    The value is the share of `DRAWS` tables of five different seeds each, drawn from all; such tables overlap, so that
    the interval is that of Clopper and Pearson of the tables that share no seed.
    """
    size = numbers.shape[1]
    apart = disjoint_tables(numbers)
    if not apart.size:
        raise ValueError(f"values must be of at least {TABLE} seeds, one table; got {size}")
    chosen = np.random.default_rng(0).random((DRAWS, size)).argpartition(TABLE - 1, axis=1)[:, :TABLE]
    means = numbers[:, chosen].mean(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = means[0] / means[1] if len(means) == 2 else means[0]
    value = float(np.mean((low <= drawn) & (drawn <= high)))
    ends = _of_share(int(np.sum((low <= apart) & (apart <= high))), apart.size)
    return value, (min(value, ends[0]), max(value, ends[1])), f"Clopper-Pearson of {apart.size} tables apart"
