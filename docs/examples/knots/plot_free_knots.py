"""
A knot that finds a kink
========================

The distance to 1/pi is a spline of order 2 as soon as a knot lies there. Knots are trained with the coefficients.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

t = (np.arange(2000)[:, None] + 0.5) / 2000
net, theta = rk.kan([1, 1], order=2, intervals=2, free_knots=True).initialize(np.random.default_rng(0), t)
problem = rk.LeastSquares(net, t, np.abs(t - 1 / np.pi))
result = rk.minimize(problem, theta, method="levenberg-marquardt", steps=60)
knot = net.layers[0].spaces_at(result.theta)[0].breakpoints[1]
print(f"knot at {knot:.9f}, 1/pi = {1 / np.pi:.9f}, mean squared error {problem.mse(result.theta):.0e}")

figure = Figure(figsize=(6.0, 4.4), layout="constrained")
above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
above.plot(t, net(theta, t), "--", color="0.6", label="start")
above.plot(t, net(result.theta, t), label="trained")
above.legend(frameon=False)
rk.plots.knots(net, result.theta, axes=below)
