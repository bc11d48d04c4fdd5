"""How gradients answer to calls and to cotangents, and at knots: the same in each call, linear, of the right side."""

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.situations import SAMPLES
from refkan.conformance.identification.stages_and_differences import Difference

SCALES = (2.0**12, 2.0**-20)
"""Of cotangents: some limits show at large ones alone, others at small ones."""


STEP = 2.0**-22
"""Beside knots."""


def calls_and_sums(d: Derivatives) -> list[Difference]:
    """Two calls, and cotangents that are added and multiplied."""
    subject, spec, owner, x = d.subject, d.spec, d.owner, d.x
    dy, two = np.random.default_rng(5).integers(-8, 9, (2, len(x), spec.n_outputs)) / 4.0
    model = subject.build(spec)

    def asked(dy: FloatArray, at: FloatArray = x) -> FloatArray:
        return subject.gradients(model, at, dy, {d.name: d.shape})[d.name]

    def told(name: str, how: str) -> list[Difference]:
        return [Difference(name, {"what": owner, "how": how})]

    fresh, moved = asked(dy), x[::-1] + 2.0**-6
    model = subject.build(spec)
    subject.raw(model, moved, spec.n_outputs)
    called, other, first, again = asked(dy), asked(dy, moved), asked(dy), asked(dy)
    if not np.isfinite(first).all():
        evidence = {"what": owner, "count": int((~np.isfinite(first)).sum()), "total": first.size}
        return [Difference("not finite", evidence)]
    size = float(np.abs(first).max())
    room = subject.tolerance(size)
    if not np.array_equal(fresh, first) and (np.array_equal(other, first) or np.array_equal(called, other)):
        return told("stale gradient", "those of samples of an earlier call")
    if np.abs(again - first).max() > room:
        added, more = again - first, asked(dy) - again  # g = r g + own
        r = float((added * more).sum() / (added * added).sum())
        if r > 0 and np.abs(more - r * added).max() <= room * 4:
            times = "" if abs(r - 1) < 1e-6 else f"{r:.4g} times "
            return told("gradients accumulate", f"each call adds its own to {times}those of the calls before")
        model = subject.build(spec)
        asked(dy, moved)
        if np.array_equal(asked(dy), first):
            return told("stale gradient", "others after a call at other samples than after one at the same")
        evidence = {"of": f"{owner} in two calls", "count": int((again != first).sum()), "total": first.size}
        return [Difference("not deterministic", {**evidence, "size": float(np.abs(again - first).max() / size)})]
    other, both = asked(two), asked(dy + two)
    left = float(np.abs(first + other - both).max())
    scaled = [asked(s * dy) for s in SCALES[: 2 * (subject.eps < 2.0**-30)]]
    off = [s for s, g in zip(SCALES, scaled, strict=False) if np.abs(g - s * first).max() > s * room * 4]
    if left <= max(room * 4, 2.0**-18 * size) and not off:
        return []
    if room * 4 < left < LARGEST_ROUNDING * size and np.abs(asked(4 * dy) - 4 * first).max() <= 8 * left:
        return []  # rounding is told of single entries
    if np.abs(first - other).max() <= room:
        ours = d.whole(np.ones(dy.shape), np.ones(x.shape))
        of_sum = np.abs(first - ours).max() <= room * 64
        return told("cotangent ignored", "they are those of the sum of outputs" if of_sum else "all are equal")
    most = np.concatenate([first.ravel(), both.ravel(), *(g.ravel() for g in scaled)])
    low, high = float(most.min()), float(most.max())
    if min((most >= high - room).sum(), (most <= low + room).sum()) > 1 and np.abs(asked(dy / SCALES[0])).max() < high:
        return told("gradient clipped", f"cut off at {low:.6g} and {high:.6g}")
    norm = np.linalg.norm
    grows = ", ".join(
        f"{s:.3g} dy gives {norm(asked(s * dy)) / norm(first):.4g} times as much" for s in (2.0, *off[:1])
    )
    return told("gradient not linear", grows + ", dy = 0 gives no zeros" * bool(asked(0 * dy).any()))


def at_knots(of: Derivatives) -> list[Difference]:
    """Derivatives at knots against those to the right of them, and at x = b against those that its rule asks for."""
    subject, degree, owner = of.subject, of.spec.degree, of.owner
    kinds = [kind for kind in ("uniform", "arbitrary") if (degree, kind) in subject.right]
    if not kinds or subject.refused or (kinds[0] == "uniform" and not subject.declared.frame.exact):
        return []
    spec = subject.spec((3, 2), degree=degree, kind=kinds[0])
    model = subject.build(spec)

    def asked(at: FloatArray) -> FloatArray:
        dy = np.ones((len(at), spec.n_outputs))
        if of.order == 2:
            return subject.second(model, at, dy, np.ones(at.shape))
        return subject.gradients(model, at, dy, {"inputs": at.shape})["inputs"]

    inner = np.stack([np.resize(np.unique(t[spec.order : -spec.order]), SAMPLES) for t in spec.knots], axis=1)
    end, rule = np.repeat(spec.domains[:, 1][None], SAMPLES, axis=0), subject.declared.right_end
    here, beside = asked(inner), asked(inner + STEP)
    size = float(np.abs(beside).max())
    room = max(2.0**-12, 16 * subject.rough) * size
    if np.abs(here - beside).max() > room:
        if not here.any():
            return [Difference("zero at knots", {"what": owner})]
        if np.abs(here - asked(inner - STEP)).max() <= room:  # as values are
            return [Difference("left limit at knots")] * ("left limit at knots" not in subject.names)
        evidence = {"what": f"{owner} at knots", "left": float(np.abs(here - beside).max()) / size}
        return [Difference("gradient is another", evidence, sure="measured")]
    last, wanted = asked(end), {"closed": end - STEP, "half-open": end + STEP, "zero": None}[rule]
    if np.abs(last - (0 if wanted is None else asked(wanted))).max() <= room or spec.outside != "natural":
        return []
    told = "zero" if not last.any() else f"not those that go with a {rule} right end"
    name = "right end open" if rule == "closed" else "other right end"
    return [Difference(name, {"what": f"at x = b {owner} are {told}"})]
