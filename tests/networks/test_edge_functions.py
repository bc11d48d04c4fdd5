"""`Network.activations` and `Network.edge_function` against the network and against SciPy."""

import numpy as np
import pytest

import refkan as rk

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


@pytest.mark.parametrize(("kind", "beyond"), [("polynomial", 0.7), ("powers go on", 0.7), ("natural", 0.2)])
def test_beyond_the_domain(kind, beyond):
    """Polynomials go on; natural B-splines decay; what no object of SciPy continues is NaN."""
    net, theta, _ = started(3, OPTIONS[kind])
    x = np.array([[-beyond, 0.5], [1 + beyond, 0.5]])
    f = net.edge_function(theta, 0, 1, 0)
    np.testing.assert_allclose(f(x[:, 0]), net.activations(theta, x).edges[0][:, 1, 0], rtol=1e-10, atol=1e-12)
    assert np.isnan(started(3, {})[0].edge_function(theta, 0, 1, 0)(x[:, 0])).all()


@pytest.mark.parametrize("kind", OPTIONS)
def test_activations_are_those_of_the_network(kind):
    net, theta, x = started(3, OPTIONS[kind])
    seen = net.activations(theta, x)
    np.testing.assert_array_equal(seen.inputs[0], x)
    np.testing.assert_allclose(seen.outputs[-1], net(theta, x), rtol=1e-13, atol=1e-14)
    for edges, outputs in zip(seen.edges, seen.outputs, strict=True):
        np.testing.assert_allclose(edges.sum(axis=2), outputs, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ((2, 0, 0), "layer must be at most 1; got 2"),
        ((0, 3, 0), "output must be at most 2; got 3"),
        ((0, 0, -1), "input must be at least 0; got -1"),
    ],
)
def test_there_is_no_such_edge(where, message):
    net, theta, _ = started(3, {})
    with pytest.raises(ValueError, match=message):
        net.edge_function(theta, *where)


def test_a_dense_layer_has_no_splines():
    net = rk.mlp([2, 3, 1])
    with pytest.raises(ValueError, match=r"layers\[0\] must be one with knots; got a DenseLayer"):
        net.edge_function(np.zeros(net.n_params), 0, 0, 0)
