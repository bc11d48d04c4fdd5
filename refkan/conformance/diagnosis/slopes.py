"""Hypotheses on derivatives made by a wrong formula, and on gradients that are cut off."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from refkan.conformance.backends.plain_numpy import NumpyLayer
from refkan.conformance.cases import Case
from refkan.conformance.diagnosis.hypotheses import Hypothesis
from refkan.conformance.diagnosis.kept import of_case
from refkan.conformance.diagnosis.recursions import through
from refkan.conformance.findings import Evidence

SLOPES = {
    "with + between its two terms": (1.0, 1.0),
    "by the first of its two terms": (1.0, 0.0),
    "by the second of its two terms": (0.0, -1.0),
    "with its terms exchanged": (-1.0, 1.0),
}
"""What the terms b_i / (t_{i+k-1} - t_i) and b_{i+1} / (t_{i+k} - t_{i+1}) of a derivative are multiplied by."""


class OtherSlope(NumpyLayer):
    """Derivatives by the difference formula with other signs."""

    signs = (1.0, -1.0)

    def differentiate(self, b: Any, t: Any, k: int) -> Any:
        """Derivatives of order k from those of one order less, of functions of order k - 1."""
        left = self.ratio(b[:, :-1], t[k - 1 : -1] - t[:-k])
        right = self.ratio(b[:, 1:], t[k:] - t[1 : t.size - k + 1])
        return (k - 1) * (self.signs[0] * left + self.signs[1] * right)


@of_case
def formulas(case: Case) -> Iterator[Hypothesis]:
    """Derivatives of B-splines by a formula with a wrong sign, or without one of its terms."""
    if case.quantity not in ("input-gradients", "second-derivatives"):
        return
    for text, signs in SLOPES.items():
        layer = type("OtherSlope", (OtherSlope,), {"signs": signs})
        yield Hypothesis("wrong derivative", f"derivatives of B-splines are made {text}", partial(through, case, layer))


def cuts(evidence: Evidence) -> Iterator[Hypothesis]:
    """Gradients clipped to a size, or zero at knots."""
    case, theirs = evidence.case, evidence.theirs
    if not case.quantity.endswith("-gradients") or not np.isfinite(theirs).all():
        return
    size = float(np.abs(theirs).max())
    if size > 0 and (np.abs(theirs) == size).sum() >= 2:
        text = f"gradients are clipped to [{-size:.6g}, {size:.6g}]"
        yield Hypothesis("gradient clipped", text, lambda: np.clip(case.expected, -size, size))


def at_knots(evidence: Evidence) -> Iterator[Hypothesis]:
    """Gradients in inputs that are zero at knots: where they are right elsewhere, which other cases tell."""
    case = evidence.case
    if case.setting.region == "knots" and case.quantity in ("input-gradients", "second-derivatives"):
        zero = np.zeros_like(case.expected)
        yield Hypothesis("zero at knots", f"{case.quantity} are zero at knots", partial(np.copy, zero))
