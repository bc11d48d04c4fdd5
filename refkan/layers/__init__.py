"""Layers: spline, ReLU-power, SiLU-edge, Chebyshev and dense, each with its value and its derivatives by hand."""

from refkan.layers.base import Layer, Linearization
from refkan.layers.chebyshev import ChebyshevLayer
from refkan.layers.dense import DenseLayer
from refkan.layers.edges import EdgeLayer
from refkan.layers.local_forms import Features, LocalForm
from refkan.layers.relu import ReluLayer
from refkan.layers.silu import SiluLayer
from refkan.layers.spline import SplineLayer

__all__ = [
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
