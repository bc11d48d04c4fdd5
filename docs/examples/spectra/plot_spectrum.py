"""
The spectrum of a Gauss-Newton matrix, in both bases
====================================================

The same network has one matrix in the spline basis and another in the ReLU basis. The null space that follows from the
structure of the network alone begins at the dashed line. The inputs lie between 0 and 1: in "relu" the spectrum
depends on their units, with s^(2(r-1)) for a factor s at order r; in "spline" and "scaled-relu" it does not.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

x = np.random.default_rng(0).uniform(size=(500, 2))
net, theta = rk.kan([2, 5, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
figure = Figure(figsize=(10, 3.8), layout="constrained")
for axes, basis in zip(figure.subplots(1, 2), ("spline", "relu"), strict=True):
    other = net.to_basis(basis)
    found = rk.spectrum(rk.LeastSquares(other, x, np.zeros((500, 1))), net.convert(theta, other))
    rk.plots.spectrum(found, axes=axes)
    print(basis, f"condition {found.condition:.1e}, nullity {found.nullity}, known {found.analytic_nullity}")
