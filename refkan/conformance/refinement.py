r"""Exact refinement of a layer to be compared with: knots of the same domain, coefficients of the same splines."""

from __future__ import annotations

from typing import Any

import numpy as np

from refkan.array_types import FloatArray
from refkan.conformance.oracle import exact, rounded
from refkan.conformance.specs import LayerSpec


def fine_knots(spec: LayerSpec, intervals: int) -> FloatArray:
    """Equally spaced knots on the same domain with more intervals, (P, K')."""
    a, b = spec.domain
    steps = np.arange(1 - spec.order, intervals + spec.order)
    return np.array([a + (b - a) * steps / intervals] * spec.n_inputs)


def prolonged(spec: LayerSpec, knots: FloatArray) -> FloatArray:
    r"""Coefficients (Q, P, dim') on nested knots (P, K') of the same splines, exact rationals rounded once.

    A B-spline coefficient is a blossom: the coefficient i of f on the new knots is the value at (t'_{i+1}, ...,
    t'_{i+r-1}) of the symmetric multi-affine form of the piece of f on an interval between t'_i and t'_{i+r}.
    """
    r = spec.order
    out = np.zeros((spec.n_outputs, spec.n_inputs, knots.shape[1] - r))
    for p in range(spec.n_inputs):
        old, new = tuple(exact(spec.knots[p])), tuple(exact(knots[p]))
        C = exact(spec.coefficients[:, p])
        for i in range(out.shape[2]):
            m = _interval_of(old, new, i, r)
            out[:, p, i] = rounded(_blossom(old, C, m, new[i + 1 : i + r], r))
    return out


def _interval_of(old: tuple[Any, ...], new: tuple[Any, ...], i: int, r: int) -> int:
    """Number of an old interval of the domain that meets the support of the new function i."""
    a, b = old[r - 1], old[-r]
    low, high = max(new[i], a), min(new[i + r], b)
    middle = (low + high) / 2
    return max(k for k in range(r - 1, len(old) - r) if old[k] <= middle and old[k] < old[k + 1])


def _blossom(t: tuple[Any, ...], C: Any, m: int, arguments: tuple[Any, ...], r: int) -> Any:
    """De Boor's algorithm on interval m with another argument in each step."""
    d = [C[:, j] for j in range(m - r + 1, m + 1)]
    for k, x in enumerate(arguments, start=1):
        d = [
            ((t[i + r - k] - x) * d[j] + (x - t[i]) * d[j + 1]) / (t[i + r - k] - t[i])
            for j, i in enumerate(range(m - r + 1 + k, m + 1))
        ]
    return d[0]
