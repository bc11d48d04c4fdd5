"""Losses of a network: least squares on data, and residuals of differential equations at collocation points."""

from refkan.training.losses.attention import Attention
from refkan.training.losses.collocation import Collocation
from refkan.training.losses.conditions import flux_jump, periodicity, prescribed
from refkan.training.losses.least_squares import DifferentiableModel, LeastSquares
from refkan.training.losses.terms import Side, Term

__all__ = [
    "Attention",
    "Collocation",
    "DifferentiableModel",
    "LeastSquares",
    "Side",
    "Term",
    "flux_jump",
    "periodicity",
    "prescribed",
]
