r"""Layers that results are compared with: with another right end, or refined exactly.

Conventions at the right end x = b of the domain, each as a layer and samples where the last interval is closed.

"closed"
    The basis sums to one at b, and derivatives are those from the left: what the cases are written for.
"half-open"
    Intervals are closed on the left and open on the right, all of them: b belongs to the interval beyond, or to none
    where knots end there. So do many backends that take the basis functions' own values outside.
"zero"
    All basis functions are zero at b.

Only the rule "natural" asks: the others continue the last piece. No case with a SiLU branch has samples at b.

Of a refined layer: knots of the same domain, coefficients of the same splines.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.quantities import exact, rounded
from refkan.splines.change_of_basis import ChangeOfBasis
from refkan.splines.spaces import SplineSpace
from refkan.truth.bases.bsplines import blossoms
from refkan.truth.bases.outside import interval

RIGHT_ENDS = ("closed", "half-open", "zero")


def matters(specs: Sequence[LayerSpec], x: FloatArray) -> bool:
    """Whether samples of a single layer lie at x = b, where its rule does not say what follows."""
    return len(specs) == 1 and specs[0].outside == "natural" and bool((x == specs[0].domains[:, 1]).any())


def judged_as(specs: tuple[LayerSpec, ...], x: FloatArray, right_end: str) -> tuple[tuple[LayerSpec, ...], FloatArray]:
    """Return layers and samples whose results with the last interval closed are those of the convention."""
    if right_end == "closed" or not matters(specs, x):
        return specs, x
    (spec,) = specs
    step = float(spec.domain[1] - spec.domain[0]) / spec.intervals
    if right_end == "zero":  # beyond all knots every function is zero, with its derivatives
        return specs, np.where(x == spec.domains[:, 1], spec.knots[:, -1] + step, x)
    # As many functions more as make all old knots interior ones; their coefficients are zero.
    beyond = spec.knots[:, -1:] + step * np.arange(1, spec.order + 1)
    knots = np.concatenate([spec.knots, beyond], axis=1)
    C = np.pad(spec.coefficients, ((0, 0), (0, 0), (0, spec.order)))
    return (replace(spec, knots=knots, coefficients=C, kind="arbitrary"),), x


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
            m = interval(old, r, (max(new[i], a) + min(new[i + r], b)) / 2, "polynomial")
            out[:, p, i] = rounded(sum(C[:, j] * b for j, b in blossoms(old, r, m, new[i + 1 : i + r]).items()))
    return out


def amplification(spec: LayerSpec, form: str) -> float:
    """Largest row sum of |A^-1| |A|: how much coefficients lose on the way through the ReLU-power basis; 1 if local."""
    if form == "local":
        return 1.0
    matrices = [ChangeOfBasis(SplineSpace(row, spec.order)).dense() for row in spec.knots]
    return max(float((np.abs(np.linalg.inv(A)) @ np.abs(A)).sum(axis=1).max()) for A in matrices)
