"""Layers: each declares functions of single inputs; its value and its derivatives by hand are derived once."""

from refkan.networks.layers.chebyshev import ChebyshevLayer
from refkan.networks.layers.dense import DenseLayer
from refkan.networks.layers.knot_layers.relu import ReluLayer
from refkan.networks.layers.knot_layers.silu import SiluLayer
from refkan.networks.layers.knot_layers.spline import SplineLayer
from refkan.networks.layers.layer import Layer

__all__ = [
    "ChebyshevLayer",
    "DenseLayer",
    "Layer",
    "ReluLayer",
    "SiluLayer",
    "SplineLayer",
]
