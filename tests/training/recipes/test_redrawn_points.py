"""Trainings on points that are drawn anew: where they lie, what is carried over, what is refused."""

from itertools import pairwise

import numpy as np
import pytest

import refkan as rk
from refkan.training.optimizers import State
from refkan.training.recipes import Redrawn, burgers
from refkan.training.recipes.trainers import carried, joined
from tests.shared.refusals import refused


@pytest.fixture(scope="module")
def front():
    """A network that is steep near x = 0, roughly -tanh(20 x)."""
    setup = burgers((8, 8), 8)
    net = setup.kan(widths=[2, 1], intervals=[8])
    x = setup.draw(np.random.default_rng(0), 500)
    problem, theta = setup.start(net, np.random.default_rng(0))
    fit = rk.minimize(rk.LeastSquares(net, x, -np.tanh(20 * x[:, :1])), theta, "levenberg-marquardt", steps=20)
    return setup, problem, fit.theta


def test_points_follow_the_slope_in_their_share(front):
    setup, problem, theta = front
    trainer = Redrawn(setup.ranges, seed=0)
    term = problem.terms[0]
    near = {}
    for share in (0.0, 0.5, 1.0):
        points = trainer.points(np.random.default_rng(1), problem, theta, share)
        assert points.shape == (term.n_points, 2)
        near[share] = np.mean(np.abs(points[:, 0]) < 0.25)
    assert near[0.0] < 0.4 < near[0.5] < near[1.0]
    first = trainer.points(np.random.default_rng(1), problem, theta, 0.5)
    np.testing.assert_array_equal(first, trainer.points(np.random.default_rng(1), problem, theta, 0.5))


def test_points_of_a_constant_function_are_uniform(front):
    setup, problem, theta = front
    points = Redrawn(setup.ranges, seed=0).points(np.random.default_rng(1), problem, np.zeros_like(theta), 0.5)
    low, high = np.array(setup.ranges).T
    assert np.all((low <= points) & (points <= high))
    assert np.unique(points, axis=0).shape == points.shape == (problem.terms[0].n_points, 2)


def test_points_are_drawn_anew_and_steps_are_counted_on(front):
    setup, problem, theta = front
    states = []
    trainer = Redrawn(setup.ranges, seed=0, every=3)
    result = trainer(problem, theta, steps=7, callback=states.append)
    assert [state.step for state in states] == list(range(1, 8))
    assert all(a.n_evaluations < b.n_evaluations for a, b in pairwise(states))
    assert all(a.seconds <= b.seconds for a, b in pairwise(states))
    assert result.history.value.size == result.history.damping.size == 8
    assert result.n_evaluations == result.history.evaluations[-1]
    again = trainer(problem, theta, steps=7)
    np.testing.assert_array_equal(again.theta, result.theta)
    assert np.abs(Redrawn(setup.ranges, seed=1, every=3)(problem, theta, steps=7).theta - result.theta).max() > 0
    fixed = rk.minimize(problem, theta, "levenberg-marquardt", steps=7)
    assert np.abs(fixed.theta - result.theta).max() > 0


def test_a_callback_ends_a_training_on_redrawn_points(front):
    setup, problem, theta = front

    def stop(state: State) -> None:
        if state.step == 2:
            raise StopIteration

    result = Redrawn(setup.ranges, seed=0, every=5)(problem, theta, steps=20, callback=stop)
    assert result.history.value.size == 3


def test_damping_is_carried_over(front):
    _, problem, theta = front
    run = rk.minimize(problem, theta, "levenberg-marquardt", steps=5, damping=1e-2)
    largest = float(np.diag(problem.gauss_newton(theta)).max())
    assert carried(1e-2, run.history) == pytest.approx(run.history.damping[-1] / largest, rel=1e-9)
    nothing = rk.minimize(problem, theta, "levenberg-marquardt", steps=0)
    assert carried(1e-2, nothing.history) == pytest.approx(0.1)
    assert joined([run], "done").value == run.value


@pytest.mark.parametrize(("options", "message"), [({"every": 0}, "every"), ({"steep": 1.5}, "steep must be a share")])
def test_bad_redrawing_is_refused(options, message):
    refused(lambda: Redrawn(((0.0, 1.0),), seed=0, **options), message)
    with pytest.raises(ValueError, match=r"ranges must be pairs \(a, b\) with a < b; got ranges\[1\] = \(1.0, 1.0\)"):
        Redrawn(((0.0, 1.0), (1.0, 1.0)), seed=0)
