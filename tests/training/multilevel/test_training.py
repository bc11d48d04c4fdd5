"""Training through the levels: methods, geometries, schedules, options, bad arguments."""

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.training.multilevel import Hierarchy, Level, minimize_multilevel
from tests.shared.refusals import refusals
from tests.shared.tables import each_row
from tests.training.multilevel.small_regressions import small_problem


@each_row(
    "method, options",
    ("gd", {"learning_rate": 1e-2}),
    ("gd", {"learning_rate": 1e-3, "geometry": "relu"}),
    ("gd", {"learning_rate": 1e-9, "geometry": "spline", "gradient": "relu"}),
    ("adam", {"learning_rate": 1e-2}),
    ("lbfgs", {}),
    ("gauss-newton", {}),
    ("levenberg-marquardt", {}),
    ("variable-projection", {}),
)
def test_it_is_minimize_on_each_level_with_prolongation_between(method, options):
    problem, theta = small_problem()
    result = minimize_multilevel(problem, theta, [3, 2, 1], method, **options)
    at, start = problem, theta
    for level, steps in zip(result.levels, (3, 2, 1), strict=True):
        expected = rk.minimize(at, start, method, steps, **options)
        np.testing.assert_array_equal(level.theta, expected.theta)
        np.testing.assert_array_equal(level.history.value, expected.history.value)
        fine = at.net.refine()
        start, at = at.net.convert(expected.theta, fine), replace(at, net=fine)
    np.testing.assert_array_equal(result.theta, result.levels[-1].theta)
    assert result.value == result.levels[-1].value == result.problem.value(result.theta)
    assert result.network is result.problem.net
    assert [layer.intervals for layer in result.network.layers] == [4, 12]
    h = result.history
    assert h.level.tolist() == sorted(h.level.tolist())
    first = np.searchsorted(h.level, [1, 2])
    best = [level.value for level in result.levels[:2]]
    # The best point of a level is where the next one starts: the value is the same up to rounding.
    np.testing.assert_allclose(h.value[first], best, rtol=1e-12)
    assert (np.diff(h.seconds) >= 0).all()
    assert (np.diff(h.evaluations) >= 0).all()
    assert h.evaluations[-1] <= sum(result.work.evaluations)
    assert h.work[-1] <= result.work.nominal * (1 + 1e-15)


def test_free_knots_are_refined_where_they_are():
    problem, theta = small_problem(intervals=(2, 3), free_knots=True)
    result = minimize_multilevel(problem, theta, [10, 3], "levenberg-marquardt", solver="cholesky")
    coarse, fine = result.hierarchy
    moved = coarse.network.layers[1].spaces_at(result.levels[0].theta[coarse.network.slices[1]])[0].breakpoints
    assert np.abs(moved - np.linspace(0, 1, 4)).max() > 1e-3
    start = coarse.network.convert(result.levels[0].theta, fine.network)
    cut = fine.network.layers[1].spaces_at(start[fine.network.slices[1]])[0].breakpoints
    np.testing.assert_allclose(cut[::2], moved, atol=1e-14)
    assert result.changes[0] <= 1e-14


def test_a_method_of_ones_own():
    problem, theta = small_problem()
    seen = []

    def train(problem, theta, steps, callback, rate):
        seen.append((problem.net.n_params, steps, rate))
        first = rk.minimize(problem, theta, "gd", steps, learning_rate=rate, callback=callback)
        return rk.minimize(problem, first.theta, "lbfgs", steps)

    states = []
    result = minimize_multilevel(
        problem, theta, [3, 2], train, callback=lambda level, state: states.append(level.index), rate=1e-3
    )
    assert seen == [(33, 3, 1e-3), (48, 2, 1e-3)]
    assert states == [0, 0, 0, 1, 1]
    assert result.value < problem.value(theta)
    with pytest.raises(TypeError, match="what method returns must be a Result; got NoneType"):
        minimize_multilevel(problem, theta, [1], lambda problem, theta, steps, callback: None)


def test_callbacks_know_the_level_and_stop_it():
    problem, theta = small_problem()
    seen = []

    def callback(level, state):
        assert isinstance(level, Level)
        assert state.theta.size == level.network.n_params
        assert level.problem.value(state.theta) == pytest.approx(state.value, rel=1e-12)
        seen.append((level.index, state.step))
        if level.index == 0 and state.step == 2:
            raise StopIteration

    result = minimize_multilevel(problem, theta, [10, 3], callback=callback)
    assert seen == [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3)]
    assert "stopped by the callback" in result.levels[0].message


def test_options_of_each_level():
    problem, theta = small_problem()
    result = minimize_multilevel(
        problem, theta, [3, 3], "adam", learning_rate=1e-2, per_level=[{}, {"learning_rate": 1e-4}]
    )
    first = rk.minimize(problem, theta, "adam", 3, learning_rate=1e-2)
    start = result.hierarchy.prolong(first.theta, 0)
    second = rk.minimize(result.problem, start, "adam", 3, learning_rate=1e-4)
    np.testing.assert_array_equal(result.theta, second.theta)


def train(change):
    problem, theta = small_problem()
    minimize_multilevel(problem, **({"theta": theta, "schedule": [1, 1]} | change))


test_bad_arguments = refusals(
    ({"schedule": []}, "schedule must have an entry for each level"),
    ({"schedule": [1, -1]}, r"schedule\[1\] must be at least 0; got -1"),
    ({"schedule": [1, 1.5]}, r"TypeError: schedule\[1\] must be an integer; got 1.5"),
    ({"schedule": 5}, "TypeError: schedule must be a sequence of steps"),
    ({"schedule": "32"}, "TypeError: schedule must be a sequence of steps"),
    ({"factors": [2, 2]}, "factors must be one number or one entry for each of 1 refinements; got 2"),
    ({"factors": 0}, "factors must be at least 2; got 0"),
    ({"factors": [[2, 2, 2]]}, "factor must be one number or one for each of 2 layers"),
    ({"per_level": [{}]}, r"per_level must have one entry a level \(2\); got 1"),
    ({"per_level": [{}, 3]}, r"TypeError: per_level\[1\] must be a Mapping; got int"),
    ({"theta": np.zeros(3)}, "theta must have length 33; got length 3"),
    ({"theta": np.full(33, np.nan)}, "theta must be finite"),
    ({"theta": np.zeros(33, complex)}, "TypeError: theta must be real numbers"),
    ({"method": "newton"}, "method must be one of"),
    ({"geometry": "bezier"}, "geometry must be one of"),
    ({"wrong": 1}, "TypeError: method 'lbfgs' has no option 'wrong'"),
    call=train,
)


def test_a_schedule_must_fit_a_hierarchy():
    problem, theta = small_problem()
    with pytest.raises(ValueError, match=r"schedule must have one entry a level \(3\); got 2"):
        minimize_multilevel(Hierarchy.refined(problem, [2, 2]), theta, [1, 1])
    with pytest.raises(ValueError, match="refine needs a network with knots"):
        minimize_multilevel(replace(problem, net=rk.mlp([2, 5, 1])), np.zeros(20), [1, 1])
