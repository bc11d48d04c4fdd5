"""Steps of damped least squares by QR, Cholesky and the dual form, and what the systems are made of."""

from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.training.losses import LeastSquares
from refkan.training.optimizers import minimize
from refkan.training.optimizers.minimization import RESIDUAL_METHODS
from refkan.training.optimizers.run import Halt, Iterate
from refkan.training.optimizers.second_order import damped_systems
from refkan.training.optimizers.second_order.damped_systems import (
    QR_WORK,
    DualSystem,
    NormalSystem,
    OrthogonalSystem,
    choose,
    system_at,
)
from refkan.training.optimizers.second_order.linear_layer import LinearLayer
from tests.training.optimizers.residual_problems import GN, LM, METHODS, SOLVERS, Residuals, dense_step, matrix


def systems(r, J):
    return {"qr": OrthogonalSystem(r, J), "cholesky": NormalSystem(J.T @ r, J.T @ J), "dual": DualSystem(r, J)}


@pytest.mark.parametrize("shape", [(30, 6), (6, 6), (6, 30), (1, 4), (4, 1)])
def test_damped_steps_by_all_routes(shape):
    J, r = matrix(*shape), np.random.default_rng(1).standard_normal(shape[0])
    scale = np.ones(shape[1])
    for damping in (1e-3, 1.0, 100.0):
        expected = dense_step(J, r, damping, scale)
        for name, system in systems(r, J).items():
            # The damped matrix has a condition of at most 1e6 here, which rounding is multiplied by, on both sides.
            atol = 2 * np.finfo(float).eps * 1e6 * np.abs(expected).max()
            np.testing.assert_allclose(system.step(damping), expected, rtol=0, atol=atol, err_msg=name)
            np.testing.assert_allclose(system.gradient, J.T @ r, rtol=0, atol=1e-12)
            np.testing.assert_allclose(system.diagonal, np.diag(J.T @ J), rtol=1e-13)
            # Sabotage: a damping halved, a residual of the wrong sign.
            assert np.abs(system.step(damping / 2) - expected).max() > 1e-8
            assert np.abs(system.step(damping) + expected).max() > 1e-3


@pytest.mark.parametrize(("m", "n", "rank"), [(30, 6, 4), (6, 6, 5), (6, 30, 4), (30, 6, 6), (6, 30, 6)])
def test_minimum_norm_steps_by_all_routes(m, n, rank):
    J, r = matrix(m, n, rank), np.random.default_rng(1).standard_normal(m)
    expected = -np.linalg.pinv(J, rcond=1e-10) @ r
    for name, system in systems(r, J).items():
        np.testing.assert_allclose(system.minimum_norm_step(1e-10), expected, rtol=0, atol=1e-10, err_msg=name)
    if rank < min(m, n):
        # Sabotage: without truncation what is left of the null space takes over, here singular values of 1e-12. (That
        # of Cholesky has its own limit, sqrt(n eps).)
        U, sigma, V = np.linalg.svd(J, full_matrices=False)
        sigma[rank:] = 1e-12 * sigma[0]
        for name, system in systems(r, (U * sigma) @ V).items():
            np.testing.assert_allclose(system.minimum_norm_step(1e-10), expected, rtol=0, atol=1e-9, err_msg=name)
            if name != "cholesky":
                assert np.linalg.norm(system.minimum_norm_step(0.0)) > 1e3 * np.linalg.norm(expected)


def test_truncation_cuts_where_it_says():
    sigma = np.array([1.0, 1e-1, 1e-3, 1e-5])
    J, r = np.vstack([np.diag(sigma), np.zeros((2, 4))]), np.ones(6)
    for truncation, kept in ((0.0, 4), (1e-4, 3), (1e-2, 2), (0.5, 1)):
        expected = np.where(np.arange(4) < kept, -1 / sigma, 0.0)
        for system in systems(r, J).values():
            np.testing.assert_allclose(system.minimum_norm_step(truncation), expected, rtol=1e-5)


def test_qr_sees_what_cholesky_cannot():
    # Singular values of 1e-10 lie below the root of eps: their squares are lost in J^T J, but not in J.
    U = np.linalg.qr(matrix(40, 5))[0]
    V = np.linalg.qr(matrix(5, 5))[0]
    J = U @ np.diag([1.0, 1e-2, 1e-5, 1e-8, 1e-10]) @ V.T
    x = V @ np.ones(5)
    orthogonal, normal = OrthogonalSystem(-J @ x, J), NormalSystem(-J.T @ (J @ x), J.T @ J)
    np.testing.assert_allclose(orthogonal.minimum_norm_step(1e-12), x, rtol=0, atol=1e-4)
    np.testing.assert_allclose(orthogonal.step(1e-26), x, rtol=0, atol=1e-4)
    assert np.abs(normal.minimum_norm_step(1e-12) - x).max() > 0.1


def test_singular_matrices_are_reported_not_solved():
    J, r = matrix(8, 4, 2), np.ones(8)
    # Damping below the rounding of J^T J: it may or may not be singular, but never raises.
    for system in systems(r, J).values():
        d = system.step(1e-30)
        assert d is None or np.isfinite(d).all()
    zero = np.zeros((3, 2))
    assert OrthogonalSystem(np.ones(3), zero).step(0.0) is None
    assert NormalSystem(np.zeros(2), np.zeros((2, 2))).step(0.0) is None
    assert DualSystem(np.ones(3), zero).step(0.0) is None
    half = np.array([[1.0, 0.0]] * 3)  # singular in one direction alone
    assert OrthogonalSystem(np.ones(3), half).step(0.0) is None
    assert NormalSystem(np.zeros(2), half.T @ half).step(0.0) is None


def test_one_entry_that_is_not_finite_is_enough():
    for worst in (np.nan, np.inf):
        assert damped_systems._finite(np.array([1.0, worst])) is None
        with pytest.raises(Halt, match="the Jacobian, or its squares, became non-finite"):
            damped_systems.finite(SimpleNamespace(diagonal=np.array([1.0, worst])))


def test_choice_of_the_route():
    assert choose("auto", 10, 11) == "dual"
    assert [choose("auto", m, 1) for m in (1, int(QR_WORK), int(QR_WORK) + 1)] == ["qr", "qr", "cholesky"]
    assert choose("auto", 2000, 55) == "qr"
    assert choose("auto", 20_000, 230) == "cholesky"
    for solver in SOLVERS:
        assert choose(solver, 10, 11) == choose(solver, 20_000, 230) == solver


def test_memory_is_asked_for_before_it_is_taken(monkeypatch, kan):
    problem, theta = kan
    m, n = problem.n_residuals, theta.size
    monkeypatch.setattr(rk.Network, "jacobian", lambda *arguments: pytest.fail("the Jacobian was formed"))
    for needed, solver, methods, what in (
        (8 * m * n, "qr", METHODS, f"the Jacobian of {m} residuals in {n} parameters"),
        (16 * m * n, "qr", ["variable-projection"], f"the Jacobian of {m} residuals .* and its projection,"),
        (24 * n * n, "cholesky", RESIDUAL_METHODS, f"the Gauss-Newton matrix of {n} parameters"),
    ):
        monkeypatch.setattr("refkan.networks.hessians.memory.available_memory", lambda needed=needed: needed - 1)
        for method in methods:
            with pytest.raises(ValueError, match=f"{what} needs .* of memory; .* are available: use a smaller network"):
                minimize(problem, theta, method=method, solver=solver)
        monkeypatch.setattr("refkan.networks.hessians.memory.available_memory", lambda needed=needed: needed)
        for method in methods if solver == "qr" else ():
            with pytest.raises(pytest.fail.Exception, match="the Jacobian was formed"):
                minimize(problem, theta, method=method, solver=solver)


def test_a_gauss_newton_matrix_of_the_problem_is_used():
    class Shortcut(Residuals):
        n_residuals = 10**9  # "auto" must not form this J

        def gauss_newton(self, theta):
            return self._J(theta).T @ self._J(theta)

        def residual_and_jacobian(self, theta):
            pytest.fail("the Jacobian was formed")

    A, b = matrix(20, 4), np.ones(20)
    problem = Shortcut(lambda theta: A @ theta - b, lambda theta: A)
    result = minimize(problem, np.zeros(4), method=GN, steps=1, solver="cholesky")
    np.testing.assert_allclose(result.theta, np.linalg.lstsq(A, b, rcond=None)[0], rtol=0, atol=1e-12)


def test_large_problems_never_see_the_whole_jacobian(kan, monkeypatch):
    problem, theta = kan
    affine = rk.LeastSquares(problem.net.freeze(theta), problem.x, problem.y)
    monkeypatch.setattr(damped_systems, "QR_WORK", 0.0)
    expected = minimize(affine, theta, method=LM, steps=3, solver="qr")
    blocks = LeastSquares.residual_blocks
    monkeypatch.setattr(LeastSquares, "residual_blocks", lambda self, theta: blocks(self, theta, 50 * theta.size))
    monkeypatch.setattr(LeastSquares, "residual_and_jacobian", lambda *arguments: pytest.fail("all of J was formed"))
    result = minimize(affine, theta, method=LM, steps=3)
    np.testing.assert_allclose(result.history.value, expected.history.value, rtol=1e-8)
    system = system_at(affine, Iterate(theta, *affine.value_and_gradient(theta)), "auto")
    assert isinstance(system, NormalSystem)


@pytest.mark.parametrize("spoilt", [0, 1])
def test_equations_with_one_entry_that_is_not_finite_are_not_solved(spoilt, monkeypatch):
    x = np.linspace(0.0, 1.0, 9)[:, None]
    layer = LinearLayer(LeastSquares(rk.kan([1, 1], 2, 2), x, x), 1e-9)
    equations = np.eye(3)[None].copy(), np.ones((1, 3))
    equations[spoilt].flat[-1] = np.inf
    monkeypatch.setattr(layer, "_normal_equations", lambda theta: equations)
    assert layer.eliminate(np.ones(3)) is None
