"""Calls that were accepted in silence, or refused in words that did not help: what each must say."""

import subprocess
import sys
import time
from functools import partial
from pathlib import Path, PurePath

import numpy as np
import pytest

import refkan as rk
from refkan.base import all_finite
from refkan.base.arguments import (
    MANY_ENTRIES,
    as_array,
    as_generator,
    as_samples,
    check_choice,
    check_count,
    check_positive,
    check_type,
)
from refkan.training.multilevel import Stage
from tests.shared.refusals import INF, NAN, refusals, refused

X = np.linspace(0.0, 1.0, 12).reshape(6, 2)
SPACE = rk.SplineSpace.uniform(3, 4)
NET, THETA = rk.kan([2, 3, 1], 3, 4).initialize(np.random.default_rng(0), X)
LAYER = NET.layers[0]


def test_masked_arrays_without_masked_entries_are_arrays():
    np.testing.assert_array_equal(NET(THETA, np.ma.array(X)), NET(THETA, X))


test_problems = refusals(
    (lambda: rk.minimize(NET, THETA), r"TypeError: not a network: pass a LeastSquares: rk.LeastSquares"),
    (lambda: rk.minimize_multilevel(NET, THETA, schedule=[1, 1]), "TypeError: not a network: pass a LeastSquares"),
    (lambda: rk.spectrum(NET, THETA), "TypeError: problem_or_matrix must be a loss, not a network: pass"),
)

PROBLEM = rk.LeastSquares(NET, X, X[:, :1])

test_what_functions_of_users_take_and_return = refusals(
    (
        lambda: rk.minimize(PROBLEM, THETA, callback=lambda: 0),
        r"TypeError: callback must take 1 arguments; it takes \(\)",
    ),
    (
        lambda: rk.minimize(PROBLEM, THETA, progress=lambda: 0),
        r"TypeError: progress must take 1 arguments; it takes \(\)",
    ),
    (lambda: rk.minimize(PROBLEM, THETA, "adam", schedule=lambda: 0), "TypeError: schedule must take 1 arguments"),
    (lambda: rk.minimize_multilevel(PROBLEM, THETA, [1], steps=2), "TypeError: steps must be left out of the options"),
    (lambda: rk.minimize_adaptive(None, THETA), "TypeError: problem must offer net, its network; got NoneType: pass a"),
    (
        lambda: rk.minimize_adaptive(PROBLEM, THETA, steps=1, max_rounds=1, measure=lambda net, theta: "low"),
        "TypeError: measure must return a number; got 'low'",
    ),
    (
        lambda: rk.multistart(PROBLEM, 0, [Stage(2, 1)], draw=lambda net, rng: None),
        "TypeError: what draw returns must be a Network; got NoneType",
    ),
    (
        lambda: rk.multistart(PROBLEM, 0, [Stage(2, 1), Stage(1, 1, change=lambda problem, theta: None)]),
        "TypeError: change must return a network and its parameters; got None",
    ),
    (
        lambda: rk.multistart(PROBLEM, 0, [Stage(2, 1), Stage(1, 1, change=lambda problem, theta: (3, theta))]),
        "TypeError: the network that change returns must be a Network; got int",
    ),
)

test_samples_that_do_not_fit_a_network = refusals(
    (lambda: rk.LeastSquares(NET, X, X), r"y must have shape \(N, 1\) for Network.*; got \(6, 2\)"),
    (lambda: rk.LeastSquares(NET, X[:, :1], X[:, :1]), r"x must have shape \(N, 2\) for Network.*; got \(6, 1\)"),
    (
        lambda: rk.LeastSquares(len, X, X),
        "TypeError: net must be a network, .*, that offers vjp or jacobian; got builtin",
    ),
)

test_breakpoints_and_domains_are_told_as_given = refusals(
    (lambda: rk.SplineSpace.clamped(3, [0, 2, 1]), r"KnotError: got breakpoints\[2\]=1.0 after breakpoints\[1\]=2.0"),
    (lambda: rk.SplineSpace.uniform(3, 4, (1, 1 + 2e-16)), "KnotError: domain must hold 5 different floats"),
)

test_parts_of_networks = refusals(
    (lambda: LAYER.pack(), "blocks must be 'coefficients', each by its name; got none"),
    (lambda: LAYER.pack(c=X), "blocks must be 'coefficients', each by its name; got 'c'"),
    (lambda: LAYER.pack(coefficients=[1.0]), r"coefficients must have shape \(3, 2, 6\)"),
    (lambda: LAYER.pack(coefficients=None), "TypeError: coefficients must hold numbers; got None$"),
    (lambda: rk.Network(("a",), ()), r"TypeError: layers\[0\] must be a Layer; got 'a': build layers with"),
    (lambda: rk.Network(NET.layers, (None,)), r"TypeError: node_maps\[0\] must be a NodeMap; got None: take"),
    (lambda: rk.Network(NET.layers, ("affine",)), r"TypeError: node_maps\[0\] must be a NodeMap; got 'affine': take"),
    (lambda: rk.Network(NET.layers, "affine"), "TypeError: node_maps must be a sequence of NodeMap"),
)


test_what_is_no_number_is_told = refusals(
    (None, "TypeError: x must hold numbers; got None$"),
    ({"a": X}, r"TypeError: x must hold numbers; got {'a': float64\[6, 2\]}$"),
    ([[0.5, "low"]], r"TypeError: x must hold numbers; got x\[0, 1\] = 'low'$"),
    (np.array([[0.5, "low"]]), r"TypeError: x must hold numbers; got x\[0, 0\] = '0.5'$"),
    (np.array([[0.5, 1], [0.5, None]], object), r"TypeError: x must hold numbers; got x\[1, 1\] = None$"),
    ([[0.5, 10**400]], r"TypeError: x must hold numbers; got x\[0, 1\], an integer beyond the largest float64$"),
    (X.astype(object), r"TypeError: x must hold numbers; got dtype object: give it as numpy.asarray\(x, float\)$"),
    (X.astype("datetime64[s]"), r"TypeError: x must hold numbers; got dtype datetime64\[s\]$"),
    call=lambda x: NET(THETA, x),
)


def test_a_class_in_place_of_an_object_is_told():
    told = r"TypeError: path must be a PurePath; got the class Path: pass Path\(\)$"
    refused(lambda: check_type("path", Path, PurePath), told)
    refused(lambda: check_type("path", int, PurePath), "TypeError: path must be a PurePath; got the class int$")
    refused(lambda: check_type("error", 3, ArithmeticError), "TypeError: error must be an ArithmeticError; got int$")


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
        rk.checks.invariance_check: (np.sin, np.cos, theta),
    }
    if name == "rtol":
        calls[rk.checks.dot_check] = (np.cumsum, np.cumsum, 3, 3)
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


@pytest.mark.parametrize(
    "seed",
    [7, [7], np.uint8(7), np.random.SeedSequence(7), np.random.PCG64(7)],
    ids=lambda seed: type(seed).__name__,
)
def test_generators_are_made_of_what_default_rng_takes(seed):
    """SPEC 7 of scientific Python."""
    first = np.random.default_rng(7).normal(size=3)
    np.testing.assert_array_equal(as_generator("rng", seed).normal(size=3), first)
    x = np.linspace(0.0, 1.0, 9)[:, None]
    theta = rk.kan([1, 1], 3, 2).initialize([8], x)[1]
    np.testing.assert_array_equal(theta, rk.kan([1, 1], 3, 2).initialize(np.random.default_rng(8), x)[1])


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


@pytest.mark.parametrize("size", [MANY_ENTRIES - 1, MANY_ENTRIES])
def test_entries_that_are_not_finite_are_found_among_many_and_large_ones_are_none(size):
    many = np.full((size, 1), 1e308)
    assert all_finite(many)
    for worst in ([NAN], [INF], [-INF], [INF, -INF]):
        spoilt = many.copy()
        spoilt[size // 2 : size // 2 + len(worst), 0] = worst
        assert not all_finite(spoilt)


def test_samples_that_are_not_finite_are_counted():
    with pytest.raises(ValueError, match=r"x must be finite; got x\[1, 0\] = nan: leave out the 2 of 4 rows that are"):
        as_samples("x", [[0.0, 1.0], [NAN, NAN], [2.0, 3.0], [4.0, INF]], 2)
