r"""Functions within intervals, as polynomials: which pieces are wrong, in which powers, and what holds for all.

Within interval m, u = (x - t_m)/(t_(m+1) - t_m), function i is sum_k c_mik u^k if least squares leaves only rounding.
Wrong pieces are named by their place j = i - m in the interval, if it is the same in all, with the powers k of u or of
1 - u that are wrong and their factor, 0 if they are left out. Other functions are described by where they are not zero,
how smooth they are at knots, and the order of their zeros at the ends of the support.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import comb, factorial, perm

import numpy as np

from refkan.base import Array, FloatArray, Frozen, IntArray
from refkan.conformance.cases import EPS, LayerSpec, piece_derivatives, round_to
from refkan.conformance.identification.knots_in_use import Sampled, guarded, intervals_of, recursion
from refkan.conformance.identification.known_maps import numbers
from refkan.conformance.identification.reported import Difference, close, factor_of, fitted, largest, only

HIGHEST = 8
"""Largest degree of pieces."""

LEFT = 2.0**-34
"""Relative to the largest value, what a fit by polynomials may leave."""

PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")

POWERS = ("constant", "linear", "quadratic", "cubic", "quartic", "quintic")


class Pieces(Frozen):
    """Coefficients c (intervals, dim, HIGHEST + 1) of powers of u; rows that are not polynomials are unknown."""

    spec: LayerSpec
    c: FloatArray
    known: Array
    degree: int

    @classmethod
    def of(cls, inside: Sampled) -> "Pieces":
        """Return the pieces of functions at points inside intervals."""
        spec, functions, t = inside.spec, inside.theirs, inside.spec.knots[0]
        m = intervals_of(inside.x, t, spec.order)
        u = (inside.x - t[m]) / (t[m + 1] - t[m])
        rows = np.unique(m)
        c, known, degree = np.zeros((rows.size, spec.dim, HIGHEST + 1)), np.zeros(rows.size, bool), 0
        size = max(largest(functions), 1e-300)
        for row, interval in enumerate(rows):
            here = m == interval
            for d in range(min(HIGHEST, int(here.sum()) - 3) + 1):
                k = fitted(np.vander(2 * u[here] - 1, d + 1, increasing=True), functions[here], LEFT * size)
                if k is not None:
                    c[row, :, : d + 1] = _substituted(k.T, -1.0, 2.0)
                    known[row], degree = True, max(degree, d)
                    break
        return cls(spec, np.where(np.abs(c) > 2.0**-30 * size, c, 0.0), known, degree)

    @property
    def in_force(self) -> Array:
        """Indices of the r nonzero B-splines of each interval, (intervals, r)."""
        r, t = self.spec.order, self.spec.knots[0]
        return np.asarray(np.flatnonzero(np.diff(t[r - 1 : t.size - r + 1]) > 0)[:, None] + np.arange(r))

    def at_places(self) -> FloatArray:
        """The pieces of the r nonzero B-splines of each interval, (intervals, r, powers)."""
        return self.c[np.arange(len(self.c))[:, None], self.in_force]

    def on_whole_supports(self) -> str:
        """The order of zeros at both ends for functions that are one polynomial on several intervals, in words."""
        t, orders = self.spec.knots[0], set()
        m = self.in_force[:, 0] + self.spec.order - 1
        for i in range(self.spec.dim):
            rows = np.flatnonzero(np.abs(self.c[:, i]).max(axis=1) > 0)
            if rows.size < 2 or rows[0] == 0 or rows[-1] == len(self.c) - 1:
                continue  # not all of it is seen
            h = t[m[rows] + 1] - t[m[rows]]
            first = self.c[rows[0], i]
            for row, width in zip(rows[1:], h[1:], strict=True):
                c = _substituted(first, (t[m[row]] - t[m[rows[0]]]) / h[0], width / h[0])
                if largest(c - self.c[row, i]) > 2.0**-20 * largest(self.c[:, i]):
                    return ""
            last = _substituted(self.c[rows[-1], i], 1.0, -1.0)
            orders.add(tuple(int(np.flatnonzero(np.abs(c) > 2.0**-20 * largest(c))[0]) for c in (first, last)))
        if len(orders) != 1:
            return ""
        left, right = orders.pop()
        return f"each one polynomial on its support, with zeros of order {left} and {right} at the ends"


def _substituted(c: FloatArray, a: float, b: float) -> FloatArray:
    """Coefficients in powers of v of polynomials in u = a + b v, along the last axis."""
    powers = np.zeros((c.shape[-1], c.shape[-1]))
    for k, j in zip(*np.tril_indices(len(powers)), strict=True):
        powers[k, j] = comb(k, j) * a ** (k - j) * b**j
    return c @ powers


SEEN = 2.0**-16
"""The powers of pieces do not explain errors below this."""


def wrong_pieces(inside: Sampled) -> str:
    """Which pieces are wrong, in the same way in all intervals, and how; "" if all are or there is no such rule."""
    spec = inside.spec
    if spec.degree == 0 or spec.kind == "repeated" or inside.off < SEEN:
        return ""
    theirs, right = (Pieces.of(replace(inside, theirs=functions)) for functions in (inside.theirs, inside.right))
    if not theirs.known.all() or len(theirs.c) != len(theirs.in_force):
        return ""
    a, b, rows = theirs.at_places(), right.at_places(), np.arange(len(theirs.c))[:, None]
    beside = theirs.c.copy()
    beside[rows, theirs.in_force] = 0
    room = 2.0**-26 * largest(b)
    wrong = np.flatnonzero((np.abs(a - b) > room).any(axis=(0, 2)))
    if largest(beside) > room or not 0 < wrong.size < spec.order:
        return ""
    told = [f"the {PLACES[j]} of the {spec.order} pieces in each interval {_in_powers(a[:, j], b[:, j], room)}"
            for j in wrong]  # fmt: skip
    return "; ".join(told)


def _in_powers(theirs: FloatArray, right: FloatArray, room: float) -> str:
    """How the powers of a piece differ, (intervals, powers) each."""
    told, u = [], "u = (x - t[m])/h"
    turned = [_substituted(of, 1.0, -1.0) for of in (theirs, right)]
    for words, a, b in ((u, theirs, right), (f"1 - u, {u}", turned[0], turned[1])):
        wrong = np.flatnonzero((np.abs(a - b) > 16 * room).any(axis=0))
        if not 0 < wrong.size <= max(1, len(POWERS) // 3) or wrong[-1] >= len(POWERS):
            continue
        changes = []
        for k in wrong:
            factor, added = factor_of(a[:, k], b[:, k]), float((a - b)[:, k].mean())
            times = "the opposite sign" if abs(factor + 1) < 1e-6 else f"{factor:.6g} times its own"
            done = "left out" if abs(factor) < 1e-6 else f"with {times}"
            if b[:, k].any() and close(a[:, k], factor * b[:, k], 64 * room):
                pass
            elif close(a[:, k], b[:, k] + added, 64 * room):
                done = f"with {added:.6g} added"
            else:
                break
            changes.append(f"the {POWERS[k]} coefficient in {words} {done}")
        else:
            told.append((wrong.size, f"has {' and '.join(changes)}"))
    if told:
        return min(told, key=lambda pair: pair[0])[1]
    factor = factor_of(theirs, right)
    if close(theirs, factor * right, 64 * room):
        return "is left out" if abs(factor) < 1e-6 else f"is multiplied by {factor:.6g}"
    return f"is another, of degree {int(np.flatnonzero((np.abs(theirs) > room).any(axis=0)).max(initial=0))}"


def nature(inside: Sampled) -> str:
    """What the functions are within intervals, on their supports and at knots, in words."""
    pieces = Pieces.of(inside)
    if not pieces.known.all():
        bad = np.flatnonzero(~pieces.known).tolist()
        none = len(bad) == pieces.known.size
        return "are not piecewise polynomials" if none else f"are not polynomials in intervals {numbers(bad)}"
    told = [f"are polynomials of degree {pieces.degree} within intervals"]
    whole = pieces.on_whole_supports()
    if whole:
        told.append(whole)
    elif len(pieces.c) > 1:
        told.append(_smooth(pieces))
    return ", ".join(told)


def _smooth(pieces: Pieces) -> str:
    """How many derivatives of functions are continuous at the knots within the domain, in words."""
    h = np.diff(pieces.spec.knots[0])[pieces.in_force[:, 0] + pieces.spec.order - 1][:, None]
    for k in range(pieces.degree + 1):
        factor = np.array([perm(p, k) for p in range(HIGHEST + 1)])
        right = pieces.c[:, :, k] * factorial(k) / h**k
        left = (pieces.c * factor).sum(axis=2) / h**k
        if largest(right[1:] - left[:-1]) > 2.0**-20 * max(largest(right), 1e-300):
            words = ("jumps", "kinks", "jumps of second derivatives")[k] + " at knots" if k < 3 else ""
            return f"with {words or f'{k - 1} continuous derivatives'}"
    return "without a breakpoint in the domain"


Rounding = Callable[[FloatArray], FloatArray]

FORMATS = {"float32": "float32", "tf32": "float16 or TF32", "bfloat16": "bfloat16"}
"""Formats to try, and the name of the difference: values of order 1 are the same in float16 and in TF32."""

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
"""Largest error of a reproduction."""

AGREEING = 0.95
"""Share of the wrong points to be reproduced: after earlier rounding a number may go to either of two neighbours."""

ROUNDINGS = 2.0**4
"""Factor on the rounding of a format that explains an error."""


def rounded_recursion(t: FloatArray, order: int, x: FloatArray, m: IntArray, place: str, to: Rounding) -> FloatArray:
    """Values (N, K - order) of the pieces of intervals m, with one kind of number rounded."""

    def at(here: str, values: FloatArray) -> FloatArray:
        return to(values) if here == place else values

    def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
        wide = at(OF_RECURSIONS[1], at(OF_RECURSIONS[3], denominator))
        inverse = at(OF_RECURSIONS[2], at(OF_RECURSIONS[3], guarded(np.ones_like(wide), wide)))
        return at(OF_RECURSIONS[4], at(OF_RECURSIONS[0], numerator) * inverse)

    def step(b: FloatArray) -> FloatArray:
        return at(OF_RECURSIONS[6 if b.shape[1] == t.size - order else 5], b)

    return recursion(t, order, x, m, ratio, step)


def _rounded_powers(t: FloatArray, order: int, x: FloatArray, m: IntArray, place: str, to: Rounding) -> FloatArray:
    """The same by powers of the distance from the start of the interval."""
    start, h = t[m], (t[m + 1] - t[m] if place == OF_POWERS[1] else np.ones(x.size))
    u = ((x - start) / h)[:, None]
    powers = piece_derivatives(t, order, m, start)
    return np.asarray(sum(to(c * h[:, None] ** k / factorial(k)) * u**k for k, c in enumerate(powers)))


def _candidates(t: FloatArray, order: int, x: FloatArray, m: IntArray) -> Iterator[tuple[str, str, FloatArray]]:
    for dtype in FORMATS:
        to = partial(round_to, dtype)
        for place in OF_RECURSIONS:
            yield dtype, place, rounded_recursion(t, order, x, m, place, to)
        for place in OF_POWERS:
            yield dtype, place, _rounded_powers(t, order, x, m, place, to)


def rounded_in_one_place(inside: Sampled) -> list[Difference]:
    """Return the numbers that are rounded to a format, if that reproduces functions where they are wrong."""
    t, r, x = inside.spec.knots[0], inside.spec.order, inside.x
    for dtype, place, values in _candidates(t, r, x, intervals_of(x, t, r)):
        off = np.abs(values - inside.theirs).max(axis=1)
        if (off <= REPRODUCED)[inside.wrong].mean() >= AGREEING and off.max() <= ROUNDINGS * EPS[dtype]:
            what = f"{place} are rounded to {'TF32' if dtype == 'tf32' else dtype}"
            return only(f"{FORMATS[dtype]} arithmetic", what=what)
    return []


def format_of(error: float) -> str:
    """The lowest format with relative errors of such a size; "" if none."""
    for dtype in FORMATS:
        if EPS[dtype] / ROUNDINGS <= error <= ROUNDINGS * EPS[dtype]:
            return FORMATS[dtype]
    return ""
