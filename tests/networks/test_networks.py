"""Networks as functions: alone or with statistics of a batch, frozen, each edge by SciPy; starts and bound maps."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan.networks.hessians.points import require_finite_outputs
from refkan.networks.layers import DenseLayer, SplineLayer
from refkan.networks.layers.knot_layers.knot_layer import cut_alike
from refkan.networks.layers.layer import SCHEMES
from refkan.networks.node_maps import NODE_MAPS as NODE_MAP_TEMPLATES
from refkan.networks.node_maps import AffineMap
from refkan.networks.node_maps.kinds import MARGIN, MeanStdMap
from refkan.networks.sweeps.far_values import require_numbers
from tests.shared.factories import EPS, NODE_MAPS, SOME_NETWORKS, NetworkCase, name, samples, with_layers
from tests.shared.refusals import refused

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


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
def test_initialize_follows_the_generator(case, scheme):
    x = samples(20)
    first, again, other = (case.build().initialize(np.random.default_rng(k), x, scheme) for k in (1, 1, 2))
    np.testing.assert_array_equal(first[1], again[1])
    np.testing.assert_array_equal(first[0](first[1], x), again[0](again[1], x))
    assert not np.array_equal(first[1], other[1])
    assert np.all(np.isfinite(first[1]))


@pytest.mark.parametrize("scheme", ["linear", "normal"])
@pytest.mark.parametrize("kind", ["relu", "scaled-relu"])
@pytest.mark.parametrize("node_map", NODE_MAPS)
@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
def test_the_basis_does_not_change_the_starting_function(kind, node_map, free, scheme):
    x, far = samples(20), samples(30, reach=0.5)

    def start(kind):
        net = NetworkCase(kind, node_map, free_knots=free).build()
        return net.initialize(np.random.default_rng(5), x, scheme)

    (spline, u), (relu, w) = start("spline"), start(kind)
    np.testing.assert_allclose(relu(w, far), spline(u, far), rtol=0, atol=1e-11 * np.abs(spline(u, far)).max())


@pytest.mark.parametrize("node_map", NODE_MAPS)
def test_node_maps_are_bound_to_the_activations_on_x(node_map):
    x = samples(50)
    net, theta = (
        NetworkCase("spline", node_map, widths=(2, 3, 3, 1), intervals=(3, 2, 4))
        .build()
        .initialize(np.random.default_rng(0), x)
    )
    frozen, z = net.freeze(theta), x
    for k in range(2):
        y = net.layers[k].linearize(theta[net.slices[k]], z).value
        z = frozen.node_maps[k].value(y)
        if node_map in ("affine", "min-max"):
            low = MARGIN if node_map == "affine" else 0.0
            np.testing.assert_allclose([z.min(axis=0), z.max(axis=0)], [[low] * 3, [1 - low] * 3], atol=8 * EPS)
        elif node_map == "mean-std":
            np.testing.assert_allclose([z.mean(axis=0), z.std(axis=0)], [[0.5] * 3, [0.2] * 3], rtol=1e-12)
        elif node_map == "sigmoid":
            np.testing.assert_allclose(z, 1 / (1 + np.exp(-y)), rtol=4 * EPS)
        else:
            np.testing.assert_array_equal(z, y)


def test_node_maps_aim_at_the_domain_of_the_next_layer():
    spaces = tuple(rk.SplineSpace.uniform(3, 2, domain) for domain in ((0.0, 1.0), (-3.0, -1.0), (10.0, 40.0)))
    net = NetworkCase("spline").build()
    net = with_layers(net, (net.layers[0], SplineLayer(spaces, 2)))
    x = samples(30)
    net, theta = net.initialize(np.random.default_rng(0), x)
    z = net.node_maps[0].value(net.layers[0].linearize(theta[net.slices[0]], x).value)
    low, high = np.array([[0, -3, 10], [1, -1, 40]])
    margin = MARGIN * (high - low)
    np.testing.assert_allclose([z.min(axis=0), z.max(axis=0)], [low + margin, high - margin], rtol=1e-13, atol=1e-14)


def test_a_separate_batch_binds_the_maps_with_statistics_and_no_others():
    x, batch = samples(N), samples(9, seed=11)
    net, _ = NetworkCase("spline", "affine").build().initialize(np.random.default_rng(0), x, statistics=batch)
    plain, _ = NetworkCase("spline", "affine").build().initialize(np.random.default_rng(0), x)
    np.testing.assert_array_equal(net.node_maps[0].scale, plain.node_maps[0].scale)
    assert net.statistics is None


def test_maps_after_one_with_statistics_see_what_the_network_computes():
    """An affine map behind a mean-std map is bound to activations on x under the constants of the batch."""
    x, batch = samples(20), 0.3 * samples(9, seed=11)
    net = NetworkCase("spline", "mean-std", widths=(2, 3, 3, 1), intervals=(3, 2, 4)).build()
    net = replace(net, node_maps=(NODE_MAP_TEMPLATES["mean-std"], NODE_MAP_TEMPLATES["affine"]))
    net, theta = net.initialize(np.random.default_rng(0), x, statistics=batch)
    frozen, z = net.freeze(theta), x
    for k in range(2):
        z = frozen.node_maps[k].value(net.layers[k].linearize(theta[net.slices[k]], z).value)
    np.testing.assert_allclose([z.min(axis=0), z.max(axis=0)], [[MARGIN] * 3, [1 - MARGIN] * 3], atol=1e-14)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("node_map", ["affine", "min-max", "sigmoid"])
def test_under_error_a_network_takes_the_samples_it_was_bound_to(node_map, seed):
    """The maps take the activations on x onto the next domain, so none of them may be found outside by rounding."""
    x = samples(50)
    net, theta = (
        NetworkCase("spline", node_map, "error", widths=(2, 3, 1)).build().initialize(np.random.default_rng(seed), x)
    )
    assert net(theta, x).shape == (50, 1)
    assert net.vjp(theta, x)[0].shape == (50, 1)


def test_initialize_returns_a_new_network_and_leaves_the_old_one_unbound():
    net = NetworkCase("spline").build()
    bound, theta = net.initialize(np.random.default_rng(0), samples(N))
    refused(lambda: net(theta, samples(N)), r"node map 'affine' after layer 0 is not bound to data.*initialize")
    again, _ = bound.initialize(np.random.default_rng(0), 0.5 * samples(N))
    assert not np.array_equal(again.node_maps[0].scale, bound.node_maps[0].scale)


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


def test_what_holds_of_one_is_not_taken_for_what_holds_of_all():
    refused(lambda: require_finite_outputs(np.array([[1.0, np.inf]])), r"got y\[0, 1\] = inf")
    refused(lambda: require_numbers("values", np.array([1.0, np.nan])), r"OverflowError: no number at \[1\]")
    natural = NetworkCase("spline", outside="natural").build().layers[0]
    assert not natural.is_constant_at(np.array([[0.5, 0.5], [0.5, 9.0]]))
    whole, halves, others = np.array([0.0, 1.0]), np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.4, 1.0])
    assert [cut_alike([whole] * 2, [halves, fine]) for fine in (halves, others)] == [True, False]


def test_one_breakpoint_that_differs_by_rounding_is_the_same():
    layer = rk.kan([1, 1], 3, 3).layers[0]
    fine = layer.refined(2)
    knots = fine.spaces[0].knots.copy()
    assert knots[4] in layer.spaces[0].knots
    knots[4] = np.nextafter(knots[4], 1.0)
    moved = replace(fine, spaces=(rk.SplineSpace(knots, 3),))
    difference = layer.prolongation(moved) - layer.prolongation(fine)
    assert abs(difference).max() < 1e-14
