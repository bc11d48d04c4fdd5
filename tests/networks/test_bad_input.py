"""Bad samples, parameters, starts, widths, knots and options of networks: every error names what came."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.networks import architectures
from refkan.networks.layers import ChebyshevLayer, DenseLayer, SiluLayer
from tests.shared.factories import EDGE_KINDS, MLP_KINDS, NODE_MAPS, NetworkCase, samples, with_layers
from tests.shared.refusals import NAN, refusals, refused


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


def test_cotangents_and_tangents(started):
    net, theta, x = started
    pullback = net.vjp(theta, x)[1]
    refused(lambda: pullback(np.ones((8, 3))), r"dy must have shape \(8, 2\); got \(8, 3\)")
    refused(lambda: pullback(np.ones(16)), r"dy must have shape \(8, 2\); got \(16,\)")
    refused(lambda: pullback(np.full((8, 2), NAN)), r"dy must be finite; got dy\[0, 0\] = nan")
    # Complex ones would lose their imaginary part on the way into real accumulators.
    refused(lambda: pullback(np.full((8, 2), 1j)), "TypeError: dy")


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


def initialized(x, *arguments, **options):
    return NetworkCase("spline", "mean-std").build().initialize(np.random.default_rng(0), x, *arguments, **options)


X = samples(8)

test_initialize = refusals(
    (lambda: initialized(X[:0]), "node map 'mean-std' after layer 0 needs at least one sample; got none"),
    (lambda: initialized(X, statistics=X[:0]), "node map 'mean-std' after layer 0 needs at least one sample; got none"),
    (lambda: initialized(X[:1]), "DegenerateNodeError: node 0 after layer 0 has standard deviation"),
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::refkan.base.OutsideDomainWarning")
@pytest.mark.parametrize("node_map", NODE_MAPS)
def test_inputs_whose_activations_overflow_are_named(node_map):
    """The caller knows nothing of the constants of node maps, which are no numbers then."""
    net = rk.kan([2, 3, 1], 3, 4, node_map=node_map)
    far = np.array([[0.5, 0.5], [0.5, -1e308]])
    answer = r"x must keep activations within float64, but those of layer 0 overflow at x\[1\] = \[0.5, -1e\+308\]"
    refused(lambda: net.initialize(0, far), answer)
    answer = "statistics must keep activations within float64"
    refused(lambda: net.initialize(0, X, statistics=far), answer)


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


S = rk.SplineSpace.uniform(3, 4)
ENDS = ((0.0, 1.0), (-2.0, 2.0), (5.0, 5.6))

test_architectures = refusals(
    (lambda: rk.kan([2], 2, 2), r"widths must hold at least two numbers.*got \[2\]"),
    (lambda: rk.kan([2, 0, 1], 2, 2), r"widths\[1\] must be at least 1; got 0"),
    (lambda: rk.mlp([2, 0]), r"widths\[1\] must be at least 1; got 0"),
    (lambda: rk.mlp([2]), "widths must hold at least two"),
    (lambda: rk.kan([2, 1], 2, [2, 3]), r"intervals must be one value or one a layer \(1\); got 2 values"),
    (lambda: rk.kan([2, 1], 2, 2, free_knots=[True, False]), "free_knots must be one value or one a layer .* 2 values"),
    (lambda: rk.kan([2, 1], 2, 2, edge="silu", basis="relu"), "edge 'silu' is defined in the spline basis"),
    (lambda: rk.kan([2, 1], 1, 2, free_knots=True), "free knots need order >= 2; got order 1"),
    (lambda: rk.kan([2, 1], 2, 2, free_knots=True, outside="natural"), "free knots need outside=.*; got 'natural'"),
    (lambda: rk.kan([2, 1], 2, 2, domain=(1, 0)), r"KnotError: domain must be a pair .*a < b; got \(1.0, 0.0\)"),
    (lambda: rk.kan([3, 1], 2, 2, domain=[(0, 1), (0, 2)]), "domain must be .* one for each of the 3 inputs; got 2"),
    (lambda: rk.kan([2, 1], 2, 2, domain=[(0, 1), (2, 2)]), r"KnotError: domain\[1\] must be a pair.*\(2.0, 2.0\)"),
    (lambda: rk.chebyshev_kan([2, 1], [3, 4]), r"degree must be one value or one a layer \(1\)"),
    (lambda: rk.chebyshev_kan([2, 1], 3, domain=[(0, 1)]), "one for each of the 2 inputs; got 1 pairs"),
)


def layer(P=2, Q=1, order=3, n=4):
    return rk.SplineLayer((rk.SplineSpace.uniform(order, n),) * P, Q)


test_layers = refusals(
    (lambda: rk.SplineLayer((), 1), "spaces must hold one SplineSpace for each input; got none"),
    (lambda: rk.SplineLayer((S, rk.SplineSpace.uniform(2, 4)), 1), r"one order and .* of intervals; got spaces\[1\]"),
    (lambda: rk.SplineLayer((S, rk.SplineSpace.uniform(3, 5)), 1), r"one order and .* of intervals; got spaces\[1\]"),
    (lambda: rk.SiluLayer(layer().in_basis("relu")), "TypeError: spline must be a SplineLayer; got ReluLayer"),
    (lambda: ChebyshevLayer([(0, 1), (1, 1)], 1, 2), r"KnotError: ends\[1\] must be a pair \(a, b\) with a < b"),
    (lambda: ChebyshevLayer(ENDS, 1, 1001), "degree must be at most 1000; got 1001"),
    (lambda: rk.Network((layer(2, 3), layer(2, 1)), rk.kan([1] * 3, 2, 2).node_maps), "3 outputs of layer 0 and 2"),
    (lambda: rk.Network((layer(2, 3), layer(3, 1)), ()), "2 layers need 1 node maps; got 0"),
    (lambda: rk.Network((), ()), "layers must"),
)


NET, THETA = NetworkCase("spline").start(samples(12))
CHEBYSHEV = rk.chebyshev_kan([2, 1], 3)
SILU = with_layers(NET, map(SiluLayer, NET.layers))
OTHER = r"layer 0: other must have the same order, outputs, domains and outside rule"


def on_spaces(order=3, domain=(0.0, 1.0)):
    space = rk.SplineSpace.uniform(order, 6, domain)
    return with_layers(NET, [replace(layer, spaces=(space,) * layer.n_inputs) for layer in NET.layers])


test_refinements = refusals(
    (lambda: NET.refine([2]), r"one for each of 2 layers; got \[2\]"),
    (lambda: NET.refine(10**9), "factor must be"),
    (lambda: NET.insert(2, [0.5]), "layer must be"),
    (lambda: NET.insert(0, [0.4, 1.2]), r"KnotError: input 0: new_knots must lie inside .*\[1\]=1.2"),
    (lambda: NET.insert(0, [0.0]), r"KnotError: inside the domain \(0.0, 1.0\); got new_knots\[0\]=0.0"),
    (lambda: NET.insert(1, [0.5]), r"KnotError: must not be knots already; got new_knots\[0\]=0.5"),
    (lambda: NET.insert(0, [[0.4, 0.2], [0.4, -1.0]]), r"KnotError: input 1: .*domain .*; got new_knots\[1\]=-1.0"),
    (lambda: NET.insert(0, [0.3334]).with_free_knots(), "free knots keep every interval at least"),
    (lambda: rk.SplineLayer(NET.insert(0, [0.3334]).layers[0].spaces, 1, free_knots=True), "free knots keep every"),
    (NetworkCase("spline", order=1).build().with_free_knots, "free knots need order >= 2"),
    (NetworkCase("spline", outside="natural").build().with_free_knots, "free knots need outside='linear'"),
    (lambda: rk.chebyshev_kan([2, 1], 300).refine(4), "degree must be at most 1000; got 1200"),
    (lambda: CHEBYSHEV.insert(0, [0.5]), "layer 0 must be one with knots; got a ChebyshevLayer"),
    (CHEBYSHEV.with_free_knots, "needs a network with knots; got none"),
)

test_conversions = refusals(
    (lambda: NET.convert(THETA, on_spaces(4)), OTHER),
    (lambda: NET.convert(THETA, on_spaces(domain=(0.0, 2.0))), OTHER),
    (lambda: NET.convert(THETA, SILU), "layer 0: cannot convert a SplineLayer into a SiluLayer"),
    (lambda: NET.prolongation(SILU), "layer 0: cannot convert a SplineLayer into a SiluLayer"),
    (lambda: NET.prolongation(NET.refine().to_basis("relu")), "layer 0: other must have the basis 'spline'"),
    (lambda: NET.prolongation(NET.with_free_knots()), "layer 0: prolongation is a matrix for fixed knots only; use"),
    (lambda: NET.refine().convert(np.zeros(NET.refine().n_params), NET), r"KnotError: layer 0: input 0.*1 = 0.1666\d*"),
    (
        lambda: NET.insert(1, [[0.1], [0.2], [0.3]]).prolongation(NET.insert(1, [[0.1], [0.25], [0.3]])),
        "KnotError: layer 1: input 1: fine must contain every knot of coarse; breakpoint 1 = 0.2 is missing: the",
    ),
    (lambda: CHEBYSHEV.convert(np.zeros(8), rk.chebyshev_kan([2, 1], 2)), "layer 0: other .* least degree 3; got 2"),
    (lambda: CHEBYSHEV.prolongation(rk.chebyshev_kan([2, 1], 4, domain=(0, 2))), "layer 0: other .* the same domains"),
    (lambda: CHEBYSHEV.convert(np.zeros(8), rk.kan([2, 1], 3, 3)), "layer 0: cannot convert a ChebyshevLayer into"),
    (lambda: rk.kan([2, 1], 3, 3).prolongation(CHEBYSHEV), "layer 0: cannot convert a SplineLayer into a Chebyshev"),
)


@pytest.mark.parametrize("kind", MLP_KINDS)
def test_dense_networks_have_no_knots(kind):
    net = NetworkCase(kind, "none").build()
    refused(net.refine, "refine needs a network with knots or Chebyshev layers; got DenseLayer only")
    refused(net.with_free_knots, "with_free_knots needs a network with knots; got none")
    refused(lambda: net.insert(0, [0.5]), "layer 0 must be one with knots; got a DenseLayer")
    assert net.with_fixed_knots(np.zeros(net.n_params)).layers == net.layers


@pytest.mark.parametrize(
    ("build", "coefficients"),
    [
        (lambda: rk.kan([2, 3, 2], 3, [4, 2]), 6 * 6 + 6 * 4),
        (lambda: rk.chebyshev_kan([2, 3, 2], [3, 5]), 6 * 4 + 6 * 6),
        (lambda: rk.mlp([2, 3, 2]), 6 + 6),
    ],
    ids=["kan", "chebyshev", "mlp"],
)
def test_networks_are_refused_beyond_a_number_of_coefficients_and_not_before(build, coefficients, monkeypatch):
    monkeypatch.setattr(architectures, "MAX_PARAMETERS", coefficients)
    build()
    monkeypatch.setattr(architectures, "MAX_PARAMETERS", coefficients - 1)
    refused(build, f"with {coefficients} coefficients")


def test_layers_of_ones_own_are_named():
    """As any layer without knots, not as dense ones."""

    class Own(DenseLayer):
        pass

    net = rk.Network((Own(1, 1),), ())
    refused(net.refine, "refine needs a network with knots or Chebyshev layers; got Own only")
    refused(lambda: net.to_basis("relu"), "basis 'relu' is not available: Own has none")
