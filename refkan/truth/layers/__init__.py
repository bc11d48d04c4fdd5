"""Layers: functions of single inputs and sums of them, the SiLU edge, dense layers."""

from refkan.truth.layers.base import Gradient, Layer
from refkan.truth.layers.dense import DenseLayer
from refkan.truth.layers.families import FAMILIES, BSplines, Chebyshev, Form, ReluPowers
from refkan.truth.layers.silu import SiluLayer
from refkan.truth.layers.sums import FreeKnotLayer, SumLayer

__all__ = [
    "FAMILIES",
    "BSplines",
    "Chebyshev",
    "DenseLayer",
    "Form",
    "FreeKnotLayer",
    "Gradient",
    "Layer",
    "ReluPowers",
    "SiluLayer",
    "SumLayer",
]
