"""Derivatives in the knots of the oracle, exactly, by dual numbers."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refkan import truth
from tests.truth.fraction_knots import apply, breakpoints, dim, points, random_knots, rational_knots, values


@dataclass(frozen=True)
class Dual:
    """a + b e with e^2 = 0: arithmetic carries the exact derivative b along."""

    a: Fraction
    b: Fraction = Fraction(0)

    @property
    def real(self):
        return self.a

    def __add__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.a + other.a, self.b + other.b)

    def __mul__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.a * other.a, self.a * other.b + self.b * other.a)

    def __sub__(self, other):
        return self + other * -1

    def __rsub__(self, other):
        return self * -1 + other

    def __truediv__(self, other):
        return self * Dual(1 / other.a, -other.b / other.a**2)

    def __rtruediv__(self, other):
        return Dual(other) / self

    def __eq__(self, other):
        return self.a == other

    __radd__, __rmul__ = __add__, __mul__


def knot_derivative_by_dual_numbers(knots, order, coefficients, j, x, outside="natural"):
    moving = [Dual(t, Fraction(p == j + order - 1)) for p, t in enumerate(knots)]
    b = values(moving, order, Dual(x), 0, outside)
    return apply([[Dual(c) for c in coefficients]], b)[0].b


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
            ours = truth.knot_derivative(knots, order, c, j, x, outside)
            assert ours == knot_derivative_by_dual_numbers(knots, order, c, j, x, outside)


def test_knot_derivative_at_a_kink_is_the_limit_from_the_right():
    knots = [Fraction(t) for t in (-1, 0, 1, 2, 3)]
    c = [Fraction(0), Fraction(1), Fraction(0)]
    # The hat at t_1 = 1: f = x/t_1 to its left, f = (2 - x)/(2 - t_1) to its right.
    assert truth.knot_derivative(knots, 2, c, 1, Fraction(999, 1000)) == -Fraction(999, 1000)
    assert truth.knot_derivative(knots, 2, c, 1, Fraction(1)) == 1


@pytest.mark.parametrize(("order", "j"), [(1, 1), (3, 0), (3, 4), (3, -1)])
def test_knot_derivative_refuses(order, j):
    knots = random_knots(order, 4)
    with pytest.raises(ValueError, match="order must be at least 2 and 0 < j < n"):
        truth.knot_derivative(knots, order, [Fraction(1)] * dim(knots, order), j, knots[order])


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_a_wrong_knot_derivative_is_noticed(order, shift):
    """Doubling a neighbour of the knot, or forgetting the minus sign, does not pass for the derivative."""
    knots = random_knots(order, 4)
    c = [Fraction(k * k, 3) - k for k in range(dim(knots, order))]
    x = [x for x in points(knots, order, 3) if x not in knots]
    theirs = [knot_derivative_by_dual_numbers(knots, order, c, 2, s) for s in x]
    ours = [truth.knot_derivative(knots, order, c, 2 + shift, s) for s in x]
    assert (ours == theirs) is (shift == 0)
    assert [-v for v in ours] != theirs
