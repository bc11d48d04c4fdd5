"""Laws of prolongation: products, the dot test, the identity; the compiled kernel against plain Python."""

import numpy as np
import pytest

import refkan as rk
from refkan.checks import dot_test
from refkan.kernels import knot_insertion
from refkan.splines import transfer
from tests.shared.factories import EPS, KINDS, space
from tests.splines.transfer.nested_spaces import FINER, PAIRS, SPACES, contributions, finer


@SPACES
def test_refining_twice_by_two_is_refining_once_by_four(kind, order):
    coarse = space(kind, order)
    middle, twice, once = coarse.refine(), coarse.refine().refine(), coarse.refine(4)
    scale = np.abs(once.knots).max()
    if kind == "uniform":
        assert twice == once
    np.testing.assert_allclose(twice.breakpoints, once.breakpoints, rtol=0, atol=2 * EPS * scale)
    assert np.isin(coarse.breakpoints, middle.breakpoints).all()
    assert np.isin(middle.breakpoints, twice.breakpoints).all()
    product = rk.prolongation_matrix(middle, twice) @ rk.prolongation_matrix(coarse, middle)
    P = rk.prolongation_matrix(coarse, twice)
    size = max(1.0, contributions(coarse, middle).sum(axis=1).max() * contributions(middle, twice).sum(axis=1).max())
    assert np.abs(product - P).max() <= 6 * order * EPS * size


@SPACES
@PAIRS
def test_prolong_is_the_matrix_and_passes_the_dot_test(kind, order, how):
    coarse = space(kind, order)
    fine = finer(coarse, how)
    P = rk.prolongation_matrix(coarse, fine)
    rng = np.random.default_rng(order)
    u = rng.standard_normal((2, 3, coarse.dim))
    v = transfer.prolong(coarse, fine, u)
    size = np.abs(P).sum(axis=1).max() * np.abs(u).max()
    np.testing.assert_allclose(v, u @ P.toarray().T, rtol=0, atol=2 * order * EPS * size)
    report = dot_test(lambda u: transfer.prolong(coarse, fine, u), lambda g: P.T @ g, coarse.dim, fine.dim, rng, 1e-13)
    assert report.ok, report.table


def test_prolong_is_linear_in_complex_coefficients():
    coarse = space("random", 3)
    fine = coarse.refine()
    u = np.random.default_rng(0).standard_normal((2, coarse.dim))
    moved = transfer.prolong(coarse, fine, u[0] + 1j * u[1])
    np.testing.assert_array_equal(moved.real, transfer.prolong(coarse, fine, u[0]))
    np.testing.assert_array_equal(moved.imag, transfer.prolong(coarse, fine, u[1]))


@pytest.mark.parametrize("kind", KINDS)
def test_onto_itself_is_the_identity(kind):
    S = space(kind, 4)
    np.testing.assert_array_equal(rk.prolongation_matrix(S, S).toarray(), np.eye(S.dim))
    same = S.refine(1)
    assert same is S


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [1, 3, 4])
def test_compiled_and_plain_python_give_the_same_bits(kind, order):
    for how in FINER:
        coarse = space(kind, order)
        fine = finer(coarse, how)
        results = []
        kernel = knot_insertion.prolongation_rows
        for run in (kernel, getattr(kernel, "py_func", kernel)):
            start, values = np.full(fine.dim, -1), np.full((fine.dim, order), np.nan)
            run(0, fine.dim, order, coarse.knots.copy(), fine.knots.copy(), start, values)
            results.append((start, values))
        np.testing.assert_array_equal(results[0][0], results[1][0])
        # LLVM may contract a product and a sum into one rounding.
        np.testing.assert_allclose(results[0][1], results[1][1], rtol=0, atol=2 * order * EPS * np.abs(values).max())
