r"""Whether quantities that are right in one setting are right in others.

Settings differ from the first in one respect at a time: the degree, the knots, the sizes, the batch, the parts, the
mode, the layout of arrays in memory. In each setting all quantities are compared with those of the requested layer.
What differs in the first setting already does not depend on settings; the rest is reported with the settings in which
it was seen.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.identification.explanations import placed
from refkan.conformance.identification.gradients.derivatives_asked import GRADIENTS, Derivatives
from refkan.conformance.identification.gradients.gauss_newton_matrices import of_gauss_newton
from refkan.conformance.identification.gradients.input_gradients import of_what
from refkan.conformance.identification.gradients.situations import SAMPLES, Situation, of_outputs
from refkan.conformance.identification.known_maps import counted
from refkan.conformance.identification.reported import Difference, close, largest, only
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

MATRIX = 16
"""Largest number of samples times outputs for Gauss-Newton matrices."""

LARGE = 1030
"""Size of a large batch, beyond the usual sizes of blocks and not a multiple of them."""

MANY = 130
"""Inputs and outputs of wide layers."""

VALUES = {"calls", "arithmetic", "wiring", "sizes", "parts"}
"""Stages that test outputs in other settings."""


def against_truth(
    subject: Subject, situation: Situation, model: Any = None, without: frozenset[str] = frozenset()
) -> dict[str, list[Difference]]:
    """What is wrong with outputs or, if they are right, with gradients of sum dy * y, by quantity."""
    return {
        name: placed(told, where=situation.where, quantities=(name, f"{name}-after"))
        for name, told in _quantities(subject, situation, model, without)
        if told
    }


def _quantities(
    subject: Subject, situation: Situation, given: Any, without: frozenset[str]
) -> Iterator[tuple[str, list[Difference]]]:  # fmt: skip
    """What is wrong with outputs, then with declared gradients, except for quantities to leave out."""
    spec, x, dy, declared = situation.spec, situation.x, situation.cotangents, subject.declared.derivatives
    model = situation.model(subject) if given is None else given
    laid = bool(situation.laid)
    knots = spec.intervals > 1 and not spec.parts and x.shape[1] < 8 and spec.order > 2 and spec.kind != "repeated"
    can = {"knots": knots, "second": spec.order > 2 or "base" in spec.parts}
    given_names = {*declared, *(spec.parts if "coefficients" in declared else ())}
    asked = [name for name in GRADIENTS if name in given_names and can.get(name, True)]
    asked = [name for name in asked if GRADIENTS[name] not in without]
    shapes = {name: Derivatives(subject, situation, name).shape for name in asked if name != "second"}
    answer, refused = dict[str, FloatArray](), None
    try:  # before outputs, which some backends have from the same program
        if shapes:
            answer = (subject.laid_out_gradients if laid else subject.gradients)(model, x, dy, shapes)
    except NoAnswerError as error:
        refused = error
    if "values" not in without:
        y = (subject.laid_out if laid else subject.raw)(model, x, dy.shape[1])
        true = situation.quantities.values
        size = max(largest(true), 2.0**-20)
        room = subject.tolerance(64 * size) + 128 * subject.blur * size
        if not close(y, true, room):
            yield "values", of_outputs(subject, situation, y, true, room)
            return
    if refused:
        raise refused
    for name in asked:
        d = Derivatives(subject, situation, name, model=given, answered=answer.get(name))
        if not d.is_true:
            yield GRADIENTS[name], only("strides ignored", what=d.owner) if laid else of_what(d)
    unasked = {"gauss-newton", "coefficient-gradients"} & without  # it may be that of these
    if "gauss-newton" in declared and not (unasked or spec.parts) and dy.size <= MATRIX:
        yield "gauss-newton", of_gauss_newton(subject, situation)


def of_settings(subject: Subject) -> list[Difference]:
    """What differs only in some settings, once for all that share it, except for what is known or follows from it."""
    if not subject.right:
        raise NoAnswerError("the functions differ from the requested ones")
    if 0 < subject.rows < BLOCK:
        return []
    known = subject.wrong_gradients
    known |= {"second-derivatives"} if "input-gradients" in known else set()
    together = dict[str, Difference]()
    refused = list[Difference]()
    for k, situation in enumerate(_situations(subject)):  # the first one is that of other stages
        try:
            seen = against_truth(subject, situation, without=known)
            if k == 0 and "values" in seen:
                raise NoAnswerError("the outputs differ from the requested ones")
        except NoAnswerError as error:
            if k == 0:
                raise
            refused.append(Difference("setting refused", {"reason": str(error)}, situation.where, "measured"))
            continue
        if "values" in seen and set(subject.differing) & VALUES:
            continue  # reported by an earlier stage
        known |= set(seen) if k == 0 else set()
        for difference in (difference for told in seen.values() for difference in told):
            if situation.laid:
                evidence = {"what": difference.evidence.get("what", "outputs"), "layout": situation.laid}
                difference = replace(difference, name="strides ignored", evidence=evidence, where=())
                situation = replace(situation, where=())
            key = str((difference.name, *(difference.evidence.get(name) for name in ("what", "part", "layout"))))
            kept = together.get(key, difference)
            together[key] = replace(kept, where=tuple(dict.fromkeys([*kept.where, *situation.where])))
    return [*together.values(), *refused[:1]]


LAYOUTS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "strided": lambda array: np.repeat(np.repeat(array, 2, axis=0), 2, axis=1)[::2, ::2],
    "transposed": np.asfortranarray,
}
"""The same numbers in another memory layout."""


def _situations(subject: Subject) -> Iterator[Situation]:
    """The first setting, and one for each respect in which settings differ."""
    degree, kind = min(subject.right, key=lambda pair: (pair[0] != subject.degree, pair[1] != subject.kind, -pair[0]))
    declared = tuple(subject.declared.parts)

    def at(
        where: str, shape: tuple[int, int] = (3, 2), n: int = BLOCK, parts: tuple[str, ...] = (), **more: Any
    ) -> Situation:
        spec = subject.with_parts(shape, parts, **{"degree": degree, "kind": kind, **more})
        return Situation(spec, np.resize(subject.samples(spec, min(n, BLOCK), 5), (n, shape[1])), (where,))

    first = at("")
    yield replace(first, where=())
    for d, k in subject.right:
        if (d == degree) != (k == kind) and d:
            yield at(f"degree-{d}" if d != degree else k, n=SAMPLES, degree=d, kind=k)
    yield at("1 sample", n=1)
    yield at(f"{LARGE} samples", n=LARGE)
    yield at("2 outputs, 2 inputs, 2 samples", shape=(2, 2), n=2)
    for Q, P in ((1, 1), (3, 3), (5, 7), (2, MANY), (MANY, 2)):
        yield at(f"{counted(Q, 'output')}, {counted(P, 'input')}", shape=(Q, P))
    if subject.declared.intervals is None:
        for n in (1, BLOCK):
            yield at(counted(n, "interval"), intervals=n)
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
