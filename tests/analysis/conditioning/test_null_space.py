"""Analytic null vectors: J Z = 0, orthonormal, as many as the theory counts, and noticed when they are wrong."""

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning import null_vectors
from refkan.analysis.conditioning.null_space import DOUBT
from refkan.networks.layers import DenseLayer
from refkan.networks.node_maps import MeanStdMap, Unmapped
from tests.shared.factories import EVERY_NETWORK, MLP_KINDS, NetworkCase, name, samples
from tests.shared.refusals import refused
from tests.shared.tables import each_row

X = samples(60)


def relative_error(net, theta, x, Z):
    """|J Z| over the sum of absolute contributions |J| |Z|: 1 where nothing cancels."""
    J = net.jacobian(theta, x)
    scale = np.abs(J) @ np.abs(Z)
    return (np.abs(J @ Z) / np.maximum(scale.max(initial=0.0), 1e-300)).max(initial=0.0)


def least_counts(case):
    """The counts of the theory, without the accidents of data and size."""
    pairs = list(zip(case.widths, case.widths[1:], strict=False))
    hidden = sum(case.widths[1:-1])
    if case.kind in MLP_KINDS:
        return 0 if case.kind == "mlp-tanh" else hidden
    count = sum((P - 1) * Q for P, Q in pairs)
    count += sum(P * Q for P, Q in pairs) if case.kind == "silu" else 0
    count += sum(P for P, _ in pairs) if case.free_knots else 0
    return count + (2 * hidden if case.couples_samples else 0)


@pytest.mark.parametrize("case", EVERY_NETWORK, ids=name)
def test_the_jacobian_vanishes_on_the_analytic_null_space(case):
    net, theta = case.start(X)
    Z = null_vectors(net, theta, X)
    np.testing.assert_allclose(Z.T @ Z, np.eye(Z.shape[1]), rtol=0, atol=1e-13)
    # In the ReLU-power basis J itself is off by eps n^(r-1) C_r of its largest entries: relative to them.
    assert relative_error(net, theta, X, Z) < 1e-12
    if case.outside != "natural":  # there inputs outside the domain take constants away
        assert Z.shape[1] == least_counts(case)


@each_row(
    "intervals, node_map, analytic, numerical",
    ((4, 4), "affine", 9, 9),
    ((4, 4), "mean-std", 19, 19),
    ((1, 3), "affine", 9, 10),  # one dependence among the five hidden outputs: Q = 5 > P (n + r - 2) = 4
    ((1, 3), "mean-std", 19, 20),
    ((2, 1), "affine", 9, 31),  # shift and scale of each node by the n = 1 layer, and other accidents
    ((2, 1), "min-max", 19, 31),
)
def test_nullities_of_the_network_of_the_papers(intervals, node_map, analytic, numerical):
    x = samples(500)
    net, theta = rk.kan([2, 5, 1], 3, intervals, node_map=node_map).initialize(np.random.default_rng(1), x)
    spectrum = rk.spectrum(rk.LeastSquares(net, x, x[:, :1]), theta)
    assert (spectrum.analytic_nullity, spectrum.nullity) == (analytic, numerical)
    assert ("nullity" in spectrum.flags) == (analytic != numerical)
    assert spectrum.gap > 1e6


def test_the_count_is_that_of_independent_vectors():
    """Silu edges with w_s = 0 and C = 0 have neither a constant nor a product to move."""
    net, theta = rk.kan([2, 1], 3, 2, edge="silu").initialize(np.random.default_rng(0), X)
    blocks = net.unpack(theta)[0]
    assert null_vectors(net, theta, X).shape[1] == 1 + 2
    blocks = {k: v.copy() for k, v in blocks.items()}
    blocks["w_s"][0, 1] = 0.0
    blocks["coefficients"][0, 1] = 0.0
    theta = net.layers[0].pack(**blocks)
    Z = null_vectors(net, theta, X)
    assert Z.shape[1] == 1
    assert relative_error(net, theta, X, Z) < 1e-13


def test_natural_tails_offer_constants_inside_the_domain_alone():
    net, theta = rk.kan([3, 1], 3, 4, outside="natural").initialize(np.random.default_rng(0), samples(50, 3))
    inside, outside = samples(50, 3), samples(50, 3, reach=0.3)
    assert null_vectors(net, theta, inside).shape[1] == 2
    assert null_vectors(net, theta, np.repeat([[0.0], [1.0]], 3, axis=1)).shape[1] == 2  # ends belong to the domain
    assert null_vectors(net, theta, outside).shape[1] == 0
    assert np.linalg.matrix_rank(net.jacobian(theta, outside)) == net.n_params


def test_natural_tails_where_the_statistics_batch_alone_is_outside():
    """A constant on the samples is none on the batch, whose statistics it changes."""
    net = rk.kan([2, 3, 1], 3, 3, node_map="mean-std", outside="natural")
    net, theta = net.initialize(np.random.default_rng(0), samples(50, reach=0.3))
    inside = samples(50)
    Z = null_vectors(net, theta, inside)
    assert relative_error(net, theta, inside, Z) < 1e-12
    assert Z.shape[1] == null_vectors(net, theta, net.statistics).shape[1]


@pytest.mark.parametrize(
    ("at", "inside"),
    [(3.0, True), (0.9, False), (-1e5, False), (0.5 / DOUBT, True)],
    ids=["in", "doubt", "out", "half"],
)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("size", [1.0, 100.0])
def test_hidden_activations_are_inside_where_rounding_leaves_no_doubt(at, inside, side, size):
    """Constant activations, one of them so many times the doubt from an end, of contributions of a size that cancel."""
    net = rk.kan([2, 2, 1], 3, 3, node_map="none", outside="natural")
    offset = at * DOUBT * (size if at > 1 else 1.0)
    value = abs(side - offset) if at < 0.4 / DOUBT else 0.5
    if at < 0:
        value = side + (1 if side else -1) * 1e-3
    C = np.empty((2, 2, 5))
    C[:, 0], C[:, 1] = np.array([[0.25], [value + size]]), np.array([[0.25], [-size]])
    theta = np.concatenate([C.ravel(), np.linspace(1.0, 2.0, 10)])
    in_the_first_layer, in_the_second = 2, 1
    Z = null_vectors(net.initialize(np.random.default_rng(0), X)[0], theta, X)
    translations = [z for z in Z.T if np.abs(z[20:]).max() > 1e-6 and np.abs(z[:20]).max() < 1e-6]
    assert Z.shape[1] == in_the_first_layer + in_the_second * inside
    assert len(translations) == inside or Z.shape[1] == 3


def test_mixed_networks_offer_what_their_parts_can():
    """A spline layer, a dense one and node maps of three kinds: each pair by its own members."""
    spline = rk.kan([2, 3], 3, 3).layers[0]
    layers = (spline, DenseLayer(3, 4, "identity"), DenseLayer(4, 2, "relu3"), DenseLayer(2, 1, bias=False))
    net = rk.Network(layers, (Unmapped(), MeanStdMap(), Unmapped()))
    net, theta = net.initialize(np.random.default_rng(3), X)
    theta += 0.1 * np.random.default_rng(4).standard_normal(theta.size)
    Z = null_vectors(net, theta, X)
    constants, splines_scaled, shifted, scaled, neurons = 3, 3, 4, 4, 2
    assert Z.shape[1] == constants + splines_scaled + shifted + scaled + neurons
    assert relative_error(net, theta, X, Z) < 1e-13


@pytest.mark.parametrize("kind", ["spline", "relu", "silu"])
@pytest.mark.parametrize("node_map", ["affine", "mean-std"])
def test_along_translations_the_network_does_not_change_at_all(kind, node_map):
    """They are straight lines: the network is the same after a long step; and vectors that move with theta are not."""
    case = NetworkCase(kind, node_map, free_knots=kind == "spline")
    net, theta = case.start(X)
    Z = null_vectors(net, theta, X, translations=True)
    layers, hidden = (2 - 1) * 3 + (3 - 1) * 2, 3
    shifts = hidden if node_map == "mean-std" else 0
    expected = {"spline": layers + shifts + 5, "relu": layers + shifts, "silu": 0}[kind]
    assert Z.shape[1] == expected
    y = net(theta, X)
    for z in Z.T:
        np.testing.assert_allclose(net(theta + 3.0 * z, X), y, rtol=0, atol=1e-11 * np.abs(y).max())


def test_no_samples_and_bad_arguments():
    net, theta = rk.kan([2, 1], 3, 2).initialize(np.random.default_rng(0), X)
    assert null_vectors(net, theta, X[:0]).shape[1] == 1
    unbound = rk.kan([2, 2, 1], 3, 2)
    refused(lambda: null_vectors(unbound, np.zeros(unbound.n_params), X), "not bound")


def test_more_than_memory_allows_is_said_before_it_is_tried(monkeypatch):
    monkeypatch.setattr("refkan.networks.hessians.memory.available_memory", lambda: 10_000)
    net, theta = rk.kan([2, 5, 1], 3, 4).initialize(np.random.default_rng(0), X)
    refused(lambda: null_vectors(net, theta, X), r"null space of 90 parameters needs .*; 10 kB are available")


# --- sabotage: each kind of vector, wrong by a sign, a factor or an index
