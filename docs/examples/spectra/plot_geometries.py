"""
Geometries of descent
=====================

One network, one start, one learning rate relative to the largest stable one, and steps in the coordinates of either
basis. Where the gradient belongs to one basis and the step to the other, nothing descends.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

x = np.random.default_rng(0).uniform(size=(200, 2))
y = np.sin(6 * x[:, :1]) * x[:, 1:]
net, theta = rk.kan([2, 1], order=2, intervals=8).initialize(np.random.default_rng(1), x)
problem = rk.LeastSquares(net, x, y)
results = {}
for step in ("spline", "relu"):
    rate = 0.9 * 2 / rk.spectrum(problem, theta, basis=step).largest  # beyond 2 / lambda_max descent diverges
    for gradient in ("spline", "relu"):
        options = {"geometry": step, "gradient": gradient, "learning_rate": rate}
        result = rk.minimize(problem, theta, method="gd", steps=300, **options)
        print(f"step in {step}, gradient in {gradient}: value {result.history.value[-1]:.1e}, {result.message}")
        results[f"step in {step}, gradient in {gradient}"] = result

figure = Figure(figsize=(6.0, 3.8), layout="constrained")
axes = figure.subplots()
for name, result in results.items():
    axes.semilogy(result.history.value, label=name)
axes.set(xlabel="step", ylabel="value", ylim=(1e-2, 1e4))
axes.legend(frameon=False)
