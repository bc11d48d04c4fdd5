"""Losses of a network: least squares on data, and residuals of differential equations at collocation points."""

from refkan.losses.attention import Attention
from refkan.losses.collocation import Collocation
from refkan.losses.conditions import flux_jump, periodicity, prescribed
from refkan.losses.least_squares import DifferentiableModel, LeastSquares
from refkan.losses.terms import Side, Term

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
