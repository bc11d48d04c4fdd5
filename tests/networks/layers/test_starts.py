"""Starting parameters of layers: reproducible, one function in every basis, of one variance."""

import numpy as np
import pytest

import refkan as rk
from refkan.networks.layers import SCHEMES
from refkan.networks.layers.knot_layers import edges
from tests.shared.factories import (
    EDGE_KINDS,
    LayerCase,
)


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
