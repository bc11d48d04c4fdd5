"""Every quantity of a layer at once, against those of the layer asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.input_gradients import DETACHED, of_what, unexplained
from refkan.conformance.identification.gradients.situations import Situation, of_outputs
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import NoAnswerError, Subject

GRADIENTS = {
    "coefficients": "coefficient-gradients", "inputs": "input-gradients", "second": "second-derivatives",
    "gauss-newton": "gauss-newton", "knots": "knot-gradients",
}  # fmt: skip
"""Names of quantities by those of what is declared."""

MATRIX = 16
"""Samples times outputs of Gauss-Newton matrices, at most."""


def against_truth(
    subject: Subject, situation: Situation, model: Any = None, without: frozenset[str] = frozenset()
) -> dict[str, list[Difference]]:
    """What is wrong with outputs, and if they are right with gradients of sum dy * y, by quantity."""
    built = situation.model(subject) if model is None else model
    differences = dict[str, list[Difference]]()
    for name, told in _told(subject, situation, built, model, without):
        if told:
            kept = differences.get(name, [])
            differences[name] = kept + placed(told, where=situation.where, quantities=(name, f"{name}-after"))
        if name == "values" and told:
            break
    return differences


def _told(
    subject: Subject, situation: Situation, model: Any, given: Any, without: frozenset[str]
) -> Iterator[tuple[str, list[Difference]]]:  # fmt: skip
    """What is wrong with outputs, then with declared gradients, but for quantities that are not asked for."""
    spec, x, dy, declared = situation.spec, situation.x, situation.cotangents, subject.declared.derivatives
    asked = [name for name, quantity in GRADIENTS.items() if name in declared and quantity not in without]
    asked += [part for part in spec.parts if "coefficients" in declared and f"{part}-gradients" not in without]
    true = FloatQuantities((spec,), x)
    shapes: dict[str, tuple[int, ...]] = {
        "inputs": x.shape,
        "coefficients": spec.coefficients.shape,
        **{part: spec.part(part).shape for part in spec.parts},
    }
    knots = spec.intervals > 1 and not spec.parts and x.shape[1] < 8 and spec.order > 2 and spec.kind != "repeated"
    shapes |= {"knots": (spec.n_inputs, spec.intervals - 1)} if knots else {}
    shapes = {name: shape for name, shape in shapes.items() if name in asked}
    answer, refused = dict[str, FloatArray](), None
    try:  # before outputs, which some backends have from the same program
        answer = _answer(subject, situation, model, shapes) if shapes else {}
    except NoAnswerError as error:
        refused = error
    if "values" not in without:
        y = (subject.raw if x.flags.c_contiguous else subject.laid_out)(model, x, dy.shape[1])
        room = _room(subject, true.values)
        wrong = not (np.abs(y - true.values) <= room).all()
        yield "values", of_outputs(subject, situation, y, true.values, room) if wrong else []
    if refused:
        raise refused
    for name in asked:
        quantity, owner = GRADIENTS.get(name, f"{name}-gradients"), {"knots": "knot gradients"}.get(name, "")
        if name == "gauss-newton":
            if not spec.parts and dy.size <= MATRIX and "coefficient-gradients" not in without:  # which it may be of
                theirs = subject.gauss_newton(model, x, spec.coefficients.size)
                owner = "entries of the Gauss-Newton matrix" + situation.of
                yield quantity, _plain(subject, owner, theirs, true.gauss_newton(), ("row", "column"))
            continue
        if name == "knots":
            if name in shapes:
                owner = "knot gradients" + situation.of
                yield quantity, _plain(subject, owner, answer[name], true.knot_gradients(dy), ("input", "knot"))
            continue
        if name == "second" and spec.order < 3 and "base" not in spec.parts:
            continue
        d = Derivatives(subject, situation, name, model=given, answered=answer.get(name))
        if not d.is_true:
            yield quantity, [Difference("strides ignored", {"what": d.owner})] if situation.laid else of_what(d)


def _answer(
    subject: Subject, situation: Situation, model: Any, shapes: dict[str, tuple[int, ...]]
) -> dict[str, FloatArray]:
    """All gradients of one call, of arrays as they lie in memory."""
    if not situation.laid:
        return subject.gradients(model, situation.x, situation.cotangents, shapes)
    answer = subject.asked("vjp", subject.adapter.vjp, model, situation.x, situation.cotangents)
    return {name: subject.read_gradient(answer, name, shape) for name, shape in shapes.items()}


def _room(subject: Subject, ours: FloatArray) -> float:
    size = max(float(np.abs(ours).max(initial=0.0)), 2.0**-20)
    return subject.tolerance(64 * size) + 128 * subject.blur * size


def _plain(
    subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray, axes: tuple[str, str]
) -> list[Difference]:  # fmt: skip
    """A rearrangement of the right array, or the size of what is left."""
    if not ours.size:
        return []
    told = explain(theirs, ours, axes, _room(subject, ours), owner, DETACHED)
    return [unexplained(subject, owner, theirs, ours)] if told is None else told
