"""Laws of spline spaces and changes of basis, over lists of factories."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan.splines import bsplines, relu_powers
from tests.shared.factories import (
    EPS,
    KINDS,
    ORDERS,
    contributions,
    points,
    space,
)

SPACES = pytest.mark.parametrize(("kind", "order"), [(kind, order) for kind in KINDS for order in ORDERS])


@SPACES
def test_polynomials_of_degree_below_r_are_reproduced(kind, order):
    """By Marsden's identity (y - x)^(r-1) = sum_i b_i(x) prod_{l=1}^{r-1} (y - t_{i+l})."""
    S = space(kind, order)
    x = points(S, 1)
    for y in (S.domain[0], S.domain[1], sum(S.domain) / 2):
        factors = y - np.array([S.knots[i + 1 : i + order] for i in range(S.dim)])
        c = factors.prod(axis=1)
        values = bsplines.evaluate(S, c, x)
        # y - t rounds by eps, r - 1 times; the values are right relative to sum |c_i| b_i up to 1e-15 r.
        scale = bsplines.design_matrix(S, x) @ np.abs(c)
        assert np.all(np.abs(values - (y - x) ** (order - 1)) <= 4e-15 * order * scale)


@SPACES
def test_derivatives_are_splines_of_one_order_less(kind, order):
    """The values of sum_i c_i b_i' are those of order r - 1 on the inner knots, coefficients (r-1) dc/span."""
    S = space(kind, order)
    if order == 1 or np.any(S.knots[order:-1] == S.knots[1:-order]):
        pytest.skip("jumps have no derivative")
    lower = rk.SplineSpace(S.knots[1:-1], order - 1)
    c = np.random.default_rng(0).standard_normal(S.dim)
    span = S.knots[order:-1] - S.knots[1:-order]
    d = np.divide((order - 1) * np.diff(c), span, out=np.zeros(span.size), where=span > 0)
    x = points(S, 1, neighbours=False)
    scale = np.array([contributions(S, at, 1) @ np.abs(c) for at in x])
    difference = np.abs(bsplines.evaluate(S, c, x, 1) - bsplines.evaluate(lower, d, x))
    assert np.all(difference <= 3e-15 * order * scale)


@SPACES
def test_affine_covariance(kind, order):
    """b_i(x; t) = b_i(4 x; 4 t): a power of two, so that the two agree bit for bit."""
    S = space(kind, order)
    scaled = rk.SplineSpace(4 * S.knots, order)
    x = points(S, neighbours=False)  # without underflow
    np.testing.assert_array_equal(
        bsplines.design_matrix(S, x).toarray(), bsplines.design_matrix(scaled, 4 * x).toarray()
    )


@given(
    st.integers(1, 10),
    st.integers(1, 30),
    st.integers(0, 2**32 - 1),
    st.sampled_from([(0.0, 1.0), (-1e3, 1e-3), (5.0, 5.0001)]),
)
def test_hypothesis_both_bases_and_unity_on_any_breakpoints(order, n, seed, domain):
    rng = np.random.default_rng(seed)
    breakpoints = np.sort(rng.uniform(*domain, n + 1))
    if np.diff(breakpoints).min() < 1e-3 * (domain[1] - domain[0]) / n:
        breakpoints = np.linspace(*domain, n + 1)
    S = rk.SplineSpace.from_breakpoints(order, breakpoints)
    x = rng.uniform(*S.domain, 10)
    B = bsplines.design_matrix(S, x).toarray()
    assert np.abs(B.sum(axis=1) - 1).max() <= 1e-15 * order
    A = rk.ChangeOfBasis(S, scaled=True)
    Psi, M = relu_powers.design_matrix(S, x, scaled=True), np.abs(A.dense())
    assert np.all(np.abs(A.apply(Psi) - B) <= 8 * order * EPS * (Psi @ M.T))
