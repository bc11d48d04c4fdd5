"""Steps in the geometry of one basis from the gradient in either; Adam and quasi-Newton methods by references."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import optimize

from refkan.training.optimizers import minimize
from refkan.training.optimizers.gradient_methods import updated
from refkan.training.optimizers.minimization import METHODS
from tests.shared.factories import EPS
from tests.shared.refusals import refused
from tests.training.optimizers.descent_problems import OPTIONS, START, A, Chain, ToyNet, trajectory


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


@pytest.mark.parametrize("geometry", [None, "spline", "relu"])
def test_lbfgs_is_scipy_on_the_coordinates(geometry):
    coordinates = ToyNet().coordinates(geometry or "spline")
    expected = []

    def function(v):
        value, g = Chain().function(coordinates.back(v))
        return value, coordinates.gradient(g)

    optimize.minimize(
        function,
        coordinates.to(START),
        jac=True,
        method="L-BFGS-B",
        callback=lambda v: expected.append(coordinates.back(v)),
        options={"maxiter": 8, "ftol": 0, "gtol": 1e-9},
    )
    ours = trajectory(Chain(), START, steps=8, method="lbfgs", geometry=geometry)
    assert len(expected) == 8
    # The origin is shifted, so that roundings differ; eight steps amplify them a little.
    np.testing.assert_allclose(ours[1:], expected, rtol=0, atol=1e-10)


def test_lbfgs_converges_and_takes_its_options():
    result = minimize(Chain(a=10.0), START)
    assert result.converged, result.message
    np.testing.assert_allclose(result.theta, 1.0, atol=1e-8)
    assert "tolerance_gradient" in result.message
    loose = minimize(Chain(a=10.0), START, tolerance_gradient=1e-2)
    assert loose.converged
    assert len(loose.history.value) < len(result.history.value)
    exactly = minimize(Chain(a=10.0), START, tolerance_gradient=1e-2, steps=len(loose.history.value) - 1)
    assert (exactly.converged, exactly.message) == (True, loose.message)  # not that steps are done
    assert minimize(Chain(a=10.0), START, tolerance_change=1e-3).value > result.value
    thin = minimize(Chain(a=10.0), START, history=1, steps=20)
    assert thin.value != minimize(Chain(a=10.0), START, history=10, steps=20).value
    hasty = minimize(Chain(a=10.0), START, max_line_search=1)
    assert not hasty.converged
    assert "ABNORMAL" in hasty.message
    short = minimize(Chain(a=10.0), START, steps=3)
    assert not short.converged
    assert short.message == "3 steps done"
    assert len(short.history.value) == 4


METHOD = "self-scaled-broyden"


def definite(n, seed):
    """A positive definite matrix."""
    M = np.random.default_rng(seed).normal(size=(n, n))
    return M @ M.T + 0.1 * np.eye(n)


def pair(n, seed):
    """A step and a change of gradients with positive curvature."""
    s = np.random.default_rng(seed).normal(size=n)
    return s, definite(n, seed + 100) @ s


@pytest.mark.parametrize("scale", [1e-2, 0.3, 1.0, 1e2])
def test_broyden_is_the_class_in_terms_of_the_hessian(scale):
    """B of H^-1 by Broyden's class, scaled, with theta from the definitions; H by inverting it."""
    H, (s, y) = scale * definite(4, 7), pair(4, 8)
    B = np.linalg.inv(H)
    b, h = (s @ B @ s) / (y @ s), (y @ H @ y) / (y @ s)
    a = b * h - 1
    rho = min(1, h * (1 - np.sqrt(a / (1 + a))))
    theta = np.clip((1 - b) / b, (rho - 1) / a, 1 / rho)
    sigma, tau = 1 + a * theta, min(1, 1 / b)
    tau = tau * min(sigma ** (-1 / 3), 1 / theta) if theta > 0 else min(tau * sigma ** (-1 / 3), sigma)
    u = np.sqrt(s @ B @ s) * (y / (y @ s) - B @ s / (s @ B @ s))
    new = tau * (B - np.outer(B @ s, B @ s) / (s @ B @ s) + theta * np.outer(u, u)) + np.outer(y, y) / (y @ s)
    found = updated(H, s, y, None)
    np.testing.assert_allclose(found, np.linalg.inv(new), rtol=0, atol=1e-10 * np.abs(found).max())


def test_every_step_satisfies_wolfes_conditions():
    points = [START]
    result = minimize(Chain(), START, METHOD, steps=15, callback=lambda state: points.append(state.theta))
    for before, after in pairwise(points):
        (low, g), (value, g_new) = Chain().function(before), Chain().function(after)
        slope = g @ (after - before)
        assert slope < 0
        assert value <= low + 1e-4 * slope + 1e-14
        assert abs(g_new @ (after - before)) <= 0.9 * abs(slope) * (1 + 1e-12)
    assert (result.history.step_length[1:] > 0).all()


def test_a_value_that_nothing_decreases_ends_the_run():
    class Stuck(Chain):
        def value_and_gradient(self, theta):
            value, gradient = super().value_and_gradient(theta)
            return value + 1e3 * (len(self.points) > 1), gradient

    result = minimize(Stuck(), START, METHOD)
    assert not result.converged
    assert "Wolfe's conditions in step 1" in result.message
    np.testing.assert_array_equal(result.theta, START)


def test_an_inverse_hessian_beyond_the_memory_is_refused_before_it_is_made():
    class Large:
        def value_and_gradient(self, theta):
            return 0.5 * theta @ theta, theta

    refused(lambda: minimize(Large(), np.ones(5_000_000), METHOD), "the inverse Hessian of 5000000 parameters")
