"""
Train level by level
====================

The coarsest network is trained first; refinement does not change the function, so that the next level goes on where the
last one ended.
"""

import numpy as np

import refkan as rk

x = np.random.default_rng(0).uniform(size=(500, 2))
net = rk.kan([2, 5, 1], order=3, intervals=[1, 3], node_map="mean-std")
net, theta = net.initialize(np.random.default_rng(1), x)
problem = rk.LeastSquares(net, x, rk.problems.regression_target(x))
result = rk.minimize_multilevel(problem, theta, [32, 16, 8, 4], method="levenberg-marquardt")
print("changes by prolongation, relative:", [f"{change:.0e}" for change in result.changes])

figure = rk.plots.history(result)
