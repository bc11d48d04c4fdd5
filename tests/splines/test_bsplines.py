"""Values and derivatives of local B-splines against exact rational ones; laws over spaces; faults are noticed."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan.kernels import plain_basis
from refkan.kernels.engine_choice import use_engine
from refkan.splines import bsplines, local_basis
from refkan.splines.local_basis import KnotTables
from tests.shared.drawn_spaces import any_space
from tests.shared.factories import (
    KINDS,
    ORDERS,
    POLICIES,
    contributions,
    errors,
    exact_bsplines,
    points,
    points_outside,
    space,
)
from tests.shared.forms import in_python
from tests.shared.rounding_of_bsplines import TINY, value_tolerance
from tests.shared.tables import each_row


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_values_are_exact_up_to_1e_15_r(kind, order):
    S = space(kind, order)
    x = points(S) if order < 7 else points(S, 1, neighbours=False)
    B = rk.bsplines.design_matrix(S, x).toarray()
    for s, at in enumerate(x):
        assert errors(B[s], exact_bsplines(S, at)).max() <= value_tolerance(order), at


@pytest.mark.parametrize("outside", ["linear", "natural", "polynomial"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_from_the_order_on_are_zero_whatever_memory_held(order, outside, monkeypatch):
    nan_filled = SimpleNamespace(empty=lambda shape, dtype=float: np.full(shape, np.nan, dtype), zeros=np.zeros)
    tables = KnotTables(rk.SplineSpace.uniform(order, 3).knots[None], order)
    with use_engine("plain"), in_python(plain_basis):
        monkeypatch.setattr(plain_basis, "np", nan_filled)
        rows = local_basis.local_basis(tables, np.array([[-0.1], [0.4], [1.2]]), order + 1, outside, fast=False).rows
    assert (rows[order:] == 0).all()
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("outside", POLICIES)
@each_row(
    "kind, order, top",
    *((kind, order, order) for kind in KINDS for order in (1, 2, 3)),
    ("random", 4, 4),
    ("repeated", 4, 4),
    ("random", 6, 1),
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


@st.composite
def space_and_points(draw, **kwargs):
    S = draw(any_space(**kwargs))
    a, b = S.domain
    fractions = draw(st.lists(st.floats(0, 1), min_size=1, max_size=40))
    x = np.clip(a + (b - a) * np.array(fractions), a, b)
    return S, np.concatenate([x, S.breakpoints])


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


FAULTS = {"factor": lambda a: a * (1 + 1e-12), "sign": lambda a: -a, "index": lambda a: np.roll(a, 1, axis=2)}


def test_sabotage_of_the_tables_is_noticed(monkeypatch):
    S, at = space("random", 4), 0.4 * sum(space("random", 4).domain)

    def is_exact():
        with use_engine("fast"):
            B = bsplines.design_matrix(S, [at]).toarray()
        return errors(B, exact_bsplines(S, at)).max() <= value_tolerance(4)

    assert is_exact()
    right = local_basis.KnotTables.inverse_spans.__get__
    for fault in FAULTS.values():
        monkeypatch.setattr(local_basis.KnotTables, "inverse_spans", property(lambda t, fault=fault: fault(right(t))))
        assert not is_exact()
