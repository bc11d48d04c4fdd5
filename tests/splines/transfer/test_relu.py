"""Prolongation in the ReLU-power bases: injections, and the formula through them, which loses digits."""

from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.splines import relu_powers, transfer
from tests.shared.factories import EPS, STRICT, exact_knots, exact_powers, points, space
from tests.splines.transfer.nested_spaces import exact_prolongation, finer


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        (2, [[2, -1]]),
        (3, [[6, -8, 3], [1, 0, 0]]),
        (4, [[20, -45, 36, -10], [4, -6, 4, -1], [0, 1, 0, 0]]),
    ],
)
@pytest.mark.parametrize("n", [1, 4])
def test_polynomial_rows_of_the_injection(order, rows, n):
    """Uniform knots, re-extended at half the distance; the remaining rows are zeros and ones."""
    coarse = rk.SplineSpace.uniform(order, n, (0.0, float(n)))
    fine = coarse.refine()
    injection = transfer.injection_matrix(coarse, fine).toarray()
    assert injection.shape == (coarse.dim, fine.dim)
    np.testing.assert_allclose(injection[: order - 1, :order], rows, rtol=0, atol=1e-13)
    assert not injection[: order - 1, order:].any()
    rest = injection[order - 1 :]
    assert set(np.unique(rest)) <= {0.0, 1.0}
    np.testing.assert_array_equal(rest.argmax(axis=1), order - 1 + 2 * np.arange(n))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize("how", ["refined", "inserted", "moved ends"])
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_injections_against_exact_powers(order, kind, how, scaled):
    """psi_coarse = I psi_fine at points of the domain, the powers exact, relative to |I| psi_fine."""
    coarse = space(kind, order)
    fine = finer(coarse, how)
    injection = transfer.injection_matrix(coarse, fine, scaled).toarray()
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
    np.testing.assert_array_equal(P.toarray(), transfer.injection_matrix(coarse, fine, scaled).toarray().T)
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


def exact_formula(coarse, fine, order):
    """Return A I A'^-1 in rationals, transposed: the formula of [S26]."""
    nodes = fine[:order]

    def row(i):
        if i >= order:
            return [Fraction(int(s == coarse[i])) for s in fine[: len(fine) - order]]
        row = [Fraction(0)] * (len(fine) - order)
        for j in range(order):
            row[j] = Fraction(1)
            for m in range(order):
                row[j] *= (coarse[i] - nodes[m]) / (nodes[j] - nodes[m]) if m != j else 1
        return row

    injection = [row(i) for i in range(len(coarse) - order)]
    A, inverse = truth.change_of_basis(coarse, order), truth.change_of_basis_inverse(fine, order)

    def product(X, Y):
        return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*Y, strict=True)] for row in X]

    return [list(column) for column in zip(*product(product(A, injection), inverse), strict=True)]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_formula_through_the_relu_basis_is_exact_in_exact_arithmetic(order):
    coarse, fine = space("random", order, 3), finer(space("random", order, 3), "moved ends")
    knots = exact_knots(coarse), exact_knots(fine)
    assert exact_formula(*knots, order) == exact_prolongation(coarse, fine)


def test_the_formula_through_the_relu_basis_loses_digits():
    """r = 4: like n^3, and 1e-9 at n = 128, ten times that with a general inverse; P itself loses none."""
    errors = []
    for n in (16, 32, 64, 128):
        coarse = rk.SplineSpace.uniform(4, n, (0.0, 0.7))
        fine = coarse.refine()
        expected = transfer.dyadic_prolongation(4, n).toarray()
        errors.append(np.abs(transfer.prolongation_through_relu(coarse, fine) - expected).max())
        # The knots are rounded, and their spans by eps n relative to the spacing.
        assert np.abs(rk.prolongation_matrix(coarse, fine).toarray() - expected).max() <= EPS * n
    assert 5e-10 < errors[-1] < 2e-8
    np.testing.assert_allclose(np.diff(np.log2(errors)), 3, rtol=0, atol=0.5)


def test_a_formula_without_polynomial_rows_is_noticed(monkeypatch):
    """The extension-knot trap: injecting by zeros and ones alone, though the exterior knots moved."""
    coarse = rk.SplineSpace.uniform(3, 4)
    fine = coarse.refine()
    injection = transfer.injection_matrix(coarse, fine).toarray()
    naive = np.array(coarse.knots[: coarse.dim, None] == fine.knots[: fine.dim], dtype=float)
    np.testing.assert_array_equal(naive[2:], injection[2:])
    assert not naive[0].any()  # a - 2h is no knot of the fine space
    A, fine_A = rk.ChangeOfBasis(coarse), rk.ChangeOfBasis(fine)
    wrong = fine_A.to_spline(A.dense() @ naive).T
    assert np.abs(wrong - rk.prolongation_matrix(coarse, fine).toarray()).max() > 0.1
