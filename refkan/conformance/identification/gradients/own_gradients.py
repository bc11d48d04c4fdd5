r"""Stage 6: of what gradients are the gradients.

They are compared with those of the layer's own function, as the stages before identified it: a wrong function with its
right gradient is one defect. In the coefficients the function is linear, so that unit responses R are its Jacobian, and
the gradient of sum dy y is R^T dy. In x it is smooth inside intervals: see `slopes`.

Every quantity of a layer is then compared with that of the layer asked for in many situations. One thing is changed
at a time: the degree, the knots, the sizes, the batch, the parts, the mode, the layout of arrays in memory. What
differs in the first situation, too, is no matter of settings; the rest is told with those in which it was seen.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.identification.explanations import placed
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.of_what import at_knots, calls_and_sums, of_what
from refkan.conformance.identification.gradients.situations import SAMPLES, Situation, asked_layer
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

UNSTABLE = {"gradients accumulate", "stale gradient", "not deterministic"}
"""Differences after which no other gradient of a batch can be asked for."""

BEARS_ON = {"coefficient-gradients": ("gauss-newton", "repeatability"),
            "input-gradients": ("second-derivatives", "repeatability")}  # fmt: skip
"""What a difference in derivatives bears on, too."""

QUANTITIES = {
    "values": "values", "coefficients": "coefficient-gradients", "inputs": "input-gradients",
    "second": "second-derivatives", "knots": "knot-gradients", "gauss-newton": "gauss-newton",
}  # fmt: skip
"""Names of quantities by those of what is declared."""

ALONE = ("values", "second", "gauss-newton")
"""What is asked for in calls of its own."""

MATRIX = 16
"""Samples times outputs of Gauss-Newton matrices, at most."""

LARGE = 1030
"""Samples of a large batch: beyond the usual sizes of blocks, and no multiple of them."""

MANY = 130
"""Inputs and outputs of wide layers."""

VALUES = {"calls", "arithmetic", "wiring", "sizes", "parts"}
"""Stages that ask for outputs in other settings."""

LAYOUTS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "strided": lambda array: np.repeat(np.repeat(array, 2, axis=0), 2, axis=1)[::2, ::2],
    "transposed": np.asfortranarray,
}
"""The same numbers, otherwise in memory."""


def against_truth(
    subject: Subject, situation: Situation, model: Any = None, without: frozenset[str] = frozenset()
) -> dict[str, list[Difference]]:
    """What is wrong with outputs, and if they are right with gradients of sum dy * y, by quantity."""
    spec, declared = situation.spec, subject.declared.derivatives
    can = {
        "values": True, "second": spec.order > 2 or "base" in spec.parts,
        "knots": spec.intervals > 1 and not spec.parts and spec.n_inputs < 8 and spec.order > 2
        and spec.kind != "repeated",
        "gauss-newton": "coefficient-gradients" not in without and not spec.parts
        and situation.cotangents.size <= MATRIX,
    }  # fmt: skip
    asked = {name: quantity for name, quantity in QUANTITIES.items() if name in ("values", *declared)}
    asked |= {part: f"{part}-gradients" for part in spec.parts if "coefficients" in declared}
    asked = {name: quantity for name, quantity in asked.items() if can.get(name, True) and quantity not in without}
    built = situation.model(subject) if model is None else model
    shapes = {name: Derivatives(subject, situation, name).shape for name in asked if name not in ALONE}
    answer = dict[str, FloatArray]()
    differences = dict[str, list[Difference]]()
    for name, quantity in asked.items():
        if name in shapes and not answer:  # of one call
            answer = _answer(subject, situation, built, shapes)
        given = built if name == "values" else model
        d = Derivatives(subject, situation, name, model=given, answered=answer.get(name))
        if d.is_true:
            continue
        strides = [Difference("strides ignored", {"what": d.owner, "layout": situation.laid})]
        if told := strides if situation.laid else of_what(d):
            differences[quantity] = placed(told, where=situation.where, quantities=(quantity, f"{quantity}-after"))
        if name == "values" and told:
            break
    return differences


def _answer(
    subject: Subject, situation: Situation, model: Any, shapes: dict[str, tuple[int, ...]]
) -> dict[str, FloatArray]:
    """All gradients of one call, of arrays as they lie in memory."""
    if not situation.laid:
        return subject.gradients(model, situation.x, situation.cotangents, shapes)
    answer = subject.asked("vjp", subject.adapter.vjp, model, situation.x, situation.cotangents)
    return {name: subject.read_gradient(answer, name, shape) for name, shape in shapes.items()}


def of_settings(subject: Subject) -> list[Difference]:
    """What differs in some settings alone, but for the quantities that are known to differ, or to follow."""
    if not subject.right:
        raise NoAnswerError("functions are others than those asked for")
    if 0 < subject.rows < BLOCK:
        return []
    known = subject.wrong_gradients
    known |= {"second-derivatives"} if "input-gradients" in known else set()
    return _in_situations(subject, _situations(subject), known)


def _in_situations(subject: Subject, situations: Iterable[Situation], known: frozenset[str]) -> list[Difference]:
    """What differs in some of the situations, those that share it together; the first is the one of other stages."""
    together, refused = dict[str, Difference](), list[Difference]()
    for k, situation in enumerate(situations):
        try:
            seen = against_truth(subject, situation, without=known)
        except NoAnswerError as error:
            if k == 0:
                raise
            refused.append(Difference("setting refused", {"reason": str(error)}, situation.where, "measured"))
            continue
        if "values" in seen and (k == 0 or set(subject.differing) & VALUES):
            if k == 0:
                raise NoAnswerError("outputs are others than those asked for")
            continue  # told by an earlier stage
        known |= set(seen) if k == 0 else set()
        for difference in (difference for told in seen.values() for difference in told):
            key = str((difference.name, *(difference.evidence.get(name) for name in ("what", "layout"))))
            kept = together.get(key, difference)
            together[key] = replace(kept, where=tuple(dict.fromkeys([*kept.where, *situation.where])))
    return [*together.values(), *refused[:1]]


def _situations(subject: Subject) -> Iterator[Situation]:
    """The first setting, and one for each thing that is changed."""
    degree, kind = min(subject.right, key=lambda pair: (pair[0] != subject.degree, pair[1] != subject.kind, -pair[0]))
    declared = tuple(subject.declared.parts)

    def at(
        where: str, shape: tuple[int, int] = (3, 2), n: int = BLOCK, parts: tuple[str, ...] = (), **more: Any
    ) -> Situation:
        spec = subject.with_parts(shape, parts, **{"degree": degree, "kind": kind, **more})
        return Situation(spec, np.resize(subject.samples(spec, min(n, BLOCK), 5), (n, shape[1])), (where,))

    first = replace(at(""), where=())
    yield first
    for d, k in subject.right:
        if (d == degree) != (k == kind) and d:
            yield at(f"degree-{d}" if d != degree else k, n=SAMPLES, degree=d, kind=k)
    yield at("1 sample", n=1)
    yield at(f"{LARGE} samples", n=LARGE)
    yield at("2 outputs, 2 inputs, 2 samples", shape=(2, 2), n=2)
    for Q, P in ((1, 1), (1, 2), (2, 1), (3, 3), (5, 7), (2, MANY), (MANY, 2)):
        yield at(f"{Q} output{'s' * (Q > 1)}, {P} input{'s' * (P > 1)}", shape=(Q, P))
    if subject.declared.intervals is None:
        for n in (1, BLOCK):
            yield at(f"{n} interval{'s' * (n > 1)}", intervals=n)
    if declared:
        yield at("with parts", parts=declared)
        yield at("with parts in square layers", shape=(3, 3), parts=declared)
        yield at(f"with parts, {LARGE} samples", n=LARGE, parts=declared)
    for words, training in (("in training", True), ("in evaluation", False)):
        yield replace(at(words, parts=declared), training=training)
    for words, laid in LAYOUTS.items():
        yield replace(first, dy=laid(first.cotangents), laid=f"cotangents lie {words}")
        yield replace(first, x=laid(first.x), laid=f"samples lie {words}")
    row = np.broadcast_to([0.5, -1.25, 2.0], (BLOCK, 3))
    yield replace(first, dy=row, laid="row of cotangents is expanded, not repeated")


def gradients(subject: Subject) -> Stage:
    """Return of what the declared derivatives are derivatives."""
    if subject.nonlinear:
        raise NoAnswerError(subject.nonlinear)
    if "changed by a call" in subject.names:
        subject.unanswered = frozenset(
            [*QUANTITIES.values(), *(f"{part}-gradients" for part in subject.declared.parts)]
        )
        raise NoAnswerError("a call changes the model of which it is asked")
    declared, differences = list(subject.declared.derivatives), list[Difference]()
    told, reasons = [], []
    if subject.declared.parts:
        declared.append("parts")
    asks: dict[str, Callable[[Subject], list[Difference]]] = {
        **{name: partial(_first, name) for name in ("coefficients", "inputs", "second")}, "parts": _of_parts,
        "gauss-newton": partial(_first, "gauss-newton"), "settings": of_settings,
    }  # fmt: skip
    for name, ask in asks.items():
        unstable = bool(UNSTABLE & {d.name for d in differences}) and not subject.renewed
        if name not in [*declared, "settings"] or (name == "parts" and unstable):
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
            of_parts = {f"{part}-gradients" for part in subject.declared.parts}
            subject.unanswered |= {QUANTITIES[name]} if name in QUANTITIES else of_parts
            continue
        differences += difference
        subject.wrong_gradients = frozenset(difference.quantities[0] for difference in differences)
        told += [] if difference or name == "settings" else [name]
    told = [name for name in told if QUANTITIES.get(name) not in subject.wrong_gradients]
    words = f"those of the layer's own function in {', '.join(told)}" if told else "not declared" * (not declared)
    return Stage("gradients", words, tuple(differences), "; ".join(reasons))


def _first(name: str, subject: Subject) -> list[Difference]:
    """What differs in the first degree in which something does; functions of degree 0 are constant on intervals."""
    degrees = sorted(filter(None, subject.degrees), key=lambda degree: (degree != subject.degree, degree))
    for degree in degrees[: 1 if name == "gauss-newton" else None]:
        if differences := of_degree(subject, name, degree):
            return placed(differences, where=() if degree == subject.degree else (f"degree-{degree}",))
    return []


def of_degree(subject: Subject, name: str, degree: int) -> list[Difference]:
    """Derivatives of layers of splines alone, of a degree; a matrix of wrong gradients tells nothing new."""
    d = Derivatives(subject, Situation(*asked_layer(subject, degree=degree)), name)
    if d.spec.degree < d.order or (name == "gauss-newton" and "coefficient-gradients" in subject.wrong_gradients):
        return []
    asked = name in ("coefficients", "inputs") and (degree == subject.degree or not d.is_true)
    told = (calls_and_sums(d) if asked else []) or of_what(d) or (at_knots(d) if d.order else [])
    return placed(told, quantities=(QUANTITIES[name], *BEARS_ON.get(QUANTITIES[name], ())))


def _of_parts(subject: Subject) -> list[Difference]:
    """Derivatives of layers with parts beside splines."""
    spec, differences, declared = subject.with_parts(), list[Difference](), subject.declared.derivatives
    situation = Situation(spec, subject.samples(spec, SAMPLES, 5), of=" of layers with parts")
    weights = ["coefficients", *spec.parts] if "coefficients" in declared else []
    for name in [*weights, *(name for name in ("inputs", "second") if name in declared)]:
        quantity = QUANTITIES.get(name, f"{name}-gradients")
        if quantity not in subject.wrong_gradients:
            differences += placed(of_what(Derivatives(subject, situation, name)), quantities=(quantity,))
    return differences
