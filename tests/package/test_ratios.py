"""Quick fractions: whatever is computed with them is what Fractions give, in lowest terms."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import gcd
from operator import add, eq, ge, gt, le, lt, mul, ne, neg, pos, sub, truediv

import pytest

from refkan.base.ratios import Ratio, ratio

NUMBERS = [Fraction(n, d) for n in (0, 1, -1, 6, -9, 35, 2**70 + 1, -(3**40)) for d in (1, 2, 9, 49, 2**64, 3**30)]
SMALL = (0, 1, -1, 2, -6, 7**20)


def same(found, expected):
    assert (found, hash(found)) == (expected, hash(expected))
    assert (found.numerator, found.denominator) == (expected.numerator, expected.denominator)
    assert gcd(found.numerator, found.denominator) == 1


@pytest.mark.parametrize("operation", [add, sub, mul, truediv])
def test_arithmetic_is_that_of_fractions(operation):
    for a, b in product(NUMBERS, NUMBERS):
        if operation is truediv and b == 0:
            with pytest.raises(ZeroDivisionError):
                operation(ratio(a), ratio(b))
            continue
        found = operation(ratio(a), ratio(b))
        assert type(found) is Ratio
        same(found, operation(a, b))
        same(operation(ratio(a), b), operation(a, b))  # a Fraction beside it
        same(operation(a, ratio(b)), operation(a, b))


@pytest.mark.parametrize("operation", [add, sub, mul, truediv])
def test_integers_stay_exact_on_either_side(operation):
    for a, k in product(NUMBERS, SMALL):
        for left, right in ((ratio(a), k), (k, ratio(a))):
            if operation is truediv and right == 0:
                with pytest.raises(ZeroDivisionError):
                    operation(left, right)
                continue
            found = operation(left, right)
            assert type(found) is Ratio
            same(found, operation(Fraction(left), Fraction(right)))


def test_floats_are_the_fractions_that_they_are():
    for value in (0.1, -3.5, 2.0**-1074, 1e300, 0.0):
        same(ratio(value), Fraction(value))
        assert float(ratio(value)) == value
    assert (ratio(0.5) + 0.25, 0.25 * ratio(0.5)) == (0.75, 0.125)
    same(neg(ratio(0.75)), Fraction(-3, 4))
    with pytest.raises((OverflowError, ValueError)):
        ratio(float("nan"))


@pytest.mark.parametrize("comparison", [lt, le, gt, ge, eq, ne])
def test_comparisons_are_those_of_fractions(comparison):
    for a, b in product(NUMBERS, NUMBERS):
        expected = comparison(a, b)
        assert comparison(ratio(a), ratio(b)) is comparison(ratio(a), b) is comparison(a, ratio(b)) is expected
    for a, k in product(NUMBERS, (*SMALL, 0.5)):
        assert comparison(ratio(a), k) is comparison(a, k)
        assert comparison(k, ratio(a)) is comparison(k, a)


def test_powers_signs_and_parts():
    for a in NUMBERS:
        for operation in (neg, pos, abs):
            same(operation(ratio(a)), operation(a))
        for k in (0, 1, 2, 5):
            assert type(ratio(a) ** k) is Ratio
            same(ratio(a) ** k, a**k)
        if a:
            same(ratio(a) ** -2, a**-2)
        assert ratio(a).real is not a
        same(ratio(a).real, a)
        assert (ratio(a).imag, bool(ratio(a))) == (0, bool(a))
