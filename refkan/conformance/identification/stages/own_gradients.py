r"""Stage 6: of what gradients are the gradients.

They are compared with those of the layer's own function, as the stages before identified it: a wrong function with its
right gradient is one defect. In the coefficients the function is linear, so that unit responses R are its Jacobian, and
the gradient of sum dy y is R^T dy. In x it is smooth inside intervals: see `slopes`.

Cotangents with one output at a time make arrays whose axes are outputs, inputs, samples, coefficients: what was done to
them is a rearrangement and factors again. Where nothing explains them, the formula is asked: b_i' = (r - 1)
(L_i - R_i), and the factors of L and R are found by least squares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import attribute
from refkan.conformance.identification.explanations import Named, explain, sizes_of
from refkan.conformance.identification.names import differences
from refkan.conformance.identification.slopes import (
    true_jacobian,
)  # fmt: skip
from refkan.conformance.identification.stages.asked_gradients import (
    SAMPLES,
    asked_layer,
    calls_and_sums,
    size_of_factor,
    slope_behind,
    unexplained,
)
from refkan.conformance.identification.stages.input_gradients import of_inputs, of_second
from refkan.conformance.identification.stages.parts import with_parts
from refkan.conformance.identification.stages.wiring import own_responses, responses
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import NoAnswerError, Subject


def gradients(subject: Subject) -> Stage:
    """Return of what the declared derivatives are derivatives."""
    declared, found = list(subject.declared.derivatives), list[Difference]()
    told, reasons = [], []
    if "coefficients" in declared and subject.declared.parts and not subject.differs:
        declared.append("parts")
    asks: dict[str, Callable[[Subject], list[Difference]]] = {
        "coefficients": partial(_first, of_coefficients), "parts": of_parts, "inputs": partial(_first, of_inputs),
        "second": partial(_first, of_second), "gauss-newton": of_gauss_newton, "batches": of_batches,
    }  # fmt: skip
    declared += ["batches"] * ("coefficients" in declared and not subject.behind)
    for name, ask in asks.items():
        if name not in declared or (name in ("parts", "batches") and found):
            continue
        try:
            one = ask(subject)
        except NoAnswerError as error:
            reasons.append(f"{name}: {error}")
            continue
        found += one
        told += [] if one or name == "batches" else [name]
    words = f"those of the layer's own function in {', '.join(told)}" if told else ""
    if not subject.declared.derivatives:
        words = "not declared"
    return Stage("gradients", words, tuple(found), "; ".join(reasons))


def _degrees(subject: Subject) -> list[int]:
    """All degrees of functions that are not constant on intervals, the main one first."""
    return sorted(filter(None, subject.degrees), key=lambda degree: (degree != subject.degree, degree))


def _first(ask: Callable[[Subject, int], list[Difference]], subject: Subject) -> list[Difference]:
    """What is found in the first degree in which something is."""
    for degree in _degrees(subject):
        if found := ask(subject, degree):
            where = () if degree == subject.degree else (f"degree-{degree}",)
            return [replace(one, where=where) for one in found]
    return []


def of_coefficients(subject: Subject, degree: int) -> list[Difference]:
    """Gradients in the coefficients against R^T dy."""
    quantity = ("coefficient-gradients", "gauss-newton", "repeatability")
    what = "coefficient gradients"
    spec, x, model = asked_layer(subject, degree=degree)
    shapes = {"coefficients": spec.coefficients.shape}

    def asked(at: FloatArray, dy: FloatArray) -> FloatArray:
        return subject.gradients(model, at, dy, shapes)["coefficients"]

    R = responses(subject, spec, x) if degree == subject.degree else own_responses(subject, spec, x)
    R = R * slope_behind(subject, spec, x)[:, :, None, None, None]
    rng = np.random.default_rng(5)
    one, two = rng.integers(-8, 9, (2, len(x), 3)) / 4.0
    if found := calls_and_sums(subject, quantity, what, asked, x, one, two, R):
        return found
    units = [np.eye(len(x))[s][:, None] * np.eye(3)[q] for s in range(len(x)) for q in range(3)]
    theirs = np.stack([asked(x, dy) for dy in units]).reshape(R.shape)
    room = max(subject.tolerance(float(np.abs(R).max())) * 4, 2.0**-30 * subject.eps)
    if (np.abs(theirs - true_jacobian(spec, x)) <= 4 * room).all():  # whatever the function is
        return []
    told = explain(theirs, R, ("sample", "answer", "output", "input", "coefficient"), room, what)
    if told is None:
        told = _of_other_samples(asked, x, theirs, R, room, what)
    if told is None:
        return [unexplained(what, theirs, R, quantity)]
    return list(differences(told, quantity, gradient=True, size=size_of_factor(subject, told, "coefficients")))


def _of_other_samples(
    asked: Any, x: FloatArray, theirs: FloatArray, R: FloatArray, room: float, what: str
) -> list[Named] | None:  # fmt: skip
    """Parts of other samples, or of none where each sample alone has its own."""
    apart = np.abs(theirs[:, None] - R).reshape(len(x), len(x), -1).max(axis=2)
    if (apart.min(axis=1) <= room).all():
        return [("gradients mixed", {"what": what})]
    alone = np.stack([asked(x[s : s + 1], np.ones((1, 3))) for s in range(len(x))])
    if (np.abs(alone - R.sum(axis=1)) <= room).all():
        lost = int((np.abs(theirs - R).max(axis=(1, 2, 3, 4)) > room).sum())
        how = f"of {len(x)} samples {lost} do not add what is theirs, and each does in a batch of its own"
        return [("contributions lost", {"what": what, "how": how})]
    return None


def of_parts(subject: Subject) -> list[Difference]:
    """Gradients in the parts beside splines, and in coefficients beside them, against differences of values.

    Values are linear in each part alone, so that a difference for a unit is a derivative.
    """
    spec = with_parts(subject)
    x, found = subject.samples(spec, SAMPLES, 5), []
    model = subject.build(spec)
    names = {"coefficients": "coefficients", **{attribute(part): part for part in spec.parts}}
    shapes = {part: getattr(spec, name).shape for name, part in names.items()}
    cotangents = [np.eye(len(x))[s][:, None] * np.eye(3)[q] for s in range(len(x)) for q in range(3)]
    asked = [subject.gradients(model, x, dy, shapes) for dy in cotangents]
    start = subject.values(spec, x)
    for name, part in names.items():
        theirs = np.stack([one[part] for one in asked]).reshape(len(x), 3, *shapes[part])
        ours = np.zeros(theirs.shape)
        for u in np.ndindex(*shapes[part]):
            moved = getattr(spec, name).copy()
            moved[u] += 1
            more: dict[str, Any] = {name: moved}
            ours[(slice(None), slice(None), *u)] = subject.values(replace(spec, **more), x) - start
        axes = ("sample", "answer", "output", "input", "coefficient")[: theirs.ndim]
        what = f"gradients in {part} of layers with parts"
        told = explain(theirs, ours, axes, subject.tolerance(4 * float(np.abs(ours).max())), what)
        quantity = (f"{part}-gradients" if part != "coefficients" else "coefficient-gradients",)
        if told is None or any(name == "factor by edge" for name, _ in told):
            gain = spec.gain[:, :, None] if part == "coefficients" else 1.0
            ignored = part == "coefficients" and np.abs(theirs * gain - ours).max() <= subject.tolerance(4.0)
            evidence = {"part": "scale", "what": what, "left": float(np.abs(theirs - ours).max() / np.abs(ours).max())}
            name = "part ignored" if ignored else "gradient is another"
            found.append(Difference(name, evidence, sure="measured", quantities=quantity))
        else:
            found += differences(told, quantity, gradient=True)
    return found


LARGE = 1030
"""Samples of a large batch: beyond the usual sizes of blocks, and no multiple of them."""


def of_batches(subject: Subject) -> list[Difference]:
    """Coefficient gradients of a large batch, and of cotangents that are expanded or strided."""
    spec = subject.spec((3, 2))
    few = subject.samples(spec, 64, 5)
    x, model, what = np.resize(few, (LARGE, 2)), subject.build(spec), "coefficient gradients"
    R = own_responses(subject, spec, few)[np.arange(LARGE) % 64]
    row = np.array([0.5, -1.25, 2.0])
    wide = np.repeat(row[None], 2 * LARGE, axis=0)
    wide[1::2] = -7.0
    quantity = ("coefficient-gradients", "repeatability")
    ours = np.einsum("a,saqpi->qpi", row, R)
    for words, dy in (("", wide[::2].copy()), ("strided", wide[::2]), ("expanded", np.broadcast_to(row, (LARGE, 3)))):
        found = subject.asked("vjp", subject.adapter.vjp, model, x.copy(), dy)
        theirs = subject.read_gradient(found, "coefficients", spec.coefficients.shape)
        if np.abs(theirs - ours).max() <= subject.tolerance(64 * float(np.abs(ours).max())):
            continue
        evidence = {"what": what, "how": f"of {LARGE} samples they are off by {np.abs(theirs - ours).max():.3g}"}
        if words:
            evidence = {"layout": f"{words} in dy", "count": str(LARGE), "total": str(LARGE)}
        name = "strides ignored" if words else "contributions lost"
        return [Difference(name, evidence, sure="measured", quantities=quantity)]
    return []


def of_gauss_newton(subject: Subject) -> list[Difference]:
    """J^T J / N with the Jacobian of the layer's own outputs."""
    quantity, what = ("gauss-newton",), "entries of the Gauss-Newton matrix"
    spec, x, model = asked_layer(subject)
    M = spec.coefficients.size
    theirs = subject.gauss_newton(model, x, M)
    found: list[Named] | None = None
    for jacobian in (responses(subject, spec, x), true_jacobian(spec, x)):
        J = jacobian.reshape(len(x) * 3, M)
        ours = J.T @ J / len(x)
        told = explain(theirs, ours, ("row", "column"), subject.tolerance(float(np.abs(ours).max())) * 4, what)
        found = told if found is None or told == [] else found
    if found is None:
        return [unexplained(what, theirs, ours, quantity)]
    size = ""
    for name, evidence in found:
        if name == "constant factor":
            size = sizes_of([evidence["factor"]], [{"samples": len(x), "outputs": 3}])
    return list(differences(found, quantity, gradient=True, size=size))
