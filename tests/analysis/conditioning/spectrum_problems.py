"""Least-squares problems on one set of samples whose spectra are tested."""

import numpy as np

import refkan as rk
from tests.shared.factories import samples

X = samples(70)
RNG = np.random.default_rng(11)
Y = RNG.standard_normal((70, 2))
W = RNG.uniform(0.2, 2.0, 70)


def small(basis="spline", **options):
    net, theta = rk.kan([2, 3, 1], 3, [4, 2], basis=basis, **options).initialize(np.random.default_rng(5), X)
    return rk.LeastSquares(net, X, Y[:, :1], W), theta


def falling(matrix):
    values = np.linalg.eigvalsh(matrix)
    return values[np.argsort(-np.abs(values), kind="stable")]
