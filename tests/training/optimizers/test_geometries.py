"""Steps in the geometry of one basis from the gradient in either: the four rows of a table, on two networks."""

import numpy as np
import pytest

from refkan.training.optimizers import METHODS, minimize
from tests.shared.factories import EPS
from tests.training.optimizers.descent_problems import OPTIONS, START, A, Chain, trajectory


class Gradient:
    """eta P g for P = I."""

    def __call__(self, g):
        return 0.01 * g


class Adam:
    """eta P g for Adam, written as in the paper by Kingma and Ba."""

    def __init__(self):
        self.rate, self.t, self.m, self.v = 0.01, 0, 0.0, 0.0

    def __call__(self, g):
        self.t += 1
        self.m = 0.9 * self.m + (1 - 0.9) * g
        self.v = 0.999 * self.v + (1 - 0.999) * g * g
        mhat, vhat = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        return self.rate * mhat / (np.sqrt(vhat) + 1e-8)


# Table 1 of [S26], row by row: geometry, gradient, the step in w from grad_w, the step in u from grad_u.
Ai, AT, AiT = np.linalg.inv(A), A.T, np.linalg.inv(A).T
TABLE_1 = [
    ("relu", "relu", lambda P, g: P(g), lambda P, g: AiT @ P(Ai @ g)),
    ("relu", "spline", lambda P, g: P(A @ g), lambda P, g: AiT @ P(g)),
    ("spline", "spline", lambda P, g: AT @ P(A @ g), lambda P, g: P(g)),
    ("spline", "relu", lambda P, g: AT @ P(g), lambda P, g: P(Ai @ g)),
]


def explicit(preconditioner, form, basis, start, steps=6):
    """Iterate one form of a row in u (basis "spline") or w ("relu")."""
    problem, P, theta = Chain(basis=basis), preconditioner(), np.array(start)
    thetas = [theta]
    for _ in range(steps):
        theta = theta - form(P, problem.value_and_gradient(theta)[1])
        thetas.append(theta)
    return np.array(thetas)


@pytest.mark.parametrize(("method", "preconditioner"), [("gd", Gradient), ("adam", Adam)])
@pytest.mark.parametrize(("geometry", "gradient", "w_form", "u_form"), TABLE_1)
@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_table_1(method, preconditioner, geometry, gradient, w_form, u_form, basis):
    start = START if basis == "spline" else AT @ START
    ours = trajectory(
        Chain(basis=basis), start, method=method, geometry=geometry, gradient=gradient, learning_rate=0.01
    )
    in_u, in_w = (ours, ours @ A) if basis == "spline" else (ours @ Ai, ours)
    # Six contracting steps, each with solves of condition below 10: 1000 eps.
    tolerance = {"rtol": 0, "atol": 1000 * EPS * np.abs(ours).max()}
    np.testing.assert_allclose(in_u, explicit(preconditioner, u_form, "spline", START), **tolerance)
    np.testing.assert_allclose(in_w, explicit(preconditioner, w_form, "relu", AT @ START), **tolerance)
    # Sabotage: no other row agrees. Adam's first steps are nearly signs, and the rows hence close together.
    for other in TABLE_1:
        if other[:2] != (geometry, gradient):
            wrong = explicit(preconditioner, other[3], "spline", START)
            assert np.abs(in_u - wrong).max() > 1e-5


@pytest.mark.parametrize("basis", ["spline", "relu"])
@pytest.mark.parametrize("method", list(METHODS))
def test_no_geometry_means_the_own_parameters(method, basis):
    options = OPTIONS[method]
    plain = trajectory(Chain(basis=basis), START, method=method, **options)
    named = trajectory(Chain(basis=basis), START, method=method, geometry=basis, **options)
    np.testing.assert_array_equal(plain, named)


@pytest.mark.parametrize("method", list(METHODS))
def test_the_gradient_follows_the_geometry(method):
    options = OPTIONS[method]
    one = trajectory(Chain(), START, method=method, geometry="relu", **options)
    two = trajectory(Chain(), START, method=method, geometry="relu", gradient="relu", **options)
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - trajectory(Chain(), START, method=method, **options)).max() > 1e-3


@pytest.mark.parametrize("method", list(METHODS))
def test_a_geometry_is_the_plain_method_in_the_other_basis(method):
    # Descent in w on a spline network is descent in the own parameters of the same network in the ReLU basis.
    options = OPTIONS[method]
    in_u = trajectory(Chain(), START, method=method, geometry="relu", **options)
    in_w = trajectory(Chain(basis="relu"), AT @ START, method=method, **options)
    # L-BFGS amplifies rounding from step to step; it has 6 steps here, or 6 epochs of up to 20.
    tolerance = 1e-6 if method.startswith("lbfgs") else 1e-13
    length = min(len(in_u), len(in_w))
    np.testing.assert_allclose(in_u[:length] @ A, in_w[:length], rtol=0, atol=tolerance)


@pytest.mark.parametrize("method", ["lbfgs", "lbfgs-fixed-step"])
@pytest.mark.parametrize(("geometry", "gradient"), [("relu", "spline"), ("spline", "relu"), (None, "relu")])
def test_mixed_geometries_are_for_first_order_methods(method, geometry, gradient):
    with pytest.raises(ValueError, match="gradient must be the same as geometry for method 'lbfgs"):
        minimize(Chain(), START, method=method, geometry=geometry, gradient=gradient)
    # The own basis by name is not mixed.
    assert minimize(Chain(), START, method=method, geometry=None, gradient="spline").converged
