"""Sweeps of every layer against complex steps, activations, and a layer of a new basis."""

import re
import sys
import types
from dataclasses import replace
from pathlib import Path

import mpmath
import numpy as np
import pytest

import refkan as rk
from refkan.networks import layers
from refkan.networks.layers import activations
from refkan.networks.node_maps.kinds import SigmoidMap
from refkan.splines import local_basis, sums
from refkan.splines.sums.channels import VALUES
from tests.networks.layers.layer_laws import ALL_LAYERS, check_sweeps, layer_and_point, name, random_parameters
from tests.shared.factories import EDGE_KINDS, EPS, LayerCase
from tests.shared.thresholds import engine_in_python

OUTPUTS = {3: 5, 4: 3}
"""By order: the fast engine is compiled for these in test_differential anyway; for others it runs in Python."""


SPLINES = [case for case in ALL_LAYERS if getattr(case, "kind", "") == "spline"]


@pytest.mark.parametrize("case", SPLINES, ids=name)
def test_every_fast_sweep_against_complex_steps(case):
    with rk.use_engine("fast") if case.order in OUTPUTS else engine_in_python("fast"):
        check_sweeps(*layer_and_point(case, OUTPUTS.get(case.order, 1)))


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
        "basis_and_sums": sums.sums,
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
        if part in ("local_basis", "basis_and_sums"):
            basis, *values = result if part == "basis_and_sums" else [result]
            rows = basis.rows.copy()
            rows[1:] *= factor
            basis = local_basis.LocalBasis(basis.start, rows)
            return (basis, *values) if values else basis
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


TEXT = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text()
(CODE,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
CENTRES = tuple(np.linspace(-1.5, 1.5, 7))


@pytest.fixture(scope="module")
def layer_class():
    module = types.ModuleType("gaussian_layer_of_the_page")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(CODE, module.__dict__)
        yield module.GaussianLayer
    finally:
        del sys.modules[module.__name__]


@pytest.fixture(scope="module")
def built(layer_class):
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (30, 2))
    net = rk.Network(
        (layer_class(2, 3, CENTRES), layer_class(3, 1, CENTRES)), (rk.networks.node_maps.NODE_MAPS["sigmoid"],)
    )
    net, theta = net.initialize(np.random.default_rng(1), x)
    return net, theta, x


def test_the_example_is_short():
    assert len(CODE.splitlines()) <= 36


def test_sweeps_of_the_layer_against_complex_steps(layer_class):
    layer, rng = layer_class(2, 3, CENTRES), np.random.default_rng(3)
    theta, x = rng.standard_normal(layer.n_params), rng.uniform(-1.0, 1.0, (6, 2))
    check_sweeps(layer, theta, x)


def test_hessians_and_spectra(built):
    net, theta, x = built
    problem = rk.LeastSquares(net, x, np.sin(3 * x[:, :1]))
    H = problem.hessian(theta)
    columns = [problem.gradient(theta + 1e-5 * e) - problem.gradient(theta - 1e-5 * e) for e in np.eye(theta.size)]
    np.testing.assert_allclose(H, np.stack(columns, axis=1) / 2e-5, rtol=0, atol=1e-8 * np.abs(H).max())
    J = problem.jacobian(theta)
    np.testing.assert_allclose(problem.gauss_newton(theta), J.T @ J, rtol=0, atol=1e-13 * np.abs(J.T @ J).max())
    assert rk.spectrum(problem, theta).rank <= 30


# Stationary points and inflexions, where terms cancel; tiny arguments; far out, where exp underflows.
Z = np.concatenate(
    [
        np.linspace(-800.0, 800.0, 201),
        np.linspace(-40.0, 40.0, 321) + 1 / 7,
        [-1.2784645427610738, 2.399357280515468, -2.399357280515468, 0.6584789484624084],
        [s * 10.0**k for s in (-1, 1) for k in range(-300, 0, 23)],
        [0.0],
    ]
)
TINIEST = np.finfo(np.float64).tiny  # of the numbers with all their digits


def tanh(z):
    """Derivatives of tanh, and sums of the sizes of their terms."""
    t, s = mpmath.tanh(z), mpmath.sech(z) ** 2
    return [t, s, -2 * t * s, 2 * s * (2 - 3 * s)], [abs(t), s, abs(2 * t * s), 2 * s * (2 + 3 * s)]


def sigmoid(z):
    """Those of the sigmoid."""
    g, h = 1 / (1 + mpmath.exp(-z)), 1 / (1 + mpmath.exp(z))
    d = h - g
    return [g, g * h, g * h * d, g * h * (1 - 6 * g * h)], [g, g * h, abs(g * h * d), g * h * (1 + 6 * g * h)]


def silu(z):
    """Those of z sigmoid(z), by the rule of products."""
    terms, sizes = sigmoid(z)
    rows = [z * terms[0], *(z * terms[k] + k * terms[k - 1] for k in (1, 2, 3))]
    return rows, [abs(z) * sizes[0], *(abs(z) * sizes[k] + k * sizes[k - 1] for k in (1, 2, 3))]


EXACT = {"tanh": tanh, "sigmoid": sigmoid, "silu": silu}


@pytest.fixture(scope="module")
def exact():
    """Derivatives and sizes (4, Z) of each function, rounded once."""
    with mpmath.workdps(700):  # so that differences near 1e-300 keep digits
        rows = {name: [function(mpmath.mpf(float(z))) for z in Z] for name, function in EXACT.items()}
    return {
        name: tuple(np.array([[float(x) for x in part[j]] for part in of_all]).T for j in (0, 1))
        for name, of_all in rows.items()
    }


def computed(name, z):
    """Value and three derivatives in turn, by each way to them."""
    if name == "sigmoid":
        domains = np.tile([0.0, 1.0], (z.size, 1))
        node_map = SigmoidMap(domains)
        yield activations.sigmoid_derivatives(z, 4)
        jet = node_map.at(z[None, None], VALUES)
        yield np.stack([jet.value[0, 0], jet.slope[0], jet.curvature[0]])
        yield node_map.derivatives(z[None], 4)[:, 0]
    else:
        f = activations.ACTIVATIONS[name]
        yield from (f.derivatives(z, count) for count in (1, 2, 3, 4))


@pytest.mark.parametrize("kind", [np.float64, np.complex128])
@pytest.mark.parametrize("name", sorted(EXACT))
def test_derivatives_keep_their_digits_where_functions_level_off(name, kind, exact):
    truth, sizes = exact[name]
    for rows in computed(name, Z.astype(kind)):
        for k, row in enumerate(rows):
            # A subnormal factor exp(-|z|) has fewer digits; SiLU multiplies it by z, which makes a normal number again.
            normal = sizes[k] >= TINIEST * np.where(name == "silu", np.maximum(np.abs(Z), 1.0), 1.0)
            assert row.dtype == kind
            np.testing.assert_array_less(
                np.abs(row.real - truth[k])[normal], 6 * EPS * sizes[k][normal] + 1e-323, err_msg=f"derivative {k}"
            )
            np.testing.assert_allclose(row.real[~normal], truth[k][~normal], rtol=0.0, atol=800 * 5e-324)


@pytest.mark.parametrize("kind", [np.float64, np.complex128])
@pytest.mark.parametrize("name", sorted(EXACT))
def test_no_derivative_overflows(name, kind):
    far = np.array([-1.7e308, -1e5, 1e5, 1.7e308]).astype(kind)
    for rows in computed(name, far):
        assert np.isfinite(rows).all()
        np.testing.assert_array_equal(rows[2:], np.zeros_like(rows[2:]))
        if len(rows) > 1:
            np.testing.assert_array_equal(rows[1], [0, 0, name == "silu", name == "silu"])
