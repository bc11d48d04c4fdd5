"""Indicators against slow oracles, marking against brute force, and where cuts are allowed."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import refkan as rk
from refkan.splines.knots import FLOOR
from refkan.training.adaptivity.bisection import doerfler, mark_layer, may_be_cut
from refkan.training.adaptivity.indicators import derivative_jumps, layer_states, residual_shares, squared_residuals
from refkan.training.losses import Collocation, Side, Term, prescribed
from tests.shared.factories import NetworkCase, name, samples

CASES = (
    NetworkCase("spline"),
    NetworkCase("spline", "mean-std", "polynomial"),
    NetworkCase("spline", "sigmoid", free_knots=True),
    NetworkCase("relu", "sigmoid"),
    NetworkCase("silu", "affine"),
    NetworkCase("spline", "min-max", widths=(2, 3, 2, 2), intervals=(3, 2, 4)),
)


def problem_of(case, n=40, weighted=False):
    x = samples(n)
    net, theta = case.start(x)
    rng = np.random.default_rng(5)
    weights = rng.uniform(0.1, 2.0, n) if weighted else None
    return rk.LeastSquares(net, x, rng.standard_normal((n, net.widths[-1])), weights), theta


def sensitivity_by_complex_steps(net, theta, x, k):
    """sum_o |dF_o/dy_q|^2 of layer k by moving its outputs, constants of node maps held."""
    frozen = net.freeze(theta)
    head = replace(frozen, layers=frozen.layers[: k + 1], node_maps=frozen.node_maps[:k])
    y = head(theta[: frozen.slices[k].stop], x)
    if k == len(frozen.layers) - 1:
        return np.ones_like(y)
    tail = replace(frozen, layers=frozen.layers[k + 1 :], node_maps=frozen.node_maps[k + 1 :])
    rest, step = theta[frozen.slices[k].stop :], 1e-30
    columns = []
    for q in range(y.shape[1]):
        moved = y.astype(complex)
        moved[:, q] += 1j * step
        columns.append(np.sum((tail(rest, frozen.node_maps[k].value(moved)).imag / step) ** 2, axis=1))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_sensitivities_and_inputs_of_every_layer(case):
    problem, theta = problem_of(case)
    net, x = problem.net, problem.x
    states = layer_states(net, theta, x)
    assert list(states) == list(range(len(net.layers)))
    frozen, z = net.freeze(theta), x
    for k, state in states.items():
        assert_allclose(state.z, z, rtol=1e-13)
        assert_allclose(state.sensitivity, sensitivity_by_complex_steps(net, theta, x, k), rtol=1e-11, atol=1e-13)
        y = frozen.layers[k].linearize(theta[frozen.slices[k]], z).value
        z = frozen.node_maps[k].value(y) if k < len(frozen.node_maps) else y


def test_dense_layers_have_no_state_but_pass_sensitivities_on():
    x = samples(30)
    net, theta = rk.kan([2, 3, 1], order=3, intervals=2, node_map="none").initialize(np.random.default_rng(0), x)
    mixed = replace(net, layers=(net.layers[0], rk.DenseLayer(3, 1, "tanh")))
    theta = np.concatenate([theta[net.slices[0]], [0.3, -0.5, 2.0, 0.1]])
    states = layer_states(mixed, theta, x)
    assert list(states) == [0]
    assert_allclose(states[0].sensitivity, sensitivity_by_complex_steps(mixed, theta, x, 0), rtol=1e-11)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES, ids=name)
def test_residual_shares_by_loops(case, weighted):
    problem, theta = problem_of(case, weighted=weighted)
    net, x = problem.net, problem.x
    e = net(theta, x) - problem.y
    w = np.ones(len(x)) if problem.weights is None else problem.weights
    squares = squared_residuals(problem, theta)
    assert_allclose(squares.sum(), 2 * problem.value(theta), rtol=1e-13)
    for k, state in layer_states(net, theta, x).items():
        eta = residual_shares(state, squares)
        S = sensitivity_by_complex_steps(net, theta, x, k)
        expected = np.zeros(eta.shape)
        for s in range(len(x)):
            for p, space in enumerate(state.spaces):
                t = space.breakpoints
                m = max(0, sum(state.z[s, p] >= t[:-1]) - 1)
                expected[p, m] += w[s] * np.sum(e[s] ** 2) / len(x) * S[s].sum()
        assert_allclose(eta, expected, rtol=1e-10, atol=1e-14 * expected.max())
        assert_allclose(eta.sum(axis=1), eta[0].sum(), rtol=1e-12)


def test_residuals_of_collocation_problems_lie_at_the_points_of_their_terms():
    x = np.linspace(0.05, 0.95, 7)[:, None]
    net, theta = rk.kan([1, 1], order=4, intervals=2).initialize(np.random.default_rng(0), x)
    equation = Term(
        "equation", Side(x, first=[[1.0]]), lambda x, u, u_x, u_xx: u_xx + 1.0, lambda *_: (0.0, 0.0, 1.0), 0.5
    )
    jump = Term("jump", (Side([[0.2]]), Side([[0.7]])), lambda x, u, v: u - v, lambda *_: (1.0, -1.0))
    problem = Collocation(net, [equation, prescribed("ends", [[0.0], [1.0]], 0.0), jump])
    squares = squared_residuals(problem, theta)
    assert squares.shape == (7 + 2 + 2,)
    assert_allclose(squares.sum(), 2 * problem.value(theta), rtol=1e-13)
    assert squares[-1] == squares[-2] > 0
    eta = residual_shares(layer_states(net, theta, np.concatenate([x, [[0], [1], [0.2], [0.7]]]))[0], squares)
    assert_allclose(eta.sum(), squares.sum(), rtol=1e-13)


def test_jumps_of_a_broken_line():
    """Slopes 1, 4, -2 on thirds: jumps 3 and 6; the sensitivity of one layer is 1."""
    net = rk.kan([1, 1], order=2, intervals=3)
    theta = np.array([0.0, 1 / 3, 5 / 3, 1.0])
    x = np.array([[0.1], [0.4], [0.5], [0.9], [1.7]])
    eta = derivative_jumps(layer_states(net, theta, x)[0])
    assert_allclose(eta[0], [1 / 5 * (3 / 3) ** 2, 2 / 5 * (4.5 / 3) ** 2, 2 / 5 * (6 / 3) ** 2], rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_jumps_estimate_the_squared_error_of_a_smooth_function(order):
    """Both fall as n^(-2r); their quotient is a number of the order alone."""
    x = (np.arange(4000)[:, None] + 0.5) / 4000
    y = np.sin(5 * x)
    quotients, sums = [], []
    for n in (16, 32):
        net = rk.kan([1, 1], order, n)
        problem = rk.LeastSquares(net, x, y)
        theta = rk.minimize(problem, np.zeros(net.n_params), "gauss-newton", steps=1).theta
        sums.append(derivative_jumps(layer_states(net, theta, x)[0]).sum())
        quotients.append(sums[-1] / problem.mse(theta))
    assert abs(np.log2(sums[0] / sums[1]) - 2 * order) < 0.35
    assert abs(quotients[0] / quotients[1] - 1) < 0.25
    assert 1 < quotients[0] < 1e4 * 100**order


@given(
    st.lists(st.floats(0, 10, allow_subnormal=False), min_size=1, max_size=7),
    st.floats(0.05, 1.0),
)
def test_doerfler_marks_the_fewest_intervals(indicators, fraction):
    eta = np.array(indicators)
    marked = doerfler(eta, fraction)
    total = eta.sum()
    if total == 0:
        assert marked.size == 0
        return
    assert eta[marked].sum() >= fraction * total * (1 - 1e-12)
    assert np.all(eta[marked] > 0)
    assert np.all(np.diff(eta[marked]) <= 0)
    fewer = [eta[list(c)].sum() for c in combinations(range(eta.size), marked.size - 1)]
    assert max(fewer, default=0.0) < fraction * total * (1 + 1e-12)


def test_doerfler_takes_equal_indicators_from_the_left_and_all_of_them_for_1():
    assert_array_equal(doerfler(np.array([1.0, 2.0, 2.0, 1.0]), 0.3), [1])
    assert_array_equal(np.sort(doerfler(np.array([0.1, 0.0, 0.2, 0.7]), 1.0)), [0, 2, 3])
    assert_array_equal(doerfler(np.array([4e-16, 1.0]), 1.0), [1])  # what rounding may add is not worth a cut
    assert doerfler(np.zeros(3), 0.5).size == 0
    assert doerfler(np.array([]), 0.5).size == 0


EVERYWHERE = np.ones((2, 4), dtype=bool)
ETA = np.array([[4.0, 1.0, 0.0, 0.0], [0.0, 0.5, 3.0, 0.0]])


def test_inputs_are_marked_each_where_it_needs_it_and_as_often_as_the_others():
    marks = mark_layer(3, ETA, EVERYWHERE, EVERYWHERE, 0.5)
    assert [mark.intervals for mark in marks] == [(0, 2)]
    assert marks[0].layer == 3
    assert_allclose(marks[0].share, 7 / 8.5)
    marks = mark_layer(3, ETA, EVERYWHERE, EVERYWHERE, 0.9)
    assert [mark.intervals for mark in marks] == [(0, 2), (1, 1)]
    marks = mark_layer(0, ETA, EVERYWHERE, EVERYWHERE, 1.0)
    assert [mark.intervals for mark in marks] == [(0, 2), (1, 1)]


def test_intervals_that_cannot_be_cut_are_left_out_but_count():
    allowed = EVERYWHERE.copy()
    allowed[0, 0] = False
    marks = mark_layer(0, ETA, EVERYWHERE, allowed, 0.2)
    assert marks
    assert all(mark.intervals[0] != 0 for mark in marks)
    # 0.2 of the whole sum, not of what is left
    assert sum(mark.share for mark in marks) >= 0.2
    assert mark_layer(0, ETA, EVERYWHERE, ~EVERYWHERE, 0.5) == []
    assert mark_layer(0, ETA, ~EVERYWHERE, EVERYWHERE, 0.5) == []
    assert mark_layer(0, np.zeros((2, 4)), EVERYWHERE, EVERYWHERE, 0.5) == []


def test_an_input_without_an_interval_worth_a_cut_does_not_hold_up_the_others():
    worth, possible = EVERYWHERE.copy(), EVERYWHERE.copy()
    worth[1] = False
    possible[1, 0] = False
    marks = mark_layer(0, ETA, worth, possible, 0.55)
    assert [mark.intervals for mark in marks] == [(0, 1), (1, 2)]
    assert_allclose([mark.share for mark in marks], [4 / 8.5, 1 / 8.5])


def test_intervals_need_different_samples_and_length():
    x = np.array([[0.1]] * 5 + [[0.6], [0.7], [0.8], [0.9], [1.4]])
    net, theta = rk.kan([1, 1], order=2, intervals=2).initialize(np.random.default_rng(0), x)
    state = layer_states(net, theta, x)[0]
    for least, expected in ((1, [True, True]), (2, [False, True]), (5, [False, True]), (6, [False, False])):
        worth, possible = may_be_cut(state, least)  # 1.4 counts at the end
        assert_array_equal(worth, [expected])
        assert possible.all()
    tiny = net.insert(0, [0.5 + 1.9e-8])
    state = layer_states(tiny, net.convert(theta, tiny), np.linspace(0, 1, 9)[:, None])[0]
    for result in may_be_cut(state, 0):
        assert_array_equal(result, [[True, False, True]])


def test_free_knots_are_not_cut_below_their_floor():
    n, short = 4, 1.9 * FLOOR / 4
    space = rk.SplineSpace.from_breakpoints(2, [0.0, 0.3, 0.3 + short, 0.6, 1.0])
    net = rk.Network((rk.SplineLayer((space,), 1, free_knots=True),), ())
    x = np.linspace(0, 1, 2000)[:, None]
    net, theta = net.initialize(np.random.default_rng(0), x)
    assert net.layers[0].intervals == n
    assert_array_equal(may_be_cut(layer_states(net, theta, x)[0], 1)[1], [[True, False, True, True]])


def test_one_interval_without_a_jump_is_marked_by_its_sensitivity():
    x = np.random.default_rng(0).uniform(size=(20, 2))
    net, theta = rk.kan([2, 3], 2, 1).initialize(np.random.default_rng(1), x)
    state = layer_states(net, theta, x)[0]
    assert_allclose(derivative_jumps(state), [[state.sensitivity.sum() / 20]] * 2, rtol=1e-14)
