"""Regressions with a step or a kink, on which adaptive knots are tested."""

import numpy as np

import refkan as rk
from refkan.training.adaptivity import sampled
from tests.shared.factories import NetworkCase, samples

VP, LM = "variable-projection", "levenberg-marquardt"
STEP, KINK = 1 / np.sqrt(2), 1 / np.pi


def one_dimensional(target, n_samples=4000, order=2, intervals=4, domain=(0.0, 1.0), **kwargs):
    a, b = domain
    x = a + (b - a) * (np.arange(n_samples)[:, None] + 0.5) / n_samples
    net, theta = rk.kan([1, 1], order, intervals, domain, **kwargs).initialize(np.random.default_rng(0), x)
    return sampled(net, target, x), theta


def step(x):
    return 1.0 * (x > STEP)


def two_layers(node_map="mean-std", n=300, free=False, kind="spline"):
    x = samples(n)
    case = NetworkCase(kind, node_map, widths=(2, 3, 1), intervals=(2, 3), free_knots=free)
    net, theta = case.start(x)
    return rk.LeastSquares(net, x, np.sin(4 * x[:, :1]) * x[:, 1:] + np.abs(x[:, :1] - KINK)), theta
