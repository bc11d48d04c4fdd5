"""The networks of the papers: sizes, names and options of `kan` and `mlp`."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan.networks.layers import DenseLayer, ReluLayer, SiluLayer, SplineLayer
from tests.shared.factories import EDGE_KINDS, samples


@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.integers(1, 5), st.data())
def test_number_of_parameters(widths, order, data):
    n_layers = len(widths) - 1
    intervals = data.draw(st.lists(st.integers(1, 5), min_size=n_layers, max_size=n_layers))
    edges = [P * Q for P, Q in pairwise(widths)]
    dims = [n + order - 1 for n in intervals]
    coefficients = sum(e * d for e, d in zip(edges, dims, strict=True))
    for basis in ("spline", "relu", "scaled-relu"):
        assert rk.kan(widths, order, intervals, basis=basis).n_params == coefficients
    assert rk.kan(widths, order, intervals, edge="silu").n_params == coefficients + 2 * sum(edges)
    if order > 1:
        free = sum(P * n for P, n in zip(widths, intervals, strict=False))
        assert rk.kan(widths, order, intervals, free_knots=True).n_params == coefficients + free


def test_parameter_counts_of_the_papers():
    assert [rk.mlp(widths).n_params for widths in ([2, 5, 1], [2, 30, 1], [2, 20, 20, 1])] == [20, 120, 500]
    assert rk.kan([2, 5, 1], order=3, intervals=[1, 3]).n_params == 10 * 3 + 5 * 5


def test_defaults_are_those_of_the_design():
    net = rk.kan([2, 5, 1], order=3, intervals=4)
    assert net.widths == (2, 5, 1)
    assert net.basis == "spline"
    assert [node_map.name for node_map in net.node_maps] == ["affine"]
    for layer in net.layers:
        assert isinstance(layer, SplineLayer)
        assert (layer.outside, layer.free_knots, layer.order, layer.intervals) == ("linear", False, 3, 4)
        assert all(rk.SplineSpace.uniform(3, 4, (0.0, 1.0)) == S for S in layer.spaces)


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_layers_are_of_the_kind_asked_for(kind):
    if kind == "silu":
        net = rk.kan([2, 1], 3, 2, edge="silu")
        assert isinstance(net.layers[0], SiluLayer)
    else:
        net = rk.kan([2, 1], 3, 2, basis=kind)
        assert isinstance(net.layers[0], SplineLayer if kind == "spline" else ReluLayer)
        assert net.layers[0].basis == kind
    assert net.node_maps == ()


def test_intervals_and_free_knots_one_a_layer():
    net = rk.kan([2, 3, 1], 3, np.array([4, 7]), free_knots=[False, True])
    assert [layer.intervals for layer in net.layers] == [4, 7]
    assert [layer.free_knots for layer in net.layers] == [False, True]
    assert "s" in net.layers[1].blocks
    assert "s" not in net.layers[0].blocks


def test_one_domain_is_that_of_every_layer():
    net = rk.kan([2, 3, 1], 3, 4, domain=(-1.0, 2.0))
    for layer in net.layers:
        np.testing.assert_array_equal(layer.domains, [(-1.0, 2.0)] * layer.n_inputs)


def test_a_domain_for_each_input_leaves_the_unit_interval_to_hidden_layers():
    net = rk.kan([2, 3, 1], 3, 4, domain=[(-1.0, 2.0), (0.0, 10.0)])
    np.testing.assert_array_equal(net.layers[0].domains, [(-1, 2), (0, 10)])
    np.testing.assert_array_equal(net.layers[1].domains, [(0, 1)] * 3)
    x = samples(5) * [3, 10] + [-1, 0]
    net, theta = net.initialize(np.random.default_rng(0), x)
    assert np.all(np.isfinite(net(theta, x)))


@pytest.mark.parametrize("activation", ["relu", "relu3", "tanh"])
def test_mlp(activation):
    net = rk.mlp([2, 4, 3, 1], activation)
    assert [layer.activation for layer in net.layers] == [*[activation] * 2, "identity"]
    assert [layer.bias for layer in net.layers] == [True, True, False]
    assert all(isinstance(layer, DenseLayer) for layer in net.layers)
    assert [node_map.name for node_map in net.node_maps] == ["none", "none"]
    assert net.basis is None
    theta = np.random.default_rng(0).standard_normal(net.n_params)
    x = samples(5)
    f = {"relu": lambda z: np.maximum(z, 0), "relu3": lambda z: np.maximum(z, 0) ** 3, "tanh": np.tanh}[activation]
    U, a, V, b, W = np.split(theta, np.cumsum([8, 4, 12, 3]))
    expected = f(f(x @ U.reshape(4, 2).T + a) @ V.reshape(3, 4).T + b) @ W.reshape(1, 3).T
    np.testing.assert_allclose(net(theta, x), expected, rtol=1e-13)


def test_an_mlp_needs_no_data_to_be_bound():
    net = rk.mlp([2, 4, 1])
    assert net(np.ones(net.n_params), samples(3)).shape == (3, 1)


def test_a_network_without_hidden_layers_needs_no_data_either():
    net = rk.kan([3, 2], 2, 4)
    assert net(np.ones(net.n_params), np.full((5, 3), 0.3)).shape == (5, 2)
