"""Steps in the geometry of one basis from the gradient in either; Adam's decay, schedules, and a reference."""

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
def test_a_geometry_is_the_plain_method_in_the_other_basis(method):
    # Descent in w on a spline network is descent in the own parameters of the same network in the ReLU basis.
    options = OPTIONS[method]
    in_u = trajectory(Chain(), START, method=method, geometry="relu", **options)
    in_w = trajectory(Chain(basis="relu"), AT @ START, method=method, **options)
    # L-BFGS amplifies rounding from step to step; it has 6 steps here.
    tolerance = 1e-6 if method.startswith("lbfgs") else 1e-13
    length = min(len(in_u), len(in_w))
    np.testing.assert_allclose(in_u[:length] @ A, in_w[:length], rtol=0, atol=tolerance)


@pytest.mark.parametrize("method", ["lbfgs", "self-scaled-broyden"])
@pytest.mark.parametrize(("geometry", "gradient"), [("relu", "spline"), ("spline", "relu"), (None, "relu")])
def test_mixed_geometries_are_for_first_order_methods(method, geometry, gradient):
    with pytest.raises(ValueError, match="gradient must be the same as geometry for method '"):
        minimize(Chain(), START, method=method, geometry=geometry, gradient=gradient)
    # The own basis by name is not mixed.
    assert minimize(Chain(), START, method=method, geometry=None, gradient="spline").converged


def test_adam_with_decoupled_decay_against_torch():
    # torch 2.13.0, float64, with x the start and f the chain, a = 1:
    #   opt = torch.optim.AdamW([x], lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
    #   for k in range(10):
    #       opt.zero_grad(); v = f(); v.backward(); opt.step()
    expected = [
        -0.003160809755066385,
        0.6659961986767869,
        0.5798864116501841,
        0.5533663037370525,
        0.09108550048760046,
    ]
    result = minimize(
        Chain(a=1.0),
        START,
        method="adam",
        steps=10,
        learning_rate=0.05,
        beta1=0.8,
        beta2=0.95,
        epsilon=1e-6,
        weight_decay=0.1,
    )
    # The value falls in every step, so that the best is the last: 64 eps for ten rounded steps.
    np.testing.assert_allclose(result.theta, expected, rtol=0, atol=64 * EPS)
    assert result.value == pytest.approx(2.0494041767688436, rel=64 * EPS)


def test_schedules():
    constant = trajectory(Chain(), START, method="adam", learning_rate=0.02)
    np.testing.assert_array_equal(trajectory(Chain(), START, method="adam", schedule=0.02), constant)
    np.testing.assert_array_equal(trajectory(Chain(), START, method="adam", schedule=lambda k: 0.02), constant)
    asked = []

    def warm_up(k):
        asked.append(k)
        return 0.02 * min(1, k / 3)

    warm = trajectory(Chain(), START, method="adam", schedule=warm_up)
    assert asked == list(range(6))
    np.testing.assert_array_equal(warm[0], warm[1])  # rate 0
    assert np.abs(warm[2] - warm[1]).max() == pytest.approx(0.02 / 3, rel=1e-6)
    default = trajectory(Chain(), START, method="adam")
    np.testing.assert_array_equal(default, trajectory(Chain(), START, method="adam", learning_rate=1e-3))
