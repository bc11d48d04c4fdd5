"""Knots inserted into one layer of a trained network, under every policy outside the domain."""

import numpy as np
import pytest

from tests.networks.refinement.trained_networks import CASES, assert_same_function, edges, trained
from tests.shared.factories import NetworkCase, samples


@pytest.mark.parametrize("case", [c for c in CASES if not c.free_knots], ids=str)
def test_insertion_leaves_trained_networks_unchanged_under_every_policy(case):
    """Exterior knots stay, so that the spaces are nested everywhere: natural tails as well."""
    net, theta = trained(case)
    for layer, new in ((0, [0.9, 0.1, 0.35]), (1, [[0.2], [0.7], [0.05]])):
        fine = net.insert(layer, new)
        assert edges(fine.layers[layer]).intervals == edges(net.layers[layer]).intervals + len(np.atleast_2d(new)[0])
        assert fine.layers[1 - layer] == net.layers[1 - layer]
        assert_same_function(net, theta, fine, net.convert(theta, fine))
        P = net.prolongation(fine)
        np.testing.assert_allclose(P @ theta, net.convert(theta, fine), rtol=0, atol=1e-14 * np.abs(theta).max())


def test_inserting_nothing():
    net, theta = trained(NetworkCase("spline"))
    assert net.insert(0, []).layers == net.layers
    np.testing.assert_array_equal(net.convert(theta, net.insert(0, [])), theta)


def test_inputs_of_different_knots_keep_their_own_prolongation():
    rng = np.random.default_rng(0)
    for knots in ([[0.2], [0.2], [0.2]], [[0.2], [0.7], [0.2]], [[0.2], [0.7], [0.9]]):
        net = NetworkCase("spline").build().insert(1, knots)
        net, theta = net.initialize(rng, samples(40))
        fine = net.refine()
        assert_same_function(net, theta, fine, net.convert(theta, fine))
        np.testing.assert_allclose(net.prolongation(fine) @ theta, net.convert(theta, fine), rtol=0, atol=1e-14)
