r"""Basis functions by the recursion of Cox and de Boor, pieces of given functions, and the knots that explain them.

Within interval m, u = (x - t_m)/(t_(m+1) - t_m), function i is sum_k c_mik u^k if least squares leaves rounding. Of the
pieces asked for those are told that differ, by their place j = i - m in the interval, the same in all. By themselves:
where functions are not zero, and how smooth they are at knots.

B-splines of order r on knots t_0 <= ... <= t_(K-1) depend smoothly on the knots, all but the first and the last of
which show within the domain. So knots are found by least squares, from several starts, and are certain: what is left
is rounding, for all functions at all points at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import factorial, perm

import numpy as np
from numpy.polynomial import Polynomial
from scipy.optimize import least_squares

from refkan.base.array_types import Array, FloatArray, IntArray
from refkan.conformance.cases.cases import generator
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import round_to
from refkan.conformance.cases.truths.quantities import LATEST
from refkan.conformance.identification.matrix_shapes import numbers
from refkan.conformance.identification.stages_and_differences import Difference

EVALUATIONS = 20
"""Steps, at most, from each start."""

STEP = 2.0**-26
"""Of difference quotients in knots, the square root of eps."""

SHOWN = 6
"""Knots that are told, at most."""

HIGHEST = 8
"""Degree of pieces, at most."""

LEFT = 2.0**-34
"""Of the largest value, that least squares may leave of polynomials."""

PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")

EQUALLY_SPACED = "knots in use are equally spaced"

Ratio = Callable[[FloatArray, FloatArray], FloatArray]


def guarded(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """0/0 = 0."""
    return np.asarray(np.where(denominator == 0, 0.0, numerator / np.where(denominator == 0, 1.0, denominator)))


def intervals_of(x: FloatArray, t: FloatArray, order: int) -> IntArray:
    """The interval of each point on knots (..., K), (..., N): the last one of the domain is closed."""
    end = t[..., -order, None]
    m = (t[..., None, :] <= x[:, None]).sum(axis=-1) - 1
    last = (t < end).sum(axis=-1, keepdims=True) - 1
    return np.asarray(np.where(x == end, last, m))


def recursion(t: FloatArray, order: int, x: FloatArray, m: IntArray, ratio: Ratio = guarded) -> FloatArray:
    """Values (..., N, K - order) of the pieces of intervals m (..., N) on knots (..., K), continued to x."""
    t = t[..., None, :]
    b = (np.arange(t.shape[-1] - 1) == m[..., None]).astype(np.float64)
    with np.errstate(all="ignore"):
        for k in range(2, order + 1):
            starts, ends = t[..., :-k], t[..., k:]
            left = ratio(x[:, None] - starts, t[..., k - 1 : -1] - starts)
            right = ratio(ends - x[:, None], ends - t[..., 1 : t.shape[-1] - k + 1])
            b = left * b[..., :-1] + right * b[..., 1:]
    return b


@lru_cache(LATEST)
def points_inside(knots: bytes, inputs: int, order: int, dtype: str, count: int, seed: str) -> FloatArray:
    """Points (count, inputs) within the intervals of the domains, exact in a format."""
    rng, columns = generator(seed), []
    for t in np.frombuffer(knots).reshape(inputs, -1):
        points = np.unique(t[order - 1 : t.size - order + 1])
        m = np.resize(np.arange(points.size - 1), count)
        share = rng.integers(8, 57, count) / 64.0
        columns.append(rng.permutation(round_to(dtype, points[m] + np.diff(points)[m] * share)))
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class Pieces:
    """Coefficients c (intervals, dim, HIGHEST + 1) of powers of u, and degrees, -1 where there are no polynomials."""

    spec: LayerSpec
    c: FloatArray
    degrees: Array

    @classmethod
    def of(cls, spec: LayerSpec, x: FloatArray, functions: FloatArray) -> "Pieces":
        """Return the pieces of functions (N, dim) at points inside intervals."""
        t, m = spec.knots[0], intervals_of(x, spec.knots[0], spec.order)
        u = (x - t[m]) / (t[m + 1] - t[m])
        rows = np.unique(m)
        c, degrees = np.zeros((rows.size, spec.dim, HIGHEST + 1)), np.full(rows.size, -1)
        size = max(float(np.abs(functions).max()), 1e-300)
        for row, interval in enumerate(rows):
            here = m == interval
            for d in range(min(HIGHEST, int(here.sum()) - 3) + 1):
                A = np.vander(2 * u[here] - 1, d + 1, increasing=True)
                k, *_ = np.linalg.lstsq(A, functions[here], rcond=None)
                if np.abs(A @ k - functions[here]).max() <= LEFT * size:
                    powers = (Polynomial(column)(Polynomial([-1.0, 2.0])).coef for column in k.T)
                    c[row] = [np.pad(power, (0, HIGHEST + 1 - power.size)) for power in powers]
                    degrees[row] = d
                    break
        return cls(spec, np.where(np.abs(c) > 2.0**-30 * size, c, 0.0), degrees)

    @classmethod
    def asked_for(cls, spec: LayerSpec) -> "Pieces":
        """Return those of the B-splines of a layer."""
        t, r = spec.knots[0], spec.order
        m = np.flatnonzero(np.diff(t[r - 1 : t.size - r + 1]) > 0) + r - 1
        u = (1 + np.arange(2 * r)) / (2 * r + 1)
        x = (t[m][:, None] + (t[m + 1] - t[m])[:, None] * u).ravel()
        return cls.of(spec, x, recursion(t, r, x, np.repeat(m, u.size)))

    @property
    def in_force(self) -> Array:
        """Numbers of the r functions that are asked for in each interval, (intervals, r)."""
        r, t = self.spec.order, self.spec.knots[0]
        return np.asarray(np.flatnonzero(np.diff(t[r - 1 : t.size - r + 1]) > 0)[:, None] + np.arange(r))

    @property
    def are_asked_for(self) -> Array:
        """Which functions are asked for in each interval, (intervals, dim)."""
        own = np.zeros(self.c.shape[:2], bool)
        np.put_along_axis(own, self.in_force, True, axis=1)
        return own


def wrong_pieces(spec: LayerSpec, x: FloatArray, functions: FloatArray) -> str:
    """Which of the pieces of an interval are wrong, the same in all intervals; "" if most or not so."""
    if spec.degree == 0 or spec.kind == "repeated":
        return ""
    theirs, right = Pieces.of(spec, x, functions), Pieces.asked_for(spec)
    if theirs.degrees.min() < 0 or theirs.c.shape != right.c.shape:
        return ""
    a, b = (np.take_along_axis(pieces.c, pieces.in_force[:, :, None], axis=1) for pieces in (theirs, right))
    room = 2.0**-26 * float(np.abs(b).max())
    wrong = np.flatnonzero((np.abs(a - b) > room).any(axis=(0, 2)))
    if np.abs(theirs.c[~theirs.are_asked_for]).max(initial=0.0) > room or not 0 < wrong.size <= spec.order / 2:
        return ""
    return "; ".join(
        f"the {PLACES[j]} of the {spec.order} pieces in each interval {_compared(a[:, j], b[:, j], room)}"
        for j in wrong
    )


def _compared(theirs: FloatArray, right: FloatArray, room: float) -> str:
    """What is done to a piece, (intervals, powers) each."""
    factor = float((theirs * right).sum() / max(float((right * right).sum()), 1e-300))
    if np.abs(theirs - factor * right).max() <= 64 * room:
        return "is left out" if abs(factor) < 1e-6 else f"is multiplied by {factor:.6g}"
    return f"is another, of degree {int(np.flatnonzero((np.abs(theirs) > room).any(axis=0)).max(initial=0))}"


def nature(spec: LayerSpec, x: FloatArray, functions: FloatArray) -> str:
    """What functions are within intervals, on their supports and at knots, in words."""
    pieces = Pieces.of(spec, x, functions)
    if (bad := np.flatnonzero(pieces.degrees < 0)).size:
        none = bad.size == pieces.degrees.size
        return "are no piecewise polynomials" if none else f"are no polynomials in intervals {numbers(bad.tolist())}"
    told = [f"are polynomials of degree {pieces.degrees.max()} within intervals"]
    shown = np.asarray((np.abs(pieces.c) > 0).any(axis=2))
    if (shown & ~pieces.are_asked_for).any():
        width = int(shown.sum(axis=0).max())
        told.append("without local support" if width == len(shown) else f"not zero in up to {width} intervals")
    if len(shown) > 1:
        told.append(_smooth(pieces))
    return ", ".join(told)


def _smooth(pieces: Pieces) -> str:
    """How many derivatives of functions are continuous at the knots within the domain, in words."""
    h = np.diff(pieces.spec.knots[0])[pieces.in_force[:, 0] + pieces.spec.order - 1][:, None]
    for k in range(int(pieces.degrees.max()) + 1):
        factor = np.array([perm(p, k) for p in range(HIGHEST + 1)])
        right = pieces.c[:, :, k] * factorial(k) / h**k
        left = (pieces.c * factor).sum(axis=2) / h**k
        if np.abs(right[1:] - left[:-1]).max() > 2.0**-20 * max(float(np.abs(right).max()), 1e-300):
            return (
                f"with {k - 1} continuous derivative{'s' * (k > 2)}"
                if k > 1
                else ("with jumps", "with kinks")[k] + " at knots"
            )
    return "without a breakpoint in the domain"


def knots_of(x: FloatArray, functions: FloatArray, spec: LayerSpec, tolerance: float) -> FloatArray | None:
    """Knots on which the functions (N, dim) are B-splines of the order of a layer; None if least squares finds none."""
    for start in _starts(spec):

        def apart(inner: FloatArray, first: float = start[0], last: float = start[-1]) -> FloatArray:
            """Differences (..., N dim) on inner knots (..., K - 2)."""
            sorted_inner = np.sort(inner)
            low, high = np.minimum(first, sorted_inner[..., :1]), np.maximum(last, sorted_inner[..., -1:])
            t = np.concatenate([low, sorted_inner, high], axis=-1)
            difference = recursion(t, spec.order, x, intervals_of(x, t, spec.order)) - functions
            return difference.reshape(*inner.shape[:-1], -1)

        def slopes(inner: FloatArray, apart: Callable[[FloatArray], FloatArray] = apart) -> FloatArray:
            """Difference quotients (N dim, K - 2), all knots at once."""
            moved = inner + np.diag(STEP * np.maximum(1.0, np.abs(inner)))
            return np.asarray(((apart(moved) - apart(inner)) / (np.diag(moved) - inner)[:, None]).T)

        solution = least_squares(
            apart, start[1:-1], slopes, method="lm", max_nfev=EVALUATIONS, xtol=1e-15, ftol=1e-15, gtol=1e-15
        )
        if np.abs(solution.fun).max() <= tolerance:
            inner = np.sort(solution.x)
            return np.concatenate([[2 * inner[0] - inner[1]], inner, [2 * inner[-1] - inner[-2]]])
    return None


def _starts(spec: LayerSpec) -> Iterator[FloatArray]:
    """The knots asked for, those mirrored, and equally spaced ones on the domain and on the usual ones."""
    t, r, n = spec.knots[0], spec.order, spec.intervals
    yield t + 1e-3 * np.ptp(t) / t.size * np.cos(np.arange(t.size)) * np.r_[False, np.diff(t) == 0]
    yield t[0] + t[-1] - t[::-1]
    for a, b in (spec.domain, (-1.0, 1.0), (0.0, 1.0)):
        yield np.asarray(a + (b - a) / n * np.arange(1 - r, n + r))


def compared(used: FloatArray, spec: LayerSpec) -> Difference | None:
    """How knots in use differ from those asked for, if they do; the first and the last are unseen."""
    t, r = spec.knots[0], spec.order
    u, t = used[1:-1], t[1:-1]
    off, size = np.abs(u - t), float(np.abs(t).max())
    inner = slice(r - 2, t.size - r + 2) if r >= 2 else slice(None)
    if off.max() <= 2.0**-38 * size:
        return None
    if off.max() <= 2.0**-8 * size:
        for digits in range(1, 6):
            if np.abs(u - np.round(t, digits)).max() <= 2.0**-38 * size:
                return Difference("knots rounded", {"digits": digits})
        for name, low, high in (("float16", -14.0, -9.0), ("float32", -30.0, -21.0)):
            of_format = any(
                np.abs(round_to(name, v) - v).max() <= 2.0**-40 * size for v in (u, u - spec.domain[0], u / u[r - 1])
            )
            if of_format and 2.0**low * size <= off.max() <= 2.0**high * size:
                return Difference(f"{name} knots", {"off": float(off.max())})
    if off[inner].max() <= 1e-9 * size:
        evidence = {name: np.delete(v, np.r_[inner]).tolist() for name, v in (("used", u), ("asked", t))}
        return Difference("exterior knots", evidence)
    if np.ptp(np.diff(u)) <= 1e-9 * size < np.ptp(np.diff(t)):
        return Difference("equal spacing assumed", {"what": EQUALLY_SPACED})
    odd = np.flatnonzero(off > 2.0**-38 * size)
    told = [f"t[{k + 1}] is {u[k]:.9g} instead of {t[k]:.9g}" for k in odd[:SHOWN]]
    more = f", and {odd.size - SHOWN} more of {t.size}" * bool(odd.size > SHOWN)
    return Difference("other knots", {"how": ", ".join(told) + more})
