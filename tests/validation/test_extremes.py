"""Bernstein polynomials are not the worst of B-splines that are scaled by the diagonal of their Gram matrix."""

import numpy as np
import pytest

import refkan as rk
from validation.theorems.extremes.scaled_splines import AT_MOST, bernstein_gram, extremes

flint = pytest.importorskip("flint")


@pytest.mark.parametrize(("order", "kappa"), [(4, 30.39), (5, 107.0), (6, 389.5)])
def test_knots_that_are_worse_than_bernstein_polynomials(order, kappa):
    """Knots in clusters of width 2^-15 about 0 (r of them), 5 (one), 7 (r - 1) and 49 (r): whole B-splines, exactly."""
    clusters = [at + np.arange(count) / 2.0**18 for at, count in ((0, order), (5, 1), (7, order - 1), (49, order))]
    beyond = np.arange(1, order) / 2.0**18
    knots = np.concatenate([-beyond[::-1], *clusters, clusters[-1][-1] + beyond])
    gram, whole = rk.exact.rational_gram(rk.SplineSpace(knots, order)), range(order - 1, 3 * order - 1)
    low, high = extremes(flint.fmpq_mat([[gram[i, j] for j in whole] for i in whole]))
    least, largest = extremes(bernstein_gram(order))
    assert high / low > kappa > largest / least
    assert high / low < AT_MOST[order]
