"""Networks after some training, and how closely two of them must agree on and off the samples."""

from functools import cache

import numpy as np

import refkan as rk
from refkan.networks.layers import SiluLayer
from tests.shared.draws import within
from tests.shared.factories import EDGE_KINDS, EPS, EVERY_NETWORK, NetworkCase, running_error, samples

C = 40
"""Roundings in a term: r for a basis function, 2.5 r for a prolongation, and as many sums of dim terms. 40 eps is
below the 1e-14 that refinement is held to, both relative to the sums of absolute contributions."""

X = samples(40)
CASES = [case for case in EVERY_NETWORK if case.kind in EDGE_KINDS]
TAILS = [case for case in CASES if case.outside != "natural"]
FIXED = [case for case in TAILS if not case.free_knots]
FREE = [case for case in CASES if case.free_knots]
NATURAL = [case for case in CASES if case.outside == "natural"]


@cache
def trained(case: NetworkCase) -> tuple[rk.Network, np.ndarray]:
    """Return a network after some large steps of Adam, which take hidden activations out of their domains."""
    net, theta = case.start(X)
    y = 3 * np.cos(7 * X[:, :1]) + X[:, 1:] * np.array([[1.0, -4.0]])
    step = 0.05 if net.basis in (None, "spline") else 0.005 * np.abs(theta).mean()
    theta = rk.minimize(rk.LeastSquares(net, X, y), theta, "adam", steps=25, learning_rate=step).theta
    theta.flags.writeable = False
    return net, theta


def edges(layer):
    return layer.spline if isinstance(layer, SiluLayer) else layer


def assert_same_function(net, theta, other, theta_other, reach=0.6):
    """Compare on the samples and at points of which many lie outside the domain of the inputs."""
    for x in (X[:9], samples(40, seed=8, reach=reach)):
        scale = np.maximum(running_error(net, theta, x), running_error(other, theta_other, x))
        error = np.abs(net(theta, x) - other(theta_other, x))
        line = "refinement, and networks on other knots"
        assert within(error, C * EPS * scale, line), (error / scale / EPS).max()
