"""How gradients answer: to two calls, to sums of cotangents, at knots and at the ends of the domain."""

from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import INTERVALS, LARGEST_ROUNDING, LayerSpec
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.slopes import true_derivatives
from refkan.conformance.identification.known_maps import lower_formats
from refkan.conformance.identification.reported import Difference, close, factor_of, largest, measured, only
from refkan.conformance.identification.subject import Subject

SAMPLES = 16

SCALES = (2.0**12, 2.0**-20)
"""Of cotangents: some limits show at large ones alone, others at small ones."""

BESIDE = 2.0**-22
"""Of knots."""


def asked_layer(
    subject: Subject, shape: tuple[int, int] = (3, 2), count: int = SAMPLES, degree: int | None = None,
    intervals: int = INTERVALS,
) -> tuple[LayerSpec, FloatArray]:  # fmt: skip
    """A layer and samples; equally spaced knots only where there are no others."""
    kind = "arbitrary" if "arbitrary" in subject.kinds else "uniform-fine" if "uniform-fine" in subject.kinds else ""
    return subject.layer(shape, 5, count, degree=degree, kind=kind, intervals=intervals)


def fewer(subject: Subject) -> int:
    """Another number of intervals than that of most stages, if it is free."""
    return INTERVALS - 1 if subject.declared.intervals is None else INTERVALS


def calls_and_sums(d: Derivatives) -> list[Difference]:
    """Two calls, and cotangents that are added."""
    subject = d.subject
    spec = d.spec
    owner = d.owner
    x = d.x
    equal = np.array_equal
    dy, two = np.random.default_rng(5).integers(-8, 9, (2, len(x), spec.n_outputs)) / 4.0
    moved, model = x[::-1] + 2.0**-6, subject.build(spec)

    def asked(dy: FloatArray, at: FloatArray = x) -> FloatArray:
        return subject.gradients(model, at, dy, {d.name: d.shape})[d.name]

    def told(name: str, how: str) -> list[Difference]:
        return only(name, what=owner, how=how)

    fresh, model = asked(dy), subject.build(spec)
    subject.raw(model, moved, spec.n_outputs)
    called = asked(dy)
    other = asked(dy, moved)
    first = asked(dy)
    again = asked(dy)
    if equal(other, first) and not equal(fresh, first):
        return told("stale gradient", "those of samples of an earlier call")
    if equal(called, other) and not equal(called, first):
        return told("stale gradient", "those of the samples that values were asked at")
    if bad := int((~np.isfinite(first)).sum()):
        return only("not finite", what=owner, count=bad, total=first.size)
    size = largest(first)
    room = subject.tolerance(size)
    if largest(again - first) > room:
        ratio = factor_of(again, first)
        added = again - first
        more = asked(dy) - again
        share = factor_of(more, added)
        if share > 0 and close(more, share * added, room * 4):  # g = r g + own, r = share
            times = "" if abs(share - 1) < 1e-6 else f"{share:.4g} times "
            return told("gradients accumulate", f"each call adds its own to {times}those of the calls before")
        if close(again, ratio * first, room * 4) and ratio > 1.5:
            return told("gradients accumulate", f"those of a second call are those of the first times {ratio:.4g}")
        model = subject.build(spec)
        asked(dy, moved)
        if equal(asked(dy), first):
            pieces = np.einsum("sq,sqp->sp", dy, true_derivatives(spec, x, 1, moved))
            of_before = pieces.shape == first.shape and close(pieces, first, room)
            return told("stale gradient", "computed with the intervals of the samples of the call before" if of_before
                        else "others after a call at other samples than after one at the same")  # fmt: skip
        evidence = {"of": f"{owner} in two calls", "count": int((again != first).sum()), "total": first.size}
        return only("not deterministic", **evidence, size=float(largest(added) / size))
    other, both = asked(two), asked(dy + two)
    left = largest(first + other - both)
    adds_up = left <= max(room * 4, 2.0**-18 * size)  # rounding is told of single entries
    seen = SCALES if subject.eps < 2.0**-30 else ()
    scales = [s for s in seen if largest(asked(s * dy) - s * first) > s * room * 4]
    if adds_up and not scales:
        return []
    if close(first, other, room):
        of_sum = close(first, d.whole(np.ones(dy.shape), np.ones(x.shape)), room * 64)
        return told("cotangent ignored", "they are those of the sum of outputs" if of_sum else "all are equal")
    if (still := asked(0 * dy)).any():
        k = factor_of(still, spec.coefficients) if still.ndim == 3 else 0.0
        known = still.ndim == 3 and close(still, k * spec.coefficients, 1e-6 * largest(still))
        how = f"{k:.6g} times the coefficients are added" if known else "they are not zero for dy = 0"
        return told("gradient not linear", how)
    s = scales[0] if adds_up else 4.0
    scaled, opposite = asked(s * dy), asked(-dy)
    if zeros := flushed(owner, first, d.whole(dy, np.ones(x.shape)) if first.ndim == 3 else first, room * len(x)):
        return zeros
    if s == 4 and left < LARGEST_ROUNDING * size and close(scaled, 4 * first, 8 * left):
        return rounded_gradients(owner, left / size, np.stack([first, other, both]))
    norms = [float(np.sqrt((g * g).sum())) for g in (first, scaled)]
    alike = (first * scaled).sum() > 0.999 * norms[0] * norms[1]
    limited = np.linalg.norm(asked(SCALES[1] * dy)) < 2.0**-8 * norms[0]  # smaller where it is not
    most = both if s == 4 else scaled
    low, high = float(most.min()), float(most.max())
    cut = s > 1 and ((most >= high - room).sum() > 1 or (most <= low + room).sum() > 1)
    how = f"{s:.4g} dy gives {norms[1] / norms[0]:.4g} times as much"
    how += f", as |dy|^{float(np.log2(norms[1] / norms[0]) / np.log2(s)):.3g} does" * bool(alike)
    sign = "the same" if close(first, opposite, room) else (
        "the opposite" if close(first, -opposite, room) else "another thing")  # fmt: skip
    linear = "gradient not linear"
    clipped = "gradient clipped"
    answers = (
        (linear, f"they are scaled to a norm of {norms[0]:.6g}, whatever dy is",
         alike and not limited and abs(norms[1] - norms[0]) <= 1e-9 * norms[0]),
        (clipped, f"scaled down to a norm of {norms[1]:.6g} at most",
         alike and limited and s > 1 and norms[1] < 0.975 * s * norms[0]),
        (clipped, f"cut off at {low:.6g} and {high:.6g}", cut),
        (linear, f"those of {s:.3g} times dy are zero", not scaled.any()),
        (linear, f"{how}, -dy {sign}", True),
    )  # fmt: skip
    return next(told(name, how) for name, how, holds in answers if holds)


def flushed(owner: str, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Whether small entries are zero, and the others right."""
    gone = (theirs == 0) & (np.abs(ours) > room)
    if not gone.any() or not close(theirs[~gone], ours[~gone], room):
        return []
    kept = np.abs(ours[~gone & (theirs != 0)])
    below = largest(ours[gone])
    return measured("flushed to zero", what=owner, below=below) if below <= kept.min(initial=np.inf) else []


def rounded_gradients(owner: str, left: float, theirs: FloatArray) -> list[Difference]:
    """Gradients that are off by the rounding of a lower format: that of which all are numbers, or by its size."""
    if exact := lower_formats(theirs):
        return measured(f"{exact[0]} gradients", what=owner, left=left, how=f"all are numbers of {exact[0]}")
    name = "float32" if left < 2.0**-18 else "float16 or TF32" if left < 2.0**-9.5 else "bfloat16"
    return measured(f"{name} gradients", what=owner, left=left, how=f"as much as the rounding of {name} is")


def at_knots(of: Derivatives) -> list[Difference]:
    """Derivatives at knots against those to the right of them, and at x = b against those to the left."""
    subject, degree, owner = of.subject, of.spec.degree, of.owner
    kind = next((kind for kind in ("uniform", "arbitrary") if (degree, kind) in subject.right), "")
    if not kind or subject.refused or (kind == "uniform" and not subject.declared.frame.exact):
        return []
    spec = subject.spec((3, 2), degree=degree, kind=kind)
    model = subject.build(spec)

    def asked(at: Any) -> FloatArray:
        dy = np.ones((len(at), spec.n_outputs))
        if of.order == 2:
            return subject.second(model, at, dy, np.ones(at.shape))
        return subject.gradients(model, at, dy, {"inputs": at.shape})["inputs"]

    inner = [np.unique(t[spec.order : t.size - spec.order]) for t in spec.knots]
    at = np.stack([np.resize(t, SAMPLES) for t in inner], axis=1)
    here = asked(at)
    left = asked(at - BESIDE)
    right = asked(at + BESIDE)
    room = max(2.0**-12, 16 * subject.rough) * largest(right)
    start, end = (np.repeat(spec.domains[:, k][None], SAMPLES, axis=0) for k in (0, 1))
    last, before = asked(end), asked(end - BESIDE)
    lowest, after = asked(start), asked(start + BESIDE)
    if here.any() and not lowest.any() and largest(after) > room:
        both = " and x = b" * (not last.any() and largest(before) > room)
        return only("zero at ends", what=owner, ends=f"x = a{both}")
    if largest(here - right) > room:
        if not here.any():
            return only("zero at knots", what=owner)
        if close(here, left, room):  # as the values are, or not
            return [] if "left limit at knots" in subject.names else only("left limit at knots")
        left_over = float(largest(here - right) / largest(right))
        return measured("gradient is another", what=f"{owner} at knots", left=left_over)
    rule = subject.declared.right_end
    wanted = {"closed": before, "half-open": asked(end + BESIDE), "zero": 0 * last}[rule]
    if close(last, wanted, room) or spec.outside != "natural":
        return []
    told = "zero" if not last.any() else f"not those that go with a {rule} right end"
    return only("right end open" if rule == "closed" else "other right end", what=f"at x = b {owner} are {told}")
