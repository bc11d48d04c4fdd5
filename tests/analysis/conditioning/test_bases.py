"""Spectra in another basis: the structure applied, never an evaluation there; growth as in the theory."""

import numpy as np
import pytest

import refkan as rk
from tests.analysis.conditioning.spectrum_problems import W, X, Y, falling, small
from tests.shared.factories import samples


@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
@pytest.mark.parametrize("which", ["gauss-newton", "ntk", "hessian"])
def test_another_basis_is_the_structure_applied(basis, which):
    problem, theta = small(node_map="mean-std")
    other = problem.net.to_basis(basis)
    twin = rk.LeastSquares(other, X, Y[:, :1], W)
    w = problem.net.convert(theta, other)
    found = rk.spectrum(problem, theta, which=which, basis=basis)
    matrix = {"gauss-newton": twin.gauss_newton, "ntk": twin.ntk, "hessian": twin.hessian}[which](w)
    atol = 1e-11 * found.largest  # the twin's matrix is evaluated in the ReLU basis
    np.testing.assert_allclose(found.values, falling(matrix)[: found.values.size], rtol=0, atol=atol)
    np.testing.assert_allclose(matrix @ found.vectors, found.vectors * found.values, rtol=0, atol=atol)
    assert found.rank == rk.spectrum(problem, theta, which=which).rank
    assert found.basis == basis
    # A network that is in that basis already has the same spectrum, as its own.
    own = rk.spectrum(twin, w, which=which)
    np.testing.assert_allclose(own.values[: own.rank], found.values[: found.rank], rtol=1e-6)
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
    assert rk.spectrum(problem, theta, method="eigsh", k=2).rank > 0


def test_natural_tails_differ_between_the_bases_and_are_evaluated():
    """Outside the domain the two bases are two functions: the ReLU network's own Jacobian is what counts."""
    net, theta = rk.kan([2, 1], 3, 4, basis="relu", outside="natural").initialize(np.random.default_rng(1), X)
    x = samples(60, reach=0.4)
    problem = rk.LeastSquares(net, x, np.zeros((60, 1)))
    found = rk.spectrum(problem, theta)
    assert "evaluated" in found.flags
    np.testing.assert_allclose(found.values, falling(problem.gauss_newton(theta)), rtol=0, atol=1e-12 * found.largest)


@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
def test_free_knots_in_another_basis(basis):
    net, theta = rk.kan([2, 3, 1], 3, 4, free_knots=True).initialize(np.random.default_rng(1), X)
    theta = theta + 0.05 * np.random.default_rng(2).standard_normal(theta.size)
    problem, other = rk.LeastSquares(net, X, Y[:, :1]), net.to_basis(basis)
    twin = rk.LeastSquares(other, X, Y[:, :1])
    found = rk.spectrum(problem, theta, basis=basis)
    expected = falling(twin.gauss_newton(net.convert(theta, other)))
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-11 * found.largest)
    np.testing.assert_allclose(rk.spectrum(twin, net.convert(theta, other)).values, found.values, atol=1e-9)


def quadrature(space):
    """Points and weights that integrate products of two splines exactly, N times the weights of the mean."""
    nodes, weights = np.polynomial.legendre.leggauss(space.order)
    t = space.breakpoints
    x = (t[:-1, None] + np.diff(t)[:, None] * (nodes + 1) / 2).ravel()
    w = (np.diff(t)[:, None] * weights / 2).ravel()
    return x[:, None], w * x.size


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_one_layer_gram_matrices_grow_as_in_the_theory(order):
    """Spline: bounded in n. ReLU: (dim + 1/2)^(2r); at r = 4, n = 64 that is 1e14. Weights make the Gram exact."""
    sizes, conditions = [], {"spline": [], "relu": []}
    for n in (16, 32, 64):
        net, theta = rk.kan([1, 1], order, n).initialize(np.random.default_rng(0), X[:, :1])
        x, w = quadrature(net.layers[0].spaces[0])
        problem = rk.LeastSquares(net, x, np.zeros_like(x), w)
        sizes.append(n + order - 1 + 0.5)
        for basis, values in conditions.items():
            values.append(rk.spectrum(problem, theta, basis=basis).condition)
    slope = np.polyfit(np.log(sizes), np.log(conditions["relu"]), 1)[0]
    assert abs(slope - 2 * order) < 0.02
    assert conditions["spline"][-1] < 1.1 * conditions["spline"][0]
