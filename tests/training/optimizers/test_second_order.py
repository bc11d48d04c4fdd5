"""Second-order methods: runs, their ends, trials that are not finite, and natural gradients."""

import numpy as np
import pytest

from refkan.training.optimizers import minimization, minimize
from refkan.training.optimizers.second_order import damped_gauss_newton
from tests.shared.spoiling import spoilt
from tests.shared.tables import each_row
from tests.training.optimizers.residual_problems import (
    EXPONENTIALS,
    GN,
    LM,
    METHODS,
    NG,
    SOLVERS,
    Residuals,
    exponentials,
    linear,
    matrix,
    rosenbrock,
    wall,
)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_is_one_jacobian(method):
    problem, states = rosenbrock(), []
    result = minimize(problem, [-1.2, 1.0], method=method, steps=6, callback=states.append)
    assert len(problem.jacobians) == 6
    assert len(result.history.value) == 7
    assert result.message == "6 steps done"
    assert not result.converged
    assert result.n_evaluations == len(problem.points) == result.history.evaluations[-1]
    assert len({point.tobytes() for point in problem.points}) == len(problem.points)
    # Each Jacobian belongs to a point of the history, in order.
    for k, state in enumerate(states[:-1], start=1):
        np.testing.assert_array_equal(problem.jacobians[k], state.theta)
    for k, state in enumerate(states, start=1):
        assert state.value == result.history.value[k]
        of_step, array = (
            (state.damping, result.history.damping) if method == LM else (state.step_length, result.history.step_length)
        )
        assert of_step == array[k] > 0
        assert np.isnan(array[0])
    unused = result.history.step_length if method == LM else result.history.damping
    assert unused is None


@pytest.mark.parametrize("method", METHODS)
def test_tolerances(method):
    strict = minimize(exponentials(), EXPONENTIALS, method=method, steps=200)
    loose = minimize(exponentials(), EXPONENTIALS, method=method, steps=200, tolerance_gradient=1e-3)
    assert loose.converged
    assert loose.message.startswith("converged: largest gradient entry")
    assert len(loose.history.value) < len(strict.history.value)
    change = minimize(exponentials(), EXPONENTIALS, method=method, steps=200, tolerance_change=1e-3)
    assert change.converged
    assert "tolerance_change" in change.message
    assert len(change.history.value) < len(strict.history.value)


@pytest.mark.parametrize("method", METHODS)
def test_at_the_minimum_rounding_ends_the_run(method):
    result = minimize(exponentials(), EXPONENTIALS, method=method, steps=1000, tolerance_gradient=0.0)
    assert len(result.history.value) < 200
    assert result.converged or "rejected" in result.message or "line search found no decrease" in result.message


@each_row(
    "method, options, message",
    (GN, {"max_line_search": 5}, "the line search found no decrease in 5 trials in step 1"),
    (LM, {"max_rejections": 5}, "no trial decreased the value: 6 rejected in step 1"),
)
def test_a_value_that_nothing_decreases_ends_the_run(method, options, message):
    class Stuck(Residuals):
        """A value that is higher everywhere than at the start, whatever its gradient says."""

        def value_and_gradient(self, theta):
            value, gradient = super().value_and_gradient(theta)
            return value + 1e3 * (len(self.points) > 1), gradient

    result = minimize(Stuck(rosenbrock()._r, rosenbrock()._J), [-1.2, 1.0], method=method, **options)
    assert not result.converged
    assert result.message == message
    np.testing.assert_array_equal(result.theta, [-1.2, 1.0])


def test_backtracking_goes_to_the_minimum_of_the_parabola():
    """Through the value, the slope, and the trial that did not do: from 2 the step of atan leads to -3.5."""
    problem = Residuals(np.arctan, lambda t: np.diag(1 / (1 + t**2)))
    minimize(problem, np.array([2.0]), method=GN, steps=1)
    start, whole, shorter = np.ravel(problem.points)
    value = lambda t: 0.5 * np.arctan(t) ** 2  # noqa: E731
    slope = (whole - start) * np.arctan(start) / (1 + start**2)
    curvature = value(whole) - value(start) - slope  # value(start) + slope a + curvature a^2 at a = 1
    least = -slope / (2 * curvature)
    assert 0.4 < least < 0.45
    assert (shorter - start) / (whole - start) == pytest.approx(least, rel=1e-13)


@pytest.mark.parametrize("beyond", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("method", METHODS)
def test_trials_that_are_not_finite_are_rejected(method, beyond):
    # From 0.5 the first step leads to 1.05, from 0.05 to far too little; log(0) and less are not finite.
    for start in (0.05, 1.0):
        problem = wall(beyond)
        result = minimize(problem, [start], method=method)
        assert result.converged, result.message
        assert result.theta[0] == pytest.approx(np.exp(0.4), rel=1e-9)
        assert np.isfinite(result.history.value).all()
    close = wall(beyond, limit=1.4)  # the minimum, exp(0.4) = 1.49, lies beyond
    result = minimize(close, [1.0], method=method, steps=100)
    assert not result.converged
    assert 1.0 < result.theta[0] < 1.4
    assert np.isfinite(result.history.value).all()
    assert len(close.points) == result.n_evaluations
    assert any(point[0] >= 1.4 for point in close.points)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("entry", [np.nan, np.inf, 1e200])
def test_a_jacobian_that_is_not_finite_ends_the_run(method, solver, entry):
    class Odd(Residuals):
        def residual_and_jacobian(self, theta):
            r, J = super().residual_and_jacobian(theta)
            return r, np.where(len(self.jacobians) > 2, entry, J)

    problem = Odd(rosenbrock()._r, rosenbrock()._J)
    result = minimize(problem, [-1.2, 1.0], method=method, solver=solver)
    assert not result.converged
    assert result.message == "the Jacobian, or its squares, became non-finite"
    assert len(result.history.value) == 3
    assert result.value == result.history.value.min()


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
