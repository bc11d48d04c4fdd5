r"""Adaptive refinement: error indicators, marking, exact bisection, and the refits that they are compared with."""

from refkan.adaptivity.bisection import bisect, may_be_cut
from refkan.adaptivity.changes import Cut, Fixed, Freed, in_turn
from refkan.adaptivity.driver import minimize_adaptive
from refkan.adaptivity.indicators import derivative_jumps, residual_shares
from refkan.adaptivity.layer_states import LayerState, layer_states
from refkan.adaptivity.marking import Mark, doerfler, mark_layer
from refkan.adaptivity.random_knots import with_random_knots
from refkan.adaptivity.refits import curvature_breakpoints, quantile_breakpoints, refit_layer
from refkan.adaptivity.residual_points import sampled, squared_residuals
from refkan.adaptivity.results import AdaptiveHistory, AdaptiveResult, Round
from refkan.adaptivity.strategies import STRATEGIES, Refinement, Situation, Strategy
from refkan.adaptivity.tournaments import TournamentResult, tournament
from refkan.hierarchy.changes import Change, Refined
from refkan.hierarchy.stages import Stage, StageTable

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
    "Stage",
    "StageTable",
    "Strategy",
    "TournamentResult",
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
    "tournament",
    "with_random_knots",
]
