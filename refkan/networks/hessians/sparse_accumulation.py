r"""Gauss-Newton-like matrices from local functions: sums over samples that never write down a row of the Jacobian.

Where u_q = sum_{p,i} W[q, p, i] phi_{p,i}(x_p) in a layer and in another one (or the same, '), any quadratic form
in the tangents of u and u' with a matrix T_s for each sample gives the block

    H[(q, p, i), (q', p', i')] = sum_s T_s[q, q'] phi_{p,i}(x_p) phi'_{p',i'}(x_p'),

to which a sample adds r r' numbers for each pair of inputs and of outputs. For the Gauss-Newton matrix
T_s = w_s/N sum_o G_s[o, q] G'_s[o, q'] with G = dF/du; for the exact Hessian T_s is a sum of more terms of this form.

Which way to a Gauss-Newton matrix is faster.

For each sample and output, dense rows of J cost M (M + 1)/2 multiplications in BLAS and M numbers to write. Sums over
local functions cost, for each pair of slots and block of K pairs (q, q'), r windows of r' K multiplications in a
compiled loop, and a fixed time for the order of samples and the loops' starts. Both differ between the kernels for few
and for many pairs, and the plain one multiplies each pair of functions by itself. Each pair of layers also costs a time
that does not depend on the samples: its sums are laid out, begin with zeros, and are written into the matrix. The
constants are those of one core; several cores help both.
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
from refkan.networks.hessians.window_products import Sums, Window, all_pairs, unordered_pairs
from refkan.networks.layers.functions import LocalForm


class RawMatrix:
    """A symmetric matrix in the raw coefficients of all layers as sums over samples.

    Parameters
    ----------
    forms : sequence of LocalForm
        The layers; their shapes and charts matter, not their samples.
    n_samples : int
        How many samples there will be: with the engine in use, this decides which kernels sum.
    """

    def __init__(self, forms: Sequence[LocalForm], n_samples: float) -> None:
        self.forms, offset, windows = forms, 0, []
        for form in forms:
            mine = []
            for block in form.blocks:
                mine.append(Window(block.slots, block.dim, block.width, offset))
                offset += form.n_outputs * block.slots * block.dim
            windows.append(mine)
        self.size = offset
        self.pairs: dict[tuple[int, int], list[tuple[int, int, Sums]]] = {}
        for l, k in itertools.combinations_with_replacement(range(len(forms)), 2):
            outputs = forms[k].n_outputs, forms[l].n_outputs
            q_pairs = unordered_pairs(outputs[0]) if k == l else all_pairs(*outputs)  # T is symmetric where k = l
            self.pairs[k, l] = [
                (i, j, Sums((a, b), q_pairs, k == l and i == j))
                for i, a in enumerate(windows[k])
                for j, b in enumerate(windows[l][: i + 1] if k == l else windows[l])
            ]
        self.fast = takes_fast(n_samples * sum(sums.saved for sums in self.all_sums), MATRICES)
        for sums in self.all_sums:
            sums.fast = self.fast

    @property
    def all_sums(self) -> list[Sums]:
        """The sums of all pairs of layers and of their blocks."""
        return [sums for pair in self.pairs.values() for _, _, sums in pair]

    def split(self, count: int) -> None:
        """Have sums over so many parts of the samples, which `matrix` adds in order."""
        for sums in self.all_sums:
            sums.count = count
            _ = sums.store  # before several threads ask for it

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
                sums.add(upper.start, upper.values, forms[l].blocks[j], sums.couple(G[k], G[l]), part=part)

    def add_moved(self, k: int, l: int, forms: Sequence[LocalForm], du: FloatArray, R: FloatArray) -> None:
        """Add what cotangents du (n, Q) of u_k hold when inputs of layer k move, R (n, P, Q') = dx_p/du'_q'.

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
        H: FloatArray = recycled((self.size, self.size))  # all of which is written
        for (k, l), pair in self.pairs.items():
            for _, _, sums in pair:
                sums.write(H, other_order=k == l)
        if all(form.chart is None for form in self.forms):
            return H
        parts: list[Any] = [
            sp.eye_array(sum(form.n_outputs * block.slots * block.dim for block in form.blocks))
            if form.chart is None
            else form.chart.jacobian
            for form in self.forms
        ]
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


# Nanoseconds, fitted to thirteen networks on one core of a server of 2022 (AVX-512). The choice, not the result,
# depends on them.
BLAS_PRODUCT = 0.040
DENSE_ENTRY = 2.3
FEW_PAIR, FEW_PRODUCT = 3.0, 0.17
MANY_PAIR, MANY_PRODUCT = 15.0, 0.055
PLAIN_PRODUCT, PLAIN_SUM = 1.5, 0.35

EACH_SUMS = 1e5
"""Nanoseconds by which a matrix takes longer by sums, for each pair of layers: measured for [1, 6], [2, 5, 1] and
[2, 5, 5, 1] on 64 samples."""

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
    raw = RawMatrix(forms, n_samples) if raw is None else raw
    sparse = sparse_nanoseconds(raw) + EACH_SUMS * len(raw.all_sums) / n_samples
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
            each = start + product * (a.width + 1) * b.width * sums.width
        else:
            each = a.width * b.width * (PLAIN_PRODUCT + PLAIN_SUM * sums.width)
        total += sums.slot_pairs[0].size * sums.blocks * each
    return total
