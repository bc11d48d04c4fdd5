r"""Prolongation between nested knot vectors, as a matrix and as an operator, in both bases.

For B-splines it is knot insertion, with r weights for each fine coefficient, and for uniform dyadic refinement a closed
form. For ReLU powers it is the transpose of the injection psi_coarse = I psi_fine on [a, b]. The formula of [S26]
through the change of basis is here as well.
"""

from math import comb
from typing import Any

import numpy as np
import scipy.sparse as sp

from refkan.base import Array, FloatArray, IntArray, KnotError, check_annotated
from refkan.base.arguments import as_array, check_choice, check_count, check_type
from refkan.kernels import knot_insertion
from refkan.splines.change_of_basis import ChangeOfBasis
from refkan.splines.knots import MAX_INTERVALS, check_order, check_strictly_increasing
from refkan.splines.spaces import SplineSpace


def require_nested(coarse: SplineSpace, fine: SplineSpace) -> None:
    r"""Raise unless the coarse space is contained in the fine one on the domain.

    Both have one order and one domain, and every knot of the coarse space on the domain is a knot of the fine one, at
    least as often. Exterior knots are free: on [a, b] they only choose the basis.

    Raises
    ------
    KnotError
        Naming the first coarse knot that the fine space misses, or the orders or domains that differ.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.splines.transfer.matrices import require_nested
    >>> coarse = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> require_nested(coarse, coarse.refine())
    >>> require_nested(coarse, rk.SplineSpace.uniform(order=2, intervals=3))
    Traceback (most recent call last):
    refkan.base.errors.KnotError: fine must contain every knot of coarse; breakpoint 1 = 0.5 is missing: the nearest
        is 0.6666666666666666
    """
    check_type("coarse", coarse, SplineSpace)
    check_type("fine", fine, SplineSpace)
    if coarse.order != fine.order:
        raise KnotError(f"fine must have the order {coarse.order} of coarse; got order {fine.order}")
    if coarse.domain != fine.domain:
        raise KnotError(f"fine must have the domain {coarse.domain} of coarse; got {fine.domain}")
    missing = first_missing(coarse.breakpoints, fine.breakpoints, coarse.order)
    if missing is not None:
        t = coarse.breakpoints[missing]
        nearest = fine.breakpoints[np.argmin(np.abs(fine.breakpoints - t))]
        hint = f"the nearest is {float(nearest)!r}"
        if nearest == t:
            hint = "it has fewer copies of it"
        raise KnotError(
            f"fine must contain every knot of coarse; breakpoint {missing} = {float(t)!r} is missing: {hint}"
        )


def first_missing(coarse: FloatArray, fine: FloatArray, order: int) -> int | None:
    """Position of the first ascending breakpoint of `coarse` that is missing, or less frequent, in `fine`; or None."""
    interior = coarse[(coarse > coarse[0]) & (coarse < coarse[-1])]
    offset = int(np.searchsorted(coarse, coarse[0], side="right"))
    copies = np.arange(interior.size) - np.searchsorted(interior, interior, side="left")
    at = np.searchsorted(fine, interior, side="left") + copies
    bad = np.flatnonzero(fine[np.minimum(at, fine.size - 1)] != interior)
    if bad.size == 0:
        return None
    return int(bad[0]) + offset


def prolongation_rows(coarse: FloatArray, fine: FloatArray, order: int) -> tuple[IntArray, FloatArray]:
    """Rows of P for two extended knot vectors, nested on the domain: c_fine[j] = sum_k values[j, k] c[start[j] + k].

    Returns
    -------
    start : array of int (dim_fine,)
    values : array (dim_fine, r)
    """
    dim = fine.size - order
    start, values = np.empty(dim, np.int64), np.empty((dim, order))
    # Copies: read-only arrays have another type in Numba, which would compile the kernel a second time.
    knot_insertion.prolongation_rows(0, dim, order, coarse.copy(), fine.copy(), start, values)
    return start, values


def apply_rows(start: IntArray, values: FloatArray, c: Array) -> Array:
    """P c along the last axis of c (..., dim_coarse)."""
    window = start[:, None] + np.arange(values.shape[1])
    return np.einsum("...jk,jk->...j", c[..., window], values)


def dyadic_prolongation(order: int, intervals: int) -> sp.csr_array:
    r"""Return the prolongation P (2n + r - 1, n + r - 1) from n to 2n uniform intervals, by its formula.

    The formula is b_i = sum_s 2^(1-r) C(r, s) b'_{2i+s}.

    With the paper's indices i = 1-r..n-1 and s = 0..r; entries with 2i + s outside 1-r..2n-1 are left out. Eq. (25) of
    [S26] prints the factor 2^-r: hat functions show that it is 2^(1-r), their weights being 1/2, 1, 1/2.

    Examples
    --------
    >>> from refkan.splines.transfer.matrices import dyadic_prolongation
    >>> dyadic_prolongation(order=2, intervals=2).toarray()
    array([[1. , 0. , 0. ],
           [0.5, 0.5, 0. ],
           [0. , 1. , 0. ],
           [0. , 0.5, 0.5],
           [0. , 0. , 1. ]])
    """
    r, n = check_order(order), check_count("intervals", intervals, 1, MAX_INTERVALS // 2)
    weights = np.array([comb(r, s) for s in range(r + 1)]) * 2.0 ** (1 - r)
    i = np.arange(1 - r, n)[:, None]
    rows = 2 * i + np.arange(r + 1)
    keep = (rows >= 1 - r) & (rows < 2 * n)
    columns = np.broadcast_to(i, rows.shape)
    entries = np.broadcast_to(weights, rows.shape)
    at = (rows[keep] + r - 1, columns[keep] + r - 1)
    return sp.coo_array((entries[keep], at), (2 * n + r - 1, n + r - 1)).tocsr()


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
    >>> from refkan.splines.transfer.matrices import injection_matrix
    >>> coarse = rk.SplineSpace.uniform(order=3, intervals=1)
    >>> injection_matrix(coarse, coarse.refine()).toarray()
    array([[ 6., -8.,  3.,  0.],
           [ 1.,  0.,  0.,  0.],
           [ 0.,  0.,  1.,  0.]])
    """
    check_annotated(injection_matrix, locals())
    require_nested(coarse, fine)
    for space in (coarse, fine):
        check_strictly_increasing(space.knots)
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
    >>> from refkan.splines.transfer.matrices import prolongation_through_relu
    >>> coarse = rk.SplineSpace.uniform(order=3, intervals=4)
    >>> P = rk.prolongation_matrix(coarse, coarse.refine()).toarray()
    >>> bool(np.abs(prolongation_through_relu(coarse, coarse.refine()) - P).max() < 1e-12)
    True
    """
    injection = injection_matrix(coarse, fine).toarray()
    A, fine_A = ChangeOfBasis(coarse), ChangeOfBasis(fine)
    # (A I) A'^-1 = (A'^-T (A I)^T)^T, and A'^-T acts on the last axis of A I: to_spline.
    return fine_A.to_spline(A.dense() @ injection).T
