"""Why does gradient descent crawl? The same network in two bases, and the condition of its Gauss-Newton matrix."""

import numpy as np

import refkan as rk

x = np.random.default_rng(0).uniform(size=(400, 1))
net, theta = rk.kan([1, 1], order=3, intervals=16).initialize(0, x)
for basis in ("spline", "relu"):
    same = net.to_basis(basis)
    spectrum = rk.spectrum(rk.LeastSquares(same, x, np.sin(9 * x)), net.convert(theta, same))
    print(f"{basis}: rank {spectrum.rank}, condition number {spectrum.condition:.0e}")
