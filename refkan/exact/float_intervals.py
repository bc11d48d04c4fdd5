r"""Arrays of intervals with float64 ends, every operation rounded outwards.

IEEE arithmetic rounds to nearest: the exact result lies between the neighbours of the computed one. Sums of n terms in
any order are off by at most (n - 1) u sum |terms|/(1 - n u), u = eps/2 (Higham, Accuracy and Stability of Numerical
Algorithms, section 4.2), of which twice as much is taken. exp, sin and cos are assumed to be right to 4 units in the
last place, which the C libraries in use state to be far below their error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.array_types import FloatArray
from refkan.short_reprs import ShortRepr

EPS = float(np.finfo(np.float64).eps)
TINY = 1e-300
"""Absolute error that underflow may add to a sum of products, and far more."""

UNITS = 4
"""Units in the last place by which exp, sin and cos may be off."""


def down(x: Any) -> FloatArray:
    """Return the next floats below."""
    return np.nextafter(x, -np.inf)


def up(x: Any) -> FloatArray:
    """Return the next floats above."""
    return np.nextafter(x, np.inf)


@dataclass(frozen=True, eq=False)
class Intervals(ShortRepr):
    """Intervals [lo, hi], arrays of one shape.

    Examples
    --------
    >>> third = Intervals.of(1.0).over(Intervals.of(3.0))
    >>> bool(third.lo < 1 / 3 < third.hi), float(third.hi - third.lo) < 2e-16
    (True, True)
    """

    lo: FloatArray
    hi: FloatArray

    @classmethod
    def of(cls, x: Any) -> Intervals:
        """Floats as they are."""
        array = np.asarray(x, dtype=np.float64)
        return cls(array, array)

    @property
    def width(self) -> FloatArray:
        """Ends' distance, rounded up."""
        return up(self.hi - self.lo)

    @property
    def magnitude(self) -> FloatArray:
        """The largest absolute value."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    def __getitem__(self, index: Any) -> Intervals:
        return Intervals(self.lo[index], self.hi[index])

    def __neg__(self) -> Intervals:
        return Intervals(-self.hi, -self.lo)

    def __add__(self, other: Intervals) -> Intervals:
        return Intervals(down(self.lo + other.lo), up(self.hi + other.hi))

    def __sub__(self, other: Intervals) -> Intervals:
        return self + -other

    def __mul__(self, other: Intervals) -> Intervals:
        with np.errstate(invalid="ignore", over="ignore"):
            products = (self.lo * other.lo, self.lo * other.hi, self.hi * other.lo, self.hi * other.hi)
        return Intervals(
            down(np.minimum(np.minimum(products[0], products[1]), np.minimum(products[2], products[3]))),
            up(np.maximum(np.maximum(products[0], products[1]), np.maximum(products[2], products[3]))),
        )

    def squared(self) -> Intervals:
        """The square, which is nowhere negative."""
        small = np.where((self.lo <= 0) & (self.hi >= 0), 0.0, np.minimum(np.abs(self.lo), np.abs(self.hi)))
        return Intervals(np.maximum(down(small * small), 0.0), up(self.magnitude**2))

    def over(self, other: Intervals) -> Intervals:
        """Divide by intervals that do not hold zero."""
        quotients = (self.lo / other.lo, self.lo / other.hi, self.hi / other.lo, self.hi / other.hi)
        return Intervals(down(np.minimum.reduce(quotients)), up(np.maximum.reduce(quotients)))

    def sum(self, axis: int | tuple[int, ...]) -> Intervals:
        """Sum along axes."""
        axes = (axis,) if isinstance(axis, int) else axis
        gamma = EPS * int(np.prod([self.lo.shape[k] for k in axes]))

        def total(end: FloatArray, sign: float) -> FloatArray:
            slack = gamma * np.sum(np.abs(end), axis=axes) + TINY
            return np.sum(end, axis=axes) + sign * slack

        return Intervals(down(total(self.lo, -1.0)), up(total(self.hi, 1.0)))

    def meet(self, other: Intervals) -> Intervals:
        """The intersection of two enclosures of the same numbers."""
        return Intervals(np.fmax(self.lo, other.lo), np.fmin(self.hi, other.hi))

    def exp(self) -> Intervals:
        """The exponential function."""
        with np.errstate(over="ignore", under="ignore"):
            slack = UNITS * EPS
            return Intervals(np.maximum(down(np.exp(self.lo) * (1 - slack)), 0.0), up(np.exp(self.hi) * (1 + slack)))

    def cos(self) -> Intervals:
        """The cosine: the values at the ends, and 1 or -1 where a multiple of pi lies inside or nearly so."""
        with np.errstate(invalid="ignore"):
            ends = np.cos(self.lo), np.cos(self.hi)
        slack = UNITS * EPS
        low, high = np.minimum(*ends) - slack, np.maximum(*ends) + slack
        near = 4 * EPS * (1 + self.magnitude)
        first, last = np.ceil((self.lo - near) / np.pi - near), np.floor((self.hi + near) / np.pi + near)
        holds = last >= first
        two = last > first
        even = np.mod(first, 2) == 0
        high = np.where(holds & (even | two), 1.0, high)
        low = np.where(holds & (~even | two), -1.0, low)
        return Intervals(np.maximum(down(low), -1.0), np.minimum(up(high), 1.0))

    def sin(self) -> Intervals:
        """The sine, cos(x - pi/2), pi/2 in an interval."""
        pi_below = np.array(1.5707963267948966)
        half_pi = Intervals(pi_below, up(pi_below))
        return (self - half_pi).cos()

    def sigmoid(self) -> Intervals:
        """1/(1 + exp(-x)), which rises."""
        one = Intervals.of(1.0)
        below, above = (one.over(one + (-Intervals.of(end)).exp()) for end in (self.lo, self.hi))
        return Intervals(np.maximum(below.lo, 0.0), np.minimum(above.hi, 1.0))


def joined(parts: list[Intervals], axis: int) -> Intervals:
    """Stack along a new axis."""
    return Intervals(np.stack([p.lo for p in parts], axis), np.stack([p.hi for p in parts], axis))
