"""Prolongation in both bases against exact blossoms: weights, the function on and off the domain."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan.splines import bsplines, relu_powers, transfer
from refkan.splines.transfer.matrices import dyadic_prolongation, injection_matrix, prolongation_through_relu
from refkan.truth.bases.prolongation import uniform_prolongation
from tests.shared.factories import EPS, STRICT, exact_powers, points, space
from tests.splines.transfer.nested_spaces import PAIRS, SPACES, contributions, exact_prolongation, finer


def insertion_only(how: str) -> bool:
    """Whether the fine knots hold all coarse ones, the exterior ones too: then P is convex."""
    return how.startswith("inserted")


def difference(P, expected) -> np.ndarray:
    """Return |P - expected|, the difference taken in rational arithmetic."""
    return np.array(
        [
            [abs(float(Fraction(float(p)) - e)) for p, e in zip(row, right, strict=True)]
            for row, right in zip(P, expected, strict=True)
        ]
    )


@SPACES
@PAIRS
def test_prolongation_against_exact_blossoms(kind, order, how):
    """Relative to each entry where all are convex, at most r - 1 levels of five roundings (of eps/2) each.

    Otherwise relative to the sums of absolute contributions.
    """
    coarse = space(kind, order)
    fine = finer(coarse, how)
    P = rk.prolongation_matrix(coarse, fine)
    assert P.shape == (fine.dim, coarse.dim)
    expected = exact_prolongation(coarse, fine)
    size = np.array(expected, dtype=float) if insertion_only(how) else contributions(coarse, fine)
    error = difference(P.toarray(), expected)
    assert np.all(error <= 2.5 * (order - 1) * EPS * size)
    assert how == "moved ends" or np.diff(P.indptr).max() <= order
    assert not insertion_only(how) or P.data.min() > 0  # no zero is kept


@pytest.mark.parametrize("order", range(1, 9))
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_dyadic_prolongation_is_exact(order, n):
    """Numbers C(r, s)/2^(r-1) are floats; on knots that are floats the general P has the same bits."""
    expected = np.array(uniform_prolongation(order, n), dtype=float)
    np.testing.assert_array_equal(dyadic_prolongation(order, n).toarray(), expected)
    coarse = rk.SplineSpace.uniform(order, n, (0.0, float(n)))
    np.testing.assert_allclose(
        rk.prolongation_matrix(coarse, coarse.refine()).toarray(), expected, rtol=0, atol=2 * order * EPS
    )


@pytest.mark.parametrize("order", [2, 3, 5])
def test_other_exterior_knots_may_extrapolate(order):
    """The fine ones reach beyond the coarse ones: then weights are negative, and the function is still the same."""
    coarse = rk.SplineSpace.uniform(order, 3)
    far = np.concatenate([np.arange(1 - order, 0) * 2.0, coarse.breakpoints, 1 + np.arange(1, order) * 2.0])
    fine = rk.SplineSpace(far, order)
    P = rk.prolongation_matrix(coarse, fine).toarray()
    assert (P.min() < -0.1) == (order > 2)
    error = difference(P, exact_prolongation(coarse, fine))
    assert np.all(error <= 2 * order * EPS * np.maximum(1.0, contributions(coarse, fine)))


@given(st.data())
def test_random_nested_knots(data):
    """Random multiplicities, spans over three magnitudes, several insertions at one point: convex, and exact."""
    order = data.draw(st.integers(1, 5))
    gaps = data.draw(st.lists(st.sampled_from([0, 1, 2, 7, 300]), min_size=2 * order, max_size=2 * order + 4))
    knots = np.concatenate([[0.0], np.cumsum(gaps)])
    try:
        coarse = rk.SplineSpace(knots, order)
    except rk.KnotError:
        return
    a, b = coarse.domain
    places = st.floats(a, b, exclude_min=True, exclude_max=True)
    new = data.draw(st.lists(places | st.sampled_from(list(np.arange(a + 1, b))) if b - a > 1 else places, max_size=4))
    try:
        fine = rk.SplineSpace(np.sort(np.concatenate([coarse.knots, new])), order)
    except rk.KnotError:
        return
    P = rk.prolongation_matrix(coarse, fine)
    live = (fine.knots[order:] > a) & (fine.knots[:-order] < b)
    error = difference(P.toarray(), exact_prolongation(coarse, fine))
    assert np.all(error[live] <= 2 * order * EPS)
    assert P.data.min() >= 0


def test_functions_that_vanish_on_the_domain_keep_their_coefficients():
    """Ends repeated inwards: b_0, b_1 live to the left of the domain alone, and matter under outside='natural'."""
    for knots, new in (([-2, -1, 0, 0, 0, 1, 2, 3, 4], [0.3, 1.5]), ([-4, -3, -2, -1, 0, 0, 0, 1, 2], [-1.5])):
        coarse = rk.SplineSpace(np.array(knots, float), 3)
        fine = coarse.insert(new)
        u = np.arange(1.0, coarse.dim + 1)
        v = transfer.prolong(coarse, fine, u)
        x = np.linspace(-5, 5, 201)
        np.testing.assert_allclose(
            bsplines.evaluate(fine, v, x, 0, "natural"),
            bsplines.evaluate(coarse, u, x, 0, "natural"),
            rtol=0, atol=4 * EPS * u.max(),
        )  # fmt: skip


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize("how", ["refined", "inserted", "moved ends"])
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_injections_against_exact_powers(order, kind, how, scaled):
    """psi_coarse = I psi_fine at points of the domain, the powers exact, relative to |I| psi_fine."""
    coarse = space(kind, order)
    fine = finer(coarse, how)
    injection = injection_matrix(coarse, fine, scaled).toarray()
    for x in points(fine, 1, neighbours=False)[::3]:
        left = exact_powers(coarse, x, scaled=scaled)
        right = exact_powers(fine, x, scaled=scaled)
        for i in range(coarse.dim):
            terms = [Fraction(c) * v for c, v in zip(injection[i], right, strict=True) if c]
            error = abs(float(sum(terms) - left[i]))
            # The weights are products of r - 1 ratios of differences, all of them rounded.
            assert error <= 6 * order * EPS * float(sum(map(abs, terms)))


@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_prolongation_in_the_relu_bases(basis, order):
    coarse = rk.SplineSpace.uniform(order, 3, (0.0, 3.0))
    fine = coarse.refine()
    scaled = basis == "scaled-relu"
    P = rk.prolongation_matrix(coarse, fine, basis)
    np.testing.assert_array_equal(P.toarray(), injection_matrix(coarse, fine, scaled).toarray().T)
    w = np.random.default_rng(0).standard_normal(coarse.dim)
    x = points(fine, 1)
    left, right = (relu_powers.design_matrix(S, x, scaled=scaled) for S in (coarse, fine))
    bound = 100 * EPS * (right @ (np.abs(P) @ np.abs(w)))
    assert np.all(np.abs(left @ w - right @ (P @ w)) <= bound)
    # w = A^T u in both spaces: A_f^T P u = I^T A_c^T u
    A, fine_A = rk.ChangeOfBasis(coarse, scaled), rk.ChangeOfBasis(fine, scaled)
    u = np.random.default_rng(1).standard_normal(coarse.dim)
    v = rk.prolongation_matrix(coarse, fine) @ u
    scale = np.abs(fine_A.dense()).sum(axis=0).max() * np.abs(u).max()
    np.testing.assert_allclose(fine_A.to_relu(v), P @ A.to_relu(u), rtol=0, atol=1e-13 * scale)


def test_the_formula_through_the_relu_basis_loses_digits():
    """r = 4: like n^3, and 1e-9 at n = 128, ten times that with a general inverse; P itself loses none."""
    errors = []
    for n in (16, 32, 64, 128):
        coarse = rk.SplineSpace.uniform(4, n, (0.0, 0.7))
        fine = coarse.refine()
        expected = dyadic_prolongation(4, n).toarray()
        errors.append(np.abs(prolongation_through_relu(coarse, fine) - expected).max())
        # The knots are rounded, and their spans by eps n relative to the spacing.
        assert np.abs(rk.prolongation_matrix(coarse, fine).toarray() - expected).max() <= EPS * n
    assert 5e-10 < errors[-1] < 2e-8
    np.testing.assert_allclose(np.diff(np.log2(errors)), 3, rtol=0, atol=0.5)
