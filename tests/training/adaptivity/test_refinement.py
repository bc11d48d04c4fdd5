"""Cuts leave every network the function that it was, refits place knots as they say; free knots in training."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import refkan as rk
from refkan.splines.knots import FLOOR
from refkan.training.adaptivity import Cut, Fixed, minimize_adaptive, refits, sampled
from refkan.training.adaptivity.bisection import Mark, bisect
from refkan.training.adaptivity.cut_networks import Freed, with_random_knots
from refkan.training.adaptivity.indicators import layer_states
from refkan.training.adaptivity.refits import UNIFORM_SHARE, curvature_breakpoints, quantile_breakpoints, refit_layer
from refkan.training.multilevel.stages import Refined
from refkan.training.multilevel.unchanged_functions import require_unchanged
from tests.networks.refinement.trained_networks import assert_same_function
from tests.shared.factories import EPS, SOME_NETWORKS, NetworkCase, name, samples
from tests.shared.refusals import refused

CASES = [case for case in SOME_NETWORKS if case.kind != "mlp-tanh" and case.outside != "natural"]


def start(case, n=30):
    x = samples(n)
    net, theta = case.start(x)
    return rk.LeastSquares(net, x, np.random.default_rng(3).standard_normal((n, net.widths[-1]))), theta


def breakpoints(net, theta, k):
    layer = net.layers[k]
    layer, part = getattr(layer, "spline", layer), theta[net.slices[k]]
    return [space.breakpoints for space in layer.spaces_at(part[: layer.n_params])]


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_cut_is_the_same_function_with_knots_in_the_middle(case):
    problem, theta = start(case)
    net = problem.net
    marks = [Mark(0, (2, 0), 0.5), Mark(0, (0, 1), 0.2), Mark(1, (1,) * 3, 0.1)]
    fine, theta_fine = bisect(net, theta, marks)
    assert_same_function(net, theta, fine, theta_fine)
    relative = require_unchanged(net, theta, fine, theta_fine, problem.x)
    assert relative <= (1e-14 if case.kind in ("spline", "silu") else 1e-13)
    assert [fine.layers[k].n_params > net.layers[k].n_params for k in (0, 1)] == [True, True]
    t, s = breakpoints(net, theta, 0), breakpoints(fine, theta_fine, 0)
    middles = [[0.5 * (row[m] + row[m + 1]) for m in cut] for row, cut in zip(t, ((2, 0), (0, 1)), strict=True)]
    for p in range(2):
        assert_allclose(s[p], np.sort(np.concatenate([t[p], middles[p]])), rtol=1e-14, atol=1e-15)
    if not case.free_knots:
        for p in range(2):
            assert set(t[p]) <= set(s[p])


def test_free_knots_stay_free_and_the_others_fixed():
    x = samples(60)
    net, theta = rk.kan([2, 3, 1], 3, [3, 4], free_knots=[False, True], node_map="mean-std").initialize(
        np.random.default_rng(0), x
    )
    theta += 0.3 * np.random.default_rng(1).standard_normal(theta.size)
    fine, theta_fine = bisect(net, theta, [Mark(1, (0, 1, 3), 1.0)])
    assert [layer.free_knots for layer in fine.layers] == [False, True]
    assert fine.layers[0] == net.layers[0]
    assert_array_equal(theta_fine[fine.slices[0]], theta[net.slices[0]])
    assert fine.unpack(theta_fine)[1]["s"].shape == (3, 5)
    assert_same_function(net, theta, fine, theta_fine)


@pytest.mark.parametrize("node_map", ["affine", "mean-std", "sigmoid"])
def test_every_change_and_any_chain_of_them_is_the_same_function(node_map):
    problem, theta = start(NetworkCase("spline", node_map, widths=(2, 3, 1)), n=200)
    chain = Freed(), Cut("residual"), Fixed(), Refined(), Cut("jumps", fraction=1.0), Freed((1,))
    alone = Refined((1, 2)), Freed((1,)), Cut("jumps", layers=(0,)), Cut("uniform")
    for changes in (chain, *((change,) for change in alone)):
        net, theta_new = problem.net, theta
        for change in changes:
            net, theta_new = change(replace(problem, net=net), theta_new)
        assert_same_function(problem.net, theta, net, theta_new)
        assert require_unchanged(problem.net, theta, net, theta_new, problem.x) <= 1e-14


def test_a_cut_keeps_to_its_limits():
    problem, theta = start(NetworkCase("spline", widths=(2, 3, 1)), n=200)
    before = problem.net.n_params
    net, _ = Cut("residual", fraction=1.0, max_params=before + 9)(problem, theta)
    assert net.n_params == before + 9  # six for one interval in the first layer, three in the second
    refused(lambda: Cut("residual", max_params=before + 2)(problem, theta), f"max_params must allow.*{before + 3}")
    refused(lambda: Cut("residual", least_samples=201)(problem, theta), "no interval to cut: none holds enough samples")
    refused(lambda: Cut("quantile"), "strategy must be one of 'residual', 'jumps', 'uniform'; got 'quantile'")
    refused(lambda: Cut(fraction=2), r"fraction must lie in \(0, 1\]; got 2")


def states(y, x, intervals=8, order=3, domain=(0.0, 1.0), **kwargs):
    net = rk.kan([1, 1], order, intervals, domain, **kwargs)
    net, theta = net.initialize(np.random.default_rng(0), x)
    problem = rk.LeastSquares(net, x, y)
    return layer_states(net, rk.minimize(problem, theta, "gauss-newton", steps=1).theta, x)[0]


def test_quantiles_of_the_inputs_with_a_share_of_uniform_breakpoints():
    x = np.random.default_rng(0).beta(2, 5, (500, 1))
    state = states(x**2, x)
    t = quantile_breakpoints(state, 5)
    expected = (1 - UNIFORM_SHARE) * np.quantile(x, np.arange(1, 5) / 5) + UNIFORM_SHARE * np.arange(1, 5) / 5
    assert_allclose(t[0, 1:-1], expected, rtol=1e-13)
    for row in np.sort(np.random.default_rng(1).uniform(size=(50, 4))):  # ends stay what they are, to the last bit
        assert_array_equal(refits._mixed(row[None])[0, [0, -1]], row[[0, -1]])


@pytest.mark.parametrize("order", [2, 3])
def test_curvature_shares_out_the_root_of_the_derivative(order):
    """For f^(r) = exp(10 x) up to a factor the breakpoints are at equal steps of exp(10 x / (r + 1/2))."""
    x = (np.arange(20000)[:, None] + 0.5) / 20000
    state = states(np.exp(10 * x), x, intervals=64, order=order)
    t = curvature_breakpoints(state, 6)[0]
    rate = 10 / (order + 0.5)
    steps = np.diff(np.exp(rate * t))
    assert np.all(np.abs(steps / steps.mean() - 1) < 0.06)
    wrong = np.diff(np.exp(10 / order * t))  # the power for the largest error instead
    assert np.abs(wrong / wrong.mean() - 1).max() > 0.15
    whole = states(x, x, intervals=1, order=order)  # without an interior breakpoint there is no jump to go by
    assert_allclose(curvature_breakpoints(whole, 4)[0], np.linspace(0.0, 1.0, 5), rtol=1e-13)


@pytest.mark.parametrize("kind", ["spline", "relu", "silu"])
@pytest.mark.parametrize("free", [False, True])
def test_a_refit_to_nested_knots_is_exact_and_to_others_the_best_at_the_data(kind, free):
    problem, theta = start(NetworkCase(kind, "sigmoid", free_knots=free), n=300)
    state = layer_states(problem.net, theta, problem.x)[0]
    z = state.z
    old = state.layer.linearize(state.theta, z).value
    t = np.array([space.breakpoints for space in state.spaces])
    nested = np.sort(np.concatenate([t, 0.5 * (t[:, :1] + t[:, 1:2])], axis=1), axis=1)
    if not free:  # free knots take a share of uniform ones, to stay above their floor
        layer, part = refit_layer(state, nested)
        assert_allclose(layer.linearize(part, z).value, old, atol=1e-10 * np.abs(old).max())
    layer, part = refit_layer(state, np.tile([0.0, 0.2, 0.55, 0.6, 0.8, 1.0], (2, 1)))
    residual = layer.linearize(part, z).value - old
    assert np.abs(residual).max() > 1e-6
    # edge by edge the residual is orthogonal to the new splines
    unchanged = {name for name in state.layer.blocks if name in ("w_b", "w_s")}
    for name_ in unchanged:
        assert_array_equal(layer.unpack(part)[name_], state.layer.unpack(state.theta)[name_])


def test_a_refit_is_orthogonal_to_the_new_splines():
    x = np.random.default_rng(1).uniform(size=(200, 1))
    state = states(np.sin(7 * x), x)
    layer, part = refit_layer(state, np.array([[0.0, 0.1, 0.35, 0.7, 1.0]]))
    B = rk.bsplines.design_matrix(layer.spaces[0], x[:, 0])
    residual = layer.linearize(part, x).value - state.layer.linearize(state.theta, x).value
    assert np.abs(B.T @ residual).max() < 1e-11
    assert np.abs(residual).max() > 1e-3


def test_random_knots_are_those_of_uniform_points_but_for_the_floor():
    net = rk.kan([3, 2, 1], 3, [5, 2], free_knots=[True, False])
    rng = np.random.default_rng(0)
    drawn = np.array([[s.breakpoints for s in with_random_knots(net, rng).layers[0].spaces] for _ in range(300)])
    assert drawn.shape == (300, 3, 6)
    assert np.diff(drawn).min() >= 2 * FLOOR / 5 * (1 - 1e-12)
    # order statistics of four uniform points: mean k/5, variance k (5 - k)/150
    k = np.arange(1, 5)
    assert_allclose(drawn[:, :, 1:-1].mean(axis=(0, 1)), k / 5, atol=0.02)
    assert_allclose(drawn[:, :, 1:-1].var(axis=(0, 1)), 0.98**2 * k * (5 - k) / 150, rtol=0.2)


KINK = 1 / np.pi
METHODS = {
    "gd": {"learning_rate": 0.1},
    "adam": {"learning_rate": 0.01},
    "lbfgs": {},
    "gauss-newton": {},
    "levenberg-marquardt": {"tolerance_gradient": 0.0},
    "variable-projection": {"tolerance_gradient": 0.0, "ridge": 1e-14},
}
STEPS = {"gd": 200, "adam": 200, "lbfgs": 60}


def kink(x):
    return np.abs(x - KINK)


def kink_problem(seed, intervals=4, order=2, n=600):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n, 1))
    net = with_random_knots(rk.kan([1, 1], order, intervals, free_knots=True), rng)
    net, theta = net.initialize(rng, x)
    return sampled(net, kink, x), theta


def network_problem(free=(False, True), node_map="mean-std", n=250, order=3):
    x = samples(n)
    net = rk.kan([2, 3, 1], order, [2, 4], free_knots=list(free), node_map=node_map)
    net, theta = net.initialize(np.random.default_rng(1), x)
    return rk.LeastSquares(net, x, rk.problems.regression_target(x)), theta


@pytest.mark.parametrize("free", [(False, True), (True, False), (True, True)])
@pytest.mark.parametrize("method", METHODS)
def test_every_optimiser_trains_coefficients_and_knots_together(method, free):
    problem, theta = network_problem(free)
    result = rk.minimize(problem, theta, method, steps=STEPS.get(method, 15), **METHODS[method])
    assert result.value < 0.9 * problem.value(theta)
    for layer, before, after in zip(
        problem.net.layers, problem.net.unpack(theta), problem.net.unpack(result.theta), strict=True
    ):
        if layer.free_knots:
            assert np.abs(after["s"] - before["s"]).max() > 1e-3
            spaces = layer.spaces_at(np.concatenate([after["coefficients"].ravel(), after["s"].ravel()]))
            assert all(np.all(np.diff(space.breakpoints) > 0) for space in spaces)


@pytest.mark.parametrize("method", ["lbfgs", "levenberg-marquardt", "variable-projection"])
@pytest.mark.parametrize("intervals", [2, 4])
def test_the_kink_is_found_to_rounding(method, intervals):
    options = {"tolerance_change": 0.0, "tolerance_gradient": 0.0} if method == "lbfgs" else METHODS[method]
    x = np.linspace(0, 1, 4001)[:, None]
    for seed in range(5):
        problem, theta = kink_problem(seed, intervals)
        result = rk.minimize(problem, theta, method, steps=400 if method == "lbfgs" else 80, **options)
        knots = problem.net.layers[0].spaces_at(result.theta)[0].breakpoints
        assert np.abs(knots - KINK).min() < 1e-11
        assert np.abs(problem.net(result.theta, x) - kink(x)).max() < 1e-11


@pytest.mark.parametrize("node_map", ["affine", "mean-std", "min-max", "sigmoid"])
@pytest.mark.parametrize("free", [(False, True), (True, True)])
def test_trained_free_knots_become_fixed_and_are_refined_further(free, node_map):
    """Free, trained; fixed; refined; trained; freed again: at every change the same function."""
    problem, theta = network_problem(free, node_map)
    theta = rk.minimize(problem, theta, "levenberg-marquardt", steps=10).theta
    net = problem.net
    fixed, at = Fixed()(problem, theta)
    assert not any(layer.free_knots for layer in fixed.layers)
    assert fixed.n_params == net.n_params - sum(
        layer.n_inputs * layer.intervals for layer in net.layers if layer.free_knots
    )
    assert_same_function(net, theta, fixed, at)
    fine, at_fine = Refined()(replace(problem, net=fixed), at)
    assert_same_function(net, theta, fine, at_fine)
    better = rk.minimize(replace(problem, net=fine), at_fine, "levenberg-marquardt", steps=3)
    assert better.value < problem.value(theta)
    again, at_again = Freed()(replace(problem, net=fine), better.theta)
    assert all(layer.free_knots for layer in again.layers)
    assert_same_function(fine, better.theta, again, at_again)
    # inserted knots may be those of any input
    inserted = fixed.insert(1, [[0.05], [0.5 + 1e-3], [0.93]])
    assert_same_function(net, theta, inserted, fixed.convert(at, inserted))


@pytest.mark.parametrize("lowest", [-1e4, -700.0, -60.0, -37.0])
@pytest.mark.parametrize("domain", [(0.0, 1.0), (-3.0, 700.0), (1e5, 1e5 + 1.0)])
def test_knots_at_their_floor_can_be_fixed_and_freed(domain, lowest, rng):
    """Their softmax underflows, or drowns in the rounding of the breakpoints."""
    n = 6
    a, b = domain
    x = rng.uniform(a, b, (40, 1))
    net, theta = rk.kan([1, 2, 1], 4, n, domain=domain, free_knots=[True, False]).initialize(rng, x)
    extreme = theta.copy()
    net.layers[0].unpack(extreme)["s"][0] = [lowest, 0.0, lowest, lowest, 1.0, 0.3]
    knots = net.layers[0].tables(extreme).breakpoints[0]
    fixed, at = Fixed()(rk.LeastSquares(net, x, np.zeros((40, 1))), extreme)
    free, again = Freed()(rk.LeastSquares(fixed, x, np.zeros((40, 1))), at)
    assert np.isfinite(again).all()
    moved = free.layers[0].tables(again).breakpoints[0]
    rounding = EPS * ((16 + n) * (b - a) + 2 * np.abs(knots).max())
    assert np.abs(moved - knots).max() <= rounding
    # A breakpoint that moves by its rounding moves values by that times slopes: 6 c/h at most for cubic splines.
    shortest = np.diff(knots).min()
    c = np.abs(net.layers[0].unpack(extreme)["coefficients"]).max()
    expected = net.layers[0].linearize(extreme[net.slices[0]], x).value
    found = free.layers[0].linearize(again[free.slices[0]], x).value
    assert np.abs(found - expected).max() <= 6 * c / shortest * rounding
    if domain == (0.0, 1.0):
        assert np.abs(found - expected).max() <= 1e-14 * np.abs(expected).max()
    # And once more, from breakpoints that no longer move.
    again_fixed, at_again = Fixed()(rk.LeastSquares(free, x, np.zeros((40, 1))), again)
    assert np.abs(again_fixed(at_again, x) - free(again, x)).max() <= 1e-14 * max(1.0, np.abs(again).max())


def test_adaptive_training_of_free_knots_goes_on_from_where_they_are():
    x = (np.arange(2000)[:, None] + 0.5) / 2000
    net, theta = rk.kan([1, 1], 3, 4, free_knots=True).initialize(np.random.default_rng(0), x)
    problem = sampled(net, lambda x: np.tanh(50 * (x - KINK)), x)
    result = minimize_adaptive(problem, theta, "residual", "variable-projection", 30, max_params=31, max_rounds=20)
    assert max(result.changes) <= 1e-14
    assert result.network.layers[0].free_knots
    assert np.all(np.diff([stage.value for stage in result.stages]) <= 0)
    assert result.value < 1e-3 * result.stages[0].value
    sizes = np.array([stage.network.n_params for stage in result.stages])
    assert_array_equal(sizes % 2, sizes[0] % 2)  # a coefficient and a knot each
