"""What functions are where they are not those asked for: the questions, and the order in which they are asked."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.identification.explanations import explain
from refkan.conformance.identification.knots_in_use import compared, knots_of, nature, recursion, wrong_pieces
from refkan.conformance.identification.known_maps import lower_formats
from refkan.conformance.identification.matrix_shapes import numbers
from refkan.conformance.identification.stages.points_in_use import Sampled, pieces_in_force, points_in_use
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import BLOCK, Subject

Question = Callable[[Subject, Sampled], list[Difference]]

SEEN_IN_PIECES = 2.0**-16
"""Errors below this are not told apart by powers of pieces."""

EQUIDISTANT = 7
"""Neighbouring points of an interval, whose differences tell the degree."""

MOST = 16
"""Intervals of edges whose knots are found by least squares: the time grows like the cube of their number."""


def is_vague(difference: Difference) -> bool:
    """Whether no question identified functions: some may have a name in another degree, or on other knots."""
    return difference.sure == "measured" and difference.name in ("other functions", "inputs mapped")


def identified(subject: Subject, asked: Sampled) -> list[Difference]:
    """Return what the functions are where they are not those asked for."""
    if not asked.wrong.any():
        return []
    finite = np.isfinite(asked.theirs).all(axis=1)
    if not finite.all():
        rest = asked.at(finite)
        elsewhere = identified(subject, rest) if rest.x.size > asked.x.size // 4 else []
        return [*[difference for difference in elsewhere if not is_vague(difference)], _not_finite(asked)]
    inside = asked.at(asked.where == "inside")
    if not inside.wrong.any():
        return _at_knots(asked, subject.declared.right_end)
    if told := _first_answer(subject, inside, EXACT):
        return told
    zeros, rest = _left_out(inside)
    if not rest.wrong.any():
        return zeros
    told = _first_answer(subject, rest, EXACT) if zeros else []
    return [*zeros, *(told or _first_answer(subject, rest, (points_in_use, *OTHERS), vague=True))]


def _first_answer(
    subject: Subject, inside: Sampled, questions: Sequence[Question], vague: bool = False
) -> list[Difference]:  # fmt: skip
    answers = (question(subject, inside) for question in questions)
    return next((told for told in answers if told and (vague or not is_vague(told[0]))), [])


def _not_finite(asked: Sampled) -> Difference:
    bad, rows = int((~np.isfinite(asked.theirs)).sum()), asked.x[~np.isfinite(asked.theirs).all(axis=1)]
    if asked.spec.kind not in ("clamped", "repeated"):
        return Difference("not finite", {"what": "values", "count": bad, "total": asked.theirs.size})
    what = f"{bad} of {asked.theirs.size} values are not finite, from x = {rows.min():.6g} to {rows.max():.6g}"
    return Difference("NaN from repeated knots", {"what": what})


def _at_knots(asked: Sampled, right_end: str) -> list[Difference]:
    """Right inside intervals: the side in force at knots, and what is at either end of the domain."""
    spec, differences = asked.spec, []
    t, start = spec.knots[0], asked.x == spec.domain[0]
    at_knots = (asked.where == "knot") & asked.wrong
    knots, first, last = (asked.at(rows & asked.wrong) for rows in (at_knots, at_knots & start, asked.where == "end"))
    from_left = recursion(t, spec.order, knots.x, np.searchsorted(t, knots.x, side="left") - 1)
    if (at_knots & ~start).any() and _agree(from_left, knots):
        differences.append(Difference("left limit at knots"))
    elif knots.x.size and _agree(from_left + knots.right, knots):
        differences.append(Difference("counted twice at knots"))
    else:
        if first.x.size and not first.theirs.any():
            differences.append(Difference("left end open"))
            knots = asked.at(at_knots & ~start)
        if knots.x.size:
            what = f"functions are others at {knots.x.size} knots alone, off by up to {knots.off:.3g}"
            differences.append(Difference("other functions", {"what": what}, sure="measured"))
    if last.x.size:
        zero = not last.theirs.any()
        what = "all basis functions are zero" if zero else f"functions are others, off by up to {last.off:.3g},"
        name = "right end open" if zero and right_end == "closed" else "other right end"
        differences.append(Difference(name, {"what": f"{what} at x = b"}))
    return differences


def _agree(functions: FloatArray, there: Sampled) -> bool:
    return bool((np.abs(functions - there.theirs) <= 4 * there.most).all())


def _degree(subject: Subject, inside: Sampled) -> list[Difference]:
    """Pieces of another degree."""
    spec = inside.spec
    used = spec.degree if spec.kind == "repeated" else _degree_of_pieces(inside)
    return [Difference("degree fixed", {"used": used, "asked": spec.degree})] if used not in (None, spec.degree) else []


def _degree_of_pieces(inside: Sampled) -> int | None:
    """The degree of most pieces, by differences of a few points, which no breakpoint divides; None without one."""
    degrees = []
    for m, start in product(np.unique(inside.intervals), (0, 4, 8)):
        window = inside.theirs[inside.intervals == m][start : start + EQUIDISTANT]
        size = np.abs(window).max(initial=0.0) * 2.0**-36
        orders = (k for k in range(len(window)) if (np.abs(np.diff(window, k, axis=0)) <= size * 2**k).all())
        degrees.append(next(orders, EQUIDISTANT) - 1)
    known = [degree for degree in degrees if 0 <= degree < EQUIDISTANT - 1]
    return max(known, key=known.count) if known and len(known) >= len(degrees) / 4 else None


def _wrong_pieces(subject: Subject, inside: Sampled) -> list[Difference]:
    """One or some of the pieces of each interval, or of their powers."""
    words = "" if inside.off < SEEN_IN_PIECES else wrong_pieces(inside.spec, inside.x, inside.theirs)
    return [Difference("other functions", {"what": words})] if words else []


def _knots(subject: Subject, inside: Sampled) -> list[Difference]:
    """B-splines on other knots."""
    spec = inside.spec
    if spec.kind == "clamped" or spec.degree == 0 or spec.intervals > MOST:
        return []
    used = knots_of(inside.x, inside.theirs, spec, max(min(2.0**-40, inside.off / 64), 2.0**-49))
    if used is None or np.array_equal(used[1:-1], spec.knots[0][1:-1]):
        return []
    told = compared(used, spec)
    return [told] if told else []


def _recursion_in_use(subject: Subject, inside: Sampled) -> list[Difference]:
    """The recursion with e in all denominators, and with 0/0 mended too late."""
    t, r, x, m = inside.spec.knots[0], inside.spec.order, inside.x, inside.intervals
    small = 2.0**-24
    slope = (recursion(t, r, x, m, lambda n, d: n / (d + small)) - recursion(t, r, x, m)) / small
    e = float((slope * (inside.theirs - inside.right)).sum() / max((slope * slope).sum(), 1e-300))
    left = np.abs(recursion(t, r, x, m, lambda n, d: n / (d + e)) - inside.theirs).max()
    if left <= 2.0**-8 * inside.off and abs(e) > 2.0**-44 * np.ptp(t):
        return [Difference("shifted denominators", {"what": f"{e:.3g} is added to every denominator"})]
    b: FloatArray = (np.arange(t.size - 1) == m[:, None]).astype(np.float64)
    for k in range(2, r + 1):
        left_share = (x[:, None] - t[:-k]) / (t[k - 1 : -1] - t[:-k])
        right_share = (t[k:] - x[:, None]) / (t[k:] - t[1 : t.size - k + 1])
        b = np.nan_to_num(left_share * b[:, :-1] + right_share * b[:, 1:], nan=0.0)
    if inside.at(~inside.is_close).wrong.any() and (np.abs(b - inside.theirs) <= 16 * inside.most).all():
        return [Difference("NaN from repeated knots", {"what": "NaN is made 0 at each step, too late"})]
    return []


def _small_errors(subject: Subject, inside: Sampled) -> list[Difference]:
    """Small values that are zero; errors that a sum of truncated powers may have, growing to the right as its do."""
    error = np.abs(inside.theirs - inside.right)
    off = ~(error <= inside.room)
    if not inside.theirs[off].any() and (below := float(np.abs(inside.right[off]).max())) < 2.0**-8:
        kept = np.abs(inside.right[~off & (inside.theirs != 0)])
        if below <= kept.min(initial=1.0):
            return [Difference("flushed to zero", {"what": "values", "below": below}, sure="measured")]
    if inside.spec.kind in ("clamped", "repeated") or not inside.at(~inside.is_close).wrong.any():
        return []
    _, room = subject.asked_for(inside.spec, inside.x, "truncated powers")
    if not (error <= room + inside.most * 64).all() or inside.off > 2.0**-20:
        return []
    first, *_, last = np.array_split(error.max(axis=1)[np.argsort(inside.x)], 3)
    name = "cancellation of truncated powers" if last.max() > 8 * first.max() else "rounding errors"
    return [Difference(name, {"left": inside.off}, sure="measured")]


def _rearranged(subject: Subject, inside: Sampled, last: bool = False) -> list[Difference]:
    """The right functions in another order, or with factors, or combinations of them.

    Those that have no simple shape come last: other knots outside make some, too.
    """
    spec, room = inside.spec, float(inside.room.max()) * 4
    told = explain(inside.theirs, inside.right, ("point", "coefficient"), room, "basis functions")
    if not told or told[0].name == "gradient clipped":
        return []
    if (told[0].evidence.get("loose") and not last) or any(d.evidence.get("axis") == "point" for d in told):
        return []
    first, t, r = told[0], spec.knots[0], spec.order
    if first.name == "factors by coefficient" and len(first.evidence["factors"]) == spec.dim:
        by = np.array(first.evidence["factors"]) * (t[r:] - t[:-r])
        if np.ptp(by) <= 1e-9 * np.abs(by).max():
            top = "r" if abs(by[0] / r - 1) < 1e-9 else f"{by[0]:.6g}"
            return [Difference("basis not normalised", {"by": f"{top} / (t[i+r] - t[i])"})]
    more = 1 / first.evidence["factor"] - 1 if first.name == "constant factor" else 0.0
    if 0 < more < 2.0**-12 and "changed by a call" not in subject.names:
        return [Difference("shifted denominators", {"what": f"functions are divided by 1 + {more:.3g}"})]
    return told


def _left_out(inside: Sampled) -> tuple[list[Difference], Sampled]:
    """Functions and intervals that are zero; and the functions without them."""
    spec, theirs, told = inside.spec, inside.theirs.copy(), []
    m = inside.intervals - spec.degree
    shown = np.abs(inside.right) > 2.0**-20
    gone = [j for j in np.unique(m).tolist() if not theirs[m == j].any()]
    columns = np.flatnonzero(~theirs.any(axis=0) & shown[~np.isin(m, gone)].any(axis=0))
    if not theirs.any():
        return [], inside
    if gone:
        how = f"{numbers(gone)} of {spec.intervals}"
        told.append(Difference("intervals left out", {"what": "basis functions", "indices": how}))
        theirs[np.isin(m, gone)] = inside.right[np.isin(m, gone)]
    if columns.size:
        name = "end coefficient unused" if set(columns) <= {0, spec.dim - 1} else "coefficients left out"
        evidence = {"what": "basis functions", "indices": columns.tolist(), "size": spec.dim}
        told.append(Difference(name, evidence))
        theirs[:, columns] = inside.right[:, columns]
    return told, replace(inside, theirs=theirs)


def _described(subject: Subject, inside: Sampled) -> list[Difference]:
    """Functions that no question identified."""
    error = np.abs(inside.theirs - inside.right).max(axis=1)
    off = float(np.quantile(error[inside.wrong], 0.95))  # but for points next to knots
    form = lower_formats(inside.theirs)
    if not form and (step := _table_step(subject, inside, off)) > 0:
        return [Difference("lookup table", {"step": step}, sure="measured")]
    if off < 2.0**-6 and (form or (2.0**-30 < off <= 2.0**-18 and _is_rough(subject, inside))):
        name = {"float16": "float16 or TF32", "bfloat16": "bfloat16"}.get(form[0] if form else "", "float32")
        return [Difference(f"{name} arithmetic", {"what": f"basis functions are off by {off:.1e}"}, sure="measured")]
    words, sums = nature(inside.spec, inside.x, inside.theirs), inside.theirs.sum(axis=1)
    total = f"they sum to {sums.min():.9g}" + (f" .. {sums.max():.9g}" if np.ptp(sums) > 1e-9 else "")
    m = inside.intervals - inside.spec.degree
    bad = np.unique(m[inside.wrong])
    if bad.size < np.unique(m).size:
        words += f"; they are others in interval{'s' * (bad.size > 1)} {numbers(bad.tolist())} alone"
    return [
        Difference("other functions", {"what": f"functions {words}, off by up to {off:.3g}; {total}"}, sure="measured")
    ]


def _is_rough(subject: Subject, inside: Sampled) -> bool:
    """Whether errors at points close to each other have nothing to do with each other, as those of rounding."""
    a, b = inside.spec.domain
    x = np.asarray(a + (b - a) * (0.37 + 2.0**-15 / inside.spec.intervals * np.arange(BLOCK)), np.float64)
    error = subject.basis(inside.spec, x) - subject.asked_for(inside.spec, x)[0]
    return bool(np.abs(np.diff(error, 2, axis=0)).max() > np.abs(error).max() / 4)


def _table_step(subject: Subject, inside: Sampled, off: float) -> float:
    """About the distance h of points between which functions are linear, off by h^2/8 of the curvature; 0 if curved."""
    spec = inside.spec
    if spec.degree < 2 or off > 2.0**-4:
        return 0.0
    h = (spec.domain[1] - spec.domain[0]) / spec.intervals

    def bends(x: FloatArray) -> tuple[FloatArray, float]:
        theirs, right = (np.abs(np.diff(y, 2, axis=0)) for y in (subject.basis(spec, x), subject.asked_for(spec, x)[0]))
        return theirs.max(axis=1), float(right.max())

    start, near = spec.domain[0] + 1.37 * h, h * 2.0**-15
    theirs, right = bends(start + near * np.arange(32.0))
    if (theirs < right / 16).mean() <= 0.75:
        return 0.0
    near = min(24 * np.sqrt(8 * off / right) * near, 2 * h) / 512  # some 24 points of the table
    theirs, _ = bends(start + near * np.arange(512.0))
    kinks = np.flatnonzero(theirs > theirs.max() / 2**8)
    kinks = kinks[np.diff(kinks, prepend=-9) > 2]
    return float(near * np.ptp(kinks) / max(kinks.size - 1, 1))


def _in_full(question: Question) -> Question:
    """A question that is asked in float64 alone."""
    return lambda subject, inside: [] if subject.eps > 2.0**-30 else question(subject, inside)


EXACT: Sequence[Question] = (
    pieces_in_force, _small_errors, _rearranged, points_in_use, _in_full(_degree), _recursion_in_use,
    _in_full(_wrong_pieces),
)  # fmt: skip
"""Questions in the order in which they are asked of functions inside intervals; they leave only rounding."""

OTHERS: Sequence[Question] = (_in_full(_knots), partial(_rearranged, last=True), _described)
"""What is asked if none of them answers."""
