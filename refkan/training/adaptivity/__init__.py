r"""Adaptive refinement: error indicators, marking, exact bisection, and the refits that they are compared with."""

from refkan.training.adaptivity.adaptive_minimization import minimize_adaptive
from refkan.training.adaptivity.adaptive_results import AdaptiveHistory, AdaptiveResult, Round
from refkan.training.adaptivity.bisection import bisect, may_be_cut
from refkan.training.adaptivity.cut_networks import Cut, Fixed, Freed, in_turn
from refkan.training.adaptivity.error_indicators.indicators import derivative_jumps, residual_shares
from refkan.training.adaptivity.error_indicators.layer_states import LayerState, layer_states
from refkan.training.adaptivity.error_indicators.marking import Mark, doerfler, mark_layer
from refkan.training.adaptivity.error_indicators.residual_points import sampled, squared_residuals
from refkan.training.adaptivity.random_knots import with_random_knots
from refkan.training.adaptivity.refits import curvature_breakpoints, quantile_breakpoints, refit_layer
from refkan.training.adaptivity.strategies import STRATEGIES, Refinement, Situation, Strategy
from refkan.training.multilevel.refined_networks import Change, Refined

__all__ = [
    "STRATEGIES",
    "AdaptiveHistory",
    "AdaptiveResult",
    "Change",
    "Cut",
    "Fixed",
    "Freed",
    "LayerState",
    "Mark",
    "Refined",
    "Refinement",
    "Round",
    "Situation",
    "Strategy",
    "bisect",
    "curvature_breakpoints",
    "derivative_jumps",
    "doerfler",
    "in_turn",
    "layer_states",
    "mark_layer",
    "may_be_cut",
    "minimize_adaptive",
    "quantile_breakpoints",
    "refit_layer",
    "residual_shares",
    "sampled",
    "squared_residuals",
    "with_random_knots",
]
