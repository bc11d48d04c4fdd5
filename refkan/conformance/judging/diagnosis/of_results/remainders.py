"""Hypotheses on what is left out at an end: outputs beyond whole blocks, the first or last interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from refkan.conformance.cases.cases import Case
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, Prediction, supposed
from refkan.conformance.judging.diagnosis.of_results.kept import of_case


@of_case
def outputs(case: Case) -> Iterator[Hypothesis]:
    """The last outputs are not written, or nothing flows back from them."""
    count = case.setting.dy.shape[1]
    if case.quantity not in ("values", "input-gradients", "coefficient-gradients", "second-derivatives"):
        return
    for block in (2, 4, 8, 16, 32):
        kept = count // block * block
        if 0 < kept < count:
            text = f"the last {count - kept} of {count} outputs are left out: those beyond whole blocks of {block}"
            yield Hypothesis("outputs left out", text, partial(_first_outputs, case, kept))


def _first_outputs(case: Case, kept: int) -> Prediction:
    if case.quantity == "values":
        return np.where(np.arange(case.expected.shape[1]) < kept, case.expected, 0.0)
    return supposed(case, dy=np.where(np.arange(case.setting.dy.shape[1]) < kept, case.setting.dy, 0.0))


@of_case
def intervals(case: Case) -> Iterator[Hypothesis]:
    """Points of an interval at an end count as those of the one beside it, whose polynomials are continued."""
    s = case.setting
    alone = len(s.specs) == 1 and not s.is_outside
    if not alone or s.spec.intervals < 2 or case.quantity in ("gauss-newton", "knot-gradients"):
        return
    for which, beside, side in (("last", "before", -1), ("first", "after", 0)):
        text = f"points of the {which} interval are evaluated as if the one {beside} it went on"
        yield Hypothesis("end interval unused", text, partial(_continued, case, side))


def _continued(case: Case, side: int) -> Prediction:
    """Results of the layer without its last (-1) or first (0) interval, continued by polynomials."""
    spec = case.setting.spec
    rest = slice(None, -1) if side else slice(1, None)
    shorter = replace(
        spec,
        knots=spec.knots[:, rest],
        coefficients=spec.coefficients[..., rest],
        outside="polynomial",
        kind="arbitrary",
    )
    found = supposed(case, specs=(shorter,))
    if case.quantity != "coefficient-gradients":
        return found
    return np.pad(found.expected, ((0, 0), (0, 0), (0, 1) if side else (1, 0)))
