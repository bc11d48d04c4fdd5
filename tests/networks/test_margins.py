"""Second derivatives near the ends of domains: engines and difference quotients agree at a fresh start."""

import numpy as np
import pytest

import refkan as rk
from refkan.networks.hessians import hessian
from tests.shared.factories import EPS

NETWORKS = {
    "order 3": lambda: rk.kan([2, 5, 1], 3, 4),
    "order 4, three layers": lambda: rk.kan([2, 3, 2, 1], 4, 4),
    "relu": lambda: rk.kan([2, 3, 1], 3, 4, basis="relu"),
    "silu": lambda: rk.kan([2, 3, 1], 3, 4, edge="silu"),
    "chebyshev": lambda: rk.chebyshev_kan([2, 3, 1], 4),
    "domain of the data": lambda: rk.kan([2, 5, 1], 3, 4, domain="data"),
}
X = np.random.default_rng(0).uniform(size=(12, 2))
Y = np.sin(3 * X[:, :1]) * X[:, 1:]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_hessians_agree_at_the_start(make, seed):
    net, theta = make().initialize(np.random.default_rng(seed), X)
    true = np.array(rk.truth.of(net, theta, X, float).least_squares(Y).hessian())
    gradient, step = rk.LeastSquares(net, X, Y).gradient, 1e-5
    quotients = [(gradient(theta + step * e) - gradient(theta - step * e)) / (2 * step) for e in np.eye(theta.size)]
    size = np.abs(true).max()
    np.testing.assert_allclose(quotients, true, rtol=0, atol=1e-6 * size)
    for engine in ("plain", "fast"):
        with rk.use_engine(engine):
            # Truncated powers cancel, in each engine and in the truth over floats.
            np.testing.assert_allclose(hessian(net, theta, X, Y), true, rtol=0, atol=200 * EPS * size)


@pytest.mark.parametrize("order", [4, 5])
def test_samples_on_the_ends_of_a_domain_of_data_have_the_derivatives_inside(order):
    """They need no margin: samples are compared with the ends as they are, and do not move with theta."""
    x = np.random.default_rng(1).normal(size=(9, 1)) / 3
    net, theta = rk.kan([1, 1], order, 3, domain="data").initialize(np.random.default_rng(order), x)
    assert net.layers[0].domains.tolist() == [[x.min(), x.max()]]
    ends = np.array([[x.min()], [x.max()]])
    inside = np.nextafter(ends, 0.0)
    continued = rk.truth.of(net, theta, inside, float).jet([[1.0]]).second
    for engine in ("plain", "fast"):
        with rk.use_engine(engine):
            second = net.jet(theta, ends, first=[[1.0]]).second
        np.testing.assert_allclose(second, continued, rtol=1e-12)
        assert np.abs(second).min() > 0.1
