"""The same network in another basis: on and off the samples, and again after each change of state."""

import warnings
from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan.checks import dot_check
from refkan.splines import change_of_basis
from tests.networks.refinement.trained_networks import assert_same_function
from tests.shared.factories import EPS, NODE_MAPS, NetworkCase, samples
from tests.shared.refusals import refused
from tests.shared.tables import each_row

BASES = ("spline", "relu", "scaled-relu")
CASES = [
    NetworkCase("spline", node_map, outside, free)
    for node_map in NODE_MAPS
    for outside in ("linear", "polynomial")
    for free in (False, True)
]


@pytest.mark.parametrize("target", BASES[1:])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_conversion_leaves_the_function_unchanged_after_every_change_of_state(case, target):
    net, theta = case.start(samples(12))
    relu = net.to_basis(target)
    assert (net.basis, relu.basis) == ("spline", target)
    w = net.convert(theta, relu)
    assert_same_function(net, theta, relu, w)
    # a gradient step in the new basis
    y, pullback = relu.vjp(w, samples(7))
    step = pullback(y)[0]
    w = w - 0.1 * np.abs(w).max() / np.abs(step).max() * step
    theta = relu.convert(w, net)
    assert_same_function(net, theta, relu, w)
    # other parameters
    theta = theta + 0.1 * np.random.default_rng(0).standard_normal(theta.size)
    w = net.convert(theta, relu)
    assert_same_function(net, theta, relu, w)
    # frozen node maps, and back
    frozen = net.freeze(theta)
    assert_same_function(frozen, theta, relu, w)
    back = frozen.to_basis(target).to_basis("spline")
    assert_same_function(back, frozen.convert(theta, back), relu, w)


@pytest.mark.parametrize("order", [2, 4, 6])
def test_polynomial_tails_differ_by_the_rounding_of_coefficients_alone(order):
    """However far out: in exact numbers, relative to what the coefficients of the finer grid add up to there."""
    net, theta = rk.kan([1, 1], order, 16, outside="polynomial").initialize(np.random.default_rng(0), samples(9, 1))
    fine, x = net.refine(), [[-30.0], [1.1], [2.0], [50.0]]
    w = net.convert(theta, fine)
    coarse, finer = rk.truth.of(net, theta, x), rk.truth.of(fine, w, x)
    for old, new, row in zip(coarse.value, finer.value, finer.jacobian(), strict=True):
        size = sum(abs(phi * Fraction(c)) for phi, c in zip(row, w, strict=True))
        assert abs(new[0] - old[0]) <= 2 * order * EPS * size


def test_converting_to_itself_copies():
    net, theta = NetworkCase("silu").start(samples(12))
    again = net.convert(theta, net)
    np.testing.assert_array_equal(again, theta)
    assert not np.shares_memory(again, theta)
    assert not np.shares_memory(net.to_basis("spline").convert(theta, net), theta)


def start(*args, **kwargs):
    return NetworkCase(*args, **kwargs).start(samples(12))


@pytest.mark.parametrize("target", BASES[1:])
def test_under_natural_tails_conversion_is_refused_unless_allowed(target):
    net, theta = start("spline", outside="natural")
    relu = net.to_basis(target)
    refused(lambda: net.convert(theta, relu), r"layer 0: under outside='natural'.*allow_inexact")
    w = net.convert(theta, relu, allow_inexact=True)
    refused(lambda: relu.convert(w, net), "natural")
    # The same function as long as no activation leaves its domain: here on the samples of the node maps, at the start.
    x = samples(12)
    net, theta = NetworkCase("spline", outside="natural").build().initialize(np.random.default_rng(0), x)
    relu = net.to_basis(target)
    w = net.convert(theta, relu, allow_inexact=True)
    inside = x[(net.node_maps[0].value(net.layers[0].linearize(theta[net.slices[0]], x).value) <= 1).all(axis=1)]
    np.testing.assert_allclose(relu(w, inside), net(theta, inside), rtol=0, atol=1e-11)
    assert np.abs(relu(w, x + 3) - net(theta, x + 3)).max() > 1e-2


def test_the_two_relu_bases_agree_under_natural_tails():
    net, theta = start("relu", outside="natural")
    scaled = net.to_basis("scaled-relu")
    assert_same_function(net, theta, scaled, net.convert(theta, scaled))


def test_under_error_conversion_is_the_same_function_where_there_is_one():
    net, theta = NetworkCase("spline", "sigmoid", "error").start(samples(12))
    relu = net.to_basis("relu")
    w = net.convert(theta, relu)
    np.testing.assert_allclose(relu(w, samples(12)), net(theta, samples(12)), rtol=0, atol=1e-11)


@each_row(
    "other, message",
    (lambda: start("spline", widths=(2, 4, 2))[0], r"widths \(2, 3, 2\); got \(2, 4, 2\)"),
    (lambda: start("spline", "sigmoid")[0], r"node map after layer 0 as this network \('affine'\); got 'sigmoid'$"),
    (lambda: NetworkCase("spline").build(), "node map after layer 0 .* other is not bound to data: make one from"),
    ids=["widths", "another map", "unbound map"],
)
def test_networks_that_differ_are_refused(other, message):
    net, theta = start("spline")
    refused(lambda: net.convert(theta, other()), message)


@pytest.mark.parametrize("size", [9, 12])
def test_another_statistics_batch_is_refused(size):
    x = samples(12)
    net, theta = NetworkCase("spline", "mean-std").start(x)
    other, _ = NetworkCase("spline", "mean-std").start(x, statistics=samples(size, seed=11))
    refused(lambda: net.convert(theta, other), "statistics")


def test_other_constants_of_an_affine_map_are_refused():
    net, theta = start("spline")
    other, _ = NetworkCase("spline").start(samples(12), seed=8)
    refused(lambda: net.convert(theta, other), r"node map after layer 0 .* got 'affine' of other constants or domains$")


@pytest.mark.parametrize("kind", ["spline", "relu", "silu"])
def test_complex_steps_go_through_refinement(kind):
    net, theta = start(kind)
    fine, h = net.refine(), 1e-20
    v = np.random.default_rng(4).standard_normal(theta.size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of imaginary parts that are cut
        derivative = net.convert(theta + 1j * h * v, fine).imag / h
    exact = net.prolongation(fine) @ v
    np.testing.assert_allclose(derivative, exact, rtol=0, atol=1e-12 * np.abs(exact).max())


@pytest.mark.parametrize(("kind", "why"), [("silu", "a SiLU edge"), ("mlp-tanh", "DenseLayer")])
def test_layers_without_another_basis_are_refused(kind, why):
    net = NetworkCase(kind, "none").build()
    for call in (net.to_basis, net.coordinates):
        with pytest.raises(ValueError, match=rf"basis 'relu' is not available: {why}"):
            call("relu")


@pytest.mark.parametrize("own", BASES)
@pytest.mark.parametrize("basis", BASES)
def test_coordinates(own, basis):
    net, theta = NetworkCase(own).start(samples(12))
    coordinates = net.coordinates(basis)
    other = net.to_basis(basis)
    v = coordinates.to(theta)
    np.testing.assert_allclose(v, net.convert(theta, other), rtol=1e-13, atol=0)
    np.testing.assert_allclose(coordinates.back(v), theta, rtol=0, atol=1e-11 * np.abs(theta).max())
    # linear: steps map like points
    step = np.random.default_rng(0).standard_normal(theta.size)
    moved = coordinates.to(theta + step) - coordinates.to(theta)
    np.testing.assert_allclose(moved, coordinates.to(step), rtol=0, atol=1e-12 * np.abs(v).max() * 10)
    # the gradient map is the adjoint of `back`
    report = dot_check(coordinates.back, coordinates.gradient, theta.size, theta.size, rtol=1e-13)
    assert report.ok, report.table
    # and takes the gradient of a loss to that of the network in the other basis
    dy = np.ones((5, 2))
    g, _ = net.vjp(theta, samples(5))[1](dy)
    g_other, _ = other.vjp(v, samples(5))[1](dy)
    np.testing.assert_allclose(coordinates.gradient(g), g_other, rtol=0, atol=1e-11 * np.abs(g_other).max())
    assert_same_function(net, coordinates.back(v), other, v)


@pytest.mark.parametrize("kind", ["silu", "spline"])
def test_own_coordinates_are_the_identity_even_with_other_blocks(kind):
    net, theta = NetworkCase(kind, free_knots=True).start(samples(12))
    coordinates = net.coordinates("spline")
    for map_ in (coordinates.to, coordinates.back, coordinates.gradient):
        np.testing.assert_array_equal(map_(theta), theta)


def test_free_knots_have_no_constant_change_of_coordinates():
    net = NetworkCase("spline", free_knots=True).build()
    refused(lambda: net.coordinates("relu"), "basis 'relu': layer 0 has free knots")


@each_row(
    "fault",
    lambda deltas, v: -RIGHT(deltas, v),
    lambda deltas, v: RIGHT(deltas, v) * (1 + 1e-9),
    lambda deltas, v: np.roll(RIGHT(deltas, v), 1, axis=-1),
    lambda deltas, v: change_of_basis.apply(deltas, v),
    ids=["sign", "factor", "shift", "A for its transpose"],
)
def test_sabotage_of_the_change_of_basis_is_noticed(monkeypatch, fault):
    net, theta = start("spline")
    relu = net.to_basis("relu")
    assert_same_function(net, theta, relu, net.convert(theta, relu))
    monkeypatch.setattr(change_of_basis, "apply_transposed", fault)
    w = net.convert(theta, relu)
    with pytest.raises(AssertionError):
        assert_same_function(net, theta, relu, w)


RIGHT = change_of_basis.apply_transposed
