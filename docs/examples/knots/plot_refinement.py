"""
Refinement is exact
===================

The same edge before and after all its intervals were halved.
"""

import numpy as np

import refkan as rk

x = np.random.default_rng(0).uniform(size=(100, 1))
net, theta = rk.kan([1, 3, 1], order=4, intervals=3).initialize(np.random.default_rng(2), x)
fine = net.refine()
moved = net.convert(theta, fine)
print(f"largest difference, on the domain and off it: {np.abs(fine(moved, 3 * x) - net(theta, 3 * x)).max():.1e}")

figure = rk.plots.refinement(net, theta, fine, layer=1, input=2)
