"""Networks compared layer by layer: refined ones are equal up to rounding, a changed coefficient is not hidden."""

from fractions import Fraction

import flint
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.layerwise_differences import layerwise_difference
from refkan.analysis.exact.enclosures.network_intervals import interval_network
from refkan.analysis.exact.enclosures.posed_boxes import checked_box
from refkan.networks.node_maps import SigmoidMap

SQUARE = [[0.0, 1.0], [0.0, 1.0]]


def network(node_map="affine", outside="polynomial", order=3, seed=0, **options):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(40, 2))
    return rk.kan([2, 3, 1], order, 4, node_map=node_map, outside=outside, **options).initialize(rng, x)


def bound(net, theta, other, other_theta):
    left, right = interval_network(net, theta), interval_network(other, other_theta)
    return layerwise_difference(left, right, checked_box(left, SQUARE))


def largest_exact(net, theta, other, other_theta, count=40):
    """The largest difference at some points, over Fractions."""
    x = np.random.default_rng(7).uniform(size=(count, 2)).tolist()
    x += [[a, b] for a in (0.0, 1.0) for b in (0.0, 1.0)]
    ours, theirs = (rk.truth.of(n.freeze(t), t, x).value for n, t in ((net, theta), (other, other_theta)))
    return max(abs(a - b) for p, q in zip(ours, theirs, strict=True) for a, b in zip(p, q, strict=True))


@pytest.mark.parametrize("outside", ["polynomial", "linear"])
@pytest.mark.parametrize("node_map", ["none", "affine", "mean-std", "min-max", "sigmoid"])
def test_a_refined_network_is_the_coarse_one_but_for_rounding(node_map, outside):
    net, theta = network(node_map, outside)
    fine = net.refine()
    low, high = rk.exact.sup_difference(net, theta, fine, net.convert(theta, fine), SQUARE, tolerance=1e-12)
    assert low == 0.0
    assert 0.0 < high < 1e-14


def test_without_rounding_they_are_equal_exactly():
    net, _ = network("none")
    theta = np.round(8 * np.random.default_rng(1).uniform(-1, 1, net.n_params)) / 8
    fine = net.refine()
    w = net.convert(theta, fine)
    assert rk.exact.sup_difference(net, theta, fine, w, SQUARE) == (0.0, 0.0)
    assert largest_exact(net, theta, fine, w) == 0
    for m in (0, w.size - 1):  # of the first layer and of the last
        spoilt = w.copy()
        spoilt[m] += 2.0**-50
        assert bound(net, theta, fine, spoilt) > 0.0


@pytest.mark.parametrize("node_map", ["none", "affine"])
@pytest.mark.parametrize("size", [1e-3, 1e-9])
def test_it_holds_what_is_attained(node_map, size):
    net, theta = network(node_map)
    fine = net.refine()
    moved = net.convert(theta, fine)
    moved = moved + size * np.random.default_rng(3).standard_normal(moved.size)
    attained = largest_exact(net, theta, fine, moved)
    assert attained <= Fraction(bound(net, theta, fine, moved)) <= 1000 * attained


def test_another_map_is_counted():
    net, theta = network("affine")
    other, _ = network("affine", seed=1)  # another scale and shift, the same layers
    attained = largest_exact(net, theta, other, theta)
    assert attained > 1e-3
    assert attained <= Fraction(bound(net, theta, other, theta))


def test_where_it_does_not_apply_boxes_are_subdivided():
    net, theta = network()
    wider, w = rk.kan([2, 4, 1], 3, 4).initialize(np.random.default_rng(0), np.eye(2))
    assert bound(net, theta, wider, w) == np.inf
    sigmoid, s = network("sigmoid")
    assert bound(net, theta, sigmoid, s) == np.inf
    steps, t = network("none", order=1)
    assert bound(steps, t, steps, t) == 0.0
    assert bound(steps, t, steps, t + 1e-6) == np.inf  # it jumps, and inputs differ


def test_the_slope_of_a_sigmoid_is_counted_in_full():
    """g(y) at 0 and at 1/1000, where its slope is nearly 1/4."""
    space = rk.SplineSpace.uniform(2, 1)
    net = rk.Network(tuple(rk.SplineLayer((space,), 1, "linear") for _ in range(2)), (SigmoidMap([[0.0, 1.0]]),))
    theta, moved = [0.0, 0.0, 0.0, 1.0], [1e-3, 1e-3, 0.0, 1.0]
    left, right = (interval_network(net, t) for t in (theta, moved))
    largest = layerwise_difference(left, right, checked_box(left, [[0.0, 1.0]]))
    exact = 1 / (1 + (-flint.arb(1e-3)).exp()) - 0.5
    assert exact <= flint.arb(largest)
    assert largest <= 1.001 * float(exact)
