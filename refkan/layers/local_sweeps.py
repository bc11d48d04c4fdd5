r"""Values and cotangents of spline layers, block by block of samples that stay in a cache.

Samples are cut into blocks, inputs into groups; neither depends on the number of threads. Forward, every block is a
task of its own. Backward, every group of inputs is one, and if these are few, each of some parts of the blocks: parts
have accumulators of their own, which are added in order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from refkan.array_types import FloatArray
from refkan.kernels import sorted_layer
from refkan.kernels.launch import launch, run_blocks
from refkan.kernels.sorted_layer import ROW, TILE
from refkan.local_basis import KnotTables
from refkan.sorted_basis import SortedSamples, aligned, fill_sorted_rows, largest_block, scratch, sort_samples

SLOTS = 20
"""Slots at a time: their rows take 64 kB each."""

TASKS = 4
"""Tasks of a backward sweep, at least, where there are blocks enough."""

KEPT = 2**22
"""Bytes of rows up to which they are kept for the backward sweep; beyond, they are as quickly computed again."""


class LocalSweep(ABC):
    """A spline layer with coefficients C (Q, P, dim) at x (N, P), real, as blocks of samples and groups of inputs."""

    def __init__(self, tables: KnotTables, C: FloatArray, x: FloatArray, outside: str, slopes: bool) -> None:
        self.tables, self.x, self.outside = tables, np.require(x, requirements=["C", "W"]), outside
        self.n_outputs, self.n_inputs, self.dim = C.shape
        self.groups = -(-self.n_inputs // SLOTS)
        self.width = -(-self.n_inputs // self.groups)
        self.n_blocks = max(1, -(-x.shape[0] // largest_block(tables.breakpoints.shape[1] - 1)))
        self.size = -(-x.shape[0] // self.n_blocks)
        together = max(1, SLOTS // self.width)
        starts = range(0, self.n_blocks, together)
        self.chunks = [(first, min(self.n_blocks, first + together)) for first in starts]  # blocks worked together
        self._keep = slopes and self.n_blocks * self.n_inputs * 2 * tables.order * 8 * ROW <= KEPT
        self._samples: dict[tuple[int, int], SortedSamples] = {}
        self._rows: dict[tuple[int, int], FloatArray] = {}

    def _inputs(self, group: int) -> tuple[int, int]:
        return group * self.width, min(self.n_inputs, (group + 1) * self.width)

    def _basis(self, first: int, last: int, group: int, derivatives: int) -> tuple[SortedSamples, FloatArray]:
        """Order and rows of blocks first, ..., last - 1."""
        at, rows = self._samples.get((first, group)), self._rows.get((first, group))
        if at is None:
            blocks = last - first, self.size
            at = sort_samples(self.tables, self.x, first * self.size, blocks, self._inputs(group), self.outside)
            self._samples[first, group] = at
        if rows is None:
            depth = 2 if self._keep else derivatives + 1
            shape = at.order.shape[0], depth, self.tables.order, ROW
            rows = aligned(shape) if self._keep else scratch("rows", shape)
            fill_sorted_rows(self.tables, self.x, at, self.outside, rows)
            if self._keep:
                self._rows[first, group] = rows
        return at, rows

    @property
    def _operations(self) -> float:
        return self.x.size * (40 + 2 * self.tables.order * self.n_outputs)

    @abstractmethod
    def forward(self) -> FloatArray:
        """y (N, Q)."""

    @abstractmethod
    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """dC (Q, P, dim) and dx (N, P), the latter if `inputs`, from dy (N, Q)."""


class SortedSweep(LocalSweep):
    """By sums over the runs of intervals: the same bits on any number of threads."""

    def __init__(self, tables: KnotTables, C: FloatArray, x: FloatArray, outside: str, slopes: bool) -> None:
        super().__init__(tables, C, x, outside, slopes)
        self.lanes = -(-self.n_outputs // 4) * 4
        self.tiles = -(-self.lanes // TILE)
        self.C = self._pack(C)

    def _pack(self, C: FloatArray) -> FloatArray:
        packed = aligned((self.n_inputs, self.tiles, self.dim, TILE))
        for tile in range(self.tiles):
            part = C[tile * TILE : (tile + 1) * TILE]
            packed[:, tile, :, : part.shape[0]] = part.transpose(1, 2, 0)
            packed[:, tile, :, part.shape[0] :] = 0.0
        return packed

    def forward(self) -> FloatArray:
        """Sum input by input."""
        out = np.empty((self.x.shape[0], self.n_outputs))

        def work(task: int) -> None:
            first, last = self.chunks[task]
            y = scratch("y", (last - first, self.size + 2, self.lanes))
            y[:] = 0.0
            for group in range(self.groups):
                at, rows = self._basis(first, last, group, 0)
                launch(
                    sorted_layer.contract, last - first, 0, at.order, at.ends, rows.reshape(-1), rows[0].size,
                    self.C[slice(*self._inputs(group))].reshape(-1), (0,) * self.tables.order, y,
                )  # fmt: skip
            for k in range(first, last):
                part = out[k * self.size : (k + 1) * self.size]
                part[:] = y[k - first, : part.shape[0], : self.n_outputs]

        run_blocks(work, len(self.chunks), self._operations)
        return out

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Sum over four samples at a time."""
        sums, dx = self.sums_of_rows(dy, 1, inputs)
        return np.ascontiguousarray(sums.transpose(2, 0, 1)), dx

    def sums_of_rows(self, dy: FloatArray, stride: int, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Sums over samples of b_i dy[s, q] at [p, m stride + i, q], m the interval of x[s, p]; and dx as `pull_back`.

        At stride 1 they are dC; at stride r those of each interval by itself.
        """
        g = scratch("dy", (self.n_blocks, self.size + 2, self.lanes))
        g[:, :, self.n_outputs :] = 0.0
        for k in range(self.n_blocks):
            rows = dy[k * self.size : (k + 1) * self.size]
            g[k, : rows.shape[0], : self.n_outputs] = rows
            g[k, rows.shape[0] :] = 0.0
        n_chunks = len(self.chunks)
        parts = min(n_chunks, -(-TASKS // self.groups))
        dim = (self.tables.breakpoints.shape[1] - 2) * stride + self.tables.order
        dC = scratch("dC", (parts, self.n_inputs, self.tiles, dim, TILE))
        dC[:] = 0.0
        dx = np.empty(self.x.shape) if inputs else None

        def work(task: int) -> None:
            part, group = divmod(task, self.groups)
            columns = slice(*self._inputs(group))
            for first, last in self.chunks[part * n_chunks // parts : (part + 1) * n_chunks // parts]:
                self._pull_back_chunk(first, last, group, g[first:last], stride, dC[part, columns], dx)

        run_blocks(work, parts * self.groups, 3 * self._operations)
        total = dC[0]
        for part in range(1, parts):
            total += dC[part]
        return self._unpack(total), dx

    def _pull_back_chunk(
        self, first: int, last: int, group: int, g: FloatArray, stride: int, dC: FloatArray, dx: FloatArray | None
    ) -> None:
        columns, width = slice(*self._inputs(group)), (0,) * self.tables.order
        at, rows = self._basis(first, last, group, 0 if dx is None else 1)
        flat, step = rows.reshape(-1), rows[0].size
        launch(
            sorted_layer.pull_back_coefficients, dC.shape[0], 0,
            at.order, at.ends, flat, step, g, width, stride, dC.reshape(-1),
        )  # fmt: skip
        if dx is None:
            return
        slots = scratch("dx", (at.order.shape[0], self.size + 2))
        launch(
            sorted_layer.pull_back_inputs, slots.shape[0], 0, at.order, at.ends, flat[rows[0, 0].size :], step,
            self.C[columns].reshape(-1), g, width, slots,
        )  # fmt: skip
        for k in range(first, last):
            part = dx[k * self.size : (k + 1) * self.size, columns]
            part[:] = slots.reshape(last - first, -1, self.size + 2)[k - first, :, : part.shape[0]].T

    def _unpack(self, packed: FloatArray) -> FloatArray:
        """Without tiles: (P, dim, Q)."""
        out = np.empty((self.n_inputs, packed.shape[2], self.n_outputs))
        for tile in range(self.tiles):
            part = out[:, :, tile * TILE : (tile + 1) * TILE]
            part[:] = packed[:, tile, :, : part.shape[2]]
        return out
