"""Intervals of a statistic of one number a seed: bootstraps, Student's, Clopper and Pearson's."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

LEVEL = 0.95
"""Probability that an interval aims to have."""

DRAWS = 9999
"""Resamplings of a bootstrap."""

FEW = 10
"""Fewer seeds have no bootstrap, whose intervals are then too short: Student's t for means, the range for a median."""

Numbers = np.ndarray[Any, np.dtype[np.float64]]

Statistic = Literal["median", "mean", "geometric mean", "share"]


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
    if statistic == "share" and len(numbers) == 1:
        return _of_share(numbers[0])
    number_of_seeds = numbers.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):  # a number of zero; two means of zero, or of infinity
        middle = _statistic(numbers, np.arange(number_of_seeds), statistic)
        value = float(np.nan_to_num(middle, nan=np.inf, posinf=np.inf))
        if number_of_seeds >= FEW:
            return value, _bootstrap(numbers, statistic), "percentile bootstrap over seeds"
        if len(numbers) == 2:
            return value, NOTHING, "too few seeds for an interval"
        if statistic == "median":
            covered = 1 - 0.5 ** (number_of_seeds - 1) >= LEVEL
            ends = (float(numbers.min()), float(numbers.max()))
            return value, ends if covered else NOTHING, "range of the numbers"
        if statistic == "geometric mean":
            low, high = np.exp(_student(np.log(numbers[0])))
            return value, (float(low), float(high)), "Student's t of logarithms"
        return value, _student(numbers[0]), "Student's t"


def _statistic(numbers: Numbers, chosen: Any, statistic: Statistic) -> Any:
    """Return the statistic of the chosen seeds of one row, or its ratio of two rows; `chosen` may be many samples."""
    centre = np.median if statistic == "median" else np.mean
    if statistic == "geometric mean":
        logarithms = centre(np.log(numbers)[:, chosen], axis=-1)
        return np.exp(logarithms[0] - logarithms[1:].sum(axis=0))
    centres = centre(numbers[:, chosen], axis=-1)
    return centres[0] / centres[1] if len(numbers) == 2 else centres[0]


def _of_share(numbers: Any) -> tuple[float, Interval, str]:
    from scipy.stats import binomtest  # half a second, which not every process of claims need wait for

    ends = binomtest(int(numbers.sum()), numbers.size).proportion_ci(LEVEL)
    return float(numbers.mean()), (float(ends.low), float(ends.high)), "Clopper-Pearson"


def _bootstrap(numbers: Numbers, statistic: Statistic) -> Interval:
    size, tail = numbers.shape[1], (1 - LEVEL) / 2
    draws = _statistic(numbers, np.random.default_rng(0).integers(size, size=(DRAWS, size)), statistic)
    # Infinity over infinity may be any number: for each end it counts as the worst one. Infinite numbers forbid
    # interpolation.
    lower, upper = (np.where(np.isnan(draws), worst, draws) for worst in NOTHING)
    low, high = np.quantile(lower, tail, method="nearest"), np.quantile(upper, 1 - tail, method="nearest")
    return float(low), float(high)


def _student(numbers: Any) -> Interval:
    """Return the interval of a mean; infinite for one number, or if one is infinite."""
    from scipy.stats import t

    if numbers.size == 1 or not np.isfinite(numbers).all():
        return NOTHING
    half = t.ppf((1 + LEVEL) / 2, numbers.size - 1) * numbers.std(ddof=1) / np.sqrt(numbers.size)
    return float(numbers.mean() - half), float(numbers.mean() + half)
