from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import optimize

import refkan as rk
from refkan.losses import LeastSquares
from refkan.optimizers import METHODS, minimize
from refkan.optimizers.lbfgs_fixed_step import CorrectionPairs

EPS = np.finfo(float).eps
OPTIONS = {
    "gd": {"learning_rate": 0.01},
    "adam": {"learning_rate": 0.01},
    "lbfgs": {},
    "lbfgs-fixed-step": {},
}
START = np.array([-0.5, 0.3, 0.8, 0.2, -0.4])


def triangular(n, seed=11):
    """A well conditioned upper triangular matrix in the part of the change of basis."""
    A = np.triu(np.random.default_rng(seed).uniform(-0.4, 0.4, (n, n)))
    return A + np.diag(np.linspace(0.6, 1.8, n))


A = triangular(5)


class LinearCoordinates:
    """v = M theta."""

    def __init__(self, M):
        self.M = M

    def to(self, theta):
        return self.M @ theta

    def back(self, v):
        return np.linalg.solve(self.M, v)

    def gradient(self, g_theta):
        return np.linalg.solve(self.M.T, g_theta)


class ToyNet:
    """Stands in for a network: w = A^T u, its own parameters being u or w."""

    def __init__(self, basis="spline"):
        self.basis = basis

    def coordinates(self, name):
        if name == self.basis:
            return LinearCoordinates(np.eye(5))
        return LinearCoordinates(A.T if name == "relu" else np.linalg.inv(A.T))


class Chain:
    """A Rosenbrock chain, sum a (x_{i+1} - x_i^2)^2 + (1 - x_i)^2 with x the spline coefficients u."""

    def __init__(self, a=3.0, basis="spline"):
        self.a, self.net, self.points = a, ToyNet(basis), []

    def function(self, u):
        r, q = u[1:] - u[:-1] ** 2, 1 - u[:-1]
        g = np.zeros_like(u)
        g[1:] += 2 * self.a * r
        g[:-1] -= 4 * self.a * r * u[:-1] + 2 * q
        return self.a * np.sum(r * r) + np.sum(q * q), g

    def value_and_gradient(self, theta):
        self.points.append(theta.copy())
        if self.net.basis == "spline":
            return self.function(theta)
        value, g = self.function(np.linalg.solve(A.T, theta))
        return value, np.linalg.solve(A, g)


def trajectory(problem, start, steps=6, **arguments):
    thetas = [np.array(start)]
    minimize(problem, start, steps=steps, callback=lambda s: thetas.append(s.theta), **arguments)
    return np.array(thetas)


# --- the four geometries


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


# --- first-order methods


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


def test_weight_decay_is_the_same_in_all_coordinates():
    # With the gradient of a constant, only the decay is left.
    class Constant:
        net = ToyNet()

        def value_and_gradient(self, theta):
            return 1.0, np.full(theta.shape, 1e-300)

    options = {"method": "adam", "learning_rate": 0.1, "weight_decay": 0.5, "steps": 3, "epsilon": 1.0}
    for geometry in (None, "relu"):
        np.testing.assert_allclose(
            trajectory(Constant(), START, geometry=geometry, **options)[-1], 0.95**3 * START, rtol=8 * EPS
        )


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


# --- L-BFGS


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


def dense_lbfgs(problem, theta, epochs, inner, history):
    """The fixed-step method with the inverse BFGS matrix written out, and no tolerance."""
    g = problem.function(theta)[1]
    pairs, gamma, first, thetas = [], 1.0, True, [theta]
    for _ in range(epochs):
        for _ in range(inner):
            H = gamma * np.eye(theta.size)
            for s, y in pairs[-history:]:
                V = np.eye(theta.size) - np.outer(y, s) / (y @ s)
                H = V.T @ H @ V + np.outer(s, s) / (y @ s)
            s = -(min(1.0, 1.0 / np.sum(np.abs(g))) if first else 1.0) * (H @ g)
            theta, first, before = theta + s, False, g
            g = problem.function(theta)[1]
            y = g - before
            if y @ s > 1e-10:
                pairs.append((s, y))
                gamma = (y @ s) / (y @ y)
        thetas.append(theta)
    return np.array(thetas)


@pytest.mark.parametrize("history", [1, 3, 100])
@pytest.mark.parametrize("a", [1.0, 3.0])
def test_fixed_step_is_dense_bfgs(a, history):
    ours = trajectory(
        Chain(a), START, steps=4, method="lbfgs-fixed-step", inner=4, history=history, tolerance_change=0.0
    )
    expected = dense_lbfgs(Chain(a), START, 4, 4, history)
    # Without a line search rounding grows by orders in 16 steps; a wrong pair shows in the first digits.
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("wrong", [{"inner": 5}, {"history": 2}])
def test_sabotage_dense_bfgs_with_other_options(wrong):
    ours = trajectory(Chain(), START, steps=4, method="lbfgs-fixed-step", **{"inner": 4, "history": 3} | wrong)
    assert np.abs(ours - dense_lbfgs(Chain(), START, 4, 4, 3)).max() > 1e-2


# torch 2.13.0, float64, x the start, f the chain:
#   opt = torch.optim.LBFGS([x], lr=1, max_iter=inner, history_size=history)
#   def closure(): opt.zero_grad(); v = f(); v.backward(); return v
#   for epoch in range(8): opt.step(closure); print(f().item())
# In the first and third, torch's later epochs repeat the last value; there the run has converged.
TORCH = [
    (1.0, 100, 5, [1.5035989427170253, 0.11259527860802238, 0.008365954783131053, 4.733253883980859e-12]),
    (
        1.0,
        3,
        4,
        [
            1.6481857035228429,
            1.4221998720213531,
            0.4916319619717762,
            0.03202826183820397,
            0.003576717884948681,
            7.406590850932847e-06,
            9.86102771734211e-08,
            1.8934528228859163e-08,
        ],
    ),
    (10.0, 100, 20, [3.8090113930095866, 3.804567785536641]),
    (10.0, 3, 4, [4.268784986837451, 5845.256298285007, 4.250850268097967, 4.205986354632642]),
]


@pytest.mark.parametrize(("a", "history", "inner", "expected"), TORCH)
def test_fixed_step_against_torch(a, history, inner, expected):
    steps = 4 if len(expected) == 4 and expected[-1] > 1 else 8  # the last one is a prefix
    result = minimize(Chain(a), START, method="lbfgs-fixed-step", steps=steps, inner=inner, history=history)
    # Rounding in up to 32 steps, some of them to values of 6000.
    np.testing.assert_allclose(result.history.value[1:], expected, rtol=1e-7)
    assert result.converged == (len(expected) < steps)
    if not result.converged:
        assert result.n_evaluations == 1 + steps * inner
        np.testing.assert_array_equal(result.history.evaluations, 1 + inner * np.arange(steps + 1))


def test_fixed_step_first_step_is_scaled():
    g = Chain().function(START)[1]
    assert np.abs(g).sum() > 1
    first = trajectory(Chain(), START, steps=1, method="lbfgs-fixed-step", inner=1)[1]
    np.testing.assert_allclose(first, START - g / np.abs(g).sum(), rtol=0, atol=4 * EPS)
    # Where the gradient is small, the scale is 1, not more.
    flat = trajectory(LogCosh(), [0.1, 0.0], steps=1, method="lbfgs-fixed-step", inner=1)[1]
    np.testing.assert_allclose(flat, [0.1 - np.tanh(0.1), 0.0], rtol=0, atol=4 * EPS)


class LogCosh:
    """sum log cosh theta: smooth, convex, flat far away."""

    def value_and_gradient(self, theta):
        return np.sum(np.log(np.cosh(theta))), np.tanh(theta)


def test_fixed_step_tolerances_end_epoch_and_run():
    run = {"method": "lbfgs-fixed-step", "steps": 50}
    assert minimize(LogCosh(), [0.3, 0.2], **run).n_evaluations < 12
    coarse = minimize(LogCosh(), [0.3, 0.2], tolerance_gradient=1e-1, **run)
    assert coarse.converged
    assert coarse.n_evaluations < minimize(LogCosh(), [0.3, 0.2], **run).n_evaluations
    # The tolerance of change ends an epoch, and not the run: one iteration an epoch from then on.
    steps = minimize(Chain(10.0), START, tolerance_change=0.5, tolerance_gradient=0.0, **run | {"steps": 6})
    assert len(steps.history.value) > 2
    assert steps.n_evaluations < 1 + 20 * (len(steps.history.value) - 1)

    # theta^2 - theta: the first step leads from 1 to 0, where the value is the same though the slope is not small.
    class Mirror:
        def value_and_gradient(self, theta):
            return float(theta[0] ** 2 - theta[0]), 2 * theta - 1

    assert minimize(Mirror(), [1.0], **run | {"steps": 1}).n_evaluations == 2
    assert minimize(Mirror(), [1.0], tolerance_change=0.0, **run | {"steps": 1}).n_evaluations > 2
    done = minimize(LogCosh(), [0.0, 0.0], **run)
    assert done.converged
    assert done.n_evaluations == len(done.history.value) == 1


def test_pairs_without_curvature_are_left_out():
    pairs = CorrectionPairs(2)
    g = np.array([1.0, 2.0])
    pairs.add(np.array([1.0, 0.0]), np.array([-1.0, 0.0]))
    pairs.add(np.array([1.0, 0.0]), np.array([1e-10, 0.0]))  # not above the least curvature
    np.testing.assert_array_equal(pairs.apply(g), g)
    pairs.add(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    np.testing.assert_allclose(pairs.apply(g), g / 2, rtol=4 * EPS)
    for curvature in (4.0, 8.0):
        pairs.add(np.array([0.0, 1.0]), np.array([0.0, curvature]))
    # The oldest of three has gone: both entries now see the newest scaling.
    np.testing.assert_allclose(pairs.apply(g), g / 8, rtol=4 * EPS)


# --- what all methods share


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("geometry", [None, "relu"])
def test_no_point_is_evaluated_twice(method, geometry):
    problem = Chain()
    result = minimize(problem, START, method=method, geometry=geometry, steps=9, **OPTIONS[method])
    assert result.n_evaluations == len(problem.points)
    assert len({point.tobytes() for point in problem.points}) == len(problem.points)


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


@pytest.mark.parametrize("method", list(METHODS))
def test_no_steps(method):
    called = []
    result = minimize(Chain(), START, method=method, steps=0, callback=called.append, **OPTIONS[method])
    np.testing.assert_array_equal(result.theta, START)
    assert not called
    assert (result.n_evaluations, len(result.history.value), result.converged) == (1, 1, False)
    assert result.message == "0 steps done"


@pytest.mark.parametrize("method", list(METHODS))
def test_a_stationary_start_has_converged(method):
    for steps in (0, 5):
        result = minimize(Chain(), np.ones(5), method=method, steps=steps, **OPTIONS[method])
        assert result.converged
        assert result.n_evaluations == 1
        np.testing.assert_array_equal(result.theta, 1.0)


@pytest.mark.parametrize("method", list(METHODS))
def test_the_callback_may_stop_and_may_not_interfere(method):
    def stop(state):
        theta = state.theta.copy()
        state.theta[:] = 99.0
        if state.step == 2:
            seen.append(theta)
            raise StopIteration

    seen = []
    result = minimize(Chain(), START, method=method, callback=stop, steps=9, **OPTIONS[method])
    assert result.message == "stopped by the callback after step 2"
    assert not result.converged
    assert len(result.history.value) == 3
    np.testing.assert_array_equal(seen[0], trajectory(Chain(), START, 2, method=method, **OPTIONS[method])[2])

    def fail(state):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        minimize(Chain(), START, method=method, callback=fail, **OPTIONS[method])


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


@pytest.mark.parametrize(
    ("value", "gradient", "message"),
    [
        (np.nan, 1.0, r"the value \(nan\) became non-finite in step"),
        (-np.inf, 1.0, r"the value \(-inf\) became non-finite in step"),
        (-1.0, np.inf, "the gradient became non-finite in step"),
    ],
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


def test_warnings_of_a_callback_stay_its_own():
    def careless(state):
        np.float64(1.0) / np.float64(0.0)

    with pytest.raises(RuntimeWarning, match="divide by zero"):
        minimize(Chain(), START, steps=1, callback=careless)


def test_the_start_is_left_alone_and_widened():
    start = START.copy()
    minimize(Chain(), start, method="gd", learning_rate=0.01)
    np.testing.assert_array_equal(start, START)
    assert not np.shares_memory(minimize(Chain(), start, steps=0).theta, start)
    assert minimize(Chain(), [0, 0, 0, 0, 0], steps=1).theta.dtype == np.float64


def test_least_squares_of_a_linear_model_is_lstsq():
    class Linear:
        def __call__(self, theta, x):
            return x @ theta[:, None]

        def vjp(self, theta, x, inputs=True):
            return self(theta, x), lambda dy: ((x.T @ dy)[:, 0], None)

    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((30, 4)), rng.standard_normal((30, 1))
    expected = np.linalg.lstsq(x, y, rcond=None)[0][:, 0]
    problem = LeastSquares(Linear(), x, y)
    for method, options in (
        ("lbfgs", {}),
        ("lbfgs-fixed-step", {"tolerance_change": 0.0}),
        ("gd", {"learning_rate": 0.5, "steps": 400}),
    ):
        result = minimize(problem, np.zeros(4), method=method, **options)
        np.testing.assert_allclose(result.theta, expected, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def network_problem():
    rng = np.random.default_rng(4)
    x = rng.uniform(size=(60, 2))
    y = np.sin(3 * x[:, :1]) * x[:, 1:]
    net, theta = rk.kan([2, 3, 1], order=3, intervals=3).initialize(rng, x)
    return LeastSquares(net, x, y), theta


def test_geometries_on_a_network(network_problem):
    # Steps in the ReLU coordinates of a spline network are the plain method on the same network in that basis.
    problem, theta = network_problem
    relu = problem.net.to_basis("relu")
    other = LeastSquares(relu, problem.x, problem.y)
    w = problem.net.convert(theta, relu)
    options = {"method": "gd", "learning_rate": 1e-3, "steps": 5}
    here, there = minimize(problem, theta, geometry="relu", **options), minimize(other, w, **options)
    # Values of two bases, whose condition is 1e3 here, after five small steps.
    np.testing.assert_allclose(here.history.value, there.history.value, rtol=1e-11)
    assert here.value < here.history.value[0]
    assert minimize(problem, theta, **options).value != pytest.approx(here.value, rel=1e-3)


@pytest.mark.parametrize("gradient", ["spline", "relu"])
@pytest.mark.parametrize("geometry", ["spline", "relu"])
def test_divergence_on_a_network(network_problem, geometry, gradient):
    problem, theta = network_problem
    result = minimize(problem, theta, method="gd", learning_rate=1e6, steps=50, geometry=geometry, gradient=gradient)
    assert "non-finite" in result.message
    assert np.isfinite(result.history.value).all()
    assert result.value == problem.value(result.theta)


# --- bad input


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

    with pytest.raises(ValueError, match=r"the gradient must have theta's shape \(5,\); got \(3,\)"):
        minimize(Wrong(), START)


def test_a_node_that_becomes_constant_ends_the_run_with_its_best():
    x = np.random.default_rng(0).uniform(size=(30, 2))
    net, theta = rk.kan([2, 3, 1], order=3, intervals=2, node_map="mean-std").initialize(np.random.default_rng(1), x)
    problem = LeastSquares(net, x, x[:, :1])
    result = minimize(problem, theta, method="adam", steps=50, learning_rate=1e80)
    assert not result.converged
    assert result.value <= problem.value(theta)
    assert problem.value(result.theta) == pytest.approx(result.value, rel=1e-12)
