"""Derivatives in the inputs, first and second, against those of the layer's own outputs: see `slopes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.identification.explanations import explain
from refkan.conformance.identification.names import differences
from refkan.conformance.identification.slopes import (
    derivatives,
    formula_of,
    lengths,
    true_derivatives,
)  # fmt: skip
from refkan.conformance.identification.stages.asked_gradients import (
    SAMPLES,
    asked_layer,
    calls_and_sums,
    cotangent,
    size_of_factor,
    unexplained,
)
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import NoAnswerError, Subject


def of_inputs(subject: Subject, degree: int) -> list[Difference]:
    """Gradients in the inputs against derivatives of the layer's own outputs."""
    quantity, what = ("input-gradients", "second-derivatives", "repeatability"), "input gradients"
    spec, x, model = asked_layer(subject, degree=degree)
    if spec.degree == 0:
        return []

    def asked(at: FloatArray, dy: FloatArray) -> FloatArray:
        return subject.gradients(model, at, dy, {"inputs": at.shape})["inputs"]

    rng = np.random.default_rng(6)
    one, two = rng.integers(-8, 9, (2, len(x), 3)) / 4.0
    own = derivatives(subject, spec, x)
    found = calls_and_sums(subject, quantity, what, asked, x, one, two, own.transpose(1, 0, 2)[None])
    if found:
        return found
    theirs = np.stack([asked(x, cotangent(len(x), 3, q)) for q in range(3)], axis=1)
    told = _compared(subject, spec, x, theirs, own, 1, quantity, what)

    def of_sums(of: Any, at: FloatArray) -> FloatArray:
        return subject.gradients(of, at, np.ones((len(at), 3)), {"inputs": at.shape})["inputs"]

    return told or _at_knots(subject, degree, quantity, what, of_sums)


def _compared(
    subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray, own: FloatArray, order: int,
    quantity: tuple[str, ...], what: str,
) -> list[Difference]:  # fmt: skip
    seen = np.isfinite(own)
    if not seen.any():
        raise NoAnswerError("values are not smooth enough to differentiate")
    size, exact = float(np.abs(own[seen]).max()), true_derivatives(spec, x, order)
    fine = 2.0**10 * subject.eps * np.abs(exact).max()
    room = max(2.0 ** (-32 + 10 * order), subject.eps * 2.0**30, 2.0 ** (8 * order) * subject.rough) * size
    if np.abs(own - exact)[seen].max() <= room:  # the right function: its derivatives are known to rounding
        own, room = (
            exact,
            max(fine, subject.tolerance(size), 2.0 ** (8 * order) * subject.rough * size),
        )
    own, theirs = np.where(seen, own, 0.0), np.where(seen, theirs, 0.0)
    if (np.abs(theirs - exact)[seen] <= fine).all():
        return []
    found = explain(theirs, own, ("sample", "output", "input"), room, what)
    if found is None or any(name in ("factor along", "factor by edge") for name, _ in found):
        spans = lengths(spec, x)[:, None, :] ** order
        if (np.abs(theirs - own * spans) <= room * 4).all():
            how = "they are in positions within the interval of x, and are not divided by its length"
            return [Difference("wrong derivative", {"what": what, "how": how}, quantities=quantity)]
        first = np.array([t[spec.order] - t[spec.order - 1] for t in spec.knots])
        if (np.abs(theirs - own * first**order) <= room * 4).all():
            size_of = "the spacing h of each input" + (", squared" if order == 2 else "")
            evidence = {"what": what, "factor": float(first[0] ** order), "size": size_of}
            return [Difference("constant factor", evidence, quantities=quantity)]
    if found is None or any(
        name in ("factor along", "factor by edge", "left out", "shifted", "zero") for name, _ in found
    ):
        formula = formula_of(subject, spec, x, order) if found is None or found[0][0] != "zero" else None
        if formula:
            return [Difference("wrong derivative", {"what": what, "how": formula}, quantities=quantity)]
    if found is None:
        return [unexplained(what, theirs, own, quantity)]
    return list(differences(found, quantity, gradient=True, size=size_of_factor(subject, found, "inputs", order)))


def _at_knots(
    subject: Subject, degree: int, quantity: tuple[str, ...], what: str, asked: Callable[[Any, FloatArray], FloatArray]
) -> list[Difference]:  # fmt: skip
    """Derivatives at knots against those to the right of them, and at x = b against those to the left."""
    kinds = [kind for kind in ("uniform", "arbitrary") if (degree, kind) in subject.right]
    kind = kinds[0] if kinds else ""
    if not kind or (kind == "uniform" and not subject.declared.frame.exact):
        return []
    spec = subject.spec((3, 2), degree=degree, kind=kind)
    model, step = subject.build(spec), 2.0**-22
    inner = [np.unique(t[spec.order : t.size - spec.order]) for t in spec.knots]
    at = np.stack([np.resize(t, SAMPLES) for t in inner], axis=1)
    here, left, right = asked(model, at), asked(model, at - step), asked(model, at + step)
    room = 2.0**-12 * float(np.abs(right).max())
    end = np.repeat(spec.domains[:, 1][None], SAMPLES, axis=0)
    last, before = asked(model, end), asked(model, end - step)
    if np.abs(here - right).max() > room:
        if not here.any():
            return [Difference("zero at knots", {"what": what}, quantities=quantity)]
        if np.abs(here - left).max() <= room:
            return [Difference("left limit at knots", quantities=quantity)]
        evidence = {"what": f"{what} at knots", "left": float(np.abs(here - right).max() / np.abs(right).max())}
        return [Difference("gradient is another", evidence, sure="measured", quantities=quantity)]
    right_end = subject.declared.right_end
    wanted = {"closed": before, "half-open": asked(model, end + step), "zero": 0 * last}[right_end]
    if np.abs(last - wanted).max() <= room or spec.outside != "natural":
        return []
    told = "zero" if not last.any() else f"not those that go with a {right_end} right end"
    name = "right end open" if right_end == "closed" else "other right end"
    return [Difference(name, {"what": f"at x = b {what} are {told}"}, quantities=quantity)]


def of_second(subject: Subject, degree: int) -> list[Difference]:
    """Second derivatives against those of the layer's own outputs."""
    quantity, what = ("second-derivatives",), "second derivatives"
    spec, x, model = asked_layer(subject, degree=degree)
    if spec.degree < 2:
        return []
    own = derivatives(subject, spec, x, 2)
    along: FloatArray = np.array([0.5, -2.0]) * (1.0 + np.arange(len(x)) % 2)[:, None]
    units = [cotangent(len(x), 3, q) for q in range(3)]
    theirs = np.stack([subject.second(model, x, dy, along) for dy in units], axis=1) / along[:, None]

    def of_sums(of: Any, at: FloatArray) -> FloatArray:
        return subject.second(of, at, np.ones((len(at), 3)), np.ones(at.shape))

    told = _compared(subject, spec, x, theirs, own, 2, quantity, what)
    return told or _at_knots(subject, degree, quantity, what, of_sums)
