"""A function with its gradient and Hessian products by hand, and one entry of a vector spoilt."""

import numpy as np

THETA = np.array([0.3, -1.2, 0.7, 2.0])


def value(t):
    return np.sum(np.sin(t)) + t[0] * t[1] ** 2 - np.exp(t[2] * t[3] / 4)


def gradient(t):
    g = np.cos(t)
    e = np.exp(t[2] * t[3] / 4) / 4
    return g + np.array([t[1] ** 2, 2 * t[0] * t[1], -t[3] * e, -t[2] * e])
