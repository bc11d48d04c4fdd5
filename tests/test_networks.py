"""Networks: every sweep against complex steps, for every layer, node map, policy and kind of knots."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from factories import (
    EDGE_KINDS,
    EPS,
    EVERY_NETWORK,
    NODE_MAPS,
    SOME_NETWORKS,
    NetworkCase,
    complex_gradient,
    name,
    samples,
    with_layers,
)

import refkan as rk
from refkan import networks
from refkan.layers import SplineLayer
from refkan.node_maps import NODE_MAPS as NODE_MAP_TEMPLATES
from refkan.node_maps import AffineMap, MeanStdMap

N = 6
BATCHES = ("x", "separate")


def networks_and_batches():
    for case in EVERY_NETWORK:
        for batch in BATCHES if case.couples_samples else BATCHES[:1]:
            yield pytest.param(case, batch, id=f"{case}-{batch}" if case.couples_samples else str(case))


def start(case, x, batch="x"):
    return case.start(x, statistics=samples(9, seed=11) if batch == "separate" else None)


# --- every sweep, of every network


@pytest.mark.parametrize(("case", "batch"), [*networks_and_batches()])
def test_gradients_against_complex_steps(case, batch):
    """Relative to the sum of absolute contributions, block by block; in theta through the statistics, in x not."""
    x = samples(N, reach=0.1)
    net, theta = start(case, x, batch)
    rng = np.random.default_rng(0)
    dy = rng.standard_normal((N, net.widths[-1]))
    y, pullback = net.vjp(theta, x)
    np.testing.assert_allclose(y, net(theta, x), rtol=0, atol=1e-14 * np.abs(y).max())
    g, dx = pullback(dy)
    assert (g.shape, dx.shape) == (theta.shape, x.shape)

    J = net.jacobian(theta, x)
    assert J.shape == (N * net.widths[-1], net.n_params)
    size = np.abs(J).T @ np.abs(dy.ravel())
    reference = complex_gradient(lambda theta: np.sum(dy * net(theta, x)), theta)
    blocks = zip(*map(net.unpack, (g, reference, size)), strict=True)
    for layer, (ours, theirs, scale) in enumerate(blocks):
        for block in ours:
            error = np.abs(ours[block] - theirs[block]).max()
            assert error <= 1e-14 * scale[block].max(), (layer, block, error)
    assert np.all(np.abs(J.T @ dy.ravel() - g) <= 1e-13 * size.max())

    frozen = net.freeze(theta)
    slopes = complex_gradient(lambda x: np.sum(dy * frozen(theta, x)), x)
    assert np.abs(dx - slopes).max() <= 1e-14 * np.abs(slopes).max() * np.abs(dy).sum()

    dtheta, dz = rng.standard_normal(theta.size), rng.standard_normal(x.shape)
    along_theta, along_both = net.jvp(theta, x, dtheta), net.jvp(theta, x, dtheta, dz)
    scale = (np.abs(J) @ np.abs(dtheta)).reshape(y.shape)
    assert np.all(np.abs(along_theta.ravel() - J @ dtheta) <= 1e-13 * scale.max())
    dots = np.sum(along_both * dy), g @ dtheta, np.sum(dx * dz)
    total = np.abs(along_both * dy).sum() + np.abs(g) @ np.abs(dtheta) + np.abs(dx * dz).sum()
    assert abs(dots[0] - dots[1] - dots[2]) <= 1e-13 * total

    alone, nothing = net.vjp(theta, x, inputs=False)[1](dy)
    assert nothing is None
    assert np.all(np.abs(alone - g) <= 1e-13 * size.max())


@pytest.mark.parametrize("order", [1, 2, 4, 6])
@pytest.mark.parametrize("kind", EDGE_KINDS)
@pytest.mark.parametrize("node_map", ["affine", "mean-std"])
def test_gradients_of_other_orders(kind, order, node_map):
    x = samples(N)
    net, theta = NetworkCase(kind, node_map, order=order, intervals=(2, 3)).start(x)
    dy = np.random.default_rng(0).standard_normal((N, 2))
    g, _ = net.vjp(theta, x)[1](dy)
    J = net.jacobian(theta, x)
    reference = complex_gradient(lambda theta: np.sum(dy * net(theta, x)), theta)
    # The powers of order 6 of the ReLU basis cancel by two orders inside a hidden activation.
    cancel = 100 if "relu" in kind and order > 4 else 1
    assert np.abs(g - reference).max() <= 1e-14 * cancel * (np.abs(J).T @ np.abs(dy.ravel())).max()


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
def test_jacobian_rows_are_sample_major(case):
    x = samples(4)
    net, theta = case.start(x)
    Q = net.widths[-1]
    J, pullback = net.jacobian(theta, x), net.vjp(theta, x)[1]
    for s, q in np.ndindex(4, Q):
        dy = np.zeros((4, Q))
        dy[s, q] = 1.0
        np.testing.assert_allclose(J[s * Q + q], pullback(dy)[0], rtol=0, atol=1e-13 * np.abs(J).max())


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
def test_central_differences_agree_to_1e_8(case):
    """A check that does not pass through complex arithmetic: only values that users see."""
    if case.order == 1:
        pytest.skip("jumps")
    x = samples(N)
    net, theta = case.start(x)
    direction = np.random.default_rng(0).standard_normal(theta.size)
    h = 1e-5 / np.linalg.norm(direction)
    difference = (net(theta + h * direction, x) - net(theta - h * direction, x)) / (2 * h)
    exact = net.jvp(theta, x, direction)
    # Third derivatives are some 10 times the first: truncation 1e-10 10, rounding eps |y| / h.
    scale = (np.abs(net.jacobian(theta, x)) @ np.abs(direction)).reshape(exact.shape)
    assert np.all(np.abs(difference - exact) <= 1e-8 * scale)


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
@pytest.mark.parametrize("n", [0, 1])
def test_no_samples_and_one_sample(case, n):
    net, theta = case.start(samples(N))
    x, Q = samples(N)[:n], net.widths[-1]
    y, pullback = net.vjp(theta, x)
    g, dx = pullback(np.ones((n, Q)))
    assert (net(theta, x).shape, y.shape, g.shape, dx.shape) == ((n, Q), (n, Q), theta.shape, (n, 2))
    assert net.jacobian(theta, x).shape == (n * Q, theta.size)
    assert net.jvp(theta, x, theta).shape == (n, Q)
    if n == 0:
        assert not g.any()
    else:
        np.testing.assert_allclose(y, net(theta, samples(N))[:1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_no_samples_for_any_layer_kind(kind, free):
    net, theta = NetworkCase(kind, free_knots=free).start(samples(N))
    x = np.zeros((0, 2))
    assert net(theta, x).shape == (0, 2)
    assert not net.vjp(theta, x)[1](np.zeros((0, 2)))[0].any()
    assert net.jacobian(theta, x).shape == (0, theta.size)
    assert net.jvp(theta, x, theta).shape == (0, 2)


# --- a function of each sample alone


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
def test_a_network_is_a_function_of_each_sample_alone(case):
    net, theta = case.start(samples(N))
    x = samples(11, reach=0.2)
    y = net(theta, x)
    for s in (0, 4, 10):
        np.testing.assert_allclose(net(theta, x[s : s + 1])[0], y[s], rtol=0, atol=1e-13 * (1 + np.abs(y).max()))


def test_large_evaluations_are_cut_into_chunks(monkeypatch):
    net, theta = NetworkCase("spline", "mean-std").start(samples(N))
    x = samples(11)
    whole = net(theta, x)
    monkeypatch.setattr(networks, "CHUNK", 4)
    np.testing.assert_array_equal(net(theta, x), whole)


@pytest.mark.parametrize("node_map", ["mean-std", "min-max"])
def test_statistics_come_from_the_batch_and_follow_theta(node_map):
    x, batch = samples(N), samples(9, seed=11)
    net, theta = NetworkCase("spline", node_map, widths=(2, 3, 1)).start(x, statistics=batch)
    np.testing.assert_array_equal(net.statistics, batch)
    first, second = net.layers
    for parameters in (theta, 3 * theta):
        Y = first.linearize(parameters[net.slices[0]], batch).value
        y = first.linearize(parameters[net.slices[0]], x).value
        if node_map == "mean-std":
            z = 0.5 + 0.5 * (y - Y.mean(axis=0)) / (2.5 * Y.std(axis=0))
        else:
            z = (y - Y.min(axis=0)) / np.ptp(Y, axis=0)
        expected = second.linearize(parameters[net.slices[1]], z).value
        np.testing.assert_allclose(net(parameters, x), expected, rtol=0, atol=1e-13 * np.abs(expected).max())


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


@pytest.mark.parametrize("case", [c for c in SOME_NETWORKS if not c.couples_samples], ids=name)
def test_maps_without_statistics_keep_no_batch(case):
    assert case.start(samples(N))[0].statistics is None


# --- initialize


@pytest.mark.parametrize("scheme", ["linear", "gaussian"])
@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
def test_initialize_follows_the_generator(case, scheme):
    x = samples(20)
    first, again, other = (case.build().initialize(np.random.default_rng(k), x, scheme) for k in (1, 1, 2))
    np.testing.assert_array_equal(first[1], again[1])
    np.testing.assert_array_equal(first[0](first[1], x), again[0](again[1], x))
    assert not np.array_equal(first[1], other[1])
    assert np.all(np.isfinite(first[1]))


@pytest.mark.parametrize("kind", ["relu", "scaled-relu"])
@pytest.mark.parametrize("node_map", NODE_MAPS)
@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
def test_the_basis_does_not_change_the_starting_function(kind, node_map, free):
    x, far = samples(20), samples(30, reach=0.5)
    spline, u = NetworkCase("spline", node_map, free_knots=free).build().initialize(np.random.default_rng(5), x)
    relu, w = NetworkCase(kind, node_map, free_knots=free).build().initialize(np.random.default_rng(5), x)
    np.testing.assert_allclose(relu(w, far), spline(u, far), rtol=0, atol=1e-11 * np.abs(spline(u, far)).max())


def test_gaussian_starts_match_the_variance_of_linear_ones_layer_by_layer():
    x = samples(100)
    for kind in ("spline", "scaled-relu"):
        spread = []
        for scheme in ("linear", "gaussian"):
            net = NetworkCase(kind, widths=(2, 400), intervals=(4,)).build()
            net, theta = net.initialize(np.random.default_rng(0), x, scheme)
            spread.append(np.mean(net(theta, x) ** 2))
        # 400 outputs, each a handful of correlated squares: a standard error of at most sqrt(2/400) = 7 %.
        assert spread[1] == pytest.approx(spread[0], rel=0.3)


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
            np.testing.assert_allclose([z.min(axis=0), z.max(axis=0)], [[0] * 3, [1] * 3], atol=8 * EPS)
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
    np.testing.assert_allclose(z.min(axis=0), [0, -3, 10], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(z.max(axis=0), [1, -1, 40], rtol=1e-13)


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
    np.testing.assert_allclose([z.min(axis=0), z.max(axis=0)], [[0] * 3, [1] * 3], atol=1e-14)


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
    with pytest.raises(ValueError, match=r"node map 'affine' after layer 0 is not bound to data.*initialize"):
        net(theta, samples(N))
    again, _ = bound.initialize(np.random.default_rng(0), 0.5 * samples(N))
    assert not np.array_equal(again.node_maps[0].scale, bound.node_maps[0].scale)


# --- freeze


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


def test_gradients_of_a_frozen_network_hold_the_statistics_fixed():
    x = samples(N)
    net, theta = NetworkCase("spline", "mean-std").start(x)
    frozen, dy = net.freeze(theta), np.ones((N, 2))
    (g, dx), (g_frozen, dx_frozen) = net.vjp(theta, x)[1](dy), frozen.vjp(theta, x)[1](dy)
    first = net.slices[0]
    assert np.abs(g[first] - g_frozen[first]).max() > 1e-3
    np.testing.assert_allclose(g[net.slices[1]], g_frozen[net.slices[1]], rtol=0, atol=1e-13)
    np.testing.assert_allclose(dx, dx_frozen, rtol=0, atol=1e-12)


# --- parameters


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


def test_values_take_integers_lists_and_float32():
    net, theta = NetworkCase("spline").start(samples(N))
    x = np.array([[0, 1], [1, 0]])
    y = net(theta, x.astype(float))
    for other in (x, x.tolist(), x.astype(np.float32), x.astype(np.uint8)):
        result = net(theta, other)
        assert result.dtype == np.float64
        np.testing.assert_array_equal(result, y)
    np.testing.assert_allclose(net(theta.astype(np.float32), x), y, rtol=1e-5)


def test_complex_numbers_pass_through_values_alone():
    net, theta = NetworkCase("spline").start(samples(N))
    assert net(theta + 0j, samples(N)).dtype == np.complex128
    for call in (net.vjp, net.jacobian, lambda t, x: net.jvp(t, x, theta)):
        with pytest.raises(TypeError, match="theta must be real numbers"):
            call(theta + 1e-30j, samples(N))


def test_arguments_are_not_changed_and_pullbacks_can_be_called_again():
    x = samples(N)
    net, theta = NetworkCase("spline", "mean-std", free_knots=True).start(x)
    dy = np.random.default_rng(0).standard_normal((N, 2))
    before = x.copy(), theta.copy(), dy.copy()
    y, pullback = net.vjp(theta, x)
    first = pullback(dy)
    y_before = y.copy()
    second = pullback(dy)
    net.jvp(theta, x, theta)
    net.jacobian(theta, x)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(y, y_before)
    for array, copy in zip((x, theta, dy), before, strict=True):
        np.testing.assert_array_equal(array, copy)


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


# --- sabotage: the comparison with complex steps notices faults in each part of the sweeps


def gradient_is_right(net, theta, x):
    dy = np.random.default_rng(0).standard_normal((x.shape[0], net.widths[-1]))
    g, dx = net.vjp(theta, x)[1](dy)
    reference = complex_gradient(lambda theta: np.sum(dy * net(theta, x)), theta)
    frozen = net.freeze(theta)
    slopes = complex_gradient(lambda x: np.sum(dy * frozen(theta, x)), x)
    return np.allclose(g, reference, rtol=0, atol=1e-12) and np.allclose(dx, slopes, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("where", "what", "fault"),
    [
        (MeanStdMap, "constants_vjp", lambda right: lambda self, *a: 0 * right(self, *a)),
        (MeanStdMap, "constants_vjp", lambda right: lambda self, *a: right(self, *a) * (1 + 1e-9)),
        (rk.layers.spline.SplineLinearization, "pullback_inputs", lambda right: lambda self, G: -right(self, G)),
        (
            rk.layers.spline.SplineLinearization,
            "pullback_inputs",
            lambda right: lambda self, G: right(self, G)[:, :, ::-1],
        ),
        (
            rk.layers.spline.SplineLinearization,
            "_pull_back_knots",
            lambda right: lambda self, dy: np.roll(right(self, dy), 1, axis=1),
        ),
    ],
    ids=["statistics held fixed", "factor", "sign", "inputs exchanged", "knots shifted"],
)
def test_sabotage_of_a_sweep_is_noticed(monkeypatch, where, what, fault):
    x = samples(N)
    net, theta = NetworkCase("spline", "mean-std", free_knots=True).start(x)
    assert gradient_is_right(net, theta, x)
    monkeypatch.setattr(where, what, fault(getattr(where, what)))
    assert not gradient_is_right(net, theta, x)
