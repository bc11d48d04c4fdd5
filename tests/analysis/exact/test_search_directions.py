"""Which box, node or input a search goes on with: no bound depends on it, the work that it takes does."""

import numpy as np

from refkan.analysis.exact.certificates import leaves as cutting
from refkan.analysis.exact.certificates.leaves import cut_into_leaves
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.nodes.multipliers import SmoothedBound
from refkan.analysis.exact.nodes.node_tables import NodeTable

UNIT = np.array([[0.0, 1.0]])


def test_parts_that_miss_most_are_cut_first(monkeypatch):
    """x - 1 in place of 0 misses most at 0; -x does at 1, and whatever is unbounded misses more than all others."""
    monkeypatch.setattr(cutting, "ROUND", 1)
    ones = np.ones((1, 1))
    for enclosed, text in (
        (lambda boxes: boxes[:, 0] - Intervals.of(ones[0]), "aaa...."),
        (lambda boxes: -boxes[:, 0], "a.a.a.."),
        (lambda boxes: Intervals(boxes.lo[:, 0], np.where(boxes.lo[:, 0] == 0.5, np.inf, 9.0)), "a.aa..."),
    ):
        over = lambda boxes, enclosed=enclosed: (enclosed(boxes), np.ones_like(boxes.lo))  # noqa: E731
        assert cut_into_leaves(over, UNIT, [UNIT[0]], lambda: (0.0, 0.0), 4).text == text


def test_the_input_of_the_greater_weight_is_cut():
    for weights, letter in (((1.0, 2.0), "b"), ((2.0, 1.0), "a")):
        over = lambda boxes, weights=weights: (boxes[:, 0], np.full(boxes.lo.shape, weights))  # noqa: E731
        leaves = cut_into_leaves(over, np.repeat(UNIT, 2, axis=0), [UNIT[0]] * 2, lambda: (0.3, 0.3), 2)
        assert leaves.text == letter + ".."


def nodes(cuts, values, kept=True):
    """Functions (P, Q) of nodes, straight between cuts (P, C) and with values (P, Q, C) there, in cells (P, C - 1)."""
    values = np.array(values, float)
    cells = np.zeros((1, *values.shape[:2], values.shape[2] - 1))
    in_cells = np.broadcast_to(kept, cells[:, :, 0].shape)
    return NodeTable(np.array(cuts, float)[None], values[None], cells, cells, in_cells)


def test_nodes_bend_by_what_their_functions_leave_their_chords_by():
    """Hats of 3 and -1 on rising and falling chords go into intervals of 2 and 4; straight functions do not bend."""
    t = np.linspace(0.0, 1.0, 3)
    hat, rising, falling = np.array([0.0, 1.0, 0.0]), 7 * t + 1, -5 * t
    first = nodes([t, 2 * t], [[rising + 3 * hat, falling - hat], [rising, falling]])
    last = nodes([2 * t, 4 * t - 1], [[rising + hat], [hat]])
    (bends,) = SmoothedBound([first, last]).bends()
    np.testing.assert_allclose(bends, [3 / 2 + 1 / 4, 0, 0, 0], atol=1e-14)
