r"""Conventions at the right end x = b of the domain, each as a layer and samples where the last interval is closed.

"closed"
    The basis sums to one at b, and derivatives are those from the left: what the cases are written for.
"half-open"
    Intervals are closed on the left and open on the right, all of them: b belongs to the interval beyond, or to none
    where knots end there. So do many backends that take the basis functions' own values outside.
"zero"
    All basis functions are zero at b.

Only the rule "natural" asks: the others continue the last piece. No case with a SiLU branch has samples at b.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec

RIGHT_ENDS = ("closed", "half-open", "zero")


def matters(specs: Sequence[LayerSpec], x: FloatArray) -> bool:
    """Whether samples of a single layer lie at x = b, where its rule does not say what follows."""
    return len(specs) == 1 and specs[0].outside == "natural" and bool((x == specs[0].domains[:, 1]).any())


def judged_as(
    specs: tuple[LayerSpec, ...], x: FloatArray, right_end: str
) -> tuple[tuple[LayerSpec, ...], FloatArray]:  # fmt: skip
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
