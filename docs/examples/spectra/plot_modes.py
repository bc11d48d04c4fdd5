"""
Which modes does descent learn?
===============================

In each mode of the Gauss-Newton matrix a step multiplies the error by 1 - eta lambda. A recorder follows descent on one
layer in both bases: what the spectrum predicts is what happens.
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
    found = rk.spectrum(problem, theta, basis=basis)
    rate = rk.conditioning.largest_stable_step(found) / 2
    recorder = rk.conditioning.ModeRecorder(found, minimum=best, coordinates=net.coordinates(basis).to)
    recorder.record(theta)
    options = {"learning_rate": rate, "geometry": basis, "callback": recorder}
    rk.minimize(problem, theta, method="gd", steps=100, **options)
    rates = recorder.rates(learning_rate=rate)
    worst = rates.relative_errors[rates.resolved].max()
    print(f"{basis}: {rates.resolved.sum()} of {rates.values.size} modes resolved, decays as predicted to {worst:.0e}")
    axes.semilogy(rates.predicted, "-", color="0.7")
    axes.semilogy(np.where(rates.resolved, rates.measured, np.nan), marker, ms=5, label=f"measured, {basis}")
axes.set(xlabel="mode", ylabel="decay of the error in one step")
axes.legend(frameon=False)
