"""Networks of Chebyshev layers: null vectors, training, refinement by degree."""

from functools import cache

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning import null_vectors
from refkan.networks import chebyshev_kan
from refkan.training.multilevel import minimize_multilevel
from tests.shared.factories import NODE_MAPS, samples

POLICIES = ("linear", "polynomial")


X = samples(40)
Y = np.cos(6 * X[:, :1]) + X[:, 1:] ** 2


@cache
def trained(node_map="affine", outside="linear", degree=(4, 3)):
    """Return a problem and parameters after some large steps of Adam."""
    net, theta = chebyshev_kan([2, 3, 1], degree, node_map=node_map, outside=outside).initialize(
        np.random.default_rng(7), X
    )
    problem = rk.LeastSquares(net, X, Y)
    theta = rk.minimize(problem, theta, "adam", steps=40, learning_rate=0.02).theta
    theta.flags.writeable = False
    return problem, theta


@pytest.mark.parametrize("node_map", NODE_MAPS)
def test_null_vectors(node_map):
    """(P - 1) Q in each layer, two more for each hidden node where statistics undo shift and scale."""
    problem, theta = trained(node_map)
    Z = null_vectors(problem.net, theta, X)
    assert np.abs(problem.net.jacobian(theta, X) @ Z).max() < 1e-12
    assert Z.shape[1] == 3 + 2 + 6 * (node_map in ("mean-std", "min-max"))
    spectrum = rk.spectrum(problem, theta)
    assert spectrum.analytic_nullity == Z.shape[1] <= spectrum.nullity
    moved = null_vectors(problem.net, theta, X, translations=True)
    y = problem.net(theta, X)
    np.testing.assert_allclose(problem.net(theta + 3 * moved[:, 0], X), y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize("node_map", NODE_MAPS)
def test_refinement_leaves_trained_networks_unchanged(node_map, outside):
    problem, theta = trained(node_map, outside)
    net = problem.net
    x = np.concatenate([X, samples(40, seed=8, reach=0.3)])
    y = net(theta, x)
    for factor in (2, (1, 3)):
        fine = net.refine(factor)
        theta_fine = net.convert(theta, fine)
        assert np.abs(fine(theta_fine, x) - y).max() <= 1e-14 * np.abs(y).max()
        P = net.prolongation(fine)
        np.testing.assert_array_equal(P @ theta, theta_fine)
        assert P.shape == (fine.n_params, net.n_params)
        np.testing.assert_array_equal((P.T @ P).toarray(), np.eye(net.n_params))
        fine_problem = rk.LeastSquares(fine, X, Y)
        g, g_fine = problem.gradient(theta), fine_problem.gradient(theta_fine)
        np.testing.assert_allclose(P.T @ g_fine, g, rtol=0, atol=1e-13 * np.abs(g).max())
        H, H_fine = problem.gauss_newton(theta), fine_problem.gauss_newton(theta_fine)
        np.testing.assert_allclose(P.T @ H_fine @ P, H, rtol=0, atol=1e-12 * np.abs(H).max())


def test_refinement_multiplies_the_degree():
    net, theta = trained()[0].net, trained()[1]
    fine = net.refine((2, 3))
    assert [layer.degree for layer in fine.layers] == [8, 9]
    assert net.refine().refine().layers == net.refine(4).layers
    assert net.refine(1).layers == net.layers
    C = fine.unpack(net.convert(theta, fine))[0]["coefficients"]
    np.testing.assert_array_equal(C[:, :, :5], net.unpack(theta)[0]["coefficients"])
    assert not C[:, :, 5:].any()
    assert "Chebyshev of degree 8, Chebyshev of degree 9, maps: affine" in repr(fine)


def test_any_higher_degree_is_a_target():
    """Refinement multiplies; `convert` serves increments as well."""
    problem, theta = trained("none")
    other = chebyshev_kan([2, 3, 1], [5, 3], node_map="none")
    np.testing.assert_allclose(other(problem.net.convert(theta, other), X), problem.net(theta, X), rtol=0, atol=1e-14)


def test_multilevel_training_does_not_depend_on_splines():
    problem, theta = trained("mean-std")
    result = minimize_multilevel(problem, theta, schedule=[20, 20], method="lbfgs")
    assert [layer.degree for layer in result.network.layers] == [8, 6]
    assert result.theta.size == result.network.n_params
    coarse = rk.minimize(problem, theta, "lbfgs", steps=20)
    assert result.value < coarse.value
