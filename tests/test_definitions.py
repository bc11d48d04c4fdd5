"""The oracle, exactly: over Fractions every law is an equality. SciPy is the independent oracle in floats."""

from __future__ import annotations

import ast
import inspect
import sys
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import factorial, perm

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from refkan import definitions as d

ORDERS = range(1, 8)
EPS = np.finfo(float).eps


@st.composite
def rational_knots(draw, min_order=1, max_order=6, min_intervals=1, repeats=False):
    """Draw an order and a knot vector of Fractions, strictly increasing or clamped with repeated knots."""
    order = draw(st.integers(min_order, max_order))
    intervals = draw(st.integers(min_intervals, 4))
    gap = st.fractions(Fraction(1, 20), 3, max_denominator=20)
    gaps = draw(st.lists(gap, min_size=intervals + 2 * order - 2, max_size=intervals + 2 * order - 2))
    if repeats:  # clamp both ends, and let interior breakpoints coincide
        gaps[: order - 1] = [Fraction(0)] * (order - 1)
        gaps[len(gaps) - order + 1 :] = [Fraction(0)] * (order - 1)
        merged = draw(st.lists(st.booleans(), min_size=intervals, max_size=intervals))
        for k, merge in enumerate(merged[:-1]):
            gaps[order - 1 + k] *= not merge
    knots = [draw(st.fractions(-2, 2, max_denominator=20))]
    for g in gaps:
        knots.append(knots[-1] + g)
    return order, knots


def dim(knots, order):
    return len(knots) - order


def breakpoints(knots, order):
    return knots[order - 1 : len(knots) - order + 1]


def points(knots, order, per_interval=2):
    """Return every breakpoint, both ends of the domain included, and points inside every interval."""
    t = breakpoints(knots, order)
    inside = [
        left + (right - left) * Fraction(k, per_interval + 2)
        for left, right in pairwise(t)
        for k in range(1, per_interval + 1)
    ]
    return [*t, *inside]


def random_knots(order, intervals, seed=0):
    gaps = np.random.default_rng([seed, order, intervals]).integers(1, 40, intervals + 2 * order - 2)
    knots = [Fraction(-1, 3)]
    for g in gaps:
        knots.append(knots[-1] + Fraction(int(g), 24))
    return knots


def values(knots, order, x, derivative=0, outside="natural"):
    return [d.bspline_derivative(knots, order, i, x, derivative, outside) for i in range(dim(knots, order))]


def powers(knots, order, x, derivative=0, outside="natural"):
    size = dim(knots, order)
    return [d.truncated_power_derivative(knots, order, i, x, derivative, 1, outside) for i in range(size)]


def apply(matrix, vector):
    return [sum(a * v for a, v in zip(row, vector, strict=True)) for row in matrix]


def multiply(left, right):
    return [apply(zip(*right, strict=True), row) for row in left]


def identity(size):
    return [[int(i == j) for j in range(size)] for i in range(size)]


def basis_identity_holds(knots, order, A, outside="natural", beyond=()):
    """Whether b = A psi at the points of the domain and those beyond it."""
    return all(
        values(knots, order, x, k, outside) == apply(A, powers(knots, order, x, k, outside))
        for x in [*points(knots, order), *beyond]
        for k in range(order + 1)
    )


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


@dataclass(frozen=True)
class Dual:
    """a + b e with e^2 = 0: arithmetic carries the exact derivative b along."""

    a: Fraction
    b: Fraction = Fraction(0)

    @property
    def real(self):
        return self.a

    def __add__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.a + other.a, self.b + other.b)

    def __mul__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.a * other.a, self.a * other.b + self.b * other.a)

    def __sub__(self, other):
        return self + other * -1

    def __rsub__(self, other):
        return self * -1 + other

    def __truediv__(self, other):
        return self * Dual(1 / other.a, -other.b / other.a**2)

    def __rtruediv__(self, other):
        return Dual(other) / self

    def __eq__(self, other):
        return self.a == other

    __radd__, __rmul__ = __add__, __mul__


def knot_derivative_by_dual_numbers(knots, order, coefficients, j, x, outside="natural"):
    moving = [Dual(t, Fraction(p == j + order - 1)) for p, t in enumerate(knots)]
    b = values(moving, order, Dual(x), 0, outside)
    return apply([[Dual(c) for c in coefficients]], b)[0].b


# ---------------------------------------------------------------------------------------------- B-splines


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
        for i in range(dim(knots, order)):
            b = polynomial_through(xs, [d.bspline(knots, order, i, x) for x in xs])
            psi = polynomial_through(xs, [d.truncated_power(knots, order, i, x) for x in xs])
            for k in range(order + 2):
                for x in checked:
                    assert d.bspline_derivative(knots, order, i, x, k) == differentiated(b, x, k)
                    assert d.truncated_power_derivative(knots, order, i, x, k) == differentiated(psi, x, k)


@pytest.mark.parametrize("scale", [Fraction(1, 3), Fraction(5)])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_scaled_powers_are_the_powers_over_a_power_of_the_scale(order, scale):
    knots = random_knots(order, 3)
    for x in points(knots, order):
        for i in range(dim(knots, order)):
            for k in range(3):
                scaled = d.truncated_power_derivative(knots, order, i, x, k, scale)
                plain = d.truncated_power_derivative(knots, order, i, x, k)
                assert scaled * scale ** (order - 1) == plain


# ------------------------------------------------------------------------------- SciPy, other number types


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
        np.testing.assert_allclose([d.bspline(knots, 4, i, t) for t in x], expected, rtol=1e-13)


@pytest.mark.parametrize("order", range(1, 7))
def test_floats_attain_the_exact_values(order):
    exact = random_knots(order, 5)
    floats = [float(t) for t in exact]
    exact = [Fraction(t) for t in floats]
    for x in np.linspace(floats[order - 1], floats[-order], 17):
        ours, truth = values(floats, order, float(x)), values(exact, order, Fraction(float(x)))
        assert max(abs(Fraction(u) - v) for u, v in zip(ours, truth, strict=True)) <= order * 1e-15


def test_complex_step_and_mpmath():
    exact = random_knots(4, 3)
    floats = [float(t) for t in exact]
    x = (floats[3] + floats[-4]) / 2 + 0.01
    step = 1e-200
    for i in range(dim(exact, 4)):
        slope = d.bspline(floats, 4, i, complex(x, step)).imag / step
        assert slope == pytest.approx(d.bspline_derivative(floats, 4, i, x), rel=1e-13, abs=1e-13)
        power = d.truncated_power(floats, 4, i, complex(x, step)).imag / step
        assert power == pytest.approx(d.truncated_power_derivative(floats, 4, i, x), rel=1e-13)
    with mpmath.workdps(60):
        knots = [mpmath.mpf(t.numerator) / t.denominator for t in exact]
        wide = d.bspline(knots, 4, 1, (knots[3] + knots[4]) / 2)
        truth = d.bspline(exact, 4, 1, (exact[3] + exact[4]) / 2)
        assert abs(wide - mpmath.mpf(truth.numerator) / truth.denominator) < mpmath.mpf(10) ** -57


# ------------------------------------------------------------------------------------------ change of basis


@given(rational_knots(max_order=7))
@settings(max_examples=30, deadline=None)
def test_three_formulas_for_the_change_of_basis(drawn):
    order, knots = drawn
    A, inverse = d.change_of_basis(knots, order), d.change_of_basis_inverse(knots, order)
    assert d.change_of_basis_divided_differences(knots, order) == A
    assert multiply(A, inverse) == multiply(inverse, A) == identity(dim(knots, order))
    assert min(min(row) for row in inverse) >= 0
    for i, row in enumerate(A):
        assert all(a == 0 for j, a in enumerate(row) if not i <= j <= i + order)
        assert all(a * (-1) ** (j - i) > 0 for j, a in enumerate(row) if i <= j <= i + order)


@given(rational_knots())
@settings(max_examples=6, deadline=None)
def test_both_bases_are_related_by_it(drawn):
    order, knots = drawn
    A = d.change_of_basis(knots, order)
    a, b = knots[order - 1], knots[-order]
    beyond = [a - 2, a - Fraction(1, 7), b + Fraction(1, 7), b + 2]
    assert basis_identity_holds(knots, order, A, "linear", beyond)
    assert basis_identity_holds(knots, order, A, "polynomial", beyond)
    # The square form drops the powers that start at b or later: left of the domain it loses nothing.
    assert basis_identity_holds(knots, order, A, "natural", beyond[:2])
    assert not basis_identity_holds(knots, order, A, "natural", beyond[3:])


@pytest.mark.parametrize("order", ORDERS)
def test_the_uniform_closed_form(order):
    h = Fraction(2, 7)
    knots = [Fraction(1, 3) + h * k for k in range(4 + 2 * order)]
    uniform = d.uniform_change_of_basis(order, dim(knots, order), h)
    assert uniform == d.change_of_basis(knots, order)
    first = d.uniform_change_of_basis(1, dim(knots, order), h)
    power = identity(dim(knots, order))
    for _ in range(order):
        power = multiply(power, first)
    assert uniform == [[a * h ** (1 - order) / factorial(order - 1) for a in row] for row in power]


# ------------------------------------------------------------------------------------------ knot derivatives


@given(rational_knots(min_order=2, max_order=5, min_intervals=2), st.data())
@settings(max_examples=10, deadline=None)
def test_knot_derivative_is_the_exact_derivative(drawn, data):
    order, knots = drawn
    size = dim(knots, order)
    j = data.draw(st.integers(1, size - order))
    c = data.draw(st.lists(st.fractions(-3, 3, max_denominator=9), min_size=size, max_size=size))
    a, b = knots[order - 1], knots[-order]
    for outside in ("linear", "polynomial", "natural"):
        for x in [*points(knots, order, 1), a - Fraction(1, 5), b + Fraction(1, 5), b + 3]:
            if order == 2 and x == breakpoints(knots, order)[j]:
                continue  # the kink: the derivative is one-sided there
            ours = d.knot_derivative(knots, order, c, j, x, outside)
            assert ours == knot_derivative_by_dual_numbers(knots, order, c, j, x, outside)


def test_knot_derivative_at_a_kink_is_the_limit_from_the_right():
    knots = [Fraction(t) for t in (-1, 0, 1, 2, 3)]
    c = [Fraction(0), Fraction(1), Fraction(0)]
    # The hat at t_1 = 1: f = x/t_1 to its left, f = (2 - x)/(2 - t_1) to its right.
    assert d.knot_derivative(knots, 2, c, 1, Fraction(999, 1000)) == -Fraction(999, 1000)
    assert d.knot_derivative(knots, 2, c, 1, Fraction(1)) == 1


@pytest.mark.parametrize(("order", "j"), [(1, 1), (3, 0), (3, 4), (3, -1)])
def test_knot_derivative_refuses(order, j):
    knots = random_knots(order, 4)
    with pytest.raises(ValueError, match="order must be at least 2 and 0 < j < n"):
        d.knot_derivative(knots, order, [Fraction(1)] * dim(knots, order), j, knots[order])


# -------------------------------------------------------------------------------------- policies and layers


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
    with pytest.raises(ValueError, match="outside must be"):
        d.bspline([0.0, 1.0], 1, 0, 0.5, outside="clamp")


def test_layers_are_the_same_function_in_both_bases():
    order, P, Q = 3, 2, 3
    per_input = [random_knots(order, 3, seed=p) for p in range(P)]
    rng = np.random.default_rng(5)
    draws = rng.integers(-9, 9, size=(Q, P, dim(per_input[0], order)))
    u = [[[Fraction(int(c), 7) for c in edge] for edge in row] for row in draws]
    w = [
        [apply(zip(*d.change_of_basis(t, order), strict=True), edge) for edge, t in zip(row, per_input, strict=True)]
        for row in u
    ]
    for outside in ("linear", "polynomial"):
        for x in (
            [t[order] for t in per_input],
            [t[-order] for t in per_input],
            [Fraction(-9), Fraction(50)],
        ):
            y = d.spline_layer(u, per_input, order, x, outside)
            assert y == d.relu_layer(w, per_input, order, x, 1, outside)
            stretched = [[[c * 2 ** (order - 1) for c in edge] for edge in row] for row in w]
            assert y == d.relu_layer(stretched, per_input, order, x, Fraction(2), outside)
            edges = zip(u[1], per_input, x, strict=True)
            assert y[1] == sum(apply([c], values(t, order, x_p, 0, outside))[0] for c, t, x_p in edges)
    x = [Fraction(1), Fraction(2)]
    same = d.spline_layer(u, per_input[0], order, x)
    assert same == d.spline_layer(u, [per_input[0]] * P, order, x) != d.spline_layer(u, per_input, order, x)


def test_a_layer_takes_arrays_and_refuses_the_wrong_width():
    knots = np.array([[-1.0, 0.0, 1.0, 2.0], [-2.0, 0.0, 2.0, 4.0]])
    weights = np.array([[[3.0, 5.0], [1.0, 2.0]]])
    assert d.spline_layer(weights, knots, 2, np.array([0.25, 0.5])) == [3.5 + 1.25]
    with pytest.raises(ValueError, match="zip"):
        d.spline_layer(weights, knots, 2, np.array([0.25, 0.5, 0.75]))


# ------------------------------------------------------------------------------------------------ sabotage


def _negated(A):
    return [[-a if (i, j) == (1, 2) else a for j, a in enumerate(row)] for i, row in enumerate(A)]


SABOTAGED_MATRICES = {
    "a flipped sign": lambda knots, order: _negated(d.change_of_basis(knots, order)),
    "a wrong factor": lambda knots, order: [[2 * a for a in row] for row in d.change_of_basis(knots, order)],
    "the transpose": lambda knots, order: list(map(list, zip(*d.change_of_basis(knots, order), strict=True))),
    "shifted knots": lambda knots, order: d.change_of_basis([*knots[1:], knots[-1] + 1], order),
    "uniform knots": lambda knots, order: d.uniform_change_of_basis(order, dim(knots, order), Fraction(1, 2)),
}


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("name", SABOTAGED_MATRICES)
def test_a_wrong_change_of_basis_is_noticed(order, name):
    knots = random_knots(order, 3)
    assert basis_identity_holds(knots, order, d.change_of_basis(knots, order))
    assert not basis_identity_holds(knots, order, SABOTAGED_MATRICES[name](knots, order))


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_a_wrong_knot_derivative_is_noticed(order, shift):
    """Doubling a neighbour of the knot, or forgetting the minus sign, does not pass for the derivative."""
    knots = random_knots(order, 4)
    c = [Fraction(k * k, 3) - k for k in range(dim(knots, order))]
    x = [x for x in points(knots, order, 3) if x not in knots]
    truth = [knot_derivative_by_dual_numbers(knots, order, c, 2, s) for s in x]
    ours = [d.knot_derivative(knots, order, c, 2 + shift, s) for s in x]
    assert (ours == truth) is (shift == 0)
    assert [-v for v in ours] != truth


def test_an_open_last_interval_is_noticed(monkeypatch):
    knots = random_knots(3, 4)
    b = knots[-3]
    assert sum(values(knots, 1, b)) == 1
    monkeypatch.setattr(d, "interval", lambda t, order, x, outside: sum(s <= x for s in t) - 1)
    monkeypatch.setattr(d, "_ratio", lambda numerator, denominator: numerator / denominator)
    assert sum(values([*knots[:-2]], 1, b)) == 0
    with pytest.raises(ZeroDivisionError):
        values([b - 1] * 3 + [b] * 3, 3, b - 1)


def test_it_imports_the_standard_library_alone():
    tree = ast.parse(inspect.getsource(d))
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
