"""A as an operator, banded and dense, against exact rational matrices."""

from fractions import Fraction
from functools import partial
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan import truth
from refkan.splines import bsplines, relu_powers
from refkan.truth.bases.change_of_basis import change_of_basis_inverse, uniform_change_of_basis
from tests.shared.draws import within
from tests.shared.factories import EPS, ORDERS, STRICT, errors, exact, exact_knots, points, points_outside, space

OPERATIONS = {
    "apply": lambda A, A_inverse: A,
    "to_relu": lambda A, A_inverse: A.T,
    "solve": lambda A, A_inverse: A_inverse,
    "to_spline": lambda A, A_inverse: A_inverse.T,
}


def exact_matrix(S, scaled=False, of=truth.change_of_basis):
    """A, or its inverse, in rationals; scaled powers take h^(r-1) out of the other."""
    factor = Fraction(S.mean_spacing) ** (S.order - 1) if scaled else Fraction(1)
    factor = factor if of is truth.change_of_basis else 1 / factor
    return np.array([[a * factor for a in row] for row in of(exact_knots(S), S.order)], dtype=object)


exact_inverse = partial(exact_matrix, of=change_of_basis_inverse)


def rounding(S):
    """Relative error of an application of A or its inverse, with respect to |A| |v| or |A^-1| |v|.

    Signs in A form a checkerboard, so a product of its factors in absolute values is |A|. Each of the r passes of a
    difference rounds four times (a span, division by h, quotient, difference), a pass of a sum up to dim times.
    """
    return {
        "apply": 2 * S.order * EPS,
        "to_relu": 2 * S.order * EPS,
        "solve": 0.5 * S.order * (S.dim + 3) * EPS,
        "to_spline": 0.5 * S.order * (S.dim + 3) * EPS,
    }


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_dense_against_the_exact_recursion(kind, order, scaled):
    S = space(kind, order)
    A = rk.ChangeOfBasis(S, scaled).dense()
    for i, row in enumerate(exact_matrix(S, scaled)):
        # No cancellation, since signs alternate along a row: relative errors, 3 roundings an order, 2 for the h.
        bound = 2 * EPS * order * np.abs(np.array(row, dtype=float))
        assert np.all(errors(A[i], row) <= bound), (i, A[i])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("intervals", [1, 2, 5])
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_banded_holds_the_diagonals(order, intervals, scaled):
    S = space("random", order, intervals)
    A = rk.ChangeOfBasis(S, scaled)
    band, dense = A.banded(), A.dense()
    assert band.shape == (order + 1, S.dim)
    for k in range(order + 1):
        for i in range(S.dim):
            assert band[k, i] == (dense[i, i + k] if i + k < S.dim else 0.0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("h", [1.0, 0.25, 2.0])
def test_uniform_closed_form(order, h):
    dim = order + 3
    A = rk.ChangeOfBasis.uniform(order, dim, h)
    for row, reference in zip(A, uniform_change_of_basis(order, dim, Fraction(h)), strict=True):
        assert np.all(errors(row, reference) <= 2 * EPS * np.abs(row))
    S = rk.SplineSpace.uniform(order, 4, (0.0, 4 * h))  # exact knots
    np.testing.assert_allclose(rk.ChangeOfBasis(S).dense(), A, rtol=2 * order * EPS, atol=0)
    first = rk.ChangeOfBasis.uniform(1, dim)
    power = np.linalg.matrix_power(first, order) * h ** (1 - order) / factorial(order - 1)
    np.testing.assert_allclose(A, power, rtol=4 * EPS, atol=0)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("order", [1, 2, 3, 5, 8, 10])
@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_operators_against_exact_matrices(operation, kind, order, scaled, rng):
    S = space(kind, order)
    v = rng.standard_normal(S.dim)
    M = OPERATIONS[operation](exact_matrix(S, scaled), exact_inverse(S, scaled))
    scale = np.abs(M).astype(float) @ np.abs(v)
    error = errors(getattr(rk.ChangeOfBasis(S, scaled), operation)(v), M @ np.array(exact(v), dtype=object))
    assert np.all(error <= rounding(S)[operation] * scale), error / scale / EPS


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3), (0,), (2, 0, 3)], ids=str)
def test_operators_act_on_the_last_axis(operation, shape, rng):
    S = space("random", 3)
    A = rk.ChangeOfBasis(S)
    run = getattr(A, operation)
    v = rng.standard_normal((*shape, S.dim))
    before = v.copy()
    out = run(v)
    assert out.shape == v.shape
    for index in np.ndindex(shape):
        np.testing.assert_array_equal(out[index], run(v[index]))
    np.testing.assert_array_equal(v, before)


@st.composite
def strict_space(draw):
    order = draw(st.integers(1, 8))
    intervals = draw(st.integers(1, 12))
    size = intervals + 2 * order - 1
    gaps = draw(st.lists(st.floats(0.05, 3), min_size=size, max_size=size))
    return rk.SplineSpace(draw(st.sampled_from([0.0, -5.0, 100.0])) + np.cumsum(gaps), order)


@given(strict_space(), st.integers(0, 2**32 - 1), st.booleans())
def test_round_trip_within_the_componentwise_bound(S, seed, scaled):
    """|error| <= C r eps |A^-T| |A^T| |u|; C = dim/2 + 4 counts the sums of A^-T, whose terms are added one by one."""
    u = np.random.default_rng(seed).standard_normal(S.dim)
    A = rk.ChangeOfBasis(S, scaled)
    M, inverse = exact_matrix(S).astype(float), exact_inverse(S).astype(float)
    bound = (S.dim / 2 + 4) * S.order * EPS * (np.abs(inverse.T) @ (np.abs(M.T) @ np.abs(u)))
    line = "change of basis and its inverse, one after the other"
    assert within(A.to_spline(A.to_relu(u)) - u, bound, line)
    back = (S.dim / 2 + 4) * S.order * EPS * (np.abs(M.T) @ (np.abs(inverse.T) @ np.abs(u)))
    assert within(A.to_relu(A.to_spline(u)) - u, back, line)
    there = (S.dim / 2 + 4) * S.order * EPS * (np.abs(inverse) @ (np.abs(M) @ np.abs(u)))
    assert within(A.solve(A.apply(u)) - u, there, line)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize("outside", ["linear", "polynomial"])
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_both_bases_are_the_same_functions_on_and_off_the_domain(kind, order, outside, scaled):
    S = space(kind, order)
    A = rk.ChangeOfBasis(S, scaled).dense()
    x = np.concatenate([points(S), points_outside(S)])
    for derivative in range(order + 1):
        B = bsplines.design_matrix(S, x, derivative, outside).toarray()
        Psi = relu_powers.design_matrix(S, x, derivative, outside, scaled)
        # In the tangent to a truncated power terms of both signs meet: bounded by those of the polynomial.
        reach = 1 + np.abs(x[:, None] - np.clip(x, *S.domain)[:, None]) / np.diff(S.knots).min()
        scale = (np.abs(Psi) @ np.abs(A).T) + np.abs(Psi).max(axis=0) @ np.abs(A).T * reach * (outside == "linear")
        grid = np.abs(S.knots).max() / np.diff(S.knots).min() if scaled else 0.0
        assert np.all(np.abs(Psi @ A.T - B) <= (8 * order + 2 * order * grid) * EPS * scale)
