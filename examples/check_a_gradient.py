"""I derived a gradient by hand: is it right, and if not, where?"""

import numpy as np

import refkan as rk

a = np.array([1.0, -2.0, 0.5])


def value(t):
    return np.log1p(np.exp(a @ t)) + 0.5 * t @ t


def gradient(t):
    return a / (1 + np.exp(-a @ t)) + np.array([1.0, 1.0, 0.5]) * t


print(rk.checks.gradient_check(value, gradient, [0.3, -0.1, 2.0]))
