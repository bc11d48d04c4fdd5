"""Sums over samples of spline functions times coefficients, by the engine in use: one formula, several ways.

Examples
--------
>>> import numpy as np
>>> from refkan.engines import SLACK, VALUES
>>> VALUES.count, float(SLACK / np.finfo(np.float64).eps)  # a value is a jet of one channel
(1, 4.0)
"""

from refkan.engines.channels import VALUES, Channels
from refkan.engines.splines import SLACK, KnotFunctions, SplineFunctions, spline_sums
from refkan.engines.sums import SplineSums

__all__ = ["SLACK", "VALUES", "Channels", "KnotFunctions", "SplineFunctions", "SplineSums", "spline_sums"]
