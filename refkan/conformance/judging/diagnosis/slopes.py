"""Hypotheses on derivatives made by a wrong formula, and on gradients that are cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer
from refkan.conformance.cases.cases import Case
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, through
from refkan.conformance.judging.diagnosis.of_results.factors import OPPOSITE
from refkan.conformance.judging.diagnosis.of_results.kept import of_case
from refkan.conformance.judging.findings import Evidence, Hint

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


LENGTHS: dict[str, Callable[[FloatArray, int], FloatArray]] = {
    "the spacing h of each input, its first": lambda t, r: t[:, r] - t[:, r - 1],
    "the spacing h of each input, its last": lambda t, r: t[:, -r] - t[:, -r - 1],
    "the spacing h of each input, (b - a)/n": lambda t, r: (t[:, -r] - t[:, r - 1]) / (t.shape[1] - 2 * r + 1),
    "the length b - a of each domain": lambda t, r: t[:, -r] - t[:, r - 1],
}
"""Lengths (P,) that derivatives are taken by, from the knots (P, K) and the order."""

POWER = {"input-gradients": 1, "second-derivatives": 2}
"""Of a length in derivatives."""


@of_case
def spacings(case: Case) -> Iterator[Hypothesis]:
    """Derivatives in units of a length that they were not divided by: of each input, or of the interval of each point.

    Where all spans are equal that is a constant factor, which is told as one.
    """
    s = case.setting
    power = POWER.get(case.quantity, 0)
    spans = np.diff(s.spec.knots, axis=1)
    if len(s.specs) > 1 or not power or np.ptp(spans) <= 1e-9 * np.abs(spans).max():
        return
    for text, size in lengths(case):
        yield Hypothesis("constant factor", text, partial(_times, case, size))
        also = (Hint("constant factor", text, also=True),)
        yield Hypothesis("sign", OPPOSITE, partial(_times, case, -size), also=also)
    text = "derivatives are those in positions within an interval: they are not divided by its length"
    yield Hypothesis("wrong derivative", text, partial(_times, case, _spans(case) ** power))


def lengths(case: Case) -> Iterator[tuple[str, FloatArray]]:
    """Factors (P,) of derivatives that are a length of each input, or one over it, and how that is said."""
    spec, power = case.setting.spec, POWER.get(case.quantity, 0)
    for what, length in LENGTHS.items() if power else ():
        for sign, how in ((1, "theirs are ours times {}"), (-1, "theirs are ours divided by {}")):
            text = how.format(f"{what}{', squared' if power == 2 else ''}")
            yield text, length(spec.knots, spec.order) ** (sign * power)


def _times(case: Case, size: FloatArray) -> FloatArray:
    return np.asarray(case.expected * size)


def _spans(case: Case) -> FloatArray:
    """Length (N, P) of the interval in force at each sample: outside the domain, by the rule there."""
    s = case.setting
    out = np.empty_like(s.x)
    for p, t in enumerate(s.spec.knots):
        x, b = s.x[:, p], t[-s.spec.order]
        ends = np.unique(t if s.spec.outside == "natural" else t[s.spec.order - 1 : t.size - s.spec.order + 1])
        m = np.where(x == b, np.searchsorted(ends, b), np.searchsorted(ends, x, side="right")) - 1
        out[:, p] = np.diff(ends)[np.clip(m, 0, ends.size - 2)]
    return out


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
