r"""Whether what is right in one setting is right in others.

One thing is changed at a time: the degree, the knots, the sizes, the batch, the parts, the mode, the layout of arrays
in memory. In each setting all quantities are compared with those of the layer asked for. What differs in the first
setting, too, is no matter of settings; the rest is told with the settings in which it was seen.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.identification.gradients.asked_gradients import SAMPLES
from refkan.conformance.identification.gradients.situations import Situation
from refkan.conformance.identification.gradients.whole_gradients import against_truth
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

LARGE = 1030
"""Samples of a large batch: beyond the usual sizes of blocks, and no multiple of them."""

MANY = 130
"""Inputs and outputs of wide layers."""

VALUES = {"calls", "arithmetic", "wiring", "sizes", "parts"}
"""Stages that ask for outputs in other settings."""


def of_settings(subject: Subject) -> list[Difference]:
    """What differs in some settings alone, but for the quantities that are known to differ, or to follow."""
    if not subject.right:
        raise NoAnswerError("functions are others than those asked for")
    if 0 < subject.rows < BLOCK:
        return []
    known = subject.wrong_gradients
    known |= {"second-derivatives"} if "input-gradients" in known else set()
    return in_situations(subject, list(_situations(subject)), known)


def in_situations(subject: Subject, situations: Iterable[Situation], known: frozenset[str]) -> list[Difference]:
    """What differs in some of the situations, those that share it together; the first is the one of other stages."""
    together: dict[str, Difference] = {}
    reasons = []
    for k, situation in enumerate(situations):
        try:
            seen = against_truth(subject, situation, without=known)
        except NoAnswerError as error:
            if k == 0:
                raise
            reasons.append((situation, str(error)))
            continue
        if "values" in seen and (k == 0 or set(subject.differing) & VALUES):
            if k == 0:
                raise NoAnswerError("outputs are others than those asked for")
            continue  # told by an earlier stage
        known |= set(seen) if k == 0 else set()
        for difference in (difference for told in seen.values() for difference in told):
            if situation.laid:
                evidence = {"what": difference.evidence.get("what", "outputs"), "layout": situation.laid}
                difference = replace(difference, name="strides ignored", evidence=evidence, where=())
                situation = replace(situation, where=())
            key = str((difference.name, *(difference.evidence.get(name) for name in ("what", "part", "layout"))))
            kept = together.get(key, difference)
            together[key] = replace(kept, where=tuple(dict.fromkeys([*kept.where, *situation.where])))
    refused = [
        Difference("setting refused", {"reason": reason}, situation.where, "measured") for situation, reason in reasons
    ]
    return [*together.values(), *refused[:1]]


LAYOUTS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "strided": lambda array: np.repeat(np.repeat(array, 2, axis=0), 2, axis=1)[::2, ::2],
    "transposed": np.asfortranarray,
}
"""The same numbers, otherwise in memory."""


def _situations(subject: Subject) -> Iterator[Situation]:
    """The first setting, and one for each thing that is changed."""
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
