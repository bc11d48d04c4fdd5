"""A program of somebody who checks types strictly: `python -m mypy` reads it, as her checker reads an installed refkan.

A name that a public package imports and does not list in `__all__` is none that it offers, to such a checker.
"""

import numpy as np
from numpy.typing import NDArray

import refkan as rk
from refkan.networks.layers import SplineLayer
from refkan.training.losses import LeastSquares


def fit(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Fit, certify and judge with names of every room that users meet."""
    net, theta = rk.kan([2, 5, 1], order=3, intervals=4).initialize(np.random.default_rng(0), x)
    problem: LeastSquares = rk.LeastSquares(net, x, y)
    result = rk.minimize(problem, theta)
    assert rk.checks.gradient_check(problem.value, problem.gradient, theta).ok
    assert isinstance(net.layers[0], SplineLayer)
    rk.exact.extrema(net, result.theta, [[0.0, 1.0], [0.0, 1.0]])
    rk.spectrum(problem, result.theta)
    rk.hessians.gauss_newton(net, theta, x)
    rk.interop.as_torch(net, theta)
    rk.plots.network(net, theta, x)
    rk.problems.regression_target(x)
    return float(problem.mse(result.theta))
