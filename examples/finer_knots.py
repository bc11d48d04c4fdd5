"""I want a finer grid without losing what was learnt."""

import numpy as np

import refkan as rk

x = np.random.default_rng(0).uniform(size=(400, 1))
y = np.sin(20 * x)
net, theta = rk.kan([1, 1], order=4, intervals=5).initialize(0, x)
for _ in range(3):
    theta = rk.minimize(rk.LeastSquares(net, x, y), theta, "gauss-newton").theta
    fine = net.refine()
    moved = net.convert(theta, fine)
    error, same = abs(net(theta, x) - y).max(), abs(fine(moved, x) - net(theta, x)).max() < 1e-14
    print(f"{net.layers[0].intervals} intervals: error {error:.1e}; the refined network is the same function: {same}")
    net, theta = fine, moved
