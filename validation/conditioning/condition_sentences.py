"""What the report says about ratios of condition numbers and about the spectra behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from validation.conditioning.condition_ratios import START, TRAINED, Case, Ratios, Series, exponents, median_of, medians
from validation.conditioning.network_spectra import MATRICES


def layer_summary(found: Ratios) -> str:
    """Range and exponent of the ratio of a single layer, ReLU powers, for every order."""
    lines = []
    for series, exponent in exponents(found).items():
        values = [ratio for ratios_at in found[series].values() for ratio in ratios_at]
        if series.other == "relu":
            lines.append(f"r = {series.order}: {min(values):.2g} to {max(values):.2g}, exponent of n {exponent:.1f}")
    least = min(ratio for series, sizes in found.items() for values in sizes.values() for ratio in values)
    return "; ".join(lines) + f"; least of all {least:.2g}"


def summary(found: Ratios) -> str:
    """Where the ratio is above one, in single runs and in the median, the least ones and the exponents of n."""
    single = [ratio for sizes in found.values() for values in sizes.values() for ratio in values]
    middle, fitted = medians(found), exponents(found)
    (series, n), lowest = min(middle.items(), key=lambda item: item[1])
    slowest = min(fitted, key=lambda key: fitted[key])
    return (
        f"lower in {sum(ratio > 1 for ratio in single)} of {len(single)} comparisons of single runs (least ratio"
        f" {min(single):.2g}) and in {sum(ratio > 1 for ratio in middle.values())} of {len(middle)} medians (least"
        f" {lowest:.2g}: {named(series)}, n = {n}); the ratio grows in"
        f" {sum(exponent > 0 for exponent in fitted.values())} of {len(fitted)} series, exponents of n"
        f" {fitted[slowest]:.1f} ({named(slowest)}) to {max(fitted.values()):.1f}"
    )


def slowest_growth(found: Ratios) -> str:
    """Say which ratio grows most slowly, and how far the exponents of single runs are apart."""
    fitted = exponents(found)
    series = min(fitted, key=lambda key: fitted[key])
    runs = len(next(iter(found[series].values())))
    single = [exponents({series: {n: [values[k]] for n, values in found[series].items()}})[series] for k in range(runs)]
    return (
        f"The slowest growth among these: {named(series)}, exponent of n {fitted[series]:.2f}; fitted to each of the"
        f" {runs} seeds alone {min(single):.2f} to {max(single):.2f}."
    )


def named(series: Series) -> str:
    """A series in words, without its state."""
    return f"{series.place}, {series.matrix}, {series.other}, r = {series.order}"


def places(odd: Sequence[Case]) -> str:
    """Say where another basis was better."""
    counts = Counter(f"{case['node map']}, {case['state']}, r = {case['order']}" for case in odd)
    listed = "; ".join(f"{place}: {count}" for place, count in sorted(counts.items()))
    return f"Comparisons of single runs in which the B-splines do not have the lower one: {listed or 'none'}."


def doubtful(networks: Sequence[Case]) -> str:
    """Say how much of the space is null beyond what structure explains, and where the rank is in doubt."""
    parts = []
    for node_map in dict.fromkeys(case["node map"] for case in networks):
        for state in dict.fromkeys(case["state"] for case in networks):
            cases = [case for case in networks if (case["node map"], case["state"]) == (node_map, state)]
            more = [
                (c["gauss-newton"]["nullity"] - c["gauss-newton"]["analytic nullity"]) / c["parameters"] for c in cases
            ]
            doubts = sum(bool({"gap", "resolution"} & set(c[matrix]["flags"])) for c in cases for matrix in MATRICES)
            parts.append(
                f"{node_map}, {state}: {100 * np.median(more):.0f} % ({100 * max(more):.0f} % at most), doubtful in"
                f" {doubts} of {len(MATRICES) * len(cases)}"
            )
    return (
        "Share of the parameters in the null space of the Gauss-Newton matrix beyond what structure explains (median),"
        " and spectra whose singular values leave the rank in doubt: " + "; ".join(parts) + "."
    )


def own(networks: Sequence[Case], order: int = 3) -> str:
    """Say what the Gauss-Newton condition numbers of the B-splines themselves are."""
    parts = []
    for node_map in dict.fromkeys(case["node map"] for case in networks):
        for state in dict.fromkeys(case["state"] for case in networks):
            sizes: dict[int, list[float]] = {}
            for case in networks:
                if (case["node map"], case["state"], case["order"]) == (node_map, state, order):
                    sizes.setdefault(case["level"][1], []).append(case["gauss-newton"]["spline"])
            values = ", ".join(f"{np.median(values):.1e}" for values in sizes.values())
            parts.append(f"{node_map}, {state}: {values} for n = {', '.join(map(str, sizes))}")
    return (
        f"Gauss-Newton condition numbers of the B-splines themselves, r = {order}, medians. " + "; ".join(parts) + "."
    )


def silu_growth(layers: Sequence[Case]) -> str:
    """Say how the condition number of a single layer grows at the two largest n, for the SiLU edge and both bases."""
    parts = []
    for order in sorted({case["order"] for case in layers}):
        seen = [case for case in layers if case["order"] == order and np.isfinite(case["SiLU edge"])]
        if len(seen) < 2:
            continue
        small, large = seen[-2:]
        step = np.log(large["intervals"] / small["intervals"])
        values = [np.log(large[name] / small[name]) / step for name in ("SiLU edge", "relu", "spline")]
        parts.append(f"r = {order}: {values[0]:.2f}, {values[1]:.2f}, {values[2]:.2f}")
    return (
        "One layer, exponents of n from the last doubling at which float64 tells the SiLU from a spline, SiLU edge,"
        " ReLU powers, B-splines: " + "; ".join(parts) + "."
    )


def architectures(models: Sequence[Case]) -> str:
    """Say what the Gauss-Newton condition numbers of other architectures are at the largest size."""
    order, level = 3, max(case["level"] for case in models)
    parts = []
    for name in dict.fromkeys(case["model"] for case in models):
        for state in (START, TRAINED):
            chosen = [
                c for c in models if (c["model"], c["state"], c["order"], c["level"]) == (name, state, order, level)
            ]
            bound = " or more" if any(case["lower bound"] for case in chosen) else ""
            parts.append(
                f"{name}, {state}: {median_of(c['condition'] for c in chosen):.1e}{bound} (nullity"
                f" {max(c['nullity'] for c in chosen)} of {chosen[0]['parameters']}, at least"
                f" {chosen[0]['analytic nullity']} known)"
            )
    return f"Other architectures, Gauss-Newton, r = {order}, intervals {level}, medians: " + "; ".join(parts) + "."
