"""Hypotheses on what was built: other coefficients, degree, inputs or precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import EPS, round_to
from refkan.conformance.judging.diagnosis.hypotheses import (
    Hypothesis,
    Supposed,
    supposed,
    through,
    with_knots,
    with_layers,
)
from refkan.conformance.judging.diagnosis.of_results.kept import of_case, once
from refkan.conformance.judging.diagnosis.recursions import ByRecursion
from refkan.conformance.judging.findings import Evidence

LOWER = {"float64": ("float32", "bfloat16"), "float32": ("bfloat16",), "bfloat16": ()}


@of_case
def rounding(case: Case) -> Iterator[Hypothesis]:
    """Knots, coefficients, inputs or cotangents that passed through a lower format."""
    equal = all(np.ptp(np.diff(spec.knots)) <= 1e-6 * np.abs(np.diff(spec.knots)).max() for spec in case.setting.specs)
    for lower in LOWER[case.setting.dtype]:
        for how, change in KNOTS_IN.items():
            if how != "rounded" and not equal:
                continue
            text = f"knots are {how} in {lower}"
            coarse = partial(change, lower=lower)
            yield Hypothesis(f"{lower} knots", text, partial(with_layers, case, partial(with_knots, coarse)))
            if lower == "float32":
                text = f"knots are {how} in {lower}, and so are their differences"
                yield Hypothesis(f"{lower} knots", text, partial(through, case, _with_float32_knots(coarse)))
        fewer = partial(_with_coefficients, partial(round_to, lower))
        text = f"coefficients are rounded to {lower}"
        yield Hypothesis(f"{lower} coefficients", text, partial(with_layers, case, fewer))
        x = round_to(lower, case.setting.x)
        yield Hypothesis(f"{lower} inputs", f"inputs are rounded to {lower}", partial(supposed, case, x=x))
        text = f"inputs, knots and coefficients are rounded to {lower}"
        yield Hypothesis(f"{lower} arithmetic", text, partial(_all_rounded, case, lower))


def _with_float32_knots(change: Any) -> type[NumpyLayer]:
    class Float32Knots(ByRecursion):
        def __init__(self, spec: LayerSpec) -> None:
            super().__init__(spec)
            self.t = change(spec).astype(np.float32)

    return Float32Knots


def _with_coefficients(change: Any, spec: LayerSpec) -> LayerSpec:
    return replace(spec, coefficients=change(spec.coefficients))


def _computed(spec: LayerSpec, lower: str) -> FloatArray:
    a, b = spec.domain
    q = partial(round_to, lower)
    steps = np.arange(1 - spec.order, spec.intervals + spec.order)
    return np.array([q(q(steps * q((b - a) / spec.intervals)) + q(a))] * spec.n_inputs)


def _linspace(fused: bool, spec: LayerSpec, lower: str) -> FloatArray:
    """The points from both ends to the middle in a lower format, then extended by repeated addition.

    `fused`: a + k h is rounded once, as processors with fused multiply-add do it.
    """
    a, b = spec.domain
    q = partial(round_to, lower)
    n, low, high = spec.intervals, float(q(a)), float(q(b))
    h = float(q(q(high - low) / n))
    k = np.arange(n + 1)
    up, down = (k * h, (n - k) * h) if fused else (q(k * h), q((n - k) * h))
    points = list(np.where(k < (n + 1) / 2, q(low + up), q(high - down)))
    h = float(q(q(points[-1] - points[0]) / n))
    for _ in range(spec.degree):
        points = [float(q(points[0] - h)), *points, float(q(points[-1] + h))]
    return np.array([points] * spec.n_inputs)


def _rounded(spec: LayerSpec, lower: str) -> FloatArray:
    return round_to(lower, spec.knots)


KNOTS_IN: dict[str, Callable[..., FloatArray]] = {
    "rounded": _rounded,
    "computed as a + k h": _computed,
    "computed from both ends to the middle": partial(_linspace, True),
    "computed from both ends to the middle, with two roundings,": partial(_linspace, False),
}


def _all_rounded(case: Case, lower: str) -> Supposed:
    def coarse(spec: LayerSpec) -> LayerSpec:
        return replace(spec, knots=round_to(lower, spec.knots), coefficients=round_to(lower, spec.coefficients))

    specs = tuple(coarse(spec) for spec in case.setting.specs)
    return supposed(case, specs=specs, x=round_to(lower, case.setting.x), dy=round_to(lower, case.setting.dy))


def knots_nearby(evidence: Evidence) -> Iterator[Hypothesis]:
    """Knots off by rounding of a lower format in an unknown order: first-order changes that fit all results."""
    case, theirs = evidence.case, evidence.theirs
    s = case.setting
    if len(s.specs) > 1 or not np.isfinite(theirs).all() or case.quantity in ("gauss-newton", "knot-gradients"):
        return
    for lower in LOWER[s.dtype]:
        text = f"moving knots by at most {lower} rounding reproduces theirs"
        yield Hypothesis(f"{lower} knots", text, partial(_moved_knots, case, theirs, lower))


def _on_knots(knots: FloatArray, spec: LayerSpec) -> LayerSpec:
    return replace(spec, knots=knots)


def _moved_knots(case: Case, theirs: FloatArray, lower: str) -> FloatArray | None:
    spec, step = case.setting.spec, EPS[lower] * 2.0**-6
    shared = bool((spec.knots == spec.knots[:1]).all())
    size = np.maximum(np.abs(spec.knots), np.abs(np.array(spec.domain)).max())
    places = [(slice(None), k) for k in range(spec.knots.shape[1])] if shared else list(np.ndindex(spec.knots.shape))
    distinct = len(np.unique(case.setting.x, axis=0)) / len(case.setting.x)  # equal samples say the same again
    if len(places) > distinct * theirs.size / 2:
        return None
    J = once(case, (_effects, lower), partial(_effects, case, places, step * size))
    if J is None:
        return None
    scale = case.tolerance.ravel()
    found, *_ = np.linalg.lstsq(J / scale[:, None], (theirs - case.expected).ravel() / scale, rcond=None)
    if np.abs(found * step).max() > 4 * EPS[lower]:
        return None
    return case.expected + (J @ found).reshape(theirs.shape)


def _effects(case: Case, places: list[Any], steps: FloatArray) -> FloatArray | None:
    """What a step of each knot, or of the same knot of all inputs, does to the results: one column each."""
    spec = case.setting.spec
    columns = []
    for place in places:
        moved = spec.knots.copy()
        moved[place] += steps[place]
        changed = with_layers(case, partial(_on_knots, moved))
        if changed is None:
            return None
        columns.append((changed.expected - case.expected).ravel())
    return np.stack(columns, axis=1)


ARITHMETIC = (1 / 16, 32.0)
"""Worst error, in units of eps of the lower format times the largest result, that counts as its rounding."""

MOST_ENTRIES = 0.4
"""The part of results that are not zero that rounding in a lower format must have moved."""


def arithmetic(evidence: Evidence) -> Iterator[Hypothesis]:
    """Results that are right to the precision of a lower format and no further: computed in it somewhere."""
    case, theirs = evidence.case, evidence.theirs
    if not np.isfinite(theirs).all():
        return
    error, largest = np.abs(theirs - case.expected), np.abs(case.expected).max()
    touched = error[case.expected != 0] > case.tolerance[case.expected != 0]
    if not touched.size or touched.mean() < MOST_ENTRIES:
        return
    for lower in LOWER[case.setting.dtype][:1]:
        room = case.tolerance * (EPS[lower] / EPS[case.setting.dtype])
        least, most = (share * EPS[lower] * largest for share in ARITHMETIC)
        if (error <= room).all() and least <= error.max() <= most:
            text = f"errors are of the size of {lower} rounding throughout: part of the work is done in {lower}"
            yield Hypothesis(f"{lower} arithmetic", text, lambda: theirs)


@of_case
def coefficients(case: Case) -> Iterator[Hypothesis]:
    """Coefficients read in another layout, from the other side, or one place off."""

    def hypothesis(name: str, text: str, change: Any) -> Hypothesis:
        return Hypothesis(name, text, partial(with_layers, case, partial(_with_coefficients, change)))

    for axes in permutations(range(3)):
        if axes != (0, 1, 2):
            text = "coefficients are read in another axis order than (Q, P, dim)"
            yield hypothesis("transposed coefficients", text, lambda C, axes=axes: C.transpose(axes).reshape(C.shape))
            yield hypothesis(
                "transposed coefficients", text,
                lambda C, axes=axes: C.reshape([C.shape[k] for k in axes]).transpose(np.argsort(axes)),
            )  # fmt: skip
    yield hypothesis("reversed coefficients", "coefficients count from the right", lambda C: C[..., ::-1])
    for step in (1, -1):
        text = f"coefficient i multiplies basis function i {'+' if step > 0 else '-'} 1"
        yield hypothesis("shifted index", text, lambda C, step=step: np.roll(C, step, axis=-1))
        yield hypothesis("shifted index", text, partial(_shifted, step))
        yield hypothesis("shifted index", f"{text}, within the first and last number", partial(_clipped, step))
    yield hypothesis("end coefficient unused", "the last coefficient counts as zero", lambda C: _zeroed(C, -1))
    yield hypothesis("end coefficient unused", "the first coefficient counts as zero", lambda C: _zeroed(C, 0))
    for p in range(case.setting.spec.n_inputs) if case.setting.spec.n_inputs > 1 else ():
        yield hypothesis("input left out", f"input {p} does not count", lambda C, p=p: _input_zeroed(C, p))


def _shifted(step: int, C: FloatArray) -> FloatArray:
    return _zeroed(np.roll(C, step, axis=-1), 0 if step > 0 else -1)


def _clipped(step: int, C: FloatArray) -> FloatArray:
    return C[..., np.clip(np.arange(C.shape[-1]) - step, 0, C.shape[-1] - 1)]


def _zeroed(C: FloatArray, k: int) -> FloatArray:
    out = C.copy()
    out[..., k] = 0.0
    return out


def _input_zeroed(C: FloatArray, p: int) -> FloatArray:
    out = C.copy()
    out[:, p % C.shape[1]] = 0.0
    return out


@of_case
def degrees(case: Case) -> Iterator[Hypothesis]:
    """Splines of another degree with as many coefficients."""
    spec = case.setting.spec
    for order in (4, 3, 2, 5, 6, 1):
        if order != spec.order:
            for place in ("left", "right", "middle", "domain"):
                text = f"splines have degree {order - 1} instead of {spec.degree}"
                yield Hypothesis("degree fixed", text, partial(with_layers, case, partial(_of_order, order, place)))


def _of_order(order: int, place: str, spec: LayerSpec) -> LayerSpec:
    """As many functions of another order, on knots that begin or end where those of the spec do, or fill the domain."""
    t, more = spec.knots, order - spec.order
    if place == "domain":
        n = spec.dim - order + 1
        if n < 1:
            raise ValueError("no interval left")
        a, b = spec.domains[:, :1], spec.domains[:, 1:]
        return replace(spec, knots=a + (b - a) * np.arange(1 - order, n + order) / n, order=order)
    if place == "middle":
        if more % 2:
            h = np.diff(t, axis=1).mean(axis=1, keepdims=True)
            start = t[:, :1] - h * more / 2
            return replace(spec, knots=start + h * np.arange(spec.dim + order), order=order)
        return replace(spec, knots=_padded(t, more // 2, more // 2), order=order)
    return replace(spec, knots=_padded(t, 0, more) if place == "left" else _padded(t, more, 0), order=order)


def _padded(t: FloatArray, left: int, right: int) -> FloatArray:
    if left > 0:
        t = np.concatenate([t[:, :1] - (t[:, 1:2] - t[:, :1]) * np.arange(left, 0, -1), t], axis=1)
    if right > 0:
        t = np.concatenate([t, t[:, -1:] + (t[:, -1:] - t[:, -2:-1]) * np.arange(1, right + 1)], axis=1)
    return t[:, -min(left, 0) : t.shape[1] + min(right, 0)]


@of_case
def inputs(case: Case) -> Iterator[Hypothesis]:
    """Inputs read with the wrong strides, from another column, or clamped."""
    s = case.setting
    laid_out = s.laid_out()
    if s.layout != "contiguous":
        base = laid_out if laid_out.base is None else laid_out.base
        memory = base.ravel()[: s.x.size].reshape(s.x.shape) if base.flags.c_contiguous else base.T.ravel()
        text = "x is read as if it were contiguous"
        yield Hypothesis(
            "strides ignored", text, lambda: supposed(case, x=memory.ravel()[: s.x.size].reshape(s.x.shape))
        )
    if s.x.shape[1] > 1:
        text = "the first input is used for all"
        yield Hypothesis("input left out", text, lambda: supposed(case, x=np.repeat(s.x[:, :1], s.x.shape[1], axis=1)))
        text = "inputs are in the opposite order"
        yield Hypothesis("inputs reordered", text, lambda: supposed(case, x=s.x[:, ::-1].copy()))
