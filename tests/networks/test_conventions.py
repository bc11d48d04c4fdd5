"""Which derivative is meant where there are two: at kinks the right one, of equal extremes that of the first."""

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan import truth


def slopes(net, theta, x):
    """dF/dx of one output by the truth, forward and back, and by both engines: (N,) each."""
    at = truth.of(net, theta, x)
    yield [float(row[0][0]) for row in at.input_derivatives()[0]]
    yield [float(row[0]) for row in at.pullback(np.ones((len(x), 1)))[1]]
    for engine in ("plain", "fast"):
        with rk.use_engine(engine):
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
