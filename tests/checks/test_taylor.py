"""Rates of Taylor remainders: those of right derivatives, and of wrong ones."""

import numpy as np
import pytest

from refkan.checks import taylor_test
from tests.checks.checked_functions import THETA, gradient, value
from tests.shared.refusals import refused


def hessian_vector(t, v):
    e = np.exp(t[2] * t[3] / 4)
    mixed = -(e / 4 + t[2] * t[3] * e / 16)
    H = np.diag(-np.sin(t))
    H[0, 1] = H[1, 0] = 2 * t[1]
    H[1, 1] += 2 * t[0]
    H[2, 2] -= t[3] ** 2 * e / 16
    H[3, 3] -= t[2] ** 2 * e / 16
    H[2, 3] = H[3, 2] = mixed
    return H @ v


def test_taylor_rates():
    report = taylor_test(value, gradient, THETA, hessian_vector=hessian_vector)
    assert report.ok, report.table
    # The rates approach 1, 2, 3 as t; the last usable t of R2 is about 1e-3.
    np.testing.assert_allclose(report.rates, [1, 2, 3], atol=0.1)
    assert len(taylor_test(value, gradient, THETA).rates) == 2


@pytest.mark.parametrize("seed", range(5))
def test_taylor_in_random_directions(seed):
    rng = np.random.default_rng(seed)
    report = taylor_test(value, gradient, rng.standard_normal(4), hessian_vector=hessian_vector, rng=rng)
    assert report.ok, report.table


@pytest.mark.parametrize("wrong", [lambda g: -g, lambda g: 2 * g, lambda g: np.roll(g, 1), lambda g: g * (1 + 1e-5)])
def test_sabotage_a_wrong_gradient_has_rate_1(wrong):
    report = taylor_test(value, lambda t: wrong(gradient(t)), THETA)
    assert not report.ok
    assert report.rates[1] == pytest.approx(1, abs=0.15)
    with pytest.raises(AssertionError, match=r"R1 .* WRONG"):
        report.raise_if_failed()


@pytest.mark.parametrize("factor", [-1, 2, 0.5, 1.01])
def test_sabotage_a_wrong_hessian_has_rate_2(factor):
    report = taylor_test(value, gradient, THETA, hessian_vector=lambda t, v: factor * hessian_vector(t, v))
    assert not report.ok
    assert [remainder.ok for remainder in report.remainders] == [True, True, False]
    assert report.rates[2] == pytest.approx(2, abs=0.15)


def test_polynomials_are_exact():
    K = np.array([[2.0, 1.0], [1.0, 3.0]])
    linear = taylor_test(lambda t: 1e3 + t @ K[0], lambda t: K[0], [0.5, -0.7])
    assert linear.ok
    assert linear.rates[1] == np.inf
    assert "R1 exact" in linear.table
    quadratic = taylor_test(lambda t: t @ K @ t / 2, lambda t: K @ t, [0.5, -0.7], None, lambda t, v: K @ v)
    assert [r.exact for r in quadratic.remainders] == [False, False, True]
    assert quadratic.rates[1] == pytest.approx(2, abs=0.01)
    constant = taylor_test(lambda t: 3.0, np.zeros_like, [0.5, -0.7])
    assert constant.ok
    assert constant.rates == (np.inf, np.inf)
    # Exactness must not hide errors.
    assert not taylor_test(lambda t: t @ K[0], lambda t: -K[0], [0.5, -0.7]).ok
    assert not taylor_test(lambda t: 3.0, np.ones_like, [0.5, -0.7]).ok
    assert not taylor_test(lambda t: t @ K @ t / 2, lambda t: K @ t, [0.5, -0.7], None, lambda t, v: 1.001 * K @ v).ok


def test_a_noisy_value_is_not_taken_for_a_wrong_gradient():
    # Terms of 1e6 cancel: rounding is 1e-10, far above eps |f|.
    def noisy(t):
        return (1e6 + np.sin(t[0])) - 1e6

    report = taylor_test(noisy, np.cos, [0.4])
    assert report.ok, report.table
    assert report.noise > 1e-11
    assert not taylor_test(noisy, lambda t: 1.01 * np.cos(t), [0.4]).ok


def test_stationary_points_and_given_directions():
    report = taylor_test(lambda t: np.cos(t[0]), lambda t: -np.sin(t), [0.0], direction=[1.0])
    assert report.ok
    assert report.rates[0] == pytest.approx(2, abs=0.1)
    # Only along the direction is anything tested.
    assert taylor_test(lambda t: np.sum(t**3), lambda t: 3 * t**2 * [1, -1], [1.0, 1.0], direction=[1.0, 0.0]).ok


def test_taylor_bad_input():
    with pytest.raises(ValueError, match=r"direction must have theta's shape \(4,\); got \(3,\)"):
        taylor_test(value, gradient, THETA, np.ones(3))
    refused(lambda: taylor_test(value, gradient, THETA, np.zeros(4)), "direction must not be zero")
    with pytest.raises(ValueError, match=r"value\(theta \+ 0.25 d\) must be finite"):
        taylor_test(lambda t: value(t) if t[0] < 0.5 else np.nan, gradient, THETA, [1.0, 0, 0, 0])
    refused(lambda: taylor_test(value, lambda t: 1.0, THETA), r"gradient\(theta\) must have shape \(4,\)")
