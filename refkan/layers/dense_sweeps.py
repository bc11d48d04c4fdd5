r"""Values and cotangents of spline layers by BLAS, from the matrix Phi[s, p dim + i] = b_i(x[s, p]) of all functions.

    y = Phi C^T,    dC = dy^T Phi,    dx[s, p] = sum_i b_i'(x[s, p]) G[s, p dim + i],  G = dy C.

That is dim/r times the operations of the sums over r functions, at several times the rate: BLAS keeps more of them in
registers and has longer vectors than a compiled loop. `pays` weighs one against the other.
"""

from __future__ import annotations

import numpy as np

from refkan.array_types import FloatArray
from refkan.kernels import dense_rows
from refkan.kernels.launch import run_blocks
from refkan.layers.local_sweeps import LocalSweep
from refkan.local_basis import KnotTables
from refkan.sorted_basis import scratch

DENSE_RATE, SORTED_RATE = 60.0, 24.0
"""Operations a nanosecond of a thread in products of matrices, and in sums over runs of an interval."""

DENSE_SAMPLE, DENSE_ENTRY, SORTED_SAMPLE = 50.0, 1.2, 30.0
"""Nanoseconds beside them: for a sample of an input, for each entry of its row of Phi, and for one in a run."""


def pays(order: int, dim: int, n_outputs: int) -> bool:
    """Whether a sample of an input costs less by matrices, forward and backward: 6 dim Q operations, not 6 r Q."""
    dense = 6 * dim * n_outputs / DENSE_RATE + DENSE_SAMPLE + DENSE_ENTRY * dim
    return dense < 6 * order * n_outputs / SORTED_RATE + SORTED_SAMPLE


class DenseSweep(LocalSweep):
    """By products of matrices, whose bits may depend on the number of threads of BLAS."""

    def __init__(self, tables: KnotTables, C: FloatArray, x: FloatArray, outside: str) -> None:
        super().__init__(tables, C, x, outside)
        self.columns = self.n_inputs * self.dim
        self.C = np.ascontiguousarray(C.reshape(self.n_outputs, self.columns))

    def _samples_of(self, chunk: int) -> slice:
        first, last = self.chunks[chunk]
        return slice(first * self.size, min(self.x.shape[0], last * self.size))

    def _phi(self, chunk: int) -> FloatArray:
        """Phi at the samples of a chunk, and of what fills up its last block."""
        first, last = self.chunks[chunk]
        phi = scratch("phi", (last - first, self.size, self.columns))
        phi[:] = 0.0
        for group in range(self.groups):
            at, rows = self._basis(first, last, group, 0)
            dense_rows.scatter_rows(0, at.order.shape[0], at.order, at.ends, rows, at.inputs[0], phi)
        return phi.reshape(-1, self.columns)

    def forward(self) -> FloatArray:
        """One product for each chunk."""
        out = np.empty((self.x.shape[0], self.n_outputs))

        def work(chunk: int) -> None:
            samples = self._samples_of(chunk)
            np.matmul(self._phi(chunk)[: samples.stop - samples.start], self.C.T, out=out[samples])

        run_blocks(work, len(self.chunks), self._operations)
        return out

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Two products for each chunk; the first are added up in order."""
        n_chunks = len(self.chunks)
        parts = min(n_chunks, 4)
        dC = np.zeros((parts, self.n_outputs, self.columns))
        dx = np.empty(self.x.shape) if inputs else None

        def work(part: int) -> None:
            for chunk in range(part * n_chunks // parts, (part + 1) * n_chunks // parts):
                g = dy[self._samples_of(chunk)]
                phi = self._phi(chunk) if dx is None else self._pull_back_inputs(chunk, g, dx)
                product = scratch("product", dC.shape[1:])
                np.matmul(g.T, phi[: g.shape[0]], out=product)
                dC[part] += product

        run_blocks(work, parts, 3 * self._operations)
        total: FloatArray = dC[0]
        for part in dC[1:]:
            total += part
        return total.reshape(self.n_outputs, self.n_inputs, self.dim), dx

    def _pull_back_inputs(self, chunk: int, g: FloatArray, dx: FloatArray) -> FloatArray:
        """Fill dx at the samples of a chunk, and return its Phi, for which the rows are at hand."""
        first, last = self.chunks[chunk]
        blocks = last - first, self.size
        phi, G = scratch("phi", (*blocks, self.columns)), scratch("G", (*blocks, self.columns))
        phi[:] = 0.0
        np.matmul(g, self.C, out=G.reshape(-1, self.columns)[: g.shape[0]])
        out = scratch("dx", (*blocks, self.n_inputs))
        for group in range(self.groups):
            at, rows = self._basis(first, last, group, 1)
            slots, where = at.order.shape[0], (at.order, at.ends, rows, at.inputs[0])
            dense_rows.scatter_rows(0, slots, *where, phi)
            dense_rows.gather_slopes(0, slots, *where, G, out)
        dx[self._samples_of(chunk)] = out.reshape(-1, self.n_inputs)[: g.shape[0]]
        return phi.reshape(-1, self.columns)
