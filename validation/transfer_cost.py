"""G1: geometric transfer is far cheaper than least squares at the data, and changes nothing ([S26] section 4.2).

The criterion: at 20,000 samples an edge is transferred at least 100 times faster by knot insertion than by least
squares, for every order and size tried, and the function changes by at most 1e-14 of its largest value.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import solveh_banded

import refkan as rk
from refkan import bsplines, transfer
from validation.verdicts import Verdict, judge

CLAIMS = ("G1",)

SAMPLES = 20_000

RATIO = 100.0

TOLERANCE = 1e-14

CASES = ((3, 3), (3, 12), (4, 5), (4, 20))
"""Orders and coarse intervals: those of the papers' regression, and the first KAN paper's cubics."""

EDGES = 10
"""Edges that knot insertion transfers in a row in each round, those of the papers' first layer, each with all its checks.

Their mean is what an edge takes in use. The first version of this file timed a single call right after some 20
milliseconds of least squares: three times as long, from cold caches, which halved the smallest ratio on a busy machine.
"""

WAYS = ("knot insertion", "least squares", "banded normal equations")


def dense_least_squares(coarse: rk.SplineSpace, fine: rk.SplineSpace, u: np.ndarray, x: np.ndarray) -> np.ndarray:
    """As KAN codes do it, edge by edge: a dense matrix of the fine basis at all samples, and LAPACK's SVD solver."""
    target = bsplines.design_matrix(coarse, x) @ u
    result: np.ndarray = np.linalg.lstsq(bsplines.design_matrix(fine, x).toarray(), target)[0]
    return result


def banded_least_squares(coarse: rk.SplineSpace, fine: rk.SplineSpace, u: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The fastest way that we know: banded normal equations, which square the condition number."""
    B = bsplines.design_matrix(fine, x)
    gram = (B.T @ B).tocsr()
    band = np.zeros((fine.order, fine.dim))
    for k in range(fine.order):
        band[fine.order - 1 - k, k:] = gram.diagonal(k)
    result: np.ndarray = solveh_banded(band, B.T @ (bsplines.design_matrix(coarse, x) @ u))
    return result


def change(coarse: rk.SplineSpace, fine: rk.SplineSpace, u: np.ndarray, v: np.ndarray) -> float:
    """Largest change of a value over the largest value, at 5,001 points of the domain."""
    x = np.linspace(*coarse.domain, 5001)
    before = bsplines.evaluate(coarse, u, x)
    return float(np.abs(bsplines.evaluate(fine, v, x) - before).max() / np.abs(before).max())


def measure(
    order: int, intervals: int, n_samples: int, rounds: int, ways: tuple[str, ...] = WAYS
) -> dict[str, Any]:
    """Seconds an edge for some ways, rounds interleaved, and the changes of the function."""
    rng = np.random.default_rng([order, intervals])
    coarse = rk.SplineSpace.uniform(order, intervals)
    fine = coarse.refine()
    u, x = rng.standard_normal(coarse.dim), rng.uniform(0.0, 1.0, n_samples)
    calls: dict[str, Callable[[], np.ndarray]] = {
        "knot insertion": lambda: transfer.prolong(coarse, fine, u),
        "least squares": lambda: dense_least_squares(coarse, fine, u, x),
        "banded normal equations": lambda: banded_least_squares(coarse, fine, u, x),
    }
    changes = {name: change(coarse, fine, u, calls[name]()) for name in ways}  # compiles, too
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in ways:
            repeats = EDGES if name == "knot insertion" else 1
            start = time.perf_counter()
            for _ in range(repeats):
                calls[name]()
            seconds[name].append((time.perf_counter() - start) / repeats)
    return {
        "order": order,
        "intervals": intervals,
        "samples": n_samples,
        "seconds": seconds,
        "changes": changes,
        "ratios": {name: ratio(seconds, name) for name in ways[1:]},
    }


def ratio(seconds: dict[str, list[float]], name: str) -> float:
    """Median over rounds of the time of a way over that of knot insertion."""
    return float(np.median(np.array(seconds[name]) / np.array(seconds["knot insertion"])))


def few_samples() -> float:
    """Change of a cubic spline by least squares at twelve samples, fine space of dimension 23."""
    coarse = rk.SplineSpace.uniform(4, 10)
    fine, u = coarse.refine(), np.random.default_rng(0).standard_normal(coarse.dim)
    v, report = transfer.least_squares_transfer(coarse, fine, u, np.linspace(0.04, 0.96, 12))
    assert report.rank == 12
    return change(coarse, fine, u, v)


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Time one edge in all cases, and the same with 100 samples."""
    rounds = 15 if quick else 101
    results = []
    for order, intervals in CASES:
        progress(f"G1: r = {order}, n = {intervals}")
        results.append(measure(order, intervals, SAMPLES, rounds))
    # So few samples do not determine every coefficient: normal equations would be singular.
    small = [measure(order, intervals, 100, rounds, WAYS[:2]) for order, intervals in CASES]
    return [verdict(results, small, few_samples())]


def verdict(results: list[dict[str, Any]], small: list[dict[str, Any]], few: float) -> Verdict:
    """Return the verdict, and those of altered claims."""
    ratios, fewer = ([result["ratios"]["least squares"] for result in cases] for cases in (results, small))
    banded = [result["ratios"]["banded normal equations"] for result in results]
    changes = {name: max(result["changes"][name] for result in results) for name in WAYS}
    microseconds = [1e6 * float(np.median(result["seconds"]["knot insertion"])) for result in results]
    unchanged = changes["knot insertion"] <= TOLERANCE

    def cheaper(ratios: list[float]) -> bool:
        return min(ratios) >= RATIO

    return Verdict(
        "G1",
        judge(cheaper(ratios) and unchanged),
        f"one edge, {results[0]['samples']} samples, r = 3 and 4, n = 3 to 20, doubled: {min(ratios):.0f} to {max(ratios):.0f}"
        f" times the time of knot insertion ({min(microseconds):.0f} to {max(microseconds):.0f} microseconds) by dense least"
        f" squares, {min(banded):.0f} to {max(banded):.0f} times by banded normal equations; at 100 samples the dense ones take"
        f" {min(fewer):.1f} to {max(fewer):.1f} times. Largest relative change"
        f" {changes['knot insertion']:.1e} by insertion, {changes['least squares']:.1e} and"
        f" {changes['banded normal equations']:.1e} by least squares; {few:.1e} by least squares at 12 samples for 23"
        " coefficients",
        details="Dense least squares is what the grid extension of KAN codes does for every edge. Knot insertion includes its "
        "checks and the computation of all weights; least squares does not include the report on the change that"
        " transfer.least_squares_transfer makes. Rounds are interleaved, of ten edges by insertion and one by least squares; medians of ratios. Knot insertion does not see the"
        " samples: the ratio grows with their number, and where several edges share an input a code may factor the"
        " matrix once for them all.",
        data={"cases": results, "100 samples": small, "change at 12 samples": few},
        mutations={
            "at 100 samples": judge(cheaper(fewer)),
            "least squares changes nothing, whatever the samples": judge(few <= TOLERANCE),
            "10,000 times cheaper": judge(min(ratios) >= 100 * RATIO),
        },
    )
