"""What the truth refuses, and what it says."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import flint
import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.truth import UndecidedError
from tests.shared.refusals import refused
from tests.truth.truth_cases import Case, draw


@pytest.fixture
def point():
    return Case("spline").start()


def test_wrong_shapes_are_named(point):
    net, theta, x = point
    t = truth.of(net, theta, x)
    refused(lambda: truth.of(net, theta[1:], x), f"theta must hold {theta.size} numbers; got {theta.size - 1}")
    refused(lambda: truth.of(net, theta, np.ones((4, 3))), r"x\[0\] must hold 2 numbers; got 3")
    refused(lambda: truth.of(net, theta, x[0]), r"TypeError: x\[0\] must hold 2 numbers; got ")
    refused(lambda: truth.of(net, theta, 0.5), "TypeError: x must hold rows of 2 numbers; got 0.5")
    refused(lambda: t.pullback(draw(4, 2)), "dy must hold 3 rows of 2 numbers; got 4")
    refused(lambda: t.hessian(draw(3, 1)), r"dy\[0\] must hold 2 numbers; got 1")
    refused(lambda: t.pushforward([1]), "dtheta must hold")
    refused(lambda: t.least_squares(draw(4, 2)), "y must hold 3 rows")
    refused(lambda: t.least_squares(draw(3, 2), [1]), "weights must hold 3 numbers")
    refused(lambda: t.jet([]), "first must hold at least one direction")
    refused(lambda: t.jet(draw(1, 2)).pullback(draw(3, 2), draw(3, 1, 2), draw(4, 1, 2)), "dsecond")


def test_wrong_numbers_are_named(point):
    net, theta, x = point
    with pytest.raises(ValueError, match=r"x\[2\]: numbers must be finite; got nan"):
        truth.of(net, theta, [[0, 0], [0, 0], [0, float("nan")]])
    with pytest.raises(TypeError, match="theta: numbers must turn into Fraction exactly; got 1j"):
        truth.of(net, [*theta[1:], 1j], x)
    refused(lambda: truth.of(net, theta, x, number=int), r"TypeError: number must be Fraction, flint\.fmpq, float")
    with pytest.raises(ValueError, match=r"weights must not be negative; got weights\[1\] = -1"):
        truth.of(net, theta, x[:2]).least_squares(draw(2, 2), [1, -1])
    refused(lambda: truth.of(net, theta, x[:0]).least_squares([]), "x must hold at least one sample")


def test_what_is_no_network_is_refused(point):
    net, theta, x = point
    refused(lambda: truth.of({}, theta, x), "TypeError: net must be a network of refkan; got dict")
    refused(lambda: truth.of(rk.kan([2, 3, 2], 3, 2), theta, x), "node map 'affine' after layer 0 is not bound to data")
    with pytest.raises(TypeError, match="knows no layers of type Unknown: give it a method truth_form"):
        truth.of(replace(net, layers=(Unknown(net.layers[0]), net.layers[1])), theta, x)
    silent = replace(net)
    object.__setattr__(silent, "node_maps", (Silent(),))  # networks themselves take node maps alone
    refused(lambda: truth.of(silent, theta, x), r"TypeError: must describe themselves by truth_form.*got Silent")


class Unknown(rk.networks.layers.Layer):
    n_inputs, n_outputs = 2, 3

    def __init__(self, layer):
        self.blocks_of = layer

    @property
    def blocks(self):
        return self.blocks_of.blocks

    declare = initialize = None


class Silent:
    bound, name = True, "silent"


IRRATIONAL = (
    Case("silu"),
    Case("dense-tanh", "none"),
    Case("spline", "sigmoid"),
    Case("spline", "mean-std"),
    Case("spline", free=True),
)


@pytest.mark.parametrize("case", IRRATIONAL, ids=str)
def test_irrational_functions_name_the_remedy(case):
    t = case.truth(Fraction)
    refused(lambda: t.value, r"is no Fraction: use number=flint.arb .* or number=float")
    assert case.truth(float).value


def test_balls_that_hold_a_knot_are_undecided(point):
    net, theta, _ = point
    t = truth.of(net, theta, [[flint.arb(0.5, 0.3), flint.arb(0.5)]], flint.arb)
    refused(lambda: t.value, r"UndecidedError: higher precision \(flint.ctx.prec\) or exact numbers")
    # Half a domain: on a knot of neither input, and decided at any precision.
    flint.ctx.prec = 53
    assert truth.of(net, theta, [[0.5, 0.5]], flint.arb).value[0][0].rad() < 1e-10


def test_the_extreme_sample_of_a_min_max_map_is_undecided_among_balls():
    """It lies on a domain's end exactly, and a ball cannot tell: Fractions can."""
    case = Case("spline", "min-max")
    with pytest.raises(UndecidedError):
        case.truth(flint.arb).value  # noqa: B018
    assert case.truth(Fraction).value


@pytest.mark.parametrize("number", [Fraction, float, flint.arb])
@pytest.mark.parametrize(("node_map", "what"), [("mean-std", "standard deviation 0"), ("min-max", "range 0")])
def test_a_constant_node_is_named(number, node_map, what):
    net, theta, x = Case("spline", node_map).start()
    C = net.layers[0].unpack(theta[net.slices[0]])["coefficients"]
    C[0] = 0.375  # a constant: the B-splines sum to one
    message = f"node 0 after layer 0 has {what} on" if number is not flint.arb else "node 0 after layer 0, on"
    refused(lambda: truth.of(net, theta, x, number).value, f"{message} the statistics batch: ")


@pytest.mark.parametrize("kind", ["spline", "relu", "chebyshev"])
def test_leaving_a_domain_is_an_error_where_it_is_one(kind):
    net, theta, x = Case(kind, "affine", "error", widths=(2, 1)).start()
    refused(lambda: truth.of(net, theta, [[0.5, 1.1]]).value, r"x must lie in the domain \[.*\]; got 1.1")
    # A map takes the range of activations onto a domain up to rounding, which the library allows for.
    x[0] = 0.0, 1 + 2 * np.finfo(float).eps
    assert np.allclose(np.array(truth.of(net, theta, x).value, float), net(theta, x), rtol=1e-11)


@pytest.mark.parametrize("i", [-1, 7, 2, None, "x", True])
def test_numbers_of_functions_that_are_none(i):
    knots = [-1.0, 0.0, 1.0, 2.0]
    error = "" if type(i) is int else "TypeError: "
    for call in (truth.bspline, truth.bspline_derivative, truth.truncated_power, truth.truncated_power_derivative):
        refused(partial(call, knots, 2, i, 0.25), f"{error}i must be .*; got {i!r}")
    assert truth.bspline(knots, 2, np.int64(1), 0.25) == 0.25
