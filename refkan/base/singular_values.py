"""Singular value decompositions with a second driver where the first fails."""

import numpy as np
from scipy import linalg

from refkan.base.array_types import FloatArray


def svd(A: FloatArray, full_matrices: bool = False) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return U, s (falling) and V with A = U diag(s) V, for a finite matrix A (m, n); right vectors are rows of V.

    LAPACK's divide and conquer, `gesdd`, fails for graded matrices whose numerical rank is far below their size, such
    as triangular factors of Jacobians of networks with idle knots. QR iteration, `gesvd`, then takes its place; it is
    as accurate, and several times slower.

    Raises
    ------
    numpy.linalg.LinAlgError
        If neither converges.
    """
    try:
        U, s, V = linalg.svd(A, full_matrices=full_matrices, check_finite=False)
    except np.linalg.LinAlgError:
        U, s, V = linalg.svd(A, full_matrices=full_matrices, check_finite=False, lapack_driver="gesvd")
    return U, s, V
