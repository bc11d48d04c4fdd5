r"""Sums of samples in turn, each over the windows of r functions that it sees, by kernels compiled for r.

For values: `kernels.local_layer`, with coefficients (P, dim, Q), of which the r rows of a window lie together; up to
7 outputs, their number is known to the compiler as well.
"""

import numpy as np

from refkan.base import Array, FloatArray, IntArray, lazy
from refkan.kernels import local_layer
from refkan.kernels.launch import launch
from refkan.kernels.recycled_memory import recycled
from refkan.splines.sums.input_jet import packed
from refkan.splines.sums.plain import PlainSums
from refkan.splines.sums.sums import Cotangents, SplineSums

FEW_OUTPUTS = 8
"""Outputs below which a loop over them has less work than overhead, so that the compiler had better unroll it, and
sums go sample by sample, through the polynomials of intervals."""

MANY_INPUTS, PARTS, LEAST_SAMPLES = 8, 8, 512
"""Inputs from which on each of them is a task of the backward sweep; for fewer, parts of the samples are: at most, and
samples in one."""


class WindowSums(SplineSums):
    """Values (one channel) by the windows of each sample; of real numbers."""

    fast = True

    def _first_value(self) -> Array:
        return self._contract(self.rows(0)[0], self.coefficient_rows, self.start)[:, None]

    @lazy
    def coefficient_rows(self) -> Array:
        """Coefficients as (P, dim, Q)."""
        return packed(self.C.transpose(1, 2, 0))

    @lazy
    def plain(self) -> PlainSums:
        """The same sums by the plain engine, for complex cotangents."""
        return PlainSums(self.tables, self.C, self.at, self.channels, self.outside, self.slack, self.back)

    @property
    def _few(self) -> bool:
        return self.n_outputs < FEW_OUTPUTS

    @property
    def _lengths(self) -> tuple[tuple[int, ...], ...]:
        """What tells a compiled form how many functions a window has and, if few, how many outputs there are."""
        width = (0,) * self.order
        return (width, (0,) * self.n_outputs) if self._few else (width,)

    def _contract(self, rows: Array, C: Array, start: IntArray) -> Array:
        """sum_p sum_i rows[s, p, i] C[p, start + i, q]."""
        out: Array = recycled((rows.shape[0], C.shape[2]))
        run = local_layer.contract_few if self._few else local_layer.contract
        launch(run, out.shape[0], self._operations(), start, rows, C, *self._lengths, out)
        return out

    def _sums(self, W: Array, dy: FloatArray, apart: bool) -> FloatArray:
        rows, dy = packed(W[:, 0]), packed(dy[:, 0])
        n_columns = dy.shape[1]
        dim = (self.dim - self.order + 1) * self.order if apart else self.dim
        # One owner for each input; for few inputs fixed parts of the samples, added in order: independent of threads.
        parts = 1 if self.n_inputs >= MANY_INPUTS else min(PARTS, max(1, dy.shape[0] // LEAST_SAMPLES))
        dC = np.zeros((parts, self.n_inputs, dim, n_columns))
        arguments = parts * self.n_inputs, 2 * rows.size * n_columns, self._starts(apart), rows, dy
        if n_columns < FEW_OUTPUTS:
            few = (0,) * self.order, (0,) * n_columns
            launch(local_layer.pull_back_coefficients_few, *arguments, *few, dC)
        else:
            launch(local_layer.pull_back_coefficients, *arguments, dC)
        return in_order(dC).transpose(2, 0, 1)

    def pull_back(self, dy: FloatArray, inputs: bool = True, apart: bool = False) -> Cotangents:
        """Cotangents (dC, dz), from dy (N, 1, Q)."""
        if dy.dtype.kind == "c":
            return self.plain.pull_back(dy, inputs, apart)
        return self._sums(self.W, dy, apart), self.pull_back_inputs(dy[:, None])[:, 0] if inputs else None

    def push_forward(self, dC: FloatArray, dz: FloatArray | None = None, apart: bool = False) -> FloatArray:
        """sum_p sum_i (dC b_i + C b_i' dx_p): (N, 1, Q)."""
        if dC.dtype.kind == "c" or (dz is not None and dz.dtype.kind == "c"):
            return self.plain.push_forward(dC, dz, apart)
        moved = packed(dC.transpose(1, 2, 0))
        dy: FloatArray = self._contract(self.rows(0)[0], moved, self._starts(apart))
        if dz is not None:
            dy += self._contract(self.rows(1)[1] * dz[:, 0, :, None], self.coefficient_rows, self.start)
        return dy[:, None]

    def pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """dx[s, o, p] = sum_q G[s, o, q] sum_i C[q, p, start + i] b_i'(x[s, p]) as (N, O, 1, P)."""
        if G.dtype.kind == "c":
            return self.plain.pull_back_inputs(G)
        return self._project(1, self.C, G[:, :, 0])[:, :, None]

    def _project(self, derivative: int, C: FloatArray, G: FloatArray) -> FloatArray:
        rows = self.rows(derivative)[derivative]
        C = self.coefficient_rows if C is self.C else packed(C.transpose(1, 2, 0))
        dx: FloatArray = recycled((*G.shape[:2], self.n_inputs))
        run = local_layer.pull_back_inputs_few if self._few else local_layer.pull_back_inputs
        operations = self._operations(G.shape[1])
        launch(run, G.shape[0], operations, self.start, rows, C, packed(G), *self._lengths, dx)
        return dx

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """out[s, o, q, p, start + i] = G[s, o, 0, q] b_i(x[s, p])."""
        operations = self._operations(G.shape[1])
        rows, G = self.rows(0)[0], packed(G[:, :, 0])
        launch(local_layer.scatter_jacobian, G.shape[0], operations, self.start, rows, G, out)


def in_order(parts: FloatArray) -> FloatArray:
    """The sum of all parts, added in order to the first."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total
