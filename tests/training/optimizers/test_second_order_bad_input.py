"""What Gauss-Newton and Levenberg-Marquardt refuse: options, starts, and problems whose parts do not agree."""

import numpy as np
import pytest

from refkan.training.optimizers import RESIDUAL_METHODS, minimize
from tests.shared.refusals import refused
from tests.training.optimizers.residual_problems import GN, LM, METHODS, Residuals, rosenbrock, wall


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"damping": 0.0}, ValueError, "damping must be finite and positive; got 0.0"),
        ({"scaling": "more"}, ValueError, "scaling must be one of 'identity', 'diagonal'; got 'more'"),
        ({"solver": "lu"}, ValueError, "solver must be one of 'auto', 'qr', 'cholesky', 'dual'; got 'lu'"),
        ({"max_rejections": 0}, ValueError, "max_rejections must be at least 1; got 0"),
        ({"tolerance_gradient": -1.0}, ValueError, "tolerance_gradient must be finite and not negative"),
        ({"truncation": 1e-3}, TypeError, "'levenberg-marquardt' has no option 'truncation'"),
        ({"method": GN, "truncation": 1.0}, ValueError, "truncation must be less than 1; got 1.0"),
        ({"method": GN, "max_line_search": 0}, ValueError, "max_line_search must be at least 1; got 0"),
        ({"method": GN, "solver": "svd"}, ValueError, "solver must be one of"),
        ({"theta": [np.nan, 1.0]}, ValueError, r"theta must be finite; got theta\[0\] = nan"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        minimize(rosenbrock(), **{"theta": [-1.2, 1.0], "method": LM} | arguments)


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
