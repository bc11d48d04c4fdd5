r"""B-splines by right formulas, in one place of which numbers are rounded to a lower format.

    b_i^(k) = (x - t_i) (1/d_i) b_i^(k-1) + (t_(i+k) - x) (1/d_(i+1)) b_(i+1)^(k-1),   d_i = t_(i+k-1) - t_i.

What is rounded in one place is deterministic: if functions agree to the rounding of float64 with the recursion that
rounds there, that is the place. Of several roundings nothing can be reproduced, but they have the size of the format.
"""

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np

from refkan.base.array_types import Array, FloatArray, IntArray
from refkan.conformance.cases.truths.precision import EPS, round_to
from refkan.conformance.identification.knots_in_use import guarded, intervals_of

FORMATS = {"float32": "float32", "tf32": "float16 or TF32", "bfloat16": "bfloat16"}
"""Formats that are tried, and the name of the difference: values of order 1 are the same in float16 as in TF32."""

PLACES = (
    "distances of x from knots", "differences of knots", "reciprocals of differences of knots",
    "differences of knots and their reciprocals", "weights of the recursion", "functions of lower degree",
    "basis functions",
)  # fmt: skip
"""Numbers of the recursion that may be rounded."""

REPRODUCED = 2.0**-44
"""What is left at most of functions that are reproduced."""

AGREEING = 0.95
"""Of the wrong points, at least: a number between two of the format may go to either by what was rounded before."""

ROUNDINGS = 2.0**4
"""Times the rounding of a format, that results may be off by if it was used."""


def rounded_recursion(
    t: FloatArray, order: int, x: FloatArray, m: IntArray, place: str, to: Callable[[FloatArray], FloatArray]
) -> FloatArray:  # fmt: skip
    """Values (N, K - order) of the pieces of intervals m, with one kind of number rounded."""

    def at(places: tuple[int, ...], values: FloatArray) -> FloatArray:
        return to(values) if PLACES.index(place) in places else values

    b = (np.arange(t.size - 1) == m[:, None]).astype(np.float64)
    for k in range(2, order + 1):
        wide = at((1, 3), t[k - 1 :] - t[: t.size - k + 1])
        inverse = at((2, 3), guarded(np.ones_like(wide), wide))
        left = at((4,), at((0,), x[:, None] - t[:-k]) * inverse[:-1])
        right = at((4,), at((0,), t[k:] - x[:, None]) * inverse[1:])
        b = at((5 if k < order else 6,), left * b[:, :-1] + right * b[:, 1:])
    return b


def rounded_in_one_place(
    t: FloatArray, order: int, x: FloatArray, theirs: FloatArray, wrong: Array
) -> tuple[str, str] | None:  # fmt: skip
    """Return the format and what is rounded to it, if functions are reproduced where they are wrong."""
    m = intervals_of(x, t, order)
    for dtype, place in product(FORMATS, PLACES):
        off = np.abs(rounded_recursion(t, order, x, m, place, partial(round_to, dtype)) - theirs).max(axis=1)
        if (off <= REPRODUCED)[wrong].mean() >= AGREEING and off.max() <= ROUNDINGS * EPS[dtype]:
            return FORMATS[dtype], f"{place} are rounded to {'TF32' if dtype == 'tf32' else dtype}"
    return None
