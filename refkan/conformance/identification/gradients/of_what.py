"""What a quantity is, if not that of the layer's own function: rearranged, related, of quotients, of some samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING
from refkan.conformance.identification.explanations import explain, placed, sizes_of
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.relations import related, sizes_asked
from refkan.conformance.identification.known_maps import lower_formats
from refkan.conformance.identification.matrix_shapes import place_of
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject

DETACHED = "detached gradient"

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
