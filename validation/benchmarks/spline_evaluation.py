"""Evaluating a cubic spline at many unsorted points: refkan against scipy.interpolate.BSpline."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.interpolate import BSpline

import refkan as rk
from validation.benchmarks.harness import Arrays, Case, CaseResult, Contestant, Settings, Timed, run_case

ORDER = 4
INTERVALS = (8, 64, 512)
SEED = 20


def run(settings: Settings) -> list[CaseResult]:
    """Run all cases: n = 8, 64, 512, uniform and arbitrary knots."""
    return [run_case(case, settings) for case in cases(100_000 if settings.quick else 1_000_000)]


def cases(points: int) -> Iterator[Case]:
    """Yield a case for each number of intervals and kind of knots."""
    for intervals in INTERVALS:
        for kind in ("uniform", "arbitrary"):
            yield _case(kind, intervals, points)


def _case(kind: str, intervals: int, points: int) -> Case:
    rng = np.random.default_rng(SEED)
    x = rng.uniform(0.0, 1.0, points)
    # Widths within a factor 10 of each other: irregular, yet each interval sees many points.
    widths = np.ones(intervals) if kind == "uniform" else rng.uniform(0.1, 1.0, intervals)
    breakpoints = np.concatenate([[0.0], np.cumsum(widths)]) / widths.sum()
    breakpoints[-1] = 1.0
    space = rk.SplineSpace.from_breakpoints(ORDER, breakpoints)
    coefficients = rng.normal(size=space.dim)
    spline = BSpline(space.knots, coefficients, ORDER - 1, extrapolate=False)

    def reference() -> Arrays:
        design = BSpline.design_matrix(x, space.knots, ORDER - 1)
        return (design @ coefficients,)

    def ours() -> Timed:
        return Timed(lambda: rk.bsplines.evaluate(space, coefficients, x), lambda y: (y,))

    return Case(
        f"cubic spline, {points:.0e} points, n = {intervals}, {kind} knots",
        reference,
        [
            Contestant("refkan", ours),
            Contestant("scipy BSpline", lambda: Timed(lambda: spline(x), lambda y: (y,))),
        ],
    )
