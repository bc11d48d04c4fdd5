r"""Adaptive refinement: error indicators, marking, exact bisection, and the refits that they are compared with."""

from refkan.training.adaptivity.adaptive_minimization import minimize_adaptive
from refkan.training.adaptivity.cut_networks import Cut, Fixed
from refkan.training.adaptivity.indicators import sampled
from refkan.training.adaptivity.strategies import Refinement

__all__ = [
    "Cut",
    "Fixed",
    "Refinement",
    "minimize_adaptive",
    "sampled",
]
