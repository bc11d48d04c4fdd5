"""H1, the second experiment: condition numbers of Gauss-Newton matrices and Hessians in both bases and elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from validation.network_spectra import MATRICES, Size, layer_condition, network_cases, other_models
from validation.spectra_figures import condition_figure
from validation.verdicts import Verdict, judge

CLAIMS = ("H1",)

OTHERS = ("relu", "scaled-relu")
"""The bases that the B-splines are compared with."""

START, TRAINED = "start", "trained"

QUICK = Size(
    orders=(2, 3, 4),
    layers=(8, 16, 32, 64),
    levels=((1, 3), (2, 6), (4, 12)),
    node_maps=("affine",),
    states=(START, TRAINED),
    seeds=range(2),
    samples=400,
    steps=50,
)
FULL = Size(
    orders=(2, 3, 4),
    layers=(8, 16, 32, 64, 128, 256),
    levels=((1, 3), (2, 6), (4, 12), (8, 24)),
    node_maps=("affine", "mean-std"),
    states=(START, TRAINED, "trained in the ReLU basis"),
    seeds=range(10),
    samples=4000,
    steps=100,
)

Case = dict[str, Any]


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Measure single layers, networks in three bases, and other architectures."""
    return answer(QUICK if quick else FULL, progress)


def answer(size: Size, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Answer the row at a given size."""
    progress("H1: single layers")
    layers = [layer_condition(order, n) for order in (1, *size.orders) for n in size.layers]
    networks: list[Case] = []
    for node_map in size.node_maps:
        for order in size.orders:
            for level in size.levels:
                progress(f"H1: {node_map}, order {order}, intervals {level}")
                for seed in size.seeds:
                    networks += network_cases(order, level, node_map, seed, size)
    models: list[Case] = []
    for order in (3,) if len(size.levels) < 4 else size.orders:
        for level in size.levels:
            progress(f"H1: other architectures, order {order}, intervals {level}")
            for seed in size.seeds:
                models += other_models(order, level, seed, size)
    return [verdict(layers, networks, models)]


# ------------------------------------------------------------------------------------------------ the criterion


def ratios(layers: Sequence[Case], networks: Sequence[Case], basis: str = "spline") -> dict[tuple[Any, ...], float]:
    """Median over seeds of the condition number of the others over that in `basis`: keys (series..., n)."""
    found: dict[tuple[Any, ...], list[float]] = {}
    for other in OTHERS:
        for case in layers:
            key = ("one layer", "hessian", other, case["order"], case["intervals"])
            found.setdefault(key, []).append(case[other] / case[basis])
        for case in networks:
            for matrix in MATRICES:
                series = (f"{case['node map']}, {case['state']}", matrix, other, case["order"])
                found.setdefault((*series, case["level"][1]), []).append(case[matrix][other] / case[matrix][basis])
    return {key: float(np.median(values)) for key, values in found.items()}


def lower(medians: dict[tuple[Any, ...], float]) -> bool:
    """Whether every ratio is above one."""
    return all(ratio > 1 for ratio in medians.values())


def exponents(medians: dict[tuple[Any, ...], float]) -> dict[tuple[Any, ...], float]:
    """Exponent of n in the ratio, fitted for every series."""
    series: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for (*key, n), ratio in medians.items():
        series.setdefault(tuple(key), []).append((np.log(n), np.log(ratio)))
    return {key: float(np.polyfit(*zip(*points, strict=True), 1)[0]) for key, points in series.items()}


def growing(medians: dict[tuple[Any, ...], float], at_least: float = 0.0) -> bool:
    """Whether every ratio grows with n, with a larger exponent than `at_least`."""
    return all(exponent > at_least for exponent in exponents(medians).values())


def holds(layers: Sequence[Case], networks: Sequence[Case], basis: str = "spline") -> bool:
    """H1: lower for every (n, r), by a ratio that grows with n."""
    medians = ratios(layers, networks, basis)
    return lower(medians) and growing(medians)


def holds_as_corrected(layers: Sequence[Case], networks: Sequence[Case]) -> bool:
    """H1 at the start in every run, and not only by medians, and by medians after training in the spline basis."""
    starts = [case for case in networks if case["state"] == START]
    return not exceptions(starts) and holds(layers, [*starts, *(c for c in networks if c["state"] == TRAINED)])


def exceptions(networks: Iterable[Case]) -> list[Case]:
    """Runs in which another basis has the lower condition number."""
    return [
        {key: case[key] for key in ("node map", "order", "level", "seed", "state")}
        | {"matrix": matrix, "basis": other, "ratio": case[matrix][other] / case[matrix]["spline"]}
        | {"nullity": case[matrix]["nullity"], "parameters": case["parameters"]}
        for case in networks
        for matrix in MATRICES
        for other in OTHERS
        if case[matrix][other] <= case[matrix]["spline"]
    ]


# --------------------------------------------------------------------------------------------------- the verdict


def verdict(layers: Sequence[Case], networks: Sequence[Case], models: Sequence[Case]) -> Verdict:
    """Judge, and say what else came out."""
    medians = ratios(layers, networks)
    fitted = exponents(medians)
    odd = exceptions(networks)
    lowest = min(medians, key=lambda key: medians[key])
    as_printed = holds(layers, networks)
    comparisons = len(networks) * len(MATRICES) * len(OTHERS)

    def span(place: str, other: str = "relu") -> str:
        lines = []
        for order in sorted({key[3] for key in medians}):
            series = [key for key in fitted if key[0].endswith(place) and key[2:] == (other, order)]
            values = [value for key, value in medians.items() if key[:-1] in series]
            if series:
                least = min(fitted[key] for key in series)
                lines.append(f"r = {order}: {min(values):.2g} to {max(values):.2g}, exponent of n {least:.1f}")
        return "; ".join(lines)

    swapped = holds(layers, networks, "relu")
    bounded = all(exponent < 0.5 for exponent in fitted.values())
    starts = [case for case in networks if case["state"] == START]
    scaled_alike = all(ratio < 10 for key, ratio in ratios([], starts).items() if key[2] == "scaled-relu")
    return Verdict(
        "H1",
        judge(as_printed, holds_as_corrected(layers, networks)),
        f"condition number, ReLU over B-splines. One layer: {span('one layer')}. [2, 5, 1] at the start (medians):"
        f" {span(', start')}; trained: {span(', trained')}. Scaled ReLU powers at the start:"
        f" {span(', start', 'scaled-relu')}. Single runs in which another basis is better: {len(odd)} of {comparisons},"
        f" {sum(case['state'] == START for case in odd)} of them at the start; lowest median {medians[lowest]:.2g}"
        f" ({lowest[0]}, {lowest[1]}, {lowest[2]}, r = {lowest[3]}, n = {lowest[4]})",
        corrected="" if as_printed else CORRECTED,
        details=f"{DETAILS}\n\n{silu_growth(layers)}\n\n{architectures(models)}",
        data={"layers": list(layers), "networks": list(networks), "other models": list(models), "exceptions": odd},
        figures=(condition_figure(layers, networks, models),),
        mutations={
            "the ReLU powers have the lower condition number": judge(swapped),
            "the ratio is bounded": judge(bounded),
            "B-splines lower than B-splines": judge(lower(ratios_of_itself(networks))),
            "scaling the ReLU powers is enough": judge(scaled_alike),
            "the SiLU edge is as well conditioned": judge(silu_alike(networks, models)),
        },
    )


def ratios_of_itself(networks: Sequence[Case]) -> dict[tuple[Any, ...], float]:
    """The ratios with B-splines in the place of the others."""
    same = [case | {m: dict.fromkeys((*OTHERS, "spline"), case[m]["spline"]) for m in MATRICES} for case in networks]
    return ratios([], same)


def median_of(cases: Iterable[float]) -> float:
    """Median, NaN of nothing."""
    values = list(cases)
    return float(np.median(values)) if values else np.nan


def silu_alike(networks: Sequence[Case], models: Sequence[Case]) -> bool:
    """Whether the SiLU edge stays within 10 times of the plain one at the start, for every order and size."""
    silu = [case for case in models if case["model"] == "SiLU edge" and case["state"] == START]
    keys = {(case["order"], case["level"]) for case in silu}
    return all(
        median_of(c["condition"] for c in silu if (c["order"], c["level"]) == key)
        <= 10
        * median_of(
            c["gauss-newton"]["spline"]
            for c in networks
            if (c["order"], c["level"], c["state"], c["node map"]) == (*key, START, "affine")
        )
        for key in keys
    )


def silu_growth(layers: Sequence[Case]) -> str:
    """Say how the condition number of a single layer grows at the two largest n, for the SiLU edge and both bases."""
    parts = []
    for order in sorted({case["order"] for case in layers}):
        small, large = [case for case in layers if case["order"] == order][-2:]
        step = np.log(large["intervals"] / small["intervals"])
        values = [np.log(large[name] / small[name]) / step for name in ("SiLU edge", "relu", "spline")]
        parts.append(f"r = {order}: {values[0]:.2f}, {values[1]:.2f}, {values[2]:.2f}")
    return (
        "One layer, exponents of n from the last doubling, SiLU edge, ReLU powers, B-splines: " + "; ".join(parts) + "."
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


CORRECTED = """At the start the condition number is lower in every run, after training in the spline basis in the
median, by a ratio that grows with n. Where training in the ReLU basis leads, the B-splines need not have the lower one."""

DETAILS = """Condition numbers of the numerical range: largest over smallest magnitude of an eigenvalue, the null
space left out. Which directions are null is decided in the spline basis, where singular values are well apart, and
does not depend on the basis. In the ReLU basis small eigenvalues come from the inverse of the matrix: condition
numbers far beyond 1e16 are right to many digits. Nothing is evaluated in the ReLU basis.

One layer: least squares in L2 on uniform knots. Networks [2, 5, 1] on the regression target of [S26] section 5.1,
at the start and after some steps of L-BFGS, B-splines, ReLU powers and ReLU powers scaled by the mean spacing
compared at the same function. Lower is judged by medians over seeds for every (n, r), matrix, state and other
basis; growing by the sign of the exponent fitted to the medians. Hessians away from a minimum are indefinite: their
condition numbers are those of magnitudes.

What the criterion hides. At the start the Gauss-Newton condition number of networks in the spline basis is not
small, and falls with n: what reaches the five hidden nodes is nearly linear, so that functions of them are nearly
dependent; more knots loosen that. Training drives activations out of the domain (fixed affine maps), where
B-splines have no data: the numerical range shrinks, at worst to less than half, and the condition number of what is
left says little. Nearly all runs in which another basis is better are of this kind, most of them on coarse knots
after training in the ReLU basis. With mean-std maps there are hardly any.

The SiLU edge w_b silu(x) + w_s s(x) undoes what B-splines bring, in one direction an edge: silu is smooth, splines
come within O(h^r) of it with coefficients of norm O(n^(1/2)), which leaves a singular value O(h^r n^(-1/2)). The
condition number grows like n^(2r + 1), faster even than the n^(2r) of the ReLU basis."""
