"""Proven error bounds: against true errors, attained, constants that are no floats, and functions that are refused."""

import math
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate

import mpmath
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import EPS, Intervals
from refkan.analysis.exact.enclosures.network_intervals import interval_network
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.solutions.bounds_of_errors import _cumulated, _integrated_reciprocal
from refkan.analysis.exact.solutions.certified_solutions import _reason
from refkan.analysis.exact.solutions.equation_functions import evaluated, exact
from refkan.analysis.exact.solutions.equations import Equation
from tests.shared.refusals import refused
from tests.shared.tables import each_row

CUBIC = rk.kan([1, 1], order=4, intervals=1)
ZERO = [0.0] * 4
QUICK = {"budget": 8, "integration_intervals": 4}


def error_of_zero(source, boundary=lambda *x: 0.0, box=((0.0, 1.0),), **options):
    """The certified error of the network 0."""
    return rk.exact.certified_error(CUBIC, ZERO, source, boundary, box, **options)


@pytest.mark.parametrize("points", [1, 2, 3, 8])
@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (-3.0, 5.0), (1e-3, 1.5e-3)])
def test_bounds_that_are_attained(a, b, points):
    """v = 0, u = (x - a)(x - b): the error (b - a)^2/4 is attained, by the maximum principle with equality."""
    net = rk.kan([1, 1], order=4, intervals=1, domain=(a, b))
    exactly = lambda x: (x - a) * (x - b)  # noqa: E731
    bound = rk.exact.certified_error(net, ZERO, lambda x: 2, exactly, [[a, b]], integration_intervals=points)
    error = float((Fraction(b) - Fraction(a)) ** 2 / 4)
    assert error <= bound.by_maximum_principle <= error * (1 + 1e-12)
    assert error <= bound.by_integration <= error * 2.1
    assert 2 <= bound.residual <= 2 + 1e-12
    c = 3.0
    scaled = rk.exact.certified_error(net, ZERO, lambda x: 2 * c, exactly, [[a, b]], diffusion_coefficient=lambda x: c)
    assert error <= scaled.by_maximum_principle <= error * (1 + 1e-12)


def test_residuals_of_higher_degree_are_integrated_exactly():
    """u'' = 20 x^3, u = x^5 - x: |u(1/2)| = 15/32, and between points at most w^2/8 20 = 5/8 more."""
    bound = error_of_zero(lambda x: 20 * x**3, integration_intervals=2, budget=8, taylor_degree=6)
    assert 1.09375 <= bound.by_integration <= 1.09375 * (1 + 1e-9)


def test_between_points_a_wave_is_taller():
    """v = 0, u = sin(k x), with as few points as resolve it; and a coefficient that grows."""
    for k, points in ((1.0, 2), (2.0, 3), (3.0, 2)):
        u = lambda x, k=k: (x * k).sin()  # noqa: E731
        bound = error_of_zero(lambda x: 0.0, u, wavenumber=k, integration_intervals=points)
        assert bound.by_integration >= math.sin(min(k, math.pi / 2))
        assert bound.by_integration < 4
    # u = x (1 - x): (e^x u')' = -e^x (1 + 2 x), at most 3 e; m = min e^x (1/2 + x) = 1/2
    bound = error_of_zero(lambda x: x.exp() * (-1 - 2 * x), diffusion_coefficient=lambda x: x.exp())
    assert 0.75 * math.e <= bound.by_maximum_principle <= 0.75 * math.e * 1.03


@pytest.mark.parametrize("box", [[[0.0, 1.0], [0.0, 8.0]], [[0.0, 8.0], [0.0, 1.0]]])
def test_in_two_dimensions_the_shorter_side_counts_and_every_face(box):
    net = rk.kan([2, 1], order=3, intervals=1, domain=box)
    zero, far = np.zeros(net.n_params), box[0][1]
    bound = rk.exact.certified_error(net, zero, lambda x, y: 2, lambda x, y: 0, box, **QUICK)
    assert 0.25 <= bound.by_maximum_principle <= 0.25 * (1 + 1e-12)
    for g in (lambda x, y: x, lambda x, y: x - far, lambda x, y: y - box[1][1]):
        bound = rk.exact.certified_error(net, zero, lambda x, y: 0, g, box, **QUICK)
        assert bound.by_maximum_principle >= bound.boundary_error >= 1


@each_row(
    "constant",
    Fraction(1, 3), 2**53 + 1, np.int64(2**53 + 1), Decimal("0.1"), np.longdouble(1) / 3, np.float32(0.1), 0.1, 1,
    mpmath.mpf(2) ** -1074, np.array(0.3),
    ids=repr,
)  # fmt: skip
def test_constants_are_the_numbers_that_they_are(constant):
    """f = constant - its nearest float: with v = 0 the residual bounds the difference, and is not zero."""
    nearest = float(constant)
    difference = abs(Fraction(exact("", constant)) - Fraction(nearest))
    for source in (
        lambda x: x * 0 + constant - nearest,
        lambda x: constant - (x * 0 + nearest),
        lambda x: -nearest + (constant + 0 * x),
    ):
        bound = error_of_zero(source, **QUICK)
        assert difference <= Fraction(bound.residual) <= difference + Fraction(abs(nearest) * 1e-15 + 1e-290)
    bound = error_of_zero(lambda x: (x * constant - x * nearest) ** 1 + x * 0, **QUICK)
    assert difference <= Fraction(bound.residual)
    value = evaluated("", lambda x: constant, Intervals.of(np.zeros((1, 1))), 1).value  # no operation widens it
    assert Fraction(value.lo[0]) <= exact("", constant) <= Fraction(value.hi[0])
    assert Fraction(error_of_zero(lambda x: constant, **QUICK).residual) >= abs(exact("", constant))


def test_mpmath_numbers_beyond_doubles():
    with mpmath.workdps(60):
        third = mpmath.mpf(1) / 3
        assert abs(exact("", third) - Fraction(1, 3)) < Fraction(1, 10**59)
        assert exact("", -third) == -exact("", third)


def test_numpy_functions_of_expressions_are_those_of_expressions():
    pi = np.float64(np.pi)
    one = error_of_zero(lambda x: pi * np.sin(pi * x) + np.exp(x) * np.float64(2) - np.cos(x) / 2 + x**3, **QUICK)
    other = error_of_zero(lambda x: float(pi) * (x * pi).sin() + x.exp() * 2 - x.cos() / 2 + x * x * x, **QUICK)
    assert one.residual == pytest.approx(other.residual, rel=1e-9)


@each_row(
    "source",
    lambda x: math.sin(float(x)),
    lambda x: math.sin(50 * float(x.value.lo[0])),
    lambda x: 1.0 if x > 0.3 else 0.0,
    lambda x: 1.0 if x == 0.3 else 0.0,
    lambda x: 1.0 if x else 0.0,
    lambda x: np.tanh(x),
    lambda x: 1 / (1 + x),
    lambda x: x**0.5,
    lambda x: x**-1,
    lambda x: x[0],
    lambda x: abs(x),
    lambda x: np.asarray(x),
    lambda x: max(x, 0.2),
    lambda x: None,
    lambda x: "1",
    lambda x: 1j,
    lambda x: True,
    lambda x: np.zeros(3),
    lambda x: x * mpmath.pi,
)
def test_numbers_taken_from_the_arguments_are_refused(source):
    with pytest.raises(TypeError, match=r"source|unsupported operand") as raised:
        error_of_zero(source)
    assert "unsupported" in str(raised.value) or ".sin(), .cos(), .exp()" in str(raised.value)


@pytest.mark.parametrize("options", [{"wavenumber": 5.0}, {"reaction_coefficient": lambda x: -1.0 + 0 * x}])
def test_a_coefficient_of_both_signs_is_told_in_terms_of_what_is_missing(options):
    """Nothing compares, and what is integrated would need a comparison too."""
    message = r"diffusion_coefficient must vary less: .*; where k\^2 - r is negative c must be positive"
    refused(lambda: error_of_zero(lambda x: 1, diffusion_coefficient=lambda x: x - 0.5, **options, **QUICK), message)


@pytest.mark.parametrize(("least", "positive"), [(0.0, False), (5e-324, True)])
def test_a_least_slope_of_zero_proves_no_coefficient_positive(least, positive):
    """y^2 vanishes at an end, where c - c_y (1/2 - y) does too."""
    slopes = np.array([-1.0, least])
    square = np.array([[0.0, 1.0]] * 2)
    equation = Equation(None, square, lambda *x: 0, lambda *x: 0, 0.0, lambda x, y: y * y, None, 2)
    assert equation.is_elliptic(slopes, 50) == positive
    assert _reason(Intervals.of(0.0), slopes).startswith("diffusion_coefficient must vary less") != positive


@pytest.mark.parametrize("coefficient", [lambda x: x, lambda x: x * x, lambda x: 1 - x])
def test_a_coefficient_that_vanishes_at_an_end_is_not_integrated(coefficient):
    message = "diffusion_coefficient must be positive in the box; on some interval of integration"
    refused(lambda: error_of_zero(lambda x: 1, diffusion_coefficient=coefficient, **QUICK), message)


@pytest.mark.parametrize("name", ["source", "boundary", "diffusion_coefficient"])
def test_each_function_is_named(name):
    functions = {"source": lambda x: 0, "boundary": lambda x: 0, "diffusion_coefficient": lambda x: 1}
    bad_functions = (
        (lambda x: math.exp(x), TypeError),
        (lambda x: math.nan, ValueError),
        (lambda x: x + math.inf, ValueError),
        (lambda x: mpmath.inf, ValueError),
        (lambda x: mpmath.nan, ValueError),
        (lambda x: x / 0, ValueError),
    )
    for bad, error in bad_functions:
        with pytest.raises(error, match=f"^{name} must"):
            rk.exact.certified_error(CUBIC, ZERO, box=[[0, 1]], **{**functions, name: bad})


def test_boxes_and_wavenumbers_that_float64_rounds_are_refused():
    refused(lambda: error_of_zero(lambda x: 0, box=[[0, 2**53 + 1]]), "box must hold floats as they are")
    refused(lambda: error_of_zero(lambda x: 0, box=np.array([[0, np.longdouble(1) / 3]])), "box must hold floats")
    refused(lambda: error_of_zero(lambda x: 0, wavenumber=2**53 + 1), "wavenumber must hold floats as they are")


def test_what_overflows_bounds_nothing():
    for k in (1e160, 1e300):
        with pytest.raises(ValueError, match=r"resonance|points"):
            error_of_zero(lambda x: 0.0, wavenumber=k, **QUICK)
    for source in (lambda x: (x * 1e300).exp(), lambda x: x * 1e308 * 1e308 - x * 1e308 * 1e308):
        with np.errstate(all="ignore"):
            assert error_of_zero(source, **QUICK).error == np.inf


PI = float(np.pi)


def least_squares_solution(order, intervals, k):
    """A spline for u'' + k^2 u = (k^2 - pi^2) sin(pi x), u(0) = u(1) = 0, whose solution is sin(pi x)."""
    space = rk.SplineSpace.uniform(order, intervals)
    x = np.linspace(0.0, 1.0, 8 * intervals + 1)
    B = rk.bsplines.design_matrix(space, x).toarray()
    equation = rk.bsplines.design_matrix(space, x, derivative=2).toarray() + k**2 * B
    matrix = np.vstack([equation, 1e3 * B[[0, -1]]])
    theta = np.linalg.lstsq(matrix, np.concatenate([(k**2 - PI**2) * np.sin(PI * x), [0.0, 0.0]]), rcond=None)[0]
    return rk.kan([1, 1], order, intervals), theta


@pytest.mark.parametrize("k", [0.0, 2.0, 5.0])
@pytest.mark.parametrize(("order", "intervals"), [(6, 16), (6, 100), (5, 24)])
def test_the_bound_is_near_the_true_error_in_one_dimension(order, intervals, k):
    net, theta = least_squares_solution(order, intervals, k)
    bound = rk.exact.certified_error(
        net,
        theta,
        lambda x: (PI * x).sin() * (k * k - PI * PI),
        lambda x: 0.0,
        [[0, 1]],
        wavenumber=k,
        residual_tolerance=1e-9,
    )
    x = np.linspace(0, 1, 5001)[:, None]
    error = np.abs(net(theta, x) - np.sin(PI * x)).max()
    assert bound.reached
    rounding = 1e-14  # of the float64 values that the true error is measured by
    assert error <= bound.error + rounding
    assert bound.error <= 100 * error
    assert error <= bound.by_maximum_principle + rounding
    assert (bound.by_maximum_principle < np.inf) == (k < PI)  # below the first eigenvalue


def test_the_power_zero_is_one():
    net, theta = rk.kan([1, 1], 4, 1), [2 / 3, -1 / 3, 2 / 3, 11 / 3]
    assert rk.exact.certified_error(net, theta, lambda x: 2 * x**0, lambda x: x**2, [[0, 1]]).error < 1e-14


def test_a_residual_that_jumps_beside_the_centres_of_integration():
    """v'' = 100 on [0.4, 0.5], zero elsewhere, where neither of the two intervals that meet it has its centre."""
    net, theta = rk.kan([1, 1], 3, 10), np.maximum(np.arange(12.0) - 5.0, 0.0)
    bound = rk.exact.certified_error(
        net, theta, lambda x: 0.0, lambda x: 5.5 * x, [[0, 1]], residual_tolerance=1e-3, integration_intervals=7
    )
    x = np.linspace(0.0, 1.0, 201)[:, None]
    assert np.abs(net(theta, x) - 5.5 * x).max() <= bound.by_integration


def test_between_nodes_that_rounding_spaces_unevenly():
    """v'' = 2/L^2 on a domain of three floats, v = 0 at both ends: 1/4 in the middle, 2/9 at the floats within."""
    a = 1.0
    b = a + 3 * EPS
    net = rk.kan([1, 1], 3, 1, domain=(a, b))
    bound = rk.exact.certified_error(
        net, [0.5, -0.5, 0.5], lambda x: 0.0, lambda x: 0.0, [[a, b]], integration_intervals=4
    )
    assert 0.25 <= bound.by_integration < 0.26


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_running_sums_hold_what_terms_below_rounding_add(sign):
    terms = sign * np.array([1.0, *[EPS / 4] * 1000])
    sums = _cumulated(Intervals.of(terms))
    for low, total, high in zip(sums.lo, accumulate(map(Fraction, terms)), sums.hi, strict=True):
        assert Fraction(low) <= total <= Fraction(high)


def test_a_network_of_two_layers():
    rng = np.random.default_rng(0)
    net = rk.kan([1, 3, 1], 5, [3, 3], node_map="sigmoid")
    x = np.linspace(0, 1, 40)[:, None]
    net, theta = net.initialize(rng, x)
    theta = rk.minimize(rk.LeastSquares(net, x, np.sin(PI * x)), theta, method="levenberg-marquardt", steps=40).theta
    bound = rk.exact.certified_error(
        net, theta, lambda x: (PI * x).sin() * (-PI * PI), lambda x: (PI * x).sin(), [[0, 1]], residual_tolerance=1e-3
    )
    grid = np.linspace(0, 1, 2001)[:, None]
    error = np.abs(net(theta, grid) - np.sin(PI * grid)).max()
    assert error <= bound.error <= 100 * error
    assert error <= bound.by_maximum_principle


def test_a_smooth_coefficient():
    """div(c grad u) = f with c = 2 + x y/2 and u = x^2 + y^2: f = 4 c + c_x u_x + c_y u_y = 4 c + 2 x y."""
    net = rk.kan([2, 1], 4, 1)
    square = [2 / 3, -1 / 3, 2 / 3, 11 / 3]  # of cubic B-splines on one interval
    theta = np.array([*square, *square])
    theta[3] += 1e-3

    def c(x, y):
        return 0.5 * (x * y) + 2.0

    bound = rk.exact.certified_error(
        net, theta, lambda x, y: 4.0 * c(x, y) + 2.0 * (x * y), lambda x, y: x * x + y * y, [[0, 1], [0, 1]],
        residual_tolerance=1e-4, diffusion_coefficient=c,
    )  # fmt: skip
    points = np.random.default_rng(0).uniform(size=(5000, 2))
    error = np.abs(net(theta, points)[:, 0] - (points**2).sum(axis=1)).max()
    assert error <= bound.error <= 100 * error
    assert bound.residual < 2e-2
    with pytest.raises(ValueError, match="diffusion_coefficient must vary less"):
        rk.exact.certified_error(
            net, theta, lambda x, y: 0.0, lambda x, y: 0.0, [[0, 1], [0, 1]], 0.0, 1e-3, 3,
            diffusion_coefficient=lambda x, y: (-20.0 * x).exp() * (-20.0 * y).exp(), budget=100,
        )  # fmt: skip


def test_what_has_no_bound():
    net, theta = least_squares_solution(5, 8, 0.0)
    zero = lambda *x: 0.0  # noqa: E731
    with pytest.raises(ValueError, match="stay away from resonance"):
        rk.exact.certified_error(net, theta, zero, zero, [[0, 1]], wavenumber=PI)
    with pytest.raises(ValueError, match="continuous first derivatives"):
        rk.exact.certified_error(rk.kan([1, 1], 2, 2), [0.0, 1.0, 0.0], zero, zero, [[0, 1]])
    refused(lambda: rk.exact.certified_error(rk.kan([1, 2], 4, 1), np.zeros(8), zero, zero, [[0, 1]]), "net must have")
    refused(lambda: rk.exact.certified_error(net, theta, zero, zero, [[1, 1]]), "sides of positive length")


@pytest.mark.parametrize(
    ("coefficient", "antiderivative"),
    [(lambda x: 1 + 0 * x, lambda x: x), (lambda x: x, lambda x: x.log()), (lambda x: x * x, lambda x: -1 / x)],
)
def test_the_integral_of_a_reciprocal_holds_every_point_of_its_intervals(coefficient, antiderivative):
    """From 1/3 on, to the ends of intervals and their centres, and little more."""
    cuts = np.linspace(1 / 3, 1.1, 80)[:, None]
    boxes = Intervals(cuts[:-1], cuts[1:])
    rho = interval_network(CUBIC, np.array(ZERO)).sweep(boxes, 4)
    rho = rho._replace(centre=rho.centre[:, 0], over=rho.over[:, 0])
    integral, _, stretch = _integrated_reciprocal(coefficient, boxes, rho)
    least, greatest = (coefficient(x[:, 0]) for x in (boxes.lo, boxes.hi))
    assert np.all(stretch.hi >= greatest / least**2)
    assert np.all(stretch.hi <= greatest / least**2 * (1 + 1e-14))
    over, centre = integral.over, integral.centre
    with precision(200) as flint:
        begins, middles, ends = (
            [antiderivative(flint.arb(x)) - antiderivative(flint.arb(cuts[0, 0])) for x in each[:, 0]]
            for each in (boxes.lo, boxes.middle, boxes.hi)
        )
        for k, (begin, middle, end) in enumerate(zip(begins, middles, ends, strict=True)):
            assert not begin < over.value.lo[k]
            assert not end > over.value.hi[k]
            assert not middle < centre.value.lo[k]
            assert not middle > centre.value.hi[k]
            assert max(over.value.hi[k] - end, centre.value.hi[k] - centre.value.lo[k]) < 2e-6
