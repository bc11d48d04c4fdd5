"""Optimisers: gradient descent and Adam in the four geometries; L-BFGS, with line search or fixed step.

Self-scaled Broyden. And, for least squares, Gauss-Newton, natural gradient, Levenberg-Marquardt, variable projection.
"""

from __future__ import annotations

from refkan.optimizers.driver import METHODS, RESIDUAL_METHODS, minimize
from refkan.optimizers.geometry import Geometry
from refkan.optimizers.progress import ProgressLines
from refkan.optimizers.results import History, Result, State
from refkan.optimizers.run import STOPPED

__all__ = [
    "METHODS",
    "RESIDUAL_METHODS",
    "STOPPED",
    "Geometry",
    "History",
    "ProgressLines",
    "Result",
    "State",
    "minimize",
]
