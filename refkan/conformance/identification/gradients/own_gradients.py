r"""Stage 6: of what gradients are the gradients.

They are compared with those of the layer's own function, as the stages before identified it: a wrong function with its
right gradient is one defect. In the coefficients the function is linear, so that unit responses R are its Jacobian, and
the gradient of sum dy y is R^T dy. In x it is smooth inside intervals: see `input_gradients`.

Cotangents of one output and one sample make arrays whose axes are samples, outputs, inputs, coefficients: what was done
to them is a rearrangement and factors again.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import PARTS
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import explain, placed, sizes_of
from refkan.conformance.identification.gradients.asked_gradients import (
    asked_layer,
    calls_and_sums,
    fewer,
    size_of_factor,
    sizes_asked,
    slope_behind,
    unit_cotangents,
)  # fmt: skip
from refkan.conformance.identification.gradients.input_gradients import of_inputs, of_inputs_with_parts
from refkan.conformance.identification.gradients.other_settings import of_settings
from refkan.conformance.identification.gradients.situations import Situation
from refkan.conformance.identification.gradients.slopes import true_jacobian
from refkan.conformance.identification.gradients.whole_gradients import DETACHED, against_truth, unexplained
from refkan.conformance.identification.stages.parts import of_parts
from refkan.conformance.identification.stages.wiring import AXES, responses
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import NoAnswerError, Subject

UNSTABLE = {"gradients accumulate", "stale gradient", "not deterministic"}
"""Differences after which no other gradient of a batch can be asked for."""

UNNAMED = {"gradient is another", "gradient not linear"}
"""Differences of which no cause is known."""

OF = {
    "coefficients": {"coefficient-gradients"}, "inputs": {"input-gradients"}, "second": {"second-derivatives"},
    "gauss-newton": {"gauss-newton"}, "parts": {f"{part}-gradients" for part in PARTS},
}  # fmt: skip
"""Quantities of which it is told that they are right."""


def gradients(subject: Subject) -> Stage:
    """Return of what the declared derivatives are derivatives."""
    if subject.nonlinear:
        raise NoAnswerError(subject.nonlinear)
    declared, differences = list(subject.declared.derivatives), list[Difference]()
    told, reasons = [], []
    if "coefficients" in declared:
        declared += ["parts"] * bool(subject.declared.parts)
    declared += ["inputs-with-parts"] * bool("inputs" in declared and subject.declared.parts)
    asks: dict[str, Callable[[Subject], list[Difference]]] = {
        "coefficients": partial(_first, of_coefficients), "parts": of_parts, "inputs": partial(_first, of_inputs),
        "second": partial(_first, partial(of_inputs, order=2)), "gauss-newton": of_gauss_newton,
        "inputs-with-parts": of_inputs_with_parts,
        "settings": lambda subject: of_settings(subject, subject.wrong_gradients),
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
            subject.unanswered |= OF.get(name, frozenset())
            continue
        differences += difference
        subject.wrong_gradients = _bearing_on(differences)
        told += [] if difference or name in ("settings", "inputs-with-parts") else [name]
    if "changed by a call" in subject.names:  # within the call, too
        differences = [d for d in differences if d.name not in UNNAMED and not d.name.endswith(" gradients")]
        reasons.append("a call changes the model of which it is asked")
    told = [name for name in told if not subject.wrong_gradients & OF[name]]
    words = f"those of the layer's own function in {', '.join(told)}" if told else "not declared" * (not declared)
    return Stage("gradients", words, tuple(differences), "; ".join(reasons))


def whatever_values(subject: Subject) -> list[Difference]:
    """Gradients of a layer whose values are no function of a sample alone: simple multiples of the right ones."""
    spec, x, model = asked_layer(subject)
    seen = against_truth(subject, Situation((spec,), x), model, frozenset({"values"}))
    named = ("constant factor", "sign", DETACHED)
    return [difference for told in seen.values() for difference in told if difference.name in named]


def _bearing_on(differences: list[Difference]) -> frozenset[str]:
    """The quantities that differ, each as the first of those that a difference bears on."""
    return frozenset(difference.quantities[0] for difference in differences)


def _first(ask: Callable[[Subject, int], list[Difference]], subject: Subject) -> list[Difference]:
    """What differs in the first degree in which something does; functions of degree 0 are constant on intervals."""
    for degree in sorted(filter(None, subject.degrees), key=lambda degree: (degree != subject.degree, degree)):
        if differences := ask(subject, degree):
            return placed(differences, where=() if degree == subject.degree else (f"degree-{degree}",))
    return []


def of_coefficients(subject: Subject, degree: int) -> list[Difference]:
    """Gradients in the coefficients against R^T dy."""
    owner, quantities = "coefficient gradients", ("coefficient-gradients", "gauss-newton", "repeatability")
    spec, x, model = asked_layer(subject, degree=degree)
    shapes = {"coefficients": spec.coefficients.shape}

    def asked(of: Any, at: FloatArray, dy: FloatArray) -> FloatArray:
        return subject.gradients(of, at, dy, shapes)["coefficients"]

    def jacobian() -> FloatArray:
        return responses(subject, spec, x) * slope_behind(subject, spec, x)[:, :, None, None, None]

    dy, true = np.random.default_rng(5).integers(-8, 9, (2, len(x), 3)) / 4.0, FloatQuantities((spec,), x)
    right = [true.coefficient_gradients(of)[0] for of in dy]
    room = subject.tolerance(4 * float(np.abs(right).max()))
    is_right = all(np.abs(asked(model, x, of) - own).max() <= room for of, own in zip(dy, right, strict=True))
    if degree != subject.degree and is_right:
        return []
    if told := calls_and_sums(subject, spec, owner, asked, x, dy[0], dy[1], jacobian):
        return placed(told, quantities=quantities)
    if is_right:
        return []
    R = jacobian()
    theirs = np.stack([asked(model, x, dy) for dy in unit_cotangents(len(x), 3)]).reshape(R.shape)
    room = max(subject.tolerance(float(np.abs(R).max())) * 4, 2.0**-30 * subject.eps)
    if (np.abs(theirs - true_jacobian(spec, x)) <= 4 * room).all():  # whatever the function is
        return []
    said = explain(theirs, R, AXES, room, owner, DETACHED)
    if said is None:
        said = _of_other_samples(partial(asked, model), x, theirs, R, room, owner) or [
            unexplained(subject, owner, theirs, R)
        ]
    said = [
        replace(difference, name="gradients mixed") if difference.name == "samples mixed up" else difference
        for difference in said
    ]
    return placed(said, quantities=quantities, size=size_of_factor(subject, said, "coefficients"))


def _of_other_samples(
    asked: Any, x: FloatArray, theirs: FloatArray, R: FloatArray, room: float, owner: str
) -> list[Difference]:  # fmt: skip
    """Parts of other samples, or of none where each sample alone has its own."""
    apart = np.abs(theirs[:, None] - R).reshape(len(x), len(x), -1).max(axis=2)
    if (apart.min(axis=1) <= room).all():
        return [Difference("gradients mixed", {"what": owner})]
    used = np.flatnonzero(np.abs(theirs).reshape(len(x), -1).max(axis=1) > room)
    if used.size == 1 and np.abs(theirs[used[0]] - R.sum(axis=0)).max() <= room * len(x):
        how = f"the cotangent of sample {used[0]} is used for all"
        return [Difference("cotangent ignored", {"what": owner, "how": how})]
    alone = np.stack([asked(x[s : s + 1], np.ones((1, 3))) for s in range(len(x))])
    if (np.abs(alone - R.sum(axis=1)) <= room).all():
        lost = int((np.abs(theirs - R).max(axis=(1, 2, 3, 4)) > room).sum())
        how = f"of {len(x)} samples {lost} do not add what is theirs, and each does in a batch of its own"
        return [Difference("contributions lost", {"what": owner, "how": how})]
    return []


def _of_another_matrix(
    theirs: FloatArray, ours: FloatArray, shape: tuple[int, ...], room: float, owner: str
) -> list[Difference] | None:  # fmt: skip
    """A multiple of the identity added, or coefficients in another order of axes."""
    M = len(ours)
    k = float(np.median(np.diagonal(theirs - ours)))
    if np.abs(theirs - ours - k * np.eye(M)).max() <= room:
        return [Difference("wired otherwise", {"what": owner, "how": f"{k:.6g} times the identity is added"})]
    for axes in permutations(range(3)):
        order = np.arange(M).reshape(shape).transpose(axes).ravel()
        if np.abs(theirs - ours[np.ix_(order, order)]).max() <= room:
            names = ", ".join(("output", "input", "coefficient")[k] for k in axes)
            return [Difference("wired otherwise", {"what": owner, "how": f"they stand in the order ({names})"})]
    return None


def of_gauss_newton(subject: Subject) -> list[Difference]:
    """J^T J / N with the Jacobian of the layer's own outputs."""
    owner = "entries of the Gauss-Newton matrix"
    spec, x, model = asked_layer(subject)
    M = spec.coefficients.size
    theirs = subject.gauss_newton(model, x, M)
    said: list[Difference] | None = None
    for jacobian in (true_jacobian, partial(responses, subject)):
        J = jacobian(spec, x).reshape(len(x) * 3, M)
        ours = J.T @ J / len(x)
        room = subject.tolerance(float(np.abs(ours).max())) * 4
        told = explain(theirs, ours, ("row", "column"), room, owner, DETACHED)
        said = told if said is None or told == [] else said
        if said == []:
            return []
        edge = np.arange(M) // spec.dim
        if said is None:
            said = _of_another_matrix(theirs, ours, spec.coefficients.shape, room, owner)
        for words, kept in (("diagonal", np.eye(M) > 0), ("blocks of edges", edge[:, None] == edge)):
            if said is None and np.abs(theirs - ours * kept).max() <= room:
                said = [Difference("wired otherwise", {"what": owner, "how": f"all but the {words} are zero"})]
    if said is None:
        said = [unexplained(subject, owner, theirs, ours)]
    factors = [difference.evidence["factor"] for difference in said if difference.name == "constant factor"]
    if factors:
        other, at, model = asked_layer(subject, (2, 3), 9, intervals=fewer(subject))
        J = responses(subject, other, at).reshape(len(at) * 2, -1)
        k = (subject.gauss_newton(model, at, J.shape[1]) * (J.T @ J)).sum() / ((J.T @ J) ** 2).sum() * len(at)
        sizes = [sizes_asked(spec, len(x)), sizes_asked(other, len(at))]
        said = placed(said, size=sizes_of([*factors, abs(float(k))], sizes))
    return placed(said, quantities=("gauss-newton",))
