r"""Uniform dyadic refinement in closed form."""

from __future__ import annotations

from math import comb

import numpy as np
import scipy.sparse as sp

from refkan.base.arguments import check_count
from refkan.splines.knots import MAX_INTERVALS, check_order


def dyadic_prolongation(order: int, intervals: int) -> sp.csr_array:
    r"""Return the prolongation P (2n + r - 1, n + r - 1) from n to 2n uniform intervals, by its formula.

    The formula is b_i = sum_s 2^(1-r) C(r, s) b'_{2i+s}.

    With the paper's indices i = 1-r..n-1 and s = 0..r; entries with 2i + s outside 1-r..2n-1 are left out. Eq. (25) of
    [S26] prints the factor 2^-r: hat functions show that it is 2^(1-r), their weights being 1/2, 1, 1/2.

    Examples
    --------
    >>> from refkan.splines.transfer import dyadic_prolongation
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
