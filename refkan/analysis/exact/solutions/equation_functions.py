"""What the functions of a boundary value problem are made of: expressions in the inputs that show no number.

A bound over a box is one over all of its points only if the function is known at all of them. So f, g and c are called
with `Expression`: sums, products, sin, cos and exp, and constants as the exact numbers that they are. A float made of a
number of one box would make a constant of the function; there is no such number to be had.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial, reduce
from numbers import Integral
from operator import mul
from typing import Annotated, Any

import numpy as np

from refkan.analysis.exact.enclosures.boxes import posed, smoothness_over
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.network_intervals import IntervalNetwork
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.enclosures.taylor_intervals import TaylorIntervals, variables
from refkan.base import FloatArray, check_count, check_function

Order = Annotated[int, partial(check_count, minimum=2)]
"""Of the derivatives that are expanded: equations have two."""

REMEDY = (
    "make it of the arguments by + - * /, powers, .sin(), .cos(), .exp() and constants: what a float says about one "
    "point is no proof about a box"
)


class Expression:
    """A function of the inputs on boxes, as Taylor numbers; `name` is what errors call it by.

    NumPy's numbers on the left hand, and its sin, cos and exp, end in these methods, as of any object.
    """

    __slots__ = ("_name", "_taylor")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str, taylor: TaylorIntervals) -> None:
        self._name, self._taylor = name, taylor

    def _made(self, taylor: TaylorIntervals) -> "Expression":
        return Expression(self._name, taylor)

    def _other(self, value: Any) -> TaylorIntervals:
        return value._taylor if isinstance(value, Expression) else _constant(self._name, value, self._taylor)

    def __add__(self, other: Any) -> "Expression":
        return self._made(self._taylor + self._other(other))

    def __sub__(self, other: Any) -> "Expression":
        return self._made(self._taylor - self._other(other))

    def __rsub__(self, other: Any) -> "Expression":
        return self._made(self._other(other) - self._taylor)

    def __mul__(self, other: Any) -> "Expression":
        return self._made(self._taylor * self._other(other))

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Any) -> "Expression":
        if isinstance(other, Expression):
            raise TypeError(f"{self._name} must not divide by a function of its arguments: {REMEDY}")
        if not (divisor := exact(self._name, other)):
            raise ValueError(f"{self._name} must not divide by zero")
        return self * (1 / divisor)

    def __pow__(self, power: Any) -> "Expression":
        if not isinstance(power, Integral) or power < 0:
            raise TypeError(f"{self._name} must take powers 0, 1, 2, ...; got {power!r}: {REMEDY}")
        return reduce(mul, [self] * int(power), self * 0 + 1)

    def __neg__(self) -> "Expression":
        return self._made(-self._taylor)

    def sin(self) -> "Expression":
        """The sine."""
        return self._made(self._taylor.sin())

    def cos(self) -> "Expression":
        """The cosine."""
        return self._made(self._taylor.cos())

    def exp(self) -> "Expression":
        """The exponential function."""
        return self._made(self._taylor.exp())

    def _refused(self, *_: Any) -> Any:
        raise TypeError(f"{self._name} must take no numbers from its arguments, nor compare them: {REMEDY}")

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _refused

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # what other packages ask whether there is
            raise AttributeError(attribute)
        return self._refused()


def evaluated(name: str, function: Callable[..., Any], points: Intervals, order: int) -> TaylorIntervals:
    """Return a function of the user at points or boxes (B, P), as Taylor numbers of shape (B,).

    Raises
    ------
    TypeError
        If it makes anything but expressions and constants of its arguments.
    ValueError
        For constants that are not finite.
    """
    return applied(name, function, *variables(points, order))


def applied(name: str, function: Callable[..., Any], *arguments: TaylorIntervals) -> TaylorIntervals:
    """Return a function of the user of Taylor numbers; errors as for `evaluated`."""
    try:
        value = function(*(Expression(name, x) for x in arguments))
    except TypeError as error:
        raise (
            error if REMEDY in str(error) else TypeError(f"{name} must be made of its arguments ({error}): {REMEDY}")
        ) from error
    return value._taylor if isinstance(value, Expression) else _constant(name, value, arguments[0])


def exact(name: str, value: Any) -> Fraction:
    """Return a constant as the number that it is: integers, fractions, decimals and floats of any length.

    Raises
    ------
    TypeError, ValueError
        If it is no real number; if it is not finite.

    Examples
    --------
    >>> import mpmath
    >>> exact("source", 2**53 + 1), exact("source", mpmath.mpf("0.5"))
    (Fraction(9007199254740993, 1), Fraction(1, 2))
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        return Fraction(int(value))
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    try:
        if type(value).__name__ == "mpf":  # of mpmath: sign, mantissa, exponent
            if value - value != 0:
                raise OverflowError
            sign, mantissa, exponent, _ = value._mpf_
            return Fraction((-1) ** sign * int(mantissa)) * Fraction(2) ** exponent
        exact_ratio = hasattr(value, "as_integer_ratio") and not hasattr(value, "_mpf_")  # pi of mpmath has no end
        if exact_ratio and not isinstance(value, bool | np.bool_):
            return Fraction(*value.as_integer_ratio())
    except (OverflowError, ValueError):
        raise ValueError(f"{name} must have finite constants; got {value}") from None
    raise TypeError(f"{name} must have real numbers as constants; got {type(value).__name__}: {REMEDY}")


def posed_equation(
    function: Callable[..., Any],
    given: dict[str, Any],
    counts: Mapping[str, int | None],
    problem: str,
    **numbers: float,
) -> tuple[IntervalNetwork, FloatArray]:
    """Check the arguments of a bound of an error; return the network and the box (P, 2).

    Parameters
    ----------
    function, given
        As for `posed`.
    counts : dict
        How many arguments the functions of the equation take, None for all inputs.
    problem : str
        What it is, for errors.
    **numbers
        Other arguments that must be floats, as they were read.
    """
    steps, ends = posed(function, given)
    for name, count in counts.items():
        if given[name] is not None:
            check_function(name, given[name], steps.n_inputs if count is None else count)
    read: dict[str, Any] = {"box": ends, **numbers}
    for name, taken in read.items():
        for value, number in zip(np.asarray(given[name], dtype=object).ravel(), np.ravel(taken).tolist(), strict=True):
            if exact(name, value) != number:  # the proof would be one of another problem
                raise ValueError(
                    f"{name} must hold floats as they are; got {value}, and the nearest float is {number!r}"
                )
    if smoothness_over(steps, ends) < 1:
        raise ValueError("net must have continuous first derivatives: use order 3 or more and distinct knots")
    if not (ends[:, 0] < ends[:, 1]).all():
        raise ValueError(f"box must have sides of positive length to have {problem} in it")
    return steps, ends


def _constant(name: str, value: Any, like: TaylorIntervals) -> TaylorIntervals:
    """A constant, enclosed, of the shape of Taylor numbers."""
    number = exact(name, value)
    low, high = Enclosure(number, number).floats()
    shape = like.value.lo.shape
    return TaylorIntervals({like.zero: Intervals(np.full(shape, low), np.full(shape, high))}, like.order)
