"""What a quantity is, if not that of the layer's own function: rearranged, related, of quotients, of some samples.

How gradients answer to calls and to cotangents, and at knots: the same in each call, linear, of the right side.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING
from refkan.conformance.identification.explanations import explain, placed, sizes_of
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.relations import related, sizes_asked
from refkan.conformance.identification.gradients.situations import SAMPLES
from refkan.conformance.identification.known_maps import lower_formats
from refkan.conformance.identification.matrix_shapes import place_of
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject

DETACHED = "detached gradient"

SCALES = (2.0**12, 2.0**-20)
"""Of cotangents: some limits show at large ones alone, others at small ones."""

BESIDE = 2.0**-22
"""Of knots."""

STEPS = (*(10.0**-k for k in range(2, 11)), 2.0**-26, 2.0 ** (-52 / 3))
"""Of difference quotients."""

ROWS_ASKED = 16
"""Samples whose share is asked for at once."""

FEW = 64
"""Samples that are asked for one by one, at most."""

BY_NAME = {"values": "part in another form", "gauss-newton": "wired otherwise"}
"""What relations of quantities other than derivatives are called."""


def of_what(d: Derivatives) -> list[Difference]:
    """What a quantity is, [] if it is that of the layer's own function, or of the one asked for."""
    if d.is_true or d.follows:
        return []
    theirs, ours, room, axes = d.compared
    seen = np.isfinite(ours)
    theirs, ours = np.where(seen, theirs, 0.0), np.where(seen, ours, 0.0)
    said = explain(theirs, ours, axes, room, d.owner, DETACHED if d.name != "values" else "zero outputs")
    if said == [] and not (d.right and d.wrong.any()):
        return []
    if not d.right and any(difference.evidence.get("loose") for difference in said or []):
        said = None  # many numbers explain much
    vague = not said or any(
        difference.name.startswith("factors by") or difference.evidence.get("axis") == "sample" for difference in said
    )
    if said and not vague:
        return placed(said, size=_size_of_factor(d, said))
    if how := related(d):
        evidence = {"what": d.owner, "part": d.owner, "how": how}
        return [Difference(BY_NAME.get(d.name, "wrong derivative"), evidence)]
    if d.order and d.right and (how := _quotients(d, theirs, ours)):
        return [Difference("finite differences", {"what": d.owner, "how": how})]
    if d.in_weights and (shares := _of_rows(d)):
        return shares
    if d.name == "values" and vague:
        left = float(np.abs(theirs - ours).max() / np.abs(ours).max())
        return [Difference("other outputs", {"what": d.owner, "left": left}, sure="measured")]
    place = place_of(np.abs(theirs - ours) > room, axes) if d.order else place_of(d.wrong, d.axes)
    return said or [unexplained(d.subject, d.owner, theirs, ours, place)]


def _size_of_factor(d: Derivatives, told: Sequence[Difference]) -> str:
    """Which size a constant factor is: measured once more with others."""
    factor = next((difference.evidence["factor"] for difference in told if difference.name == "constant factor"), None)
    if factor is None or d.given is not None or not d.inside:
        return ""
    other = d.again(sizes=True)
    ours = other.expected
    measured = [factor, abs(float((other.answered * ours).sum() / (ours * ours).sum()))]
    named = sizes_of(measured, [sizes_asked(of.spec, len(of.x)) for of in (d, other)])
    if named or abs(measured[0] - measured[1]) <= 1e-6 * measured[0]:
        return named
    return f"{measured[1]:.6g} in layers of degree {other.spec.degree} with 5 outputs, 4 inputs, {len(other.x)} samples"


def _of_rows(d: Derivatives) -> list[Difference]:
    """Which samples of a batch count, by cotangents of a few of them, and of single ones where those differ."""
    N, shape = len(d.x), (len(d.x), d.spec.n_outputs)

    def counts(rows: slice) -> float:
        dy = np.zeros(shape)
        dy[rows] = 1.0
        theirs, ours = d.answer(dy, d.x), d.truth(dy, d.x)
        k = float((theirs * ours).sum() / (ours * ours).sum())
        return k if np.abs(theirs - k * ours).max() <= d.subject.tolerance(64 * np.abs(ours).max()) else np.nan

    weights = np.ones(N)
    for start in range(0, N, ROWS_ASKED):
        rows = range(start, min(start + ROWS_ASKED, N))
        together = counts(slice(rows.start, rows.stop))
        weights[start : rows.stop] = together if np.isfinite(together) else [counts(slice(r, r + 1)) for r in rows]
    odd = np.flatnonzero(~(np.abs(weights - 1) <= 1e-6))
    if odd.size and np.ptp(weights[odd]) < 1e-6:
        evidence = {"what": d.owner, "indices": odd.tolist(), "size": N, "factor": float(weights[odd[0]])}
        return [Difference("samples left out" if evidence["factor"] == 0 else "factor on a block of samples", evidence)]
    if N > FEW or not d.right:
        return []
    alone: Any = 0.0
    for s in range(N):
        one, at = np.ones((1, shape[1])), d.x[s : s + 1]
        alone = alone + d.subject.gradients(d.model, at, one, {d.name: d.shape})[d.name]
    if np.abs(alone - d.truth(np.ones(shape), d.x)).max() > d.room * N:
        return []
    return [Difference("contributions lost", {"what": d.owner, "how": "each sample counts in a batch of its own"})]


def _quotients(d: Derivatives, theirs: FloatArray, ours: FloatArray) -> str:
    """The step of difference quotients: those of the layer's own values, or slopes, are nearer than derivatives."""
    told = []
    for h in STEPS:
        far = np.zeros(3)
        for p in range(d.spec.n_inputs):
            step = h * (np.arange(d.spec.n_inputs) == p)
            at = [d.x + k * step for k in (-1, 0, 1)]
            before, here, after = (
                d.slopes(x)[:, p] if d.order == 2 else d.subject.raw(d.model, x, d.spec.n_outputs) for x in at
            )
            quotients = [(after - here) / h, (here - before) / h, (after - before) / (2 * h)]
            far = np.maximum(far, [np.abs(quotient - theirs[:, :, p]).max() for quotient in quotients])
        kind = ("forward", "backward", "central")[int(far.argmin())]
        told.append((float(far.min()), f"they are those of {kind} differences with a step of {h:.3g}"))
    least, words = min(told)
    return words if least <= np.abs(theirs - ours).max() / 8 else ""


def unexplained(subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray, place: str = "") -> Difference:
    """What explains nothing: the rounding of a lower format, or another function."""
    size = float(np.abs(ours).max(initial=0.0))
    left = float(np.abs(theirs - ours).max()) / (size or float(np.abs(theirs).max()))
    exact = sorted(set(lower_formats(theirs)) - set(lower_formats(ours)), key=lower_formats(theirs).index)
    if subject.eps < 2.0**-30 and ((exact and left < LARGEST_ROUNDING) or 2.0**-27 < left < 2.0**-18):
        name = exact[0] if exact else "float32"
        how = f"all are numbers of {name}" if exact else f"as much as the rounding of {name} is"
        return Difference(f"{name} gradients", {"what": owner, "left": left, "how": how}, sure="measured")
    return Difference("gradient is another", {"what": owner, "left": left, "place": place}, sure="measured")


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
    here, beside = asked(inner), asked(inner + BESIDE)
    size = float(np.abs(beside).max())
    room = max(2.0**-12, 16 * subject.rough) * size
    if np.abs(here - beside).max() > room:
        if not here.any():
            return [Difference("zero at knots", {"what": owner})]
        if np.abs(here - asked(inner - BESIDE)).max() <= room:  # as values are
            return [Difference("left limit at knots")] * ("left limit at knots" not in subject.names)
        evidence = {"what": f"{owner} at knots", "left": float(np.abs(here - beside).max()) / size}
        return [Difference("gradient is another", evidence, sure="measured")]
    last, wanted = asked(end), {"closed": end - BESIDE, "half-open": end + BESIDE, "zero": None}[rule]
    if np.abs(last - (0 if wanted is None else asked(wanted))).max() <= room or spec.outside != "natural":
        return []
    told = "zero" if not last.any() else f"not those that go with a {rule} right end"
    name = "right end open" if rule == "closed" else "other right end"
    return [Difference(name, {"what": f"at x = b {owner} are {told}"})]
