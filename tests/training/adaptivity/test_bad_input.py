"""What the driver, tournaments and samples of targets refuse, and what they say."""

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.training.adaptivity import minimize_adaptive, sampled
from tests.shared.factories import samples
from tests.shared.refusals import refusals, refused


def problem_of(intervals=2, n=60, columns=2, order=3):
    x = samples(n, columns)
    net, theta = rk.kan([columns, 2, 1], order, intervals).initialize(np.random.default_rng(0), x)
    return rk.LeastSquares(net, x, np.sin(5 * x[:, :1])), theta


test_arguments_of_the_driver = refusals(
    ({"fraction": 0.0}, "fraction must be finite and positive; got 0.0"),
    ({"rate": 0.1}, "TypeError: method 'lbfgs' has no option 'rate'"),
    ({"fraction": 1.5}, r"fraction must lie in \(0, 1\]; got 1.5"),
    ({"max_params": 25}, "max_params must allow a refinement: at least 26 .*; got 25"),
    ({"max_params": 24}, "max_params must allow a refinement: at least 26 for a network of 24"),
    ({"max_params": 27, "layers": [0]}, "max_params must allow a refinement: at least 28"),
    ({"tolerance": -1.0}, "tolerance must be finite and not negative; got -1.0"),
    ({"least_gain": 1.0}, "least_gain must be less than 1; got 1.0"),
    ({"layers": []}, "layers must name at least one layer; got none"),
    ({"layers": [2]}, r"layers\[0\] must be at most 1; got 2"),
    call=lambda arguments: minimize_adaptive(*problem_of(), **arguments),
)


def test_the_least_max_params_that_allows_a_refinement_is_enough():
    problem, theta = problem_of()
    assert problem.net.n_params == 24
    result = minimize_adaptive(problem, theta, steps=2, max_params=26)
    assert result.rounds[-1].n_params == 26


def test_a_dense_layer_cannot_be_refined():
    x = samples(20)
    net, theta = rk.kan([2, 3, 1], 3, 2).initialize(np.random.default_rng(0), x)
    mixed = replace(net, layers=(net.layers[0], rk.DenseLayer(3, 1, "tanh")))
    theta = np.concatenate([theta[net.slices[0]], np.ones(4)])
    with pytest.raises(ValueError, match="layers must name layers with knots; got layer 1, a DenseLayer"):
        minimize_adaptive(rk.LeastSquares(mixed, x, x[:, :1]), theta, layers=[1])
    result = minimize_adaptive(rk.LeastSquares(mixed, x, x[:, :1]), theta, steps=3, max_rounds=1)
    assert result.rounds[1].breakpoints[1] is None
    assert result.rounds[1].network.layers[0].intervals > 2


def test_more_knots_than_distinct_data():
    x = np.random.default_rng(0).integers(0, 5, (200, 2)) / 4
    net, theta = rk.kan([2, 2, 1], 3, [4, 2]).initialize(np.random.default_rng(0), x)
    problem = rk.LeastSquares(net, x, x[:, :1])
    refused(lambda: minimize_adaptive(problem, theta), r"got 5 of input 0 for 6 coefficients \(4 intervals, order 3\)")
    # and where refinement would get there it stops
    net, theta = rk.kan([1, 1], 2, 2).initialize(np.random.default_rng(0), x[:, :1])
    result = minimize_adaptive(
        rk.LeastSquares(net, x[:, :1], np.sin(9 * x[:, :1])), theta, "residual", "gauss-newton", 1, fraction=1.0
    )
    assert "none holds enough samples" in result.message


def test_samples_of_targets():
    x = samples(5)
    net = rk.kan([2, 1], 3, 2)
    problem = sampled(net, lambda x: x[:, 0], x, weights=np.ones(5))
    np.testing.assert_array_equal(problem.y, x[:, :1])
    assert problem.weights is not None
    np.testing.assert_array_equal(sampled(net, rk.problems.regression_target, x).y, rk.problems.regression_target(x))
    refused(
        lambda: sampled(net, lambda x: x[:-1], x), r"y must have shape \(N, Q\), N = 5 as x has, Q >= 1; got \(4, 2\)"
    )
    refused(lambda: sampled(net, lambda x: np.where(x[:, 0] == x[3, 0], np.nan, 1.0), x), r"y\[3, 0\]")
