"""Kinks, ends of domains and points far outside: which derivative is meant, and both engines against the truth."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.networks.sweeps import far_values
from refkan.networks.sweeps.statistics_sweep import Statistics
from tests.shared.thresholds import engine_in_python


def slopes(net, theta, x):
    """dF/dx of one output by the truth, forward and back, and by both engines: (N,) each."""
    at = truth.of(net, theta, x)
    yield [float(row[0][0]) for row in at.input_derivatives()[0]]
    yield [float(row[0]) for row in at.pullback(np.ones((len(x), 1)))[1]]
    for engine in ("plain", "fast"):
        with engine_in_python(engine):
            value, pullback = net.vjp(theta, x)
            yield pullback(np.ones_like(value))[1].ravel()


@pytest.mark.parametrize("free_knots", [False, True])
def test_linear_splines_have_the_right_slope_at_a_breakpoint(free_knots):
    net = rk.kan([1, 1], 2, 3, domain=(0.0, 3.0), free_knots=free_knots)
    theta = np.concatenate([[0.0, 1.0, 3.0, 7.0], np.zeros(net.n_params - 4)])
    for found in slopes(net, theta, [[0.0], [1.0], [2.0], [3.0]]):
        np.testing.assert_allclose(found, [1.0, 2.0, 4.0, 4.0], rtol=1e-14)


def test_relu_powers_have_the_right_slope_at_their_knot():
    net = rk.kan([1, 1], 2, 3, domain=(0.0, 3.0), basis="relu")
    for found in slopes(net, [1.0, 1.0, 2.0, 4.0], [[0.0], [1.0], [2.0], [3.0]]):  # from -1, 0, 1 and 2 on
        np.testing.assert_array_equal(found, [2.0, 4.0, 8.0, 8.0])


def test_activations_have_the_right_slope_at_zero():
    net = rk.mlp([1, 1, 1], activation="relu")
    for found in slopes(net, [1.0, 0.0, 2.0], [[-1.0], [0.0], [1.0]]):
        np.testing.assert_array_equal(found, [0.0, 2.0, 2.0])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_min_max_follows_the_first_of_equals(sign, rng):
    """Activations of the first and the last sample are equal; the map follows the coefficient of the first alone."""
    batch = np.linspace(0.0, 1.0, 4)[:, None]  # the breakpoints
    net, _ = rk.kan([1, 1, 1], 2, 3, node_map="min-max").initialize(rng, batch)
    C, x = sign * np.array([3.0, 1.0, 0.0, 3.0]), np.array([[1 / 6]])  # x sees the first two
    for turn in (1, -1):
        turned = replace(net, statistics=batch[::turn].copy())
        theta, x = np.concatenate([C[::turn], [0.0, 1.0, 5.0, 2.0]]), x if turn == 1 else 1.0 - x
        for J in (turned.jacobian(theta, x), np.array(truth.of(turned, theta, x).jacobian(), float)):
            first, last = J[0, :4][::turn][[0, 3]]
            assert first != 0.0
            assert last == 0.0


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
        with engine_in_python(engine):
            second = net.jet(theta, ends, first=[[1.0]]).second
        np.testing.assert_allclose(second, continued, rtol=1e-12)
        assert np.abs(second).min() > 0.1


LARGEST = np.finfo(np.float64).max
POINTS = np.array([[1e308, 1e308], [-1e308, 1e308], [LARGEST, -LARGEST], [1e307, -3e306], [0.3, 1e306], [1e200, 0.5]])

FAR = {
    "affine": rk.kan([2, 3, 1], 3, 4),
    "relu": rk.kan([2, 3, 1], 4, 4, basis="scaled-relu"),
    "min-max": rk.kan([2, 3, 1], 3, 4, node_map="min-max"),
    "none": rk.kan([2, 3, 1], 2, 4, node_map="none"),
    "free knots": rk.kan([2, 3, 1], 3, 4, free_knots=True),
    "chebyshev": rk.chebyshev_kan([2, 3, 1], 4),
}


def nearest(exact):
    try:
        return float(exact)
    except OverflowError:
        return np.inf if exact > 0 else -np.inf


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", FAR)
def test_values_are_those_of_the_truth_or_infinite_where_these_are_no_numbers(name, seed):
    rng = np.random.default_rng(seed)
    net, theta = FAR[name].initialize(rng, rng.uniform(size=(20, 2)))
    exact = [nearest(row[0]) for row in truth.of(net, theta, POINTS).value]
    for engine in ("plain", "auto"):
        with engine_in_python(engine):
            np.testing.assert_allclose(net(theta, POINTS).ravel(), exact, rtol=1e-12)


@pytest.mark.parametrize("reach", [0.0, 0.3, 100.0])
def test_they_are_the_values_where_nothing_overflows(reach, rng):
    for name in ("affine", "min-max", "chebyshev"):
        net, theta = FAR[name].initialize(rng, rng.uniform(size=(20, 2)))
        x = rng.uniform(-reach, 1 + reach, (9, 2))
        constants = Statistics(net, theta).constants
        y = net(theta, x)
        np.testing.assert_allclose(
            far_values.far_values(net, theta, x, constants), y, rtol=0, atol=1e-13 * np.abs(y).max()
        )


def test_sigmoids_bring_activations_back(rng):
    """The first layer overflows, with its sign."""
    net, theta = rk.kan([2, 3, 1], 3, 4, node_map="sigmoid").initialize(rng, rng.uniform(size=(20, 2)))
    near = np.sign(POINTS[:3]) * 1e9
    np.testing.assert_allclose(net(theta, POINTS[:3]), net(theta, near), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:.*jump")
@pytest.mark.parametrize("size", [1.0, 1e150, 1e290])
@pytest.mark.parametrize("outside", ["linear", "polynomial", "natural"])
@pytest.mark.parametrize("node_map", ["affine", "sigmoid", "min-max"])
def test_no_answer_is_not_a_number(node_map, outside, size):
    """Values and derivatives, also of jets, are numbers, infinite or refused; vjp gives the values that there are."""
    rng = np.random.default_rng(0)
    net, theta = rk.kan([2, 2, 1], 3, 2, node_map=node_map, outside=outside).initialize(rng, rng.uniform(size=(9, 2)))
    theta = theta * np.where(np.arange(theta.size) < net.slices[0].stop, 1.0, size)
    calls = {
        "value": lambda x: [net(theta, x)],
        "vjp": lambda x: net.vjp(theta, x)[1](np.ones((len(x), 1))),
        "jvp": lambda x: [net.jvp(theta, x, theta, x)],
        "jacobian": lambda x: [net.jacobian(theta, x)],
        "jet": lambda x: [net.jet(theta, x, np.eye(2)).sweep.value],
    }
    answered = dict.fromkeys(calls, 0)
    for x in (*POINTS[:, None], np.array([[1e160, 0.3]]), np.array([[0.25, 0.75]])):
        for name, call in calls.items():
            with suppress(OverflowError):
                assert not any(np.isnan(array).any() for array in call(x))
                answered[name] += 1
                if name == "vjp":
                    np.testing.assert_array_equal(net.vjp(theta, x)[0], net(theta, x))
    assert min(answered.values()) > 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_losses_are_infinite_where_values_are_no_numbers():
    net = rk.kan([1, 1, 1], order=3, intervals=1, node_map="none", outside="polynomial")
    problem = rk.LeastSquares(net, [[1e200]], [[0.0]])  # whose square overflows in the first layer
    theta = np.array([0.0, 0.0, 0.0, 1e290, 1e290, -1e290])
    with pytest.raises(OverflowError, match=r"theta and x must keep values within float64; got no number at \[0, 0\]"):
        net(theta, problem.x)
    value, gradient = problem.value_and_gradient(theta)
    assert (problem.value(theta), value) == (np.inf, np.inf)
    assert np.isnan(gradient).all()
