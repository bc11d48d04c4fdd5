"""Derivatives at knots and at the ends of the domain."""

from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.identification.gradients.asked_gradients import SAMPLES
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.stages_and_differences import Difference


def at_knots(of: Derivatives) -> list[Difference]:
    """Derivatives at knots against those to the right of them, and at x = b against those to the left."""
    subject, degree, owner = of.subject, of.spec.degree, of.owner

    def asked(model: Any, at: FloatArray) -> FloatArray:
        dy = np.ones((len(at), spec.n_outputs))
        if of.order == 2:
            return subject.second(model, at, dy, np.ones(at.shape))
        return subject.gradients(model, at, dy, {"inputs": at.shape})["inputs"]

    kinds = [kind for kind in ("uniform", "arbitrary") if (degree, kind) in subject.right]
    kind = kinds[0] if kinds and not subject.refused else ""
    if not kind or (kind == "uniform" and not subject.declared.frame.exact):
        return []
    spec = subject.spec((3, 2), degree=degree, kind=kind)
    model, step = subject.build(spec), 2.0**-22
    inner = [np.unique(t[spec.order : t.size - spec.order]) for t in spec.knots]
    at = np.stack([np.resize(t, SAMPLES) for t in inner], axis=1)
    here, left, right = asked(model, at), asked(model, at - step), asked(model, at + step)
    room = max(2.0**-12, 16 * subject.rough) * float(np.abs(right).max())
    start, end = (np.repeat(spec.domains[:, k][None], SAMPLES, axis=0) for k in (0, 1))
    last, before = asked(model, end), asked(model, end - step)
    lowest, after = asked(model, start), asked(model, start + step)
    if here.any() and not lowest.any() and np.abs(after).max() > room and kind != "uniform-fine":
        both = " and x = b" * bool(not last.any() and np.abs(before).max() > room)
        return [Difference("zero at ends", {"what": owner, "ends": f"x = a{both}"})]
    if np.abs(here - right).max() > room:
        if not here.any():
            return [Difference("zero at knots", {"what": owner})]
        if np.abs(here - left).max() <= room and "left limit at knots" in subject.names:
            return []  # as the values are
        if np.abs(here - left).max() <= room:
            return [Difference("left limit at knots")]
        evidence = {"what": f"{owner} at knots", "left": float(np.abs(here - right).max() / np.abs(right).max())}
        return [Difference("gradient is another", evidence, sure="measured")]
    right_end = subject.declared.right_end
    wanted = {"closed": before, "half-open": asked(model, end + step), "zero": 0 * last}[right_end]
    if np.abs(last - wanted).max() <= room or spec.outside != "natural":
        return []
    told = "zero" if not last.any() else f"not those that go with a {right_end} right end"
    name = "right end open" if right_end == "closed" else "other right end"
    return [Difference(name, {"what": f"at x = b {owner} are {told}"})]
