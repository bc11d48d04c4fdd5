"""Evaluating a cubic spline by all its basis functions at every point, as most spline networks do, against refkan.

Cost and memory of the rivals grow with the number of intervals, so that points are fewer than in the row
`spline-evaluation`. The sum over truncated powers cancels: its tolerance is one rounding error of its largest sum of
absolute contributions, sum_i |w_i| psi_i(b), relative to the largest value; its difference is shown beside its time.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import numpy as np

import refkan as rk
from refkan.base.array_types import FloatArray
from validation.benchmarks.harness import Case, Contestant, Settings, Task, Timed, task
from validation.benchmarks.spline_evaluation import INTERVALS, ORDER, SplineCase

POINTS = 100_000


def tasks(settings: Settings) -> Iterator[Task]:
    """Yield a case for each number of intervals, uniform knots."""
    for intervals in INTERVALS[:2] if settings.quick else INTERVALS:
        yield task(case(SplineCase(intervals, "uniform", POINTS)))


def case(data: SplineCase) -> Case:
    """Our contestant, SciPy's and the two dense ones on one spline."""
    w = rk.ChangeOfBasis(data.space).to_relu(data.coefficients)

    def peer(name: str, coefficients: FloatArray) -> Timed:
        module = importlib.import_module("validation.benchmarks.peers.torch_splines")
        timed: Timed = getattr(module, name)(data.x, data.space.knots, coefficients)
        return timed

    contributions = np.abs(w) * (data.space.domain[1] - data.space.knots[: data.space.dim]) ** (ORDER - 1)
    tolerance = np.finfo(float).eps * contributions.sum() / np.abs(data.reference()[0]).max()
    dense = [
        Contestant("torch, dense Cox-de Boor", lambda: peer("cox_de_boor", data.coefficients), "torch"),
        Contestant(
            "torch, ReLU powers",
            lambda: peer("relu_powers", w),
            "torch",
            max(1e-12, float(tolerance)),
            note="all powers at all points; the sum cancels like eps n^(r-1)",
        ),
    ]
    title = f"{data.title}, by all basis functions"
    return Case(title, data.reference, [*data.contestants(), *dense], data.parameters)
