"""Rows that are balanced after a refinement: the same function, and levels that the scale of a row would stop."""

import numpy as np

import refkan as rk
from refkan.networks import Network
from refkan.training.multilevel import Stage, minimize_multilevel, multistart
from refkan.training.multilevel.stages import Refined
from tests.shared.refusals import refused
from tests.training.multilevel.small_regressions import data


def problem_of(node_map="min-max", shrunk=1e-9):
    """A problem at theta whose first hidden node has a spread that is `shrunk`."""
    x, y = data(200)
    net, theta = rk.kan([2, 3, 1], 3, [1, 3], node_map=node_map).initialize(np.random.default_rng(1), x)
    net.unpack(theta)[0]["coefficients"][0] *= shrunk
    return rk.LeastSquares(net, x, y), theta


def starts(node_map="min-max", **options):
    """Networks and parameters at which levels start, and the result."""
    problem, theta = problem_of(node_map)
    seen = []

    def method(problem, theta, steps, callback, **more):
        seen.append((problem.net, theta.copy()))
        return rk.minimize(problem, theta, "lbfgs", steps, callback=callback)

    result = minimize_multilevel(problem, theta, [4, 4, 4], method, **options)
    return seen, result


def test_levels_start_at_balanced_rows_of_the_same_function():
    (first, second, third), result = starts(balance=True)
    problem, theta = problem_of()
    np.testing.assert_array_equal(first[1], theta)  # the start is the caller's
    for (coarse, _), (fine, at), level in zip((first, second), (second, third), result.course, strict=False):
        there = coarse.convert(level.result.theta, fine)
        np.testing.assert_array_equal(at, fine.balance(there))
        np.testing.assert_array_equal(fine(at, problem.x), fine(there, problem.x))
    scales = [second[0].freeze(at).node_maps[0].scale for at in (second[1], first[0].convert(theta, second[0]))]
    assert np.all((scales[0] > 2**-0.5) & (scales[0] <= 2**0.5))
    assert scales[1].max() > 1e8
    assert all(level.change < 1e-13 for level in result.course)


def test_a_level_that_the_scale_of_a_row_stops_goes_on():
    (_, free), (_, balanced) = starts(), starts(balance=True)
    assert free.value > 4 * balanced.value
    np.testing.assert_array_equal(free.course[0].result.theta, balanced.course[0].result.theta)


def test_maps_that_hold_the_scale_are_left_alone():
    (_, free), (_, balanced) = starts("sigmoid"), starts("sigmoid", balance=True)
    np.testing.assert_array_equal(free.theta, balanced.theta)


def test_a_balance_that_changes_the_function_is_noticed(monkeypatch):
    monkeypatch.setattr(Network, "balance", lambda net, theta: theta * (1 + 1e-9 * (np.arange(theta.size) == 20)))
    refused(lambda: starts(balance=True), "RuntimeError: prolongation changed the function by")


def test_stages_of_many_starts_balance_rows_too():
    problem, _ = problem_of()
    stages = [Stage(2, 2), Stage(1, 2, change=Refined(2, balance=True))]
    made = multistart(problem, np.random.default_rng(0), stages, method="lbfgs")
    assert made.stages[-1].trainings[0].change < 1e-13
    refused(lambda: Refined(2, balance="yes"), "TypeError: balance must be")
    refused(lambda: starts(balance=1), "TypeError: balance must be")
