"""Knot vectors, spline spaces, and free knots with their derivatives."""

import dataclasses
import pickle
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan.splines import bsplines, knots, relu_powers
from tests.shared.factories import EPS, KINDS, ORDERS, exact_knots, space
from tests.shared.refusals import INF, refusals, refused
from tests.shared.tables import each_row

DOMAIN = np.array([-1.0, 3.0])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [1, 2, 7, 100])
@pytest.mark.parametrize("domain", [(0.0, 1.0), (-0.1, 0.7), (1e6, 1e6 + 1), (-3e-9, 1e-9)], ids=str)
def test_uniform_knots(order, n, domain):
    a, b = domain
    t = knots.extend_uniformly(knots.uniform_breakpoints(n, domain), order)
    assert t.size == n + 2 * order - 1
    assert (t[order - 1], t[-order]) == domain
    h = (Fraction(b) - Fraction(a)) / n
    for p, value in enumerate(t):
        ideal = Fraction(a) + (p - order + 1) * h
        # Three roundings of numbers no larger than the knots, the length and the offset.
        assert abs(Fraction(float(value)) - ideal) <= 2 * EPS * max(abs(a), abs(b), abs(ideal), b - a)
    assert knots.is_uniform(t)


def test_is_uniform_refuses_uneven_knots():
    t = knots.extend_uniformly(knots.uniform_breakpoints(5, (0.0, 1.0)), 3)
    for p in range(1, t.size - 1):
        moved = t.copy()
        moved[p] += 1e-13
        assert not knots.is_uniform(moved)
    assert not knots.is_uniform(knots.extend_uniformly(np.array([0.0, 0.25, 1.0]), 2))


@given(st.integers(1, 10), st.lists(st.floats(0.01, 2), min_size=1, max_size=8))
def test_extension_is_at_the_mean_spacing_and_ignores_interior_breakpoints(order, gaps):
    breakpoints = np.concatenate([[0.0], np.cumsum(gaps)])
    t = knots.extend_uniformly(breakpoints, order)
    np.testing.assert_array_equal(t[order - 1 : t.size - order + 1], breakpoints)
    h = breakpoints[-1] / len(gaps)
    k = np.arange(1, order)
    np.testing.assert_allclose(t[: order - 1], -(k * h)[::-1], rtol=8 * EPS)
    np.testing.assert_allclose(t[t.size - order + 1 :], breakpoints[-1] + k * h, rtol=8 * EPS)
    even = knots.extend_uniformly(np.linspace(0.0, breakpoints[-1], len(gaps) + 1), order)
    np.testing.assert_array_equal(even[: order - 1], t[: order - 1])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_greville_points_are_averages_of_knots(kind, order):
    S = space(kind, order)
    t = exact_knots(S)
    if order == 1:
        ideal = [(t[i] + t[i + 1]) / 2 for i in range(S.dim)]
    else:
        ideal = [sum(t[i + 1 : i + order]) / (order - 1) for i in range(S.dim)]
    np.testing.assert_allclose(S.greville, [float(v) for v in ideal], rtol=0, atol=order * EPS * np.abs(S.knots).max())
    assert np.all(np.diff(S.greville) >= 0)


@pytest.mark.parametrize("spread", [0, 1, 5, 30, 200, 1e4])
@pytest.mark.parametrize("n", [1, 2, 12])
def test_free_breakpoints_and_their_derivatives(n, spread, rng):
    """In 1,000 digits, each derivative to its own size: one interval may take all but 1e-300 of the softmax."""
    s, ds, dt = spread * rng.standard_normal(n), rng.standard_normal(n), rng.standard_normal(n - 1)
    with localcontext(prec=1000):
        e = [(Decimal(v) - Decimal(s.max())).exp() for v in s]
        p = [v / sum(e) for v in e]
        gaps = [4 * (Decimal("0.99") * v + Decimal("0.01") / n) for v in p]

        def derivative(g):
            mean = sum(a * b for a, b in zip(p, g, strict=True))
            return [4 * Decimal("0.99") * a * (b - mean) for a, b in zip(p, g, strict=True)]

        t = [float(sum(gaps[:k], Decimal(-1))) for k in range(n + 1)]
        dq = derivative([Decimal(v) for v in ds])
        pushed = [float(sum(dq[: k + 1])) for k in range(n - 1)]
        pulled = [float(v) for v in derivative([sum(map(Decimal, dt[m:]), Decimal(0)) for m in range(n)])]
    found = knots.free_breakpoints(s, DOMAIN)
    assert (found[0], found[-1]) == (-1.0, 3.0)
    np.testing.assert_allclose(found, t, rtol=0, atol=4 * n * EPS)
    others = np.arange(n) != np.argmax(s)
    terms = np.abs(ds).max() / np.abs(ds - ds[np.argmax(s)])[others].min(initial=1.0)
    ours = knots.free_breakpoints_jvp(s, DOMAIN, ds)
    np.testing.assert_allclose(ours, pushed, rtol=64 * n * EPS * terms, atol=1e-300)
    np.testing.assert_allclose(knots.free_breakpoints_vjp(s, DOMAIN, dt), pulled, rtol=1e3 * n * EPS, atol=1e-300)


def test_stacks_of_free_knots_are_their_rows(rng):
    s = rng.standard_normal((3, 4))
    domain = np.array([[0.0, 1.0], [-1.0, 1.0], [2.0, 5.0]])
    dt = rng.standard_normal((2, 3, 3))
    t = knots.free_breakpoints(s, domain)
    ds = knots.free_breakpoints_vjp(s, domain, dt)
    dp = knots.free_breakpoints_jvp(s, domain, s**2)
    for p in range(3):
        np.testing.assert_array_equal(t[p], knots.free_breakpoints(s[p], domain[p]))
        np.testing.assert_array_equal(dp[p], knots.free_breakpoints_jvp(s[p], domain[p], s[p] ** 2))
        for o in range(2):
            np.testing.assert_allclose(ds[o, p], knots.free_breakpoints_vjp(s[p], domain[p], dt[o, p]), rtol=4 * EPS)


@pytest.mark.parametrize("order", ORDERS)
def test_clamped_repeats_the_ends_r_times(order):
    S = rk.SplineSpace.clamped(order, [0, 0.5, 2])
    np.testing.assert_array_equal(S.knots, [0] * order + [0.5] + [2] * order)
    assert (S.intervals, S.domain) == (2, (0.0, 2.0))
    ends = bsplines.design_matrix(S, [0.0, 2.0]).toarray()
    np.testing.assert_array_equal(ends, np.eye(S.dim)[[0, -1]])


def test_knots_are_copied_read_only_and_pickled():
    t = np.array([0.0, 1.0, 2.0, 3.0])
    S = rk.SplineSpace(t, 2)
    t[1] = 1.5
    assert S.knots[1] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        S.knots[0] = -1.0
    with pytest.raises(ValueError, match="read-only"):
        S.breakpoints[0] = -1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        S.order = 3
    assert pickle.loads(pickle.dumps(S)) == S


def test_equality_and_hash_go_by_order_and_knots():
    S = rk.SplineSpace([0, 1, 2, 3, 4, 5], 2)
    same = rk.SplineSpace(np.arange(6.0), 2)
    assert same == S
    assert hash(S) == hash(same)
    assert rk.SplineSpace(np.arange(6.0), 3) != S
    assert rk.SplineSpace([0, 1, 2, 3, 4, 6], 2) != S
    assert S != "spline space"
    assert len({S, same}) == 1
    zero, negative = rk.SplineSpace([-1.0, 0.0, 1.0, 2.0], 2), rk.SplineSpace([-1.0, -0.0, 1.0, 2.0], 2)
    assert len({zero, negative}) == 1


S = rk.SplineSpace.uniform(3, 4)
C = np.ones(S.dim)


SPLINE_CALLS = {
    "B": lambda x, **kw: bsplines.design_matrix(S, x, **kw),
    "B evaluate": lambda x, **kw: bsplines.evaluate(S, C, x, **kw),
    "psi": lambda x, **kw: relu_powers.design_matrix(S, x, **kw),
    "psi evaluate": lambda x, **kw: relu_powers.evaluate(S, C, x, **kw),
    "knots": lambda x, **kw: bsplines.knot_derivative_matrix(S, C, x, **kw),
}


@pytest.mark.parametrize("call", SPLINE_CALLS)
@each_row(
    "x, answer",
    ([0.1, 1.1], r"x must lie in the domain under outside='error'; got x\[1(, 0)?\] = 1.1 outside \[0.0, 1.0\]"),
    ([0.1, -1e-9], r"got x\[1(, 0)?\] = -1e-09 outside \[0.0, 1.0\]"),
)
def test_points(call, x, answer):
    refused(lambda: SPLINE_CALLS[call](x), answer)


def test_knot_derivatives_have_no_natural_tails_and_no_steps():
    refused(lambda: SPLINE_CALLS["knots"]([0.5], outside="natural"), "outside must be one of 'linear', 'polynomial'")
    steps = rk.SplineSpace.uniform(1, 3)
    refused(lambda: bsplines.knot_derivative_matrix(steps, np.ones(3), [0.5]), r"order >= 2; got order 1")


test_changes_of_basis = refusals(
    (lambda: rk.ChangeOfBasis.uniform(2, 3, 0.0), "spacing must be finite and positive; got 0.0"),
)


CLAMPED = rk.SplineSpace.clamped(3, [0, 0.5, 1])


test_knots = refusals(
    (lambda: rk.SplineSpace([0, 1, 3, 2], 2), r"KnotError: ascending order; got knots\[3\]=2.0 after knots\[2\]=3.0"),
    (lambda: rk.SplineSpace([-INF, 1, 2, 3], 2), r"KnotError: knots must be finite; got knots\[0\]=-inf"),
    (lambda: rk.SplineSpace([0, 1, 2], 2), "KnotError: order 2 needs at least 4 knots .*; got 3"),
    (lambda: rk.SplineSpace([], 1), "KnotError: order 1 needs at least 2 knots .*; got 0"),
    (lambda: rk.SplineSpace([0, 1, 1, 1, 2, 3], 2), r"KnotError: at most order = 2.*knots\[1\] to knots\[3\] = 1.0"),
    (lambda: rk.SplineSpace([0, 1, 1, 2], 2), r"KnotError: the domain is empty: knots\[1\] = knots\[2\] = 1.0"),
    (lambda: rk.SplineSpace([0, 5e-324, 1, 2], 2), r"KnotError: knots must .*got knots\[1\]=5e-324.*knots\[0\]=0.0"),
)


STRICTLY = r"KnotError: knots must be strictly increasing; got knots\[1\]"


test_repeated_knots_where_they_are_refused = refusals(
    (lambda: rk.ChangeOfBasis(CLAMPED), STRICTLY),
    (lambda: rk.ChangeOfBasis(rk.SplineSpace([0, 1, 2, 2, 3, 4], 2)), r"KnotError: got knots\[3\]=2.0.*knots\[2\]="),
    (lambda: relu_powers.design_matrix(CLAMPED, [0.1]), STRICTLY),
    (lambda: relu_powers.evaluate(CLAMPED, np.ones(4), [0.1]), STRICTLY),
    (lambda: relu_powers.gram_matrix(CLAMPED), STRICTLY),
    (lambda: rk.ReluLayer((CLAMPED,), 1), STRICTLY),
    (
        lambda: bsplines.knot_derivative_matrix(rk.SplineSpace.clamped(3, [0, 1, 1, 2]), np.ones(5), [0.5]),
        r"KnotError: strictly increasing",
    ),
    (
        lambda: rk.SplineLayer((rk.SplineSpace.clamped(3, [0, 1, 1, 2]),), 1, free_knots=True),
        r"every interval at least 0\.01.*got an interval of 0 between breakpoints 1 and 2 of input 0",
    ),
)


test_domains_and_breakpoints = refusals(
    (lambda: rk.SplineSpace.uniform(2, 3, (1, 1)), r"KnotError: domain must be .* with a < b; got \(1.0, 1.0\)"),
    (lambda: rk.SplineSpace.uniform(2, 3, (1, 0)), r"KnotError: a < b; got \(1.0, 0.0\)"),
    (lambda: rk.SplineSpace.uniform(2, 3, (0, INF)), r"domain must be finite; got domain\[1\] = inf"),
    (lambda: rk.SplineSpace.clamped(2, [0]), "KnotError: breakpoints must hold at least two points; got 1"),
    (lambda: rk.SplineSpace.from_breakpoints(2, [0, 2, 1]), "KnotError: ascending order"),
)


def test_spans_that_overflow_are_refused():
    with np.errstate(all="ignore"):
        refused(lambda: rk.SplineSpace([-1.7e308, 1.7e308], 1), "KnotError: knots|domain")
        refused(lambda: rk.SplineSpace.uniform(2, 2, (-1.7e308, 1.7e308)), "KnotError: knots|domain")


CONSTRUCTORS = {
    "knots": lambda order: rk.SplineSpace(np.arange(30.0), order),
    "uniform": lambda order: rk.SplineSpace.uniform(order, 4),
    "clamped": lambda order: rk.SplineSpace.clamped(order, [0, 1]),
    "from_breakpoints": lambda order: rk.SplineSpace.from_breakpoints(order, [0, 1]),
    "kan": lambda order: rk.kan([2, 1], order, 4),
    "toeplitz": lambda order: rk.ChangeOfBasis.uniform(order, 4),
}


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
def test_orders(constructor):
    for order, answer in (
        (11, "order must be at most 10; got 11"),
        (10**30, "order must be at most 10; got 10+$"),
    ):
        refused(partial(CONSTRUCTORS[constructor], order), answer)
