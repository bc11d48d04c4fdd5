r"""Sums of samples in turn, each over its windows of r functions, by kernels compiled for r and the channels.

`kernels.local_jets` sums values as it sums jets: a value is a jet with no directions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, IntArray, lazy
from refkan.kernels import local_jets, plain_sums
from refkan.kernels.launch import launch
from refkan.kernels.local_jets import LANES, TILE
from refkan.kernels.recycled_memory import recycled
from refkan.splines.sums.input_jet import packed
from refkan.splines.sums.plain import PlainSums
from refkan.splines.sums.sums import Cotangents, SplineSums

FEW_OUTPUTS = 2
"""Outputs up to which a loop over them has less work than overhead."""

PARTS = 8
"""Parts of the samples, times groups of inputs, that sum coefficient gradients apart: fixed, so that bits do not
depend on threads."""

LEAST_SAMPLES = 64
"""Samples that are worth a part of their own."""

GROUP_ENTRIES = 32768
"""Entries of the sums that one task adds to, to stay in the second cache (256 kB)."""


class WindowSums(SplineSums):
    """Values and jets by the windows of each sample; of real numbers.

    The jets of the basis are formed again by every sweep on its way: to keep them costs more.
    """

    fast = True

    def _first_value(self) -> Array:
        return self._contract(self._laid_out, self.start)

    @property
    def _few(self) -> bool:
        return self.n_outputs <= FEW_OUTPUTS

    @lazy
    def plain(self) -> PlainSums:
        """The same sums by the plain engine, for complex cotangents and tangents."""
        return PlainSums(self.tables, self.C, self.at, self.channels, self.outside, self.slack, self.back)

    @lazy
    def _laid_out(self) -> FloatArray:
        """Coefficients as kernels take them."""
        return self._lay_out(self.C)

    def _lay_out(self, C: FloatArray) -> FloatArray:
        """Coefficients (Q, P, dim) as (P, dim, Q) if outputs are few, else as `in_tiles` leaves them."""
        rows = packed(C.transpose(1, 2, 0))
        return rows if self._few else in_tiles(rows)

    @property
    def _lengths(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Sequences of as many items as functions in a window, channels, and first derivatives."""
        return (0,) * self.order, (0,) * self.channels.count, (0,) * self.channels.n_first

    def _all_rows(self) -> Array:
        return self.rows(max(self._depth, self.channels.order))

    def _contract(self, C: Array, start: IntArray) -> Array:
        """sum_p sum_i W_c[p, i] C[q, p, start + i]."""
        out: Array = recycled((*self.z.shape[:2], self.n_outputs))
        jets = start, self._all_rows(), self.z, C, *self._lengths
        launch(local_jets.contract_jets, out.shape[0], self._operations(), *jets, out)
        return out

    def _in_parts(self, run: Callable[..., Any], functions: tuple[Any, ...], dy: FloatArray, apart: bool) -> FloatArray:
        """dC (Q, P, dim) of functions and cotangents dy (N, channels, Q), summed by `run` in parts of the samples."""
        P, Q = self.n_inputs, dy.shape[2]
        few = Q <= FEW_OUTPUTS
        dim = (self.dim - self.order + 1) * self.order if apart else self.dim
        columns = Q if few else TILE * n_tiles(Q)
        groups = min(P, -(-P * dim * columns // GROUP_ENTRIES))
        parts = min(-(-PARTS // groups), max(1, dy.shape[0] // LEAST_SAMPLES))
        dC = np.zeros((parts, P, dim, Q) if few else (parts, P, n_tiles(Q), dim, TILE))
        lengths = self._lengths[: 2 if len(functions) == 1 else 3]
        operations = 2 * self.z.size * self.order * Q
        launch(run, parts * groups, operations, self._starts(apart), *functions, dy, groups, *lengths, dC)
        total = in_order(dC)
        sums = total if few else out_of_tiles(total, Q)
        return sums.transpose(2, 0, 1)

    def _sums(self, W: Array, dy: FloatArray, apart: bool) -> FloatArray:
        few = dy.shape[2] <= FEW_OUTPUTS
        run = local_jets.pull_back_coefficients_few if few else local_jets.pull_back_coefficients
        return self._in_parts(run, (packed(W),), packed(dy), apart)

    def pull_back(self, dy: FloatArray, inputs: bool = True, apart: bool = False) -> Cotangents:
        """dC[q, p, i] = sum_s sum_c dy[s, c, q] W[s, c, p, i], and the cotangent of z."""
        if dy.dtype.kind == "c":
            return self.plain.pull_back(dy, inputs, apart)
        dC = self._in_parts(local_jets.pull_back_jets, (self._all_rows(), self.z), packed(dy), apart)
        return dC, self.pull_back_inputs(dy[:, None])[:, 0] if inputs else None

    def push_forward(self, dC: FloatArray, dz: FloatArray | None = None, apart: bool = False) -> FloatArray:
        """sum_p sum_i (dC W + C dW), dW along dz."""
        if dC.dtype.kind == "c" or (dz is not None and dz.dtype.kind == "c"):
            return self.plain.push_forward(dC, dz, apart)
        dy: FloatArray = self._contract(self._lay_out(dC), self._starts(apart))
        if dz is not None:
            W = packed(self._row_tangents(dz))
            run, lengths = (local_jets.contract_few if self._few else local_jets.contract), self._lengths[:2]
            moving: FloatArray = recycled(dy.shape)
            launch(run, dy.shape[0], self._operations(), self.start, W, self._laid_out, *lengths, moving)
            dy += moving
        return dy

    def pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, P) of (x, u, v) of every input, from those of the jets of the outputs."""
        if G.dtype.kind == "c":
            return self.plain.pull_back_inputs(G)
        return self._pull_back_inputs(self.rows(self.channels.order + 1), self._laid_out, G)

    def _pull_back_inputs(self, rows: Array, C: FloatArray, G: FloatArray) -> FloatArray:
        G = packed(G)
        dz: FloatArray = recycled((*G.shape[:3], self.n_inputs))
        arguments = G.shape[0], 2 * self._operations(G.shape[1]), self.start, rows, self.z, C, G
        if self._few:
            launch(local_jets.pull_back_inputs_few, *arguments, *self._lengths, dz)
        else:
            launch(local_jets.pull_back_inputs, *arguments, *self._lengths, LANES, dz)
        return dz

    def _project(self, derivative: int, C: FloatArray, G: FloatArray) -> FloatArray:
        # The cotangent of x is made of first derivatives: those of rows that begin one earlier are what is asked.
        C = self._laid_out if C is self.C else self._lay_out(C)
        return self._pull_back_inputs(self.rows(derivative)[derivative - 1 :], C, G[:, :, None])[:, :, 0]

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """out[s, o, q, p, start + i] = sum_c G[s, o, c, q] W[s, c, p, i]."""
        operations = self._operations(G.shape[1])
        launch(plain_sums.scatter_jacobian, G.shape[0], operations, self.start, self.W, packed(G), out)


def n_tiles(n_outputs: int) -> int:
    """Number of tiles of outputs."""
    return -(-n_outputs // TILE)


def in_tiles(C: FloatArray) -> FloatArray:
    """Coefficients (P, dim, Q) as (P, tiles, dim, TILE), filled up with zeros."""
    P, dim, Q = C.shape
    tiled = np.zeros((P, n_tiles(Q), dim, TILE))
    for tile in range(tiled.shape[1]):
        part = C[:, :, tile * TILE : (tile + 1) * TILE]
        tiled[:, tile, :, : part.shape[2]] = part
    return tiled


def out_of_tiles(tiled: FloatArray, n_outputs: int) -> FloatArray:
    """Undo `in_tiles`."""
    P, tiles, dim, width = tiled.shape
    return tiled.transpose(0, 2, 1, 3).reshape(P, dim, tiles * width)[:, :, :n_outputs]


def in_order(parts: FloatArray) -> FloatArray:
    """The sum of all parts, added in order to the first."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total
