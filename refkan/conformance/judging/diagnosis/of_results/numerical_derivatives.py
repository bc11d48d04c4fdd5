"""Hypotheses on derivatives that were taken numerically."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.truths.precision import EPS
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, evaluate
from refkan.conformance.judging.diagnosis.of_results.kept import of_case
from refkan.conformance.judging.findings import Evidence

NOISE = (0.01, 2.0)
"""Worst error, in units of eps |f| / step, that counts as the noise of a difference."""


def differences(evidence: Evidence) -> Iterator[Hypothesis]:
    """Input gradients by differences of values: their step shows at knots and narrow spans, else their noise."""
    case, theirs = evidence.case, evidence.theirs
    if case.quantity != "input-gradients" or len(case.setting.specs) > 1 or not np.isfinite(theirs).all():
        return
    eps = EPS[case.setting.dtype]
    yield from _reproduced(evidence)
    if not evidence.values_right:
        return
    size = float(np.abs(case.setting.dy).sum(axis=1).max() * np.abs(case.setting.spec.coefficients).max())
    worst = float(np.abs(theirs - case.expected).max())
    float32 = float((case.tolerance * EPS["float32"] / eps).max())
    if case.setting.dtype != "float64" or worst >= float32 / 100:
        return
    for step in _steps(eps):
        if NOISE[0] < worst * step / (eps * size) < NOISE[1]:
            text = f"values are right and errors of gradients are {worst:.1e}, as differences of step {step:.1e} leave"
            yield Hypothesis("finite differences", text, partial(np.copy, theirs))
            return


def _steps(eps: float) -> list[float]:
    return sorted({10.0**-k for k in range(2, 9)} | {eps ** (1 / 2), eps ** (1 / 3), eps ** (1 / 4)}, reverse=True)


@of_case
def _reproduced(case: Case) -> Iterator[Hypothesis]:
    for step in _steps(EPS[case.setting.dtype]):
        for name, ahead, behind in (("central", step, step), ("one-sided", step, 0.0)):
            text = f"{name} differences of step {step:.1e} give theirs"
            yield Hypothesis("finite differences", text, partial(_difference, case, ahead, behind))


def _difference(case: Case, ahead: float, behind: float) -> FloatArray:
    s = case.setting
    out = np.zeros_like(s.x)
    for p in range(out.shape[1]):
        unit = (np.arange(out.shape[1]) == p).astype(np.float64)
        rise = evaluate(case, "values", x=s.x + ahead * unit) - evaluate(case, "values", x=s.x - behind * unit)
        out[:, p] = (rise * s.dy).sum(axis=1) / (ahead + behind)
    return out
