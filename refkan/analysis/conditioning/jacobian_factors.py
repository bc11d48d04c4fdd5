"""Jacobians of problems, and their triangular factors, by blocks of samples; sizes are checked against the memory."""

from typing import Any

import numpy as np
from scipy import linalg

from refkan.base import FloatArray, require_finite
from refkan.networks.hessians.memory import require_memory

PRODUCTS = "ask scipy.sparse.linalg.eigsh for the ends, by products such as problem.gauss_newton_vector(theta, v)"
"""What to do instead where memory is too small for all eigenvalues."""

BLOCK_ENTRIES = 2**23
"""Entries of J formed at once, unless 2 M^2 is more: R is factorised again with every block."""

AT_THETA = " at theta"
"""Where arrays of a problem are not finite."""


def triangle(problem: Any, theta: FloatArray) -> FloatArray:
    """R (min(N Q, M), M) of the rows that ``problem.residual_blocks(theta)`` yields, weights and 1/N included.

    Singular values of R are those of J to the same accuracy as by an SVD of J itself; J is never whole in memory.

    Raises
    ------
    ValueError
        If R exceeds the memory available, before it is allocated, or J or the residuals are not finite.
    """
    M = theta.size
    require_memory(
        8 * (8 * M * M + BLOCK_ENTRIES),
        f"a spectrum of {M} parameters by singular values",
        PRODUCTS,
    )
    R = np.empty((0, M))
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is refused below, with its place
        for residuals, J in problem.residual_blocks(theta, max(BLOCK_ENTRIES, 2 * M * M)):
            _require_finite_block(residuals, J)
            stacked = np.concatenate([R, J]) if R.size else J
            R = linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)[0][:M]
    return R


def jacobian(problem: Any, theta: FloatArray) -> FloatArray:
    """J (N Q, M) of the same rows, whole."""
    m, M = problem.n_residuals, theta.size
    require_memory(
        8 * (3 * m * M + 2 * M * M + min(m, M) * m),
        f"the singular vectors of a Jacobian of {m} rows and {M} columns",
        "ask for which='gauss-newton', whose non-zero eigenvalues are the same divided by N",
    )
    with np.errstate(over="ignore", invalid="ignore"):
        blocks = list(problem.residual_blocks(theta, max(BLOCK_ENTRIES, M * M)))
    for residuals, J in blocks:
        _require_finite_block(residuals, J)
    return np.concatenate([J for _, J in blocks])


def _require_finite_block(residuals: FloatArray, J: FloatArray) -> None:
    for name, array in (("residuals", residuals), ("the Jacobian", J)):
        require_finite(name, array, f"{AT_THETA}, in a block of samples")
