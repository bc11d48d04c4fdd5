"""Fractions whose arithmetic with one another is quick: no types to look at, no argument to check.

Truths are sums of hundreds of thousands of products of small fractions, half of which are zero. In `fractions.Fraction`
most of the time of one goes into finding out what its operands are.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd
from typing import Any


class Ratio(Fraction):
    """A Fraction; sums, differences, products and quotients of two are Ratios again, as those with an int are.

    With other numbers it does what a Fraction does.

    Examples
    --------
    >>> Ratio(1, 6) + Ratio(1, 3), 3 * Ratio(1, 6), Ratio(1, 6) + Fraction(1, 3), Ratio(1, 6) + 0.5
    (Ratio(1, 2), Ratio(1, 2), Fraction(1, 2), 0.6666666666666666)
    >>> Ratio(1, 2) == Fraction(1, 2), ratio(0.75)
    (True, Ratio(3, 4))
    """

    __slots__ = ()
    _numerator: int
    _denominator: int

    def __add__(self, other: Any) -> Any:
        if type(other) is Ratio:
            return _sum(self, other, other._numerator)
        if type(other) is int:
            return made(self._numerator + other * self._denominator, self._denominator)
        return Fraction.__add__(self, other)

    def __radd__(self, other: Any) -> Any:
        return self + other if type(other) is int else Fraction.__radd__(self, other)

    def __sub__(self, other: Any) -> Any:
        if type(other) is Ratio:
            return _sum(self, other, -other._numerator)
        if type(other) is int:
            return made(self._numerator - other * self._denominator, self._denominator)
        return Fraction.__sub__(self, other)

    def __rsub__(self, other: Any) -> Any:
        return -self + other if type(other) is int else Fraction.__rsub__(self, other)

    def __mul__(self, other: Any) -> Any:
        if type(other) is Ratio:
            return _product(self._numerator, self._denominator, other._numerator, other._denominator)
        if type(other) is int:
            return _product(self._numerator, self._denominator, other, 1)
        return Fraction.__mul__(self, other)

    def __rmul__(self, other: Any) -> Any:
        return self * other if type(other) is int else Fraction.__rmul__(self, other)

    def __truediv__(self, other: Any) -> Any:
        if type(other) is int:
            other = made(other, 1)
        if type(other) is Ratio and other._numerator:
            n, d = other._denominator, other._numerator
            return _product(self._numerator, self._denominator, *((n, d) if d > 0 else (-n, -d)))
        return Fraction.__truediv__(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return made(other, 1) / self if type(other) is int else Fraction.__rtruediv__(self, other)

    def __neg__(self) -> Ratio:
        return made(-self._numerator, self._denominator)

    def __abs__(self) -> Ratio:
        return made(abs(self._numerator), self._denominator)

    def __pow__(self, power: Any) -> Any:
        if type(power) is int and power >= 0:
            return made(self._numerator**power, self._denominator**power)
        return Fraction.__pow__(self, power)

    @property
    def real(self) -> Ratio:
        """Itself, where a Fraction makes another one."""
        return self

    # Each comparison for itself: what calls another one takes twice the time.

    def __lt__(self, other: Any) -> bool:
        if type(other) is Ratio:
            return self._numerator * other._denominator < other._numerator * self._denominator
        if type(other) is int:
            return self._numerator < other * self._denominator
        return Fraction.__lt__(self, other)

    def __le__(self, other: Any) -> bool:
        if type(other) is Ratio:
            return self._numerator * other._denominator <= other._numerator * self._denominator
        if type(other) is int:
            return self._numerator <= other * self._denominator
        return Fraction.__le__(self, other)

    def __gt__(self, other: Any) -> bool:
        if type(other) is Ratio:
            return self._numerator * other._denominator > other._numerator * self._denominator
        if type(other) is int:
            return self._numerator > other * self._denominator
        return Fraction.__gt__(self, other)

    def __ge__(self, other: Any) -> bool:
        if type(other) is Ratio:
            return self._numerator * other._denominator >= other._numerator * self._denominator
        if type(other) is int:
            return self._numerator >= other * self._denominator
        return Fraction.__ge__(self, other)

    def __eq__(self, other: object) -> bool:
        if type(other) is Ratio:
            return self._numerator == other._numerator and self._denominator == other._denominator
        return Fraction.__eq__(self, other)

    __hash__ = Fraction.__hash__


def ratio(value: float | Fraction) -> Ratio:
    """Return the Ratio that a finite number is."""
    return made(*value.as_integer_ratio())


def made(numerator: int, denominator: int) -> Ratio:
    """Return the Ratio of coprime numbers, the denominator positive."""
    found = object.__new__(Ratio)
    found._numerator, found._denominator = numerator, denominator
    return found


ZERO = made(0, 1)


def _product(a: int, b: int, c: int, d: int) -> Ratio:
    """a/b times c/d, each in lowest terms."""
    if not a or not c:
        return ZERO
    common = gcd(a, d)
    if common > 1:
        a, d = a // common, d // common
    common = gcd(c, b)
    if common > 1:
        c, b = c // common, b // common
    return made(a * c, b * d)


def _sum(first: Ratio, second: Ratio, c: int) -> Ratio:
    """The first, and c over the denominator of the second (Knuth, The Art of Computer Programming, 4.5.1)."""
    if not c:
        return first
    a, b, d = first._numerator, first._denominator, second._denominator
    common = gcd(b, d)
    if common == 1:
        return made(a * d + c * b, b * d)
    part = b // common
    total = a * (d // common) + c * part
    rest = gcd(total, common)
    return made(total // rest, part * (d // rest))
