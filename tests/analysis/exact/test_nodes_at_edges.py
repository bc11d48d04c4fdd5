"""Functions of nodes where nothing is known of them."""

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.network_intervals import interval_network
from refkan.analysis.exact.nodes.node_subdivision import bounded_boxes
from refkan.analysis.exact.nodes.node_tables import node_functions, tabulated


def test_boxes_without_bounds_may_hold_points_whatever_their_nodes_say():
    """Tables of zeros stand for them: a hidden node in [100, 200] is none of these, and may be a node of the box."""
    net, theta = rk.kan([1, 1, 1], 3, 2, node_map="none"), np.array([0.0, 1, 2, 3, 0, 1, 2, 3])
    layers = node_functions(interval_network(net, theta), 0, 1.0)
    ends = [[-1e308, 100.0], [0.0, 100.0], [0.0, 0.0]], [[1e308, 200.0], [1.0, 200.0], [1.0, 200.0]]
    _, possible, bounded, _ = tabulated(layers, Intervals(*map(np.array, ends)))
    assert possible.tolist() == [True, False, True]
    assert bounded.tolist() == [False, True, True]


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_nodes_of_boxes_without_bounds_are_where_they_were():
    net, theta = rk.kan([1, 1, 1], 3, 2, node_map="none"), np.array([0.0, 1, 2, 3, 0, 1, 2, 3])
    layers = node_functions(interval_network(net, theta), 0, 1.0)
    box = Intervals(np.array([[-1e308, 100.0]]), np.array([[1e308, 200.0]]))
    boxes, *_ = bounded_boxes(layers, -1e9, 1e-3, box, np.zeros((1, 1)), np.full(1, np.inf))
    assert np.array_equal([boxes.nodes.lo, boxes.nodes.hi], [box.lo, box.hi])


def test_a_box_is_empty_if_one_of_its_nodes_is():
    """Hidden nodes in [0, 3]: in the box the first or the second lies beyond, or neither."""
    net = rk.kan([1, 2, 1], 3, 2, node_map="none")
    layers = node_functions(interval_network(net, np.tile([0.0, 1, 2, 3], 4)), 0, 1.0)
    hidden = np.array([[4.0, 0.0], [0.0, 4.0], [0.0, 0.0]])
    ends = (np.concatenate([np.full((3, 1), x), hidden + x], axis=1) for x in (0.0, 1.0))
    _, possible, *_ = tabulated(layers, Intervals(*ends))
    assert possible.tolist() == [False, False, True]
