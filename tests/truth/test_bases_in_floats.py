"""The oracle in other numbers: SciPy as an independent oracle in floats, complex steps, mpmath."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy.interpolate import BSpline

from refkan import truth
from tests.truth.fraction_knots import apply, dim, random_knots, values

EPS = np.finfo(float).eps


FLOAT_KNOTS = {
    "extended": lambda r: np.sort(np.random.default_rng(r).uniform(0, 1, 5 + 2 * r)),
    "clamped": lambda r: np.repeat([0.0, 0.2, 0.55, 0.6, 1.0], [r, 1, 1, 1, r]),
    "repeated": lambda r: np.repeat([0.0, 0.3, 0.8, 1.0], [r, max(1, r - 1), r, r]),
}


@pytest.mark.parametrize("kind", FLOAT_KNOTS)
@pytest.mark.parametrize("order", range(1, 7))
def test_scipy_agrees(order, kind):
    knots = FLOAT_KNOTS[kind](order)
    a, b = knots[order - 1], knots[-order]
    x = np.concatenate([np.linspace(a, b, 23), knots[order - 1 : len(knots) - order + 1]])
    x = np.clip(x, a, b)
    basis = BSpline(knots, np.eye(dim(knots, order)), order - 1)
    for k in range(order):
        # r steps of the recursion, each of a few roundings, on numbers up to the largest derivative: C = 32
        # r.
        expected = basis(x, nu=k)
        ours = np.array([values(knots, order, t, k) for t in x], dtype=float)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(ours, expected, rtol=0, atol=32 * order * EPS * scale)


def test_scipy_agrees_on_the_policies():
    knots = FLOAT_KNOTS["extended"](4)
    a, b = knots[3], knots[-4]
    x = np.array([a - 0.1, b + 0.07])
    c = np.random.default_rng(0).normal(size=dim(knots, 4))
    spline = BSpline(knots, c, 3)
    end = np.clip(x, a, b)
    ours = {p: [apply([c], values(knots, 4, t, 0, p))[0] for t in x] for p in ("polynomial", "linear")}
    np.testing.assert_allclose(ours["polynomial"], spline(x, extrapolate=True), rtol=1e-13)
    np.testing.assert_allclose(ours["linear"], spline(end) + spline(end, nu=1) * (x - end), rtol=1e-13)
    naturals = BSpline(knots, np.eye(dim(knots, 4)), 3, extrapolate=False)
    assert np.isnan(naturals(x)).all()  # SciPy has no such policy: its elements, one by one, do
    for i in range(dim(knots, 4)):
        element = BSpline.basis_element(knots[i : i + 5], extrapolate=False)(x)
        expected = np.where(np.isnan(element), 0, element)
        np.testing.assert_allclose([truth.bspline(knots, 4, i, t) for t in x], expected, rtol=1e-13)


@pytest.mark.parametrize("order", range(1, 7))
def test_floats_attain_the_exact_values(order):
    exact = random_knots(order, 5)
    floats = [float(t) for t in exact]
    exact = [Fraction(t) for t in floats]
    for x in np.linspace(floats[order - 1], floats[-order], 17):
        ours, theirs = values(floats, order, float(x)), values(exact, order, Fraction(float(x)))
        assert max(abs(Fraction(u) - v) for u, v in zip(ours, theirs, strict=True)) <= order * 1e-15


def test_complex_step_and_mpmath():
    exact = random_knots(4, 3)
    floats = [float(t) for t in exact]
    x = (floats[3] + floats[-4]) / 2 + 0.01
    step = 1e-200
    for i in range(dim(exact, 4)):
        slope = truth.bspline(floats, 4, i, complex(x, step)).imag / step
        assert slope == pytest.approx(truth.bspline_derivative(floats, 4, i, x), rel=1e-13, abs=1e-13)
        power = truth.truncated_power(floats, 4, i, complex(x, step)).imag / step
        assert power == pytest.approx(truth.truncated_power_derivative(floats, 4, i, x), rel=1e-13)
    with mpmath.workdps(60):
        knots = [mpmath.mpf(t.numerator) / t.denominator for t in exact]
        wide = truth.bspline(knots, 4, 1, (knots[3] + knots[4]) / 2)
        narrow = truth.bspline(exact, 4, 1, (exact[3] + exact[4]) / 2)
        assert abs(wide - mpmath.mpf(narrow.numerator) / narrow.denominator) < mpmath.mpf(10) ** -57
