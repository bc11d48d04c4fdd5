"""Where the steps of Gauss-Newton and Levenberg-Marquardt lead: linear, nearly linear and nonlinear problems."""

import numpy as np
import pytest
from scipy import optimize

from refkan.training.optimizers import minimize
from tests.shared.factories import EPS
from tests.training.optimizers.residual_problems import (
    EXPONENTIALS,
    GN,
    LM,
    METHODS,
    SOLVERS,
    Residuals,
    dense_step,
    exponentials,
    linear,
    matrix,
    rosenbrock,
)


@pytest.mark.parametrize("solver", ["auto", "qr", "cholesky"])
def test_linear_least_squares_takes_one_gauss_newton_step(solver):
    A, b = matrix(40, 7), np.random.default_rng(0).standard_normal(40)
    start = np.arange(7.0)
    result = minimize(linear(A, b), start, method=GN, solver=solver)
    expected = np.linalg.lstsq(A, b, rcond=None)[0]
    assert result.converged, result.message
    assert len(result.history.value) == 2
    assert result.history.step_length[1] == 1.0
    assert result.n_evaluations == 2
    # A condition of 5, squared by the normal equations.
    np.testing.assert_allclose(result.theta, expected, rtol=0, atol=1e-12)
    # Sabotage: with a matrix of a quarter of the size a step goes too far, and the search shortens it.
    wrong = linear(A, b)
    wrong.gauss_newton = lambda theta: 0.25 * A.T @ A
    assert minimize(wrong, start, method=GN, solver="cholesky", steps=1).history.step_length[1] < 1.0


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(30, 8), (5, 8)])
def test_rank_deficient_least_squares(shape, solver):
    A, b = matrix(*shape, 3), np.random.default_rng(0).standard_normal(shape[0])
    start = np.random.default_rng(1).standard_normal(8)
    result = minimize(linear(A, b), start, method=GN, steps=1, solver=solver)
    # The minimiser nearest to the start: only Gauss-Newton goes all the way at once.
    expected = start - np.linalg.pinv(A, rcond=1e-10) @ (A @ start - b)
    np.testing.assert_allclose(result.theta, expected, rtol=0, atol=1e-11)
    damped = minimize(linear(A, b), start, method=LM, steps=100, solver=solver)
    np.testing.assert_allclose(damped.theta, expected, rtol=0, atol=1e-7)
    # Steps have no component in the null space.
    Z = np.linalg.svd(A)[2][3:]
    assert np.abs(Z @ (damped.theta - start)).max() < 1e-9


def test_nielsens_rule_on_a_curved_problem():
    # Replay the run: from the accepted points alone follow the dampings of all accepted steps.
    problem, thetas = rosenbrock(), [np.array([-1.2, 1.0])]
    result = minimize(problem, thetas[0], method=LM, steps=8, callback=lambda s: thetas.append(s.theta))
    damping, rejected = 1e-3 * np.max(np.sum(problem._J(thetas[0]) ** 2, axis=0)), 0
    for k in range(len(thetas) - 1):
        r, J = problem._r(thetas[k]), problem._J(thetas[k])
        growth = 2.0
        while True:
            d = dense_step(J, r, damping, np.ones(2))
            after = problem._r(thetas[k] + d)
            gain = (r @ r - after @ after) / (r @ r - np.sum((r + J @ d) ** 2) - damping * d @ d * 0)
            # The model's decrease, |r|^2 - |r + J d|^2 = d.(2 lambda d + J^T J d), against d.(lambda d - g).
            gain *= (r @ r - np.sum((r + J @ d) ** 2)) / (d @ (damping * d - J.T @ r))
            if gain > 1e-4:
                break
            damping, growth, rejected = damping * growth, growth * 2, rejected + 1
        np.testing.assert_allclose(thetas[k] + d, thetas[k + 1], rtol=1e-9)
        assert result.history.damping[k + 1] == pytest.approx(damping, rel=1e-9)
        damping *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
    assert rejected > 0
    assert result.n_evaluations == 1 + (len(thetas) - 1) + rejected


class Tampered(Residuals):
    """r = theta, but values other than that of the start are what `value` says."""

    def __init__(self, value):
        super().__init__(lambda theta: theta, lambda theta: np.eye(1))
        self._value = value

    def value_and_gradient(self, theta):
        value, gradient = super().value_and_gradient(theta)
        return (self._value if len(self.points) > 1 else value), gradient


@pytest.mark.parametrize(("solver", "least"), [("cholesky", 2 * EPS), ("dual", 2 * EPS), ("qr", (2 * EPS) ** 2)])
def test_dampings_do_not_fall_below_rounding(solver, least):
    """r = (x^2, y - 1): the Jacobian is singular at the minimum, each step halves x, and the largest entry stays 1."""
    problem = Residuals(lambda t: np.array([t[0] ** 2, t[1] - 1.0]), lambda t: np.diag([2.0 * t[0], 1.0]))
    result = minimize(problem, [1.0, 0.0], LM, 60, solver=solver, tolerance_gradient=0.0)
    assert result.history.value.size == 61
    assert np.nanmin(result.history.damping) >= least


@pytest.mark.parametrize("method", METHODS)
def test_a_decrease_that_falls_short_of_its_prediction_is_no_convergence(method):
    result = minimize(Tampered(0.5 - 1e-3), [1.0], method=method, tolerance_change=1e-2)
    # 1e-3 was gained, but 0.5 expected.
    assert "tolerance_change" not in result.message


@pytest.mark.parametrize("damping", [1e-15, 1e-16, 1e-17])
@pytest.mark.parametrize("seed", [1, 2, 5, 6])
def test_dampings_lost_in_rounding_are_no_convergence(seed, damping):
    # The dual matrix of a short J of lower rank is singular up to rounding; its "solutions" predict an increase.
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 40))
    A, b = matrix(n // 2, n, n // 4 + 1, seed), rng.standard_normal(n // 2)
    least = 0.5 * np.sum((b - A @ np.linalg.lstsq(A, b)[0]) ** 2)
    result = minimize(linear(A, b), np.zeros(n), method=LM, damping=damping, steps=60)
    assert not result.converged or result.value <= least * (1 + 1e-6) + 1e-20


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("method", METHODS)
def test_rosenbrock(method, solver):
    result = minimize(rosenbrock(), [-1.2, 1.0], method=method, solver=solver)
    assert result.converged, result.message
    np.testing.assert_allclose(result.theta, 1.0, rtol=0, atol=1e-8)
    assert len(result.history.value) <= 40
    assert (np.diff(result.history.value) < 0).all()


@pytest.mark.parametrize("options", [{}, {"solver": "cholesky"}, {"damping": 10.0}])
def test_the_minimum_is_that_of_minpack(options):
    problem = exponentials()
    expected = optimize.least_squares(problem._r, EXPONENTIALS, problem._J, method="lm", xtol=1e-15, ftol=1e-15)
    for method in METHODS:
        chosen = {k: v for k, v in options.items() if method == LM or k == "solver"}
        result = minimize(problem, EXPONENTIALS, method=method, steps=200, **chosen)
        assert result.value == pytest.approx(expected.cost, rel=1e-12)
        np.testing.assert_allclose(result.theta, expected.x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", [*METHODS, "variable-projection"])
def test_they_know_the_own_parameters_alone(kan, method):
    problem, theta = kan
    with pytest.raises(ValueError, match=f"geometry must be left out for method '{method}', .*: give it the network"):
        minimize(problem, theta, method=method, geometry="relu")
