"""
Tangent kernels in both bases
=============================

Descent in function space follows the tangent kernel J J^T. Its non-zero eigenvalues are those of the Gauss-Newton
matrix; in the ReLU basis they fall much faster, and slow modes take forever.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

x = np.random.default_rng(0).uniform(size=(120, 2))
net, theta = rk.kan([2, 4, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
for basis, marker in (("spline", "o"), ("scaled-relu", "s")):
    other = net.to_basis(basis)
    problem = rk.LeastSquares(other, x, np.zeros((120, 1)))
    kernel = rk.spectrum(problem, net.convert(theta, other), which="ntk")
    matrix = rk.spectrum(problem, net.convert(theta, other))
    shared = np.abs(kernel.values[: kernel.rank] / matrix.values[: kernel.rank] - 1).max()
    print(f"{basis}: rank {kernel.rank}, kernel and Gauss-Newton matrix agree to {shared:.0e}, relative")
    axes.semilogy(kernel.values[: kernel.rank] / kernel.values[0], marker, ms=4, label=basis)
axes.set(xlabel="mode", ylabel="eigenvalue, relative to the largest")
axes.legend(frameon=False)
