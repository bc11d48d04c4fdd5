"""What optimizers refuse: options, starts, and problems whose parts do not agree."""

import numpy as np
import pytest

import refkan as rk
from refkan.training.optimizers import RESIDUAL_METHODS, minimize
from tests.shared.refusals import refusals, refused
from tests.training.optimizers.descent_problems import START, Chain
from tests.training.optimizers.residual_problems import GN, LM, METHODS, Residuals, rosenbrock, wall

test_bad_arguments = refusals(
    ({"method": "sgd"}, "method must be one of 'gd', 'adam', 'lbfgs', 'lbfgs-fixed-step'"),
    ({"geometry": "w"}, "geometry must be one of 'spline', 'relu', 'scaled-relu'; got 'w'"),
    ({"gradient": "u"}, "gradient must be one of 'spline', 'relu', 'scaled-relu'; got 'u'"),
    ({"steps": -1}, "steps must be at least 0; got -1"),
    ({"steps": 2.5}, "TypeError: steps must be an integer; got 2.5"),
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
    ({"method": "lbfgs-fixed-step", "inner": 0}, "inner must be at least 1; got 0"),
    ({"history": 0}, "history must be at least 1; got 0"),
    ({"tolerance_gradient": -1e-3}, "tolerance_gradient must be finite and not negative"),
    ({"theta": [[1.0]]}, "theta must have 1 dimension; got shape"),
    ({"theta": [1.0, np.nan]}, r"theta must be finite; got theta\[1\] = nan"),
    ({"theta": [1j, 0]}, "TypeError: theta must be real"),
    call=lambda arguments: minimize(Chain(), **{"theta": START} | arguments),
)


def test_a_gradient_of_the_wrong_shape_is_named():
    class Wrong:
        def value_and_gradient(self, theta):
            return 1.0, np.ones(3)

    refused(lambda: minimize(Wrong(), START), r"the gradient must have theta's shape \(5,\); got \(3,\)")


@pytest.mark.parametrize("minimise", [rk.minimize, rk.minimize_adaptive, lambda *a: rk.minimize_multilevel(*a, [1])])
def test_a_network_in_place_of_a_loss_is_answered_with_the_remedy(minimise):
    net, theta = rk.kan([1, 1], 2, 2).initialize(np.random.default_rng(0), [[0.0], [1.0]])
    with pytest.raises(TypeError, match=r"problem must be a loss, .*pass a LeastSquares: rk.LeastSquares\(net, x, y\)"):
        minimise(net, theta)


@pytest.mark.parametrize("given", [None, np.eye(2), lambda theta: 1.0])
def test_what_is_no_loss_is_named(given):
    with pytest.raises(TypeError, match=r"problem must be a loss that offers value_and_gradient\(theta\); got "):
        minimize(given, START)


test_bad_arguments_of_second_order_methods = refusals(
    ({"damping": 0.0}, "damping must be finite and positive; got 0.0"),
    ({"scaling": "more"}, "scaling must be one of 'identity', 'diagonal'; got 'more'"),
    ({"solver": "lu"}, "solver must be one of 'auto', 'qr', 'cholesky', 'dual'; got 'lu'"),
    ({"max_rejections": 0}, "max_rejections must be at least 1; got 0"),
    ({"tolerance_gradient": -1.0}, "tolerance_gradient must be finite and not negative"),
    ({"truncation": 1e-3}, "TypeError: 'levenberg-marquardt' has no option 'truncation'"),
    ({"method": GN, "truncation": 1.0}, "truncation must be less than 1; got 1.0"),
    ({"method": GN, "max_line_search": 0}, "max_line_search must be at least 1; got 0"),
    ({"method": GN, "solver": "svd"}, "solver must be one of"),
    ({"theta": [np.nan, 1.0]}, r"theta must be finite; got theta\[0\] = nan"),
    call=lambda arguments: minimize(rosenbrock(), **{"theta": [-1.2, 1.0], "method": LM} | arguments),
)


@pytest.mark.parametrize("method", METHODS)
def test_a_start_that_is_not_finite_is_refused(method):
    refused(lambda: minimize(wall(np.nan), [2.0], method=method), "theta must be a point of finite value and gradient")


@pytest.mark.parametrize("method", list(RESIDUAL_METHODS))
def test_a_problem_without_residuals_is_refused(method):
    class Bowl:
        def value_and_gradient(self, theta):
            return 0.5 * theta @ theta, theta

    with pytest.raises(TypeError, match=f"method '{method}' needs a problem that offers residual_and_jacobian"):
        minimize(Bowl(), [1.0], method=method)


@pytest.mark.parametrize("factor_r", [1.0, -1.0, 2.0])
@pytest.mark.parametrize("factor", [1.0, -1.0, 2.0**-10])
@pytest.mark.parametrize("method", METHODS)
def test_residuals_that_do_not_belong_to_the_value_are_refused(method, factor_r, factor):
    class Odd(Residuals):
        def residual_and_jacobian(self, theta):
            r, J = super().residual_and_jacobian(theta)
            return factor_r * r, factor * J

    problem = Odd(rosenbrock()._r, rosenbrock()._J)
    if factor_r == factor and abs(factor_r) == 1:
        assert minimize(problem, [-1.2, 1.0], method=method).converged
    else:
        with pytest.raises(ValueError, match=r"must return r and J with value = .* off the gradient by"):
            minimize(problem, [-1.2, 1.0], method=method, solver="qr")
