"""The degree of pieces, by differences, the recursion of the functions, and what remains if none fits."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.identification.components.other_functions import FUNCTIONS
from refkan.conformance.identification.components.other_recursions import recursions
from refkan.conformance.identification.explanations import explain
from refkan.conformance.identification.functions.pieces_in_use import nature
from refkan.conformance.identification.knots_in_use import Sampled, intervals_of, names_of, offsets_in_use, recursion
from refkan.conformance.identification.known_maps import factor_in_words, in_words, lower_formats, numbers
from refkan.conformance.identification.reported import Difference, close, factor_of, largest, measured, only
from refkan.conformance.identification.subject import BLOCK, Subject

SHARES = np.arange(1, 16) / 16 + 2.0**-25
"""Where functions are sampled in each interval: equidistant, for differences, and with more bits than float32 has."""


SMALL = 2.0**-3
"""Values below this may be taken for zero."""


def pieces_degree(inside: Sampled) -> int | None:
    """The degree of the pieces, by differences within intervals; None if they are no polynomials."""
    n = SHARES.size
    count = inside.spec.intervals if inside.x.size % inside.spec.intervals == 0 else 1
    degrees = []
    blocks = inside.theirs.reshape(count, -1, inside.spec.dim)
    for block in blocks if blocks.shape[1] >= n else []:
        for start in (0, 4, 8):
            window = block[start : start + 7]
            size = largest(window) * 2.0**-36
            orders = [k for k in range(7) if (np.abs(np.diff(window, k, axis=0)) <= size * 2**k).all()]
            degrees.append(min(orders, default=7) - 1)
    known = [degree for degree in degrees if 0 <= degree < 6]
    return max(set(known), key=known.count) if len(known) >= len(degrees) / 4 and known else None


def weights_in_use(subject: Subject, inside: Sampled) -> list[Difference]:
    """The weights of the last step of the recursion, phi_i = (a + a' x) L_i + (b + b' x) L_(i+1), by least squares.

    L are the B-splines of one degree less on the same knots, or the layer's own. A weight is described by the knot at
    which it is zero and the two knots whose distance divides it, the same in all functions; or it is zero.
    """
    spec, x, r = inside.spec, inside.x, inside.spec.order
    if spec.kind != "arbitrary" or r < 2:
        return []
    t = spec.knots[0]
    right = recursion(t, r - 1, x, intervals_of(x, t, r))
    told = _weights(inside, right)
    if told:
        return told
    if r == 2 or r - 2 not in subject.degrees:
        return []
    lower = subject.basis(replace(spec, order=r - 1, coefficients=np.zeros((2, 1, t.size - r + 1))), x)
    return _weights(inside, lower) if largest(lower - right) > 2.0**-30 else []


def _weights(inside: Sampled, lower: FloatArray) -> list[Difference]:
    """The weights for given functions of one degree less."""
    spec, x, r, t, weights = inside.spec, inside.x, inside.spec.order, inside.spec.knots[0], []
    for i in range(spec.dim):
        A = np.stack([lower[:, i], x * lower[:, i], lower[:, i + 1], x * lower[:, i + 1]], axis=1)
        shown = np.abs(A).max(axis=1) > 2.0**-20
        k = np.linalg.lstsq(A[shown], inside.theirs[shown, i], rcond=1e-13)[0]
        if largest(A @ k - inside.theirs[:, i]) > 64 * inside.most.max():
            return []
        if min(np.count_nonzero(np.abs(lower[:, i + j]) > 2.0**-8) for j in (0, 1)) > 8:
            weights.append((i, k))
    told = []
    for side, asked, at in (("left", (0, r - 1, 0), 0), ("right", (r, 1, r), 2)):
        pairs = [(i, k[at : at + 2]) for i, k in weights]
        if pairs and largest([weight for _, weight in pairs]) < 1e-9:
            told.append(f"the {side} term of the last step of the recursion is left out")
            continue
        span = range(-1, asked[0] + asked[1] + 2)
        every = [asked, *((z, k, l) for z in span for k in span for l in span if k != l)]
        used = offsets_in_use(t, pairs, every, _is_weight)
        if used is None:
            bound = _smallest_denominator(t, r, pairs, side)
            if not bound:
                return []
            told.append(f"the {side} denominators of the recursion are at least {bound:.6g}")
        elif used != asked:
            told.append(f"the {side} weight of the recursion is {_in_words(used)} instead of {_in_words(asked)}")
    return only("wrong denominators", what="; ".join(told)) if told else []


def _smallest_denominator(t: FloatArray, r: int, pairs: Sequence[tuple[int, FloatArray]], side: str) -> float:
    """The number below which no denominator of a weight a + a' x lies, 0 if that does not explain all of them."""
    first = 0 if side == "left" else 1
    asked = np.array([t[i + first + r - 1] - t[i + first] for i, _ in pairs])
    used = np.array([1 / abs(slope) if slope else np.inf for _, (_, slope) in pairs])
    bound = float(used.min(initial=np.inf))
    known = close(used, np.maximum(asked, bound), 1e-6) if np.isfinite(used).all() and len(pairs) > 1 else False
    return bound if known and (asked < 0.99 * bound).any() else 0.0


def _is_weight(knots: FloatArray, weight: FloatArray) -> bool:
    """Whether a weight (a, a') is that of (x - z) / (k - l), with knots z, k, l."""
    z, k, l = knots
    return close(weight * (k - l), [-z, 1], 1e-6)


def _in_words(weight: Sequence[int]) -> str:
    z, k, l = names_of(weight)
    return f"(x - {z}) / ({k} - {l})"


def recursion_in_use(subject: Subject, inside: Sampled) -> list[Difference]:
    """The recursion with e in all denominators, and with 0/0 mended too late."""
    t, r, x = inside.spec.knots[0], inside.spec.order, inside.x
    small = 2.0**-24
    slope = (recursion(t, r, x, ratio=lambda n, d: n / (d + small)) - recursion(t, r, x)) / small
    e = factor_of(inside.theirs - inside.right, slope)
    shifted = recursion(t, r, x, ratio=lambda n, d: n / (d + e))
    if close(shifted, inside.theirs, 2.0**-8 * inside.off) and abs(e) > 2.0**-44 * np.ptp(t):
        return only("shifted denominators", what=f"{e:.3g} is added to every denominator")
    late = recursion(t, r, x, ratio=np.divide, step=np.nan_to_num)
    if inside.at(~inside.is_close).wrong.any() and inside.agrees(late).all():
        return only("NaN from repeated knots", what="NaN is replaced by 0 at each step, too late")
    return []


def listed_recursions(subject: Subject, inside: Sampled) -> list[Difference]:
    """The first line of the tables of recursions that gives the functions."""
    spec = inside.spec
    t, r = spec.knots[0], spec.order
    if spec.kind in ("clamped", "repeated"):
        return []
    m = intervals_of(inside.x, t, r)
    for words, functions in recursions(t, r, inside.x, m):
        is_another = largest(functions - inside.right) > inside.off / 2
        if is_another and inside.agrees(functions).all():
            return only("wrong denominators", what=words)
    return []


def listed_functions(subject: Subject, inside: Sampled) -> list[Difference]:
    """The first line of the table of what is done to all functions that gives them."""
    for words, functions in FUNCTIONS.items():
        if inside.agrees(functions(inside.right)).all():
            return only("other functions", what=f"functions are {words}")
    return []


def _factors_of_points(inside: Sampled) -> FloatArray | None:
    """The numbers (N,) by which right functions are multiplied at each point; None if they are not."""
    size = (inside.right * inside.right).sum(axis=1)
    k = (inside.theirs * inside.right).sum(axis=1) / np.where(size > 0, size, 1.0)
    if not size.all() or not inside.agrees(k[:, None] * inside.right).all() or inside.spec.degree == 0:
        return None
    return k


def factors_of_intervals(subject: Subject, inside: Sampled) -> list[Difference]:
    """Right functions that are multiplied by a number in some intervals."""
    k = _factors_of_points(inside)
    if k is None:
        return []
    m = inside.intervals
    each = {int(j): k[m == j] for j in np.unique(m)}
    if any(np.ptp(values) > 1e-9 * largest(k) for values in each.values()):
        return []
    odd = [j for j, values in each.items() if abs(values[0] - 1) > 1e-9]
    factors = {round(float(each[j][0]), 9) for j in odd}
    if len(odd) == len(each) or len(factors) != 1:
        return []
    where = f"interval{'s' if len(odd) > 1 else ''} {numbers(odd)} of {inside.spec.intervals}"
    return measured("other functions", what=f"functions are multiplied by {factors.pop():.6g} in {where}")


def factor_of_x(subject: Subject, inside: Sampled) -> list[Difference]:
    """Right functions that are multiplied by a known function of x."""
    k = _factors_of_points(inside)
    if k is None or np.ptp(k) <= 1e-9 * largest(k):
        return []
    a, b = inside.spec.domain
    for words, u in {"": inside.x, ", with the domain taken to [0, 1]": (inside.x - a) / (b - a)}.items():
        known = factor_in_words(u, k)
        if known:
            return only("other functions", what=f"functions are multiplied by {known}{words}")
    return []


def small_errors(subject: Subject, inside: Sampled) -> list[Difference]:
    """Errors that a sum of truncated powers may have and that grow from left to right; or errors no larger."""
    off = ~(np.abs(inside.theirs - inside.right) <= inside.room)
    below = largest(inside.right[off])
    if not inside.theirs[off].any() and below < SMALL:
        kept = np.abs(inside.right[~off & (inside.theirs != 0)])
        if below <= kept.min(initial=1.0):
            return measured("flushed to zero", what="values of functions", below=below)
    if inside.spec.kind in ("clamped", "repeated") or not inside.at(~inside.is_close).wrong.any():
        return []
    _, room = subject.asked_for(inside.spec, inside.x, "truncated powers")
    error = np.abs(inside.theirs - inside.right)
    if not close(error, 0.0, room + inside.most * 64) or error.max() > 2.0**-20:
        return []
    error, third = error.max(axis=1)[np.argsort(inside.x)], inside.x.size // 3
    grows = error[-third:].max() > 8 * error[:third].max()
    name = "cancellation of truncated powers" if grows else "rounding errors"
    return measured(name, left=float(error.max()))


def rearranged(subject: Subject, inside: Sampled, last: bool = False) -> list[Difference]:
    """The right functions in another order, with factors, or combined.

    At last also combinations without a simple shape, which other knots outside cause as well.
    """
    spec, room = inside.spec, float(inside.room.max()) * 4
    told = explain(inside.theirs, inside.right, ("point", "coefficient"), room, "basis functions")
    if not told or told[0].name == "gradient clipped":
        return []
    if (told[0].evidence.get("loose") and not last) or "point" in [d.evidence.get("axis") for d in told]:
        return []
    first, t, r = told[0], spec.knots[0], spec.order
    if first.name == "factors by coefficient" and len(first.evidence["factors"]) == spec.dim:
        by = np.array(first.evidence["factors"]) * (t[r:] - t[:-r])
        if np.ptp(by) <= 1e-9 * largest(by):
            top = "r" if abs(by[0] / r - 1) < 1e-9 else f"{by[0]:.6g}"
            return only("basis not normalised", by=f"{top} / (t[i+r] - t[i])")
    near_one = first.name == "constant factor" and abs(first.evidence["factor"] - 1) < 2.0**-12
    if near_one and "changed by a call" not in subject.names:
        return only("shifted denominators", what=f"functions are divided by 1 + {1 / first.evidence['factor'] - 1:.3g}")
    return told


def rearranged_locally(subject: Subject, inside: Sampled) -> list[Difference]:
    """The r nonzero functions of an interval in another order, or with factors, in the same way in all intervals."""
    spec, r = inside.spec, inside.spec.order
    if r < 2 or spec.kind == "repeated":
        return []
    own = inside.intervals[:, None] + np.arange(r)
    rest = np.ones(inside.theirs.shape, bool)
    np.put_along_axis(rest, own, False, axis=1)
    if (np.abs(inside.theirs) > inside.room)[rest].any():
        return []
    theirs, right = (np.take_along_axis(v, own, axis=1) for v in (inside.theirs, inside.right))
    sentence = "in each interval the functions in force"
    told = explain(theirs, right, ("point", "coefficient"), float(inside.room.max()) * 4, sentence)
    vague = ("gradient clipped", "factors by coefficient", "coefficients left out")
    for name, more in ((difference.name, difference.evidence) for difference in told or []):
        how = more.get("how", "")  # functions in force sum to one: what adds their sum to one of them adds a constant
        of_all = "all are" in how or "from number" in how
        if of_all or more.get("axis") == "point" or more.get("loose") or name in vague:
            return []
    return told or []


def left_out(inside: Sampled) -> tuple[list[Difference], Sampled]:
    """Functions and intervals that are zero; and the functions without them."""
    spec = inside.spec
    theirs = inside.theirs.copy()
    told = list[Difference]()
    m = inside.intervals
    shown = np.abs(inside.right) > 2.0**-20
    gone = [j for j in np.unique(m).tolist() if not theirs[m == j].any()]
    columns = np.flatnonzero(~theirs.any(axis=0) & shown[~np.isin(m, gone)].any(axis=0))
    if not theirs.any():
        return [], inside
    if gone:
        told += only("intervals left out", what="basis functions", indices=f"{numbers(gone)} of {spec.intervals}")
        theirs[np.isin(m, gone)] = inside.right[np.isin(m, gone)]
    if columns.size:
        name = "end coefficient unused" if set(columns) <= {0, spec.dim - 1} else "coefficients left out"
        told += only(name, what="basis functions", indices=columns.tolist(), size=spec.dim)
        theirs[:, columns] = inside.right[:, columns]
    return told, replace(inside, theirs=theirs)


def mapped_values(subject: Subject, inside: Sampled) -> list[Difference]:
    """A map of the values of right functions."""
    words = in_words(inside.right.ravel(), inside.theirs.ravel(), float(inside.room.max()) * 16)
    known = not words.startswith(("an unknown", "identity", "zero"))
    return only("values mapped", what="values of basis functions", map=words) if known else []


def described(subject: Subject, inside: Sampled) -> list[Difference]:
    """Functions that no hypothesis explains."""
    off = float(np.quantile(np.abs(inside.theirs - inside.right).max(axis=1), 0.95))  # but for points next to knots
    if not inside.at(~inside.is_close).wrong.any():
        wrong = inside.at(inside.wrong)
        far = float(np.abs(wrong.x[:, None] - np.unique(inside.spec.knots[0])).min(axis=1).max())
        how = f"at distances to {far:.2g}, off by up to {wrong.off:.3g}"
        return measured("other functions", what=f"functions are wrong only next to knots, {how}")
    degree = pieces_degree(inside)
    sums = inside.theirs.sum(axis=1)
    total = f"they sum to {sums.min():.9g}" + (f" .. {sums.max():.9g}" if np.ptp(sums) > 1e-9 else "")
    form = lower_formats(inside.theirs)
    step = 0.0 if form else _table_step(subject, inside, off)
    if step > 0:
        return measured("lookup table", step=step)
    if degree is None and off < 2.0**-6 and (form or (2.0**-30 < off <= 2.0**-18 and _is_rough(subject, inside))):
        name = {"float16": "float16 or TF32", "bfloat16": "bfloat16"}.get(form[0] if form else "", "float32")
        return measured(f"{name} arithmetic", what=f"basis functions are off by {off:.1e}")
    words = nature(inside)
    bad = np.unique(inside.intervals[inside.wrong])
    n = np.unique(inside.intervals).size
    if bad.size < n:
        words += f"; they are wrong only in interval{'s' * (bad.size > 1)} {numbers(bad.tolist())} of {n}"
    return measured("other functions", what=f"functions {words}, off by up to {off:.3g}; {total}")


def _is_rough(subject: Subject, inside: Sampled) -> bool:
    """Whether errors at neighbouring points are unrelated, like those of rounding."""
    a, b = inside.spec.domain
    x = np.asarray(a + (b - a) * (0.37 + 2.0**-15 / inside.spec.intervals * np.arange(BLOCK)), np.float64)
    error = subject.errors(inside.spec, x)
    return bool(largest(np.diff(error, 2, axis=0)) > largest(error) / 4)


def _table_step(subject: Subject, inside: Sampled, off: float) -> float:
    """The distance of points between which functions are linear, by where lines meet; 0 if they are curved."""
    spec = inside.spec
    if spec.degree < 2 or off > 2.0**-4:
        return 0.0
    a, b = spec.domain
    h = (b - a) / spec.intervals
    x = np.asarray(a + 1.37 * h + h * 2.0**-15 * np.arange(32), np.float64)
    theirs, right = subject.basis(spec, x), subject.asked_for(spec, x)[0]
    curved = largest(np.diff(right, 2, axis=0))
    straight = np.abs(np.diff(theirs, 2, axis=0)).max(axis=1) < curved / 16
    if straight.mean() <= 0.75:
        return 0.0
    span = min(24 * np.sqrt(8 * off / curved) * h * 2.0**-15, 2 * h)  # of some 24 points
    x = np.asarray(a + 1.37 * h + span / 512 * np.arange(512), np.float64)
    y = subject.basis(spec, x)
    bends = np.abs(np.diff(y, 2, axis=0))
    f = int(bends.max(axis=0).argmax())
    y, kinks = y[:, f], np.flatnonzero(bends[:, f] > bends[:, f].max() / 2**8) + 1
    groups = np.split(kinks, np.flatnonzero(np.diff(kinks) > 2) + 1)
    meet = []
    for before, here, after in zip(groups, groups[1:], groups[2:], strict=False):
        i, j, k, m = before[-1] + 1, here[0] - 1, here[-1] + 1, after[0] - 1
        if j > i and m > k:
            s, u = (y[j] - y[i]) / (x[j] - x[i]), (y[m] - y[k]) / (x[m] - x[k])
            meet.append((y[k] - y[i] + s * x[i] - u * x[k]) / (s - u))
    steps = np.diff(meet)
    return float(np.median(steps)) if len(meet) > 4 and np.ptp(steps) <= 1e-6 * np.median(steps) else 0.0
