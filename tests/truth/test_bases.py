"""Bases over Fractions, number by number against exact pieces; layers in both bases; complex steps and mpmath."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refkan import truth
from refkan.truth.bases.bsplines import bspline, bspline_derivative, knot_derivative
from refkan.truth.bases.change_of_basis import change_of_basis_inverse, uniform_change_of_basis
from refkan.truth.bases.chebyshev import chebyshev
from refkan.truth.bases.free_knots import free_knots
from refkan.truth.bases.outside import POLICIES, interval
from refkan.truth.bases.prolongation import prolongation, uniform_prolongation
from refkan.truth.bases.relu_powers import truncated_power_derivative, truncated_powers
from refkan.truth.layers import BSplines, ReluPowers, SumLayer
from tests.analysis.exact.oracles import bases as oracle
from tests.analysis.exact.oracles import polynomials as P
from tests.shared.refusals import refused
from tests.truth.truth_cases import apply, dim, points, powers, random_knots, rational_knots, values

FAMILIES = {"splines": (oracle.splines, values), "powers": (oracle.relu_powers, powers)}


@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize("name", ["splines", "splines, repeated", "powers"])
@given(st.data())
@settings(max_examples=8, deadline=None)
def test_functions_and_their_derivatives_are_those_of_the_exact_pieces(name, outside, data):
    """Of an implementation that shares nothing with this one: at knots, between and beyond them, in all derivatives."""
    order, knots = data.draw(rational_knots(repeats="repeated" in name))
    pieces_of, evaluate = FAMILIES[name.partition(",")[0]]
    pieces, (a, b) = pieces_of(knots, order, outside), (knots[order - 1], knots[-order])
    beyond = [] if outside == "error" else [*knots, a - Fraction(3, 4), b + Fraction(3, 4)]
    for x in [*points(knots, order), *beyond]:
        functions = pieces.piece(x)
        for k in range(order + 2):
            assert evaluate(knots, order, x, k, outside) == [P.value(f, x) for f in functions]
            functions = [P.derivative(f) for f in functions]
    if outside == "error":
        refused(lambda: evaluate(knots, order, b + 1, 0, outside), "x must lie in the domain")


@pytest.mark.parametrize("outside", ["linear", "polynomial", "error"])
@pytest.mark.parametrize("degree", range(1, 7))
def test_chebyshev_polynomials_are_those_of_the_exact_pieces(degree, outside):
    domain = Fraction(-1, 3), Fraction(2)
    pieces = oracle.chebyshev(domain, degree, outside)
    for x in (*domain, Fraction(1, 7), *([] if outside == "error" else [Fraction(-5), Fraction(9, 4)])):
        functions = pieces.piece(x)
        for k in range(degree + 2):
            found = chebyshev(domain, degree, x, k, outside)
            assert [found.get(i, 0) for i in range(degree + 1)] == [P.value(f, x) for f in functions]
            functions = [P.derivative(f) for f in functions]
    refused(lambda: chebyshev(domain, degree, Fraction(3), 0, "error"), "x must lie in the domain")


@pytest.mark.parametrize("order", [1, 2, 4])
def test_single_functions_are_those_of_the_rows(order):
    knots = random_knots(order, 3)
    for x in [*points(knots, order), knots[-1] + 1]:
        for k in range(order + 1):
            for evaluate, one in (
                (values, bspline_derivative),
                (powers, truncated_power_derivative),
            ):
                each = [one(knots, order, i, x, k) for i in range(dim(knots, order))]
                assert each == evaluate(knots, order, x, k)
        assert [bspline(knots, order, i, x) for i in range(dim(knots, order))] == values(knots, order, x)
        assert [truth.truncated_power(knots, order, i, x) for i in range(dim(knots, order))] == powers(knots, order, x)


@pytest.mark.parametrize("scale", [Fraction(1, 3), Fraction(5)])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_scaled_powers_are_the_powers_over_a_power_of_the_scale(order, scale):
    knots = random_knots(order, 3)
    for x in points(knots, order):
        for i in range(dim(knots, order)):
            for k in range(3):
                scaled = truncated_power_derivative(knots, order, i, x, k, scale)
                plain = truncated_power_derivative(knots, order, i, x, k)
                assert scaled * scale ** (order - 1) == plain


def test_an_unknown_policy_is_refused():
    refused(lambda: bspline([0.0, 1.0], 1, 0, 0.5, outside="clamp"), "outside must be")
    refused(lambda: chebyshev((0.0, 1.0), 2, 0.5, outside="clamp"), "outside must be")


BAD_BASES = [
    ([0, 1, 2, 3], 0, "order must be at least 1; got 0"),
    ([0, 1, 2, 3], -2, "order must be at least 1; got -2"),
    ([0, 1, 2, 3], 1.5, "TypeError: order must be an integer; got 1.5"),
    ([0, 1, 2, 3], None, "TypeError: order must be an integer; got None"),
    ([0, 1, 2, 3], "2", "TypeError: order must be an integer; got '2'"),
    ([0, 1, 2, 3], True, "TypeError: order must be an integer; got True"),
    ([0, 1, 2], 2, "knots must hold at least 2 order = 4 numbers; got 3"),
    ([], 1, "knots must hold at least 2 order = 2 numbers; got 0"),
    (None, 2, "TypeError: knots must be a sequence of numbers; got None"),
    (7, 2, "TypeError: knots must be a sequence of numbers; got 7"),
    ("0123", 2, "TypeError: knots must be a sequence of numbers; got '0123'"),
    ({0, 1, 2, 3}, 2, "TypeError: knots must be a sequence of numbers"),
    ([0, 1, "2", 3], 2, r"TypeError: knots\[2\] must be a number; got '2'"),
    ([0, None, 2, 3], 2, r"TypeError: knots\[1\] must be a number; got None"),
    ([0, 2, 1, 3], 2, r"knots must be in ascending order; got knots\[1\] = 2, then 1"),
    ([0, 1, 1, 3], 2, r"knots must span a domain \[a, b\] with a < b; got a = b = 1"),
]
ON_KNOTS = [
    lambda knots, order: bspline(knots, order, 0, 0.5),
    lambda knots, order: truth.bsplines(knots, order, 0.5),
    lambda knots, order: truth.truncated_power(knots, order, 0, 0.5),
    lambda knots, order: truncated_powers(knots, order, 0.5),
    lambda knots, order: interval(knots, order, 0.5),
    truth.change_of_basis,
    truth.change_of_basis_divided_differences,
    change_of_basis_inverse,
]


@pytest.mark.parametrize("function", ON_KNOTS)
@pytest.mark.parametrize(("knots", "order", "message"), BAD_BASES)
def test_bad_knots_and_orders_are_refused_by_name(function, knots, order, message):
    refused(lambda: function(knots, order), message)


@pytest.mark.parametrize("i", [-1, 2, 1.0, None, "0", True])
@pytest.mark.parametrize("function", [bspline, truth.truncated_power])
def test_a_bad_number_of_a_function_is_refused(function, i):
    kind = "ValueError" if type(i) is int else "TypeError"
    refused(lambda: function([0, 1, 2, 3], 2, i, 1.5), f"{kind}: i must be")


@pytest.mark.parametrize("x", [None, "1.5", [1.5], np.array([1.5, 1.0])])
@pytest.mark.parametrize("function", [truth.bsplines, truncated_powers, interval])
def test_a_point_that_is_no_number_is_refused(function, x):
    refused(lambda: function([0, 1, 2, 3], 2, x), "TypeError: x must be a number")
    refused(lambda: chebyshev((0, 1), 2, x), "TypeError: x must be a number")


@pytest.mark.parametrize("derivative", [-1, 0.5, "1", None])
@pytest.mark.parametrize("function", [truth.bsplines, truncated_powers])
def test_a_bad_derivative_is_refused(function, derivative):
    answer = "derivative must be at least 0" if derivative == -1 else "TypeError: derivative must be an integer"
    refused(lambda: function([0, 1, 2, 3], 2, 1.5, derivative), answer)
    refused(lambda: chebyshev((0, 1), 2, 0.5, derivative), answer)


def test_other_bad_numbers_are_refused():
    refused(lambda: free_knots([], (0, 1), 2, 0.01), "s must hold a number for each interval; got none")
    refused(lambda: chebyshev((0, 1), 0, 0.5), "degree must be at least 1; got 0")
    refused(lambda: uniform_change_of_basis(0, 3, 1), "order must be at least 1; got 0")
    refused(lambda: uniform_change_of_basis(2, 0.5, 1), "TypeError: dim must be an integer; got 0.5")
    refused(lambda: uniform_prolongation(2, 0), "intervals must be at least 1; got 0")
    refused(lambda: prolongation([0, 1], [0, 2, 1], 1), "fine_knots must be in ascending order; got fine_knots")
    refused(lambda: knot_derivative([0, 1, 2, 3, 4], 2, [0, 1, 0], 2, 1), "0 < j < n = 2; got 2")


def spline_layer(knots, order, n_outputs, outside):
    return SumLayer([BSplines(t, order, outside) for t in knots], n_outputs)


def relu_layer(knots, order, n_outputs, outside, scale=1):
    return SumLayer([ReluPowers(t, order, outside, scale) for t in knots], n_outputs)


def flat(weights):
    return [c for row in weights for edge in row for c in edge]


def test_layers_are_the_same_function_in_both_bases():
    order, P, Q = 3, 2, 3
    per_input = [random_knots(order, 3, seed=p) for p in range(P)]
    rng = np.random.default_rng(5)
    draws = rng.integers(-9, 9, size=(Q, P, dim(per_input[0], order)))
    u = [[[Fraction(int(c), 7) for c in edge] for edge in row] for row in draws]
    transposes = [list(zip(*truth.change_of_basis(t, order), strict=True)) for t in per_input]
    w = [[apply(A, edge) for edge, A in zip(row, transposes, strict=True)] for row in u]
    for outside in ("linear", "polynomial"):
        for x in ([t[order] for t in per_input], [t[-order] for t in per_input], [Fraction(-9), Fraction(50)]):
            y = spline_layer(per_input, order, Q, outside).value(flat(u), x)
            assert y == relu_layer(per_input, order, Q, outside).value(flat(w), x)
            stretched = [c * 2 ** (order - 1) for c in flat(w)]
            assert y == relu_layer(per_input, order, Q, outside, Fraction(2)).value(stretched, x)
            edges = zip(u[1], per_input, x, strict=True)
            assert y[1] == sum(apply([c], values(t, order, x_p, 0, outside))[0] for c, t, x_p in edges)
    refused(lambda: spline_layer(per_input, order, Q, "linear").value(flat(u), [Fraction(1)] * 3), "zip")


def test_complex_step_and_mpmath():
    exact = random_knots(4, 3)
    floats = [float(t) for t in exact]
    x = (floats[3] + floats[-4]) / 2 + 0.01
    step = 1e-200
    for i in range(dim(exact, 4)):
        slope = bspline(floats, 4, i, complex(x, step)).imag / step
        assert slope == pytest.approx(bspline_derivative(floats, 4, i, x), rel=1e-13, abs=1e-13)
        power = truth.truncated_power(floats, 4, i, complex(x, step)).imag / step
        assert power == pytest.approx(truncated_power_derivative(floats, 4, i, x), rel=1e-13)
    with mpmath.workdps(60):
        knots = [mpmath.mpf(t.numerator) / t.denominator for t in exact]
        wide = bspline(knots, 4, 1, (knots[3] + knots[4]) / 2)
        narrow = bspline(exact, 4, 1, (exact[3] + exact[4]) / 2)
        assert abs(wide - mpmath.mpf(narrow.numerator) / narrow.denominator) < mpmath.mpf(10) ** -57
