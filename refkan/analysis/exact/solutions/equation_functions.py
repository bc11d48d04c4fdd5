"""What the functions of a boundary value problem are made of: expressions in the inputs that show no number.

A bound over a box is one over all of its points only if the function is known at all of them. So f, g and c are called
with `Expression`: sums, products, sin, cos and exp, and constants as the exact numbers that they are. A float made of a
number of one box would make a constant of the function; there is no such number to be had.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from inspect import signature
from numbers import Integral
from typing import Annotated, Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.enclosures.taylor_intervals import TaylorIntervals, variables
from refkan.base import ArgumentCheck, Frozen, check_count, check_function

TaylorDegree = Annotated[int, ArgumentCheck("at least 2", check_count, minimum=2)]
"""Degree of Taylor polynomials: equations have second derivatives."""

REMEDY = (
    "make it of the arguments by + - * /, powers, .sin(), .cos(), .exp() and constants: what a float says about one "
    "point is no proof about a box"
)


NAMES_OF_SOLUTIONS = frozenset({"u", "v", "u_", "solution"})
"""Names of arguments that say that a function is one of the solution."""

LONGEST = 400
"""Characters of a formula; of a longer one the first half is shown."""

SUM, PRODUCT, POWER, ATOM = range(4)
"""What a formula is outermost: in larger formulas those of lower rank stand in brackets."""


class Formula(Frozen, eq=True):
    """A function of the inputs as text, with the operations of Taylor numbers.

    Attributes
    ----------
    text : str
    rank : int
        SUM, PRODUCT, POWER or ATOM.
    """

    text: str
    rank: int = ATOM

    @classmethod
    def of(cls, number: Fraction) -> "Formula":
        """A constant, with all of its digits."""
        if number.denominator == 1:
            text = str(number.numerator)
        elif _is_float(number):
            text = repr(float(number))
        else:
            text = str(number)
        rank = SUM if text.startswith("-") else ATOM
        return cls.cut(text, PRODUCT if "/" in text else rank)

    @classmethod
    def cut(cls, text: str, rank: int) -> "Formula":
        """A formula, of which the beginning is kept if it is long."""
        if len(text) <= LONGEST:
            return cls(text, rank)
        return cls(f"({text[: LONGEST // 2]}...)", ATOM)

    def _in(self, rank: int) -> str:
        return self.text if self.rank >= rank else f"({self.text})"

    def __add__(self, other: "Formula") -> "Formula":
        if "0" in (self.text, other.text):
            return other if self.text == "0" else self
        return Formula.cut(f"{self.text} + {other._in(PRODUCT)}", SUM)

    def __sub__(self, other: "Formula") -> "Formula":
        if other.text == "0":
            return self
        if self.text == "0":
            return -other
        return Formula.cut(f"{self.text} - {other._in(PRODUCT)}", SUM)

    def __neg__(self) -> "Formula":
        return Formula.cut(f"-{self._in(PRODUCT)}", SUM)

    def __mul__(self, other: "Formula") -> "Formula":
        if "0" in (self.text, other.text):
            return Formula("0")
        if "1" in (self.text, other.text):
            return other if self.text == "1" else self
        return Formula.cut(f"{self._in(PRODUCT)}*{other._in(POWER)}", PRODUCT)

    def __pow__(self, power: int) -> "Formula":
        if power < 2:
            return self if power else Formula("1")
        return Formula.cut(f"{self._in(ATOM)}^{power}", POWER)

    def sin(self) -> "Formula":
        """The sine."""
        return Formula.cut(f"sin({self.text})", ATOM)

    def cos(self) -> "Formula":
        """The cosine."""
        return Formula.cut(f"cos({self.text})", ATOM)

    def exp(self) -> "Formula":
        """The exponential function."""
        return Formula.cut(f"exp({self.text})", ATOM)


def _is_float(number: Fraction) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


class Expression:
    """A function of the inputs, as Taylor numbers on boxes or as a formula; `name` is what errors call it by.

    NumPy's numbers on the left hand, and its sin, cos and exp, end in these methods, as of any object.
    """

    __slots__ = ("_name", "_number")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str, number: Any) -> None:
        self._name, self._number = name, number

    def _made(self, number: Any) -> "Expression":
        return Expression(self._name, number)

    def _other(self, value: Any) -> Any:
        if isinstance(value, Expression):
            return value._number
        return _constant(self._name, value, self._number)

    def __add__(self, other: Any) -> "Expression":
        return self._made(self._number + self._other(other))

    def __sub__(self, other: Any) -> "Expression":
        return self._made(self._number - self._other(other))

    def __rsub__(self, other: Any) -> "Expression":
        return self._made(self._other(other) - self._number)

    def __mul__(self, other: Any) -> "Expression":
        return self._made(self._number * self._other(other))

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
        return self._made(self._number ** int(power))

    def __neg__(self) -> "Expression":
        return self._made(-self._number)

    def sin(self) -> "Expression":
        """The sine."""
        return self._made(self._number.sin())

    def cos(self) -> "Expression":
        """The cosine."""
        return self._made(self._number.cos())

    def exp(self) -> "Expression":
        """The exponential function."""
        return self._made(self._number.exp())

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
    taylor: TaylorIntervals = _applied(name, function, variables(points, order))
    return taylor


def formula(name: str, function: Callable[..., Any], inputs: Sequence[str]) -> str:
    """Return a function of the user as text, in the names of the inputs; errors as for `evaluated`.

    Examples
    --------
    >>> formula("source", lambda x, y: (3 * x).sin() * (y - 1) ** 2 / 2, ("x", "y"))
    'sin(x*3)*(y - 1)^2*0.5'
    """
    text: Formula = _applied(name, function, [Formula(text) for text in inputs])
    return text.text


def _applied(name: str, function: Callable[..., Any], arguments: list[Any]) -> Any:
    """Apply a function of the user to Taylor numbers, or to formulas."""
    try:
        value = function(*(Expression(name, x) for x in arguments))
    except TypeError as error:
        if REMEDY in str(error):
            raise
        raise TypeError(f"{name} must be made of its arguments ({error}): {REMEDY}") from error
    if isinstance(value, Expression):
        return value._number
    return _constant(name, value, arguments[0])


def require_function_of_inputs(name: str, function: Any, count: int) -> None:
    """Refuse a function that does not take `count` inputs, or that is written as one of the solution.

    A function of one argument may be r(x) or G(u). The equation is linear: no coefficient depends on u.

    Raises
    ------
    TypeError
    """
    check_function(name, function, count)
    try:
        parameters = signature(function).parameters
    except (ValueError, TypeError):
        return
    for parameter in list(parameters)[:count]:
        if parameter.lower() in NAMES_OF_SOLUTIONS:
            raise TypeError(
                f"{name} must be a function of the inputs x; its argument is called {parameter!r}, like a solution, "
                "on which no term of a linear equation but u itself may depend: rename the argument if it is an input"
            )


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


def _constant(name: str, value: Any, like: Any) -> Any:
    """A constant: enclosed, of the shape of Taylor numbers, or as a formula."""
    number = exact(name, value)
    if isinstance(like, Formula):
        return Formula.of(number)
    low, high = Enclosure(number, number).floats()
    shape = like.value.lo.shape
    return TaylorIntervals({like.zero: Intervals(np.full(shape, low), np.full(shape, high))}, like.order)
