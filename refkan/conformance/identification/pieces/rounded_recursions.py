r"""B-splines by right formulas, in one place of which numbers are rounded to a lower format.

    b_i^(k) = (x - t_i) (1/d_i) b_i^(k-1) + (t_(i+k) - x) (1/d_(i+1)) b_(i+1)^(k-1),   d_i = t_(i+k-1) - t_i,

and the powers c_k = b^(k)(t_m) / k! of the pieces. What is rounded in one place is deterministic: if functions agree
to the rounding of float64 with the formula that rounds there, that is the place. Of several roundings nothing can be
reproduced, but they have the size of the format; errors that are polynomials within intervals are of numbers made of
knots alone, others of numbers made of x.
"""

from collections.abc import Callable, Iterator
from math import factorial

import numpy as np

from refkan.base.array_types import Array, FloatArray, IntArray
from refkan.conformance.cases.truths.precision import EPS, round_to
from refkan.conformance.cases.truths.tolerances import piece_derivatives
from refkan.conformance.identification.knots_in_use import guarded, intervals_of

Rounding = Callable[[FloatArray], FloatArray]

FORMATS = {"float32": "float32", "tf32": "float16 or TF32", "bfloat16": "bfloat16"}
"""Formats that are tried, and the name of the difference: values of order 1 are the same in float16 as in TF32."""

OF_RECURSIONS = (
    "distances of x from knots",
    "differences of knots",
    "reciprocals of differences of knots",
    "differences of knots and their reciprocals",
    "weights of the recursion",
    "functions of lower degree",
    "basis functions",
)
"""Numbers of the recursion that may be rounded."""

OF_POWERS = ("coefficients of pieces in powers of x - t[m]", "coefficients of pieces in powers of (x - t[m])/h")

REPRODUCED = 2.0**-44
"""What is left at most of functions that are reproduced."""

AGREEING = 0.95
"""Of the wrong points, at least: a number between two of the format may go to either by what was rounded before."""

ROUNDINGS = 2.0**4
"""Times the rounding of a format, that results may be off by if it was used."""


def rounded_recursion(
    t: FloatArray, order: int, x: FloatArray, m: IntArray, place: str, to: Rounding
) -> FloatArray:  # fmt: skip
    """Values (N, K - order) of the pieces of intervals m, with one kind of number rounded."""

    def at(here: str, values: FloatArray) -> FloatArray:
        return to(values) if here == place else values

    b = (np.arange(t.size - 1) == m[:, None]).astype(np.float64)
    for k in range(2, order + 1):
        wide = at(OF_RECURSIONS[1], at(OF_RECURSIONS[3], t[k - 1 :] - t[: t.size - k + 1]))
        inverse = at(OF_RECURSIONS[2], at(OF_RECURSIONS[3], guarded(np.ones_like(wide), wide)))
        left = at(OF_RECURSIONS[0], x[:, None] - t[:-k]) * inverse[:-1]
        right = at(OF_RECURSIONS[0], t[k:] - x[:, None]) * inverse[1:]
        b = at(OF_RECURSIONS[4], left) * b[:, :-1] + at(OF_RECURSIONS[4], right) * b[:, 1:]
        b = at(OF_RECURSIONS[5 if k < order else 6], b)
    return b


def _rounded_powers(
    t: FloatArray, order: int, x: FloatArray, m: IntArray, place: str, to: Rounding
) -> FloatArray:  # fmt: skip
    """The same by powers of the distance from the start of the interval."""
    start, h = t[m], (t[m + 1] - t[m] if place == OF_POWERS[1] else np.ones(x.size))
    u = ((x - start) / h)[:, None]
    powers = piece_derivatives(t, order, m, start)
    return np.asarray(sum(to(c * h[:, None] ** k / factorial(k)) * u**k for k, c in enumerate(powers)))


def _candidates(t: FloatArray, order: int, x: FloatArray, m: IntArray) -> Iterator[tuple[str, str, FloatArray]]:
    for dtype in FORMATS:

        def to(values: FloatArray, dtype: str = dtype) -> FloatArray:
            return round_to(dtype, values)

        for place in OF_RECURSIONS:
            yield dtype, place, rounded_recursion(t, order, x, m, place, to)
        for place in OF_POWERS:
            yield dtype, place, _rounded_powers(t, order, x, m, place, to)


def rounded_in_one_place(
    t: FloatArray, order: int, x: FloatArray, theirs: FloatArray, wrong: Array
) -> tuple[str, str] | None:  # fmt: skip
    """Return the format and what is rounded to it, if functions are reproduced where they are wrong."""
    m = intervals_of(x, t, order)
    for dtype, place, values in _candidates(t, order, x, m):
        off = np.abs(values - theirs).max(axis=1)
        if (off <= REPRODUCED)[wrong].mean() >= AGREEING and off.max() <= ROUNDINGS * EPS[dtype]:
            return FORMATS[dtype], f"{place} are rounded to {'TF32' if dtype == 'tf32' else dtype}"
    return None


def format_of(error: float) -> str:
    """The name of the lowest format that leaves relative errors of such a size; "" if none does."""
    for dtype in FORMATS:
        if EPS[dtype] / ROUNDINGS <= error <= ROUNDINGS * EPS[dtype]:
            return FORMATS[dtype]
    return ""
