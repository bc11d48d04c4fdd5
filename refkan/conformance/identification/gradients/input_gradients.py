r"""What the derivatives of a layer are, if they are not those of its own function.

If no rearrangement, no factors and no relation (see `relations`) explain them, they may follow another formula (see
`formulas_in_use`), lack samples, be rounded, or be mapped one by one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LARGEST_ROUNDING
from refkan.conformance.identification.explanations import by_samples, explain, placed, sizes_of
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.formulas_in_use import QUESTIONS, SURE
from refkan.conformance.identification.gradients.relations import related
from refkan.conformance.identification.gradients.situations import SAMPLES, fewer
from refkan.conformance.identification.known_maps import factor_in_words, in_words, lower_formats, lowered, place_of
from refkan.conformance.identification.reported import Difference, close, factor_of, largest, measured, only
from refkan.conformance.identification.subject import Subject

ROWS_ASKED = 16
"""Number of samples whose share is tested together."""

BESIDE = 2.0**-22
"""Of knots."""

DETACHED = "detached gradient"


def of_what(d: Derivatives) -> list[Difference]:
    """What the derivatives are, [] if they are those of the layer's own function, or of the requested one."""
    if d.is_true or d.follows:
        return []
    if d.few:
        theirs, (ours, room) = d.theirs, d.own
        axes = ("sample", "output" if d.order else "answer", *d.axes[bool(d.order) :])
    else:
        theirs, ours, room, axes = d.answered, d.expected, d.room, d.axes
    seen = np.isfinite(ours)
    theirs, ours = np.where(seen, theirs, 0.0), np.where(seen, ours, 0.0)
    said = explain(theirs, ours, axes, room, d.owner, DETACHED)
    if said == [] and not (d.right and d.wrong.any()):
        return []
    if not d.right and any(difference.evidence.get("loose") for difference in said or []):
        said = None  # many numbers explain much
    vague = not said or any(difference.name.startswith(("factors by", "gradient clipped")) for difference in said)
    if said and not vague and not by_samples(said):
        return placed(said, size=_size_of_factor(d, said))
    if said and not d.order and said[0].name == "samples mixed up":
        return [replace(said[0], name="gradients mixed")]
    how = related(d)
    if how:
        return only("wrong derivative", what=d.owner, how=how)
    if d.order and said != [] and d.right and d.inside and not d.spec.parts:
        for question, name in QUESTIONS.items():
            how = question(d, theirs, ours, room)
            if how and (question in SURE or how == _elsewhere(d, question)):
                return only(name, what=d.owner, how=how)
    known = _factor_of_samples(d, said or [])
    if known:
        return known
    if not d.order and not (d.few and said):
        shares = _shares(d, theirs, ours, room)
        if shares:
            return shares
    return said or unexplained(d.subject, d.owner, theirs, ours, place_of(np.abs(theirs - ours) > room, axes))


def _factor_of_samples(d: Derivatives, said: Sequence[Difference]) -> list[Difference]:
    """Factors of samples that are a known function of one of their inputs, or of their sum."""
    factors = next((one.evidence["factors"] for one in said if one.name == "factors by sample"), None)
    if factors is None or len(factors) != len(d.x):
        return []
    numbers = {f"of its input {p}": d.x[:, p] for p in range(d.x.shape[1])}
    for words, x in (numbers | {"of the sum of its inputs": d.x.sum(axis=1)}).items():
        known = factor_in_words(x, np.asarray(factors, np.float64))
        if known:
            return only("wrong derivative", what=d.owner, how=f"each sample is multiplied by {known}, {words}")
    return []


def _elsewhere(d: Derivatives, question: Callable[[Derivatives, FloatArray, FloatArray, float], str]) -> str:
    """The answer for other samples and coefficients: what holds only in one setting is a coincidence."""
    again = d.again()
    return question(again, again.theirs, *again.own)


def _size_of_factor(d: Derivatives, told: Sequence[Difference]) -> str:
    """Which size a constant factor equals, by a second measurement with other sizes."""
    factor = next((difference.evidence["factor"] for difference in told if difference.name == "constant factor"), None)
    if factor is None or d.given is not None or not d.inside:
        return ""
    subject = d.subject
    degree = next((degree for degree in subject.degrees if degree not in (subject.degree, 0, 1)), subject.degree)
    spec = subject.with_parts((5, 3), d.spec.parts, degree=degree, kind=d.spec.kind, intervals=fewer(subject))
    other = d.of(spec, subject.samples(spec, 24, 5))
    told_again = explain(other.answered, other.expected, d.axes, other.room, d.owner, DETACHED) or []
    factors = [one.evidence["factor"] for one in told_again if one.name == "constant factor"]
    again = factors[0] if factors else abs(factor_of(other.answered, other.expected))
    named = sizes_of([factor, again], [of.sizes for of in (d, other)])
    if named or abs(factor - again) <= 1e-6 * factor:
        return named
    return f"{again:.6g} in layers of degree {degree} with 5 outputs, 3 inputs, 24 samples"


def _shares(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Which samples of a batch do not contribute to gradients in weights."""
    return _lost(d, theirs, ours, room) if d.few else _of_rows(d)


def _lost(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Whether the contributions of samples are lost in a batch, but not by themselves."""
    dy = np.ones((1, d.spec.n_outputs))
    alone = [d.answer(dy, x=d.x[s : s + 1]) for s in range(len(d.x))]
    if largest(np.stack(alone) - ours.sum(axis=1)) > room:
        return []
    count = int((np.abs(theirs - ours).reshape(len(d.x), -1).max(axis=1) > room).sum())
    how = f"of {len(d.x)} samples {count} do not add what is theirs, and each does in a batch of its own"
    return only("contributions lost", what=d.owner, how=how)


def _of_rows(d: Derivatives) -> list[Difference]:
    """Which samples of a batch contribute, by cotangents of a few of them, then of single ones."""
    N, weights = len(d.x), np.ones(len(d.x))

    def counts(rows: slice) -> float:
        dy = np.zeros((N, d.spec.n_outputs))
        dy[rows] = 1.0
        theirs, ours = d.answer(dy, d.x), d.truth(dy, d.x)
        k = factor_of(theirs, ours)
        return k if close(theirs, k * ours, d.subject.tolerance(64 * largest(ours))) else np.nan

    for start in range(0, N, ROWS_ASKED):
        rows = range(start, min(start + ROWS_ASKED, N))
        together = counts(slice(rows.start, rows.stop))
        weights[start : rows.stop] = together if np.isfinite(together) else [counts(slice(r, r + 1)) for r in rows]
    left_out = np.flatnonzero(np.abs(weights) < 1e-6)
    return only("samples left out", what=d.owner, indices=left_out.tolist(), size=N) if left_out.size else []


def unexplained(
    subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray, place: str = ""
) -> list[Difference]:  # fmt: skip
    """What remains if nothing else fits: rounding of a lower format, a map of single entries, or another function."""
    size = largest(ours)
    left = largest(theirs - ours) / (size or largest(theirs))
    if subject.eps < 2.0**-30 and ((left < LARGEST_ROUNDING and lowered(theirs, ours)) or 2.0**-27 < left < 2.0**-18):
        return rounded_gradients(owner, left, theirs)
    room = subject.tolerance(size)
    zeros = flushed(owner, theirs, ours, room)
    if zeros:
        return zeros
    told = mapped(owner, theirs, ours, room)
    if told:
        return told
    return measured("gradient is another", what=owner, left=left, place=place)


def mapped(owner: str, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Whether a known map takes each right number to the one that is returned."""
    if not ours.any() or not np.isfinite(theirs).all():
        return []
    words = in_words(ours.ravel(), theirs.ravel(), room)
    return [] if words.startswith(("an unknown", "identity", "zero")) else only("values mapped", what=owner, map=words)


def flushed(owner: str, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Whether small entries are zero, and the others right."""
    gone = (theirs == 0) & (np.abs(ours) > room)
    if not gone.any() or not close(theirs[~gone], ours[~gone], room):
        return []
    kept = np.abs(ours[~gone & (theirs != 0)])
    below = largest(ours[gone])
    return measured("flushed to zero", what=owner, below=below) if below <= kept.min(initial=np.inf) else []


def rounded_gradients(owner: str, left: float, theirs: FloatArray) -> list[Difference]:
    """Gradients with the rounding errors of a lower format: one that holds them all exactly, or one of that size."""
    exact = lower_formats(theirs)
    if exact:
        return measured(f"{exact[0]} gradients", what=owner, left=left, how=f"all are {exact[0]} numbers")
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
        return of.answer(np.ones((len(at), spec.n_outputs)), x=at, model=model)

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
