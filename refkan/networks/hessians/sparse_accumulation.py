r"""Gauss-Newton-like matrices as sums over samples of products of local functions, without rows of the Jacobian.

Let u_q = sum_{p,i} W[q, p, i] phi_{p,i}(x_p) in one layer, and u' likewise in another one or the same. A quadratic form
in the tangents of u and u' with a matrix T_s for each sample has the block

    H[(q, p, i), (q', p', i')] = sum_s T_s[q, q'] phi_{p,i}(x_p) phi'_{p',i'}(x_p'),

to which a sample adds r r' numbers for each pair of inputs and of outputs. For the Gauss-Newton matrix
T_s = w_s/N sum_o G_s[o, q] G'_s[o, q'] with G = dF/du; for the exact Hessian T_s is a sum of more terms of this form.

`choose_path` compares the costs. For each sample and output, dense rows of J cost M (M + 1)/2 multiplications in BLAS
and M numbers to write. Sums over local functions cost, for each pair of slots and block of K pairs (q, q'), r windows
of r' K multiplications in a compiled loop, and a fixed time for the order of samples and the start of loops. The
kernels for few and for many pairs differ in both, and the plain kernel multiplies each pair of functions separately.
Each pair of layers has another cost that does not depend on the samples: its sums are allocated, set to zero and
written into the matrix. The constants are those of one core.
"""

import itertools
import math
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import scipy.sparse as sp

from refkan.base import FloatArray, check_annotated
from refkan.kernels.engine_choice import MATRICES, takes_fast
from refkan.kernels.recycled_memory import recycled
from refkan.networks.hessians.memory import mirror
from refkan.networks.hessians.window_products import LONGEST_WINDOW, Sums, Window, all_pairs, unordered_pairs
from refkan.networks.layers.functions import LocalForm


class RawMatrix:
    """A symmetric matrix in the raw coefficients of all layers as sums over samples.

    Parameters
    ----------
    forms : sequence of LocalForm
        The layers, of which only shapes and charts are used.
    n_samples : int
        Number of samples to come; it and the engine in use determine the kernels.
    """

    def __init__(self, forms: Sequence[LocalForm], n_samples: float) -> None:
        self.forms, offset, windows = forms, 0, []
        for form in forms:
            of_form = []
            for block in form.blocks:
                of_form.append(Window(block.slots, block.dim, block.width, offset))
                offset += form.n_outputs * block.slots * block.dim
            windows.append(of_form)
        self.size = offset
        self.pairs: dict[tuple[int, int], list[tuple[int, int, Sums]]] = {}
        for l, k in itertools.combinations_with_replacement(range(len(forms)), 2):
            if k == l:  # T is symmetric
                q_pairs = unordered_pairs(forms[k].n_outputs)
            else:
                q_pairs = all_pairs(forms[k].n_outputs, forms[l].n_outputs)
            blocks = itertools.product(enumerate(windows[k]), enumerate(windows[l]))
            self.pairs[k, l] = [
                (i, j, Sums((a, b), q_pairs, same=k == l and i == j)) for (i, a), (j, b) in blocks if k != l or j <= i
            ]
        self.fast = takes_fast(n_samples * sum(sums.saved for sums in self.all_sums), MATRICES)
        for sums in self.all_sums:
            sums.fast = self.fast and max(window.width for window in sums.windows) <= LONGEST_WINDOW

    @property
    def all_sums(self) -> list[Sums]:
        """The sums of all pairs of layers and of their blocks."""
        return [sums for pair in self.pairs.values() for _, _, sums in pair]

    def split(self, count: int) -> None:
        """Prepare separate sums for `count` parts of the samples, which `matrix` adds in order."""
        for sums in self.all_sums:
            sums.count = count
            _ = sums.store  # allocated before threads use it

    def add(self, k: int, l: int, forms: Sequence[LocalForm], T: FloatArray) -> None:
        """Add samples with matrices T (n, Q, Q') to the blocks of layers k and l <= k."""
        for i, j, sums in self.pairs[k, l]:
            upper = forms[k].blocks[i]
            sums.add(upper.start, upper.values, forms[l].blocks[j], sums.pack(T))

    def add_products(self, forms: Sequence[LocalForm], G: Sequence[FloatArray], part: int) -> None:
        """Add samples to a part, with T = sum_o G_k[s, o, q] G_l[s, o, q'] for all pairs of layers."""
        for (k, l), pair in self.pairs.items():
            for i, j, sums in pair:
                upper = forms[k].blocks[i]
                T = sums.couple(G[k], G[l])
                sums.add(upper.start, upper.values, forms[l].blocks[j], T, part=part)

    def add_moved(self, k: int, l: int, forms: Sequence[LocalForm], du: FloatArray, R: FloatArray) -> None:
        """Add the terms of cotangents du (n, Q) of u_k for moving inputs of layer k, R (n, P, Q') = dx_p/du'_q'.

        To H[(q, p, i), (q', p', i')]: sum_s du[s, q] phi_{p,i}'(x_p) R[s, p, q'] phi'_{p',i'}(x_p').
        """
        for i, j, sums in self.pairs[k, l]:
            upper = forms[k].blocks[i]
            if upper.slopes is not None:
                for p in range(upper.slots):
                    T = sums.pack(du[:, :, None] * R[:, p, None, :])
                    sums.add(upper.start, upper.slopes, forms[l].blocks[j], T, p)

    def matrix(self) -> FloatArray:
        """The matrix in the parameters, D^T H D, D the block diagonal matrix of the layers' dW/dtheta."""
        H: FloatArray = recycled((self.size, self.size))  # every entry is written
        for (k, l), pair in self.pairs.items():
            for _, _, sums in pair:
                sums.write(H, other_order=k == l)
        if all(form.chart is None for form in self.forms):
            return H
        parts: list[Any] = []
        for form in self.forms:
            if form.chart is not None:
                parts.append(form.chart.jacobian)
                continue
            functions = sum(block.slots * block.dim for block in form.blocks)
            parts.append(sp.eye_array(form.n_outputs * functions))
        D = sp.block_diag(parts, format="csr")
        return mirror(np.ascontiguousarray(D.T @ (D.T @ H).T))

    @property
    def nbytes(self) -> int:
        """Bytes of the sums."""
        return sum(8 * prod(sums.shape) for sums in self.all_sums)

    @property
    def bytes_per_sample(self) -> int:
        """Bytes of a sample's matrix T, the largest of all pairs of layers."""
        return 8 * max(sums.blocks * sums.width for sums in self.all_sums)


# Nanoseconds, fitted to thirteen networks on one core of a server of 2022 (AVX-512). They affect the choice, not the
# result.
BLAS_PRODUCT = 0.040
DENSE_ENTRY = 2.3
FEW_PAIR, FEW_PRODUCT = 3.0, 0.17
MANY_PAIR, MANY_PRODUCT = 15.0, 0.055
PLAIN_PRODUCT, PLAIN_SUM = 1.5, 0.35

EACH_SUMS = 1e5
"""Additional nanoseconds of sums for each pair of layers, measured for [1, 6], [2, 5, 1] and [2, 5, 5, 1] on 64
samples."""

MARGIN = 1.3
"""Factor by which dense rows must be faster to be chosen: threads of BLAS wait for each other at every small product,
which is much slower if other programs use the cores."""


def choose_path(
    forms: Sequence[LocalForm] | None,
    n_params: int,
    n_outputs: int,
    n_samples: float = math.inf,
    raw: RawMatrix | None = None,
) -> str:
    """Return "sparse" if sums over local functions are expected to be faster than dense rows, else "dense".

    `forms` is None for free knots, which have no local functions; `raw` are the sums over all of them, if they exist
    already. The number of samples determines the engine, and with it the cost of the sums.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.networks.hessians.sparse_accumulation import choose_path
    >>> layer = rk.SplineLayer((rk.SplineSpace.uniform(order=3, intervals=400),), n_outputs=1)
    >>> form = layer.linearize(np.zeros(402), np.linspace(0.0, 1.0, 9)[:, None]).local_form()
    >>> choose_path([form], n_params=402, n_outputs=1, n_samples=10**5)
    'sparse'
    """
    check_annotated(choose_path, locals())
    if forms is None:
        return "dense"
    if raw is None:
        raw = RawMatrix(forms, n_samples)
    sparse = sparse_nanoseconds(raw) + EACH_SUMS * len(raw.all_sums) / n_samples
    if sparse < MARGIN * dense_nanoseconds(n_params, n_outputs):
        return "sparse"
    return "dense"


def dense_nanoseconds(n_params: int, n_outputs: int) -> float:
    """Time of a sample's rows of J and of their products."""
    return n_outputs * n_params * (BLAS_PRODUCT * (n_params + 1) / 2 + DENSE_ENTRY)


def sparse_nanoseconds(raw: RawMatrix) -> float:
    """Time of a sample's sums over local functions."""
    total = 0.0
    for sums in raw.all_sums:
        a, b = sums.windows
        if sums.fast:
            start, product = MANY_PAIR, MANY_PRODUCT
            if sums.few:
                start, product = FEW_PAIR, FEW_PRODUCT
            each = start + product * (a.width + 1) * b.width * sums.width
        else:
            each = a.width * b.width * (PLAIN_PRODUCT + PLAIN_SUM * sums.width)
        total += sums.slot_pairs[0].size * sums.blocks * each
    return total
