"""Which boxes are halved when, into how many, and what is kept of them: watched from outside, step by step."""

import math

import numpy as np
import pytest

from refkan.analysis.exact.enclosures import subdivision
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.subdivision import (
    CHUNK,
    CORNERS,
    FEWEST,
    NEARLY,
    Evaluation,
    absolute,
    of_range,
    range_over,
)
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, influence, monomials


def volume(boxes):
    return float(np.prod(boxes.hi - boxes.lo, axis=1).sum())


def waves(boxes, weights=None):
    """sin(3 x_0) + x_1^2 ... and 1/4 less, within the width of each box, exact at its middle."""
    middle, size = boxes.middle, (boxes.hi - boxes.lo).sum(axis=1, keepdims=True)
    value = np.sin(3 * middle[:, :1]) + (middle[:, 1:] ** 2).sum(axis=1, keepdims=True)
    both = np.concatenate([value, value - 0.25], axis=1)
    return Evaluation(Intervals(both - 3 * size, both + 3 * size), Intervals.of(both), weights)


class Watched(subdivision._Pool):
    """A pool that checks each of its steps."""

    pools: list = []  # noqa: RUF012

    def __init__(self, *arguments):
        self.steps, self.tried, self.attained, self.evaluations = [], [], [], 0
        super().__init__(*arguments)
        self.whole = volume(self.boxes)
        self.pools.append(self)

    def gaps(self, slack):
        self.known = super().gaps(slack)
        room = slack(self.low, self.high)
        above = (self.over.hi - self.high) / room
        below = above if self.greatest else (self.low - self.over.lo) / room
        assert np.array_equal(self.known, np.maximum(above, below).max(axis=1))
        return self.known

    def put_aside(self, boxes):
        assert np.array_equal(boxes, self.known <= 1)
        self.whole -= volume(self.boxes[boxes])
        hull = self.over[boxes]
        super().put_aside(boxes)
        assert np.all(self.aside.lo <= hull.lo)
        assert np.all(self.aside.hi >= hull.hi)

    def evaluated(self, boxes, points):
        before = self.count
        assert np.all(boxes.lo <= boxes.hi)
        self.tried.append(points)
        bounds = super().evaluated(boxes, points)
        assert self.count == before + len(boxes.lo)
        everything = np.concatenate([boxes.middle, points])
        values = waves(Intervals.of(everything)).inside.lo
        self.attained.append(values)
        assert np.array_equal(self.low, np.concatenate(self.attained).min(axis=0))
        assert np.array_equal(self.high, np.concatenate(self.attained).max(axis=0))
        return bounds

    def halve(self, chosen, budget, points):
        waiting = self.known[self.known > 1]
        falling = sorted(range(len(waiting)), key=lambda i: -waiting[i])
        batch = falling[: min(subdivision.BATCH, (budget - self.count) // 2)]
        assert chosen.tolist() == [i for i in batch if waiting[i] >= NEARLY * max(waiting)]
        number, before = len(self.boxes.lo), self.count
        self.steps.append(len(chosen))
        super().halve(chosen, budget, points)
        made = self.count - before
        assert self.count <= budget
        assert len(self.boxes.lo) == number - len(chosen) + made
        doubled = len(chosen)
        while True:
            doubled *= 2
            if doubled >= FEWEST or 2 * doubled > budget - before:
                break
        assert made == doubled
        assert volume(self.boxes) == pytest.approx(self.whole, rel=1e-12)


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(Watched, "pools", [])
    monkeypatch.setattr(subdivision, "_Pool", Watched)
    return Watched.pools


@pytest.mark.parametrize("batch", [3, 40, 256])
@pytest.mark.parametrize("greatest", [False, True])
@pytest.mark.parametrize("P", [1, 2, CORNERS, CORNERS + 1])
@pytest.mark.parametrize("budget", [2, 30, 31, 33, 64, 700])
def test_every_step_halves_the_boxes_of_the_largest_gaps(watched, monkeypatch, P, greatest, batch, budget):
    monkeypatch.setattr(subdivision, "BATCH", batch)
    points = np.full((3, P), 0.5)
    bounds = range_over(waves, np.array([[-1.0, 1.5]] * P), of_range(1e-2), budget, greatest, points)
    (pool,) = watched
    assert bounds.boxes == pool.count <= budget
    if budget > 2:
        assert pool.count > budget - 2 * FEWEST or bounds.reached
    assert max(pool.steps, default=0) <= batch
    if pool.steps:
        first, given, *later = pool.tried  # of the box itself, then of each step
        assert first.size == 0
        assert given is points
        for each in later:
            assert len(each) % 2**P == 0 if P <= CORNERS else each.size == 0
            assert len(each) <= 4 * 2**P
        if P <= CORNERS and later:
            assert len(later[-1]) > 0
    ends = np.sin(3 * np.linspace(-1.0, 1.5, 4001))
    low, high = ends.min(), ends.max() + (P - 1) * 1.5**2
    assert np.all(bounds.outer.hi >= [high - 1e-6, high - 0.25 - 1e-6])
    assert np.all(bounds.inner.hi <= [high + 1e-12, high - 0.25 + 1e-12])
    if greatest:
        assert np.all(bounds.outer.lo == -np.inf)
    else:
        assert np.all(bounds.outer.lo <= [low + 1e-6, low - 0.25 + 1e-6])
        assert np.all(bounds.inner.lo >= [low - 1e-12, low - 0.25 - 1e-12])


def test_corners_are_those_of_the_four_most_promising_boxes(watched):
    box = np.array([[0.0, 1.0], [2.0, 3.0]])
    range_over(waves, box, absolute(1e-3), 200, points=None)
    (pool,) = watched
    _, corners, *_ = pool.tried
    assert sorted(corners.tolist()) == [[0, 2], [0, 3], [1, 2], [1, 3]]


def test_evaluations_are_made_in_chunks_and_put_together(monkeypatch):
    """With chunks of three boxes as with one of all: the same result, and no call is larger."""
    box, results = np.array([[-1.0, 1.5]] * 2), []
    for chunk in (CHUNK[0], 3):
        sizes = []

        def quantities(boxes, sizes=sizes):
            sizes.append(len(boxes.lo))
            bounds = waves(boxes, weights=(boxes.hi - boxes.lo) * [3.0, 1.0])
            return bounds._replace(over=bounds.over[:, :1], inside=bounds.inside[:, :1])

        monkeypatch.setattr(subdivision, "CHUNK", (chunk, 1))
        bounds = range_over(quantities, box, absolute(1e-1), 300, greatest=True)
        results.append((bounds.outer.hi.tolist(), bounds.inner.hi.tolist(), bounds.boxes, bounds.reached))
        assert max(sizes) <= chunk
    assert results[0] == results[1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -1.0])
def test_weights_that_are_none_are_the_widths(watched, bad):
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
        with pytest.raises(ArithmeticError, match="exclude each other: please report this"):
            search()


@pytest.mark.parametrize("order", [0, 1])
def test_inputs_move_derivatives_by_their_coefficients_and_widths(order):
    """Each factor of a monomial once: the size of its coefficient, its width, and those of the others but `order`."""
    rng = np.random.default_rng(order)
    boxes = Intervals(*np.sort(rng.normal(size=(2, 4, 3)), axis=0))
    parts = {index: Intervals(*np.sort(rng.normal(size=(2, 4, 2)), axis=0)) for index in monomials(3, 3)}
    over = TaylorIntervals(parts, 3)
    weights = influence(Expansion(over, over, boxes - Intervals.of(boxes.middle), np.full(4, 3)), order)
    widths, expected = np.array(boxes.hi - boxes.lo), np.zeros((4, 3))
    for index, part in parts.items():
        factors = [p for p in range(3) for _ in range(index[p])]
        for k, p in enumerate(factors if len(factors) > order else ()):
            others = [*factors[:k], *factors[k + 1 :]][order:]
            for row in range(4):
                size = max(abs(part.lo[row]).max(), abs(part.hi[row]).max())
                expected[row, p] += size * widths[row, p] * math.prod(widths[row, others])
    np.testing.assert_allclose(weights, expected, rtol=1e-12)
