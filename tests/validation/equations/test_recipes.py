"""How networks are trained on differential equations: starts, levels, attention, points drawn anew, learning rates."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import refkan as rk
from refkan.training.losses import Attention, Collocation
from refkan.training.multilevel import minimize_multilevel
from refkan.training.optimizers import State
from validation.equations.recipes.ordinary_setups import ordinary_setup
from validation.equations.recipes.schedules import Cyclic, Decaying, Ramped
from validation.equations.recipes.space_time_setups import burgers_setup
from validation.equations.recipes.starts import train_starts
from validation.equations.recipes.trainers import Attended, Minibatches, Redrawn, joined, next_damping


def test_splines_converge_to_the_manufactured_solution_at_their_order():
    setup = ordinary_setup("helmholtz-1d-wave", 400)
    net = setup.kan()
    done = train_starts(setup, net, np.random.default_rng(0), (20, 20, 20), damping=1e-10)
    errors = [setup.error(level.network, level.result.theta) for level in done.course]
    # Collocation with cubic splines is of second order or better in the 2-norm.
    assert all(coarse / fine > 3.5 for coarse, fine in pairwise(errors))
    assert errors[-1] < 2e-3


def test_the_start_with_the_least_value_after_a_refinement_goes_on():
    setup = ordinary_setup("poisson-1d-peak", 60)
    net = setup.kan(widths=[1, 2, 1], intervals=3)
    done = train_starts(setup, net, np.random.default_rng(3), (4, 3, 2), starts=3)
    alone = []
    for stream in np.random.default_rng(3).spawn(3):
        problem, theta = setup.start(net, stream)
        alone.append(minimize_multilevel(problem, theta, [4, 3], "levenberg-marquardt"))
    np.testing.assert_array_equal(done.values, [result.value for result in alone])
    assert done.chosen == int(np.argmin(done.values))
    best = alone[done.chosen]
    after = minimize_multilevel(best.problem, best.theta, [0, 2], "levenberg-marquardt")
    np.testing.assert_array_equal(done.theta, after.theta)
    assert [level.network.n_params for level in done.course] == [net.refine(k).n_params for k in (1, 2, 4)]


@pytest.mark.parametrize("starts", [1, 3])
def test_levels_after_the_choice_may_have_other_points(starts):
    few, many = burgers_setup((4, 4), 4), burgers_setup((7, 7), 7)
    net = few.kan(widths=[2, 2, 1], intervals=2)
    done = train_starts(few, net, np.random.default_rng(3), (4, 3, 2), starts=starts, later=many)
    plain = train_starts(few, net, np.random.default_rng(3), (4, 3), starts=starts)
    first = done.course[1].result
    np.testing.assert_array_equal(first.theta, plain.theta)
    assert done.chosen == plain.chosen
    assert done.problem.terms[0].n_points == 49
    problem = replace(plain.problem, terms=many.terms)
    expected = minimize_multilevel(problem, first.theta, [0, 2], "levenberg-marquardt")
    np.testing.assert_array_equal(done.theta, expected.theta)
    assert [level.result.history.value.size for level in done.course] == [5, 4, 3]
    with pytest.raises(ValueError, match="later needs levels after the 2 common ones; the schedule has 2"):
        train_starts(few, net, np.random.default_rng(3), (4, 3), later=many)


def test_attention_begins_anew_on_each_level_and_leaves_the_problem_alone():
    setup = burgers_setup((6, 6), 6)
    problem, theta = setup.start(setup.kan(widths=[2, 2, 1], intervals=2), np.random.default_rng(0))
    options = {"steps": 3, "learning_rate": 1e-2}
    result = Attended(0.5)(problem, theta, **options)
    attention = Attention(problem.terms[0].n_points, 0.5)
    terms = (replace(problem.terms[0], attention=attention), *problem.terms[1:])
    by_hand = Collocation(problem.net, terms)
    expected = rk.minimize(by_hand, theta, "adam", callback=lambda s: by_hand.attend(s.theta), **options)
    np.testing.assert_array_equal(result.theta, expected.theta)
    assert problem.terms[0].attention is None
    np.testing.assert_array_equal(Attended(0.5)(problem, theta, **options).theta, result.theta)
    assert np.abs(rk.minimize(problem, theta, "adam", **options).theta - result.theta).max() > 1e-6


def test_batches_see_every_point_once_before_any_a_second_time():
    setup = burgers_setup((5, 4), 4)
    problem, theta = setup.start(setup.kan(widths=[2, 2, 1], intervals=2), np.random.default_rng(0))
    batches = Minibatches(problem, 6, np.random.default_rng(1))
    drawn = []
    for _ in range(6):  # three batches of 6 out of 20 points; the 2 that are left wait for nothing
        value, gradient = batches.value_and_gradient(theta)
        drawn.append(batches._rows)
        part = problem.redrawn({"equation": problem.terms[0].sides[0].points[drawn[-1]]})
        # Kernels sum the samples of a block in the order of their intervals: the same up to rounding.
        exact = part.gradient(theta)
        assert value == pytest.approx(part.value(theta), rel=1e-14)
        np.testing.assert_allclose(gradient, exact, rtol=1e-13, atol=1e-13 * np.abs(exact).max())
    for epoch in (drawn[:3], drawn[3:]):
        assert np.unique(np.concatenate(epoch)).size == 18
    assert set(np.concatenate(drawn[:3])) != set(np.concatenate(drawn[3:]))


def test_attention_in_batches_follows_the_points_of_each():
    setup = burgers_setup((3, 4), 4)
    problem, theta = setup.start(setup.kan(widths=[2, 2, 1], intervals=2), np.random.default_rng(0))
    attention = Attention(12, 0.5)
    attended = replace(problem, terms=(replace(problem.terms[0], attention=attention), *problem.terms[1:]))
    batches = Minibatches(attended, 5, np.random.default_rng(1))
    batches.attend(theta)  # before any batch: of all points
    e = np.abs(problem.misfit(theta)["equation"][:, 0])
    expected = 0.5 + 0.5 * e / e.max()
    np.testing.assert_allclose(attention.weights, expected, rtol=1e-14)
    for _ in range(3):
        value, _ = batches.value_and_gradient(theta)
        e = np.abs(problem.misfit(theta)["equation"][batches._rows, 0])
        others = sum(problem.mean_squares(theta)[name] for name in ("initial", "boundary"))
        assert 2 * value == pytest.approx(np.mean((expected[batches._rows] * e) ** 2) + others, rel=1e-12)
        batches.attend(theta)
        expected[batches._rows] = 0.5 * expected[batches._rows] + 0.5 * e / e.max()
        np.testing.assert_allclose(attention.weights, expected, rtol=1e-14)


def test_training_in_batches_returns_its_last_point_with_the_value_on_all_points():
    setup = burgers_setup((6, 6), 6)
    problem, theta = setup.start(setup.kan(widths=[2, 2, 1], intervals=2), np.random.default_rng(0))
    states, options = [], {"steps": 9, "learning_rate": 1e-2}
    trainer = Attended(1e-4, batch=12, seed=3)
    result = trainer(problem, theta, callback=states.append, **options)
    np.testing.assert_array_equal(result.theta, states[-1].theta)
    # With mu = 1e-4 and nine steps all weights are within 0.9991 and 1.
    assert result.value == pytest.approx(problem.value(result.theta), rel=2e-3)
    assert result.n_evaluations == 11
    np.testing.assert_array_equal(trainer(problem, theta, **options).theta, result.theta)
    assert np.abs(Attended(1e-4, batch=12, seed=4)(problem, theta, **options).theta - result.theta).max() > 0
    whole = Attended(1e-4)(problem, theta, **options)
    assert np.abs(whole.theta - result.theta).max() > 0


def test_trainings_on_redrawn_points_and_with_attention_resume(tmp_path):
    setup = burgers_setup((6, 6), 6)
    net = setup.kan(widths=[2, 2, 1], intervals=2)
    adam = {"learning_rate": 1e-2}
    cases = ((Redrawn(setup.ranges, seed=4, every=2), {}), (Attended(0.1), adam), (Attended(0.1, batch=9), adam))
    for method, options in cases:
        runs = [
            train_starts(setup, net, np.random.default_rng(0), (3, 2), method, checkpoint=tmp_path, **options)
            for _ in range(2)
        ]
        np.testing.assert_array_equal(runs[0].theta, runs[1].theta)
        assert [[level.resumed for level in run.course] for run in runs] == [[False, False], [True, True]]


def test_learning_rates():
    rate = Cyclic()
    assert rate(0) == 1e-4
    assert rate(50) == pytest.approx(1e-4 + 9e-4 * 0.9995**50)
    assert rate(75) == pytest.approx(1e-4 + 4.5e-4 * 0.9995**75)
    assert rate(100) == 1e-4
    assert Decaying(1.0, 1e-4, 4)(2) == pytest.approx(1e-2)
    assert Ramped(Decaying(1.0, 1e-4, 4), 0.0, 2)(1) == pytest.approx(0.05)
    assert Ramped(0.5, 0.0, 2)(2) == 0.5


@pytest.fixture(scope="module")
def front():
    """A network that is steep near x = 0, roughly -tanh(20 x)."""
    setup = burgers_setup((8, 8), 8)
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
    anywhere = trainer.points(np.random.default_rng(1), problem, 0 * theta, 1.0)  # a constant has no steep points
    assert np.ptp(anywhere[:, 0]) > 1.5


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
    assert next_damping(1e-2, run.history) == pytest.approx(run.history.damping[-1] / largest, rel=1e-9)
    nothing = rk.minimize(problem, theta, "levenberg-marquardt", steps=0)
    assert next_damping(1e-2, nothing.history) == pytest.approx(0.1)
    assert joined([run], "done").value == run.value
