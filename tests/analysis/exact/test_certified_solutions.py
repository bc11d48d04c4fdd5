"""Proven error bounds against the true error, and what has no bound."""

from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import EPS, Intervals
from refkan.analysis.exact.solutions.bounds_of_errors import _cumulated
from tests.shared.refusals import refused

PI = float(np.pi)


def least_squares_solution(order, intervals, k):
    """A spline for u'' + k^2 u = (k^2 - pi^2) sin(pi x), u(0) = u(1) = 0, whose solution is sin(pi x)."""
    space = rk.SplineSpace.uniform(order, intervals)
    x = np.linspace(0.0, 1.0, 8 * intervals + 1)
    B = rk.bsplines.design_matrix(space, x).toarray()
    equation = rk.bsplines.design_matrix(space, x, derivative=2).toarray() + k**2 * B
    matrix = np.vstack([equation, 1e3 * B[[0, -1]]])
    theta = np.linalg.lstsq(matrix, np.concatenate([(k**2 - PI**2) * np.sin(PI * x), [0.0, 0.0]]), rcond=None)[0]
    return rk.kan([1, 1], order, intervals), theta


@pytest.mark.parametrize("k", [0.0, 2.0, 5.0])
@pytest.mark.parametrize(("order", "intervals"), [(6, 16), (6, 100), (5, 24)])
def test_the_bound_is_near_the_true_error_in_one_dimension(order, intervals, k):
    net, theta = least_squares_solution(order, intervals, k)
    bound = rk.exact.certified_error(
        net, theta, lambda x: (PI * x).sin() * (k * k - PI * PI), lambda x: 0.0, [[0, 1]], wavenumber=k, tolerance=1e-9
    )
    x = np.linspace(0, 1, 5001)[:, None]
    error = np.abs(net(theta, x) - np.sin(PI * x)).max()
    assert bound.reached
    rounding = 1e-14  # of the float64 values that the true error is measured by
    assert error <= bound.error + rounding
    assert bound.error <= 100 * error
    assert error <= bound.by_maximum_principle + rounding
    assert (bound.by_maximum_principle < np.inf) == (k < PI)  # below the first eigenvalue


def test_the_power_zero_is_one():
    net, theta = rk.kan([1, 1], 4, 1), [2 / 3, -1 / 3, 2 / 3, 11 / 3]
    assert rk.exact.certified_error(net, theta, lambda x: 2 * x**0, lambda x: x**2, [[0, 1]]).error < 1e-14


def test_a_residual_that_jumps_beside_the_centres_of_integration():
    """v'' = 100 on [0.4, 0.5], zero elsewhere, where neither of the two intervals that meet it has its centre."""
    net, theta = rk.kan([1, 1], 3, 10), np.maximum(np.arange(12.0) - 5.0, 0.0)
    bound = rk.exact.certified_error(net, theta, lambda x: 0.0, lambda x: 5.5 * x, [[0, 1]], tolerance=1e-3, points=7)
    x = np.linspace(0.0, 1.0, 201)[:, None]
    assert np.abs(net(theta, x) - 5.5 * x).max() <= bound.by_integration


def test_between_nodes_that_rounding_spaces_unevenly():
    """v'' = 2/L^2 on a domain of three floats, v = 0 at both ends: 1/4 in the middle, 2/9 at the floats within."""
    a = 1.0
    b = a + 3 * EPS
    net = rk.kan([1, 1], 3, 1, domain=(a, b))
    bound = rk.exact.certified_error(net, [0.5, -0.5, 0.5], lambda x: 0.0, lambda x: 0.0, [[a, b]], points=4)
    assert 0.25 <= bound.by_integration < 0.26


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_running_sums_hold_what_terms_below_rounding_add(sign):
    terms = sign * np.array([1.0, *[EPS / 4] * 1000])
    sums = _cumulated(Intervals.of(terms))
    for low, exact, high in zip(sums.lo, accumulate(map(Fraction, terms)), sums.hi, strict=True):
        assert Fraction(low) <= exact <= Fraction(high)


def test_a_network_of_two_layers():
    rng = np.random.default_rng(0)
    net = rk.kan([1, 3, 1], 5, [3, 3], node_map="sigmoid")
    x = np.linspace(0, 1, 40)[:, None]
    net, theta = net.initialize(rng, x)
    theta = rk.minimize(rk.LeastSquares(net, x, np.sin(PI * x)), theta, method="levenberg-marquardt", steps=40).theta
    bound = rk.exact.certified_error(
        net, theta, lambda x: (PI * x).sin() * (-PI * PI), lambda x: (PI * x).sin(), [[0, 1]], tolerance=1e-3
    )
    grid = np.linspace(0, 1, 2001)[:, None]
    error = np.abs(net(theta, grid) - np.sin(PI * grid)).max()
    assert error <= bound.error <= 100 * error
    assert error <= bound.by_maximum_principle


def test_a_smooth_coefficient():
    """div(c grad u) = f with c = 2 + x y/2 and u = x^2 + y^2: f = 4 c + c_x u_x + c_y u_y = 4 c + 2 x y."""
    net = rk.kan([2, 1], 4, 1)
    square = [2 / 3, -1 / 3, 2 / 3, 11 / 3]  # of cubic B-splines on one interval
    theta = np.array([*square, *square])
    theta[3] += 1e-3

    def c(x, y):
        return 0.5 * (x * y) + 2.0

    bound = rk.exact.certified_error(
        net, theta, lambda x, y: 4.0 * c(x, y) + 2.0 * (x * y), lambda x, y: x * x + y * y, [[0, 1], [0, 1]],
        tolerance=1e-4, coefficient=c,
    )  # fmt: skip
    points = np.random.default_rng(0).uniform(size=(5000, 2))
    error = np.abs(net(theta, points)[:, 0] - (points**2).sum(axis=1)).max()
    assert error <= bound.error <= 100 * error
    assert bound.residual < 2e-2
    with pytest.raises(ValueError, match="coefficient must vary less"):
        rk.exact.certified_error(
            net, theta, lambda x, y: 0.0, lambda x, y: 0.0, [[0, 1], [0, 1]], 0.0, 1e-3, 3,
            coefficient=lambda x, y: (-20.0 * x).exp() * (-20.0 * y).exp(), budget=100,
        )  # fmt: skip


def test_what_has_no_bound():
    net, theta = least_squares_solution(5, 8, 0.0)
    zero = lambda *x: 0.0  # noqa: E731
    with pytest.raises(ValueError, match="stay away from resonance"):
        rk.exact.certified_error(net, theta, zero, zero, [[0, 1]], wavenumber=PI)
    with pytest.raises(ValueError, match="continuous first derivatives"):
        rk.exact.certified_error(rk.kan([1, 1], 2, 2), [0.0, 1.0, 0.0], zero, zero, [[0, 1]])
    with pytest.raises(ValueError, match="net must have one output"):
        rk.exact.certified_error(rk.kan([1, 2], 4, 1), np.zeros(8), zero, zero, [[0, 1]])
    refused(lambda: rk.exact.certified_error(net, theta, zero, zero, [[1, 1]]), "sides of positive length")
