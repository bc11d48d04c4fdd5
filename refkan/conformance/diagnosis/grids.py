"""Hypotheses on a grid of the layer's own, equally spaced, beyond whose domain all functions are zero.

Layers that find the interval of a point by (x - a)/h, and leave out points whose number is no interval, do both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from refkan.array_types import FloatArray
from refkan.conformance.backends.plain_numpy import NumpyLayer
from refkan.conformance.cases import Case
from refkan.conformance.diagnosis.hypotheses import Hypothesis, Supposed, through, with_knots, with_layers
from refkan.conformance.diagnosis.kept import of_case
from refkan.conformance.diagnosis.knots import equally_spaced, knots_shifted, spaced_for
from refkan.conformance.diagnosis.places import OTHER_DOMAINS, placed
from refkan.conformance.specs import LayerSpec


class ZeroBeyond(NumpyLayer):
    """No function has a value beyond the domain."""

    def pieces(self, x: Any, t: Any) -> Any:
        """Indicators of the interval, none beyond both ends."""
        inside = (x >= t[self.order - 1]) & (x <= t[-self.order])
        return super().pieces(x, t) * inside[:, None]


@of_case
def grids(case: Case) -> Iterator[Hypothesis]:
    """Grids of another spacing, begun an interval too late or too early, or on a domain that is always the same."""
    s = case.setting
    if s.is_outside or not equally_spaced(s.spec):
        return

    def hypothesis(name: str, text: str, change: Callable[[LayerSpec], FloatArray]) -> Hypothesis:
        return Hypothesis(name, f"{text}, and functions are zero beyond that grid", partial(_on_grid, case, change))

    n = s.spec.intervals
    for other in (n - 1, n + 1):
        if other > 0:
            text = f"the spacing is that of {other} intervals on the domain instead of {n}"
            yield hypothesis("number of intervals", text, partial(spaced_for, other))
    for step in (1, -1):
        text = f"basis function i lives on the knots from i {'+' if step > 0 else '-'} 1"
        yield hypothesis("shifted index", text, partial(knots_shifted, step))
    for low, high in OTHER_DOMAINS:
        if not (s.spec.domains == (low, high)).all():
            text = f"knots lie on [{low:g}, {high:g}] instead of the domain of the case"
            yield hypothesis("fixed domain", text, partial(placed, low, high))


def _on_grid(case: Case, change: Callable[[LayerSpec], FloatArray]) -> Supposed | None:
    found = with_layers(case, partial(with_knots, change))
    return None if found is None else through(found, ZeroBeyond)
