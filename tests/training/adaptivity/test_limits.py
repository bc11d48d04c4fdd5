"""Budgets and stopping rules of adaptive training, and resuming from checkpoints."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import refkan as rk
from refkan.training.adaptivity import STRATEGIES, minimize_adaptive
from refkan.training.adaptivity.adaptive_training import Limits
from refkan.training.multilevel import trainings
from tests.training.adaptivity.adaptive_problems import LM, VP, one_dimensional, step, two_layers


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


def test_a_better_round_within_the_patience_counts():
    limits = Limits(0.0, None, 9, 2, 0.1)
    for values, ends in (((1.0, 0.5, 0.95), False), ((1.0, 0.95, 0.95), True), ((0.5, 1.0, 0.95, 0.6), True)):
        rounds = [SimpleNamespace(index=k, value=value) for k, value in enumerate(values)]
        assert limits.ending(rounds).startswith("no improvement") == ends


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


# --- resuming


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_resumed_rounds_are_the_same_and_not_computed_again(strategy, tmp_path, monkeypatch):
    problem, theta = two_layers()
    count = []
    train = trainings.minimize
    monkeypatch.setattr(trainings, "minimize", lambda *a, **k: (count.append(1), train(*a, **k))[1])

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
    assert len(count) > 4 + 1  # other configurations are other results
