"""What passes through a network, and the functions on its edges, inside their domains and outside."""

import numpy as np
import pytest

import refkan as rk
from tests.shared.refusals import refused

OPTIONS = {
    "spline": {},
    "relu": {"basis": "relu"},
    "scaled-relu": {"basis": "scaled-relu"},
    "free knots": {"free_knots": True},
    "silu": {"edge": "silu"},
    "natural": {"outside": "natural"},
    "polynomial": {"outside": "polynomial"},
    "powers go on": {"basis": "relu", "outside": "polynomial"},
    "mean-std": {"node_map": "mean-std"},
}


def started(order, options):
    x = np.random.default_rng(0).uniform(size=(40, 2))
    net, theta = rk.kan([2, 3, 1], order, 4, **options).initialize(np.random.default_rng(order), x)
    if options.get("free_knots"):
        theta = theta + 0.1 * np.random.default_rng(3).normal(size=theta.size)
    return net, theta, x


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", OPTIONS)
def test_the_spline_of_an_edge_is_what_the_edge_adds(kind, order):
    """On samples, at breakpoints and at both ends; derivatives too, where the functions are smooth enough."""
    if order == 1 and kind == "free knots":
        pytest.skip("steps have no free knots")
    net, theta, x = started(order, OPTIONS[kind])
    seen = net.activations(theta, x)
    for k, layer in enumerate(net.layers):
        part = net.unpack(theta)[k]
        for q, p in np.ndindex(layer.n_outputs, layer.n_inputs):
            f = net.edge_function(theta, layer=k, output=q, input=p)
            a, b = layer.domains[p]
            breakpoints = layer.spaces_at(theta[net.slices[k]])[p].breakpoints
            z = np.concatenate([np.clip(seen.inputs[k][:, p], a, b), breakpoints])
            rows = np.repeat(layer.domains.mean(axis=1)[None], z.size, axis=0)
            rows[:, p] = z
            single = rk.Network((layer,), ())
            expected = single.activations(theta[net.slices[k]], rows).edges[0][:, q, p]
            if kind == "silu":
                expected = expected - part["w_b"][q, p] * z / (1 + np.exp(-z))
            scale = 1 + np.abs(expected).max()
            np.testing.assert_allclose(f(z), expected, rtol=0, atol=1e-12 * scale)


BEYOND = {**OPTIONS, "tails of powers": {"basis": "relu", "outside": "natural"}}


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", BEYOND)
def test_beyond_the_domain_edges_follow_the_rule_of_their_layer(kind, order):
    if order == 1 and kind == "free knots":
        pytest.skip("steps have no free knots")
    net, theta, _ = started(order, BEYOND[kind])
    beyond = np.concatenate([np.geomspace(1e-9, 7.0, 30), [40.0, 100.0]])
    x = np.repeat(np.concatenate([-beyond, [0.0, 1.0], 1.0 + beyond])[:, None], 2, axis=1)
    layer, part = net.layers[0], net.unpack(theta)[0]
    first = rk.Network((layer,), ())
    expected = first.activations(theta[net.slices[0]], x).edges[0][:, 1, 0]
    if kind == "silu":
        expected = expected - part["w_b"][1, 0] * x[:, 0] / (1 + np.exp(-x[:, 0]))
    values = net.edge_function(theta, 0, 1, 0)(x[:, 0])
    size = np.abs(expected) + 1.0 + np.abs(x[:, 0] ** (order - 1))
    np.testing.assert_allclose(values / size, expected / size, rtol=0, atol=1e-11)


@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_beyond_the_domain_there_is_nothing_under_error(basis):
    net, theta, _ = started(3, {"outside": "error", "basis": basis, "node_map": "sigmoid"})
    assert np.isnan(net.edge_function(theta, 0, 1, 0)([-0.1, 1.1])).all()
    assert np.isfinite(net.edge_function(theta, 0, 1, 0)([0.0, 1.0])).all()


def test_edges_of_clamped_and_repeated_knots_go_on_too():
    for knots, order in (([0.0] * 4 + [0.3, 0.3, 0.6] + [1.0] * 4, 4), ([0.0] * 3 + [1.0] * 3, 3)):
        for outside in ("linear", "natural", "polynomial"):
            layer = rk.SplineLayer((rk.SplineSpace(knots, order),), 1, outside=outside)
            net, x = rk.Network((layer,), ()), np.linspace(-2.0, 3.0, 301)
            theta = np.random.default_rng(0).normal(size=net.n_params)
            f = net.edge_function(theta, 0, 0, 0)
            np.testing.assert_allclose(f(x), net(theta, x[:, None])[:, 0], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", OPTIONS)
def test_activations_are_those_of_the_network(kind):
    net, theta, x = started(3, OPTIONS[kind])
    seen = net.activations(theta, x)
    np.testing.assert_array_equal(seen.inputs[0], x)
    np.testing.assert_allclose(seen.outputs[-1], net(theta, x), rtol=1e-13, atol=1e-14)
    for edges, outputs in zip(seen.edges, seen.outputs, strict=True):
        np.testing.assert_allclose(edges.sum(axis=2), outputs, rtol=0, atol=1e-13)


def test_a_dense_layer_has_no_splines():
    net = rk.mlp([2, 3, 1])
    refused(lambda: net.edge_function(np.zeros(net.n_params), 0, 0, 0), r"layers\[0\] must be one with knots")
