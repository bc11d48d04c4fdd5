"""How gradients are asked for: of two calls, of sums of cotangents, and in layers of other sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.families import INTERVALS
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING
from refkan.conformance.identification.explanations import sizes_of
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.slopes import true_derivatives
from refkan.conformance.identification.known_maps import lower_formats
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject

ROWS_ASKED = 16
"""Samples whose share is asked for at once."""

SAMPLES = 16

SCALES = (2.0**12, 2.0**-20)
"""Of cotangents: some limits show at large ones alone, others at small ones."""


def asked_layer(
    subject: Subject, shape: tuple[int, int] = (3, 2), count: int = SAMPLES, degree: int | None = None,
    intervals: int = INTERVALS,
) -> tuple[LayerSpec, FloatArray]:  # fmt: skip
    """A layer and samples; equally spaced knots only where there are no others."""
    kind = "arbitrary" if "arbitrary" in subject.kinds else "uniform-fine" if "uniform-fine" in subject.kinds else ""
    spec = subject.spec(shape, degree=degree, kind=kind, intervals=intervals)
    return spec, subject.samples(spec, count, 5)


def calls_and_sums(d: Derivatives) -> list[Difference]:
    """Two calls, and cotangents that are added."""
    subject, spec, owner, x = d.subject, d.spec, d.owner, d.x
    dy, two = np.random.default_rng(5).integers(-8, 9, (2, len(x), spec.n_outputs)) / 4.0

    def asked(model: Any, at: FloatArray, dy: FloatArray) -> FloatArray:
        return subject.gradients(model, at, dy, {d.name: d.shape})[d.name]

    fresh = asked(subject.build(spec), x, dy)
    model = subject.build(spec)
    moved = x[::-1] + 2.0**-6
    subject.raw(model, moved, spec.n_outputs)
    called = asked(model, x, dy)
    other = asked(model, moved, dy)
    first, again = asked(model, x, dy), asked(model, x, dy)
    if np.array_equal(other, first) and not np.array_equal(fresh, first):
        return [Difference("stale gradient", {"what": owner, "how": "those of samples of an earlier call"})]
    if np.array_equal(called, other) and not np.array_equal(called, first):
        return [Difference("stale gradient", {"what": owner, "how": "those of the samples that values were asked at"})]
    size = float(np.abs(first).max())
    if not np.isfinite(first).all():
        bad = int((~np.isfinite(first)).sum())
        return [Difference("not finite", {"what": owner, "count": bad, "total": first.size})]
    room = subject.tolerance(size)
    if np.abs(again - first).max() > room:
        ratio = float((again * first).sum() / (first * first).sum())
        third = asked(model, x, dy)
        one_more, more = again - first, third - again
        share = float((one_more * more).sum() / (one_more * one_more).sum())
        if share > 0 and np.abs(more - share * one_more).max() <= room * 4:  # g = r g + own, r = share
            times = "" if abs(share - 1) < 1e-6 else f"{share:.4g} times "
            how = f"each call adds its own to {times}those of the calls before"
            return [Difference("gradients accumulate", {"what": owner, "how": how})]
        if np.abs(again - ratio * first).max() <= room * 4 and ratio > 1.5:
            how = f"those of a second call are those of the first times {ratio:.4g}"
            return [Difference("gradients accumulate", {"what": owner, "how": how})]
        once_more = subject.build(spec)
        asked(once_more, moved, dy)
        if np.array_equal(asked(once_more, x, dy), first):
            how = "others after a call at other samples than after one at the same"
            pieces = np.einsum("sq,sqp->sp", dy, true_derivatives(spec, x, 1, moved))
            if pieces.shape == first.shape and np.abs(pieces - first).max() <= room:
                how = "computed with the intervals of the samples of the call before"
            return [Difference("stale gradient", {"what": owner, "how": how})]
        evidence = {"of": f"{owner} in two calls", "count": int((again != first).sum()), "total": first.size}
        return [Difference("not deterministic", {**evidence, "size": float(np.abs(again - first).max() / size)})]
    other, both = asked(model, x, two), asked(model, x, dy + two)
    adds_up = np.abs(first + other - both).max() <= max(room * 4, 2.0**-18 * size)  # rounding is told of single entries
    seen = SCALES if subject.eps < 2.0**-30 else ()
    scales = [s for s in seen if np.abs(asked(model, x, s * dy) - s * first).max() > s * room * 4]
    if adds_up and not scales:
        return []
    if np.abs(first - other).max() <= room:
        ours = d.whole(np.ones(dy.shape), np.ones(x.shape))
        how = "they are those of the sum of outputs" if np.abs(first - ours).max() <= room * 64 else "all are equal"
        return [Difference("cotangent ignored", {"what": owner, "how": how})]
    if (still := asked(model, x, 0 * dy)).any():
        k = float((still * spec.coefficients).sum() / (spec.coefficients**2).sum()) if still.ndim == 3 else 0.0
        added = still.ndim == 3 and np.abs(still - k * spec.coefficients).max() <= 1e-6 * np.abs(still).max()
        how = f"{k:.6g} times the coefficients are added" if added else "they are not zero for dy = 0"
        return [Difference("gradient not linear", {"what": owner, "how": how})]
    s = scales[0] if adds_up else 4.0
    scaled, opposite = asked(model, x, s * dy), asked(model, x, -dy)
    left = float(np.abs(first + other - both).max()) / size
    ours = d.whole(dy, np.ones(x.shape)) if first.ndim == 3 else first
    if told := flushed(owner, first, ours, room * len(x)):
        return [told]
    if s == 4 and left < LARGEST_ROUNDING and np.abs(scaled - 4 * first).max() <= 8 * left * size:
        return [rounded_gradients(owner, left, np.stack([first, other, both]))]
    norms = [float(np.sqrt((g * g).sum())) for g in (first, scaled)]
    alike = (first * scaled).sum() > 0.999 * norms[0] * norms[1]
    limited = np.linalg.norm(asked(model, x, SCALES[1] * dy)) < 2.0**-8 * norms[0]  # smaller where it is not
    if alike and not limited and abs(norms[1] - norms[0]) <= 1e-9 * norms[0]:
        how = f"they are scaled to a norm of {norms[0]:.6g}, whatever dy is"
        return [Difference("gradient not linear", {"what": owner, "how": how})]
    if alike and limited and s > 1 and norms[1] < 0.975 * s * norms[0]:
        how = f"scaled down to a norm of {norms[1]:.6g} at most"
        return [Difference("gradient clipped", {"what": owner, "how": how})]
    most = both if s == 4 else scaled
    low, high = float(most.min()), float(most.max())
    if s > 1 and ((most >= high - room).sum() > 1 or (most <= low + room).sum() > 1):
        return [Difference("gradient clipped", {"what": owner, "how": f"cut off at {low:.6g} and {high:.6g}"})]
    if not scaled.any():
        how = f"those of {s:.3g} times dy are zero"
        return [Difference("gradient not linear", {"what": owner, "how": how})]
    power = float(np.log2(norms[1] / norms[0]) / np.log2(s))
    how = f"{s:.4g} dy gives {norms[1] / norms[0]:.4g} times as much" + (f", as |dy|^{power:.3g} does" if alike else "")
    sign = "the same" if np.abs(first - opposite).max() <= room else (
        "the opposite" if np.abs(first + opposite).max() <= room else "another thing")  # fmt: skip
    return [Difference("gradient not linear", {"what": owner, "how": f"{how}, -dy {sign}"})]


def flushed(owner: str, theirs: FloatArray, ours: FloatArray, room: float) -> Difference | None:
    """Whether small entries are zero, and the others right."""
    gone = (theirs == 0) & (np.abs(ours) > room)
    if not gone.any() or not (np.abs(theirs - ours) <= room)[~gone].all():
        return None
    kept, below = np.abs(ours[~gone & (theirs != 0)]), float(np.abs(ours[gone]).max())
    if below > kept.min(initial=np.inf):
        return None
    return Difference("flushed to zero", {"what": owner, "below": below}, sure="measured")


def rounded_gradients(owner: str, left: float, theirs: FloatArray) -> Difference:
    """Gradients that are off by the rounding of a lower format: that of which all are numbers, or by its size."""
    if exact := lower_formats(theirs):
        how = f"all are numbers of {exact[0]}"
        return Difference(f"{exact[0]} gradients", {"what": owner, "left": left, "how": how}, sure="measured")
    name = "float32" if left < 2.0**-18 else "float16 or TF32" if left < 2.0**-9.5 else "bfloat16"
    evidence = {"what": owner, "left": left, "how": f"as much as the rounding of {name} is"}
    return Difference(f"{name} gradients", evidence, sure="measured")


def size_of_factor(d: Derivatives, told: Sequence[Difference]) -> str:
    """Which size a constant factor is: measured once more with others."""
    factor = next((difference.evidence["factor"] for difference in told if difference.name == "constant factor"), None)
    if factor is None or d.given is not None or not d.inside:
        return ""
    subject = d.subject
    degree, intervals = _another_degree(subject), fewer(subject)
    spec = subject.with_parts((5, 3), d.spec.parts, degree=degree, kind=d.spec.kind, intervals=intervals)
    other = type(d)(subject, replace(d.situation, spec=spec, x=subject.samples(spec, 24, 5), dy=None), d.name)
    ours = other.expected
    measured = [factor, abs(float((other.answered * ours).sum() / (ours * ours).sum()))]
    named = sizes_of(measured, [sizes_asked(of.spec, len(of.x)) for of in (d, other)])
    if named or abs(measured[0] - measured[1]) <= 1e-6 * measured[0]:
        return named
    return f"{measured[1]:.6g} in layers of degree {spec.degree} with 5 outputs, 3 inputs, 24 samples"


def _another_degree(subject: Subject) -> int:
    others = [d for d in subject.degrees if d not in (subject.degree, 0, 1)]
    return others[0] if others else subject.degree


def fewer(subject: Subject) -> int:
    """Another number of intervals than that of most stages, if it is free."""
    return INTERVALS - 1 if subject.declared.intervals is None else INTERVALS


def sizes_asked(spec: LayerSpec, count: int) -> Mapping[str, float]:
    """Sizes of a layer and of a batch that factors may be."""
    Q, P = spec.coefficients.shape[:2]
    sizes = {
        "samples": count, "outputs": Q, "inputs": P, "the samples times the outputs": count * Q,
        "the degree": max(spec.degree, 1), "the degree less one": max(spec.degree - 1, 1), "the order": spec.order,
        "the order over the degree": spec.order / max(spec.degree, 1),
        "coefficients of an edge": spec.dim, "intervals": spec.intervals, "the coefficients": spec.coefficients.size,
    }  # fmt: skip
    t, r = spec.knots[0], spec.order
    if spec.kind == "uniform":
        sizes["the spacing h"] = float(t[r] - t[r - 1])
        sizes["the length of the domain"] = float(np.ptp(spec.domain))
        sizes["the half of the domain, (b - a)/2,"] = float(np.ptp(spec.domain)) / 2
    return sizes


def lost(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Whether what samples add is lost in a batch, but not alone."""
    shape = {d.name: d.shape}
    alone = [d.subject.gradients(d.model, d.x[s : s + 1], np.ones((1, d.spec.n_outputs)), shape)[d.name]
             for s in range(len(d.x))]  # fmt: skip
    if (np.abs(np.stack(alone) - ours.sum(axis=1)) > room).any():
        return []
    count = int((np.abs(theirs - ours).reshape(len(d.x), -1).max(axis=1) > room).sum())
    how = f"of {len(d.x)} samples {count} do not add what is theirs, and each does in a batch of its own"
    return [Difference("contributions lost", {"what": d.owner, "how": how})]


def of_rows(d: Derivatives) -> list[Difference]:
    """Which samples of a batch count, by cotangents of a few of them, and of single ones where those differ."""
    N, weights = len(d.x), np.ones(len(d.x))

    def counts(rows: slice) -> float:
        dy = np.zeros((N, d.spec.n_outputs))
        dy[rows] = 1.0
        theirs, ours = d.answer(dy, d.x), d.truth(dy, d.x)
        k = float((theirs * ours).sum() / (ours * ours).sum())
        return k if np.abs(theirs - k * ours).max() <= d.subject.tolerance(64 * np.abs(ours).max()) else np.nan

    for start in range(0, N, ROWS_ASKED):
        rows = range(start, min(start + ROWS_ASKED, N))
        together = counts(slice(rows.start, rows.stop))
        weights[start : rows.stop] = together if np.isfinite(together) else [counts(slice(r, r + 1)) for r in rows]
    left_out = np.flatnonzero(np.abs(weights) < 1e-6)
    if left_out.size:
        evidence = {"what": d.owner, "indices": left_out.tolist(), "size": N}
        return [Difference("samples left out", evidence)]
    odd = np.flatnonzero(~(np.abs(weights - 1) <= 1e-6))
    if odd.size and np.ptp(weights[odd]) < 1e-6:
        evidence = {"what": d.owner, "indices": odd.tolist(), "size": N, "factor": float(weights[odd[0]])}
        return [Difference("factor on a block of samples", evidence)]
    return []
