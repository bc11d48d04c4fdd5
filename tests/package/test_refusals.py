"""Calls that were accepted in silence, or refused in words that did not help: what each must say."""

import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.base.arguments import as_array, as_samples, check_choice, check_count, check_positive
from refkan.training.losses import Collocation, Side, Term
from tests.shared.refusals import INF, NAN, refusals, refused

X = np.linspace(0.0, 1.0, 12).reshape(6, 2)
MASKED = np.ma.array(X, mask=X > 0.5)
SPACE = rk.SplineSpace.uniform(3, 4)
NET, THETA = rk.kan([2, 3, 1], 3, 4).initialize(np.random.default_rng(0), X)
LAYER = NET.layers[0]


test_masked_entries = refusals(
    (lambda: NET(THETA, MASKED), r"x must hold no masked entries; got 6: .* x\.filled\(value\)"),
    (lambda: NET(np.ma.masked_less(THETA, 0), X), "theta must hold no masked entries"),
    (lambda: rk.LeastSquares(NET, X, MASKED[:, :1]), "y must hold no masked entries"),
    (lambda: rk.bsplines.design_matrix(SPACE, MASKED[:, 0]), "x must hold no masked entries"),
    (lambda: SPACE.insert(np.ma.array([0.3, 0.4], mask=[0, 1])), "new_knots must hold no masked"),
)


def test_masked_arrays_without_masked_entries_are_arrays():
    np.testing.assert_array_equal(NET(THETA, np.ma.array(X)), NET(THETA, X))


def term(name="a", sides=None):
    sides = Side(X, np.eye(2), orders=1) if sides is None else sides
    return Term(name, sides, lambda x, u, *du: u, lambda x, u, *du: [1, 0, 0])


test_problems = refusals(
    (lambda: rk.LeastSquares(None, X, X), r"TypeError: net must be a network, .*got NoneType"),
    (lambda: rk.LeastSquares("net", X, X), r"TypeError: net must be a network, .*got str"),
    (lambda: Collocation(None, term()), "TypeError: net must be a Network; got NoneType"),
    (lambda: term(3), "TypeError: name must be of type str; got 3"),
    (lambda: term(sides=3), "TypeError: sides of term 'a' must be a Side or a pair of them; got 3"),
    (lambda: rk.minimize(None, THETA), "TypeError: a loss that offers value_and_gradient.*got NoneType"),
    (lambda: rk.minimize(NET, THETA), r"TypeError: not a network: pass a LeastSquares: rk.LeastSquares"),
    (
        lambda: rk.minimize_multilevel(NET, THETA, schedule=[1, 1]),
        r"TypeError: not a network: pass a LeastSquares: rk.LeastSquares",
    ),
    (
        lambda: rk.spectrum(NET, THETA),
        r"TypeError: problem_or_matrix must be a loss, not a network: pass a LeastSquares",
    ),
    (lambda: rk.spectrum(None, THETA), "TypeError: got NoneType: pass a LeastSquares, or a"),
    (lambda: rk.spectrum("AtA"), "TypeError: got str: pass a LeastSquares, or a matrix"),
)


test_parts_of_networks = refusals(
    (lambda: rk.SplineLayer((SPACE,), 1, "linear", "no"), "TypeError: free_knots must be True or False"),
    (lambda: rk.ReluLayer((SPACE,), 1, scaled="no"), "TypeError: scaled must be True or False; got 'no'"),
    (lambda: rk.DenseLayer(2, 1, bias=None), "TypeError: bias must be True or False; got None"),
    (lambda: LAYER.pack(), "blocks must be 'coefficients', each by its name; got none"),
    (lambda: LAYER.pack(c=X), "blocks must be 'coefficients', each by its name; got 'c'"),
    (lambda: LAYER.pack(coefficients=[1.0]), r"coefficients must have shape \(3, 2, 6\)"),
    (lambda: LAYER.pack(coefficients=None), "TypeError: coefficients must hold numbers; got dtype object"),
    (lambda: rk.Network(("a",), ()), r"TypeError: layers\[0\] must be a Layer; got 'a': build layers with"),
    (lambda: rk.Network(LAYER, ()), "TypeError: layers must be a sequence of Layer objects; got SplineLayer"),
    (lambda: rk.Network(NET.layers, (None,)), r"TypeError: node_maps\[0\] must be a NodeMap; got None: take"),
    (
        lambda: rk.Network(NET.layers, ("affine",)),
        r"TypeError: node_maps\[0\] must be a NodeMap; got 'affine': take one of .*NODE_MAPS.*'mean-std'",
    ),
    (lambda: rk.Network(NET.layers, "affine"), "TypeError: node_maps must be a sequence of NodeMap"),
    (lambda: rk.Network(NET.layers, NET.node_maps, X[:, :1]), r"statistics must have shape \(N, 2\); got \(6, 1\)"),
)


def test_lists_of_layers_and_maps_become_tuples():
    net = rk.Network(list(NET.layers), list(NET.node_maps))
    assert (net.layers, net.node_maps) == (NET.layers, NET.node_maps)


@pytest.mark.parametrize("derivative", [101, 10**30])
@pytest.mark.parametrize("basis", [rk.bsplines, rk.relu_powers])
def test_derivatives_of_any_order(basis, derivative):
    message = f"derivative must be at most 100; got {derivative}"
    refused(lambda: basis.design_matrix(SPACE, [0.5], derivative), message)
    refused(lambda: basis.evaluate(SPACE, np.ones(SPACE.dim), [0.5], derivative), message)
    assert not basis.evaluate(SPACE, np.ones(SPACE.dim), [0.5], 100).any()


@pytest.mark.parametrize("space", [None, "uniform"])
def test_exact_answers_need_a_space(space):
    pytest.importorskip("flint")
    for function in (rk.exact.extreme_eigenvalues, rk.exact.rational_gram):
        refused(lambda function=function: function(space), "TypeError: space must be a SplineSpace; got")
    message = "space_or_problem must be a SplineSpace or a LeastSquares problem; got"
    refused(lambda: rk.exact.certified_condition_number(space), f"TypeError: {message}")


def test_networks_beyond_any_memory_are_refused_at_once():
    start = time.process_time()
    refused(lambda: rk.kan([10**7, 10**7], 3, 4), "at most 10,000,000,000 parameters.*4,800,000 GB")
    refused(lambda: rk.chebyshev_kan([10**7] * 2, 3), "at most 10,000,000,000 param")
    refused(lambda: rk.mlp([10**7] * 3), r"got widths \[10000000, 10000000, 10000000\]")
    assert time.process_time() - start < 1.0


test_one_row_and_one_column_are_told_apart = refusals(
    (lambda: NET(THETA, X[0]), r"x must have 2 dimensions; got shape \(2,\): one row is x\[None\]"),
    (lambda: NET(THETA, X[:, 0]), r"got shape \(6,\): one column is x\[:, None\]"),
)


@pytest.mark.parametrize("value", [NAN, INF, -1e-9, "1e-9", True])
@pytest.mark.parametrize("name", ["rtol", "atol"])
def test_tolerances_that_let_everything_pass_are_refused(name, value):
    theta, wrong = np.ones(3), lambda t: 3 * t
    calls = {
        rk.checks.gradient_check: (lambda t: t @ t, wrong, theta),
        rk.checks.jacobian_check: (lambda t: t * t, np.diag, theta),
        rk.checks.invariance_test: (np.sin, np.cos, theta),
    }
    if name == "rtol":
        calls[rk.checks.dot_test] = (np.cumsum, np.cumsum, 3, 3)
    error = "TypeError: " if isinstance(value, str | bool) else ""
    for function, arguments in calls.items():
        refused(partial(function, *arguments, **{name: value}), f"{error}{name} must be .*; got")


def test_subpackages_that_are_imported_late_are_listed():
    code = "import refkan; print(*sorted(set(refkan.__all__) - set(dir(refkan))))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize("value", [np.int8(3), np.uint64(3), 3], ids=repr)
def test_integers_of_any_kind_are_counts(value):
    assert check_count("n", value, 1) == 3
    assert type(check_count("n", value, 1)) is int


test_argument_checks = refusals(
    (lambda: check_count("n", np.True_), r"TypeError: n must be an integer; got (np\.)?True"),
    (lambda: check_count("n", np.array([1, 2])), r"TypeError: n must be an integer"),
    (lambda: check_count("n", 1, 2), r"n must be at least 2; got 1"),
    (lambda: check_count("n", 9, 2, 8), r"n must be at most 8; got 9"),
    (lambda: check_choice("name", ["a"], ["a"]), r"name must be one of 'a'; got \['a'\]"),
    (lambda: check_positive("h", True), r"TypeError: h must be a number; got True"),
    (lambda: check_positive("h", 1j), r"TypeError: h must be a number; got 1j"),
    (lambda: check_positive("h", INF), r"h must be finite and positive; got inf"),
    (lambda: as_array("a", NAN), r"a must be finite; got a = nan"),
    (lambda: as_array("a", [10**400]), r"TypeError: a must"),
)


def test_long_doubles_that_overflow_are_refused():
    if np.finfo(np.longdouble).max <= np.finfo(np.float64).max:
        pytest.skip("long double is double here")
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="a must be finite"):
        as_array("a", np.array([np.finfo(np.longdouble).max]))


def test_samples_that_are_not_finite_are_counted():
    with pytest.raises(ValueError, match=r"x must be finite; got x\[1, 0\] = nan: leave out the 2 of 4 rows that are"):
        as_samples("x", [[0.0, 1.0], [NAN, NAN], [2.0, 3.0], [4.0, INF]], 2)
