"""How gradients are asked for: of two calls, of sums of cotangents, and in layers of other sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import is_exact
from refkan.conformance.identification.explanations import Named, sizes_of
from refkan.conformance.identification.known_maps import MAPS
from refkan.conformance.identification.slopes import (
    derivatives,
)  # fmt: skip
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject

SAMPLES = 16


def asked_layer(
    subject: Subject, shape: tuple[int, int] = (3, 2), count: int = SAMPLES, degree: int | None = None
) -> Any:
    """A layer, samples and a new model; equally spaced knots only where there are no others."""
    kind = "arbitrary" if "arbitrary" in subject.kinds else "uniform-fine" if "uniform-fine" in subject.kinds else ""
    spec = subject.spec(shape, degree=degree, kind=kind)
    return spec, subject.samples(spec, count, 5), subject.build(spec)


def cotangent(n: int, outputs: int, q: int) -> FloatArray:
    """Return the cotangent (N, Q) of one output alone."""
    return np.repeat(np.eye(outputs)[q][None], n, axis=0)


def slope_behind(subject: Subject, spec: LayerSpec, x: FloatArray) -> FloatArray:
    """The slope of the map behind the layer, 1 if there is none: (N, Q)."""
    name = subject.behind
    if not name:
        return np.ones((len(x), spec.n_outputs))
    u, h = subject.values(spec, x), 2.0**-17
    slope = (MAPS[name](u + h) - MAPS[name](u - h)) / (2 * h)
    return np.asarray(slope)


def calls_and_sums(
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
        four = asked(x, 4 * one)
        if (first * four).sum() > 0.999 * np.sqrt((first * first).sum() * (four * four).sum()) and np.abs(
            four
        ).sum() < 3.9 * np.abs(first).sum():
            norm = float(np.sqrt((four * four).sum()))
            return [Difference("gradient clipped", {"what": what, "low": 0.0, "high": norm}, quantities=quantity)]
        low, high = float(both.min()), float(both.max())
        if (both >= high - room).sum() > 1 or (both <= low + room).sum() > 1:
            evidence = {"what": what, "low": low, "high": high}
            return [Difference("gradient clipped", evidence, quantities=quantity)]
        return [Difference("gradient not linear", {"what": what}, quantities=quantity)]
    return []


def unexplained(what: str, theirs: FloatArray, ours: FloatArray, quantity: tuple[str, ...]) -> Difference:
    """What explains nothing: rounding, difference quotients, or another function."""
    left = float(np.abs(theirs - ours).max() / np.abs(ours).max())
    evidence = {"what": what, "left": left}
    if is_exact("float32", theirs) or 2.0**-27 < left < 2.0**-21:
        return Difference("float32 gradients", evidence, sure="measured", quantities=quantity)
    name = "finite differences" if left < 2.0**-12 and what != "coefficient gradients" else "gradient is another"
    return Difference(name, evidence, sure="measured", quantities=quantity)


def size_of_factor(subject: Subject, found: list[Named], name: str, order: int = 1) -> str:
    """Which size a constant factor is: measured once more with others."""
    factors = [evidence["factor"] for word, evidence in found if word == "constant factor"]
    if not factors:
        return ""
    measured, sizes = [], []
    for shape, count, degree in (((3, 2), SAMPLES, None), ((5, 3), 24, _another_degree(subject))):
        spec, x, model = asked_layer(subject, shape, count, degree)
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
