"""Every quantity of a layer or network at once, against those of the layer asked for."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import PER_NODE, LayerSpec
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.gradients.asked_gradients import flushed, rounded_gradients
from refkan.conformance.identification.gradients.situations import Quantity, Situation, of_outputs, wrong_factors
from refkan.conformance.identification.known_maps import in_words, lower_formats
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import NoAnswerError, Subject

DETACHED = "detached gradient"
EDGES = ("output", "input", "coefficient")

GRADIENTS = {
    "coefficients": "coefficient-gradients", "inputs": "input-gradients", "second": "second-derivatives",
    "gauss-newton": "gauss-newton", "knots": "knot-gradients",
}  # fmt: skip
"""Names of quantities by those of what is declared."""

ROWS_ASKED = 16
"""Samples whose share of a gradient is asked for at once."""


def unexplained(subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray) -> Difference:
    """What explains nothing: the rounding of a lower format, a map of single entries, or another function."""
    left = float(np.abs(theirs - ours).max() / max(np.abs(ours).max(), 1e-300))
    lower = bool(set(lower_formats(theirs)) - set(lower_formats(ours)))
    if subject.eps < 2.0**-30 and ((lower and left < LARGEST_ROUNDING) or 2.0**-27 < left < 2.0**-18):
        return rounded_gradients(owner, left, theirs)
    room = subject.tolerance(float(np.abs(ours).max(initial=0.0)))
    if told := flushed(owner, theirs, ours, room):
        return told
    words = in_words(ours.ravel(), theirs.ravel(), room) if np.isfinite([theirs, ours]).all() else "an unknown"
    if not words.startswith(("an unknown", "identity", "zero")):
        return Difference("values mapped", {"what": owner, "map": words})
    return Difference("gradient is another", {"what": owner, "left": left}, sure="measured")


def against_truth(
    subject: Subject, situation: Situation, model: Any = None, without: frozenset[str] = frozenset()
) -> dict[str, list[Difference]]:
    """What is wrong with outputs, and if they are right with gradients of sum dy * y, by quantity."""
    model = situation.model(subject) if model is None else model
    true, differences = FloatQuantities(situation.specs, situation.x), dict[str, list[Difference]]()
    for quantity in _quantities(subject, situation, model, true, without):
        size = max(float(np.abs(quantity.ours).max(initial=0.0)), 2.0**-20)
        room = subject.tolerance(64 * size) + 128 * subject.blur * size
        if quantity.name in without or (np.abs(quantity.theirs - quantity.ours) <= room).all():
            continue
        owner = quantity.owner + situation.of
        told: list[Difference] | None
        if quantity.name == "values":
            told = of_outputs(subject, situation, quantity, owner, room)
        elif quantity.axes == ("row",):
            how = "they are listed from the last layer to the first"
            told = [Difference("wired otherwise", {"what": owner, "how": how})]
        else:
            told = explain(quantity.theirs, quantity.ours, quantity.axes, room, owner, DETACHED)
            if told is None or any(difference.name.startswith("factors by") for difference in told):
                told = _question(subject, situation, model, true, quantity, owner, room) or told
            told = [unexplained(subject, owner, quantity.theirs, quantity.ours)] if told is None else told
        names = (quantity.name, f"{quantity.name}-after")
        differences[quantity.name] = differences.get(quantity.name, []) + placed(
            told, where=situation.where, quantities=names
        )
        if quantity.name == "values":
            break
    return differences


def _quantities(
    subject: Subject, situation: Situation, model: Any, true: FloatQuantities, without: frozenset[str]
) -> Iterator[Quantity]:  # fmt: skip
    """Outputs, then what is declared of gradients, but for quantities that are not asked for."""
    specs, x, dy, declared = situation.specs, situation.x, situation.cotangents, subject.declared.derivatives
    asked = {name for name, quantity in GRADIENTS.items() if name in declared and quantity not in without}
    parts = [part for part in dict.fromkeys(part for spec in specs for part in spec.parts)
             if "coefficients" in declared and f"{part}-gradients" not in without]  # fmt: skip
    answer, refused = None, None
    if parts or asked & {"coefficients", "inputs", "knots"}:
        try:  # before outputs, which some backends have from the same program
            answer = subject.asked("vjp", subject.adapter.vjp, model, x, dy)
        except NoAnswerError as error:
            refused = error
    y = (subject.raw if x.flags.c_contiguous else subject.laid_out)(model, x, dy.shape[1])
    yield Quantity("outputs", "values", ("sample", "output"), y, true.values)
    if refused:
        raise refused
    if "coefficients" in asked:
        yield from _by_layers(subject, answer, "coefficients", specs, true.coefficient_gradients(dy))
    for part in parts:
        yield from _by_layers(subject, answer, part, specs, true.part_gradients(part, dy))
    if "inputs" in asked:
        theirs = subject.read_gradient(answer, "inputs", x.shape)
        yield Quantity("input gradients", "input-gradients", ("sample", "input"), theirs, true.input_gradients(dy))
    if "second" in asked and (specs[0].order > 2 or "base" in specs[0].parts):
        along = situation.direction
        theirs, ours = subject.second(model, x, dy, along), true.second_derivatives(dy, along)
        yield Quantity("second derivatives", "second-derivatives", ("sample", "input"), theirs, ours)
    if "gauss-newton" in asked and len(specs) == 1 and not specs[0].parts and dy.size <= ROWS_ASKED:
        ours = true.gauss_newton()
        owner, theirs = "entries of the Gauss-Newton matrix", subject.gauss_newton(model, x, len(ours))
        yield Quantity(owner, "gauss-newton", ("row", "column"), theirs, ours)
    if (
        "knots" in asked
        and len(specs) == 1
        and not specs[0].parts
        and x.shape[1] < 8
        and specs[0].order > 2
        and specs[0].kind != "repeated"
    ):
        ours = true.knot_gradients(dy)
        if ours.size:
            theirs = subject.read_gradient(answer, "knots", ours.shape)
            yield Quantity("knot gradients", "knot-gradients", ("input", "knot"), theirs, ours)


def _by_layers(
    subject: Subject, answer: Any, name: str, specs: Sequence[LayerSpec], ours: Sequence[FloatArray]
) -> Iterator[Quantity]:
    """Gradients in the coefficients or in a part, layer by layer."""
    shape = ours[0].shape if len(specs) == 1 else (sum(array.size for array in ours),)
    flat = subject.read_gradient(answer, name, shape).ravel()
    axes = EDGES if name == "coefficients" else EDGES[: 1 if name in PER_NODE else 2]
    label = "coefficient gradients" if name == "coefficients" else f"gradients in {name}"
    quantity = "coefficient-gradients" if name == "coefficients" else f"{name}-gradients"
    whole, opposite = (np.concatenate([array.ravel() for array in arrays]) for arrays in (ours, ours[::-1]))
    room = subject.tolerance(64 * float(np.abs(whole).max()))
    if np.abs(flat - opposite).max() <= room < np.abs(flat - whole).max():
        yield Quantity(label, quantity, ("row",), flat, whole)
        return
    parts = np.split(flat, np.cumsum([array.size for array in ours])[:-1])
    for k, (theirs, right) in enumerate(zip(parts, ours, strict=True)):
        owner = label + (f" of layer {k}" if len(specs) > 1 else "")
        yield Quantity(owner, quantity, axes, theirs.reshape(right.shape), right)


def _question(
    subject: Subject, situation: Situation, model: Any, true: FloatQuantities, quantity: Quantity, owner: str,
    room: float,
) -> list[Difference]:  # fmt: skip
    """What no rearrangement explains: parts, samples, or terms of the chain rule that are left out."""
    name, specs = quantity.name, situation.specs
    if name == "coefficient-gradients" and len(specs) == 1:
        scaled = bool({"scale", "node-scale"} & set(specs[0].parts))
        if scaled and (how := wrong_factors(specs[0], quantity.theirs, quantity.ours, room)):
            return [Difference("wrong derivative", {"what": owner, "how": how})]
        return _of_rows(subject, situation, model, true, owner) if len(situation.x) > ROWS_ASKED else []
    if len(specs) == 1:
        return []
    if name == "coefficient-gradients":
        others = true.coefficient_gradients(situation.cotangents)
        for k, other in enumerate(others):
            if other.size == quantity.theirs.size and np.abs(other.ravel() - quantity.theirs.ravel()).max() <= room:
                return [Difference("wired otherwise", {"what": owner, "how": f"they are those of layer {k}"})]
    if name == "second-derivatives":
        return _of_curvatures(situation, quantity, owner, room)
    return []


def _of_curvatures(situation: Situation, quantity: Quantity, owner: str, room: float) -> list[Difference]:
    """The second derivatives of a network are a sum of terms, each with the curvature of one of its layers."""
    terms = []
    for k in range(len(situation.specs)):
        only = FloatQuantities(situation.specs, situation.x)
        for j in set(range(len(only.edges))) - {k}:
            only.edges[j] = only.edges[j] * np.array([1.0, 1.0, 0.0])[:, None, None, None]
        terms.append(only.second_derivatives(situation.cotangents, situation.direction).ravel())
    w, *_ = np.linalg.lstsq(np.stack(terms, axis=1), quantity.theirs.ravel(), rcond=None)
    if np.abs(np.stack(terms, axis=1) @ w - quantity.theirs.ravel()).max() > 16 * room:
        return []
    how = ", ".join(
        f"the curvature of layer {k} {'is left out' if abs(v) < 1e-6 else f'counts {v:.6g} times'}"
        for k, v in enumerate(w) if abs(v - 1) > 1e-6
    )  # fmt: skip
    return [Difference("wrong derivative", {"what": owner, "how": how})]


def _of_rows(subject: Subject, situation: Situation, model: Any, true: FloatQuantities, owner: str) -> list[Difference]:
    """Which samples of a batch count, by cotangents of a few of them, and of single ones where those differ."""
    N = len(situation.x)

    def counts(rows: slice) -> float:
        dy = np.zeros(true.values.shape)
        dy[rows] = 1.0
        (ours,) = true.coefficient_gradients(dy)
        theirs = subject.gradients(model, situation.x, dy, {"coefficients": ours.shape})["coefficients"]
        k = float((theirs * ours).sum() / (ours * ours).sum())
        return k if np.abs(theirs - k * ours).max() <= subject.tolerance(64 * np.abs(ours).max()) else np.nan

    weights = np.ones(N)
    for start in range(0, N, ROWS_ASKED):
        rows = range(start, min(start + ROWS_ASKED, N))
        together = counts(slice(rows.start, rows.stop))
        weights[start : rows.stop] = together if np.isfinite(together) else [counts(slice(r, r + 1)) for r in rows]
    left_out = np.flatnonzero(np.abs(weights) < 1e-6)
    if left_out.size:
        evidence = {"what": owner, "indices": left_out.tolist(), "size": N}
        return [Difference("samples left out", evidence)]
    odd = np.flatnonzero(~(np.abs(weights - 1) <= 1e-6))
    if odd.size and np.ptp(weights[odd]) < 1e-6:
        evidence = {"what": owner, "indices": odd.tolist(), "size": N, "factor": float(weights[odd[0]])}
        return [Difference("factor on a block of samples", evidence)]
    return []
