"""Jets: what is refused, and what is allowed with a warning."""

import warnings

import numpy as np
import pytest

import refkan as rk
from tests.networks.jets.jet_cases import FIRST
from tests.shared.factories import NetworkCase, samples
from tests.shared.refusals import refused


def jet_of(order, orders=2, **options):
    net, theta = rk.kan([2, 3, 1], order=order, intervals=2, **options).initialize(np.random.default_rng(0), samples(9))
    return net.jet(theta, samples(4), np.eye(2), orders=orders)


def test_second_derivatives_of_linear_splines_are_refused():
    refused(lambda: jet_of(2), r"layer 0: second derivatives in x need splines of order >= 4.*got order 2")
    refused(lambda: jet_of(1, orders=1), "first derivatives in x need splines of order >= 3")
    assert jet_of(2, orders=1).first.shape == (4, 2, 1)


@pytest.mark.parametrize(("order", "orders"), [(3, 2), (2, 1)])
def test_derivatives_that_jump_are_allowed_with_one_warning(order, orders):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        jet_of(order, orders)
    assert [str(w.message) for w in caught] == [
        f"the {('first', 'second')[orders - 1]} derivative of splines of order {order} jumps at the knots"
    ]
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jet_of(order + 1, orders)


def test_free_knots_below_order_4_are_refused():
    refused(lambda: jet_of(3, free_knots=True), "second derivatives in x with free knots need order >= 4; got order 3")
    assert jet_of(4, free_knots=True).second.shape == (4, 2, 1)
    assert jet_of(3, orders=1, free_knots=True).first.shape == (4, 2, 1)


def test_relu_networks_warn_of_their_second_derivative():
    net, theta = rk.mlp([2, 3, 1], "relu").initialize(np.random.default_rng(0), samples(9))
    with pytest.warns(UserWarning, match="the second derivative of ReLU networks is zero"):
        assert not net.jet(theta, samples(4), np.eye(2)).second.any()


@pytest.mark.parametrize(
    ("first", "second", "orders", "message"),
    [
        (np.eye(3), None, 2, r"first must have shape \(K, 2\) or \(5, K, 2\); got \(3, 3\)"),
        (np.ones((4, 1, 2)), None, 2, r"first must have shape \(K, 2\) or \(5, K, 2\); got \(4, 1, 2\)"),
        (np.eye(2), np.ones((1, 2)), 2, "second must have as many directions as first, 2"),
        (np.eye(2), None, (1, 2, 2), "one for each of the 2 directions; got 3 numbers"),
        (np.eye(2), None, 3, r"orders\[0\] must be at most 2; got 3"),
        ([[np.nan, 1.0]], None, 2, r"first must be finite; got first\[0, 0\] = nan"),
    ],
)
def test_bad_seeds_are_refused(first, second, orders, message):
    net, theta = NetworkCase("spline", order=4).start(samples(20))
    refused(lambda: net.jet(theta, samples(5), first, second, orders), message)


def test_bad_cotangents_are_refused():
    net, theta = NetworkCase("spline", order=4).start(samples(20))
    jet = net.jet(theta, samples(5), FIRST)
    refused(lambda: jet.pullback(first=np.ones((5, 3))), r"first must have shape \(5, 3, 2\); got \(5, 3\)")
    refused(lambda: jet.pushforward(np.ones(3)), "dtheta must have length")
    with pytest.raises(ValueError, match=r"second must have shape \(5, 1, 3, 2\); got \(5, 1, 2\)"):
        jet.jacobian(value=np.ones((5, 1, 2)), second=np.ones((5, 1, 2)))
    refused(net.jet(theta + 0j, samples(5), FIRST).pullback, "TypeError: must be real")


def test_points_outside_the_domain_follow_the_policy():
    case = NetworkCase("spline", outside="error", order=4)
    net, theta = case.start(samples(20))
    refused(lambda: net.jet(theta, [[0.5, 0.5], [1.5, 0.5]], FIRST), r"OutsideDomainError: x\[1, 0\] = 1.5")
