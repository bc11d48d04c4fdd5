"""Bounds where numbers overflow, vanish, or lie on knots and ends; and what comes back when a budget ends."""

import math
import pickle
import re
from fractions import Fraction
from itertools import pairwise

import flint
import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.network_intervals import interval_network
from refkan.analysis.exact.enclosures.polynomial_pieces import pieces_of_polynomials
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.networks.node_maps.kinds import SigmoidMap
from tests.shared.refusals import refused
from tests.shared.tables import each_row


def largest_difference(net, theta, other, other_theta, points):
    """The largest |F - G| at some points, over Fractions."""
    values = [truth.of(n, t, [[x] for x in points]).value for n, t in ((net, theta), (other, other_theta))]
    return max(abs(a - b) for p, q in zip(*values, strict=True) for a, b in zip(p, q, strict=True))


LAST = [0.0, 1.0, 2.0]


@each_row(
    "first, moved, side",
    ([0.0, 0.5, 1.0], [5.0, -3.0, 7.0], 1e200),  # powers of x overflow
    ([0.0, 0.0, 0.0], [1e290, -1e290, 1e290], 1e10),  # products with coefficients do
    ([0.0, 0.0, 0.0], [1e308, -1e308, 1e308], 1.0),  # differences of coefficients do
)
def test_what_overflows_is_unbounded_and_not_zero(first, moved, side):
    net = rk.kan([1, 1, 1], order=3, intervals=1, node_map="none", outside="polynomial")
    low, high = rk.exact.sup_difference(net, first + LAST, net, moved + LAST, [[-side, side]], budget=20)
    exact = largest_difference(net, first + LAST, net, moved + LAST, [-side, 0.5, side])
    assert low <= exact
    assert high == math.inf or exact <= Fraction(high)
    bounds = rk.exact.enclose(net, moved + LAST, [[-side, side]])
    value, (low, high) = truth.of(net, moved + LAST, [[side]]).value[0][0], bounds.value[0]
    assert low == -math.inf or Fraction(low) <= value
    assert high == math.inf or value <= Fraction(high)


@pytest.mark.parametrize(
    "domain", [(-4.4e307, 4.4e307), (1 - 2.0**-53, 1.0), (2.0**53 - 1, 2.0**53), (0.0, 2.0**-1070)]
)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_domains_of_extreme_sizes(order, domain):
    """Of the largest lengths, of an ulp, beside a power of two, below the normal numbers."""
    net = rk.chebyshev_kan([1, 1], order, domain=domain)
    theta = np.arange(1.0, net.n_params + 1)
    bounds = rk.exact.enclose(net, theta, [list(domain)])
    for x in domain:
        value = truth.of(net, theta, [[x]]).value[0][0]
        assert bounds.value[0, 0] == -math.inf or Fraction(bounds.value[0, 0]) <= value
        assert bounds.value[0, 1] == math.inf or value <= Fraction(bounds.value[0, 1])


def test_rounding_of_weights_is_counted():
    """Coefficients that are floats, on knots whose differences are not, near zeros: only the weights are rounded."""
    net = rk.kan([1, 1], 2, 3, domain=(0.1, 0.7))
    theta, x = [1.0, -1.0, 1.0, -1.0], 0.4 + 1e-3 * np.random.default_rng(0).uniform(-1, 1, (60, 1))
    values = interval_network(net, theta).sweep(Intervals.of(x), 0).over.value
    exact = [row[0] for row in truth.of(net, theta, x).value]
    assert all(Fraction(a) <= y <= Fraction(b) for a, y, b in zip(values.lo[:, 0], exact, values.hi[:, 0], strict=True))
    assert np.all(values.hi - values.lo < 1e-13)


def test_products_overflow_whose_sum_does_not():
    """1.5 times 1.4e308 less half of 1e308, from the end piece at -1 and 0."""
    net, theta = rk.kan([1, 1], order=2, intervals=1, outside="polynomial"), [1e308, 0.6e308]
    low, high = rk.exact.enclose(net, theta, [[-1.5, -1.5]], derivatives=0).value[0]
    value = truth.of(net, theta, [[-1.5]]).value[0][0]
    assert low == -math.inf or Fraction(low) <= value
    assert high == math.inf or value <= Fraction(high)


def subnormal_cases():
    yield 2, (0.20569781048223268, 1.550427832065855), "linear", [82, 76], 2.4955653674333375e250
    rng = np.random.default_rng(1)
    for _ in range(40):
        order, a = int(rng.integers(2, 5)), rng.uniform(-1, 1)
        domain, outside = (a, a + rng.uniform(0.5, 2)), str(rng.choice(["linear", "polynomial"]))
        x = float(rng.choice([-1, 1]) * 10.0 ** rng.uniform(200 / (order - 1), 250 / (order - 1)))
        yield order, domain, outside, rng.integers(-80, 80, order), x


def test_subnormal_coefficients_far_outside():
    """What underflows is multiplied by what is large later."""
    for order, domain, outside, units, x in subnormal_cases():
        net = rk.kan([1, 1], order, 1, domain=domain, outside=outside)
        theta = np.array(units) * 2.0**-1074
        low, high = rk.exact.enclose(net, theta, [[x, x]], derivatives=0).value[0]
        assert Fraction(low) <= truth.of(net, theta, [[x]]).value[0][0] <= Fraction(high)


def steps(order, domain, intervals=1):
    return rk.kan([1, 1], order, intervals, domain=domain, outside="natural")


@pytest.mark.parametrize("swapped", [False, True])
@each_row(
    "net, theta, other, other_theta, box, exact",
    (steps(1, (0, 1)), [0.0], steps(1, (0, 2), 2), [0.0, 1.0], [0.5, 1.0], 1.0),
    (steps(2, (0, 1), 2), [0.0, 0.0, 0.1], steps(1, (0, 0.5)), [0.4], [0.5, 2.0], 0.4),
    (steps(1, (0, 1)), [3.0], steps(1, (0, 2), 2), [3.0, 1.0], [0.0, 1.0], 2.0),
    (steps(1, (0, 1)), [3.0], steps(1, (0, 2), 2), [3.0, 1.0], [1.0, 1.0], 2.0),
    (steps(1, (0, 1)), [3.0], steps(1, (-1, 1), 2), [1.0, 3.0], [0.0, 1.0], 0.0),
)
def test_ends_of_both_domains_are_closed(net, theta, other, other_theta, box, exact, swapped):
    pair = [(net, theta), (other, other_theta)]
    (f, tf), (g, tg) = pair[::-1] if swapped else pair
    low, high = rk.exact.sup_difference(f, tf, g, tg, [box])
    assert low <= exact <= high <= exact + 2e-6


@pytest.mark.parametrize(("b", "other_b", "size"), [(1.0, 1 + 2.0**-52, 1.0), (2.0**-70, 2.0**-69, 2.0**100)])
def test_ends_of_sigmoid_maps_are_compared_one_by_one(b, other_b, size):
    """b - a is the same float for both."""

    def network(b):
        spaces = [rk.SplineSpace.uniform(2, 1, domain) for domain in ((0.0, 1.0), (-1.0, b))]
        net = rk.Network(tuple(rk.SplineLayer((s,), 1, "linear") for s in spaces), (SigmoidMap([[-1.0, b]]),))
        return net, np.array([0.0, 1.0, -size, size * b])

    (f, tf), (g, tg) = network(b), network(other_b)
    low, high = rk.exact.sup_difference(f, tf, g, tg, [[0.0, 1.0]], budget=100)
    previous, flint.ctx.prec = flint.ctx.prec, 300
    try:
        values = [truth.of(n, t, [[1.0]], number=flint.arb).value[0][0] for n, t in ((f, tf), (g, tg))]
        exact = abs(values[0] - values[1])
        assert low <= float(exact)
        assert exact <= flint.arb(high)
        assert flint.arb(high) <= 4 * exact
    finally:
        flint.ctx.prec = previous


def exact_lipschitz_constant(net, theta, box):
    """The largest |slope| inside a box, of one spline of order 2 or 3: at knots and ends, a thousandth beside them."""
    knots = net.layers[0].spaces[0].knots
    cuts = sorted({*map(Fraction, box), *(Fraction(t) for t in knots if box[0] < t < box[1])})
    inside = [[u + (v - u) / 3, u + 2 * (v - u) / 3] for u, v in pairwise(cuts)]
    sizes = []
    for pair in inside:
        s, t = (row[0][0] for row in truth.of(net, theta, [[x] for x in pair]).input_derivatives()[0])
        sizes += [abs(2 * s - t), abs(2 * t - s)]  # the slope is linear in between
    return max(sizes)


@pytest.mark.parametrize("unit", [1e-150, 1e-6, 1.0, 1e150])
@pytest.mark.parametrize("box", [(0.0, 0.5), (0.5, 1.0), (0.25, 0.5), (0.0, 1.0), (0.3, 0.5), (-0.5, 0.25), (0.5, 1.5)])
@pytest.mark.parametrize("order", [2, 3])
def test_lipschitz_constants_are_limits_from_inside_the_box_in_any_unit(order, box, unit):
    net = rk.kan([1, 1], order, 4, domain=(0.0, unit))
    box = [unit * end for end in box]
    for seed in range(3):
        theta = np.random.default_rng(seed).standard_normal(net.n_params) * [1.0, unit, 1 / unit][seed]
        constant = exact_lipschitz_constant(net, theta, box)
        bounds = rk.exact.lipschitz_constant(net, theta, [box])
        low, high = bounds
        assert Fraction(low) <= constant <= Fraction(high)
        assert bounds.reached
        assert high <= 1.0011 * low


def test_one_evaluation_attains_the_slope_at_the_centre():
    """x^2 on [1/2, 1]: 3/2 in the middle, between 1 and 2."""
    net = rk.kan([1, 1], order=3, intervals=1)
    low, high = rk.exact.lipschitz_constant(net, [0.0, 0.0, 2.0], [[0.5, 1.0]], budget=1)
    assert 1.5 - 1e-14 <= low <= 1.5
    assert 2.0 <= high <= 2.0 + 1e-13


def test_the_next_element_is_not_in_the_box():
    net = rk.kan([1, 1], order=2, intervals=2)
    low, high = rk.exact.lipschitz_constant(net, [0.0, 0.0, 50.0], [[0.0, 0.5]])
    assert low == 0.0
    assert high < 1e-300


def test_the_constant_zero_is_reached():
    """Relative to zero there is no accuracy: the smallest normal number is what the bounds may keep."""
    constant = rk.exact.lipschitz_constant(rk.kan([1, 1], 3, 2), np.ones(4), [[0.0, 1.0]], budget=1000)
    assert constant.reached
    assert constant[0] == 0.0 <= constant[1] < 1e-300


def test_slopes_from_the_right_of_hidden_knots_are_not_attained():
    """max(-|x|, 0) is zero, but the slopes from the right at 0 have the product -1."""
    net = rk.kan([1, 1, 1], order=2, intervals=2, domain=(-1.0, 1.0), node_map="none")
    low, high = rk.exact.lipschitz_constant(net, [-1.0, 0.0, -1.0, 0.0, 0.0, 1.0], [[-1.0, 1.0]], budget=30)
    assert low == 0.0
    assert high >= 0.0


def test_parameters_that_do_not_fit_are_named():
    net, theta = rk.kan([1, 1], 3, 2), [0.0, 1.0, 1.0, 0.0]
    refused(lambda: rk.exact.enclose(net, [0.0], [[0, 1]]), "ValueError: ^theta must have length 4; got length 1$")
    message = "ValueError: ^other_theta must have length 4; got length 1$"
    refused(lambda: rk.exact.sup_difference(net, theta, net, [0.0], [[0, 1]]), message)
    zero, none, two = lambda x: 0, lambda: 0, lambda x, y: 0
    for functions, name, taken in (((none, zero), "source", "()"), ((zero, two), "boundary", "(x, y)")):
        message = f"TypeError: ^{name} must take 1 arguments; it takes {re.escape(taken)}$"
        refused(lambda given=functions: rk.exact.certified_error(net, theta, *given, [[0, 1]]), message)


def test_networks_that_wait_for_data_are_sent_back():
    net, x = rk.kan([2, 2, 1], 3, 2), np.linspace(0.0, 1.0, 6).reshape(3, 2)
    theta, message = np.zeros(net.n_params), "after layer 0 is not bound to data"
    refused(lambda: rk.exact.enclose(net, theta, [[0, 1]] * 2), message)
    refused(lambda: rk.exact.certified_rank(rk.LeastSquares(net, x, x[:, :1]), theta), message)


def test_middles_beyond_all_floats_are_infinite():
    huge = Fraction(10**400)
    for low, middle in ((huge, np.inf), (-2 * huge, -np.inf)):
        assert Enclosure(low, low + huge).midpoint == middle


def test_certificates_go_on_where_a_layer_of_silu_has_no_values():
    """Inside the domain nothing changes; the network that comes with the steps may be asked a little outside."""
    net = rk.kan([1, 1], 3, 2, edge="silu", outside="error")
    steps = interval_network(net, np.arange(6.0))
    assert steps.net.layers[0].spline.outside == "polynomial"
    assert np.isfinite(steps.net(steps.theta, [[1.0 + 1e-9]])).all()


def test_a_difference_has_values_where_both_networks_have_some():
    theta = [0.0, 1.0, 1.0, 0.0]
    wide, narrow = (rk.kan([1, 1], 3, 2, domain=(0.0, b), outside="error") for b in (2.0, 1.0))
    for pair in ((wide, narrow), (narrow, wide)):
        with pytest.raises(ValueError, match=r"got box\[0\] = \[0.0, 1.5\], domain"):
            rk.exact.sup_difference(pair[0], theta, pair[1], theta, [[0.0, 1.5]])


@pytest.mark.parametrize("function", ["extrema", "lipschitz_constant", "sup_difference"])
def test_a_budget_that_ends_leaves_the_bounds_reached(function):
    net, theta = rk.kan([2, 2, 1], 3, 2).initialize(
        np.random.default_rng(0), np.random.default_rng(1).uniform(size=(40, 2))
    )
    pairs = (net, theta) if function != "sup_difference" else (net, theta, net, theta + 0.1)
    tolerance, few = 1e-4, 2 if function == "extrema" else 30
    some, more = (
        getattr(rk.exact, function)(*pairs, [[0, 1], [0, 1]], tolerance=tolerance, budget=b) for b in (few, 10**5)
    )
    assert (some.reached, more.reached) == (False, True)
    assert some.boxes <= few < more.boxes
    assert f"budget = {few} boxes do not suffice for tolerance = 0.0001" in some.remedy
    assert more.remedy == ""
    again = pickle.loads(pickle.dumps(some))
    assert again.remedy == some.remedy
    if function == "extrema":
        assert np.all(some[0][:, 0] <= more[0][:, 0])
        assert np.all(more[1][:, 1] <= some[1][:, 1])
    else:
        assert some[0] <= more[1]
        assert more[1] <= some[1]


def test_derivatives_are_none_first_or_second():
    third = lambda: rk.exact.enclose(rk.kan([1, 1], 4, 2), np.zeros(5), [[0.0, 1.0]], 3)  # noqa: E731
    refused(third, "derivatives must be .*; got 3")


@pytest.mark.parametrize("sign", [1, -1])
def test_polynomials_beyond_the_largest_float_are_unbounded(sign):
    pieces = pieces_of_polynomials([(Fraction(0), Fraction(1))], [[[sign * Fraction(10) ** 400]]])
    ((enclosure,), _) = pieces.enclose(Intervals.of([0.5]), 0)
    assert (enclosure.hi if sign > 0 else -enclosure.lo).item() == math.inf
