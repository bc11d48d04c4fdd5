"""Singular value decompositions that are found."""

import numpy as np
from scipy import linalg

from refkan.base.array_types import FloatArray


def svd(A: FloatArray, full_matrices: bool = False) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A = U diag(s) V for a finite matrix A (m, n): U, s falling, V with right singular vectors as rows.

    By divide and conquer, and by QR iteration where that gives up: graded matrices of numerical rank far below their
    size, such as triangular factors of Jacobians of networks with idle knots, make LAPACK's `gesdd` fail. The other
    is slower by a factor of a few, and as accurate.

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
