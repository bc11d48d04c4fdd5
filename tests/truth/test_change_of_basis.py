"""The change of basis of the oracle: three formulas and the closed form are equal, wrong ones are noticed."""

from fractions import Fraction
from math import factorial

import pytest
from hypothesis import given, settings

from refkan import truth
from tests.truth.fraction_knots import apply, dim, points, powers, random_knots, rational_knots, values

ORDERS = range(1, 8)


def multiply(left, right):
    return [apply(zip(*right, strict=True), row) for row in left]


def identity(size):
    return [[int(i == j) for j in range(size)] for i in range(size)]


def basis_identity_holds(knots, order, A, outside="natural", beyond=()):
    """Whether b = A psi at the points of the domain and those beyond it."""
    return all(
        values(knots, order, x, k, outside) == apply(A, powers(knots, order, x, k, outside))
        for x in [*points(knots, order), *beyond]
        for k in range(order + 1)
    )


# ------------------------------------------------------------------------------------------ change of basis


@given(rational_knots(max_order=7))
@settings(max_examples=30, deadline=None)
def test_three_formulas_for_the_change_of_basis(drawn):
    order, knots = drawn
    A, inverse = truth.change_of_basis(knots, order), truth.change_of_basis_inverse(knots, order)
    assert truth.change_of_basis_divided_differences(knots, order) == A
    assert multiply(A, inverse) == multiply(inverse, A) == identity(dim(knots, order))
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
    uniform = truth.uniform_change_of_basis(order, dim(knots, order), h)
    assert uniform == truth.change_of_basis(knots, order)
    first = truth.uniform_change_of_basis(1, dim(knots, order), h)
    power = identity(dim(knots, order))
    for _ in range(order):
        power = multiply(power, first)
    assert uniform == [[a * h ** (1 - order) / factorial(order - 1) for a in row] for row in power]


# ------------------------------------------------------------------------------------------------ sabotage


def _negated(A):
    return [[-a if (i, j) == (1, 2) else a for j, a in enumerate(row)] for i, row in enumerate(A)]


SABOTAGED_MATRICES = {
    "a flipped sign": lambda knots, order: _negated(truth.change_of_basis(knots, order)),
    "a wrong factor": lambda knots, order: [[2 * a for a in row] for row in truth.change_of_basis(knots, order)],
    "the transpose": lambda knots, order: list(map(list, zip(*truth.change_of_basis(knots, order), strict=True))),
    "shifted knots": lambda knots, order: truth.change_of_basis([*knots[1:], knots[-1] + 1], order),
    "uniform knots": lambda knots, order: truth.uniform_change_of_basis(order, dim(knots, order), Fraction(1, 2)),
}


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("name", SABOTAGED_MATRICES)
def test_a_wrong_change_of_basis_is_noticed(order, name):
    knots = random_knots(order, 3)
    assert basis_identity_holds(knots, order, truth.change_of_basis(knots, order))
    assert not basis_identity_holds(knots, order, SABOTAGED_MATRICES[name](knots, order))
