"""How splines move with their breakpoints: local coefficients against the formula with doubled knots."""

import numpy as np
import pytest

import refkan as rk
from refkan.kernels import moving_knots
from refkan.splines.local_basis import KnotTables, knot_rows, local_basis
from tests.shared.factories import EPS

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
