"""
An equation: u'' = -pi^2 sin(pi x)
==================================

Collocation with a hand-derived Jacobian, solved by Levenberg-Marquardt.
"""

import numpy as np

import refkan as rk

inside, ends = np.linspace(0, 1, 301)[1:-1, None], np.array([[0.0], [1.0]])
net, theta = rk.kan([1, 1], order=6, intervals=16).initialize(np.random.default_rng(0), inside)
equation = rk.Term(
    "equation",
    rk.Side(inside, first=[[1.0]]),
    lambda x, u, ux, uxx: uxx + np.pi**2 * np.sin(np.pi * x[:, 0]),
    lambda x, u, ux, uxx: (0.0, 0.0, 1.0),
)
problem = rk.Collocation(net, [equation, rk.prescribed("boundary", ends, 0.0, weight=100.0)], check=True)
result = rk.minimize(problem, theta, method="levenberg-marquardt", steps=20)
error = np.abs(net(result.theta, inside) - np.sin(np.pi * inside)).max()
print(f"largest error {error:.1e}")

figure = rk.plots.history(result)
