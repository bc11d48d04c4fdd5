r"""Stage 7: what the functions are beyond the ends of the domain.

Functions that are right inside are asked for at points beyond each end e: among the exterior knots, and beyond them
all. On each side they are those of the rule asked for; or they are

    sum_k (c_k b_i^(k)(e) + d_k b_i^(k)(e')) (x - e)^k / k!,  k = 0 .. degree,

e' the other end, with the factors c, d of least squares: c = 1 is the end piece continued, (1, 1, 0, ...) the tangent,
(1, 0, ...) the end value, 0 is zero; or they are those inside, at the point reflected or a period away; or those of the
rule divided by their sum; or some of them are others.
"""

from dataclasses import replace
from math import factorial

import numpy as np

from refkan.base.array_types import Array, FloatArray
from refkan.conformance.cases.specs import RULES, LayerSpec
from refkan.conformance.cases.truths.precision import round_to
from refkan.conformance.identification.gradients.own_gradients import VALUES, against_truth
from refkan.conformance.identification.gradients.situations import Situation
from refkan.conformance.identification.gradients.slopes import true_rows
from refkan.conformance.identification.matrix_shapes import numbers
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import NoAnswerError, Subject

DOES = {
    "natural": "the basis functions' own values, which end with the knots",
    "linear": "the tangent at the end point",
    "polynomial": "the end piece continued",
    "constant": "the values at the end points",
    "zero": "zero",
}
"""What a rule gives, in words."""

IMAGES = ("those of the point reflected at the end", "those of the point a period away")

OVER_SUM = "those of the rule divided by their sum"

PLAIN = (*DOES.values(), "not finite", *IMAGES, OVER_SUM)
"""What functions that are blurred inside may be said to be."""

FLOOR = 64
"""Of eps: where functions are zero rounding leaves as much of others."""

FACTORS = 3
"""Of powers at the ends, that are told at most."""

AWAY = (5 / 64, 23 / 64, 35 / 64, 67 / 64, 195 / 64)
"""Lengths of the domain beyond its ends."""


def outside(subject: Subject) -> Stage:
    """Return which rule the layer follows beyond the ends of the domain."""
    if subject.stretched:
        return Stage("outside", unknown="not asked where samples beyond the domain change the knots")
    if subject.behind:
        return Stage("outside", unknown=f"not asked behind {subject.behind}")
    if not (subject.right or subject.blurred):
        return Stage("outside", unknown="the functions inside are others than those asked for")
    declared = [rule for rule in RULES if rule in subject.declared.outside]
    if "exterior knots" in subject.names:
        declared = [rule for rule in declared if rule != "natural"]
    if "other right end" in subject.names:  # from which it goes on
        declared = [rule for rule in declared if rule != "linear"]
    rows, subject.rows = subject.rows, 1 if "samples mixed" in subject.names else subject.rows  # by rows far away
    differences: dict[str, Difference] = {}
    told: dict[str, str] = {}
    for degree, kind in _asked(subject):
        for rule in declared or ["natural"]:
            spec = subject.spec((2, 1), degree=degree, kind=kind, outside=rule)
            try:
                does = followed(subject, spec)
            except NoAnswerError as error:
                does = f"not told: {error}"
            told.setdefault(rule, does)
            of_slopes = rule == "linear" and "input-gradients" in subject.wrong_gradients
            if not declared or of_slopes:
                continue
            if does == DOES[rule] and degree and (kind == subject.kind or degree == subject.degree):
                named = [d for d in _gradients(subject, spec) if d.sure == "exact" or not subject.blurred]
                differences |= {f"{difference.name} {rule}": difference for difference in named}
            elif does != DOES[rule] and (not subject.blurred or does in PLAIN):
                evidence = {"asked": rule, "does": f"functions are {does}"}
                vague = "those of the rule " in does and does not in PLAIN
                key = f"{rule} {'but for' if vague else does}"  # which ones is told once
                name = "outside the domain" if subject.blurred else "only outside the domain"
                difference = differences.get(key, Difference(name, evidence))
                where = dict.fromkeys([*difference.where, f"degree-{degree}", kind])
                differences[key] = replace(difference, where=tuple(where))
    subject.rows = rows
    words = "; ".join(dict.fromkeys(told.values()))
    return Stage("outside", f"beyond the domain: {words}", tuple(differences.values()))


def _away(subject: Subject, spec: LayerSpec) -> FloatArray:
    """Points below a, then as many above b."""
    a, b = spec.domain
    away = (b - a) * np.array(AWAY)
    return round_to(subject.dtype, np.concatenate([a - away, b + away]))


def _gradients(subject: Subject, spec: LayerSpec) -> list[Difference]:
    """Parts and gradients beyond the domain, where splines are those of the rule asked for."""
    kind = "uniform" if spec.kind == "uniform" else "arbitrary"
    if subject.by_rows or (spec.degree, kind) not in [*subject.right, *subject.blurred]:
        return []
    of = f" beyond the domain under the rule {spec.outside!r}"
    known = subject.wrong_gradients | subject.unanswered | {"knot-gradients"}
    if subject.blurred or "input-gradients" in subject.wrong_gradients:
        known |= {"second-derivatives"}
    differences = list[Difference]()
    declared = () if "parts" in subject.differing else tuple(subject.declared.parts)
    for parts in dict.fromkeys(((), declared)):
        layer = subject.with_parts((3, 1), parts, degree=spec.degree, kind=kind, outside=spec.outside)
        situation = Situation(layer, _away(subject, spec)[:, None], of=of + " of layers with parts" * bool(parts))
        seen = against_truth(subject, situation, without=frozenset(known))
        if "values" in seen and set(subject.differing) & VALUES:
            continue  # told by an earlier stage
        for told in seen.values():
            differences += [] if differences else told
    return differences


def _asked(subject: Subject) -> list[tuple[int, str]]:
    """Degrees 1 to 3 or the nearest, on equally spaced knots and others, where functions are right inside."""
    known = subject.right or subject.blurred
    chosen = [pair for pair in known if pair[1] in ("uniform", "arbitrary")] or known
    if max(subject.degrees) and not any(degree for degree, _ in chosen):
        raise NoAnswerError("the functions inside are others than those asked for")
    return [pair for pair in chosen if pair[0] in (1, 2, 3)] or chosen[:1]


def followed(subject: Subject, spec: LayerSpec) -> str:
    """What functions are on both sides, or on the one on which they are not what was asked for."""
    x = _away(subject, spec)
    theirs, (a, b) = subject.basis(spec, x), spec.domain
    if not np.isfinite(theirs).all():
        return "not finite"
    asked, room = subject.asked_for(spec, x)
    room = np.maximum(room * max(1.0, subject.rough / subject.eps), max(subject.noise, FLOOR * subject.eps))
    if (np.abs(theirs - asked) <= room).all():
        return DOES[spec.outside]
    told = {}
    for words, side in (("below a", x < a), ("above b", x > b)):
        right = (np.abs(theirs - asked) <= room)[side].all()
        told[words] = [DOES[spec.outside]] * bool(right) + _on_side(
            subject, spec, x[side], theirs[side], asked[side], room[side]
        )
    both = [does for does in told["below a"] if does in told["above b"]]
    if spec.order == 2 and DOES["polynomial"] in both and spec.outside == "linear":
        return DOES["linear"]  # of degree 1 they are the same
    if both:
        return both[0]
    return ", ".join(f"{words} {does[0]}" for words, does in told.items() if does[0] != DOES[spec.outside])


def _on_side(
    subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray, asked: FloatArray, room: FloatArray
) -> list[str]:  # fmt: skip
    """What functions are beyond one end: all that fits."""
    (a, b), (natural, _) = spec.domain, subject.asked_for(replace(spec, outside="natural"), x)
    told = [DOES["natural"]] * bool((np.abs(theirs - natural) <= room).all()) + _expansion(spec, x, theirs, room)
    near: Array = np.abs(x - np.clip(x, a, b)) < b - a
    for words, image in zip(IMAGES, (np.where(x > b, 2 * b - x, 2 * a - x), a + np.mod(x - a, b - a)), strict=True):
        inside, _ = subject.asked_for(spec, np.clip(image, a, b))
        told += [words] * bool((np.abs(theirs - inside) <= 16 * room.max())[near].all())
    total = np.abs(asked.sum(axis=1, keepdims=True))
    told += [OVER_SUM] * bool((np.abs(theirs * total - asked) <= subject.tolerance(4.0)).all() and total.any())
    if told:
        return told
    off = np.abs(theirs - asked) > room
    at, which = x[off.any(axis=1)], np.flatnonzero(off.any(axis=0))
    told = [f"those of the rule but for functions {numbers(which.tolist())} of {spec.dim}"]
    zero = ", which are zero" * (not theirs[off].any())
    return [f"{told[0]}{zero}" + f" at x = {', '.join(f'{v:.4g}' for v in at)} alone" * (at.size < x.size)]


def _expansion(spec: LayerSpec, x: FloatArray, theirs: FloatArray, room: FloatArray) -> list[str]:
    """The factors of the powers at both end points, if they leave nothing but rounding."""
    t, right = spec.knots[0], x[0] > spec.domain[1]
    ends = np.array(spec.domain[::-1] if right else spec.domain)
    away = (x - ends[0])[:, None]
    powers = [away**k / factorial(k) * true_rows(t, spec.order, ends[j : j + 1], k)
              for j in range(2) for k in range(spec.order)]  # fmt: skip
    A = np.stack([term.ravel() for term in powers], axis=1)
    scale = np.abs(A).max(axis=0)
    c = np.linalg.lstsq(A / scale, theirs.ravel(), rcond=1e-12)[0] / scale
    if np.abs(A @ c - theirs.ravel()).max() > max(64 * float(room.max()), 2.0**-40 * np.abs(A).max()):
        return []
    c = np.round(c, 6) + 0.0
    for rule, n in (("polynomial", spec.order), ("zero", 0), ("constant", 1), ("linear", 2)):
        if np.array_equal(c, np.arange(c.size) < n):
            return [DOES[rule]]
    if np.count_nonzero(c) > FACTORS:
        return []
    named = ["values", "slopes", *(f"derivatives of order {k}" for k in range(2, spec.order))]
    whose = [f"{of} {what}" for of in ("its", "the other end's") for what in named]
    told = [f"{v:.4g} times {what}" for v, what in zip(c, whose, strict=True) if v]
    return [f"the end piece continued with {', '.join(told)}"]
