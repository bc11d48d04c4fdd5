r"""The local basis of blocks of samples, in the order of their intervals: what the fast sums of layers work on."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np

from refkan.array_types import FloatArray
from refkan.kernels import bspline_basis, sorted_layer
from refkan.kernels.sorted_layer import ROW, RUN
from refkan.local_basis import OUTSIDE, KnotTables

LARGEST_BLOCK = 512
"""Samples of a block: their rows of a slot stay in a cache of 32 kB."""

LARGEST_SCRATCH = 2**20
"""Numbers that a thread keeps under a name."""

_memory = threading.local()


@dataclass(frozen=True, eq=False)
class SortedSamples:
    """Slots, input slot % P of P at block slot // P of B samples, and the order of their points.

    See `kernels.sorted_layer`.

    Attributes
    ----------
    sample, size : int
        First sample of the first block, and the size B of blocks.
    inputs : (int, int)
        Range of inputs that slots take turns in.
    order : array (slots, places)
        Which sample of its block lies at a place; B or B + 1 where there is none.
    ends : array (slots, n+1)
        Where the runs of the intervals start and end.
    strays : array (slots,)
        Number of points outside the domain.
    """

    sample: int
    size: int
    inputs: tuple[int, int]
    order: np.ndarray
    ends: np.ndarray
    strays: np.ndarray


def largest_block(intervals: int) -> int:
    """Samples of a block, so that the runs of all intervals, each filled up, fit into a row."""
    padding = RUN - 1
    return max(ROW // (1 + padding), min(LARGEST_BLOCK, ROW - padding * intervals))


def aligned(shape: tuple[int, ...]) -> FloatArray:
    """Numbers that start at a cache line: half of all vectors would cross from one into the next otherwise."""
    size = math.prod(shape)
    memory = np.empty(size + 8)
    start = -memory.ctypes.data // 8 % 8
    return memory[start : start + size].reshape(shape)


def scratch(name: str, shape: tuple[int, ...]) -> FloatArray:
    """Aligned numbers of this thread, good until it asks for that name again: new pages cost more than filling them."""
    size = math.prod(shape)
    if size > LARGEST_SCRATCH:
        return aligned(shape)
    kept: FloatArray | None = getattr(_memory, name, None)
    if kept is None or kept.size < size:
        kept = aligned((size,))
        setattr(_memory, name, kept)
    return kept[:size].reshape(shape)


def sort_samples(
    tables: KnotTables, x: FloatArray, sample: int, shape: tuple[int, int], inputs: tuple[int, int], outside: str
) -> SortedSamples:
    """Sort blocks of samples.

    Parameters
    ----------
    tables : KnotTables
        Real.
    x : array (N, inputs)
        Contiguous.
    sample : int
        The first sample of the blocks.
    shape : (int, int)
        Number of blocks and their size B, at most `largest_block`; samples beyond the last are that one again.
    inputs : (int, int)
        Range of inputs that slots take turns in.
    outside : {"linear", "polynomial", "natural", "error"}
        Points outside are not looked for under "error".
    """
    n_blocks, size = shape
    slots, intervals = n_blocks * (inputs[1] - inputs[0]), tables.breakpoints.shape[1] - 1
    guide, scale, halvings = tables.search
    m, strays = np.empty((slots, size), np.uint64), np.empty(slots, np.int64)
    bspline_basis.find_intervals_of_slots(
        0, slots, x, sample, inputs, tables.breakpoints, guide, scale, halvings, OUTSIDE[outside], m, strays,
    )  # fmt: skip
    order = np.empty((slots, size + (RUN - 1) * min(size, intervals)), np.uint16)
    ends = np.empty((slots, intervals + 1), np.int32)
    sorted_layer.sort_slots(0, slots, m, order, ends)
    return SortedSamples(sample, size, inputs, order, ends, strays)


def fill_sorted_rows(tables: KnotTables, x: FloatArray, at: SortedSamples, outside: str, rows: FloatArray) -> None:
    """Derivative d of the r B-splines of the interval at every place, in rows (slots, D+1, r, ROW), D <= 1."""
    slots, depth, order, _ = rows.shape
    policy, part = OUTSIDE[outside], slice(*at.inputs)
    knots, inverse_spans = tables.knots[part], tables.inverse_spans[part]
    points = np.empty(at.order.shape)
    sorted_layer.fill_slots(
        0, slots, x, at.sample, at.inputs, at.size, at.order, at.ends, knots, inverse_spans, (0,) * order, (0,) * depth,
        points, rows.reshape(-1),
    )  # fmt: skip
    if policy != bspline_basis.POLYNOMIAL and at.strays.any():
        tangents = np.ascontiguousarray(tables.tangents[:, :, part])
        bspline_basis.fill_tails_of_slots(
            0, slots, points, knots, inverse_spans, tangents, policy, at.strays, at.ends, rows,
        )  # fmt: skip
