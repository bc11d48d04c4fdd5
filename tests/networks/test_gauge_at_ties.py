"""Kinks of min-max maps, at which two samples share an extreme: the formulas of docs/gauge.md."""

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.networks.node_maps import NODE_MAPS
from tests.networks.gauge_cases import plain  # noqa: F401  a fixture

TIED = np.array([[1.0, 0.25], [0.25, 1.0], [0.0, 0.0], [0.5, 0.25], [0.25, 0.375], [0.125, 0.5]])
"""W = (1, 1) sends the first two samples to the greatest value of the node, the third to the least."""


def tied(seed, x):
    """A node W x, a min-max map and splines, at W = (1, 1), with random targets and coefficients."""
    layers = rk.DenseLayer(2, 1, bias=False), rk.SplineLayer((rk.SplineSpace.uniform(3, 2),), 1)
    net, theta = rk.Network(layers, (NODE_MAPS["min-max"],)).initialize(0, x)
    rng = np.random.default_rng(seed)
    theta = np.concatenate([[1.0, 1.0], rng.standard_normal(theta.size - 2)])
    y = rng.standard_normal((6, 1))
    return theta, y[: len(x)], net


@pytest.mark.usefixtures("plain")
def test_at_a_tie_the_negative_gradient_may_lead_upwards():
    """Pieces differ by mu (x_i - x_j) in the row; along -g_i sample j takes over, where the slope is -g_i . g_j."""
    swap, found = [1, 0, 2, 3, 4, 5], 0
    for seed in range(60):
        theta, y, net = tied(seed, TIED)
        problem = rk.LeastSquares(net, TIED, y)
        other = rk.LeastSquares(replace(net, statistics=TIED[swap]), TIED[swap], y[swap])
        gi, gj = problem.gradient(theta), other.gradient(theta)  # derivatives follow the first of equal samples
        assert problem.value(theta) == pytest.approx(other.value(theta), rel=1e-15)
        jump = gi - gj
        np.testing.assert_allclose(jump[2:], 0, atol=1e-14)
        apart = TIED[0] - TIED[1]
        np.testing.assert_allclose(jump[:2], apart * (jump[:2] @ apart) / (apart @ apart), atol=1e-14)
        takes_over = (TIED[1] - TIED[0]) @ -gi[:2] > 1e-3
        if not takes_over or gi @ gj > -1e-2 * np.linalg.norm(gi) * np.linalg.norm(gj):
            continue
        found += 1
        t = 1e-7 / np.linalg.norm(gi)
        rise = (problem.value(theta - t * gi) - problem.value(theta)) / t
        assert rise == pytest.approx(-(gi @ gj), rel=1e-3)
        assert rise > 0
        behind = np.where(np.arange(theta.size) < 2, 0.0, gi)  # the coefficients behind the map have one gradient
        fall = (problem.value(theta - t * behind) - problem.value(theta)) / t
        assert fall == pytest.approx(-(behind @ behind), rel=1e-3)
    assert found >= 3


@pytest.mark.usefixtures("plain")
def test_whether_the_loss_rises_at_a_tie_depends_on_the_gauge():
    """g_i . g_j of the row a v is 1/a^2 times what it is at v: of one tie some gauges rise, others do not."""
    swap, changing = [1, 0, 2, 3, 4, 5], 0
    for seed in range(60):
        theta, y, net = tied(seed, TIED)
        products = []
        for a in (0.125, 8.0):
            at = theta * np.where(np.arange(theta.size) < 2, a, 1.0)
            gi = rk.LeastSquares(net, TIED, y).gradient(at)
            gj = rk.LeastSquares(replace(net, statistics=TIED[swap]), TIED[swap], y[swap]).gradient(at)
            products.append((gi @ gj, a**2 * (gi[:2] @ gj[:2])))
        assert products[0][1] == pytest.approx(products[1][1], rel=1e-9, abs=1e-12)
        changing += products[0][0] < 0 < products[1][0]
    assert changing >= 3


@pytest.mark.usefixtures("plain")
def test_samples_given_twice_are_no_tie():
    x = np.concatenate([TIED[:1], TIED[2:], TIED[:1]])
    theta, _, net = tied(1, x)
    y = np.random.default_rng(3).standard_normal((len(x), 1))
    problem = rk.LeastSquares(net, x, y)
    other = rk.LeastSquares(replace(net, statistics=x[::-1]), x, y)
    np.testing.assert_allclose(problem.gradient(theta), other.gradient(theta), rtol=1e-13, atol=1e-15)
    assert rk.checks.gradient_check(problem.value, problem.gradient, theta).ok
