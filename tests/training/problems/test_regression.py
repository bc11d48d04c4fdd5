"""The regression target of [S26]: literal values, rotations, and the target without its kinks."""

import math

import numpy as np
import pytest

import refkan as rk


def literal(x, y, angle=0.175, centre=(0.0, 0.0), kink=True):
    """The formula of section 5.1 with math alone, one point at a time."""
    dx, dy = x - centre[0], y - centre[1]
    u = centre[0] + math.cos(angle) * dx - math.sin(angle) * dy
    v = centre[1] + math.sin(angle) * dx + math.cos(angle) * dy
    value = math.cos(4 * math.pi * u) + math.sin(math.pi * v) + math.sin(2 * math.pi * v)
    return value + (abs(math.sin(3 * math.pi * v * v)) if kink else 0.0)


@pytest.mark.parametrize("kink", [True, False])
@pytest.mark.parametrize("centre", [(0.0, 0.0), (0.5, 0.5), (0.2, -0.3)])
@pytest.mark.parametrize("angle", [0.175, 0.0, -1.0])
def test_values_are_those_of_the_formula(rng, angle, centre, kink):
    x = rng.uniform(size=(50, 2))
    values = rk.problems.regression_target(x, angle, centre, kink)
    expected = np.array([[literal(*point, angle, centre, kink)] for point in x])
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-14)  # arguments up to 4 pi, rounded


def test_the_old_signature_still_serves(rng):
    x = rng.uniform(size=(20, 2))
    np.testing.assert_array_equal(rk.problems.regression_target(x), rk.problems.regression_target(x, 0.175, (0.0, 0.0)))
    assert rk.problems.regression_target(np.empty((0, 2))).shape == (0, 1)


def test_the_kink_is_the_only_difference(rng):
    """The difference is |sin(3 pi y'^2)|, and only with it does the gradient jump, at y' = sqrt(1/3)."""
    x = rng.uniform(size=(200, 2))
    difference = rk.problems.regression_target(x) - rk.problems.regression_target(x, kink=False)
    assert difference.min() >= 0
    assert difference.max() > 0.9

    def slopes(kink):
        y = np.sqrt(1 / 3) + np.array([-2e-6, -1e-6, 1e-6, 2e-6])
        values = rk.problems.regression_target(np.column_stack([np.full(4, 0.3), y]), 0.0, kink=kink).ravel()
        return (values[1] - values[0]) / 1e-6, (values[3] - values[2]) / 1e-6

    before, after = slopes(True)
    assert abs(after - before - 12 * np.pi * np.sqrt(1 / 3)) < 1e-3
    before, after = slopes(False)
    assert abs(after - before) < 1e-3


def test_complex_steps_give_the_gradient(rng):
    x = rng.uniform(0.05, 0.95, size=(40, 2))
    for direction in np.eye(2):
        exact = rk.problems.regression_target(x + 1e-30j * direction).imag / 1e-30
        f = lambda h, d=direction: rk.problems.regression_target(x + h * d)  # noqa: E731
        np.testing.assert_allclose((f(1e-6) - f(-1e-6)) / 2e-6, exact, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": np.zeros((3, 3))}, ValueError, r"x must have shape \(N, 2\); got \(3, 3\)"),
        ({"x": [[np.nan, 0.0]]}, ValueError, r"x must be finite; got x\[0, 0\] = nan"),
        ({"angle": np.inf}, ValueError, "angle must be finite"),
        ({"angle": 1j}, TypeError, "angle must be real"),
        ({"centre": (0.0, 0.0, 0.0)}, ValueError, "centre must have length 2; got length 3"),
        ({"kink": 1}, TypeError, "kink must be a bool; got int"),
    ],
)
def test_bad_input_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        rk.problems.regression_target(**({"x": np.zeros((1, 2))} | arguments))
