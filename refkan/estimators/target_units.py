"""The units of targets, in which networks are trained with mean 0 and variance 1.

Targets that are large against the start of a network, of order 1, let the first damped steps move all its parameters by
as much: the activations of hidden layers then lie far outside the domains of the layers that follow.
"""

import numpy as np

from refkan.base import FloatArray
from refkan.networks import Network


def units_of(targets: FloatArray, weights: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation (Q,) of targets (N, Q). Zero deviations are replaced by 1."""
    centre = np.average(targets, axis=0, weights=weights)
    scale = np.sqrt(np.average((targets - centre) ** 2, axis=0, weights=weights))
    # The spread of equal targets is the rounding of their mean.
    scale[scale <= 1e-14 * np.abs(centre)] = 1.0
    return centre, scale


def in_units(net: Network, theta: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    """Return the parameters of ``scale_q F_q + centre_q``: every edge into output q takes a share of centre_q."""
    layer, where = net.layers[-1], net.slices[-1]
    part, theta = theta[where], theta.copy()
    outputs = layer.scaling_vectors(part)
    # For each output the parameters that raise it by one, on every edge.
    constants = np.array([rows.sum(axis=0) / len(rows) for rows in layer.constant_vectors(part, layer.domains.T)])
    theta[where] = (part - outputs.sum(axis=0)) + scale @ outputs + centre @ constants
    return theta
