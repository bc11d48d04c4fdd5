"""Hypotheses on samples: mixed with one another, those of an earlier call, contributions to gradients lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, supposed
from refkan.conformance.judging.diagnosis.of_results.kept import of_case
from refkan.conformance.judging.findings import Evidence, Hint


def stale(evidence: Evidence) -> Iterator[Hypothesis]:
    """Results, or basis functions, at samples of an earlier call."""
    case = evidence.case
    for x in evidence.earlier:
        if not np.array_equal(x, case.setting.x):
            text = "theirs are the results at other samples, those of an earlier call"
            yield Hypothesis("stale cache", text, partial(supposed, case, x=x))


@of_case
def lost(case: Case) -> Iterator[Hypothesis]:
    """Coefficient gradients in which one sample's contribution replaces the others'."""
    if case.quantity != "coefficient-gradients" or len(case.setting.specs) > 1 or len(case.setting.x) < 2:
        return
    text = "of several samples that add to a coefficient's gradient, only the {} counts"
    yield Hypothesis("contributions lost", text.format("last"), partial(_replacing, case, 1))
    yield Hypothesis("contributions lost", text.format("first"), partial(_replacing, case, -1))


def _replacing(case: Case, step: int) -> FloatArray:
    (rows,) = FloatQuantities(case.setting.specs, case.setting.x).rows
    out, values, dy = np.zeros(case.expected.shape), rows.rows[0], case.setting.dy
    for s in range(len(dy))[::step]:
        for p in range(values.shape[1]):
            start = rows.start[s, p]
            out[:, p, start : start + values.shape[-1]] = dy[s][:, None] * values[s, p]
    return out


def mixed(evidence: Evidence) -> tuple[Hint, ...]:
    """Ask the backend for fewer samples: the outputs of a sample must not depend on the others."""
    case, count = evidence.case, len(evidence.case.setting.x)
    if evidence.forward is None or case.quantity != "values" or count < 2:
        return ()
    kept = count // 2
    try:
        alone = np.asarray(evidence.forward(case.setting.x[:kept]), np.float64)
    except Exception:  # of the backend: then there is nothing to compare
        return ()
    theirs = evidence.theirs[:kept]
    if alone.shape != theirs.shape or (np.abs(alone - theirs) <= case.tolerance[:kept]).all():
        return ()
    worst = float(np.nanmax(np.abs(alone - theirs)))
    text = f"outputs of the first {kept} samples change by up to {worst:.2g} when the other {count - kept} are left out"
    return (Hint("samples mixed", text),)
