"""The units of targets: mean 0 and variance 1 in training, their own in what is returned."""

import numpy as np
import pytest

import refkan as rk
from tests.shared.tables import each_row

pytest.importorskip("sklearn")
from refkan.estimators.target_units import in_units, units_of


@each_row(
    "net",
    rk.kan([2, 3, 2], 3, 4),
    rk.kan([2, 3, 2], 3, 4, basis="relu"),
    rk.kan([2, 3, 2], 3, 4, edge="silu"),
    rk.kan([2, 3, 2], 3, 4, free_knots=True),
    ids=["spline", "relu", "silu", "free"],
)
def test_networks_are_put_in_units_by_their_last_layer(net):
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(20, 2))
    net, theta = net.initialize(rng, x)
    centre, scale = np.array([3.0, -2e5]), np.array([1e-6, 4e4])
    expected = scale * net(theta, x) + centre
    values = net(in_units(net, theta, centre, scale), x)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    assert not np.array_equal(net(theta, x), values)


def test_targets_without_spread_are_divided_by_one():
    centre, scale = units_of(np.full((5, 2), 0.1))
    np.testing.assert_allclose(centre, 0.1, rtol=1e-15)
    assert (scale == 1).all()
    assert np.allclose(units_of(np.array([[3.0], [4.0]])), [[3.5], [0.5]], rtol=1e-15)
    assert np.allclose(units_of(np.array([[3.0], [4.0]]), np.array([1.0, 0.0])), [[3.0], [1.0]], rtol=1e-15)
