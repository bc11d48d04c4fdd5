r"""Intervals with exact rational ends, and their rounding outwards to float64."""

import math
from fractions import Fraction
from typing import Any

from refkan.base import ConvergenceError, Frozen

LARGEST_EXPONENT = 2**24
"""Of two, up and down, in ends of enclosures: a fraction takes two megabytes there. The SiLU of -1.2e7 is smaller."""


class Enclosure(Frozen, eq=True):
    """A real number known to lie in [low, high], with exact ends.

    Parameters
    ----------
    low, high : Fraction

    Raises
    ------
    ValueError
        If low > high.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
    >>> Enclosure(Fraction(1, 3), Fraction(1, 3)).floats()
    (0.3333333333333333, 0.33333333333333337)
    """

    low: Fraction
    high: Fraction

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"low must not exceed high; got low = {self.low}, high = {self.high}")

    @classmethod
    def between(cls, low: Any, high: Any) -> "Enclosure":
        """Return the interval between the lower end of one ball (flint.arb) and the upper end of another.

        Raises
        ------
        ConvergenceError
            For ends that would take megabytes.
        """
        return cls(_exact(low.lower()), _exact(high.upper()))

    @property
    def midpoint(self) -> float:
        """The float nearest to the middle, infinite beyond the range of float64."""
        middle = (self.low + self.high) / 2
        try:
            return float(middle)
        except OverflowError:
            return _infinity(middle)

    @property
    def relative_width(self) -> float:
        """(high - low) / min(|low|, |high|); infinite if 0 is inside."""
        if self.low == self.high:
            return 0.0
        if self.sign == 0:
            return math.inf
        try:
            return float((self.high - self.low) / min(abs(self.low), abs(self.high)))
        except OverflowError:
            return math.inf

    @property
    def sign(self) -> int:
        """The sign of the number, 1 or -1; 0 if undecided, because 0 lies in the interval."""
        return int(self.low > 0) - int(self.high < 0)

    def floats(self) -> tuple[float, float]:
        """Return the floats nearest to the ends on their outer sides, infinite beyond the range of float64."""
        return _round_down(self.low), -_round_down(-self.high)

    def quotient(self, other: "Enclosure") -> "Enclosure":
        """Return the enclosure of the quotient of two positive numbers.

        Raises
        ------
        ValueError
            If one of them is not certainly positive.
        """
        if self.sign != 1 or other.sign != 1:
            raise ValueError(f"a quotient needs two positive numbers; got {self.floats()} and {other.floats()}")
        return Enclosure(self.low / other.high, self.high / other.low)


def mantissa_and_exponent(number: Any) -> tuple[int, int]:
    """The m and e of m 2^e, the middle of a ball.

    Raises
    ------
    ConvergenceError
        If it is too large or too small for a fraction.
    """
    mantissa, exponent = (int(part) for part in number.man_exp())
    if abs(exponent) > LARGEST_EXPONENT:
        size = "larger than 2^" if exponent > 0 else "smaller than 2^-"
        raise ConvergenceError(
            f"a number is {size}{LARGEST_EXPONENT}, and would fill the memory: take units of inputs, outputs and "
            "weights that differ less"
        )
    return mantissa, exponent


def _exact(end: Any) -> Fraction:
    """The exact value of a ball of radius zero: mantissa times a power of two."""
    mantissa, exponent = mantissa_and_exponent(end)
    return mantissa * Fraction(2) ** exponent


def _infinity(value: Fraction) -> float:
    """Infinity with the sign of a number beyond the range of float64."""
    if value > 0:
        return math.inf
    return -math.inf


def _round_down(value: Fraction) -> float:
    """The largest float that does not exceed `value`; -inf below them all.

    float(Fraction) rounds to nearest: the result is one of the two floats around the value, and the comparison with
    the value is exact. If it is the upper one, the lower one is its neighbour.
    """
    try:
        nearest = float(value)
    except OverflowError:  # half a unit in the last place, or more, beyond the largest float
        nearest = _infinity(value)
    if nearest <= value:
        return nearest
    return math.nextafter(nearest, -math.inf)
