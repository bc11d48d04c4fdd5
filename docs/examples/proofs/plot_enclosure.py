"""
Bounds over a box
=================

What values does a trained network take between samples? Interval arithmetic encloses them over every cell of a grid:
none lies outside the boxes, between samples either.
"""

from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

x = np.linspace(0.0, 1.0, 40)[:, None]
y = np.sin(9 * x) * x
net, theta = rk.kan([1, 3, 1], order=4, intervals=4).initialize(np.random.default_rng(0), x)
theta = rk.minimize(rk.LeastSquares(net, x, y), theta, method="levenberg-marquardt", steps=40).theta

figure = Figure(figsize=(6.0, 3.8), layout="constrained")
axes = figure.subplots()
for cells, shade in ((8, 0.25), (24, 0.6)):
    ends = np.linspace(0.0, 1.0, cells + 1)
    boxes = list(pairwise(ends))
    bounds = np.array([rk.exact.enclose(net, theta, [box], derivatives=0).value[0] for box in boxes])
    print(f"{cells} cells: widest bounds {np.ptp(bounds, axis=1).max():.2f}")
    axes.fill_between(ends, *np.vstack([bounds, bounds[-1]]).T, step="post", alpha=shade, label=f"{cells} cells", lw=0)
t = np.linspace(0.0, 1.0, 801)[:, None]
axes.plot(t, net(theta, t), "k", lw=1, label="network")
axes.legend(frameon=False)
minima, maxima = rk.exact.extrema(net, theta, [[0.0, 1.0]], tolerance=1e-6)
print(f"maximum between {maxima[0, 0]:.7f} and {maxima[0, 1]:.7f}; of the samples {net(theta, x).max():.7f}")
