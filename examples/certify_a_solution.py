"""I solved u'' = -pi^2 sin(pi x), u(0) = u(1) = 0: how far is my solution from the true one, at most?"""

import numpy as np

import refkan as rk

net = rk.kan([1, 1], order=5, intervals=16)
space = net.layers[0].spaces[0]
x = np.linspace(0.0, 1.0, 129)
values, seconds = (rk.bsplines.design_matrix(space, x, derivative=k).toarray() for k in (0, 2))
rows = np.vstack([seconds, 1e4 * values[[0, -1]]])
theta = np.linalg.lstsq(rows, np.append(-(np.pi**2) * np.sin(np.pi * x), [0, 0]), rcond=None)[0]
pi = float(np.pi)
proven = rk.exact.certified_error(net, theta, lambda x: (pi * x).sin() * (-pi * pi), lambda x: 0.0, [[0, 1]])
print(f"error at 129 points {abs(net(theta, x[:, None])[:, 0] - np.sin(np.pi * x)).max():.3e}")
print(f"error everywhere, proven: at most {proven.error:.3e}")
