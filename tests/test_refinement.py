"""The same network on finer knots: trained, in every basis, under every node map, on and off the samples."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from factories import EDGE_KINDS, EPS, EVERY_NETWORK, MLP_KINDS, NetworkCase, running_error, samples, with_layers

import refkan as rk
from refkan import nesting
from refkan.checks import dot_test
from refkan.layers import DenseLayer, SiluLayer

C = 40
"""Roundings in a term: r for a basis function, 2.5 r for a prolongation, and as many sums of dim terms. 40 eps is
below the 1e-14 that theory.md asks, both relative to the sums of absolute contributions."""

X = samples(40)


@cache
def trained(case: NetworkCase) -> tuple[rk.Network, np.ndarray]:
    """Return a network after some large steps of Adam, which take hidden activations out of their domains."""
    net, theta = case.start(X)
    y = 3 * np.cos(7 * X[:, :1]) + X[:, 1:] * np.array([[1.0, -4.0]])
    step = 0.05 if net.basis in (None, "spline") else 0.005 * np.abs(theta).mean()
    theta = rk.minimize(rk.LeastSquares(net, X, y), theta, "adam", steps=25, learning_rate=step).theta
    theta.flags.writeable = False
    return net, theta


def outside_share(net: rk.Network, theta: np.ndarray, x: np.ndarray) -> float:
    """Return the share of hidden activations outside their domain."""
    frozen = net.freeze(theta)
    z = frozen.node_maps[0].value(net.layers[0].linearize(theta[net.slices[0]], x).value)
    return float(np.mean((z < 0) | (z > 1)))


def assert_same_function(net, theta, other, theta_other, reach=0.6):
    """Compare on the samples and at points of which many lie outside the domain of the inputs."""
    for x in (X[:9], samples(40, seed=8, reach=reach)):
        scale = np.maximum(running_error(net, theta, x), running_error(other, theta_other, x))
        error = np.abs(net(theta, x) - other(theta_other, x))
        assert np.all(error <= C * EPS * scale), (error / scale / EPS).max()


CASES = [case for case in EVERY_NETWORK if case.kind in EDGE_KINDS]
TAILS = [case for case in CASES if case.outside != "natural"]
FIXED = [case for case in TAILS if not case.free_knots]
FREE = [case for case in CASES if case.free_knots]
NATURAL = [case for case in CASES if case.outside == "natural"]


# --- refinement


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


def edges(layer):
    return layer.spline if isinstance(layer, SiluLayer) else layer


@pytest.mark.parametrize("case", FIXED[::3], ids=str)
def test_derivatives_are_unchanged_too(case):
    """In x, and in theta along the coarse directions: P^T g_f = g_c, J_f P = J_c."""
    net, theta = trained(case)
    fine = net.refine((2, 3))
    theta_fine, P = net.convert(theta, fine), net.prolongation(fine)
    x = samples(9, seed=5, reach=0.2)
    dy = np.random.default_rng(0).standard_normal((9, 2))
    g, dx = net.vjp(theta, x)[1](dy)
    g_fine, dx_fine = fine.vjp(theta_fine, x)[1](dy)
    # In the ReLU bases what is summed up is larger than the results.
    digits = 1e-12 if net.basis == "spline" else 1e-9
    np.testing.assert_allclose(dx_fine, dx, rtol=0, atol=digits * np.abs(dx).max())
    np.testing.assert_allclose(P.T @ g_fine, g, rtol=0, atol=digits * np.abs(g).max())
    J, J_fine = net.jacobian(theta, x), fine.jacobian(theta_fine, x)
    np.testing.assert_allclose(J_fine @ P, J, rtol=0, atol=digits * np.abs(J).max())


@pytest.mark.parametrize("case", TAILS[::2], ids=str)
def test_refining_twice_by_two_is_refining_once_by_four(case):
    net, theta = trained(case)
    middle, once = net.refine(), net.refine(4)
    twice = middle.refine()
    assert [a.blocks for a in twice.layers] == [b.blocks for b in once.layers]
    if not case.free_knots:
        assert twice.layers == once.layers  # uniform knots: the same bits
    by_two = middle.convert(net.convert(theta, middle), twice)
    by_four = net.convert(theta, once)
    straight = net.convert(theta, twice)
    for other in (by_four, straight):
        scale = np.abs(other).max()
        np.testing.assert_allclose(by_two, other, rtol=0, atol=(1e-13 if net.basis == "spline" else 1e-8) * scale)
    assert_same_function(net, theta, twice, by_two)
    assert_same_function(net, theta, once, by_four)


def test_factors_by_layer():
    net, theta = trained(NetworkCase("spline"))
    fine = net.refine([1, 2])
    assert [layer.intervals for layer in fine.layers] == [3, 4]
    assert fine.layers[0] == net.layers[0]
    np.testing.assert_array_equal(net.convert(theta, fine)[fine.slices[0]], theta[net.slices[0]])
    assert net.refine(1).layers == net.layers
    assert [layer.intervals for layer in net.refine(np.array([2, 5])).layers] == [6, 10]
    assert net.refine(np.int64(2)).layers == net.refine().layers


def test_what_travels_with_a_network():
    net, theta = trained(NetworkCase("scaled-relu", "mean-std"))
    fine = net.refine()
    assert fine.node_maps == net.node_maps
    assert fine.statistics is net.statistics
    assert fine.basis == "scaled-relu"
    assert type(fine) is rk.Network
    assert (fine.widths, fine.layers[0].outside) == (net.widths, "linear")
    before = theta.copy()
    theta_fine = net.convert(theta, fine)
    theta_fine[:] = 0
    np.testing.assert_array_equal(theta, before)


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


# --- insertion


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


def test_insertion_step_by_step_is_insertion_at_once():
    net, theta = trained(NetworkCase("spline"))
    steps = net.insert(0, [0.1]).insert(1, [0.7]).insert(0, [0.6, 0.05])
    at_once = net.insert(0, [0.05, 0.1, 0.6]).insert(1, [0.7])
    assert steps.layers == at_once.layers
    middle = net.insert(0, [0.1])
    by_steps = middle.convert(net.convert(theta, middle), steps)
    np.testing.assert_allclose(by_steps, net.convert(theta, at_once), rtol=0, atol=1e-14 * np.abs(theta).max())


def test_inserting_nothing():
    net, theta = trained(NetworkCase("spline"))
    assert net.insert(0, []).layers == net.layers
    np.testing.assert_array_equal(net.convert(theta, net.insert(0, [])), theta)


def test_insertion_after_refinement_in_the_relu_basis():
    net, theta = trained(NetworkCase("relu", "none"))
    fine = net.refine().insert(1, [0.3, 0.9])
    assert_same_function(net, theta, fine, net.convert(theta, fine))


# --- free knots


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
    with pytest.raises(rk.KnotError, match="layer 0, input 0: fine must contain every knot of coarse"):
        net.convert(theta, net.insert(0, [0.05]))


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


# --- natural tails


@pytest.mark.parametrize("case", NATURAL, ids=str)
def test_under_natural_tails_refinement_is_refused_unless_allowed(case):
    net, theta = trained(case)
    fine = net.refine()
    message = r"layer 0: under outside='natural'.*differ for input 0.*insert knots instead of refining"
    for call in (lambda: net.convert(theta, fine), lambda: net.prolongation(fine)):
        with pytest.raises(ValueError, match=message):
            call()
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


# --- both: another basis on finer knots


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


# --- the matrix


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
    report = dot_test(lambda v: convert(v, fine), lambda g: P.T @ g, net.n_params, fine.n_params, rtol=1e-12)
    assert report.ok, report.table


@pytest.mark.parametrize("case", FIXED[::4], ids=str)
def test_products_of_prolongation_matrices(case):
    net, _ = trained(case)
    middle = net.refine()
    fine = middle.insert(0, [0.456])
    P = middle.prolongation(fine) @ net.prolongation(middle)
    direct = net.prolongation(fine)
    assert np.abs(P - direct).max() <= 1e-14 * max(1.0, np.abs(direct).max())


@pytest.mark.parametrize("case", [FREE[0], NetworkCase("mlp-tanh", "none")], ids=str)
def test_onto_itself_the_matrix_is_the_identity(case):
    net = case.start(X)[0]
    np.testing.assert_array_equal(net.prolongation(net).toarray(), np.eye(net.n_params))


# --- bad input


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net, t: net.refine(0), ValueError, r"factor must be .*at least 1; got 0"),
        (lambda net, t: net.refine(-2), ValueError, r"factor must be .*; got -2"),
        (lambda net, t: net.refine(2.0), TypeError, r"factor must be"),
        (lambda net, t: net.refine("2"), TypeError, r"factor must be"),
        (lambda net, t: net.refine(None), TypeError, r"factor must be"),
        (lambda net, t: net.refine([2]), ValueError, r"one for each of 2 layers; got \[2\]"),
        (lambda net, t: net.refine([2, 2, 2]), ValueError, r"one for each of 2 layers"),
        (lambda net, t: net.refine([2, 0]), ValueError, r"factor must be .*; got 0"),
        (lambda net, t: net.refine([2, 1.5]), TypeError, r"factor must be"),
        (lambda net, t: net.refine(10**9), ValueError, r"factor must be"),
        (lambda net, t: net.insert(2, [0.5]), ValueError, r"layer must be"),
        (lambda net, t: net.insert(-1, [0.5]), ValueError, r"layer must be"),
        (lambda net, t: net.insert("0", [0.5]), TypeError, r"layer must be"),
        (lambda net, t: net.insert(0, [0.4, 1.2]), rk.KnotError, r"input 0: new_knots must lie inside .*\[1\]=1.2"),
        (lambda net, t: net.insert(0, [0.0]), rk.KnotError, r"inside the domain \(0.0, 1.0\); got new_knots\[0\]=0.0"),
        (lambda net, t: net.insert(1, [0.5]), rk.KnotError, r"must not be knots already; got new_knots\[0\]=0.5"),
        (lambda net, t: net.insert(0, [0.4, 0.2, 0.4]), rk.KnotError, r"distinct; got new_knots\[2\]=0.4 twice"),
        (
            lambda net, t: net.insert(0, [[0.4, 0.2], [0.4, -1.0]]),
            rk.KnotError,
            r"input 1: new_knots must lie inside the domain \(0.0, 1.0\); got new_knots\[1\]=-1.0",
        ),
        (lambda net, t: net.insert(0, [[0.4], [0.2], [0.1]]), ValueError, r"shape \(m,\) or \(2, m\); got \(3, 1\)"),
        (lambda net, t: net.insert(0, 0.4), ValueError, r"shape \(m,\) or \(2, m\); got \(\)"),
        (lambda net, t: net.insert(0, [np.inf]), ValueError, r"new_knots must be finite"),
        (lambda net, t: net.insert(0, None), TypeError, r"new_knots must"),
        (lambda net, t: net.convert(t[:-1], net.refine()), ValueError, r"theta must have length 54; got length 53"),
        (lambda net, t: net.convert(t * np.nan, net.refine()), ValueError, r"theta must be finite"),
        (lambda net, t: net.convert(t, net.refine().layers[0]), TypeError, r"other must be a Network; got SplineLayer"),
        (lambda net, t: net.prolongation(None), TypeError, r"other must be a Network; got NoneType"),
        (
            lambda net, t: net.refine().convert(np.zeros(net.refine().n_params), net),
            rk.KnotError,
            r"layer 0, input 0: fine must contain every knot of coarse; breakpoint 1 = 0.1666\d* is missing",
        ),
        (
            lambda net, t: net.insert(1, [[0.1], [0.2], [0.3]]).prolongation(net.insert(1, [[0.1], [0.25], [0.3]])),
            rk.KnotError,
            r"layer 1, input 1: fine must contain every knot of coarse; breakpoint 1 = 0.2 is missing: the nearest is",
        ),
        (
            lambda net, t: net.prolongation(net.refine().to_basis("relu")),
            ValueError,
            r"layer 0: other must have the basis 'spline'; got 'relu'",
        ),
        (
            lambda net, t: net.prolongation(net.with_free_knots()),
            ValueError,
            r"layer 0: prolongation is a matrix for fixed knots only; use net.convert",
        ),
        (
            lambda net, t: net.convert(t, with_order(net, 4)),
            ValueError,
            r"layer 0: other must have the same order, outputs, domains and outside rule",
        ),
        (
            lambda net, t: net.convert(t, with_domain(net, (0.0, 2.0))),
            ValueError,
            r"layer 0: other must have the same order, outputs, domains and outside rule",
        ),
        (
            lambda net, t: net.convert(t, with_layers(net, [SiluLayer(layer) for layer in net.layers])),
            ValueError,
            r"layer 0: cannot convert a SplineLayer into a SiluLayer",
        ),
        (
            lambda net, t: net.prolongation(with_layers(net, [SiluLayer(layer) for layer in net.layers])),
            ValueError,
            r"layer 0: cannot prolong a SplineLayer into a SiluLayer",
        ),
    ],
)
def test_bad_input(call, error, message):
    net, theta = trained(NetworkCase("spline"))
    with pytest.raises(error, match=message):
        call(net, theta)


def with_order(net, order):
    spaces = [[rk.SplineSpace.uniform(order, 6, S.domain) for S in layer.spaces] for layer in net.layers]
    return with_layers(net, [replace(layer, spaces=tuple(S)) for layer, S in zip(net.layers, spaces, strict=True)])


def with_domain(net, domain):
    spaces = [[rk.SplineSpace.uniform(3, 6, domain) for _ in layer.spaces] for layer in net.layers]
    return with_layers(net, [replace(layer, spaces=tuple(S)) for layer, S in zip(net.layers, spaces, strict=True)])


@pytest.mark.parametrize("kind", MLP_KINDS)
def test_dense_networks_have_no_knots(kind):
    net = NetworkCase(kind, "none").build()
    for call, message in (
        (net.refine, "refine needs a network with knots or Chebyshev layers; got dense layers only"),
        (net.with_free_knots, "with_free_knots needs a network with knots; got none"),
        (lambda: net.insert(0, [0.5]), r"layer must be one with knots; got layer 0, a DenseLayer"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    theta = np.zeros(net.n_params)
    assert net.with_fixed_knots(theta).layers == net.layers


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (NetworkCase("spline", order=1), "free knots need order >= 2"),
        (NetworkCase("spline", outside="natural"), "free knots need outside='linear'"),
    ],
    ids=str,
)
def test_knots_that_cannot_be_free(case, message):
    with pytest.raises(ValueError, match=message):
        case.build().with_free_knots()


def test_breakpoints_too_close_to_be_free():
    net = NetworkCase("spline").build().insert(0, [0.3334])
    with pytest.raises(ValueError, match=r"free knots keep every interval at least"):
        net.with_free_knots()


def test_inputs_of_different_knots_keep_their_own_prolongation():
    rng = np.random.default_rng(0)
    for knots in ([[0.2], [0.2], [0.2]], [[0.2], [0.7], [0.2]], [[0.2], [0.7], [0.9]]):
        net = NetworkCase("spline").build().insert(1, knots)
        net, theta = net.initialize(rng, samples(40))
        fine = net.refine()
        assert_same_function(net, theta, fine, net.convert(theta, fine))
        np.testing.assert_allclose(net.prolongation(fine) @ theta, net.convert(theta, fine), rtol=0, atol=1e-14)


# --- sabotage


def wrong_rows(change):
    right = nesting.apply_rows
    return lambda start, values, c: change(right(start, values, c))


@pytest.mark.parametrize(
    "change",
    [
        lambda v: -v,
        lambda v: v / 2,  # the printed factor
        lambda v: np.roll(v, 1, axis=-1),
        lambda v: v * (1 + 1e-11),
        lambda v: np.concatenate([v[..., 1:2], v[..., :1], v[..., 2:]], axis=-1),
    ],
    ids=["sign", "printed factor", "shift", "relative error of 1e-11", "two coefficients exchanged"],
)
@pytest.mark.parametrize("case", [NetworkCase("spline"), NetworkCase("silu", "mean-std")], ids=str)
def test_sabotage_of_the_coefficients_is_noticed(monkeypatch, case, change):
    net, theta = trained(case)
    fine = net.refine()
    assert_same_function(net, theta, fine, net.convert(theta, fine))
    monkeypatch.setattr(nesting, "apply_rows", wrong_rows(change))
    with pytest.raises(AssertionError):
        assert_same_function(net, theta, fine, net.convert(theta, fine))


def test_sabotage_of_the_matrix_is_noticed(monkeypatch):
    case = NetworkCase("spline")
    test_the_prolongation_matrix_is_what_convert_does(case)
    right = nesting.prolongation_matrix

    def flipped(*arguments):
        P = right(*arguments).copy()
        P.data[0] *= -1
        return P

    for wrong in (flipped, lambda *arguments: right(*arguments) * 0.5, lambda *a: right(*a)[::-1]):
        monkeypatch.setattr(nesting, "prolongation_matrix", wrong)
        with pytest.raises(AssertionError):
            test_the_prolongation_matrix_is_what_convert_does(case)


def test_exterior_knots_of_natural_tails_are_looked_at(monkeypatch):
    """Were they not, a trained network would change: the check is needed."""
    net, theta = trained(NetworkCase("spline", outside="natural"))
    fine = net.refine()
    monkeypatch.setattr(nesting, "_require_exact", lambda *arguments: None)
    with pytest.raises(AssertionError):
        assert_same_function(net, theta, fine, net.convert(theta, fine))
