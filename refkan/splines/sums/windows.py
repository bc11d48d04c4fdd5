r"""Sums over samples one after another, each over its windows of r functions, by kernels compiled for r and channels.

`kernels.local_jets` treats values as jets with no directions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, IntArray, lazy
from refkan.kernels import local_jets
from refkan.kernels.launch import launch
from refkan.kernels.local_jets import LANES, TILE
from refkan.kernels.recycled_memory import recycled
from refkan.kernels.vectors import lanes
from refkan.splines.sums.input_jet import packed
from refkan.splines.sums.sums import Cotangents, PlainSums, SplineSums

FEW_OUTPUTS = 2
"""Largest number of outputs for which a tile is not padded: padding would cost more than the sums."""

PARTS = 8
"""Parts of the samples, times groups of inputs, with separate sums of coefficient gradients: fixed, so that bits do
not depend on the number of threads."""

LEAST_SAMPLES = 64
"""Least number of samples in a part."""

GROUP_ENTRIES = 32768
"""Entries of the sums of one task, which stay in the second-level cache (256 kB)."""


class WindowSums(SplineSums):
    """Values and jets by the windows of each sample; of real numbers.

    Every sweep forms the jets of the basis again: to store them would cost more.
    """

    fast = True

    def _first_value(self) -> Array:
        return self._contract(self._laid_out, self.start)

    @lazy
    def plain(self) -> PlainSums:
        """The same sums by the plain engine, for complex cotangents and tangents."""
        return PlainSums(
            self.tables,
            self.C,
            self.at,
            self.channels,
            self.outside,
            self.slack,
            self.back,
        )

    @lazy
    def _laid_out(self) -> FloatArray:
        """Coefficients in the layout of the kernels."""
        return self._lay_out(self.C)

    def _lay_out(self, C: FloatArray) -> FloatArray:
        """Coefficients (Q, P, dim) as `in_tiles` leaves them."""
        return in_tiles(C, len(self._lengths[-1]))

    @lazy
    def _lengths(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Tuples whose lengths are the numbers of functions in a window, channels, first derivatives, and outputs.

        Outputs are those of a tile.
        """
        width = (0,) * self.order
        count = (0,) * self.channels.count
        firsts = (0,) * self.channels.n_first
        tile = (0,) * tile_of(self.n_outputs)
        return width, count, firsts, tile

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
        stride = self._stride(apart)
        dim = (self.dim - self.order) * stride + self.order
        tile = tile_of(Q)
        tiles = -(-Q // tile)
        groups = min(P, -(-P * dim * tile * tiles // GROUP_ENTRIES))
        parts = min(-(-PARTS // groups), max(1, dy.shape[0] // LEAST_SAMPLES))
        dC = np.zeros((parts, P, tiles, dim, tile))
        width, count, firsts, _ = self._lengths
        lengths: tuple[Any, ...] = width, count
        if len(functions) > 1:  # the kernel forms jets
            lengths = width, count, firsts
        operations = 2 * self.z.size * self.order * Q
        launch(
            run, parts * groups, operations,
            self._starts(apart), *functions, dy, groups, *lengths, (0,) * tile, dC,
        )  # fmt: skip
        return out_of_tiles(in_order(dC), Q)

    def _starts(self, apart: bool) -> IntArray:
        """Numbers (N, P) of the first coefficient of each window."""
        if apart:
            return self.start * self.order
        return self.start

    def _sums(self, W: Array, dy: FloatArray, apart: bool) -> FloatArray:
        return self._in_parts(local_jets.pull_back_coefficients, (packed(W),), packed(dy), apart)

    def pull_back(self, dy: FloatArray, inputs: bool = True, apart: bool = False) -> Cotangents:
        """dC[q, p, i] = sum_s sum_c dy[s, c, q] W[s, c, p, i], and the cotangent of z."""
        if dy.dtype.kind == "c":
            return self.plain.pull_back(dy, inputs, apart)
        functions = self._all_rows(), self.z
        dC = self._in_parts(local_jets.pull_back_jets, functions, packed(dy), apart)
        if not inputs:
            return dC, None
        return dC, self.pull_back_inputs(dy[:, None])[:, 0]

    def push_forward(self, dC: FloatArray, dz: FloatArray | None = None, apart: bool = False) -> FloatArray:
        """sum_p sum_i (dC W + C dW), dW along dz."""
        if dC.dtype.kind == "c" or (dz is not None and dz.dtype.kind == "c"):
            return self.plain.push_forward(dC, dz, apart)
        dy: FloatArray = self._contract(self._lay_out(dC), self._starts(apart))
        if dz is not None:
            W, (width, count, _, tile) = packed(self._row_tangents(dz)), self._lengths
            moving: FloatArray = recycled(dy.shape)
            arguments = self.start, W, self._laid_out, width, count, tile, moving
            launch(local_jets.contract, dy.shape[0], self._operations(), *arguments)
            dy += moving
        return dy

    def pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, P) of (x, u, v) of every input, from those of the jets of the outputs."""
        if G.dtype.kind == "c":
            return self.plain.pull_back_inputs(G)
        return super().pull_back_inputs(G)

    def _pull_back_inputs(self, rows: Array, C: FloatArray, G: FloatArray) -> FloatArray:
        G = packed(G)
        dz: FloatArray = recycled((*G.shape[:3], self.n_inputs))
        if self.channels.count == 1:
            tile = min(lanes(self.n_outputs), LANES)
            values = self.start, packed(rows[1]), in_tiles(C, tile), G, self._lengths[0], (0,) * tile
            launch(local_jets.pull_back_values, G.shape[0], self._operations(G.shape[1]), *values, dz)
            return dz
        C = self._laid_out if C is self.C else self._lay_out(C)
        together = min(LANES, len(self._lengths[-1]))
        operations = 2 * self._operations(G.shape[1])
        arguments = self.start, rows, self.z, C, G, *self._lengths, together, dz
        launch(local_jets.pull_back_inputs, G.shape[0], operations, *arguments)
        return dz


def tile_of(n_outputs: int) -> int:
    """Number of outputs in a tile."""
    if n_outputs <= FEW_OUTPUTS:
        return n_outputs
    return TILE


def in_tiles(C: FloatArray, width: int, aligned: bool = False) -> FloatArray:
    """Coefficients (Q, P, dim) as (P, tiles, dim, width): outputs in tiles, the last one padded with zeros."""
    Q, P, dim = C.shape
    tiled: FloatArray = recycled((P, -(-Q // width), dim, width), aligned=aligned)
    for tile in range(tiled.shape[1]):
        part = C[tile * width : (tile + 1) * width]
        tiled[:, tile, :, : len(part)] = part.transpose(1, 2, 0)
        tiled[:, tile, :, len(part) :] = 0.0
    return tiled


def out_of_tiles(tiled: FloatArray, n_outputs: int) -> FloatArray:
    """Undo `in_tiles`."""
    P, tiles, dim, width = tiled.shape
    C: FloatArray = recycled((n_outputs, P, dim))
    for tile in range(tiles):
        part = C[tile * width : (tile + 1) * width]
        part[...] = tiled[:, tile, :, : len(part)].transpose(2, 0, 1)
    return C


def in_order(parts: FloatArray) -> FloatArray:
    """The sum of all parts, added in order to the first."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total
