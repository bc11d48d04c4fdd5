"""I wrote splines: do they agree with exact values, at the knots and beyond the ends too?"""

from collections import Counter

from scipy.interpolate import BSpline

from refkan.conformance import Capabilities, Judge, SplineAdapter, catalogue


class Mine(SplineAdapter):
    capabilities = Capabilities(degrees=(3,), outside=("polynomial",), derivatives=("inputs", "second"))
    shift = 0

    def spline(self, knots, coefficients, degree, spec):
        return BSpline(knots + self.shift, coefficients, degree)


class Shifted(Mine):
    shift = 1e-9  # as knots in float32 would be


for adapter in (Mine, Shifted):
    findings = Judge(adapter()).run(catalogue(["float64"], ["degree-3/uniform/"]))
    print(adapter.__name__, dict(Counter(finding.status for finding in findings if "applicable" not in finding.status)))
