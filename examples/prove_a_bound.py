"""How large can the output be, for all inputs of a box and not for a sample of them?"""

import numpy as np

import refkan as rk

x = np.random.default_rng(0).uniform(size=(500, 2))
net, theta = rk.kan([2, 4, 1], order=3, intervals=4).initialize(1, x)
theta = rk.minimize(rk.LeastSquares(net, x, rk.problems.regression_target(x)), theta, steps=50).theta
minima, maxima = rk.exact.extrema(net, theta, [[0, 1], [0, 1]])
print(f"largest of 500 samples {net(theta, x).max():.4f}")
print(f"maximum over the box between {maxima[0, 0]:.4f} and {maxima[0, 1]:.4f}")
