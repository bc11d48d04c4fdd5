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


def with_interval(numbers: Numbers, statistic: Statistic) -> tuple[float, tuple[float, float], str]:
    """Return the statistic of a row of numbers, or of the first row over that of the second, and its interval."""
    from scipy.stats import binomtest, t  # half a second, which not every process of claims need wait for

    size, tail, paired = numbers.shape[1], (1 - LEVEL) / 2, len(numbers) == 2
    if statistic == "share" and not paired:
        ends = binomtest(int(numbers.sum()), size).proportion_ci(LEVEL)
        return float(numbers.mean()), (float(ends.low), float(ends.high)), "Clopper-Pearson"
    logarithms = statistic == "geometric mean"
    centre = np.median if statistic == "median" else np.mean
    with np.errstate(divide="ignore", invalid="ignore"):  # a number of zero; two means of zero, or of infinity
        drawn = np.log(numbers) if logarithms else numbers

        def of(chosen: Any) -> Any:
            made = centre(drawn[:, chosen], axis=-1)
            single = made[0] if not paired else made[0] - made[1] if logarithms else made[0] / made[1]
            return np.exp(single) if logarithms else single

        middle = float(np.nan_to_num(of(np.arange(size)), nan=np.inf, posinf=np.inf))
        if size >= FEW:
            draws = of(np.random.default_rng(0).integers(size, size=(DRAWS, size)))
    if size >= FEW:
        # without interpolation between infinite numbers; what is no number, infinity over infinity, may be any
        ends = ((np.where(np.isnan(draws), any_, draws), q) for any_, q in ((-np.inf, tail), (np.inf, 1 - tail)))
        low, high = (float(np.quantile(drawn, q, method="nearest")) for drawn, q in ends)
        return middle, (low, high), "percentile bootstrap over seeds"
    if paired:
        return middle, (-np.inf, np.inf), "too few seeds for an interval"
    if statistic == "median":
        covered = 1 - 0.5 ** (size - 1) >= LEVEL
        return middle, (drawn.min(), drawn.max()) if covered else (-np.inf, np.inf), "range of the numbers"
    low, high = -np.inf, np.inf  # of one number, or with one that is infinite, or the logarithm of zero
    if size > 1 and np.isfinite(drawn).all():
        half = float(t.ppf(1 - tail, size - 1) * drawn.std(ddof=1) / np.sqrt(size))
        low, high = (float(drawn.mean() + sign * half) for sign in (-1, 1))
    if logarithms:
        return middle, (float(np.exp(low)), float(np.exp(high))), "Student's t of logarithms"
    return middle, (low, high), "Student's t"
