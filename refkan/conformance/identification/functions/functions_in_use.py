"""The hypotheses on functions that differ from those requested, and the order in which they are tried."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LARGEST_ROUNDING, LayerSpec
from refkan.conformance.identification.functions import recursions_in_use as recursions
from refkan.conformance.identification.functions.pieces_in_use import Pieces, rounded_in_one_place, wrong_pieces
from refkan.conformance.identification.functions.points_in_use import pieces_in_force, points_in_use
from refkan.conformance.identification.functions.whole_functions import known_family, same_space, translates
from refkan.conformance.identification.knots_in_use import (
    Sampled,
    compared,
    knots_of,
    listed_knots,
    recursion,
    true_rows,
)
from refkan.conformance.identification.known_maps import numbers
from refkan.conformance.identification.reported import Difference, close, factor_of, largest, only
from refkan.conformance.identification.subject import Subject

SMALLEST_ROUNDING = 2.0**-36
"""Errors below this come from no format below float64."""

FINE = 2.0**-30
"""Formats with a larger eps show neither pieces nor knots."""

MOST = 16
"""Intervals of edges whose knots are found by least squares: the time grows like the cube of their number."""


def is_vague(difference: Difference) -> bool:
    """Whether no hypothesis identified the functions: another degree, or other knots, may."""
    return difference.name in ("other functions", "inputs mapped") and difference.sure == "measured"


def identified(subject: Subject, asked: Sampled) -> list[Difference]:
    """Return what the functions are if they are not those requested."""
    wrong = asked.wrong
    if not wrong.any():
        return []
    finite = np.isfinite(asked.theirs).all(axis=1)
    if not finite.all():
        rest = asked.at(finite)
        elsewhere = identified(subject, rest) if rest.x.size > asked.x.size // 4 else []
        return [*(difference for difference in elsewhere if not is_vague(difference)), *_not_finite(asked)]
    inside = asked.at(asked.where == "inside")
    if not inside.wrong.any():
        return _at_knots(asked, subject.declared.right_end)
    zeros, rest = list[Difference](), inside
    for turn in range(2):  # then without what is zero
        told = _exactly(subject, rest)
        if told:
            return [*zeros, *told]
        if not turn:
            zeros, rest = recursions.left_out(inside)
        if not zeros or not rest.wrong.any():
            break
    if zeros and not rest.wrong.any():
        return zeros
    for question in OTHER_QUESTIONS:
        told = question(subject, rest)
        if told:
            return [*zeros, *told]
    return zeros


def _exactly(subject: Subject, inside: Sampled) -> list[Difference]:
    """The first explanation that leaves only rounding."""
    for question in EXACT_QUESTIONS:
        told = question(subject, inside)
        if told and not is_vague(told[0]):
            return told
    return []


def of_recursion(subject: Subject, inside: Sampled) -> list[Difference]:
    """Another recursion, if functions follow from one."""
    for question in (recursions.weights_in_use, recursions.listed_recursions):
        told = question(subject, inside)
        if told:
            return told
    return []


def _in_some_intervals(subject: Subject, inside: Sampled) -> list[Difference]:
    """What the functions are in the intervals with errors, if there are others without."""
    spec = inside.spec
    m = inside.intervals
    bad = np.unique(m[inside.wrong])
    if bad.size > np.unique(m).size // 2 or spec.degree == 0:
        return []
    near = inside.at(np.isin(m, bad))
    place = f" only in interval{'s' * (bad.size > 1)} {numbers(bad.tolist())} of {spec.intervals}"
    for question in (points_in_use, recursions.mapped_values):
        told = question(subject, near)
        if told and not is_vague(told[0]):
            return [replace(d, evidence={**d.evidence, "place": place}) for d in told]
    return []


def _not_finite(asked: Sampled) -> list[Difference]:
    finite = np.isfinite(asked.theirs)
    t = asked.spec.knots[0]
    r = asked.spec.order
    bad = int((~finite).sum())
    rows = asked.x[~finite.all(axis=1)]
    if asked.spec.kind not in ("clamped", "repeated"):
        return only("not finite", what="values", count=bad, total=asked.theirs.size)
    unguarded = recursion(t, r, asked.x, ratio=np.divide)
    same = np.array_equal(np.isfinite(unguarded), finite)
    how = "; 0/0 in the recursion" if same else f", from x = {rows.min():.6g} to {rows.max():.6g}"
    return only("NaN from repeated knots", what=f"{bad} of {asked.theirs.size} values are not finite{how}")


def _at_knots(asked: Sampled, right_end: str) -> list[Difference]:
    """Right inside intervals: the side used at knots, and the values at both ends of the domain."""
    spec, differences = asked.spec, list[Difference]()
    t, r, start = spec.knots[0], spec.order, asked.x == spec.domain[0]
    end = asked.where == "end"
    knots = asked.at((asked.where == "knot") & asked.wrong)
    inner, first, last = (asked.at(rows & asked.wrong) for rows in ((asked.where == "knot") & ~start, start, end))
    from_left = recursion(t, r, knots.x, np.searchsorted(t, knots.x, side="left") - 1)
    if inner.x.size and _agree(from_left, knots):
        differences += only("left limit at knots")
    elif knots.x.size and _agree(from_left + knots.right, knots):
        differences += only("counted twice at knots")
    else:
        for there, words in ((inner, "knots"), (first, "x = a")):
            if there.x.size and words == "x = a" and not there.theirs.any():
                differences += only("left end open")
            elif there.x.size:
                how = f"at {words} {_at_one_point(spec, there)}"
                differences += only("interval search", count=there.x.size, total=asked.x.size, how=how)
    if last.x.size:
        sentence = "all basis functions are zero at x = b"
        opened = not last.theirs.any()
        if not opened:
            beyond = recursion(t, r, last.x, np.searchsorted(t, last.x, side="right") - 1)
            opened = bool((np.abs(beyond - last.theirs) < 1e-9).all())
            sentence = "x = b belongs to no interval of the domain, or to the one beyond"
        sentence = sentence if opened else f"at x = b {_at_one_point(spec, last)}"
        name = "right end open" if right_end == "closed" and opened else "other right end"
        differences += only(name, what=sentence)
    return differences


def _agree(functions: FloatArray, there: Sampled) -> bool:
    return close(functions, there.theirs, 4 * there.most)


def _at_one_point(spec: LayerSpec, there: Sampled) -> str:
    """What functions at knots or at an end are: pieces of another interval, values at another point, multiples."""
    t, r, n = spec.knots[0], spec.order, spec.intervals
    if not there.theirs.any():
        return "functions are zero"
    for m in range(r - 1, t.size - r):
        if _agree(recursion(t, r, there.x, m), there):
            return f"the piece of interval {m - r + 1} of {n} is used"
    k = factor_of(there.theirs, there.right)
    if _agree(k * there.right, there):
        return f"functions are multiplied by {k:.6g}"
    return "functions match no interval"


def _degree(subject: Subject, inside: Sampled) -> list[Difference]:
    """B-splines of another degree, or other functions with pieces of another degree."""
    spec = inside.spec
    degree = None if subject.eps > FINE or spec.kind == "repeated" else recursions.pieces_degree(inside)
    if degree is None or degree == spec.degree:
        return []
    pieces = Pieces.of(inside)
    whole = pieces.on_whole_supports() if pieces.known.all() else ""
    place = f"; they are not B-splines, but {whole}" * bool(whole and degree > 1)
    return only("degree fixed", used=degree, asked=spec.degree, place=place)


def _rounded(subject: Subject, inside: Sampled) -> list[Difference]:
    """Right formulas, with one kind of number rounded to a lower format."""
    if subject.eps > FINE or not SMALLEST_ROUNDING < inside.off <= LARGEST_ROUNDING or inside.spec.kind == "repeated":
        return []
    return rounded_in_one_place(inside)


def _listed_knots(subject: Subject, inside: Sampled) -> list[Difference]:
    """B-splines on knots that a table lists."""
    used = listed_knots(inside) if subject.eps <= FINE and inside.spec.degree else None
    return [] if used is None else compared(used, inside.spec)


def _derivatives(subject: Subject, inside: Sampled) -> list[Difference]:
    """Derivatives of the B-splines in their place."""
    for k, words in ((1, "first"), (2, "second")):
        rows = true_rows(inside.spec.knots[0], inside.spec.order, inside.x, k)
        if inside.spec.degree > k and close(rows, inside.theirs, 2.0**-36 * largest(rows)):
            return only("other functions", what=f"functions are the {words} derivatives of the B-splines")
    return []


def _knots(subject: Subject, inside: Sampled) -> list[Difference]:
    """B-splines on other knots."""
    spec = inside.spec
    if subject.eps > FINE or spec.degree == 0 or spec.intervals > MOST:
        return []
    used = listed_knots(inside)
    if used is None and spec.kind != "clamped":
        used = knots_of(inside, max(min(2.0**-40, inside.off / 64), 2.0**-49))
    return [] if used is None or np.array_equal(used[1:-1], spec.knots[0][1:-1]) else compared(used, spec)


def _others(question: Callable[[Sampled], str], subject: Subject, inside: Sampled) -> list[Difference]:
    """Other functions, by a question whose answer is a sentence on them, "" if it does not explain them."""
    words = "" if subject.eps > FINE else question(inside)
    return only("other functions", what=words) if words else []


Question = Callable[[Subject, Sampled], list[Difference]]

EXACT_QUESTIONS: tuple[Question, ...] = (
    pieces_in_force,
    _rounded,
    _listed_knots,
    _derivatives,
    recursions.small_errors,
    recursions.rearranged,
    recursions.rearranged_locally,
    points_in_use,
    partial(_others, known_family),
    partial(_others, translates),
    recursions.factor_of_x,
    _degree,
    recursions.weights_in_use,
    recursions.recursion_in_use,
    recursions.listed_recursions,
    partial(_others, wrong_pieces),
)
"""Questions on functions inside intervals whose answers leave only rounding."""

OTHER_QUESTIONS: tuple[Question, ...] = (
    _in_some_intervals,
    points_in_use,
    _knots,
    recursions.factors_of_intervals,
    recursions.mapped_values,
    recursions.listed_functions,
    partial(recursions.rearranged, last=True),
    partial(_others, same_space),
    recursions.described,
)
"""What is asked if none of those has an answer."""
