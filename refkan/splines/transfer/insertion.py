r"""Prolongation between nested knot vectors by knot insertion: r weights for each fine coefficient."""

from __future__ import annotations

import numpy as np

from refkan.base.arguments import check_type
from refkan.base.array_types import Array, FloatArray, IntArray
from refkan.base.errors import KnotError
from refkan.kernels import knot_insertion
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
    >>> from refkan.splines.transfer import require_nested
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
        hint = f"the nearest is {float(nearest)!r}" if nearest != t else "it has fewer copies of it"
        raise KnotError(
            f"fine must contain every knot of coarse; breakpoint {missing} = {float(t)!r} is missing: {hint}"
        )


def first_missing(coarse: FloatArray, fine: FloatArray, order: int) -> int | None:
    """Position of the first of the ascending breakpoints `coarse` that is not, as often, among `fine`; or None."""
    interior = coarse[(coarse > coarse[0]) & (coarse < coarse[-1])]
    offset = int(np.searchsorted(coarse, coarse[0], side="right"))
    copies = np.arange(interior.size) - np.searchsorted(interior, interior, side="left")
    at = np.searchsorted(fine, interior, side="left") + copies
    bad = np.flatnonzero(fine[np.minimum(at, fine.size - 1)] != interior)
    return None if bad.size == 0 else int(bad[0]) + offset


def prolongation_rows(coarse: FloatArray, fine: FloatArray, order: int) -> tuple[IntArray, FloatArray]:
    """Rows of P for two extended knot vectors, nested on the domain: c_fine[j] = sum_k values[j, k] c[start[j] + k].

    Returns
    -------
    start : array of int (dim_fine,)
    values : array (dim_fine, r)
    """
    dim = fine.size - order
    start, values = np.empty(dim, np.int64), np.empty((dim, order))
    # Copies: read-only arrays are another type to Numba, which would compile the kernel a second time.
    knot_insertion.prolongation_rows(0, dim, order, coarse.copy(), fine.copy(), start, values)
    return start, values


def apply_rows(start: IntArray, values: FloatArray, c: Array) -> Array:
    """P c along the last axis of c (..., dim_coarse)."""
    window = start[:, None] + np.arange(values.shape[1])
    return np.einsum("...jk,jk->...j", c[..., window], values)
