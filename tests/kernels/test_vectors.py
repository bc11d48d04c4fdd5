"""Vectors of kernels, compiled, against what their functions do in Python."""

import numba
import numpy as np
import pytest
from numba.core import config
from numba.core.errors import TypingError

from refkan.kernels.vectors import (
    add,
    add_multiples,
    add_products,
    add_scaled,
    add_weighted,
    column,
    lanes,
    load,
    multiply,
    no_rows,
    rows,
    store,
    store_rows,
    total,
    weighted_sum,
    widest,
    zeros,
)
from refkan.splines.local_basis import KnotTables
from refkan.splines.sums import value_sweeps
from refkan.splines.sums.input_jet import InputJet
from tests.shared.tables import each_row

FREE = np.nan
"""Stands around what may be read or written."""


def sums_of_rows(flat, at, stride, out, width, count):
    """All that reads, in one function: sums of weighted rows, twice over, and their products with the first row."""
    vectors, weights = rows(flat, at, stride, width, count), column(flat, at, stride, width)
    first = weighted_sum(weights, vectors)
    second = add_weighted(load(flat, at, count), weights, vectors)
    third = add(multiply(first, second), zeros(count))
    sums = add_products(add_products(no_rows(width, count), vectors, third), vectors, second)
    store(out, 1, weighted_sum(weights, sums), count)
    return total(third, count)


def update_rows(flat, at, stride, weights, source, count):
    """Add multiples of a vector to rows."""
    add_multiples(flat, at, stride, weights, load(source, 0, count))


def replace_rows(flat, at, stride, weights, source, count):
    """Add multiples of a vector twice to rows that are loaded and stored once."""
    vector = load(source, 0, count)
    sums = add_scaled(rows(flat, at, stride, weights, count), weights, vector)
    store_rows(flat, at, stride, add_scaled(sums, weights, vector))


COMPILED = {f: numba.njit(f) for f in (sums_of_rows, update_rows, replace_rows)}
COUNTS, ORDERS = range(1, 10), (1, 2, 4, 5)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("Q", COUNTS)
def test_compiled_vectors_do_what_their_python_says(Q, order):
    """To the rounding of the products that compiled code may leave out; nothing around is read or written."""
    rng = np.random.default_rng(100 * Q + order)
    stride, count, width = Q + 2, (0,) * Q, (0,) * order
    flat = np.full(3 + order * stride, FREE)
    for k in range(order):
        flat[3 + k * stride :][:Q] = rng.uniform(1.0, 2.0, Q)
    results = []
    for function in (sums_of_rows, COMPILED[sums_of_rows]):
        out = np.full(Q + 2, FREE)
        results.append((function(flat, np.uint64(3), np.uint64(stride), out, width, count), out))
        assert np.isnan(out[[0, -1]]).all()
    (expected, outs), (found, compiled) = results
    assert found == pytest.approx(expected, rel=1e-14, abs=0.0)
    assert compiled[1:-1] == pytest.approx(outs[1:-1], rel=1e-14, abs=0.0)
    direct = flat[3 + stride * np.arange(order)[:, None] + np.arange(Q)]
    first = direct[:, 0] @ direct
    assert expected == pytest.approx(np.sum(first * (direct[0] + first)), rel=1e-14)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("Q", COUNTS)
def test_rows_that_overlap_are_updated_one_after_another(Q, order):
    """A row may hold numbers of the one before: what is stored is what is loaded next."""
    rng = np.random.default_rng(Q)
    source, weights = rng.uniform(1.0, 2.0, Q), tuple(rng.uniform(1.0, 2.0, order))
    flat = np.zeros(order + lanes(Q) + 1)
    flat[-1] = FREE
    expected = flat.copy()
    for k, weight in enumerate(weights):
        expected[k : k + Q] += weight * source
    for function in (update_rows, COMPILED[update_rows]):
        found = flat.copy()
        function(found, 0, 1, weights, source, (0,) * Q)
        assert found[:-1] == pytest.approx(expected[:-1], rel=1e-14, abs=0.0)
        assert np.isnan(found[-1])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("Q", [1, 2, 4, 8, 16])
def test_rows_that_are_apart_are_replaced(Q, order):
    rng = np.random.default_rng(Q)
    source, weights = rng.uniform(1.0, 2.0, Q), tuple(rng.uniform(1.0, 2.0, order))
    before = np.full((order, Q + 1), FREE)
    before[:, 1:] = rng.uniform(1.0, 2.0, (order, Q))
    for function in (replace_rows, COMPILED[replace_rows]):
        flat = np.append(before.ravel(), FREE)
        function(flat, np.uint64(1), np.uint64(Q + 1), weights, source, (0,) * Q)
        after = flat[:-1].reshape(order, Q + 1)
        assert after[:, 1:] == pytest.approx(before[:, 1:] + 2.0 * np.outer(weights, source), rel=1e-14, abs=0.0)
        assert np.isnan(after[:, 0]).all()
        assert np.isnan(flat[-1])


@numba.njit
def total_of_products(weights, source, count):
    """The total of infinite multiples of a vector."""
    return total(weighted_sum(weights, (load(source, 0, count),)), count)


@pytest.mark.parametrize("Q", COUNTS)
def test_lanes_that_hold_nothing_stay_out_of_a_total(Q):
    """Zero times infinity would be NaN there."""
    source, count = np.ones(Q), (0,) * Q
    assert total_of_products((np.inf,), source, count) == np.inf
    with np.errstate(invalid="ignore"):
        assert total_of_products.py_func((np.inf,), source, count) == np.inf


def test_a_total_is_taken_by_halves():
    """The order of a sum is part of its bits, the same in Python and compiled: 1e16 + 1 would lose the one."""
    source = np.array([1.0, 1e16, 1.0, -1e16])
    assert total_of_products((1.0,), source, (0,) * 4) == total_of_products.py_func((1.0,), source, (0,) * 4) == 2.0


@each_row(
    "array",
    np.ones(4, np.float32),
    np.ones(4, np.complex128),
    np.ones((2, 2)),
    np.ones(8)[::2],
)
def test_only_flat_arrays_of_float64_are_compiled(array):
    """Any other would be read as if it were one."""
    with pytest.raises(TypingError):
        COMPILED[sums_of_rows](array, 0, 1, np.ones(3), (0,), (0,))
    with pytest.raises(TypingError):
        COMPILED[update_rows](array, 0, 1, (1.0,), np.ones(1), (0,))


def test_lanes_are_powers_of_two():
    assert [lanes(k) for k in range(1, 10)] == [1, 2, 4, 4, 8, 8, 8, 8, 16]


def test_the_width_of_vectors_is_that_of_the_processor_for_which_numba_compiles(monkeypatch):
    for features, numbers in {"+avx,+avx2,+fma": 4, "+avx2,+avx512f,+avx512dq": 8, "-avx512f": 4, "": 4}.items():
        monkeypatch.setattr(config, "CPU_FEATURES", features)
        assert widest.__wrapped__() == numbers


@pytest.mark.parametrize("outputs", [8, 13, 20])
def test_layers_have_the_same_sums_with_vectors_of_four_and_of_eight_numbers(monkeypatch, outputs):
    rng = np.random.default_rng(outputs)
    tables = KnotTables(np.arange(-2.0, 7.0) * np.ones((3, 1)), 3)
    C, x = rng.normal(size=(outputs, 3, tables.dim)), rng.uniform(-0.5, 4.5, (300, 1, 3))
    dy, results = rng.normal(size=(300, outputs)), []
    for numbers in (4, 8):
        monkeypatch.setattr(value_sweeps, "widest", lambda numbers=numbers: numbers)
        sweep = value_sweeps.SortedSweep(tables, C, InputJet(x), "linear", True)
        results.append((sweep.forward(), *sweep.sums_of_rows(dy, 1, True)))
    (y, dC, dx), (again, dC_again, dx_again) = results
    np.testing.assert_array_equal(y, again)
    np.testing.assert_array_equal(dC, dC_again)
    assert abs(dx - dx_again).max() <= 1e-14 * abs(dx).max()
    assert (dx != dx_again).any()  # so that both widths were run
