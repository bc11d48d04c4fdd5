r"""Stage 6: of what gradients are the gradients.

They are compared with those of the layer's own function, as the stages before identified it: a wrong function with its
right gradient is one defect. In the coefficients the function is linear, so that unit responses R are its Jacobian, and
the gradient of sum dy y is R^T dy. In x it is smooth inside intervals: see `slopes`.

Cotangents of one output and one sample make arrays whose axes are samples, outputs, inputs, coefficients: what was done
to them is a rearrangement and factors again.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from refkan.conformance.cases import PARTS, reweighted
from refkan.conformance.identification.explanations import placed
from refkan.conformance.identification.gradients.asked_gradients import SAMPLES, asked_layer, at_knots, calls_and_sums
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.input_gradients import DETACHED, of_what
from refkan.conformance.identification.gradients.other_settings import against_truth, of_gauss_newton, of_settings
from refkan.conformance.identification.gradients.situations import Situation
from refkan.conformance.identification.reported import Difference, Stage
from refkan.conformance.identification.subject import NoAnswerError, Subject

UNSTABLE = {"gradients accumulate", "stale gradient", "not deterministic"}
"""Differences after which no other gradient of a batch can be asked for."""

UNNAMED = {"gradient is another", "gradient not linear"}
"""Differences of which no cause is known."""

QUANTITIES = {
    "coefficients": ("coefficient-gradients", "gauss-newton", "repeatability"),
    "inputs": ("input-gradients", "second-derivatives", "repeatability"), "second": ("second-derivatives",),
    "gauss-newton": ("gauss-newton",), "parts": tuple(f"{part}-gradients" for part in PARTS),
}  # fmt: skip
"""What a difference in derivatives bears on."""


def gradients(subject: Subject) -> Stage:
    """Return of what the declared derivatives are derivatives."""
    if subject.nonlinear:
        raise NoAnswerError(subject.nonlinear)
    declared = {"settings", *subject.declared.derivatives}
    differences = list[Difference]()
    told, reasons = [], []
    if subject.declared.parts:
        more = {"coefficients": "parts", "inputs": "inputs-with-parts"}
        declared |= {with_parts for name, with_parts in more.items() if name in declared}
    asks: dict[str, Callable[[Subject], list[Difference]]] = {
        "coefficients": partial(_first, "coefficients"), "parts": of_parts, "inputs": partial(_first, "inputs"),
        "second": partial(_first, "second"), "gauss-newton": of_gauss_newton,
        "inputs-with-parts": of_inputs_with_parts, "settings": of_settings,
    }  # fmt: skip
    for name, ask in asks.items():
        unstable = bool(UNSTABLE & {d.name for d in differences}) and not subject.renewed
        if name not in declared or (name == "parts" and unstable):
            continue
        try:
            difference = ask(subject)
            if UNSTABLE & {d.name for d in difference}:
                subject.renewed = True  # a new model for each call
                again = ask(subject)
                subject.renewed = not UNSTABLE & {d.name for d in again}
                difference += again if subject.renewed else []
        except NoAnswerError as error:
            reasons.append(f"{name}: {error}")
            subject.unanswered |= _of(name)
            continue
        differences += difference
        subject.wrong_gradients = frozenset(difference.quantities[0] for difference in differences)
        told += [] if difference or name in ("settings", "inputs-with-parts") else [name]
    if "changed by a call" in subject.names:  # within the call, too
        differences = [d for d in differences if d.name not in UNNAMED and not d.name.endswith(" gradients")]
        reasons.append("a call changes the model of which it is asked")
    told = [name for name in told if not subject.wrong_gradients & _of(name)]
    words = f"those of the layer's own function in {', '.join(told)}" if told else "not declared" * (len(declared) == 1)
    return Stage("gradients", words, tuple(differences), "; ".join(reasons))


def _of(name: str) -> frozenset[str]:
    """The quantities that are asked for under a name."""
    return frozenset(QUANTITIES.get(name, ())[: None if name == "parts" else 1])


def whatever_values(subject: Subject) -> list[Difference]:
    """Gradients of a layer whose values are no function of a sample alone: simple multiples of the right ones."""
    seen = against_truth(subject, Situation(*asked_layer(subject)), without=frozenset({"values"}))
    named = ("constant factor", "sign", DETACHED)
    return [difference for told in seen.values() for difference in told if difference.name in named]


def _first(name: str, subject: Subject) -> list[Difference]:
    """What differs in the first degree in which something does; functions of degree 0 are constant on intervals."""
    for degree in sorted(filter(None, subject.degrees), key=lambda degree: (degree != subject.degree, degree)):
        if differences := of_degree(subject, name, degree):
            return placed(differences, where=() if degree == subject.degree else (f"degree-{degree}",))
    return []


def of_degree(subject: Subject, name: str, degree: int) -> list[Difference]:
    """Derivatives of layers of splines alone, of a degree."""
    spec, x = asked_layer(subject, degree=degree)
    d = Derivatives(subject, Situation(spec, x), name)
    if spec.degree < d.order:
        return []
    asked = name != "second" and (degree == subject.degree or not d.is_true)
    told = (calls_and_sums(d) if asked else []) or of_what(d) or (at_knots(d) if d.order else [])
    return placed(told, quantities=QUANTITIES[name])


def of_parts(subject: Subject) -> list[Difference]:
    """Gradients in the parts beside splines, and in coefficients beside them."""
    spec, differences = subject.with_parts(), list[Difference]()
    situation = Situation(spec, subject.samples(spec, SAMPLES, 5), of=" of layers with parts")
    for name in ("coefficients", *spec.parts):
        quantity = f"{name.removesuffix('s') if name == 'coefficients' else name}-gradients"
        if quantity not in subject.wrong_gradients:
            d = Derivatives(subject, situation, name, f"gradients in {name} of layers with parts")
            differences += placed(of_what(d), quantities=(quantity,))
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
