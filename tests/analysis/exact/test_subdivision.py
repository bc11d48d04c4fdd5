"""Branch and bound on functions whose extremes are known: sound at every budget, no slower than its order allows."""

import math

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import Intervals, down, up
from refkan.analysis.exact.enclosures.network_intervals import interval_network
from refkan.analysis.exact.enclosures.subdivision import (
    CORNERS,
    FEWEST,
    Evaluation,
    _halved,
    absolute,
    of_greatest,
    of_range,
    range_over,
)
from refkan.analysis.exact.nodes import extremes_over_boxes
from refkan.analysis.exact.nodes.extremes_over_boxes import _promising
from refkan.analysis.exact.nodes.node_subdivision import NodeSearch
from tests.shared.refusals import refused
from tests.shared.tables import each_row


def peak(centre, unit=1.0):
    """unit (1 - |x - centre|^2) and its range over boxes, exact but for rounding."""

    def quantities(boxes):
        away = boxes - Intervals.of(np.array(centre))
        over = (Intervals.of(1.0) - away.squared().sum(1)) * Intervals.of(unit)
        middle = Intervals.of(0.5 * boxes.lo + 0.5 * boxes.hi) - Intervals.of(np.array(centre))
        inside = (Intervals.of(1.0) - middle.squared().sum(1)) * Intervals.of(unit)
        return Evaluation(over[:, None], inside[:, None], boxes.hi - boxes.lo)

    return quantities


@pytest.mark.parametrize("P", [1, 2, CORNERS + 1])
def test_the_greatest_value_is_bounded_at_every_budget_and_reached_with_enough(P):
    centre, box = [1 / 3] * P, np.array([[0.0, 1.0]] * P)
    for budget in (1, 2, 3, FEWEST, FEWEST + 1, 100, 10_000):
        bounds = range_over(peak(centre), box, of_greatest(1e-3), budget, greatest=True)
        assert bounds.boxes <= budget
        assert bounds.inner.hi[0] <= 1.0 + 1e-15
        assert bounds.outer.hi[0] >= 1.0
        assert bounds.reached == (bounds.outer.hi[0] - bounds.inner.hi[0] <= 1e-3 * bounds.inner.hi[0])
    assert bounds.reached or P > CORNERS


@pytest.mark.parametrize("unit", [1e-250, 1.0, 1e250])
def test_tolerances_are_relative_in_any_unit(unit):
    box = np.array([[0.0, 1.0]])
    for slack in (of_range(1e-4), of_greatest(1e-4)):
        bounds = range_over(peak([0.3], unit=unit), box, slack, 5000, greatest=True)
        assert bounds.reached
        assert bounds.outer.hi[0] - bounds.inner.hi[0] <= 1e-4 * unit
        assert bounds.boxes > FEWEST
    both = range_over(peak([0.3], unit=unit), box, of_range(1e-4), 5000)
    assert both.reached
    assert both.inner.lo[0] - both.outer.lo[0] <= 1e-4 * 0.49 * unit
    assert both.outer.hi[0] - both.inner.hi[0] <= 1e-4 * 0.49 * unit


def test_of_what_is_nearly_constant_a_millionth_of_the_value_is_the_range():
    assert of_range(0.5)(np.array([1.0]), np.array([1.0])) == 2.0**-21
    assert of_range(0.5)(np.array([-4.0]), np.array([4.0])) == 4.0
    assert of_range(0.5)(np.array([-8.0]), np.array([-8.0])) == 2.0**-18
    assert of_range(0.5)(np.array([0.0]), np.array([0.0])) == of_greatest(0.5)(0.0, 0.0) == np.finfo(float).tiny
    assert of_greatest(0.5)(np.array([-3.0]), np.array([2.0])) == 1.0


def test_a_jump_that_no_float_divides_is_not_reached():
    """Between 0.3 and the next float the function rises by one: its bounds stay apart, and say so."""

    def quantities(boxes):
        above, below = (boxes.hi > 0.3).astype(float), (boxes.lo > 0.3).astype(float)
        return Evaluation(Intervals(below, above + 1e-300), Intervals(below * 0.0, below * 0.0))

    bounds = range_over(quantities, np.array([[0.3, np.nextafter(0.3, 1.0)]]), absolute(0.1), 1000)
    assert not bounds.reached
    assert bounds.boxes == 1
    assert bounds.outer.hi[0] >= 1.0


def test_boxes_that_no_float_divides_leave_the_others_that_are_halved_with_them():
    """Bounds 0.9 around 0.7, whose floats lie twice as far apart, and 1 around 0.3; no point attains more than 0."""

    def quantities(boxes):
        above = [(boxes.lo <= at) & (at < boxes.hi) for at in (0.3, 0.7)]
        high = np.where(above[0], 1.0, np.where(above[1], 0.9, 0.0))
        return Evaluation(Intervals(0.0 * high, high), Intervals(0.0 * high, 0.0 * high))

    bounds = range_over(quantities, np.array([[0.0, 1.0]]), absolute(0.1), 1000)
    assert not bounds.reached
    assert bounds.boxes < 1000
    assert bounds.outer.hi[0] == 1.0


@pytest.mark.parametrize("start", [1.0, 1.0 + 2.0**-52])  # the middle is rounded to the lower end, to the upper one
def test_boxes_between_two_floats_stay_whole(start):
    """Along another input they are halved, along none they come back as they are."""
    ulp = np.array([[start, 0.0]]), np.array([[np.nextafter(start, 2.0), 1.0]])
    (halves, weights, source) = _halved(Intervals(*ulp), np.array([[9.0, 1.0]]))
    assert (source.tolist(), weights.tolist()) == ([0, 0], [[9.0, 0.5]] * 2)
    assert halves.lo.tolist() == [[start, 0.0], [start, 0.5]]
    (whole, _, source) = _halved(Intervals(ulp[0][:, :1], ulp[1][:, :1]), np.array([[9.0]]))
    assert (whole.lo.tolist(), whole.hi.tolist(), source.tolist()) == ([[start]], [[ulp[1][0, 0]]], [0])


def test_what_is_not_a_number_is_halved_first_and_bounded_by_infinity():
    def quantities(boxes):
        far = (boxes.hi > 0.75) & (boxes.lo < 0.75)
        hi = np.where(far, np.inf, 1.0)
        return Evaluation(Intervals(np.where(far, -np.inf, 0.0), hi), Intervals.of(np.full_like(hi, 0.5)))

    bounds = range_over(quantities, np.array([[0.0, 1.0]]), absolute(0.6), 1000)
    assert bounds.reached  # 0.75 is an end of a box from the second halving on
    assert (bounds.outer.lo[0], bounds.outer.hi[0]) == (0.0, 1.0)
    assert down(1.0) < 1.0 < up(1.0)


def network(seed=0, order=3, **options):
    rng = np.random.default_rng(seed)
    return rk.kan([2, 3, 2], order, 3, **options).initialize(rng, rng.uniform(size=(40, 2)))


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-4])
def test_extrema_and_enclosures_are_as_near_as_asked_relative_to_the_range(tolerance, scale):
    net, theta = network()
    theta = theta.copy()
    theta[net.slices[-1]] *= scale
    minima, maxima = extremes = rk.exact.extrema(net, theta, [[0, 1], [0, 1]], tolerance=tolerance)
    span = (maxima[:, 0] - minima[:, 1])[:, None]
    assert extremes.reached
    assert np.all(np.hstack([np.diff(minima), np.diff(maxima)]) <= tolerance * span * (1 + 1e-9))
    bounds = rk.exact.enclose(net, theta, [[0, 1], [0, 1]], 1, tolerance=max(tolerance, 1e-2), budget=20_000)
    assert np.all(bounds.value[:, 0] <= minima[:, 1])
    assert np.all(bounds.value[:, 1] >= maxima[:, 0])
    if bounds.reached:
        assert np.all(minima[:, 0] - bounds.value[:, 0] <= 2 * max(tolerance, 1e-2) * span[:, 0])


def test_at_kinks_between_two_boxes_sides_are_kept():
    """-|x - 1/2| + y and |x - 1/2| - y: falling on one side, rising on the other of where boxes meet."""
    tent, line = [-0.5, 0.0, -0.5], [0.0, 0.5, 1.0]
    for sign in (1.0, -1.0):
        minima, maxima = rk.exact.extrema(
            rk.kan([2, 1], 2, 2), sign * np.array([*tent, *line]), [[0.0, 1.0]] * 2, tolerance=1e-9
        )
        least, greatest = sorted((sign * -0.5, sign * 1.0))
        assert minima[0, 0] <= least <= minima[0, 1] + 1e-15
        assert maxima[0, 0] - 1e-15 <= greatest <= maxima[0, 1]


def test_many_inputs_find_large_values_before_they_are_halved():
    """Six inputs: without the points of ascent no value near the extremes would be attained."""
    rng = np.random.default_rng(2)
    net, theta = rk.kan([6, 2, 1], 3, 3).initialize(rng, rng.uniform(size=(60, 6)))
    minima, maxima = rk.exact.extrema(net, theta, [[0.0, 1.0]] * 6, budget=200)
    y = net(theta, rng.uniform(size=(20_000, 6)))
    assert minima[0, 0] <= y.min()
    assert minima[0, 1] <= y.min() + 0.02 * np.ptp(y)
    assert maxima[0, 0] >= y.max() - 0.02 * np.ptp(y)
    assert maxima[0, 1] >= y.max()


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("budget", [1, 3, 7, 100, 5000])
def test_extremes_share_a_budget_and_what_one_leaves_the_next_ones_have(monkeypatch, budget, order):
    """Of continuous networks intervals of nodes are cut; of those that jump boxes of inputs."""
    given, found = [], []

    def watched(run, place, at):
        def search(*arguments):
            result = run(*arguments)
            if result is not None:
                given.append(arguments[at])
                found.append(result)
            return result

        monkeypatch.setattr(place, run.__name__, search)

    watched(range_over, extremes_over_boxes, 3)
    watched(NodeSearch.run, NodeSearch, 2)
    net, theta = network(order=order)
    proven = rk.exact.extrema(net, theta, [[0, 1], [0, 1]], tolerance=1e-3, budget=budget)
    left = budget
    for k, (share, each) in enumerate(zip(given, found, strict=True)):
        assert share == max(left // (4 - k), 1)
        left -= each.boxes
    assert proven.boxes == budget - left <= max(budget, 4)
    assert proven.reached == all(each.reached for each in found)
    assert proven.reached == (order > 1 and budget >= 100)
    for k, each in enumerate(found):  # least and greatest in turn, output by output
        bounds = proven[k % 2][k // 2] * (1 if k % 2 else -1)
        assert sorted(bounds) == [each.inner.hi[0], each.outer.hi[0]]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_ascent_ends_at_the_summit_or_in_the_corner(sign):
    """-|x - c|^2 in five units, of the second output, times the sign that makes it a summit; a plane of the first."""
    centre, sides = np.array([0.3, 0.6, 0.5, 0.2, 0.9]), np.array([1.0, 2.0, 0.5, 1e3, 1e-3])
    box = np.stack([np.zeros(5), sides], axis=1)
    net = rk.kan([5, 2], 3, 1, domain=box)
    square, line, one = np.array([0.0, 0.0, 2.0]), np.array([-0.5, 0.5, 1.5]), np.ones(3)
    slopes = np.array([1.0, -2.0, 3.0, -4.0, 5.0])
    summit = np.array([2 * c * line - square - c**2 * one for c in centre])
    steps = interval_network(net, np.concatenate([(slopes[:, None] * line).ravel(), sign * summit.ravel()]))
    corners, points = _promising(steps, box).reshape(2, 2, 8, 5)[:, int(sign > 0)]
    assert np.all((points >= box[:, 0]) & (points <= box[:, 1]))
    falling = -((points / sides - centre) ** 2).sum(axis=1)
    assert np.all(np.diff(falling) <= 1e-15)
    assert falling[0] > -1e-12
    assert falling[-1] > -1e-4
    assert np.array_equal(corners, np.tile(sides * (sign * slopes > 0), (8, 1)))


QUESTIONS = {
    "enclose": lambda net, theta, box, budget: rk.exact.enclose(net, theta, box, 1, 0.05, budget),
    "lipschitz": lambda net, theta, box, budget: rk.exact.lipschitz_constant(net, theta, box, 1e-2, budget),
    "difference": lambda net, theta, box, budget: rk.exact.sup_difference(
        net, theta, net, 0.9 * theta, box, 1e-3, budget
    ),
}


@each_row(
    "options, most",
    ({"order": 4, "outside": "natural"}, {"enclose": 297, "lipschitz": 261, "difference": 345}),
    ({"edge": "silu"}, {"enclose": 255, "lipschitz": 301, "difference": 145}),
    ({"node_map": "sigmoid"}, {"enclose": 281, "lipschitz": 153, "difference": 161}),
    ids=str,
)
def test_enclosures_are_as_narrow_as_few_boxes_ask(options, most):
    """Each answer within its tolerance: wider enclosures, or boxes halved elsewhere, need more of them."""
    net, theta = network(**options)
    for question, boxes in most.items():
        bounds = QUESTIONS[question](net, theta, [[0.0, 1.0], [0.25, 1.25]], 2 * boxes)
        assert bounds.reached, question
        assert bounds.boxes <= 1.02 * boxes, question


@pytest.mark.parametrize("function", ["enclose", "extrema", "lipschitz_constant", "sup_difference"])
def test_progress_is_told_what_is_known(function):
    net, theta = network()
    told = []
    networks = (net, theta, net, theta + 0.1) if function == "sup_difference" else (net, theta)
    getattr(rk.exact, function)(*networks, [[0, 1], [0, 1]], tolerance=1e-3, budget=300, progress=told.append)
    assert told
    assert all(state.boxes < 300 for state in told)
    assert str(told[-1]).startswith(f"{told[-1].boxes} of ")
    assert all(math.isfinite(state.attained) and state.attained != state.bound for state in told)
    if function != "enclose":
        assert all(state.attained < state.bound for state in told)


def test_the_box_of_samples_holds_them_and_no_more():
    x = np.random.default_rng(0).normal(size=(50, 3))
    box = rk.exact.bounding_box(x)
    assert np.array_equal(box, [[c.min(), c.max()] for c in x.T])
    refused(lambda: rk.exact.bounding_box(np.empty((0, 2))), "x must hold at least one sample")


def waves(boxes, weights=None):
    """sin(3 x_0) + x_1^2 ... and 1/4 less, within the width of each box, exact at its middle."""
    middle, size = boxes.middle, (boxes.hi - boxes.lo).sum(axis=1, keepdims=True)
    value = np.sin(3 * middle[:, :1]) + (middle[:, 1:] ** 2).sum(axis=1, keepdims=True)
    both = np.concatenate([value, value - 0.25], axis=1)
    return Evaluation(Intervals(both - 3 * size, both + 3 * size), Intervals.of(both), weights)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -1.0])
def test_weights_that_are_none_are_the_widths(bad):
    """An input without a weight that is finite and positive counts by its width, if another has such a weight."""
    box = np.array([[0.0, 1.0], [0.0, 8.0]])
    for weights, axis in (([1.0, 1.0], 0), ([1.0, bad], 1), ([bad, 1.0], 0 if bad in (0.0, -1.0) else 1)):
        seen = []

        def quantities(boxes, weights=weights, seen=seen):
            seen.append(boxes)
            return waves(boxes, np.tile(weights, (len(boxes.lo), 1)))

        range_over(quantities, box, absolute(1e-9), 3, points=np.empty((0, 2)))
        sides = (seen[1].hi - seen[1].lo)[0] / [1.0, 8.0]
        assert sides.argmin() == axis, (weights, sides)


def test_progress_is_of_the_quantity_that_is_furthest():
    told = []
    box = np.array([[-1.0, 1.5]] * 2)

    def quantities(boxes):
        found = waves(boxes)
        return found._replace(
            over=Intervals(found.over.lo - np.array([0.0, 50.0]), found.over.hi + np.array([0.0, 5.0]))
        )

    range_over(quantities, box, absolute(1e-3), 100, report=told.append)
    range_over(quantities, box, absolute(1e-3), 100, greatest=True, report=told.append)
    middle = float(np.sin(0.75) + 0.25**2 - 0.25)
    assert (told[0].boxes, told[0].budget) == (1, 100)
    assert told[0].attained == pytest.approx(middle)
    assert told[0].bound == pytest.approx(middle - 15 - 50)
    last = next(state for state in told[1:] if state.boxes == 1)
    assert (last.attained, last.bound) == (pytest.approx(middle), pytest.approx(middle + 15 + 5))


@pytest.mark.parametrize("away", [-1.0, 1.0])
@pytest.mark.parametrize("greatest", [False, True])
def test_values_outside_of_their_enclosures_are_a_fault(away, greatest):
    """Below them a least value is false, above them a greatest one; found in a half of the box."""

    def quantities(boxes):
        zero = np.zeros((len(boxes.lo), 1))
        half = boxes.hi - boxes.lo < 1.0
        return Evaluation(Intervals(zero - 0.5, zero + 0.5), Intervals.of(np.where(half, away, 0.0)))

    def search():
        return range_over(quantities, np.array([[0.0, 1.0]]), absolute(0.1), 10, greatest)

    if greatest and away < 0:  # the least values are not sought
        assert search().outer.hi[0] == 0.5
    else:
        refused(search, "ArithmeticError: are disjoint: please report this")
