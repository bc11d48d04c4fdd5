"""Rational knots, points, and both bases over Fractions, for exact tests of the truth."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from refkan import truth


@st.composite
def rational_knots(draw, min_order=1, max_order=6, min_intervals=1, repeats=False):
    """Draw an order and a knot vector of Fractions, strictly increasing or clamped with repeated knots."""
    order = draw(st.integers(min_order, max_order))
    intervals = draw(st.integers(min_intervals, 4))
    gap = st.fractions(Fraction(1, 20), 3, max_denominator=20)
    gaps = draw(st.lists(gap, min_size=intervals + 2 * order - 2, max_size=intervals + 2 * order - 2))
    if repeats:  # clamp both ends, and let interior breakpoints coincide
        gaps[: order - 1] = [Fraction(0)] * (order - 1)
        gaps[len(gaps) - order + 1 :] = [Fraction(0)] * (order - 1)
        merged = draw(st.lists(st.booleans(), min_size=intervals, max_size=intervals))
        for k, merge in enumerate(merged[:-1]):
            gaps[order - 1 + k] *= not merge
    knots = [draw(st.fractions(-2, 2, max_denominator=20))]
    for g in gaps:
        knots.append(knots[-1] + g)
    return order, list(map(Fraction, knots))


def dim(knots, order):
    return len(knots) - order


def breakpoints(knots, order):
    return knots[order - 1 : len(knots) - order + 1]


def points(knots, order, per_interval=2):
    """Return every breakpoint, both ends of the domain included, and points inside every interval."""
    t = breakpoints(knots, order)
    inside = [
        left + (right - left) * Fraction(k, per_interval + 2)
        for left, right in pairwise(t)
        for k in range(1, per_interval + 1)
    ]
    return [*t, *inside]


def random_knots(order, intervals, seed=0):
    gaps = np.random.default_rng([seed, order, intervals]).integers(1, 40, intervals + 2 * order - 2)
    knots = [Fraction(-1, 3)]
    for g in gaps:
        knots.append(knots[-1] + Fraction(int(g), 24))
    return knots


def values(knots, order, x, derivative=0, outside="natural"):
    row = truth.bsplines(knots, order, x, derivative, outside)
    return [row.get(i, 0) for i in range(dim(knots, order))]


def powers(knots, order, x, derivative=0, outside="natural"):
    row = truth.truncated_powers(knots, order, x, derivative, 1, outside)
    return [row.get(i, 0) for i in range(dim(knots, order))]


def apply(matrix, vector):
    return [sum(a * v for a, v in zip(row, vector, strict=True)) for row in matrix]
