"""The same network on finer knots, refined or inserted, fixed or free: trained, in every basis, on samples and off."""

import numpy as np
import pytest

import refkan as rk
from refkan.checks import dot_check
from refkan.networks.layers import DenseLayer
from refkan.networks.layers.knot_layers import edge_conversion
from refkan.networks.layers.knot_layers.knot_layer import cut_alike
from tests.networks.refinement.trained_networks import (
    CASES,
    FIXED,
    FREE,
    NATURAL,
    TAILS,
    X,
    assert_same_function,
    edges,
    trained,
)
from tests.shared.factories import EDGE_KINDS, EPS, NetworkCase, mapped, samples
from tests.shared.refusals import refused
from tests.shared.tables import each_row


def outside_share(net: rk.Network, theta: np.ndarray, x: np.ndarray) -> float:
    """Return the share of hidden activations outside their domain."""
    frozen = net.freeze(theta)
    z = mapped(frozen.node_maps[0], net.layers[0].linearize(theta[net.slices[0]], x).value)
    return float(np.mean((z < 0) | (z > 1)))


def test_activations_leave_their_domains_in_training():
    """Otherwise the laws below would say nothing of tails; values of sigmoids lie inside."""
    x = samples(40, seed=8, reach=0.6)
    shares = [outside_share(*trained(case), x) for case in TAILS if case.node_map != "sigmoid"]
    assert min(shares) > 0.01


@pytest.mark.parametrize("case", TAILS, ids=str)
def test_refinement_leaves_trained_networks_unchanged(case):
    net, theta = trained(case)
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


@pytest.mark.parametrize("case", [c for c in CASES if not c.free_knots], ids=str)
def test_insertion_leaves_trained_networks_unchanged_under_every_policy(case):
    """Exterior knots stay, so that the spaces are nested everywhere: natural tails as well."""
    net, theta = trained(case)
    for layer, new in ((0, [0.9, 0.1, 0.35]), (1, [[0.2], [0.7], [0.05]])):
        fine = net.insert(layer, new)
        assert edges(fine.layers[layer]).intervals == edges(net.layers[layer]).intervals + len(np.atleast_2d(new)[0])
        assert fine.layers[1 - layer] == net.layers[1 - layer]
        assert_same_function(net, theta, fine, net.convert(theta, fine))
        P = net.prolongation(fine)
        np.testing.assert_allclose(P @ theta, net.convert(theta, fine), rtol=0, atol=1e-14 * np.abs(theta).max())


@pytest.mark.parametrize("edge", ["plain", "silu"])
def test_intervals_of_some_ulps_are_cut_as_others_are(edge):
    """Breakpoints that are there need not be looked for up to rounding: 1 + 2 ulps is none of its neighbours."""
    layer = rk.SplineLayer((rk.SplineSpace([0.5, 1.0, 1.0 + 2.0**-50, 1.5, 2.0, 2.5], 2),), 1)
    c = np.array([-0.5, -1.0, -0.75, 0.0])
    net = rk.Network((layer if edge == "plain" else rk.SiluLayer(layer),), ())
    fine = net.refine()
    w = net.convert(np.r_[c, np.ones(net.n_params - 4)], fine)
    assert w[:7].tolist() == [-0.5, -0.75, -1.0, -0.875, -0.75, -0.375, 0.0]


def test_inputs_of_different_knots_keep_their_own_prolongation():
    rng = np.random.default_rng(0)
    for knots in ([[0.2], [0.2], [0.2]], [[0.2], [0.7], [0.2]], [[0.2], [0.7], [0.9]]):
        net = NetworkCase("spline").build().insert(1, knots)
        net, theta = net.initialize(rng, samples(40))
        fine = net.refine()
        assert_same_function(net, theta, fine, net.convert(theta, fine))
        np.testing.assert_allclose(net.prolongation(fine) @ theta, net.convert(theta, fine), rtol=0, atol=1e-14)


@pytest.mark.parametrize("case", FIXED, ids=str)
def test_the_prolongation_matrix_is_what_convert_does(case):
    net, theta = trained(case)
    fine = net.refine((2, 3)).insert(1, [0.456])
    P = net.prolongation(fine)
    assert P.shape == (fine.n_params, net.n_params)
    assert P.nnz <= 3 * max(edges(layer).order for layer in net.layers) * fine.n_params
    scale = np.abs(P) @ np.abs(theta)
    np.testing.assert_allclose(P @ theta, net.convert(theta, fine), rtol=0, atol=20 * EPS * scale.max())
    convert = fine.convert if fine is net else net.convert
    report = dot_check(lambda v: convert(v, fine), lambda g: P.T @ g, net.n_params, fine.n_params, rtol=1e-12)
    assert report.ok, report.table


def test_sabotage_of_the_matrix_is_noticed(monkeypatch):
    case = NetworkCase("spline")
    test_the_prolongation_matrix_is_what_convert_does(case)
    right = edge_conversion.prolongation_matrix

    def flipped(*arguments):
        P = right(*arguments).copy()
        P.data[0] *= -1
        return P

    for wrong in (flipped, lambda *arguments: right(*arguments) * 0.5, lambda *a: right(*a)[::-1]):
        monkeypatch.setattr(edge_conversion, "prolongation_matrix", wrong)
        with pytest.raises(AssertionError):
            test_the_prolongation_matrix_is_what_convert_does(case)


@pytest.mark.parametrize("case", FREE, ids=str)
def test_free_knots_fixed_refined_and_freed(case):
    net, theta = trained(case)
    start = [space.breakpoints for space in edges(net.layers[0]).spaces]
    now = edges(net.layers[0]).spaces_at(theta[: edges(net.layers[0]).n_params])
    assert np.abs(np.array(start) - [space.breakpoints for space in now]).max() > 1e-3  # training moved them
    fixed = net.with_fixed_knots(theta)
    assert not any(edges(layer).free_knots for layer in fixed.layers)
    assert edges(fixed.layers[0]).spaces == now
    theta_fixed = net.convert(theta, fixed)
    assert_same_function(net, theta, fixed, theta_fixed)
    fine = fixed.refine().insert(0, [0.123])
    theta_fine = fixed.convert(theta_fixed, fine)
    assert_same_function(net, theta, fine, theta_fine)
    assert_same_function(net, theta, fine, net.convert(theta, fine))  # at once
    free = fine.with_free_knots()
    assert all(edges(layer).free_knots for layer in free.layers)
    theta_free = fine.convert(theta_fine, free)
    assert_same_function(net, theta, free, theta_free)
    assert free.n_params - fine.n_params == sum(layer.n_inputs * edges(layer).intervals for layer in free.layers)


@pytest.mark.parametrize("case", FREE, ids=str)
def test_free_knots_refined_as_they_are(case):
    """Every interval is cut in the middle of where it is now: s is repeated."""
    net, theta = trained(case)
    fine = net.refine((2, 3))
    theta_fine = net.convert(theta, fine)
    for k, factor in enumerate((2, 3)):
        a, b = (edges(n.layers[k]) for n in (net, fine))
        coarse = a.spaces_at(theta[net.slices[k]][: a.n_params])
        finer = b.spaces_at(theta_fine[fine.slices[k]][: b.n_params])
        for S, T in zip(coarse, finer, strict=True):
            np.testing.assert_allclose(T.breakpoints, S.refine(factor).breakpoints, rtol=0, atol=8 * EPS)
    assert_same_function(net, theta, fine, theta_fine)


@pytest.mark.parametrize("n", [100, 3000])
def test_many_free_knots(n):
    """Sums of n shares round differently on both levels: knots agree to n eps, the function to its slope times that."""
    net, theta = rk.kan([1, 1], 3, n, free_knots=True).initialize(np.random.default_rng(1), X[:, :1])
    theta = theta + 0.5 * np.random.default_rng(3).standard_normal(theta.size)
    x = np.random.default_rng(0).uniform(0, 1, (200, 1))
    y, pullback = net.vjp(theta, x)
    slope = np.abs(pullback(np.ones_like(y))[1]).max()
    for factor in (2, 5):
        fine = net.refine(factor)
        assert np.abs(fine(net.convert(theta, fine), x) - y).max() <= n * EPS * slope


def test_inserted_knots_are_where_they_were_asked_for_though_their_number_would_fit_a_refinement():
    """Four knots into three free intervals at their start: six intervals, but not those of refine()."""
    net, theta = NetworkCase("spline", free_knots=True).build().initialize(np.random.default_rng(0), X)
    new = [0.05, 0.4, 0.95]
    fine = net.insert(0, new)
    assert fine.layers[0].intervals == 6
    theta_fine = net.convert(theta, fine)
    for space in fine.layers[0].spaces_at(theta_fine[fine.slices[0]]):
        np.testing.assert_allclose(space.breakpoints, sorted([0, 1 / 3, 2 / 3, 1, *new]), rtol=0, atol=8 * EPS)
    assert_same_function(net, theta, fine, theta_fine)


def test_inserting_into_free_knots_that_moved_needs_fixed_ones():
    net, theta = trained(NetworkCase("spline", free_knots=True))
    message = r"layer 0: input 0: fine must contain every knot.*; free knots are not .*: with_fixed_knots\(theta\)"
    refused(lambda: net.convert(theta, net.insert(0, [0.05])), f"KnotError: {message}")


def test_fixed_and_free_layers_side_by_side():
    net = rk.kan([2, 3, 1], 3, [3, 2], free_knots=[True, False])
    net, theta = net.initialize(np.random.default_rng(0), X)
    theta = theta + 0.1 * np.random.default_rng(1).standard_normal(theta.size)
    fine = net.refine()
    assert [layer.free_knots for layer in fine.layers] == [True, False]
    assert_same_function(net, theta, fine, net.convert(theta, fine))
    fixed = net.with_fixed_knots(theta)
    assert fixed.layers[1] == net.layers[1]
    free = net.with_free_knots()
    assert free.layers[0] == net.layers[0]
    assert_same_function(net, theta, free, net.convert(theta, free))


def test_freeing_clamped_knots_moves_exterior_ones():
    layer = rk.SplineLayer((rk.SplineSpace.clamped(4, [0.0, 0.2, 0.7, 1.0]),) * 2, 1)
    net = rk.Network((layer,), ())
    theta = np.random.default_rng(0).standard_normal(net.n_params)
    free = net.with_free_knots()
    x = samples(30, seed=4, reach=0.5)
    y = net(theta, x)
    np.testing.assert_allclose(free(net.convert(theta, free), x), y, rtol=0, atol=1e-14 * 8 * np.abs(y).max())


@each_row(
    "fine, alike",
    ([0.0, 0.3, 1.0], True),  # as many intervals, wherever they are
    ([0.0, 0.25, 0.5, 0.75, 1.0], True),
    ([0.0, 0.3, 0.5, 0.75, 1.0], False),
    ([0.0, 0.2, 0.5, 1.0], False),
    ([0.0, 1.0], False),
)
def test_breakpoints_are_cut_alike_or_are_as_many(fine, alike):
    assert cut_alike([np.array([0.0, 0.5, 1.0])], [np.array(fine)]) is alike
