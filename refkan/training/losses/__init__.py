"""Losses of a network: least squares and cross entropy on data, residuals of differential equations, penalties."""

from refkan.training.losses.attention import Attention
from refkan.training.losses.collocation import Collocation
from refkan.training.losses.conditions import flux_jump, periodicity, prescribed
from refkan.training.losses.cross_entropy import CrossEntropy
from refkan.training.losses.least_squares import LeastSquares
from refkan.training.losses.sides import Side
from refkan.training.losses.terms import Term

__all__ = [
    "Attention",
    "Collocation",
    "CrossEntropy",
    "LeastSquares",
    "Side",
    "Term",
    "flux_jump",
    "periodicity",
    "prescribed",
]
