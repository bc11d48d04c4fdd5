"""The oracle: over Fractions every law is an equality; in floats SciPy, complex steps and mpmath are oracles of it."""

from fractions import Fraction
from itertools import pairwise
from math import factorial, perm

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from refkan import truth
from refkan.truth.bases import bsplines
from refkan.truth.layers import BSplines, ReluPowers, SumLayer
from tests.shared.refusals import refused
from tests.truth.truth_cases import apply, breakpoints, dim, points, powers, random_knots, rational_knots, values

ORDERS = range(1, 8)


def polynomial_through(xs, ys):
    """Return the coefficients, constant first, of the polynomial through the points (Newton's form)."""
    differences, coefficients, product = list(ys), [Fraction(0)] * len(xs), [Fraction(1)]
    for k, x in enumerate(xs):
        for n, c in enumerate(product):
            coefficients[n] += differences[0] * c
        product = [a - x * b for a, b in zip([0, *product], [*product, 0], strict=True)]
        steps = enumerate(pairwise(differences))
        differences = [(right - left) / (xs[m + k + 1] - xs[m]) for m, (left, right) in steps]
    return coefficients


def differentiated(coefficients, x, k):
    return sum(perm(n, k) * c * x ** (n - k) for n, c in enumerate(coefficients) if n >= k)


@given(rational_knots())
@settings(max_examples=25, deadline=None)
def test_partition_of_unity_support_and_sign(drawn):
    order, knots = drawn
    for x in points(knots, order):
        b = values(knots, order, x)
        assert sum(b) == 1
        assert min(b) >= 0
        for i, value in enumerate(b):
            if not knots[i] <= x <= knots[i + order]:
                assert value == 0
            elif knots[i] < x < knots[i + order]:
                assert value > 0


@given(rational_knots(repeats=True))
@settings(max_examples=25, deadline=None)
def test_partition_of_unity_with_clamped_and_repeated_knots(drawn):
    order, knots = drawn
    for x in points(knots, order):
        assert sum(values(knots, order, x)) == 1
    a, b = knots[order - 1], knots[-order]
    assert values(knots, order, a).count(0) == dim(knots, order) - 1  # clamped: one basis function alone
    assert values(knots, order, b)[-1] == 1


@given(rational_knots(repeats=True), st.data())
@settings(max_examples=15, deadline=None)
def test_marsden_polynomials_are_reproduced(drawn, data):
    """(x - s)^(r-1) = sum_i b_i(x) prod_{l=1..r-1} (t_{i+l} - s)."""
    order, knots = drawn
    s = data.draw(st.fractions(-3, 3, max_denominator=10))
    c = [Fraction(1)] * dim(knots, order)
    for i in range(dim(knots, order)):
        for l in range(1, order):
            c[i] *= knots[i + l] - s
    for x in points(knots, order):
        assert apply([c], values(knots, order, x)) == [(x - s) ** (order - 1)]


@pytest.mark.parametrize("order", ORDERS)
def test_derivatives_are_those_of_the_polynomial_pieces(order):
    knots = random_knots(order, 3)
    t = breakpoints(knots, order)
    for m, (left, right) in enumerate(pairwise(t)):
        xs = [left + (right - left) * Fraction(k, order + 1) for k in range(order)]
        checked = [*xs, right] if m == len(t) - 2 else xs
        for evaluate in (values, powers):
            through = [
                polynomial_through(xs, each) for each in zip(*(evaluate(knots, order, x) for x in xs), strict=True)
            ]
            for k in range(order + 2):
                for x in checked:
                    assert evaluate(knots, order, x, k) == [differentiated(p, x, k) for p in through]


@pytest.mark.parametrize("order", [1, 2, 4])
def test_single_functions_are_those_of_the_rows(order):
    knots = random_knots(order, 3)
    for x in [*points(knots, order), knots[-1] + 1]:
        for k in range(order + 1):
            for evaluate, one in (
                (values, truth.bspline_derivative),
                (powers, truth.truncated_power_derivative),
            ):
                each = [one(knots, order, i, x, k) for i in range(dim(knots, order))]
                assert each == evaluate(knots, order, x, k)
        assert [truth.bspline(knots, order, i, x) for i in range(dim(knots, order))] == values(knots, order, x)
        assert [truth.truncated_power(knots, order, i, x) for i in range(dim(knots, order))] == powers(knots, order, x)


@pytest.mark.parametrize("scale", [Fraction(1, 3), Fraction(5)])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_scaled_powers_are_the_powers_over_a_power_of_the_scale(order, scale):
    knots = random_knots(order, 3)
    for x in points(knots, order):
        for i in range(dim(knots, order)):
            for k in range(3):
                scaled = truth.truncated_power_derivative(knots, order, i, x, k, scale)
                plain = truth.truncated_power_derivative(knots, order, i, x, k)
                assert scaled * scale ** (order - 1) == plain


@given(rational_knots(max_order=5, repeats=True))
@settings(max_examples=20, deadline=None)
def test_policies_outside_the_domain(drawn):
    order, knots = drawn
    a, b = knots[order - 1], knots[-order]
    for end, x in ((a, a - Fraction(3, 4)), (b, b + Fraction(3, 4))):
        for evaluate in (values, powers):
            value, slope = evaluate(knots, order, end), evaluate(knots, order, end, 1)
            tangent = [v + s * (x - end) for v, s in zip(value, slope, strict=True)]
            assert evaluate(knots, order, x, 0, "linear") == tangent
            assert evaluate(knots, order, x, 1, "linear") == slope
            assert not any(evaluate(knots, order, x, 2, "linear"))
            taylor = [
                sum(c * (x - end) ** k / factorial(k) for k, c in enumerate(derivatives))
                for derivatives in zip(*(evaluate(knots, order, end, k) for k in range(order)), strict=True)
            ]
            assert evaluate(knots, order, x, 0, "polynomial") == taylor
            with pytest.raises(ValueError, match="x must lie in the domain"):
                evaluate(knots, order, x, 0, "error")
        assert sum(values(knots, order, x, 0, "linear")) == sum(values(knots, order, x, 0, "polynomial")) == 1
        assert not any(values(knots, order, x))  # clamped: nothing outside
    assert not any(powers(knots, order, knots[0] - 1))


def test_an_unknown_policy_is_refused():
    refused(lambda: truth.bspline([0.0, 1.0], 1, 0, 0.5, outside="clamp"), "outside must be")


def spline_layer(knots, order, n_outputs, outside):
    return SumLayer([BSplines(t, order, outside) for t in knots], n_outputs)


def relu_layer(knots, order, n_outputs, outside, scale=1):
    return SumLayer([ReluPowers(t, order, outside, scale) for t in knots], n_outputs)


def flat(weights):
    return [c for row in weights for edge in row for c in edge]


def test_layers_are_the_same_function_in_both_bases():
    order, P, Q = 3, 2, 3
    per_input = [random_knots(order, 3, seed=p) for p in range(P)]
    rng = np.random.default_rng(5)
    draws = rng.integers(-9, 9, size=(Q, P, dim(per_input[0], order)))
    u = [[[Fraction(int(c), 7) for c in edge] for edge in row] for row in draws]
    transposes = [list(zip(*truth.change_of_basis(t, order), strict=True)) for t in per_input]
    w = [[apply(A, edge) for edge, A in zip(row, transposes, strict=True)] for row in u]
    for outside in ("linear", "polynomial"):
        for x in ([t[order] for t in per_input], [t[-order] for t in per_input], [Fraction(-9), Fraction(50)]):
            y = spline_layer(per_input, order, Q, outside).value(flat(u), x)
            assert y == relu_layer(per_input, order, Q, outside).value(flat(w), x)
            stretched = [c * 2 ** (order - 1) for c in flat(w)]
            assert y == relu_layer(per_input, order, Q, outside, Fraction(2)).value(stretched, x)
            edges = zip(u[1], per_input, x, strict=True)
            assert y[1] == sum(apply([c], values(t, order, x_p, 0, outside))[0] for c, t, x_p in edges)
    refused(lambda: spline_layer(per_input, order, Q, "linear").value(flat(u), [Fraction(1)] * 3), "zip")


def test_an_open_last_interval_is_noticed(monkeypatch):
    knots = random_knots(3, 4)
    b = knots[-3]
    assert sum(values(knots, 3, b)) == 1
    monkeypatch.setattr(bsplines, "interval", lambda t, order, x, outside: sum(s <= x for s in t) - 1)
    assert sum(values(knots, 3, b)) == 1  # an ordinary knot, where the functions beyond b are not zero ...
    assert sum(values([*knots[:-3], b, b, b], 3, b)) == 0  # ... and a repeated one


@given(st.fractions(-2, 2, max_denominator=50), st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_chebyshev_polynomials_against_their_closed_form(x, degree):
    """T_d(t) = sum_k (-1)^k d/2 (d-k-1)!/(k! (d-2k)!) (2t)^(d-2k), and all derivatives by the polynomial."""
    domain = (Fraction(-1, 3), Fraction(2))
    t = (2 * x - sum(domain)) / (domain[1] - domain[0])
    powers_of_t = {
        degree - 2 * k: Fraction((-1) ** k * degree * factorial(degree - k - 1) * 2 ** (degree - 2 * k))
        / (2 * factorial(k) * factorial(degree - 2 * k))
        for k in range(degree // 2 + 1)
    }
    for m in range(4):
        expected = sum(perm(n, m) * c * t ** (n - m) for n, c in powers_of_t.items() if n >= m)
        found = truth.chebyshev(domain, degree, x, m)
        assert found[degree] == expected * (2 / (domain[1] - domain[0])) ** m
        assert found[0] == (m == 0)


def test_tails_of_chebyshev_polynomials():
    domain, x = (Fraction(0), Fraction(1)), Fraction(5, 4)
    value, slope = truth.chebyshev(domain, 4, Fraction(1)), truth.chebyshev(domain, 4, Fraction(1), 1)
    assert truth.chebyshev(domain, 4, x, 0, "linear") == {k: value[k] + slope[k] / 4 for k in value}
    assert truth.chebyshev(domain, 4, x, 1, "linear") == slope
    assert not any(truth.chebyshev(domain, 4, x, 2, "linear").values())
    assert truth.chebyshev(domain, 4, x, 0, "polynomial") == truth.chebyshev(domain, 4, x)
    refused(lambda: truth.chebyshev(domain, 4, x, 0, "error"), "x must lie in the domain")
    refused(lambda: truth.chebyshev(domain, 4, x, 0, "clamp"), "outside must be")


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
