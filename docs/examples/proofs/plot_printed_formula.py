"""
A printed formula, checked in fractions
=======================================

Halving all intervals writes a B-spline of order r as a sum of r + 1 finer ones. [S26] prints the coefficients as
2^-r binom(r, s) (equation 25). Exact arithmetic decides: the factor is 2^(1-r).
"""

from fractions import Fraction
from math import comb

from matplotlib.figure import Figure

from refkan.truth.bases.bsplines import bspline

r = 3
coarse = [Fraction(k) for k in range(1 - r, 2 * r)]  # the B-spline number r - 1 lives on [0, r]
fine = [Fraction(k, 2) for k in range(1 - r, 3 * r)]  # and the finer one number r - 1 + s on [s/2, (s + r)/2]
points = [Fraction(k, 40) for k in range(40 * r + 1)]
ours = [bspline(coarse, r, r - 1, x) for x in points]
figure = Figure(figsize=(7, 3.6), layout="constrained")
axes = figure.subplots()
axes.plot(points, ours, lw=6, alpha=0.3, label="B-spline of order 3")
for name, factor in (("as printed", Fraction(1, 2**r)), ("corrected", Fraction(1, 2 ** (r - 1)))):
    sums = [sum(factor * comb(r, s) * bspline(fine, r, r - 1 + s, x) for s in range(r + 1)) for x in points]
    print(f"{name}: equal at all {len(points)} points: {sums == ours}, value at 3/2: {sums[60]} of {ours[60]}")
    axes.plot(points, sums, label=f"sum of finer ones, {name}")
axes.set(xlabel="x")
axes.legend(frameon=False)
