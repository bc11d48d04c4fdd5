"""Hypotheses on where points are looked up: in another interval, on another domain, in a table, after a map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.judging.diagnosis.additions import MAPS
from refkan.conformance.judging.diagnosis.hypotheses import (
    Hypothesis,
    Prediction,
    evaluate,
    supposed,
    through,
    with_knots,
    with_layers,
)
from refkan.conformance.judging.diagnosis.of_results.kept import of_case
from refkan.conformance.judging.diagnosis.recursions import ByRecursion
from refkan.conformance.judging.findings import Evidence

OTHER_DOMAINS = ((-1.0, 1.0), (0.0, 1.0))

TABLES = (64, 100, 101, 128, 200, 256, 257, 500, 512, 513, 1000, 1001, 1024, 1025, 2048, 4096)
"""Numbers of points that tables have."""


class RoundedPieces(NumpyLayer):
    """The interval is the nearest integer to (x - a)/h."""

    def pieces(self, x: Any, t: Any) -> Any:
        """Indicators of the interval taken."""
        r = self.order
        a, b, n = t[r - 1], t[-r], t.size - 2 * r + 1
        m = np.clip(np.rint((x - a) / ((b - a) / n)).astype(int), 0, n - 1) + r - 1
        rounded = np.arange(t.size - 1) == m[:, None]
        return np.where(((x >= a) & (x <= b))[:, None], rounded.astype(self.number), super().pieces(x, t))


class Rounded(RoundedPieces, ByRecursion):
    """The same, by differentiating the recursion."""

    alone = RoundedPieces


@of_case
def intervals(case: Case) -> Iterator[Hypothesis]:
    """The interval of a point by rounding to the nearest."""
    if case.setting.is_outside or case.quantity in ("gauss-newton", "knot-gradients"):
        return
    text = "points in the upper half of an interval are evaluated by the polynomial of the next: (x - a)/h is rounded"
    yield Hypothesis("interval rounded", text, partial(through, case, Rounded))


@of_case
def domains(case: Case) -> Iterator[Hypothesis]:
    """Knots on a domain of the layer's own, and inputs that are clamped to one or mapped first."""
    for low, high in other_domains(case.setting.spec):
        name, text, change = on_domain(low, high)
        yield Hypothesis(name, text, partial(with_layers, case, partial(with_knots, change)))
        text = f"inputs are clamped to [{low:g}, {high:g}]"
        ends = partial(np.clip, a_min=low, a_max=high), partial(_inside, low, high), np.zeros_like
        yield Hypothesis("inputs mapped", text, partial(_mapped, case, ends))
    for name, functions in MAPS.items():
        yield Hypothesis("inputs mapped", f"inputs pass through {name}", partial(_mapped, case, functions))


def other_domains(spec: LayerSpec) -> list[tuple[float, float]]:
    """Domains that layers may have always, but for that of the spec."""
    return [ends for ends in OTHER_DOMAINS if not (spec.domains == ends).all()]


def on_domain(low: float, high: float) -> tuple[str, str, Callable[[LayerSpec], FloatArray]]:
    """Name, sentence and knots of a grid that is mapped onto a domain."""
    text = f"knots lie on [{low:g}, {high:g}] instead of the domain of the case"
    return "fixed domain", text, partial(_placed, low, high)


def _placed(low: float, high: float, spec: LayerSpec) -> FloatArray:
    a, b = spec.domains[:, :1], spec.domains[:, 1:]
    return low + (high - low) * (spec.knots - a) / (b - a)


def _inside(low: float, high: float, x: FloatArray) -> FloatArray:
    return ((x >= low) & (x <= high)).astype(np.float64)


def _mapped(case: Case, functions: tuple[Callable[[Any], Any], ...]) -> Prediction:
    """Results at mapped inputs, with the derivatives of the map in derivatives by the inputs."""
    function, slope, curvature = functions
    x, direction = case.setting.x, case.setting.direction
    at = np.asarray(function(x))
    if case.quantity in ("gauss-newton", "knot-gradients") or np.array_equal(at, x):
        return None
    if case.quantity == "input-gradients":
        return np.asarray(evaluate(case, x=at) * slope(x))
    if case.quantity == "second-derivatives":
        bent = evaluate(case, "input-gradients", x=at) * curvature(x) * direction
        return np.asarray(evaluate(case, x=at, direction=slope(x) * direction) * slope(x) + bent)
    return supposed(case, x=at)


def tables(evidence: Evidence) -> Iterator[Hypothesis]:
    """Basis functions interpolated linearly between the points of a table on the domain."""
    case = evidence.case
    s = case.setting
    alone = len(s.specs) == 1 and not s.is_outside
    if not alone or case.quantity not in ("values", "coefficient-gradients"):
        return
    error = np.abs(evidence.theirs - case.expected).max()
    if not 0 < error < 0.1 * np.abs(case.expected).max():
        return
    yield from _tables(evidence)


@of_case
def _tables(case: Case) -> Iterator[Hypothesis]:
    for points in TABLES:
        text = f"basis functions are interpolated linearly in a table of {points} points on the domain"
        yield Hypothesis("lookup table", text, partial(_looked_up, case, points))


def _looked_up(case: Case, points: int) -> FloatArray:
    s = case.setting
    low, high = s.spec.domains.T
    place = (np.clip(s.x, low, high) - low) / (high - low) * (points - 1)
    left = np.minimum(np.floor(place), points - 2)
    at = [low + (high - low) * (left + k) / (points - 1) for k in (0, 1)]
    share = place - left
    if case.quantity == "coefficient-gradients":
        parts = []
        for p in range(s.x.shape[1]):
            one = replace(s.spec, knots=s.spec.knots[p : p + 1], coefficients=s.spec.coefficients[:, p : p + 1])
            weights = (1 - share[:, p], share[:, p])
            parts.append(
                sum(evaluate(case, specs=(one,), x=at[k][:, p : p + 1], dy=s.dy * weights[k][:, None]) for k in (0, 1))
            )
        return np.concatenate(parts, axis=1)
    out = np.zeros_like(case.expected)
    for p in range(s.x.shape[1]):
        one = replace(s.spec, knots=s.spec.knots[p : p + 1], coefficients=s.spec.coefficients[:, p : p + 1])
        ends = [evaluate(case, specs=(one,), x=at[k][:, p : p + 1]) for k in (0, 1)]
        out += ends[0] + share[:, p : p + 1] * (ends[1] - ends[0])
    return out


@of_case
def left_out(case: Case) -> Iterator[Hypothesis]:
    """Inputs, outputs or coefficients from a number on that do not count."""
    if len(case.setting.specs) > 1:
        return
    Q, P, dim = case.setting.spec.coefficients.shape
    for count, what, axis in ((P, "input", 1), (Q, "output", 0), (dim, "coefficient", 2)):
        for kept in (1, 2, 3, 4, 8, 16, 32, 64):
            if kept < count and not (axis == 2 and kept < 4):
                text = f"{what}s from number {kept} on, counted from 0, do not count"
                yield Hypothesis(f"{what}s left out", text, partial(_kept, case, axis, kept))


def _kept(case: Case, axis: int, kept: int) -> Prediction:
    s = case.setting
    if case.quantity == "coefficient-gradients":
        found = case.expected.copy()
        found[(slice(None),) * axis + (slice(kept, None),)] = 0.0
        return found
    if case.quantity in ("gauss-newton", "knot-gradients"):
        return None
    C = s.spec.coefficients.copy()
    C[(slice(None),) * axis + (slice(kept, None),)] = 0.0
    return supposed(case, specs=(replace(s.spec, coefficients=C),))
