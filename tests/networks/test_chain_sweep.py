"""Small networks of splines in one call each way: the bits of layer after layer, and who is served."""

from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.networks.network import Network
from refkan.splines.sums.input_jet import FixedJet, InputJet

MAPS, TAILS = ("affine", "none"), ("linear", "polynomial", "natural")


def drawn(seed):
    """A network, parameters and samples, some of them outside the domain, on knots and none at all."""
    rng = np.random.default_rng(seed)
    depth, node_map = rng.integers(2, 5), MAPS[seed % 2]
    widths = [int(width) for width in rng.integers(1, 6, depth + 1)]
    intervals = [int(count) for count in rng.integers(1, 8, depth)]
    net = rk.kan(widths, int(rng.integers(2, 6)), intervals, node_map=node_map, outside=TAILS[seed % 3])
    x = rng.uniform(-0.3, 1.3, size=(int(rng.integers(2, 20)), widths[0]))
    net, theta = net.initialize(rng, rng.uniform(size=(30, widths[0])))
    x[0] = [space.breakpoints[rng.integers(space.intervals + 1)] for space in net.layers[0].spaces]
    return net, theta, FixedJet(x[: 0 if seed == 7 else None, None]), rng


def layer_by_layer(net):
    """The same network, which does not know that it is a chain."""
    other = Network(net.layers, net.node_maps)
    vars(other)["_chain"] = None
    return other


@pytest.mark.parametrize("seed", range(24))
def test_the_bits_are_those_of_layer_after_layer(seed):
    net, theta, x, rng = drawn(seed)
    results = []
    dy = rng.normal(size=(len(x.x), net.widths[-1]))
    for each in (net, layer_by_layer(net)):
        y, pullback = each.vjp(theta, x, inputs=False)
        dtheta, dx = pullback(dy)
        assert dx is None
        results.append((each(theta, x), y, dtheta, pullback(2 * dy)[0]))
        if len(x.x):
            problem = rk.LeastSquares(each, x.x, dy)
            results[-1] += (problem.value(theta), *problem.value_and_gradient(theta))
    assert net._small(theta, x) is not None
    for few, as_ever in zip(*results, strict=True):
        assert np.array_equal(few, as_ever)
        assert np.array_equal(np.signbit(few), np.signbit(as_ever))


def test_a_pullback_stays_at_its_point():
    net, theta, x, rng = drawn(2)
    dy = rng.normal(size=(len(x.x), net.widths[-1]))
    _, pullback = net.vjp(theta, x, inputs=False)
    before = pullback(dy)[0].copy()
    net.vjp(theta + 1.0, x, inputs=False)[1](dy)
    theta += 1.0
    assert np.array_equal(pullback(dy)[0], before)


X = np.random.default_rng(0).uniform(size=(8, 2))
SERVED = {
    "splines": rk.kan([2, 3, 1], 4, 5),
    "no maps": rk.kan([2, 3, 1], 3, 4, node_map="none", outside="natural"),
}
NOT_SERVED = {
    "one layer": rk.kan([2, 1], 1, 3),
    "statistics": rk.kan([2, 3, 1], 4, 5, node_map="mean-std"),
    "curved maps": rk.kan([2, 3, 1], 4, 5, node_map="sigmoid"),
    "checked domains": rk.kan([2, 3, 1], 4, 5, node_map="sigmoid", outside="error"),
    "domains of one layer": rk.kan([2, 1], 4, 5, outside="error"),
    "free knots": rk.kan([2, 3, 1], 4, 5, free_knots=True),
    "another basis": rk.kan([2, 3, 1], 4, 5, basis="relu"),
    "SiLU": rk.kan([2, 3, 1], 4, 5, edge="silu"),
    "dense": rk.mlp([2, 3, 1]),
    "Chebyshev": rk.chebyshev_kan([2, 3, 1], 4),
}


@pytest.mark.parametrize("name", [*SERVED, *NOT_SERVED])
def test_who_is_served(name):
    net, theta = {**SERVED, **NOT_SERVED}[name].initialize(np.random.default_rng(1), X)
    assert (net._small(theta, FixedJet(X[:, None])) is not None) == (name in SERVED)


def test_many_samples_samples_seen_once_complex_numbers_and_chosen_engines_go_layer_by_layer():
    net, theta = SERVED["splines"].initialize(np.random.default_rng(1), X)
    few = FixedJet(X[:, None])
    many = FixedJet(np.zeros((int(60_000 / net._chain.saved) + 1, 1, 2)))
    assert net._small(theta, few) is not None
    assert net._small(theta, many) is None
    assert net._small(theta + 0j, few) is None
    assert net._small(theta, InputJet(X[:, None])) is None
    for engine in ("fast", "plain"):
        with rk.use_engine(engine):
            assert net._small(theta, few) is None


def told(f):
    try:
        return f()
    except OverflowError as error:
        return str(error)


@pytest.mark.parametrize("factor", [1e100, 1e153, 1e154, 1e155, 1e200])
def test_values_that_overflow_are_those_of_layer_after_layer(factor):
    net, theta = SERVED["splines"].initialize(np.random.default_rng(1), X)
    theta, x, dy, answers = factor * theta, FixedJet(10 * X[:, None]), np.ones((8, 1)), []
    for each in (net, layer_by_layer(net)):
        gradient = partial(lambda each: each.vjp(theta, x, inputs=False)[1](dy)[0], each)
        answers.append((told(partial(each, theta, x)), told(gradient)))
    for few, as_ever in zip(*answers, strict=True):
        assert type(few) is type(as_ever)
        assert few == as_ever if isinstance(few, str) else np.array_equal(few, as_ever)
