"""Chebyshev layers: values against closed forms, every sweep against complex steps, and their hierarchy (Lemma 6)."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from factories import EPS, NODE_MAPS, complex_gradient, complex_jacobians, samples
from numpy.polynomial import chebyshev
from spoiling import spoilt

import refkan as rk
from refkan.architectures import chebyshev_kan
from refkan.checks import dot_test, gradient_check
from refkan.conditioning import null_vectors
from refkan.hessians import gauss_newton, hessian
from refkan.hierarchy import minimize_multilevel
from refkan.layers import ChebyshevLayer
from refkan.layers import chebyshev as module

POLICIES = ("linear", "polynomial")
ENDS = ((0.0, 1.0), (-2.0, 2.0), (5.0, 5.6))


def layer_and_point(outside="linear", degree=5, n_outputs=2, n=5):
    """Return a layer of three inputs, parameters, and samples of which about a third lie outside."""
    layer = ChebyshevLayer(ENDS, n_outputs, degree, outside)
    rng = np.random.default_rng(1)
    a, b = layer.domains.T
    reach = (-0.2, 1.2) if outside != "error" else (0.0, 1.0)
    return layer, rng.standard_normal(layer.n_params), a + (b - a) * rng.uniform(*reach, (n, 3))


CASES = pytest.mark.parametrize(
    ("outside", "degree"), [(o, d) for o in (*POLICIES, "error") for d in (1, 2, 5)], ids=str
)


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


def test_tails_are_tangents():
    """Value and slope are continuous at the ends; beyond them the slope is constant."""
    layer, theta, _ = layer_and_point()
    for p, end in np.ndindex(3, 2):
        at = layer.domains[p, end]
        x = np.tile(layer.domains.mean(axis=1), (4, 1))
        x[:, p] = at + np.array([-1e-7, 1e-7, 0.3 * (2 * end - 1), 0.7 * (2 * end - 1)])
        here = layer.linearize(theta, x)
        slopes = here.pullback_inputs(np.tile(np.eye(2), (4, 1, 1)))[:, :, p]
        np.testing.assert_allclose(here.value[0], here.value[1], rtol=0, atol=1e-4)
        np.testing.assert_allclose(slopes[0], slopes[1], rtol=0, atol=1e-2)
        np.testing.assert_array_equal(slopes[2], slopes[3])
        np.testing.assert_array_equal(slopes[2], slopes[end])


def test_outside_under_error():
    layer, theta, x = layer_and_point("error")
    assert np.isfinite(layer.linearize(theta, x).value).all()
    with pytest.raises(rk.OutsideDomainError, match=r"got x\[1, 2\] = 5.7 outside \[5.0, 5.6\]"):
        layer.linearize(theta, np.array([[0.5, 0.0, 5.2], [0.5, 0.0, 5.7]]))


def test_without_slopes_the_value_is_the_same():
    layer, theta, x = layer_and_point()
    np.testing.assert_array_equal(layer.linearize(theta, x, slopes=False).value, layer.linearize(theta, x).value)


# --- sweeps


def check_sweeps(layer, theta, x):
    rng = np.random.default_rng(3)
    at = layer.linearize(theta, x)
    y, J, J_x = complex_jacobians(layer, theta, x)
    assert np.abs(at.value - y).max() <= 4e-15 * max(1, np.abs(y).max())
    size, size_x = np.abs(J).max(), np.abs(J_x).max()
    dtheta, dx, dy = rng.standard_normal(theta.size), rng.standard_normal(x.shape), rng.standard_normal(y.shape)
    expected = J @ dtheta + np.einsum("sqp,sp->sq", J_x, dx)
    scale = size * np.abs(dtheta).sum() + size_x * np.abs(dx).sum()
    assert np.abs(at.pushforward(dtheta, dx) - expected).max() <= 1e-14 * scale
    g, g_x = at.pullback(dy)
    assert np.abs(g - np.einsum("sq,sqm->m", dy, J)).max() <= 1e-14 * size * np.abs(dy).sum()
    assert np.abs(g_x - np.einsum("sq,sqp->sp", dy, J_x)).max() <= 1e-14 * size_x * np.abs(dy).sum()
    g_alone, nothing = at.pullback(dy, inputs=False)
    assert nothing is None
    np.testing.assert_array_equal(g_alone, g)
    G = rng.standard_normal((x.shape[0], 4, y.shape[1]))
    out = np.zeros((x.shape[0], 4, theta.size))
    at.fill_jacobian(G, out)
    assert np.abs(out - np.einsum("soq,sqm->som", G, J)).max() <= 1e-14 * size * np.abs(G).sum()
    assert np.abs(at.pullback_inputs(G) - np.einsum("soq,sqp->sop", G, J_x)).max() <= 1e-14 * size_x * np.abs(G).sum()


def check_hessian_product(layer, theta, x):
    rng = np.random.default_rng(4)
    dtheta, dx, dy = (rng.standard_normal(shape) for shape in (theta.shape, x.shape, (x.shape[0], layer.n_outputs)))
    ours = layer.linearize(theta, x).hessian_product(dtheta, dx, dy)
    moved = layer.linearize(theta + 1e-30j * dtheta, x + 1e-30j * dx).pullback(dy.astype(complex))
    for mine, theirs in zip(ours, moved, strict=True):
        expected = theirs.imag / 1e-30
        assert mine.shape == expected.shape
        assert np.abs(mine - expected).max() <= 1e-13 * np.abs(expected).max()


@CASES
def test_every_sweep_against_complex_steps(outside, degree):
    check_sweeps(*layer_and_point(outside, degree))


@CASES
def test_hessian_product_is_the_complex_step_of_the_pullback(outside, degree):
    check_hessian_product(*layer_and_point(outside, degree))


@CASES
def test_adjoint(outside, degree):
    layer, theta, x = layer_and_point(outside, degree, n=6)
    at, M = layer.linearize(theta, x), layer.n_params

    def adjoint(dy):
        g, g_x = at.pullback(dy)
        return np.concatenate([g, g_x.ravel()])

    report = dot_test(lambda v: at.pushforward(v[:M], v[M:].reshape(6, 3)), adjoint, M + 18, (6, 2), rtol=1e-13)
    assert report.ok, report.table


@CASES
def test_the_local_form_says_what_the_layer_is(outside, degree):
    layer, theta, x = layer_and_point(outside, degree)
    at = layer.linearize(theta, x)
    form = at.local_form(curved=True)
    (block,) = form.blocks
    assert (block.slots, block.width, block.dim, form.n_outputs) == (3, degree + 1, degree + 1, 2)
    assert not block.start.any()
    C = theta.reshape(2, 3, degree + 1)
    value = np.einsum("spk,qpk->sq", block.values, C)
    np.testing.assert_allclose(value, at.value, rtol=0, atol=1e-14 * np.abs(C).sum())
    np.testing.assert_allclose(np.einsum("spk,qpk->sqp", block.slopes, C), form.slopes, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(at.pullback_inputs(np.tile(np.eye(2), (5, 1, 1))), form.slopes, rtol=1e-13, atol=1e-13)
    dy = np.random.default_rng(0).standard_normal((5, 2))
    bent = at.hessian_product(np.zeros_like(theta), np.ones_like(x), dy)[1]
    np.testing.assert_allclose(form.curvatures(dy), bent, rtol=0, atol=1e-13 * max(1.0, np.abs(bent).max()))
    assert at.local_form().slopes is None


@pytest.mark.parametrize("n", [0, 1])
def test_no_samples_and_one_sample(n):
    layer, theta, x = layer_and_point(n=1)
    at = layer.linearize(theta, x[:n])
    g, g_x = at.pullback(np.ones((n, 2)))
    assert (at.value.shape, g.shape, g_x.shape) == ((n, 2), theta.shape, (n, 3))
    assert n or not g.any()
    assert at.pushforward(theta, x[:n]).shape == (n, 2)
    assert at.pullback_inputs(np.ones((n, 4, 2))).shape == (n, 4, 3)
    assert at.hessian_product(theta, x[:n], np.ones((n, 2)))[1].shape == (n, 3)


def test_sweeps_leave_their_arguments_alone():
    layer, theta, x = layer_and_point()
    before, value = (theta.copy(), x.copy()), layer.linearize(theta, x).value
    check_sweeps(layer, theta, x)
    check_hessian_product(layer, theta, x)
    for array, copy in zip((theta, x), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(layer.linearize(theta, x).value, value)


# --- networks


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


@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize("node_map", NODE_MAPS)
def test_gradients_of_networks(node_map, outside):
    problem, theta = trained(node_map, outside)
    report = gradient_check(problem.value, problem.gradient, theta)
    assert report.ok, report.table
    g = problem.gradient(theta)

    def loss(v):  # without the absolute values of problem.value, which no complex step passes
        return np.sum((problem.net(v, X) - Y) ** 2) / (2 * X.shape[0])

    reference = complex_gradient(loss, theta)
    J, e = problem.net.jacobian(theta, X), problem.residual(theta)
    scale = np.abs(J).T @ np.abs(e).ravel() / X.shape[0]
    assert np.all(np.abs(g - reference) <= 1e-13 * np.maximum(scale, scale.max()))


@pytest.mark.parametrize("node_map", ["affine", "mean-std", "sigmoid"])
def test_second_derivatives_of_networks(node_map):
    problem, theta = trained(node_map)
    net = problem.net
    H = hessian(net, theta, X, Y)
    h = 1e-5
    ends = [[problem.gradient(theta + sign * h * e) for e in np.eye(theta.size)] for sign in (1, -1)]
    np.testing.assert_allclose(H, (np.array(ends[0]) - ends[1]) / (2 * h), rtol=0, atol=1e-7 * np.abs(H).max())
    v = np.random.default_rng(0).standard_normal(theta.size)
    np.testing.assert_allclose(problem.hessian_vector(theta, v), H @ v, rtol=0, atol=1e-12 * np.abs(H).max() * 10)
    J = net.jacobian(theta, X)
    for path in ("dense", "sparse"):
        G = gauss_newton(net, theta, X, path=path)
        np.testing.assert_allclose(G, J.T @ J / 40, rtol=0, atol=1e-13 * np.abs(G).max())


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
def test_jets_against_complex_steps(outside):
    problem, theta = trained("sigmoid", outside)
    net, x = problem.net, samples(7, seed=2, reach=0.2)
    first = np.array([[1.0, 0.0], [0.3, -2.0]])
    jet = net.jet(theta, x, first)
    for d, direction in enumerate(first):
        slope = net(theta, x + 1e-30j * direction).imag / 1e-30
        np.testing.assert_allclose(jet.first[:, d], slope, rtol=0, atol=1e-12 * np.abs(slope).max())
        bend = net.jet(theta, x + 1e-30j * direction, direction[None] + 0j, orders=1).first[:, 0].imag / 1e-30
        np.testing.assert_allclose(jet.second[:, d], bend, rtol=0, atol=1e-11 * np.abs(bend).max())
    rng = np.random.default_rng(0)
    cotangents = [rng.standard_normal(part.shape) for part in (jet.value, jet.first, jet.second)]
    g = jet.pullback(*cotangents)[0]

    def scalar(v):
        moved = net.jet(v, x, first)
        parts = (moved.value, moved.first, moved.second)
        return sum(np.sum(c * part) for c, part in zip(cotangents, parts, strict=True))

    reference = complex_gradient(scalar, theta)
    np.testing.assert_allclose(g, reference, rtol=0, atol=1e-12 * np.abs(reference).max())


@pytest.mark.parametrize("method", ["gd", "lbfgs", "levenberg-marquardt"])
def test_training(method):
    problem, theta = trained("mean-std")
    options = {"learning_rate": 0.02} if method == "gd" else {}
    result = rk.minimize(problem, theta, method, steps=15, **options)
    assert result.value < problem.value(theta)


# --- the hierarchy


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


def test_any_higher_degree_is_a_target():
    """Refinement multiplies; `convert` serves increments as well."""
    problem, theta = trained("none")
    other = chebyshev_kan([2, 3, 1], [5, 3], node_map="none")
    np.testing.assert_allclose(other(problem.net.convert(theta, other), X), problem.net(theta, X), rtol=0, atol=1e-14)


def test_multilevel_training_does_not_depend_on_splines():
    problem, theta = trained("mean-std")
    result = minimize_multilevel(problem, theta, schedule=[20, 20], method="lbfgs")
    assert [layer.degree for layer in result.network.layers] == [8, 6]
    assert result.theta.size == result.network.n_params
    coarse = rk.minimize(problem, theta, "lbfgs", steps=20)
    assert result.value < coarse.value


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


# --- bad input


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ChebyshevLayer([], 1, 2), ValueError, "ends must hold one pair for each input; got none"),
        (lambda: ChebyshevLayer(3, 1, 2), TypeError, "ends must hold one pair for each input; got 3"),
        (lambda: ChebyshevLayer([(0, 1), (1, 1)], 1, 2), rk.KnotError, r"ends\[1\] must be a pair \(a, b\) with a < b"),
        (lambda: ChebyshevLayer([(0, np.inf)], 1, 2), ValueError, r"ends\[0\] must be finite"),
        (lambda: ChebyshevLayer(ENDS, 0, 2), ValueError, "n_outputs must be at least 1; got 0"),
        (lambda: ChebyshevLayer(ENDS, 1, 0), ValueError, "degree must be at least 1; got 0"),
        (lambda: ChebyshevLayer(ENDS, 1, 1001), ValueError, "degree must be at most 1000; got 1001"),
        (lambda: ChebyshevLayer(ENDS, 1, 2.0), TypeError, "degree must be an integer; got 2.0"),
        (lambda: ChebyshevLayer(ENDS, 1, 2, "natural"), ValueError, "outside must be one of 'linear', 'polynomial'"),
        (lambda: chebyshev_kan([2], 3), ValueError, "widths must hold at least two numbers"),
        (lambda: chebyshev_kan([2, 1], [3, 4]), ValueError, r"degree must be one value or one a layer \(1\)"),
        (lambda: chebyshev_kan([2, 3, 1], [3, 0]), ValueError, r"degree\[1\] must be at least 1; got 0"),
        (lambda: chebyshev_kan([2, 1], 3, node_map="tanh"), ValueError, "node_map must be one of"),
        (lambda: chebyshev_kan([2, 1], 3, outside="natural"), ValueError, "outside must be one of"),
        (lambda: chebyshev_kan([2, 1], 3, domain=[(0, 1)]), ValueError, "one for each of the 2 inputs; got 1 pairs"),
        (lambda: chebyshev_kan([2, 1], 3).refine(0), ValueError, "factor must be at least 1; got 0"),
        (lambda: chebyshev_kan([2, 1], 300).refine(4), ValueError, "degree must be at most 1000; got 1200"),
        (lambda: chebyshev_kan([2, 1], 3).insert(0, [0.5]), ValueError, "got layer 0, a ChebyshevLayer"),
        (lambda: chebyshev_kan([2, 1], 3).with_free_knots(), ValueError, "needs a network with knots; got none"),
        (
            lambda: chebyshev_kan([2, 1], 3).convert(np.zeros(8), chebyshev_kan([2, 1], 2)),
            ValueError,
            "layer 0: other must have at least degree 3; got 2",
        ),
        (
            lambda: chebyshev_kan([2, 1], 3).prolongation(chebyshev_kan([2, 1], 4, domain=(0, 2))),
            ValueError,
            "layer 0: other must have the same domains, outputs and outside rule",
        ),
        (
            lambda: chebyshev_kan([2, 1], 3).convert(np.zeros(8), rk.kan([2, 1], 3, 3)),
            ValueError,
            "layer 0: cannot convert a ChebyshevLayer into a SplineLayer",
        ),
        (
            lambda: rk.kan([2, 1], 3, 3).prolongation(chebyshev_kan([2, 1], 3)),
            ValueError,
            "layer 0: cannot prolong a SplineLayer into a ChebyshevLayer",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- sabotage


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("+ m * rows[m - 1, ..., k])", "+ rows[m - 1, ..., k])"),
        ("- rows[m, ..., k - 1]", "+ rows[m, ..., k - 1]"),
        ("rows[2:] *= beyond == 0", "pass"),
        ("np.multiply(G[:, :, :, None, None], self.rows[0]", "np.multiply(G[:, :, :, None, None], self.rows[1]"),
        ("moved = self.rows[1] * dx[:, :, None]", "moved = 2 * self.rows[1] * dx[:, :, None]"),
        ("moving + bending * dx", "moving - bending * dx"),
        ("self.edge_derivatives(2))", "self.edge_derivatives(1))"),
    ],
)
def test_sabotage_of_the_sweeps_is_noticed(old, new):
    wrong = spoilt(module, old, new)
    layer, theta, x = layer_and_point(degree=4)
    layer = wrong.ChebyshevLayer(layer.ends, 2, 4)
    with pytest.raises(AssertionError):
        check_both(layer, theta, x)


def check_both(layer, theta, x):
    check_sweeps(layer, theta, x)
    check_hessian_product(layer, theta, x)


def test_sabotage_of_the_padding_is_noticed():
    """Zeros in front instead of behind: the rows of the matrix reversed edge by edge."""
    problem, theta = trained()
    net = problem.net
    fine = net.refine()
    theta_fine = net.convert(theta, fine)
    wrong = np.concatenate([fine.unpack(theta_fine)[k]["coefficients"][:, :, ::-1].ravel() for k in range(2)])
    y = net(theta, X)
    assert np.abs(fine(theta_fine, X) - y).max() <= 1e-14 * np.abs(y).max()
    assert np.abs(fine(wrong, X) - y).max() > 1e-3
