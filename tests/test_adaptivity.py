"""The driver: every strategy, exact refinements re-checked, budgets, stopping rules, resuming, and what it finds."""

from __future__ import annotations

import numpy as np
import pytest
from factories import NetworkCase, samples
from numpy.testing import assert_allclose, assert_array_equal

import refkan as rk
from refkan.adaptivity import STRATEGIES, driver, minimize_adaptive, sampled, strategies, training
from refkan.hierarchy.work import interval_weight
from refkan.losses import Collocation, Side, Term, prescribed

EXACT = [name for name, strategy in STRATEGIES.items() if strategy.exact]
REFITS = [name for name, strategy in STRATEGIES.items() if not strategy.exact]
VP, LM = "variable-projection", "levenberg-marquardt"
METHODS = {
    "gd": {"learning_rate": 0.05},
    "adam": {"learning_rate": 0.01},
    "lbfgs": {},
    "lbfgs-fixed-step": {},
    "gauss-newton": {},
    LM: {},
    VP: {},
}
STEP, KINK = 1 / np.sqrt(2), 1 / np.pi


def one_dimensional(target, n_samples=4000, order=2, intervals=4, domain=(0.0, 1.0), **kwargs):
    a, b = domain
    x = a + (b - a) * (np.arange(n_samples)[:, None] + 0.5) / n_samples
    net, theta = rk.kan([1, 1], order, intervals, domain, **kwargs).initialize(np.random.default_rng(0), x)
    return sampled(net, target, x), theta


def step(x):
    return 1.0 * (x > STEP)


def two_layers(node_map="mean-std", n=300, free=False, kind="spline"):
    x = samples(n)
    case = NetworkCase(kind, node_map, widths=(2, 3, 1), intervals=(2, 3), free_knots=free)
    net, theta = case.start(x)
    return rk.LeastSquares(net, x, np.sin(4 * x[:, :1]) * x[:, 1:] + np.abs(x[:, :1] - KINK)), theta


def rms(problem, target, low=0.0, high=1.0):
    x = np.random.default_rng(9).uniform(low, high, (20000, 1))
    return lambda net, theta: float(np.sqrt(np.mean((net(theta, x) - target(x)) ** 2)))


# --- exactness


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("kind", ["spline", "silu"])
@pytest.mark.parametrize("node_map", ["affine", "mean-std", "sigmoid"])
@pytest.mark.parametrize("strategy", EXACT)
def test_exact_refinements_leave_the_function_and_the_value_unchanged(strategy, node_map, kind, free):
    problem, theta = two_layers(node_map, kind=kind, free=free)
    result = minimize_adaptive(problem, theta, strategy, "lbfgs", steps=5, max_rounds=3)
    assert len(result.rounds) == 4
    assert result.history.change.max() <= 1e-14
    for before, after in zip(result.rounds, result.rounds[1:], strict=False):
        assert_allclose(after.start_value, before.value, rtol=1e-12)
        assert after.value <= before.value * (1 + 1e-12)
        assert after.n_params > before.n_params
        if not free:
            for t, s in zip(before.breakpoints, after.breakpoints, strict=True):
                assert all(set(row) <= set(finer) for row, finer in zip(t, s, strict=True))


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_every_optimiser_trains_between_refinements(method, free):
    """Whichever it is: the next round starts from the function that the last one left, and goes down from there."""
    problem, theta = two_layers(free=free)
    result = minimize_adaptive(problem, theta, "residual", method, steps=6, max_rounds=2, **METHODS[method])
    assert len(result.rounds) == 3
    assert result.history.change.max() <= 1e-14
    for before, after in zip(result.rounds, result.rounds[1:], strict=False):
        assert_allclose(after.start_value, before.value, rtol=1e-12)
        assert after.n_params > before.n_params
    assert result.value < problem.value(theta)
    assert all(r.value <= r.start_value for r in result.rounds)


def test_refinements_in_the_relu_basis_are_the_same_function_too():
    """Relative to the contributions, which cancel there; the spline basis trains to lower values."""
    problem, theta = two_layers(kind="relu")
    result = minimize_adaptive(problem, theta, "residual", LM, steps=6, max_rounds=3)
    assert result.history.change.max() <= 1e-14
    assert result.network.layers[0].basis == "relu"
    assert result.rounds[-1].n_params > problem.net.n_params
    assert result.value < problem.value(theta)


@pytest.mark.parametrize("strategy", REFITS)
def test_refits_report_how_far_the_function_moved(strategy):
    problem, theta = two_layers()
    result = minimize_adaptive(problem, theta, strategy, LM, steps=4, max_rounds=2)
    assert result.rounds[0].change == 0.0
    for before, after in zip(result.rounds, result.rounds[1:], strict=False):
        assert after.network.layers[1].intervals == 2 * before.network.layers[1].intervals
        if strategy == "extension":  # nested: the function is there again, as far as the data determine it
            assert after.change < 1e-6
            continue
        assert 1e-10 < after.change < 1
        assert abs(after.start_value / before.value - 1) > 1e-9


@pytest.mark.parametrize("strategy", EXACT)
def test_sabotage_of_a_refinement_stops_the_training(strategy, monkeypatch):
    """Parameters off by 1e-11, or those of the coarse network in the wrong order."""
    problem, theta = two_layers("affine")
    right = STRATEGIES[strategy]
    for spoil in (lambda t: t * (1 + 1e-11), lambda t: t[::-1].copy()):

        def refine(situation, spoil=spoil):
            refinement = right.refine(situation)
            return strategies.Refinement(refinement.network, spoil(refinement.theta))

        monkeypatch.setitem(driver.STRATEGIES, strategy, strategies.Strategy(refine, exact=True))
        with pytest.raises(RuntimeError, match="changed the function"):
            minimize_adaptive(problem, theta, strategy, steps=2, max_rounds=1)


# --- where knots go


@pytest.mark.parametrize("strategy", ["residual", "jumps"])
def test_knots_gather_at_a_step_and_the_error_falls_tenfold_below_uniform_knots(strategy):
    errors = {}
    for name in ("uniform", strategy):
        problem, theta = one_dimensional(step, 20000)
        result = minimize_adaptive(
            problem, theta, name, VP, 1, max_params=33, max_rounds=50, patience=50, measure=rms(problem, step)
        )
        assert result.history.n_params[-1] == 33
        errors[name] = result.rounds[-1].error
    assert errors[strategy] * 10 <= errors["uniform"]
    t = result.network.layers[0].spaces[0].breakpoints
    assert np.mean(np.abs(t - STEP) < 0.05) > 0.5
    assert np.diff(t).min() < 3e-4


def test_knots_gather_where_the_target_is_steep():
    def steep(x):
        return np.tanh(50 * x)

    errors = {}
    for name in ("uniform", "residual"):
        problem, theta = one_dimensional(steep, 8000, order=3, domain=(-1.0, 1.0))
        measure = rms(problem, steep, -1, 1)
        result = minimize_adaptive(problem, theta, name, VP, 1, max_params=66, max_rounds=50, measure=measure)
        errors[name] = result.rounds[-1].error
    assert errors["residual"] * 30 <= errors["uniform"]


def test_each_input_gets_its_knots_where_it_needs_them():
    x = samples(3000)
    net, theta = rk.kan([2, 1], order=2, intervals=2).initialize(np.random.default_rng(0), x)
    problem = sampled(net, lambda x: np.abs(x[:, 0] - 0.1) + np.abs(x[:, 1] - 0.9), x)
    for per_input in (True, False):
        result = minimize_adaptive(problem, theta, "jumps", VP, 1, max_rounds=4, per_input=per_input)
        left, right = (s.breakpoints for s in result.network.layers[0].spaces)
        assert left.size == right.size
        if per_input:
            assert np.diff(left)[0] <= 1 / 16 < 1 / 4 <= np.diff(left)[-1]
            assert np.diff(right)[-1] <= 1 / 16 < 1 / 4 <= np.diff(right)[0]
        else:
            assert_array_equal(left, right)


# --- the record


def test_history_counts_what_was_done():
    problem, theta = two_layers()
    measured = []

    def measure(net, theta):
        measured.append((net, theta))
        return float(len(measured))

    result = minimize_adaptive(problem, theta, "residual", LM, steps=3, max_rounds=2, measure=measure)
    h = result.history
    assert_array_equal(h.error, [1, 2, 3])
    assert all(net is r.network and t is r.theta for (net, t), r in zip(measured, result.rounds, strict=True))
    assert_array_equal(h.n_params, [r.network.n_params for r in result.rounds])
    assert np.all(np.diff(h.seconds) > 0)
    assert_array_equal(h.evaluations, np.cumsum([r.training.n_evaluations for r in result.rounds]))
    work = np.cumsum([r.training.n_evaluations * interval_weight(r.network) for r in result.rounds])
    assert_allclose(h.work, work)
    assert result.n_evaluations == h.evaluations[-1]
    best = min(result.rounds, key=lambda r: r.value)
    assert result.network is best.network
    assert result.value == best.value == result.problem.value(result.theta)
    assert "n_params" in repr(result)
    assert "value" in repr(result.rounds[0])


def test_breakpoints_are_those_of_trained_free_knots_and_none_for_dense_layers():
    problem, theta = one_dimensional(step, 500, free_knots=True)
    result = minimize_adaptive(problem, theta, "residual", LM, steps=20, max_rounds=1)
    for r in result.rounds:
        layer = r.network.layers[0]
        assert layer.free_knots
        assert_array_equal(r.breakpoints[0][0], layer.spaces_at(r.theta)[0].breakpoints)
    assert not np.allclose(result.rounds[0].breakpoints[0], np.linspace(0, 1, 5), atol=1e-3)


def test_only_the_layers_named_are_refined():
    problem, theta = two_layers()
    for strategy in STRATEGIES:
        result = minimize_adaptive(problem, theta, strategy, steps=2, max_rounds=2, layers=[1])
        first = [r.network.layers[0] for r in result.rounds]
        assert all(layer == first[0] for layer in first)
        assert result.rounds[-1].network.layers[1].intervals > 3


def test_problems_of_collocation():
    # Points close to the ends: in an interval without any the spline would be free.
    x = np.linspace(0.001, 0.999, 400)[:, None]
    net, theta = rk.kan([1, 1], order=4, intervals=2).initialize(np.random.default_rng(0), x)
    rate = 40.0

    def exact(x):
        return np.exp(-rate * x)

    equation = Term(
        "equation",
        Side(x, first=[[1.0]]),
        lambda x, u, u_x, u_xx: u_xx / rate**2 - u,
        lambda x, u, u_x, u_xx: (-1.0, 0.0, 1 / rate**2),
    )
    problem = Collocation(net, [equation, prescribed("ends", [[0.0], [1.0]], [1.0, 0.0])])
    errors = {}
    for strategy in ("uniform", "residual"):
        result = minimize_adaptive(
            problem, theta, strategy, LM, 100, max_rounds=30, max_params=19, patience=9
        )
        errors[strategy] = np.abs(result.network(result.theta, x) - exact(x)).max()
    assert result.network.n_params == 19
    assert 30 * errors["residual"] < errors["uniform"]
    t = result.network.layers[0].spaces[0].breakpoints
    assert np.median(t) < 0.3  # the layer is at 0


# --- limits


@pytest.mark.parametrize("most", [9, 12, 20])
def test_the_last_refinement_is_cut_down_to_what_fits(most):
    problem, theta = one_dimensional(step)
    for strategy in ("residual", "jumps", "quantile", "curvature"):
        result = minimize_adaptive(problem, theta, strategy, VP, 1, fraction=1.0, max_params=most, patience=10)
        assert result.rounds[-1].n_params == most
        assert "max_params leaves room for 0" in result.message
    result = minimize_adaptive(problem, theta, "uniform", VP, 1, max_params=most)
    assert result.rounds[-1].n_params == (9 if most < 17 else 17)


def test_a_budget_over_several_layers():
    problem, theta = two_layers()
    n = problem.net.n_params
    for strategy in ("residual", "jumps", "quantile", "curvature"):
        result = minimize_adaptive(problem, theta, strategy, steps=2, max_params=n + 40, max_rounds=9)
        counts = result.history.n_params
        assert counts[-1] <= n + 40
        assert counts[-1] > n + 40 - 9  # one more interval of either layer costs 6 or 3
        assert np.all(np.diff(counts) > 0)


def test_stopping_rules():
    problem, theta = one_dimensional(step)
    result = minimize_adaptive(problem, theta, "residual", VP, 1, tolerance=1e-2)
    assert result.converged
    assert result.message.startswith("converged: value")
    assert result.value <= 1e-2 < result.rounds[-2].value
    result = minimize_adaptive(problem, theta, "residual", VP, 1, max_rounds=3)
    assert not result.converged
    assert result.message == "3 rounds done"
    assert len(result.rounds) == 4
    # a line is there at once: nothing improves
    problem, theta = one_dimensional(lambda x: 2 * x)
    problem = rk.LeastSquares(problem.net, problem.x, problem.y + np.random.default_rng(0).normal(size=problem.y.shape))
    result = minimize_adaptive(problem, theta, "uniform", VP, 1, patience=2)
    assert result.message == "no improvement by 0.01 of the value in 2 rounds"
    assert len(result.rounds) == 3
    problem, theta = one_dimensional(lambda x: 2 * x)
    # a function of the space leaves no residual to mark by jumps
    result = minimize_adaptive(problem, theta, "jumps", "gauss-newton", 1, tolerance=0.0)
    assert "no interval to cut: no indicator is positive there" in result.message
    # all intervals run out of samples
    problem, theta = one_dimensional(step, 40)
    result = minimize_adaptive(problem, theta, "residual", VP, 1, fraction=1.0, max_rounds=60, patience=60)
    assert result.message == "no interval to cut: none holds enough samples or is long enough"


def test_a_callback_sees_every_round_and_may_stop():
    problem, theta = one_dimensional(step)
    seen = []

    def callback(r):
        seen.append(r.index)
        if r.index == 2:
            raise StopIteration

    result = minimize_adaptive(problem, theta, "residual", VP, 1, callback=callback)
    assert seen == [0, 1, 2]
    assert result.message == "stopped by the callback after round 2"


def test_a_method_of_ones_own():
    problem, theta = one_dimensional(step)
    calls = []

    def method(problem, theta, steps, note):
        calls.append((problem.net.n_params, steps, note))
        return rk.minimize(problem, theta, "gauss-newton", steps=1)

    minimize_adaptive(problem, theta, "residual", method, 7, max_rounds=2, note="here")
    assert [call[1:] for call in calls] == [(7, "here")] * 3
    with pytest.raises(TypeError, match="what method returns must be a Result; got float"):
        minimize_adaptive(problem, theta, "residual", lambda *args, **kwargs: 1.0)


# --- resuming


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_resumed_rounds_are_the_same_and_not_computed_again(strategy, tmp_path, monkeypatch):
    problem, theta = two_layers()
    count = []
    train = training.minimize
    monkeypatch.setattr(training, "minimize", lambda *a, **k: (count.append(1), train(*a, **k))[1])

    def run(rounds, **kwargs):
        return minimize_adaptive(
            problem, theta, strategy, LM, 3, max_rounds=rounds, checkpoints=tmp_path, patience=9, **kwargs
        )

    first = run(1)
    assert len(count) == 2
    longer = run(3)
    assert len(count) == 4
    assert [r.resumed for r in longer.rounds] == [True, True, False, False]
    again = run(3)
    assert len(count) == 4
    plain = minimize_adaptive(problem, theta, strategy, LM, 3, max_rounds=3, patience=9)
    for a, b, c in zip(longer.rounds, again.rounds, plain.rounds, strict=True):
        assert_array_equal(a.theta, b.theta)
        assert_array_equal(a.theta, c.theta)
        assert a.seconds == b.seconds
    assert_array_equal(first.rounds[1].theta, longer.rounds[1].theta)
    run(1, fraction=0.9)
    run(1, damping=0.5)
    assert len(count) > 4 + 2  # other configurations are other results


def test_a_damaged_checkpoint_is_computed_again(tmp_path):
    problem, theta = two_layers()
    first = minimize_adaptive(problem, theta, steps=2, max_rounds=1, checkpoints=tmp_path)
    for path in tmp_path.glob("*.json"):
        path.write_text(path.read_text()[:-40])
    with pytest.warns(UserWarning, match="damaged"):
        again = minimize_adaptive(problem, theta, steps=2, max_rounds=1, checkpoints=tmp_path)
    assert_array_equal(first.theta, again.theta)
    assert not again.rounds[1].resumed


def test_a_strategy_of_ones_own():
    """One that adds a knot at a fixed place of the first interval; the driver re-checks what it claims to be exact."""

    def first(situation):
        fine = situation.net.insert(0, [0.5 * situation.net.layers[0].spaces[0].breakpoints[1]])
        return strategies.Refinement(fine, situation.net.convert(situation.theta, fine))

    problem, theta = one_dimensional(step)
    result = minimize_adaptive(problem, theta, strategies.Strategy(first, exact=True), VP, 1, max_rounds=3)
    assert_allclose(result.rounds[-1].breakpoints[0][0, :5], [0, 1 / 32, 1 / 16, 1 / 8, 1 / 4])
    assert all(0 < r.refining < r.seconds for r in result.rounds[1:])
