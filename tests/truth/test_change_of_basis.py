"""The change of basis, prolongation and knot derivatives of the oracle, exactly."""

from fractions import Fraction
from itertools import pairwise
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refkan import truth
from refkan.truth.bases.bsplines import knot_derivative
from refkan.truth.bases.change_of_basis import change_of_basis_inverse, uniform_change_of_basis
from refkan.truth.bases.prolongation import prolongation, uniform_prolongation
from tests.analysis.exact.oracles.jets import Jet
from tests.analysis.exact.oracles.matrices import product
from tests.shared.refusals import refused
from tests.truth.truth_cases import apply, breakpoints, dim, points, powers, random_knots, rational_knots, values

ORDERS = range(1, 8)


def identity(size):
    return [[int(i == j) for j in range(size)] for i in range(size)]


def basis_identity_holds(knots, order, A, outside="natural", beyond=()):
    """Whether b = A psi at the points of the domain and those beyond it."""
    return all(
        values(knots, order, x, k, outside) == apply(A, powers(knots, order, x, k, outside))
        for x in [*points(knots, order), *beyond]
        for k in range(order + 1)
    )


@given(rational_knots(max_order=7))
@settings(max_examples=30, deadline=None)
def test_three_formulas_for_the_change_of_basis(drawn):
    order, knots = drawn
    A, inverse = truth.change_of_basis(knots, order), change_of_basis_inverse(knots, order)
    assert truth.change_of_basis_divided_differences(knots, order) == A
    assert product(A, inverse) == product(inverse, A) == identity(dim(knots, order))
    assert min(min(row) for row in inverse) >= 0
    for i, row in enumerate(A):
        assert all(a == 0 for j, a in enumerate(row) if not i <= j <= i + order)
        assert all(a * (-1) ** (j - i) > 0 for j, a in enumerate(row) if i <= j <= i + order)


@given(rational_knots())
@settings(max_examples=6, deadline=None)
def test_both_bases_are_related_by_it(drawn):
    order, knots = drawn
    A = truth.change_of_basis(knots, order)
    a, b = knots[order - 1], knots[-order]
    beyond = [a - 2, a - Fraction(1, 7), b + Fraction(1, 7), b + 2]
    assert basis_identity_holds(knots, order, A, "linear", beyond)
    assert basis_identity_holds(knots, order, A, "polynomial", beyond)
    # The square form drops the powers that start at b or later: left of the domain it loses nothing.
    assert basis_identity_holds(knots, order, A, "natural", beyond[:2])
    assert not basis_identity_holds(knots, order, A, "natural", beyond[3:])


@pytest.mark.parametrize("order", ORDERS)
def test_the_uniform_closed_form(order):
    h = Fraction(2, 7)
    knots = [Fraction(1, 3) + h * k for k in range(4 + 2 * order)]
    uniform = uniform_change_of_basis(order, dim(knots, order), h)
    assert uniform == truth.change_of_basis(knots, order)
    first = uniform_change_of_basis(1, dim(knots, order), h)
    power = identity(dim(knots, order))
    for _ in range(order):
        power = product(power, first)
    assert uniform == [[a * h ** (1 - order) / factorial(order - 1) for a in row] for row in power]


def fraction_knots(order, intervals, seed):
    """Return knots with random rational gaps, and a finer vector with other exterior knots."""
    rng = np.random.default_rng([seed, order, intervals])

    def gaps(count):
        return [Fraction(int(g), 12) for g in rng.integers(1, 25, count)]

    knots = [Fraction(0)]
    for gap in gaps(intervals + 2 * order - 2):
        knots.append(knots[-1] + gap)
    t = knots[order - 1 : len(knots) - order + 1]
    inner = sorted([*t, *((left + 2 * right) / 3 for left, right in pairwise(t))])
    if order > 1:  # a double knot
        inner = sorted([*inner, inner[1]])
    low, high = [t[0]], [t[-1]]
    for gap in gaps(order - 1):
        low.append(low[-1] - gap)
    for gap in gaps(order - 1):
        high.append(high[-1] + gap)
    return knots, [*low[:0:-1], *inner, *high[1:]]


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize("intervals", [1, 2, 4])
def test_the_oracle_gives_the_same_functions(order, intervals):
    """b_i = sum_j P_ji b'_j at r points of each fine interval, and so on the domain: polynomials of degree r - 1."""
    coarse, fine = fraction_knots(order, intervals, 0)
    P = prolongation(coarse, fine, order)
    for left, right in pairwise(fine[order - 1 : len(fine) - order + 1]):
        for k in range(order if left < right else 0):
            x = left + (right - left) * Fraction(2 * k + 1, 2 * order)
            b_coarse, b_fine = truth.bsplines(coarse, order, x), truth.bsplines(fine, order, x)
            for i in range(len(P[0])):
                assert sum(P[j][i] * b for j, b in b_fine.items()) == b_coarse.get(i, 0)


@pytest.mark.parametrize("order", range(1, 8))
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_closed_form_of_the_oracle(order, n):
    """Uniform knots, exterior ones at half the distance after refinement."""
    h = Fraction(2, 3)
    coarse = [h * k for k in range(1 - order, n + order)]
    fine = [h / 2 * k for k in range(1 - order, 2 * n + order)]
    assert uniform_prolongation(order, n) == prolongation(coarse, fine, order)


def test_the_oracle_refuses_knots_that_are_not_nested():
    coarse = [Fraction(t) for t in (-1, 0, 1, 2, 3)]
    for fine in ((-1, 0, 2, 3), (-1, 0, 1, 3, 4), (-1, 0, Fraction(1, 2), 2, 3)):
        with pytest.raises(ValueError, match="fine_knots must have the domain"):
            prolongation(coarse, [Fraction(t) for t in fine], 2)
    doubled = [Fraction(t) for t in (-1, 0, 1, 1, 2, 3)]
    refused(lambda: prolongation(doubled, coarse, 2), "missing")


def test_the_oracle_takes_any_numbers():
    knots = [-1.0, 0.0, 1.0, 2.0]
    assert prolongation(knots, [-1.0, 0.0, 0.25, 1.0, 2.0], 2) == [[1, 0], [0.75, 0.25], [0, 1]]


def knot_derivative_by_jets(knots, order, coefficients, j, x, outside="natural"):
    moving = [Jet.variable(t, 0, 1) if p == j + order - 1 else Jet.constant(t, 1) for p, t in enumerate(knots)]
    b = values(moving, order, Jet.constant(x, 1), 0, outside)
    return (apply([coefficients], b)[0] + Jet.constant(Fraction(0), 1)).g[0]


@given(rational_knots(min_order=2, max_order=5, min_intervals=2), st.data())
@settings(max_examples=10, deadline=None)
def test_knot_derivative_is_the_exact_derivative(drawn, data):
    order, knots = drawn
    size = dim(knots, order)
    j = data.draw(st.integers(1, size - order))
    c = list(map(Fraction, data.draw(st.lists(st.fractions(-3, 3, max_denominator=9), min_size=size, max_size=size))))
    a, b = knots[order - 1], knots[-order]
    for outside in ("linear", "polynomial", "natural"):
        for x in [*points(knots, order, 1), a - Fraction(1, 5), b + Fraction(1, 5), b + 3]:
            if order == 2 and x == breakpoints(knots, order)[j]:
                continue  # the kink: the derivative is one-sided there
            ours = knot_derivative(knots, order, c, j, x, outside)
            assert ours == knot_derivative_by_jets(knots, order, c, j, x, outside)


def test_knot_derivative_at_a_kink_is_the_limit_from_the_right():
    knots = [Fraction(t) for t in (-1, 0, 1, 2, 3)]
    c = [Fraction(0), Fraction(1), Fraction(0)]
    # The hat at t_1 = 1: f = x/t_1 to its left, f = (2 - x)/(2 - t_1) to its right.
    assert knot_derivative(knots, 2, c, 1, Fraction(999, 1000)) == -Fraction(999, 1000)
    assert knot_derivative(knots, 2, c, 1, Fraction(1)) == 1


@pytest.mark.parametrize(("order", "j"), [(1, 1), (3, 0), (3, 4), (3, -1)])
def test_knot_derivative_refuses(order, j):
    knots = random_knots(order, 4)
    with pytest.raises(ValueError, match=r"order must be at least 2; got 1|j must be"):
        knot_derivative(knots, order, [Fraction(1)] * dim(knots, order), j, knots[order])
