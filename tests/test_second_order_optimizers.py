from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

import refkan as rk
from refkan.losses import LeastSquares
from refkan.optimizers import RESIDUAL_METHODS, damped_systems, minimize
from refkan.optimizers.damped_systems import (
    DualSystem,
    NormalSystem,
    OrthogonalSystem,
    choose,
    normal_matrix,
    system_at,
)
from refkan.optimizers.run import Iterate

EPS = np.finfo(float).eps
METHODS = ("gauss-newton", "levenberg-marquardt")
SOLVERS = ("qr", "cholesky", "dual")
GN, LM = METHODS


class Residuals:
    """A problem from functions r(theta), J(theta); it counts what it is asked for."""

    def __init__(self, r, J):
        self._r, self._J = r, J
        self.points, self.jacobians = [], []

    def value_and_gradient(self, theta):
        self.points.append(theta.copy())
        r = self._r(theta)
        return 0.5 * r @ r, self._J(theta).T @ r

    def residual_and_jacobian(self, theta):
        self.jacobians.append(theta.copy())
        return self._r(theta), self._J(theta)


def linear(A, b):
    return Residuals(lambda theta: A @ theta - b, lambda theta: A)


def rosenbrock():
    return Residuals(
        lambda t: np.array([10.0 * (t[1] - t[0] ** 2), 1.0 - t[0]]),
        lambda t: np.array([[-20.0 * t[0], 10.0], [-1.0, 0.0]]),
    )


def exponentials(noise=0.05):
    """y = a exp(-b x) + c exp(-d x) with residuals at the minimum."""
    x = np.linspace(0, 4, 30)
    y = 2 * np.exp(-1.5 * x) + np.exp(-0.3 * x) + noise * np.sin(17 * x)

    def J(t):
        e, f = np.exp(-t[1] * x), np.exp(-t[3] * x)
        return np.column_stack([e, -t[0] * x * e, f, -t[2] * x * f])

    return Residuals(lambda t: t[0] * np.exp(-t[1] * x) + t[2] * np.exp(-t[3] * x) - y, J)


EXPONENTIALS = np.array([1.0, 1.0, 1.5, 0.1])


def matrix(m, n, rank=None, seed=5):
    rng = np.random.default_rng(seed)
    rank = min(m, n) if rank is None else rank
    return rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))


@pytest.fixture(scope="module")
def kan():
    """The regression of the papers, small: [2, 5, 1], order 3, mean-std."""
    rng = np.random.default_rng(1234)
    x = rng.uniform(1e-4, 0.9999, (300, 2))
    net, theta = rk.kan([2, 5, 1], 3, [2, 3], node_map="mean-std").initialize(rng, x)
    return LeastSquares(net, x, rk.problems.regression_target(x)), theta


# --- the systems


def dense_step(J, r, damping, scale):
    return -np.linalg.solve(J.T @ J + damping * np.diag(scale), J.T @ r)


def systems(r, J):
    return {"qr": OrthogonalSystem(r, J), "cholesky": NormalSystem(J.T @ r, J.T @ J), "dual": DualSystem(r, J)}


@pytest.mark.parametrize("shape", [(30, 6), (6, 6), (6, 30), (1, 4), (4, 1)])
def test_damped_steps_by_all_routes(shape):
    J, r = matrix(*shape), np.random.default_rng(1).standard_normal(shape[0])
    scale = np.random.default_rng(2).uniform(0.5, 2.0, shape[1])
    for damping in (1e-3, 1.0, 100.0):
        expected = dense_step(J, r, damping, scale)
        for name, system in systems(r, J).items():
            # The damped matrix has a condition of at most 1e6 here, which rounding is multiplied by, on both sides.
            atol = 2 * np.finfo(float).eps * 1e6 * np.abs(expected).max()
            np.testing.assert_allclose(system.step(damping, scale), expected, rtol=0, atol=atol, err_msg=name)
            np.testing.assert_allclose(system.gradient, J.T @ r, rtol=0, atol=1e-12)
            np.testing.assert_allclose(system.diagonal, np.diag(J.T @ J), rtol=1e-13)
            # Sabotage: a scale forgotten, a damping halved, a residual of the wrong sign.
            assert np.abs(system.step(damping, np.ones(shape[1])) - expected).max() > 1e-8
            assert np.abs(system.step(damping / 2, scale) - expected).max() > 1e-8
            assert np.abs(system.step(damping, scale) + expected).max() > 1e-3


@pytest.mark.parametrize(("m", "n", "rank"), [(30, 6, 4), (6, 6, 5), (6, 30, 4), (30, 6, 6), (6, 30, 6)])
def test_minimum_norm_steps_by_all_routes(m, n, rank):
    J, r = matrix(m, n, rank), np.random.default_rng(1).standard_normal(m)
    expected = -np.linalg.pinv(J, rcond=1e-10) @ r
    for name, system in systems(r, J).items():
        np.testing.assert_allclose(system.minimum_norm_step(1e-10), expected, rtol=0, atol=1e-10, err_msg=name)
        if rank < min(m, n) and name != "cholesky":
            # Sabotage: without truncation the null space takes over. (Cholesky's own limit is sqrt(n eps).)
            assert np.linalg.norm(system.minimum_norm_step(0.0)) > 1e3 * np.linalg.norm(expected)


def test_truncation_cuts_where_it_says():
    sigma = np.array([1.0, 1e-1, 1e-3, 1e-5])
    J, r = np.vstack([np.diag(sigma), np.zeros((2, 4))]), np.ones(6)
    for truncation, kept in ((0.0, 4), (1e-4, 3), (1e-2, 2), (0.5, 1)):
        expected = np.where(np.arange(4) < kept, -1 / sigma, 0.0)
        for system in systems(r, J).values():
            np.testing.assert_allclose(system.minimum_norm_step(truncation), expected, rtol=1e-5)


def test_qr_sees_what_cholesky_cannot():
    # Singular values of 1e-10 lie below the root of eps: their squares are lost in J^T J, but not in J.
    U = np.linalg.qr(matrix(40, 5))[0]
    V = np.linalg.qr(matrix(5, 5))[0]
    J = U @ np.diag([1.0, 1e-2, 1e-5, 1e-8, 1e-10]) @ V.T
    x = V @ np.ones(5)
    orthogonal, normal = OrthogonalSystem(-J @ x, J), NormalSystem(-J.T @ (J @ x), J.T @ J)
    np.testing.assert_allclose(orthogonal.minimum_norm_step(1e-12), x, rtol=0, atol=1e-4)
    np.testing.assert_allclose(orthogonal.step(1e-26, np.ones(5)), x, rtol=0, atol=1e-4)
    assert np.abs(normal.minimum_norm_step(1e-12) - x).max() > 0.1


def test_singular_matrices_are_reported_not_solved():
    J, r = matrix(8, 4, 2), np.ones(8)
    # Damping below the rounding of J^T J: it may or may not be singular, but never raises.
    for system in systems(r, J).values():
        d = system.step(1e-30, np.ones(4))
        assert d is None or np.isfinite(d).all()
    zero = np.zeros((3, 2))
    assert OrthogonalSystem(np.ones(3), zero).step(0.0, np.ones(2)) is None
    assert NormalSystem(np.zeros(2), np.zeros((2, 2))).step(0.0, np.ones(2)) is None
    assert DualSystem(np.ones(3), zero).step(0.0, np.ones(2)) is None


def test_choice_of_the_route():
    assert choose("auto", 10, 11) == "dual"
    assert choose("auto", 2000, 55) == "qr"
    assert choose("auto", 20_000, 230) == "cholesky"
    for solver in SOLVERS:
        assert choose(solver, 10, 11) == choose(solver, 20_000, 230) == solver


def test_memory_is_asked_for_before_it_is_taken(monkeypatch, kan):
    problem, theta = kan
    m, n = problem.n_residuals, theta.size
    monkeypatch.setattr(rk.Network, "jacobian", lambda *arguments: pytest.fail("the Jacobian was formed"))
    for needed, solver, methods, what in (
        (8 * m * n, "qr", METHODS, f"the Jacobian of {m} residuals in {n} parameters"),
        (16 * m * n, "qr", ["variable-projection"], f"the Jacobian of {m} residuals .* and its projection,"),
        (24 * n * n, "cholesky", RESIDUAL_METHODS, f"the Gauss-Newton matrix of {n} parameters"),
    ):
        monkeypatch.setattr("refkan.hessians.memory.available_memory", lambda needed=needed: needed - 1)
        for method in methods:
            with pytest.raises(ValueError, match=f"{what} needs .* of memory; .* are available: use a smaller network"):
                minimize(problem, theta, method=method, solver=solver)


# --- least squares as residuals


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("node_map", ["affine", "mean-std"])
def test_residuals_and_blocks_of_least_squares(weighted, node_map):
    rng = np.random.default_rng(3)
    x, statistics = rng.uniform(size=(23, 2)), rng.uniform(size=(5, 2))
    net, theta = rk.kan([2, 3, 2], 3, 2, node_map=node_map).initialize(rng, x, statistics=statistics)
    problem = LeastSquares(net, x, rng.standard_normal((23, 2)), rng.uniform(size=23) if weighted else None)
    r, J = problem.residual_and_jacobian(theta)
    value, gradient = problem.value_and_gradient(theta)
    assert (r.size, J.shape) == (problem.n_residuals, (46, net.n_params))
    # Sums of 46 products.
    assert 0.5 * r @ r == pytest.approx(value, rel=64 * EPS)
    np.testing.assert_allclose(J.T @ r, gradient, rtol=0, atol=64 * EPS * np.abs(J).max() * np.abs(r).sum())
    # By central differences: both signs and factors.
    direction = rng.standard_normal(theta.size)
    ahead, back = (problem.residual_and_jacobian(theta + h * direction)[0] for h in (1e-6, -1e-6))
    np.testing.assert_allclose(J @ direction, (ahead - back) / 2e-6, rtol=0, atol=1e-6)
    for entries in (1, 200, 10**6):
        blocks = list(problem.residual_blocks(theta, entries))
        sizes = [part.size for part, _ in blocks]
        assert sum(sizes) == 46
        least = 10 if node_map == "mean-std" else 2  # the statistics batch, in rows
        assert sizes[0] == min(46, max(least, 2 * (entries // (2 * theta.size))))
        np.testing.assert_allclose(np.concatenate([part for part, _ in blocks]), r, rtol=0, atol=4 * EPS)
        np.testing.assert_allclose(np.concatenate([part for _, part in blocks]), J, rtol=0, atol=1e-14)
    np.testing.assert_allclose(normal_matrix(problem, theta), J.T @ J, rtol=0, atol=64 * EPS * np.abs(J.T @ J).max())


def test_a_gauss_newton_matrix_of_the_problem_is_used():
    class Shortcut(Residuals):
        n_residuals = 10**9  # "auto" must not form this J

        def gauss_newton(self, theta):
            return self._J(theta).T @ self._J(theta)

        def residual_and_jacobian(self, theta):
            pytest.fail("the Jacobian was formed")

    A, b = matrix(20, 4), np.ones(20)
    problem = Shortcut(lambda theta: A @ theta - b, lambda theta: A)
    result = minimize(problem, np.zeros(4), method=GN, steps=1, solver="cholesky")
    np.testing.assert_allclose(result.theta, np.linalg.lstsq(A, b, rcond=None)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_primal_and_dual_agree_on_a_network(method):
    # 20 residuals, 65 parameters: the dual form, and the others by force.
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(20, 2))
    net, theta = rk.kan([2, 5, 1], 3, [2, 3], node_map="mean-std").initialize(rng, x)
    problem = LeastSquares(net, x, rk.problems.regression_target(x))
    # Gauss-Newton's steps are as accurate as the least singular value that is kept.
    options = {"method": method, "steps": 1} | ({"truncation": 1e-3} if method == GN else {})
    ends = {solver: minimize(problem, theta, solver=solver, **options).theta for solver in ("auto", *SOLVERS)}
    np.testing.assert_array_equal(ends["auto"], ends["dual"])
    for solver in ("qr", "cholesky"):
        np.testing.assert_allclose(ends[solver], ends["dual"], rtol=0, atol=1e-10 * np.abs(ends["dual"]).max())
    # Sabotage: dampings that differ by a part in a thousand are told apart.
    if method == LM:
        other = minimize(problem, theta, method=method, steps=1, solver="qr", damping=1.001e-3).theta
        assert np.abs(other - ends["dual"]).max() > 1e-7


# --- linear and nearly linear problems


@pytest.mark.parametrize("solver", ["auto", "qr", "cholesky"])
def test_linear_least_squares_takes_one_gauss_newton_step(solver):
    A, b = matrix(40, 7), np.random.default_rng(0).standard_normal(40)
    start = np.arange(7.0)
    result = minimize(linear(A, b), start, method=GN, solver=solver)
    expected = np.linalg.lstsq(A, b, rcond=None)[0]
    assert result.converged, result.message
    assert len(result.history.value) == 2
    assert result.history.step_length[1] == 1.0
    assert result.n_evaluations == 2
    # A condition of 5, squared by the normal equations.
    np.testing.assert_allclose(result.theta, expected, rtol=0, atol=1e-12)
    # Sabotage: with a matrix of a quarter of the size a step goes too far, and the search shortens it.
    wrong = linear(A, b)
    wrong.gauss_newton = lambda theta: 0.25 * A.T @ A
    assert minimize(wrong, start, method=GN, solver="cholesky", steps=1).history.step_length[1] < 1.0


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(30, 8), (5, 8)])
def test_rank_deficient_least_squares(shape, solver):
    A, b = matrix(*shape, 3), np.random.default_rng(0).standard_normal(shape[0])
    start = np.random.default_rng(1).standard_normal(8)
    result = minimize(linear(A, b), start, method=GN, steps=1, solver=solver)
    # The minimiser nearest to the start: only Gauss-Newton goes all the way at once.
    expected = start - np.linalg.pinv(A, rcond=1e-10) @ (A @ start - b)
    np.testing.assert_allclose(result.theta, expected, rtol=0, atol=1e-11)
    damped = minimize(linear(A, b), start, method=LM, steps=100, solver=solver)
    np.testing.assert_allclose(damped.theta, expected, rtol=0, atol=1e-7)
    # Steps of D = I have no component in the null space.
    Z = np.linalg.svd(A)[2][3:]
    assert np.abs(Z @ (damped.theta - start)).max() < 1e-9
    # Sabotage: those of D = diag(J^T J) do.
    scaled = minimize(linear(A, b), start, method=LM, steps=100, solver=solver, scaling="diagonal")
    assert np.abs(Z @ (scaled.theta - start)).max() > 1e-3
    assert scaled.value == pytest.approx(result.value, abs=1e-10)


def test_zero_columns_are_damped_too():
    A = matrix(20, 4)
    A[:, 2] = 0.0
    start = np.array([1.0, 2.0, 3.0, 4.0])
    for method, options in ((GN, {}), (LM, {}), (LM, {"scaling": "diagonal"})):
        result = minimize(linear(A, np.ones(20)), start, method=method, **options)
        assert result.converged, result.message
        assert result.theta[2] == pytest.approx(3.0, abs=1e-12)


def test_nielsens_rule_on_a_linear_problem():
    # With a linear model the gain is 1, hence lambda / 3 in every step.
    A, b = matrix(40, 7), np.ones(40)
    result = minimize(linear(A, b), np.zeros(7), method=LM, steps=5, damping=1e3)
    first = 1e3 * np.sum(A * A, axis=0).max()
    assert np.isnan(result.history.damping[0])
    np.testing.assert_allclose(result.history.damping[1:], first / 3.0 ** np.arange(5), rtol=1e-9)
    scaled = minimize(linear(A, b), np.zeros(7), method=LM, steps=5, damping=1e3, scaling="diagonal")
    np.testing.assert_allclose(scaled.history.damping[1:], 1e3 / 3.0 ** np.arange(5), rtol=1e-9)
    # And the step is that of the formula.
    one = minimize(linear(A, b), np.zeros(7), method=LM, steps=1, damping=1e3)
    np.testing.assert_allclose(one.theta, dense_step(A, -b, first, np.ones(7)), rtol=1e-11)


def test_nielsens_rule_on_a_curved_problem():
    # Replay the run: from the accepted points alone follow the dampings of all accepted steps.
    problem, thetas = rosenbrock(), [np.array([-1.2, 1.0])]
    result = minimize(problem, thetas[0], method=LM, steps=8, callback=lambda s: thetas.append(s.theta))
    damping, rejected = 1e-3 * np.max(np.sum(problem._J(thetas[0]) ** 2, axis=0)), 0
    for k in range(len(thetas) - 1):
        r, J = problem._r(thetas[k]), problem._J(thetas[k])
        growth = 2.0
        while True:
            d = dense_step(J, r, damping, np.ones(2))
            after = problem._r(thetas[k] + d)
            gain = (r @ r - after @ after) / (r @ r - np.sum((r + J @ d) ** 2) - damping * d @ d * 0)
            # The model's decrease, |r|^2 - |r + J d|^2 = d.(2 lambda d + J^T J d), against d.(lambda d - g).
            gain *= (r @ r - np.sum((r + J @ d) ** 2)) / (d @ (damping * d - J.T @ r))
            if gain > 1e-4:
                break
            damping, growth, rejected = damping * growth, growth * 2, rejected + 1
        np.testing.assert_allclose(thetas[k] + d, thetas[k + 1], rtol=1e-9)
        assert result.history.damping[k + 1] == pytest.approx(damping, rel=1e-9)
        damping *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
    assert rejected > 0
    assert result.n_evaluations == 1 + (len(thetas) - 1) + rejected


class Tampered(Residuals):
    """r = theta, but values other than that of the start are what `value` says."""

    def __init__(self, value):
        super().__init__(lambda theta: theta, lambda theta: np.eye(1))
        self._value = value

    def value_and_gradient(self, theta):
        value, gradient = super().value_and_gradient(theta)
        return (self._value if len(self.points) > 1 else value), gradient


def test_rejected_trials_raise_the_damping_ever_faster():
    problem = Tampered(1.0)
    minimize(problem, [1.0], method=LM, max_rejections=4)
    # theta - theta / (1 + lambda): the dampings can be read off the trials.
    trials = np.concatenate(problem.points[1:])
    np.testing.assert_allclose(trials / (1 - trials), 1e-3 * np.array([1, 2, 8, 64, 1024]), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_decrease_that_falls_short_of_its_prediction_is_no_convergence(method):
    result = minimize(Tampered(0.5 - 1e-3), [1.0], method=method, tolerance_change=1e-2)
    # 1e-3 was gained, but 0.5 expected.
    assert "tolerance_change" not in result.message


# --- nonlinear problems


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("method", METHODS)
def test_rosenbrock(method, solver):
    result = minimize(rosenbrock(), [-1.2, 1.0], method=method, solver=solver)
    assert result.converged, result.message
    np.testing.assert_allclose(result.theta, 1.0, rtol=0, atol=1e-8)
    assert len(result.history.value) <= 40
    assert (np.diff(result.history.value) < 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_zero_residuals_give_quadratic_convergence(method):
    problem = exponentials(noise=0.0)
    result = (
        minimize(problem, [2.2, 1.4, 0.9, 0.35], method=method, damping=1e-12)
        if method == LM
        else minimize(problem, [2.2, 1.4, 0.9, 0.35], method=method)
    )
    assert result.converged, result.message
    errors = result.history.value[result.history.value > 1e-26] ** 0.5
    rates = np.log(errors[2:] / errors[1:-1]) / np.log(errors[1:-1] / errors[:-2])
    assert rates[-1] > 1.7, rates
    np.testing.assert_allclose(result.theta, [2, 1.5, 1, 0.3], rtol=0, atol=1e-8)


@pytest.mark.parametrize("options", [{}, {"scaling": "diagonal"}, {"solver": "cholesky"}, {"damping": 10.0}])
def test_the_minimum_is_that_of_minpack(options):
    problem = exponentials()
    expected = optimize.least_squares(problem._r, EXPONENTIALS, problem._J, method="lm", xtol=1e-15, ftol=1e-15)
    for method in METHODS:
        chosen = {k: v for k, v in options.items() if method == LM or k == "solver"}
        result = minimize(problem, EXPONENTIALS, method=method, steps=200, **chosen)
        assert result.value == pytest.approx(expected.cost, rel=1e-12)
        np.testing.assert_allclose(result.theta, expected.x, rtol=0, atol=1e-6)


def test_a_kan_is_trained_further_than_by_lbfgs(kan):
    problem, theta = kan
    damped = minimize(problem, theta, method=LM, steps=30)
    lbfgs = minimize(problem, theta, method="lbfgs", steps=damped.n_evaluations)
    assert lbfgs.n_evaluations >= damped.n_evaluations
    assert damped.value < 0.8 * lbfgs.value
    newton = minimize(problem, theta, method=GN, steps=30)
    assert newton.value < 0.2 * newton.history.value[0]
    # The value is that of the problem, the gradient of each step that of the reverse sweep.
    assert problem.value(damped.theta) == damped.value
    assert damped.history.gradient_norm[0] == pytest.approx(np.linalg.norm(problem.gradient(theta)), rel=4 * EPS)


def test_steps_of_levenberg_marquardt_avoid_the_null_space(kan):
    problem, theta = kan
    _, J = problem.residual_and_jacobian(theta)
    _, sigma, V = np.linalg.svd(J)
    # The analytic bound: 5 constants between the edges into hidden nodes, 4 into the output, 2 for each hidden node.
    Z = V[-19:]
    assert sigma[-19] < 1e-12 * sigma[0]
    for solver in ("qr", "cholesky"):
        step = minimize(problem, theta, method=LM, steps=1, solver=solver).theta - theta
        assert np.linalg.norm(Z @ step) < 1e-9 * np.linalg.norm(step)
    step = minimize(problem, theta, method=GN, steps=1).theta - theta
    assert np.linalg.norm(Z @ step) < 1e-7 * np.linalg.norm(step)


# --- geometries


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("method", METHODS)
def test_a_geometry_is_the_plain_method_in_the_other_basis(kan, method, solver):
    problem, theta = kan
    if solver == "dual":
        x = problem.x[:30]
        problem = LeastSquares(problem.net, x, rk.problems.regression_target(x))
    relu = problem.net.to_basis("relu")
    other = LeastSquares(relu, problem.x, problem.y)
    w = problem.net.convert(theta, relu)
    options = {"method": method, "steps": 1, "solver": solver}
    if method == GN:
        options["truncation"] = 1e-3  # singular values of both sides must fall on the same side of it
    here, there = minimize(problem, theta, geometry="relu", **options), minimize(other, w, **options)
    mapped = problem.net.convert(here.theta, relu)
    # The ReLU basis has a condition of 1e3 here, its normal equations of 1e6.
    np.testing.assert_allclose(mapped, there.theta, rtol=0, atol=1e-8 * np.abs(there.theta).max())
    assert here.history.value[1] == pytest.approx(there.history.value[1], rel=1e-7)
    # Sabotage: the geometry matters.
    assert minimize(problem, theta, **options).value != pytest.approx(here.value, rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_the_own_basis_by_name_changes_nothing(kan, method):
    problem, theta = kan
    plain, named = (minimize(problem, theta, method=method, steps=4, geometry=name) for name in (None, "spline"))
    np.testing.assert_array_equal(plain.theta, named.theta)
    with pytest.raises(ValueError, match=f"gradient must be the same as geometry for method '{method}'"):
        minimize(problem, theta, method=method, geometry="spline", gradient="relu")


# --- trials that are not finite


def wall(beyond, limit=1.5):
    """log(theta) = 2, seen from theta = 1: the Gauss-Newton step leads to 3, beyond the wall."""
    return Residuals(
        lambda t: np.array([np.log(t[0]) - 0.4]) if 0 < t[0] < limit else np.array([beyond]),
        lambda t: np.array([[1.0 / t[0]]]),
    )


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


@pytest.mark.parametrize("method", METHODS)
def test_a_start_that_is_not_finite_is_refused(method):
    with pytest.raises(ValueError, match="theta must be a point of finite value and gradient"):
        minimize(wall(np.nan), [2.0], method=method)


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


@pytest.mark.parametrize("method", METHODS)
def test_degenerate_nodes_are_rejected(method):
    class Degenerate(Residuals):
        def value_and_gradient(self, theta):
            value = super().value_and_gradient(theta)
            if theta[0] > 1.4:
                raise rk.DegenerateNodeError("node 0 after layer 0")
            return value

    problem = Degenerate(wall(1.0)._r, wall(1.0)._J)
    result = minimize(problem, [1.0], method=method, steps=100)
    assert 1.0 < result.theta[0] <= 1.4


# --- what all methods share


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


@pytest.mark.parametrize("method", list(RESIDUAL_METHODS))
def test_no_steps_and_stationary_starts(kan, method):
    problem, theta = kan
    result = minimize(problem, theta, method=method, steps=0)
    np.testing.assert_array_equal(result.theta, theta)
    assert (result.n_evaluations, len(result.history.value), result.converged) == (1, 1, False)
    assert result.message == "0 steps done"
    assert result.history.damping is None
    if method in METHODS:
        for steps in (0, 5):
            done = minimize(rosenbrock(), [1.0, 1.0], method=method, steps=steps)
            assert done.converged
            assert done.n_evaluations == 1


@pytest.mark.parametrize("method", list(RESIDUAL_METHODS))
def test_the_callback_may_stop(kan, method):
    problem, theta = kan

    def stop(state):
        state.theta[:] = np.nan
        if state.step == 2:
            raise StopIteration

    result = minimize(problem, theta, method=method, callback=stop, steps=9)
    assert result.message == "stopped by the callback after step 2"
    assert len(result.history.value) == 3
    assert result.value == minimize(problem, theta, method=method, steps=2).value


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


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (GN, {"max_line_search": 5}, "the line search found no decrease in 5 trials in step 1"),
        (LM, {"max_rejections": 5}, "no trial decreased the value: 6 rejected in step 1"),
    ],
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


@pytest.mark.parametrize("method", list(RESIDUAL_METHODS))
def test_a_problem_without_residuals_is_refused(method):
    class Bowl:
        def value_and_gradient(self, theta):
            return 0.5 * theta @ theta, theta

    with pytest.raises(TypeError, match=f"method '{method}' needs a problem that offers residual_and_jacobian"):
        minimize(Bowl(), [1.0], method=method)


def test_the_same_bits_again(kan):
    problem, theta = kan
    for method in METHODS:
        first, second = (minimize(problem, theta, method=method, steps=5) for _ in range(2))
        np.testing.assert_array_equal(first.theta, second.theta)


def test_large_problems_never_see_the_whole_jacobian(kan, monkeypatch):
    problem, theta = kan
    affine = rk.LeastSquares(problem.net.freeze(theta), problem.x, problem.y)
    monkeypatch.setattr(damped_systems, "QR_WORK", 0.0)
    expected = minimize(affine, theta, method=LM, steps=3, solver="qr")
    blocks = LeastSquares.residual_blocks
    monkeypatch.setattr(LeastSquares, "residual_blocks", lambda self, theta: blocks(self, theta, 50 * theta.size))
    monkeypatch.setattr(LeastSquares, "residual_and_jacobian", lambda *arguments: pytest.fail("all of J was formed"))
    result = minimize(affine, theta, method=LM, steps=3)
    np.testing.assert_allclose(result.history.value, expected.history.value, rtol=1e-8)
    system = system_at(affine, Iterate(theta, *affine.value_and_gradient(theta)), None, "auto")
    assert isinstance(system, NormalSystem)
