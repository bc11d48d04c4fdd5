"""Which boxes are halved when, into how many, and what is kept of them: watched from outside, step by step."""

import numpy as np
import pytest

from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.subdivision import (
    Evaluation,
    absolute,
    range_over,
)
from tests.shared.refusals import refused


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
        refused(search, "ArithmeticError: exclude each other: please report this")
