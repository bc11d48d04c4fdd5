"""
Activations that leave their domains
====================================

A hidden layer has a domain, and training pushes activations out of it, where only the tails of its splines are left.
Four node maps are trained alike; the pictures show where the activations of the second layer end.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

x = np.random.default_rng(0).uniform(size=(500, 2))
y = rk.problems.regression_target(x)
figure = Figure(figsize=(9, 5), layout="constrained")
for axes, node_map in zip(figure.subplots(2, 2).flat, ("affine", "mean-std", "min-max", "sigmoid"), strict=True):
    net = rk.kan([2, 5, 1], order=3, intervals=[2, 6], node_map=node_map)
    net, theta = net.initialize(np.random.default_rng(1), x)
    problem = rk.LeastSquares(net, x, y)
    result = rk.minimize(problem, theta, method="lbfgs", steps=100)
    frozen = net.freeze(result.theta)
    first = rk.Network(frozen.layers[:1], ())
    hidden = frozen.node_maps[0].value(first(result.theta[frozen.slices[0]], x))
    outside = np.mean((hidden < 0.0) | (hidden > 1.0))
    print(f"{node_map}: {outside:.0%} outside, mean squared error {problem.mse(result.theta):.4f}")
    axes.hist(np.clip(hidden.ravel(), -1.0, 2.0), bins=np.linspace(-1.0, 2.0, 61))
    axes.axvspan(0.0, 1.0, alpha=0.15)
    axes.set(title=f"{node_map}, {outside:.0%} outside", xlabel="activation, clipped to [-1, 2]")
