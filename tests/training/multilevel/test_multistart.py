"""Many starts, pruned stage by stage: the same by hand, samples, changes of networks, resuming, bad arguments."""

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.training.adaptivity import Cut
from refkan.training.adaptivity.cut_networks import Freed, with_random_knots
from refkan.training.multilevel import Stage, multistart, trainings
from refkan.training.multilevel.staged_results import interval_weight
from refkan.training.multilevel.stages import Refined
from tests.shared.refusals import refusals, refused
from tests.training.multilevel.small_regressions import Line, data

VP = "variable-projection"


def problem_of(n=200, node_map="mean-std", intervals=(1, 3)):
    x, y = data(n)
    return rk.LeastSquares(rk.kan([2, 3, 1], 3, intervals, node_map=node_map), x, y)


def run(problem=None, seed=0, schedule=(4, 3, 2), survivors=(5, 3, 1), samples=(60, 100, None), **options):
    problem = problem_of() if problem is None else problem
    stages = Stage.refined(schedule, survivors, samples, options.pop("factors", 2))
    return multistart(problem, np.random.default_rng(seed), stages, **options)


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
    assert result.stages[-1].starts == (number,)
    assert result.network.n_params == net.n_params == 78
    assert [len(level.starts) for level in result.stages] == [5, 3, 1]
    assert [level.samples for level in result.stages] == [60, 100, 200]
    for level in result.stages:
        assert (np.diff(level.values) >= 0).all()
    # The best of each level is kept: here they are of all samples on the last one.
    np.testing.assert_array_equal(result.stages[-1].theta, theta)
    coarse = replace(problem, net=result.stages[0].network).value(result.stages[0].theta)
    assert result.value < coarse < np.inf
    # Those that go on are the best: sabotage would keep the worst.
    assert set(result.stages[1].starts) == set(result.stages[0].starts[:3])
    assert result.stages[2].starts[0] == result.stages[1].starts[0]
    assert replace(problem, net=result.network).value(result.theta) == pytest.approx(result.value, rel=1e-12)
    assert "array" not in repr(result)


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
    result = run(problem, method="gd", learning_rate=1e-3)
    # Steps and the start of each run, on parts of the samples, weighted by intervals: 15, 30, 60 on [2, 3, 1].
    assert interval_weight(problem.net) == 15.0
    assert [level.evaluations for level in result.stages] == [5 * 5, 3 * 4, 3]
    assert result.nominal == pytest.approx(25 * 60 / 200 / 4 + 12 * 100 / 200 / 2 + 3, rel=1e-14)
    assert result.seconds >= sum(level.seconds for level in result.stages)


def test_weights_follow_their_samples():
    problem = problem_of()
    weights = np.random.default_rng(5).uniform(0.5, 2.0, 200)
    result = run(replace(problem, weights=weights), schedule=(3,), survivors=(2,), samples=(60,))
    rng = np.random.default_rng(0)
    rows = rng.permutation(200)[:60]
    part = rk.LeastSquares(result.network, problem.x[rows], problem.y[rows], weights[rows])
    assert part.value(result.theta) == result.value


test_bad_arguments = refusals(
    ({"survivors": (5, 3)}, r"survivors must have one entry a stage \(3\); got 2"),
    ({"survivors": (3, 5, 1)}, r"survivors must not increase; got 5 in stage 1 after 3"),
    ({"survivors": (3, 1, 0)}, r"survivors must be at least 1; got 0"),
    ({"samples": (60, None)}, r"samples must have one entry a stage \(3\); got 2"),
    ({"samples": (60, 50, None)}, r"samples must not decrease; got 50 in stage 1 after 60"),
    ({"samples": (60, 100, 201)}, r"stages\[2\].samples must be at most 200; got 201"),
    ({"samples": (0, 100, None)}, r"samples must be at least 1; got 0"),
    ({"schedule": (4, -3, 2)}, r"schedule\[1\] must be at least 0; got -3"),
    ({"factors": [2]}, "factors must be one number or one entry for each of 2 refinements"),
    call=lambda change: run(**change),
)


def test_bad_network_and_generator():
    problem = problem_of()
    refused(lambda: run(replace(problem, net=Line())), r"TypeError: problem\.net must be a Network; got Line")
    refused(lambda: Stage.refined([1], 3), "TypeError: survivors must be a sequence of counts, one entry a stage.*3")


STAGES = (
    Stage(5, 3, samples=80),
    Stage(3, 3, samples=80, change=Refined((1, 2))),
    Stage(2, 4, samples=150, change=Freed((1,))),
    Stage(1, 2, change=Cut("residual", (1,), fraction=1.0, max_params=75)),
)


def run_stages(stages=STAGES, problem=None, seed=0, **options):
    return multistart(problem or problem_of(intervals=[2, 3]), np.random.default_rng(seed), stages, **options)


def test_stages_change_the_network():
    result = run_stages()
    assert [len(stage.starts) for stage in result.stages] == [5, 3, 2, 1]
    assert [stage.samples for stage in result.stages] == [80, 80, 150, 200]
    assert [layer.free_knots for layer in result.network.layers] == [False, True]
    assert result.network.n_params == 72  # one more interval costs three coefficients and three knots
    assert [stage.network.n_params for stage in result.stages][:2] == [24 + 15, 24 + 24]
    assert result.network.statistics.shape == (80, 2)
    assert result.stages[1].values[0] <= result.stages[0].values[0]
    assert result.value == result.stages[-1].values[0] == result.problem.value(result.theta)
    assert [training.network.n_params for training in result.course] == [39, 48, 66, 72]


def test_random_knots_give_free_knots_other_places_to_end():
    """A step: where knots start decides how close to it they end; from uniform ones all end alike."""
    x = (np.arange(400)[:, None] + 0.5) / 400
    net = rk.kan([1, 1], order=3, intervals=6, free_knots=True)
    problem = rk.LeastSquares(net, x, 1.0 * (x > 1 / np.sqrt(2)))
    alike, other = (run_stages([Stage(8, 0), Stage(8, 30)], problem, draw=draw) for draw in (None, with_random_knots))
    assert np.ptp(alike.values) < 1e-6 * alike.value  # the knots are the same: so is where they end
    assert other.values[0] == pytest.approx(alike.value, rel=1e-6)
    assert other.values.max() > 100 * other.value
    assert other.value < other.values[0]


def test_stored_stages_are_not_trained_again(tmp_path, monkeypatch):
    count = []
    train = trainings.minimize
    monkeypatch.setattr(trainings, "minimize", lambda *a, **k: (count.append(1), train(*a, **k))[1])
    first, again = (run_stages(checkpoint=tmp_path) for _ in range(2))
    assert len(count) == 5 + 3 + 2 + 1
    np.testing.assert_array_equal(first.theta, again.theta)
    run_stages(STAGES[:3], checkpoint=tmp_path)
    assert len(count) == 11
    run_stages(checkpoint=tmp_path, ridge=1e-7)
    assert len(count) == 22
    run_stages(STAGES[:1], checkpoint=Checkpoints(tmp_path), seed=1)
    assert len(count) == 27


def test_a_change_that_is_not_the_same_function_is_an_error():
    def spoilt(problem, theta):
        net, fine = Refined()(problem, theta)
        return net, fine * (1 + 1e-10)

    refused(lambda: run_stages([Stage(1, 2), Stage(1, 2, change=spoilt)]), "RuntimeError: changed the function")


test_bad_stages = refusals(
    ([], "stages must hold at least one stage; got none"),
    ([3], r"TypeError: stages\[0\] must be a Stage; got int"),
    call=run_stages,
)
