"""Numbers that several claims are told by: means over seeds, exponents, processor seconds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import process_time
from typing import Any

import numpy as np


def means_by_seed(values: Iterable[tuple[int, float]]) -> dict[int, float]:
    logs: dict[int, list[float]] = {}
    for seed, value in values:
        logs.setdefault(seed, []).append(np.log(value))
    return {seed: float(np.exp(np.mean(each))) for seed, each in logs.items()}


def log_slope(x: Any, y: Any) -> float:
    """Least-squares slope of log y against log x: the exponent of a power law."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def seconds_of_rounds(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the processor seconds of every round for each way, once each a round."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = process_time()
            way()
            seconds[name].append(process_time() - start)
    return seconds


def ratios_of_rounds(seconds: Mapping[str, Sequence[float]], above: str, below: str) -> np.ndarray:
    """Return the time of one way over that of another, round by round."""
    return np.divide(seconds[above], seconds[below])


def least_of_cases(ratios: Iterable[np.ndarray]) -> dict[int, float]:
    """Return the least ratio of all cases, of each round."""
    return dict(enumerate(np.min(list(ratios), axis=0).tolist()))
