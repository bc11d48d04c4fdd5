"""The matrices whose spectra are certified, built without bands, on evenly and very unevenly spaced knots."""

import numpy as np

import refkan as rk
from refkan.analysis.exact.spectra.rational import rational_change_of_basis, rational_gram

MATRICES = ("AtA", "gram", "relu_gram")


def uniform_random(order, dim, seed=0):
    """All knots uniformly distributed: very uneven spacing."""
    rng = np.random.default_rng([seed, order, dim])
    return rk.SplineSpace(np.sort(rng.uniform(size=dim + order)), order)


def dense(space, which):
    """Return the matrix whose spectrum is certified, rational and built without the bands."""
    A = rational_change_of_basis(space)
    if which == "AtA":
        return A.transpose() * A
    if which == "AAt":
        return A * A.transpose()
    return rational_gram(space, "spline" if which == "gram" else "relu")
