"""Gram matrices of B-splines and of their derivatives against exact integrals."""

from fractions import Fraction
from math import factorial

import numpy as np
import pytest
import scipy.interpolate

from refkan import truth
from refkan.splines import bsplines
from tests.shared.factories import (
    EPS,
    KINDS,
    errors,
    exact_knots,
    space,
)


def exact_gram(S, derivative=0):
    """Integrals over the domain, exact: Taylor coefficients at the left end of each interval, multiplied out."""
    t = exact_knots(S)
    r, dim = S.order, S.dim
    G = [[Fraction(0)] * dim for _ in range(dim)]
    for m in range(r - 1, len(t) - r):
        h = t[m + 1] - t[m]
        if h == 0:
            continue
        taylor = [
            [truth.bspline_derivative(t, r, i, t[m], k) / factorial(k - derivative) for k in range(derivative, r)]
            for i in range(m - r + 1, m + 1)
        ]
        for i, p in enumerate(taylor):
            for j, q in enumerate(taylor):
                terms = (a * b * h ** (k + l + 1) / (k + l + 1) for k, a in enumerate(p) for l, b in enumerate(q))
                G[m - r + 1 + i][m - r + 1 + j] += sum(terms)
    return G


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_gram_matrix_against_exact_integrals(kind, order):
    S = space(kind, order, 3)
    G = bsplines.gram_matrix(S).toarray()
    # All integrands are non-negative: each entry is right relative to itself, r values of 1e-15 r each. NumPy's Gauss
    # rules, and the points that round to the grid of an offset domain, are good for some 8 eps.
    grid = EPS * np.abs(S.breakpoints).max() / np.diff(np.unique(S.breakpoints)).min()
    for i, row in enumerate(exact_gram(S)):
        assert np.all(errors(G[i], row) <= (4e-15 * order + 2 * order * grid) * np.array(row, dtype=float).max())
    np.testing.assert_array_equal(G, G.T)


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("derivative", [1, 2])
def test_gram_matrix_of_derivatives(order, derivative):
    S = space("random", order, 3)
    G = bsplines.gram_matrix(S, derivative).toarray()
    reference = exact_gram(S, derivative)
    scale = max(abs(float(e)) for row in reference for e in row)
    for i, row in enumerate(reference):
        assert errors(G[i], row).max() <= 1e-14 * order * scale


@pytest.mark.parametrize("kind", KINDS)
def test_gram_matrix_sums_to_integrals_of_scipy(kind):
    S = space(kind, 4)
    row_sums = np.asarray(bsplines.gram_matrix(S).sum(axis=1)).ravel()
    a, b = S.domain
    basis = scipy.interpolate.BSpline(S.knots, np.eye(S.dim), S.degree)
    # SciPy integrates through the antiderivative, whose values are differences of sums of size b - a.
    np.testing.assert_allclose(row_sums, basis.integrate(a, b), rtol=0, atol=1e-13 * max(1.0, abs(b)))


def test_gram_matrix_is_positive_definite_and_banded():
    S = space("random", 4, 8)
    G = bsplines.gram_matrix(S).toarray()
    assert np.linalg.eigvalsh(G).min() > 0
    i, j = np.indices(G.shape)
    assert not G[abs(i - j) >= S.order].any()
    assert G[abs(i - j) < S.order].all()
