"""Hypotheses on knots (of another input, other spacing, own exterior knots) and on the size of basis functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, with_knots, with_layers
from refkan.conformance.judging.diagnosis.of_results.kept import of_case
from refkan.conformance.judging.findings import Evidence


def knots(evidence: Evidence) -> Iterator[Hypothesis]:
    """Knots of another input, equally spaced ones, or shifted by one; basis functions of another normalisation."""
    yield from _other_knots(evidence)
    yield from normalisation(evidence)


@of_case
def _other_knots(case: Case) -> Iterator[Hypothesis]:
    def hypothesis(name: str, text: str, change: Any) -> Hypothesis:
        return Hypothesis(name, text, partial(with_layers, case, partial(with_knots, change)))

    spec = case.setting.spec
    if np.ptp(np.diff(spec.knots, axis=1)) != 0:
        text = "knots are taken as equally spaced"
        yield hypothesis("equal spacing assumed", f"{text} on the domain", _equal_on_domain)
        yield hypothesis("equal spacing assumed", f"{text} from the first to the last", _equal_throughout)
        yield hypothesis("equal spacing assumed", f"{text} from a with the first span", partial(_equal_from, 0))
        yield hypothesis("equal spacing assumed", f"{text} up to b with the last span", partial(_equal_from, -1))
    if spec.n_inputs > 1 and not (spec.knots == spec.knots[:1]).all():
        for p in (0, -1):
            text = f"the knots of the {'first' if p == 0 else 'last'} input are used for all"
            yield hypothesis("knots of another input", text, lambda one, p=p: np.array([one.knots[p]] * one.n_inputs))
    yield from (hypothesis("exterior knots", text, change) for text, change in EXTERIOR.items())
    yield from (hypothesis(*grid) for grid in other_grids(spec))


@of_case
def normalisation(case: Case) -> Iterator[Hypothesis]:
    """Basis functions of another normalisation; on equally spaced knots a constant factor."""
    text = "basis functions have integral one instead of sum one"
    yield Hypothesis("basis not normalised", text, partial(with_layers, case, partial(_normalised, 1.0)))
    text = "basis functions are divided differences, not multiplied by the length of their support"
    yield Hypothesis("basis not normalised", text, partial(with_layers, case, partial(_normalised, None)))


def other_grids(spec: LayerSpec) -> Iterator[tuple[str, str, Callable[[LayerSpec], FloatArray]]]:
    """Name, sentence and knots of grids of another spacing, if knots are equally spaced, and begun a place off."""
    if equally_spaced(spec):
        for n in (spec.intervals - 1, spec.intervals + 1):
            if n > 0:
                text = f"the spacing is that of {n} intervals on the domain instead of {spec.intervals}"
                yield "number of intervals", text, partial(_spaced_for, n)
    for step in (1, -1):
        text = f"basis function i lives on the knots from i {'+' if step > 0 else '-'} 1"
        yield "shifted index", text, partial(_knots_shifted, step)


def equally_spaced(spec: LayerSpec) -> bool:
    """Whether all knots are, but for rounding."""
    return bool(np.ptp(np.diff(spec.knots, axis=1)) <= 1e-12 * np.abs(spec.knots).max())


def _equal_on_domain(spec: LayerSpec) -> FloatArray:
    a, b = spec.domains[:, :1], spec.domains[:, 1:]
    return np.asarray(a + (b - a) * np.arange(1 - spec.order, spec.intervals + spec.order) / spec.intervals)


def _equal_throughout(spec: LayerSpec) -> FloatArray:
    return np.linspace(spec.knots[:, 0], spec.knots[:, -1], spec.knots.shape[1], axis=1)


def _equal_from(end: int, spec: LayerSpec) -> FloatArray:
    r, K = spec.order, spec.knots.shape[1]
    at = r - 1 if end == 0 else K - r
    h = spec.knots[:, r] - spec.knots[:, r - 1] if end == 0 else spec.knots[:, K - r] - spec.knots[:, K - r - 1]
    return np.asarray(spec.knots[:, at, None] + h[:, None] * (np.arange(K) - at))


def _spaced_for(n: int, spec: LayerSpec) -> FloatArray:
    a, b = spec.domains[:, :1], spec.domains[:, 1:]
    return np.asarray(a + (b - a) * np.arange(1 - spec.order, spec.intervals + spec.order) / n)


def _exterior(spacing: Callable[[FloatArray], tuple[FloatArray, FloatArray]], spec: LayerSpec) -> FloatArray:
    """Exterior knots at multiples of a spacing beyond each end."""
    t, r = spec.knots.copy(), spec.order
    K = t.shape[1]
    left, right = spacing(np.diff(t[:, r - 1 : K - r + 1], axis=1))
    steps = np.arange(1, r)
    t[:, : r - 1] = t[:, r - 1, None] - left[:, None] * steps[::-1]
    t[:, K - r + 1 :] = t[:, K - r, None] + right[:, None] * steps
    return np.asarray(t)


EXTERIOR: dict[str, Callable[[LayerSpec], FloatArray]] = {
    "exterior knots continue at the lengths of the first and last interval": partial(
        _exterior, lambda h: (h[:, 0], h[:, -1])
    ),
    "exterior knots continue at the mean spacing": partial(_exterior, lambda h: (h.mean(axis=1), h.mean(axis=1))),
    "exterior knots are all at the ends of the domain": partial(_exterior, lambda h: (0 * h[:, 0], 0 * h[:, 0])),
    "exterior knots continue at spacing 1": partial(_exterior, lambda h: (0 * h[:, 0] + 1, 0 * h[:, 0] + 1)),
}
"""Ways to make exterior knots that were given otherwise."""


def _knots_shifted(step: int, spec: LayerSpec) -> FloatArray:
    t = spec.knots
    if step > 0:
        return np.concatenate([t[:, 1:], 2 * t[:, -1:] - t[:, -2:-1]], axis=1)
    return np.concatenate([2 * t[:, :1] - t[:, 1:2], t[:, :-1]], axis=1)


def _normalised(integral: float | None, spec: LayerSpec) -> LayerSpec:
    r, t = spec.order, spec.knots
    width = t[:, r:] - t[:, :-r]
    return replace(spec, coefficients=spec.coefficients * ((r if integral else 1.0) / width))
