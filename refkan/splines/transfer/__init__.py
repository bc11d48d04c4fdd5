r"""Between nested spline spaces: prolongation of coefficients, in both bases, and the transfers it is compared with.

A function of the coarse space is one of the fine space; P takes its coefficients there, u_f = P u_c. Gradients go
back by the restriction P^T.
"""

from refkan.splines.transfer.matrices import (
    dyadic_prolongation,
    injection_matrix,
    prolong,
    prolongation_matrix,
    prolongation_through_relu,
    require_nested,
)
from refkan.splines.transfer.refit_at_samples import TransferReport, least_squares_transfer

__all__ = [
    "TransferReport",
    "dyadic_prolongation",
    "injection_matrix",
    "least_squares_transfer",
    "prolong",
    "prolongation_matrix",
    "prolongation_through_relu",
    "require_nested",
]
