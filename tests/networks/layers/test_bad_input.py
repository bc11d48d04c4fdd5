"""Layers taken alone: arrays of wrong shapes are refused by name, and a linearisation stays at its point."""

import numpy as np
import pytest

import refkan as rk
from refkan.networks.layers.knot_layers.edges import EdgeLayer
from refkan.splines.sums.channels import Channels
from tests.networks.layers.layer_laws import random_parameters
from tests.shared.factories import EDGE_KINDS, LayerCase
from tests.shared.refusals import refused

LAYERS = {kind: LayerCase(kind).build() for kind in EDGE_KINDS} | {
    "dense": rk.DenseLayer(3, 2, activation="tanh"),
    "chebyshev": rk.ChebyshevLayer(((0.0, 1.0),) * 3, n_outputs=2, degree=4),
}


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]


def test_point_of_wrong_shape(layer):
    theta, x, n = random_parameters(layer), np.full((4, 3), 0.5), layer.n_params
    refused(lambda: layer.linearize(theta[:-1], x), rf"theta must have length {n}; got length {n - 1}")
    refused(lambda: layer.linearize(np.append(theta, 0.0), x), rf"theta must have length {n}; got length {n + 1}")
    refused(lambda: layer.linearize(theta, x[:, :2]), r"x must have shape \(N, 3\); got \(4, 2\)")
    refused(lambda: layer.linearize(theta, np.full((4, 5), 0.5)), r"x must have shape \(N, 3\); got \(4, 5\)")
    refused(lambda: layer.linearize(theta, x[0]), r"x must have 2 dimensions; got shape \(3,\)")


def test_tangents_and_cotangents_of_wrong_shape(layer):
    theta, x, n = random_parameters(layer), np.full((4, 3), 0.5), layer.n_params
    at, dy, G, out = layer.linearize(theta, x), np.ones((4, 2)), np.ones((4, 6, 2)), np.zeros((4, 6, n))
    refused(lambda: at.pullback(dy[:, :1]), r"dy must have shape \(4, 2\); got \(4, 1\)")
    refused(lambda: at.pullback(np.ones((5, 2))), r"dy must have shape \(4, 2\); got \(5, 2\)")
    refused(lambda: at.pullback(dy[0]), r"dy must have shape \(4, 2\); got \(2,\)")
    refused(lambda: at.pushforward(theta[1:], x), rf"dtheta must have length {n}; got length {n - 1}")
    refused(lambda: at.pushforward(theta, x[:, 1:]), r"dx must have shape \(4, 3\); got \(4, 2\)")
    refused(lambda: at.pullback_inputs(G[:3]), r"G must have shape \(4, O, 2\); got \(3, 6, 2\)")
    refused(lambda: at.fill_jacobian(G[:, :, :1], out), r"G must have shape \(4, O, 2\); got \(4, 6, 1\)")
    refused(lambda: at.hessian_product(theta, x, dy[:2]), r"dy must have shape \(4, 2\); got \(2, 2\)")


def targets(N, O, n):
    """Arrays that cannot take a Jacobian (N, O, n), each with the answer."""
    read_only = np.zeros((N, O, n))
    read_only.flags.writeable = False
    return [
        (np.zeros((N, O, n - 1)), rf"must have shape \({N}, {O}, {n}\); got \({N}, {O}, {n - 1}\)"),
        (np.zeros((N, O, n + 1)), rf"must have shape .*got \({N}, {O}, {n + 1}\)"),
        (np.zeros((N - 1, O, n)), rf"must have shape .*got \({N - 1}, {O}, {n}\)"),
        (np.zeros((N, 1, n)), rf"must have shape .*got \({N}, 1, {n}\)"),
        (np.zeros(N * O * n), rf"must have shape .*got \({N * O * n},\)"),
        (np.zeros((N, O, n), np.float32), "TypeError: must be an array of dtype float64.*got dtype float32"),
        (np.zeros((N, O, n), ">f8"), "TypeError: must be an array of dtype float64.*got dtype >f8"),
        (np.zeros((N, O, n), int), "TypeError: must be an array of dtype float64.*got dtype int64"),
        (np.zeros((N, O, n)).tolist(), "TypeError: must be an array to write into; got list"),
        (read_only, "must be an array that can be written to"),
    ]


def refuse_targets(fill, n_samples, n_cotangents, n_params):
    """Every such array is refused by `fill` before anything is written; one of strides of its own is taken."""
    whole = np.zeros((n_samples, n_cotangents, n_params))
    fill(whole)
    assert whole.any()
    for out, answer in targets(n_samples, n_cotangents, n_params):
        refused(lambda out=out: fill(out), answer)
        assert not np.any(out)
    apart = np.zeros((n_samples, n_cotangents, n_params + 7))[:, :, 3:-4]
    fill(apart)
    np.testing.assert_array_equal(apart, whole)


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("kind", LAYERS)
def test_targets_of_jacobians(kind, free):
    if free and kind not in EDGE_KINDS:
        pytest.skip("it has no knots")
    layer = LayerCase(kind, 4, free_knots=True).build() if free else LAYERS[kind]
    theta, x = random_parameters(layer), np.full((4, 3), 0.5)
    at, channels = layer.linearize(theta, x), Channels(2, 1)
    refuse_targets(lambda out: at.fill_jacobian(np.ones((4, 6, 2)), out), 4, 6, layer.n_params)
    z = np.random.default_rng(0).uniform(0.1, 0.9, (4, channels.count, 3))
    jet, G = layer.linearize(theta, z, channels=channels), np.ones((4, 6, channels.count, 2))
    refuse_targets(lambda out: jet.fill_jacobian(G, out), 4, 6, layer.n_params)
    out = np.zeros((4, 6, layer.n_params))
    message = r"G must have shape \(4, O, 4, 2\); got \(4, 6, 4, 1\)"
    refused(lambda: jet.fill_jacobian(G[:, :, :, :1], out), message)
    assert not out.any()


def test_targets_within_networks():
    x = np.random.default_rng(0).uniform(size=(4, 2))
    net, theta = rk.kan([2, 3, 2], 4, 2).initialize(np.random.default_rng(0), x)
    (sweep,) = net.jet(theta, x, np.eye(2)).sweep.sweeps
    for shape in ((4, 6, net.n_params - 1), (4, 5, net.n_params), (3, 6, net.n_params)):
        refused(lambda shape=shape: sweep.fill_jacobian(np.ones((4, 6, 5, 2)), np.zeros(shape)), "out must have shape")


def test_jets_of_wrong_shape(layer):
    theta, z, channels = random_parameters(layer), np.full((4, 5, 3), 0.5), Channels(2, 2)
    at, G, out = layer.linearize(theta, z, channels=channels), np.ones((4, 6, 5, 1)), np.zeros((4, 6, layer.n_params))

    def jet(z):
        return lambda: layer.linearize(theta, z, channels=channels)

    refused(jet(z[:, 0]), r"z must have 3 dimensions; got shape \(4, 3\)")
    refused(jet(z[:, 1:]), r"z must have shape \(N, 5, 3\); got \(4, 4")
    refused(jet(z[..., :2]), r"z must have shape \(N, 5, 3\); got \(4, 5")
    refused(lambda: at.pullback(np.ones((4, 2))), r"dy must have shape \(4, 5, 2\); got \(4, 2\)")
    refused(lambda: at.pushforward(theta, z[:, :1]), r"dz must have shape \(4, 5, 3\); got \(4, 1, 3\)")
    refused(lambda: at.pullback_inputs(G[..., 0]), r"G must have 4 dimensions; got shape \(4, 6, 5\)")
    refused(lambda: at.fill_jacobian(G, out), r"G must have shape \(4, O, 5, 2\); got \(4, 6, 5, 1\)")


def test_single_precision_and_lists_are_widened(layer):
    theta, x = random_parameters(layer).astype(np.float32), np.full((2, 3), 0.5, np.float32)
    at, wide = layer.linearize(theta, x.tolist()), layer.linearize(theta.astype(float), x.astype(float))
    np.testing.assert_array_equal(at.value, wide.value)
    dy = np.array([[1, 2], [3, 4]])
    for mine, theirs in zip(at.pullback(dy), wide.pullback(dy.astype(float)), strict=True):
        assert mine.dtype == np.float64
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("n", [3, 1500])  # 1500 samples are sorted by interval
def test_linearisation_stays_at_its_point(layer, n):
    x = np.random.default_rng(0).uniform(0.1, 0.9, (n, 3))
    theta = random_parameters(layer)
    dtheta, dx, dy = np.ones(layer.n_params), np.ones((n, 3)), np.ones((n, 2))
    kept, at = layer.linearize(theta.copy(), x.copy()), layer.linearize(theta, x)
    theta *= 3.0
    x += 0.25
    for mine, theirs in zip(at.pullback(dy), kept.pullback(dy), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(at.pushforward(dtheta, dx), kept.pushforward(dtheta, dx))
    for mine, theirs in zip(at.hessian_product(dtheta, dx, dy), kept.hessian_product(dtheta, dx, dy), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_layer_goes_over_into_layers_of_its_kind_alone(layer):
    theta, kind = random_parameters(layer), type(layer).__name__
    assert (layer.prolongation(layer) != np.eye(layer.n_params)).sum() == 0
    np.testing.assert_array_equal(layer.convert(theta, layer), theta)
    others = [other for other in LAYERS.values() if not isinstance(other, EdgeLayer | rk.SiluLayer | type(layer))]
    for other in others:
        message = f"cannot convert a {kind} into a {type(other).__name__}"
        refused(lambda other=other: layer.prolongation(other), message)
        refused(lambda other=other: layer.convert(theta, other), message)


def test_jumps_are_those_of_splines_of_fixed_knots():
    for other in (LAYERS["dense"], LAYERS["chebyshev"], LAYERS["spline"].with_free_knots()):
        refused(other.jumps, "roughness needs splines with fixed knots; got ")
