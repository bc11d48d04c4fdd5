"""Gradients of layers and networks whose functions are right, against those of the function asked for."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING, is_exact
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.stages.asked_gradients import rounded_gradients
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject

DETACHED = "detached gradient"
EDGES = ("output", "input", "coefficient")


def unexplained(subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray) -> Difference:
    """What explains nothing: the rounding of a lower format, or another function."""
    left = float(np.abs(theirs - ours).max() / np.abs(ours).max())
    evidence = {"what": owner, "left": left}
    lower = any(is_exact(name, theirs) and not is_exact(name, ours) for name in ("bfloat16", "float16", "float32"))
    if subject.eps < 2.0**-30 and ((lower and left < LARGEST_ROUNDING) or 2.0**-27 < left < 2.0**-18):
        return rounded_gradients(owner, left, theirs)
    return Difference("gradient is another", evidence, sure="measured")


def against_truth(
    subject: Subject, specs: Sequence[LayerSpec], x: FloatArray, model: Any, where: Sequence[str], of: str = ""
) -> list[Difference]:  # fmt: skip
    """What is wrong with the gradients of sum dy * y of a model that is right but for them."""
    dy = np.random.default_rng(4).integers(1, 9, (len(x), specs[-1].n_outputs)) / 4.0
    differences: list[Difference] = []
    for owner, quantity, axes, theirs, ours in _asked(subject, specs, x, model, dy):
        room = subject.tolerance(64 * float(np.abs(ours).max()))
        told = explain(theirs, ours, axes, room, owner + of, DETACHED)
        told = [unexplained(subject, owner + of, theirs, ours)] if told is None else told
        differences += placed(told, where=where, quantities=(quantity, f"{quantity}-after"))
    return differences


def _asked(subject: Subject, specs: Sequence[LayerSpec], x: FloatArray, model: Any, dy: FloatArray) -> Iterator[Any]:
    """Quantities with their names, axes, theirs and ours."""
    declared, true = subject.declared.derivatives, FloatQuantities(specs, x)
    if "coefficients" in declared:
        sizes = [spec.coefficients.size for spec in specs]
        shape = specs[0].coefficients.shape if len(specs) == 1 else (sum(sizes),)
        flat = subject.gradients(model, x, dy, {"coefficients": shape})["coefficients"].ravel()
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        for k, (theirs, ours) in enumerate(zip(parts, true.coefficient_gradients(dy), strict=True)):
            owner = "coefficient gradients" + (f" of layer {k}" if len(specs) > 1 else "")
            yield owner, "coefficient-gradients", EDGES, theirs.reshape(ours.shape), ours
    if "inputs" in declared:
        theirs = subject.gradients(model, x, dy, {"inputs": x.shape})["inputs"]
        yield "input gradients", "input-gradients", ("sample", "input"), theirs, true.input_gradients(dy)
    if "second" in declared:
        along = np.where(np.arange(x.size).reshape(x.shape) % 2, 0.5, -1.25)
        ours = true.second_derivatives(dy, along)
        yield "second derivatives", "second-derivatives", ("sample", "input"), subject.second(model, x, dy, along), ours
