"""Every sweep of every layer against complex steps; faults in each part of the derivatives are noticed."""

from dataclasses import replace

import pytest

import refkan as rk
from refkan.networks import layers
from refkan.splines import local_basis, sums
from tests.networks.layers.layer_laws import ALL_LAYERS, check_sweeps, layer_and_point, name, random_parameters
from tests.shared.factories import EDGE_KINDS, LayerCase

# --- sweeps

OUTPUTS = {1: 5, 2: 1, 3: 2, 4: 5}
"""By order: the fast engine is compiled for each pair, and for these in test_differential anyway."""


SPLINES = [case for case in ALL_LAYERS if getattr(case, "kind", "") == "spline"]


@pytest.mark.parametrize("case", SPLINES, ids=name)
def test_every_fast_sweep_against_complex_steps(case):
    with rk.use_engine("fast"):
        check_sweeps(*layer_and_point(case, OUTPUTS[case.order]))


@pytest.mark.parametrize("case", ALL_LAYERS, ids=name)
def test_every_sweep_against_complex_steps(case):
    check_sweeps(*layer_and_point(case))


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
        "free_breakpoints_vjp": layers.knot_layers.spline,
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
    monkeypatch.setattr(sums.spline_functions, "fastest_sweep", lambda *sizes: None)
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
