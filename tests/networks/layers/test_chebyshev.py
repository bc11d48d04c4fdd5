"""Chebyshev layers: values and tails in closed form, parameters, null vectors, refinement by degree, faults noticed."""

from functools import cache

import numpy as np
import pytest
from numpy.polynomial import chebyshev

import refkan as rk
from refkan.analysis.conditioning.null_space import null_vectors
from refkan.networks import chebyshev_kan
from refkan.networks.layers import ChebyshevLayer, functions, row_sums
from refkan.networks.layers import chebyshev as module
from tests.networks.layers.layer_laws import check_sweeps
from tests.shared.factories import EPS, NODE_MAPS, samples
from tests.shared.spoiling import spoilt
from tests.shared.tables import each_row

POLICIES = ("linear", "polynomial")
ENDS = ((0.0, 1.0), (-2.0, 2.0), (5.0, 5.6))


def layer_and_point(outside="linear", degree=5, n_outputs=2, n=5):
    """Return a layer of three inputs, parameters, and samples of which about a third lie outside."""
    layer = ChebyshevLayer(ENDS, n_outputs, degree, outside)
    rng = np.random.default_rng(1)
    a, b = layer.domains.T
    reach = (-0.2, 1.2) if outside != "error" else (0.0, 1.0)
    return layer, rng.standard_normal(layer.n_params), a + (b - a) * rng.uniform(*reach, (n, 3))


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
    starts = [layer.initialize(np.random.default_rng(1), at, "linear") for at in (x, x[:0])]
    np.testing.assert_array_equal(*starts)  # which does not look at samples


@each_row(
    "part, old, new",
    (module, "+ m * rows[m - 1, ..., k])", "+ rows[m - 1, ..., k])"),
    (module, "- rows[m, ..., k - 1]", "+ rows[m, ..., k - 1]"),
    (module, "rows[2:] *= beyond == 0", "pass"),
    (row_sums, "self.W[:, :, None], out=out)", "self.rows[1][:, None, None], out=out)"),
    (row_sums, "self.project(G[:, :, 0], 1)", "self.project(G[:, :, 0], 0)"),
    (row_sums, "tangent += self._contract(", "tangent -= self._contract("),
    (row_sums, "moved = dy.T @ (slopes * dx", "moved = dy.T @ (2 * slopes * dx"),
    (row_sums, "turned + bent", "turned - bent"),
    (row_sums, "self._project(self._rows(2)", "self._project(self._rows(1)"),
)
def test_sabotage_of_the_sweeps_is_noticed(monkeypatch, part, old, new):
    wrong = spoilt(part, old, new)
    layer, theta, x = layer_and_point(degree=4)
    check_sweeps(layer, theta, x)
    if part is module:
        layer = wrong.ChebyshevLayer(layer.ends, 2, 4)
    else:
        monkeypatch.setattr(functions, "row_sums", wrong.row_sums)
    with pytest.raises(AssertionError):
        check_sweeps(layer, theta, x)


X = samples(40)
Y = np.cos(6 * X[:, :1]) + X[:, 1:] ** 2


@cache
def trained(node_map="affine", outside="linear", degree=(4, 3)):
    """Return a problem and parameters after some large steps of Adam."""
    net, theta = chebyshev_kan([2, 3, 1], degree, node_map=node_map, outside=outside).initialize(
        np.random.default_rng(7), X
    )
    problem = rk.LeastSquares(net, X, Y)
    theta = rk.minimize(problem, theta, "adam", steps=40, learning_rate=0.02).theta
    theta.flags.writeable = False
    return problem, theta


@pytest.mark.parametrize("node_map", NODE_MAPS)
def test_null_vectors(node_map):
    """(P - 1) Q in each layer, two more for each hidden node where statistics undo shift and scale."""
    problem, theta = trained(node_map)
    Z = null_vectors(problem.net, theta, X)
    assert np.abs(problem.net.jacobian(theta, X) @ Z).max() < 1e-12
    assert Z.shape[1] == 3 + 2 + 6 * (node_map in ("mean-std", "min-max"))
    spectrum = rk.spectrum(problem, theta)
    assert spectrum.analytic_nullity == Z.shape[1] <= spectrum.nullity
    moved = null_vectors(problem.net, theta, X, translations=True)
    y = problem.net(theta, X)
    np.testing.assert_allclose(problem.net(theta + 3 * moved[:, 0], X), y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize("node_map", NODE_MAPS)
def test_refinement_leaves_trained_networks_unchanged(node_map, outside):
    problem, theta = trained(node_map, outside)
    net = problem.net
    x = np.concatenate([X, samples(40, seed=8, reach=0.3)])
    y = net(theta, x)
    for factor in (2, (1, 3)):
        fine = net.refine(factor)
        theta_fine = net.convert(theta, fine)
        assert np.abs(fine(theta_fine, x) - y).max() <= 1e-14 * np.abs(y).max()
        P = net.prolongation(fine)
        np.testing.assert_array_equal(P @ theta, theta_fine)
        assert P.shape == (fine.n_params, net.n_params)
        np.testing.assert_array_equal((P.T @ P).toarray(), np.eye(net.n_params))
        fine_problem = rk.LeastSquares(fine, X, Y)
        g, g_fine = problem.gradient(theta), fine_problem.gradient(theta_fine)
        np.testing.assert_allclose(P.T @ g_fine, g, rtol=0, atol=1e-13 * np.abs(g).max())
        H, H_fine = problem.gauss_newton(theta), fine_problem.gauss_newton(theta_fine)
        np.testing.assert_allclose(P.T @ H_fine @ P, H, rtol=0, atol=1e-12 * np.abs(H).max())


def test_refinement_multiplies_the_degree():
    net, theta = trained()[0].net, trained()[1]
    fine = net.refine((2, 3))
    assert [layer.degree for layer in fine.layers] == [8, 9]
    assert net.refine().refine().layers == net.refine(4).layers
    assert net.refine(1).layers == net.layers
    C = fine.unpack(net.convert(theta, fine))[0]["coefficients"]
    np.testing.assert_array_equal(C[:, :, :5], net.unpack(theta)[0]["coefficients"])
    assert not C[:, :, 5:].any()
    assert "Chebyshev of degree 8, Chebyshev of degree 9, maps: affine" in repr(fine)
