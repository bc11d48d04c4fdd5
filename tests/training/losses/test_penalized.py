"""Penalties and cross entropy: against sums written out, complex steps, and closed forms."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

import refkan as rk
from refkan.training.losses import CrossEntropy
from refkan.training.losses.penalized import Penalized
from tests.shared.tables import each_row

EPS = np.finfo(float).eps


def network(kind, rng):
    x = rng.uniform(size=(30, 2))
    nets = {
        "additive": rk.kan([2, 3], 3, 4),
        "two layers": rk.kan([2, 3, 2], 4, [3, 5]),
        "relu basis": rk.kan([2, 2, 2], 2, 3, basis="relu"),
        "silu edges": rk.kan([2, 2, 2], 3, 3, edge="silu"),
        "dense": rk.mlp([2, 4, 2], "tanh"),
    }
    net, theta = nets[kind].initialize(rng, x)
    return net, theta, x


KINDS = ("additive", "two layers", "relu basis", "silu edges", "dense")


def jumps_by_divided_differences(net, theta):
    """Squared jumps of the derivatives of order r - 1, times (h^(r-1)/(r-1)!)^2, summed: from values of the edges."""
    total = 0.0
    for k, layer in enumerate(net.layers):
        if not hasattr(layer, "spaces"):
            continue
        spline = layer.spline if hasattr(layer, "spline") else layer
        for p, space in enumerate(spline.spaces):
            r, t = space.order, space.breakpoints
            h = np.diff(t)[0]
            for q in range(spline.n_outputs):
                C = layer.unpack(theta[net.slices[k]])["coefficients"][q, p]

                def edge(x, C=C, space=space, basis=spline.basis):
                    if basis == "spline":
                        return rk.bsplines.evaluate(space, C, x)
                    return rk.relu_powers.evaluate(space, C, x)

                # The leading coefficient on each interval is a divided difference of r values inside.
                leading = []
                for a, b in pairwise(t):
                    nodes = a + (b - a) * (np.arange(r) + 0.5) / r
                    leading.append(np.polyfit((nodes - a) / h, edge(nodes), r - 1)[0])
                total += np.sum(np.diff(leading) ** 2)
    return total


@pytest.mark.parametrize("kind", KINDS)
def test_the_penalty_is_the_jumps_of_the_highest_derivative_and_the_size(kind, rng):
    net, theta, x = network(kind, rng)
    loss = rk.LeastSquares(net, x, rng.standard_normal((30, net.widths[-1])))
    rough = Penalized(loss, roughness=0.7).value(theta) - loss.value(theta)
    assert_allclose(rough, 0.35 * jumps_by_divided_differences(net, theta), rtol=1e-9, atol=1e-12)
    assert_allclose(Penalized(loss, ridge=0.3).value(theta) - loss.value(theta), 0.15 * theta @ theta, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_derivatives_are_those_of_the_value(kind, weighted, rng):
    net, theta, x = network(kind, rng)
    weights = rng.uniform(size=30) if weighted else None
    problem = Penalized(rk.LeastSquares(net, x, rng.standard_normal((30, net.widths[-1])), weights), 0.7, 0.3)
    assert rk.checks.gradient_check(problem.value, problem.gradient, theta).ok
    r, J = problem.residual_and_jacobian(theta)
    assert r.size == problem.n_residuals
    assert_allclose(0.5 * r @ r, problem.value(theta), rtol=1e-13)
    assert_allclose(J.T @ r, problem.gradient(theta), rtol=1e-10, atol=1e-12)
    assert_allclose(J.T @ J, problem.gauss_newton(theta), rtol=1e-11, atol=1e-12)
    assert_allclose(problem.residual(theta), r, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("outputs", "weighted"), [(1, False), (1, True), (3, False), (3, True)])
def test_cross_entropy_is_the_sum_written_out(outputs, weighted, rng):
    x = rng.uniform(size=(20, 2))
    net, theta = rk.kan([2, 3, outputs], 3, 3).initialize(rng, x)
    classes = max(2, outputs)
    labels = rng.integers(classes, size=20)
    weights = rng.uniform(size=20) if weighted else None
    loss = CrossEntropy(net, x, labels, weights)
    z = net(theta, x)
    total = 0.0
    for s in range(20):
        logits = [0.0, z[s, 0]] if outputs == 1 else list(z[s])
        p = np.exp(logits[labels[s]]) / sum(np.exp(logit) for logit in logits)
        total -= (1.0 if weights is None else weights[s]) * np.log(p) / 20
    assert_allclose(loss.value(theta), total, rtol=1e-13)
    step = 1e-6
    for direction in rng.standard_normal((5, theta.size)):
        central = (loss.value(theta + step * direction) - loss.value(theta - step * direction)) / (2 * step)
        assert_allclose(loss.gradient(theta) @ direction, central, rtol=1e-6, atol=1e-8)
    assert_allclose(loss.probabilities(theta, x).sum(axis=1), 1.0, rtol=1e-14)


def test_large_logits_neither_overflow_nor_vanish(rng):
    net = rk.kan([1, 1], 2, 1)
    x = np.array([[0.0], [1.0]])
    loss = CrossEntropy(net, x, [0, 1])
    wrong, right = np.array([5000.0, -5000.0]), np.array([-5000.0, 5000.0])
    assert loss.value(wrong) == 5000.0
    assert loss.value(right) == 0.0
    assert np.isfinite(loss.gradient(wrong)).all()


@each_row(
    "make, message",
    (lambda net, x: Penalized(3.0), "loss must be that of a refkan Network"),
    (lambda net, x: Penalized(rk.LeastSquares(net, x, x[:, :1]), roughness=-1.0), "roughness"),
    (lambda net, x: Penalized(CrossEntropy(net, x, [0] * 5)).residual(np.zeros(net.n_params)), "has no residuals"),
    (lambda net, x: CrossEntropy(net, x, [0, 1, 2, 0, 1]), r"from 0 to 1; labels\[2\] is 2"),
    (lambda net, x: CrossEntropy(rk.kan([1, 5, 3], 2, 2), x, [0, 1, 2, 3, 2]), r"from 0 to 2; labels\[3\] is 3"),
    (lambda net, x: CrossEntropy(net, x, [0.5] * 5), r"labels\[0\] is 0.5"),
    (lambda net, x: CrossEntropy(net, x, [0] * 5, [-1.0] * 5), "weights"),
)
def test_what_makes_no_loss_is_refused(make, message, rng):
    with pytest.raises((ValueError, TypeError), match=message):
        make(rk.kan([1, 1], 2, 2), rng.uniform(size=(5, 1)))
