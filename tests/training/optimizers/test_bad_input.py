import numpy as np
import pytest

import refkan as rk
from refkan.training.optimizers import minimize
from tests.shared.refusals import refused
from tests.training.optimizers.descent_problems import START, Chain


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "sgd"}, ValueError, "method must be one of 'gd', 'adam', 'lbfgs', 'lbfgs-fixed-step'"),
        ({"geometry": "w"}, ValueError, "geometry must be one of 'spline', 'relu', 'scaled-relu'; got 'w'"),
        ({"gradient": "u"}, ValueError, "gradient must be one of 'spline', 'relu', 'scaled-relu'; got 'u'"),
        ({"steps": -1}, ValueError, "steps must be at least 0; got -1"),
        ({"steps": 2.5}, TypeError, "steps must be an integer; got 2.5"),
        ({"learning_rate": 1.0}, TypeError, "'lbfgs' has no option 'learning_rate'; it takes history"),
        ({"method": "gd"}, TypeError, "'gd' needs the option 'learning_rate'"),
        ({"method": "gd", "lr": 1.0}, TypeError, "'gd' has no option 'lr'; it takes learning_rate"),
        ({"method": "gd", "run": 1.0}, TypeError, "'gd' has no option 'run'"),
        ({"method": "gd", "learning_rate": -1.0}, ValueError, "learning_rate must be finite and positive"),
        ({"method": "adam", "beta1": 1.0}, ValueError, "beta1 must be less than 1; got 1.0"),
        ({"method": "adam", "epsilon": 0.0}, ValueError, "epsilon must be finite and positive"),
        (
            {"method": "adam", "weight_decay": -1.0},
            ValueError,
            "weight_decay must be finite and not negative",
        ),
        ({"method": "adam", "schedule": lambda k: np.nan}, ValueError, r"schedule\(0\) must be finite"),
        ({"method": "adam", "schedule": "cosine"}, TypeError, "schedule must be a number; got 'cosine'"),
        (
            {"method": "adam", "schedule": 1.0, "learning_rate": 1.0},
            ValueError,
            "learning_rate must be left out",
        ),
        ({"method": "lbfgs-fixed-step", "inner": 0}, ValueError, "inner must be at least 1; got 0"),
        ({"history": 0}, ValueError, "history must be at least 1; got 0"),
        ({"tolerance_gradient": -1e-3}, ValueError, "tolerance_gradient must be finite and not negative"),
        ({"theta": [[1.0]]}, ValueError, "theta must have 1 dimension; got shape"),
        ({"theta": [1.0, np.nan]}, ValueError, r"theta must be finite; got theta\[1\] = nan"),
        ({"theta": [1j, 0]}, TypeError, "theta must be real"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        minimize(Chain(), **{"theta": START} | arguments)


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
