"""Hypotheses on a grid of the layer's own, equally spaced, beyond whose domain all functions are zero.

Layers that find the interval of a point by (x - a)/h, and leave out points whose number is no interval, do both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, Supposed, through, with_knots, with_layers
from refkan.conformance.judging.diagnosis.of_results.kept import of_case
from refkan.conformance.judging.diagnosis.other_knots import equally_spaced, other_grids
from refkan.conformance.judging.diagnosis.places import on_domain, other_domains


class ZeroBeyond(NumpyLayer):
    """No function has a value beyond the domain."""

    def pieces(self, x: Any, t: Any) -> Any:
        """Indicators of the interval, none beyond both ends."""
        inside = (x >= t[self.order - 1]) & (x <= t[-self.order])
        return super().pieces(x, t) * inside[:, None]


@of_case
def grids(case: Case) -> Iterator[Hypothesis]:
    """Grids of another spacing, begun an interval too late or too early, or on a domain that is always the same."""
    spec = case.setting.spec
    if case.setting.is_outside or not equally_spaced(spec):
        return
    for name, text, change in (*other_grids(spec), *(on_domain(*ends) for ends in other_domains(spec))):
        yield Hypothesis(name, f"{text}, and functions are zero beyond that grid", partial(_on_grid, case, change))


def _on_grid(case: Case, change: Callable[[LayerSpec], FloatArray]) -> Supposed | None:
    found = with_layers(case, partial(with_knots, change))
    return None if found is None else through(found, ZeroBeyond)
