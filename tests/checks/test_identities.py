"""Taylor remainders, dot products, invariance, reports of checks: what is right passes, what is wrong is seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refkan.checks import dot_check, gradient_check, invariance_check, taylor_check
from refkan.checks.reports import Report
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
    report = taylor_check(value, gradient, THETA, hessian_vector=hessian_vector)
    assert report.ok, report.table
    # The rates approach 1, 2, 3 as t; the last usable t of R2 is about 1e-3.
    np.testing.assert_allclose(report.rates, [1, 2, 3], atol=0.1)
    assert len(taylor_check(value, gradient, THETA).rates) == 2


@pytest.mark.parametrize("wrong", [lambda g: -g, lambda g: 2 * g, lambda g: np.roll(g, 1), lambda g: g * (1 + 1e-5)])
def test_sabotage_a_wrong_gradient_has_rate_1(wrong):
    report = taylor_check(value, lambda t: wrong(gradient(t)), THETA)
    assert not report.ok
    assert report.rates[1] == pytest.approx(1, abs=0.15)
    refused(report.raise_if_failed, r"AssertionError: R1 .* WRONG")


@pytest.mark.parametrize("factor", [-1, 2, 0.5, 1.01])
def test_sabotage_a_wrong_hessian_has_rate_2(factor):
    report = taylor_check(value, gradient, THETA, hessian_vector=lambda t, v: factor * hessian_vector(t, v))
    assert not report.ok
    assert [remainder.ok for remainder in report.remainders] == [True, True, False]
    assert report.rates[2] == pytest.approx(2, abs=0.15)


def test_polynomials_are_exact():
    K = np.array([[2.0, 1.0], [1.0, 3.0]])
    linear = taylor_check(lambda t: 1e3 + t @ K[0], lambda t: K[0], [0.5, -0.7])
    assert linear.ok
    assert linear.rates[1] == np.inf
    assert "R1 exact" in linear.table
    quadratic = taylor_check(lambda t: t @ K @ t / 2, lambda t: K @ t, [0.5, -0.7], None, lambda t, v: K @ v)
    assert [r.exact for r in quadratic.remainders] == [False, False, True]
    assert quadratic.rates[1] == pytest.approx(2, abs=0.01)
    constant = taylor_check(lambda t: 3.0, np.zeros_like, [0.5, -0.7])
    assert constant.ok
    assert constant.rates == (np.inf, np.inf)
    # Exactness must not hide errors.
    assert not taylor_check(lambda t: t @ K[0], lambda t: -K[0], [0.5, -0.7]).ok
    assert not taylor_check(lambda t: 3.0, np.ones_like, [0.5, -0.7]).ok
    assert not taylor_check(lambda t: t @ K @ t / 2, lambda t: K @ t, [0.5, -0.7], None, lambda t, v: 1.001 * K @ v).ok


def test_a_noisy_value_is_not_taken_for_a_wrong_gradient():
    # Terms of 1e6 cancel: rounding is 1e-10, far above eps |f|.
    def noisy(t):
        return (1e6 + np.sin(t[0])) - 1e6

    report = taylor_check(noisy, np.cos, [0.4])
    assert report.ok, report.table
    assert report.noise > 1e-11
    assert not taylor_check(noisy, lambda t: 1.01 * np.cos(t), [0.4]).ok


def test_taylor_bad_input():
    refused(lambda: taylor_check(value, gradient, THETA, np.zeros(4)), "direction must not be zero")
    with pytest.raises(ValueError, match=r"value\(theta \+ 0.25 d\) must be finite"):
        taylor_check(lambda t: value(t) if t[0] < 0.5 else np.nan, gradient, THETA, [1.0, 0, 0, 0])
    refused(lambda: taylor_check(value, lambda t: 1.0, THETA), r"gradient\(theta\) must have shape \(4,\)")


@settings(max_examples=20, deadline=None)
@given(n=st.integers(0, 6), m=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_dot_test_on_matrices(n, m, seed):
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((m, n))
    report = dot_check(lambda v: M @ v, lambda w: M.T @ w, n, m, rng)
    assert report.ok, report.table


def test_dot_test_on_arrays_of_any_shape_and_its_sabotage():
    rng = np.random.default_rng(5)
    K = rng.standard_normal((2, 3, 4))

    def forward(v):  # (3, 4) -> (2,)
        return np.einsum("abc,bc->a", K, v)

    def adjoint(w):
        return np.einsum("abc,a->bc", K, w)

    assert dot_check(forward, adjoint, (3, 4), 2, rng).ok
    for wrong in (
        lambda w: -adjoint(w),
        lambda w: 2 * adjoint(w),
        lambda w: np.roll(adjoint(w), 1, axis=0),
        lambda w: adjoint(w) * (1 + 1e-11),
        lambda w: adjoint(w) + 1e-10,
    ):
        report = dot_check(forward, wrong, (3, 4), 2, rng)
        assert not report.ok
        refused(report.raise_if_failed, "AssertionError: dot check FAILED")
    assert not dot_check(lambda v: forward(v) + 1e-6 * np.sum(v**2), adjoint, (3, 4), 2, rng).ok


def test_dot_test_bad_results():
    refused(lambda: dot_check(lambda v: v, lambda w: w, 4, 3), r"forward\(v\) must have shape \(3,\); got \(4,\)")
    refused(lambda: dot_check(lambda v: v, lambda w: w * [1, np.nan], 2, 2), r"got adjoint\(w\)\[1\] = nan")
    refused(lambda: dot_check(lambda v: 1j * v, lambda w: w, 2, 2), r"TypeError: forward\(v\) must be real")


def test_invariance_and_where_it_breaks():
    x = np.linspace(-1, 1, 12).reshape(6, 2)

    def f(x):
        return np.stack([x[:, 0] * x[:, 1], x.sum(axis=1)], axis=1)

    def g(x):
        return np.stack([x[:, 1] * x[:, 0], x[:, 1] + x[:, 0]], axis=1)

    report = invariance_check(f, g, x)
    assert report.ok, report.table

    def wrong(x):
        result = g(x)
        result[4, 1] += 1e-9
        return result

    report = invariance_check(f, wrong, x)
    assert not report.ok
    assert report.index == (4, 1)
    np.testing.assert_array_equal(report.x, x[4])
    assert report.g - report.f == pytest.approx(1e-9, rel=1e-6)
    assert report.max_difference == pytest.approx(1e-9, rel=1e-6)
    refused(report.raise_if_failed, r"AssertionError: worst at \[4, 1\]")
    assert invariance_check(f, wrong, x, atol=1e-8).ok
    assert invariance_check(f, wrong, x, rtol=1e-8).ok


def test_invariance_relative_to_the_sum_of_contributions():
    x = np.linspace(0, 1, 50)

    def f(x):
        return (1e8 + x) - 1e8

    def g(x):
        return x

    assert not invariance_check(f, g, x).ok
    assert invariance_check(f, g, x, scale=2e8).ok
    # A scale a point: the sample without contributions must agree exactly.
    scale = np.where(x == x[7], 0.0, 2e8)
    report = invariance_check(f, g, x, scale=scale)
    assert report.index == (7,)
    assert report.max_relative_error == np.inf


def test_invariance_without_points_and_bad_input():
    assert invariance_check(np.sin, np.sin, np.zeros((0, 2))).index is None
    refused(lambda: invariance_check(np.sin, lambda x: x[:, None], np.zeros(3)), r"g\(x\) must.*\(3,\); got \(3, 1\)")
    refused(lambda: invariance_check(np.sin, lambda x: x * [1, 1, np.nan], np.ones(3)), r"got g\(x\)\[2\] = nan")
    refused(lambda: invariance_check(lambda x: np.ones(2), lambda x: np.ones(2), np.zeros(3)), r"f\(x\) must have 3")
    refused(lambda: invariance_check(np.sin, np.sin, 1.0), "x must have the samples as its first axis")


def test_reports_are_frozen_and_print_their_table():
    reports = [
        gradient_check(value, gradient, THETA),
        dot_check(np.cumsum, lambda w: np.cumsum(w[::-1])[::-1], 3, 3),
        taylor_check(value, gradient, THETA),
        invariance_check(np.sin, np.sin, THETA),
    ]
    for report in reports:
        assert isinstance(report, Report)
        assert report.ok
        assert str(report) == report.table
        assert "passed" in report.table
        with pytest.raises(TypeError, match=r"use report\.ok"):
            bool(report)
        with pytest.raises(AttributeError):
            report.ok = False
