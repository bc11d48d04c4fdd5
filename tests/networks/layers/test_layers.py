"""Values, parameters and free knots of layers, against exact sums and the sums of the papers."""

from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan.splines import knots
from tests.networks.layers.layer_laws import DENSE, name, random_parameters
from tests.shared.factories import (
    EDGE_KINDS,
    EPS,
    EVERY_LAYER,
    LayerCase,
    exact_bsplines,
    exact_powers,
)


def edge_layer(layer):
    return layer.spline if isinstance(layer, rk.SiluLayer) else layer


# --- values


@pytest.mark.parametrize("case", [c for c in EVERY_LAYER if not c.free_knots], ids=str)
def test_values_against_exact_sums(case):
    layer, x = case.build(), case.samples()
    theta = random_parameters(layer)
    blocks, spaces = layer.unpack(theta), edge_layer(layer).spaces
    y = layer.linearize(theta, x).value
    for s, q in np.ndindex(y.shape):
        total, scale = Fraction(0), 0.0
        for p, S in enumerate(spaces):
            if "relu" in case.kind:
                values = exact_powers(S, x[s, p], 0, case.outside, case.kind == "scaled-relu")
            else:
                values = exact_bsplines(S, x[s, p], 0, case.outside)
            w_s = Fraction(blocks["w_s"][q, p]) if case.kind == "silu" else 1
            terms = [w_s * Fraction(c) * v for c, v in zip(blocks["coefficients"][q, p], values, strict=True)]
            if case.kind == "silu":
                terms.append(Fraction(blocks["w_b"][q, p] * x[s, p] / (1 + np.exp(-x[s, p]))))
            total += sum(terms)
            scale += float(sum(map(abs, terms)))
        # Tails of polynomials cancel inside a basis function: up to 2^r times its value at 0.2 domains from the end.
        bound = 4 * (case.order + 4) * EPS * scale * (2**case.order if case.outside != "natural" else 1)
        assert abs(float(Fraction(float(y[s, q])) - total)) <= bound


@pytest.mark.parametrize("layer", DENSE, ids=name)
def test_dense_values(layer):
    x, theta = np.random.default_rng(0).standard_normal((6, 3)), random_parameters(layer)
    W = theta[:6].reshape(2, 3)
    z = np.array([[sum(W[q, p] * x[s, p] for p in range(3)) for q in range(2)] for s in range(6)])
    z = z + (theta[6:] if layer.bias else 0.0)
    expected = {
        "relu": np.maximum(z, 0),
        "relu3": np.maximum(z, 0) ** 3,
        "tanh": np.tanh(z),
        "silu": z / (1 + np.exp(-z)),
        "identity": z,
    }[layer.activation]
    np.testing.assert_allclose(layer.linearize(theta, x).value, expected, rtol=1e-13, atol=1e-15)


# --- free knots


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_a_layer_with_free_knots_is_the_layer_on_those_knots(kind):
    layer, x = LayerCase(kind, free_knots=True).build(), LayerCase(kind).samples(20)
    theta = random_parameters(layer)
    edge = edge_layer(layer)
    spaces = edge.spaces_at(theta[: edge.n_params])
    for p, S in enumerate(spaces):
        t = knots.free_breakpoints(layer.unpack(theta)["s"][p], np.array(edge.spaces[p].domain))
        np.testing.assert_array_equal(S.breakpoints, t)
        np.testing.assert_array_equal(S.knots[:2], edge.spaces[p].knots[:2])
        assert S.domain == edge.spaces[p].domain
    fixed = (
        rk.SplineLayer(spaces, 2) if kind in ("spline", "silu") else rk.ReluLayer(spaces, 2, scaled="scaled" in kind)
    )
    fixed = rk.SiluLayer(fixed) if kind == "silu" else fixed
    blocks = layer.unpack(theta)
    theta_fixed = fixed.pack(**{key: blocks[key] for key in fixed.blocks})
    np.testing.assert_array_equal(layer.linearize(theta, x).value, fixed.linearize(theta_fixed, x).value)


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_free_knots_start_at_the_knots_of_the_spaces(kind):
    layer = LayerCase(kind, free_knots=True).build()
    edge = edge_layer(layer)
    s = edge.starting_s()
    np.testing.assert_allclose(s.mean(axis=1), 0, atol=4 * EPS)
    for p, S in enumerate(edge.spaces):
        t = knots.free_breakpoints(s[p], np.array(S.domain))
        np.testing.assert_allclose(t, S.breakpoints, rtol=0, atol=8 * EPS * max(1, np.abs(S.breakpoints).max()))
    theta = layer.initialize(np.random.default_rng(0), LayerCase(kind).samples())
    np.testing.assert_array_equal(layer.unpack(theta)["s"], s)
