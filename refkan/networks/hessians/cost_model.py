r"""Which way to a Gauss-Newton matrix is faster.

For each sample and output, dense rows of J cost M (M + 1)/2 multiplications in BLAS and M numbers to write. Sums over
local functions cost, for each pair of slots and block of K pairs (q, q'), r windows of r' K multiplications in a
compiled loop, and a fixed time for the order of samples and the loops' starts. Both differ between the kernels for few
and for many pairs, and the plain one multiplies each pair of functions by itself. The constants are those of one core;
several cores help both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from refkan.base.annotations import check_annotated
from refkan.networks.hessians.sparse_accumulation import RawMatrix
from refkan.networks.layers import LocalForm

# Nanoseconds, fitted to thirteen networks on one core of a server of 2022 (AVX-512). The choice, not the result,
# depends on them.
BLAS_PRODUCT = 0.040
DENSE_ENTRY = 2.3
FEW_PAIR, FEW_PRODUCT = 3.0, 0.17
MANY_PAIR, MANY_PRODUCT = 15.0, 0.055
PLAIN_PRODUCT, PLAIN_SUM = 1.5, 0.35

MARGIN = 1.3
"""By how much dense rows must be expected to be faster: the threads of BLAS wait for each other at every small product,
which costs a multiple when other programs want the cores."""


def choose_path(
    forms: Sequence[LocalForm] | None,
    n_params: int,
    n_outputs: int,
    n_samples: float = math.inf,
    raw: RawMatrix | None = None,
) -> str:
    """Return "sparse" where sums over local functions are expected to be faster than dense rows, else "dense".

    `forms` is None where knots are free, which local functions do not serve; `raw` the sums over all of them, if they
    are laid out already. The number of samples decides between the engines, and with them what the sums cost.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.SplineLayer((rk.SplineSpace.uniform(order=3, intervals=400),), n_outputs=1)
    >>> form = layer.linearize(np.zeros(402), np.linspace(0.0, 1.0, 9)[:, None]).local_form()
    >>> rk.hessians.choose_path([form], n_params=402, n_outputs=1, n_samples=10**5)
    'sparse'
    """
    check_annotated(choose_path, locals())
    if forms is None:
        return "dense"
    sparse = sparse_nanoseconds(RawMatrix(forms, n_samples) if raw is None else raw)
    return "sparse" if sparse < MARGIN * dense_nanoseconds(n_params, n_outputs) else "dense"


def dense_nanoseconds(n_params: int, n_outputs: int) -> float:
    """Time of a sample's rows of J and of their products."""
    return n_outputs * n_params * (BLAS_PRODUCT * (n_params + 1) / 2 + DENSE_ENTRY)


def sparse_nanoseconds(raw: RawMatrix) -> float:
    """Time of a sample's sums over local functions."""
    total = 0.0
    for sums in raw.all_sums:
        a, b = sums.windows
        if sums.fast:
            start, product = (FEW_PAIR, FEW_PRODUCT) if sums.few else (MANY_PAIR, MANY_PRODUCT)
            one = start + product * (a.width + 1) * b.width * sums.width
        else:
            one = a.width * b.width * (PLAIN_PRODUCT + PLAIN_SUM * sums.width)
        total += sums.slot_pairs[0].size * sums.blocks * one
    return total
