"""Sums over samples of spline functions times coefficients, by the engine in use: one formula, several ways.

Examples
--------
>>> import numpy as np
>>> from refkan.splines.sums import SLACK, VALUES
>>> VALUES.count, float(SLACK / np.finfo(np.float64).eps)  # a value is a jet of one channel
(1, 4.0)
"""

from refkan.splines.sums.channels import VALUES, Channels
from refkan.splines.sums.input_jet import FixedJet, InputJet
from refkan.splines.sums.spline_functions import SLACK, KnotFunctions, SplineFunctions, spline_sums
from refkan.splines.sums.sums import SplineSums

__all__ = [
    "SLACK",
    "VALUES",
    "Channels",
    "FixedJet",
    "InputJet",
    "KnotFunctions",
    "SplineFunctions",
    "SplineSums",
    "spline_sums",
]
