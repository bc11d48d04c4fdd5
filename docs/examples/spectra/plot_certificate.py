"""
A condition number beyond float64, certified
============================================

Rational arithmetic encloses the ratio of the extreme eigenvalues where floating point sees rounding.
"""

import numpy as np

import refkan as rk

n = np.array([4, 8, 16, 32, 64])
curves = {}
for order in (2, 3, 4):
    spaces = [rk.SplineSpace.uniform(order=order, intervals=int(count)) for count in n]
    bounds = np.array([rk.exact.certified_condition_number(space, which="AtA") for space in spaces])
    print(f"order {order}: widest enclosure, relative, {np.max(bounds[:, 1] / bounds[:, 0] - 1):.0e}")
    curves[f"order {order}"] = n + order - 1 + order / 2, bounds[:, 0]

figure = rk.plots.convergence(curves, xlabel="dim + r/2", ylabel="condition number of A^T A")
