"""The floating-point formats of cases: spacing, rounding, and distances in units in the last place."""

from typing import Any

import numpy as np

from refkan.base import FloatArray, check_choice

EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "tf32": 2.0**-10, "bfloat16": 2.0**-7, "float16": 2.0**-10}
"""Distance from 1 to the next number of each format; "tf32" has the range of float32 and is stored in it."""

DTYPES = tuple(EPS)

SMALLEST_EXPONENT = {"float64": -1022, "float32": -126, "tf32": -126, "bfloat16": -126, "float16": -14}

LARGEST = {"float64": 2.0**1023, "float32": 2.0**127, "tf32": 2.0**127, "bfloat16": 2.0**127, "float16": 65504.0}
"""Numbers up to which the range of each format reaches, to a factor of two but in float16."""

LOW = ("tf32", "bfloat16", "float16")
"""Formats in which few numbers are exact: they have fewer cases."""

LARGEST_ROUNDING = 2.0**-6.5
"""Relative errors above this are no rounding of any format."""


def round_to(dtype: str, values: Any) -> FloatArray:
    """Round float64 numbers to a format, to nearest, ties to even; the result is a float64 array.

    Examples
    --------
    >>> round_to("bfloat16", [1.0 + 2**-8, 0.1])
    array([1.        , 0.10009766])
    """
    check_choice("dtype", dtype, DTYPES)
    array = np.asarray(values, np.float64)
    if dtype == "float64":
        return array
    if dtype in ("float32", "float16"):
        with np.errstate(over="ignore"):
            return array.astype(dtype).astype(np.float64)
    step = spacing(dtype, array)
    with np.errstate(invalid="ignore"):  # what is not finite stays as it is
        return np.where(np.isfinite(array), np.rint(array / step) * step, array)


def spacing(dtype: str, values: Any) -> FloatArray:
    """Distance from |value| to the next larger number of a format."""
    magnitude = np.where(np.isfinite(values), np.abs(np.asarray(values, np.float64)), 0.0)
    _, exponent = np.frexp(magnitude)
    lowest = SMALLEST_EXPONENT[dtype]
    return np.asarray(np.ldexp(EPS[dtype], np.maximum(np.where(magnitude > 0, exponent - 1, lowest), lowest)))


def is_exact(dtype: str, values: Any) -> bool:
    """Whether all numbers are numbers of the format."""
    return bool(np.array_equal(round_to(dtype, values), np.asarray(values, np.float64)))
