"""Tournaments: who is trained on what, in which order, and that nothing is computed twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import refkan as rk
from refkan.training.adaptivity import Cut, Freed, Refined, Stage, in_turn, tournament
from refkan.training.multilevel import stages as driver
from refkan.training.optimizers import ProgressLines
from tests.shared.factories import samples

STAGES = (
    Stage(5, 3, samples=80),
    Stage(3, 3, samples=80, change=Refined((1, 2))),
    Stage(2, 4, samples=150, change=in_turn([Freed((1,)), Cut("residual", (1,), fraction=1.0, max_params=75)])),
    Stage(1, 2),
)


def problem_of(n=200, node_map="mean-std"):
    x = samples(n)
    net = rk.kan([2, 3, 1], order=3, intervals=[2, 3], node_map=node_map)
    return rk.LeastSquares(net, x, rk.problems.regression_target(x))


def run(seed=0, stages=STAGES, problem=None, **kwargs):
    return tournament(problem or problem_of(), np.random.default_rng(seed), stages, **kwargs)


def test_stages_prune_by_value_and_change_the_network():
    result = run()
    assert [len(stage.starts) for stage in result.stages] == [5, 3, 2, 1]
    assert [stage.samples for stage in result.stages] == [80, 80, 150, 200]
    for before, after in zip(result.stages, result.stages[1:], strict=False):
        assert set(after.starts) <= set(before.starts[: len(after.starts)])
        assert np.all(np.diff(before.values) >= 0)
    assert result.network.layers[1].free_knots
    assert not result.network.layers[0].free_knots
    assert result.network.n_params == 72  # one more interval costs three coefficients and three knots
    assert [stage.n_params for stage in result.stages][:2] == [24 + 15, 24 + 24]
    assert result.network.statistics.shape == (80, 2)
    assert result.value == result.stages[-1].values[0]
    here = replace(problem_of(), net=result.network)
    assert here.value(result.theta) == pytest.approx(result.value, rel=1e-12)
    assert "best of each stage" in repr(result)


def test_equal_starts_stay_in_order():
    problem = problem_of(40)
    still = replace(problem, weights=np.zeros(40))  # all values are zero
    result = run(stages=(Stage(4, 0), Stage(2, 0)), problem=still, method="gd", learning_rate=1.0)
    assert [stage.starts for stage in result.stages] == [(0, 1, 2, 3), (0, 1)]


def test_values_do_not_rise_on_the_same_samples():
    result = run()
    assert result.stages[1].values[0] <= result.stages[0].values[0]


def test_a_seed_fixes_everything_and_another_gives_other_starts():
    a, b, c = run(), run(), run(seed=1)
    assert_array_equal(a.theta, b.theta)
    assert a.stages[0].values[0] != c.stages[0].values[0]


def test_the_first_start_is_the_one_that_a_single_start_has():
    one = run(stages=[Stage(1, 3, samples=80)])
    many = run(stages=[Stage(5, 3, samples=80)])
    assert one.value == many.stages[0].values[many.stages[0].starts.index(0)]


def test_random_knots_give_free_knots_other_places_to_end():
    """A step: where knots start decides how close to it they end; from uniform ones all end alike."""
    x = (np.arange(400)[:, None] + 0.5) / 400
    net = rk.kan([1, 1], order=3, intervals=6, free_knots=True)
    problem = rk.LeastSquares(net, x, 1.0 * (x > 1 / np.sqrt(2)))
    stages = [Stage(8, 0), Stage(8, 30)]
    alike = run(problem=problem, stages=stages, method="variable-projection")
    other = run(problem=problem, stages=stages, method="variable-projection", random_knots=True)
    assert np.ptp(alike.stages[-1].values) < 1e-6 * alike.value  # the knots are the same: so is where they end
    uniform = other.stages[-1].values[other.stages[-1].starts.index(0)]
    assert uniform == pytest.approx(alike.value, rel=1e-6)
    ends = other.stages[-1].values
    assert ends[-1] > 100 * ends[0]
    assert other.value < uniform


def test_stored_stages_are_not_trained_again(tmp_path, monkeypatch):
    count = []
    train = driver.minimize
    monkeypatch.setattr(driver, "minimize", lambda *a, **k: (count.append(1), train(*a, **k))[1])
    lines = []
    first = run(checkpoints=tmp_path, progress=ProgressLines(lines.append, pause=1e9))
    assert len(count) == 5 + 3 + 2 + 1
    assert len(lines) == 4
    assert lines[2].startswith("stage 2: 2 starts on 150 samples, best value")
    again = run(checkpoints=tmp_path)
    assert len(count) == 11
    assert_array_equal(first.theta, again.theta)
    run(stages=STAGES[:3], checkpoints=tmp_path)
    assert len(count) == 11
    run(checkpoints=tmp_path, ridge=1e-7)
    assert len(count) == 22


def test_a_change_that_is_not_the_same_function_is_an_error():
    def spoilt(problem, theta):
        net, fine = Refined()(problem, theta)
        return net, fine * (1 + 1e-10)

    with pytest.raises(RuntimeError, match="changed the function"):
        run(stages=[Stage(1, 2), Stage(1, 2, change=spoilt)])


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "stages must hold at least one stage; got none"),
        ([Stage(2, 1), Stage(3, 1)], "survivors must not increase; got 3 in stage 1 after 2"),
        ([Stage(2, 1), Stage(1, 1, 50)], "samples must not decrease; got 50 in stage 1 after 200"),
        ([Stage(2, 1, 201)], r"stages\[0\].samples must be at most 200; got 201"),
        ([Stage(0, 1)], r"stages\[0\].survivors must be at least 1; got 0"),
        ([Stage(1, -1)], r"stages\[0\].steps must be at least 0; got -1"),
    ],
)
def test_stages_that_make_no_tournament(stages, message):
    with pytest.raises(ValueError, match=message):
        run(stages=stages)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (5, "stages must be a sequence of Stage; got 5"),
        ([Stage(2, 1), Stage(1, 1, change=2)], r"stages\[1\].change must be callable or None; got 2"),
    ],
)
def test_stages_of_a_wrong_type(stages, message):
    with pytest.raises(TypeError, match=message):
        run(stages=stages)


def test_types():
    with pytest.raises(TypeError, match="rng must be a Generator; got int"):
        tournament(problem_of(), 0, STAGES)
    with pytest.raises(TypeError, match=r"stages\[0\] must be a Stage; got int"):
        run(stages=[3])
    with pytest.raises(TypeError, match="problem must be a LeastSquares"):
        tournament(None, np.random.default_rng(0), STAGES)
    with pytest.raises(TypeError, match="random_knots must be True or False; got 1"):
        run(random_knots=1)
