r"""Between nested spline spaces: prolongation of coefficients, in both bases, and the transfers it is compared with.

A function of the coarse space is one of the fine space; P takes its coefficients there, u_f = P u_c. Gradients go
back by the restriction P^T.
"""

from refkan.splines.transfer.matrices import prolong, prolongation_matrix
from refkan.splines.transfer.refit_at_samples import least_squares_transfer

__all__ = [
    "least_squares_transfer",
    "prolong",
    "prolongation_matrix",
]
