"""O1 and O3: a layer's Hessian and that of Gaussians by other formulas, what they rest on, and what refutes them."""

import numpy as np
import pytest

import refkan as rk
from tests.networks.layers.layer_laws import complex_jacobians
from tests.shared.factories import EPS
from validation.literature.placed_knots import grid_extension
from validation.literature.placed_knots.gaussian_width import GaussianLayer, condition, features, one_layer
from validation.literature.single_layer_hessian import hessian, layer_cases
from validation.statements import RunSize

pytest.importorskip("flint")


def test_the_layer_is_its_formula_and_its_sweeps_those_of_complex_steps():
    layer, rng = GaussianLayer(2, 3, 5, 0.3), np.random.default_rng(0)
    theta, x = rng.normal(size=layer.n_params), rng.uniform(size=(6, 2))
    y, J, J_x = complex_jacobians(layer, theta, x)
    C = theta.reshape(3, 2, 5)
    rows = np.exp(-(((x[:, :, None] - np.arange(5) / 4) / 0.3) ** 2))
    np.testing.assert_allclose(y, np.einsum("qpg,spg->sq", C, rows), rtol=0, atol=1e-13)
    dy = rng.normal(size=y.shape)
    dtheta, dx = layer.linearize(theta, x).pullback(dy)
    np.testing.assert_allclose(dtheta, np.einsum("sq,sqm->m", dy, J), rtol=0, atol=1e-12)
    np.testing.assert_allclose(dx, np.einsum("sq,sqp->sp", dy, J_x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("s", [0.5, 1.0, 2.0])
def test_condition_is_that_of_the_features_at_gauss_points(s):
    x, w = np.polynomial.legendre.leggauss(200)
    singular = np.linalg.svd(np.sqrt(w / 2)[:, None] * features((x + 1) / 2, 12, s), compute_uv=False)
    low, high = condition(12, s)
    assert low <= high <= low * (1 + 1e-9)
    assert low == pytest.approx((singular[0] / singular[-1]) ** 2, rel=1e-6)


def test_condition_approaches_that_of_the_whole_line():
    """exp(pi^2 s^2/2)/2, by Poisson's summation formula, from below as G grows."""
    limit = np.exp(np.pi**2 / 2) / 2
    found = [condition(G, 1.0)[0] for G in (8, 16, 32)]
    assert found[0] < found[1] < found[2] < limit * 1.01
    assert found[2] > 0.8 * limit


def test_wide_gaussians_beat_narrow_ones_on_a_smooth_function():
    errors = [one_layer(np.float64, "smooth", 8, s, 0, RunSize(samples=200)) for s in (0.25, 1.0, 3.0)]
    assert errors[0] > 10 * errors[1] > 10 * errors[2]


def test_hessian_is_that_of_a_network_on_a_product_of_gauss_points():
    space = rk.SplineSpace.uniform(3, 4)
    x, w = rk.bsplines.gauss_points(space)
    points = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    net = rk.kan([2, 1], 3, 4)
    weights = np.multiply.outer(w, w).ravel() * len(points)
    problem = rk.LeastSquares(net, points, np.zeros((len(points), 1)), weights=weights)
    theta = np.zeros(net.n_params)
    exact = hessian(space, 2)
    expected = np.array([[float(exact[i, j].p) / float(exact[i, j].q) for j in range(12)] for i in range(12)])
    np.testing.assert_allclose(problem.gauss_newton(theta), expected, rtol=0, atol=100 * EPS * expected.max())
    spectrum = rk.spectrum(problem, theta)
    (case,) = layer_cases(2, 4, (2,))
    assert spectrum.nullity == case["nullity"] == 1
    assert spectrum.condition == pytest.approx(case["condition"][0], rel=1e-9)


def test_the_decomposition_gives_the_eigenvalues_of_the_whole_matrix():
    space = rk.SplineSpace.uniform(2, 5)
    exact = hessian(space, 3)
    n = 3 * space.dim
    values = np.linalg.eigvalsh([[float(exact[i, j].p) / float(exact[i, j].q) for j in range(n)] for i in range(n)])
    (case,) = layer_cases(1, 5, (3,))
    assert np.sum(values < 1e-12) == case["nullity"] == 2
    assert values[-1] / values[2] == pytest.approx(case["condition"][0], rel=1e-10)


def test_missing_amplitudes_are_those_left_out():
    """A network that is zero misses everything: amplitudes 1 at every frequency."""
    net = rk.kan([1, 1], 4, 8)
    assert grid_extension.missing(net, np.zeros(net.n_params), (2, 4), np.array([0.3, 0.7])) == pytest.approx(1.0)
