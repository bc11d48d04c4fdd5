"""Chebyshev layers: values and tails in closed form, parameters, faults noticed."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev

import refkan as rk
from refkan.networks.layers import ChebyshevLayer, functions, row_sums
from refkan.networks.layers import chebyshev as module
from tests.networks.layers.layer_laws import check_sweeps
from tests.shared.factories import EPS
from tests.shared.spoiling import spoilt

POLICIES = ("linear", "polynomial")
ENDS = ((0.0, 1.0), (-2.0, 2.0), (5.0, 5.6))


def layer_and_point(outside="linear", degree=5, n_outputs=2, n=5):
    """Return a layer of three inputs, parameters, and samples of which about a third lie outside."""
    layer = ChebyshevLayer(ENDS, n_outputs, degree, outside)
    rng = np.random.default_rng(1)
    a, b = layer.domains.T
    reach = (-0.2, 1.2) if outside != "error" else (0.0, 1.0)
    return layer, rng.standard_normal(layer.n_params), a + (b - a) * rng.uniform(*reach, (n, 3))


# --- values


@pytest.mark.parametrize("degree", [1, 2, 7, 30])
def test_values_and_derivatives_on_the_domain(degree):
    """T_k(cos s) = cos(k s); derivatives against NumPy's series, relative to the largest, k^2m at the ends."""
    t = np.concatenate([np.cos(np.linspace(0, np.pi, 23)), [-1.0, 0.0, 1.0]])
    a, b = -2.0, 6.0
    x = a + (b - a) * (t + 1) / 2
    rows = module.chebyshev_rows(x[:, None], [(a, b)], degree, 3, linear=True)[:, :, 0]
    exact = np.cos(np.arange(degree + 1) * np.arccos(np.clip((2 * x - a - b) / (b - a), -1, 1))[:, None])
    # arccos itself is off by the root of eps near the ends, where cos(k s) is flat: k^2 eps remains.
    assert np.abs(rows[0] - exact).max() <= 8 * degree**2 * EPS
    for m in range(1, 4):
        for k in range(degree + 1):
            series = chebyshev.chebder(np.eye(degree + 1)[k], m) * (2 / (b - a)) ** m
            expected = chebyshev.chebval((2 * x - a - b) / (b - a), series)
            assert np.abs(rows[m, :, k] - expected).max() <= 30 * degree * EPS * max(1, np.abs(series).sum())


@pytest.mark.parametrize("outside", POLICIES)
def test_values_outside(outside):
    layer, theta, _ = layer_and_point(outside)
    C = layer.unpack(theta)["coefficients"]
    x = np.array([[-0.5, -3.0, 5.7], [1.25, 2.5, 4.9]])
    t = (2 * x - layer.domains.sum(axis=1)) / np.diff(layer.domains, axis=1)[:, 0]
    expected = np.zeros((2, 2))
    for q, p in np.ndindex(2, 3):
        if outside == "polynomial":
            expected[:, q] += chebyshev.chebval(t[:, p], C[q, p])
        else:
            end = np.sign(t[:, p])
            slope = chebyshev.chebval(end, chebyshev.chebder(C[q, p]))
            expected[:, q] += chebyshev.chebval(end, C[q, p]) + slope * (t[:, p] - end)
    np.testing.assert_allclose(layer.linearize(theta, x).value, expected, rtol=1e-12)


def test_outside_under_error():
    layer, theta, x = layer_and_point("error")
    assert np.isfinite(layer.linearize(theta, x).value).all()
    with pytest.raises(rk.OutsideDomainError, match=r"got x\[1, 2\] = 5.7 outside \[5.0, 5.6\]"):
        layer.linearize(theta, np.array([[0.5, 0.0, 5.2], [0.5, 0.0, 5.7]]))


# --- parameters


def test_blocks_and_counts():
    layer = ChebyshevLayer(ENDS, 2, 4)
    assert layer.blocks == {"coefficients": (2, 3, 5)}
    assert (layer.n_params, layer.n_inputs, layer.dim) == (30, 3, 5)
    np.testing.assert_array_equal(layer.domains, ENDS)
    assert ChebyshevLayer([list(pair) for pair in ENDS], np.int64(2), 4) == layer
    assert hash(ChebyshevLayer(np.array(ENDS), 2, 4)) == hash(layer)
    assert ChebyshevLayer(ENDS, 2, 4, "polynomial") != layer
    assert [x.shape for x in layer.scaling_vectors(np.arange(30.0))] == [(30,)] * 2


@pytest.mark.parametrize("degree", [1, 4, 40])
def test_starting_functions_are_lines_and_noise_of_one_size(degree):
    layer = ChebyshevLayer(ENDS, 2000, degree)
    C = layer.unpack(layer.initialize(np.random.default_rng(0), np.zeros((0, 3))))["coefficients"]
    # 6000 samples: five standard errors of a variance are 5 sqrt(2/6000) = 9 %.
    variances = 0.01 / np.arange(1, degree + 2) ** 2 + np.where(np.arange(degree + 1) == 1, 0.25 / 3, 0.0)
    np.testing.assert_allclose(C.var(axis=(0, 1)), variances, rtol=0.1)


def test_gaussian_start_has_the_same_output_variance():
    layer = ChebyshevLayer(ENDS, 500, 6)
    x = layer.domains[:, 0] + np.random.default_rng(0).uniform(size=(200, 3)) * np.diff(layer.domains, axis=1)[:, 0]
    first, second = (
        layer.linearize(layer.initialize(np.random.default_rng(1), x, scheme), x).value.var()
        for scheme in ("linear", "gaussian")
    )
    assert second == pytest.approx(first, rel=0.2)


# --- sabotage


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (module, "+ m * rows[m - 1, ..., k])", "+ rows[m - 1, ..., k])"),
        (module, "- rows[m, ..., k - 1]", "+ rows[m, ..., k - 1]"),
        (module, "rows[2:] *= beyond == 0", "pass"),
        (row_sums, "self.W[:, :, None], out=out)", "self.rows[1][:, None, None], out=out)"),
        (row_sums, "self.project(G[:, :, 0], 1)", "self.project(G[:, :, 0], 0)"),
        (row_sums, "tangent += self._contract(", "tangent -= self._contract("),
        (row_sums, "moved = dy.T @ (slopes * dx", "moved = dy.T @ (2 * slopes * dx"),
        (row_sums, "G)[:, 0] + bent", "G)[:, 0] - bent"),
        (row_sums, "self._project(self._rows(2)", "self._project(self._rows(1)"),
    ],
)
def test_sabotage_of_the_sweeps_is_noticed(monkeypatch, part, old, new):
    wrong = spoilt(part, old, new)
    layer, theta, x = layer_and_point(degree=4)
    check_sweeps(layer, theta, x)
    if part is module:
        layer = wrong.ChebyshevLayer(layer.ends, 2, 4)
    else:
        monkeypatch.setattr(functions, "RowSums", wrong.RowSums)
    with pytest.raises(AssertionError):
        check_sweeps(layer, theta, x)
