"""Layers: values against exact sums, every sweep against complex steps, and starting parameters."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from factories import (
    EDGE_KINDS,
    EPS,
    EVERY_LAYER,
    LayerCase,
    complex_jacobians,
    exact_bsplines,
    exact_powers,
)

import refkan as rk
from refkan import bsplines, definitions, knots, local_basis, relu_powers
from refkan.checks import dot_test
from refkan.layers import activations, edges

DENSE = [
    rk.DenseLayer(3, 2, activation, bias)
    for activation in ("relu", "relu3", "tanh", "silu", "identity")
    for bias in (True, False)
]


def name(case):
    return f"dense-{case.activation}-{case.bias}" if isinstance(case, rk.DenseLayer) else str(case)


def random_parameters(layer, seed=0):
    """Parameters without structure; s moderate, so that free knots stay apart from the samples' usual places."""
    rng = np.random.default_rng(seed)
    blocks = {key: rng.standard_normal(shape) for key, shape in layer.blocks.items()}
    if "s" in blocks:
        blocks["s"] *= 0.3
    return layer.pack(**blocks)


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


@pytest.mark.parametrize("outside", ["linear", "polynomial", "natural"])
def test_spline_and_relu_layers_against_the_papers_sums(outside):
    for kind, reference in (("spline", definitions.spline_layer), ("relu", definitions.relu_layer)):
        case = LayerCase(kind, 3, outside)
        layer, x = case.build(), case.samples()
        C = layer.unpack(random_parameters(layer))["coefficients"]
        y = layer.linearize(random_parameters(layer), x).value
        vectors = [S.knots.tolist() for S in layer.spaces]
        for s in range(x.shape[0]):
            np.testing.assert_allclose(
                y[s], reference(C.tolist(), vectors, 3, x[s].tolist(), outside=outside), rtol=1e-12
            )


@pytest.mark.parametrize("case", [LayerCase(kind, order) for kind in EDGE_KINDS for order in (1, 3)], ids=str)
def test_without_slopes_the_value_is_the_same(case):
    layer, x = case.build(), case.samples(9)
    theta = random_parameters(layer)
    np.testing.assert_array_equal(layer.linearize(theta, x, slopes=False).value, layer.linearize(theta, x).value)


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


@pytest.mark.parametrize("activation", sorted(activations.ACTIVATIONS))
def test_activations(activation):
    f = activations.ACTIVATIONS[activation]
    z = np.array([-800.0, -30.0, -1.0, -1e-3, 1e-3, 0.7, 30.0, 800.0])
    # The slope of tanh is a difference of numbers of size one.
    np.testing.assert_allclose(f.value(z + 1e-30j).imag / 1e-30, f.slope(z), rtol=1e-14, atol=EPS)
    np.testing.assert_allclose(f.value(z + 0j).real, f.value(z), rtol=4 * EPS)
    assert np.all(np.isfinite(f.value(z)))


def test_sigmoid_of_large_numbers():
    np.testing.assert_array_equal(activations.sigmoid(np.array([-1e5, 0.0, 1e5])), [0, 0.5, 1])
    z = np.array([-700.0, -5.0, 3.0])
    np.testing.assert_allclose(activations.sigmoid(z) + activations.sigmoid(-z), 1, rtol=2 * EPS)


# --- sweeps


@pytest.mark.parametrize("case", [*EVERY_LAYER, *DENSE], ids=name)
def test_every_sweep_against_complex_steps(case, rng):
    layer = case if isinstance(case, rk.DenseLayer) else case.build()
    x = rng.standard_normal((5, 3)) if isinstance(case, rk.DenseLayer) else case.samples()
    theta = random_parameters(layer)
    at = layer.linearize(theta, x)
    y, J, J_x = complex_jacobians(layer, theta, x)
    scale = max(1.0, np.abs(y).max())
    np.testing.assert_allclose(at.value, y, rtol=0, atol=4e-15 * scale)
    # Jacobians are themselves sums of some ten contributions of both signs: relative to the largest entries.
    size = np.abs(J).max(axis=(0, 1)) + np.abs(J).max(), np.abs(J_x).max()
    N, Q, M = J.shape

    dtheta, dx = rng.standard_normal(M), rng.standard_normal(x.shape)
    pushed = at.pushforward(dtheta, dx)
    scale = np.abs(dtheta) @ size[0] + size[1] * np.abs(dx).sum()
    np.testing.assert_allclose(pushed, J @ dtheta + np.einsum("sqp,sp->sq", J_x, dx), rtol=0, atol=1e-14 * scale)

    dy = rng.standard_normal((N, Q))
    g, g_x = at.pullback(dy)
    assert np.all(np.abs(g - np.einsum("sq,sqm->m", dy, J)) <= 1e-14 * size[0] * np.abs(dy).sum())
    np.testing.assert_allclose(g_x, np.einsum("sq,sqp->sp", dy, J_x), rtol=0, atol=1e-14 * size[1] * np.abs(dy).sum())
    g_alone, nothing = at.pullback(dy, inputs=False)
    assert nothing is None
    np.testing.assert_array_equal(g_alone, g)

    G = rng.standard_normal((N, 4, Q))
    scale = 1e-14 * size[1] * np.abs(G).max() * Q
    np.testing.assert_allclose(at.pullback_inputs(G), np.einsum("soq,sqp->sop", G, J_x), rtol=0, atol=scale)
    out = np.zeros((N, 4, M))
    at.fill_jacobian(G, out)
    error = np.abs(out - np.einsum("soq,sqm->som", G, J)).max(axis=(0, 1))
    assert np.all(error <= 1e-14 * size[0] * np.abs(G).max() * Q)


@pytest.mark.parametrize(
    "case", [LayerCase(kind, free_knots=free) for kind in EDGE_KINDS for free in (False, True)], ids=str
)
def test_sweeps_leave_their_arguments_alone(case, rng):
    layer, x = case.build(), case.samples()
    theta = random_parameters(layer)
    dy, dtheta, dx = rng.standard_normal((5, 2)), rng.standard_normal(theta.size), rng.standard_normal(x.shape)
    G = rng.standard_normal((5, 3, 2))
    arrays = (theta, x, dy, dtheta, dx, G)
    before = [a.copy() for a in arrays]
    at = layer.linearize(theta, x)
    value = at.value.copy()
    at.pullback(dy)
    at.pushforward(dtheta, dx)
    at.pullback_inputs(G)
    at.fill_jacobian(G, np.zeros((5, 3, theta.size)))
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(at.value, value)
    # and a second pull-back gives the same again
    np.testing.assert_array_equal(at.pullback(dy)[0], at.pullback(dy)[0])


@pytest.mark.parametrize("case", EVERY_LAYER[::3], ids=str)
def test_adjoints(case):
    layer, x = case.build(), case.samples(6)
    at = layer.linearize(random_parameters(layer), x)
    M = layer.n_params

    def forward(v):
        return at.pushforward(v[:M], v[M:].reshape(x.shape))

    def adjoint(dy):
        g, g_x = at.pullback(dy)
        return np.concatenate([g, g_x.ravel()])

    report = dot_test(forward, adjoint, M + x.size, (6, 2), rtol=1e-13)
    assert report.ok, report.table


@pytest.mark.parametrize(
    ("P", "Q", "N"), [(1, 1, 700), (2, 3, 1501), (2, 20, 5003), (9, 17, 1030), (1, 8, 4999)], ids=str
)
def test_layers_of_many_samples_inputs_and_outputs_against_matrices(P, Q, N, rng):
    """Blocks, chunks and parts of the samples, partial ones too, against one matrix product."""
    spaces = tuple(rk.SplineSpace.uniform(3, 4, (-p, 1.0)) for p in range(P))
    layer = rk.SplineLayer(spaces, Q)
    x = rng.uniform(-0.1 - np.arange(P), 1.1, (N, P))
    theta, dy = rng.standard_normal(layer.n_params), rng.standard_normal((N, Q))
    C = theta.reshape(Q, P, -1)
    at = layer.linearize(theta, x)
    g, g_x = at.pullback(dy)
    y = np.zeros((N, Q))
    for p, S in enumerate(spaces):
        column = x[:, p].copy()
        B, D = (bsplines.design_matrix(S, column, k, "linear").toarray() for k in (0, 1))
        y += B @ C[:, p].T
        expected = (dy.T @ B).ravel()
        got = g.reshape(C.shape)[:, p].ravel()
        scale = (np.abs(dy).T @ np.abs(B)).ravel()
        assert np.all(np.abs(got - expected) <= 1e-13 * scale)  # a sum of up to N terms, in another order
        np.testing.assert_allclose(g_x[:, p], np.sum((D @ C[:, p].T) * dy, axis=1), rtol=0, atol=1e-13 * Q * 10)
    np.testing.assert_allclose(at.value, y, rtol=0, atol=1e-14 * P * 10)


@pytest.mark.parametrize(
    "case", [LayerCase(kind, free_knots=free) for kind in EDGE_KINDS for free in (False, True)], ids=str
)
@pytest.mark.parametrize("n", [0, 1])
def test_no_samples_and_one_sample(case, n):
    layer, x = case.build(), case.samples()[:n]
    theta = random_parameters(layer)
    at = layer.linearize(theta, x)
    assert at.value.shape == (n, 2)
    g, g_x = at.pullback(np.ones((n, 2)))
    assert (g.shape, g_x.shape) == ((layer.n_params,), (n, 3))
    assert n or not g.any()
    assert at.pushforward(theta, x).shape == (n, 2)
    assert at.pullback_inputs(np.ones((n, 4, 2))).shape == (n, 4, 3)
    layer.linearize(theta, x).fill_jacobian(np.ones((n, 4, 2)), np.zeros((n, 4, layer.n_params)))


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_one_interval_has_no_free_knot_to_move(kind):
    layer = LayerCase(kind, free_knots=True, intervals=1).build()
    x = LayerCase(kind).samples()
    theta = random_parameters(layer)
    at = layer.linearize(theta, x)
    assert not layer.unpack(at.pullback(np.ones((5, 2)))[0])["s"].any()
    dtheta = layer.pack(**{k: np.full(shape, float(k == "s")) for k, shape in layer.blocks.items()})
    assert not at.pushforward(dtheta, np.zeros_like(x)).any()
    J = np.zeros((5, 2, layer.n_params))
    at.fill_jacobian(np.tile(np.eye(2), (5, 1, 1)), J)
    np.testing.assert_allclose(np.einsum("sqm->m", J), at.pullback(np.ones((5, 2)))[0], rtol=1e-12, atol=1e-12)


# --- parameters


@pytest.mark.parametrize(
    "case", [LayerCase(kind, free_knots=free) for kind in EDGE_KINDS for free in (False, True)], ids=str
)
def test_blocks_lie_in_order_as_views(case):
    layer = case.build()
    dim = 5
    shapes = {"coefficients": (2, 3, dim)}
    if case.free_knots:
        shapes["s"] = (3, 3)
    if case.kind == "silu":
        shapes |= {"w_b": (2, 3), "w_s": (2, 3)}
    assert layer.blocks == shapes
    assert list(layer.blocks) == list(shapes)
    theta = np.arange(float(layer.n_params))
    views = layer.unpack(theta)
    assert views["coefficients"][1, 2, 3] == (1 * 3 + 2) * dim + 3
    np.testing.assert_array_equal(np.concatenate([v.ravel() for v in views.values()]), theta)
    np.testing.assert_array_equal(layer.pack(**views), theta)
    views["coefficients"][0, 0, 0] = -1
    assert theta[0] == -1


def test_pack_refuses_a_wrong_shape():
    layer = LayerCase("spline").build()
    with pytest.raises(ValueError, match=r"coefficients must have shape \(2, 3, 5\); got \(2, 3, 4\)"):
        layer.pack(coefficients=np.zeros((2, 3, 4)))


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


# --- starting parameters


def wide_layer(kind="spline", Q=600, free_knots=False):
    return LayerCase(kind, order=3, free_knots=free_knots).build(n_outputs=Q)


@pytest.mark.parametrize("scheme", ["linear", "gaussian"])
@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_starting_parameters_follow_the_generator(kind, scheme):
    layer, x = LayerCase(kind).build(), LayerCase(kind).samples(50)
    first, again, other = (layer.initialize(np.random.default_rng(seed), x, scheme) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


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


@pytest.mark.parametrize("kind", ["relu", "scaled-relu"])
@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
def test_linear_scheme_is_the_same_function_in_every_basis(kind, free):
    x = LayerCase("spline").samples(40)
    values = []
    for k in ("spline", kind):
        layer = LayerCase(k, free_knots=free).build()
        values.append(layer.linearize(layer.initialize(np.random.default_rng(2), x), x).value)
    np.testing.assert_allclose(values[1], values[0], rtol=0, atol=1e-11)


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


@pytest.mark.parametrize("scheme", ["linear", "gaussian"])
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


# --- sabotage: the comparison with complex steps notices faults in each part


def sweep_is_right(layer, theta, x):
    dy = np.random.default_rng(9).standard_normal((x.shape[0], 2))
    g, g_x = layer.linearize(theta, x).pullback(dy)
    _, J, J_x = complex_jacobians(layer, theta, x)
    return np.allclose(g, np.einsum("sq,sqm->m", dy, J), rtol=1e-12, atol=1e-12) and np.allclose(
        g_x, np.einsum("sq,sqp->sp", dy, J_x), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("kind", EDGE_KINDS)
@pytest.mark.parametrize("part", ["free_breakpoints_vjp", "local_basis", "relu_rows", "relu_knot_rows"])
@pytest.mark.parametrize("factor", [-1.0, 1 + 1e-6])
def test_sabotage_of_derivatives_is_noticed(monkeypatch, kind, part, factor):
    module = rk.layers.relu if "relu" in kind else rk.layers.spline
    if module is rk.layers.spline and part == "free_breakpoints_vjp":
        module = rk.layers.free_knots
    if not hasattr(module, part):
        pytest.skip(f"{kind} layers do not use {part}")
    layer, x = LayerCase(kind, free_knots=True).build(), LayerCase(kind).samples()
    theta = random_parameters(layer)
    assert sweep_is_right(layer, theta, x)
    right = getattr(module, part)

    def faulty(*args):
        result = right(*args)
        if part == "local_basis":
            rows = result.rows.copy()
            rows[1:] *= factor
            return local_basis.LocalBasis(result.start, rows)
        if part == "relu_rows":
            result = result.copy()
            result[1:] *= factor
            return result
        return factor * result

    monkeypatch.setattr(module, part, faulty)
    assert not sweep_is_right(layer, theta, x)


def test_relu_rows_and_design_matrix_agree():
    S = rk.SplineSpace.uniform(3, 4)
    x = np.array([0.1, 0.5, 0.9])
    rows = relu_powers.relu_rows(S.knots[None], 3, np.ones(1), x[:, None], 1, "linear")
    np.testing.assert_array_equal(rows[1, :, 0], relu_powers.design_matrix(S, x, 1))
