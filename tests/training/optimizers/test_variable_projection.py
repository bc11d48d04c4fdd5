"""Training by variable projection: every kind of last layer, histories, trials that do not serve, roughness."""

import numpy as np
import pytest

import refkan as rk
from refkan.training.losses import LeastSquares
from refkan.training.optimizers import minimize
from refkan.training.optimizers.run import Ending
from refkan.training.optimizers.second_order import variable_projection
from refkan.training.optimizers.second_order.linear_layer import LinearLayer
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


EPS = np.finfo(float).eps


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
    with pytest.raises(ValueError, match="roughness needs splines with fixed knots; got "):
        minimize(problem, theta, method=VP, roughness=1e-6)
