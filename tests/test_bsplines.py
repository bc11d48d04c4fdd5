"""Local B-splines against exact rational values, and against SciPy."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import numpy as np
import pytest
import scipy.interpolate
from factories import (
    EPS,
    KINDS,
    ORDERS,
    POLICIES,
    contributions,
    errors,
    exact,
    exact_bsplines,
    exact_knots,
    points,
    points_outside,
    space,
)
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan import bsplines, definitions, local_basis
from refkan.kernels import bspline_basis

TINY = 1e-300  # underflow, next to a knot at 0


def value_tolerance(order):
    """Each of the r - 1 steps of the recursion rounds six times, by eps/2: 3 eps r < 1e-15 r for values up to one."""
    return 1e-15 * order


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_values_are_exact_up_to_1e_15_r(kind, order):
    S = space(kind, order)
    x = points(S) if order < 7 else points(S, 1, neighbours=False)
    B = rk.bsplines.design_matrix(S, x).toarray()
    for s, at in enumerate(x):
        assert errors(B[s], exact_bsplines(S, at)).max() <= value_tolerance(order), at


@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize(
    ("kind", "order", "top"),
    [
        *((kind, order, order) for kind in KINDS for order in (1, 2, 3)),
        ("random", 4, 4),
        ("repeated", 4, 4),
        ("random", 6, 1),
    ],
)
def test_values_and_derivatives_against_definitions(kind, order, top, outside):
    S = space(kind, order)
    x = np.concatenate([points(S, 1, neighbours=False), points_outside(S)])
    for derivative in range(top + 1):
        B = bsplines.design_matrix(S, x, derivative, outside).toarray()
        for s, at in enumerate(x):
            # Relative to the sum of absolute contributions; one more rounding for the tangent.
            bound = value_tolerance(order + 1) * contributions(S, at, derivative, outside)
            error = errors(B[s], exact_bsplines(S, at, derivative, outside))
            assert np.all(error <= bound + TINY), (at, derivative, error, bound)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_order_r_and_more_vanish(kind, order):
    S = space(kind, order)
    for derivative in (order, order + 3):
        assert not bsplines.design_matrix(S, points(S, 1), derivative).data.any()
        assert not bsplines.evaluate(S, np.ones(S.dim), points(S, 1), derivative).any()


@st.composite
def any_space(draw, max_order=10, repeats=True):
    """Draw an order and a knot vector; gaps span six orders of magnitude, or are zero."""
    order = draw(st.integers(1, max_order))
    intervals = draw(st.integers(1, 30))
    size = intervals + 2 * order - 2
    gap = st.sampled_from([0.0] * repeats + [1e-6, 0.01, 0.3, 1.0, 1.7])
    gaps = draw(st.lists(gap, min_size=size, max_size=size))
    start = draw(st.sampled_from([0.0, -1.0, 1e3]))
    knots = start + np.concatenate([[0.0], np.cumsum(gaps)])
    too_often = np.any(knots[order:] == knots[:-order])
    if too_often or knots[order - 1] == knots[-order]:
        knots = start + np.arange(size + 1) / 7
    return rk.SplineSpace(knots, order)


@st.composite
def space_and_points(draw, **kwargs):
    S = draw(any_space(**kwargs))
    a, b = S.domain
    fractions = draw(st.lists(st.floats(0, 1), min_size=1, max_size=40))
    x = np.clip(a + (b - a) * np.array(fractions), a, b)
    return S, np.concatenate([x, S.breakpoints])


@given(space_and_points())
def test_partition_of_unity(drawn):
    S, x = drawn
    B = bsplines.design_matrix(S, x)
    assert np.all(B.data >= 0)
    # Each of r values is right up to 1e-15 times its size times r.
    assert np.abs(B.sum(axis=1) - 1).max() <= value_tolerance(S.order)


@given(space_and_points(), st.sampled_from(["linear", "polynomial"]), st.floats(0.01, 2))
def test_partition_of_unity_holds_outside_where_the_function_is_continued(drawn, outside, reach):
    S, _ = drawn
    a, b = S.domain
    x = np.array([a - reach * (b - a) / S.intervals, b + reach * (b - a) / S.intervals])
    B = bsplines.design_matrix(S, x, 0, outside)
    for s in range(2):
        bound = value_tolerance(S.order + 1) * contributions(S, x[s], 0, outside).sum()
        assert abs(B[[s]].sum() - 1) <= bound


@given(space_and_points(max_order=5))
def test_hypothesis_values_against_definitions(drawn):
    S, x = drawn
    for at in x[:4]:
        B = bsplines.design_matrix(S, [at]).toarray()
        assert errors(B, exact_bsplines(S, at)).max() <= value_tolerance(S.order)


@given(space_and_points(max_order=6), st.integers(1, 4))
def test_derivatives_of_the_partition_of_unity_vanish(drawn, derivative):
    S, x = drawn
    B = bsplines.design_matrix(S, x, derivative)
    for s in range(0, x.size, 7):
        bound = value_tolerance(S.order) * contributions(S, x[s], derivative).sum()
        assert abs(B[[s]].sum()) <= bound


@given(space_and_points())
def test_every_row_stores_the_r_functions_of_its_interval(drawn):
    S, x = drawn
    B = bsplines.design_matrix(S, x)
    assert B.shape == (x.size, S.dim)
    np.testing.assert_array_equal(np.diff(B.indptr), S.order)
    first = B.indices.reshape(-1, S.order)[:, 0]
    np.testing.assert_array_equal(B.indices.reshape(-1, S.order), first[:, None] + np.arange(S.order))
    t = S.breakpoints
    assert np.all(t[first] <= x)
    # The interval is not empty, half open, and closed at the right end of the domain.
    assert np.all((x < t[first + 1]) | ((x == t[-1]) & (t[first] < t[-1]) & (t[first + 1] == t[-1])))


@pytest.mark.parametrize("kind", KINDS)
def test_knots_belong_to_the_interval_on_their_right_except_the_last(kind):
    S = space(kind, 1)
    a, b = S.domain
    B = bsplines.design_matrix(S, S.breakpoints.copy()).toarray()
    np.testing.assert_array_equal(B, np.eye(S.dim)[[*range(S.dim), S.dim - 1]])
    before = bsplines.design_matrix(S, np.nextafter(S.breakpoints[1:], -np.inf)).toarray()
    np.testing.assert_array_equal(before, np.eye(S.dim))
    assert a < b


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [2, 3, 5])
def test_linear_and_polynomial_tails_leave_the_domain_continuously(kind, order):
    S = space(kind, order)
    a, b = S.domain
    h = 2.0**-30 * S.mean_spacing
    for end, out in ((a, a - h), (b, b + h)):
        for outside in ("linear", "polynomial"):
            inner, outer = bsplines.design_matrix(S, [end, out], 0, outside).toarray()
            slope = bsplines.design_matrix(S, [end], 1).toarray()[0]
            # The second-order term of the polynomial tail is of size h^2 f'' ~ 2^-60 times the slopes over the spacing.
            bound = 1e-15 * order * (1 + np.abs(slope).max() * abs(out)) + np.abs(slope).max() * h * 2.0**-20
            np.testing.assert_allclose(outer, inner + (out - end) * slope, rtol=0, atol=bound)


def test_natural_tails_vanish_beyond_the_last_knot_and_do_not_sum_to_one():
    S = space("uniform", 4)
    B = bsplines.design_matrix(S, [S.knots[0] - 0.1, S.knots[-1], S.knots[-1] + 1, S.domain[1] + 0.1], 0, "natural")
    sums = B.sum(axis=1)
    np.testing.assert_array_equal(sums[:3], 0)
    assert 0 < sums[3] < 1


# --- SciPy


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_design_matrix_against_scipy(kind, order):
    S = space(kind, order)
    x = points(S)
    theirs = scipy.interpolate.BSpline.design_matrix(x, S.knots, S.degree).toarray()
    ours = rk.bsplines.design_matrix(S, x).toarray()
    # SciPy's recursion rounds as often as ours.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2 * value_tolerance(order))


@pytest.mark.parametrize("order", [1, 2, 4, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_splines_and_derivatives_against_scipy(kind, order, rng):
    S = space(kind, order)
    c = rng.standard_normal(S.dim)
    x = points(S, 3, neighbours=False)
    curve = scipy.interpolate.BSpline(S.knots, c, S.degree)
    for derivative in range(order):
        scale = np.array([contributions(S, at, derivative) @ np.abs(c) for at in x])
        ours = bsplines.evaluate(S, c, x, derivative)
        assert np.all(np.abs(ours - curve(x, derivative)) <= 4 * value_tolerance(order) * scale)


def spline_errors(S, c, x, derivative):
    """Errors of `evaluate` over the sum of absolute contributions, for so many points that it works by pieces."""
    at = np.concatenate([x, np.full(S.order * S.intervals, x[-1])])
    values = bsplines.evaluate(S, c, at, derivative)[: x.size]
    exact_c = exact(c)
    for value, point in zip(values, x, strict=True):
        right = sum(a * b for a, b in zip(exact_c, exact_bsplines(S, point, derivative), strict=True))
        scale = contributions(S, point, derivative) @ np.abs(c)
        yield abs(float(Fraction(float(value)) - right)) / max(scale, TINY)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_splines_and_derivatives_are_exact_up_to_1e_15_r(kind, order, rng):
    """Also for a single coefficient, which nothing may cancel against: each B-spline is right relative to itself."""
    S = space(kind, order)
    x = points(S, 1)
    for c in (rng.standard_normal(S.dim), np.eye(S.dim)[0], np.eye(S.dim)[S.dim // 2], np.eye(S.dim)[-1]):
        for derivative in range(min(order, 3)):
            assert max(spline_errors(S, c, x, derivative)) <= value_tolerance(order)


@pytest.mark.parametrize("outside", POLICIES)
def test_many_points_give_what_few_give(outside, rng):
    """By pieces and by the r B-splines at each point: also outside, and where few of many points are outside."""
    for kind in KINDS:
        S = space(kind, 4)
        c = rng.standard_normal(S.dim)
        few = np.concatenate([points_outside(S), points(S, 1)])
        x = np.concatenate([np.full(3 * bspline_basis.BLOCK, few[-1]), few])
        for derivative in range(5):
            many = bsplines.evaluate(S, c, x, derivative, outside)[-few.size :]
            one = np.array([bsplines.evaluate(S, c, [at], derivative, outside)[0] for at in few])
            scale = np.array([contributions(S, at, min(derivative, 3), outside) @ np.abs(c) for at in few])
            assert np.all(np.abs(many - one) <= 2 * value_tolerance(5) * scale + TINY)


def test_a_point_that_is_not_finite_or_outside_is_found_among_many():
    S = space("random", 3)
    for position in (0, 200, 999):
        for bad, policy in ((np.nan, "linear"), (np.inf, "linear"), (S.domain[1] + 1, "error")):
            x = np.full(1000, S.domain[0])
            x[position] = bad
            with pytest.raises(ValueError, match=rf"x\[{position}"):
                bsplines.evaluate(S, np.ones(S.dim), x, outside=policy)


@pytest.mark.parametrize("outside", POLICIES)
def test_evaluate_is_the_design_matrix_times_coefficients(outside, rng):
    for order in (1, 3, 5):
        S = space("random", order, 6)
        c = rng.standard_normal(S.dim)
        x = np.concatenate([points(S), points_outside(S)])
        for derivative in range(order + 1):
            B = bsplines.design_matrix(S, x, derivative, outside)
            atol = order * EPS * (abs(B) @ np.abs(c))
            error = np.abs(bsplines.evaluate(S, c, x, derivative, outside) - B @ c)
            assert np.all(error <= atol)


@pytest.mark.parametrize("order", [2, 3, 5])
def test_complex_step_through_x_gives_the_derivative(order, rng):
    S = space("random", order)
    c = rng.standard_normal(S.dim)
    x = np.concatenate([points(S, 2, neighbours=False), points_outside(S)[2:6]])
    for outside in POLICIES:
        step = (bsplines.design_matrix(S, x + 1e-30j, 0, outside) @ c).imag / 1e-30
        slope = bsplines.design_matrix(S, x, 1, outside) @ c
        scale = np.array([contributions(S, at, 1, outside) @ np.abs(c) for at in x])
        assert np.all(np.abs(step - slope) <= 1e-14 * scale)


def test_a_large_block_is_what_its_points_are_one_by_one():
    S = space("random", 4, 9)
    x = np.random.default_rng(0).uniform(*S.domain, 2 * bspline_basis.BLOCK + 5)
    whole = bsplines.design_matrix(S, x).toarray()
    for s in [0, 1, bspline_basis.BLOCK - 1, bspline_basis.BLOCK, x.size - 1]:
        np.testing.assert_array_equal(bsplines.design_matrix(S, x[s : s + 1]).toarray()[0], whole[s])


@pytest.mark.parametrize("n", [0, 1])
def test_no_points_and_one_point(n):
    S = space("uniform", 3)
    x = np.full(n, 0.5)
    assert bsplines.design_matrix(S, x).shape == (n, S.dim)
    assert bsplines.evaluate(S, np.ones(S.dim), x).shape == (n,)
    assert bsplines.knot_derivative_matrix(S, np.ones(S.dim), x).shape == (n, S.intervals - 1)


def test_integers_and_float32_are_widened():
    S = rk.SplineSpace.uniform(3, 4, (0, 4))
    x = np.array([0, 1, 3, 4])
    expected = bsplines.design_matrix(S, x.astype(float)).toarray()
    for dtype in (np.int8, np.int64, np.float32, np.float16):
        B = bsplines.design_matrix(S, x.astype(dtype))
        assert B.dtype == np.float64
        np.testing.assert_array_equal(B.toarray(), expected)


def test_arguments_are_not_changed(rng):
    S = space("random", 3)
    x, c = points(S), rng.standard_normal(S.dim)
    before = x.copy(), c.copy()
    bsplines.evaluate(S, c, x)
    bsplines.design_matrix(S, x)
    bsplines.knot_derivative_matrix(S, c, x)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(c, before[1])


# --- Gram matrices


def exact_gram(S, derivative=0):
    """Integrals over the domain, exact: Taylor coefficients at the left end of each interval, multiplied out."""
    t = exact_knots(S)
    r, dim = S.order, S.dim
    G = [[Fraction(0)] * dim for _ in range(dim)]
    for m in range(r - 1, len(t) - r):
        h = t[m + 1] - t[m]
        if h == 0:
            continue
        taylor = [
            [definitions.bspline_derivative(t, r, i, t[m], k) / factorial(k - derivative) for k in range(derivative, r)]
            for i in range(m - r + 1, m + 1)
        ]
        for i, p in enumerate(taylor):
            for j, q in enumerate(taylor):
                terms = (a * b * h ** (k + l + 1) / (k + l + 1) for k, a in enumerate(p) for l, b in enumerate(q))
                G[m - r + 1 + i][m - r + 1 + j] += sum(terms)
    return G


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_gram_matrix_against_exact_integrals(kind, order):
    S = space(kind, order, 3)
    G = bsplines.gram_matrix(S).toarray()
    # All integrands are non-negative: each entry is right relative to itself, r values of 1e-15 r each. NumPy's Gauss
    # rules, and the points that round to the grid of an offset domain, are good for some 8 eps.
    grid = EPS * np.abs(S.breakpoints).max() / np.diff(np.unique(S.breakpoints)).min()
    for i, row in enumerate(exact_gram(S)):
        assert np.all(errors(G[i], row) <= (4e-15 * order + 2 * order * grid) * np.array(row, dtype=float).max())
    np.testing.assert_array_equal(G, G.T)


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("derivative", [1, 2])
def test_gram_matrix_of_derivatives(order, derivative):
    S = space("random", order, 3)
    G = bsplines.gram_matrix(S, derivative).toarray()
    reference = exact_gram(S, derivative)
    scale = max(abs(float(e)) for row in reference for e in row)
    for i, row in enumerate(reference):
        assert errors(G[i], row).max() <= 1e-14 * order * scale


@pytest.mark.parametrize("kind", KINDS)
def test_gram_matrix_sums_to_integrals_of_scipy(kind):
    S = space(kind, 4)
    row_sums = np.asarray(bsplines.gram_matrix(S).sum(axis=1)).ravel()
    a, b = S.domain
    basis = scipy.interpolate.BSpline(S.knots, np.eye(S.dim), S.degree)
    # SciPy integrates through the antiderivative, whose values are differences of sums of size b - a.
    np.testing.assert_allclose(row_sums, basis.integrate(a, b), rtol=0, atol=1e-13 * max(1.0, abs(b)))


def test_gram_matrix_is_positive_definite_and_banded():
    S = space("random", 4, 8)
    G = bsplines.gram_matrix(S).toarray()
    assert np.linalg.eigvalsh(G).min() > 0
    i, j = np.indices(G.shape)
    assert not G[abs(i - j) >= S.order].any()
    assert G[abs(i - j) < S.order].all()


# --- knot derivatives


def exact_knot_derivatives(S, c, x, outside="error"):
    t, c, x = exact_knots(S), exact(c), Fraction(float(x))
    return [definitions.knot_derivative(t, S.order, c, j, x, outside) for j in range(1, S.intervals)]


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


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("outside", ["linear", "polynomial"])
def test_knot_derivatives_against_central_differences_of_exact_values(order, outside, rng):
    S = space("random", order)
    c, t, h = exact(rng.standard_normal(S.dim)), list(exact_knots(S)), Fraction(1, 2**20)
    x = np.concatenate([points(S, 1, neighbours=False)[S.intervals + 1 :], points_outside(S)[2:4]])
    D = bsplines.knot_derivative_matrix(S, [float(v) for v in c], x, outside)

    def value(knots, at):
        return sum(v * definitions.bspline(knots, order, i, at, outside) for i, v in enumerate(c))

    for j in range(1, S.intervals):
        p = j + order - 1
        up, down = [*t[:p], t[p] + h, *t[p + 1 :]], [*t[:p], t[p] - h, *t[p + 1 :]]
        for s, at in enumerate(exact(x)):
            difference = (value(up, at) - value(down, at)) / (2 * h)
            # h^2/6 of the third derivative, which is some 1/spacing^3 times the values, is 1e-12 to 1e-11.
            scale = knot_contributions(S, np.array(c, dtype=float), x[s], outside)[j - 1]
            assert abs(float(difference) - D[s, j - 1]) <= 1e-10 * max(1, scale)


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


def test_knot_derivatives_at_a_knot_are_those_of_the_interval_on_its_right(rng):
    S = space("uniform", 2)
    c = rng.standard_normal(S.dim)
    t = S.breakpoints.copy()
    at = bsplines.knot_derivative_matrix(S, c, t[1:-1])
    right = bsplines.knot_derivative_matrix(S, c, np.nextafter(t[1:-1], np.inf))
    np.testing.assert_allclose(at, right, rtol=1e-14, atol=1e-13)
    left = bsplines.knot_derivative_matrix(S, c, np.nextafter(t[1:-1], -np.inf))
    assert np.abs(np.diagonal(at - left)).min() > 1e-3


def test_one_interval_has_no_interior_knot():
    S = rk.SplineSpace.uniform(3, 1)
    assert bsplines.knot_derivative_matrix(S, np.ones(3), [0.2, 0.4]).shape == (2, 0)


def test_a_constant_does_not_depend_on_the_knots():
    S = space("random", 4)
    D = bsplines.knot_derivative_matrix(S, np.full(S.dim, 3.0), points(S))
    scale = max(knot_contributions(S, np.full(S.dim, 3.0), at, "error").max() for at in points(S))
    assert np.abs(D).max() <= 1e-15 * S.order * scale


# --- sabotage: the comparisons above notice small faults


def test_sabotage_of_the_tables_is_noticed(monkeypatch):
    S, at = space("random", 4), 0.4 * sum(space("random", 4).domain)

    def check():
        B = bsplines.design_matrix(S, [at]).toarray()
        return errors(B, exact_bsplines(S, at)).max() <= value_tolerance(4)

    assert check()
    right = local_basis.KnotTables.inverse_spans.func
    faults = {
        "factor": lambda tables: right(tables) * (1 + 1e-12),
        "sign": lambda tables: -right(tables),
        "index": lambda tables: np.roll(right(tables), 1, axis=2),
    }
    for fault in faults.values():
        monkeypatch.setattr(local_basis.KnotTables, "inverse_spans", property(fault))
        assert not check()


def test_sabotage_of_pieces_is_noticed(monkeypatch, rng):
    S = space("random", 4)
    c, x = rng.standard_normal(S.dim), points(S, 1)
    assert max(spline_errors(S, c, x, 0)) <= value_tolerance(4)
    right = bspline_basis.bernstein_coefficients
    faults = {
        "factor": lambda first, last, *a: (right(first, last, *a), np.multiply(a[-1], 1 + 1e-13, out=a[-1])),
        "binomial": lambda first, last, *a: (right(first, last, *a), np.divide(a[-1][1], 3, out=a[-1][1])),
        "index": lambda first, last, *a: (right(first, last, *a), np.copyto(a[-1], np.roll(a[-1], 1, axis=1))),
    }
    for fault in faults.values():
        monkeypatch.setattr(bspline_basis, "bernstein_coefficients", fault)
        assert max(spline_errors(S, c, x, 0)) > value_tolerance(4)


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
