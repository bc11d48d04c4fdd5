"""Kernels of functions that all matter at every sample, against their formulas."""

from math import perm

import numpy as np
import pytest

import refkan as rk
from refkan.networks.layers.functions import RowFunctions, coordinates
from refkan.networks.layers.row_sums import EdgeSums, RowSums
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


def cosines(dim):
    """dim functions cos((i + 1) x + p) of each of three inputs, with their derivatives."""
    k, p = np.arange(1.0, dim + 1), np.arange(3.0)[:, None]

    def rows(x, derivatives):
        return np.array([k**d * np.cos(k * x[..., None] + p + d * np.pi / 2) for d in range(derivatives + 1)])

    return RowFunctions(rows, 3, dim)


def jets_written_out(rows, z, C, channels):
    """What the sums are: one function after the other, one channel after the other."""
    W = np.zeros((*z.shape, C.shape[2]))
    for c in range(channels.count):
        u = z[:, c, :, None]
        if c == 0:
            W[:, c] = rows[0]
        elif c <= channels.n_first:
            W[:, c] = rows[1] * u
        else:
            W[:, c] = rows[2] * z[:, c - channels.n_first, :, None] ** 2 + rows[1] * u
    return np.einsum("scpi,qpi->scq", W, C), W


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("channels", CHANNELS[1:], ids=str)
def test_sums_of_few_outputs_are_the_sums(channels, back):
    """By functions on edges: values, both cotangents, tangents, Jacobians and jets, with and without a way back."""
    rng, close = np.random.default_rng(2), {"rtol": 1e-12, "atol": 1e-12}
    N, P, Q, dim, O = 6, 3, 2, 5, 2
    functions, C = cosines(dim), rng.normal(size=(Q, P, dim))
    z, dz = rng.normal(size=(2, N, channels.count, P))
    dy, dC = rng.normal(size=(N, channels.count, Q)), rng.normal(size=C.shape)
    G = rng.normal(size=(N, O, channels.count, Q))
    edges = functions.sums(C, InputJet(z), channels, back)
    assert type(edges) is EdgeSums
    rows = functions.rows(z[:, 0], 3)
    value, W = jets_written_out(rows, z, C, channels)
    np.testing.assert_allclose(edges.value, value, **close)
    np.testing.assert_allclose(edges.pull_back(dy, False)[0], np.einsum("scpi,scq->qpi", W, dy), **close)
    np.testing.assert_allclose(edges.jets()[1], W, rtol=1e-13)
    general = RowSums(functions, C, InputJet(z), channels, True)
    np.testing.assert_allclose(edges.pull_back_inputs(G), general.pull_back_inputs(G), **close)
    np.testing.assert_allclose(edges.pull_back(dy)[1], general.pull_back(dy)[1], **close)
    for tangent in (None, dz):
        np.testing.assert_allclose(edges.push_forward(dC, tangent), general.push_forward(dC, tangent), **close)
    J, expected = np.empty((2, N, O, Q, P, dim))
    edges.fill_jacobian(G, J)
    general.fill_jacobian(G, expected)
    np.testing.assert_allclose(J, expected, **close)


@pytest.mark.parametrize("channels", CHANNELS[1:], ids=str)
def test_sums_of_few_outputs_and_their_cotangents_are_adjoint(channels):
    """<G, y(C + dC, z + dz)> has the derivatives that come back; complex steps of the sums themselves."""
    rng, h = np.random.default_rng(3), 1e-30
    functions, C = cosines(4), rng.normal(size=(3, 3, 4))
    z, dz = rng.normal(size=(2, 5, channels.count, 3))
    dC, dy = rng.normal(size=C.shape), rng.normal(size=(5, channels.count, 3))
    cotangents = functions.sums(C, InputJet(z), channels, True).pull_back(dy)
    for moved, along, cotangent in (
        (functions.sums(C + 1j * h * dC, InputJet(z), channels, True), dC, cotangents[0]),
        (functions.sums(C, InputJet(z + 1j * h * dz), channels, True), dz, cotangents[1]),
    ):
        assert np.sum(moved.value.imag / h * dy) == pytest.approx(np.sum(along * cotangent), rel=1e-12)


def test_the_order_of_sums_is_that_of_less_work():
    at, channels = InputJet(np.zeros((2, 2, 3))), Channels(1, 0)
    assert type(cosines(4).sums(np.zeros((4, 3, 4)), at, channels, True)) is EdgeSums
    assert type(cosines(4).sums(np.zeros((5, 3, 4)), at, channels, True)) is RowSums
    assert type(cosines(4).sums(np.zeros((4, 3, 4)), InputJet(np.zeros((2, 1, 3))), CHANNELS[0], True)) is RowSums
