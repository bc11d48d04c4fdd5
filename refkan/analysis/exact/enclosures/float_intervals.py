r"""Arrays of intervals with float64 ends, every operation rounded outwards.

IEEE arithmetic rounds to nearest, so the exact result lies between the neighbours of the computed one. A sum of n terms
in any order is off by at most (n - 1) u sum |terms|/(1 - n u), u = eps/2 (Higham, Accuracy and Stability of Numerical
Algorithms, section 4.2); twice this bound is used. Sums do not underflow. exp, sin and cos are assumed to be accurate
to 4 units in the last place; the C libraries in use state errors far below that.

An infinite end is no bound on that side. NaN, such as infinity less infinity, is no bound either: `down` turns it into
-infinity and `up` into infinity.

`in_tasks` evaluates a function of many rows in tasks of an executor. Each row is computed independently, so that the
numbers are the same with and without an executor.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen

EPS = float(np.finfo(np.float64).eps)
MAX = float(np.finfo(np.float64).max)
SMALLEST = float(np.array(1, np.uint64).view(np.float64))
"""The smallest positive float: twice what one product or quotient may lose to underflow. Given by its bits, so that it
is not zero either when a thread that flushes subnormal numbers is the first to import this module."""

UNITS = 4
"""Units in the last place by which exp, sin and cos may be off."""

SLACK = (UNITS + 1) * EPS
"""Relative to a computed value, more than that."""


def quiet() -> np.errstate:
    """Return a context, or decorator, in which infinity and what is not a number come without a warning."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")


@quiet()
def require_rounding_to_nearest() -> None:
    """Raise unless float64 of this thread rounds to nearest and underflows gradually, as every bound here assumes.

    Raises
    ------
    ArithmeticError
    """
    half, small = np.array([EPS / 2, 0.75 * EPS]), np.array([2.0**-1000, SMALLEST])
    if (1.0 + half).tolist() != [1.0, 1.0 + EPS]:  # upwards the first is not, downwards and towards zero the second
        raise ArithmeticError(
            "float64 must round to nearest for bounds to hold; it rounds otherwise in this thread: restore the default "
            "mode, in C fesetround(FE_TONEAREST)"
        )
    if np.any(small * np.array([2.0**-40, 1.0]) == 0):  # a subnormal result, a subnormal operand
        raise ArithmeticError(
            "float64 must keep subnormal numbers for bounds to hold; this thread treats them as zero: call "
            "torch.set_flush_denormal(False), or do without the library compiled with -ffast-math that set this"
        )


def down(x: Any) -> FloatArray:
    """Return the next floats below; -infinity for what is not a number."""
    return np.fmax(np.nextafter(x, -np.inf), -np.inf)


def up(x: Any) -> FloatArray:
    """Return the next floats above; infinity for what is not a number."""
    return np.fmin(np.nextafter(x, np.inf), np.inf)


def require_order(low: FloatArray, high: FloatArray) -> None:
    """Raise an ArithmeticError unless lower bounds are below the upper bounds of the same numbers."""
    if np.any(low > high):
        raise ArithmeticError("two enclosures of the same number are disjoint: please report this fault in refkan")


@quiet()
def spread(middle: FloatArray, error: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return middle - error and middle + error, not yet rounded outwards: no numbers where a sum has overflowed."""
    error = np.where(np.isfinite(middle), error, np.inf)
    return middle - error, middle + error


class Intervals(Frozen):
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
    def of(cls, x: Any) -> "Intervals":
        """Floats as they are; infinity is any number beyond the largest float."""
        array = np.asarray(x, dtype=np.float64)
        if np.isfinite(array).all():
            return cls(array, array)
        return cls(np.fmin(np.fmax(array, -np.inf), MAX), np.fmax(np.fmin(array, np.inf), -MAX))

    @property
    def magnitude(self) -> FloatArray:
        """The largest absolute value."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    @property
    def middle(self) -> FloatArray:
        """Floats between the ends, about halfway; which ones does not matter."""
        return np.clip(0.5 * self.lo + 0.5 * self.hi, self.lo, self.hi)

    def __getitem__(self, index: Any) -> "Intervals":
        return Intervals(self.lo[index], self.hi[index])

    def reshape(self, *shape: int) -> "Intervals":
        """The same numbers in another shape."""
        return Intervals(self.lo.reshape(shape), self.hi.reshape(shape))

    def where(self, holds: Any) -> "Intervals":
        """These where they hold, everything elsewhere."""
        return Intervals(np.where(holds, self.lo, -np.inf), np.where(holds, self.hi, np.inf))

    def replaced(self, index: Any, other: "Intervals") -> "Intervals":
        """A copy with other intervals at an index."""
        low, high = self.lo.copy(), self.hi.copy()
        low[index], high[index] = other.lo, other.hi
        return Intervals(low, high)

    def __neg__(self) -> "Intervals":
        return Intervals(-self.hi, -self.lo)

    @quiet()
    def __add__(self, other: "Intervals") -> "Intervals":
        return Intervals(down(self.lo + other.lo), up(self.hi + other.hi))

    def __sub__(self, other: "Intervals") -> "Intervals":
        return self + -other

    @quiet()
    def __mul__(self, other: "Intervals") -> "Intervals":
        if other.lo is other.hi:  # numbers, by `of`
            ends = self.lo * other.lo, self.hi * other.lo
            return Intervals(down(np.minimum(*ends)), up(np.maximum(*ends)))
        return _hull(self.lo * other.lo, self.lo * other.hi, self.hi * other.lo, self.hi * other.hi)

    def absolute(self) -> "Intervals":
        """The absolute value."""
        small = np.minimum(np.abs(self.lo), np.abs(self.hi))
        return Intervals(np.where((self.lo > 0) | (self.hi < 0), small, 0.0), self.magnitude)

    @quiet()
    def squared(self) -> "Intervals":
        """The square, which is nowhere negative."""
        size = self.absolute()
        return Intervals(np.maximum(down(size.lo**2), 0.0), up(size.hi**2))

    @quiet()
    def over(self, other: "Intervals") -> "Intervals":
        """The quotient; everything where the divisor holds zero."""
        zero = ~((other.lo > 0) | (other.hi < 0))
        lo, hi = np.where(zero, np.nan, other.lo), np.where(zero, np.nan, other.hi)
        return _hull(self.lo / lo, self.lo / hi, self.hi / lo, self.hi / hi)

    @quiet()
    def sum(self, axis: int | tuple[int, ...]) -> "Intervals":
        """Sum along axes."""
        axes = (axis,) if isinstance(axis, int) else axis
        gamma = EPS * int(np.prod([self.lo.shape[k] for k in axes]))
        low, high = (spread(np.sum(x, axis=axes), gamma * np.sum(np.abs(x), axis=axes)) for x in (self.lo, self.hi))
        return Intervals(down(low[0]), up(high[1]))

    @quiet()
    def norm(self, axis: int | tuple[int, ...]) -> "Intervals":
        """The Euclidean norm along axes, scaled by a power of two: squares neither overflow nor vanish."""
        top = self.magnitude.max(axis=axis, keepdims=True)
        exponent = np.frexp(np.where(np.isfinite(top), top, 1.0))[1]
        squares = Intervals(down(np.ldexp(self.lo, -exponent)), up(np.ldexp(self.hi, -exponent))).squared().sum(axis)
        top, exponent = (array.reshape(squares.lo.shape) for array in (top, exponent))
        low, high = down(np.sqrt(np.maximum(squares.lo, 0.0))), up(np.sqrt(squares.hi))
        low, high = down(np.ldexp(low, exponent)), up(np.ldexp(high, exponent))
        return Intervals(np.maximum(low, 0.0), np.where(top == 0, 0.0, high))

    def meet(self, other: "Intervals") -> "Intervals":
        """The intersection of two enclosures of the same numbers.

        Raises
        ------
        ArithmeticError
            If they have no number in common, so that one of them is false.
        """
        common = Intervals(np.fmax(self.lo, other.lo), np.fmin(self.hi, other.hi))
        require_order(common.lo, common.hi)
        return common

    @quiet()
    def exp(self) -> "Intervals":
        """The exponential function."""
        low, high = np.minimum(np.exp(self.lo), MAX), np.exp(self.hi)
        under = UNITS * SMALLEST  # what units in the last place are below the normal numbers
        return Intervals(np.maximum(down(low * (1 - SLACK) - under), 0.0), up(high * (1 + SLACK) + under))

    @quiet()
    def cos(self) -> "Intervals":
        """The cosine: the values at the ends, and 1 or -1 where a multiple of pi lies inside or nearly so."""
        values = np.cos(self.lo), np.cos(self.hi)
        low, high = np.minimum(*values) - SLACK, np.maximum(*values) + SLACK
        near = 4 * EPS * (1 + self.magnitude)
        first, last = np.ceil(self.lo / np.pi - near), np.floor(self.hi / np.pi + near)
        holds = last >= first
        two = last > first
        even = np.mod(first, 2) == 0
        high = np.where(holds & (even | two), 1.0, high)
        low = np.where(holds & (~even | two), -1.0, low)
        return Intervals(np.maximum(down(low), -1.0), np.minimum(up(high), 1.0))

    def sin(self) -> "Intervals":
        """The sine, cos(x - pi/2), pi/2 in an interval."""
        pi_below = np.array(1.5707963267948966)
        half_pi = Intervals(pi_below, up(pi_below))
        return (self - half_pi).cos()

    def sigmoid(self) -> "Intervals":
        """1/(1 + exp(-x)), which rises."""
        unit = Intervals.of(1.0)
        below, above = (unit.over(unit + (-Intervals.of(end)).exp()) for end in (self.lo, self.hi))
        return Intervals(np.maximum(below.lo, 0.0), np.minimum(above.hi, 1.0))


def _hull(*ends: FloatArray) -> Intervals:
    """From the least to the greatest of four results rounded to nearest."""
    a, b, c, d = ends
    return Intervals(
        down(np.minimum(np.minimum(a, b), np.minimum(c, d))), up(np.maximum(np.maximum(a, b), np.maximum(c, d)))
    )


def concatenated(parts: list[Any]) -> Intervals:
    """One after the other along the first axis."""
    return Intervals(np.concatenate([p.lo for p in parts]), np.concatenate([p.hi for p in parts]))


def joined(parts: list[Intervals], axis: int) -> Intervals:
    """Stack along a new axis."""
    return Intervals(np.stack([p.lo for p in parts], axis), np.stack([p.hi for p in parts], axis))


def in_tasks(
    function: Callable[..., Any], rows: tuple[Any, ...], count: int, sizes: tuple[int, int], executor: Executor | None
) -> list[Any]:
    """Return function(*part) for each part of `count` rows: as many as fit, here, or a few, each a task.

    Parameters
    ----------
    function : callable
        With an executor of processes it is sent there: a function of a module, or a partial of one.
    rows : tuple
        Arrays or intervals that are cut alike.
    count : int
    sizes : (int, int)
        Rows of a part without an executor, and of a task.
    executor : concurrent.futures.Executor or None
    """
    size = sizes[executor is not None]
    parts = [[each[k : k + size] for k in range(0, count, size)] for each in rows]
    each_part: Callable[..., Iterable[Any]] = map if executor is None else executor.map
    return list(each_part(partial(_rounding_outwards, function), *parts))


def _rounding_outwards(function: Callable[..., Any], *rows: Any) -> Any:
    """Evaluate where float64 rounds as bounds need it, which another process, or thread, might not."""
    require_rounding_to_nearest()
    with quiet():
        return function(*rows)
