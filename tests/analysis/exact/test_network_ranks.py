"""Exact ranks: the nullities of theory, case by case, and certificates that prove nothing."""

import flint
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning.null_space import null_vectors
from refkan.analysis.exact.ranks import ranks
from refkan.analysis.exact.ranks.network_rows import checked, rational_rows
from refkan.analysis.exact.ranks.null_directions import _lie_in, known_null_vectors
from refkan.analysis.exact.ranks.ranks import PRIMES, rank_of_matrix
from refkan.analysis.exact.spectra.rational import as_fractions
from refkan.base.errors import ConvergenceError
from refkan.networks.node_maps import AffineMap
from refkan.networks.node_maps.kinds import MeanStdMap
from tests.shared.refusals import refused


def problem(intervals=(4, 4), node_map="affine", samples=90, widths=(2, 5, 1), order=3, **options):
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(samples, widths[0]))
    net = rk.kan(list(widths), order, list(intervals), node_map=node_map, **options)
    net, theta = net.initialize(rng, x)
    return rk.LeastSquares(net, x, np.sin(x.sum(axis=1, keepdims=True))), theta


@pytest.mark.parametrize(
    ("intervals", "node_map", "nullity"),
    [((4, 4), "affine", 9), ((1, 3), "affine", 10), ((2, 1), "affine", 31), ((4, 4), "min-max", 19)],
)
def test_nullities_of_theory_are_theorems(intervals, node_map, nullity):
    rank = rk.exact.certified_rank(*problem(intervals, node_map, 100))
    assert rank.nullity == nullity
    assert rank.nullity >= rank.analytic_nullity
    assert len(rank.null_vectors) == nullity


def test_exact_ranks_see_samples_that_rounding_puts_on_a_tail():
    posed, theta = problem((2, 1), "min-max")
    posed = rk.LeastSquares(posed.net.freeze(theta), posed.x, posed.y)  # extreme activations on the ends, by rounding
    assert rk.spectrum(posed, theta).nullity == 31  # what float64 can see
    assert rk.exact.certified_rank(posed, theta).nullity < 31


@pytest.mark.parametrize("seed", range(3))
def test_frozen_maps_leave_extreme_activations_outside_by_rounding(seed):
    """B-splines do not sum to one an ulp outside under natural tails: neither count says that they do."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(40, 2))
    net = rk.kan([2, 2, 1], order=2, intervals=3, node_map="min-max", outside="natural")
    net, theta = net.initialize(rng, x)
    net = net.freeze(theta)
    posed = rk.LeastSquares(net, x, x[:, :1])
    rank = rk.exact.certified_rank(posed, theta)
    assert rk.spectrum(posed, theta).analytic_nullity <= rank.analytic_nullity <= rank.nullity < 4
    evaluation = rk.truth.of(net, theta, x, float)
    z = np.array(evaluation.network.sweep(evaluation.theta, evaluation.x).inputs[1])
    well = ((z > 0.01) & (z < 0.99)).all(axis=1)
    assert not well.all()
    inside = rk.LeastSquares(net, x[well], x[well, :1])
    assert rk.spectrum(inside, theta).analytic_nullity == 3 == rk.exact.certified_rank(inside, theta).analytic_nullity


def test_what_balls_or_rounding_leave_open_counts_as_outside():
    ends = flint.arb(0), flint.arb(1)
    assert _lie_in(ends, [flint.arb(0), flint.arb(0.5, 0.4)])
    assert not _lie_in(ends, [flint.arb(1, 1e-30)])
    net = rk.kan([2, 2, 1], order=2, intervals=1, node_map="none", outside="natural")
    x = np.array([[0.2, 0.4], [0.6, 0.7]])
    for size, count in ((0.0, 3), (1e10, 2)):  # activations 1/2, of terms that cancel
        theta = np.concatenate([np.tile([size, size, 0.5 - size, 0.5 - size], 2), np.ones(4)])
        assert null_vectors(net, theta, x).shape[1] == count


def test_moduli_are_primes():
    assert all(flint.fmpz(prime).is_prime() for prime in PRIMES)


def test_an_unlucky_prime_is_given_up(monkeypatch):
    monkeypatch.setattr("refkan.analysis.exact.ranks.ranks.PRIMES", (5, 2**61 - 1))
    rank = rank_of_matrix(flint.fmpz_mat([[1, 2], [3, 11]]))  # determinant 5
    assert (rank.rank, rank.prime) == (2, 2**61 - 1)


def test_matrices_without_rows_entries_or_null_vectors():
    assert rank_of_matrix(flint.fmpz_mat([[0, 0]])).nullity == 2
    assert rank_of_matrix(flint.fmpz_mat([[1, 0], [0, 1]])).null_vectors == []


def test_rows_of_irrational_networks_say_what_to_do():
    refused(lambda: rational_rows(checked(*problem(node_map="mean-std"))), "net must have rational")


def test_in_balls_a_wrong_list_of_null_vectors_is_noticed(monkeypatch):
    posed, theta = problem((2, 3), "mean-std", widths=(2, 2, 1), samples=60)
    right = ranks.known_null_vectors(checked(posed, theta))
    short = flint.fmpq_mat([row[1:] for row in right.tolist()])
    monkeypatch.setattr(ranks, "known_null_vectors", lambda posed: short)
    bounds = rk.exact.certified_rank(posed, theta)
    M = posed.net.n_params
    assert (bounds.low, bounds.high, bounds.rank_by) == (M - right.ncols(), M - right.ncols() + 1, "theory")
    for name in ("rank", "nullity"):
        with pytest.raises(ConvergenceError, match=r"lies in \[\d+, \d+\] .*net\.freeze\(theta\)"):
            getattr(bounds, name)
    right[0, 0] += flint.fmpq(1, 2**60)
    monkeypatch.setattr(ranks, "known_null_vectors", lambda posed: right)
    refused(lambda: rk.exact.certified_rank(posed, theta), "ConvergenceError: J Z is proven not to be zero")


def test_in_balls_a_minor_of_all_rows_proves_that_the_rank_is_their_number():
    posed, theta = problem((2, 3), "mean-std", widths=(2, 2, 1), samples=10)
    rank = rk.exact.certified_rank(posed, theta)
    assert (rank.rank, rank.rank_by, rank.rows) == (10, "rows", tuple(range(10)))
    assert rank.nullity == posed.net.n_params - 10 > rank.analytic_nullity == len(rank.null_vectors)
    float_rank = np.linalg.matrix_rank(posed.net.jacobian(theta, posed.x).reshape(10, -1))
    assert float_rank == rank.rank
    same = rk.LeastSquares(posed.net, posed.x[[*range(9), 0]], posed.y[[*range(9), 0]])
    bounds = rk.exact.certified_rank(same, theta)
    assert (bounds.low, bounds.high) == (9, 10)
    spectrum = rk.exact.certified_spectrum(posed, theta)
    assert (spectrum.rank, spectrum.rank_by, spectrum.nullity) == (10, "rows", posed.net.n_params - 10)
    refused(lambda: rk.exact.certified_spectrum(same, theta), "ConvergenceError: prove that the rank is 10, the number")


def test_in_balls_samples_that_lie_on_a_knot_are_left_out_of_the_minor():
    """The node is 1/2 + silu(x1) - silu(x2), a knot where x1 = x2, and no ball decides on which side of it."""
    rng = np.random.default_rng(0)
    x = np.array([[0.3, 0.3], *rng.uniform(size=(12, 2))])
    net, theta = rk.kan([2, 1, 1], 2, 2, edge="silu", node_map="none").initialize(rng, x)
    theta[:10] = [0.5, 0.5, 0.5, 0, 0, 0, 1, -1, 1, 1]
    posed = rk.LeastSquares(net, x, x[:, :1])
    certificate = rk.exact.certified_rank(posed, theta)
    assert certificate.rank == rk.spectrum(posed, theta).rank
    assert 0 not in certificate.rows
    few = rk.exact.certified_rank(rk.LeastSquares(net, x[:2], x[:2, :1]), theta)
    assert (few.low, few.high, few.rows) == (1, 2, (1,))


def test_in_balls_constants_on_natural_tails_are_left_out_where_a_sample_lies_on_a_knot():
    """Whether the first sample's node is inside no ball decides; without it all constants count."""
    rng = np.random.default_rng(0)
    x = np.array([[0.3, 0.3], *rng.uniform(0.2, 0.8, size=(12, 2))])
    net = rk.kan([2, 1, 1], 2, 2, edge="silu", node_map="none", outside="natural")
    theta = np.array([0.5, 0.5, 0.5, 0, 0, 0, 1, -1, 1, 1, 1, 2, 4, 1, 1])
    all_, others = (rk.exact.certified_rank(rk.LeastSquares(net, rows, rows[:, :1]), theta) for rows in (x, x[1:]))
    assert all_.low == others.low
    assert (all_.analytic_nullity, others.analytic_nullity) == (3, 4)  # three edges with SiLU; and a constant moved


@pytest.mark.parametrize(
    ("unit", "first", "second", "low"),
    [(1e-300, 1e-300, 1e-300, 3), (1e10, 1e-10, 1e300, 3), (1e100, 1e100, 1e100, 3), (1e300, 1e300, 1e300, 0)],
)
def test_in_balls_ranks_do_not_depend_on_what_float64_holds(unit, first, second, low):
    """Of three rows: entries below or above all floats, of which few bits say nothing, and of which no bits do."""
    net = rk.kan([1, 1, 1], 2, 1, edge="silu", node_map="none", outside="linear")
    x = unit * np.array([[1.0], [0.7], [0.3]])
    theta = np.random.default_rng(0).uniform(0.5, 1.0, 8) * np.repeat([first, second], 4)
    rank = rk.exact.certified_rank(rk.LeastSquares(net, x, 0 * x), theta)
    assert (rank.low, rank.high) == (low, 3)


@pytest.mark.parametrize(("samples", "by"), [(3, "rows"), (4, "theory")])
def test_as_many_rows_as_theory_leaves_parameters_prove_the_rank(samples, by):
    """Of four parameters, with one null vector."""
    net, x = rk.kan([1, 1], 2, 1, edge="silu"), np.linspace(0.1, 0.9, samples)[:, None]
    spectrum = rk.exact.certified_spectrum(rk.LeastSquares(net, x, 0 * x), np.array([1.0, 2.0, 0.5, 1.5]))
    assert (spectrum.rank, spectrum.nullity, spectrum.rank_by) == (3, 1, by)


def test_a_silu_edge_that_is_zero_in_both_factors_gives_no_null_vector():
    """d(w_s C) = 0 along (C, -w_s), which is zero there."""
    net, x = rk.kan([1, 2], 2, 1, edge="silu"), np.linspace(0, 1, 5)[:, None]
    theta = np.array([0.0, 0.0, 1.0, 2.0, 1.0, 1.0, 0.0, 1.0])  # C of both edges, w_b, w_s
    Z = known_null_vectors(checked(rk.LeastSquares(net, x, np.zeros((5, 2))), theta))
    assert np.array(as_fractions(Z), float).T.tolist() == [[0, 0, 1, 2, 0, 0, 0, -1]]


def test_bad_arguments():
    posed, theta = problem()
    ends = rk.Collocation(posed.net, rk.prescribed("ends", posed.x, 0.0))
    refused(lambda: rk.exact.certified_rank(ends, theta), "TypeError: problem must be a LeastSquares of a network")
    with pytest.raises(ValueError, match="positive weight"):
        rk.exact.certified_rank(rk.LeastSquares(posed.net, posed.x, posed.y, np.zeros(90)), theta)


NETWORKS = {
    "natural": lambda: rk.kan([2, 2, 1], 3, 2, outside="natural"),
    "relu": lambda: rk.kan([2, 2, 1], 3, 2, basis="relu"),
    "scaled-relu": lambda: rk.kan([2, 3, 2], 2, 2, basis="scaled-relu", node_map="min-max"),
    "chebyshev": lambda: rk.chebyshev_kan([2, 2, 1], 3, node_map="affine"),
    "mean-std": lambda: rk.kan([2, 2, 2], 2, 3, node_map="mean-std"),
    "silu": lambda: rk.kan([2, 2, 1], 3, 2, edge="silu"),
    "silu, mean-std": lambda: rk.kan([2, 2, 1], 3, 2, edge="silu", node_map="mean-std"),
    "free": lambda: rk.kan([2, 2, 1], 3, 2, free_knots=True),
    "free relu": lambda: rk.kan([2, 1, 1], 3, 2, free_knots=True, basis="relu"),
    "ramps": lambda: rk.mlp([2, 3, 2], "relu"),
    "cubes": lambda: rk.mlp([2, 3, 2], "relu3"),
    "tanh": lambda: rk.mlp([2, 3, 2], "tanh"),
    "dense, mean-std": lambda: dense_before_a_map("identity"),
    "dense without bias, mean-std": lambda: dense_before_a_map("identity", bias=False),
    "tanh, mean-std": lambda: dense_before_a_map("tanh"),
    "natural before linear tails": lambda: tails("natural", "linear"),
    "linear before natural tails": lambda: tails("linear", "natural"),
}


def tails(*kinds):
    nets = [rk.kan(widths, 3, 2, outside=kind) for widths, kind in zip(([2, 2], [2, 1]), kinds, strict=True)]
    return rk.Network(tuple(net.layers[0] for net in nets), (AffineMap(),))


def dense_before_a_map(activation, bias=True):
    """A map undoes constants of its nodes, which linear layers with a bias alone can add."""
    layers = rk.DenseLayer(2, 3, activation, bias=bias), rk.kan([3, 1], 2, 2).layers[0]
    return rk.Network(layers, (MeanStdMap(),))


@pytest.mark.parametrize("name", NETWORKS)
def test_null_vectors_of_theory_are_as_many_as_in_float64_and_true(name):
    """Two lists that share no code have as many; J z = 0 on every one, and H z = 0 of those that do not move."""
    rng = np.random.default_rng(7)
    x = rng.uniform(size=(40, 2))
    net, theta = NETWORKS[name]().initialize(rng, x)
    theta = theta + 0.01 * rng.normal(size=theta.size) * (net.basis is not None)
    posed = rk.LeastSquares(net, x, np.sin(3 * x[:, :1]) + np.zeros((1, net.widths[-1])))
    Z, still = (known_null_vectors(checked(posed, theta), translations) for translations in (False, True))
    columns = np.array(as_fractions(Z), float).reshape(net.n_params, Z.ncols())
    unlisted = int(name == "free relu")  # a constant moved between edges, whose coefficients are no rational numbers
    assert Z.ncols() == null_vectors(net, theta, x).shape[1] - unlisted
    J = net.jacobian(theta, x)
    assert np.abs(J @ columns).max(initial=0) <= 1e-11 * np.abs(J).max() * np.abs(columns).max(initial=0)
    assert still.ncols() <= Z.ncols()
    if still.ncols() and "free" not in name:
        columns = np.array(as_fractions(still), float)
        H = posed.hessian(theta)
        assert np.abs(H @ columns).max() <= 1e-10 * np.abs(H).max() * np.abs(columns).max()


def test_every_hidden_node_of_a_deep_network_has_a_null_vector():
    """Its weights times c, those that it goes on with over c: of ReLU networks all hidden layers have such."""
    rng = np.random.default_rng(4)
    net, x = rk.mlp([1, 2, 2, 1], "relu"), rng.uniform(-1, 1, (30, 1))
    proven = rk.exact.certified_rank(rk.LeastSquares(net, x, x), np.abs(rng.normal(size=net.n_params)))
    assert (proven.analytic_nullity, proven.null.ncols()) == (4, net.n_params - proven.high)
    assert proven.low == proven.high
