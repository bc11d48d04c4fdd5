"""Laws by which bounds are right on both sides alike, and as wide in any unit: equalities of bits.

Rounding to nearest is symmetric, and multiplication by a power of two exact. So the bounds of -F are those of F with
their ends exchanged, those of 2^k F and of F(2^k x) multiples of them, and no derivative that is asked for besides
moves another bound: what is too narrow or too wide on one side, or in one unit, is seen.
"""

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from tests.analysis.exact.test_float_intervals import OPERATIONS, drawn

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
