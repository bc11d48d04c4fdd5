from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.training.multilevel import multistart, stages
from refkan.training.multilevel.work import interval_weight
from refkan.training.optimizers import ProgressLines
from tests.training.multilevel.small_regressions import Line, data

VP = "variable-projection"


def problem_of(n=200, node_map="mean-std", **options):
    x, y = data(n)
    return rk.LeastSquares(rk.kan([2, 3, 1], 3, [1, 3], node_map=node_map, **options), x, y)


def run(problem=None, seed=0, schedule=(4, 3, 2), survivors=(5, 3, 1), samples=(60, 100, None), **options):
    problem = problem_of() if problem is None else problem
    return multistart(problem, np.random.default_rng(seed), list(schedule), list(survivors), samples=samples, **options)


def by_hand(problem, seed, schedule, survivors, samples, method=VP):
    """The same in the plainest way."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(problem.x))
    rows = [order[:size] if size else np.arange(len(order)) for size in samples]
    streams = rng.spawn(survivors[0])
    runs = []
    for number, stream in enumerate(streams):
        net, theta = problem.net.initialize(stream, problem.x[rows[0]])
        runs.append((0.0, number, net, theta))
    for k, steps in enumerate(schedule):
        trained = []
        for _, number, net, theta in runs[: survivors[k]]:
            if k:
                fine = net.refine()
                net, theta = fine, net.convert(theta, fine)
            part = rk.LeastSquares(net, problem.x[rows[k]], problem.y[rows[k]])
            result = rk.minimize(part, theta, method, steps)
            trained.append((result.value, number, net, result.theta))
        runs = sorted(trained, key=lambda run: run[:2])
    return runs[0]


def test_it_prunes_by_training_loss():
    problem = problem_of()
    result = run(problem)
    value, number, net, theta = by_hand(problem, 0, (4, 3, 2), (5, 3, 1), (60, 100, None))
    np.testing.assert_array_equal(result.theta, theta)
    assert result.value == value
    assert result.levels[-1].starts == (number,)
    assert result.network.n_params == net.n_params == 78
    assert [len(level.starts) for level in result.levels] == [5, 3, 1]
    assert [level.samples for level in result.levels] == [60, 100, 200]
    for level in result.levels:
        assert (np.diff(level.values) >= 0).all()
    # The best of each level is kept: here they are of all samples on the last one.
    assert [level.network.n_params for level in result.levels] == [level.n_params for level in result.levels]
    np.testing.assert_array_equal(result.levels[-1].theta, theta)
    coarse = replace(problem, net=result.levels[0].network).value(result.levels[0].theta)
    assert result.value < coarse < np.inf
    # Those that go on are the best: sabotage would keep the worst.
    assert set(result.levels[1].starts) == set(result.levels[0].starts[:3])
    assert result.levels[2].starts[0] == result.levels[1].starts[0]
    assert replace(problem, net=result.network).value(result.theta) == pytest.approx(result.value, rel=1e-12)
    assert "array" not in repr(result)


def test_more_starts_contain_fewer():
    """The first starts are the same however many there are, so that a better value is due to the others."""
    few, many = (run(survivors=(k, k), schedule=(3, 3), samples=(60, None)) for k in (2, 6))
    assert many.value <= few.value
    assert set(few.levels[0].values) <= set(many.levels[0].values)


@pytest.mark.parametrize("node_map", ["affine", "mean-std"])
def test_the_statistics_batch_stays_that_of_the_first_level(node_map):
    result = run(problem_of(node_map=node_map))
    batch = result.network.statistics
    if node_map == "affine":
        assert batch is None
    else:
        assert batch.shape == (60, 2)


def test_work_of_many_starts():
    problem = problem_of()
    result = run(problem, method="lbfgs-fixed-step", inner=1, tolerance_change=0.0)
    # Steps and the start of each run, on parts of the samples, weighted by intervals: 15, 30, 60 on [2, 3, 1].
    assert interval_weight(problem.net) == 15.0
    assert [level.evaluations for level in result.levels] == [5 * 5, 3 * 4, 3]
    assert result.nominal == pytest.approx(25 * 60 / 200 / 4 + 12 * 100 / 200 / 2 + 3, rel=1e-14)
    assert result.seconds >= sum(level.seconds for level in result.levels)
    assert result.unit > 0


def test_starts_resume(tmp_path, monkeypatch):
    first = run(checkpoints=tmp_path)
    files = len(list(tmp_path.glob("*.json")))
    assert files == 5 + 3 + 1
    monkeypatch.setattr(stages, "minimize", None)
    again = run(checkpoints=Checkpoints(tmp_path))
    np.testing.assert_array_equal(again.theta, first.theta)
    with pytest.raises(TypeError):
        run(checkpoints=tmp_path, seed=1)


def test_weights_follow_their_samples():
    problem = problem_of()
    weights = np.random.default_rng(5).uniform(0.5, 2.0, 200)
    result = run(replace(problem, weights=weights), schedule=(3,), survivors=(2,), samples=(60,))
    rng = np.random.default_rng(0)
    rows = rng.permutation(200)[:60]
    part = rk.LeastSquares(result.network, problem.x[rows], problem.y[rows], weights[rows])
    assert part.value(result.theta) == result.value


def test_progress_is_told():
    lines = []
    run(progress=ProgressLines(lines.append, pause=1e9))
    assert [line.split(":")[0] for line in lines] == ["level 0", "level 1", "level 2"]
    assert "5 starts on 60 samples" in lines[0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"survivors": (5, 3)}, ValueError, r"survivors must have one entry a level \(3\); got 2"),
        ({"survivors": (3, 5, 1)}, ValueError, r"survivors must not increase; got survivors\[1\] = 5 after 3"),
        ({"survivors": (3, 1, 0)}, ValueError, r"survivors\[2\] must be at least 1; got 0"),
        ({"samples": (60, None)}, ValueError, r"samples must have one entry a level \(3\); got 2"),
        ({"samples": (60, 50, None)}, ValueError, r"samples must not decrease; got samples\[1\] = 50 after 60"),
        ({"samples": (60, 100, 201)}, ValueError, r"samples\[2\] must be at most 200; got 201"),
        ({"samples": (0, 100, None)}, ValueError, r"samples\[0\] must be at least 1; got 0"),
        ({"schedule": (4, -3, 2)}, ValueError, r"schedule\[1\] must be at least 0; got -3"),
        ({"method": "newton"}, ValueError, "method must be one of"),
        ({"scheme": "zeros"}, ValueError, "scheme must be one of"),
        ({"factors": [2]}, ValueError, "factors must be one number or one entry for each of 2 refinements"),
        ({"samples": 60}, TypeError, "samples must be a sequence of counts or None, one entry a level; got 60"),
        ({"problem": 3}, TypeError, "problem must be a LeastSquares; got int"),
    ],
)
def test_bad_arguments(change, error, message):
    with pytest.raises(error, match=message):
        run(**change)


def test_bad_network_and_generator():
    problem = problem_of()
    with pytest.raises(TypeError, match=r"problem\.net must be a Network; got Line"):
        run(replace(problem, net=Line()))
    with pytest.raises(TypeError, match="rng must be a Generator; got int"):
        multistart(problem, 3, [1], [1])
    with pytest.raises(TypeError, match="survivors must be a sequence of counts, one entry a level; got 3"):
        multistart(problem, np.random.default_rng(0), [1], 3)
