r"""Stage 7: the functions beyond the ends of the domain.

Functions that are right inside are evaluated at points beyond each end e: among the exterior knots, and beyond all of
them. On each side they follow the requested rule; or they are

    sum_k (c_k b_i^(k)(e) + d_k b_i^(k)(e')) (x - e)^k / k!,  k = 0 .. degree,

with e' the other end and the factors c, d from least squares: c = 1 is the end piece continued, (1, 1, 0, ...) the
tangent, (1, 0, ...) the end value, 0 is zero; or they are those inside, at the point reflected or a period away; or one
number times those of the rule; or only some of them differ.
"""

from dataclasses import replace
from math import factorial

import numpy as np

from refkan.base import Array, FloatArray
from refkan.conformance.cases import RULES, LayerSpec, round_to
from refkan.conformance.identification.gradients.other_settings import VALUES, against_truth
from refkan.conformance.identification.gradients.situations import Situation
from refkan.conformance.identification.knots_in_use import recursion, true_rows
from refkan.conformance.identification.known_maps import factor_in_words, numbers
from refkan.conformance.identification.reported import Difference, Stage, close, largest
from refkan.conformance.identification.subject import NoAnswerError, Subject
from refkan.splines.knots import greville_points

DOES = {
    "natural": "the basis functions' own values, which end with the knots",
    "linear": "the tangent at the end point",
    "polynomial": "the end piece continued",
    "constant": "the values at the end points",
    "zero": "zero",
}
"""The functions under a rule, in words."""

PLAIN = (
    *DOES.values(), "not finite", "those of the point reflected at the end", "those of the point a period away",
    "those of the rule divided by their sum",
)  # fmt: skip
"""The only explanations accepted for functions that are blurred inside."""

FLOOR = 64
"""In eps, the rounding of other functions where a function is zero."""

FACTORS = 3
"""At most so many powers at the ends are listed."""

RULE_OF = {(): "zero", (1.0,): "constant", (1.0, 1.0): "linear"}
"""Rules by their factors of the powers at the end."""

AWAY = (5 / 64, 23 / 64, 35 / 64, 67 / 64, 195 / 64)
"""Distances beyond the ends, in lengths of the domain."""


def outside(subject: Subject) -> tuple[Stage, Subject]:
    """Return which rule the layer follows beyond the ends of the domain."""
    if subject.stretched:
        raise NoAnswerError("not tested: samples beyond the domain change the knots")
    if subject.behind:
        raise NoAnswerError(f"not tested behind {subject.behind}")
    if not (subject.right or subject.blurred):
        raise NoAnswerError("the functions inside differ from the requested ones")
    declared = [rule for rule in RULES if rule in subject.declared.outside]
    if "exterior knots" in subject.names:
        declared = [rule for rule in declared if rule != "natural"]
    if "other right end" in subject.names:  # from which they go on
        declared = [rule for rule in declared if rule not in ("linear", "constant")]
    rows = 1 if "samples mixed" in subject.names else subject.rows  # by rows far away
    position = None if subject.place else subject.position  # of edges that have their own functions
    asked = replace(subject, rows=rows, position=position)
    differences: dict[str, Difference] = {}
    told: dict[str, str] = {}
    for degree, kind in _asked(subject):
        for rule in declared or ["natural"]:
            spec = subject.spec((2, 1), degree=degree, kind=kind, outside=rule)
            try:
                does = followed(asked, spec)
            except NoAnswerError as error:
                does = f"unknown: {error}"
            told.setdefault(rule, does)
            of_slopes = rule == "linear" and "input-gradients" in subject.wrong_gradients
            if not declared or of_slopes:
                continue
            if does == DOES[rule] and degree and (kind == subject.kind or degree == subject.degree):
                named = [d for d in _gradients(asked, spec) if d.sure == "exact" or not subject.blurred]
                differences |= {f"{difference.name} {rule}": difference for difference in named}
            elif does != DOES[rule] and (not subject.blurred or does in PLAIN):
                evidence = {"asked": rule, "does": f"functions are {does}"}
                vague = "those of the rule " in does and does not in PLAIN
                key = f"{rule} {'but for' if vague else does}"  # which ones is reported once
                name = "outside the domain" if subject.blurred else "only outside the domain"
                difference = differences.get(key, Difference(name, evidence))
                where = dict.fromkeys([*difference.where, f"degree-{degree}", kind])
                differences[key] = replace(difference, where=tuple(where))
    words = "; ".join(dict.fromkeys(told.values()))
    return Stage("outside", f"beyond the domain: {words}", tuple(differences.values())), subject


def _away(subject: Subject, spec: LayerSpec) -> FloatArray:
    """Points below a, then as many above b."""
    a, b = spec.domain
    away = (b - a) * np.array(AWAY)
    return round_to(subject.dtype, np.concatenate([a - away, b + away]))


def _gradients(subject: Subject, spec: LayerSpec) -> list[Difference]:
    """Parts and gradients beyond the domain, where splines follow the requested rule."""
    kind = "uniform" if spec.kind == "uniform" else "arbitrary"
    if subject.by_rows or (spec.degree, kind) not in [*subject.right, *subject.blurred]:
        return []
    of = f" beyond the domain under the rule {spec.outside!r}"
    declared = tuple(subject.declared.parts)
    known = subject.wrong_gradients | subject.unanswered | {"knot-gradients"}
    known |= {"second-derivatives"} if subject.blurred or "input-gradients" in subject.wrong_gradients else set()
    for parts in ((), declared)[: 1 + bool(declared and "parts" not in subject.differing)]:
        layer = subject.with_parts((3, 1), parts, degree=spec.degree, kind=kind, outside=spec.outside)
        situation = Situation(layer, _away(subject, spec)[:, None], of=of + " of layers with parts" * bool(parts))
        seen = against_truth(subject, situation, without=known)
        if seen and not ("values" in seen and set(subject.differing) & VALUES):  # reported by an earlier stage
            return next(iter(seen.values()))
    return []


def _asked(subject: Subject) -> list[tuple[int, str]]:
    """Degrees 1 to 3 or the nearest, on equally spaced and other knots, as long as functions are right inside."""
    known = list(subject.right or subject.blurred)
    chosen = [pair for pair in known if pair[1] in ("uniform", "arbitrary")] or known
    if max(subject.degrees) and not any(degree for degree, _ in chosen):
        raise NoAnswerError("the functions inside differ from the requested ones")
    return [pair for pair in chosen if pair[0] in (1, 2, 3)] or chosen[:1]


def followed(subject: Subject, spec: LayerSpec) -> str:
    """What functions are on both sides, or on the wrong side only."""
    x = _away(subject, spec)
    theirs, (a, b) = subject.basis(spec, x), spec.domain
    if not np.isfinite(theirs).all():
        return "not finite"
    asked, room = subject.asked_for(spec, x)
    room = np.maximum(room * max(1.0, subject.rough / subject.eps), max(subject.noise, FLOOR * subject.eps))
    if close(theirs, asked, room):
        return DOES[spec.outside]
    told, rule = {}, DOES[spec.outside]
    for words, side in (("below a", x < a), ("above b", x > b)):
        right = close(theirs[side], asked[side], room[side])
        told[words] = [rule] * right + _on_side(subject, spec, x[side], theirs[side], asked[side], room[side])
    both = [does for does in told["below a"] if does in told["above b"]]
    if spec.order == 2 and DOES["polynomial"] in both and spec.outside == "linear":
        return DOES["linear"]  # of degree 1 they are the same
    return (both or [", ".join(f"{words} {does[0]}" for words, does in told.items() if does[0] != rule)])[0]


def _on_side(
    subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray, asked: FloatArray, room: FloatArray
) -> list[str]:  # fmt: skip
    """What functions are beyond one end: all explanations that fit."""
    (a, b), (natural, _) = spec.domain, subject.asked_for(replace(spec, outside="natural"), x)
    told = [DOES["natural"]] * close(theirs, natural, room) + _expansion(spec, x, theirs, room)
    near: Array = np.abs(x - np.clip(x, a, b)) < b - a
    images = {"those of the point reflected at the end": np.where(x > b, 2 * b - x, 2 * a - x),
              "those of the point a period away": a + np.mod(x - a, b - a)}  # fmt: skip
    for words, image in images.items():
        inside, _ = subject.asked_for(spec, np.clip(image, a, b))
        told += [words] * close(theirs[near], inside[near], 16 * room.max())
    total = np.abs(asked.sum(axis=1, keepdims=True))
    told += ["those of the rule divided by their sum"] * (
        close(theirs * total, asked, subject.tolerance(4.0)) and bool(total.any()))  # fmt: skip
    told = told or _other_piece(spec, x, theirs, room) or _lines(spec, x, theirs, room)
    told = told or _at_clipped_points(subject, spec, x, theirs) or _times_a_function(subject, spec, x, theirs, asked)
    right: Array = np.asarray((np.abs(theirs - asked) <= room).all(axis=1))
    if told or not right[0] or right.all() or (np.diff(right.astype(int)) > 0).any():
        off = (np.abs(theirs - asked) > room).any(axis=0)
        zero = ", which are zero" if not theirs[:, off].any() else _in_force(theirs, asked, float(room.max()))
        which = f"{numbers(np.flatnonzero(off).tolist())} of {off.size}"
        return told or [f"those of the rule except for functions {which}{zero}"]
    far = theirs[~right]
    constant = ", constant from there" * bool(len(far) > 1 and np.ptp(far, axis=0).max() <= room.max())
    constant = constant or _in_force(far, asked[~right], float(room.max()))
    return [f"those of the rule only up to x = {x[right][-1]:.6g}, others at x = {x[~right][0]:.6g}{constant}"]


def _at_clipped_points(subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray) -> list[str]:
    """The rule at points that are clipped beyond the end: by Marsden's identity the last point in use."""
    last = float(theirs[-1] @ greville_points(spec.knots[0], spec.order))
    end = np.clip(x[-1], *spec.domain)
    if not 0 < (last - end) / (x[-1] - end) < 1:
        return []
    at = np.minimum(x, last) if last > end else np.maximum(x, last)
    clipped, room = subject.asked_for(spec, at)
    if not close(theirs, clipped, 64 * room.max()):
        return []
    share = abs(last - end) / np.ptp(spec.domain)
    return [f"those of the rule at x clipped at {last:.6g}, {share:.4g} of the length of the domain beyond the end"]


def _times_a_function(
    subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray, asked: FloatArray
) -> list[str]:  # fmt: skip
    """The rule multiplied by a known function of the distance from the end."""
    size = (asked * asked).sum(axis=1)
    if not size.all():
        return []
    k = (theirs * asked).sum(axis=1) / size
    if not close(theirs, k[:, None] * asked, subject.tolerance(4 * largest(asked))):
        return []
    if np.ptp(k) <= 1e-9 * largest(k):
        return [f"those of the rule multiplied by {k[0]:.6g}"]
    known = factor_in_words(np.abs(x - np.clip(x, *spec.domain)), k)
    return [f"those of the rule multiplied by {known}, with x the distance from the end"] if known else []


def _in_force(theirs: FloatArray, asked: FloatArray, room: float) -> str:
    """Which functions should be zero but are not, (N, dim), in words; "" if none."""
    used, right = (np.flatnonzero((np.abs(rows) > room).any(axis=0)).tolist() for rows in (theirs, asked))
    if not used or set(used) <= set(right):
        return ""
    shown, dim = [v for v in used if v not in right], theirs.shape[-1]
    which = ", the last ones" if shown[-1] == dim - 1 else ", the first ones" if shown[0] == 0 else ""
    return f": functions {numbers(shown)} of {dim} are not zero there{which}"


def _other_piece(spec: LayerSpec, x: FloatArray, theirs: FloatArray, room: FloatArray) -> list[str]:
    """Pieces of other intervals continued at some of the points, the right ones at the others."""
    t, r = spec.knots[0], spec.order
    own = np.searchsorted(t, x, side="right") - 1
    pieces = np.stack([recursion(t, r, x, m) for m in range(-1, t.size)], axis=0)
    equal = np.asarray((np.abs(pieces - theirs) <= 64 * room).all(axis=2))
    right = equal[own + 1, np.arange(x.size)]
    if not equal.any(axis=0).all() or right.all():
        return []
    used = equal.argmax(axis=0)[~right] - 1 - (r - 1)
    at = ", ".join(f"interval {m} at x = {v:.4g}" for m, v in zip(used, x[~right], strict=True))
    return [f"pieces of other intervals continued ({at}, of intervals 0 to {spec.intervals - 1} of the domain)"]


def _lines(spec: LayerSpec, x: FloatArray, theirs: FloatArray, room: FloatArray) -> list[str]:
    """Straight lines from the values at the end."""
    end = spec.domain[int(x[0] > spec.domain[1])]
    away = (x - end)[:, None]
    slopes = (theirs[-1] - theirs[0]) / (away[-1] - away[0])
    line = true_rows(spec.knots[0], spec.order, np.array([end])) + slopes * away
    straight = close(theirs, line, 256 * float(room.max()))
    return ["straight lines from the values at the end, with slopes other than those there"] * straight


def _expansion(spec: LayerSpec, x: FloatArray, theirs: FloatArray, room: FloatArray) -> list[str]:
    """The factors of the powers at both end points, if they leave only rounding."""
    t, right = spec.knots[0], x[0] > spec.domain[1]
    ends = np.array(spec.domain[::-1] if right else spec.domain)
    away = (x - ends[0])[:, None]
    powers = [away**k / factorial(k) * true_rows(t, spec.order, ends[j : j + 1], k)
              for j in range(2) for k in range(spec.order)]  # fmt: skip
    A = np.stack([term.ravel() for term in powers], axis=1)
    scale = np.abs(A).max(axis=0)
    c = np.linalg.lstsq(A / scale, theirs.ravel(), rcond=1e-12)[0] / scale
    if largest(A @ c - theirs.ravel()) > max(64 * float(room.max()), 2.0**-40 * largest(A)):
        return []
    own, other = np.round(c, 6).reshape(2, -1) + 0.0
    if not other.any() and largest(own - 1) < 1e-6:
        return [DOES["polynomial"]]
    rule = RULE_OF.get(tuple(np.trim_zeros(own, "b").tolist()))
    if rule and not other.any():
        return [DOES[rule]]
    if np.count_nonzero(own) + np.count_nonzero(other) > FACTORS:
        return []
    named = ("values", "slopes", "second derivatives", "third derivatives", "fourth derivatives", "fifth derivatives")
    told = [f"{v:.4g} times its {n}" for v, n in zip(own, named, strict=False) if v]
    told += [f"{v:.4g} times the {n} of the other end" for v, n in zip(other, named, strict=False) if v]
    return [f"the end piece continued with {', '.join(told)}"]
