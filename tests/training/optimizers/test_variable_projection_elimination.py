"""The linear parameters of the last layer by least squares, and the Jacobian of what is left."""

import numpy as np
import pytest

import refkan as rk
from refkan.training.losses import LeastSquares
from refkan.training.optimizers import minimize
from refkan.training.optimizers.run import Iterate
from refkan.training.optimizers.second_order import damped_systems, linear_layer, variable_projection
from refkan.training.optimizers.second_order.damped_systems import NormalSystem, OrthogonalSystem
from refkan.training.optimizers.second_order.linear_layer import LinearLayer
from tests.shared.factories import EPS
from tests.training.optimizers.separable_problems import (
    KINDS,
    eliminated_by_lstsq,
    linear_positions,
    problem_of,
    third_differences,
)

VP, LM = "variable-projection", "levenberg-marquardt"
RIDGE = 1e-9


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_elimination_is_linear_least_squares(kind, n_outputs, weighted, monkeypatch):
    problem, theta = problem_of(kind, n_outputs, weighted)
    layer = LinearLayer(problem, 1e-6)
    found = layer.eliminate(theta)
    np.testing.assert_array_equal(np.sort(layer.linear.ravel()), linear_positions(problem.net))
    others = np.setdiff1d(np.arange(theta.size), linear_positions(problem.net))
    np.testing.assert_array_equal(found[others], theta[others])
    if kind != "silu":
        np.testing.assert_array_equal(layer.nonlinear, others)
    expected = eliminated_by_lstsq(problem, theta, layer.ridge)
    # The ridge bounds the condition of the normal equations by 1e6.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e6 * 64 * EPS * np.abs(expected).max())
    # The ridge is relative to the largest entry of the diagonal.
    J = problem.residual_and_jacobian(theta)[1][:, linear_positions(problem.net)]
    assert layer.ridge == pytest.approx(1e-6 * np.sum(J * J, axis=0).max(), rel=1e-12)
    # And stays, whatever comes later.
    ridge = layer.ridge
    layer.eliminate(theta + 0.1)
    assert layer.ridge == ridge
    # In chunks it is the same up to the order of sums.
    monkeypatch.setattr(linear_layer, "CHUNK", 40)
    np.testing.assert_allclose(layer.eliminate(theta), found, rtol=0, atol=1e6 * 64 * EPS * np.abs(found).max())
    # Sabotage: another ridge is seen.
    wrong = eliminated_by_lstsq(problem, theta, 1e3 * ridge)
    assert np.abs(wrong - expected).max() > 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_reduced_gradient_is_the_full_one(kind, n_outputs):
    problem, theta = problem_of(kind, n_outputs)
    layer = LinearLayer(problem, RIDGE)
    theta = layer.eliminate(theta)
    b, c = layer.nonlinear, layer.linear.ravel()
    gradient = problem.gradient(theta)
    # Orthogonality: J_c^T r + ridge c = 0, up to the rounding of Phi^T Phi c.
    J = problem.residual_and_jacobian(theta)[1]
    size = np.abs(J[:, c]).T @ np.abs(J[:, c]) @ np.abs(theta[c])
    assert np.abs(gradient[c] + layer.ridge * theta[c]).max() <= 1e3 * EPS * size.max()

    def psi(at):
        at = layer.eliminate(at)
        return problem.value(at) + layer.penalty(at)

    # grad psi = grad_b value: by central differences along random directions of b.
    rng = np.random.default_rng(0)
    for _ in range(3):
        v = np.zeros(theta.size)
        v[b] = rng.standard_normal(b.size)
        h = 1e-6
        slope = (psi(theta + h * v) - psi(theta - h * v)) / (2 * h)
        assert slope == pytest.approx(gradient @ v, rel=1e-6, abs=1e-7 * np.linalg.norm(gradient))
    # Sabotage: where c is not at its best, the gradient in b is another.
    moved = theta.copy()
    moved[c] *= 1.01
    assert np.linalg.norm(problem.gradient(moved)[b] - gradient[b]) > 1e-3 * np.linalg.norm(gradient[b])
    assert np.linalg.norm(problem.gradient(moved)[c]) > 1e3 * np.linalg.norm(gradient[c])


def test_elimination_reports_what_it_cannot_do():
    problem, theta = problem_of("spline")
    layer = LinearLayer(problem, RIDGE)
    # All coefficients of the first layer equal: its nodes are constant, and mean-std has nothing to divide by.
    flat = theta.copy()
    flat[problem.net.slices[0]] = 1.0
    assert layer.eliminate(flat) is None
    huge, at = problem_of("dense")
    assert LinearLayer(huge, RIDGE).eliminate(np.where(np.arange(at.size) < 8, 1e300, at)) is not None  # tanh
    cubes = rk.mlp([2, 3, 1], "relu3")
    cubic = LeastSquares(cubes, problem.x, problem.y)
    with np.errstate(all="ignore"):
        assert LinearLayer(cubic, RIDGE).eliminate(np.full(cubes.n_params, 1e150)) is None
    with pytest.raises(ValueError, match="theta must be a point of finite value and gradient"):
        minimize(cubic, np.full(cubes.n_params, 1e150), method=VP)


def test_dead_basis_functions_get_no_coefficient():
    # Samples in the lower half of the domain alone: no data for the last functions, and a ridge that says 0.
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 0.45, (60, 1))
    net = rk.kan([1, 1], 3, 8)
    problem = LeastSquares(net, x, np.sin(5 * x))
    result = minimize(problem, np.ones(net.n_params), method=VP)
    np.testing.assert_array_equal(result.theta[-4:], 0.0)
    assert result.value < 1e-4


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("kind", ["spline", "silu"])
def test_a_ridge_about_the_start(kind, n_outputs):
    problem, theta = problem_of(kind, n_outputs, False)
    c = linear_positions(problem.net)
    layer = LinearLayer(problem, 1e-3, about_start=True)
    found = layer.eliminate(theta)
    # The same as about zero for the coefficients' changes.
    r = problem.residual_and_jacobian(theta)[0]
    Phi = problem.residual_and_jacobian(theta)[1][:, c]
    A = np.vstack([Phi, np.sqrt(layer.ridge) * np.eye(c.size)])
    change = np.linalg.lstsq(A, np.concatenate([-r, np.zeros(c.size)]), rcond=None)[0]
    np.testing.assert_allclose(found[c], theta[c] + change, rtol=0, atol=1e3 * 64 * EPS * np.abs(found[c]).max())
    assert layer.penalty(found) == pytest.approx(0.5 * layer.ridge * np.sum(change**2), rel=1e-9)
    # The centre is that of the first call.
    again = layer.eliminate(found)
    np.testing.assert_allclose(again, found, rtol=0, atol=1e3 * 64 * EPS * np.abs(found).max())


@pytest.mark.parametrize("solver", ["qr", "cholesky"])
def test_a_ridge_about_the_start_leaves_what_no_sample_sees(solver):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 0.45, (60, 1))
    net = rk.kan([1, 1, 1], 3, [2, 8], node_map="none")
    problem = LeastSquares(net, x, np.sin(5 * x))
    start = np.concatenate([np.linspace(0.0, 1.0, 4), np.full(10, 0.5)])
    result = minimize(problem, start, VP, 15, solver=solver, ridge_about="start")
    # Inputs stay below 0.7: the last function, on [7/8, 1], and one more have no data.
    np.testing.assert_allclose(result.theta[-1:], 0.5, rtol=0, atol=1e-12)
    assert result.value < 1e-5
    values = result.history.value
    assert values[-1] < values[0]
    about_zero = minimize(problem, start, VP, 15, solver=solver)
    np.testing.assert_allclose(about_zero.theta[-1:], 0.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("roughness", [0.0, 1e-3])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("solver", ["qr", "cholesky"])
def test_the_reduced_system_is_the_projected_jacobian(solver, n_outputs, roughness, monkeypatch):
    problem, theta = problem_of("spline", n_outputs, weighted=True)
    layer = LinearLayer(problem, 1e-5, relative_roughness=roughness)
    theta = layer.eliminate(theta)
    r, J = problem.residual_and_jacobian(theta)
    b, c = layer.nonlinear, layer.linear.ravel()
    jumps = np.sqrt(roughness / 1e-5 * layer.ridge) * third_differences(4 * n_outputs, 5)
    root = np.vstack([np.sqrt(layer.ridge) * np.eye(c.size), jumps])
    Phi, B = np.vstack([J[:, c], root]), np.vstack([J[:, b], np.zeros((len(root), b.size))])
    residual = np.concatenate([r, root @ theta[c]])
    projector = np.eye(residual.size) - Phi @ np.linalg.pinv(Phi)
    reduced = projector @ B
    iterate = Iterate(theta, *problem.value_and_gradient(theta))
    system = variable_projection._reduced_system(layer, iterate, solver)
    for work, kind in ((np.inf, OrthogonalSystem), (0, NormalSystem)):  # by itself: of little work by triangles
        monkeypatch.setattr(damped_systems, "QR_WORK", work)
        assert isinstance(variable_projection._reduced_system(layer, iterate, "auto"), kind)
    damping = 1e-2 * np.max(np.sum(reduced**2, axis=0))
    # Relative to the largest entry: a ridge of 1e-5 costs five digits in the Schur complement.
    np.testing.assert_allclose(system.diagonal, np.sum(reduced**2, axis=0), rtol=0, atol=1e-9 * np.max(B * B))
    np.testing.assert_allclose(system.gradient, B.T @ residual, rtol=0, atol=1e-9 * np.abs(B.T @ residual).max())
    expected = -np.linalg.solve(reduced.T @ reduced + damping * np.eye(b.size), B.T @ residual)
    np.testing.assert_allclose(system.step(damping), expected, rtol=0, atol=1e-7 * np.abs(expected).max())
    # Sabotage: without the projection the step is another.
    unprojected = OrthogonalSystem(residual, B).step(damping)
    assert np.abs(unprojected - expected).max() > 1e-2 * np.abs(expected).max()
