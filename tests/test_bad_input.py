"""Bad input: every error names the argument, the requirement and what came, and nothing passes silently."""

from __future__ import annotations

import numpy as np
import pytest
from factories import EDGE_KINDS, NODE_MAPS, NetworkCase, samples

import refkan as rk
from refkan import bsplines, relu_powers
from refkan.arguments import as_array, check_choice, check_count, check_positive

NAN, INF = float("nan"), float("inf")
S = rk.SplineSpace.uniform(3, 4)
C = np.ones(S.dim)
CLAMPED = rk.SplineSpace.clamped(3, [0, 0.5, 1])


def bad(*cases):
    return pytest.mark.parametrize(
        ("call", "error", "message"), [pytest.param(*case[1:], id=case[0]) for case in cases]
    )


def check(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    # exactly this kind: a KnotError is a ValueError, but a TypeError must not hide behind one
    assert isinstance(caught.value, ValueError | TypeError)
    return str(caught.value)


# --- knots


@bad(
    (
        "unsorted",
        lambda: rk.SplineSpace([0, 1, 3, 2], 2),
        rk.KnotError,
        r"knots must be in ascending order; got knots\[3\]=2.0 after knots\[2\]=3.0",
    ),
    (
        "descending",
        lambda: rk.SplineSpace([3, 2, 1, 0], 2),
        rk.KnotError,
        r"ascending order; got knots\[1\]=2.0 after knots\[0\]=3.0",
    ),
    ("nan", lambda: rk.SplineSpace([0, 1, NAN, 3], 2), rk.KnotError, r"knots must be finite; got knots\[2\]=nan"),
    ("infinite", lambda: rk.SplineSpace([0, 1, 2, INF], 2), rk.KnotError, r"knots must be finite; got knots\[3\]=inf"),
    (
        "minus infinite",
        lambda: rk.SplineSpace([-INF, 1, 2, 3], 2),
        rk.KnotError,
        r"knots must be finite; got knots\[0\]=-inf",
    ),
    ("too few", lambda: rk.SplineSpace([0, 1, 2], 2), rk.KnotError, r"order 2 needs at least 4 knots .*; got 3"),
    ("none", lambda: rk.SplineSpace([], 1), rk.KnotError, r"order 1 needs at least 2 knots .*; got 0"),
    (
        "a table",
        lambda: rk.SplineSpace([[0, 1], [2, 3]], 1),
        rk.KnotError,
        r"knots must be a vector; got shape \(2, 2\)",
    ),
    ("a number", lambda: rk.SplineSpace(3.0, 1), rk.KnotError, r"knots must be a vector; got shape \(\)"),
    ("complex", lambda: rk.SplineSpace([0, 1j], 1), TypeError, r"knots must be real numbers; got dtype complex128"),
    ("text", lambda: rk.SplineSpace(["a", "b"], 1), TypeError, r"knots must hold numbers; got dtype <U1"),
    ("objects", lambda: rk.SplineSpace([None, 1], 1), TypeError, r"knots must hold numbers; got dtype object"),
    ("ragged", lambda: rk.SplineSpace([[0], [1, 2]], 1), (ValueError, TypeError), r"knots"),
    (
        "repeated too often",
        lambda: rk.SplineSpace([0, 1, 1, 1, 2, 3], 2),
        rk.KnotError,
        r"repeated at most order = 2 times; got knots\[1\] to knots\[3\] = 1.0",
    ),
    (
        "empty domain",
        lambda: rk.SplineSpace([0, 1, 1, 2], 2),
        rk.KnotError,
        r"the domain is empty: knots\[1\] = knots\[2\] = 1.0",
    ),
    (
        "too close",
        lambda: rk.SplineSpace([0, 5e-324, 1, 2], 2),
        rk.KnotError,
        r"knots must .*got knots\[1\]=5e-324 after knots\[0\]=0.0",
    ),
)
def test_knots(call, error, message):
    check(call, error, message)


def test_spans_that_overflow_are_refused():
    with np.errstate(all="ignore"), pytest.raises(rk.KnotError, match=r"knots|domain"):
        rk.SplineSpace([-1.7e308, 1.7e308], 1)
    with np.errstate(all="ignore"), pytest.raises(rk.KnotError, match=r"knots|domain"):
        rk.SplineSpace.uniform(2, 2, (-1.7e308, 1.7e308))


def strictly(knots):
    return rf"knots must be strictly increasing; got knots\[{knots}\]"


@bad(
    ("change of basis", lambda: rk.ChangeOfBasis(CLAMPED), rk.KnotError, strictly(1)),
    (
        "interior",
        lambda: rk.ChangeOfBasis(rk.SplineSpace([0, 1, 2, 2, 3, 4], 2)),
        rk.KnotError,
        r"got knots\[3\]=2.0 after knots\[2\]=2.0",
    ),
    ("relu values", lambda: relu_powers.design_matrix(CLAMPED, [0.1]), rk.KnotError, strictly(1)),
    ("relu evaluate", lambda: relu_powers.evaluate(CLAMPED, np.ones(4), [0.1]), rk.KnotError, strictly(1)),
    ("relu gram", lambda: relu_powers.gram_matrix(CLAMPED), rk.KnotError, strictly(1)),
    ("relu layer", lambda: rk.ReluLayer((CLAMPED,), 1), rk.KnotError, strictly(1)),
    (
        "knot derivatives",
        lambda: bsplines.knot_derivative_matrix(rk.SplineSpace.clamped(3, [0, 1, 1, 2]), np.ones(5), [0.5]),
        rk.KnotError,
        r"strictly increasing",
    ),
    (
        "free knots",
        lambda: rk.SplineLayer((rk.SplineSpace.clamped(3, [0, 1, 1, 2]),), 1, free_knots=True),
        ValueError,
        r"every interval longer.*breakpoints 1 and 2 of input 0",
    ),
)
def test_repeated_knots_where_they_are_refused(call, error, message):
    check(call, error, message)


@bad(
    (
        "empty",
        lambda: rk.SplineSpace.uniform(2, 3, (1, 1)),
        rk.KnotError,
        r"domain must be a pair \(a, b\) with a < b; got \(1.0, 1.0\)",
    ),
    ("reversed", lambda: rk.SplineSpace.uniform(2, 3, (1, 0)), rk.KnotError, r"a < b; got \(1.0, 0.0\)"),
    (
        "three",
        lambda: rk.SplineSpace.uniform(2, 3, (0, 1, 2)),
        rk.KnotError,
        r"domain must be a pair \(a, b\) of real numbers; got \(0, 1, 2\)",
    ),
    ("a number", lambda: rk.SplineSpace.uniform(2, 3, 1.0), rk.KnotError, r"domain must be a pair .* got 1.0"),
    ("none", lambda: rk.SplineSpace.uniform(2, 3, None), TypeError, r"domain must hold numbers"),
    (
        "nan",
        lambda: rk.SplineSpace.uniform(2, 3, (0, NAN)),
        ValueError,
        r"domain must be finite; got domain\[1\] = nan",
    ),
    (
        "infinite",
        lambda: rk.SplineSpace.uniform(2, 3, (0, INF)),
        ValueError,
        r"domain must be finite; got domain\[1\] = inf",
    ),
    (
        "complex",
        lambda: rk.SplineSpace.uniform(2, 3, (0, 1j)),
        ValueError,
        r"domain must be a pair \(a, b\) of real numbers",
    ),
    (
        "one breakpoint",
        lambda: rk.SplineSpace.clamped(2, [0]),
        rk.KnotError,
        r"breakpoints must hold at least two points; got 1",
    ),
    (
        "breakpoints nan",
        lambda: rk.SplineSpace.from_breakpoints(2, [0, NAN]),
        ValueError,
        r"breakpoints must be finite; got breakpoints\[1\] = nan",
    ),
    ("breakpoints complex", lambda: rk.SplineSpace.clamped(2, [0, 1j]), TypeError, r"breakpoints must be real numbers"),
    (
        "breakpoints a table",
        lambda: rk.SplineSpace.clamped(2, [[0, 1]]),
        ValueError,
        r"breakpoints must have 1 dimension; got shape \(1, 2\)",
    ),
    ("breakpoints unsorted", lambda: rk.SplineSpace.from_breakpoints(2, [0, 2, 1]), rk.KnotError, r"ascending order"),
)
def test_domains_and_breakpoints(call, error, message):
    check(call, error, message)


CONSTRUCTORS = {
    "knots": lambda order: rk.SplineSpace(np.arange(30.0), order),
    "uniform": lambda order: rk.SplineSpace.uniform(order, 4),
    "clamped": lambda order: rk.SplineSpace.clamped(order, [0, 1]),
    "from_breakpoints": lambda order: rk.SplineSpace.from_breakpoints(order, [0, 1]),
    "kan": lambda order: rk.kan([2, 1], order, 4),
    "toeplitz": lambda order: rk.ChangeOfBasis.uniform(order, 4),
}


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
@pytest.mark.parametrize(
    ("order", "error", "message"),
    [
        (0, ValueError, r"order must be at least 1; got 0"),
        (-3, ValueError, r"order must be at least 1; got -3"),
        (11, ValueError, r"order must be at most 10; got 11"),
        (10**30, ValueError, r"order must be at most 10; got 10+$"),
        (2.0, TypeError, r"order must be an integer; got 2.0"),
        (NAN, TypeError, r"order must be an integer; got nan"),
        ("3", TypeError, r"order must be an integer; got '3'"),
        (None, TypeError, r"order must be an integer; got None"),
        (True, TypeError, r"order must be an integer; got True"),
        ([3], TypeError, r"order must be an integer; got \[3\]"),
    ],
    ids=str,
)
def test_orders(constructor, order, error, message):
    check(lambda: CONSTRUCTORS[constructor](order), error, message)


# --- points, coefficients, policies

SPLINE_CALLS = {
    "B": lambda x, **kw: bsplines.design_matrix(S, x, **kw),
    "B evaluate": lambda x, **kw: bsplines.evaluate(S, C, x, **kw),
    "psi": lambda x, **kw: relu_powers.design_matrix(S, x, **kw),
    "psi evaluate": lambda x, **kw: relu_powers.evaluate(S, C, x, **kw),
    "knots": lambda x, **kw: bsplines.knot_derivative_matrix(S, C, x, **kw),
}


@pytest.mark.parametrize("call", SPLINE_CALLS)
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (0.5, ValueError, r"x must have 1 dimension; got shape \(\)"),
        ([[0.5]], ValueError, r"x must have 1 dimension; got shape \(1, 1\)"),
        ([0.1, NAN], ValueError, r"x must be finite; got x\[1\] = nan"),
        ([INF, 0.1], ValueError, r"x must be finite; got x\[0\] = inf"),
        (["a"], TypeError, r"x must hold numbers; got dtype <U1"),
        ([None], TypeError, r"x must hold numbers; got dtype object"),
        (
            [0.1, 1.1],
            ValueError,
            r"x must lie in the domain under outside='error'; got x\[1(, 0)?\] = 1.1 outside \[0.0, 1.0\]",
        ),
        ([0.1, -1e-9], ValueError, r"got x\[1(, 0)?\] = -1e-09 outside \[0.0, 1.0\]"),
        ([[0.1], [0.2, 0.3]], (ValueError, TypeError), r"\bx\b"),
        (np.array(["2020"], dtype="datetime64[s]"), TypeError, r"x must hold numbers; got dtype datetime64"),
    ],
    ids=["scalar", "table", "nan", "infinite", "text", "none", "right", "left", "ragged", "dates"],
)
def test_points(call, x, error, message):
    check(lambda: SPLINE_CALLS[call](x), error, message)


@pytest.mark.parametrize("call", [c for c in SPLINE_CALLS if c != "knots"])
@pytest.mark.parametrize(
    ("derivative", "error", "message"),
    [
        (-1, ValueError, r"derivative must be at least 0; got -1"),
        (1.0, TypeError, r"derivative must be an integer; got 1.0"),
        (None, TypeError, r"derivative must be an integer; got None"),
    ],
    ids=str,
)
def test_derivatives(call, derivative, error, message):
    check(lambda: SPLINE_CALLS[call]([0.5], derivative=derivative), error, message)


@pytest.mark.parametrize("call", SPLINE_CALLS)
@pytest.mark.parametrize("outside", ["clamp", "", None, 0, ["linear"]], ids=str)
def test_policies(call, outside):
    message = r"outside must be one of 'linear', 'polynomial', 'natural', 'error'; got "
    assert check(lambda: SPLINE_CALLS[call]([0.5], outside=outside), ValueError, message).endswith(repr(outside))


def test_knot_derivatives_have_no_natural_tails_and_no_steps():
    check(lambda: SPLINE_CALLS["knots"]([0.5], outside="natural"), ValueError, r"outside='linear', .* got 'natural'")
    steps = rk.SplineSpace.uniform(1, 3)
    check(lambda: bsplines.knot_derivative_matrix(steps, np.ones(3), [0.5]), ValueError, r"order >= 2; got order 1")


@pytest.mark.parametrize("evaluate", [bsplines.evaluate, relu_powers.evaluate, bsplines.knot_derivative_matrix])
@pytest.mark.parametrize(
    ("c", "error", "message"),
    [
        (np.ones(5), ValueError, r"coefficients must have length 6; got length 5"),
        (np.ones((6, 1)), ValueError, r"coefficients must have 1 dimension; got shape \(6, 1\)"),
        ([1, 2, 3, NAN, 5, 6], ValueError, r"coefficients must be finite; got coefficients\[3\] = nan"),
        (["a"] * 6, TypeError, r"coefficients must hold numbers"),
    ],
    ids=["length", "table", "nan", "text"],
)
def test_coefficients(evaluate, c, error, message):
    check(lambda: evaluate(S, c, [0.5]), error, message)


@pytest.mark.parametrize("name", ["apply", "solve", "to_relu", "to_spline"])
def test_vectors_of_a_change_of_basis(name):
    operation = getattr(rk.ChangeOfBasis(S), name)
    argument = {"apply": "v", "solve": "v", "to_relu": "u", "to_spline": "w"}[name]
    last = rf"{argument} must have last axis of length dim = 6; got shape "
    check(lambda: operation(np.ones((6, 2))), ValueError, last + r"\(6, 2\)")
    check(lambda: operation(1.0), ValueError, last + r"\(\)")
    check(lambda: operation([1, 2, 3, 4, 5, INF]), ValueError, rf"{argument} must be finite; got {argument}\[5\] = inf")
    check(lambda: operation(["a"] * 6), TypeError, rf"{argument} must hold numbers")


@bad(
    ("dim 0", lambda: rk.ChangeOfBasis.uniform(2, 0), ValueError, r"dim must be at least 1; got 0"),
    ("dim float", lambda: rk.ChangeOfBasis.uniform(2, 3.0), TypeError, r"dim must be an integer; got 3.0"),
    (
        "spacing 0",
        lambda: rk.ChangeOfBasis.uniform(2, 3, 0.0),
        ValueError,
        r"spacing must be finite and positive; got 0.0",
    ),
    (
        "spacing negative",
        lambda: rk.ChangeOfBasis.uniform(2, 3, -1),
        ValueError,
        r"spacing must be finite and positive; got -1",
    ),
    (
        "spacing nan",
        lambda: rk.ChangeOfBasis.uniform(2, 3, NAN),
        ValueError,
        r"spacing must be finite and positive; got nan",
    ),
    ("spacing text", lambda: rk.ChangeOfBasis.uniform(2, 3, "h"), TypeError, r"spacing must be a number; got 'h'"),
    ("no space", lambda: rk.ChangeOfBasis("space"), TypeError, r"space must be a SplineSpace; got str"),
    (
        "no space to evaluate on",
        lambda: bsplines.design_matrix([0, 1, 2, 3], [0.5]),
        TypeError,
        r"space must be a SplineSpace; got list",
    ),
)
def test_changes_of_basis_and_spaces(call, error, message):
    check(call, error, message)


# --- architectures


@bad(
    ("one width", lambda: rk.kan([2], 2, 2), ValueError, r"widths must hold at least two numbers.*got \[2\]"),
    ("no width", lambda: rk.kan([], 2, 2), ValueError, r"widths must hold at least two numbers.*got \[\]"),
    ("zero width", lambda: rk.kan([2, 0, 1], 2, 2), ValueError, r"widths\[1\] must be at least 1; got 0"),
    ("negative width", lambda: rk.kan([-2, 1], 2, 2), ValueError, r"widths\[0\] must be at least 1; got -2"),
    ("float width", lambda: rk.kan([2, 1.0], 2, 2), TypeError, r"widths\[1\] must be an integer; got 1.0"),
    ("text widths", lambda: rk.kan("21", 2, 2), TypeError, r"widths must be a sequence of integers; got '21'"),
    ("number of widths", lambda: rk.kan(3, 2, 2), TypeError, r"widths must be a sequence of integers; got 3"),
    ("mlp zero width", lambda: rk.mlp([2, 0]), ValueError, r"widths\[1\] must be at least 1; got 0"),
    ("mlp one width", lambda: rk.mlp([2]), ValueError, r"widths must hold at least two"),
    ("zero intervals", lambda: rk.kan([2, 1], 2, 0), ValueError, r"intervals(\[0\])? must be at least 1; got 0"),
    ("float intervals", lambda: rk.kan([2, 1], 2, 2.5), TypeError, r"intervals(\[0\])? must be an integer; got 2.5"),
    (
        "intervals of other layers",
        lambda: rk.kan([2, 1], 2, [2, 3]),
        ValueError,
        r"intervals must be one value or one a layer \(1\); got 2 values",
    ),
    (
        "second intervals",
        lambda: rk.kan([2, 2, 1], 2, [2, -1]),
        ValueError,
        r"intervals\[1\] must be at least 1; got -1",
    ),
    ("uniform intervals", lambda: rk.SplineSpace.uniform(2, 0), ValueError, r"intervals must be at least 1; got 0"),
    (
        "free knots of other layers",
        lambda: rk.kan([2, 1], 2, 2, free_knots=[True, False]),
        ValueError,
        r"free_knots must be one value or one a layer \(1\); got 2 values",
    ),
    ("free knots not bool", lambda: rk.kan([2, 1], 2, 2, free_knots="x"), (TypeError, ValueError), r"free_knots"),
    (
        "basis",
        lambda: rk.kan([2, 1], 2, 2, basis="relus"),
        ValueError,
        r"basis must be one of 'spline', 'relu', 'scaled-relu'; got 'relus'",
    ),
    (
        "node map",
        lambda: rk.kan([2, 1], 2, 2, node_map="batchnorm"),
        ValueError,
        r"node_map must be one of .*'mean-std'.*; got 'batchnorm'",
    ),
    ("outside", lambda: rk.kan([2, 1], 2, 2, outside="clip"), ValueError, r"outside must be one of .*; got 'clip'"),
    (
        "edge",
        lambda: rk.kan([2, 1], 2, 2, edge="relu"),
        ValueError,
        r"edge must be one of 'spline', 'silu'; got 'relu'",
    ),
    (
        "activation",
        lambda: rk.mlp([2, 1], "gelu"),
        ValueError,
        r"activation must be one of 'relu', 'relu3', 'tanh'; got 'gelu'",
    ),
    (
        "silu in relu basis",
        lambda: rk.kan([2, 1], 2, 2, edge="silu", basis="relu"),
        ValueError,
        r"edge 'silu' is defined in the spline basis; got basis='relu'",
    ),
    (
        "free steps",
        lambda: rk.kan([2, 1], 1, 2, free_knots=True),
        ValueError,
        r"free knots need order >= 2; got order 1",
    ),
    (
        "free natural",
        lambda: rk.kan([2, 1], 2, 2, free_knots=True, outside="natural"),
        ValueError,
        r"free knots need outside=.*; got 'natural'",
    ),
    (
        "domain",
        lambda: rk.kan([2, 1], 2, 2, domain=(1, 0)),
        rk.KnotError,
        r"domain must be a pair \(a, b\) with a < b; got \(1.0, 0.0\)",
    ),
    (
        "domains",
        lambda: rk.kan([3, 1], 2, 2, domain=[(0, 1), (0, 2)]),
        ValueError,
        r"domain must be one pair or one for each of the 3 inputs; got 2 pairs",
    ),
    (
        "second domain",
        lambda: rk.kan([2, 1], 2, 2, domain=[(0, 1), (2, 2)]),
        rk.KnotError,
        r"domain\[1\] must be a pair \(a, b\) with a < b; got \(2.0, 2.0\)",
    ),
    ("ragged domains", lambda: rk.kan([2, 1], 2, 2, domain=[(0, 1), (0, 1, 2)]), (ValueError, TypeError), r"domain"),
)
def test_architectures(call, error, message):
    check(call, error, message)


def layer(P=2, Q=1, order=3, n=4):
    return rk.SplineLayer((rk.SplineSpace.uniform(order, n),) * P, Q)


@bad(
    (
        "no spaces",
        lambda: rk.SplineLayer((), 1),
        ValueError,
        r"spaces must hold one SplineSpace for each input; got none",
    ),
    ("one space bare", lambda: rk.SplineLayer(S, 1), TypeError, r"spaces must"),
    ("not a space", lambda: rk.SplineLayer((S, "x"), 1), TypeError, r"spaces\[1\] must be a SplineSpace; got str"),
    (
        "orders differ",
        lambda: rk.SplineLayer((S, rk.SplineSpace.uniform(2, 4)), 1),
        ValueError,
        r"one order and one number of intervals; got spaces\[1\]",
    ),
    (
        "intervals differ",
        lambda: rk.SplineLayer((S, rk.SplineSpace.uniform(3, 5)), 1),
        ValueError,
        r"one order and one number of intervals; got spaces\[1\]",
    ),
    ("no outputs", lambda: rk.SplineLayer((S,), 0), ValueError, r"n_outputs must be at least 1; got 0"),
    ("policy", lambda: rk.SplineLayer((S,), 1, "zero"), ValueError, r"outside must be one of .*; got 'zero'"),
    ("dense inputs", lambda: rk.DenseLayer(0, 1), ValueError, r"n_inputs must be at least 1; got 0"),
    ("dense outputs", lambda: rk.DenseLayer(1, 1.5), TypeError, r"n_outputs must be an integer; got 1.5"),
    ("dense activation", lambda: rk.DenseLayer(1, 1, "gelu"), ValueError, r"activation must be one of .*; got 'gelu'"),
    (
        "widths disagree",
        lambda: rk.Network((layer(2, 3), layer(2, 1)), rk.kan([1, 1, 1], 2, 2).node_maps),
        ValueError,
        r"widths must agree; got 3 outputs of layer 0 and 2 inputs of layer 1",
    ),
    (
        "maps missing",
        lambda: rk.Network((layer(2, 3), layer(3, 1)), ()),
        ValueError,
        r"2 layers need 1 node maps; got 0",
    ),
    ("no layers", lambda: rk.Network((), ()), ValueError, r"layers must"),
)
def test_layers_and_networks(call, error, message):
    check(call, error, message)


# --- samples and parameters of networks


@pytest.fixture(scope="module")
def started():
    net, theta = NetworkCase("spline").start(samples(8))
    return net, theta, samples(8)


CALLS = {
    "value": lambda net, theta, x: net(theta, x),
    "vjp": lambda net, theta, x: net.vjp(theta, x),
    "jvp": lambda net, theta, x: net.jvp(theta, x, np.zeros(net.n_params)),
    "jacobian": lambda net, theta, x: net.jacobian(theta, x),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.ones((3, 3)), ValueError, r"x must have shape \(N, 2\); got \(3, 3\)"),
        (np.ones(2), ValueError, r"x must have 2 dimensions; got shape \(2,\)"),
        (np.ones((1, 3, 2)), ValueError, r"x must have 2 dimensions; got shape \(1, 3, 2\)"),
        (np.ones((0, 3)), ValueError, r"x must have shape \(N, 2\); got \(0, 3\)"),
        ([[0.1, 0.2], [NAN, 0.1]], ValueError, r"x must be finite; got x\[1, 0\] = nan"),
        ([[0.1, -INF]], ValueError, r"x must be finite; got x\[0, 1\] = -inf"),
        ([["a", "b"]], TypeError, r"x must hold numbers; got dtype <U1"),
        ([[None, 1.0]], TypeError, r"x must hold numbers; got dtype object"),
        ([[0.1, 0.2], [0.3]], (ValueError, TypeError), r"\bx\b"),
    ],
    ids=["columns", "vector", "cube", "columns of none", "nan", "infinite", "text", "none", "ragged"],
)
def test_samples(started, call, x, error, message):
    net, theta, _ = started
    check(lambda: CALLS[call](net, theta, x), error, message)


@pytest.mark.parametrize("call", [*CALLS, "freeze", "unpack", "convert"])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda theta: theta[:-1], ValueError, r"theta must have length 54; got length 53"),
        (lambda theta: np.append(theta, 0), ValueError, r"theta must have length 54; got length 55"),
        (lambda theta: theta[None], ValueError, r"theta must have 1 dimension; got shape \(1, 54\)"),
        (
            lambda theta: np.where(np.arange(54) == 7, NAN, theta),
            ValueError,
            r"theta must be finite; got theta\[7\] = nan",
        ),
        (
            lambda theta: np.where(np.arange(54) == 9, INF, theta),
            ValueError,
            r"theta must be finite; got theta\[9\] = inf",
        ),
        (lambda theta: None, TypeError, r"theta must hold numbers"),
    ],
    ids=["short", "long", "table", "nan", "infinite", "none"],
)
def test_parameters(started, call, change, error, message):
    net, theta, x = started
    assert theta.size == 54
    other = {
        "freeze": lambda net, theta, x: net.freeze(theta),
        "unpack": lambda net, theta, x: net.unpack(theta),
        "convert": lambda net, theta, x: net.convert(theta, net),
    }
    check(lambda: (CALLS | other)[call](net, change(theta), x), error, message)


def test_cotangents_and_tangents(started):
    net, theta, x = started
    pullback = net.vjp(theta, x)[1]
    check(lambda: pullback(np.ones((8, 3))), ValueError, r"dy must have shape \(8, 2\); got \(8, 3\)")
    check(lambda: pullback(np.ones(16)), ValueError, r"dy must have shape \(8, 2\); got \(16,\)")
    check(lambda: pullback(np.full((8, 2), NAN)), ValueError, r"dy must be finite; got dy\[0, 0\] = nan")
    check(lambda: net.jvp(theta, x, theta[:-1]), ValueError, r"dtheta must have length 54; got length 53")
    check(lambda: net.jvp(theta, x, theta, x[:-1]), ValueError, r"dx must have shape \(8, 2\); got \(7, 2\)")
    check(lambda: net.jvp(theta, x, theta, x * NAN), ValueError, r"dx must be finite")


def test_complex_cotangents_and_tangents_are_refused(started):
    """They would lose their imaginary part on the way into real accumulators."""
    net, theta, x = started
    with pytest.raises(TypeError, match="dy"):
        net.vjp(theta, x)[1](np.full((8, 2), 1j))
    with pytest.raises(TypeError, match="dtheta"):
        net.jvp(theta, x, 1j * theta)


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_points_outside_under_error(kind):
    net, theta = NetworkCase(kind, "none", "error", widths=(2, 1), intervals=(3,)).start(samples(8))
    message = r"x must lie in the domain under outside='error'; got x\[1, 0\] = 1.5 outside \[0.0, 1.0\]"
    for call in CALLS.values():
        check(lambda call=call: call(net, theta, [[0.1, 0.2], [1.5, 0.3]]), ValueError, message)
    assert net(theta, [[0.0, 1.0]]).shape == (1, 1)


def test_activations_outside_under_error_are_not_reported_as_the_users_x():
    """The input x is inside; what left its domain is an activation, and the message must say where."""
    net, theta = NetworkCase("spline", "none", "error", widths=(2, 1, 1)).start(samples(8))
    theta = np.where(np.arange(theta.size) < net.slices[0].stop, 5.0, theta)
    with pytest.raises(ValueError, match="layer 1"):
        net(theta, samples(8))


# --- initialize


@bad(
    (
        "seed for generator",
        lambda net, x: net.initialize(0, x),
        TypeError,
        r"rng must be a numpy.random.Generator; got int",
    ),
    (
        "old generator",
        lambda net, x: net.initialize(np.random.RandomState(0), x),
        TypeError,
        r"rng must be a numpy.random.Generator; got RandomState",
    ),
    (
        "scheme",
        lambda net, x: net.initialize(np.random.default_rng(0), x, "he"),
        ValueError,
        r"scheme must be one of 'linear', 'gaussian'; got 'he'",
    ),
    (
        "columns",
        lambda net, x: net.initialize(np.random.default_rng(0), x[:, :1]),
        ValueError,
        r"x must have shape \(N, 2\); got \(8, 1\)",
    ),
    (
        "nan",
        lambda net, x: net.initialize(np.random.default_rng(0), x * NAN),
        ValueError,
        r"x must be finite; got x\[0, 0\] = nan",
    ),
    (
        "complex",
        lambda net, x: net.initialize(np.random.default_rng(0), x + 1j),
        (TypeError, ValueError),
        r"\bx\b.*real",
    ),
    (
        "statistics columns",
        lambda net, x: net.initialize(np.random.default_rng(0), x, statistics=np.ones((3, 3))),
        ValueError,
        r"statistics must have shape \(N, 2\); got \(3, 3\)",
    ),
    (
        "statistics nan",
        lambda net, x: net.initialize(np.random.default_rng(0), x, statistics=x * NAN),
        ValueError,
        r"statistics must be finite",
    ),
    (
        "no samples",
        lambda net, x: net.initialize(np.random.default_rng(0), x[:0]),
        ValueError,
        r"node map 'mean-std' after layer 0 needs at least one sample; got none",
    ),
    (
        "no statistics",
        lambda net, x: net.initialize(np.random.default_rng(0), x, statistics=x[:0]),
        ValueError,
        r"node map 'mean-std' after layer 0 needs at least one sample; got none",
    ),
    (
        "one sample",
        lambda net, x: net.initialize(np.random.default_rng(0), x[:1]),
        ValueError,
        r"node 0 after layer 0 has standard deviation",
    ),
)
def test_initialize(call, error, message):
    check(lambda: call(NetworkCase("spline", "mean-std").build(), samples(8)), error, message)


@pytest.mark.parametrize("kind", EDGE_KINDS)
@pytest.mark.parametrize("node_map", ["mean-std", "min-max"])
def test_zero_spread_names_the_node(kind, node_map):
    """Constant activations appear during training: value and derivatives must say so, never divide by zero."""
    x = samples(8)
    net, theta = NetworkCase(kind, node_map).start(x)
    theta = theta.copy()
    parts = net.unpack(theta)
    for key in ("coefficients", "w_b"):
        if key in parts[0]:
            parts[0][key][1] = 0.0  # every edge into node 1
    for call in (*CALLS.values(), lambda net, theta, x: net.freeze(theta)):
        check(
            lambda call=call: call(net, theta, x),
            rk.DegenerateNodeError,
            r"node 1 after layer 0 has (standard deviation|range) 0",
        )


@pytest.mark.parametrize("node_map", ["mean-std", "min-max"])
def test_equal_coefficients_make_a_constant_node(node_map):
    """Its activations differ by rounding alone, which is no spread."""
    x = samples(8)
    net, theta = NetworkCase("spline", node_map).start(x)
    theta = theta.copy()
    net.unpack(theta)[0]["coefficients"][2] = 0.3
    check(lambda: net(theta, x), rk.DegenerateNodeError, r"node 2 after layer 0")


@pytest.mark.parametrize("node_map", [m for m in NODE_MAPS if m != "none"])
def test_unbound_networks(node_map):
    net = NetworkCase("spline", node_map).build()
    theta = np.zeros(net.n_params)
    message = rf"node map '{node_map}' after layer 0 is not bound to data: net, theta = net.initialize\(rng, x\) first"
    for call in (*CALLS.values(), lambda net, theta, x: net.freeze(theta)):
        check(lambda call=call: call(net, theta, samples(3)), ValueError, message)


def test_nothing_is_half_done_when_an_argument_is_refused():
    x = samples(8)
    net, theta = NetworkCase("spline", "mean-std").start(x)
    before = theta.copy(), net.statistics.copy()
    for call in CALLS.values():
        with pytest.raises(ValueError, match="finite"):
            call(net, theta, x * NAN)
    np.testing.assert_array_equal(theta, before[0])
    np.testing.assert_array_equal(net.statistics, before[1])


# --- the checks themselves


@pytest.mark.parametrize("value", [np.int8(3), np.uint64(3), 3], ids=repr)
def test_integers_of_any_kind_are_counts(value):
    assert check_count("n", value, 1) == 3
    assert type(check_count("n", value, 1)) is int


@bad(
    ("numpy bool", lambda: check_count("n", np.True_), TypeError, r"n must be an integer; got (np\.)?True"),
    ("array", lambda: check_count("n", np.array([1, 2])), TypeError, r"n must be an integer"),
    ("below", lambda: check_count("n", 1, 2), ValueError, r"n must be at least 2; got 1"),
    ("above", lambda: check_count("n", 9, 2, 8), ValueError, r"n must be at most 8; got 9"),
    ("choice", lambda: check_choice("name", ["a"], ["a"]), ValueError, r"name must be one of 'a'; got \['a'\]"),
    ("positive bool", lambda: check_positive("h", True), TypeError, r"h must be a number; got True"),
    ("positive complex", lambda: check_positive("h", 1j), TypeError, r"h must be a number; got 1j"),
    ("positive infinite", lambda: check_positive("h", INF), ValueError, r"h must be finite and positive; got inf"),
    ("number nan", lambda: as_array("a", NAN), ValueError, r"a must be finite; got a = nan"),
    ("too large for float64", lambda: as_array("a", [10**400]), (TypeError, ValueError), r"a must"),
)
def test_argument_checks(call, error, message):
    check(call, error, message)


def test_long_doubles_that_overflow_are_refused():
    if np.finfo(np.longdouble).max <= np.finfo(np.float64).max:
        pytest.skip("long double is double here")
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="a must be finite"):
        as_array("a", np.array([np.finfo(np.longdouble).max]))
