"""Ratios of condition numbers to those of the B-splines: of every run, their medians and how they grow with n."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from validation.conditioning.network_spectra import BASES, MATRICES, START
from validation.measures import log_slope

LAYER = "one layer"
Case = dict[str, Any]


class Series(NamedTuple):
    """What is compared: everything but the number of intervals and the seed."""

    place: str
    state: str
    matrix: str
    other: str
    order: int


Ratios = Mapping[Series, Mapping[int, Sequence[float]]]
"""Of every series: n -> the condition number in the other basis over that of the B-splines, one for each seed."""


def ratios(layers: Iterable[Case], networks: Iterable[Case], basis: str = "spline") -> Ratios:
    """Condition number in every other basis over that in `basis`, of every run."""
    by_series: dict[Series, dict[int, list[float]]] = {}
    for other in (name for name in BASES if name != basis):
        for case in layers:
            series = Series(LAYER, START, "gauss-newton", other, case["order"])
            by_series.setdefault(series, {}).setdefault(case["intervals"], []).append(case[other] / case[basis])
        for case in networks:
            for matrix in MATRICES:
                series = Series(case["node map"], case["state"], matrix, other, case["order"])
                ratio = case[matrix][other] / case[matrix][basis]
                by_series.setdefault(series, {}).setdefault(case["level"][1], []).append(ratio)
    return by_series


def medians(by_series: Ratios) -> dict[tuple[Series, int], float]:
    return {(series, n): float(np.median(values)) for series, sizes in by_series.items() for n, values in sizes.items()}


def exponents(by_series: Ratios) -> dict[Series, float]:
    """Exponent of n in the median over the seeds, fitted for every series."""
    return {s: log_slope(list(sizes), [np.median(v) for v in sizes.values()]) for s, sizes in by_series.items()}


def at(by_series: Ratios, *states: str) -> Ratios:
    return {series: sizes for series, sizes in by_series.items() if series.state in states}


def median_of(cases: Iterable[float]) -> float:
    values = list(cases)
    return float(np.median(values)) if values else np.nan


def layer_summary(by_series: Ratios) -> str:
    """Range and exponent of the ratio of a single layer, ReLU powers, for every order."""
    lines = []
    for series, exponent in exponents(by_series).items():
        values = [ratio for ratios_at in by_series[series].values() for ratio in ratios_at]
        if series.other == "relu":
            lines.append(f"r = {series.order}: {min(values):.2g} to {max(values):.2g}, exponent of n {exponent:.1f}")
    least = min(ratio for series, sizes in by_series.items() for values in sizes.values() for ratio in values)
    return "; ".join(lines) + f"; least of all {least:.2g}"


def summary(by_series: Ratios) -> str:
    """Where the ratio is above one, in single runs and in the median, the least ones and the exponents of n."""
    single = [ratio for sizes in by_series.values() for values in sizes.values() for ratio in values]
    middle, fitted = medians(by_series), exponents(by_series)
    (series, n), lowest = min(middle.items(), key=lambda item: item[1])
    slowest = min(fitted, key=lambda key: fitted[key])
    return (
        f"lower in {sum(ratio > 1 for ratio in single)} of {len(single)} comparisons of single runs (least ratio"
        f" {min(single):.2g}) and in {sum(ratio > 1 for ratio in middle.values())} of {len(middle)} medians (least"
        f" {lowest:.2g}: {named(series)}, n = {n}); the ratio grows in"
        f" {sum(exponent > 0 for exponent in fitted.values())} of {len(fitted)} series, exponents of n"
        f" {fitted[slowest]:.1f} ({named(slowest)}) to {max(fitted.values()):.1f}"
    )


def named(series: Series) -> str:
    return f"{series.place}, {series.matrix}, {series.other}, r = {series.order}"
