r"""Transfer by least squares at data, the grid extension of KAN codes: a baseline, not exact in general."""

from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, KnotError, as_array, check_type
from refkan.splines import bsplines
from refkan.splines.spaces import SplineSpace


class TransferReport(Frozen, eq=True):
    """The largest change of the functions by a transfer.

    Attributes
    ----------
    on_samples : float
        Largest change of a value at the samples.
    off_samples : float
        Largest change of a value at 20 points in every interval of both spaces, ends included.
    rank : int
        Numerical rank of the design matrix; below `fine.dim`, some coefficients were not determined by the samples.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.splines.transfer import least_squares_transfer
    >>> coarse = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> _, report = least_squares_transfer(coarse, coarse.refine(), [0.0, 1.0, 0.0], np.linspace(0.0, 0.4, 9))
    >>> report.rank < 5, report.on_samples < 1e-14, report.off_samples > 0.1  # no sample beyond 0.4
    (True, True, True)
    """

    on_samples: float
    off_samples: float
    rank: int


def least_squares_transfer(coarse: SplineSpace, fine: SplineSpace, u: Any, x: Any) -> tuple[FloatArray, TransferReport]:
    r"""Return the coefficients in `fine` that are closest to the functions u at the samples x.

    They minimise sum_s |B'(x_s) v - B(x_s) u|^2 over v.

    The spaces need not be nested. Where several v are best, it is the one of least norm (singular values below
    eps max(N, fine.dim) times the largest count as zero).

    Parameters
    ----------
    coarse, fine : SplineSpace
        Of one domain.
    u : array (..., coarse.dim)
    x : array (N,)
        Samples in the domain.

    Returns
    -------
    v : array (..., fine.dim)
    report : TransferReport

    Raises
    ------
    KnotError
        If the domains differ.
    OutsideDomainError
        If a sample lies outside.

    Notes
    -----
    This is the grid extension of Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), section 2.4.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.splines.transfer import least_squares_transfer
    >>> coarse = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> v, report = least_squares_transfer(coarse, coarse.refine(), [0.0, 1.0, 0.0], np.linspace(0, 1, 21))
    >>> v.round(12), report.rank, report.off_samples < 1e-14
    (array([0. , 0.5, 1. , 0.5, 0. ]), 5, True)
    """
    check_type("coarse", coarse, SplineSpace)
    check_type("fine", fine, SplineSpace)
    if coarse.domain != fine.domain:
        raise KnotError(f"fine must have the domain {coarse.domain} of coarse; got {fine.domain}")
    u, x = as_array("u", u), as_array("x", x, ndim=1)
    if u.ndim == 0 or u.shape[-1] != coarse.dim:
        raise ValueError(f"u must have last axis of length coarse.dim = {coarse.dim}; got shape {u.shape}")
    if x.size == 0:
        raise ValueError("x must hold at least one sample; got none")
    functions = u.reshape(-1, coarse.dim)
    target = bsplines.design_matrix(coarse, x) @ functions.T
    design = bsplines.design_matrix(fine, x).toarray()
    cutoff = np.finfo(np.float64).eps * max(design.shape)
    v, _, rank, _ = np.linalg.lstsq(design, target, rcond=cutoff)
    probes = np.unique(np.concatenate([between(space.breakpoints) for space in (coarse, fine)]))
    change = bsplines.design_matrix(fine, probes) @ v - bsplines.design_matrix(coarse, probes) @ functions.T
    report = TransferReport(
        on_samples=float(np.abs(design @ v - target).max(initial=0.0)),
        off_samples=float(np.abs(change).max(initial=0.0)),
        rank=int(rank),
    )
    return v.T.reshape(*u.shape[:-1], fine.dim), report


def between(breakpoints: FloatArray) -> FloatArray:
    """Twenty points in every interval, its left end first, and the last end."""
    steps = np.arange(20) / 20
    points = breakpoints[:-1, None] + np.diff(breakpoints)[:, None] * steps
    return np.append(points.ravel(), breakpoints[-1])
