"""Which pieces an interval meets, how smooth functions are over it, how much each input moves them: by definition."""

from fractions import Fraction
from itertools import pairwise
from math import perm

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.network_intervals import interval_network
from refkan.analysis.exact.enclosures.polynomial_pieces import POLYNOMIAL, Pieces, nearest, pieces_of_polynomials
from refkan.analysis.exact.enclosures.taylor_intervals import (
    Expansion,
    TaylorIntervals,
    influence,
    monomials,
    narrowed,
    variables,
)
from refkan.truth.arithmetic import taylor

CUTS = [Fraction(k) for k in (0, 1, 2, 3)]


def staircase(end) -> Pieces:
    """The value k on piece k, 0 before the first cut and 4 after the last."""
    regions = list(pairwise([Fraction(-3), *CUTS, Fraction(6)]))
    return pieces_of_polynomials(regions, [[[Fraction(k)]] for k in range(len(regions))], end)


def met(low, high, sides, end):
    """The pieces that count, by their definition: those with points inside, and at points and ends as `sides` says."""
    ends = [-np.inf, *map(float, CUTS), np.inf]
    pieces = list(enumerate(pairwise(ends)))
    inside = {k for k, (a, b) in pieces if max(a, low) < min(b, high)}
    if sides == "both" or (sides == "inside" and low == high):
        return inside | {k for k, (a, b) in pieces if a <= low <= b or a <= high <= b}
    if sides == "inside":
        return inside

    def holds(k, a, b, x):
        return (a < x or (a == x and k - 1 != end)) and (x < b or (x == b and k == end))

    return inside | {k for k, (a, b) in pieces if holds(k, a, b, low) or holds(k, a, b, high)}


@pytest.mark.parametrize("end", [None, 3, 1])
@pytest.mark.parametrize("sides", ["right", "inside", "both"])
def test_the_pieces_of_an_interval_are_those_of_its_points(sides, end):
    marks = [-1.0, 0.0, 0.5, 1.0, np.nextafter(1.0, 2), 1.5, 2.0, 3.0, np.nextafter(3.0, 0), 4.0]
    pairs = [(a, b) for a in marks for b in marks if a <= b]
    x = Intervals(*np.array(pairs).T)
    ((values,), smoothness) = staircase(end).enclose(x, 0, sides)
    for (low, high), lo, hi, jumps in zip(pairs, values.lo[:, 0], values.hi[:, 0], smoothness, strict=True):
        pieces = met(low, high, sides, end)
        assert (round(lo), round(hi)) == (min(pieces), max(pieces)), (low, high)
        assert abs(lo - min(pieces)) < 1e-13
        assert abs(hi - max(pieces)) < 1e-13
        assert (jumps == POLYNOMIAL) == (len(pieces) == 1)


def test_smoothness_is_the_least_at_the_knots_that_are_crossed():
    """Quadratic splines with a simple, a double and a triple knot: one, no and minus one continuous derivatives."""
    space = rk.SplineSpace([0.0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 4, 4], 3)
    net = rk.Network((rk.SplineLayer((space,), 1, "natural"),), ())
    (step,) = interval_network(net, np.arange(1.0, 10.0) ** 2).steps
    at = {1.0: 1, 2.0: 0, 3.0: -1}
    for low, high in ((0.2, 0.9), (0.5, 1.5), (1.5, 2.5), (0.5, 2.5), (2.5, 3.5), (0.5, 3.5), (1.0, 1.5), (3.2, 3.9)):
        _, smoothness = step.of_inputs(Intervals(np.array([[low]]), np.array([[high]])), 2)
        assert smoothness[0, 0] == min([POLYNOMIAL, *(s for knot, s in at.items() if low < knot < high)])
        _, both = step.of_inputs(Intervals(np.array([[low]]), np.array([[high]])), 2, "both")
        assert both[0, 0] == min([POLYNOMIAL, *(s for knot, s in at.items() if low <= knot <= high)])


@pytest.mark.parametrize("order", [0, 1])
def test_influence_is_what_each_input_moves_derivatives_by(order):
    """|c_alpha| alpha_p times the widths of all inputs of x^alpha, or of all but the first besides p."""
    rng = np.random.default_rng(order)
    widths, indices = rng.uniform(0.5, 2.0, (1, 3)), monomials(3, 3)
    over = TaylorIntervals({index: Intervals.of(rng.normal(size=(1, 2))) for index in indices}, 3)
    expected = np.zeros(3)
    for index in indices:
        size = np.abs(over.parts[index].lo).max()
        inputs = [p for p in range(3) for _ in range(index[p])]
        if len(inputs) > order:
            for k, p in enumerate(inputs):
                others = (inputs[:k] + inputs[k + 1 :])[order:]
                expected[p] += size * widths[0, p] * np.prod(widths[0, others])
    expansion = Expansion(over, over, Intervals(-widths / 2, widths / 2), np.array([0]))
    np.testing.assert_allclose(influence(expansion, order)[0], expected, rtol=1e-14)


@pytest.mark.parametrize(("smoothness", "reach"), [(-1, 10.0), (0, 1.1)])
def test_mean_value_forms_hold_from_continuity_on(smoothness, reach):
    """A function of slopes in [0.9, 1.1] through (0, 0) stays within 1.1 on [-1, 1] if it is continuous."""
    centre = TaylorIntervals({(0,): Intervals.of(np.zeros(1)), (1,): Intervals.of(np.ones(1))}, 1)
    ends = {(0,): (-10.0, 10.0), (1,): (0.9, 1.1)}
    over = TaylorIntervals({i: Intervals(np.array([low]), np.array([high])) for i, (low, high) in ends.items()}, 1)
    sides = Intervals(-np.ones((1, 1)), np.ones((1, 1)))
    found = narrowed(Expansion(centre, over, sides, np.array([smoothness])), (0,))
    np.testing.assert_allclose([found.lo[0], found.hi[0]], [-reach, reach], rtol=1e-15)


@pytest.mark.parametrize("value", [Fraction(1, 3), Fraction(-2, 7), Fraction(1, 2), Fraction(10) ** 400])
def test_radii_hold_what_rounding_took_from_coefficients_and_hardly_more(value):
    pieces = pieces_of_polynomials([(Fraction(0), Fraction(1))], [[[value]]])
    middle, radius = (float(array[0][0, 0, 0]) for array in (pieces.middles, pieces.radii))
    if radius < np.inf:
        away = abs(value - Fraction(middle))
        assert away <= Fraction(radius) <= 2.0**-52 * abs(value)
        assert (radius == 0) == (away == 0)
    assert (radius == np.inf) == (value > 2**1024)


def test_taylor_numbers_are_polynomials():
    """Products, compositions and derivatives against Taylor numbers of the truth over Fractions."""
    rng, monomial = np.random.default_rng(0), [taylor.variable(Fraction(0), k, 4) for k in (0, 1)]

    def drawn():
        return sum(Fraction(int(rng.integers(-9, 10)), 8) * monomial[0] ** i * monomial[1] ** k for i, k in indices)

    def part(f, i, k):
        return taylor.coefficient(f, (0,) * i + (1,) * k)

    def enclosed(f):
        return TaylorIntervals({index: Intervals.of(np.array([float(part(f, *index))])) for index in indices}, 4)

    def equal(found, f, moved=(0, 0)):
        for i, k in monomials(2, found.order):
            c = part(f, i + moved[0], k + moved[1]) * perm(i + moved[0], moved[0]) * perm(k + moved[1], moved[1])
            ours = found.parts.get((i, k), Intervals.of(np.zeros(1)))
            assert c - Fraction(1, 10**9) < ours.lo[0] <= c <= ours.hi[0] < c + Fraction(1, 10**9)

    indices = monomials(2, 4)
    p, q, outer = drawn(), drawn(), [Fraction(int(c), 4) for c in rng.integers(-9, 10, 5)]
    P, Q = enclosed(p), enclosed(q)
    equal(P * Q, p * q)
    lower = TaylorIntervals({index: Q.parts[index] for index in monomials(2, 2)}, 2)
    for both in (P * lower, lower * P):  # what is not known of one is not known of their product
        assert both.order == max(map(sum, both.parts)) == 2
        equal(both, p * q)
    equal(P - Q, p - q)
    equal(2.5 - P, Fraction(5, 2) - p)
    composed = sum(c * (p - part(p, 0, 0)) ** k for k, c in enumerate(outer))
    equal(P.composed([Intervals.of(np.array([float(c)])) for c in outer]), composed)
    for index in ((1, 0), (0, 1), (2, 0), (1, 1), (1, 2)):
        assert P.derivative(index).order == 4 - sum(index)
        equal(P.derivative(index), p, index)
    x, y = variables(Intervals.of(np.array([[0.25, -0.5]])), 4)
    for name, of in (("sin", np.sin), ("cos", np.cos), ("exp", np.exp)):
        found = getattr(x * y, name)()
        assert found.value.lo[0] <= of(-0.125) <= found.value.hi[0]
        slope = {"sin": np.cos, "cos": lambda z: -np.sin(z), "exp": np.exp}[name](-0.125) * -0.5
        assert abs(found.parts[(1, 0)].lo[0] - slope) < 1e-15
        third = {"sin": lambda z: -np.cos(z), "cos": np.sin, "exp": np.exp}[name](-0.125) * (-0.5) ** 3 / 6
        assert abs(found.parts[(3, 0)].lo[0] - third) < 1e-15
        assert abs(found.parts[(4, 0)].lo[0] - of(-0.125) * (-0.5) ** 4 / 24) < 1e-15  # each its own fourth derivative


@pytest.mark.parametrize("outside", ["linear", "polynomial", "natural"])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_pieces_are_the_family_and_its_derivatives(order, outside):
    """At points on both sides of the ends and of knots, as exact as floats allow."""
    net = rk.kan([1, 2], order, 3, domain=(-1.0, 2.0), outside=outside)
    theta = np.round(8 * np.random.default_rng(order).normal(size=net.n_params)) / 8
    (step,) = interval_network(net, theta).steps
    x = [-5.5, -2.0, -1.0, -0.75, 0.0, 0.5, 1.0, 2.0, 2.25, 3.0, 4.5, 9.0]
    coefficients, _ = step.of_inputs(Intervals.of(x)[:, None], 2)
    exact = truth.of(net, theta, [[t] for t in x])
    first, second = exact.input_derivatives()
    for s in range(len(x)):
        for q in range(2):
            for found, value in zip(
                coefficients, (exact.value[s][q], first[s][q][0], second[s][q][0][0] / 2), strict=True
            ):
                low, high = found.lo[s, 0, q], found.hi[s, 0, q]
                assert low <= value <= high
                assert high - low <= 1e-11 * (1 + abs(value))


def test_reference_intervals_are_the_pieces_and_as_much_as_the_domain_on_both_sides():
    (step,) = interval_network(rk.kan([1, 1], 2, 3, domain=(-1.0, 2.0)), np.arange(4.0)).steps
    assert step.edges.inputs[0].low.tolist() == [-4.0, -1.0, 0.0, 1.0, 2.0]
    assert step.edges.inputs[0].high.tolist() == [-1.0, 0.0, 1.0, 2.0, 5.0]
    (step,) = interval_network(rk.kan([1, 1], 2, 3, domain=(-1.0, 2.0), outside="natural"), np.arange(4.0)).steps
    assert step.edges.inputs[0].left.tolist() == [-np.inf, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]
    assert (step.edges.inputs[0].low[0], step.edges.inputs[0].high[-1], step.edges.inputs[0].end) == (-5.0, 6.0, 4)
    tiny = interval_network(rk.chebyshev_kan([1, 1], 1, domain=(2.0**60, 2.0**60 + 2.0**8)), [0.0, 1.0]).steps[0]
    (pieces,) = tiny.edges.inputs
    assert pieces.low[0] < pieces.left[1] < pieces.left[2] < pieces.high[-1]


def test_rational_numbers_beyond_all_floats_are_next_to_the_largest():
    largest = float(np.finfo(float).max)
    for sign in (1, -1):
        assert nearest(Fraction(sign * 10**400)) == sign * largest
        assert nearest(Fraction(sign, 3)) == sign / 3


def test_functions_are_as_smooth_together_as_the_roughest():
    """A constant beside a staircase, and x beside |x - 1|: powers of x less the middle of each piece."""
    regions, zero, one, half = list(pairwise(CUTS)), Fraction(0), Fraction(1), Fraction(1, 2)
    steps = pieces_of_polynomials(regions, [[[zero], [Fraction(k)]] for k in range(3)])
    assert steps.smoothness.tolist() == [-1, -1, POLYNOMIAL]
    kinks = pieces_of_polynomials(
        regions, [[[half, one], [half, -one]], [[half + 1, one], [half, one]], [[half + 2, one], [half + 1, one]]]
    )
    assert kinks.smoothness.tolist() == [0, POLYNOMIAL, POLYNOMIAL]
