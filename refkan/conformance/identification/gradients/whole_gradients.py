"""Every quantity of a layer at once, against those of the layer asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.identification.explanations import placed
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.input_gradients import of_what
from refkan.conformance.identification.gradients.matrices_in_words import of_gauss_newton
from refkan.conformance.identification.gradients.situations import Situation, of_outputs
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import NoAnswerError, Subject

GRADIENTS = {
    "coefficients": "coefficient-gradients", "inputs": "input-gradients", "second": "second-derivatives",
    "knots": "knot-gradients",
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
    knots = spec.intervals > 1 and not spec.parts and x.shape[1] < 8 and spec.order > 2 and spec.kind != "repeated"
    can = {"knots": knots, "second": spec.order > 2 or "base" in spec.parts}
    asked = [name for name, quantity in GRADIENTS.items() if name in declared and quantity not in without]
    asked += [part for part in spec.parts if "coefficients" in declared and f"{part}-gradients" not in without]
    of = {name: Derivatives(subject, situation, name, model=model) for name in asked if can.get(name, True)}
    answer, refused = dict[str, FloatArray](), None
    try:  # before outputs, which some backends have from the same program
        answer = _answer(subject, situation, model, {name: d.shape for name, d in of.items() if name != "second"})
    except NoAnswerError as error:
        refused = error
    if "values" not in without:
        y = (subject.raw if x.flags.c_contiguous else subject.laid_out)(model, x, dy.shape[1])
        true = situation.quantities.values
        size = max(float(np.abs(true).max(initial=0.0)), 2.0**-20)
        room = subject.tolerance(64 * size) + 128 * subject.blur * size
        right = (np.abs(y - true) <= room).all()
        yield "values", [] if right else of_outputs(subject, situation, y, true, room)
    if refused:
        raise refused
    for name in of:
        d = Derivatives(subject, situation, name, model=given, answered=answer.get(name))
        if not d.is_true:
            told = [Difference("strides ignored", {"what": d.owner})] if situation.laid else of_what(d)
            yield GRADIENTS.get(name, f"{name}-gradients"), told
    unasked = {"gauss-newton", "coefficient-gradients"} & without  # it may be that of these
    if "gauss-newton" in declared and not (unasked or spec.parts) and dy.size <= MATRIX:
        yield "gauss-newton", of_gauss_newton(subject, situation)


def _answer(
    subject: Subject, situation: Situation, model: Any, shapes: dict[str, tuple[int, ...]]
) -> dict[str, FloatArray]:
    """All gradients of one call, of arrays as they lie in memory."""
    if not shapes or not situation.laid:
        return subject.gradients(model, situation.x, situation.cotangents, shapes) if shapes else {}
    answer = subject.asked("vjp", subject.adapter.vjp, model, situation.x, situation.cotangents)
    return {name: subject.read_gradient(answer, name, shape) for name, shape in shapes.items()}
