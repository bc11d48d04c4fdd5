"""Bad samples and parameters of networks, bad starts: every error names what came, and nothing passes silently."""

from __future__ import annotations

import numpy as np
import pytest

import refkan as rk
from tests.shared.factories import EDGE_KINDS, NODE_MAPS, NetworkCase, samples
from tests.shared.refusals import INF, NAN, bad, check

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
        r"scheme must be one of 'linear', 'normal', 'gaussian'; got 'he'",
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
