"""Spline spaces refined and with knots inserted."""

import numpy as np
import pytest

import refkan as rk
from tests.shared.factories import EPS, space
from tests.splines.transfer.nested_spaces import SPACES


@SPACES
@pytest.mark.parametrize("factor", [2, 3, 5])
def test_refined_spaces(kind, order, factor):
    S = space(kind, order)
    fine = S.refine(factor)
    spans = np.diff(S.breakpoints)
    assert fine.domain == S.domain
    assert fine.order == order
    assert np.isin(S.breakpoints, fine.breakpoints).all()  # bit for bit
    assert fine.intervals == factor * np.count_nonzero(spans) + np.count_nonzero(spans == 0)
    expected = np.concatenate([np.repeat(h / factor, factor if h else 1) for h in spans])
    np.testing.assert_allclose(np.diff(fine.breakpoints), expected, rtol=0, atol=4 * EPS * np.abs(S.knots).max())
    if kind == "uniform":
        assert fine == rk.SplineSpace.uniform(order, factor * S.intervals, S.domain)
    if kind in ("clamped", "repeated"):
        assert np.array_equal(fine.knots[:order], S.knots[:order])
        assert np.array_equal(fine.knots[-order:], S.knots[-order:])
    values, counts = np.unique(S.breakpoints[1:-1], return_counts=True)
    for t, count in zip(values, counts, strict=True):
        assert np.count_nonzero(fine.knots == t) == count


def test_the_mean_spacing_of_exterior_knots_is_kept():
    S = rk.SplineSpace.from_breakpoints(4, [0, 1, 4, 6])
    fine = S.refine(2)
    assert fine == rk.SplineSpace.from_breakpoints(4, [0, 0.5, 1, 2.5, 4, 5, 6])
