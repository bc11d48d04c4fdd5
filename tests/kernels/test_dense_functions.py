"""Kernels of functions that all matter at every sample, against their formulas, bit for bit."""

from math import perm

import numpy as np
import pytest

import refkan as rk
from refkan.networks.layers.functions import coordinates
from refkan.networks.layers.row_sums import RowSums
from refkan.splines.relu_powers import inverse_scale, relu_rows
from refkan.splines.sums.channels import Channels, channel_rows, pull_back_rows
from refkan.splines.sums.input_jet import InputJet
from tests.shared.thresholds import lowered

POLICIES = ("linear", "polynomial", "natural", "error")
CHANNELS = (Channels(0, 0), Channels(1, 0), Channels(3, 0), Channels(1, 1), Channels(3, 2))


def power_at(x, t, order, derivative, low, high, h, outside):
    """One truncated power at one point, multiplied from the left."""
    end = min(max(x, low), high)
    z, reached = end if outside == "linear" else x, x if outside == "natural" else end
    if derivative >= order or (outside == "linear" and x != end and derivative > 1):
        return 0.0

    def slope(d):
        power = 1.0 if reached >= t else 0.0
        for _ in range(order - 1 - d):
            power *= z - t if reached >= t else 0.0
        return power * (perm(order - 1, d) * h ** (order - 1))

    tangent = outside == "linear" and x != end and derivative == 0 and order > 1
    return slope(0) + (x - end) * slope(1) if tangent else slope(derivative)


@pytest.mark.parametrize("small", [False, True], ids=["", "small blocks"])
@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
def test_truncated_powers_are_their_products(order, outside, small):
    moved = np.linspace(-1.0, 2.0, 2 * order + 2) + np.random.default_rng(7).uniform(0, 0.1, 2 * order + 2)
    spaces = [rk.SplineSpace.uniform(order, 3), rk.SplineSpace(moved, order)]
    knots, h = np.array([S.knots for S in spaces]), np.array([inverse_scale(S, True) for S in spaces])
    inside = np.random.default_rng(order).uniform([S.domain[0] for S in spaces], [S.domain[1] for S in spaces], (7, 2))
    x = inside if outside == "error" else np.concatenate([inside, knots.T, [[-0.75, 2.25], [1.25, -0.75]]])
    with lowered() if small else rk.use_engine("auto"):
        rows = relu_rows(knots, order, h, x, order + 1, outside)
    for s, p in np.ndindex(x.shape):
        S = spaces[p]
        for d, i in np.ndindex(order + 2, S.dim):
            expected = power_at(x[s, p], S.knots[i], order, d, *S.domain, h[p], outside)
            assert rows[d, s, p, i] == expected, (x[s, p], d, i)


@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize("order", [1, 2, 4])
def test_no_number_has_no_powers(order, outside):
    S = rk.SplineSpace.uniform(order, 3)
    rows = relu_rows(S.knots[None], order, np.ones(1), np.array([[0.5], [np.nan], [0.25]]), order - 1, outside)
    assert np.isnan(rows[:, 1]).all()
    assert np.isfinite(rows[:, [0, 2]]).all()


@pytest.mark.parametrize("channels", CHANNELS, ids=str)
def test_one_function_of_each_entry_has_the_jets_of_one_of_two(channels):
    """The other one being zero."""
    rng = np.random.default_rng(0)
    N, P, O = 5, 3, 2
    rows, z = rng.normal(size=(4, N, P, 1)), rng.normal(size=(N, channels.count, P))
    h = rng.normal(size=(N, O, channels.count, P, 1))
    two, G = np.concatenate([rows, 0 * rows], axis=3), np.concatenate([h, rng.normal(size=h.shape)], axis=4)
    np.testing.assert_array_equal(channel_rows(rows, z, channels)[..., 0], channel_rows(two, z, channels)[..., 0])
    np.testing.assert_array_equal(pull_back_rows(rows, z, h, channels), pull_back_rows(two, z, G, channels))


@pytest.mark.parametrize("channels", CHANNELS, ids=str)
def test_sums_over_the_inputs_are_those_over_functions_that_are_the_inputs(channels):
    rng = np.random.default_rng(1)
    N, P, Q = 6, 3, 4
    functions, C, at = coordinates(P), rng.normal(size=(Q, P, 1)), InputJet(rng.normal(size=(N, channels.count, P)))
    linear, general = functions.sums(C, at, channels, True), RowSums(functions, C, at, channels, True)
    assert type(linear) is not RowSums
    np.testing.assert_array_equal(linear.value, general.value)
    dy, dC, dz = rng.normal(size=linear.value.shape), rng.normal(size=C.shape), rng.normal(size=at.z.shape)
    for made, expected in zip(linear.pull_back(dy), general.pull_back(dy), strict=True):
        np.testing.assert_allclose(made, expected, rtol=1e-15)
    for tangent in (None, dz):
        np.testing.assert_allclose(linear.push_forward(dC, tangent), general.push_forward(dC, tangent), rtol=1e-13)
    J, expected = np.empty((2, N, 2, Q, P, 1))
    G = rng.normal(size=(N, 2, channels.count, Q))
    linear.fill_jacobian(G, J)
    general.fill_jacobian(G, expected)
    np.testing.assert_array_equal(J, expected)
    np.testing.assert_allclose(linear.pull_back_inputs(G), general.pull_back_inputs(G), rtol=1e-14)
    for made, other in zip(linear.jets(), general.jets(), strict=True):
        np.testing.assert_array_equal(made, other)
    if channels.count == 1:
        dx = rng.normal(size=(N, P))
        for made, other in zip(*(s.hessian_product(dC, dx, dy[:, 0]) for s in (linear, general)), strict=True):
            np.testing.assert_array_equal(made, other)
        for made, other in zip(linear.features(True), general.features(True), strict=True):
            np.testing.assert_array_equal(made, other)
