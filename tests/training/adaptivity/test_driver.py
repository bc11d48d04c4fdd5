"""The driver: every strategy, exact refinements re-checked, records, and what it finds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import refkan as rk
from refkan.training.adaptivity import STRATEGIES, adaptive_minimization, minimize_adaptive, strategies
from refkan.training.multilevel.multilevel_results import interval_weight
from tests.training.adaptivity.adaptive_problems import LM, STEP, VP, one_dimensional, step, two_layers

EXACT = [name for name, strategy in STRATEGIES.items() if strategy.exact]
REFITS = [name for name, strategy in STRATEGIES.items() if not strategy.exact]


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

        monkeypatch.setitem(adaptive_minimization.STRATEGIES, strategy, strategies.Strategy(refine, exact=True))
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


# --- methods and strategies of one's own


def test_a_method_of_ones_own():
    problem, theta = one_dimensional(step)
    calls = []

    def method(problem, theta, steps, callback, note):
        calls.append((problem.net.n_params, steps, note))
        return rk.minimize(problem, theta, "gauss-newton", steps=1)

    minimize_adaptive(problem, theta, "residual", method, 7, max_rounds=2, note="here")
    assert [call[1:] for call in calls] == [(7, "here")] * 3
    with pytest.raises(TypeError, match="what method returns must be a Result; got float"):
        minimize_adaptive(problem, theta, "residual", lambda *args, **kwargs: 1.0)


def test_a_strategy_of_ones_own():
    """One that adds a knot at a fixed place of the first interval; the driver re-checks what it claims to be exact."""

    def first(situation):
        fine = situation.net.insert(0, [0.5 * situation.net.layers[0].spaces[0].breakpoints[1]])
        return strategies.Refinement(fine, situation.net.convert(situation.theta, fine))

    problem, theta = one_dimensional(step)
    result = minimize_adaptive(problem, theta, strategies.Strategy(first, exact=True), VP, 1, max_rounds=3)
    assert_allclose(result.rounds[-1].breakpoints[0][0, :5], [0, 1 / 32, 1 / 16, 1 / 8, 1 / 4])
    assert all(0 < r.refining < r.seconds for r in result.rounds[1:])
