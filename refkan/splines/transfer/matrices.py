r"""Prolongation as a matrix and as an operator, in both bases, and the printed formula through the change of basis."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from refkan.base.arguments import as_array, check_choice
from refkan.base.array_types import Array, FloatArray
from refkan.splines.change_of_basis import ChangeOfBasis
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer.insertion import apply_rows, prolongation_rows, require_nested
from refkan.splines.transfer.relu_injection import injection_matrix

BASES = ("spline", "relu", "scaled-relu")


def prolongation_matrix(coarse: SplineSpace, fine: SplineSpace, basis: str = "spline") -> sp.csr_array:
    r"""Return the sparse matrix P (fine.dim, coarse.dim) that takes coefficients to finer knots.

    c_fine = P c_coarse is the same function on [a, b].

    In the spline basis P comes from knot insertion: its rows are convex weights, at most r of them, which sum to one.
    In the ReLU-power bases P = I^T, see `injection_matrix`. Gradients are restricted by P^T.

    Parameters
    ----------
    coarse, fine : SplineSpace
        Of one order and one domain; every knot of `coarse` on the domain is one of `fine`. Exterior knots are free.
    basis : {"spline", "relu", "scaled-relu"}
        Of both coefficient vectors.

    Raises
    ------
    KnotError
        If the spaces are not nested: the first missing knot is named.

    Notes
    -----
    Boehm (1980); Cohen, Lyche and Riesenfeld (1980); section 4.2 of [S26].

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> space = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> rk.prolongation_matrix(space, space.insert([0.75])).toarray()
    array([[1. , 0. , 0. ],
           [0. , 1. , 0. ],
           [0. , 0.5, 0.5],
           [0. , 0. , 1. ]])
    """
    check_choice("basis", basis, BASES)
    if basis != "spline":
        return injection_matrix(coarse, fine, scaled=basis == "scaled-relu").T.tocsr()
    require_nested(coarse, fine)
    start, values = prolongation_rows(coarse.knots, fine.knots, coarse.order)
    columns = start[:, None] + np.arange(coarse.order)
    rows = np.broadcast_to(np.arange(fine.dim)[:, None], columns.shape)
    keep = values != 0.0
    return sp.coo_array((values[keep], (rows[keep], columns[keep])), (fine.dim, coarse.dim)).tocsr()


def prolong(coarse: SplineSpace, fine: SplineSpace, u: Any) -> Array:
    """Return P u for B-spline coefficients u (..., coarse.dim), without the matrix; errors as `prolongation_matrix`.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.splines.transfer import prolong
    >>> coarse = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> prolong(coarse, coarse.refine(), [0.0, 1.0, 4.0])
    array([0. , 0.5, 1. , 2.5, 4. ])
    """
    require_nested(coarse, fine)
    u = as_array("u", u)
    if u.ndim == 0 or u.shape[-1] != coarse.dim:
        raise ValueError(f"u must have last axis of length coarse.dim = {coarse.dim}; got shape {u.shape}")
    return apply_rows(*prolongation_rows(coarse.knots, fine.knots, coarse.order), u)


def prolongation_through_relu(coarse: SplineSpace, fine: SplineSpace) -> FloatArray:
    r"""Return P, dense (fine.dim, coarse.dim), by the formula of [S26] section 4.2: P^T = A I A'^-1.

    I is the injection of `injection_matrix`. In exact arithmetic the formula is exact; in float64 it loses digits like
    the change of basis, as n^(r-1): for r = 4 and n = 128 entries are off by 3e-10 on the unit interval, where knots
    are floats, by 2e-9 on (0, 0.7), and some ten times more if A' is inverted by a general solver. Use it as a check;
    `prolongation_matrix` is the algorithm.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.splines.transfer import prolongation_through_relu
    >>> coarse = rk.SplineSpace.uniform(order=3, intervals=4)
    >>> P = rk.prolongation_matrix(coarse, coarse.refine()).toarray()
    >>> bool(np.abs(prolongation_through_relu(coarse, coarse.refine()) - P).max() < 1e-12)
    True
    """
    injection = injection_matrix(coarse, fine).toarray()
    A, fine_A = ChangeOfBasis(coarse), ChangeOfBasis(fine)
    # (A I) A'^-1 = (A'^-T (A I)^T)^T, and A'^-T acts on the last axis of A I: to_spline.
    return fine_A.to_spline(A.dense() @ injection).T
