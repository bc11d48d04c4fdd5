"""What all methods of descent share, how a run ends, and what optimizers refuse."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.training.losses import LeastSquares
from refkan.training.optimizers import minimize
from refkan.training.optimizers.minimization import METHODS, RESIDUAL_METHODS
from refkan.training.optimizers.run import Ending, Run
from tests.shared.factories import EPS
from tests.shared.refusals import refusals, refused
from tests.shared.tables import each_row
from tests.training.optimizers import residual_problems
from tests.training.optimizers.descent_problems import OPTIONS, START, Chain
from tests.training.optimizers.residual_problems import GN, LM, Residuals, regression, rosenbrock, wall


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("geometry", [None, "relu"])
def test_no_point_is_evaluated_twice(method, geometry):
    problem = Chain()
    result = minimize(problem, START, method=method, geometry=geometry, steps=9, **OPTIONS[method])
    assert result.n_evaluations == len(problem.points)
    assert len({point.tobytes() for point in problem.points}) == len(problem.points)


def problem_for(method):
    return (Chain(), START) if method in METHODS else regression()


@pytest.mark.parametrize("method", list(METHODS))
def test_history_starts_at_the_start_and_includes_the_end(method):
    problem, states = Chain(), []
    result = minimize(problem, START, method=method, steps=5, callback=states.append, **OPTIONS[method])
    value, g = problem.function(START)
    history = result.history
    assert history.value[0] == value
    assert history.gradient_norm[0] == pytest.approx(np.linalg.norm(g), rel=4 * EPS)
    assert history.evaluations[0] == 1
    assert (np.diff(history.evaluations) > 0).all()
    assert history.evaluations[-1] == result.n_evaluations
    assert (np.diff(history.seconds) >= 0).all()
    assert len(history.value) == len(history.gradient_norm) == len(history.seconds) == len(states) + 1
    assert [state.step for state in states] == list(range(1, len(states) + 1))
    for k, state in enumerate(states, start=1):
        value, g = problem.function(state.theta)
        assert state.value == history.value[k] == value
        assert state.gradient_norm == history.gradient_norm[k] == pytest.approx(np.linalg.norm(g), rel=4 * EPS)
        assert (state.n_evaluations, state.seconds) == (history.evaluations[k], history.seconds[k])
        assert state.best_value <= history.value[: k + 1].min()
    assert result.value <= history.value.min()
    assert problem.function(result.theta)[0] == result.value


@pytest.mark.parametrize("method", [*METHODS, *RESIDUAL_METHODS])
def test_no_steps(method):
    called = []
    problem, start = problem_for(method)
    result = minimize(problem, start, method=method, steps=0, callback=called.append, **OPTIONS.get(method, {}))
    np.testing.assert_array_equal(result.theta, start)
    assert not called
    assert (result.n_evaluations, len(result.history.value), result.converged) == (1, 1, False)
    assert result.message == "0 steps done"
    assert result.history.damping is None


@pytest.mark.parametrize("method", [*METHODS, *RESIDUAL_METHODS])
def test_the_callback_may_stop_and_may_not_interfere(method):
    own = np.geterr()

    def stop(state):
        state.theta[:] = 99.0
        assert np.geterr() == own  # where the method lets numbers overflow, the callback's warn
        if state.step == 2:
            raise StopIteration

    def fail(state):
        raise KeyError("mine")

    problem, start = problem_for(method)
    options = {"method": method, **OPTIONS.get(method, {})}
    result = minimize(problem, start, callback=stop, steps=9, **options)
    assert result.message == "stopped by the callback after step 2"
    assert not result.converged
    assert len(result.history.value) == 3
    assert result.value == minimize(problem, start, steps=2, **options).value
    with pytest.raises(KeyError, match="mine"):
        minimize(problem, start, callback=fail, **options)


@pytest.mark.parametrize("method", [*METHODS, GN, LM])
def test_a_stationary_start_has_converged(method):
    problem, start = (rosenbrock(), np.ones(2)) if method in (GN, LM) else (Chain(), np.ones(5))
    for steps in (0, 5):
        result = minimize(problem, start, method=method, steps=steps, **OPTIONS.get(method, {}))
        assert result.converged
        assert result.n_evaluations == 1
        np.testing.assert_array_equal(result.theta, 1.0)


def test_the_best_is_returned_not_the_last():
    # On theta^2/2 a rate of 2.5 multiplies theta by -1.5 in each step.
    class Bowl:
        def value_and_gradient(self, theta):
            return 0.5 * float(theta @ theta), theta

    result = minimize(Bowl(), [1.0], method="gd", learning_rate=2.5, steps=4)
    assert result.theta == [1.0]
    assert result.value == 0.5
    np.testing.assert_allclose(result.history.value, 0.5 * 2.25 ** np.arange(5))


def test_a_plateau_above_the_best_is_no_convergence():
    # Too long a step leads out of the well onto a plateau, where the gradient vanishes.
    class Well:
        def value_and_gradient(self, theta):
            inside = abs(theta[0]) < 2
            return (theta[0] ** 2, 2 * theta) if inside else (5.0, np.zeros(1))

    result = minimize(Well(), [1.0], method="gd", learning_rate=10.0)
    assert not result.converged
    assert "the value there, 5, is above the best, 1" in result.message
    assert result.theta == [1.0]
    assert minimize(Well(), [1.0], method="gd", learning_rate=0.5).converged


class Cliff:
    """A slope, beyond whose end the value or the gradient is not finite."""

    def __init__(self, value, gradient):
        self.beyond = value, np.array([gradient])

    def value_and_gradient(self, theta):
        return self.beyond if theta[0] < 0 else (theta[0], np.array([1.0]))


@each_row(
    "value, gradient, message",
    (np.nan, 1.0, r"the value \(nan\) became non-finite in step"),
    (-np.inf, 1.0, r"the value \(-inf\) became non-finite in step"),
    (-1.0, np.inf, "the gradient became non-finite in step"),
)
@pytest.mark.parametrize("method", list(METHODS))
def test_a_non_finite_value_ends_the_run_with_the_best(method, value, gradient, message):
    options = OPTIONS[method] | ({"learning_rate": 0.4} if method in ("gd", "adam") else {})
    result = minimize(Cliff(value, gradient), [1.0], method=method, steps=50, **options)
    assert not result.converged
    assert re.search(message, result.message)
    assert np.isfinite(result.theta).all()
    assert 0 <= result.value <= 1
    assert np.isfinite(result.history.value).all()
    with pytest.raises(ValueError, match="theta must be a point of finite value and gradient"):
        minimize(Cliff(value, gradient), [-1.0], method=method, **options)


@pytest.mark.parametrize(("last", "converged"), [(1e-7, True), (1e-5, False), (0.05, False)])
def test_a_value_above_the_best_by_more_than_a_millionth_of_the_decrease_is_no_convergence(last, converged):
    run = SimpleNamespace(_rows=[(1.0,), (last,)], _best=SimpleNamespace(value=0.0))
    assert Run._weigh(run, Ending(True, "converged")).converged == converged


@pytest.mark.parametrize("seed", range(3))
def test_divergence_is_an_ending_not_an_error(seed):
    class Quartic:
        def value_and_gradient(self, theta):
            assert np.isfinite(theta).all(), "networks refuse such parameters"
            return float(np.sum(theta**4)), 4 * theta**3

    start = np.random.default_rng(seed).uniform(1, 2, 3)
    result = minimize(Quartic(), start, method="gd", learning_rate=10.0, steps=100)
    assert "non-finite" in result.message
    np.testing.assert_array_equal(result.theta, start)
    assert len(result.history.value) < 20
    faster = minimize(Quartic(), start, method="gd", learning_rate=1e308)
    assert faster.message == "the parameters became non-finite in step 1"
    of_one_entry = minimize(Quartic(), [2.0, 0.0], method="gd", learning_rate=1e308)
    assert of_one_entry.message == "the parameters became non-finite in step 1"


def test_a_node_that_becomes_constant_ends_the_run_with_its_best():
    x = np.random.default_rng(0).uniform(size=(30, 2))
    net, theta = rk.kan([2, 3, 1], order=3, intervals=2, node_map="mean-std").initialize(np.random.default_rng(1), x)
    problem = LeastSquares(net, x, x[:, :1])
    result = minimize(problem, theta, method="adam", steps=50, learning_rate=1e80)
    assert not result.converged
    assert result.value <= problem.value(theta)
    assert problem.value(result.theta) == pytest.approx(result.value, rel=1e-12)


def test_one_entry_of_a_gradient_that_is_no_number_ends_the_run():
    answers = iter([(1.0, [1.0, 1.0]), (0.5, [np.nan, 1.0])])
    problem = SimpleNamespace(value_and_gradient=lambda theta: next(answers))
    result = minimize(problem, np.ones(2), method="gd", learning_rate=0.1)
    assert "non-finite in step 1" in result.message
    assert result.value == 1.0


def test_a_gradient_of_another_shape_is_refused():
    problem = SimpleNamespace(value_and_gradient=lambda theta: (1.0, theta[:-1]))
    refused(lambda: minimize(problem, np.ones(3)), r"the gradient must have theta's shape \(3,\); got \(2,\)")


test_bad_arguments = refusals(
    ({"learning_rate": 1.0}, "TypeError: 'lbfgs' has no option 'learning_rate'; it takes history"),
    ({"method": "gd"}, "TypeError: 'gd' needs the option 'learning_rate'"),
    ({"method": "gd", "lr": 1.0}, "TypeError: 'gd' has no option 'lr'; it takes learning_rate"),
    ({"method": "gd", "run": 1.0}, "TypeError: 'gd' has no option 'run'"),
    ({"method": "gd", "learning_rate": -1.0}, "learning_rate must be finite and positive"),
    ({"method": "adam", "beta1": 1.0}, "beta1 must be less than 1; got 1.0"),
    ({"method": "adam", "epsilon": 0.0}, "epsilon must be finite and positive"),
    ({"method": "adam", "weight_decay": -1.0}, "weight_decay must be finite and not negative"),
    ({"method": "adam", "schedule": lambda k: np.nan}, r"schedule\(0\) must be finite"),
    ({"method": "adam", "schedule": "cosine"}, "TypeError: schedule must be a number; got 'cosine'"),
    ({"method": "adam", "schedule": 1.0, "learning_rate": 1.0}, "learning_rate must be left out"),
    ({"history": 0}, "history must be at least 1; got 0"),
    ({"tolerance_gradient": -1e-3}, "tolerance_gradient must be finite and not negative"),
    call=lambda arguments: minimize(Chain(), **{"theta": START} | arguments),
)


@pytest.mark.parametrize("minimise", [rk.minimize, rk.minimize_adaptive, lambda *a: rk.minimize_multilevel(*a, [1])])
def test_a_network_in_place_of_a_loss_is_answered_with_the_remedy(minimise):
    net, theta = rk.kan([1, 1], 2, 2).initialize(np.random.default_rng(0), [[0.0], [1.0]])
    refused(lambda: minimise(net, theta), "TypeError: problem must be a loss, .*pass a LeastSquares")


test_bad_arguments_of_second_order_methods = refusals(
    ({"damping": 0.0}, "damping must be finite and positive; got 0.0"),
    ({"solver": "lu"}, "solver must be one of 'auto', 'qr', 'cholesky', 'dual'; got 'lu'"),
    ({"max_rejections": 0}, "max_rejections must be at least 1; got 0"),
    ({"tolerance_gradient": -1.0}, "tolerance_gradient must be finite and not negative"),
    ({"truncation": 1e-3}, "TypeError: 'levenberg-marquardt' has no option 'truncation'"),
    ({"method": GN, "truncation": 1.0}, "truncation must be less than 1; got 1.0"),
    ({"method": GN, "max_line_search": 0}, "max_line_search must be at least 1; got 0"),
    ({"method": GN, "solver": "svd"}, "solver must be one of"),
    call=lambda arguments: minimize(rosenbrock(), **{"theta": [-1.2, 1.0], "method": LM} | arguments),
)


@pytest.mark.parametrize("method", residual_problems.METHODS)
def test_a_start_that_is_not_finite_is_refused(method):
    refused(lambda: minimize(wall(np.nan), [2.0], method=method), "theta must be a point of finite value and gradient")


@pytest.mark.parametrize("method", list(RESIDUAL_METHODS))
def test_a_problem_without_residuals_is_refused(method):
    class Bowl:
        def value_and_gradient(self, theta):
            return 0.5 * theta @ theta, theta

    refused(lambda: minimize(Bowl(), [1.0], method=method), "TypeError: problem must be a loss that offers")


@pytest.mark.parametrize("factor_r", [1.0, -1.0, 2.0])
@pytest.mark.parametrize("factor", [1.0, -1.0, 2.0**-10])
@pytest.mark.parametrize("method", residual_problems.METHODS)
def test_residuals_that_do_not_belong_to_the_value_are_refused(method, factor_r, factor):
    class Odd(Residuals):
        def residual_and_jacobian(self, theta):
            r, J = super().residual_and_jacobian(theta)
            return factor_r * r, factor * J

    problem = Odd(rosenbrock()._r, rosenbrock()._J)
    if factor_r == factor and abs(factor_r) == 1:
        assert minimize(problem, [-1.2, 1.0], method=method).converged
    else:
        refused(lambda: minimize(problem, [-1.2, 1.0], method=method, solver="qr"), "must return r and J with value")
