r"""Derivatives of the layer's own outputs, and those of the layer asked for.

With values at m Chebyshev points around x, within its interval, the derivative of the interpolating polynomial is exact
for pieces of degree below m, and right to 1e-11 for SiLU and its like. Of B-splines b_i' = (r - 1) (L_i - R_i), where
L_i and R_i = L_(i+1) are functions of one order less over the lengths of their supports.
"""

import numpy as np

from refkan.base.array_types import FloatArray, IntArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.knots_in_use import guarded, intervals_of, recursion
from refkan.conformance.identification.subject import Subject

NODES = 9
"""Chebyshev points of a derivative."""


def derivatives(subject: Subject, spec: LayerSpec, x: FloatArray, order: int = 1) -> FloatArray:
    """Derivatives (N, Q, P) of the layer's own outputs in each input; NaN where two radii tell different ones.

    There a breakpoint that is none of the knots lies beside x, or at x: one of them has nodes to the right of x alone.
    """
    u = np.cos(np.pi * np.arange(NODES) / (NODES - 1))
    wide, narrow = (_interpolated(subject, spec, x, order, nodes) for nodes in (0.9 * u, 0.9 / 8 * (1 + u)))
    close = np.abs(wide - narrow) <= 2.0 ** (-26 + 8 * (order - 1)) * np.abs(wide).max() + 64 * subject.rough
    return np.asarray(np.where(close, wide, np.nan))


def _interpolated(subject: Subject, spec: LayerSpec, x: FloatArray, order: int, u: FloatArray) -> FloatArray:
    """By interpolation at nodes u, in distances to the nearest knot."""
    model = subject.build(spec)
    out = np.zeros((len(x), spec.n_outputs, spec.n_inputs))
    V = np.vander(u, increasing=True)
    weights = np.linalg.solve(V.T, np.eye(NODES)[order] * order)  # of the derivative at 0 of the interpolant
    for p in range(spec.n_inputs):
        low, high = spec.domains[p]
        nearest = np.abs(x[:, p, None] - np.unique(spec.knots[p])).min(axis=1)
        radius = np.minimum(nearest, (high - low) / 8)
        at = np.repeat(x, NODES, axis=0)
        at[:, p] += (radius[:, None] * u).ravel()
        y = subject.in_blocks(model, at, spec.n_outputs).reshape(len(x), NODES, -1)
        out[:, :, p] = np.einsum("k,skq->sq", weights, y) / radius[:, None] ** order
    return out


def true_jacobian(spec: LayerSpec, x: FloatArray) -> FloatArray:
    """What unit coefficients add to the outputs of the layer asked for: (N, Q, Q, P, dim)."""
    out = np.zeros((len(x), spec.n_outputs, *spec.coefficients.shape))
    for p, t in enumerate(spec.knots):
        out[:, :, :, p] = np.einsum("qo,si->sqoi", np.eye(spec.n_outputs), true_rows(t, spec.order, x[:, p]))
    return out


def places(spec: LayerSpec, x: FloatArray) -> IntArray:
    """Index into the knots of the interval of each sample and input."""
    return np.stack([intervals_of(x[:, p], t, spec.order) for p, t in enumerate(spec.knots)], axis=1)


def true_rows(
    t: FloatArray, order: int, x: FloatArray, derivative: int = 0, at: FloatArray | None = None
) -> FloatArray:  # fmt: skip
    """Values of B-splines or of a derivative, (N, K - order): of the pieces in force at other points, if given."""
    if derivative == 0:
        return recursion(t, order, x, intervals_of(x if at is None else at, t, order))
    left, right = terms(t, order, x, derivative, at)
    return left - right


def terms(
    t: FloatArray, order: int, x: FloatArray, derivative: int, at: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """The two terms (r - 1) L and (r - 1) R of a derivative of B-splines."""
    if derivative >= order:
        return (np.zeros((x.size, t.size - order)),) * 2
    m = intervals_of(x if at is None else at, t, order)
    below = recursion(t, order - derivative, x, m)
    for r in range(order - derivative + 1, order + 1):
        share = (r - 1) * guarded(below, t[r - 1 :] - t[: t.size - r + 1])
        below = share[:, :-1] - share[:, 1:]
    return share[:, :-1], share[:, 1:]


def true_derivatives(spec: LayerSpec, x: FloatArray, order: int, at: FloatArray | None = None) -> FloatArray:
    """Derivatives (N, Q, P) of the edges of the layer asked for; its values with order 0."""
    at = x if at is None else at
    rows = [true_rows(t, spec.order, x[:, p], order, at[:, p]) for p, t in enumerate(spec.knots)]
    return np.stack([row @ spec.coefficients[:, p].T for p, row in enumerate(rows)], axis=2)


def exact_derivatives(spec: LayerSpec, x: FloatArray, order: int) -> FloatArray:
    """Derivatives (N, Q, P) of the edges asked for, with parts if there are any."""
    return np.asarray(FloatQuantities((spec,), x).edges[0][order]) if spec.parts else true_derivatives(spec, x, order)
