"""Gradients and Jacobians by complex steps and central differences: right ones pass, each wrong entry is named."""

import numpy as np
import pytest

from refkan.checks import gradient_check, jacobian_check
from tests.checks.checked_functions import THETA, gradient, value
from tests.shared.refusals import refusals, refused


def changed(index, change):
    def wrong(t):
        g = gradient(t)
        g[index] = change(g[index])
        return g

    return wrong


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
    assert failure.reference == pytest.approx(gradient(THETA)[index], rel=1e-8)
    assert failure.checked == change(gradient(THETA)[index])
    assert failure.relative_error == report.max_relative_error
    refused(report.raise_if_failed, "AssertionError: gradient check FAILED: 1 of 4")


def test_complex_step_sees_a_relative_error_of_1e_12():
    assert not gradient_check(value, changed(1, lambda g: g * (1 + 1e-12)), THETA).ok
    assert gradient_check(value, changed(1, lambda g: g * (1 + 1e-12)), THETA, method="central").ok


def test_shifted_gradient_fails_with_the_worst_first():
    report = gradient_check(value, lambda t: np.roll(gradient(t), 1), THETA)
    errors = [failure.relative_error for failure in report.failures]
    assert len(errors) == 4
    assert errors == sorted(errors, reverse=True)
    assert "checked/reference" in report.table


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
    refused(lambda: gradient_check(function, slope, THETA, method="complex"), "value does not allow the complex step")


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


def test_step_scale_and_tolerances_are_used():
    assert not gradient_check(value, gradient, THETA, method="central", step=0.1).ok
    assert gradient_check(value, gradient, THETA, method="central", step=0.1, rtol=0.1).ok
    assert gradient_check(value, gradient, THETA, method="central", step=0.1, atol=0.1).ok
    # Cancellation: the sum of contributions is 1e8, the gradient 1; only a scale tells rounding from error.
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
    assert gradient_check(lambda t: t**2, lambda t: 2 * t, 3.0).ok


test_bad_input = refusals(
    (value, lambda t: gradient(t)[:3], THETA, r"gradient\(theta\) must have shape \(4,\); got \(3,\)"),
    (value, gradient, [], "theta must hold at least one entry; got none"),
    (np.sin, gradient, THETA, r"value\(theta\) must have shape \(\); got \(4,\)"),
    (lambda t: np.nan, gradient, THETA, r"value\(theta\) must be finite; got value\(theta\) = nan"),
    (value, changed(2, lambda g: np.nan), THETA, r"got gradient\(theta\)\[2\] = nan"),
    (lambda t: np.nan if t[2] > 0.7 else 0.0, np.zeros_like, THETA, r"got value\(theta \+ h e_2\) = nan"),
    call=lambda f, g, theta: gradient_check(f, g, theta, method="central"),
)


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


def test_a_short_scale_is_no_lost_imaginary_part():
    wave = 3e4  # the default step of central differences is a fifth of a radian here
    report = gradient_check(
        lambda t: np.sum(np.sin(wave * t)), lambda t: wave * np.cos(wave * t), np.array([0.1, 0.2]), method="complex"
    )
    assert report.ok, report.table
