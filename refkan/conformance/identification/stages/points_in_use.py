r"""Which piece is in force at x, and at which point x' functions are taken.

Piece m of the B-splines, continued, equals phi at x for one m(x); right is the interval of x. If phi_i(x) = b_i(x'),
then x' = sum_i xi_i phi_i(x), xi_i = (t_(i+1) + ... + t_(i+d))/d: Marsden's identity inverts all functions at once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.base.array_types import Array, FloatArray
from refkan.conformance.cases.cases import generator
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import round_to
from refkan.conformance.identification.knots_in_use import intervals_of, recursion
from refkan.conformance.identification.known_maps import map_of, step_of
from refkan.conformance.identification.matrix_shapes import numbers
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import BLOCK, Subject
from refkan.splines.knots import greville_points


@dataclass(frozen=True)
class Sampled:
    """Functions of a layer at points, the B-splines asked for, and what errors are allowed."""

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
    def off(self) -> float:
        """The largest error."""
        return float(np.abs(self.theirs - self.right).max())

    @property
    def most(self) -> FloatArray:
        """The largest error allowed at each point, (N, 1): where functions are zero next to none is."""
        return np.asarray(self.room.max(axis=1, keepdims=True))

    @property
    def intervals(self) -> Array:
        """The interval of each point, its number in the knots."""
        return intervals_of(self.x, self.spec.knots[0], self.spec.order)

    @property
    def is_close(self) -> Array:
        """Points next to knots."""
        nearest = np.abs(self.x[:, None] - np.unique(self.spec.knots[0])).min(axis=1)
        return np.asarray(nearest < 2.0**-10 * np.ptp(self.spec.knots[0]) / self.spec.intervals)

    def at(self, rows: Any) -> "Sampled":
        """The same at some of the points."""
        return Sampled(self.spec, self.x[rows], self.where[rows], self.theirs[rows], self.right[rows], self.room[rows])

    def of_pieces(self, m: Any, most: float = 16) -> Array:
        """Points at which functions are those of the pieces of intervals m, but for rounding."""
        pieces = recursion(self.spec.knots[0], self.spec.order, self.x, np.broadcast_to(m, self.x.shape))
        return np.asarray((np.abs(pieces - self.theirs) <= most * self.most).all(axis=1))


def pieces_in_force(subject: Subject, inside: Sampled) -> list[Difference]:
    """The piece in force at each point, where that is the one of another interval."""
    t, r, own = inside.spec.knots[0], inside.spec.order, inside.intervals
    used, known = own.copy(), inside.of_pieces(own)
    for m in np.flatnonzero(np.diff(t) > 0):
        equal = inside.of_pieces(m) & ~known
        used[equal], known = m, known | equal
    bad = used != own
    if not known.all() or not bad.any():
        return []
    asked, taken = (np.unique(m[bad]) - r + 1 for m in (own, used))
    if asked.size == taken.size == 1:
        evidence = {"interval": int(asked[0]), "intervals": inside.spec.intervals, "used": int(taken[0])}
        return [Difference("end interval unused", evidence)]
    share = (inside.x - t[own]) / (t[own + 1] - t[own])
    right = share[~bad & (own != own.max()) & (share < 0.99)].max(initial=0.0)
    if ((used - own)[bad] == 1).all() and share[bad].min() >= 0.5 >= right:
        return [Difference("interval rounded")]
    how = f"in intervals {numbers(asked.tolist())} those of {numbers(taken.tolist())} are in force"
    how += f", at shares {share[bad].min():.9g} to {share[bad].max():.9g}"
    return [Difference("interval search", {"count": int(bad.sum()), "total": bad.size, "how": how})]


def point_of(spec: LayerSpec, functions: FloatArray) -> FloatArray:
    """The point x' at which B-splines have these values, by Marsden's identity."""
    return np.asarray(functions @ greville_points(spec.knots[0], spec.degree + 1))


def points_in_use(subject: Subject, inside: Sampled) -> list[Difference]:
    """Right functions of another point."""
    if inside.spec.degree == 0:
        return []
    x, at = inside.x, point_of(inside.spec, inside.theirs)
    a, b = inside.spec.domain
    value, room = subject.asked_for(inside.spec, np.clip(at, a, b))
    known = (np.abs(value - inside.theirs) <= 16 * room + 2.0**-44).all(axis=1) & (at >= a - 1e-12) & (at <= b + 1e-12)
    rounding = np.abs(at - x).max() <= 2.0**-36 * np.abs(x).max()
    if rounding or known[inside.wrong].mean() < 0.3 or known.sum() < 4:
        return []
    more = _between(subject, inside)  # numbers of few bits alone may be those of several maps
    image = point_of(inside.spec, subject.basis(inside.spec, more))
    seen = (image >= a - 1e-12) & (image <= b + 1e-12) & bool(known.all())
    x, at = np.r_[x[known], more[seen]], np.r_[at[known], image[seen]]
    moved = _moved_point(inside.spec, x, at, bool(known.all()))
    return [] if moved is None else [moved]


def _between(subject: Subject, inside: Sampled) -> FloatArray:
    """As many points of all bits in the same intervals."""
    t, m = inside.spec.knots[0], np.resize(inside.intervals, BLOCK)
    share = generator("identify/between").uniform(2.0**-6, 1 - 2.0**-6, BLOCK)
    return round_to(subject.dtype, t[m] + (t[m + 1] - t[m]) * share)


def _moved_point(spec: LayerSpec, x: FloatArray, at: FloatArray, everywhere: bool) -> Difference | None:
    """Say what map takes x to the point in use."""
    a, b = spec.domain
    size = float(np.abs(x).max())
    off = np.abs(at - x)
    still = off <= 2.0**-40 * size
    breakpoints = np.unique(spec.knots[0])
    nearest = breakpoints[np.abs(x[:, None] - breakpoints).argmin(axis=1)]
    if still.mean() > 0.5 and (~still).any() and (np.abs(at - nearest)[~still] <= 2.0**-38 * size).all():
        return Difference("point snapped", {"near": float(np.abs(x - nearest)[~still].max())})
    for name in ("float32", "float16", "bfloat16"):
        rounded = round_to(name, x)
        if (np.abs(at - rounded) <= 0.05 * np.abs(rounded - x).max()).all():
            return Difference(f"{name} inputs")
    low, high = float(at.min()), float(at.max())
    if still.any() and (np.abs(np.clip(x, low, high) - at) <= 2.0**-38 * size).all():
        ends = (("below", low, x.min()), ("above", high, x.max()))
        cut = [f"{word} at {end:.9g}" for word, end, far in ends if abs(end - far) > 2.0**-38 * size]
        return Difference("point clamped", {"how": " and ".join(cut), "a": a, "b": b})
    for middle, half in ((0.0, 1.0), ((a + b) / 2, (b - a) / 2), (a, b - a)):
        if (mapped := map_of((x - middle) / half, at, 2.0**-36 * size)) is None:
            continue
        name, k, c = mapped
        if name != "identity":
            inner = "x" if half == 1 and not middle else f"(x - {middle:.6g})/{half:.6g}"
            words = f"{name} of {inner}" + (f" times {k:g}" if k != 1 else "") + (f" + {c:g}" if c else "")
            return Difference("inputs mapped", {"map": words})
        return None if off.max() <= 2.0**-12 * size else _affine(spec, k, c)  # a small shift is one of knots
    small = everywhere and still.mean() < 0.5 and off.max() <= 2.0**-6 * size
    if small and (step := step_of(at)) and off.max() <= step:
        return Difference("point quantised", {"step": step}, sure="measured")
    far = np.argsort(-off)[: max(1, x.size // 2) : max(1, x.size // 8)]
    pairs = ", ".join(f"x' - x = {at[s] - x[s]:.3g} at x = {x[s]:.6g}" for s in far)
    return Difference("inputs mapped", {"map": f"another point, up to {off.max():.3g} away ({pairs})"}, sure="measured")


def _affine(spec: LayerSpec, k: float, c: float) -> Difference:
    """x' = k x + c: the domain of another one, another number of intervals, or neither."""
    (a, b), n = spec.domain, spec.intervals
    ends = [float(np.round((end - c) / k, 5)) for end in (a, b)]
    if ends in ([-1.0, 1.0], [0.0, 1.0]):
        return Difference("fixed domain", {"used": f"[{ends[0]:g}, {ends[1]:g}]", "asked": f"[{a:g}, {b:g}]"})
    if abs(k * a + c - a) < 1e-6 and min(abs(k * n - n - 1), abs(k * n - n + 1)) < 1e-6:
        return Difference("number of intervals", {"used": round(k * n), "asked": n})
    times = f"{k:g} " * (k != 1)
    return Difference("inputs mapped", {"map": f"{times}x {'-' if c < 0 else '+'} {abs(c):g}"})
