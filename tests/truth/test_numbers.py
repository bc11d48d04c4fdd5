"""Number types: exact conversion, decisions, functions; and Taylor numbers against polynomials and mpmath."""

from fractions import Fraction
from math import factorial

import flint
import mpmath
import numpy as np
import pytest

from refkan.truth import UndecidedError
from refkan.truth.arithmetic import functions, taylor
from refkan.truth.arithmetic.number_types import at_most, converter, equal, less, rounding_unit
from tests.shared.refusals import refused

TYPES = (Fraction, flint.fmpq, float, complex, flint.arb, flint.acb, mpmath.mpf)


@pytest.mark.parametrize("number", TYPES)
@pytest.mark.parametrize("value", [0.1, -3, 2.0**-1074, np.float32(0.1), np.float64(1e300), np.int64(7), True, 2**60])
def test_input_is_converted_exactly(number, value):
    converted = converter(number)(value)
    assert type(converted) is number
    expected = value.item() if isinstance(value, np.generic) else value
    if number is flint.fmpq:  # which compares with integers alone
        assert (converted.numerator, converted.denominator) == (
            Fraction(expected).numerator,
            Fraction(expected).denominator,
        )
    else:
        assert converted == expected
    assert converter(number)(converted) == converted


@pytest.mark.parametrize("number", TYPES[2:])
def test_fractions_are_rounded_or_enclosed(number):
    third = converter(number)(Fraction(1, 3))
    if number in (flint.arb, flint.acb):
        assert (3 * third).real.contains(1)
        assert third.real.rad() > 0
    else:
        assert abs(third - 1 / 3) < 1e-16


@pytest.mark.parametrize("number", TYPES)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_must_be_finite(number, value):
    refused(lambda: converter(number)(value), "numbers must be finite")


@pytest.mark.parametrize("number", [int, str, np.float32, "Fraction", None, np.ndarray])
def test_other_types_are_refused(number):
    refused(lambda: converter(number), r"TypeError: number must be Fraction, flint.fmpq, float, complex, flint.arb")


WRONG = [(Fraction, 1j), (float, 1j), (Fraction, "1"), (flint.arb, None), (Fraction, flint.arb(1))]


@pytest.mark.parametrize(("number", "value"), WRONG)
def test_input_of_the_wrong_kind_is_refused(number, value):
    refused(lambda: converter(number)(value), "TypeError: numbers must turn into")


def test_decisions():
    third, half = flint.arb(1) / 3, flint.arb(0.5)
    assert at_most(third, half)
    assert at_most(third, third)  # a number is at most itself, however wide
    assert not less(third, third)
    assert equal(half, flint.arb(0.5))
    assert at_most(1 + 5j, 2 - 7j)  # real parts
    for x, y in ((third, flint.arb(1) / 3), (flint.arb(0.5, 1e-10), half), (float("nan"), 1.0)):
        with pytest.raises(UndecidedError, match=r"higher precision \(flint.ctx.prec\) or exact numbers"):
            at_most(x, y)


def test_rounding_units():
    assert rounding_unit(Fraction(1)) == rounding_unit(flint.arb(1)) == 0
    assert rounding_unit(1.0) == rounding_unit(1j) == np.finfo(float).eps
    with mpmath.workdps(50):
        assert rounding_unit(mpmath.mpf(1)) < 1e-49


FUNCTIONS = {
    "exp": functions.exp,
    "sqrt": functions.sqrt,
    "tanh": functions.tanh,
    "sigmoid": functions.sigmoid,
}
REFERENCES = {
    "exp": mpmath.exp,
    "sqrt": mpmath.sqrt,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_every_type(name):
    reference = float(REFERENCES[name](0.75))
    for number in TYPES[2:]:
        value = FUNCTIONS[name](converter(number)(0.75))
        assert type(value) is number
        assert float(value.real) == pytest.approx(reference, rel=1e-15)
    with pytest.raises(ValueError, match=r"\(.*3/4\) is no Fraction: use number=flint.arb .* or number=float"):
        FUNCTIONS[name](Fraction(3, 4))


def test_rational_values_are_found():
    assert functions.sqrt(Fraction(9, 4)) == Fraction(3, 2)
    assert functions.sigmoid(Fraction(0)) == Fraction(1, 2)
    assert functions.tanh(Fraction(0)) == 0
    refused(lambda: functions.sqrt(Fraction(-1)), "no Fraction")


@pytest.mark.parametrize("number", [float, complex])
def test_large_arguments_do_not_overflow(number):
    assert functions.sigmoid(number(-1e4)) == 0
    assert functions.sigmoid(number(1e4)) == functions.tanh(number(1e4)) == 1


def test_what_has_no_such_function_is_refused():
    refused(lambda: functions.exp("1"), "TypeError: exp is not known of numbers of type str")


# --- Taylor numbers


@pytest.mark.parametrize("name", FUNCTIONS)
def test_taylor_coefficients_are_derivatives(name):
    a = 0.625
    with mpmath.workdps(40):
        expected = mpmath.taylor(REFERENCES[name], a, 4)
    value = FUNCTIONS[name](taylor.variable(a, 0, 4))
    for k, c in enumerate(expected):
        assert taylor.coefficient(value, (0,) * k) == pytest.approx(float(c), rel=1e-13)


def test_arithmetic_is_that_of_polynomials():
    """x = a + e_0, y = b + e_1: every coefficient of f up to degree 3 is a derivative over factorials."""
    a, b, D = Fraction(2, 3), Fraction(-5, 4), 3
    x, y = taylor.variable(a, 0, D), taylor.variable(b, 1, D)
    f = x**3 * y - 2 / x + y * y / 3 - (1 - x) * Fraction(1, 2)
    for i in range(D + 1):
        for k in range(D + 1 - i):
            expected = _derivative(a, b, i, k) / (factorial(i) * factorial(k))
            assert taylor.coefficient(f, (0,) * i + (1,) * k) == expected
    assert f.real == _derivative(a, b, 0, 0)
    assert (x / y * y - x).parts[1] == {(0,): 0, (1,): 0}
    assert taylor.coefficient(f, (0,) * 4) == taylor.coefficient(Fraction(3), (0,)) == 0
    assert taylor.coefficient(Fraction(3), ()) == 3


def _derivative(a, b, i, k):
    """d^(i+k)/dx^i dy^k of x^3 y - 2/x + y^2/3 - (1 - x)/2."""
    cubic = (a**3, 3 * a**2, 6 * a, Fraction(6))[i] * (b, 1, 0, 0)[k]
    alone = [-2 / a, 2 / a**2, -4 / a**3, 12 / a**4][i] - [(1 - a) / 2, -Fraction(1, 2), 0, 0][i] if k == 0 else 0
    square = (b * b / 3, 2 * b / 3, Fraction(2, 3), 0)[k] if i == 0 else 0
    return cubic + alone + square


def test_curves_carry_derivatives_of_compositions():
    """f(x(h)) for x = 2 + 3 h + 5 h^2/2: (f o x)'' = f'' 9 + f' 5."""
    x = taylor.curve(Fraction(2), [Fraction(3), Fraction(5)], 0, 2)
    f = x**3
    assert 2 * taylor.coefficient(f, (0, 0)) == 12 * 9 + 12 * 5
