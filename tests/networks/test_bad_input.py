"""Bad samples and parameters of networks, bad starts: every error names what came, and nothing passes silently."""

from functools import partial

import numpy as np
import pytest

from tests.shared.factories import EDGE_KINDS, NODE_MAPS, NetworkCase, samples
from tests.shared.refusals import INF, NAN, refusals, refused

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
    ("x", "answer"),
    [
        (np.ones((3, 3)), r"x must have shape \(N, 2\); got \(3, 3\)"),
        (np.ones(2), r"x must have 2 dimensions; got shape \(2,\)"),
        (np.ones((0, 3)), r"x must have shape \(N, 2\); got \(0, 3\)"),
        ([[0.1, 0.2], [NAN, 0.1]], r"x must be finite; got x\[1, 0\] = nan"),
        ([[0.1, -INF]], r"x must be finite; got x\[0, 1\] = -inf"),
    ],
)
def test_samples(started, call, x, answer):
    net, theta, _ = started
    refused(lambda: CALLS[call](net, theta, x), answer)


@pytest.mark.parametrize("call", [*CALLS, "freeze", "unpack", "convert"])
def test_parameters(started, call):
    net, theta, x = started
    calls = CALLS | {
        "freeze": lambda net, theta, x: net.freeze(theta),
        "unpack": lambda net, theta, x: net.unpack(theta),
        "convert": lambda net, theta, x: net.convert(theta, net),
    }
    for wrong, answer in (
        (theta[:-1], r"theta must have length 54; got length 53"),
        (np.append(theta, 0), r"theta must have length 54; got length 55"),
        (theta[None], r"theta must have 1 dimension; got shape \(1, 54\)"),
        (np.where(np.arange(54) == 7, NAN, theta), r"theta must be finite; got theta\[7\] = nan"),
        (np.where(np.arange(54) == 9, INF, theta), r"theta must be finite; got theta\[9\] = inf"),
    ):
        refused(partial(calls[call], net, wrong, x), answer)


def test_cotangents_and_tangents(started):
    net, theta, x = started
    pullback = net.vjp(theta, x)[1]
    refused(lambda: pullback(np.ones((8, 3))), r"dy must have shape \(8, 2\); got \(8, 3\)")
    refused(lambda: pullback(np.ones(16)), r"dy must have shape \(8, 2\); got \(16,\)")
    refused(lambda: pullback(np.full((8, 2), NAN)), r"dy must be finite; got dy\[0, 0\] = nan")
    refused(lambda: net.jvp(theta, x, theta[:-1]), r"dtheta must have length 54; got length 53")
    refused(lambda: net.jvp(theta, x, theta, x[:-1]), r"dx must have shape \(8, 2\); got \(7, 2\)")
    refused(lambda: net.jvp(theta, x, theta, x * NAN), r"dx must be finite")
    # Complex ones would lose their imaginary part on the way into real accumulators.
    refused(lambda: pullback(np.full((8, 2), 1j)), "TypeError: dy")
    refused(lambda: net.jvp(theta, x, 1j * theta), "TypeError: dtheta")


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_points_outside_under_error(kind):
    net, theta = NetworkCase(kind, "none", "error", widths=(2, 1), intervals=(3,)).start(samples(8))
    message = r"x must lie in the domain under outside='error'; got x\[1, 0\] = 1.5 outside \[0.0, 1.0\]"
    for call in CALLS.values():
        refused(lambda call=call: call(net, theta, [[0.1, 0.2], [1.5, 0.3]]), message)
    assert net(theta, [[0.0, 1.0]]).shape == (1, 1)


def test_activations_outside_under_error_are_not_reported_as_the_users_x():
    """The input x is inside; what left its domain is an activation, and the message must say where."""
    net, theta = NetworkCase("spline", "none", "error", widths=(2, 1, 1)).start(samples(8))
    theta = np.where(np.arange(theta.size) < net.slices[0].stop, 5.0, theta)
    refused(lambda: net(theta, samples(8)), "layer 1")


# --- initialize


def initialized(x, *arguments, **options):
    return NetworkCase("spline", "mean-std").build().initialize(np.random.default_rng(0), x, *arguments, **options)


X = samples(8)

test_initialize = refusals(
    (lambda: initialized(X, "he"), r"scheme must be one of 'linear', 'normal', 'gaussian'; got 'he'"),
    (lambda: initialized(X[:, :1]), r"x must have shape \(N, 2\); got \(8, 1\)"),
    (lambda: initialized(X * NAN), r"x must be finite; got x\[0, 0\] = nan"),
    (lambda: initialized(X + 1j), r"TypeError: \bx\b.*real"),
    (lambda: initialized(X, statistics=np.ones((3, 3))), r"statistics must have shape \(N, 2\); got \(3, 3\)"),
    (lambda: initialized(X, statistics=X * NAN), "statistics must be finite"),
    (lambda: initialized(X[:0]), "node map 'mean-std' after layer 0 needs at least one sample; got none"),
    (lambda: initialized(X, statistics=X[:0]), "node map 'mean-std' after layer 0 needs at least one sample; got none"),
    (lambda: initialized(X[:1]), "DegenerateNodeError: node 0 after layer 0 has standard deviation"),
)


@pytest.mark.parametrize("kind", EDGE_KINDS)
@pytest.mark.parametrize("node_map", ["mean-std", "min-max"])
def test_zero_spread_names_the_node(kind, node_map):
    """Constant activations appear during training: value and derivatives must say so, never divide by zero."""
    net, theta = NetworkCase(kind, node_map).start(X)
    parts = net.unpack(theta)[0]
    for key in parts.keys() & {"coefficients", "w_b"}:
        parts[key][1] = 0.0  # every edge into node 1
    for call in (*CALLS.values(), lambda net, theta, x: net.freeze(theta)):
        answer = "DegenerateNodeError: node 1 after layer 0 has (standard deviation|range) 0"
        refused(partial(call, net, theta, X), answer)


@pytest.mark.parametrize("node_map", [m for m in NODE_MAPS if m != "none"])
def test_unbound_networks(node_map):
    net = NetworkCase("spline", node_map).build()
    theta = np.zeros(net.n_params)
    message = rf"node map '{node_map}' after layer 0 is not bound to data: net, theta = net.initialize\(rng, x\) first"
    for call in (*CALLS.values(), lambda net, theta, x: net.freeze(theta)):
        refused(lambda call=call: call(net, theta, samples(3)), message)
