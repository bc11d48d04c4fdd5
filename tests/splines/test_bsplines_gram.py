"""Gram matrices of B-splines, of ReLU powers, and of their derivatives against exact integrals."""

from fractions import Fraction
from math import factorial

import numpy as np
import pytest

from refkan import truth
from refkan.splines import bsplines, relu_powers
from tests.shared.factories import (
    EPS,
    KINDS,
    errors,
    exact_knots,
    space,
)


def exact_gram(function, S, derivative=0):
    """Integrals over the domain, exact: Taylor coefficients at the left end of each interval, multiplied out.

    Of the functions that `function(knots, order, i, x, k)` is the k-th derivative of at x.
    """
    t, r, dim = exact_knots(S), S.order, S.dim
    G = [[Fraction(0)] * dim for _ in range(dim)]
    for m in range(r - 1, len(t) - r):
        h = t[m + 1] - t[m]
        orders = range(derivative, r)
        taylor = [[function(t, r, i, t[m], k) / factorial(k - derivative) for k in orders] for i in range(dim) if h]
        for i, p in enumerate(taylor):
            for j, q in enumerate(taylor):
                terms = (
                    a * b * h ** (k + l + 1) / (k + l + 1) for k, a in enumerate(p) for l, b in enumerate(q) if a and b
                )
                G[i][j] += sum(terms)
    return G


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_gram_matrix_against_exact_integrals(kind, order):
    S = space(kind, order, 3)
    G = bsplines.gram_matrix(S).toarray()
    # All integrands are non-negative: each entry is right relative to itself, r values of 1e-15 r each. NumPy's Gauss
    # rules, and the points that round to the grid of an offset domain, are good for some 8 eps.
    grid = EPS * np.abs(S.breakpoints).max() / np.diff(np.unique(S.breakpoints)).min()
    for i, row in enumerate(exact_gram(truth.bspline_derivative, S)):
        assert np.all(errors(G[i], row) <= (4e-15 * order + 2 * order * grid) * np.array(row, dtype=float).max())
    np.testing.assert_array_equal(G, G.T)


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("derivative", [1, 2])
def test_gram_matrix_of_derivatives(order, derivative):
    S = space("random", order, 3)
    G = bsplines.gram_matrix(S, derivative).toarray()
    reference = exact_gram(truth.bspline_derivative, S, derivative)
    scale = max(abs(float(e)) for row in reference for e in row)
    for i, row in enumerate(reference):
        assert errors(G[i], row).max() <= 1e-14 * order * scale


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("kind", ["uniform", "random", "graded"])
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_gram_matrix_of_powers_against_exact_integrals(kind, order, scaled):
    S = space(kind, order, 3)
    h = Fraction(S.mean_spacing) if scaled else Fraction(1)
    for derivative in range(min(order, 2)):
        G = relu_powers.gram_matrix(S, derivative, scaled)
        for i, row in enumerate(exact_gram(truth.truncated_power_derivative, S, derivative)):
            # Non-negative integrands: relative errors, of the Gauss rule (8 eps), the root, and the points, which
            # are rounded to the grid of the domain while x - t may be as small as an interval.
            bound = order * EPS * (16 + 4 * np.abs(S.breakpoints).max() / np.diff(S.breakpoints).min())
            expected = [entry / h ** (2 * (order - 1)) for entry in row]
            assert np.all(errors(G[i], expected) <= bound * np.array(expected, dtype=float)), (i, G[i])
        np.testing.assert_array_equal(G, G.T)
