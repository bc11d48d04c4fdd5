"""The roughness of the last layer's splines as a penalty of variable projection."""

import math

import numpy as np
import pytest

import refkan as rk
from refkan.splines.bsplines import evaluate
from refkan.training.losses import LeastSquares
from refkan.training.optimizers import minimize
from refkan.training.optimizers.second_order.linear_layer import LinearLayer
from tests.training.optimizers.separable_problems import (
    LINEAR,
    eliminated_by_lstsq,
    linear_positions,
    problem_of,
    third_differences,
)

EPS = np.finfo(float).eps
VP = "variable-projection"


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("kind", ["spline", "silu"])
def test_elimination_with_a_roughness(kind, n_outputs):
    problem, theta = problem_of(kind, n_outputs)
    layer = LinearLayer(problem, None, 1e-6, relative_roughness=1e-2)
    found = layer.eliminate(theta)
    names = [name for name, shape in problem.net.layers[-1].blocks.items() for _ in range(int(np.prod(shape)))]
    spline = np.array([name == "coefficients" for name in names if name in LINEAR])
    jumps = np.zeros((4 * n_outputs * 2, spline.size))
    jumps[:, spline] = np.sqrt(1e4 * layer.ridge) * third_differences(4 * n_outputs, 5)
    expected = eliminated_by_lstsq(problem, theta, layer.ridge, jumps)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e6 * 64 * EPS * np.abs(expected).max())
    c = linear_positions(problem.net)
    size = layer.ridge * np.sum(found[c] ** 2) + np.sum((jumps @ found[c]) ** 2)
    assert layer.penalty(found) == pytest.approx(0.5 * size, rel=1e-9)
    # Sabotage: it is felt.
    assert np.abs(eliminated_by_lstsq(problem, theta, layer.ridge) - expected).max() > 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("basis", ["spline", "relu", "scaled-relu"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_jumps_of_splines(order, basis):
    rng = np.random.default_rng(order)
    breakpoints = [np.cumsum(rng.uniform(0.2, 1.0, 6)) for _ in range(2)]
    spaces = tuple(rk.SplineSpace.from_breakpoints(order, t) for t in breakpoints)
    C = rng.standard_normal((2, spaces[0].dim))
    if basis == "spline":
        layer, own = rk.SplineLayer(spaces, 1), C
    else:
        scaled = basis == "scaled-relu"
        layer = rk.ReluLayer(spaces, 1, scaled=scaled)
        own = np.array([rk.ChangeOfBasis(space, scaled).to_relu(u) for space, u in zip(spaces, C, strict=True)])
    found = (layer.jumps() @ own.ravel()).reshape(2, -1)
    for space, u, jumps in zip(spaces, C, found, strict=True):
        # The highest derivative is constant on each interval.
        middles = 0.5 * (space.breakpoints[1:] + space.breakpoints[:-1])
        pieces = evaluate(space, u, middles, derivative=order - 1)
        scale = space.mean_spacing ** (order - 1) / math.factorial(order - 1)
        np.testing.assert_allclose(jumps, scale * np.diff(pieces), rtol=0, atol=1e-11 * np.abs(jumps).max())


@pytest.mark.parametrize("solver", ["qr", "cholesky"])
def test_a_roughness_continues_polynomials_where_there_is_no_data(solver):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 0.45, (60, 1))
    net = rk.kan([1, 1, 1], 3, [1, 8], node_map="none")
    start = np.concatenate([net.layers[0].spaces[0].greville, rng.standard_normal(10)])
    problem = LeastSquares(net, x, x - 2 * x**2)
    result = minimize(problem, start, VP, 10, solver=solver, ridge=1e-12, roughness=1e-4)
    everywhere = np.linspace(0, 1, 101)[:, None]
    np.testing.assert_allclose(net(result.theta, everywhere), everywhere - 2 * everywhere**2, rtol=0, atol=1e-4)
    # Sabotage: the ridge alone leaves the rest at zero.
    alone = minimize(problem, start, VP, 10, solver=solver, ridge=1e-12)
    assert np.abs(net(alone.theta, everywhere) - everywhere + 2 * everywhere**2).max() > 0.5


@pytest.mark.parametrize("kind", ["free", "dense"])
def test_a_roughness_of_other_edges_is_refused(kind):
    problem, theta = problem_of(kind)
    with pytest.raises(ValueError, match="roughness needs splines with fixed knots; got "):
        minimize(problem, theta, method=VP, roughness=1e-6)
