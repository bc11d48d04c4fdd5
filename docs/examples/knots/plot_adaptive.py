"""
Knots where the error is
========================

A step is fitted on uniform knots and on knots refined where the residual is large, both up to 33 parameters.
"""

import numpy as np

import refkan as rk
from refkan.training.adaptivity import sampled

t = (np.arange(4000)[:, None] + 0.5) / 4000
net, theta = rk.kan([1, 1], order=2, intervals=4).initialize(np.random.default_rng(0), t)
problem = sampled(net, lambda t: t > 1 / np.sqrt(2), t)
curves = {}
for strategy in ("uniform", "residual"):
    limits = {"max_params": 33, "max_rounds": 30}
    result = rk.minimize_adaptive(problem, theta, strategy, "variable-projection", steps=1, **limits)
    sizes = [stage.network.n_params for stage in result.stages]
    curves[strategy] = sizes, np.sqrt(2 * np.array([stage.value for stage in result.stages]))
    print(f"{strategy}: {curves[strategy][1][-1]:.4f} with {curves[strategy][0][-1]} parameters")

figure = rk.plots.convergence(curves, ylabel="root mean square error")
