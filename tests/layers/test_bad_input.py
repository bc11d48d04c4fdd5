"""Layers taken alone: arrays of wrong shapes are refused by name, and a linearisation stays at its point."""

from __future__ import annotations

import numpy as np
import pytest

import refkan as rk
from tests.layers.plain_layers import random_parameters
from tests.shared.factories import EDGE_KINDS, LayerCase
from tests.shared.refusals import check

LAYERS = {kind: LayerCase(kind).build() for kind in EDGE_KINDS} | {
    "dense": rk.DenseLayer(3, 2, activation="tanh"),
    "chebyshev": rk.ChebyshevLayer(((0.0, 1.0),) * 3, n_outputs=2, degree=4),
}


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]


def test_point_of_wrong_shape(layer):
    theta, x = random_parameters(layer), np.full((4, 3), 0.5)
    n = layer.n_params
    for call, message in [
        (lambda: layer.linearize(theta[:-1], x), rf"theta must have length {n}; got length {n - 1}"),
        (lambda: layer.linearize(np.append(theta, 0.0), x), rf"theta must have length {n}; got length {n + 1}"),
        (lambda: layer.linearize(theta, x[:, :2]), r"x must have shape \(N, 3\); got \(4, 2\)"),
        (lambda: layer.linearize(theta, np.full((4, 5), 0.5)), r"x must have shape \(N, 3\); got \(4, 5\)"),
        (lambda: layer.linearize(theta, x[0]), r"x must have 2 dimensions; got shape \(3,\)"),
    ]:
        check(call, ValueError, message)


def test_tangents_and_cotangents_of_wrong_shape(layer):
    theta, x = random_parameters(layer), np.full((4, 3), 0.5)
    at, n = layer.linearize(theta, x), layer.n_params
    dy, G = np.ones((4, 2)), np.ones((4, 6, 2))
    for call, message in [
        (lambda: at.pullback(dy[:, :1]), r"dy must have shape \(4, 2\); got \(4, 1\)"),
        (lambda: at.pullback(np.ones((5, 2))), r"dy must have shape \(4, 2\); got \(5, 2\)"),
        (lambda: at.pullback(dy[0]), r"dy must have shape \(4, 2\); got \(2,\)"),
        (lambda: at.pushforward(theta[1:], x), rf"dtheta must have length {n}; got length {n - 1}"),
        (lambda: at.pushforward(theta, x[:, 1:]), r"dx must have shape \(4, 3\); got \(4, 2\)"),
        (lambda: at.pullback_inputs(G[:3]), r"G must have shape \(4, O, 2\); got \(3, 6, 2\)"),
        (lambda: at.fill_jacobian(G[:, :, :1], np.zeros((4, 6, n))), r"G must have shape \(4, O, 2\); got \(4, 6, 1\)"),
        (lambda: at.hessian_product(theta, x, dy[:2]), r"dy must have shape \(4, 2\); got \(2, 2\)"),
    ]:
        check(call, ValueError, message)


def test_silu_edges_need_a_spline_layer():
    check(lambda: rk.SiluLayer(LAYERS["relu"]), TypeError, "spline must be a SplineLayer; got ReluLayer")


def test_single_precision_and_lists_are_widened(layer):
    theta, x = random_parameters(layer).astype(np.float32), np.full((2, 3), 0.5, np.float32)
    at, wide = layer.linearize(theta, x.tolist()), layer.linearize(theta.astype(float), x.astype(float))
    np.testing.assert_array_equal(at.value, wide.value)
    dy = np.array([[1, 2], [3, 4]])
    for mine, theirs in zip(at.pullback(dy), wide.pullback(dy.astype(float)), strict=True):
        assert mine.dtype == np.float64
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("n", [3, 1500])  # 1500 samples are sorted by interval
def test_linearisation_stays_at_its_point(layer, n):
    x = np.random.default_rng(0).uniform(0.1, 0.9, (n, 3))
    theta = random_parameters(layer)
    dtheta, dx, dy = np.ones(layer.n_params), np.ones((n, 3)), np.ones((n, 2))
    kept, at = layer.linearize(theta.copy(), x.copy()), layer.linearize(theta, x)
    theta *= 3.0
    x += 0.25
    for mine, theirs in zip(at.pullback(dy), kept.pullback(dy), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(at.pushforward(dtheta, dx), kept.pushforward(dtheta, dx))
    for mine, theirs in zip(at.hessian_product(dtheta, dx, dy), kept.hessian_product(dtheta, dx, dy), strict=True):
        np.testing.assert_array_equal(mine, theirs)
