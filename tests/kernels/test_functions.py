"""Kernels against definitions and SciPy: the search for intervals, powers, sweeps of a layer."""

from fractions import Fraction
from math import perm

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan import truth
from refkan.kernels import bspline_basis, plain_basis, relu_power_basis
from refkan.splines import local_basis
from tests.shared.factories import EPS, exact


def plain_intervals(S, x):
    n = S.intervals
    return np.array([plain_basis.find_interval(at, S.knots, S.order, n) for at in x])


def compiled_intervals(S, x):
    tables = local_basis.KnotTables(S.knots[None].copy(), S.order)
    m = np.empty(x.size, np.uint64)
    guide, scale, halvings = tables.search
    bspline_basis.find_intervals(x, tables.breakpoints[0], guide[0], scale[0], halvings, m)
    return m


@given(
    st.lists(st.sampled_from([0.0, 1e-9, 1e-4, 0.1, 1.0]), min_size=1, max_size=40).filter(any),
    st.lists(st.floats(-0.2, 1.2), min_size=1, max_size=20),
    st.sampled_from([0.0, -3.0, 1e5]),
)
def test_find_intervals_against_the_definition(gaps, fractions, start):
    t = start + np.concatenate([[0.0], np.cumsum(gaps)])
    order = int(max(np.bincount(np.searchsorted(np.unique(t), t)).max(), 1))
    if order > 10:
        return
    S = rk.SplineSpace.clamped(order, t[max(0, np.argmax(t > t[0]) - 1) : np.searchsorted(t, t[-1]) + 1])
    a, b = S.domain
    x = np.concatenate([S.breakpoints, a + (b - a) * np.array(fractions), np.nextafter(S.breakpoints, np.inf)])
    knots = exact(S.knots)
    expected = [truth.interval(knots, order, Fraction(float(v)), "linear") - order + 1 for v in x]
    np.testing.assert_array_equal(compiled_intervals(S, x), expected)
    np.testing.assert_array_equal(plain_intervals(S, x), expected)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 49, 1000])
@pytest.mark.parametrize("domain", [(0.0, 1.0), (-0.1, 0.2), (1e3, 1e3 + 1e-3), (-7.0, 1e5)], ids=str)
def test_find_intervals_next_to_uniform_breakpoints(n, domain):
    """Rounding may put a point into the wrong cell of the guide: the neighbours of every breakpoint."""
    S = rk.SplineSpace.uniform(1, n, domain)
    t = S.breakpoints
    x = np.concatenate([t, np.nextafter(t, -np.inf), np.nextafter(t, np.inf), 0.5 * (t[1:] + t[:-1])])
    expected = np.clip(np.searchsorted(t, x, side="right") - 1, 0, n - 1)
    np.testing.assert_array_equal(compiled_intervals(S, x), expected)
    np.testing.assert_array_equal(plain_intervals(S, x), expected)
    outside = [np.nan, np.inf, -np.inf]
    m = np.empty(x.size + 3, np.uint64)
    bspline_basis.find_uniform_intervals(np.append(x, outside), t, n / (t[-1] - t[0]), m)
    np.testing.assert_array_equal(m[:-3], expected)
    assert m[-3:].max() < n


@pytest.mark.parametrize("degree", range(6))
@pytest.mark.parametrize("derivative", range(8))
def test_falling_power(degree, derivative):
    y = -1.5
    expected = perm(degree, derivative) * y ** (degree - derivative) if derivative <= degree else 0.0
    assert relu_power_basis.falling_power(y, degree, derivative) == pytest.approx(expected, rel=8 * EPS)
