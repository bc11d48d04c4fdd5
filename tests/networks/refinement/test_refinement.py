"""The same network on finer knots: trained, in every basis, under every node map, on and off the samples."""

import numpy as np
import pytest

import refkan as rk
from refkan.networks.layers import DenseLayer
from refkan.networks.layers.knot_layers import edge_conversion
from tests.networks.refinement.trained_networks import FIXED, NATURAL, TAILS, X, assert_same_function, edges, trained
from tests.shared.factories import EDGE_KINDS, EPS, NetworkCase, samples
from tests.shared.mapped import mapped
from tests.shared.refusals import refused
from tests.shared.tables import each_row


def outside_share(net: rk.Network, theta: np.ndarray, x: np.ndarray) -> float:
    """Return the share of hidden activations outside their domain."""
    frozen = net.freeze(theta)
    z = mapped(frozen.node_maps[0], net.layers[0].linearize(theta[net.slices[0]], x).value)
    return float(np.mean((z < 0) | (z > 1)))


@pytest.mark.parametrize("case", TAILS, ids=str)
def test_refinement_leaves_trained_networks_unchanged(case):
    net, theta = trained(case)
    if case.node_map != "sigmoid":  # whose values lie inside
        assert outside_share(net, theta, samples(40, seed=8, reach=0.6)) > 0.01
    for factor in (2, (1, 3)):
        fine = net.refine(factor)
        theta_fine = net.convert(theta, fine)
        assert theta_fine.shape == (fine.n_params,)
        assert_same_function(net, theta, fine, theta_fine)


@pytest.mark.parametrize("case", [c for c in FIXED if c.kind == "spline"], ids=str)
def test_the_change_relative_to_the_values_themselves(case):
    """Not only to the sums of contributions: in the spline basis nothing cancels but in the networks' own sums."""
    net, theta = trained(case)
    fine = net.refine()
    x = samples(200, seed=9, reach=0.3)
    y = net(theta, x)
    assert np.abs(fine(net.convert(theta, fine), x) - y).max() <= 1e-14 * np.abs(y).max()


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_every_order(kind, order):
    net, theta = trained(NetworkCase(kind, "mean-std", order=order))
    fine = net.refine(3)
    assert [layer.intervals for layer in map(edges, fine.layers)] == [9, 6]
    assert_same_function(net, theta, fine, net.convert(theta, fine))


def test_factors_by_layer():
    net, theta = trained(NetworkCase("spline"))
    fine = net.refine([1, 2])
    assert [layer.intervals for layer in fine.layers] == [3, 4]
    assert fine.layers[0] == net.layers[0]
    np.testing.assert_array_equal(net.convert(theta, fine)[fine.slices[0]], theta[net.slices[0]])
    assert net.refine(1).layers == net.layers
    assert [layer.intervals for layer in net.refine(np.array([2, 5])).layers] == [6, 10]
    assert net.refine(np.int64(2)).layers == net.refine().layers


def test_inputs_with_domains_of_their_own():
    net = rk.kan([2, 3, 1], 3, [3, 2], domain=[(-1.0, 2.0), (5.0, 5.5)])
    x = samples(30) * [3.0, 0.5] + [-1.0, 5.0]
    net, theta = net.initialize(np.random.default_rng(0), x)
    fine = net.refine(2).insert(0, [[-0.7, 1.1], [5.02, 5.3]])
    y = net(theta, x)
    assert np.abs(fine(net.convert(theta, fine), x) - y).max() <= 1e-14 * np.abs(y).max()


def test_layers_without_knots_stay():
    spline = rk.SplineLayer((rk.SplineSpace.uniform(3, 2),) * 3, 1)
    net = rk.Network((DenseLayer(2, 3, "tanh"), spline), rk.kan([2, 3, 1], 3, 2, node_map="none").node_maps)
    theta = np.random.default_rng(0).standard_normal(net.n_params)
    fine = net.refine()
    assert fine.layers[0] == net.layers[0]
    assert fine.layers[1].intervals == 4
    theta_fine = net.convert(theta, fine)
    np.testing.assert_array_equal(theta_fine, net.prolongation(fine) @ theta)
    np.testing.assert_allclose(fine(theta_fine, X), net(theta, X), rtol=0, atol=1e-14 * np.abs(theta).max())


@pytest.mark.parametrize("case", NATURAL, ids=str)
def test_under_natural_tails_refinement_is_refused_unless_allowed(case):
    net, theta = trained(case)
    fine = net.refine()
    message = r"layer 0: under outside='natural'.*differ for input 0.*insert knots instead of refining"
    for call in (lambda: net.convert(theta, fine), lambda: net.prolongation(fine)):
        refused(call, message)
    theta_fine = net.convert(theta, fine, allow_inexact=True)
    if case.node_map == "sigmoid":  # no activation leaves the domain: exact on it
        np.testing.assert_allclose(fine(theta_fine, X), net(theta, X), rtol=0, atol=1e-10)
    if net.basis == "spline":
        x = samples(40, seed=8, reach=0.6)
        assert np.abs(fine(theta_fine, x) - net(theta, x)).max() > 1e-3


def test_spaces_that_are_nested_everywhere_are_not_refused():
    """Order 1 has no exterior knots; clamped ones stay where they are."""
    net, theta = trained(NetworkCase("spline", outside="natural", order=1))
    fine = net.refine()
    assert_same_function(net, theta, fine, net.convert(theta, fine))
    layer = rk.SplineLayer((rk.SplineSpace.clamped(3, [0.0, 0.4, 1.0]),) * 2, 2, "natural")
    net = rk.Network((layer,), ())
    theta = np.random.default_rng(0).standard_normal(net.n_params)
    fine = net.refine(3)
    x = samples(30, seed=4, reach=0.5)
    np.testing.assert_allclose(fine(net.convert(theta, fine), x), net(theta, x), rtol=0, atol=1e-14)


def test_under_error_the_function_is_the_same_where_there_is_one():
    net, theta = trained(NetworkCase("spline", "sigmoid", "error"))
    fine = net.refine()
    theta_fine = net.convert(theta, fine)
    np.testing.assert_allclose(fine(theta_fine, X), net(theta, X), rtol=0, atol=1e-14 * np.abs(net(theta, X)).max())
    for n, t in ((net, theta), (fine, theta_fine)):
        with pytest.raises(rk.OutsideDomainError):
            n(t, X + 1)


@pytest.mark.parametrize("source", ["spline", "relu", "scaled-relu"])
@pytest.mark.parametrize("target", ["spline", "relu", "scaled-relu"])
@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
def test_another_basis_on_finer_knots(source, target, free):
    net, theta = trained(NetworkCase(source, "mean-std", free_knots=free))
    other = net.refine().to_basis(target)
    assert_same_function(net, theta, other, net.convert(theta, other))


@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
def test_prolongation_in_the_relu_basis_takes_no_way_through_the_splines(basis):
    """Inside, coefficients are those of the coarse network to the bit (scaled: to a factor)."""
    net, theta = trained(NetworkCase(basis, intervals=(5, 4)))
    fine = net.refine()
    w, w_fine = (n.unpack(t)[0]["coefficients"] for n, t in ((net, theta), (fine, net.convert(theta, fine))))
    factor = 0.25 if basis == "scaled-relu" else 1.0
    np.testing.assert_allclose(w_fine[:, :, 4::2], factor * w[:, :, 3:], rtol=4 * EPS)
    assert not w_fine[:, :, 3::2].any()


@each_row(
    "change",
    lambda v: -v,
    lambda v: v / 2,  # the printed factor
    lambda v: np.roll(v, 1, axis=-1),
    lambda v: v * (1 + 1e-11),
    lambda v: np.concatenate([v[..., 1:2], v[..., :1], v[..., 2:]], axis=-1),
    ids=["sign", "printed factor", "shift", "relative error of 1e-11", "two coefficients exchanged"],
)
@pytest.mark.parametrize("case", [NetworkCase("spline"), NetworkCase("silu", "mean-std")], ids=str)
def test_sabotage_of_the_coefficients_is_noticed(monkeypatch, case, change):
    net, theta = trained(case)
    fine = net.refine()
    assert_same_function(net, theta, fine, net.convert(theta, fine))
    right = edge_conversion.prolong
    monkeypatch.setattr(edge_conversion, "prolong", lambda *arguments: change(right(*arguments)))
    with pytest.raises(AssertionError):
        assert_same_function(net, theta, fine, net.convert(theta, fine))
