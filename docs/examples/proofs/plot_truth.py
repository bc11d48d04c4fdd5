"""
Digits, against rational numbers
================================

What a network computes in float64, and what it is exactly.
"""

from fractions import Fraction

import numpy as np

import refkan as rk

x = np.random.default_rng(0).uniform(size=(40, 1))
net, theta = rk.kan([1, 2, 1], order=3, intervals=3, node_map="none").initialize(np.random.default_rng(1), x)
exact = rk.truth.of(net, theta, x)
errors = [abs(float(Fraction(ours) - row[0])) for ours, row in zip(net(theta, x)[:, 0], exact.value, strict=True)]
print(f"largest error of a value: {max(errors):.1e}")
print("first value, exactly:", exact.value[0][0])

figure = rk.plots.network(net, theta, x)
