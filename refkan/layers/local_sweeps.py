r"""Values and cotangents of spline layers, block by block of samples that stay in a cache.

Samples are cut into blocks, inputs into groups; neither depends on the number of threads. Forward, every block is a
task of its own. Backward, every group of inputs is one, and if these are few, each of some parts of the blocks: parts
have accumulators of their own, which are added in order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from refkan.array_types import FloatArray
from refkan.kernels import sorted_layer
from refkan.kernels.launch import run_blocks
from refkan.kernels.sorted_layer import ROW, TILE
from refkan.local_basis import KnotTables
from refkan.sorted_basis import SortedSamples, aligned, fill_sorted_rows, largest_block, scratch, sort_samples

SLOTS = 40
"""Slots at a time, of which rows take 36 kB each. Fewer would do for the cache, but threads that return from kernels
too often wait for each other to take up Python again."""

TASKS = 4
"""Tasks of a backward sweep, at least, where there are blocks enough."""

FEW_OUTPUTS = 4
"""Outputs below which loops go over the runs of intervals, not over outputs."""


class LocalSweep(ABC):
    """A spline layer as blocks of samples and groups of inputs.

    Parameters
    ----------
    tables : KnotTables
        Real.
    C : array (Q, P, dim)
        Coefficients, contiguous, not written to as long as the sweep lives; nor is x.
    x : array (N, P)
    outside : {"linear", "polynomial", "natural", "error"}
        Points outside are not looked for under "error".
    """

    def __init__(self, tables: KnotTables, C: FloatArray, x: FloatArray, outside: str) -> None:
        self.tables, self.x, self.outside = tables, np.ascontiguousarray(x), outside
        self.n_outputs, self.n_inputs, self.dim = C.shape
        self.groups = -(-self.n_inputs // SLOTS)
        self.width = -(-self.n_inputs // self.groups)
        self.n_blocks = max(1, -(-x.shape[0] // largest_block(tables.breakpoints.shape[1] - 1)))
        self.size = -(-x.shape[0] // self.n_blocks)
        together = max(1, SLOTS // self.width)
        starts = range(0, self.n_blocks, together)
        self.chunks = [(first, min(self.n_blocks, first + together)) for first in starts]  # blocks worked together
        self._samples: dict[tuple[int, int], SortedSamples] = {}

    def _inputs(self, group: int) -> tuple[int, int]:
        return group * self.width, min(self.n_inputs, (group + 1) * self.width)

    def _basis(self, first: int, last: int, group: int, derivatives: int) -> tuple[SortedSamples, FloatArray]:
        """Order and rows of blocks first, ..., last - 1: the first is kept, the second good until the next call.

        Rows are as quickly computed again as fetched from memory that no cache holds.
        """
        at = self._samples.get((first, group))
        if at is None:
            blocks = last - first, self.size
            at = sort_samples(self.tables, self.x, first * self.size, blocks, self._inputs(group), self.outside)
            self._samples[first, group] = at
        rows = scratch("rows", (at.order.shape[0], derivatives + 1, self.tables.order, ROW))
        fill_sorted_rows(self.tables, self.x, at, self.outside, rows)
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

    def __init__(self, tables: KnotTables, C: FloatArray, x: FloatArray, outside: str) -> None:
        super().__init__(tables, C, x, outside)
        self.few = self.n_outputs < FEW_OUTPUTS
        self.lanes = self.n_outputs if self.few else -(-self.n_outputs // 4) * 4
        self.tiles = -(-self.lanes // TILE)
        self.C = C if self.few else self._pack(C)

    def _pack(self, C: FloatArray) -> FloatArray:
        packed = aligned((self.n_inputs, self.tiles, self.dim, TILE))
        sorted_layer.to_tiles(0, self.n_inputs, C, packed)
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
                run: Callable[..., None] = sorted_layer.contract_few if self.few else sorted_layer.contract
                run(
                    0, last - first, at.order, at.ends, rows.reshape(-1), rows[0].size, *self._coefficients(group),
                    (0,) * self.tables.order, y,
                )  # fmt: skip
            sorted_layer.from_blocks(first, last, y, out)

        run_blocks(work, len(self.chunks), self._operations)
        return out

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Sum over four samples at a time."""
        return self.sums_of_rows(dy, 1, inputs)

    def sums_of_rows(self, dy: FloatArray, stride: int, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Sums over samples of b_i dy[s, q] at [q, p, m stride + i], m the interval of x[s, p]; and dx as `pull_back`.

        At stride 1 they are dC; at stride r those of each interval by itself.
        """
        g = scratch("dy", (self.n_blocks, self.size + 2, self.lanes))
        sorted_layer.to_blocks(0, self.n_blocks, np.require(dy, requirements=["C", "W"]), g)
        n_chunks = len(self.chunks)
        parts = min(n_chunks, -(-TASKS // self.groups))
        dim = (self.tables.breakpoints.shape[1] - 2) * stride + self.tables.order
        shape = (self.n_outputs, self.n_inputs, dim) if self.few else (self.n_inputs, self.tiles, dim, TILE)
        dC = scratch("dC", (parts, *shape))
        dC[:] = 0.0
        dx = np.empty(self.x.shape) if inputs else None

        def work(task: int) -> None:
            part, group = divmod(task, self.groups)
            for first, last in self.chunks[part * n_chunks // parts : (part + 1) * n_chunks // parts]:
                self._pull_back_chunk(first, last, group, g[first:last], stride, dC[part], dx)

        run_blocks(work, parts * self.groups, 3 * self._operations)
        sums = np.empty((self.n_outputs, self.n_inputs, dim))
        if self.few:
            np.sum(dC, axis=0, out=sums)
        else:
            sorted_layer.from_tiles(0, self.n_inputs, dC, sums)
        return sums, dx

    def _pull_back_chunk(
        self, first: int, last: int, group: int, g: FloatArray, stride: int, dC: FloatArray, dx: FloatArray | None
    ) -> None:
        inputs, width = self._inputs(group), (0,) * self.tables.order
        at, rows = self._basis(first, last, group, 0 if dx is None else 1)
        where, flat, step = (at.order, at.ends), rows.reshape(-1), rows[0].size
        if self.few:
            sorted_layer.pull_back_coefficients_few(
                0, inputs[1] - inputs[0], *where, flat, step, g, inputs[0], width, stride, dC,
            )  # fmt: skip
        else:
            sorted_layer.pull_back_coefficients(
                0, inputs[1] - inputs[0], *where, flat, step, g, width, stride, dC[slice(*inputs)].reshape(-1),
            )  # fmt: skip
        if dx is None:
            return
        slots = scratch("dx", (at.order.shape[0], self.size + 2))
        run: Callable[..., None] = sorted_layer.pull_back_inputs_few if self.few else sorted_layer.pull_back_inputs
        run(
            0, slots.shape[0], *where, flat[rows[0, 0].size :], step, *self._coefficients(group), g, width, slots,
        )  # fmt: skip
        sorted_layer.from_slots(first, last, slots, inputs[0], dx)

    def _coefficients(self, group: int) -> tuple[FloatArray | int, ...]:
        """What kernels take for the coefficients of a group of inputs."""
        first, last = self._inputs(group)
        return (self.C, first) if self.few else (self.C[first:last].reshape(-1),)
