"""Kernels against definitions: intervals, powers, polynomials of intervals, and how splines move with their knots."""

from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan.kernels import bspline_basis, local_jets, moving_knots, plain_sums, polynomial_layer
from refkan.splines import bsplines
from refkan.splines.local_basis import KnotTables, local_basis
from refkan.splines.sums.value_sweeps import PolynomialSweep
from refkan.truth.bases.outside import interval
from tests.kernels.kernel_results import sweeps_of
from tests.shared.drawn_spaces import any_space
from tests.shared.factories import (
    EPS,
    KINDS,
    TINY,
    contributions,
    errors,
    exact,
    exact_bsplines,
    points,
    points_outside,
    space,
    value_tolerance,
)
from tests.shared.forms import OUTPUTS, in_python


def plain_intervals(S, x):
    n = S.intervals
    return np.array([plain_sums.find_interval(at, S.knots, S.order, n) for at in x])


def compiled_intervals(S, x):
    tables = KnotTables(S.knots[None].copy(), S.order)
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
    expected = [interval(knots, order, Fraction(float(v)), "linear") - order + 1 for v in x]
    np.testing.assert_array_equal(compiled_intervals(S, x), expected)
    np.testing.assert_array_equal(plain_intervals(S, x), expected)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 49, 1000])
@pytest.mark.parametrize("domain", [(0.0, 1.0), (-0.1, 0.2), (1e3, 1e3 + 1e-3), (-7.0, 1e5), (0.0, 3e-305)], ids=str)
def test_points_next_to_uniform_breakpoints_are_in_their_intervals(n, domain):
    """Rounding may put a point into the wrong cell of the guide: the neighbours of every breakpoint."""
    S = rk.SplineSpace.uniform(1, n, domain)
    t = S.breakpoints
    x = np.concatenate([t, np.nextafter(t, -np.inf), np.nextafter(t, np.inf), 0.5 * (t[1:] + t[:-1])])
    expected = np.clip(np.searchsorted(t, x, side="right") - 1, 0, n - 1)
    np.testing.assert_array_equal(compiled_intervals(S, x), expected)
    np.testing.assert_array_equal(plain_intervals(S, x), expected)
    y, dC, dx = sweep(S, np.arange(float(n)), x, np.ones(x.size))
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(dC, np.bincount(expected, minlength=n))
    assert not dx.any()
    outside = [np.nan, np.inf, -np.inf]
    m = np.empty(x.size + 3, np.uint64)
    bspline_basis.find_uniform_intervals(np.append(x, outside), t, n / (t[-1] - t[0]), m)
    np.testing.assert_array_equal(m[:-3], expected)
    assert m[-3:].max() < n


ORDERS = (2, 3, 4, 5, 7)
BREAKPOINTS = {
    "one interval": [-1.0, 2.0],
    "two": [0.0, 0.9, 1.0],
    "uniform": np.linspace(0.0, 1.0, 7),
    "graded": [0.0, 1e-3, 1.1e-3, 0.2, 0.9, 0.9002, 0.9003, 0.99, 1.0],
}


def tables_of(order, breakpoints):
    return KnotTables.of(rk.SplineSpace.from_breakpoints(order, breakpoints))


def weights_of(tables):
    n, r = tables.breakpoints.shape[1] - 1, tables.order
    weights = np.empty((tables.knots.shape[0], n, r, r - 1, r - 1))
    moving_knots.motion_weights(0, tables.knots.shape[0], tables.knots, weights)
    return weights


def drawn_points(tables, outside, rng, count=60):
    a, b = tables.domains[0]
    reach = 0.0 if outside == "error" else 0.2
    return rng.uniform(a - reach * (b - a), b + reach * (b - a), (count, 1))


def knot_derivatives(tables, weights, basis, c):
    """Derivatives in the interior breakpoints by the weights, (N, n - 1), and their absolute sums."""
    r, n = tables.order, weights.shape[1]
    d = np.diff(c) * tables.inverse_spans[0, r - 1, 1 : c.size]
    samples, m = np.arange(basis.start.shape[0]), basis.start[:, 0]
    out, size = np.zeros((2, samples.size, n - 1))
    for i in range(r):
        for a in range(r - 1):
            inside = (m + i + a + 2 - r > 0) & (m + i + a + 2 - r < n)
            at = samples[inside], (m + i + a + 1 - r)[inside]
            for e in range(r - 1):
                part = (basis.rows[0, :, 0, i] * weights[0, m, i, a, e] * d[m + e])[inside]
                out[at] -= part
                size[at] += np.abs(part)
    return out, size


@pytest.mark.parametrize("outside", ["linear", "polynomial"])
@pytest.mark.parametrize("kind", BREAKPOINTS)
@pytest.mark.parametrize("order", ORDERS)
def test_weights_are_the_formula_with_doubled_knots(order, kind, outside, rng):
    tables = tables_of(order, BREAKPOINTS[kind])
    x, c = drawn_points(tables, outside, rng), rng.standard_normal(tables.dim)
    ours, size = knot_derivatives(tables, weights_of(tables), local_basis(tables, x, 0, outside), c)
    expected = bsplines.knot_derivative_matrix(rk.SplineSpace(tables.knots[0], order), c, x[:, 0], outside)
    assert np.all(np.abs(ours - expected) <= 16 * order * EPS * (size + np.abs(expected)))


def sweep(S, C, x, dy, outside="linear", kind=PolynomialSweep):
    """Value, dC and dx of one edge at points x, the edge to the last of several outputs.

    Large orders in Python, and samples in turn, which have three kernels more for each order.
    """
    Q = OUTPUTS.get(S.order, 1)
    compiled = S.order in OUTPUTS and kind is PolynomialSweep
    with sweeps_of(kind), nullcontext() if compiled else in_python(polynomial_layer, bspline_basis, local_jets):
        at = rk.SplineLayer((S,), Q, outside).linearize(np.concatenate([np.zeros((Q - 1) * S.dim), C]), x[:, None])
        dC, dx = at.pullback(np.eye(Q)[-1] * dy[:, None])
    return at.value[:, -1], dC[-S.dim :], dx[:, 0]


CASES = [
    *((kind, order) for kind in KINDS for order in (1, 2, 3, 4)),
    *(pytest.param(kind, 6, marks=pytest.mark.exhaustive) for kind in ("random", "graded")),  # 9 s to compile
]


@pytest.mark.parametrize("outside", ["linear", "polynomial", "natural"])
@pytest.mark.parametrize(("kind", "order"), CASES)
def test_values_and_slopes_against_definitions(kind, order, outside):
    """Each B-spline by itself, and the cotangents of all coefficients from each point by itself."""
    S = space(kind, order)
    x = np.concatenate([points(S, 1), points_outside(S)])
    one, expected, bounds = np.ones(x.size), [], []
    for derivative in (0, 1):
        expected.append([exact_bsplines(S, at, derivative, outside) for at in x])
        scales = np.array([contributions(S, at, derivative, outside) for at in x])
        bounds.append(value_tolerance(order + 1) * scales + TINY)
    for i in range(S.dim):
        y, _, dx = sweep(S, np.eye(S.dim)[i], x, one, outside)
        assert np.all(errors(y, [row[i] for row in expected[0]]) <= bounds[0][:, i])
        assert np.all(errors(dx, [row[i] for row in expected[1]]) <= bounds[1][:, i])
    for s in range(x.size):
        _, dC, _ = sweep(S, np.zeros(S.dim), x[s : s + 1], one[:1], outside)
        assert np.all(errors(dC, expected[0][s]) <= bounds[0][s])


@given(
    any_space(max_order=4), st.lists(st.floats(-0.2, 1.2), min_size=1, max_size=12), st.integers(0, 99),
    st.sampled_from(["linear", "natural"]),
)  # fmt: skip
def test_any_knots_against_samples_in_turn(S, fractions, seed, outside):
    """Repeated knots, at the ends of the domain too, and intervals in one cell of the guide."""
    rng = np.random.default_rng(seed)
    a, b = S.domain
    t = S.knots if outside == "natural" else S.breakpoints
    x = np.concatenate([a + (b - a) * np.array(fractions), t, np.nextafter(t, -np.inf), np.nextafter(t, np.inf)])
    C, dy = rng.standard_normal(S.dim), rng.standard_normal(x.size)
    ours, theirs = (sweep(S, C, x, dy, outside, kind) for kind in (PolynomialSweep, None))
    values, slopes = (np.array([contributions(S, at, d, outside) for at in x]) for d in (0, 1))
    scales = values @ np.abs(C), np.abs(dy) @ values, (slopes @ np.abs(C)) * np.abs(dy)
    for mine, other, scale in zip(ours, theirs, scales, strict=True):
        assert np.all(np.abs(mine - other) <= 2 * value_tolerance(S.order + 1) * scale + TINY)


@pytest.mark.parametrize("outside", ["linear", "natural"])
def test_nan_and_infinity_stay_where_they_are(outside):
    """One sample that is no number spoils itself, and the sums over samples."""
    S = space("uniform", 4)
    x = np.array([0.3, np.nan, np.inf, -np.inf, 0.7])
    y, dC, dx = sweep(S, np.arange(float(S.dim)), x, np.ones(5), outside)
    assert np.isfinite([y[[0, 4]], dx[[0, 4]]]).all()
    assert not np.isfinite(y[1:4]).any()
    assert np.isnan(dC).any()


@pytest.mark.parametrize("order", [2, 4, 6, 10])
@pytest.mark.parametrize("far", [1e35, -1e62, 1e104, -1e300])
def test_tangents_of_points_far_outside(order, far):
    """Powers of x that nobody asks for leave the range of numbers long before the tangent does."""
    S = rk.SplineSpace.uniform(order, 4)
    line = (S.greville - 0.5) * 4.0  # 4 x - 2, which splines of these orders reproduce
    y, dC, dx = sweep(S, line, np.array([far]), np.ones(1))
    assert y == pytest.approx(4 * far, rel=64 * EPS)
    assert dx == pytest.approx(4.0, rel=64 * EPS * order**2)
    assert dC @ line == pytest.approx(4 * far, rel=64 * EPS * order**2)
    assert not dC[order:].any() if far < 0 else not dC[:-order].any()


@pytest.mark.parametrize("outside", ["linear", "polynomial"])
@pytest.mark.parametrize(("order", "length"), [(10, 1e-34), (10, 1e35), (6, 1e64), (6, 1e-64), (4, 1e105), (4, 1e-150)])
def test_domains_of_any_length_are_the_unit_interval_in_other_units(order, length, outside):
    x = np.array([-0.5, -1e-3, 0.0, 0.3, 1.0, 1.4, 3.0])
    unit, scaled = rk.SplineSpace.uniform(order, 4), rk.SplineSpace.uniform(order, 4, (0.0, length))
    C, dy = np.arange(unit.dim) ** 2.0, np.linspace(-1.0, 2.0, 7)
    y, dC, dx = sweep(unit, C, x, dy, outside)
    y_scaled, dC_scaled, dx_scaled = sweep(scaled, C, x * length, dy, outside)
    size = [np.abs(contributions(unit, at, 0, outside)).sum() * np.abs(C).max() for at in x]
    slope = [np.abs(contributions(unit, at, 1, outside)).sum() * np.abs(C).max() for at in x]
    assert np.all(np.abs(y_scaled - y) <= 64 * order * EPS * np.array(size))
    assert np.all(np.abs(dx_scaled * length - dx) <= 64 * order * EPS * np.array(slope))
    assert np.all(np.abs(dC_scaled - dC) <= 64 * order * EPS * np.array(size).max())


@pytest.mark.parametrize("outside", ["linear", "polynomial", "natural"])
@pytest.mark.parametrize("order", sorted(OUTPUTS))
def test_windows_of_polynomials_are_those_of_the_plain_basis(order, outside):
    """Equal intervals and others, on the domain and beyond both ends; with slopes and without."""
    rng = np.random.default_rng(order)
    b = np.array([np.linspace(-1.0, 2.0, 6), np.append(np.sort(rng.uniform(-1.0, 1.9, 5)), 2.0)])
    knots = [rk.SplineSpace.from_breakpoints(order, t).knots for t in b]
    tables = KnotTables(np.array(knots), order)
    x = np.concatenate([rng.uniform(-1.5, 2.5, (300, 2)), b.T, np.nextafter(b.T, np.inf), np.nextafter(b.T, -np.inf)])
    for derivatives in (0, 1):
        plain = local_basis(tables, x, derivatives, outside, fast=False)
        with nullcontext() if order == 4 else in_python(polynomial_layer):
            fast = local_basis(tables, x, derivatives, outside, fast=True, pieces=True)
        for rows, expected in zip(fast.rows, plain.rows, strict=True):
            assert np.abs(rows - expected).max() <= 64 * EPS * np.abs(plain.rows).max()
        np.testing.assert_array_equal(fast.start, plain.start)
