"""
Fit data and look at the network
================================

A small network learns a function of two variables. Each edge carries its function, and is as thick as its share.
"""

import numpy as np

import refkan as rk

x = np.random.default_rng(0).uniform(size=(500, 2))
y = rk.problems.regression_target(x)
net, theta = rk.kan([2, 5, 1], order=3, intervals=[2, 6]).initialize(np.random.default_rng(1), x)
problem = rk.LeastSquares(net, x, y)
result = rk.minimize(problem, theta, method="levenberg-marquardt", steps=40)
print(f"mean squared error {problem.mse(theta):.3f} -> {problem.mse(result.theta):.4f}")

figure = rk.plots.network(net, result.theta, x)
