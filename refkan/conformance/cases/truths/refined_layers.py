r"""Exact refinement of a layer to be compared with: knots of the same domain, coefficients of the same splines."""

import numpy as np

from refkan import truth
from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.quantities import exact, rounded
from refkan.splines.change_of_basis import ChangeOfBasis
from refkan.splines.spaces import SplineSpace


def fine_knots(spec: LayerSpec, intervals: int) -> FloatArray:
    """Equally spaced knots on the same domain with more intervals, (P, K')."""
    a, b = spec.domain
    steps = np.arange(1 - spec.order, intervals + spec.order)
    return np.array([a + (b - a) * steps / intervals] * spec.n_inputs)


def prolonged(spec: LayerSpec, knots: FloatArray) -> FloatArray:
    r"""Coefficients (Q, P, dim') on nested knots (P, K') of the same splines, exact rationals rounded once.

    A B-spline coefficient is a blossom: the coefficient i of f on the new knots is the value at (t'_{i+1}, ...,
    t'_{i+r-1}) of the symmetric multi-affine form of the piece of f on an interval between t'_i and t'_{i+r}. As
    `truth.prolongation`, for knots that are nested up to rounding.
    """
    r = spec.order
    out = np.zeros((spec.n_outputs, spec.n_inputs, knots.shape[1] - r))
    for p in range(spec.n_inputs):
        old, new = tuple(exact(spec.knots[p])), tuple(exact(knots[p]))
        C, (a, b) = exact(spec.coefficients[:, p]), (old[r - 1], old[-r])
        for i in range(out.shape[2]):
            m = truth.interval(old, r, (max(new[i], a) + min(new[i + r], b)) / 2, "polynomial")
            out[:, p, i] = rounded(sum(C[:, j] * b for j, b in truth.blossoms(old, r, m, new[i + 1 : i + r]).items()))
    return out


def amplification(spec: LayerSpec, form: str) -> float:
    """Largest row sum of |A^-1| |A|: how much coefficients lose on the way through the ReLU-power basis; 1 if local."""
    if form == "local":
        return 1.0
    matrices = [ChangeOfBasis(SplineSpace(row, spec.order)).dense() for row in spec.knots]
    return max(float((np.abs(np.linalg.inv(A)) @ np.abs(A)).sum(axis=1).max()) for A in matrices)
