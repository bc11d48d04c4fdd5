"""Margins of ranks and methods, preconditioners; analytic null vectors: as many as the theory counts, and noticed."""

from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning import coordinate_frames, modes
from refkan.analysis.conditioning.coordinate_frames import IDENTITY
from refkan.analysis.conditioning.modes import (
    factor_modes,
    numerical_rank,
    rounding_level,
    symmetric_modes,
)
from refkan.analysis.conditioning.null_space import DOUBT, null_vectors
from refkan.analysis.conditioning.spectra import CLEAR_GAP, doubts
from refkan.networks.layers import DenseLayer
from refkan.networks.node_maps.kinds import MeanStdMap, Unmapped
from tests.analysis.conditioning.spectrum_problems import X, falling, small
from tests.shared.draws import within
from tests.shared.factories import EVERY_NETWORK, MLP_KINDS, NetworkCase, name, samples
from tests.shared.refusals import refused
from tests.shared.tables import each_row

ABOVE, BELOW = 1 + 1e-9, 1 - 1e-9
CLEAR = {"size": 4, "rank": 3, "analytic": 1, "gap": 1e12, "noise": 1e-15, "rows": 9}
VALUES = np.array([4.0, 2.0, 1.0, 0.0])


@each_row(
    "values, changes, flags",
    (VALUES, {}, ()),
    (VALUES, {"gap": CLEAR_GAP}, ()),
    (VALUES, {"gap": CLEAR_GAP * BELOW}, ("gap",)),
    (VALUES, {"noise": 1 / CLEAR_GAP * BELOW}, ()),
    (VALUES, {"noise": 1 / CLEAR_GAP * ABOVE}, ("resolution",)),
    (VALUES, {"noise": 0.0}, ()),
    (VALUES, {"analytic": 0}, ("nullity",)),
    (VALUES, {"analytic": None}, ()),
    (VALUES, {"analytic": None, "rank": 4, "noise": 1e-300}, ("resolution",)),
    # one value less than the rank: the known null space takes it out, whatever it is
    (np.array([4.0, 2.0, 1.0, 1e-14]), {"rank": 4}, ("nullity",)),
    (np.array([4.0, 2.0, 1.0, -1e-14]), {"rank": 4}, ("nullity",)),
    (np.array([4.0, 2.0, -1.0, 0.0]), {}, ("indefinite",)),
    (np.array([4.0, 2.0, -1.0, 0.0]), {"noise": 1e-2}, ("resolution", "indefinite")),
    (VALUES, {"rank": 0, "gap": 1.0}, ("zero",)),
)
def test_each_flag_alone(values, changes, flags):
    assert tuple(doubts(values, **{**CLEAR, **changes})) == flags


def test_the_flag_of_the_nullity_says_why():
    more = doubts(VALUES, **{**CLEAR, "analytic": 0})["nullity"]
    assert "on top of it 1 from the data" in more
    assert "rows only" not in more
    assert "4 of them" not in doubts(VALUES, **{**CLEAR, "analytic": 0, "rows": 4})["nullity"]
    assert "1 of them because J has 3 rows only" in doubts(VALUES, **{**CLEAR, "analytic": 0, "rows": 3})["nullity"]
    # of four columns two are null by theory, and two rows leave no more than two others: rows have no part in it
    few = doubts(VALUES, **{**CLEAR, "rank": 1, "analytic": 2, "rows": 2})["nullity"]
    assert "on top of it 1 from the data" in few
    assert "rows only" not in few
    assert "rounding hides 1" in doubts(VALUES, **{**CLEAR, "analytic": 2})["nullity"]


@pytest.mark.parametrize("size", [1, 40, 5000])
def test_the_numerical_rank_at_its_margin(size):
    level = rounding_level(size)
    assert level == 8 * (size + 10) * np.finfo(float).eps
    for factor, rank in ((ABOVE, 2), (1.0, 1), (BELOW, 1)):
        ranks, gap = numerical_rank(np.array([3.0, 3.0 * level * factor, 0.0]), size)
        assert ranks == rank
        assert gap == pytest.approx(np.inf if rank == 2 else 1 / (level * factor))
    assert np.isnan(numerical_rank(np.zeros(2), size)[1])


def test_two_lists_of_eigenvalues_meet_where_both_are_resolved():
    level = rounding_level(4)
    direct = np.array([1.0, 1e-3, 1e-5, 1e-9])
    assert modes._cut(direct, np.array([1.0, 1e-3, 1e-5, 1e-9])) == 2  # above 1e-4.5, the geometric mean
    assert modes._cut(np.array([1.0, 1e-4, 1e-4, 1e-8]), np.array([1.0, 1e-4, 1e-4, 1e-8])) == 3  # at the mean too
    # the mean lies below what rounding leaves of the first list: the second one takes over
    small = np.array([1.0, level * ABOVE, level * BELOW, 1e-16])
    assert modes._cut(small, np.array([1.0, 1e-12, 1e-14, 1e-40])) == 2
    assert modes._cut(small, np.array([1.0, 1e-12, 1e-14, 1e-14])) == 1
    assert modes._cut(np.array([1.0]), np.array([3.0])) == 1  # the largest one whatever the second list says


def test_values_far_from_both_ends_are_flagged_at_the_margin():
    level = modes.EPS * 10.0 / modes.UNRESOLVED
    assert modes._middle(np.array([1.0, level]), 1, 10.0) == {}  # low = 1
    for factor, flagged in ((ABOVE, True), (BELOW, False)):
        least = level**2 / 1.5 * BELOW  # low = 2/3 level, high = level
        text = modes._middle(np.array([1.0, level * factor / 1.5, least]), 2, 10.0)
        assert bool(text) == flagged
    text = modes._middle(np.array([1.0, 1e-6, 1e-12]), 2, 1e9)["middle"]
    low, high = 1e-12 / (modes.EPS * 1e12), modes.EPS * 1e12
    assert text.startswith(f"1 eigenvalues between {low**2:.2g} and {high**2:.2g} ")


@pytest.mark.parametrize(("factor", "flagged"), [(0.9, False), (1.1, True)])
def test_null_directions_from_singular_values_are_flagged_at_the_margin(factor, flagged):
    """J = (e_1, e_2/2, e_3/8)^T in z = theta/s: the errors of e_4 and e_5 are 8 eps sqrt(3) s_4, s_5."""
    J, I = np.eye(5)[:3] / [[1.0], [2.0], [8.0]], np.eye(5)
    scale = np.array([1.0, 1.0, 1.0, 1.0, factor * modes.UNRESOLVED / (8 * modes.EPS * np.sqrt(3.0))])
    kernel, squared = partial(factor_modes, kernel=True), lambda J, *rest: symmetric_modes(J.T @ J, *rest)
    for compute in (factor_modes, kernel, squared):
        eighth = 8.0 if compute is squared else 1.0  # J^T J squares it
        own_modes = compute(J, IDENTITY.scaled(scale / [1, 1, 1, 1, eighth]))
        assert ("resolution" in own_modes.notes) == flagged
        known = compute(J, IDENTITY.scaled(scale), I[:, 3:])
        assert "resolution" not in known.notes


def inverse_of_the_inner_product(problem, basis="relu"):
    """B B^T with theta = B w: (A A^T)^-1, from columns of the public coordinates."""
    B = np.stack([problem.net.coordinates(basis).back(e) for e in np.eye(problem.net.n_params)], axis=1)
    return B @ B.T


def test_descent_in_another_geometry_is_a_preconditioner():
    problem, theta = small()
    there = rk.spectrum(problem, theta, basis="relu")
    here = rk.spectrum(problem, theta, preconditioner="relu")
    np.testing.assert_array_equal(here.values, there.values)
    C = inverse_of_the_inner_product(problem)
    A = [rk.ChangeOfBasis(layer.spaces[0]).dense() for layer in problem.net.layers]
    first = A[0].shape[0]
    np.testing.assert_allclose(C[:first, :first], np.linalg.inv(A[0] @ A[0].T), rtol=1e-10)


@pytest.mark.parametrize("basis", [None, "relu"])
@pytest.mark.parametrize("preconditioner", ["relu", "jacobi", "diagonal", "spline"])
def test_modes_under_every_preconditioner(basis, preconditioner):
    problem, theta = small()
    G = problem.gauss_newton(theta)
    B = np.eye(theta.size)
    if basis is not None:
        B = np.stack([problem.net.coordinates(basis).back(e) for e in B], axis=1)
    H = B.T @ G @ B
    if preconditioner in ("relu", "spline"):
        T = np.stack([problem.net.coordinates(preconditioner).back(e) for e in np.eye(theta.size)], axis=1)
        S = np.linalg.solve(B, T)
        C = S @ S.T
    else:
        d = 1 / np.diag(H) if preconditioner == "jacobi" else np.linspace(1.0, 2.0, theta.size)
        C = np.diag(d)
    given = np.diag(C) if preconditioner == "diagonal" else preconditioner
    spectrum = rk.spectrum(problem, theta, basis=basis, preconditioner=given)
    _assert_modes(spectrum, C, H, tolerance=1e-9)


def _assert_modes(found, C, H, tolerance=1e-11):
    V, D = found.vectors, found.dual_vectors
    scale = np.linalg.norm(C, 2) * np.linalg.norm(H, 2) * np.linalg.norm(V, 2)
    np.testing.assert_allclose(C @ (H @ V), V * found.values, rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose(D.T @ V, np.eye(V.shape[1]), rtol=0, atol=1e-7)
    np.testing.assert_allclose(C @ D, V, rtol=0, atol=tolerance * np.linalg.norm(C, 2) * np.linalg.norm(D, 2))
    expected = np.sort(np.linalg.eigvals(C @ H).real)[::-1]
    np.testing.assert_allclose(found.values[:10], expected[:10], rtol=1e-7)


def test_a_preconditioner_that_is_not_positive_is_refused_by_its_first_entry():
    problem, theta = small()
    entries = np.where(np.isin(np.arange(theta.size), (3, 5)), -2.0, 0.5)
    refused(lambda: rk.spectrum(problem, theta, preconditioner=entries), r"got preconditioner\[3\] = -2.0")
    refused(lambda: coordinate_frames._positive_diagonal(entries), "entry 3 is -2")


def test_jacobi_leaves_parameters_that_nothing_depends_on():
    """Basis functions without data have a zero diagonal: they stay in the null space, and nothing is divided by 0."""
    net, theta = rk.kan([1, 1], 2, 8).initialize(np.random.default_rng(0), X[:, :1])
    x = np.linspace(0.0, 0.5, 40)[:, None]
    problem = rk.LeastSquares(net, x, np.zeros_like(x))
    spectrum = rk.spectrum(problem, theta, preconditioner="jacobi")
    assert (spectrum.nullity, spectrum.analytic_nullity, spectrum.flags) == (4, 0, ("nullity",))
    assert spectrum.condition < rk.spectrum(problem, theta).condition


def test_kernels_can_be_preconditioned():
    problem, theta = small()
    C = inverse_of_the_inner_product(problem)
    J = problem.jacobian(theta)
    spectrum = rk.spectrum(problem, theta, which="ntk", preconditioner="relu")
    K = J @ C @ J.T
    np.testing.assert_allclose(
        spectrum.values, falling(K)[: spectrum.values.size], rtol=0, atol=1e-11 * spectrum.largest
    )
    np.testing.assert_allclose(
        K @ spectrum.vectors, spectrum.vectors * spectrum.values, rtol=0, atol=1e-11 * spectrum.largest
    )


POINTS = samples(60)


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
    net, theta = case.start(POINTS)
    Z = null_vectors(net, theta, POINTS)
    np.testing.assert_allclose(Z.T @ Z, np.eye(Z.shape[1]), rtol=0, atol=1e-13)
    # In the ReLU-power basis J itself is off by eps n^(r-1) C_r of its largest entries: relative to them.
    error = relative_error(net, theta, POINTS, Z)
    assert within(error, 1e-12, "J Z on the null space known from the structure")
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
    net, theta = rk.kan([2, 1], 3, 2, edge="silu").initialize(np.random.default_rng(0), POINTS)
    blocks = net.unpack(theta)[0]
    assert null_vectors(net, theta, POINTS).shape[1] == 1 + 2
    blocks = {k: v.copy() for k, v in blocks.items()}
    blocks["w_s"][0, 1] = 0.0
    blocks["coefficients"][0, 1] = 0.0
    theta = net.layers[0].pack(**blocks)
    Z = null_vectors(net, theta, POINTS)
    assert Z.shape[1] == 1
    assert relative_error(net, theta, POINTS, Z) < 1e-13


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
    [(3.0, True), (0.9, False), (0.3, False), (-1e5, False), (0.5 / DOUBT, True)],
    ids=["in", "doubt", "cancelled", "out", "half"],
)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("size", [1.0, 100.0])
def test_hidden_activations_are_inside_where_rounding_leaves_no_doubt(at, inside, side, size):
    """Constant activations, one of them so many times the doubt from an end, of contributions of a size that cancel."""
    net = rk.kan([2, 2, 1], 3, 3, node_map="none", outside="natural")
    offset = at * DOUBT * (1.0 if at == 0.9 else size)
    value = abs(side - offset) if at < 0.4 / DOUBT else 0.5
    if at < 0:
        value = side + (1 if side else -1) * 1e-3
    C = np.empty((2, 2, 5))
    C[:, 0], C[:, 1] = np.array([[0.25], [value + size]]), np.array([[0.25], [-size]])
    theta = np.concatenate([C.ravel(), np.linspace(1.0, 2.0, 10)])
    in_the_first_layer, in_the_second = 2, 1
    Z = null_vectors(net.initialize(np.random.default_rng(0), POINTS)[0], theta, POINTS)
    translations = [z for z in Z.T if np.abs(z[20:]).max() > 1e-6 and np.abs(z[:20]).max() < 1e-6]
    assert Z.shape[1] == in_the_first_layer + in_the_second * inside
    assert len(translations) == inside or Z.shape[1] == 3


def test_mixed_networks_offer_what_their_parts_can():
    """A spline layer, a dense one and node maps of three kinds: each pair by its own members."""
    spline = rk.kan([2, 3], 3, 3).layers[0]
    layers = (spline, DenseLayer(3, 4, "identity"), DenseLayer(4, 2, "relu3"), DenseLayer(2, 1, bias=False))
    net = rk.Network(layers, (Unmapped(), MeanStdMap(), Unmapped()))
    net, theta = net.initialize(np.random.default_rng(3), POINTS)
    theta += 0.1 * np.random.default_rng(4).standard_normal(theta.size)
    Z = null_vectors(net, theta, POINTS)
    constants, splines_scaled, shifted, scaled, neurons = 3, 3, 4, 4, 2
    assert Z.shape[1] == constants + splines_scaled + shifted + scaled + neurons
    assert relative_error(net, theta, POINTS, Z) < 1e-13


@pytest.mark.parametrize("kind", ["spline", "relu", "silu"])
@pytest.mark.parametrize("node_map", ["affine", "mean-std"])
def test_along_translations_the_network_does_not_change_at_all(kind, node_map):
    """They are straight lines: the network is the same after a long step; and vectors that move with theta are not."""
    case = NetworkCase(kind, node_map, free_knots=kind == "spline")
    net, theta = case.start(POINTS)
    Z = null_vectors(net, theta, POINTS, translations=True)
    layers, hidden = (2 - 1) * 3 + (3 - 1) * 2, 3
    shifts = hidden if node_map == "mean-std" else 0
    expected = {"spline": layers + shifts + 5, "relu": layers + shifts, "silu": 0}[kind]
    assert Z.shape[1] == expected
    y = net(theta, POINTS)
    for z in Z.T:
        np.testing.assert_allclose(net(theta + 3.0 * z, POINTS), y, rtol=0, atol=1e-11 * np.abs(y).max())


def test_no_samples_and_bad_arguments():
    net, theta = rk.kan([2, 1], 3, 2).initialize(np.random.default_rng(0), POINTS)
    assert null_vectors(net, theta, POINTS[:0]).shape[1] == 1
    unbound = rk.kan([2, 2, 1], 3, 2)
    refused(lambda: null_vectors(unbound, np.zeros(unbound.n_params), POINTS), "not bound")


def test_more_than_memory_allows_is_said_before_it_is_tried(monkeypatch):
    monkeypatch.setattr("refkan.networks.hessians.memory.available_memory", lambda: 10_000)
    net, theta = rk.kan([2, 5, 1], 3, 4).initialize(np.random.default_rng(0), POINTS)
    refused(lambda: null_vectors(net, theta, POINTS), r"null space of 90 parameters needs .*; 10 kB are available")


# --- sabotage: each kind of vector, wrong by a sign, a factor or an index
