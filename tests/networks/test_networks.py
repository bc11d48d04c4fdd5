"""Networks as functions: of each sample alone or with the statistics of a batch, frozen, and each edge by SciPy."""

import numpy as np
import pytest

import refkan as rk
from refkan.networks.node_maps import AffineMap, MeanStdMap
from tests.shared.factories import SOME_NETWORKS, NetworkCase, name, samples

N = 6


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
def test_a_network_is_a_function_of_each_sample_alone(case):
    net, theta = case.start(samples(N))
    x = samples(11, reach=0.2)
    y = net(theta, x)
    for s in (0, 4, 10):
        np.testing.assert_allclose(net(theta, x[s : s + 1])[0], y[s], rtol=0, atol=1e-13 * (1 + np.abs(y).max()))


@pytest.mark.parametrize("node_map", ["mean-std", "min-max"])
def test_rows_are_shared_with_an_equal_batch_alone(node_map):
    """Without input derivatives, x may ride on the rows of the statistics batch; as many other samples may not."""
    x, other = samples(N), samples(N, seed=12)
    net, theta = NetworkCase("spline", node_map).start(x)
    dy = np.random.default_rng(0).standard_normal((N, 2))
    for z in (x, x.copy(), other, x[::-1]):
        (y, pullback), (y_with, pullback_with) = net.vjp(theta, z, inputs=False), net.vjp(theta, z)
        np.testing.assert_allclose(y, y_with, rtol=0, atol=1e-14)
        g, g_with = pullback(dy)[0], pullback_with(dy)[0]
        np.testing.assert_allclose(g, g_with, rtol=0, atol=1e-13 * np.abs(g_with).max())


def test_the_statistics_batch_is_a_copy():
    x = samples(N)
    net, theta = NetworkCase("spline", "mean-std").start(x)
    before = net(theta, samples(3))
    x[:] = 0.5
    np.testing.assert_array_equal(net(theta, samples(3)), before)
    with pytest.raises(ValueError, match="read-only"):
        net.statistics[0] = 0.0


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
def test_freeze_is_the_same_function_at_this_theta(case):
    net, theta = case.start(samples(N))
    frozen = net.freeze(theta)
    x = samples(20, reach=0.3)
    np.testing.assert_allclose(frozen(theta, x), net(theta, x), rtol=0, atol=1e-13)
    assert frozen.statistics is None
    assert not any(node_map.uses_statistics for node_map in frozen.node_maps)
    if not case.couples_samples:
        assert frozen is net
    else:
        assert all(isinstance(node_map, AffineMap) for node_map in frozen.node_maps)
        moved = theta * np.linspace(0.5, 2, theta.size)
        assert np.abs(frozen(moved, x) - net(moved, x)).max() > 1e-3
        assert isinstance(net.node_maps[0], MeanStdMap) or case.node_map == "min-max"
    np.testing.assert_array_equal(frozen.freeze(2 * theta)(theta, x), frozen(theta, x))


@pytest.mark.parametrize("case", [*SOME_NETWORKS, NetworkCase("silu", free_knots=True)], ids=name)
def test_parameters_lie_layer_by_layer_as_views(case):
    net = case.build()
    theta = np.arange(float(net.n_params))
    parts = net.unpack(theta)
    assert len(parts) == len(net.layers)
    flat = np.concatenate([block.ravel() for part in parts for block in part.values()])
    np.testing.assert_array_equal(flat, theta)
    for layer, part in zip(net.layers, parts, strict=True):
        assert {key: block.shape for key, block in part.items()} == layer.blocks
    last = list(parts[-1].values())[-1]
    last[...] = -1.0
    assert theta[-1] == -1.0


def test_complex_numbers_pass_through_values_alone():
    net, theta = NetworkCase("spline").start(samples(N))
    assert net(theta + 0j, samples(N)).dtype == np.complex128
    for call in (net.vjp, net.jacobian, lambda t, x: net.jvp(t, x, theta)):
        with pytest.raises(TypeError, match="theta must be real numbers"):
            call(theta + 1e-30j, samples(N))


def test_a_pullback_is_that_of_the_theta_it_was_made_with():
    """Optimizers step in place: `theta -= rate * gradient` after `vjp` must not reach into its pullback."""
    x = samples(N)
    for case in (
        NetworkCase("spline", widths=(2, 1), intervals=(3,)),
        NetworkCase("mlp-tanh", "none", widths=(2, 3, 1)),
    ):
        net, theta = case.start(x)
        dy = np.ones((N, 1))
        expected = [part.copy() for part in net.vjp(theta, x)[1](dy)]
        moving = theta.copy()
        _, pullback = net.vjp(moving, x)
        moving *= 2.0
        for part, reference in zip(pullback(dy), expected, strict=True):
            np.testing.assert_array_equal(part, reference)


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


def test_a_dense_layer_has_no_splines():
    net = rk.mlp([2, 3, 1])
    with pytest.raises(ValueError, match=r"layers\[0\] must be one with knots; got a DenseLayer"):
        net.edge_function(np.zeros(net.n_params), 0, 0, 0)
