"""Layers: each declares functions of single inputs; its value and its derivatives by hand are derived once.

Examples
--------
>>> from refkan.networks.layers import BASES, SCHEMES
>>> BASES, SCHEMES  # names of bases of coefficients, and of ways to draw them
(('spline', 'relu', 'scaled-relu'), ('linear', 'normal', 'gaussian'))
"""

from refkan.networks.layers.chebyshev import ChebyshevLayer
from refkan.networks.layers.dense import DenseLayer
from refkan.networks.layers.functions import Features, LocalForm
from refkan.networks.layers.knot_layers.edges import EdgeLayer
from refkan.networks.layers.knot_layers.knot_layer import KnotLayer, require_knots
from refkan.networks.layers.knot_layers.relu import ReluLayer
from refkan.networks.layers.knot_layers.silu import SiluLayer
from refkan.networks.layers.knot_layers.spline import SplineLayer
from refkan.networks.layers.layer import BASES, SCHEMES, Layer
from refkan.networks.layers.linearization import Linearization

__all__ = [
    "BASES",
    "SCHEMES",
    "ChebyshevLayer",
    "DenseLayer",
    "EdgeLayer",
    "Features",
    "KnotLayer",
    "Layer",
    "Linearization",
    "LocalForm",
    "ReluLayer",
    "SiluLayer",
    "SplineLayer",
    "require_knots",
]
