"""Spectra in other units and other bases: what must not depend on them."""

from fractions import Fraction
from functools import cache

import mpmath
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning import modes
from refkan.analysis.conditioning.coordinate_frames import IDENTITY, Frame
from refkan.analysis.conditioning.null_space import (
    NEARLY_DEPENDENT,
    graded_orthonormal,
    independent,
    null_directions,
    null_vectors,
)
from refkan.networks.node_maps import AffineMap
from refkan.networks.node_maps.kinds import Unmapped
from tests.analysis.conditioning.spectrum_problems import W, X, Y, falling, small
from tests.shared.factories import samples
from tests.shared.refusals import refused

UNITS = {
    "one": (np.zeros(3), np.ones(3)),
    "temperature, pressure, strain": (np.array([250.0, 1e4, 0.0]), np.array([80.0, 1.9e5, 1e-3])),
    "lengths": (np.zeros(3), np.array([1e-8, 1e8, 1.0])),
    "the smallest between the others": (np.zeros(3), np.array([1e8, 1e-8, 1e2])),
    "two large, one small": (np.zeros(3), np.array([1e8, 1e8, 1e-8])),
}


def problem(units, samples=40, widths=(3, 1), order=4, intervals=3):
    U = np.random.default_rng(0).uniform(size=(samples, 3))
    low, length = UNITS[units]
    x = low + U * length
    net, theta = rk.kan(list(widths), order, intervals, domain="data").initialize(np.random.default_rng(1), x)
    return rk.LeastSquares(net, x, np.sin(U.sum(axis=1, keepdims=True))), theta


@cache
def exact_eigenvalues(units):
    """Of a problem with one layer, falling: J is rational, and its square is decomposed with 250 digits."""
    layer, _ = problem(units)
    net = layer.net.to_basis("relu")
    J = rk.truth.of(net, [0] * net.n_params, layer.x, Fraction).jacobian()
    H = [[sum(row[i] * row[j] for row in J) / len(J) for j in range(net.n_params)] for i in range(net.n_params)]
    with mpmath.workdps(250):
        matrix = mpmath.matrix([[mpmath.mpf(h.numerator) / h.denominator for h in row] for row in H])
        return np.array([float(value) for value in mpmath.eigsy(matrix, eigvals_only=True)])[::-1]


@pytest.mark.parametrize("which", ["gauss-newton", "ntk"])
@pytest.mark.parametrize("units", UNITS)
def test_both_ends_are_right_and_what_is_not_is_flagged(units, which):
    layer, theta = problem(units)
    spectrum, exact = rk.spectrum(layer, theta, which=which, basis="relu"), exact_eigenvalues(units)
    rank = layer.net.n_params - 2  # a constant moved between three edges
    assert spectrum.rank == rank
    assert spectrum.condition == pytest.approx(exact[0] / exact[rank - 1], rel=1e-12)
    off = np.abs(spectrum.values[:rank] / exact[:rank] - 1)
    assert (spectrum.flags == ("middle",)) == (units not in ("one", "two large, one small"))
    if units == "one":
        assert off.max() < 1e-12
    if not spectrum.flags:
        np.testing.assert_allclose(
            spectrum.vectors.T @ spectrum.vectors, np.eye(spectrum.values.size), rtol=0, atol=1e-13
        )
    # The sentence names the range of those that may be wrong; the others are right.
    words = spectrum.notes.get("middle", "0 eigenvalues between 1 and 1 may").split()
    count, low, high = int(words[0]), float(words[3]), float(words[5])
    doubtful = (spectrum.values[:rank] > low) & (spectrum.values[:rank] < high)
    assert np.sum(doubtful) == count
    assert off[~doubtful].max() < 2 * modes.UNRESOLVED
    if units == "lengths":
        assert off.max() > 0.9


def test_scaled_powers_need_no_doubt():
    layer, theta = problem("temperature, pressure, strain")
    of_scaled = rk.spectrum(layer, theta, basis="scaled-relu")
    assert of_scaled.flags == ()
    assert of_scaled.condition < 1e12


def test_two_layers_against_balls():
    pytest.importorskip("flint")
    network, theta = problem("temperature, pressure, strain", 60, (3, 2, 1))
    low, high = rk.exact.certified_gauss_newton_condition(network, theta, basis="relu")
    spectrum = rk.spectrum(network, theta, basis="relu").condition
    assert low * (1 - 1e-10) <= spectrum <= high * (1 + 1e-10)


def test_null_vectors_that_the_samples_alone_make_are_doubted():
    """With fewer samples than functions nothing but singular values tells where the null space is."""
    few, theta = problem("lengths", samples=9)
    assert "resolution" in rk.spectrum(few, theta, basis="relu").flags
    few, theta = problem("one", samples=9)
    assert "resolution" not in rk.spectrum(few, theta, basis="relu").flags


def test_directions_are_zero_where_their_symmetry_moves_nothing():
    network, theta = problem("one", widths=(3, 2, 1))
    Z = null_directions(network.net, theta, network.x)
    assert (np.count_nonzero(Z, axis=0) < network.net.n_params / 2).all()
    V = null_vectors(network.net, theta, network.x)
    np.testing.assert_allclose(V.T @ V, np.eye(V.shape[1]), rtol=0, atol=1e-14)
    assert np.linalg.norm(Z - V @ (V.T @ Z)) < 1e-13


def test_directions_that_share_large_entries_keep_their_small_ones():
    """(a, -b, 0) and (0, b, -c) with c far below eps b: the sum (a, 0, -c) is in their span."""
    a, b, c = 1e-22, 1e26, 1e-4
    Z = graded_orthonormal(np.array([[a, 0.0], [-b, b * (1 + 2**-52)], [0.0, -c]]))
    np.testing.assert_allclose(np.abs(Z), [[0.0, a / c], [1.0, c / b], [c / b, 1.0]], rtol=1e-14)
    np.testing.assert_allclose(Z.T @ Z, np.eye(2), rtol=0, atol=1e-15)


def test_columns_nearly_dependent_on_others_are_left_out(rng):
    vectors = rng.normal(size=(7, 3))
    nearly = vectors @ [1.0, 2.0, -1.0] + NEARLY_DEPENDENT / 100 * rng.normal(size=7)
    given = np.column_stack([vectors, nearly, np.zeros(7)])
    assert independent(given).shape == (7, 3)
    lengths = np.linalg.norm(given[:, :4], axis=0)
    for column in independent(given).T:
        assert np.abs(given[:, :4] / lengths - column[:, None]).max(axis=0).min() <= 1e-15


@pytest.mark.parametrize(("smallest", "doubtful"), [(1e-10, False), (1e-13, True)])
def test_null_directions_beside_small_singular_values_are_doubtful(smallest, doubtful):
    """Rounding turns them by eps s_1/s_n, here of unit vectors in their own coordinates."""
    V = np.eye(3)
    _, notes = modes._null_space(np.array([1.0, smallest]), V[:, :2], V[:, 2:], IDENTITY, None)
    assert ("resolution" in notes) == doubtful


@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
@pytest.mark.parametrize("which", ["gauss-newton", "ntk", "hessian"])
def test_another_basis_is_the_structure_applied(basis, which):
    problem, theta = small(node_map="mean-std")
    other = problem.net.to_basis(basis)
    twin = rk.LeastSquares(other, X, Y[:, :1], W)
    w = problem.net.convert(theta, other)
    spectrum = rk.spectrum(problem, theta, which=which, basis=basis)
    matrix = {"gauss-newton": twin.gauss_newton, "ntk": twin.ntk, "hessian": twin.hessian}[which](w)
    atol = 1e-11 * spectrum.largest  # the twin's matrix is evaluated in the ReLU basis
    np.testing.assert_allclose(spectrum.values, falling(matrix)[: spectrum.values.size], rtol=0, atol=atol)
    np.testing.assert_allclose(matrix @ spectrum.vectors, spectrum.vectors * spectrum.values, rtol=0, atol=atol)
    assert spectrum.rank == rk.spectrum(problem, theta, which=which).rank
    assert spectrum.basis == basis
    # A network that is in that basis already has the same spectrum, as its own.
    own = rk.spectrum(twin, w, which=which)
    np.testing.assert_allclose(own.values[: own.rank], spectrum.values[: spectrum.rank], rtol=1e-6)
    assert own.basis == basis
    back = rk.spectrum(twin, w, which=which, basis="spline")
    mine = rk.spectrum(problem, theta, which=which)
    np.testing.assert_allclose(back.values, mine.values, rtol=0, atol=1e-12 * mine.largest)


def test_null_vectors_come_in_the_coordinates_asked_for():
    problem, theta = small()
    relu = rk.spectrum(problem, theta, basis="relu")
    other = problem.net.to_basis("relu")
    J = other.jacobian(problem.net.convert(theta, other), X)
    Z = relu.null_vectors
    np.testing.assert_allclose(Z.T @ Z, np.eye(relu.analytic_nullity), rtol=0, atol=1e-13)
    assert np.abs(J @ Z).max() < 1e-12 * np.abs(J).max()


def test_nothing_is_evaluated_in_the_relu_basis(monkeypatch):
    problem, theta = small("relu")
    monkeypatch.setattr(rk.ReluLayer, "linearize", lambda *_, **__: pytest.fail("evaluated in the ReLU basis"))
    assert rk.spectrum(problem, theta).rank > 0


def test_natural_tails_differ_between_the_bases_and_are_evaluated():
    """Outside the domain the two bases are two functions: the ReLU network's own Jacobian is what counts."""
    net, theta = rk.kan([2, 1], 3, 4, basis="relu", outside="natural").initialize(np.random.default_rng(1), X)
    x = samples(60, reach=0.4)
    problem = rk.LeastSquares(net, x, np.zeros((60, 1)))
    spectrum = rk.spectrum(problem, theta)
    assert "evaluated" in spectrum.flags
    np.testing.assert_allclose(
        spectrum.values, falling(problem.gauss_newton(theta)), rtol=0, atol=1e-12 * spectrum.largest
    )


def test_free_knots_of_relu_powers_are_evaluated_as_well():
    net, theta = rk.kan([2, 3, 1], 3, 4, basis="relu", free_knots=True).initialize(np.random.default_rng(1), X)
    problem = rk.LeastSquares(net, X, Y[:, :1])
    spectrum = rk.spectrum(problem, theta)
    assert "evaluated" in spectrum.flags
    np.testing.assert_allclose(
        spectrum.values, falling(problem.gauss_newton(theta)), rtol=0, atol=1e-11 * spectrum.largest
    )


@pytest.mark.parametrize("first", ["spline", "relu", "scaled-relu"])
@pytest.mark.parametrize("basis", [None, "spline", "relu", "scaled-relu"])
def test_networks_of_several_bases(first, basis):
    """Their own coordinates are those of each layer; any other basis is that of all, the first layer's too."""
    space = rk.SplineSpace.uniform(3, 2)
    layers = [rk.SplineLayer((space,) * P, Q) for P, Q in ((2, 2), (2, 1))]
    layers = [layers[0].in_basis(first), layers[1].in_basis("relu" if first == "spline" else "spline")]
    net = rk.Network(tuple(layers), (AffineMap([0.1, 0.1], [0.5, 0.5]),))
    theta, x = np.random.default_rng(1).normal(size=net.n_params), np.random.default_rng(0).uniform(size=(30, 2))
    other = net if basis is None else net.to_basis(basis)
    expected = rk.LeastSquares(other, x, x[:, :1])
    at = net.convert(theta, other)
    problem = rk.LeastSquares(net, x, x[:, :1])
    for which, matrix in (("gauss-newton", expected.gauss_newton(at)), ("hessian", expected.hessian(at))):
        spectrum = rk.spectrum(problem, theta, which=which, basis=basis)
        certified = rk.exact.certified_spectrum(problem, theta, basis, which=which)
        assert spectrum.basis == certified.basis == basis
        np.testing.assert_allclose(spectrum.values[:8], falling(matrix)[:8], rtol=1e-8)
        largest = max((value.midpoint for value in certified.values), key=abs)
        np.testing.assert_allclose(largest, spectrum.values[0], rtol=1e-8)
        v = spectrum.vectors[:, 0]
        np.testing.assert_allclose(matrix @ v, spectrum.values[0] * v, atol=1e-9 * spectrum.largest)
    assert net.basis is None


def test_a_hessian_that_overflows_is_no_zero_matrix():
    """A range of 1e-160 is divided by, twice."""
    x = np.linspace(0.0, 1.0, 5)[:, None]
    net, theta = rk.chebyshev_kan([1, 1, 1], 2, node_map="min-max").initialize(np.random.default_rng(0), x)
    theta[:3] *= 1e-160
    with np.errstate(all="ignore"):
        refused(lambda: rk.spectrum(rk.LeastSquares(net, x, x), theta, which="hessian"), "matrix must be finite; got")


@pytest.mark.parametrize(("factor", "flagged"), [(0.6, False), (1.5, True)])
def test_null_directions_that_share_large_entries_are_flagged_at_the_margin(factor, flagged):
    """Of (0, h, 1) and (1, h, 0) in z rounding loses eps h in what tells them apart: more or less, by how they turn."""
    h = factor * modes.UNRESOLVED / modes.EPS
    inverse = np.array([[0.0, 0.0, 1.0, 0.0], [0.0, h, h, 1.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    B = np.linalg.inv(inverse)
    frame = Frame(*(lambda X, M=M: M @ X for M in (inverse, B, B.T, inverse.T)))
    assert ("resolution" in modes.factor_modes(np.eye(4)[[0, 3]], frame).notes) == flagged


def test_dense_layers_behind_relu_powers_are_evaluated():
    layers = (rk.ReluLayer((rk.SplineSpace.uniform(3, 2),), 2), rk.DenseLayer(2, 1, "tanh"))
    net, x = rk.Network(layers, (Unmapped(),)), np.linspace(0, 1, 20)[:, None]
    theta, problem = np.random.default_rng(1).normal(size=net.n_params), rk.LeastSquares(net, x, x)
    spectrum = rk.spectrum(problem, theta)
    assert "evaluated" in spectrum.flags
    np.testing.assert_allclose(spectrum.values[:4], falling(problem.gauss_newton(theta))[:4], rtol=1e-9)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("order", [2, 3, 4])
def test_knots_that_nearly_coincide_change_no_eigenvalue_of_one_sample(order, scaled):
    inner = [0.0, 1 / 3, 1 / 3 + 2.0**-50, 1.0]
    knots = np.r_[-np.arange(order - 1.0, 0.0, -1.0), inner, np.arange(2.0, order + 1)]
    net = rk.Network((rk.ReluLayer((rk.SplineSpace(knots, order),), 1, scaled=scaled),), ())
    for x in (0.1, 0.4, 0.7):
        problem = rk.LeastSquares(net, [[x]], [[1.0]])
        (certified,) = rk.exact.certified_spectrum(problem, np.ones(net.n_params)).values
        np.testing.assert_allclose(rk.spectrum(problem, np.ones(net.n_params)).values[0], certified.midpoint, rtol=1e-9)


@pytest.mark.parametrize(("apart", "flags"), [(1e-8, ("nullity",)), (2.0**-50, ("nullity", "resolution"))])
def test_knots_that_nearly_coincide(apart, flags):
    """With no sample between them the eigenvalues in ReLU powers do not depend on how near they are."""
    space = rk.SplineSpace([-2.0, -1.0, 0.0, apart, 0.5, 1.0, 2.0, 3.0], 3)
    net, x = rk.Network((rk.ReluLayer((space,), 1),), ()), np.random.default_rng(0).uniform(size=(12, 1))
    problem = rk.LeastSquares(net, x, x)
    spectrum, certified = rk.spectrum(problem, np.ones(5)), rk.exact.certified_spectrum(problem, np.ones(5))
    assert spectrum.flags == flags
    expected = [value.midpoint for value in certified.values]
    np.testing.assert_allclose(spectrum.values[:2], expected[:2], rtol=1e-6)
    assert (np.abs(spectrum.values[:4] / expected - 1).max() < 1e-6) == ("resolution" not in flags)
