r"""Stage 6: of what gradients are the gradients.

They are compared with those of the layer's own function, as the stages before identified it: a wrong function with its
right gradient is one defect. In the coefficients the function is linear, so that unit responses R are its Jacobian, and
the gradient of sum dy y is R^T dy. In x it is smooth inside intervals: see `slopes`.

Cotangents with one output at a time make arrays whose axes are outputs, inputs, samples, coefficients: what was done to
them is a rearrangement and factors again. Where nothing explains them, the formula is asked: b_i' = (r - 1)
(L_i - R_i), and the factors of L and R are found by least squares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec, attribute
from refkan.conformance.cases.truths.precision import is_exact
from refkan.conformance.identification.explanations import Named, explain, sizes_of
from refkan.conformance.identification.known_maps import MAPS
from refkan.conformance.identification.names import differences
from refkan.conformance.identification.results import Difference, Stage
from refkan.conformance.identification.stages.parts import with_parts
from refkan.conformance.identification.stages.slopes import (
    derivatives,
    formula_of,
    lengths,
    true_derivatives,
    true_jacobian,
)  # fmt: skip
from refkan.conformance.identification.stages.wiring import own_responses, responses
from refkan.conformance.identification.subject import NoAnswerError, Subject

SAMPLES = 16

OFF = 2.0**-30
"""Of the largest gradient: room for the rounding of derivatives by interpolation."""


def gradients(subject: Subject) -> Stage:
    """Return of what the declared derivatives are derivatives."""
    declared, found = list(subject.declared.derivatives), list[Difference]()
    told, reasons = [], []
    if "coefficients" in declared and subject.declared.parts and not subject.differs:
        declared.append("parts")
    asks: dict[str, Callable[[Subject], list[Difference]]] = {
        "coefficients": partial(_first, of_coefficients), "parts": of_parts, "inputs": partial(_first, of_inputs),
        "second": partial(_first, of_second), "gauss-newton": of_gauss_newton,
    }  # fmt: skip
    for name, ask in asks.items():
        if name not in declared or (name == "parts" and found):
            continue
        try:
            one = ask(subject)
        except NoAnswerError as error:
            reasons.append(f"{name}: {error}")
            continue
        found += one
        told += [] if one else [name]
    words = f"those of the layer's own function in {', '.join(told)}" if told else ""
    if not declared:
        words = "not declared"
    return Stage("gradients", words, tuple(found), "; ".join(reasons))


def _asked(subject: Subject, shape: tuple[int, int] = (3, 2), count: int = SAMPLES, degree: int | None = None) -> Any:
    """A layer, samples and a new model; equally spaced knots only where there are no others."""
    kind = "arbitrary" if "arbitrary" in subject.kinds else "uniform-fine" if "uniform-fine" in subject.kinds else ""
    spec = subject.spec(shape, degree=degree, kind=kind)
    return spec, subject.samples(spec, count, 5), subject.build(spec)


def _cotangent(n: int, outputs: int, q: int) -> FloatArray:
    return np.repeat(np.eye(outputs)[q][None], n, axis=0)


def _degrees(subject: Subject) -> list[int]:
    """All degrees, the main one first."""
    return sorted(subject.degrees, key=lambda degree: (degree != subject.degree, degree))


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
    spec, x, model = _asked(subject, degree=degree)
    shapes = {"coefficients": spec.coefficients.shape}

    def asked(at: FloatArray, dy: FloatArray) -> FloatArray:
        return subject.gradients(model, at, dy, shapes)["coefficients"]

    R = responses(subject, spec, x) if degree == subject.degree else own_responses(subject, spec, x)
    R = R * _behind(subject, spec, x)[:, :, None, None, None]
    rng = np.random.default_rng(5)
    one, two = rng.integers(-8, 9, (2, len(x), 3)) / 4.0
    if found := _calls(subject, quantity, what, asked, x, one, two, R):
        return found
    units = [np.eye(len(x))[s][:, None] * np.eye(3)[q] for s in range(len(x)) for q in range(3)]
    theirs = np.stack([asked(x, dy) for dy in units]).reshape(R.shape)
    room = max(subject.tolerance(float(np.abs(R).max())) * 4, OFF * subject.eps)
    if (np.abs(theirs - true_jacobian(spec, x)) <= 4 * room).all():  # whatever the function is
        return []
    told = explain(theirs, R, ("sample", "answer", "output", "input", "coefficient"), room, what)
    if told is None:
        told = _of_other_samples(asked, x, theirs, R, room, what)
    if told is None:
        return [_rounded(what, theirs, R, quantity)]
    return list(differences(told, quantity, gradient=True, size=_size(subject, told, "coefficients")))


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


def _behind(subject: Subject, spec: LayerSpec, x: FloatArray) -> FloatArray:
    """The slope of the map behind the layer, 1 if there is none: (N, Q)."""
    name = subject.behind
    if not name:
        return np.ones((len(x), spec.n_outputs))
    u, h = subject.values(spec, x), 2.0**-17
    slope = (MAPS[name](u + h) - MAPS[name](u - h)) / (2 * h)
    return np.asarray(slope)


def _calls(
    subject: Subject, quantity: tuple[str, ...], what: str, asked: Any, x: FloatArray, one: FloatArray, two: FloatArray,
    R: FloatArray,
) -> list[Difference]:  # fmt: skip
    """Two calls, and cotangents that are added."""
    other = asked(x[::-1] + 2.0**-6, one)
    first, again = asked(x, one), asked(x, one)
    if np.array_equal(other, first) and first.any():
        return [Difference("stale gradient", {"what": what}, quantities=quantity)]
    size = float(np.abs(first).max())
    if not np.isfinite(first).all():
        bad = int((~np.isfinite(first)).sum())
        return [Difference("not finite", {"what": what, "count": bad, "total": first.size}, quantities=quantity)]
    room = subject.tolerance(size)
    if np.abs(again - first).max() > room:
        ratio = float((again * first).sum() / (first * first).sum())
        if np.abs(again - ratio * first).max() <= room * 4 and ratio > 1.5:
            return [Difference("gradients accumulate", {"what": what, "factor": ratio}, quantities=quantity)]
        third = asked(x, one)
        if np.abs((third - again) - (again - first)).max() <= room * 4:
            evidence = {"what": what, "factor": ratio}
            return [Difference("gradients accumulate", evidence, quantities=quantity)]
        evidence = {"of": f"{what} in two calls", "count": int((again != first).sum()), "total": first.size}
        evidence["size"] = float(np.abs(again - first).max() / size)
        return [Difference("not deterministic", evidence, quantities=quantity)]
    other, both = asked(x, two), asked(x, one + two)
    if np.abs(first + other - both).max() > room * 4 and size > 0:
        how = "of two cotangents and of their sum they do not add up"
        if np.abs(first - other).max() <= room:
            ours = R.sum(axis=(0, 1))
            how = "they are those of the sum of outputs" if np.abs(first - ours).max() <= room * 64 else "all are equal"
            return [Difference("cotangent ignored", {"what": what, "how": how}, quantities=quantity)]
        low, high = float(both.min()), float(both.max())
        if (both >= high - room).sum() > 1 or (both <= low + room).sum() > 1:
            evidence = {"what": what, "low": low, "high": high}
            return [Difference("gradient clipped", evidence, quantities=quantity)]
        return [Difference("cotangent ignored", {"what": what, "how": how}, quantities=quantity)]
    return []


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


def _rounded(what: str, theirs: FloatArray, ours: FloatArray, quantity: tuple[str, ...]) -> Difference:
    """What explains nothing: rounding, difference quotients, or another function."""
    left = float(np.abs(theirs - ours).max() / np.abs(ours).max())
    evidence = {"what": what, "left": left}
    if is_exact("float32", theirs) or 2.0**-27 < left < 2.0**-21:
        return Difference("float32 gradients", evidence, sure="measured", quantities=quantity)
    name = "finite differences" if left < 2.0**-12 and what != "coefficient gradients" else "gradient is another"
    return Difference(name, evidence, sure="measured", quantities=quantity)


def of_inputs(subject: Subject, degree: int) -> list[Difference]:
    """Gradients in the inputs against derivatives of the layer's own outputs."""
    quantity, what = ("input-gradients", "second-derivatives", "repeatability"), "input gradients"
    spec, x, model = _asked(subject, degree=degree)
    if spec.degree == 0:
        return []

    def asked(at: FloatArray, dy: FloatArray) -> FloatArray:
        return subject.gradients(model, at, dy, {"inputs": at.shape})["inputs"]

    rng = np.random.default_rng(6)
    one, two = rng.integers(-8, 9, (2, len(x), 3)) / 4.0
    own = derivatives(subject, spec, x)
    found = _calls(subject, quantity, what, asked, x, one, two, own.transpose(1, 0, 2)[None])
    if found:
        return found
    theirs = np.stack([asked(x, _cotangent(len(x), 3, q)) for q in range(3)], axis=1)
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
    room = max(2.0 ** (-32 + 10 * order), subject.eps * 2.0**30, 2.0 ** (8 * order) * subject.noise) * size
    if np.abs(own - exact)[seen].max() <= room:  # the right function: its derivatives are known to rounding
        own, room = exact, max(fine, subject.tolerance(size), 2.0 ** (8 * order) * subject.noise * size)
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
        return [_rounded(what, theirs, own, quantity)]
    return list(differences(found, quantity, gradient=True, size=_size(subject, found, "inputs", order)))


def _at_knots(
    subject: Subject, degree: int, quantity: tuple[str, ...], what: str, asked: Callable[[Any, FloatArray], FloatArray]
) -> list[Difference]:  # fmt: skip
    """Derivatives at knots against those to the right of them, and at x = b against those to the left."""
    kind = next((kind for kind in ("uniform", "arbitrary") if kind in subject.kinds), "")
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
    if np.abs(last - before).max() > room and subject.declared.right_end == "closed":
        told = "zero" if not last.any() else "not those from the left"
        return [Difference("right end open", {"what": f"at x = b {what} are {told}"}, quantities=quantity)]
    return []


def of_second(subject: Subject, degree: int) -> list[Difference]:
    """Second derivatives against those of the layer's own outputs."""
    quantity, what = ("second-derivatives",), "second derivatives"
    spec, x, model = _asked(subject, degree=degree)
    if spec.degree < 2:
        return []
    own = derivatives(subject, spec, x, 2)
    ones = np.ones(x.shape)
    theirs = np.stack([subject.second(model, x, _cotangent(len(x), 3, q), ones) for q in range(3)], axis=1)

    def of_sums(of: Any, at: FloatArray) -> FloatArray:
        return subject.second(of, at, np.ones((len(at), 3)), np.ones(at.shape))

    told = _compared(subject, spec, x, theirs, own, 2, quantity, what)
    return told or _at_knots(subject, degree, quantity, what, of_sums)


def of_gauss_newton(subject: Subject) -> list[Difference]:
    """J^T J / N with the Jacobian of the layer's own outputs."""
    quantity, what = ("gauss-newton",), "entries of the Gauss-Newton matrix"
    spec, x, model = _asked(subject)
    M = spec.coefficients.size
    theirs = subject.gauss_newton(model, x, M)
    found: list[Named] | None = None
    for jacobian in (responses(subject, spec, x), true_jacobian(spec, x)):
        J = jacobian.reshape(len(x) * 3, M)
        ours = J.T @ J / len(x)
        told = explain(theirs, ours, ("row", "column"), subject.tolerance(float(np.abs(ours).max())) * 4, what)
        found = told if found is None or told == [] else found
    if found is None:
        return [_rounded(what, theirs, ours, quantity)]
    size = ""
    for name, evidence in found:
        if name == "constant factor":
            size = sizes_of([evidence["factor"]], [{"samples": len(x), "outputs": 3}])
    return list(differences(found, quantity, gradient=True, size=size))


def _size(subject: Subject, found: list[Named], name: str, order: int = 1) -> str:
    """Which size a constant factor is: measured once more with others."""
    factors = [evidence["factor"] for word, evidence in found if word == "constant factor"]
    if not factors:
        return ""
    measured, sizes = [], []
    for shape, count, degree in (((3, 2), SAMPLES, None), ((5, 3), 24, _another_degree(subject))):
        spec, x, model = _asked(subject, shape, count, degree)
        dy = np.ones((count, shape[0]))
        if name == "coefficients":
            theirs = subject.gradients(model, x, dy, {"coefficients": spec.coefficients.shape})["coefficients"]
            ours = np.stack([subject.basis(spec, x[:, p], p).sum(axis=0) for p in range(shape[1])])[None]
            ours = np.repeat(ours, shape[0], axis=0)
        elif order == 1:
            theirs = subject.gradients(model, x, dy, {"inputs": x.shape})["inputs"]
            ours = derivatives(subject, spec, x).sum(axis=1)
        else:
            theirs, ours = subject.second(model, x, dy, np.ones(x.shape)), derivatives(subject, spec, x, 2).sum(axis=1)
        measured.append(abs(float((theirs * ours).sum() / (ours * ours).sum())))
        sizes.append(_sizes(spec, count))
    return sizes_of(measured, sizes)


def _another_degree(subject: Subject) -> int:
    others = [d for d in subject.degrees if d not in (subject.degree, 0, 1)]
    return others[0] if others else subject.degree


def _sizes(spec: LayerSpec, count: int) -> Mapping[str, float]:
    Q, P = spec.coefficients.shape[:2]
    sizes = {
        "samples": count, "outputs": Q, "inputs": P, "the samples times the outputs": count * Q,
        "the degree": max(spec.degree, 1), "the order": spec.order,
        "the order over the degree": spec.order / max(spec.degree, 1),
        "coefficients of an edge": spec.dim, "intervals": spec.intervals, "the coefficients": spec.coefficients.size,
    }  # fmt: skip
    t, r = spec.knots[0], spec.order
    if spec.kind == "uniform":
        sizes["the spacing h"] = float(t[r] - t[r - 1])
    return sizes
