"""Training by variable projection: every kind of last layer, histories, trials that do not serve, roughness."""

import numpy as np
import pytest

import refkan as rk
from refkan.networks.hessians.sparse_accumulation import RawMatrix
from refkan.training.losses import LeastSquares
from refkan.training.optimizers import minimize
from refkan.training.optimizers.run import Ending, Iterate
from refkan.training.optimizers.second_order import damped_systems, linear_layer, variable_projection
from refkan.training.optimizers.second_order.damped_systems import NormalSystem, OrthogonalSystem
from refkan.training.optimizers.second_order.linear_layer import LinearLayer
from tests.shared.factories import EPS
from tests.shared.refusals import refusals, refused
from tests.training.optimizers.separable_problems import (
    KINDS,
    LINEAR,
    data,
    eliminated_by_lstsq,
    linear_positions,
    problem_of,
    third_differences,
)

VP, LM = "variable-projection", "levenberg-marquardt"
RIDGE = 1e-9


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_every_kind_of_last_layer(kind, n_outputs):
    problem, theta = problem_of(kind, n_outputs)
    result = minimize(problem, theta, method=VP, steps=6)
    values = result.history.value
    assert len(values) == 7
    # psi decreases, and the value but for the ridge's share in it.
    assert (np.diff(values) < 1e-6 * values[0]).all()
    first = problem.value(LinearLayer(problem, RIDGE).eliminate(theta))
    assert values[1] < first < values[0]
    assert result.value == problem.value(result.theta)
    # c of the result is at its best.
    again = LinearLayer(problem, RIDGE)
    again.eliminate(theta)
    np.testing.assert_allclose(
        problem.value(again.eliminate(result.theta)), result.value, rtol=1e-9, atol=1e-12 * values[0]
    )


@pytest.mark.parametrize(("order", "intervals", "sparse"), [(4, 1, False), (2, 600, True)])
def test_sums_over_local_functions_are_taken_where_there_are_many(order, intervals, sparse, monkeypatch):
    x, made = np.linspace(0.0, 1.0, 2000)[:, None], []
    problem = LeastSquares(rk.kan([1, 2], order, intervals), x, np.hstack([x, x]))
    monkeypatch.setattr(linear_layer, "RawMatrix", lambda *parts: made.append(parts) or RawMatrix(*parts))
    LinearLayer(problem, RIDGE).eliminate(np.zeros(problem.net.n_params))
    assert bool(made) == sparse


def test_it_reaches_the_minimum_of_levenberg_marquardt():
    # A smooth target and few parameters: both run to the end of their valleys, from the same starts.
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(200, 2))
    y = np.exp(-x[:, :1]) * np.sin(3 * x[:, 1:]) + 0.02 * rng.standard_normal((200, 1))
    ends = {LM: [], VP: []}
    for seed in range(4):
        net, theta = rk.kan([2, 2, 1], 3, 1, node_map="mean-std").initialize(np.random.default_rng(seed), x)
        problem = LeastSquares(net, x, y)
        for method, values in ends.items():
            states = []
            result = minimize(problem, theta, method=method, steps=100, callback=states.append)
            values.append(result.value)
        # The last point (not the best, which has less of the ridge) is stationary in all parameters, but for the ridge.
        assert states[-1].gradient_norm < 1e-5
    # Starts may lead to different minima; the best of both is one.
    assert min(ends[VP]) == pytest.approx(min(ends[LM]), rel=1e-4)


def test_a_network_of_one_layer_is_solved_at_once():
    x, y = data(n_outputs=2)
    net, theta = rk.kan([2, 2], 3, 4).initialize(np.random.default_rng(0), x)
    problem = LeastSquares(net, x, y)
    result = minimize(problem, theta, method=VP)
    J = net.jacobian(theta, x)
    best = np.linalg.lstsq(J, y.ravel(), rcond=None)[0]
    assert result.converged
    assert "linear in all its parameters" in result.message
    assert len(result.history.value) == 2
    assert result.value == pytest.approx(problem.value(best), rel=1e-7)
    assert result.value >= problem.value(best) * (1 - 1e-12)


def test_factors_of_silu_edges_stay():
    problem, theta = problem_of("silu")
    result = minimize(problem, theta, method=VP, steps=10)
    before, after = (problem.net.unpack(t) for t in (theta, result.theta))
    np.testing.assert_array_equal(after[-1]["w_s"], before[-1]["w_s"])
    assert np.abs(after[0]["w_s"] - before[0]["w_s"]).max() > 1e-3
    assert np.abs(after[-1]["w_b"] - before[-1]["w_b"]).max() > 1e-3


def test_degenerate_and_non_finite_trials_are_rejected(monkeypatch):
    problem, theta = problem_of("spline")
    accepted = minimize(problem, theta, method=VP, steps=3).history.damping
    calls = []
    eliminate = LinearLayer.eliminate

    def failing(self, theta):
        calls.append(theta)
        return None if len(calls) in (3, 4) else eliminate(self, theta)

    monkeypatch.setattr(LinearLayer, "eliminate", failing)
    result = minimize(problem, theta, method=VP, steps=3)
    # Twice rejected: lambda has grown by 2 and then 4.
    plain = result.history.damping
    assert len(plain) == 4
    assert plain[1:3] == pytest.approx(accepted[1:3] * [1, 8], rel=1e-12)
    assert (np.diff(result.history.value) < 0).all()


def test_steps_that_overflow_are_rejected_before_a_network_is_asked(monkeypatch):
    """It would say that its inputs leave the domain, as an error."""
    net, theta = rk.kan([2, 2, 1], 3, 2, outside="error").initialize(np.random.default_rng(0), data()[0])
    asked = []
    monkeypatch.setattr(variable_projection, "descend", lambda run, *given: asked.append(given) or Ending(True, ""))
    minimize(LeastSquares(net, *data()), theta, method=VP)
    ((start, _, _, move, *_),) = asked
    assert move(start, np.full(theta[net.slices[0]].size, np.inf)) is None


def test_problems_that_are_not_separable_are_refused():
    x, y = data()
    tanh = rk.Network((rk.DenseLayer(2, 3, "tanh"), rk.DenseLayer(3, 1, "tanh")), rk.mlp([2, 3, 1]).node_maps)
    with pytest.raises(ValueError, match="needs a last layer that is linear in its coefficients; got DenseLayer"):
        minimize(LeastSquares(tanh, x, y), np.zeros(tanh.n_params), method=VP)

    class Other:
        def value_and_gradient(self, theta):
            return 0.5 * theta @ theta, theta

        def residual_and_jacobian(self, theta):
            return theta, np.eye(theta.size)

    refused(lambda: minimize(Other(), [1.0], method=VP), "TypeError: it needs LeastSquares of a Network; got Other")


test_bad_options = refusals(
    ({"ridge": 0.0}, "ridge must be finite and positive; got 0.0"),
    ({"roughness": -1.0}, "roughness must be finite and not negative; got -1.0"),
    ({"ridge_about": "mean"}, "ridge_about must be one of 'zero', 'start'; got 'mean'"),
    ({"solver": "dual"}, "solver must be one of 'auto', 'qr', 'cholesky'; got 'dual'"),
    ({"ridge": 1e-25}, "ridge must exceed the rounding of the matrix of these values; got ridge=1e-25"),
    ({"damping": -1.0}, "damping must be finite and positive"),
    call=lambda options: minimize(*problem_of("spline"), method=VP, **options),
)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("kind", ["spline", "silu"])
def test_elimination_with_a_roughness(kind, n_outputs):
    problem, theta = problem_of(kind, n_outputs)
    layer = LinearLayer(problem, 1e-6, relative_roughness=1e-2)
    found = layer.eliminate(theta)
    names = [name for name, shape in problem.net.layers[-1].blocks.items() for _ in range(int(np.prod(shape)))]
    spline = np.array([name == "coefficients" for name in names if name in LINEAR])
    jumps = np.zeros((4 * n_outputs * 2, spline.size))
    jumps[:, spline] = np.sqrt(1e4 * layer.ridge) * third_differences(4 * n_outputs, 5)
    expected = eliminated_by_lstsq(problem, theta, layer.ridge, jumps)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e6 * 64 * EPS * np.abs(expected).max())
    c = linear_positions(problem.net)
    size = layer.ridge * np.sum(found[c] ** 2) + np.sum((jumps @ found[c]) ** 2)
    assert layer.penalty(found) == pytest.approx(0.5 * size, rel=1e-9)
    # Sabotage: it is felt.
    assert np.abs(eliminated_by_lstsq(problem, theta, layer.ridge) - expected).max() > 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("solver", ["qr", "cholesky"])
def test_a_roughness_continues_polynomials_where_there_is_no_data(solver):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 0.45, (60, 1))
    net = rk.kan([1, 1, 1], 3, [1, 8], node_map="none")
    start = np.concatenate([net.layers[0].spaces[0].greville, rng.standard_normal(10)])
    problem = LeastSquares(net, x, x - 2 * x**2)
    result = minimize(problem, start, VP, 10, solver=solver, ridge=1e-12, roughness=1e-4)
    everywhere = np.linspace(0, 1, 101)[:, None]
    np.testing.assert_allclose(net(result.theta, everywhere), everywhere - 2 * everywhere**2, rtol=0, atol=1e-4)
    # Sabotage: the ridge alone leaves the rest at zero.
    alone = minimize(problem, start, VP, 10, solver=solver, ridge=1e-12)
    assert np.abs(net(alone.theta, everywhere) - everywhere + 2 * everywhere**2).max() > 0.5


@pytest.mark.parametrize("kind", ["free", "dense"])
def test_a_roughness_of_other_edges_is_refused(kind):
    problem, theta = problem_of(kind)
    refused(lambda: minimize(problem, theta, method=VP, roughness=1e-6), "roughness needs splines with fixed knots")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_elimination_is_linear_least_squares(kind, n_outputs, weighted, monkeypatch):
    problem, theta = problem_of(kind, n_outputs, weighted)
    layer = LinearLayer(problem, 1e-6)
    found = layer.eliminate(theta)
    np.testing.assert_array_equal(np.sort(layer.linear.ravel()), linear_positions(problem.net))
    others = np.setdiff1d(np.arange(theta.size), linear_positions(problem.net))
    np.testing.assert_array_equal(found[others], theta[others])
    if kind != "silu":
        np.testing.assert_array_equal(layer.nonlinear, others)
    expected = eliminated_by_lstsq(problem, theta, layer.ridge)
    # The ridge bounds the condition of the normal equations by 1e6.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e6 * 64 * EPS * np.abs(expected).max())
    # The ridge is relative to the largest entry of the diagonal.
    J = problem.residual_and_jacobian(theta)[1][:, linear_positions(problem.net)]
    assert layer.ridge == pytest.approx(1e-6 * np.sum(J * J, axis=0).max(), rel=1e-12)
    # And stays, whatever comes later.
    ridge = layer.ridge
    layer.eliminate(theta + 0.1)
    assert layer.ridge == ridge
    # In chunks it is the same up to the order of sums.
    monkeypatch.setattr(linear_layer, "CHUNK", 40)
    np.testing.assert_allclose(layer.eliminate(theta), found, rtol=0, atol=1e6 * 64 * EPS * np.abs(found).max())
    # Sabotage: another ridge is seen.
    wrong = eliminated_by_lstsq(problem, theta, 1e3 * ridge)
    assert np.abs(wrong - expected).max() > 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_reduced_gradient_is_the_full_one(kind, n_outputs):
    problem, theta = problem_of(kind, n_outputs)
    layer = LinearLayer(problem, RIDGE)
    theta = layer.eliminate(theta)
    b, c = layer.nonlinear, layer.linear.ravel()
    gradient = problem.gradient(theta)
    # Orthogonality: J_c^T r + ridge c = 0, up to the rounding of Phi^T Phi c.
    J = problem.residual_and_jacobian(theta)[1]
    size = np.abs(J[:, c]).T @ np.abs(J[:, c]) @ np.abs(theta[c])
    assert np.abs(gradient[c] + layer.ridge * theta[c]).max() <= 1e3 * EPS * size.max()

    def psi(at):
        at = layer.eliminate(at)
        return problem.value(at) + layer.penalty(at)

    # grad psi = grad_b value: by central differences along random directions of b.
    rng = np.random.default_rng(0)
    for _ in range(3):
        v = np.zeros(theta.size)
        v[b] = rng.standard_normal(b.size)
        h = 1e-6
        slope = (psi(theta + h * v) - psi(theta - h * v)) / (2 * h)
        assert slope == pytest.approx(gradient @ v, rel=1e-6, abs=1e-7 * np.linalg.norm(gradient))
    # Sabotage: where c is not at its best, the gradient in b is another.
    moved = theta.copy()
    moved[c] *= 1.01
    assert np.linalg.norm(problem.gradient(moved)[b] - gradient[b]) > 1e-3 * np.linalg.norm(gradient[b])
    assert np.linalg.norm(problem.gradient(moved)[c]) > 1e3 * np.linalg.norm(gradient[c])


def test_elimination_reports_what_it_cannot_do():
    problem, theta = problem_of("spline")
    layer = LinearLayer(problem, RIDGE)
    # All coefficients of the first layer equal: its nodes are constant, and mean-std has nothing to divide by.
    flat = theta.copy()
    flat[problem.net.slices[0]] = 1.0
    assert layer.eliminate(flat) is None
    huge, at = problem_of("dense")
    assert LinearLayer(huge, RIDGE).eliminate(np.where(np.arange(at.size) < 8, 1e300, at)) is not None  # tanh
    cubes = rk.mlp([2, 3, 1], "relu3")
    cubic = LeastSquares(cubes, problem.x, problem.y)
    with np.errstate(all="ignore"):
        assert LinearLayer(cubic, RIDGE).eliminate(np.full(cubes.n_params, 1e150)) is None
    refused(lambda: minimize(cubic, np.full(cubes.n_params, 1e150), method=VP), "theta must be a point of finite value")


def test_dead_basis_functions_get_no_coefficient():
    # Samples in the lower half of the domain alone: no data for the last functions, and a ridge that says 0.
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 0.45, (60, 1))
    net = rk.kan([1, 1], 3, 8)
    problem = LeastSquares(net, x, np.sin(5 * x))
    result = minimize(problem, np.ones(net.n_params), method=VP)
    np.testing.assert_array_equal(result.theta[-4:], 0.0)
    assert result.value < 1e-4


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("kind", ["spline", "silu"])
def test_a_ridge_about_the_start(kind, n_outputs):
    problem, theta = problem_of(kind, n_outputs, False)
    c = linear_positions(problem.net)
    layer = LinearLayer(problem, 1e-3, about_start=True)
    found = layer.eliminate(theta)
    # The same as about zero for the coefficients' changes.
    r = problem.residual_and_jacobian(theta)[0]
    Phi = problem.residual_and_jacobian(theta)[1][:, c]
    A = np.vstack([Phi, np.sqrt(layer.ridge) * np.eye(c.size)])
    change = np.linalg.lstsq(A, np.concatenate([-r, np.zeros(c.size)]), rcond=None)[0]
    np.testing.assert_allclose(found[c], theta[c] + change, rtol=0, atol=1e3 * 64 * EPS * np.abs(found[c]).max())
    assert layer.penalty(found) == pytest.approx(0.5 * layer.ridge * np.sum(change**2), rel=1e-9)
    # The centre is that of the first call.
    again = layer.eliminate(found)
    np.testing.assert_allclose(again, found, rtol=0, atol=1e3 * 64 * EPS * np.abs(found).max())


@pytest.mark.parametrize("solver", ["qr", "cholesky"])
def test_a_ridge_about_the_start_leaves_what_no_sample_sees(solver):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 0.45, (60, 1))
    net = rk.kan([1, 1, 1], 3, [2, 8], node_map="none")
    problem = LeastSquares(net, x, np.sin(5 * x))
    start = np.concatenate([np.linspace(0.0, 1.0, 4), np.full(10, 0.5)])
    result = minimize(problem, start, VP, 15, solver=solver, ridge_about="start")
    # Inputs stay below 0.7: the last function, on [7/8, 1], and one more have no data.
    np.testing.assert_allclose(result.theta[-1:], 0.5, rtol=0, atol=1e-12)
    assert result.value < 1e-5
    values = result.history.value
    assert values[-1] < values[0]
    about_zero = minimize(problem, start, VP, 15, solver=solver)
    np.testing.assert_allclose(about_zero.theta[-1:], 0.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("roughness", [0.0, 1e-3])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("solver", ["qr", "cholesky"])
def test_the_reduced_system_is_the_projected_jacobian(solver, n_outputs, roughness, monkeypatch):
    problem, theta = problem_of("spline", n_outputs, weighted=True)
    layer = LinearLayer(problem, 1e-5, relative_roughness=roughness)
    theta = layer.eliminate(theta)
    r, J = problem.residual_and_jacobian(theta)
    b, c = layer.nonlinear, layer.linear.ravel()
    jumps = np.sqrt(roughness / 1e-5 * layer.ridge) * third_differences(4 * n_outputs, 5)
    root = np.vstack([np.sqrt(layer.ridge) * np.eye(c.size), jumps])
    Phi, B = np.vstack([J[:, c], root]), np.vstack([J[:, b], np.zeros((len(root), b.size))])
    residual = np.concatenate([r, root @ theta[c]])
    projector = np.eye(residual.size) - Phi @ np.linalg.pinv(Phi)
    reduced = projector @ B
    iterate = Iterate(theta, *problem.value_and_gradient(theta))
    system = variable_projection._reduced_system(layer, iterate, solver)
    for work, kind in ((np.inf, OrthogonalSystem), (0, NormalSystem)):  # by itself: of little work by triangles
        monkeypatch.setattr(damped_systems, "QR_WORK", work)
        assert isinstance(variable_projection._reduced_system(layer, iterate, "auto"), kind)
    damping = 1e-2 * np.max(np.sum(reduced**2, axis=0))
    # Relative to the largest entry: a ridge of 1e-5 costs five digits in the Schur complement.
    np.testing.assert_allclose(system.diagonal, np.sum(reduced**2, axis=0), rtol=0, atol=1e-9 * np.max(B * B))
    np.testing.assert_allclose(system.gradient, B.T @ residual, rtol=0, atol=1e-9 * np.abs(B.T @ residual).max())
    expected = -np.linalg.solve(reduced.T @ reduced + damping * np.eye(b.size), B.T @ residual)
    np.testing.assert_allclose(system.step(damping), expected, rtol=0, atol=1e-7 * np.abs(expected).max())
    # Sabotage: without the projection the step is another.
    unprojected = OrthogonalSystem(residual, B).step(damping)
    assert np.abs(unprojected - expected).max() > 1e-2 * np.abs(expected).max()
