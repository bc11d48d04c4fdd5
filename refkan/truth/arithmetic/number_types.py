"""Numbers: the types that truth computes with, how input becomes one of them, and decisions between two numbers.

    Fraction     exact; functions such as exp have few rational values, see `functions`
    flint.fmpq   the same numbers, several times as quick; no functions such as exp
    float        what other codes compute with
    complex      for derivatives by complex steps: f(x + i h) = f(x) + i h f'(x) - h^2 f''(x)/2 - ...
    flint.arb    balls: midpoint and radius, which enclose the exact number; acb: the same with complex numbers
    mpmath.mpf   floats of any length

Numbers of flint and mpmath are recognised by name, so that neither package is imported here.
"""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from numbers import Complex, Rational, Real
from sys import float_info
from typing import Any

Number = Any
"""A number of one of the types above, or a `taylor.Taylor` number with such coefficients."""


Numbers = Sequence[Number]

Matrix = list[list[Number]]
"""A list of rows, all of one length; of values at samples, one row a sample."""


class UndecidedError(ValueError):
    """Two numbers could not be compared: balls that overlap, or something that is not a number.

    Examples
    --------
    >>> from refkan.truth.bases.outside import interval
    >>> interval([0.0, 1.0, 2.0, float("nan")], 1, 0.5)
    Traceback (most recent call last):
    refkan.truth.arithmetic.number_types.UndecidedError: it is not decided whether 0.5 <= nan: balls that
        overlap need a higher precision (flint.ctx.prec) or exact numbers; NaN compares with nothing
    """


def at_most(x: Number, y: Number) -> bool:
    """Decide whether x <= y, by real parts; a number is at most itself.

    Raises
    ------
    UndecidedError
        If the numbers are balls that overlap, or NaN.

    Examples
    --------
    >>> from fractions import Fraction
    >>> at_most(Fraction(1, 3), 1), at_most(2.0, 1.0)
    (True, False)
    >>> at_most(float("nan"), 1.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    refkan.truth.arithmetic.number_types.UndecidedError: it is not decided whether nan <= 1.0: ...
    """
    left, right = real_part(x), real_part(y)
    if x is y or left <= right:
        return True
    if left > right:
        return False
    raise UndecidedError(
        f"it is not decided whether {left} <= {right}: balls that overlap need a higher precision (flint.ctx.prec) or "
        "exact numbers; NaN compares with nothing"
    )


def real_part(x: Number) -> Number:
    """Return the real part; a Fraction, which would copy itself, and a flint.fmpq, which names none, are their own."""
    return x if type(x) is Fraction else getattr(x, "real", x)


def less(x: Number, y: Number) -> bool:
    """Decide whether x < y, by real parts; errors as for `at_most`."""
    return not at_most(y, x)


def equal(x: Number, y: Number) -> bool:
    """Decide whether x = y, by real parts; errors as for `at_most`."""
    return at_most(x, y) and at_most(y, x)


def rounding_unit(x: Number) -> Number:
    """Return the distance from 1 to the next number of the type of x: 0 of exact numbers, and of balls.

    Examples
    --------
    >>> from fractions import Fraction
    >>> rounding_unit(2.0), rounding_unit(Fraction(2))
    (2.220446049250313e-16, 0)
    """
    kind = type(real_part(x))
    if issubclass(kind, float):
        return float_info.epsilon
    return kind.context.eps if hasattr(kind, "context") else 0  # mpmath's floats have a context


LARGEST_DENOMINATOR = 2**1074
"""That of the smallest positive float64."""


def exact_ratio(x: float) -> tuple[int, int]:
    """Return n, d with x = n/d, by the bits of x, which are the same where a thread takes subnormal numbers for zero.

    Examples
    --------
    >>> exact_ratio(0.75), exact_ratio(-5e-324) == (-1, 2**1074)
    ((3, 4), True)
    """
    bits = int.from_bytes(struct.pack(">d", x), "big")
    if bits >> 52 & 0x7FF or not bits << 1 & 2**64 - 1:
        return x.as_integer_ratio()
    return (-1) ** (bits >> 63) * (bits & 2**52 - 1), LARGEST_DENOMINATOR


def converter(number: Any) -> Callable[[Any], Number]:
    """Return the function that turns input into numbers of a type.

    Integers and floats become the number that they are, exactly. A Fraction becomes the nearest float, or a ball around
    it. Numbers of the type itself stay.

    Parameters
    ----------
    number : type
        Fraction, flint.fmpq, float, complex, flint.arb, flint.acb or mpmath.mpf.

    Raises
    ------
    TypeError
        If the type is another one; later, if the input is no number, or a complex one where the type is real.

    Examples
    --------
    >>> from fractions import Fraction
    >>> converter(Fraction)(0.1)
    Fraction(3602879701896397, 36028797018963968)
    >>> converter(complex)(Fraction(1, 2))
    (0.5+0j)
    >>> converter(int)
    Traceback (most recent call last):
        ...
    TypeError: number must be Fraction, flint.fmpq, float, complex, flint.arb, flint.acb or mpmath.mpf; got
        <class 'int'>
    """
    of_rational = _OF_RATIONAL.get(_name(number))
    if of_rational is None:
        known = "Fraction, flint.fmpq, float, complex, flint.arb, flint.acb or mpmath.mpf"
        raise TypeError(f"number must be {known}; got {number!r}")
    rational = _name(number) in ("Fraction", "flint.fmpq")

    def convert(value: Any) -> Number:
        if type(value) is number and number is not float:
            return value
        if isinstance(value, Real) and not isinstance(value, Rational):  # also NumPy's floats of all lengths
            if value - value != 0:
                raise ValueError(f"numbers must be finite; got {value}")
            nearest = float(value)
            n, d = exact_ratio(nearest)
            if rational:
                return number(n, d)
            return of_rational(number, n, d) if d == LARGEST_DENOMINATOR else number(nearest)
        if isinstance(value, Rational):
            return of_rational(number, int(value.numerator), int(value.denominator))
        takes_complex = _name(number) in ("complex", "flint.acb")
        if takes_complex and (isinstance(value, Complex) or _name(type(value)) == "flint.arb"):
            return number(value)
        raise TypeError(f"numbers must turn into {_name(number)} exactly; got {value!r} of type {type(value).__name__}")

    return convert


def vector(number: Any, name: str, values: Any, length: int) -> list[Number]:
    """Return values (length) as a list of numbers of a type; errors name the argument."""
    _check_length(name, values, length, "numbers")
    convert = converter(number)
    try:
        return [convert(value) for value in values]
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def samples(number: Any, name: str, rows: Any, width: int, count: int | None = None) -> list[list[Number]]:
    """Return rows (count, width), any number of them if count is None, as lists of numbers of a type."""
    _check_length(name, rows, count, f"rows of {width} numbers")
    return [vector(number, f"{name}[{s}]", row, width) for s, row in enumerate(rows)]


def _check_length(name: str, values: Any, length: int | None, kind: str) -> None:
    required = f"{name} must hold {kind if length is None else f'{length} {kind}'}"
    try:
        count = len(values)
    except TypeError:
        raise TypeError(f"{required}; got {values!r}") from None
    if length not in (None, count):
        raise ValueError(f"{required}; got {count}")


def typed(number: Any, values: Any) -> Any:
    """Return nested lists with the zeros and ones that were written as integers turned into numbers of a type."""
    if isinstance(values, list):
        return [typed(number, value) for value in values]
    return converter(number)(values) if isinstance(values, int) else values


def _name(number: Any) -> str:
    """Name of a number type, with its package where that is neither the standard library nor `builtins`."""
    if not isinstance(number, type):
        return ""
    package = number.__module__.partition(".")[0]
    return f"{package}.{number.__name__}" if package in ("flint", "mpmath") else number.__name__


_OF_RATIONAL: dict[str, Callable[[Any, int, int], Number]] = {
    "Fraction": lambda number, n, d: number(n, d),
    "flint.fmpq": lambda number, n, d: number(n, d),
    "float": lambda number, n, d: n / d,  # Python divides integers with one rounding
    "complex": lambda number, n, d: number(n / d),
    "flint.arb": lambda number, n, d: number(n) / d,
    "flint.acb": lambda number, n, d: number(n) / d,
    "mpmath.mpf": lambda number, n, d: number(n) / d,
}
