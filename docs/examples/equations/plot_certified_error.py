"""
A certified study: errors that are proven
=========================================

Splines of order 5 solve u'' = -pi^2 sin(pi x). For each number of intervals the true error is known here, and an upper
bound of it is proven from the residual alone, as it would be for an equation whose solution nobody knows.
"""

import numpy as np

import refkan as rk

pi = float(np.pi)
x = np.linspace(0.0, 1.0, 1001)
sizes, bounds, errors = (4, 8, 16, 32), [], []
for n in sizes:
    net = rk.kan([1, 1], order=5, intervals=n)
    space = net.layers[0].spaces[0]
    at = np.linspace(0.0, 1.0, 8 * n + 1)
    B, B2 = (rk.bsplines.design_matrix(space, at, derivative=k).toarray() for k in (0, 2))
    rows = np.vstack([B2, 1e4 * B[[0, -1]]])
    theta = np.linalg.lstsq(rows, np.concatenate([-(pi**2) * np.sin(pi * at), [0, 0]]), rcond=None)[0]
    found = rk.exact.certified_error(net, theta, lambda x: (pi * x).sin() * (-pi * pi), lambda x: 0.0, [[0, 1]])
    bounds.append(found.error)
    errors.append(np.abs(net(theta, x[:, None])[:, 0] - np.sin(pi * x)).max())
    print(f"n = {n}: error {errors[-1]:.2e}, proven to be at most {bounds[-1]:.2e}")

parameters = np.array(sizes) + 4
figure = rk.plots.convergence({"proven bound": (parameters, bounds), "true error": (parameters, errors)})
