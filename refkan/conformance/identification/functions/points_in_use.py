r"""Which piece is used at x, and at which point x' functions are evaluated.

Piece m of the B-splines, continued, equals phi at x for one m(x); right is the interval of x. If phi_i(x) = b_i(x'),
then x' = sum_i xi_i phi_i(x), xi_i = (t_(i+1) + ... + t_(i+d))/d: Marsden's identity inverts all functions at once.
"""

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LayerSpec, generator, round_to
from refkan.conformance.identification.knots_in_use import Sampled, intervals_of, recursion
from refkan.conformance.identification.known_maps import map_of, numbers, step_of
from refkan.conformance.identification.reported import Difference, close, largest, measured, only
from refkan.conformance.identification.subject import BLOCK, OTHER_KNOTS, Subject
from refkan.splines.knots import greville_points


def pieces_in_force(subject: Subject, inside: Sampled) -> list[Difference]:
    """The piece used at each point."""
    t = inside.spec.knots[0]
    r = inside.spec.order
    n = inside.spec.intervals
    x = inside.x
    own = intervals_of(x, t, r)
    used = own.copy()
    known = inside.agrees(recursion(t, r, x, own))
    for m in np.flatnonzero(np.diff(t) > 0):
        equal = inside.agrees(recursion(t, r, x, m)) & ~known
        used[equal], known = m, known | equal
    bad = used != own
    if not known.all() or not bad.any():
        return []
    share = (x - t[own]) / (t[own + 1] - t[own])
    step = np.unique((used - own)[bad])
    last = int(np.searchsorted(t, t[-r], side="left") - 1)
    first = int(own[bad][0])
    at = int(used[bad][0]) - r + 1
    of_last = (own[bad] == last).all() and (bad | (own != last)).all()
    if of_last or ((own[bad] == first).all() and step.size == 1):
        return only("end interval unused", interval=first - r + 1, intervals=n, used=at)
    others = ~bad & (own != last) & (share < 0.99)
    if step.tolist() == [1] and share[bad].min() >= 0.5 >= share[others].max(initial=0.0):
        return only("interval rounded")
    how = ""
    for name in ("float32", "float16"):
        if (np.searchsorted(round_to(name, t), round_to(name, x), side="right") - 1 == used)[bad].all():
            how = how or f"they are those of points and knots rounded to {name}"
    how = how or _by_spacing(inside) or _by_other_input(subject, inside)
    steps = f"{step[0]:+d}" if step.size == 1 else numbers(step.tolist())
    how = how or f"{steps} intervals further, at shares {share[bad].min():.9g} to {share[bad].max():.9g}"
    return only("interval search", count=int(bad.sum()), total=bad.size, how=how)


def _by_spacing(inside: Sampled) -> str:
    """How (x - a)/h is rounded to give the interval in use, with one h for all, in words; "" if it is not."""
    x, n, t, r = inside.x, inside.spec.intervals, inside.spec.knots[0], inside.spec.order
    a, b = inside.spec.domain
    spacings = {"(b - a)/n": (b - a) / n, "the first spacing": t[r] - t[r - 1], "the last spacing": t[-r] - t[-r - 1]}
    for name, h in spacings.items():
        for words, rounded in {"down": np.floor, "to the nearest integer": np.rint, "up": np.ceil}.items():
            for shift in (0, 1):
                m = np.clip(rounded((x - a) / h) - shift, 0, n - 1).astype(int) + r - 1
                if inside.agrees(recursion(t, r, x, m)).all():
                    less = ", less 1" * shift
                    return f"they are number (x - a)/h rounded {words}{less}, with h = {name} for all intervals"
    return ""


def _by_other_input(subject: Subject, inside: Sampled) -> str:
    """Whether intervals are those of the sample of the other input, if functions are measured next to one."""
    t, r = inside.spec.knots[0], inside.spec.order
    if subject.position is None:
        return ""
    other, beside = subject.beside(inside.spec, t, inside.x)
    of_other = inside.agrees(recursion(t, r, inside.x, intervals_of(beside, other, r))).all()
    return f"they are those of the sample of input {1 - subject.position[1]}" * bool(of_other)


def point_of(spec: LayerSpec, functions: FloatArray) -> FloatArray:
    """The point x' at which B-splines have these values, by Marsden's identity."""
    return np.asarray(functions @ greville_points(spec.knots[0], spec.degree + 1))


def points_in_use(subject: Subject, inside: Sampled) -> list[Difference]:
    """Right functions at another point."""
    if inside.spec.degree == 0:
        return []
    x, at = inside.x, point_of(inside.spec, inside.theirs)
    a, b = inside.spec.domain
    value, room = subject.asked_for(inside.spec, np.clip(at, a, b))
    known = (np.abs(value - inside.theirs) <= 16 * room + 2.0**-44).all(axis=1) & (at >= a - 1e-12) & (at <= b + 1e-12)
    if close(at, x, 2.0**-36 * largest(x)):  # rounding
        return []
    if known[inside.wrong].mean() < 0.3 or known.sum() < 4:
        return []
    more = _between(subject, inside)  # numbers of few bits alone may be those of several maps
    image = point_of(inside.spec, subject.basis(inside.spec, more))
    seen = (image >= a - 1e-12) & (image <= b + 1e-12) & bool(known.all())
    x, at = np.r_[x[known], more[seen]], np.r_[at[known], image[seen]]
    return moved_point(subject, inside.spec, x, at, bool(known.all()))


def _between(subject: Subject, inside: Sampled) -> FloatArray:
    """As many points in the same intervals that use all bits."""
    t = inside.spec.knots[0]
    m = np.resize(intervals_of(inside.x, t, inside.spec.order), BLOCK)
    share = generator("identify/between").uniform(2.0**-6, 1 - 2.0**-6, BLOCK)
    return round_to(subject.dtype, t[m] + (t[m + 1] - t[m]) * share)


def _mapped(words: str) -> list[Difference]:
    return only("inputs mapped", map=words)


def moved_point(subject: Subject, spec: LayerSpec, x: FloatArray, at: FloatArray, everywhere: bool) -> list[Difference]:
    """Name the map from x to the point in use."""
    a, b = spec.domain
    size, off = largest(x), np.abs(at - x)
    still, near = off <= 2.0**-40 * size, 2.0**-38 * size
    breakpoints = np.unique(spec.knots[0])
    nearest = breakpoints[np.abs(x[:, None] - breakpoints).argmin(axis=1)]
    if still.mean() > 0.5 and (~still).any() and close(at[~still], nearest[~still], near):
        return only("point snapped", near=float(np.abs(x - nearest)[~still].max()))
    for name in ("float32", "float16", "bfloat16"):
        rounded = round_to(name, x)
        if close(at, rounded, 0.05 * largest(rounded - x)):
            return only(f"{name} inputs")
    low, high = float(at.min()), float(at.max())
    if high - low <= near < np.ptp(x):
        return _mapped(f"the one point {low:.6g}")
    if still.any() and close(np.clip(x, low, high), at, near):
        ends = (("below", low, x.min()), ("above", high, x.max()))
        cut = [f"{word} at {end:.9g}" for word, end, far in ends if abs(end - far) > near]
        return only("point clamped", how=" and ".join(cut), a=a, b=b)
    middle, half = (a + b) / 2, (b - a) / 2
    inner = {"x": x, f"(x - {middle:.6g})/{half:.6g}": (x - middle) / half,
             f"(x - {a:.6g})/{b - a:.6g}": (x - a) / (b - a)}  # fmt: skip
    for words, v in inner.items():
        mapped = map_of(v, at, 2.0**-36 * size)
        if mapped is None:
            continue
        name, k, c = mapped
        if name == "identity":  # a shift as small as this is one of knots
            return [] if off.max() <= 2.0**-12 * size else _affine(subject, spec, k, c)
        return _mapped(f"{name} of {words}" + (f" times {k:g}" if k != 1 else "") + (f" + {c:g}" if c else ""))
    small = everywhere and still.mean() < 0.5 and off.max() <= 2.0**-6 * size
    step = step_of(at) if small else 0.0
    if step and off.max() <= step:
        return measured("point quantised", step=step)
    words = _within_intervals(spec, x, at)
    if words:
        return _mapped(words)
    far = np.argsort(-off)[: max(1, x.size // 2) : max(1, x.size // 8)]
    pairs = ", ".join(f"x' - x = {at[s] - x[s]:.3g} at x = {x[s]:.6g}" for s in far)
    return measured("inputs mapped", map=f"another point, up to {off.max():.3g} away ({pairs})")


def _within_intervals(spec: LayerSpec, x: FloatArray, at: FloatArray) -> str:
    """One polynomial of u = (x - t_m)/(t_(m+1) - t_m) for all intervals, in words, "" if there is none."""
    t = spec.knots[0]
    m = intervals_of(x, t, spec.order)
    u, v = (x - t[m]) / (t[m + 1] - t[m]), (at - t[m]) / (t[m + 1] - t[m])
    for degree in (1, 2, 3, 5):
        c = np.polynomial.polynomial.polyfit(u, v, degree)
        if close(np.polynomial.polynomial.polyval(u, c), v, 2.0**-30):
            powers = " ".join(f"{k:+.6g} u^{p}" for p, k in enumerate(c) if abs(k) > 2.0**-28)
            return f"t[m] + h ({powers.removeprefix('+')}) with u = (x - t[m])/h, in each interval"
    return ""


def _whole_on_fewer(subject: Subject, spec: LayerSpec) -> bool:
    """Whether a whole number of intervals is in use as well if fewer are requested, where their number is free."""
    n = spec.intervals - 1
    if subject.declared.intervals is not None or n < 2:
        return True
    other, points = subject.layer((2, 1), degree=spec.degree, kind=spec.kind, intervals=n)
    x = points[:, 0]
    functions = subject.basis(other, points[:, 0])
    at = point_of(other, functions)
    seen = np.abs(functions.sum(axis=1) - 1) < 1e-9  # of points in the domain
    intervals = float(np.polyfit(x[seen], at[seen], 1)[0] * n) if seen.sum() > 4 else 0.5
    return abs(intervals - round(intervals)) < 1e-6


def _affine(subject: Subject, spec: LayerSpec, k: float, c: float) -> list[Difference]:
    """x' = k x + c: another domain, another number of intervals, or neither."""
    (a, b), n = spec.domain, spec.intervals
    ends = [float(np.round((end - c) / k, 5)) for end in (a, b)]
    if ends in ([-1.0, 1.0], [0.0, 1.0]):
        return only("fixed domain", used=f"[{ends[0]:g}, {ends[1]:g}]", asked=f"[{a:g}, {b:g}]")
    if subject.position and largest(np.array(ends) - OTHER_KNOTS * np.array([a, b])) < 1e-4:
        return _mapped(f"points mapped from the domain of input {1 - subject.position[1]} to that of their own input,")
    used, steps = round(k * n), c * n / (b - a)
    if max(abs(k * a + c - a), abs(k * n - used)) < 1e-6 and used != n and _whole_on_fewer(subject, spec):
        return only("number of intervals", used=used, asked=n)
    if spec.kind.startswith("uniform") and abs(k - 1.0) < 1e-9 and abs(steps - round(steps)) < 1e-6:
        # On equally spaced knots b_i(x - h) = b_(i+1)(x): no question tells the points from the places of coefficients.
        return only("shifted index", what="functions", step=round(steps), how="")
    fixed = c / (1 - k) if k != 1 else np.nan
    for words, v in (("the middle", (a + b) / 2), ("the start", a), ("the end", b)):
        if v and abs(fixed - v) <= 1e-6 * abs(b - a):
            return _mapped(f"m + {k:g} (x - m), m {words} of the domain,")
    return _mapped(f"{'' if k == 1 else f'{k:g} '}x {'-' if c < 0 else '+'} {abs(c):g}")
