"""Evaluating a cubic spline at many unsorted points: refkan against SciPy."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from scipy.interpolate import BSpline

import refkan as rk
from refkan.base import Frozen
from refkan.base.array_types import FloatArray
from validation.benchmarks.running.harness import Arrays, Case, Contestant, Settings, Task, Timed, task

ORDER = 4
INTERVALS = (8, 64, 512)
KNOTS = ("uniform", "arbitrary")
SEED = 20


class SplineCase(Frozen, eq=True):
    """A cubic spline on [0, 1] and points x (N,), the same for all contestants."""

    intervals: int
    kind: str
    points: int

    @property
    def title(self) -> str:
        return f"cubic spline, {self.points:.0e} points, n = {self.intervals}, {self.kind} knots"

    @property
    def parameters(self) -> dict[str, int | str]:
        return {"n": self.intervals, "knots": self.kind, "points": self.points}

    @cached_property
    def x(self) -> FloatArray:
        """Points (N,), uniformly distributed."""
        return np.random.default_rng(SEED).uniform(0.0, 1.0, self.points)

    @cached_property
    def space(self) -> rk.SplineSpace:
        """The spline space; arbitrary widths lie within a factor 10 of each other, so that each sees many points."""
        rng = np.random.default_rng(SEED + 1)
        widths = np.ones(self.intervals) if self.kind == "uniform" else rng.uniform(0.1, 1.0, self.intervals)
        breakpoints = np.concatenate([[0.0], np.cumsum(widths)]) / widths.sum()
        breakpoints[-1] = 1.0
        return rk.SplineSpace.from_breakpoints(ORDER, breakpoints)

    @cached_property
    def coefficients(self) -> FloatArray:
        """Coefficients (dim,) of the spline."""
        return np.random.default_rng(SEED + 2).normal(size=self.space.dim)

    def reference(self) -> Arrays:
        """Return (values,) by SciPy's design matrix."""
        return (BSpline.design_matrix(self.x, self.space.knots, ORDER - 1) @ self.coefficients,)

    def contestants(self) -> list[Contestant]:
        """Ours and SciPy's."""
        spline = BSpline(self.space.knots, self.coefficients, ORDER - 1, extrapolate=False)
        space, c, x = self.space, self.coefficients, self.x
        return [
            Contestant("refkan", lambda: Timed(lambda: rk.bsplines.evaluate(space, c, x), lambda y: (y,))),
            Contestant("scipy BSpline", lambda: Timed(lambda: spline(x), lambda y: (y,))),
        ]


def spline_tasks(settings: Settings) -> Iterator[Task]:
    """Yield all cases: n = 8, 64, 512, uniform and arbitrary knots."""
    for data in cases(100_000 if settings.quick else 1_000_000):
        yield task(Case(data.title, data.reference, data.contestants(), data.parameters))


def cases(points: int) -> Iterator[SplineCase]:
    """Yield a case for each number of intervals and kind of knots."""
    for intervals in INTERVALS:
        for kind in KNOTS:
            yield SplineCase(intervals, kind, points)
