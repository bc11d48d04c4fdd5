"""Transfer by least squares at samples: where it finds the prolongation, and where it changes the function."""

import numpy as np
import pytest

import refkan as rk
from refkan.splines import bsplines, transfer
from tests.shared.factories import points, space
from tests.splines.transfer.nested_spaces import finer


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_least_squares_finds_the_prolongation_where_the_samples_determine_it(order):
    coarse = space("random", order)
    fine = finer(coarse, "refined")
    u = np.random.default_rng(0).standard_normal((2, 3, coarse.dim))
    x = points(fine, 4)
    v, report = transfer.least_squares_transfer(coarse, fine, u, x)
    assert v.shape == (2, 3, fine.dim)
    assert report.rank == fine.dim
    np.testing.assert_allclose(v, transfer.prolong(coarse, fine, u), rtol=0, atol=1e-11)
    assert report.on_samples < 1e-12
    assert report.off_samples < 1e-11


def test_least_squares_with_few_samples_changes_the_function_elsewhere():
    """The trap of grid extension: on the samples nothing moved, off them the function did, and the report says so."""
    coarse = rk.SplineSpace.uniform(3, 4)
    fine = coarse.refine(4)
    u = np.random.default_rng(0).standard_normal(coarse.dim)
    x = np.linspace(0.05, 0.95, 12)
    v, report = transfer.least_squares_transfer(coarse, fine, u, x)
    assert report.rank == 12 < fine.dim
    assert report.on_samples < 1e-13
    assert report.off_samples > 0.01
    dense = np.linspace(0, 1, 2001)
    change = np.abs(bsplines.evaluate(fine, v, dense) - bsplines.evaluate(coarse, u, dense)).max()
    assert report.off_samples == pytest.approx(change, rel=0.05)
    on = np.abs(bsplines.evaluate(fine, v, x) - bsplines.evaluate(coarse, u, x)).max()
    assert report.on_samples == pytest.approx(on, rel=0, abs=1e-14)


def test_least_squares_serves_spaces_that_are_not_nested():
    coarse, other = rk.SplineSpace.uniform(4, 3), rk.SplineSpace.uniform(4, 5)
    x = np.linspace(0, 1, 101)
    u = np.array([0.0, 1.0, -1.0, 1.0, 0.0, 2.0])
    v, report = transfer.least_squares_transfer(coarse, other, u, x)
    residual = bsplines.design_matrix(other, x) @ v - bsplines.evaluate(coarse, u, x)
    # the normal equations: the residual is orthogonal to the space
    assert np.abs(bsplines.design_matrix(other, x).T @ residual).max() < 1e-13
    assert report.on_samples == pytest.approx(np.abs(residual).max(), abs=1e-15)
    assert report.off_samples > 1e-3
    with pytest.raises(rk.KnotError):
        rk.prolongation_matrix(coarse, other)


def test_least_squares_keeps_the_shape_of_no_functions_at_all():
    coarse = rk.SplineSpace.uniform(2, 2)
    v, report = transfer.least_squares_transfer(coarse, coarse.refine(), np.zeros((0, 3)), np.linspace(0, 1, 9))
    assert v.shape == (0, 5)
    assert (report.on_samples, report.off_samples) == (0.0, 0.0)


def test_singular_values_below_eps_times_the_number_of_samples_count_as_zero():
    """The last function is seen by one sample, just beyond its knot: 30 times below that cutoff, 30 above eps alone."""
    N = 1000
    coarse, fine = rk.SplineSpace.uniform(2, 1), rk.SplineSpace.uniform(2, 2)
    x = np.append(np.linspace(0.0, 0.5, N - 1), 0.5 + 6.5e-14)
    values = np.linalg.svd(bsplines.design_matrix(fine, x).toarray(), compute_uv=False)
    ratio = values[-1] / values[0] / np.finfo(float).eps
    assert 10 < ratio < N / 10
    v, report = transfer.least_squares_transfer(coarse, fine, [0.0, 1.0], x)
    assert report.rank == 2 < fine.dim
    assert abs(v[2]) < 1e-10
