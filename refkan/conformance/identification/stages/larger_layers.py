"""Stage 3: how larger and square layers are wired: one input at a time, with random, distinct coefficients.

If they differ, one size at a time is varied, and a condition tells the layers that differ from the others.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LayerSpec
from refkan.conformance.identification.components.size_conditions import Sizes, condition
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.known_maps import beside, counted
from refkan.conformance.identification.nonlinear import in_other_sizes
from refkan.conformance.identification.reported import Difference, Stage, close, largest, only
from refkan.conformance.identification.stages.wiring import AXES, AXIS, own_responses, permuted, responses
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

LARGER = ((3, 3, 3), (2, 2, 2), *((Q, P, BLOCK) for Q, P in ((1, 2), (5, 7), (7, 5), (17, 9), (2, 300), (300, 2))))
"""Outputs, inputs and samples of larger and of square layers."""


VARIED = (
    *((3, P, 14) for P in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 17)),
    *((Q, 2, 14) for Q in (1, 2, 4, 5, 6, 7, 8, 9, 10, 17)),
    *((4, 5, n) for n in (1, 2, 3, 4, 5, 9, 15)),
    *((n, n, 14) for n in (1, 4, 5, 6)),
    *((Q, 9, 14) for Q in (2, 4)),
    *((9, P, 14) for P in (3, 4)),
)
"""Outputs, inputs and samples of layers of which one size at a time is another."""

OF_FEW = {"samples and inputs confused", "incomplete block", "rows by position"}
"""Differences that small batches cause, whatever the sizes of layers."""

UNITS = 128
"""Layers with at most so many coefficients are tested one coefficient at a time."""

OTHER_ORDERS = {", ".join(AXIS[k] for k in axes): axes for axes in ((0, 2, 1), (2, 1, 0), (1, 2, 0), (2, 0, 1))}


def larger(subject: Subject) -> tuple[Stage, Subject]:
    """Return how larger and square layers are wired, if the small one is right."""
    if "wiring" in subject.differing or subject.nonlinear or subject.apart or "not linear" in subject.names:
        return Stage("sizes", unknown="not tested: small layers differ already"), subject
    if subject.behind:
        return Stage("sizes", unknown=f"not tested behind {subject.behind}"), subject
    if subject.place:
        return Stage("sizes", unknown=f"not tested: functions differ already ({subject.place})"), subject
    for Q, P, n in LARGER:
        spec = subject.spec((Q, P), kind="uniform" if "uniform" in subject.kinds else "")
        spec = replace(spec, knots=np.repeat(spec.knots[:1], P, axis=0))
        x = subject.samples(spec, n, 3)
        if subject.is_right(spec, x) or (n != BLOCK and OF_FEW & subject.names):
            continue
        told, subject = _of_size(subject, spec, x)
        if told:
            where = f"{counted(Q, 'output')}, {P} inputs, {n} samples"
            told = _with_condition(subject, placed(told, where=(where,)))
            return Stage("sizes", "", told), subject
    words = "the same in layers of 2 x 2 to 17 x 9, with as many samples as inputs, of 300 inputs and outputs"
    return Stage("sizes", words), subject


def _with_condition(subject: Subject, told: list[Difference]) -> list[Difference]:
    """Differences with the condition on sizes under which a layer differs, found by varying one size at a time."""
    seen: dict[bool, list[Sizes]] = {True: [], False: []}
    for Q, P, n in VARIED:
        spec = subject.spec((Q, P), kind="uniform" if "uniform" in subject.kinds else "")
        spec = replace(spec, knots=np.repeat(spec.knots[:1], P, axis=0))
        try:
            is_right = subject.is_right(spec, subject.samples(spec, n, 3))
        except NoAnswerError:  # which the stage of calls tells
            continue
        seen[is_right].append(Sizes(Q, P, n, spec.dim))
    words = condition(seen[False], seen[True])
    if not words:
        return told
    return [replace(one, evidence={**one.evidence, "place": f"{one.evidence.get('place', '')} (with {words})"})
            for one in told]  # fmt: skip


def _of_size(subject: Subject, spec: LayerSpec, x: FloatArray) -> tuple[list[Difference], Subject]:
    """The differences in a layer of another size."""
    zero = subject.without_splines(spec, x)
    ours = subject.edges(spec, x)
    Q, P = spec.coefficients.shape[:2]
    room = subject.tolerance(largest(ours) * max(1.0, P / 8))
    if largest(zero) > room and not subject.offset:
        at = subject.samples(spec, BLOCK, 3)
        y = subject.without_splines(spec, at)
        return only("extra branch", what=beside(at, y, subject.tolerance(max(largest(y), 1.0)))), subject
    if close(subject.values(spec, x) - zero, ours.sum(axis=2), room):
        return [], subject
    theirs = np.stack([subject.values(of, x) - zero for of in subject.by_inputs(spec)], axis=2)
    differences = explain(theirs, ours, ("sample", "output", "input"), room, "splines")
    if differences:
        return differences, subject
    told, subject = _not_linear(subject, spec, x, zero, theirs)
    if told or (differences == [] and Q == P):
        return told, subject
    return _by_coefficients(subject, spec, x, theirs), subject


def _not_linear(
    subject: Subject, spec: LayerSpec, x: FloatArray, zero: FloatArray, theirs: FloatArray
) -> tuple[list[Difference], Subject]:  # fmt: skip
    """How a layer is nonlinear that is linear in other sizes, if results do not add up over inputs or coefficients."""

    def f(C: FloatArray) -> FloatArray:
        return subject.values(replace(spec, coefficients=C), x)

    a = spec.coefficients
    y, (half, two) = f(a) - zero, (f(C) - zero for C in (a / 2, a / 2 * (np.arange(spec.dim) % 2)))
    rest = f(a - a / 2 * (np.arange(spec.dim) % 2)) - zero
    left = max(largest(other - y) for other in (theirs.sum(axis=2), 2 * half, two + rest))
    size = largest(y)
    if left <= 16 * subject.tolerance(size):
        return [], subject
    return in_other_sizes(subject, f, a, left / size)


def _by_coefficients(subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray) -> list[Difference]:
    """Edges that use the coefficients of others, tested with nonzero coefficients of one input at a time."""
    C, P = spec.coefficients, spec.n_inputs
    turns: dict[str, Callable[[FloatArray], FloatArray]] = {
        "transposed coefficients": lambda C: C.transpose(1, 0, 2).reshape(C.shape),
        "reversed outputs": lambda C: C[::-1],
        "inputs in the opposite order": lambda C: C[:, ::-1],
        "inputs shifted by +1, round the ends": lambda C: np.roll(C, 1, axis=1),
        "inputs shifted by -1, round the ends": lambda C: np.roll(C, -1, axis=1),
        **{
            f"(output, input, index) is read as ({order})": partial(_read_as, axes)
            for order, axes in OTHER_ORDERS.items()
        },
    }
    for name, turned in turns.items():
        each = (replace(of, coefficients=turned(of.coefficients)) for of in subject.by_inputs(spec))
        ours = np.stack([subject.edges(of, x).sum(axis=2) for of in each], axis=2)
        if close(theirs, ours, subject.tolerance(largest(ours))):
            if name.startswith("inputs"):
                return only("inputs mixed up", what="coefficients", how=name.removeprefix("inputs "))
            if name.startswith("("):
                return only("wired otherwise", what="coefficients", how=name)
            return only(name, what="coefficients")
    if C.size <= UNITS:
        units, own = responses(subject, spec, x), own_responses(subject, spec, x, tuple(range(P)), tuple(range(P)))
        room = subject.tolerance(largest(own))
        said = explain(units, own, AXES, room, "coefficients")
        if said:
            return said
        how = permuted(units, own, room)
        if how:
            return only("wired otherwise", what="coefficients of (output, input)", how=how)
    summed = np.abs(theirs.sum(axis=2) - subject.edges(spec, x).sum(axis=2)).max(axis=0)
    wrong = np.flatnonzero(summed > subject.tolerance(1.0)).tolist()
    return only("wired otherwise", what="outputs", how=f"{wrong} of {spec.n_outputs} are wrong")


def _read_as(axes: tuple[int, ...], C: FloatArray) -> FloatArray:
    """Coefficients in memory in another order of axes."""
    return C.transpose(axes).reshape(C.shape)
