"""How splines move with their breakpoints: local coefficients against the formula with doubled knots."""

from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.kernels import knot_derivatives, moving_knots
from refkan.networks.layers.knot_layers.free_knots import FreeKnots
from refkan.splines.local_basis import KnotTables, knot_rows, local_basis
from tests.shared.factories import EPS
from tests.shared.forms import in_python

ORDERS = (2, 3, 4, 5, 7)
BREAKPOINTS = {
    "one interval": [-1.0, 2.0],
    "two": [0.0, 0.9, 1.0],
    "uniform": np.linspace(0.0, 1.0, 7),
    "graded": [0.0, 1e-3, 1.1e-3, 0.2, 0.9, 0.9002, 0.9003, 0.99, 1.0],
}


def tables_of(order, breakpoints):
    return KnotTables.of(rk.SplineSpace.from_breakpoints(order, breakpoints))


def weights_of(tables):
    n, r = tables.breakpoints.shape[1] - 1, tables.order
    weights = np.empty((tables.knots.shape[0], n, r, r - 1, r - 1))
    moving_knots.motion_weights(0, tables.knots.shape[0], tables.knots, weights)
    return weights


def points(tables, outside, rng, count=60):
    a, b = tables.domains[0]
    reach = 0.0 if outside == "error" else 0.2
    return rng.uniform(a - reach * (b - a), b + reach * (b - a), (count, 1))


def nearby_derivatives(tables, weights, basis, rows, c):
    """Derivatives in the nearby breakpoints by the weights, as `knot_rows` orders them, and their absolute sums."""
    r = tables.order
    d = np.diff(c) * tables.inverse_spans[0, r - 1, 1 : c.size]
    near, size = np.zeros((rows.shape[0], 2 * r - 2)), np.zeros((rows.shape[0], 2 * r - 2))
    m = basis.start[:, 0]
    for i in range(r):
        for a in range(r - 1):
            for e in range(r - 1):
                part = rows[:, 0, i] * weights[0, m, i, a, e] * d[m + e]
                near[:, i + a] -= part
                size[:, i + a] += np.abs(part)
    return near, size


@pytest.mark.parametrize("outside", ["linear", "polynomial"])
@pytest.mark.parametrize("kind", BREAKPOINTS)
@pytest.mark.parametrize("order", ORDERS)
def test_weights_are_the_formula_with_doubled_knots(order, kind, outside, rng):
    tables = tables_of(order, BREAKPOINTS[kind])
    x, c = points(tables, outside, rng), rng.standard_normal(tables.dim)
    basis = local_basis(tables, x, 0, outside)
    near, size = nearby_derivatives(tables, weights_of(tables), basis, basis.rows[0], c)
    direct = knot_rows(tables, x, basis.start, outside)[:, 0]
    local = c[basis.start + np.arange(order)]
    expected, scale = np.einsum("swi,si->sw", direct, local), np.einsum("swi,si->sw", np.abs(direct), np.abs(local))
    assert np.all(np.abs(near - expected) <= 16 * order * EPS * (scale + size))


@pytest.mark.parametrize("kind", ["uniform", "graded"])
@pytest.mark.parametrize("order", ORDERS[1:])
def test_derivatives_in_x_are_those_of_the_same_weights(order, kind, rng):
    """Against complex steps in x of the formula with doubled knots."""
    tables = tables_of(order, BREAKPOINTS[kind])
    x, c = points(tables, "error", rng), rng.standard_normal(tables.dim)
    basis = local_basis(tables, x, 1, "error")
    near, size = nearby_derivatives(tables, weights_of(tables), basis, basis.rows[1], c)
    with in_python(knot_derivatives):
        rows = knot_rows(tables, x + 1e-30j, basis.start, "polynomial")[:, 0].imag / 1e-30
    local = c[basis.start + np.arange(order)]
    scale = np.einsum("swi,si->sw", np.abs(rows), np.abs(local))
    assert np.all(np.abs(near - np.einsum("swi,si->sw", rows, local)) <= 32 * order * EPS * (scale + size))


def free_layer(order=4, n_inputs=3, n_outputs=2, intervals=6, seed=0):
    """A layer with free knots at parameters of its own, with its `FreeKnots`."""
    rng = np.random.default_rng(seed)
    spaces = tuple(rk.SplineSpace.uniform(order, intervals, (p, p + 1.0 + p)) for p in range(n_inputs))
    layer = rk.SplineLayer(spaces, n_outputs, free_knots=True)
    theta = rng.standard_normal(layer.n_params)
    C = np.ascontiguousarray(np.moveaxis(layer.unpack(theta)["coefficients"], 0, 2))
    return layer, theta, FreeKnots(layer.unpack(theta)["s"], layer.domains, layer.tables(theta), C)


@pytest.mark.parametrize("intervals", [1, 2, 6])
@pytest.mark.parametrize("order", ORDERS)
def test_moving_and_pulling_back_are_adjoint(order, intervals, rng):
    _, _, knots = free_layer(order, intervals=intervals)
    moments = rng.standard_normal((3, intervals * order, 2))
    dC, ds = rng.standard_normal(knots.C.shape), rng.standard_normal(knots.s.shape)
    image = knots.move(dC, ds)
    back = np.sum(knots.fold(moments) * dC) + np.sum(knots.pull_back_knots(moments) * ds)
    assert abs(np.sum(moments * image) - back) <= 1e-13 * np.sum(np.abs(moments) * np.abs(image))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("order", ORDERS)
def test_rows_of_the_jacobian_are_pullbacks_of_single_samples(order, channels, rng):
    _, _, knots = free_layer(order)
    N, O = 9, 2
    start = rng.integers(0, 6, (N, 3))
    W, G = rng.standard_normal((N, channels, 3, order)), rng.standard_normal((N, O, channels, 2))
    out = np.empty((N, O, 3, 6))
    knots.fill_jacobian(SimpleNamespace(jets=lambda: (start, W)), G, out)
    for s in range(N):
        for o in range(O):
            moments = np.zeros((3, 6 * order, 2))
            for p in range(3):
                rows = np.einsum("ci,cq->iq", W[s, :, p], G[s, o])
                moments[p, start[s, p] * order : (start[s, p] + 1) * order] = rows
            expected = knots.pull_back_knots(moments)
            np.testing.assert_allclose(out[s, o], expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("order", [2, 4])
def test_compiled_and_pure_python_forms_agree(order, rng):
    _, _, knots = free_layer(order)
    P, n, r, Q = 3, 6, order, 2
    dt, moments = rng.standard_normal((P, n - 1)), rng.standard_normal((P, n * r, Q))
    start, W = rng.integers(0, n, (5, P)), rng.standard_normal((5, 2, P, r))
    G, sums = rng.standard_normal((5, 2, 2, Q)), rng.uniform(size=(P, n + 1))
    shares, lengths = rng.uniform(size=(P, n)), rng.uniform(size=P)
    plans = {
        "motion_weights": ((knots.tables.knots,), (P, n, r, r - 1, r - 1)),
        "pull_back_knots": ((knots.weights, knots.slopes, moments), (P, n - 1)),
        "move_coefficients": ((knots.weights, knots.slopes, knots.C, dt), (P, n * r, Q)),
    }
    for name, (arguments, shape) in plans.items():
        compare(getattr(moving_knots, name), P, arguments, shape)
    arguments = start, W, G, knots.weights, knots.slopes, shares, sums, np.array([0, n - 1, 2]), lengths
    compare(moving_knots.scatter_knots, 5, arguments, (5, 2, P, n))


def compare(kernel, items, arguments, shape):
    compiled, plain = np.full(shape, np.nan), np.full(shape, np.nan)
    kernel(0, items, *arguments, compiled)
    getattr(kernel, "py_func", kernel)(0, items, *arguments, plain)
    np.testing.assert_allclose(compiled, plain, rtol=0, atol=64 * EPS * np.abs(plain).max())


@pytest.mark.parametrize("fault", ["sign", "neighbour", "argument"])
def test_sabotage_of_the_weights_is_noticed(fault, rng):
    tables = tables_of(4, BREAKPOINTS["uniform"])
    x, c = points(tables, "linear", rng), rng.standard_normal(tables.dim)
    basis = local_basis(tables, x, 0, "linear")
    weights = weights_of(tables)
    wrong = {"sign": -weights, "neighbour": np.roll(weights, 1, axis=1), "argument": weights[:, :, :, ::-1]}[fault]
    right, size = nearby_derivatives(tables, weights, basis, basis.rows[0], c)
    near, _ = nearby_derivatives(tables, wrong, basis, basis.rows[0], c)
    assert np.abs(near - right).max() > 1e-3 * size.max()
