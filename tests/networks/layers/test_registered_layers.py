"""What a public layer needs beside its declaration: a row in `PLAIN_LAYERS`, its truth, its file, finer layers."""

from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan.networks import layers
from refkan.networks.layers.knot_layers.edges import EdgeLayer
from refkan.networks.layers.knot_layers.knot_layer import KnotLayer
from refkan.networks.layers.layer import SCHEMES
from tests.networks.layers.layer_laws import layer_and_point, name
from tests.shared.factories import EVERY_LAYER
from tests.shared.plain_layers import PLAIN_LAYERS

pytestmark = pytest.mark.filterwarnings("ignore::refkan.base.OutsideDomainWarning")


def network_of(layer, x):
    """A network of one layer; its parameters are drawn with inputs x."""
    return rk.Network((layer,), ()).initialize(np.random.default_rng(2), x)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("case", PLAIN_LAYERS, ids=name)
def test_values_and_gradients_are_those_of_the_truth(case, scheme):
    layer, _, x = layer_and_point(case)
    net, theta = rk.Network((layer,), ()).initialize(np.random.default_rng(2), x, scheme)
    number = float if getattr(layer, "activation", "relu") in ("tanh", "silu") else Fraction
    t = rk.truth.of(net, theta, x, number)
    value = np.array(t.value, float)
    np.testing.assert_allclose(net(theta, x), value, rtol=1e-13, atol=1e-13)
    jacobian = np.array(t.jacobian(), float)
    np.testing.assert_allclose(net.jacobian(theta, x), jacobian, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", PLAIN_LAYERS, ids=name)
def test_a_file_returns_the_layer(case, tmp_path):
    layer, _, x = layer_and_point(case)
    net, theta = network_of(layer, x)
    rk.save(tmp_path / "net.npz", net, theta)
    again, parameters = rk.load(tmp_path / "net.npz")
    assert again == net
    assert again.layers[0] == layer
    np.testing.assert_array_equal(again(parameters, x), net(theta, x))


@pytest.mark.parametrize("case", PLAIN_LAYERS, ids=name)
def test_null_vectors_do_not_change_the_values(case):
    layer, theta, x = layer_and_point(case)
    value = layer.linearize(theta, x).value
    for vector in layer.null_vectors(theta, x, translations=True):
        moved = layer.linearize(theta + vector, x).value
        np.testing.assert_allclose(moved, value, rtol=0, atol=1e-13 * np.abs(value).max())


@pytest.mark.parametrize("case", [layer for layer in PLAIN_LAYERS if layer.refinable], ids=name)
def test_a_finer_layer_is_the_same_function(case):
    layer, _, x = layer_and_point(case)
    net, theta = network_of(layer, x)
    fine = net.refine()
    assert fine.n_params > net.n_params
    value = net(theta, x)
    converted = fine(net.convert(theta, fine), x)
    np.testing.assert_allclose(converted, value, rtol=0, atol=1e-13 * np.abs(value).max())


def test_every_public_kind_of_layer_is_under_the_laws():
    """A new public layer without a row fails here."""
    bases = {layers.Layer, KnotLayer, EdgeLayer}
    kinds = {kind for kind in vars(layers).values() if isinstance(kind, type) and issubclass(kind, layers.Layer)}
    tested = {type(layer) for layer in PLAIN_LAYERS} | {type(case.build()) for case in EVERY_LAYER}
    assert kinds - bases == tested
