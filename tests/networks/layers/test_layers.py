"""Values, starting parameters and free knots of layers, against exact sums, sums of the papers and drawn variances."""

from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan.networks.layers.knot_layers import edges
from refkan.networks.layers.layer import SCHEMES
from refkan.splines import knots
from tests.networks.layers.layer_laws import name, random_parameters
from tests.shared.factories import EDGE_KINDS, EPS, EVERY_LAYER, LayerCase, exact_bsplines, exact_powers
from tests.shared.plain_layers import PLAIN_LAYERS

DENSE = [layer for layer in PLAIN_LAYERS if isinstance(layer, rk.DenseLayer)]


def edge_layer(layer):
    return layer.spline if isinstance(layer, rk.SiluLayer) else layer


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


@pytest.fixture(autouse=True)
def plain_engine():
    """Which has no form of so many outputs to compile."""
    with rk.use_engine("plain"):
        yield


def wide_layer(kind="spline", Q=600, free_knots=False):
    return LayerCase(kind, order=3, free_knots=free_knots).build(n_outputs=Q)


def test_linear_scheme_draws_linear_functions_with_noise():
    layer = wide_layer()
    C = layer.unpack(layer.initialize(np.random.default_rng(0), np.zeros((0, 3))))["coefficients"]
    for p, S in enumerate(layer.spaces):
        a, b = S.domain
        line = (S.greville - 0.5 * (a + b)) / (b - a)
        slopes = C[:, p] @ line / (line @ line)
        noise = C[:, p] - slopes[:, None] * line
        # 600 slopes of variance 1/P + 0.01/|line|^2; five standard errors of a variance are 5 sqrt(2/600) = 29 %.
        assert np.var(slopes) == pytest.approx(1 / 3 + edges.NOISE**2 / (line @ line), rel=0.29)
        # The fit takes one of dim degrees of freedom.
        assert np.sum(noise**2) / (600 * (S.dim - 1)) == pytest.approx(edges.NOISE**2, rel=5 * np.sqrt(2 / 2400))
        assert abs(slopes.mean()) < 5 * np.sqrt(1 / 3 / 600) * 1.1


def test_normal_scheme_draws_independent_coefficients_of_variance_one():
    for layer in (wide_layer(), rk.ChebyshevLayer(((-1.0, 1.0),) * 3, 600, 4)):
        C = layer.unpack(layer.initialize(np.random.default_rng(0), np.zeros((0, 3)), "normal"))["coefficients"]
        # Five standard errors of a mean, a variance and correlations.
        assert abs(C.mean()) < 5 / np.sqrt(C.size)
        assert C.var() == pytest.approx(1.0, rel=5 * np.sqrt(2 / C.size))
        correlation = np.corrcoef(C.reshape(-1, C.shape[2]).T) - np.eye(C.shape[2])
        assert np.abs(correlation).max() < 5 / np.sqrt(1800)


@pytest.mark.parametrize("kind", ["spline", "relu", "scaled-relu"])
@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
def test_gaussian_scheme_matches_the_output_variance_of_the_linear_scheme(kind, free):
    layer, x = wide_layer(kind, free_knots=free), LayerCase(kind).samples(200)
    spread = []
    for scheme in ("linear", "gaussian"):
        theta = layer.initialize(np.random.default_rng(1), x, scheme)
        spread.append(np.mean(layer.linearize(theta, x).value ** 2))
    # The mean square over 600 independent outputs has a standard error of at most sqrt(2/600) = 6 %.
    assert spread[1] == pytest.approx(spread[0], rel=0.25)
    C = layer.unpack(theta)["coefficients"]
    assert abs(C.mean()) < 5 * C.std() / np.sqrt(C.size)
    correlation = np.corrcoef(C.reshape(-1, C.shape[2]).T) - np.eye(C.shape[2])
    assert np.abs(correlation).max() < 5 / np.sqrt(1800)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_starting_without_samples(scheme):
    for kind in EDGE_KINDS:
        layer = LayerCase(kind).build()
        assert np.all(np.isfinite(layer.initialize(np.random.default_rng(0), np.zeros((0, 3)), scheme)))


def test_silu_edges_start_with_unit_spline_weights():
    layer = LayerCase("silu").build(n_outputs=200)
    blocks = layer.unpack(layer.initialize(np.random.default_rng(0), np.zeros((0, 3))))
    np.testing.assert_array_equal(blocks["w_s"], 1)
    assert np.abs(blocks["w_b"]).max() <= 1 / np.sqrt(3)
    assert blocks["w_b"].var() == pytest.approx(1 / 9, rel=0.3)  # a uniform variable on +-1/sqrt(3)


@pytest.mark.parametrize(
    ("activation", "variance"), [("relu", 2 / 30), ("relu3", 2 / 30), ("tanh", 2 / 130), ("identity", 1 / 30)]
)
def test_dense_layers_start_by_he_and_glorot(activation, variance):
    layer = rk.DenseLayer(30, 100, activation)
    blocks = layer.unpack(layer.initialize(np.random.default_rng(0), np.zeros((0, 30))))
    assert blocks["weights"].var() == pytest.approx(variance, rel=5 * np.sqrt(2 / 3000))
    assert not blocks["bias"].any()
    assert "bias" not in rk.DenseLayer(3, 2, "identity", bias=False).blocks


@pytest.mark.parametrize("layer", DENSE, ids=name)
def test_of_dense_layers_those_of_relu_alone_say_what_their_derivatives_are(layer):
    of_relu = [None, "the first derivative of ReLU networks jumps", "the second derivative of ReLU networks is zero"]
    remarks = [layer.require_derivatives(order) for order in range(3)]
    assert remarks == (of_relu if layer.activation == "relu" else [None] * 3)
