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
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen
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


class Asked(Frozen):
    """Gradients of one model, asked again and again; `first` are those for the cotangents dy."""

    d: Derivatives
    model: Any
    dy: FloatArray
    first: FloatArray

    def __call__(self, dy: FloatArray) -> FloatArray:
        """The answer for other cotangents."""
        return self.d.answer(dy, x=self.d.x, model=self.model)

    @property
    def size(self) -> float:
        """The size of the first answer."""
        return largest(self.first)

    @property
    def room(self) -> float:
        """By how much answers of that size may differ by rounding."""
        return self.d.subject.tolerance(self.size)

    def whole(self, dy: FloatArray) -> FloatArray:
        """Derivatives of the layer's own function."""
        return self.d.whole(dy, np.ones(self.d.x.shape))

    def told(self, name: str, how: str) -> list[Difference]:
        """A difference of these gradients."""
        return only(name, what=self.d.owner, how=how)


def _calls_and_sums(d: Derivatives) -> list[Difference]:
    """Repeated calls, and linearity in the cotangents."""
    dy, two = np.random.default_rng(5).integers(-8, 9, (2, len(d.x), d.spec.n_outputs)) / 4.0
    told, asked = _of_calls(d, dy)
    return told or _of_sums(asked, two)


def _of_calls(d: Derivatives, dy: FloatArray) -> tuple[list[Difference], Asked]:
    """How gradients depend on earlier calls, of values and of gradients at other samples."""
    subject, equal = d.subject, np.array_equal
    moved, model = d.x[::-1] + 2.0**-6, subject.build(d.spec)
    fresh, model = d.answer(dy, x=d.x, model=model), subject.build(d.spec)
    subject.raw(model, moved, d.spec.n_outputs)
    called, other, first, again = (d.answer(dy, x=at, model=model) for at in (d.x, moved, d.x, d.x))
    asked = Asked(d, model, dy, first)
    bad = int((~np.isfinite(first)).sum())
    told = list[Difference]()
    if equal(other, first) and not equal(fresh, first):
        told = asked.told("stale gradient", "those of samples of an earlier call")
    elif equal(called, other) and not equal(called, first):
        told = asked.told("stale gradient", "those of the samples at which values were computed")
    elif bad:
        told = only("not finite", what=d.owner, count=bad, total=first.size)
    elif largest(again - first) > asked.room:
        told = _changed(asked, again, moved)
    return told, asked


def _changed(asked: Asked, again: FloatArray, moved: FloatArray) -> list[Difference]:
    """How gradients of two calls with the same arguments differ."""
    d, dy, first = asked.d, asked.dy, asked.first
    added = again - first
    more = asked(dy) - again
    share = factor_of(more, added)
    if share > 0 and close(more, share * added, asked.room * 4):  # g = r g + own, r = share
        times = "" if abs(share - 1) < 1e-6 else f"{share:.4g} times "
        return asked.told("gradients accumulate", f"each call adds to {times}those of the previous calls")
    model = d.subject.build(d.spec)
    d.answer(dy, x=moved, model=model)
    if np.array_equal(d.answer(dy, x=d.x, model=model), first):
        return asked.told("stale gradient", "they differ after a call at other samples")
    return not_equal(f"{d.owner} in two calls", first, again)


def _of_sums(asked: Asked, two: FloatArray) -> list[Difference]:
    """Whether gradients add up over cotangents, and grow with them; if not, what is wrong."""
    dy, first, room, spec = asked.dy, asked.first, asked.room, asked.d.spec
    other, both = asked(two), asked(dy + two)
    left = largest(first + other - both)
    adds_up = left <= max(room * 4, 2.0**-18 * asked.size)  # rounding is reported for single entries
    seen = SCALES if asked.d.subject.eps < 2.0**-30 else ()
    scales = [s for s in seen if largest(asked(s * dy) - s * first) > s * room * 4]
    if adds_up and not scales:
        return []
    if close(first, other, room):
        of_sum = close(first, asked.whole(np.ones(dy.shape)), room * 64)
        return asked.told("cotangent ignored", "they are those of the sum of outputs" if of_sum else "all are equal")
    still = asked(0 * dy)
    if still.any():
        return asked.told("gradient not linear", _added(still, spec.coefficients))
    right = asked.whole(dy)
    zeros = flushed(asked.d.owner, first, right if first.ndim == 3 else first, room * len(dy))
    scaled = asked(4.0 * dy)
    if zeros or adds_up:
        return zeros or _limited(asked, scales[0], asked(scales[0] * dy), right)
    if left < LARGEST_ROUNDING * asked.size and close(scaled, 4 * first, 8 * left):
        return rounded_gradients(asked.d.owner, left / asked.size, np.stack([first, other, both]))
    return _limited(asked, 4.0, scaled, right, both)


def _added(still: FloatArray, C: FloatArray) -> str:
    """What is added to gradients, as they are for dy = 0, in words."""
    for words, known in {"the coefficients": C, "the signs of the coefficients": np.sign(C)}.items():
        k = factor_of(still, known) if still.shape == C.shape else 0.0
        if k and close(still, k * known, 1e-6 * largest(still)):
            return f"{k:.6g} times {words} are added"
    return "they are not zero for dy = 0"


def _limited(
    asked: Asked, s: float, scaled: FloatArray, right: FloatArray, most: FloatArray | None = None
) -> list[Difference]:  # fmt: skip
    """How gradients are clipped or mapped, by those of s dy and, by default the same, the largest."""
    first, room = asked.first, asked.room
    most = scaled if most is None else most
    norm, of_scaled = (float(np.sqrt((g * g).sum())) for g in (first, scaled))
    limited = np.linalg.norm(asked(SCALES[1] * asked.dy)) < 2.0**-8 * norm  # smaller where it is not
    low, high = float(most.min()), float(most.max())
    if s > 1 and limited and (first * scaled).sum() > 0.999 * norm * of_scaled and of_scaled < 0.975 * s * norm:
        return asked.told("gradient clipped", f"scaled down to a norm of {of_scaled:.6g} at most")
    if s > 1 and ((most >= high - room).sum() > 1 or (most <= low + room).sum() > 1):
        return asked.told("gradient clipped", f"clipped at {low:.6g} and {high:.6g}")
    each_mapped = mapped(asked.d.owner, first, right, 64 * room)
    if each_mapped:
        return each_mapped
    opposite = asked(-asked.dy)
    sign = "the opposite" if close(first, -opposite, room) else "something else"
    sign = "the same" if close(first, opposite, room) else sign
    return asked.told("gradient not linear", f"{s:.4g} dy gives {of_scaled / norm:.4g} times as much, -dy {sign}")


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
