"""Set-ups of differential equations: their residuals at the exact solution, their points, and how they are trained."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import refkan as rk
from refkan.hierarchy import minimize_multilevel
from refkan.losses import Attention, Collocation, Side, Term
from refkan.optimizers import State
from refkan.problems import allen_cahn as allen_cahn_equation
from refkan.problems import burgers as burgers_equation
from refkan.problems import poisson as poisson_equation
from refkan.training import (
    ORDINARY,
    Attended,
    Cyclic,
    Decaying,
    Minibatches,
    Ramped,
    Redrawn,
    allen_cahn,
    burgers,
    ordinary,
    poisson,
    regression,
    setup_named,
    setups,
    train_starts,
)
from refkan.training.allen_cahn_setup import allen_cahn_residual
from refkan.training.burgers_setup import burgers_residual
from refkan.training.poisson_setup import poisson_residual
from refkan.training.trainers import carried, joined

SMALL = {
    "poisson": lambda: poisson(7),
    "poisson without level set": lambda: poisson(7, level_set=False),
    "burgers": lambda: burgers((8, 8), 8),
    "allen-cahn": lambda: allen_cahn(60, 20, 10),
    **{name: (lambda name=name: ordinary(name, 40)) for name in ORDINARY},
}


@pytest.fixture(params=SMALL, scope="module")
def small(request):
    return SMALL[request.param]()


# --- residuals


def test_partials_are_the_derivatives_of_the_residuals(small):
    problem, theta = small.start(small.kan(intervals=2), np.random.default_rng(0), check=True)
    assert np.isfinite(problem.loss(theta))
    assert problem.net.n_params == theta.size


def exact_quantities(name):
    """Points and exact value and derivatives there, by other means than the residuals use."""
    rng, h = np.random.default_rng(1), 1e-20
    if name == "poisson":
        points = rng.uniform(-1, 1, (50, 2))
        k = np.where(points[:, 0] < 0, np.pi, 2 * np.pi)
        u = poisson_equation.solution(points)[:, 0]
        u_x, u_y = poisson_equation.gradient(points).T
        return poisson_equation.level_set_input(points), (u, u_x, u_y, -(k**2) * u, -9 * np.pi**2 * u)
    if name == "burgers":
        points = np.column_stack([rng.uniform(-1, 1, 50), rng.uniform(0.05, 1, 50)])
        u, u_x = burgers_equation.solution(points), burgers_equation.slope(points)
        u_t = burgers_equation.solution(points + np.array([0, 1j * h])).imag / h
        u_xx = burgers_equation.slope(points + np.array([1j * h, 0])).imag / h
        return points, tuple(q[:, 0] for q in (u, u_x, u_t, u_xx))
    reference, d = allen_cahn_equation.reference(512, 1e-5), 1e-3
    points = np.column_stack([rng.uniform(-1, 1, 20), rng.uniform(0.2, 0.9, 20)])

    def at(dx, dt):
        return reference(points + np.array([dx, dt]))[:, 0]

    u_t = (8 * (at(0, d) - at(0, -d)) - (at(0, 2 * d) - at(0, -2 * d))) / (12 * d)
    u_xx = (at(d, 0) - 2 * at(0, 0) + at(-d, 0)) / d**2
    return points, (at(0, 0), (at(d, 0) - at(-d, 0)) / (2 * d), u_t, u_xx)


CASES = {
    "poisson": (poisson_residual, 1e-10),
    "burgers": (burgers_residual, 1e-7),
    # Differences of a solution with fronts of width 1e-2 are off by (d/width)^2 of u_xx/10^4, and the solution by 8e-9.
    "allen-cahn": (allen_cahn_residual, 5e-3),
}


@pytest.mark.parametrize("name", CASES)
def test_the_exact_solution_has_no_residual(name):
    residual, tolerance = CASES[name]
    points, quantities = exact_quantities(name)
    scale = max(np.abs(q).max() for q in (quantities[2], quantities[3], np.ones(1)))
    assert np.abs(residual(points, *quantities)).max() <= tolerance * scale
    for k, quantity in enumerate(quantities):
        spoilt = [-q if j == k else q for j, q in enumerate(quantities)]
        used = {"poisson": (3, 4), "burgers": (1, 2, 3), "allen-cahn": (0, 2)}[name]
        if k in used and np.abs(quantity).max() > 1e-3:
            assert np.abs(residual(points, *spoilt)).max() > 2 * tolerance * scale, f"quantity {k} does not matter"


def test_diffusion_enters_allen_cahn_with_its_sign():
    zero = np.zeros(3)
    x = np.zeros((3, 2))
    np.testing.assert_array_equal(allen_cahn_residual(x, zero, zero, zero, zero + 1), -1e-4 * np.ones(3))
    assert (allen_cahn_residual(x, zero + 0.5, zero, zero, zero) < 0).all()  # u grows from 1/2 to 1


@pytest.mark.parametrize("name", ORDINARY)
def test_manufactured_solutions_have_no_residual(name):
    problem, term = ORDINARY[name], ordinary(name, 50).terms[0]
    x = term.sides[0].points
    r = term.residual(x, problem.solution(x)[:, 0], None, problem.second_derivative(x)[:, 0])
    assert np.abs(r).max() <= 1e-12 * np.abs(problem.second_derivative(x)).max()


def test_the_flux_across_the_interface_is_that_of_either_side():
    term = poisson(9).terms[1]
    points = term.sides[0].points
    np.testing.assert_array_equal([side.first[0] for side in term.sides], [[1, 0, -1], [1, 0, 1]])
    flux = [poisson_equation.gradient(points[:, :2], side)[:, 0] for side in poisson_equation.SIDES]
    u = np.zeros(len(points))
    assert np.abs(term.residual(points, u, flux[0], u, flux[1])).max() < 1e-13
    assert np.abs(term.residual(points, u, flux[1], u, flux[0])).max() > 1


def test_conditions_vanish_at_the_exact_solution():
    for setup in (poisson(9), burgers((8, 8), 16), ordinary("helmholtz-1d-wave", 20)):
        for term in setup.terms[1:]:
            if len(term.sides) == 1:
                points = term.sides[0].points
                variables = points[:, : len(setup.ranges)]
                keywords = {} if term.data is None else {"data": term.data}
                u = np.asarray(setup.reference(variables))[:, 0]
                assert np.abs(term.residual(points, u, **keywords)).max() < 1e-12, term.name


# --- points and shapes


def test_numbers_of_points_and_parameters_are_those_of_the_paper():
    p, b, a = poisson(), burgers(), allen_cahn()
    assert [term.n_points for term in p.terms] == [2401, 49, 200]
    assert [p.kan(intervals=n).n_params for n in p.shape.intervals] == [140, 220, 380, 700]
    assert [term.n_points for term in b.terms] == [4096, 64, 128]
    assert [b.kan(intervals=n).n_params for n in b.shape.intervals] == [3680, 5980, 10580]
    assert [term.n_points for term in a.terms] == [20000, 501, 101]
    assert [term.weight for term in a.terms] == [0.1, 1.0, 1.0]
    assert [term.weight for term in p.terms] == [0.01, 0.1, 1.0]
    assert len(np.unique(p.terms[2].sides[0].points, axis=0)) == 200
    assert (np.abs(p.terms[2].sides[0].points[:, :2]).max(axis=1) == 1).all()
    assert poisson(97).terms[0].n_points == 97**2


def test_points_lie_in_the_domain_and_end_points_where_they_belong(small):
    for term in small.terms:
        for side in term.sides:
            for column, (low, high) in enumerate(small.domain or small.ranges):
                assert side.points[:, column].min() >= low
                assert side.points[:, column].max() <= high
    if small.name in ("burgers", "allen-cahn"):
        assert (small.terms[1].sides[0].points[:, 1] == 0).all()
    drawn = small.draw(np.random.default_rng(0), 30)
    assert drawn.shape == (30, small.kan().widths[0])


def test_the_error_is_relative_in_the_2_norm():
    setup = ordinary("poisson-1d-peak", 20)
    net, theta = setup.kan().initialize(np.random.default_rng(0), setup.grid)
    assert setup.error(net, 0 * theta) == 1.0
    wrong = net(theta, setup.grid) - setup.reference(setup.grid)
    expected = np.sqrt(np.sum(wrong**2) / np.sum(setup.reference(setup.grid) ** 2))
    assert setup.error(net, theta) == pytest.approx(expected, rel=1e-14)


def test_grids_hold_every_pair_once():
    grid = setups.tensor_grid([0.0, 1.0, 2.0], [5.0, 6.0])
    assert sorted(map(tuple, grid)) == [(x, y) for x in (0.0, 1.0, 2.0) for y in (5.0, 6.0)]
    np.testing.assert_allclose(setups.midpoints(-1.0, 1.0, 4), [-0.75, -0.25, 0.25, 0.75])


def test_weights_are_changed_by_name():
    changed = poisson(5).weighted(boundary=100.0)
    assert [term.weight for term in changed.terms] == [0.01, 0.1, 100.0]
    with pytest.raises(ValueError, match="equation, interface, boundary; got 'initial'"):
        poisson(5).weighted(initial=1.0)


def test_regression_is_least_squares_on_the_target():
    setup = regression("front", 50)
    problem, theta = setup.start(setup.kan(), np.random.default_rng(0))
    assert isinstance(problem, rk.LeastSquares)
    np.testing.assert_array_equal(problem.y, rk.problems.TARGETS["front"](problem.x))
    assert setup.error(problem.net, theta) > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: poisson(0), "points must be"),
        (lambda: burgers((1, 8)), r"points\[0\]"),
        (lambda: allen_cahn(0), "points must be"),
        (lambda: ordinary("wave"), "name must be one of"),
        (lambda: setup_named("heat"), "problem must be one of"),
        (lambda: burgers().start(burgers().kan(order=2), np.random.default_rng(0)), "order"),
        (lambda: poisson().start(rk.kan([2, 1], 4, 2), np.random.default_rng(0)), "2"),
    ],
)
def test_bad_set_ups_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_order_3_is_allowed_with_one_warning():
    setup = burgers((8, 8), 8)
    with pytest.warns(UserWarning, match="jump") as caught:
        setup.start(setup.kan(widths=[2, 2, 1], order=3), np.random.default_rng(0))
    assert len(caught) == 1


# --- trainings


def test_splines_converge_to_the_manufactured_solution_at_their_order():
    setup = ordinary("helmholtz-1d-wave", 400)
    net = setup.kan()
    done = train_starts(setup, net, np.random.default_rng(0), (20, 20, 20), damping=1e-10)
    errors = [setup.error(level.network, level.result.theta) for level in done.levels]
    # Collocation with cubic splines is of second order or better in the 2-norm.
    assert all(coarse / fine > 3.5 for coarse, fine in pairwise(errors))
    assert errors[-1] < 2e-3


def test_without_the_level_set_the_slope_itself_is_asked_to_vanish_on_the_interface():
    """A smooth network has one slope at x = 0, so that eps u_x is continuous for u_x = 0 alone."""
    setup = poisson(9, level_set=False)
    problem, theta = setup.start(setup.kan(), np.random.default_rng(0))
    points = setup.terms[1].sides[0].points
    slope = problem.net.jet(theta, points, [[1.0, 0.0]], orders=1).first[:, 0, 0]
    np.testing.assert_allclose(problem.residuals(theta)["interface"][:, 0], 0.5 * slope, rtol=1e-12)
    setup = poisson(9)
    problem, theta = setup.start(setup.kan(), np.random.default_rng(0))
    points = setup.terms[1].sides[0].points
    jet = problem.net.jet(theta, points, [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], orders=1)
    jump = 0.5 * jet.first[:, 0, 0] - 1.5 * jet.first[:, 1, 0]
    np.testing.assert_allclose(problem.residuals(theta)["interface"][:, 0], jump, rtol=1e-10, atol=1e-12)


def test_the_start_with_the_least_value_after_a_refinement_goes_on():
    setup = ordinary("poisson-1d-peak", 60)
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
    np.testing.assert_array_equal(done.result.theta, after.theta)
    assert [level.network.n_params for level in done.levels] == [net.refine(k).n_params for k in (1, 2, 4)]


@pytest.mark.parametrize("starts", [1, 3])
def test_levels_after_the_choice_may_have_other_points(starts):
    few, many = burgers((4, 4), 4), burgers((7, 7), 7)
    net = few.kan(widths=[2, 2, 1], intervals=2)
    done = train_starts(few, net, np.random.default_rng(3), (4, 3, 2), starts=starts, common=2, later=many)
    plain = train_starts(few, net, np.random.default_rng(3), (4, 3), starts=starts, common=2)
    np.testing.assert_array_equal(done.first.theta, plain.result.theta)
    assert done.chosen == plain.chosen
    assert done.result.problem.terms[0].n_points == 49
    problem = replace(done.first.problem, terms=many.terms)
    expected = minimize_multilevel(problem, done.first.theta, [0, 2], "levenberg-marquardt")
    np.testing.assert_array_equal(done.result.theta, expected.theta)
    assert [level.result.history.value.size for level in done.levels] == [5, 4, 3]
    with pytest.raises(ValueError, match="later needs levels after the 2 common ones; the schedule has 2"):
        train_starts(few, net, np.random.default_rng(3), (4, 3), later=many)


def test_one_start_is_plain_multilevel_training():
    setup = ordinary("poisson-1d-peak", 60)
    net = setup.kan(widths=[1, 2, 1], intervals=3)
    done = train_starts(setup, net, np.random.default_rng(3), (4, 3))
    problem, theta = setup.start(net, np.random.default_rng(3).spawn(1)[0])
    np.testing.assert_array_equal(
        done.result.theta, minimize_multilevel(problem, theta, [4, 3], "levenberg-marquardt").theta
    )
    assert [level.result.history.value.size for level in done.levels] == [5, 4]


def test_attention_begins_anew_on_each_level_and_leaves_the_problem_alone():
    setup = burgers((6, 6), 6)
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
    setup = burgers((5, 4), 4)
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
    setup = burgers((3, 4), 4)
    problem, theta = setup.start(setup.kan(widths=[2, 2, 1], intervals=2), np.random.default_rng(0))
    attention = Attention(12, 0.5)
    attended = replace(problem, terms=(replace(problem.terms[0], attention=attention), *problem.terms[1:]))
    batches = Minibatches(attended, 5, np.random.default_rng(1))
    expected = np.ones(12)
    for _ in range(3):
        value, _ = batches.value_and_gradient(theta)
        e = np.abs(problem.residuals(theta)["equation"][batches._rows, 0])
        others = sum(problem.mean_squares(theta)[name] for name in ("initial", "boundary"))
        assert 2 * value == pytest.approx(np.mean((expected[batches._rows] * e) ** 2) + others, rel=1e-12)
        batches.attend(theta)
        expected[batches._rows] = 0.5 * expected[batches._rows] + 0.5 * e / e.max()
        np.testing.assert_allclose(attention.weights, expected, rtol=1e-14)


def test_data_go_with_the_points_of_a_batch():
    x = np.linspace(0.0, 1.0, 9)[:, None]
    net, theta = rk.kan([1, 1], order=3, intervals=2).initialize(np.random.default_rng(0), x)
    term = Term("values", Side(x), lambda x, u, data: u - data, lambda *_, data: (1.0,), data=x[:, 0] ** 2)
    batches = Minibatches(Collocation(net, term), 4, np.random.default_rng(0))
    value, _ = batches.value_and_gradient(theta)
    rows = batches._rows
    assert value == pytest.approx(0.5 * np.mean((net(theta, x[rows])[:, 0] - x[rows, 0] ** 2) ** 2), rel=1e-12)


def test_training_in_batches_returns_its_last_point_with_the_value_on_all_points():
    setup = burgers((6, 6), 6)
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


@pytest.mark.parametrize("batch", [0, 37])
def test_bad_batches_are_refused(batch):
    setup = burgers((6, 6), 6)
    problem, theta = setup.start(setup.kan(widths=[2, 1], intervals=2), np.random.default_rng(0))
    with pytest.raises(ValueError, match="batch"):
        Attended(batch=batch)(problem, theta, steps=1, learning_rate=1e-2)


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
    with pytest.raises(ValueError, match=message):
        Redrawn(((0.0, 1.0),), seed=0, **options)


def test_trainings_on_redrawn_points_and_with_attention_resume(tmp_path):
    setup = burgers((6, 6), 6)
    net = setup.kan(widths=[2, 2, 1], intervals=2)
    adam = {"learning_rate": 1e-2}
    cases = ((Redrawn(setup.ranges, seed=4, every=2), {}), (Attended(0.1), adam), (Attended(0.1, batch=9), adam))
    for method, options in cases:
        runs = [
            train_starts(setup, net, np.random.default_rng(0), (3, 2), method, checkpoints=tmp_path, **options)
            for _ in range(2)
        ]
        np.testing.assert_array_equal(runs[0].result.theta, runs[1].result.theta)
        assert [[level.resumed for level in run.levels] for run in runs] == [[False, False], [True, True]]


def test_learning_rates():
    rate = Cyclic()
    assert rate(0) == 1e-4
    assert rate(50) == pytest.approx(1e-4 + 9e-4 * 0.9995**50)
    assert rate(75) == pytest.approx(1e-4 + 4.5e-4 * 0.9995**75)
    assert rate(100) == 1e-4
    assert Decaying(1.0, 1e-4, 4)(2) == pytest.approx(1e-2)
    assert Ramped(Decaying(1.0, 1e-4, 4), 0.0, 2)(1) == pytest.approx(0.05)
    assert Ramped(0.5, 0.0, 2)(2) == 0.5
