"""Every sweep of every layer against complex steps; faults in each part of the derivatives are noticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.checks import dot_test
from refkan.networks import layers
from refkan.splines import bsplines, local_basis, sums
from tests.networks.layers.plain_layers import DENSE, name, random_parameters
from tests.shared.factories import (
    EDGE_KINDS,
    EVERY_LAYER,
    LayerCase,
    complex_jacobians,
)

# --- sweeps

OUTPUTS = {1: 5, 2: 1, 3: 2, 4: 5}
"""By order: the fast engine is compiled for each pair, and for these in test_differential anyway."""


@pytest.mark.parametrize("case", [case for case in EVERY_LAYER if case.kind == "spline"], ids=name)
def test_every_sweep_in_turn_against_complex_steps(case, rng, monkeypatch):
    monkeypatch.setattr(sums.fast, "fastest_sweep", lambda *sizes: None)
    with rk.use_engine("fast"):
        sweeps_against_complex_steps(case.build(OUTPUTS[case.order]), case.samples(), rng)


@pytest.mark.parametrize("case", [case for case in EVERY_LAYER if case.kind == "spline"], ids=name)
def test_every_fast_sweep_against_complex_steps(case, rng):
    with rk.use_engine("fast"):
        sweeps_against_complex_steps(case.build(OUTPUTS[case.order]), case.samples(), rng)


@pytest.mark.parametrize("case", [*EVERY_LAYER, *DENSE], ids=name)
def test_every_sweep_against_complex_steps(case, rng):
    layer = case if isinstance(case, rk.DenseLayer) else case.build()
    x = rng.standard_normal((5, 3)) if isinstance(case, rk.DenseLayer) else case.samples()
    sweeps_against_complex_steps(layer, x, rng)


def sweeps_against_complex_steps(layer, x, rng):
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
    ("P", "Q", "N"), [(1, 1, 700), (2, 5, 1501), (2, 20, 5003), (9, 17, 1030), (1, 8, 4999)], ids=str
)
def test_layers_of_many_samples_inputs_and_outputs_against_matrices(P, Q, N, rng):
    """Blocks, chunks and parts of the samples, partial ones too, against one matrix product."""
    spaces = tuple(rk.SplineSpace.uniform(4, 4, (-p, 1.0)) for p in range(P))
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


# --- sabotage: the comparison with complex steps notices faults in each part


def sweep_is_right(layer, theta, x):
    dy = np.random.default_rng(9).standard_normal((x.shape[0], 2))
    g, g_x = layer.linearize(theta, x).pullback(dy)
    _, J, J_x = complex_jacobians(layer, theta, x)
    return np.allclose(g, np.einsum("sq,sqm->m", dy, J), rtol=1e-12, atol=1e-12) and np.allclose(
        g_x, np.einsum("sq,sqp->sp", dy, J_x), rtol=1e-12, atol=1e-12
    )


def parts(kind):
    """What the derivatives of a layer are made of, and where it is looked up."""
    if "relu" in kind:
        return {
            "free_breakpoints_vjp": layers.knot_layers.relu,
            "relu_rows": layers.knot_layers.relu,
            "_rows": layers.knot_layers.relu.FreeKinks,
        }
    found = {
        "free_breakpoints_vjp": layers.knot_layers.free_knots,
        "local_basis": sums.sums,
        "pieces": local_basis.KnotTables,
    }
    return found | ({"pull_back": layers.knot_layers.silu.EdgeScales} if kind == "silu" else {})


@pytest.mark.parametrize(("kind", "part"), [(kind, part) for kind in EDGE_KINDS for part in parts(kind)])
@pytest.mark.parametrize("factor", [-1.0, 1 + 1e-6])
def test_sabotage_of_derivatives_is_noticed(monkeypatch, kind, part, factor):
    layer, x = LayerCase(kind, free_knots=True).build(), LayerCase(kind).samples()
    theta = random_parameters(layer)
    with rk.use_engine("fast" if part == "pieces" else "plain"):
        check_that_a_fault_is_noticed(monkeypatch, layer, x, theta, parts(kind)[part], part, factor)


@pytest.mark.parametrize("factor", [-1.0, 1 + 1e-6])
def test_sabotage_of_the_fast_basis_is_noticed(monkeypatch, factor):
    """Samples in turn."""
    monkeypatch.setattr(sums.fast, "fastest_sweep", lambda *sizes: None)
    layer, x = LayerCase("spline", free_knots=True).build(), LayerCase("spline").samples()
    with rk.use_engine("fast"):
        theta = random_parameters(layer)
        check_that_a_fault_is_noticed(monkeypatch, layer, x, theta, sums.sums, "local_basis", factor)


def check_that_a_fault_is_noticed(monkeypatch, layer, x, theta, owner, part, factor):
    assert sweep_is_right(layer, theta, x)
    right = owner.pieces.__get__ if part == "pieces" else getattr(owner, part)

    def faulty(*args, **options):
        result = right(*args, **options)
        if part == "local_basis":
            rows = result.rows.copy()
            rows[1:] *= factor
            return local_basis.LocalBasis(result.start, rows)
        if part == "relu_rows":
            result = result.copy()
            result[1:] *= factor
            return result
        if part == "pieces":
            return replace(result, slopes=factor * result.slopes)
        return factor * result

    monkeypatch.setattr(owner, part, property(faulty) if part == "pieces" else faulty)
    assert not sweep_is_right(layer, theta, x)


@pytest.mark.parametrize(("N", "P"), [(1023, 1), (1024, 1), (1025, 1), (1599, 3), (4097, 2)])
def test_no_sample_is_lost_where_samples_are_summed_in_parts(N, P, monkeypatch):
    """Numbers of samples that the parts do not divide: coefficients of the last sample alone are seen as well."""
    monkeypatch.setattr(sums.fast, "fastest_sweep", lambda *sizes: None)
    layer = rk.SplineLayer((rk.SplineSpace.uniform(3, 4),) * P, n_outputs=8)
    rng = np.random.default_rng(0)
    x, dy = rng.uniform(size=(N, P)), rng.standard_normal((N, 8))
    with rk.use_engine("fast"):
        at = layer.linearize(random_parameters(layer), x)
    dC = layer.unpack(at.pullback(dy, inputs=False)[0])["coefficients"]
    for p in range(P):
        rows = bsplines.design_matrix(layer.spaces[p], x[:, p])
        scale = (rows.T @ np.abs(dy)).T.max()
        np.testing.assert_allclose(dC[:, p], (rows.T @ dy).T, rtol=0, atol=4e-15 * scale)
