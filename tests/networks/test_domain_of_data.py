"""Domains taken from data, and the warning where data lie outside the domain."""

import warnings

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning.null_space import null_vectors
from refkan.base.errors import NarrowInputWarning, OutsideDomainWarning
from refkan.networks.domain_of_data import ROOM, ranges
from refkan.training.multilevel import Stage, multistart
from tests.shared.factories import EDGE_KINDS
from tests.shared.refusals import refused
from tests.shared.tables import each_row

X = np.random.default_rng(0).uniform([-3.0, 100.0], [5.0, 200.0], (80, 2))
DOMAIN = np.stack([X.min(axis=0), X.max(axis=0)], axis=1)
NOT_BOUND = r"the domain of the first layer is not bound to data \(domain='data'\): net, theta = net.initialize"


def options(kind):
    return {"edge": "silu"} if kind == "silu" else {"basis": kind}


def build(domain, kind="spline", node_map="mean-std", **more):
    return rk.kan([2, 3, 1], 3, [4, 2], domain, node_map=node_map, **options(kind), **more)


def start(net, x=X, **more):
    return net.initialize(np.random.default_rng(1), x, **more)


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_it_is_the_network_whose_domain_was_given(kind, free):
    """Bit by bit: the ranges of the data as pairs make the same network and the same parameters."""
    ours, theta = start(build("data", kind, free_knots=free))
    theirs, expected = start(build(DOMAIN, kind, free_knots=free))
    np.testing.assert_array_equal(theta, expected)
    np.testing.assert_array_equal(ours(theta, X), theirs(expected, X))
    assert repr(ours) == repr(theirs)
    assert not ours.domain_from_data
    np.testing.assert_array_equal(ours.convert(theta, theirs), theta)


@pytest.mark.parametrize("before", [True, False])
def test_refined_or_in_another_basis_before_or_after(before):
    def change(net):
        return net.refine([2, 3]).to_basis("relu")

    if before:
        net, _ = start(change(build("data")))
    else:
        net = change(start(build("data"))[0])
    expected = change(start(build(DOMAIN))[0])
    for ours, theirs in zip(net.layers[0].spaces, expected.layers[0].spaces, strict=True):
        np.testing.assert_allclose(ours.knots, theirs.knots, rtol=1e-14)


@pytest.mark.parametrize("factor", [2, 3, 5, 7])
@pytest.mark.parametrize("intervals", [1, 3, 7, 10, 49])
def test_refined_networks_can_still_be_bound(intervals, factor):
    net, _ = start(rk.kan([2, 1], 4, intervals, "data").refine(factor))
    np.testing.assert_array_equal(net.layers[0].domains, DOMAIN)


def test_the_template_can_be_bound_to_other_data():
    net = build("data")
    start(net)
    bound, _ = start(net, 2 * X)
    np.testing.assert_array_equal(bound.layers[0].domains, 2 * DOMAIN)
    again, _ = start(bound, 1.9 * X)  # a bound network has its domain
    np.testing.assert_array_equal(again.layers[0].domains, 2 * DOMAIN)


def test_the_domain_is_that_of_the_samples_not_of_the_statistics_batch():
    net, _ = start(build("data"), statistics=X[:20])
    np.testing.assert_array_equal(net.layers[0].domains, DOMAIN)


@each_row(
    "use",
    lambda net, theta: net(theta, X),
    lambda net, theta: net.vjp(theta, X),
    lambda net, theta: net.jvp(theta, X, theta),
    lambda net, theta: net.jacobian(theta, X),
    lambda net, theta: net.jet(theta, X, np.eye(2), orders=1),
    lambda net, theta: net.freeze(theta),
    lambda net, theta: net.convert(theta, net.to_basis("relu")),
    lambda net, theta: net.prolongation(net.refine()),
    lambda net, theta: net.coordinates("relu"),
    lambda net, theta: net.insert(0, [0.3]),
    lambda net, theta: net.with_fixed_knots(theta),
    lambda net, theta: rk.save("never-written.npz", net, theta),
    lambda net, theta: rk.hessians.gauss_newton(net, theta, X),
    lambda net, theta: rk.LeastSquares(net, X, X[:, :1]).value(theta),
    lambda net, theta: rk.minimize(rk.LeastSquares(net, X, X[:, :1]), theta),
    lambda net, theta: rk.spectrum(rk.LeastSquares(net, X, X[:, :1]), theta),
    lambda net, theta: rk.Collocation(net, rk.prescribed("ends", X, 0.0)),
    lambda net, theta: null_vectors(net, theta, X),
)
@pytest.mark.parametrize("node_map", ["affine", "none"])
def test_until_then_everything_asks_for_data(use, node_map):
    net = build("data", node_map=node_map)
    refused(lambda: use(net, np.zeros(net.n_params)), NOT_BOUND)
    net.insert(1, [0.3])  # the domain of a hidden layer is known


def test_a_bound_network_is_not_converted_into_one_that_waits():
    net, theta = start(build("data"))
    refused(lambda: net.convert(theta, build("data")), "other must be bound to data; its first layer has no domain yet")


def test_the_repr_says_so():
    assert "maps: mean-std, domain: from data; 48 parameters" in repr(build("data"))
    assert "from data" not in repr(start(build("data"))[0])


@each_row(
    "x, message",
    (np.column_stack([X[:, 0], np.full(80, 3.0)]), r"x to vary in each input; got x\[:, 1\] between 3.0 and 3.0"),
    (X[:1], r"x to vary in each input; got x\[:, 0\]"),
    (X[:0], "x to hold at least two samples; got none"),
    (1e9 + 1e-6 * X, r"x to vary in each input; got x\[:, 0\] between 999999999.9"),
    (-1e9 - 1e-6 * X, r"x to vary in each input; got x\[:, 0\] between -1000000000.0"),
)
def test_data_without_a_range_are_refused(x, message):
    refused(lambda: start(build("data"), x), f"domain='data' needs {message}")


@pytest.mark.parametrize("sign", [1, -1])
def test_ends_of_a_range_are_apart_by_more_than_rounding_of_the_farther_one(sign):
    least = ROOM * np.finfo(float).eps
    near, far = (sign * np.array([[1.0], [1.0 - length]]) for length in (least, 2 * least))
    refused(lambda: ranges(near), r"x to vary in each input; got x\[:, 0\] between ")
    assert ranges(far).tolist() == [sorted(far[:, 0])]


def test_knots_that_are_not_uniform_are_refused():
    space = rk.SplineSpace.from_breakpoints(3, [0.0, 0.1, 1.0])
    net = rk.Network((rk.SplineLayer((space, space), 1),), (), domain_from_data=True)
    refused(lambda: start(net), "needs uniform knots in the first layer; got others for input 0")
    with pytest.raises(ValueError, match="needs a first layer with a domain; got a DenseLayer"):
        start(rk.Network(rk.mlp([2, 1]).layers, (), domain_from_data=True))


def test_all_starts_of_a_multistart_have_the_domain_of_all_samples():
    problem = rk.LeastSquares(rk.kan([2, 2, 1], 3, 1, "data"), X, np.sin(X[:, :1]))
    result = multistart(problem, np.random.default_rng(1), Stage.refined([2, 2], [2, 1], [20, None]))
    np.testing.assert_array_equal(result.network.layers[0].domains, DOMAIN)


def outside(share, n=100, columns=2):
    """Samples of which so many of input 1 lie above the domain."""
    x = np.random.default_rng(0).uniform(size=(n, columns))
    x[: round(share * n), 1] += 1.0
    return x


def test_many_samples_outside_are_warned_of_with_the_remedy():
    net = rk.kan([2, 1], 3, 4)
    message = (
        r"11 of 100 values of input 1 lie outside the domain \[0, 1\] of the first layer: they range from .* "
        'by default. Give kan the domain of each input, or domain="data"'
    )
    with pytest.warns(OutsideDomainWarning, match=message) as caught:
        net.initialize(np.random.default_rng(0), outside(0.11))
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error::refkan.base.errors.OutsideDomainWarning")
@each_row(
    "net, x",
    (rk.kan([2, 1], 3, 4), outside(0.10)),
    (rk.kan([2, 1], 3, 4), np.empty((0, 2))),
    (rk.kan([2, 1], 3, 4, "data"), outside(0.5)),
    (rk.kan([2, 1], 3, 4, [(0, 1), (0, 2)], edge="silu"), outside(0.5)),
    (rk.mlp([2, 1]), outside(0.5)),
)
def test_no_warning(net, x):
    net.initialize(np.random.default_rng(0), x)


def test_several_inputs_and_other_layers():
    for net in (rk.kan([2, 1], 3, 4, edge="silu"), rk.kan([2, 1], 3, 4, basis="relu")):
        with pytest.warns(
            OutsideDomainWarning, match=r"input 0 lie outside .*: they range from .*; the same goes for input 1\. Give"
        ):
            net.initialize(np.random.default_rng(0), 5 * outside(0.5))


def test_an_input_that_covers_little_of_its_domain():
    x = np.random.default_rng(0).uniform(size=(50, 3)) * [1e-3, 1.0, 0.02]
    net = rk.kan([3, 1], 3, 4)
    with pytest.warns(NarrowInputWarning, match=r"input 0 covers 0\.096 % of .*; the same goes for input 2\. Give"):
        net.initialize(np.random.default_rng(0), x)
    with pytest.warns(NarrowInputWarning, match=r"; the same goes for inputs 1, 2\. Give"):
        net.initialize(np.random.default_rng(0), x * [1.0, 0.02, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.initialize(np.random.default_rng(0), x[:19])  # too few to say
        net.initialize(np.random.default_rng(0), x * [0.0, 1.0, 30.0])  # a constant input has no range
        rk.kan([3, 1], 3, 4, domain="data").initialize(np.random.default_rng(0), x)
