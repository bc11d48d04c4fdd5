r"""Stage 6: of which function the gradients are derivatives.

They are compared with those of the layer's own function, as the stages before identified it: a wrong function with its
right gradient is one defect. The function is linear in the coefficients, so unit responses R are its Jacobian, and the
gradient of sum dy y is R^T dy. In x it is smooth inside intervals.

Cotangents of one output and one sample give arrays with axes samples, outputs, inputs, coefficients: errors are again
explained by rearrangements and factors.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LARGEST_ROUNDING, PARTS, reweighted
from refkan.conformance.identification.explanations import placed
from refkan.conformance.identification.gradients.derivatives_asked import GRADIENTS, Derivatives
from refkan.conformance.identification.gradients.gauss_newton_matrices import of_gauss_newton
from refkan.conformance.identification.gradients.input_gradients import (
    DETACHED,
    at_knots,
    flushed,
    mapped,
    of_what,
    rounded_gradients,
)
from refkan.conformance.identification.gradients.other_settings import against_truth, of_settings
from refkan.conformance.identification.gradients.situations import SAMPLES, Situation, asked_layer
from refkan.conformance.identification.reported import Difference, Stage, close, factor_of, largest, not_equal, only
from refkan.conformance.identification.subject import NoAnswerError, Subject

UNSTABLE = {"gradients accumulate", "stale gradient", "not deterministic"}
"""Differences after which no other gradient of a batch can be tested."""

UNNAMED = {"gradient is another", "gradient not linear"}
"""Differences without a known cause."""

QUANTITIES = {
    "coefficients": ("coefficient-gradients", "gauss-newton", "repeatability"),
    "inputs": ("input-gradients", "second-derivatives", "repeatability"), "second": ("second-derivatives",),
    "gauss-newton": ("gauss-newton",), "parts": tuple(f"{part}-gradients" for part in PARTS),
}  # fmt: skip
"""Quantities that a difference in derivatives affects."""


Question = Callable[[Subject], list[Difference]]

SCALES = (2.0**12, 2.0**-20)
"""Scales of cotangents: some limits show only at large ones, others only at small ones."""


def gradients(subject: Subject) -> tuple[Stage, Subject]:
    """Return of which function the declared derivatives are derivatives."""
    if subject.nonlinear:
        raise NoAnswerError(subject.nonlinear)
    declared = {"settings", *subject.declared.derivatives}
    if subject.declared.parts:
        more = {"coefficients": "parts", "inputs": "inputs-with-parts"}
        declared |= {with_parts for name, with_parts in more.items() if name in declared}
    differences, right, reasons = list[Difference](), list[str](), list[str]()
    for name, ask in ASKS.items():
        if name not in declared or (name == "parts" and _is_unstable(differences) and not subject.renewed):
            continue
        try:
            told, subject = _asked_twice(subject, ask)
        except NoAnswerError as error:
            reasons.append(f"{name}: {error}")
            subject = replace(subject, unanswered=subject.unanswered | _of(name))
            continue
        differences += told
        wrong = frozenset(difference.quantities[0] for difference in differences)
        subject = replace(subject, wrong_gradients=wrong)
        if not told and name not in ("settings", "inputs-with-parts"):
            right.append(name)
    if "changed by a call" in subject.names:  # within the call, too
        differences = [d for d in differences if d.name not in UNNAMED and not d.name.endswith(" gradients")]
        reasons.append("a call changes its model")
    right = [name for name in right if not subject.wrong_gradients & _of(name)]
    words = "not declared" if len(declared) == 1 else ""
    if right:
        words = f"those of the layer's own function in {', '.join(right)}"
    return Stage("gradients", words, tuple(differences), "; ".join(reasons)), subject


def _is_unstable(differences: Iterable[Difference]) -> bool:
    """Whether gradients depend on earlier calls."""
    return bool(UNSTABLE & {difference.name for difference in differences})


def _asked_twice(subject: Subject, ask: Question) -> tuple[list[Difference], Subject]:
    """The answer to a question; if it depends on earlier calls, that with a new model for each call, too."""
    told = ask(subject)
    if not _is_unstable(told):
        return told, subject
    renewed = replace(subject, renewed=True)
    again = ask(renewed)
    if _is_unstable(again):
        return told, replace(subject, renewed=False)
    return told + again, renewed


def _of(name: str) -> frozenset[str]:
    """The quantities of cases for a name of derivatives."""
    return frozenset(QUANTITIES.get(name, ())[: None if name == "parts" else 1])


def whatever_values(subject: Subject) -> list[Difference]:
    """Gradients of a layer whose values depend on more than the sample: only simple multiples of the right ones."""
    seen = against_truth(subject, Situation(*asked_layer(subject)), without=frozenset({"values"}))
    named = ("constant factor", "sign", DETACHED)
    return [difference for told in seen.values() for difference in told if difference.name in named]


def gradients_alone(subject: Subject) -> tuple[Stage, Subject]:
    """Gradients of a layer that no other stage can test; input gradients by its values if rows do not mix."""
    told = whatever_values(subject)
    for name in ("inputs", "second") if subject.nonlinear else ():
        if not told and name in subject.declared.derivatives:
            told = of_degree(subject, name, subject.degree)
    return Stage("gradients", "", tuple(told), subject.depends), subject


def _first(name: str, subject: Subject) -> list[Difference]:
    """The differences in the first degree that has any; functions of degree 0 are constant on intervals."""
    for degree in sorted(filter(None, subject.degrees), key=lambda degree: (degree != subject.degree, degree)):
        differences = of_degree(subject, name, degree)
        if differences:
            return placed(differences, where=() if degree == subject.degree else (f"degree-{degree}",))
    return []


def of_degree(subject: Subject, name: str, degree: int) -> list[Difference]:
    """Derivatives of layers with only splines, of one degree."""
    spec, x = asked_layer(subject, degree=degree)
    d = Derivatives(subject, Situation(spec, x), name)
    if spec.degree < d.order:
        return []
    asked = name != "second" and (degree == subject.degree or not d.is_true)
    told = (_calls_and_sums(d) if asked else []) or of_what(d) or (at_knots(d) if d.order else [])
    return placed(told, quantities=QUANTITIES[name])


def of_parts(subject: Subject) -> list[Difference]:
    """Gradients in the parts besides splines, and in coefficients of layers with such parts."""
    spec, differences = subject.with_parts(), list[Difference]()
    situation = Situation(spec, subject.samples(spec, SAMPLES, 5), of=" of layers with parts")
    for name in ("coefficients", *spec.parts):
        if GRADIENTS[name] not in subject.wrong_gradients:
            differences += placed(of_what(Derivatives(subject, situation, name)), quantities=(GRADIENTS[name],))
    return differences


def of_inputs_with_parts(subject: Subject) -> list[Difference]:
    """Derivatives in the inputs of layers with parts, whole and part by part."""
    whole = subject.with_parts()
    alone = {"": whole, " of the base part": replace(whole, coefficients=0 * whole.coefficients),
             " of the splines": reweighted(whole, {"base": 0 * whole.part("base")})}  # fmt: skip
    x = subject.samples(whole, SAMPLES, 5)
    for name in ("inputs", "second")[: 1 + ("second" in subject.declared.derivatives)]:
        if QUANTITIES[name][0] in subject.wrong_gradients:
            break  # of the splines alone they differ already
        for words, spec in alone.items():
            d = Derivatives(subject, Situation(spec, x, of=f"{words} of layers with parts"), name)
            told = of_what(d)
            if not told and not words:
                break
            if told and words:
                return placed(told, quantities=QUANTITIES[name])
    return []


def _calls_and_sums(d: Derivatives) -> list[Difference]:
    """Repeated calls, and linearity in the cotangents."""
    subject = d.subject
    spec = d.spec
    owner = d.owner
    x = d.x
    equal = np.array_equal
    dy, two = np.random.default_rng(5).integers(-8, 9, (2, len(x), spec.n_outputs)) / 4.0
    moved, model = x[::-1] + 2.0**-6, subject.build(spec)

    def asked(dy: FloatArray, at: FloatArray = x) -> FloatArray:
        return d.answer(dy, x=at, model=model)

    def told(name: str, how: str) -> list[Difference]:
        return only(name, what=owner, how=how)

    fresh, model = asked(dy), subject.build(spec)
    subject.raw(model, moved, spec.n_outputs)
    called = asked(dy)
    other = asked(dy, moved)
    first = asked(dy)
    again = asked(dy)
    if equal(other, first) and not equal(fresh, first):
        return told("stale gradient", "those of samples of an earlier call")
    if equal(called, other) and not equal(called, first):
        return told("stale gradient", "those of the samples at which values were computed")
    bad = int((~np.isfinite(first)).sum())
    if bad:
        return only("not finite", what=owner, count=bad, total=first.size)
    size = largest(first)
    room = subject.tolerance(size)
    if largest(again - first) > room:
        added = again - first
        more = asked(dy) - again
        share = factor_of(more, added)
        if share > 0 and close(more, share * added, room * 4):  # g = r g + own, r = share
            times = "" if abs(share - 1) < 1e-6 else f"{share:.4g} times "
            return told("gradients accumulate", f"each call adds to {times}those of the previous calls")
        model = subject.build(spec)
        asked(dy, moved)
        if equal(asked(dy), first):
            return told("stale gradient", "they differ after a call at other samples")
        return not_equal(f"{owner} in two calls", first, again)
    other, both = asked(two), asked(dy + two)
    left = largest(first + other - both)
    adds_up = left <= max(room * 4, 2.0**-18 * size)  # rounding is reported for single entries
    seen = SCALES if subject.eps < 2.0**-30 else ()
    scales = [s for s in seen if largest(asked(s * dy) - s * first) > s * room * 4]
    if adds_up and not scales:
        return []
    if close(first, other, room):
        of_sum = close(first, d.whole(np.ones(dy.shape), np.ones(x.shape)), room * 64)
        return told("cotangent ignored", "they are those of the sum of outputs" if of_sum else "all are equal")
    still = asked(0 * dy)
    if still.any():
        k = factor_of(still, spec.coefficients) if still.ndim == 3 else 0.0
        known = still.ndim == 3 and close(still, k * spec.coefficients, 1e-6 * largest(still))
        how = f"{k:.6g} times the coefficients are added" if known else "they are not zero for dy = 0"
        return told("gradient not linear", how)
    s = scales[0] if adds_up else 4.0
    scaled, opposite = asked(s * dy), asked(-dy)
    zeros = flushed(owner, first, d.whole(dy, np.ones(x.shape)) if first.ndim == 3 else first, room * len(x))
    if zeros:
        return zeros
    if s == 4 and left < LARGEST_ROUNDING * size and close(scaled, 4 * first, 8 * left):
        return rounded_gradients(owner, left / size, np.stack([first, other, both]))
    norm, of_scaled = (float(np.sqrt((g * g).sum())) for g in (first, scaled))
    limited = np.linalg.norm(asked(SCALES[1] * dy)) < 2.0**-8 * norm  # smaller where it is not
    most = both if s == 4 else scaled
    low, high = float(most.min()), float(most.max())
    if s > 1 and limited and (first * scaled).sum() > 0.999 * norm * of_scaled and of_scaled < 0.975 * s * norm:
        return told("gradient clipped", f"scaled down to a norm of {of_scaled:.6g} at most")
    if s > 1 and ((most >= high - room).sum() > 1 or (most <= low + room).sum() > 1):
        return told("gradient clipped", f"clipped at {low:.6g} and {high:.6g}")
    each_mapped = mapped(owner, first, d.whole(dy, np.ones(x.shape)), 64 * room)
    if each_mapped:
        return each_mapped
    sign = "the opposite" if close(first, -opposite, room) else "something else"
    sign = "the same" if close(first, opposite, room) else sign
    return told("gradient not linear", f"{s:.4g} dy gives {of_scaled / norm:.4g} times as much, -dy {sign}")


ASKS: dict[str, Question] = {
    "coefficients": partial(_first, "coefficients"),
    "parts": of_parts,
    "inputs": partial(_first, "inputs"),
    "second": partial(_first, "second"),
    "gauss-newton": of_gauss_newton,
    "inputs-with-parts": of_inputs_with_parts,
    "settings": of_settings,
}
"""What is asked of gradients, by the derivatives that must be declared."""
