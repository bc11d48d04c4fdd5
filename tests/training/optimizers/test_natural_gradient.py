"""Natural gradient: primal and dual form, invariance, lengths of steps, quadratics in one step."""

import numpy as np
import pytest

from refkan.training.optimizers import minimization, minimize
from refkan.training.optimizers.second_order import damped_gauss_newton
from tests.shared.refusals import refusals
from tests.shared.spoiling import spoilt
from tests.training.optimizers.residual_problems import (
    EXPONENTIALS,
    NG,
    SOLVERS,
    Residuals,
    exponentials,
    linear,
    matrix,
    rosenbrock,
    wall,
)


def arctangent():
    """From 1.35 the full step leads to -1.28, a little lower; half of it almost to the minimum."""
    return Residuals(np.arctan, lambda t: np.diag(1 / (1 + t * t)))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_step_in_both_forms(solver):
    A, b, theta = matrix(8, 5), np.arange(8.0), np.ones(5)
    problem, damping = linear(A, b), 1e-3
    found = minimize(problem, theta, NG, steps=1, solver=solver, damping=damping, halvings=0).theta - theta
    shift = damping * np.max(np.sum(A * A, axis=0))
    r = A @ theta - b
    primal = -np.linalg.solve(A.T @ A + shift * np.eye(5), A.T @ r)
    dual = -A.T @ np.linalg.solve(A @ A.T + shift * np.eye(8), r)
    np.testing.assert_allclose(primal, dual, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found, primal, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("m", "n"), [(9, 4), (4, 9)])
def test_linear_least_squares_end_in_one_step(m, n):
    A, b = matrix(m, n), np.random.default_rng(1).normal(size=m)
    result = minimize(linear(A, b), np.zeros(n), NG, steps=1)
    expected = np.linalg.lstsq(A, b)[0]
    np.testing.assert_allclose(result.theta, expected, rtol=0, atol=1e-7)
    assert result.history.step_length[1] == 1.0


def test_steps_do_not_depend_on_linear_coordinates():
    T = np.triu(np.random.default_rng(3).normal(size=(4, 4))) + 3 * np.eye(4)
    problem = exponentials()
    other = Residuals(lambda v: problem._r(T @ v), lambda v: problem._J(T @ v) @ T)
    here = minimize(problem, EXPONENTIALS, NG, steps=3)
    there = minimize(other, np.linalg.solve(T, EXPONENTIALS), NG, steps=3)
    np.testing.assert_allclose(T @ there.theta, here.theta, rtol=0, atol=1e-7)
    gradient = {"method": "gd", "steps": 3, "learning_rate": 1e-2}
    slow, slow_there = minimize(problem, EXPONENTIALS, **gradient), minimize(other, there.theta, **gradient)
    assert np.abs(T @ slow_there.theta - slow.theta).max() > 1e-3  # sabotage: gradient descent does


def test_lengths_are_the_first_that_the_next_does_not_beat():
    problem, start = arctangent(), np.array([1.35])
    result = minimize(problem, start, NG, steps=1)
    d = -np.linalg.solve(problem._J(start), problem._r(start))

    def value(alpha):
        return 0.5 * np.sum(problem._r(start + alpha * d) ** 2)

    alpha = result.history.step_length[1]
    lower = [0.5**k for k in range(31) if value(0.5**k) < value(0.0)]
    assert alpha == next(a for a in lower if value(a / 2) >= value(a)) < lower[0] == 1.0
    assert result.value == pytest.approx(value(alpha), rel=1e-6)


def test_the_wall_is_not_entered():
    result = minimize(wall(np.nan, limit=1.3), [1.0], NG)
    assert result.theta[0] < 1.3
    assert result.value < 0.5 * 0.4**2


test_bad_input = refusals(
    ({"damping": -1.0}, "damping must be finite and not negative; got -1.0"),
    ({"halvings": -1}, "halvings must be at least 0; got -1"),
    ({"solver": "lu"}, "solver must be one of 'auto', 'qr', 'cholesky', 'dual'; got 'lu'"),
    ({"tolerance_change": -1.0}, "tolerance_change must be finite and not negative"),
    ({"truncation": 1e-3}, "TypeError: 'natural-gradient' has no option 'truncation'"),
    call=lambda options: minimize(rosenbrock(), [-1.2, 1.0], NG, **options),
)


@pytest.mark.parametrize(
    ("old", "new"), [("trial.value >= best[0].value", "True"), ("0.5**k * displacement", "0.5**k * -displacement")]
)
def test_other_lengths_and_directions_are_noticed(old, new):
    careless = spoilt(damped_gauss_newton, old, new)
    good = minimize(arctangent(), [1.35], NG, steps=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(minimization.RESIDUAL_METHODS, NG, careless.natural_gradient)
        bad = minimize(arctangent(), [1.35], NG, steps=1)
    assert bad.history.value.size == 1 or bad.history.value[1] > good.history.value[1]
