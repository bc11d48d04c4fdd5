"""`scipy.interpolate.BSpline`, a library of single splines."""

from typing import Any

from scipy.interpolate import BSpline

from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.bases.spline_base import Spline, SplineAdapter
from refkan.conformance.cases.specs import LayerSpec


class ScipyBSpline(SplineAdapter):
    """`scipy.interpolate.BSpline`, which continues its end pieces."""

    name = "scipy BSpline"
    capabilities = Capabilities(
        degrees=(0, 1, 2, 3, 4, 5),
        knots=("uniform", "arbitrary", "clamped", "repeated"),
        outside=("polynomial",),
        derivatives=("inputs", "second"),
        promotes=True,
    )

    def spline(self, knots: Any, coefficients: Any, degree: int, spec: LayerSpec) -> Spline:
        """Evaluate by its own derivatives."""
        made = BSpline(knots, coefficients, degree, extrapolate=True)
        return lambda x, derivative: made(x, derivative)
