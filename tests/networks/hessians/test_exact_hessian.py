"""Exact Hessians: against complex steps of the gradient, exact rationals, Taylor remainders and laws."""

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.networks.hessians import gauss_newton, hessian
from refkan.networks.hessians.products import hessian_vector
from refkan.networks.layers import activations
from refkan.networks.layers.row_sums import RowSums
from refkan.networks.network import ValueSweep
from refkan.networks.node_maps.kinds import MeanStdMap, MinMaxMap, SigmoidMap
from refkan.splines.sums.pointwise import PointwiseJet
from refkan.splines.sums.sums import SplineSums
from tests.shared.factories import CHEBYSHEV_NETWORKS, EDGE_KINDS, EVERY_NETWORK, NODE_MAPS, NetworkCase, name, samples
from tests.shared.refusals import refused
from tests.shared.tables import each_row

N = 6
FIXED = tuple(case for case in EVERY_NETWORK if not case.free_knots) + CHEBYSHEV_NETWORKS
DEEP = tuple(
    NetworkCase(kind, node_map, order=order, widths=(2, 2, 3, 2), intervals=(2, 3, 2))
    for kind in EDGE_KINDS
    for node_map in NODE_MAPS
    for order in (1, 2, 4)
)


def start(case, batch="x", n=N):
    """Problem with weights, and parameters off the start: there an extreme activation lies at the end of a domain."""
    x = samples(n, reach=0.1)
    net, theta = case.start(x, statistics=samples(9, seed=11) if batch == "separate" else None)
    rng = np.random.default_rng(3)
    y = rng.standard_normal((n, net.widths[-1]))
    return rk.LeastSquares(net, x, y, rng.uniform(size=n)), theta


def complex_gradient(problem, theta):
    """The gradient by hand at complex theta: the sweeps themselves, in the pure-Python form of the kernels."""
    sweep = ValueSweep(problem.net, theta, problem.x.astype(complex), share=True)
    dy = problem.weights[:, None] * (sweep.value - problem.y) / len(problem.x)
    return sweep.pull_back(dy, inputs=False)[0]


def cases():
    for case in (*FIXED, *DEEP):
        for batch in ("x", "separate") if case.couples_samples and len(case.widths) == 3 else ("x",):
            yield pytest.param(case, batch, id=f"{name(case)}-{len(case.widths)}-{batch}")


@pytest.mark.parametrize(("case", "batch"), [*cases()])
def test_hessian_is_the_complex_step_of_the_gradient(case, batch):
    """1e-13 of the largest entry; with products, symmetry, and the Gauss-Newton matrix at zero residual."""
    problem, theta = start(case, batch)
    # A few directions: the complex steps go through kernels in Python.
    directions = np.random.default_rng(2).standard_normal((3, theta.size))
    reference = [complex_gradient(problem, theta + 1e-30j * v).imag / 1e-30 for v in directions]
    H = problem.hessian(theta)
    assert np.array_equal(H, H.T)
    for v, expected in zip(directions, reference, strict=True):
        scale = (np.abs(H) @ np.abs(v)).max()
        assert np.abs(H @ v - expected).max() <= 1e-13 * scale
        assert np.abs(problem.hessian_vector(theta, v) - expected).max() <= 1e-13 * scale

    # Values of the sweep itself: residuals of rounding size would be multiplied by large second derivatives.
    y, _ = problem.net.vjp(theta, problem.x, inputs=False)
    exact_fit = rk.LeastSquares(problem.net, problem.x, y, problem.weights)
    K = exact_fit.gauss_newton(theta)
    # Both are sums of a matrix at fixed constants and of what the constants change: terms that cancel.
    fixed = gauss_newton(problem.net.freeze(theta), theta, problem.x, problem.weights)
    scale = max(np.abs(K).max(), np.abs(fixed).max())
    assert np.abs(exact_fit.hessian(theta) - K).max() <= 1e-13 * scale


@pytest.mark.parametrize("node_map", [MeanStdMap, MinMaxMap])
@pytest.mark.parametrize("activation", ["relu3", "tanh"])
def test_a_first_layer_with_an_activation_before_a_map_with_statistics(activation, node_map):
    layers = rk.DenseLayer(2, 2, activation), rk.kan([2, 1], 3, 2).layers[0]
    rng = np.random.default_rng(0)
    net, theta = rk.Network(layers, (node_map(((0.0, 1.0),) * 2),)).initialize(rng, samples(9))
    problem = rk.LeastSquares(net, samples(N), rng.standard_normal((N, 1)), rng.uniform(size=N))
    v = rng.standard_normal(theta.size)
    expected = complex_gradient(problem, theta + 1e-30j * v).imag / 1e-30
    for product in (problem.hessian(theta) @ v, problem.hessian_vector(theta, v)):
        np.testing.assert_allclose(product, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_at_a_kink_the_second_derivative_is_the_right_one():
    """A quadratic spline at its breakpoint, and max(z, 0)^3 at 0: as just to the right of it."""
    net = rk.kan([1, 1, 1], 3, 2, node_map="none")
    theta = np.concatenate([np.full(4, 0.5), [0.0, 1.0, 4.0, 0.0]])  # the first layer is 1/2, a breakpoint of the next
    right = theta + np.concatenate([np.full(4, 1e-9), np.zeros(4)])
    left = theta - np.concatenate([np.full(4, 1e-9), np.zeros(4)])
    H, H_right, H_left = (hessian(net, t, [[0.3]], [[0.0]]) for t in (theta, right, left))
    assert np.abs(H - H_right).max() <= 1e-6
    assert np.abs(H - H_left).max() > 1e-2
    relu = activations.ACTIVATIONS["relu3"]
    assert relu.derivatives(np.array([-1.0, 0.0, 2.0]), 3)[2].tolist() == [0.0, 0.0, 12.0]


def test_bad_input():
    problem, theta = start(NetworkCase("spline"))
    x, y = problem.x, problem.y
    free, s = NetworkCase("spline", free_knots=True).start(x)
    for call in (lambda: hessian(free, s, x, y), lambda: hessian_vector(free, s, x, y, s)):
        refused(call, "second derivatives need fixed knots; got layer 0 with free_knots=True")
    layer = rk.SiluLayer(rk.SplineLayer((rk.SplineSpace.uniform(3, 2),), 1, free_knots=True))  # of which a part moves
    at, one = layer.linearize(np.ones(layer.n_params), np.array([[0.3]])), np.ones((1, 1))
    refused(lambda: at.hessian_product(np.ones(layer.n_params), one, one), "second derivatives need fixed knots")
    with pytest.raises(ValueError, match="outputs must be finite"), np.errstate(all="ignore"):
        problem.hessian_vector(np.full_like(theta, 1e200), theta)


def test_a_loss_of_anything_but_a_network_has_no_matrices():
    class Line:
        def __call__(self, theta, x):
            return x @ theta[:, None]

        def vjp(self, theta, x):
            return self(theta, x), lambda dy: (x.T @ dy[:, 0], dy @ theta[None])

    problem = rk.LeastSquares(Line(), [[1.0]], [[2.0]])
    for call in (problem.gauss_newton, problem.hessian, problem.ntk, problem.jacobian):
        with pytest.raises(TypeError, match="matrices of a loss need a refkan Network; got net of type Line"):
            call(np.array([1.0]))


def test_gauss_newton_matrices_of_other_networks_come_from_their_jacobians():
    """Levenberg-Marquardt takes them where there are many samples, and makes the steps that it makes by QR."""
    ours, theta = start(NetworkCase("spline", "none"))

    class Other:
        def __call__(self, theta, x):
            return ours.net(theta, x)

        def jacobian(self, theta, x):
            return ours.net.jacobian(theta, x)

        def vjp(self, theta, x, inputs=True):
            return ours.net.vjp(theta, x, inputs)

    problem = rk.LeastSquares(Other(), ours.x, ours.y, ours.weights)
    np.testing.assert_allclose(problem.gauss_newton(theta), ours.gauss_newton(theta), rtol=0, atol=1e-13)
    ends = [
        rk.minimize(problem, theta, "levenberg-marquardt", steps=3, solver=solver).value
        for solver in ("cholesky", "qr")
    ]
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)
    assert ends[0] < problem.value(theta)


@each_row(
    "case, target, part",
    (NetworkCase("spline"), SplineSums, "project"),
    (NetworkCase("relu"), RowSums, "_rows"),
    (NetworkCase("silu", "none"), activations.ACTIVATIONS, "silu"),
    (NetworkCase("mlp-tanh", "none"), activations.ACTIVATIONS, "tanh"),
    (NetworkCase("spline", "sigmoid"), SigmoidMap, "derivatives"),
    (NetworkCase("spline", "sigmoid"), PointwiseJet, "bend"),
    (NetworkCase("spline", "mean-std"), rk.networks.node_maps.kinds.MeanStdMap, "constants_hvp"),
    (NetworkCase("spline", "mean-std"), rk.networks.node_maps.kinds.MeanStdMap, "constants_curvature"),
    (NetworkCase("spline", "min-max"), rk.networks.node_maps.kinds.MinMaxMap, "constants_hvp"),
    ids=lambda value: getattr(value, "__name__", "table" if isinstance(value, dict) else str(value)),
)
@pytest.mark.parametrize("factor", [-1.0, 1 + 1e-6])
def test_sabotage_of_second_derivatives_is_noticed(monkeypatch, case, target, part, factor):
    problem, theta = start(case, n=30)
    v = np.random.default_rng(2).standard_normal(theta.size)
    expected = complex_gradient(problem, theta + 1e-30j * v).imag / 1e-30
    in_table = target is activations.ACTIVATIONS
    right = target[part].derivatives if in_table else getattr(target, part)

    def wrong(*arguments):
        result = right(*arguments)
        if in_table or part == "derivatives":  # all of them, of which the second is wrong
            result[2:3] *= factor
            return result
        second = part not in ("project", "_rows") or arguments[-1] == 2
        return factor * result if second else result

    if in_table:
        monkeypatch.setitem(target, part, replace(target[part], derivatives=wrong))
    else:
        monkeypatch.setattr(target, part, wrong)
    assert np.abs(problem.hessian(theta) @ v - expected).max() > 1e-13 * np.abs(expected).max()
