r"""Between nested spline spaces: prolongation of coefficients, in both bases, and the transfers it is compared with.

A function of the coarse space is one of the fine space; P takes its coefficients there, u_f = P u_c. Gradients go
back by the restriction P^T.
"""

from refkan.transfer.dyadic import dyadic_prolongation, printed_dyadic_coefficients
from refkan.transfer.insertion import require_nested
from refkan.transfer.least_squares import TransferReport, least_squares_transfer
from refkan.transfer.matrices import prolong, prolongation_matrix, prolongation_through_relu
from refkan.transfer.relu import injection_matrix

__all__ = [
    "TransferReport",
    "dyadic_prolongation",
    "injection_matrix",
    "least_squares_transfer",
    "printed_dyadic_coefficients",
    "prolong",
    "prolongation_matrix",
    "prolongation_through_relu",
    "require_nested",
]
