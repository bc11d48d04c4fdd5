r"""Basis functions by the recursion of Cox and de Boor, and the knots that explain given functions.

B-splines of order r on knots t_0 <= ... <= t_(K-1) depend smoothly on the knots, all but the first and the last of
which show within the domain. So knots are found by least squares, from several starts, and are certain: what is left
is rounding, for all functions at all points at once.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from scipy.optimize import least_squares

from refkan.base.array_types import FloatArray, IntArray
from refkan.conformance.cases.cases import generator
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import round_to
from refkan.conformance.cases.truths.quantities import LATEST
from refkan.conformance.identification.stages_and_differences import Difference

EVALUATIONS = 20
"""Steps, at most, from each start."""

STEP = 2.0**-26
"""Of difference quotients in knots, the square root of eps."""

SHOWN = 6
"""Knots that are told, at most."""

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


def knots_of(x: FloatArray, functions: FloatArray, spec: LayerSpec, order: int, tolerance: float) -> FloatArray | None:
    """Knots on which the functions (N, dim) are B-splines of an order; None if least squares finds none."""
    for start in _starts(spec, order):

        def apart(inner: FloatArray, first: float = start[0], last: float = start[-1]) -> FloatArray:
            """Differences (..., N dim) on inner knots (..., K - 2)."""
            sorted_inner = np.sort(inner)
            low, high = np.minimum(first, sorted_inner[..., :1]), np.maximum(last, sorted_inner[..., -1:])
            t = np.concatenate([low, sorted_inner, high], axis=-1)
            difference = recursion(t, order, x, intervals_of(x, t, order)) - functions
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


def _starts(spec: LayerSpec, order: int) -> Iterator[FloatArray]:
    """The knots asked for, those mirrored, and equally spaced ones on the domain and on the usual ones."""
    t, size = spec.knots[0], spec.dim + order
    if order == spec.order:
        yield t + 1e-3 * np.ptp(t) / t.size * np.cos(np.arange(t.size)) * np.r_[False, np.diff(t) == 0]
        yield t[0] + t[-1] - t[::-1]
    n = size - 2 * order + 1
    for a, b, intervals in ((*spec.domain, n), (*spec.domain, n - 1), (-1.0, 1.0, n), (0.0, 1.0, n)):
        if intervals > 0:
            yield np.asarray(a + (b - a) / intervals * np.arange(1 - order, size - order + 1))


def compared(used: FloatArray, spec: LayerSpec) -> Difference | None:
    """How knots in use differ from those asked for, if they do; the first and the last are unseen."""
    t, r = spec.knots[0], spec.order
    u, t = used[1:-1], t[1:-1]
    off, size = np.abs(u - t), float(np.abs(t).max())
    inner = slice(r - 2, t.size - r + 2) if r >= 2 else slice(None)
    spacing = np.diff(u[inner])
    again = np.isin(t, t[1:][np.diff(t) == 0])
    if again.any() and off[~again].max(initial=0.0) <= 2.0**-40 * size < off[again].max():
        return Difference("knots pulled apart", {"off": float(np.diff(u)[np.diff(t) == 0].max())})
    if off.max() <= 2.0**-8 * size:
        for digits in range(1, 6):
            if np.abs(u - np.round(t, digits)).max() <= 2.0**-38 * size:
                return Difference("knots rounded", {"digits": digits})
        exact = [f for f, low, high in (("float16", -14.0, -9.0), ("float32", -30.0, -21.0))
                 for v in (u, u - spec.domain[0], u / u[r - 1])
                 if 2.0**low * size <= off.max() <= 2.0**high * size
                 and np.abs(round_to(f, v) - v).max() <= 2.0**-40 * size]  # fmt: skip
        odd = np.flatnonzero(off > 2.0**-38 * size)
        if not odd.size:
            return None
        if not exact and odd.size <= t.size / 4:
            told = [f"t[{k + 1}] is {u[k]:.9g} instead of {t[k]:.9g}" for k in odd]
            return Difference("other knots", {"how": ", ".join(told)})
        if exact:
            return Difference(f"{exact[0]} knots", {"off": float(off.max())})
    n = spec.intervals
    h = float(np.median(spacing))
    equal = float(np.ptp(np.diff(u))) <= 1e-9 * size
    if off[inner].max() <= 1e-9 * size:
        evidence = {"used": _some(np.delete(u, np.r_[inner])), "asked": _some(np.delete(t, np.r_[inner]))}
        return Difference("exterior knots", evidence)
    A = np.stack([t, np.ones_like(t)], axis=1)
    (k, c), *_ = np.linalg.lstsq(A, u, rcond=None)
    a, b = spec.domain
    if np.abs(A @ [k, c] - u).max() <= 1e-9 * size:
        low, high = k * a + c, k * b + c
        ends = [round(v, 9) for v in (low, high)]
        if ends in ([-1.0, 1.0], [0.0, 1.0]):
            return Difference("fixed domain", {"used": f"[{ends[0]:g}, {ends[1]:g}]", "asked": f"[{a:g}, {b:g}]"})
    if equal and np.ptp(np.diff(t)) > 1e-9 * size:
        return Difference("equal spacing assumed", {"what": EQUALLY_SPACED})
    if np.ptp(spacing) <= 1e-9 * size < np.ptp(np.diff(t[inner])) and n > 1:
        where = "the ends of the domain" if np.abs(u - t)[inner][[0, -1]].max() <= 1e-9 * size else "other ends"
        return Difference("equal spacing assumed", {"what": f"breakpoints in use are equally spaced between {where}"})
    if equal and abs((b - a) / h - round((b - a) / h)) < 1e-9 and round((b - a) / h) != n:
        return Difference("number of intervals", {"used": round((b - a) / h), "asked": n})
    for step in (1, -1):
        if np.abs(u[2:-2] - np.roll(t, -step)[2:-2]).max() <= 1e-9 * size:
            return Difference("shifted index", {"what": "knots", "step": step, "how": ""})
    mirrored = np.abs(t[0] + t[-1] - t[::-1] - u).max() <= 1e-9 * size
    if words := "those mirrored" if mirrored else _combined(u, t):
        return Difference("other knots", {"how": f"knots in use are {words}"})
    odd = np.flatnonzero(off > 1e-9 * size)
    told = [f"t[{k + 1}] is {u[k]:.6g} instead of {t[k]:.6g}" for k in odd[:SHOWN]]
    more = f", and {odd.size - SHOWN} more of {t.size}" * bool(odd.size > SHOWN)
    return Difference("other knots", {"how": ", ".join(told) + more})


def _combined(u: FloatArray, t: FloatArray) -> str:
    """Knots that are k t + c, or the same combination of each knot and its neighbours, in words; "" if neither."""
    size = float(np.abs(t).max())
    A = np.stack([t[1:-1], np.ones(t.size - 2), t[:-2], t[2:]], axis=1)
    for columns in (2, 4):
        if len(A) <= columns + 2:
            continue
        w, *_ = np.linalg.lstsq(A[:, :columns], u[1:-1], rcond=1e-10)
        if np.abs(A[:, :columns] @ w - u[1:-1]).max() > 1e-9 * size:
            continue
        names = ("t[i]", "", "t[i-1]", "t[i+1]")
        terms = [f"{v:+.6g}{' ' * bool(name)}{name}" for v, name in zip(w, names, strict=False) if abs(v) > 1e-9]
        return f"{' '.join(terms)} for each i".removeprefix("+")
    return ""


def _some(t: FloatArray) -> str:
    shown = [f"{v:.6g}" for v in t]
    return ", ".join(shown if len(shown) <= 10 else [*shown[:3], "...", *shown[-3:]])
