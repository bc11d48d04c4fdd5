"""Ratios of condition numbers to those of the B-splines: of every run, their medians and how they grow with n."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from validation.conditioning.network_spectra import BASES, MATRICES

START, TRAINED, TRAINED_ELSEWHERE = "start", "trained", "trained in the ReLU basis"

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
    found: dict[Series, dict[int, list[float]]] = {}
    for other in (name for name in BASES if name != basis):
        for case in layers:
            series = Series(LAYER, START, "gauss-newton", other, case["order"])
            found.setdefault(series, {}).setdefault(case["intervals"], []).append(case[other] / case[basis])
        for case in networks:
            for matrix in MATRICES:
                series = Series(case["node map"], case["state"], matrix, other, case["order"])
                ratio = case[matrix][other] / case[matrix][basis]
                found.setdefault(series, {}).setdefault(case["level"][1], []).append(ratio)
    return found


def medians(found: Ratios) -> dict[tuple[Series, int], float]:
    """Medians over the seeds."""
    return {(series, n): float(np.median(values)) for series, sizes in found.items() for n, values in sizes.items()}


def exponents(found: Ratios) -> dict[Series, float]:
    """Exponent of n in the median over the seeds, fitted for every series."""
    fitted = {}
    for series, sizes in found.items():
        logarithms = [np.log(np.median(values)) for values in sizes.values()]
        fitted[series] = float(np.polyfit(np.log(list(sizes)), logarithms, 1)[0])
    return fitted


def at(found: Ratios, *states: str) -> Ratios:
    """The series of some states."""
    return {series: sizes for series, sizes in found.items() if series.state in states}


def exceptions(networks: Iterable[Case]) -> list[Case]:
    """Comparisons of single runs in which the B-splines do not have the lower condition number."""
    return [
        {key: case[key] for key in ("node map", "order", "level", "seed", "state", "parameters")}
        | {"matrix": matrix, "basis": other, "ratio": case[matrix][other] / case[matrix]["spline"]}
        | {key: case[matrix][key] for key in ("nullity", "analytic nullity", "flags")}
        for case in networks
        for matrix in MATRICES
        for other in BASES[1:]
        if not case[matrix][other] > case[matrix]["spline"]
    ]


def median_of(cases: Iterable[float]) -> float:
    """Median, NaN of nothing."""
    values = list(cases)
    return float(np.median(values)) if values else np.nan
