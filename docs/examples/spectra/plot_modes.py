"""
Which modes does descent learn?
===============================

In each mode of the Gauss-Newton matrix a step of descent multiplies the error by 1 - eta lambda. One step on one
layer, in both bases: what the spectrum predicts is what happens.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

x = (np.arange(400)[:, None] + 0.5) / 400
net, theta = rk.kan([1, 1], order=2, intervals=12).initialize(np.random.default_rng(0), x)
problem = rk.LeastSquares(net, x, np.sin(8 * x) + np.sign(x - 0.4))
best = rk.minimize(problem, theta, method="gauss-newton", steps=3).theta
figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
for basis, marker in (("spline", "o"), ("relu", "s")):
    spectrum, to = rk.spectrum(problem, theta, basis=basis), net.coordinates(basis).to
    rate = 1 / spectrum.largest
    moved = rk.minimize(problem, theta, method="gd", steps=1, learning_rate=rate, geometry=basis).theta
    before, after = spectrum.amplitudes([to(theta - best), to(moved - best)])[:, : spectrum.n_range]
    predicted, measured = rate * spectrum.values[: spectrum.n_range], 1 - after / before
    print(f"{basis}: {predicted.size} modes decay as predicted to {np.abs(measured / predicted - 1).max():.0e}")
    axes.semilogy(predicted, "-", color="0.7")
    axes.semilogy(measured, marker, ms=5, label=f"measured, {basis}")
axes.set(xlabel="mode", ylabel="decay of the error in one step")
axes.legend(frameon=False)
