"""Layers: each declares functions of single inputs; its value and its derivatives by hand are derived once.

Examples
--------
>>> from refkan.layers import BASES, SCHEMES
>>> BASES, SCHEMES  # names of bases of coefficients, and of ways to draw them
(('spline', 'relu', 'scaled-relu'), ('linear', 'normal', 'gaussian'))
"""

from refkan.layers.base import BASES, SCHEMES, Layer
from refkan.layers.chebyshev import ChebyshevLayer
from refkan.layers.dense import DenseLayer
from refkan.layers.edges import EdgeLayer
from refkan.layers.functions import Features, LocalForm
from refkan.layers.linearization import Linearization
from refkan.layers.relu import ReluLayer
from refkan.layers.silu import SiluLayer
from refkan.layers.spline import SplineLayer

__all__ = [
    "BASES",
    "SCHEMES",
    "ChebyshevLayer",
    "DenseLayer",
    "EdgeLayer",
    "Features",
    "Layer",
    "Linearization",
    "LocalForm",
    "ReluLayer",
    "SiluLayer",
    "SplineLayer",
]
