"""I need reference values for the tests of my own code."""

import numpy as np

import refkan as rk

net = rk.kan([2, 1], order=3, intervals=2)
theta = np.arange(8) / 4
exact = rk.truth.of(net, theta, [[0.5, 0.25]])
print("as fractions: value", exact.value[0][0], "and as float64", float(exact.value[0][0]))
print("difference of the library:", net(theta, [[0.5, 0.25]])[0, 0] - float(exact.value[0][0]))
