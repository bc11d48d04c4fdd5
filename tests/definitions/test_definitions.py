"""The oracle, exactly: over Fractions every law is an equality."""

from __future__ import annotations

import ast
import inspect
import sys
from fractions import Fraction
from itertools import pairwise
from math import factorial, perm

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refkan import definitions as d
from tests.definitions.fraction_knots import (
    apply,
    breakpoints,
    dim,
    points,
    powers,
    random_knots,
    rational_knots,
    values,
)

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
