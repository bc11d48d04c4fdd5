"""Exact matrices against the definitions, and floats against them; outward rounding of enclosures."""

import math
import sys
from fractions import Fraction

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from tests.shared.refusals import refused
from tests.shared.tables import each_row


@each_row(
    "value, expected",
    (Fraction(1, 3), (1 / 3, math.nextafter(1 / 3, 1.0))),
    (Fraction(1, 10), (math.nextafter(0.1, 0.0), 0.1)),
    (Fraction(-1, 3), (-math.nextafter(1 / 3, 1.0), -1 / 3)),
    (Fraction(5, 4), (1.25, 1.25)),
    (Fraction(0), (0.0, 0.0)),
    (Fraction(1, 10**400), (0.0, 5e-324)),
    (Fraction(-1, 10**400), (-5e-324, -0.0)),
    (Fraction(10**400), (sys.float_info.max, math.inf)),
    (Fraction(-(10**400)), (-math.inf, -sys.float_info.max)),
    (Fraction(sys.float_info.max) + 1, (sys.float_info.max, math.inf)),
    (Fraction(sys.float_info.max), (sys.float_info.max, sys.float_info.max)),
)
def test_outward_rounding(value, expected):
    assert Enclosure(value, value).floats() == expected


def test_outward_rounding_of_random_rationals(rng):
    for p, q in rng.integers(1, 2**62, (200, 2)).tolist():
        low, high = Enclosure(Fraction(p, q), Fraction(p, q)).floats()
        assert Fraction(low) <= Fraction(p, q) <= Fraction(high) <= Fraction(math.nextafter(low, math.inf))


def test_enclosures_refuse_nonsense():
    refused(lambda: Enclosure(Fraction(2), Fraction(1)), "low must not exceed high")
    one, zero = Enclosure(Fraction(1), Fraction(1)), Enclosure(Fraction(-1), Fraction(1))
    refused(lambda: one.quotient(zero), "two positive numbers")
    assert (one.sign, zero.sign, zero.relative_width, one.relative_width) == (1, 0, math.inf, 0.0)
    assert Enclosure(Fraction(0), Fraction(0)).relative_width == 0.0
    assert Enclosure(Fraction(10**400), Fraction(10**400)).midpoint == math.inf


def test_quotients_hold_all_quotients_and_no_more():
    """Both ends of both intervals matter: the quotient of the low end is by the high one."""
    numerator, denominator = Enclosure(Fraction(2), Fraction(3)), Enclosure(Fraction(5), Fraction(7))
    quotient = numerator.quotient(denominator)
    corners = [a / b for a in (Fraction(2), Fraction(3)) for b in (Fraction(5), Fraction(7))]
    assert (quotient.low, quotient.high) == (min(corners), max(corners))
