"""The free gauge of maps that take statistics: its group, and the parameters of `balance` (docs/gauge.md)."""

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.networks.layers.activations import relu_power
from refkan.networks.node_maps import NODE_MAPS
from tests.networks.gauge_cases import plain, rows_of, scaled, with_gauge  # noqa: F401  a fixture
from tests.shared.factories import EVERY_NETWORK, POLICIES, NetworkCase, samples
from tests.shared.refusals import refused

TARGETS = np.random.default_rng(8).standard_normal((60, 2))


def mixed(node_map="min-max", last="min-max"):
    """Cubes of a dense layer, SiLU edges, splines with free knots, and splines: every degree and every part."""
    space = rk.SplineSpace.uniform(3, 4)
    layers = (
        rk.DenseLayer(2, 2, "relu3"),
        rk.SiluLayer(rk.SplineLayer((space,) * 2, 3)),
        rk.SplineLayer((rk.SplineSpace.from_breakpoints(3, space.breakpoints),) * 3, 2, free_knots=True),
        rk.SplineLayer((space,) * 2, 1),
    )
    maps = (NODE_MAPS[node_map], NODE_MAPS["mean-std"], NODE_MAPS[last])
    return rk.Network(layers, maps).initialize(np.random.default_rng(11), samples(60))


def test_powers_commute_with_powers_of_two():
    z = np.random.default_rng(5).uniform(0.5, 1.0, 100_000)
    for degree in (2, 3):
        once, doubled = (relu_power(at, 3, degree) for at in (z, 2 * z))
        for k in range(3):
            assert np.array_equal(doubled[k], 2.0 ** (degree - k) * once[k])


# The group


@pytest.mark.parametrize("outside", POLICIES[:2])
@pytest.mark.parametrize("kind", ["spline", "chebyshev"])
def test_scales_and_shifts_of_nodes_change_nothing_exactly(kind, outside):
    """Over the rationals, in theta whose multiples are floats: y -> 3 y + 5/4 and y -> y/7 behind min-max maps."""
    net, _ = NetworkCase(kind, "min-max", outside).start(samples(6))
    theta = np.random.default_rng(1).integers(-64, 64, net.n_params) / 64.0
    x = np.array([[0.125, 0.75], [0.5, 0.25], [1.5, -0.25]])
    moved = scaled(net, theta, (3.0, 64.0, 1.0))
    for vectors, shift in zip(net.layers[0].constant_vectors(theta, x), (1.25, -3.0, 0.5), strict=True):
        moved[net.slices[0]] += shift * vectors[0][net.slices[0]]
    before, after = (rk.truth.of(net, at, x).value for at in (theta, moved))
    assert before == after
    for name in ("affine", "sigmoid", "none"):  # which hold the scale
        other, _ = NetworkCase(kind, name, outside).start(samples(6))
        assert not np.allclose(other(theta, x), other(moved, x))


def test_a_reflection_of_a_node_is_a_reflection_of_the_splines_behind_it():
    """y -> -y is z -> a + b - z; on knots symmetric in the domain the coefficients behind change their order."""
    net, _ = NetworkCase("spline", "min-max").start(samples(6))
    theta = np.random.default_rng(1).integers(-64, 64, net.n_params) / 64.0
    turned = scaled(net, theta, (1.0, -1.0, 1.0))
    behind = net.unpack(turned)[1]["coefficients"]
    behind[:, 1] = behind[:, 1, ::-1].copy()
    x = np.array([[0.125, 0.75], [0.5, 0.25], [1.5, -0.25]])
    assert rk.truth.of(net, theta, x).value == rk.truth.of(net, turned, x).value
    assert not np.allclose(net(theta, x), net(scaled(net, theta, (1.0, -1.0, 1.0)), x))


# balance


def wildly(net, theta, seed=0):
    """Theta with rows times powers of ten, of ten orders and more."""
    factors = 10.0 ** np.random.default_rng(seed).uniform(-12, 12, len(rows_of(net)))
    return scaled(net, theta, factors)


def scales(net, theta):
    """Scales of the maps that take statistics."""
    frozen = net.freeze(theta)
    return [frozen.node_maps[k].scale for k in net.statistics_maps]


@with_gauge
def test_balance_changes_no_bit(case):
    net, theta = case.start(samples(60))
    far = wildly(net, theta)
    near = net.balance(far)
    x = np.concatenate([samples(60), samples(40, seed=5, reach=0.5)])
    for engine in ("plain", "fast"):
        with rk.use_engine(engine):
            np.testing.assert_array_equal(net(near, x), net(far, x))
            np.testing.assert_array_equal(net.balance(far), near)
    for scale in scales(net, near):
        assert np.all((scale > 2**-0.5) & (scale <= 2**0.5))
    assert max(np.abs(np.log2(scale)).max() for scale in scales(net, far)) > 10
    np.testing.assert_array_equal(net.balance(near), near)
    kept = np.setdiff1d(np.arange(net.n_params), np.concatenate(rows_of(net)))
    np.testing.assert_array_equal(near[kept], far[kept])


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(("node_map", "last"), [("min-max", "mean-std"), ("mean-std", "min-max"), ("min-max", "none")])
def test_balance_of_layers_of_all_kinds_behind_each_other(node_map, last):
    net, theta = mixed(node_map, last)
    far = wildly(net, theta)
    near = net.balance(far)
    x = samples(40, seed=5, reach=0.5)
    np.testing.assert_array_equal(net(near, x), net(far, x))
    degrees = [net.layers[k].degree_of_homogeneity for k in net.statistics_maps]
    assert degrees[:2] == [3, 1]
    for degree, scale in zip(degrees, scales(net, near), strict=True):
        assert np.all((scale > 2 ** (-degree / 2)) & (scale <= 2 ** (degree / 2)))
    problem = rk.LeastSquares(net, samples(60), TARGETS[:, :1])
    assert problem.value(near) == problem.value(far)


@pytest.mark.usefixtures("plain")
def test_balance_is_the_identity_where_no_scale_is_free():
    cases = [case for case in EVERY_NETWORK if not case.couples_samples and case.outside == "linear"]
    for case in [*cases, NetworkCase("mlp-tanh", "none")]:
        net, theta = case.start(samples(20))
        np.testing.assert_array_equal(net.balance(theta), theta)
    bounded = rk.Network(
        (rk.DenseLayer(2, 2, "tanh"), rk.SplineLayer((rk.SplineSpace.uniform(3, 2),) * 2, 1)), (NODE_MAPS["min-max"],)
    )
    net, theta = bounded.initialize(0, samples(20))
    made = net.balance(theta)
    np.testing.assert_array_equal(made, theta)  # tanh is not homogeneous
    made[0] += 1.0
    assert made[0] != theta[0]  # a copy


@pytest.mark.usefixtures("plain")
def test_rows_that_would_leave_the_range_of_numbers_keep_their_scale():
    net, theta = NetworkCase("spline", "min-max").start(samples(60))
    far = scaled(net, theta, (2.0**40, 2.0**40, 2.0**-40))
    coefficients = net.unpack(far)[0]["coefficients"]
    coefficients[1, 0, 0] = 2.0**-1040 + 2.0**-1074  # 2^-40 times this is no number
    near = net.unpack(net.balance(far))[0]["coefficients"]
    np.testing.assert_array_equal(near[1], coefficients[1])
    assert np.all(near[0] != coefficients[0])
    x = samples(40, seed=5)
    np.testing.assert_array_equal(net(net.balance(far), x), net(far, x))


@pytest.mark.usefixtures("plain")
def test_what_cannot_be_balanced_is_refused():
    x = samples(60)
    net, theta = NetworkCase("spline", "min-max").start(x)
    refused(lambda: net.balance(theta[:-1]), r"theta must have length")
    refused(lambda: net.balance(np.where(np.arange(theta.size) == 3, np.nan, theta)), r"theta.* NaN|nan")
    refused(
        lambda: NetworkCase("spline", "min-max").build().balance(theta), "node map 'min-max' after layer 0 is not bou"
    )
    constant = theta.copy()
    net.unpack(constant)[0]["coefficients"][1] = 0.5
    refused(lambda: net.balance(constant), "DegenerateNodeError: node 1 after layer 0 has range")
    one = replace(net, statistics=x[:1])
    refused(lambda: one.balance(theta), "DegenerateNodeError: node 0 after layer 0 has range 0")
    refused(
        lambda: net.balance(1e-312 * theta), "OverflowError: theta must keep the spread of node 0 after layer 0 with"
    )
