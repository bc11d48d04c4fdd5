from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.networks.layers import SiluLayer
from tests.networks.refinement.trained_networks import trained
from tests.shared.factories import MLP_KINDS, NetworkCase, with_layers


def with_order(net, order):
    spaces = [[rk.SplineSpace.uniform(order, 6, S.domain) for S in layer.spaces] for layer in net.layers]
    return with_layers(net, [replace(layer, spaces=tuple(S)) for layer, S in zip(net.layers, spaces, strict=True)])


def with_domain(net, domain):
    spaces = [[rk.SplineSpace.uniform(3, 6, domain) for _ in layer.spaces] for layer in net.layers]
    return with_layers(net, [replace(layer, spaces=tuple(S)) for layer, S in zip(net.layers, spaces, strict=True)])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net, t: net.refine(0), ValueError, r"factor must be .*at least 1; got 0"),
        (lambda net, t: net.refine(-2), ValueError, r"factor must be .*; got -2"),
        (lambda net, t: net.refine(2.0), TypeError, r"factor must be"),
        (lambda net, t: net.refine("2"), TypeError, r"factor must be"),
        (lambda net, t: net.refine(None), TypeError, r"factor must be"),
        (lambda net, t: net.refine([2]), ValueError, r"one for each of 2 layers; got \[2\]"),
        (lambda net, t: net.refine([2, 2, 2]), ValueError, r"one for each of 2 layers"),
        (lambda net, t: net.refine([2, 0]), ValueError, r"factor must be .*; got 0"),
        (lambda net, t: net.refine([2, 1.5]), TypeError, r"factor must be"),
        (lambda net, t: net.refine(10**9), ValueError, r"factor must be"),
        (lambda net, t: net.insert(2, [0.5]), ValueError, r"layer must be"),
        (lambda net, t: net.insert(-1, [0.5]), ValueError, r"layer must be"),
        (lambda net, t: net.insert("0", [0.5]), TypeError, r"layer must be"),
        (lambda net, t: net.insert(0, [0.4, 1.2]), rk.KnotError, r"input 0: new_knots must lie inside .*\[1\]=1.2"),
        (lambda net, t: net.insert(0, [0.0]), rk.KnotError, r"inside the domain \(0.0, 1.0\); got new_knots\[0\]=0.0"),
        (lambda net, t: net.insert(1, [0.5]), rk.KnotError, r"must not be knots already; got new_knots\[0\]=0.5"),
        (lambda net, t: net.insert(0, [0.4, 0.2, 0.4]), rk.KnotError, r"distinct; got new_knots\[2\]=0.4 twice"),
        (
            lambda net, t: net.insert(0, [[0.4, 0.2], [0.4, -1.0]]),
            rk.KnotError,
            r"input 1: new_knots must lie inside the domain \(0.0, 1.0\); got new_knots\[1\]=-1.0",
        ),
        (lambda net, t: net.insert(0, [[0.4], [0.2], [0.1]]), ValueError, r"shape \(m,\) or \(2, m\); got \(3, 1\)"),
        (lambda net, t: net.insert(0, 0.4), ValueError, r"shape \(m,\) or \(2, m\); got \(\)"),
        (lambda net, t: net.insert(0, [np.inf]), ValueError, r"new_knots must be finite"),
        (lambda net, t: net.insert(0, None), TypeError, r"new_knots must"),
        (lambda net, t: net.convert(t[:-1], net.refine()), ValueError, r"theta must have length 54; got length 53"),
        (lambda net, t: net.convert(t * np.nan, net.refine()), ValueError, r"theta must be finite"),
        (lambda net, t: net.convert(t, net.refine().layers[0]), TypeError, r"other must be a Network; got SplineLayer"),
        (lambda net, t: net.prolongation(None), TypeError, r"other must be a Network; got NoneType"),
        (
            lambda net, t: net.refine().convert(np.zeros(net.refine().n_params), net),
            rk.KnotError,
            r"layer 0, input 0: fine must contain every knot of coarse; breakpoint 1 = 0.1666\d* is missing",
        ),
        (
            lambda net, t: net.insert(1, [[0.1], [0.2], [0.3]]).prolongation(net.insert(1, [[0.1], [0.25], [0.3]])),
            rk.KnotError,
            r"layer 1, input 1: fine must contain every knot of coarse; breakpoint 1 = 0.2 is missing: the nearest is",
        ),
        (
            lambda net, t: net.prolongation(net.refine().to_basis("relu")),
            ValueError,
            r"layer 0: other must have the basis 'spline'; got 'relu'",
        ),
        (
            lambda net, t: net.prolongation(net.with_free_knots()),
            ValueError,
            r"layer 0: prolongation is a matrix for fixed knots only; use net.convert",
        ),
        (
            lambda net, t: net.convert(t, with_order(net, 4)),
            ValueError,
            r"layer 0: other must have the same order, outputs, domains and outside rule",
        ),
        (
            lambda net, t: net.convert(t, with_domain(net, (0.0, 2.0))),
            ValueError,
            r"layer 0: other must have the same order, outputs, domains and outside rule",
        ),
        (
            lambda net, t: net.convert(t, with_layers(net, [SiluLayer(layer) for layer in net.layers])),
            ValueError,
            r"layer 0: cannot convert a SplineLayer into a SiluLayer",
        ),
        (
            lambda net, t: net.prolongation(with_layers(net, [SiluLayer(layer) for layer in net.layers])),
            ValueError,
            r"layer 0: cannot prolong a SplineLayer into a SiluLayer",
        ),
    ],
)
def test_bad_input(call, error, message):
    net, theta = trained(NetworkCase("spline"))
    with pytest.raises(error, match=message):
        call(net, theta)


@pytest.mark.parametrize("kind", MLP_KINDS)
def test_dense_networks_have_no_knots(kind):
    net = NetworkCase(kind, "none").build()
    for call, message in (
        (net.refine, "refine needs a network with knots or Chebyshev layers; got dense layers only"),
        (net.with_free_knots, "with_free_knots needs a network with knots; got none"),
        (lambda: net.insert(0, [0.5]), r"layer 0 must be one with knots; got a DenseLayer"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    theta = np.zeros(net.n_params)
    assert net.with_fixed_knots(theta).layers == net.layers


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (NetworkCase("spline", order=1), "free knots need order >= 2"),
        (NetworkCase("spline", outside="natural"), "free knots need outside='linear'"),
    ],
    ids=str,
)
def test_knots_that_cannot_be_free(case, message):
    with pytest.raises(ValueError, match=message):
        case.build().with_free_knots()


def test_breakpoints_too_close_to_be_free():
    net = NetworkCase("spline").build().insert(0, [0.3334])
    with pytest.raises(ValueError, match=r"free knots keep every interval at least"):
        net.with_free_knots()
