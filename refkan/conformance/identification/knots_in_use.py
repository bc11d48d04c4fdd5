r"""Basis functions by the recursion of Cox and de Boor, and the knots that explain given functions.

B-splines of order r on knots t_0 <= ... <= t_(K-1) depend smoothly on the knots, and within the domain on all but the
first and the last. So least squares finds the knots, from several starts, and they are certain: only rounding is left,
for all functions at all points at once.

Derivatives are b_i' = (r - 1) (L_i - R_i), where L_i and R_i = L_(i+1) are functions of one order less over the lengths
of their supports.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, IntArray
from refkan.conformance.cases import LayerSpec, generator, round_to
from refkan.conformance.cases.truths.quantities import LATEST
from refkan.conformance.identification.components.other_knots import OF_ONE_INPUT
from refkan.conformance.identification.reported import Difference, close, fitted, largest, only

EVALUATIONS = 20
"""At most so many steps from each start."""

STEP = 2.0**-26
"""Step of difference quotients in knots, the square root of eps."""

SHOWN = 6
"""At most so many knots are listed."""

FORMATS = (("bfloat16", -12.0, -7.0), ("float16", -14.0, -9.0), ("float32", -30.0, -21.0))
"""Formats of knots, and the powers of two between which the errors of such knots lie, relative to the largest."""

APART = 2.0**-4
"""Relative to the largest knot, by how much repeated knots are pulled apart and not replaced."""

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


def recursion(
    t: FloatArray, order: int, x: FloatArray, m: Any = None, ratio: Ratio = guarded, step: Any = np.asarray
) -> FloatArray:  # fmt: skip
    """Values (..., N, K - order) of the pieces of intervals m (..., N) on knots (..., K), continued to x.

    By default intervals are those of x; one may be given for all points. `step` is applied to the values of each order.
    """
    m = intervals_of(x, t, order) if m is None else np.broadcast_to(m, x.shape) if np.ndim(m) == 0 else m
    t = t[..., None, :]
    b = (np.arange(t.shape[-1] - 1) == m[..., None]).astype(np.float64)
    with np.errstate(all="ignore"):
        for k in range(2, order + 1):
            starts, ends = t[..., :-k], t[..., k:]
            left = ratio(x[:, None] - starts, t[..., k - 1 : -1] - starts)
            right = ratio(ends - x[:, None], ends - t[..., 1 : t.shape[-1] - k + 1])
            b = step(left * b[..., :-1] + right * b[..., 1:])
    return b


def places(spec: LayerSpec, x: FloatArray) -> IntArray:
    """Index into the knots of the interval of each sample and input."""
    return np.stack([intervals_of(x[:, p], t, spec.order) for p, t in enumerate(spec.knots)], axis=1)


def ends_of(spec: LayerSpec, m: IntArray) -> tuple[FloatArray, FloatArray]:
    """Both ends of the intervals m (N, P) of each input, clipped to the existing intervals."""
    m = np.clip(m, 0, spec.knots.shape[1] - 2)
    low, high = (np.stack([t[m[:, p] + k] for p, t in enumerate(spec.knots)], axis=1) for k in (0, 1))
    return low, high


def true_rows(
    t: FloatArray, order: int, x: FloatArray, derivative: int = 0, at: FloatArray | None = None
) -> FloatArray:  # fmt: skip
    """Values of B-splines or of a derivative, (N, K - order); with `at` of the pieces used at those points."""
    if derivative == 0:
        return recursion(t, order, x, intervals_of(x if at is None else at, t, order))
    left, right = terms(t, order, x, derivative, at)
    return left - right


def terms(
    t: FloatArray, order: int, x: FloatArray, derivative: int, at: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """The two terms (r - 1) L and (r - 1) R of a derivative of B-splines."""
    if derivative >= order:
        return (np.zeros((x.size, t.size - order)),) * 2
    m = intervals_of(x if at is None else at, t, order)
    below = recursion(t, order - derivative, x, m)
    for r in range(order - derivative + 1, order + 1):
        share = (r - 1) * guarded(below, t[r - 1 :] - t[: t.size - r + 1])
        below = share[:, :-1] - share[:, 1:]
    return share[:, :-1], share[:, 1:]


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


class Sampled(Frozen):
    """Functions of a layer at points, the requested B-splines, and the errors allowed."""

    spec: LayerSpec
    x: FloatArray
    where: Array
    theirs: FloatArray
    right: FloatArray
    room: FloatArray

    @property
    def wrong(self) -> Array:
        """Points at which a function is off."""
        return np.asarray(~(np.abs(self.theirs - self.right) <= self.room).all(axis=1))

    @property
    def intervals(self) -> IntArray:
        """The interval of the domain of each point, by number."""
        return intervals_of(self.x, self.spec.knots[0], self.spec.order) - self.spec.degree

    @property
    def off(self) -> float:
        """The largest error."""
        return largest(self.theirs - self.right)

    def agrees(self, functions: FloatArray) -> Array:
        """Points at which they are these functions."""
        return np.asarray((np.abs(functions - self.theirs) <= 16 * self.most).all(axis=1))

    @property
    def most(self) -> FloatArray:
        """The largest error allowed at each point, (N, 1), since hardly any is where functions are zero."""
        return np.asarray(self.room.max(axis=1, keepdims=True))

    @property
    def is_close(self) -> Array:
        """Points next to knots."""
        nearest = np.abs(self.x[:, None] - np.unique(self.spec.knots[0])).min(axis=1)
        return np.asarray(nearest < 2.0**-10 * np.ptp(self.spec.knots[0]) / self.spec.intervals)

    def at(self, rows: Any) -> "Sampled":
        """The same at some of the points."""
        return Sampled(self.spec, self.x[rows], self.where[rows], self.theirs[rows], self.right[rows], self.room[rows])


def listed_knots(inside: Sampled) -> FloatArray | None:
    """The first line of the table of knots on which the functions are B-splines; None if there is none."""
    for listed in OF_ONE_INPUT.values():
        (knots,) = listed(inside.spec)
        functions = recursion(knots, inside.spec.order, inside.x)
        is_another = largest(functions - inside.right) > inside.off / 2
        if is_another and inside.agrees(functions).all():
            return knots
    return None


def knots_of(inside: Sampled, tolerance: float) -> FloatArray | None:
    """Knots on which the functions are B-splines of the order requested; None if least squares finds none."""
    from scipy.optimize import least_squares  # a seventh of the time of importing this package

    for start in _starts(inside.spec):

        def apart(inner: FloatArray, first: float = start[0], last: float = start[-1]) -> FloatArray:
            """Differences (..., N dim) on inner knots (..., K - 2)."""
            sorted_inner = np.sort(inner)
            low, high = np.minimum(first, sorted_inner[..., :1]), np.maximum(last, sorted_inner[..., -1:])
            t = np.concatenate([low, sorted_inner, high], axis=-1)
            difference = recursion(t, inside.spec.order, inside.x) - inside.theirs
            return difference.reshape(*inner.shape[:-1], -1)

        def slopes(inner: FloatArray, apart: Callable[[FloatArray], FloatArray] = apart) -> FloatArray:
            """Difference quotients (N dim, K - 2), all knots at once."""
            moved = inner + np.diag(STEP * np.maximum(1.0, np.abs(inner)))
            return np.asarray(((apart(moved) - apart(inner)) / (np.diag(moved) - inner)[:, None]).T)

        solution = least_squares(
            apart, start[1:-1], slopes, method="lm", max_nfev=EVALUATIONS, xtol=1e-15, ftol=1e-15, gtol=1e-15
        )
        if largest(solution.fun) <= tolerance:
            inner = np.sort(solution.x)
            return np.concatenate([[2 * inner[0] - inner[1]], inner, [2 * inner[-1] - inner[-2]]])
    return None


def _starts(spec: LayerSpec) -> Iterator[FloatArray]:
    """The requested knots, their mirror image, and equally spaced ones on the domain and on [-1, 1] and [0, 1]."""
    t, n = spec.knots[0], spec.intervals
    yield t + 1e-3 * np.ptp(t) / t.size * np.cos(np.arange(t.size)) * np.r_[False, np.diff(t) == 0]
    yield t[0] + t[-1] - t[::-1]
    for a, b, intervals in ((*spec.domain, n), (*spec.domain, n - 1), (-1.0, 1.0, n), (0.0, 1.0, n)):
        if intervals > 0:
            yield np.asarray(a + (b - a) / intervals * (np.arange(t.size) - spec.degree))


def offsets_in_use(
    t: FloatArray, rows: Sequence[tuple[int, Any]], every: Iterable[tuple[int, ...]], fit: Callable[[Any, Any], bool]
) -> tuple[int, ...] | None:  # fmt: skip
    """The first offsets for which the knots t[i + offsets] of each row (i, numbers) fit its numbers, if any do."""
    for offsets in every:
        indexed = [(i + np.array(offsets), numbers) for i, numbers in rows]
        shown = [(t[at], numbers) for at, numbers in indexed if at.min() >= 0 and at.max() < t.size]
        if len(shown) > 1 and all(fit(knots, numbers) for knots, numbers in shown):
            return offsets
    return None


def names_of(offsets: Iterable[int]) -> list[str]:
    """The names of knots t[i + offset]."""
    return [f"t[i{offset:+d}]" if offset else "t[i]" for offset in offsets]


def compared(used: FloatArray, spec: LayerSpec) -> list[Difference]:
    """How the knots in use differ from those requested, if they do; the first and the last cannot be seen."""
    a, b = spec.domain
    n = spec.intervals
    t = spec.knots[0]
    r = spec.order
    u, t = used[1:-1], t[1:-1]
    off, size = np.abs(u - t), largest(t)
    near = 1e-9 * size
    inner = slice(r - 2, t.size - r + 2)
    spacing = np.diff(u[inner])
    again = np.isin(t, t[1:][np.diff(t) == 0])

    def told(odd: IntArray, digits: int, more: str = "") -> list[Difference]:
        return only("other knots", how=", ".join(_instead(k + 1, u[k], t[k], digits) for k in odd) + more)

    if again.any() and off[~again].max(initial=0.0) <= 2.0**-40 * size < off[again].max() <= APART * size:
        return only("knots pulled apart", off=float(np.diff(u)[np.diff(t) == 0].max()))
    if off.max() <= 2.0**-8 * size:
        for digits in range(1, 6):
            if close(u, np.round(t, digits), 2.0**-38 * size):
                return only("knots rounded", digits=digits)
        exact = [f for f, low, high in FORMATS
                 for v in (u, u - a, u / u[r - 1])
                 if 2.0**low * size <= off.max() <= 2.0**high * size
                 and close(round_to(f, v), v, 2.0**-40 * size)]  # fmt: skip
        odd = np.flatnonzero(off > 2.0**-38 * size)
        if not odd.size:
            return []
        if exact:
            return only(f"{exact[0]} knots", off=float(off.max()))
        if odd.size <= t.size / 4:
            return told(odd, 9)
    h = float(np.median(spacing))
    equal = float(np.ptp(np.diff(u))) <= near
    if off[inner].max() <= near:
        exterior = {name: np.delete(v, np.r_[inner]).tolist() for name, v in (("used", u), ("asked", t))}
        return only("exterior knots", **exterior)
    line = fitted(np.stack([t, np.ones_like(t)], axis=1), u, near)
    if line is not None:
        ends = [round(v, 9) for v in (line[0] * a + line[1], line[0] * b + line[1])]
        if ends in ([-1.0, 1.0], [0.0, 1.0]):
            return only("fixed domain", used=f"[{ends[0]:g}, {ends[1]:g}]", asked=f"[{a:g}, {b:g}]")
    if equal and np.ptp(np.diff(t)) > near:
        return only("equal spacing assumed", what=EQUALLY_SPACED)
    if np.ptp(spacing) <= near < np.ptp(np.diff(t[inner])) and n > 1:
        where = "the ends of the domain" if off[inner][[0, -1]].max() <= near else "other ends"
        return only("equal spacing assumed", what=f"breakpoints in use are equally spaced between {where}")
    if equal and abs((b - a) / h - round((b - a) / h)) < 1e-9 and round((b - a) / h) != n:
        return only("number of intervals", used=round((b - a) / h), asked=n)
    for step in (1, -1):
        if close(u[2:-2], np.roll(t, -step)[2:-2], near):
            return only("shifted index", what="knots", step=step, how="")
    words = "those mirrored" if close(t[0] + t[-1] - t[::-1], u, near) else _combined(u, t)
    if words:
        return only("other knots", how=f"knots in use are {words}")
    odd = np.flatnonzero(off > near)
    return told(odd[:SHOWN], 6, f", and {odd.size - SHOWN} more of {t.size}" * bool(odd.size > SHOWN))


def _instead(k: int, used: float, asked: float, digits: int) -> str:
    """A knot in words; by its distance from the one that is asked for if so few digits show no difference."""
    one, two = f"{used:.{digits}g}", f"{asked:.{digits}g}"
    return f"t[{k}] is {one} instead of {two}" if one != two else f"t[{k}] is off by {used - asked:.3g}"


def _combined(u: FloatArray, t: FloatArray) -> str:
    """Knots that are k t + c, or the same combination of each knot and its neighbours, in words; "" if neither."""
    size = largest(t)
    A = np.stack([t[1:-1], np.ones(t.size - 2), t[:-2], t[2:]], axis=1)
    for columns in (2, 4):
        if len(A) <= columns + 2:
            continue
        w = fitted(A[:, :columns], u[1:-1], 1e-9 * size, 1e-10)
        if w is None:
            continue
        names = ("t[i]", "", "t[i-1]", "t[i+1]")
        terms = [f"{v:+.6g}{' ' * bool(name)}{name}" for v, name in zip(w, names, strict=False) if abs(v) > 1e-9]
        return f"{' '.join(terms)} for each i".removeprefix("+")
    return ""
