"""Margins are those that are stated, and bounds are right on both sides alike, in any unit."""

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import EPS, SMALLEST, UNITS, Intervals
from refkan.analysis.exact.enclosures.polynomial_pieces import pieces_of_polynomials
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, variables
from refkan.analysis.exact.solutions import bounds_of_errors
from refkan.analysis.exact.solutions.bounds_of_errors import _between_points, _cumulated, _integral
from tests.analysis.exact.test_float_intervals import OPERATIONS, drawn


def width(x):
    return x.hi - x.lo


@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_sums_of_n_terms_are_known_to_n_eps_of_their_sizes(n):
    rng = np.random.default_rng(n)
    terms = Intervals.of(rng.normal(size=(50, n)))
    size = np.abs(terms.lo).sum(axis=1)
    total = terms.sum(1)
    assert np.all(width(total) >= 1.99 * n * EPS * size)
    assert np.all(width(total) <= 2.01 * n * EPS * size + 3 * np.spacing(size))
    both = Intervals.of(terms.lo.reshape(5, 10, n)).sum((1, 2))
    assert np.all(
        width(both) <= 2.01 * 10 * n * EPS * size.reshape(5, 10).sum(axis=1) + 3 * np.spacing(size.max() * 10)
    )
    # of the norm: terms and squares are off by an ulp each way, their sum by n eps, and the root halves that
    norm = np.sqrt((terms.lo**2).sum(axis=1))
    assert np.all(width(terms.norm(1)) >= 0.99 * n * EPS * norm)
    assert np.all(width(terms.norm(1)) <= (1.02 * n + 10) * EPS * norm)
    running = _cumulated(Intervals.of(terms.lo[0]))
    sizes = np.cumsum(np.abs(terms.lo[0]))
    assert np.all(width(running) >= 1.99 * n * EPS * sizes)
    assert np.all(width(running) <= 2.01 * n * EPS * sizes + 5 * np.spacing(sizes))


def test_squares_and_sizes_are_one_rounding_from_the_exact_ones():
    x = Intervals.of(np.random.default_rng(0).normal(size=200))
    square, size = x.squared(), x.absolute()
    assert np.array_equal(size.lo, np.abs(x.lo))
    assert np.array_equal(size.hi, np.abs(x.lo))
    for lo, a, hi in zip(square.lo.tolist(), x.lo.tolist(), square.hi.tolist(), strict=True):
        assert math.nextafter(math.nextafter(lo, math.inf), math.inf) > Fraction(a) ** 2
        assert math.nextafter(math.nextafter(hi, -math.inf), -math.inf) < Fraction(a) ** 2


def test_transcendental_functions_are_known_to_five_units():
    """Of 4 units in the last place and one for products: ten eps from end to end, and the rounding outwards."""
    assert UNITS == 4
    x = np.random.default_rng(0).uniform(-20, 20, 400)
    enclosure = Intervals.of(x).exp()
    assert np.all(width(enclosure) / np.exp(x) >= 9.9 * EPS)
    assert np.all(width(enclosure) / np.exp(x) <= 14.1 * EPS)
    turned = 3 * np.spacing(np.abs(x) + 2)  # of x less pi/2
    for values, more in ((Intervals.of(x).cos(), 0.0), (Intervals.of(x).sin(), turned)):
        inside = (np.abs(values.lo) < 0.9) & (np.abs(values.hi) < 0.9)
        assert np.all((width(values) >= 9.9 * EPS)[inside])
        assert np.all((width(values) <= 11.1 * EPS + more)[inside])
    g = Intervals.of(x).sigmoid()
    assert np.all(width(g) <= 16 * EPS * g.hi)


def test_far_from_zero_multiples_of_pi_are_told_apart_as_well_as_floats_are():
    """Between near and four times near of an extreme at 1e10 the cosine is no longer taken to reach it."""
    k = 3183098862  # k pi is near 1e10, k even: a maximum
    top = float(k * np.pi)
    near = 4 * EPS * top
    beside = Intervals(np.array([top + 10 * near]), np.array([top + 1.0])).cos()
    assert beside.hi[0] < 1.0
    assert Intervals(np.array([top - 0.1]), np.array([top + 0.1])).cos().hi[0] == 1.0


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("x", [0.3, 0.77, 1.0, -2.5, 4.0])
def test_rounding_of_polynomials_is_a_small_multiple_of_their_absolute_terms(degree, x):
    """8 m + 8 units for the weights of degree m, and the radii of coefficients that are no floats."""
    powers = [Fraction(k + 1, 3) for k in range(degree + 1)]
    pieces = pieces_of_polynomials([(Fraction(0), Fraction(1))], [[powers]])
    enclosure, _ = pieces.enclose(Intervals.of([x]), degree)
    for k, each in enumerate(enclosure):
        m, beta, radius = degree - k, np.abs(pieces.middles[k][0, 0]), pieces.radii[k][0, 0]
        weights = [math.comb(m, i) * abs(1 - x) ** (m - i) * abs(x) ** i for i in range(m + 1)]
        stated = (8 * m + 8) * EPS * np.dot(weights, beta) + np.dot(weights, radius)
        ulps = np.spacing(np.abs([each.lo, each.hi])).max()
        assert 0.999 * stated - ulps <= width(each)[0, 0] / 2 <= 1.001 * stated + 2 * ulps
        assert np.all(radius[radius > 0] <= np.spacing(beta[radius > 0]))


def test_underflow_of_polynomials_has_its_own_term():
    """At zero coefficients only: 4 (m + 2)^2 of the smallest float for each weight."""
    pieces = pieces_of_polynomials([(Fraction(0), Fraction(1))], [[[Fraction(0)] * 3]])
    ((value, *_), _) = pieces.enclose(Intervals.of([0.5]), 0)
    assert value.lo[0, 0] == -value.hi[0, 0] == -(4 * 4**2 * SMALLEST + SMALLEST)


@pytest.mark.parametrize("points", [1, 2, 3, 10])
@pytest.mark.parametrize("k", [0.0, 1.0, 2.5])
def test_between_points_of_integration_the_error_exceeds_its_values_as_stated(points, k):
    """v = 0, u'' + k^2 u = 2, zero at both ends: at most (values at points + w^2/8 2)/(1 - w^2 k^2/8)."""
    x = np.linspace(0.0, 1.0, points + 1)
    u = 2 / k**2 * (1 - np.cos(k * (x - 0.5)) / np.cos(k / 2)) if k else x * (x - 1)
    at = np.abs(u).max()
    share = 1 / points**2 / 8
    bound = rk.exact.certified_error(
        rk.kan([1, 1], order=4, intervals=1), [0.0] * 4, lambda x: 2.0, lambda x: 0.0, [[0, 1]],
        wavenumber=k, integration_intervals=points, taylor_degree=14,
    )  # fmt: skip
    stated = (at + share * 2) / (1 - share * k**2)
    assert stated <= bound.by_integration * (1 + 1e-9)
    assert bound.by_integration <= stated * (1 + 1e-6)
    compared = 2 * (1 / math.cos(k / 2) - 1) / k**2 if k else 0.25  # k < pi, with cosines
    assert bound.by_maximum_principle == pytest.approx(compared, rel=1e-12)


def test_bounds_between_points_are_rounded_upwards_and_hardly_more():
    """(at points + w^2/8 rho)/(1 - w^2 k^2/8) over Fractions, also where the divisor is near zero."""
    rng = np.random.default_rng(0)
    for _ in range(400):
        at, residual, w = (float(10.0 ** rng.uniform(-8, 3)) for _ in range(3))
        k = math.sqrt(8 * rng.choice([0.0, 0.1, 0.9, 0.99, 1 - 1e-6])) / w
        W, K = Fraction(w), Fraction(k)
        wave = W * W * K * K / 8
        exact, unit = (Fraction(at) + W * W / 8 * Fraction(residual)) / (1 - wave), Fraction(EPS) / (1 - wave)
        found = Fraction(_between_points(at, residual, w, k, 1))
        assert exact * (1 + 3 * wave * unit) <= found <= exact * (1 + 40 * unit)  # room for roundings of w^2 k^2/8
    for share in (1.0, 1 + 1e-12, 2.0):
        with pytest.raises(ValueError, match="integration_intervals = 3 are too few for wavenumber"):
            _between_points(1.0, 1.0, 0.5, math.sqrt(8 * share) / 0.5, 3)
    assert _between_points(math.inf, 1.0, 1.0, 0.0, 1) == math.inf
    assert _between_points(math.nan, 1.0, 1.0, 0.0, 1) == math.inf


def test_intervals_of_integration_are_as_long_as_said(monkeypatch):
    """The longest of them over Fractions, rounded up."""
    lengths, nodes = [], np.linspace(1 / 3, 7 / 9, 8)
    monkeypatch.setattr(bounds_of_errors, "_between_points", lambda at, residual, w, k, points: lengths.append(w))

    def zero(boxes):
        centre, over = (variables(x, 2)[0] * 0.0 for x in (Intervals.of(boxes.middle), boxes))
        return Expansion(centre, over, boxes - Intervals.of(boxes.middle), np.full(len(boxes.lo), 2))

    bounds_of_errors.bound_by_integration(zero, 0.0, nodes[[0, -1]], Intervals.of(np.zeros(2)), 0.0, 7)
    exact = max(Fraction(b) - Fraction(a) for a, b in pairwise(nodes.tolist()))
    assert exact <= Fraction(lengths[0]) <= exact * (1 + Fraction(2 * EPS))


@pytest.mark.parametrize(("smoothness", "widths"), [(-1, (1, 16)), (0, (0.5, 4)), (1, (0, 0)), (2, (0, 0))])
def test_integrals_are_expanded_as_far_as_functions_are_smooth(smoothness, widths):
    """x^2 over [0, 1] and [1, 3] from its range, its slope or its second derivative, if that is bounded."""
    boxes = Intervals(np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]]))
    centre, over = (x * x for x in (variables(at, 2)[0] for at in (Intervals.of(boxes.middle), boxes)))
    reach = boxes - Intervals.of(boxes.middle)
    integral = _integral(Expansion(centre, over, reach, np.full(2, smoothness)), boxes)
    assert np.all((integral.lo <= [1 / 3, 26 / 3]) & (integral.hi >= [1 / 3, 26 / 3]))
    np.testing.assert_allclose(integral.hi - integral.lo, widths, rtol=1e-12, atol=1e-13)


BOX = np.array([[0.125, 0.875], [0.25, 1.25]])


def network(order=3, seed=0, outside="linear", node_map="affine", **options):
    rng = np.random.default_rng(seed)
    net = rk.kan([2, 3, 2], order, 3, outside=outside, node_map=node_map, **options)
    return net.initialize(rng, rng.uniform(size=(40, 2)))


def scaled(net, theta, factor):
    """The parameters of factor F."""
    moved = theta.copy()
    moved[net.slices[-1]] *= factor
    return moved


CERTIFICATES = {
    "enclose": lambda net, theta, box=BOX: tables(rk.exact.enclose(net, theta, box)),
    "enclose, subdivided": lambda net, theta, box=BOX: tables(
        rk.exact.enclose(net, theta, box, 1, tolerance=0.1, budget=2000)
    ),
    "extrema": lambda net, theta, box=BOX: extremes(rk.exact.extrema(net, theta, box, tolerance=1e-3, budget=2000)),
    "lipschitz_constant": lambda net, theta, box=BOX: sizes(
        rk.exact.lipschitz_constant(net, theta, box, tolerance=1e-1, budget=2000)
    ),
    "sup_difference": lambda net, theta, box=BOX: sizes(
        rk.exact.sup_difference(net, theta, net, 0.5 * theta, box, tolerance=1e-2, budget=2000)
    ),
}
"""Certificate -> of (network, theta, box) its bounds by derivative, lower and upper, and the number of boxes."""


def tables(bounds):
    return [bounds.value, bounds.first, bounds.second], bounds.boxes


def extremes(found):
    return [np.stack([found[0][:, side], found[1][:, 1 - side]], axis=1) for side in (0, 1)], found.boxes


def sizes(found):
    return [np.array([[-found[1], found[1]], [-found[0], found[0]]])], found.boxes


def same(ours, theirs):
    """Whether bounds and numbers of boxes are equal, bit by bit."""
    pairs = zip(ours[0], theirs[0], strict=True)
    return ours[1] == theirs[1] and all(np.array_equal(a, b) for a, b in pairs if a is not None or b is not None)


def transformed(found, function):
    return [None if table is None else function(k, table) for k, table in enumerate(found[0])], found[1]


CASES = [{"order": 2}, {"order": 4, "outside": "polynomial"}, {"outside": "natural", "node_map": "none"}]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", CERTIFICATES)
def test_bounds_of_the_negative_are_the_others(name, case):
    net, theta = network(**case)
    bounds = CERTIFICATES[name](net, theta)
    assert same(
        CERTIFICATES[name](net, scaled(net, theta, -1.0)), transformed(bounds, lambda k, table: -table[..., ::-1])
    )


@pytest.mark.parametrize("power", [-300, 300])
@pytest.mark.parametrize("name", CERTIFICATES)
def test_bounds_are_multiplied_with_the_function(name, power):
    if name == "sup_difference":
        pytest.skip("half of the parameters is no multiple of the function")
    net, theta = network(outside="polynomial")
    bounds = CERTIFICATES[name](net, theta)
    multiple = CERTIFICATES[name](net, scaled(net, theta, 2.0**power))
    assert same(multiple, transformed(bounds, lambda k, table: 2.0**power * table))


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**40])
@pytest.mark.parametrize("name", ["enclose", "enclose, subdivided", "lipschitz_constant"])
def test_bounds_in_another_unit_of_the_inputs(name, unit):
    net, theta = network()
    first = net.layers[0]
    spaces = tuple(rk.SplineSpace(unit * space.knots, space.order) for space in first.spaces)
    stretched = replace(net, layers=(replace(first, spaces=spaces), *net.layers[1:]))
    bounds, moved = CERTIFICATES[name](net, theta), CERTIFICATES[name](stretched, theta, unit * BOX)
    power = 1 if name == "lipschitz_constant" else 0
    assert same(moved, transformed(bounds, lambda k, table: table / unit ** (k + power)))


@pytest.mark.parametrize("order", [2, 3])
def test_derivatives_that_are_asked_for_move_no_other_bound(order):
    net, theta = network(order)
    bounds = [rk.exact.enclose(net, theta, BOX, derivatives) for derivatives in (0, 1, 2)]
    assert all(np.array_equal(bounds[0].value, other.value) for other in bounds[1:])
    assert np.array_equal(bounds[1].first, bounds[2].first)
    assert (bounds[0].first, bounds[0].second, bounds[1].second) == (None, None, None)


@pytest.mark.parametrize("name", ["absolute", "squared", "add", "sub", "mul", "over", "sum", "norm"])
def test_operations_round_both_ends_alike(name):
    """f(-x, -y) against f(x, y): the same ends for even functions, exchanged ones for odd ones."""
    rows = np.sort(drawn(5, 300), axis=2)
    arity, function, _ = OPERATIONS[name]
    x = [Intervals(rows[:, i, 0], rows[:, i, 1]) for i in range(arity)]
    found, mirrored = function(Intervals, *x), function(Intervals, *[-each for each in x])
    expected = found if name in ("absolute", "squared", "mul", "over", "norm") else -found
    assert np.array_equal(mirrored.lo, expected.lo)
    assert np.array_equal(mirrored.hi, expected.hi)
