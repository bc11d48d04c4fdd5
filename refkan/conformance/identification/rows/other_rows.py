"""Rows of a batch: equal but for rounding, those of an earlier call or of other rows, on knots that samples stretch."""

from dataclasses import replace

import numpy as np

from refkan.base.array_types import Array, FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import BLOCK, Subject
from refkan.splines.knots import greville_points

NEAR = (2.0**-12, 2.0**-22, 2.0**-34)
"""Distances of samples from those of an earlier call, relative to the largest."""

ROOM = 16
"""Of the rounding of sums, for sums in another order."""


def same_rows(subject: Subject, y: FloatArray, z: FloatArray) -> Array:
    """Rows that agree but for the rounding of sums in another order, which may cancel."""
    size = float(np.nanmax(np.abs(y))) if np.isfinite(y).any() else 1.0
    close = np.abs(y - z) <= max(np.sqrt(subject.eps), ROOM * subject.grain) * size
    return np.asarray((close | (np.isnan(y) & np.isnan(z))).all(axis=1))


def near_earlier(subject: Subject, spec: LayerSpec, x: FloatArray) -> Difference | None:
    """Results of samples that lie near those of an earlier call, if they are those of that call."""
    model, size = subject.build(spec), float(np.abs(x).max())
    y = subject.raw(model, x, 3)
    for near in NEAR:  # the largest first
        moved = x + near * size
        again, fresh = subject.raw(model, moved, 3), subject.raw(subject.build(spec), moved, 3)
        rows = (again == y).all(axis=1) & (fresh != y).any(axis=1)
        if rows.mean() > 0.1 and (np.abs(fresh - y).max(axis=1) > 64 * np.abs(again - y).max(axis=1))[rows].all():
            what = f"samples that differ by {near * size:.1e} from those of an earlier call have their results"
            return Difference("stale cache", {"what": what})
    return None


def order_by_input(subject: Subject, spec: LayerSpec, x: FloatArray) -> str:
    """In which order the samples of each input come if it is not that of the batch, in words; "" if it is."""
    told = []
    for p in range(2):
        one = replace(spec, coefficients=spec.coefficients * (np.arange(2) == p)[:, None])
        y = subject.raw(subject.build(one), x, 3)
        for words, order in {"ascending": np.argsort(x[:, p]), "descending": np.argsort(-x[:, p])}.items():
            right, _ = subject.truth(one, x[order])
            if same_rows(subject, y, right).all():
                told.append(words)
    return f": those of each input come in {told[0]} order" if len(told) == 2 and told[0] == told[1] else ""


def stretched_knots(subject: Subject, spec: LayerSpec, x: FloatArray, row: FloatArray) -> str:
    """The domain that functions are on beside a row beyond it, if they are those of k x + c, in words; else ""."""
    if not spec.degree:
        return ""
    lines = [greville_points(t, spec.order) * (np.arange(2) == p)[:, None] for p, t in enumerate(spec.knots)]
    told, moved = [], x.copy()
    moved[5] = row
    for p, (a, b) in enumerate(spec.domains):
        model = subject.build(replace(spec, coefficients=np.repeat(lines[p][None], 3, axis=0)))
        at = subject.raw(model, moved, 3)[:, 0]
        seen = (at > a) & (at < b) & (np.arange(len(x)) != 5)
        if seen.sum() < BLOCK:
            return ""
        k, c = np.polyfit(x[seen, p], at[seen], 1)
        if np.abs(k * x[seen, p] + c - at[seen]).max() > 1e-9 * (b - a) or abs(k - 1) + abs(c) < 1e-6:
            return ""
        low, high = (a - c) / k, (b - c) / k
        told.append(f"[{low:.6g}, {high:.6g}] instead of [{a:.6g}, {b:.6g}]")
    return "knots are stretched with the samples: domains are " + " and ".join(told)
