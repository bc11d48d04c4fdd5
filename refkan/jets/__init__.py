r"""Derivatives of networks in their inputs: values, first and pure second derivatives along chosen directions.

A jet is carried through the network layer by layer (`layers.jets`): exact derivatives by hand, at the cost of a few
evaluations. Its own derivatives, forward and backward, are those that physics-informed problems need.
"""

from refkan.jets.jet import Jet, jet_at
from refkan.jets.polarisation import input_hessian, mixed_derivative, polarisation_seeds
from refkan.jets.regularity import require_derivatives
from refkan.jets.seeds import Seeds
from refkan.jets.statistics import Statistics
from refkan.jets.sweep import JetSweep

__all__ = [
    "Jet",
    "JetSweep",
    "Seeds",
    "Statistics",
    "input_hessian",
    "jet_at",
    "mixed_derivative",
    "polarisation_seeds",
    "require_derivatives",
]
