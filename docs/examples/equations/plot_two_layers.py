"""
Your own equation, in two layers
================================

Lap u - u^3 = f in the unit square, with f made from u = sin(pi x) sin(pi y) so that the error is known. Sigmoid maps
keep activations inside the domains of the second layer, where second derivatives of its splines are continuous.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk


def exact(x):
    """The solution, chosen beforehand."""
    return np.sin(np.pi * x[:, 0]) * np.sin(np.pi * x[:, 1])


def cubic(x, u, ux, uy, uxx, uyy):
    """The residual at points x, from u and its derivatives."""
    f = -2 * np.pi**2 * exact(x) - exact(x) ** 3
    return uxx + uyy - u**3 - f


def derivatives_of_cubic(x, u, ux, uy, uxx, uyy):
    """Its derivatives in u, ux, uy, uxx and uyy."""
    return -3 * u**2, 0.0, 0.0, 1.0, 1.0


# %%
# Every gradient and Jacobian of the loss follows by hand-derived formulas from these two functions.
rng = np.random.default_rng(0)
inside = rng.uniform(size=(300, 2))
s = np.linspace(0.0, 1.0, 25)
edges = np.concatenate([np.column_stack(p) for p in [(s, 0 * s), (s, 0 * s + 1), (0 * s, s), (0 * s + 1, s)]])
net, theta = rk.kan([2, 4, 1], order=5, intervals=4, node_map="sigmoid").initialize(rng, inside)
points = rk.Side(inside, first=np.eye(2))
equation = rk.Term("equation", points, cubic, derivatives_of_cubic)
problem = rk.Collocation(net, [equation, rk.prescribed("boundary", edges, 0.0, weight=100.0)], check=True)
result = rk.minimize(problem, theta, method="levenberg-marquardt", steps=80)

grid = np.stack(np.meshgrid(np.linspace(0, 1, 61), np.linspace(0, 1, 61)), axis=-1)
error = np.abs(net(result.theta, grid.reshape(-1, 2))[:, 0] - exact(grid.reshape(-1, 2))).reshape(61, 61)
print(f"{net.n_params} parameters, value {result.value:.1e}, largest error {error.max():.1e}")

figure = Figure(figsize=(9.5, 3.8), layout="constrained")
left, right = figure.subplots(1, 2)
rk.plots.history(result, axes=left)
figure.colorbar(right.pcolormesh(grid[..., 0], grid[..., 1], error, shading="gouraud"), label="error of u")
right.set(xlabel="x", ylabel="y", aspect="equal")
