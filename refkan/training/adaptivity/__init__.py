r"""Adaptive refinement: error indicators, marking, exact bisection, and the refits that they are compared with."""

from refkan.training.adaptivity.adaptive_minimization import minimize_adaptive
from refkan.training.adaptivity.cut_networks import Cut, Fixed, Freed, with_random_knots
from refkan.training.adaptivity.indicators import sampled
from refkan.training.adaptivity.strategies import STRATEGIES, Refinement, Situation, Strategy
from refkan.training.multilevel.stages import NetworkChange, Refined

__all__ = [
    "STRATEGIES",
    "Cut",
    "Fixed",
    "Freed",
    "NetworkChange",
    "Refined",
    "Refinement",
    "Situation",
    "Strategy",
    "minimize_adaptive",
    "sampled",
    "with_random_knots",
]
