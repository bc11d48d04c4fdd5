r"""The injection of ReLU-power bases, psi_coarse = I psi_fine on [a, b], with its polynomial rows."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from refkan.base.annotations import check_annotated
from refkan.base.array_types import FloatArray
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer.insertion import require_nested


def injection_matrix(coarse: SplineSpace, fine: SplineSpace, scaled: bool = False) -> sp.csr_array:
    r"""Return the sparse matrix I (coarse.dim, fine.dim) with psi_coarse = I psi_fine on [a, b].

    It follows that w_fine = I^T w_coarse.

    A power that starts at an interior breakpoint is itself a function of the fine basis. One that starts at t <= a
    is a polynomial on [a, b]; over the r fine functions that start at s_1 < ... < s_r = a,

        (x - t)^(r-1) = sum_j l_j(t) (x - s_j)^(r-1),    l_j(t) = prod_{m != j} (t - s_m)/(s_j - s_m),

    since both sides agree in all coefficients of x iff sum_j l_j(t) s_j^k = t^k for k < r: Lagrange's interpolation.

    Parameters
    ----------
    coarse, fine : SplineSpace
        Nested on the domain, strictly increasing knots.
    scaled : bool
        Whether both bases are divided by h^(r-1), each by its own mean spacing h.

    Raises
    ------
    KnotError
        If the spaces are not nested or a knot repeats.

    Notes
    -----
    [S26] section 4.2. For interior knots I holds zeros and ones, and for all where the exterior knots are shared.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.splines.transfer import injection_matrix
    >>> coarse = rk.SplineSpace.uniform(order=3, intervals=1)
    >>> injection_matrix(coarse, coarse.refine()).toarray()
    array([[ 6., -8.,  3.,  0.],
           [ 1.,  0.,  0.,  0.],
           [ 0.,  0.,  1.,  0.]])
    """
    check_annotated(injection_matrix, locals())
    require_nested(coarse, fine)
    for space in (coarse, fine):
        space.require_strictly_increasing()
    r = coarse.order
    matrix = sp.lil_array((coarse.dim, fine.dim))
    nodes = fine.knots[:r]
    for i, t in enumerate(coarse.knots[:r]):
        matrix[i, :r] = lagrange(nodes, float(t))
    interior = np.arange(r, coarse.dim)
    matrix[interior, np.searchsorted(fine.knots, coarse.knots[interior])] = 1.0
    injection = matrix.tocsr()
    if scaled:
        injection *= (fine.mean_spacing / coarse.mean_spacing) ** (r - 1)
    return injection


def lagrange(nodes: FloatArray, t: float) -> FloatArray:
    """Values at t of the Lagrange polynomials of the nodes."""
    values = np.ones(nodes.size)
    for j in range(nodes.size):
        for m in range(nodes.size):
            if m != j:
                values[j] *= (t - nodes[m]) / (nodes[j] - nodes[m])
    return values
