r"""A3: a grid that is too coarse leaves its errors where the curvature is high.

Uniform grids of 8, 16 and 32 intervals, one layer, best coefficients, every target of one variable in the list of
varying complexity. For each interval the root mean square error there and the mean of |f''| over it, f'' by second
differences at a tenth of the interval (kinks and jumps have no other); their rank correlation (Spearman) over the
intervals.

The claim is made of splines whose error goes with f'', those of order 2: the median of the correlations over (target,
n) decides. Those for orders 3 and 4, and the correlation with |f^(r)|, stand beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import refkan as rk
from refkan.claims import Verdict
from refkan.training.problems.regression import Target
from validation.knots.adaptive_runs import LINE, VP, spaced
from validation.statements import Progress, by_criterion, each, silent

CLAIMS = ("A3",)
LEAST = 0.5
TARGETS = ("smooth", *LINE)
ORDERS, INTERVALS = (2, 3, 4), (8, 16, 32)

POINTS = 400
"""In each interval: samples, and as many others where errors are taken."""


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    sizes = INTERVALS if quick else (*INTERVALS, 64, 128)
    return [verdict([case(*place) for place in each(progress, "A3: {}, order {}, n = {}", TARGETS, ORDERS, sizes)])]


def derivative(target: Target, order: int, points: np.ndarray, step: float) -> np.ndarray:
    """|f^(order)| by central differences, kept inside the domain; points (m,)."""
    ((a, b),) = target.domain
    reach = 0.5 * order * step
    middle = np.clip(points, a + reach, b - reach)
    offsets = step * (np.arange(order + 1) - 0.5 * order)
    signs = (-1.0) ** (order - np.arange(order + 1))
    binomials = np.cumprod([1.0, *((order - k) / (k + 1) for k in range(order))])
    values = target(np.clip(middle[:, None] + offsets, a, b).reshape(-1, 1)).reshape(-1, order + 1)
    return np.asarray(np.abs(values @ (signs * binomials)) / step**order)


def case(name: str, order: int, intervals: int) -> dict[str, Any]:
    """Error and derivatives interval by interval, and their rank correlations."""
    target = rk.problems.TARGETS[name]
    x = spaced(target, POINTS * intervals)
    net, theta = rk.kan([1, 1], order, intervals, list(target.domain)).initialize(np.random.default_rng(0), x)
    theta = rk.minimize(rk.LeastSquares(net, x, target(x)), theta, VP, steps=1, ridge=1e-14).theta
    fresh = x[:-1] + 0.5 * np.diff(x, axis=0)
    squares = (net(theta, fresh) - target(fresh))[:, 0] ** 2
    breakpoints = net.layers[0].spaces[0].breakpoints  # type: ignore[attr-defined]
    at = np.searchsorted(breakpoints[1:-1], fresh[:, 0], side="right")

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(at, values, minlength=intervals) / np.bincount(at, minlength=intervals)

    error = np.sqrt(mean(squares))
    step = float(breakpoints[1] - breakpoints[0]) / 10
    curved, own = (mean(derivative(target, r, fresh[:, 0], step)) for r in (2, order))
    return {
        "target": name,
        "order": order,
        "intervals": intervals,
        "correlation": float(spearmanr(error, curved).statistic),
        "with the r-th derivative": float(spearmanr(error, own).statistic),
        "with the value": float(spearmanr(error, np.abs(mean(target(fresh)[:, 0]))).statistic),
    }


def medians(cases: Sequence[dict[str, Any]], key: str) -> dict[int, float]:
    return {r: float(np.median([c[key] for c in cases if c["order"] == r])) for r in ORDERS}


def holds(correlations: Mapping[int, float]) -> bool:
    """Whether errors are ranked as the curvature is, of order 2: a correlation of the other sign is none."""
    return correlations[2] >= LEAST


def verdict(cases: Sequence[dict[str, Any]]) -> Verdict:
    curvature, own = medians(cases, "correlation"), medians(cases, "with the r-th derivative")
    value = medians(cases, "with the value")
    shown = ", ".join(f"order {r}: {curvature[r]:.2f} with |f''|, {own[r]:.2f} with |f^({r})|" for r in ORDERS)
    altered = {
        "errors are where the curvature is low": holds({r: -value for r, value in curvature.items()}),
        "errors are where the values are large": holds(value),
    }
    return by_criterion(
        "A3",
        holds(curvature),
        f"median rank correlations over targets and grids, {shown}",
        altered,
        details="An L2 fit spreads the error of one bad interval over its neighbours, alternating and decaying from"
        " interval to interval, so that next to a kink or a jump errors are ranked by their distance from it while f''"
        " is 0 everywhere else: there the rank correlation counts ties of f''.",
        data={"cases": list(cases)},
    )
