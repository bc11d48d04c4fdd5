"""CONTRIBUTING.md, "A layer": a new basis is one class, and all its derivatives follow from its functions."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import refkan as rk
from tests.networks.layers.layer_laws import check_sweeps

TEXT = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text()
(CODE,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
CENTRES = tuple(np.linspace(-1.5, 1.5, 7))


@pytest.fixture(scope="module")
def layer_class():
    module = types.ModuleType("gaussian_layer_of_the_page")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(CODE, module.__dict__)
        yield module.GaussianLayer
    finally:
        del sys.modules[module.__name__]


@pytest.fixture(scope="module")
def built(layer_class):
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (30, 2))
    net = rk.Network(
        (layer_class(2, 3, CENTRES), layer_class(3, 1, CENTRES)), (rk.networks.node_maps.NODE_MAPS["sigmoid"],)
    )
    net, theta = net.initialize(np.random.default_rng(1), x)
    return net, theta, x


def test_the_example_is_short():
    assert len(CODE.splitlines()) <= 36


def test_values_are_what_the_formula_says(layer_class):
    layer, rng = layer_class(2, 3, CENTRES), np.random.default_rng(2)
    C, x = rng.standard_normal(layer.blocks["coefficients"]), rng.uniform(-1.0, 1.0, (4, 2))
    expected = np.zeros((4, 3))
    for s, q, p, k in np.ndindex(4, 3, 2, 7):
        expected[s, q] += C[q, p, k] * np.exp(-(((x[s, p] - CENTRES[k]) / 0.5) ** 2) / 2)
    np.testing.assert_allclose(layer.linearize(layer.pack(coefficients=C), x).value, expected, rtol=0, atol=1e-14)


def test_sweeps_of_the_layer_against_complex_steps(layer_class):
    layer, rng = layer_class(2, 3, CENTRES), np.random.default_rng(3)
    theta, x = rng.standard_normal(layer.n_params), rng.uniform(-1.0, 1.0, (6, 2))
    check_sweeps(layer, theta, x)


def test_gradients_and_jacobians_of_a_network(built):
    net, theta, x = built
    problem = rk.LeastSquares(net, x, np.sin(3 * x[:, :1]))
    assert rk.checks.gradient_check(problem.value, problem.gradient, theta).ok
    steps = [net(theta + 1e-30j * e, x).imag.ravel() / 1e-30 for e in np.eye(theta.size)]
    np.testing.assert_allclose(net.jacobian(theta, x), np.stack(steps, axis=1), rtol=0, atol=1e-13)
    np.testing.assert_allclose(problem.gradient(theta), problem.jacobian(theta).T @ problem.residual(theta), atol=1e-13)


def test_jets_of_a_network(built):
    net, theta, x = built
    jet, h = net.jet(theta, x, first=[[1.0, 0.0]]), 1e-4
    step = np.array([h, 0.0])
    np.testing.assert_allclose(jet.first[:, 0], net(theta, x + 1e-30j * np.array([1.0, 0.0])).imag / 1e-30, atol=1e-13)
    ahead, here, behind = (net(theta, z) for z in (x + step, x, x - step))
    # Truncation h^2 |f''''| / 12 and rounding 4 eps |f| / h^2, both some 1e-7 for derivatives of size 10^2.
    np.testing.assert_allclose(jet.second[:, 0], (ahead - 2 * here + behind) / h**2, rtol=0, atol=1e-5)


def test_hessians_and_spectra(built):
    net, theta, x = built
    problem = rk.LeastSquares(net, x, np.sin(3 * x[:, :1]))
    H = problem.hessian(theta)
    columns = [problem.gradient(theta + 1e-5 * e) - problem.gradient(theta - 1e-5 * e) for e in np.eye(theta.size)]
    np.testing.assert_allclose(H, np.stack(columns, axis=1) / 2e-5, rtol=0, atol=1e-8 * np.abs(H).max())
    J = problem.jacobian(theta)
    np.testing.assert_allclose(problem.gauss_newton(theta), J.T @ J, rtol=0, atol=1e-13 * np.abs(J.T @ J).max())
    assert rk.spectrum(problem, theta).rank <= 30


def test_it_trains(built):
    net, theta, x = built
    problem = rk.LeastSquares(net, x, np.sin(3 * x[:, :1]))
    assert rk.minimize(problem, theta, method="levenberg-marquardt", steps=20).value < 1e-3 * problem.value(theta)
