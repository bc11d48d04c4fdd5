"""SplineSpace: what follows from an order and a knot vector."""

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan.splines import bsplines
from tests.shared.factories import EPS, KINDS, ORDERS, space


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_dimensions(kind, order):
    S = space(kind, order)
    n = S.intervals
    assert S.order == order
    assert S.degree == order - 1
    assert S.knots.shape == (n + 2 * order - 1,)
    assert S.dim == n + order - 1
    assert S.breakpoints.shape == (n + 1,)
    assert S.domain == (S.breakpoints[0], S.breakpoints[-1])
    assert S.greville.shape == (S.dim,)
    assert S.mean_spacing == pytest.approx((S.domain[1] - S.domain[0]) / n, rel=EPS)


@given(st.integers(1, 10), st.integers(1, 40))
def test_uniform(order, n):
    S = rk.SplineSpace.uniform(order=order, intervals=n, domain=(-2.0, 0.5))
    assert (S.intervals, S.dim, S.domain) == (n, n + order - 1, (-2.0, 0.5))
    assert S.is_uniform
    np.testing.assert_allclose(np.diff(S.knots), 2.5 / n, rtol=0, atol=2 * EPS * np.abs(S.knots).max())


@pytest.mark.parametrize("order", ORDERS)
def test_clamped_repeats_the_ends_r_times(order):
    S = rk.SplineSpace.clamped(order, [0, 0.5, 2])
    np.testing.assert_array_equal(S.knots, [0] * order + [0.5] + [2] * order)
    assert (S.intervals, S.domain) == (2, (0.0, 2.0))
    ends = bsplines.design_matrix(S, [0.0, 2.0]).toarray()
    np.testing.assert_array_equal(ends, np.eye(S.dim)[[0, -1]])


def test_from_breakpoints_extends_at_the_mean_spacing():
    S = rk.SplineSpace.from_breakpoints(3, [0, 1, 4])
    np.testing.assert_array_equal(S.knots, [-4, -2, 0, 1, 4, 6, 8])


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


def test_equal_spaces_have_equal_hashes_whatever_the_sign_of_zero():
    S, same = rk.SplineSpace([-1.0, 0.0, 1.0, 2.0], 2), rk.SplineSpace([-1.0, -0.0, 1.0, 2.0], 2)
    assert same == S
    assert hash(S) == hash(same)


def test_repr_says_order_intervals_and_domain():
    assert repr(rk.SplineSpace.uniform(3, 4)) == "SplineSpace(order=3, intervals=4, domain=(0, 1), uniform knots)"
    other = rk.SplineSpace([-1, 0, 1, 3, 4], 2)
    assert repr(other) == "SplineSpace(order=2, intervals=2, domain=(0, 3), intervals of 1 to 2)"


def test_numpy_integers_are_integers():
    S = rk.SplineSpace.uniform(np.int32(3), np.int64(4))
    assert type(S.order) is int
    assert rk.SplineSpace.uniform(3, 4) == S
