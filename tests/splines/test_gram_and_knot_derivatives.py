"""Gram matrices, derivatives in knots and tables of knots against exact values."""

from fractions import Fraction
from math import factorial

import numpy as np
import pytest

import refkan as rk
from refkan.splines import bsplines, local_basis, relu_powers
from refkan.splines.knots import extend_uniformly
from refkan.splines.local_basis import KnotTables
from refkan.truth.bases.bsplines import bspline_derivative, knot_derivative
from refkan.truth.bases.relu_powers import truncated_power_derivative
from tests.shared.factories import (
    EPS,
    KINDS,
    TINY,
    contributions,
    errors,
    exact,
    exact_knots,
    points,
    points_outside,
    space,
    value_tolerance,
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
    for i, row in enumerate(exact_gram(bspline_derivative, S)):
        assert np.all(errors(G[i], row) <= (4e-15 * order + 2 * order * grid) * np.array(row, dtype=float).max())
    np.testing.assert_array_equal(G, G.T)


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("derivative", [1, 2])
def test_gram_matrix_of_derivatives(order, derivative):
    S = space("random", order, 3)
    G = bsplines.gram_matrix(S, derivative).toarray()
    reference = exact_gram(bspline_derivative, S, derivative)
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
        for i, row in enumerate(exact_gram(truncated_power_derivative, S, derivative)):
            # Non-negative integrands: relative errors, of the Gauss rule (8 eps), the root, and the points, which
            # are rounded to the grid of the domain while x - t may be as small as an interval.
            bound = order * EPS * (16 + 4 * np.abs(S.breakpoints).max() / np.diff(S.breakpoints).min())
            expected = [entry / h ** (2 * (order - 1)) for entry in row]
            assert np.all(errors(G[i], expected) <= bound * np.array(expected, dtype=float)), (i, G[i])
        np.testing.assert_array_equal(G, G.T)


def exact_knot_derivatives(S, c, x, outside="error"):
    t, c, x = exact_knots(S), exact(c), Fraction(float(x))
    return [knot_derivative(t, S.order, c, j, x, outside) for j in range(1, S.intervals)]


def knot_contributions(S, c, x, outside):
    """Sum of absolute contributions to each df/dt_j; quotients of coefficients taken apart, as the kernel has them."""
    t, r = S.knots, S.order
    scale = []
    for j in range(1, S.intervals):
        p = j + r - 1
        doubled = rk.SplineSpace(np.insert(t, p, t[p]), r)
        hat = contributions(doubled, x, 0, outside)
        scale.append(sum((abs(c[i]) + abs(c[i - 1])) / (t[i + r - 1] - t[i]) * hat[i] for i in range(p - r + 1, p + 1)))
    return np.array(scale)


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("kind", ["uniform", "random", "graded", "offset", "clamped"])
@pytest.mark.parametrize("outside", ["linear", "polynomial"])
def test_knot_derivatives_against_definitions(kind, order, outside, rng):
    S = space(kind, order)
    c = rng.standard_normal(S.dim)
    x = np.concatenate([points(S, 1, neighbours=False), points_outside(S)[:6]])
    D = bsplines.knot_derivative_matrix(S, c, x, outside)
    assert D.shape == (x.size, S.intervals - 1)
    for s, at in enumerate(x):
        error = errors(D[s], exact_knot_derivatives(S, c, at, outside))
        bound = 2 * value_tolerance(order + 1) * knot_contributions(S, c, at, outside)
        assert np.all(error <= bound + TINY), (at, error, bound)


def test_one_interval_has_no_interior_knot():
    S = rk.SplineSpace.uniform(3, 1)
    assert bsplines.knot_derivative_matrix(S, np.ones(3), [0.2, 0.4]).shape == (2, 0)
    with pytest.raises(rk.OutsideDomainError):
        bsplines.knot_derivative_matrix(S, np.ones(3), [1.5])


BREAKPOINTS = {
    "one interval": [[-1.0, 2.0]],
    "uniform": [np.linspace(0.0, 1.0, 7), np.linspace(-3.0, 1.0, 7)],
    "one of two uniform": [np.linspace(0.0, 1.0, 5), [0.0, 0.1, 0.5, 0.7, 1.0]],
    "graded": [np.linspace(0.0, 2.0, 12) ** 5],
    "all but one in a cell": [[0.0, 1e-9, 2e-9, 3e-9, 4e-9, 1.0]],
    "repeated": [[0.0, 0.0, 0.1, 0.1, 0.4, 1.0, 1.0]],
    "hardly apart": [[1e8, 1e8 + 2e-8, 1e8 + 3e-8, 1e8 + 1e-7]],
    "short domain": [[0.0, 1e-307, 4e-306]],
}


@pytest.fixture(autouse=True)
def _search_everywhere(monkeypatch):
    """Tables in one pass do not look for equal intervals."""
    monkeypatch.setattr(local_basis, "equal_intervals", lambda breakpoints: False)


def agree(breakpoints, order):
    """Whether all tables have the same bits."""
    ours, theirs = KnotTables.extended(breakpoints, order), KnotTables(extend_uniformly(breakpoints, order), order)
    made = vars(ours).keys() - {"order"}
    assert len(made) == 7
    for name in made:
        mine, other = (v if isinstance(v, tuple) else (v,) for v in (getattr(ours, name), getattr(theirs, name)))
        for a, b in zip(mine, other, strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype
            if not np.array_equal(a, b):
                return False
    return True


@pytest.mark.parametrize("kind", BREAKPOINTS)
@pytest.mark.parametrize("order", [1, 2, 4, 7])
def test_tables_in_one_pass_are_those_made_one_by_one(kind, order):
    assert agree(np.array(BREAKPOINTS[kind]), order)


def test_tables_of_many_random_knots(rng):
    for n in (3, 17, 40):
        assert agree(np.sort(rng.uniform(-3, 4, (50, n + 1)) ** 3, axis=1), 4)


def test_breakpoints_that_are_no_numbers_lead_to_no_place_outside(rng):
    """Sweeps at parameters that are not finite give NaN, and find their intervals within the tables."""
    for breakpoints in ([[0.0, np.nan, np.nan, 1.0]], [[np.nan] * 4], [[0.0, np.inf, 1.0, 2.0]]):
        guide, _, halvings = KnotTables.extended(np.array(breakpoints), 3).search
        assert guide.min() >= 0
        assert guide.max() <= 2
        assert 0 <= halvings <= 3
