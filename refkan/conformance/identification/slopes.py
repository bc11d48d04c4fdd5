r"""Derivatives of the layer's own outputs, and those of the layer asked for.

With values at m Chebyshev points around x, within its interval, the derivative of the interpolating polynomial is exact
for pieces of degree below m, and right to 1e-11 for SiLU and its like. Of B-splines b_i' = (r - 1) (L_i - R_i), where
L_i and R_i = L_(i+1) are functions of one order less over the lengths of their supports; the factors of L and R in
use are found by least squares.
"""

from __future__ import annotations

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.identification.knots_in_use import guarded, intervals_of, recursion
from refkan.conformance.identification.subject import BLOCK, Subject

NODES = 9
"""Chebyshev points of a derivative."""


def derivatives(subject: Subject, spec: LayerSpec, x: FloatArray, order: int = 1) -> FloatArray:
    """Derivatives (N, Q, P) of the layer's own outputs in each input; NaN where two radii tell different ones.

    There a breakpoint that is none of the knots lies beside x.
    """
    wide, narrow = (_interpolated(subject, spec, x, order, radius) for radius in (0.9, 0.9 / 8))
    close = np.abs(wide - narrow) <= 2.0 ** (-26 + 8 * (order - 1)) * np.abs(wide).max() + 64 * max(
        subject.noise, subject.blur
    )
    return np.asarray(np.where(close, wide, np.nan))


def _interpolated(subject: Subject, spec: LayerSpec, x: FloatArray, order: int, share: float) -> FloatArray:
    """By interpolation over a share of the way to the nearest knot."""
    model = subject.build(spec)
    out = np.zeros((len(x), spec.n_outputs, spec.n_inputs))
    u = np.cos(np.pi * np.arange(NODES) / (NODES - 1))
    V = np.vander(u, increasing=True)
    weights = np.linalg.solve(V.T, np.eye(NODES)[order] * order)  # of the derivative at 0 of the interpolant
    for p in range(spec.n_inputs):
        low, high = spec.domains[p]
        nearest = np.abs(x[:, p, None] - np.unique(spec.knots[p])).min(axis=1)
        radius = share * np.minimum(nearest, (high - low) / 8)
        at = np.repeat(x, NODES, axis=0)
        at[:, p] += (radius[:, None] * u).ravel()
        full = np.resize(at, (-(-len(at) // BLOCK) * BLOCK, spec.n_inputs))
        y = subject.raw(model, full, spec.n_outputs)[: len(at)]
        y = y.reshape(len(x), NODES, -1)
        out[:, :, p] = np.einsum("k,skq->sq", weights, y) / radius[:, None] ** order
    return out


def true_jacobian(spec: LayerSpec, x: FloatArray) -> FloatArray:
    """What unit coefficients add to the outputs of the layer asked for: (N, Q, Q, P, dim)."""
    out = np.zeros((len(x), spec.n_outputs, *spec.coefficients.shape))
    for p, t in enumerate(spec.knots):
        rows = recursion(t, spec.order, x[:, p], intervals_of(x[:, p], t, spec.order))
        for q in range(spec.n_outputs):
            out[:, q, q, p] = rows
    return out


def lengths(spec: LayerSpec, x: FloatArray) -> FloatArray:
    """Length of the interval of each sample and input."""
    columns = []
    for p, t in enumerate(spec.knots):
        m = intervals_of(x[:, p], t, spec.order)
        columns.append(t[m + 1] - t[m])
    return np.stack(columns, axis=1)


def slopes(t: FloatArray, order: int, x: FloatArray, derivative: int) -> tuple[FloatArray, FloatArray]:
    """The two terms of the derivative of B-splines: b^(k) = (r - 1) (L - R), of functions of one order less."""
    m = intervals_of(x, t, order)
    below = recursion(t, order - 1, x, m)
    if derivative == 2:
        left, right = slopes_of(t, order - 1, recursion(t, order - 2, x, m))
        below = left - right
    return slopes_of(t, order, below)


def slopes_of(t: FloatArray, order: int, below: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(r - 1) b_i / (t_(i+r-1) - t_i) and its neighbour's, from functions of order r - 1."""
    width = t[order - 1 :] - t[: t.size - order + 1]
    share = (order - 1) * guarded(below, width)
    return share[:, :-1], share[:, 1:]


def true_derivatives(spec: LayerSpec, x: FloatArray, order: int) -> FloatArray:
    """Derivatives (N, Q, P) of the layer asked for."""
    out = np.zeros((len(x), spec.n_outputs, spec.n_inputs))
    if spec.degree < order:
        return out
    for p, t in enumerate(spec.knots):
        left, right = slopes(t, spec.order, x[:, p], order)
        out[:, :, p] = (left - right) @ spec.coefficients[:, p].T
    return out


def formula_of(subject: Subject, spec: LayerSpec, x: FloatArray, order: int) -> str:
    """The factors of the two terms, by least squares over all functions of input 0; "" if they explain nothing."""
    if spec.degree < order:
        return ""
    left, right = slopes(spec.knots[0], spec.order, x[:, 0], order)
    theirs = np.zeros(left.shape)
    for i, unit in enumerate(np.eye(spec.dim)):
        C = np.stack([unit, unit])[:, None]
        one = LayerSpec(spec.knots[:1], C, spec.order, spec.outside, spec.dtype, spec.kind)
        model, dy = subject.build(one), np.array([[1.0, 0.0]] * len(x))
        at = x[:, :1]
        if order == 1:
            theirs[:, i] = subject.gradients(model, at, dy, {"inputs": at.shape})["inputs"][:, 0]
        else:
            theirs[:, i] = subject.second(model, at, dy, np.ones(at.shape))[:, 0]
    A = np.stack([left.ravel(), right.ravel()], axis=1)
    k, *_ = np.linalg.lstsq(A, theirs.ravel(), rcond=None)
    if np.abs(A @ k - theirs.ravel()).max() > 2.0**-30 * np.abs(theirs).max() or abs(k[0] + k[1]) < 1e-6:
        return ""
    return f"b' is {k[0]:.4g} times its first term {k[1]:+.4g} times its second, instead of 1 and -1"
