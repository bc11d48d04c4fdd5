"""Hypotheses on small numbers that were added to denominators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, through, with_layers
from refkan.conformance.judging.diagnosis.of_results.kept import of_case
from refkan.conformance.judging.diagnosis.recursions import ByRecursion
from refkan.conformance.judging.findings import Evidence


def shifted_denominators(evidence: Evidence) -> Iterator[Hypothesis]:
    """A small number added to each denominator of the recursion, or to the sum that the basis is divided by."""
    case = evidence.case
    error = np.abs(evidence.theirs - case.expected).max()
    if case.quantity == "knot-gradients" or not error <= 1e-3 * np.abs(case.expected).max():
        return
    yield from _shifted(evidence)


@of_case
def _shifted(case: Case) -> Iterator[Hypothesis]:
    for small in (1e-8, 1e-10, 1e-12, 1e-7, 1e-6, 1e-5):
        text = f"{small:g} is added to each denominator of the recursion"
        layer = type("Padded", (PaddedDenominators,), {"small": small})
        yield Hypothesis("shifted denominators", text, partial(through, case, layer))
        text = f"the basis is divided by its sum plus {small:g}"
        scaled = partial(with_layers, case, partial(_times, 1 / (1 + small)))
        yield Hypothesis("shifted denominators", text, scaled)


class PaddedDenominators(ByRecursion):
    """A small number in each denominator."""

    small = 0.0

    def ratio(self, numerator: Any, denominator: Any) -> Any:
        """Divide by the denominator plus the number."""
        return numerator / (denominator + self.small)


def _times(factor: float, spec: LayerSpec) -> LayerSpec:
    return replace(spec, coefficients=factor * spec.coefficients)
