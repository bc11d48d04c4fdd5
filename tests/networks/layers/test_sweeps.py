"""Every sweep of every layer against complex steps; faults in each part of the derivatives are noticed."""

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.networks import layers
from refkan.splines import bsplines, local_basis, sums
from tests.networks.layers.layer_laws import ALL_LAYERS, check_sweeps, layer_and_point, name, random_parameters
from tests.shared.factories import EDGE_KINDS, LayerCase

# --- sweeps

OUTPUTS = {1: 5, 2: 1, 3: 2, 4: 5}
"""By order: the fast engine is compiled for each pair, and for these in test_differential anyway."""


SPLINES = [case for case in ALL_LAYERS if getattr(case, "kind", "") == "spline"]


@pytest.mark.parametrize("case", SPLINES, ids=name)
def test_every_sweep_in_turn_against_complex_steps(case, monkeypatch):
    monkeypatch.setattr(sums.fast, "fastest_sweep", lambda *sizes: None)
    with rk.use_engine("fast"):
        check_sweeps(*layer_and_point(case, OUTPUTS[case.order]))


@pytest.mark.parametrize("case", SPLINES, ids=name)
def test_every_fast_sweep_against_complex_steps(case):
    with rk.use_engine("fast"):
        check_sweeps(*layer_and_point(case, OUTPUTS[case.order]))


@pytest.mark.parametrize("case", ALL_LAYERS, ids=name)
def test_every_sweep_against_complex_steps(case):
    check_sweeps(*layer_and_point(case))


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
    check_sweeps(layer, theta, x)
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
    with pytest.raises(AssertionError):
        check_sweeps(layer, theta, x)


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
