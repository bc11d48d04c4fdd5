"""Free knots in training: every optimiser moves them, a kink is found to rounding, and the way back to fixed knots."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import refkan as rk
from refkan.training.adaptivity import Fixed, Freed, Refined, minimize_adaptive, sampled, with_random_knots
from tests.networks.refinement.trained_networks import assert_same_function
from tests.shared.factories import EPS, samples

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
    assert result.history.change.max() <= 1e-14
    assert result.network.layers[0].free_knots
    assert np.all(np.diff(result.history.value) <= 0)
    assert result.value < 1e-3 * result.rounds[0].value
    assert_array_equal(result.history.n_params % 2, result.history.n_params[0] % 2)  # a coefficient and a knot each
