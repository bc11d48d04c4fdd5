"""Derivatives of splines in their knots against definitions, exact differences and laws; faults are noticed."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan import truth
from refkan.splines import bsplines
from tests.shared.factories import (
    contributions,
    errors,
    exact,
    exact_knots,
    points,
    points_outside,
    space,
)
from tests.shared.rounding_of_bsplines import TINY, value_tolerance


def exact_knot_derivatives(S, c, x, outside="error"):
    t, c, x = exact_knots(S), exact(c), Fraction(float(x))
    return [truth.knot_derivative(t, S.order, c, j, x, outside) for j in range(1, S.intervals)]


def knot_contributions(S, c, x, outside):
    """Sum of absolute contributions to each df/dt_j; quotients of coefficients taken apart, as the kernel has them."""
    t, r = S.knots, S.order
    scale = []
    for j in range(1, S.intervals):
        p = j + r - 1
        doubled = rk.SplineSpace(np.insert(t, p, t[p]), r)
        hat = contributions(doubled, x, 0, outside)
        scale.append(sum((abs(c[i]) + abs(c[i - 1])) / (t[i + r - 1] - t[i]) * hat[i] for i in range(p - r + 1, p + 1)))
    return np.array(scale)


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("kind", ["uniform", "random", "graded", "offset", "clamped"])
@pytest.mark.parametrize("outside", ["linear", "polynomial"])
def test_knot_derivatives_against_definitions(kind, order, outside, rng):
    S = space(kind, order)
    c = rng.standard_normal(S.dim)
    x = np.concatenate([points(S, 1, neighbours=False), points_outside(S)[:6]])
    D = bsplines.knot_derivative_matrix(S, c, x, outside)
    assert D.shape == (x.size, S.intervals - 1)
    for s, at in enumerate(x):
        error = errors(D[s], exact_knot_derivatives(S, c, at, outside))
        bound = 2 * value_tolerance(order + 1) * knot_contributions(S, c, at, outside)
        assert np.all(error <= bound + TINY), (at, error, bound)


@given(st.integers(2, 6), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_hypothesis_knot_derivatives_against_definitions(order, intervals, seed):
    rng = np.random.default_rng(seed)
    S = rk.SplineSpace(np.cumsum(rng.uniform(0.02, 1, intervals + 2 * order - 1)), order)
    c = rng.standard_normal(S.dim)
    x = rng.uniform(*S.domain, 2)
    D = bsplines.knot_derivative_matrix(S, c, x)
    for s in range(2):
        error = errors(D[s], exact_knot_derivatives(S, c, x[s]))
        assert np.all(error <= 2 * value_tolerance(order) * knot_contributions(S, c, x[s], "error"))


def test_one_interval_has_no_interior_knot():
    S = rk.SplineSpace.uniform(3, 1)
    assert bsplines.knot_derivative_matrix(S, np.ones(3), [0.2, 0.4]).shape == (2, 0)


def test_sabotage_of_knot_derivatives_is_noticed(monkeypatch, rng):
    S = space("random", 3)
    c, at = rng.standard_normal(S.dim), S.breakpoints[1] + 0.01
    right = bsplines.knot_rows

    def check():
        D = bsplines.knot_derivative_matrix(S, c, [at])[0]
        bound = 2 * value_tolerance(3) * knot_contributions(S, c, at, "error")
        return np.all(errors(D, exact_knot_derivatives(S, c, at)) <= bound)

    assert check()
    faults = [lambda *a: -right(*a), lambda *a: 1.000001 * right(*a), lambda *a: np.roll(right(*a), 1, axis=2)]
    for fault in faults:
        monkeypatch.setattr(bsplines, "knot_rows", fault)
        assert not check()
