"""The triangle R of J: R^T R = J^T J, by QR of one block of rows after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from refkan.base.array_types import FloatArray
from refkan.networks.hessians.memory import require_memory

BLOCK_ENTRIES = 2**23
"""Entries of J formed at once, unless 2 M^2 is more: R is factorised again with every block."""


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
        None,
        "ask for the ends alone, with method='eigsh' or 'lobpcg'",
    )
    R = np.empty((0, M))
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is refused below, with its place
        for residuals, J in problem.residual_blocks(theta, max(BLOCK_ENTRIES, 2 * M * M)):
            require_finite(residuals, J)
            stacked = np.concatenate([R, J]) if R.size else J
            R = linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)[0][:M]
    return R


def jacobian(problem: Any, theta: FloatArray) -> FloatArray:
    """J (N Q, M) of the same rows, whole."""
    m, M = problem.n_residuals, theta.size
    require_memory(
        8 * (3 * m * M + 2 * M * M + min(m, M) * m),
        f"the singular vectors of a Jacobian of {m} rows and {M} columns",
        None,
        "ask for which='gauss-newton', whose non-zero eigenvalues are the same divided by N, or for the ends alone",
    )
    with np.errstate(over="ignore", invalid="ignore"):
        blocks = list(problem.residual_blocks(theta, max(BLOCK_ENTRIES, M * M)))
    for residuals, J in blocks:
        require_finite(residuals, J)
    return np.concatenate([J for _, J in blocks])


def require_finite(residuals: FloatArray, J: FloatArray | None = None) -> None:
    """Raise ValueError at the first residual or entry of J that is NaN or infinite."""
    for name, array in (("residuals", residuals), ("the Jacobian", J)):
        if array is None:
            continue
        finite = np.isfinite(array)
        if not finite.all():
            index = tuple(map(int, np.argwhere(~finite)[0]))
            where = ", ".join(map(str, index))
            raise ValueError(f"{name} must be finite at theta; got {array[index]} at [{where}] of a block of samples")
