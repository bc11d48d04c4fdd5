r"""Stage 4: the functions on each edge, and the point at which they are evaluated.

The layer's own functions phi_i are sampled inside every interval, close to both sides of every knot, at knots and ends.
If they are not the requested B-splines, these questions follow; an answer must leave only rounding:

* Which piece is used, and at which point? See `points_in_use`.
* In which order, with which factors? By rearrangement, as wiring.
* Of which degree are the pieces? Of d, if differences of equidistant samples vanish from order d + 1 on.
* On which knots? By least squares in the knots.
* By which recursion? Denominators t_j - t_i + e change phi by e d phi/d e, so that e is a quotient of inner products.
* If by none: is it a table, is it rounding, what is the sum of the functions?
"""

from dataclasses import replace

import numpy as np

from refkan.conformance.adapters.adapter import BSPLINES
from refkan.conformance.cases import reweighted, round_to
from refkan.conformance.identification.functions.functions_in_use import identified, is_vague, of_recursion
from refkan.conformance.identification.functions.recursions_in_use import SHARES, pieces_degree
from refkan.conformance.identification.knots_in_use import Sampled
from refkan.conformance.identification.reported import Difference, Stage, close, largest
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

CLOSE = (2.0**-12, 2.0**-26)
"""Distances from both ends of an interval, in its length, at which tolerances and rounding to float32 show."""


ROUNDED_KNOTS = {"knots rounded", "bfloat16 knots", "float16 knots"}
"""Differences that knots of few bits do not tell apart."""

SIMPLE = (1, 2)
"""Degrees in which the recursion may be identified if it is not in the first degree."""

ODD = 5
"""A number of intervals with one in the middle."""

MANY = 64
"""The largest number of intervals."""

RANDOM = 4
"""Factor from the difference of two answers to the error allowed if a layer is not deterministic."""

EQUAL = ("uniform", "uniform-fine")
"""Kinds of knots on which wrong denominators may be right."""

BLURRED = (
    "float32 arithmetic", "float16 or TF32 arithmetic", "bfloat16 arithmetic", "float32 inputs", "float16 inputs",
    "bfloat16 inputs", "point quantised", "point snapped", "lookup table", "cancellation of truncated powers",
    "shifted denominators", "float32 knots", "float16 knots", "bfloat16 knots",
)  # fmt: skip
"""Differences after which values are smooth only up to the size of the error, so later stages allow that much."""

FOLLOW = (
    (BLURRED, ("rounding errors", "end interval unused")),  # what rounded points look like on other knots
    (("basis not normalised", "shifted denominators"), ("constant factor",)),  # which it is on equally spaced knots
    (("knots rounded", "float16 knots", "bfloat16 knots"), ("other knots",)),
    (("exterior knots", "other knots", "knots rounded", "equal spacing assumed"), ("other functions",)),
    (("left limit at knots",), ("left end open",)),  # the knot at which alone it shows on clamped ones
)
"""Differences that follow from others."""


def functions(subject: Subject) -> tuple[Stage, Subject]:
    """Return what the functions on edges are, for each declared degree and kind of knots."""
    if subject.declared.basis != BSPLINES:
        return _another_basis(subject), subject
    if subject.apart:
        raise NoAnswerError("no edge can be tested by itself")
    differences: dict[str, Difference] = {}
    right: list[tuple[int, str]] = []
    reasons = []
    place = [subject.place] if subject.place else []
    most = 1 if subject.by_rows else None  # which takes long
    kinds = sorted(subject.kinds, key=lambda kind: kind != subject.kind)[:most]
    for degree in sorted(subject.degrees, key=lambda d: (abs(d - subject.degree) if d else 9, -d)):
        for kind in kinds if degree else [kind for kind in kinds if kind != "repeated"]:
            try:
                asked = sampled(subject, degree, kind)
                told = _identified_once(subject, asked, kind, differences)
            except NoAnswerError as error:
                reasons.append(f"degree {degree}, {kind} knots: {error}")
                continue
            if not told:
                right.append((degree, kind))
            for difference in told:
                kept = differences.get(difference.name, difference)
                if kept.sure == "measured" and difference.sure == "exact":
                    kept = replace(difference, where=kept.where)
                kept = _also(kept, degree)
                where = [*kept.where, f"degree-{degree}", kind, *place]
                differences[difference.name] = replace(kept, where=tuple(dict.fromkeys(where)))
                if difference.name in BLURRED and degree:  # of degree 0 values jump
                    off = np.abs(asked.theirs - asked.right)[asked.where == "inside"].max(axis=1)
                    blur = max(subject.blur, float(np.quantile(off, 0.95)))
                    subject = replace(subject, blurred=(*subject.blurred, (degree, kind)), blur=blur)
    subject = replace(subject, right=tuple(right))
    if not differences and not {"samples mixed", "stale cache"} & subject.names:
        differences = {difference.name: difference for difference in _elsewhere(subject)}
    named = {name: d for name, d in differences.items() if not is_vague(d) and name != "interval search"}
    differences = named if set(named) - {"rounding errors"} else differences
    if "constant factor" in differences and _factor_of_scale(subject):
        differences.pop("constant factor")  # reported for the part
    for causes, follow in FOLLOW:
        if set(causes) & set(differences):
            differences = {name: difference for name, difference in differences.items() if name not in follow}
    others = differences.get("other functions")
    equal = set(EQUAL)
    if others and equal & set(subject.kinds) and not equal & set(others.where):
        sentence = f"on equally spaced knots functions are right, on others: {others.evidence['what']}"
        differences["other functions"] = replace(others, name="wrong denominators", evidence={"what": sentence})
    for name in ROUNDED_KNOTS & set(differences):
        differences[name] = _of_odd_knots(subject, differences[name])
    if "degree fixed" in differences:
        differences["degree fixed"] = _in_all_degrees(subject, differences["degree fixed"])
    if subject.place and not differences and not subject.names:
        what = f"functions of {subject.place.removesuffix(' only')} are others in layers with several inputs or outputs"
        differences = {"other functions": Difference("other functions", {"what": what}, sure="measured")}
    told = sorted(differences.values(), key=lambda d: (d.name != "degree fixed", d.sure != "exact"))
    return Stage("functions", _told(subject, right), tuple(told), "; ".join(reasons[:2])), subject


def _also(kept: Difference, degree: int) -> Difference:
    """The known difference, whose numbers are those of one degree, with another degree that is alike."""
    alike = list(kept.evidence.get("alike", ()))
    of_one = "indices" in kept.evidence or kept.name in ("coefficients mixed up", "other functions")
    if kept.where and f"degree-{degree}" != kept.where[0] and of_one:
        alike.append(f"degree-{degree}")
    more = {"alike": list(dict.fromkeys(alike))} if alike else {}
    return replace(kept, evidence={**kept.evidence, **more})


def _of_odd_knots(subject: Subject, rounded: Difference) -> Difference:
    """What knots are rounded to, by knots with more bits and decimals than those of cases."""
    kind = next(kind for kind in rounded.where if not kind.startswith("degree-"))
    if subject.declared.domain is not None or kind not in ("arbitrary", "uniform"):
        return rounded
    told = identified(subject, sampled(subject, subject.degree, kind, scale=28 / 27))
    known = told and told[0].name in ROUNDED_KNOTS
    return replace(rounded, name=told[0].name, evidence=told[0].evidence) if known else rounded


def _in_all_degrees(subject: Subject, fixed: Difference) -> Difference:
    """Splines of another degree, with the rule if it is as many more or less in all degrees."""
    kind = next(kind for kind in fixed.where if not kind.startswith("degree-"))
    steps = set[int]()
    for degree in (degree for degree in subject.degrees if degree in (1, 2, 3, 4)):
        asked = sampled(subject, degree, kind)
        used = pieces_degree(asked.at(asked.where == "inside"))
        if used is None:
            return fixed
        steps.add(used - degree)
    if len(steps) != 1 or fixed.evidence.get("place"):
        return fixed
    step = steps.pop()
    more = {1: "one more", -1: "one less"}.get(step, f"{step:+d}")
    return replace(fixed, evidence={**fixed.evidence, "place": f", {more} in other degrees, too"})


def _factor_of_scale(subject: Subject) -> bool:
    """Whether a part that multiplies splines is not linear, so that splines have a factor where it is 1 or left out."""
    for part in {"scale", "node-scale"} & set(subject.declared.parts):
        spec = subject.with_parts(parts=(part,))
        x = subject.samples(spec, BLOCK)
        one, two = (subject.values(reweighted(spec, {part: k * spec.part(part)}), x) for k in (1.0, 2.0))
        if largest(two - 2 * one) > subject.tolerance(8 * largest(one)):
            return True
    return False


def _another_basis(subject: Subject) -> Stage:
    """How many functions there are, their range and their sum, for a basis declared not to be B-splines."""
    spec, x = subject.layer((2, 1))
    theirs = subject.basis(spec, x[:, 0])
    total = theirs.sum(axis=1)
    told = f"{theirs.shape[1]} functions with values from {theirs.min():.3g} to {theirs.max():.3g}"
    told += f", which sum to {total.min():.3g} to {total.max():.3g} in the domain"
    return Stage("functions", f"another basis, as declared: {subject.declared.basis}; {told}")


def _elsewhere(subject: Subject) -> list[Difference]:
    """Functions on very short and long intervals, on one and on many, if those of the cases are right."""
    kind = next((kind for kind in ("uniform", "arbitrary") if (subject.degree, kind) in subject.right), "")
    if not kind or subject.eps > 2.0**-20:
        return []
    others = []
    if subject.declared.domain is None and not subject.offset:
        others += [("tiny-spans", 6, 2.0**-20), ("huge-spans", 6, 2.0**20)]
    if subject.declared.intervals is None:
        others += [("one interval", 1, 1.0)]
        others += [(f"{n} intervals", n, 1.0) for n in (ODD, MANY) if not _right_on(n, subject, kind)]
    for words, intervals, scale in others:
        asked = sampled(subject, subject.degree, kind, intervals, scale)
        told = identified(subject, asked)
        if told:
            return [replace(difference, where=(words,)) for difference in told]
    return []


def _right_on(intervals: int, subject: Subject, kind: str) -> bool:
    """Whether functions on so many intervals are right, by two points in each."""
    spec, points = subject.layer((2, 1), 3, 2 * MANY, kind=kind, intervals=intervals)
    x = points[:, 0]
    right, room = subject.asked_for(spec, x)
    most = 16 * float(room.max()) * max(1.0, subject.noise / subject.eps)
    return bool(close(subject.basis(spec, x), right, most))


def _identified_once(
    subject: Subject, asked: Sampled, kind: str, differences: dict[str, Difference]
) -> list[Difference]:  # fmt: skip
    """If the first degree is wrong as well, what is wrong in another degree gets the name that it has there.

    So does what no question identified, next to what some question did.
    """
    main = f"degree-{subject.degree}"
    known = [d for d in differences.values() if {main, kind} <= set(d.where) and d.name != "rounding errors"]
    if asked.spec.degree != subject.degree and known and asked.wrong.any():
        told = list[Difference]()
        if is_vague(known[0]) and asked.spec.degree in SIMPLE and kind == subject.kind:
            told = of_recursion(subject, asked.at(asked.where == "inside"))
        return told or known[:1]
    told = identified(subject, asked)
    others = sorted(differences.values(), key=is_vague)
    return others[:1] if others and any(map(is_vague, told)) else told


def _told(subject: Subject, right: list[tuple[int, str]]) -> str:
    if not right:
        return "" if subject.degrees else "no degree is declared"
    degrees = sorted({degree for degree, _ in right})
    kinds = [kind for kind in subject.kinds if any(k == kind for _, k in right)]
    span = f"{degrees[0]}" if len(degrees) == 1 else f"{degrees[0]} to {degrees[-1]}"
    return f"the B-splines of degree {span} on the knots given ({', '.join(kinds)})"


def sampled(subject: Subject, degree: int, kind: str, intervals: int = 6, scale: float = 1.0) -> Sampled:
    """Return what is wrong with the functions of a degree on a kind of knots."""
    spec = subject.spec((2, 1), degree=degree, kind=kind, intervals=intervals)
    spec = replace(spec, knots=spec.knots * scale)
    t, r = spec.knots[0], spec.order
    breakpoints = np.unique(t[r - 1 : t.size - r + 1])
    h = np.diff(breakpoints)[:, None]
    close = [v for share in CLOSE if share > 2**4 * subject.eps for v in (share, 1 - share)]
    close = [] if "stale cache" in subject.names else close  # samples next to each other may have each other's results
    inside = round_to(subject.dtype, (breakpoints[:-1, None] + h * np.r_[SHARES, close]).ravel())
    exact = kind != "uniform-fine" and subject.declared.frame.exact
    parts = {"x at a knot": slice(1, -1), "x = a": slice(1), "x = b": slice(-1, None)}
    at_knots, start, end = (breakpoints[part if exact and words not in subject.refused else slice(0)]
                            for words, part in parts.items())  # fmt: skip
    points = {"inside": inside, "knot": np.r_[start, at_knots], "end": end}
    x = np.concatenate(list(points.values()))
    where = np.repeat(list(points), [v.size for v in points.values()])
    theirs = subject.basis(spec, x)
    expected, room = subject.asked_for(spec, x)
    room = room * max(1.0, subject.noise / subject.eps) + 16 * subject.eps * subject.offset
    room = np.maximum(room, max(subject.eps / 2, subject.noise))  # of functions that are zero there beside others
    if "not deterministic" in subject.names:
        room = np.maximum(room, RANDOM * largest(subject.basis(spec, x, again=True) - theirs))
    return Sampled(spec, x, where, theirs, expected, room)
