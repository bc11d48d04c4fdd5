"""Data are trained on whatever the units of the target: they change the result by nothing but themselves."""

import numpy as np
import pytest

import refkan as rk
from refkan.training.recipes import own_data, train_starts
from refkan.training.recipes.records import chosen_level
from refkan.training.recipes.starts import in_units, units_of
from tests.shared.tables import each_row


def growth(n=300):
    """A target of thousands on four inputs in units from 1e-5 to 1e5."""
    rng = np.random.default_rng(7)
    u = rng.uniform(size=(n, 4))
    x = u * [45.0, 1e4, 0.85, 5e-5] + [-10.0, 9.5e4, 0.1, 0.0]
    t, p, h, d = x.T
    y = 3e3 * np.exp(-(((t - 18) / 9) ** 2)) + 500 * np.sin((p - 1e5) / 2e3) + 800 * h**2 * (1 + t / 50) + 2e7 * d
    return x, y + rng.normal(0, 20, n)


def share_outside(net, theta, x):
    z, (low, high) = net.activations(theta, x).inputs[1], net.layers[1].domains.T
    return ((z < low) | (z > high)).mean()


def trained(x, y, schedule=(30, 30), **options):
    setup = own_data(x, y)
    return setup, train_starts(setup, setup.kan(), np.random.default_rng(0), schedule, **options)


def test_large_targets_leave_activations_in_the_domain():
    """Trained on thousands as they are, 97 % of these activations lie outside, and the error is twice as large."""
    setup, result = trained(*growth())
    level = chosen_level(setup, result)
    net, theta = level.network, level.result.theta
    assert share_outside(net, theta, setup.samples) < 0.5
    wrong = net(theta, setup.grid) - setup.values[1]
    assert np.std(wrong) < 0.04 * np.std(setup.values[1])
    raw, start = setup.start(setup.kan(), np.random.default_rng(0))
    unscaled = rk.minimize(raw, start, "levenberg-marquardt", steps=30)
    assert share_outside(raw.net, unscaled.theta, setup.samples) > 0.9


@pytest.mark.parametrize("method", ["levenberg-marquardt", "adam", "gd"])
def test_units_of_the_target_change_nothing(method):
    """Powers of two are exact: parameters, values and histories are those of the other units bit for bit."""
    x, y = growth(60)
    told = []
    rate = {"learning_rate": 1e-2} if method == "gd" else {}
    options = rate | {"method": method, "starts": 2, "callback": lambda level, state: told.append(state)}
    results = [trained(x, unit * y, (4, 4), **options)[1] for unit in (1.0, 2.0**20)]
    ours, theirs = results
    points = x[:5]
    np.testing.assert_array_equal(2.0**20 * ours.network(ours.theta, points), theirs.network(theirs.theta, points))
    for name in ("value", "values"):
        np.testing.assert_array_equal(2.0**40 * getattr(ours, name), getattr(theirs, name))
    np.testing.assert_allclose(theirs.problem.value(theirs.theta), theirs.value, rtol=1e-12)
    histories = [level.result.history.value for level in theirs.course]
    np.testing.assert_array_equal(2.0**40 * ours.course[1].result.history.value, histories[1])
    last = [state for state in told if state.stage == f"start {theirs.chosen}"][-1]
    assert last.value == histories[1][-1]
    assert np.isclose(theirs.problem.value(last.theta), last.value, rtol=1e-12)


@each_row(
    "net",
    rk.kan([2, 3, 2], 3, 4),
    rk.kan([2, 3, 2], 3, 4, basis="relu"),
    rk.kan([2, 3, 2], 3, 4, edge="silu"),
    rk.mlp([2, 3, 2], "tanh"),
    rk.kan([2, 3, 2], 3, 4, free_knots=True),
    ids=["spline", "relu", "silu", "dense", "free"],
)
def test_networks_are_put_in_units_by_their_last_layer(net):
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(20, 2))
    net, theta = net.initialize(rng, x)
    centre, scale = np.array([3.0, -2e5]), np.array([1e-6, 4e4])
    expected = scale * net(theta, x) + centre * net.layers[-1].has_knots  # no bias ends a dense network
    values = net(in_units(net, theta, centre, scale), x)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    assert not np.array_equal(net(theta, x), values)


def test_targets_without_spread_are_divided_by_one():
    """Also where no constant is taken from them, as for a network that has none."""
    for centred in (True, False):
        centre, scale = units_of(np.zeros((5, 2)), centred=centred)
        assert (centre == 0).all()
        assert (scale == 1).all()
    y = np.array([[3.0], [4.0]])
    assert np.allclose([units_of(y, centred=False)], [[[0.0], [np.sqrt(12.5)]]], rtol=1e-15)
