"""The oracle of prolongation, exactly: the same functions, the closed form, knots that are not nested."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from refkan import truth
from tests.shared.refusals import refused


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
    P = truth.prolongation(coarse, fine, order)
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
    assert truth.uniform_prolongation(order, n) == truth.prolongation(coarse, fine, order)


def test_the_oracle_refuses_knots_that_are_not_nested():
    coarse = [Fraction(t) for t in (-1, 0, 1, 2, 3)]
    for fine in ((-1, 0, 2, 3), (-1, 0, 1, 3, 4), (-1, 0, Fraction(1, 2), 2, 3)):
        with pytest.raises(ValueError, match="fine_knots must have the domain"):
            truth.prolongation(coarse, [Fraction(t) for t in fine], 2)
    doubled = [Fraction(t) for t in (-1, 0, 1, 1, 2, 3)]
    refused(lambda: truth.prolongation(doubled, coarse, 2), "missing")


def test_the_oracle_takes_any_numbers():
    knots = [-1.0, 0.0, 1.0, 2.0]
    assert truth.prolongation(knots, [-1.0, 0.0, 0.25, 1.0, 2.0], 2) == [[1, 0], [0.75, 0.25], [0, 1]]
