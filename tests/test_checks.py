from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refkan import checks
from refkan.checks import dot_test, gradient_check, invariance_test, jacobian_check, taylor_test

EPS = np.finfo(float).eps
THETA = np.array([0.3, -1.2, 0.7, 2.0])


def value(t):
    return np.sum(np.sin(t)) + t[0] * t[1] ** 2 - np.exp(t[2] * t[3] / 4)


def gradient(t):
    g = np.cos(t)
    e = np.exp(t[2] * t[3] / 4) / 4
    return g + np.array([t[1] ** 2, 2 * t[0] * t[1], -t[3] * e, -t[2] * e])


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


def changed(index, change):
    def wrong(t):
        g = gradient(t)
        g[index] = change(g[index])
        return g

    return wrong


# --- gradient_check


@pytest.mark.parametrize("method", ["auto", "complex", "central"])
def test_right_gradient_passes(method):
    report = gradient_check(value, gradient, THETA, method=method)
    assert report.ok, report.table
    assert report.failures == ()
    assert report.method == ("central" if method == "central" else "complex")
    assert report.max_relative_error <= report.rtol
    report.raise_if_failed()


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("method", ["complex", "central"])
@pytest.mark.parametrize(
    "change",
    [lambda g: -g, lambda g: 2 * g, lambda g: 0.0, lambda g: g * (1 + 1e-6)],
    ids=["-", "2", "0", "1+"],
)
def test_sabotage_every_wrong_entry_is_named(index, method, change):
    report = gradient_check(value, changed(index, change), THETA, method=method)
    assert not report.ok
    assert [failure.index for failure in report.failures] == [index]
    failure = report.failures[0]
    assert failure.ours == pytest.approx(gradient(THETA)[index], rel=1e-8)
    assert failure.theirs == change(gradient(THETA)[index])
    assert failure.relative_error == report.max_relative_error
    with pytest.raises(AssertionError, match="gradient check FAILED: 1 of 4"):
        report.raise_if_failed()


def test_complex_step_sees_a_relative_error_of_1e_12():
    assert not gradient_check(value, changed(1, lambda g: g * (1 + 1e-12)), THETA).ok
    assert gradient_check(value, changed(1, lambda g: g * (1 + 1e-12)), THETA, method="central").ok


def test_shifted_gradient_fails_with_the_worst_first():
    report = gradient_check(value, lambda t: np.roll(gradient(t), 1), THETA)
    errors = [failure.relative_error for failure in report.failures]
    assert len(errors) == 4
    assert errors == sorted(errors, reverse=True)
    assert "theirs/ours" in report.table


def real_part(t):
    return value(np.real(t))


def through_abs(t):
    return np.sum(np.abs(t) ** 2)


def through_float(t):
    return float(value(t))


def through_buffer(t):
    buffer = np.zeros(t.shape)
    buffer[:] = t
    return value(buffer)


def back_to_complex(t):
    return value(np.real(t)) + 0j if np.iscomplexobj(t) else value(t)


def refuses(t):
    if np.iscomplexobj(t):
        raise ValueError("theta must be real")
    return value(t)


@pytest.mark.parametrize(
    ("function", "slope"),
    [(f, gradient) for f in (real_part, through_float, through_buffer, back_to_complex, refuses)]
    + [(through_abs, lambda t: 2 * t)],
)
def test_functions_that_lose_the_imaginary_part_fall_back(function, slope):
    report = gradient_check(function, slope, THETA)
    assert report.ok, report.table
    assert report.method == "central"
    assert "complex step not possible" in report.table
    assert not gradient_check(function, lambda t: np.zeros_like(t), THETA).ok
    with pytest.raises(ValueError, match="value does not allow the complex step"):
        gradient_check(function, slope, THETA, method="complex")


def test_the_probe_warns_of_nothing():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert gradient_check(through_buffer, gradient, THETA).ok
    assert not caught


def test_a_small_part_that_loses_its_imaginary_part_is_cross_examined():
    # The probe along one direction cannot see the last entry, a millionth of the rest.
    def mostly(t):
        return np.sum(t[:3] ** 3) + 1e-6 * np.real(t[3]) ** 2

    def right(t):
        return np.append(3 * t[:3] ** 2, 2e-6 * t[3])

    report = gradient_check(mostly, right, THETA)
    assert report.ok, report.table
    assert report.method == "central"
    wrong = gradient_check(mostly, lambda t: right(t) * [1, 1, 1, -1], THETA)
    assert [failure.index for failure in wrong.failures] == [3]
    # A failure that central differences confirm stays a failure of the complex step.
    assert gradient_check(value, lambda t: -gradient(t), THETA).method == "complex"


def test_kinks_away_from_the_point_do_not_matter():
    def relu(t):
        return np.sum(np.maximum(t, 0) ** 2)

    report = gradient_check(relu, lambda t: 2 * np.maximum(t, 0), THETA)
    assert report.ok, report.table
    assert report.method == "complex"


def test_float32_has_the_tolerances_of_its_precision():
    theta = THETA.astype(np.float32)
    seen = set()

    def recorded(t):
        seen.add(t.dtype)
        return np.sum(np.sin(t))

    for method in ("complex", "central"):
        report = gradient_check(recorded, np.cos, theta, method=method)
        assert report.ok, report.table
        assert report.rtol > 1e-6
        assert not gradient_check(recorded, lambda t: 1.1 * np.cos(t), theta, method=method).ok
    assert seen == {np.dtype(np.float32), np.dtype(np.complex64)}


def test_central_step_follows_the_size_of_theta():
    # With h = eps^(1/3) at theta = 1e8 the difference would be rounding: relative error about 1e-3.
    report = gradient_check(lambda t: (t[0] / 1e8) ** 3, lambda t: 3 * t**2 / 1e24, [1e8], method="central")
    assert report.ok, report.table
    # A step that theta rounds by half: the quotient must divide by what became of it.
    assert gradient_check(lambda t: t[0], np.ones_like, [1.0], method="central", step=1.5e-16).ok


def test_central_tolerance_knows_the_rounding_of_a_large_value():
    # eps 1e6 / h = 4e-5 is the error of the quotient; the gradient is 1.
    report = gradient_check(lambda t: 1e6 + np.sin(t[0]), np.cos, [0.3], method="central")
    assert report.ok, report.table
    assert not gradient_check(lambda t: 1e6 + np.sin(t[0]), lambda t: 1.05 * np.cos(t), [0.3], method="central").ok


def test_step_scale_and_tolerances_are_used():
    assert not gradient_check(value, gradient, THETA, method="central", step=0.1).ok
    assert gradient_check(value, gradient, THETA, method="central", step=0.1, rtol=0.1).ok
    assert gradient_check(value, gradient, THETA, method="central", step=0.1, atol=0.1).ok
    # Cancellation: the sum of contributions is 1e8, the gradient 1. Only a scale can tell rounding from
    # error.
    big = np.array([1e8, -1e8])

    def cancelling(t):
        return t[0] * 1.1e8 - t[0] * 1e8 - t[0] * 9999999.0

    rounded = gradient_check(cancelling, lambda t: np.array([1.0 + 1e-9, 0.0]), big)
    assert not rounded.ok
    assert gradient_check(cancelling, lambda t: np.array([1.0 + 1e-9, 0.0]), big, scale=2.2e8).ok
    with pytest.raises(ValueError, match=r"step must change theta; 1e-17 is lost in theta\[0\] = 0.3"):
        gradient_check(value, gradient, THETA, method="central", step=1e-17)


def test_any_shape_and_no_parameters():
    x = THETA.reshape(2, 2)
    assert gradient_check(lambda t: np.sum(t**3), lambda t: 3 * t**2, x).ok
    wrong = gradient_check(lambda t: np.sum(t**3), lambda t: 3 * t**2 + [[0, 0], [1, 0]], x)
    assert [failure.index for failure in wrong.failures] == [(1, 0)]
    assert gradient_check(lambda t: 1.0, lambda t: t, np.zeros(0)).ok
    assert gradient_check(lambda t: t**2, lambda t: 2 * t, 3.0).ok


def test_a_long_list_of_failures_is_cut_in_the_table_only():
    report = gradient_check(lambda t: np.sum(t**2), lambda t: t, np.arange(1.0, 31.0))
    assert len(report.failures) == 30
    assert "... and 20 more" in report.table


def test_functions_that_change_their_argument_do_no_harm():
    def destructive(t):
        result = np.sum(t**2)
        t[:] = 0
        return result

    theta = THETA.copy()
    assert gradient_check(destructive, lambda t: 2 * THETA, theta).ok
    np.testing.assert_array_equal(theta, THETA)


@pytest.mark.parametrize(
    ("f", "g", "theta", "message"),
    [
        (value, lambda t: gradient(t)[:3], THETA, r"gradient\(theta\) must have shape \(4,\); got \(3,\)"),
        (np.sin, gradient, THETA, r"value\(theta\) must have shape \(\); got \(4,\)"),
        (lambda t: np.nan, gradient, THETA, r"value\(theta\) must be finite; got value\(theta\) = nan"),
        (value, changed(2, lambda g: np.nan), THETA, r"got gradient\(theta\)\[2\] = nan"),
        (value, gradient, [0.0, np.inf, 0.0, 0.0], r"theta must be finite; got theta\[1\] = inf"),
        (lambda t: np.nan if t[2] > 0.7 else 0.0, np.zeros_like, THETA, r"got value\(theta \+ h e_2\) = nan"),
    ],
)
def test_bad_input(f, g, theta, message):
    with pytest.raises(ValueError, match=message):
        gradient_check(f, g, theta, method="central")


def test_bad_types_and_names():
    with pytest.raises(TypeError, match="theta must be real"):
        gradient_check(value, gradient, THETA + 1j)
    with pytest.raises(TypeError, match=r"value\(theta\) must be real for a real argument"):
        gradient_check(lambda t: value(t) + 1j, gradient, THETA)
    with pytest.raises(ValueError, match="method must be one of 'auto', 'complex', 'central'; got 'forward'"):
        gradient_check(value, gradient, THETA, method="forward")


# --- jacobian_check


def outputs(t):
    return np.array([[t[0] * t[1], np.sin(t[2])], [np.exp(t[3]), t[0] ** 3]])


def jacobian(t):
    J = np.zeros((2, 2, 4))
    J[0, 0, :2] = t[1], t[0]
    J[0, 1, 2] = np.cos(t[2])
    J[1, 0, 3] = np.exp(t[3])
    J[1, 1, 0] = 3 * t[0] ** 2
    return J


@pytest.mark.parametrize("method", ["auto", "central"])
def test_jacobian(method):
    assert jacobian_check(outputs, jacobian, THETA, method=method).ok
    report = jacobian_check(outputs, lambda t: jacobian(t) * np.array([1, 1, -1, 1]), THETA, method=method)
    assert [failure.index for failure in report.failures] == [(0, 1, 2)]
    with pytest.raises(ValueError, match=r"jacobian\(theta\) must have shape \(2, 2, 4\)"):
        jacobian_check(outputs, lambda t: jacobian(t).reshape(4, 4), THETA)


def test_jacobian_rows_have_scales_of_their_own():
    # An error of 1e-3 in the small row would vanish beside the large one.
    K = np.array([[1e14, 1e14], [1.0, 2.0]])
    wrong = np.array([[1e14, 1e14], [1.001, 2.0]])
    report = jacobian_check(lambda t: K @ t, lambda t: wrong, [1.0, 2.0])
    assert [failure.index for failure in report.failures] == [(1, 0)]


# --- dot_test


@settings(max_examples=20, deadline=None)
@given(n=st.integers(0, 6), m=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_dot_test_on_matrices(n, m, seed):
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((m, n))
    report = dot_test(lambda v: M @ v, lambda w: M.T @ w, n, m, rng)
    assert report.ok, report.table


def test_dot_test_on_arrays_of_any_shape_and_its_sabotage():
    rng = np.random.default_rng(5)
    K = rng.standard_normal((2, 3, 4))

    def forward(v):  # (3, 4) -> (2,)
        return np.einsum("abc,bc->a", K, v)

    def adjoint(w):
        return np.einsum("abc,a->bc", K, w)

    assert dot_test(forward, adjoint, (3, 4), 2, rng).ok
    for wrong in (
        lambda w: -adjoint(w),
        lambda w: 2 * adjoint(w),
        lambda w: np.roll(adjoint(w), 1, axis=0),
        lambda w: adjoint(w) * (1 + 1e-11),
        lambda w: adjoint(w) + 1e-10,
    ):
        report = dot_test(forward, wrong, (3, 4), 2, rng)
        assert not report.ok
        with pytest.raises(AssertionError, match="dot test FAILED"):
            report.raise_if_failed()
    assert not dot_test(lambda v: forward(v) + 1e-6 * np.sum(v**2), adjoint, (3, 4), 2, rng).ok


def test_dot_test_is_reproducible_and_counts_its_trials():
    first, second = (dot_test(np.sort, np.sort, 4, 4, trials=3).trials for _ in range(2))
    assert first == second
    assert len(first) == 3


def test_dot_test_bad_results():
    with pytest.raises(ValueError, match=r"forward\(v\) must have shape \(3,\); got \(4,\)"):
        dot_test(lambda v: v, lambda w: w, 4, 3)
    with pytest.raises(ValueError, match=r"got adjoint\(w\)\[1\] = nan"):
        dot_test(lambda v: v, lambda w: w * [1, np.nan], 2, 2)
    with pytest.raises(TypeError, match=r"forward\(v\) must be real"):
        dot_test(lambda v: 1j * v, lambda w: w, 2, 2)
    with pytest.raises(ValueError, match="n_in"):
        dot_test(lambda v: v, lambda w: w, -1, 2)


# --- taylor_test


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
    with pytest.raises(ValueError, match="direction must not be zero"):
        taylor_test(value, gradient, THETA, np.zeros(4))
    with pytest.raises(ValueError, match=r"value\(theta \+ 0.25 d\) must be finite"):
        taylor_test(lambda t: value(t) if t[0] < 0.5 else np.nan, gradient, THETA, [1.0, 0, 0, 0])
    with pytest.raises(ValueError, match=r"gradient\(theta\) must have shape \(4,\)"):
        taylor_test(value, lambda t: 1.0, THETA)


# --- invariance_test


def test_invariance_and_where_it_breaks():
    x = np.linspace(-1, 1, 12).reshape(6, 2)

    def f(x):
        return np.stack([x[:, 0] * x[:, 1], x.sum(axis=1)], axis=1)

    def g(x):
        return np.stack([x[:, 1] * x[:, 0], x[:, 1] + x[:, 0]], axis=1)

    report = invariance_test(f, g, x)
    assert report.ok, report.table

    def wrong(x):
        result = g(x)
        result[4, 1] += 1e-9
        return result

    report = invariance_test(f, wrong, x)
    assert not report.ok
    assert report.index == (4, 1)
    np.testing.assert_array_equal(report.x, x[4])
    assert report.g - report.f == pytest.approx(1e-9, rel=1e-6)
    assert report.max_difference == pytest.approx(1e-9, rel=1e-6)
    with pytest.raises(AssertionError, match=r"worst at \[4, 1\]"):
        report.raise_if_failed()
    assert invariance_test(f, wrong, x, atol=1e-8).ok
    assert invariance_test(f, wrong, x, rtol=1e-8).ok


def test_invariance_relative_to_the_sum_of_contributions():
    x = np.linspace(0, 1, 50)

    def f(x):
        return (1e8 + x) - 1e8

    def g(x):
        return x

    assert not invariance_test(f, g, x).ok
    assert invariance_test(f, g, x, scale=2e8).ok
    # A scale a point: the sample without contributions must agree exactly.
    scale = np.where(x == x[7], 0.0, 2e8)
    report = invariance_test(f, g, x, scale=scale)
    assert report.index == (7,)
    assert report.max_relative_error == np.inf


def test_invariance_without_points_and_bad_input():
    assert invariance_test(np.sin, np.sin, np.zeros((0, 2))).index is None
    with pytest.raises(ValueError, match=r"g\(x\) must have shape \(3,\); got \(3, 1\)"):
        invariance_test(np.sin, lambda x: x[:, None], np.zeros(3))
    with pytest.raises(ValueError, match=r"got g\(x\)\[2\] = nan"):
        invariance_test(np.sin, lambda x: x * [1, 1, np.nan], np.ones(3))
    with pytest.raises(ValueError, match=r"f\(x\) must have 3 samples"):
        invariance_test(lambda x: np.ones(2), lambda x: np.ones(2), np.zeros(3))
    with pytest.raises(ValueError, match="x must have the samples as its first axis"):
        invariance_test(np.sin, np.sin, 1.0)


# --- reports


def test_reports_are_frozen_and_print_their_table():
    reports = [
        gradient_check(value, gradient, THETA),
        dot_test(np.cumsum, lambda w: np.cumsum(w[::-1])[::-1], 3, 3),
        taylor_test(value, gradient, THETA),
        invariance_test(np.sin, np.sin, THETA),
    ]
    for report in reports:
        assert isinstance(report, checks.Report)
        assert report.ok
        assert str(report) == report.table
        assert "passed" in report.table
        with pytest.raises(TypeError, match=r"use report\.ok"):
            bool(report)
        with pytest.raises(AttributeError):
            report.ok = False


def test_a_short_scale_is_no_lost_imaginary_part():
    wave = 3e4  # the default step of central differences is a fifth of a radian here
    report = gradient_check(
        lambda t: np.sum(np.sin(wave * t)), lambda t: wave * np.cos(wave * t), np.array([0.1, 0.2]), method="complex"
    )
    assert report.ok, report.table
