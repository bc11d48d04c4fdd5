"""Adapters of libraries of splines that are no KANs, for `refkan conform`; docs/other-splines.md shows the reports.

    pip install scipy==1.17.1 interpax==0.3.16 torchcurves==0.3.3 splinebox==1.1.0
    refkan conform --backend docs/other_splines.py:Splinebox

Each class declares what its library documents. SciPy sums B-splines; splinebox does so on the integers; interpax takes
values and slopes at breakpoints, which determine a cubic spline; torchcurves sums curves of many coordinates in
PyTorch, which is a layer.
"""

import numpy as np
from scipy.interpolate import BSpline

from refkan.conformance import Capabilities, SplineAdapter, TorchAdapter

ALL_KNOTS = ("uniform", "arbitrary", "clamped", "repeated")
INPUTS = ("inputs", "second")


class Scipy(SplineAdapter):
    """`scipy.interpolate.BSpline`, which goes on with the first and last polynomial."""

    name = "scipy BSpline"
    capabilities = Capabilities(
        degrees=(0, 1, 2, 3, 4, 5), knots=ALL_KNOTS, outside=("polynomial",), derivatives=INPUTS
    )

    def spline(self, knots, coefficients, degree, spec):
        """Called as s(x, order of the derivative)."""
        return BSpline(knots, coefficients, degree)


class Interpax(SplineAdapter):
    """`interpax.Interpolator1D(x, f, method="cubic2", fx=...)`: values and slopes at the breakpoints are given."""

    name = "interpax Interpolator1D"
    capabilities = Capabilities(
        degrees=(3,), knots=("uniform", "arbitrary", "clamped"), outside=("polynomial",), derivatives=INPUTS
    )

    def __init__(self):
        import interpax
        import jax

        jax.config.update("jax_enable_x64", True)
        self.interpolator = interpax.Interpolator1D

    def spline(self, knots, coefficients, degree, spec):
        """The Hermite form, which SciPy computes."""
        s, breakpoints = BSpline(knots, coefficients, degree), np.unique(knots[degree:-degree])
        f = self.interpolator(breakpoints, s(breakpoints), "cubic2", extrap=True, fx=s(breakpoints, 1))
        return lambda x, d: np.asarray(f(x, dx=d))


class Torchcurves(TorchAdapter):
    """`torchcurves.functional.bspline_curves`: P curves with Q coordinates, summed, are a layer."""

    name = "torchcurves bspline_curves"
    capabilities = Capabilities(
        knots=ALL_KNOTS,
        shared_knots=True,
        dtypes=("float64", "float32"),
        derivatives=("inputs", "coefficients", "second"),
    )

    def build(self, spec):
        """Control points (P, dim, Q)."""
        return self.tensor(spec.coefficients.transpose(1, 2, 0)), self.tensor(spec.knots[0]), spec.degree

    def call(self, model, x):
        """Points of the curves, summed."""
        from torchcurves.functional import bspline_curves

        control_points, knots, degree = model
        return bspline_curves(x, control_points, knots, degree).sum(dim=1)

    def coefficients(self, model):
        """The control points."""
        return model[0]

    def to_papers(self, array):
        """(P, dim, Q) to (Q, P, dim)."""
        return array.transpose(2, 0, 1)


class Splinebox(SplineAdapter):
    """`splinebox.Spline` with the basis B1, B2 or B3, whose control points belong to consecutive integers."""

    name = "splinebox Spline"
    capabilities = Capabilities(degrees=(1, 2, 3), derivatives=INPUTS)

    def declines(self, case):
        """As many knots as the support of the basis is long are required."""
        few = any(spec.intervals < spec.degree + 1 for spec in case.setting.specs)
        return "fewer intervals than the support has" if few else ""

    def spline(self, knots, coefficients, degree, spec):
        """Intervals are counted by (x - a)/h, from 0; even degrees have their knots between the integers."""
        import splinebox

        a, b = spec.domain
        h = (b - a) / spec.intervals
        even = degree % 2 == 0
        basis = getattr(splinebox, f"B{degree}")()
        s = splinebox.Spline(M=spec.intervals + 1 - even, basis_function=basis, closed=False)
        s.control_points = coefficients[:, None]
        return lambda x, d: s((x - a) / h - 0.5 * even, derivative=d)[:, 0] / h**d
