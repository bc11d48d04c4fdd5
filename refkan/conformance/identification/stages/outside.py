r"""Stage 7: what the functions are beyond the ends of the domain.

Functions that are right inside are asked for at points beyond each end: among the exterior knots, and beyond them all.
They are compared with each rule that a layer may follow; else with values inside, at the point that Marsden's identity
gives (see `points_in_use`): reflected, or a period away.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import RULES, LayerSpec
from refkan.conformance.cases.truths.precision import round_to
from refkan.conformance.identification.explanations import explain
from refkan.conformance.identification.names import differences
from refkan.conformance.identification.slopes import derivatives
from refkan.conformance.identification.stages.asked_gradients import cotangent
from refkan.conformance.identification.stages.points_in_use import point_of
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import Subject

DOES = {
    "natural": "the basis functions' own values, which end with the knots",
    "linear": "the tangent at the end point",
    "polynomial": "the end piece continued",
    "constant": "the values at the end points",
    "zero": "zero",
}
"""What a rule gives, in words."""

AWAY = (5 / 64, 23 / 64, 35 / 64, 67 / 64, 195 / 64)
"""Lengths of the domain beyond its ends."""


def outside(subject: Subject) -> Stage:
    """Return which rule the layer follows beyond the ends of the domain."""
    if subject.behind:
        return Stage("outside", unknown=f"not asked behind {subject.behind}")
    if not subject.right:
        return Stage("outside", unknown="the functions inside are others than those asked for")
    declared = [rule for rule in RULES if rule in subject.declared.outside]
    found: dict[str, Difference] = {}
    told: dict[str, str] = {}
    for degree, kind in _asked(subject):
        for rule in declared or ["natural"]:
            spec = subject.spec((2, 1), degree=degree, kind=kind, outside=rule)
            does = followed(subject, spec)
            told.setdefault(rule, does)
            if declared and does != rule and not (rule == "linear" and subject.gradients_differ):
                name = "only outside the domain"
                evidence = {"asked": rule, "does": f"functions are {DOES.get(does, does)}"}
                one = found.get(f"{rule} {does}", Difference(name, evidence))
                where = dict.fromkeys([*one.where, f"degree-{degree}", kind])
                found[f"{rule} {does}"] = replace(one, where=tuple(where))
            elif declared and degree and "inputs" in subject.declared.derivatives and not subject.gradients_differ:
                for one in _gradients(subject, spec):
                    found.setdefault(f"{one.name} {rule}", one)
    words = "; ".join(dict.fromkeys(f"{DOES.get(does, does)}" for does in told.values()))
    return Stage("outside", f"beyond the domain: {words}", tuple(found.values()))


def _gradients(subject: Subject, spec: LayerSpec) -> tuple[Difference, ...]:
    """Input gradients beyond the domain against derivatives of the layer's own outputs there."""
    a, b = spec.domain
    away = (b - a) * np.array(AWAY)
    x = round_to(subject.dtype, np.concatenate([a - away, b + away]))[:, None]
    one = subject.spec(
        (3, 1), degree=spec.degree, kind="uniform" if spec.kind == "uniform" else "arbitrary", outside=spec.outside
    )
    own, model = derivatives(subject, one, x), subject.build(one)
    theirs = np.stack(
        [subject.gradients(model, x, cotangent(len(x), 3, q), {"inputs": x.shape})["inputs"] for q in range(3)], axis=1
    )
    seen = np.isfinite(own)
    size = float(np.abs(own[seen]).max(initial=0.0))
    room = max(2.0**-20, subject.eps * 2.0**30, 2.0**8 * subject.rough) * max(size, 1e-30)
    what = f"input gradients beyond the domain under the rule {spec.outside!r}"
    told = explain(np.where(seen, theirs, 0.0), np.where(seen, own, 0.0), ("sample", "output", "input"), room, what)
    quantity = ("input-gradients",)
    if told is None:
        left = float(np.abs(theirs - own)[seen].max() / size)
        return (Difference("gradient is another", {"what": what, "left": left}, sure="measured", quantities=quantity),)
    return differences(told, quantity, gradient=True)


def _asked(subject: Subject) -> list[tuple[int, str]]:
    """Degrees 1 to 3 or the nearest, on equally spaced knots and others, where functions are right inside."""
    chosen = [pair for pair in subject.right if pair[1] in ("uniform", "arbitrary")] or subject.right
    return [pair for pair in chosen if pair[0] in (1, 2, 3)] or chosen[:1]


def followed(subject: Subject, spec: LayerSpec) -> str:
    """The rule that functions follow, or what else they do."""
    a, b = spec.domain
    away = (b - a) * np.array(AWAY)
    x = round_to(subject.dtype, np.concatenate([a - away, b + away]))
    theirs = subject.basis(spec, x)
    if not np.isfinite(theirs).all():
        return "not finite"
    candidates = [spec.outside, *(rule for rule in DOES if rule != spec.outside)]
    for rule in candidates:
        value, room = rule_values(subject, spec, rule, x)
        if (np.abs(theirs - value) <= np.maximum(room, 0) * max(1.0, subject.rough / subject.eps)).all():
            return rule
    at = point_of(spec, theirs) if spec.degree else x
    size = subject.tolerance(4 * (b - a))
    for words, image in (
        ("those of the point reflected at the end", np.where(x > b, 2 * b - x, 2 * a - x)),
        ("those of the point a period away", a + np.mod(x - a, b - a)),
    ):
        near = np.abs(x - np.clip(x, a, b)) < b - a
        if (np.abs(at - image)[near] <= size).all():
            return words
    return "none of the rules known here"


def rule_values(subject: Subject, spec: LayerSpec, rule: str, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What the functions are under a rule, and what errors are allowed."""
    units = replace(spec, coefficients=np.eye(spec.dim)[:, None])
    if rule in RULES:
        return subject.truth(replace(units, outside=rule), x[:, None])
    value, room = subject.truth(units, np.clip(x, *spec.domain)[:, None], "closed")
    return (value, room) if rule == "constant" else (0 * value, room)
