"""Rational numbers rounded to the type of a function in C, float64, float32 or fixed point."""

from fractions import Fraction
from typing import Any

import numpy as np

from check_certificate import Fixed, RejectedError, number_type

NumberType = Any
"""`Floats` or `Fixed` of the checker: the type, and what its operations may be off by."""


def type_named(dtype: str) -> NumberType:
    """Return the type of a name.

    Raises
    ------
    ValueError
    """
    try:
        return number_type(dtype)
    except RejectedError:
        raise ValueError(
            "dtype must be 'float64', 'float32' or fixed point 'Qm.n' with m + n = 16 or 32 bits, the sign among the "
            f"m, such as 'Q8.24'; got {dtype!r}"
        ) from None


def unit_of(kind: NumberType, size: Fraction = Fraction(1)) -> Fraction:
    """By how much a number up to `size` may be off when it is rounded."""
    return Fraction(kind.multiplied(size, 0, 0))


def nearest_number(kind: NumberType, x: Fraction) -> Fraction:
    """Round to a number of the type; to zero below the normal numbers.

    Raises
    ------
    ValueError
        If the number is too large for the type.
    """
    if abs(x) > kind.largest:
        remedy = "take more whole bits, or scale inputs and outputs" if isinstance(kind, Fixed) else "scale the outputs"
        told = f"{kind.name} ends at {float(kind.largest):g}, and one is {float(x):g}"
        raise ValueError(f"dtype must hold all coefficients; {told}: {remedy}")
    if isinstance(kind, Fixed):
        return min(round(x / kind.step) * kind.step, kind.largest)
    rounded = float(x)
    if kind.word == "float":
        rounded = float(np.float32(rounded))
    if abs(rounded) < kind.least:
        return Fraction(0)
    return Fraction(rounded)
