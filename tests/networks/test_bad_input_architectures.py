"""Bad widths, intervals and options of networks, bad spaces and widths of layers."""

from __future__ import annotations

import refkan as rk
from tests.shared.refusals import bad, check

S = rk.SplineSpace.uniform(3, 4)


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
