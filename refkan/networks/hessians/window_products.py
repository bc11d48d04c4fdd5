r"""Sums over samples of T[q, q'] phi_{p,i} phi'_{p',i'} for two blocks of functions and pairs (q, q') of outputs."""

from math import inf, prod

import numpy as np

from refkan.base import FloatArray, Frozen, IntArray, lazy
from refkan.kernels import gauss_newton_sums as kernels
from refkan.kernels import plain_sums
from refkan.kernels.launch import launch
from refkan.kernels.recycled_memory import recycled
from refkan.kernels.vectors import widest
from refkan.networks.layers.functions import Features

CACHE_ENTRIES = 2**17
"""Largest number of entries of the sums of one pair of slots, which stay in the second-level cache (1 MB)."""

MOST_WIDTH = 256
"""Largest number of pairs (q, q') in a block: the sums of a cell, r r' for each, stay in the first-level cache."""

LEAST_WIDTH = 8
"""Least number of pairs (q, q') in a block, if there are as many."""

TASKS = 6
"""Least number of pairs of slots times blocks, which several threads can share evenly."""

SAVED_PRODUCT, SAVED_SUM = 1.5, 0.3
"""Nanoseconds that the fast kernels save for each product of two functions and for each sum with it."""

FEW_SLOTS = 2
"""Least number of slots on the left, on average for one on the right, for which products of windows with few pairs (q,
q') are formed once for all of them."""

LONGEST_WINDOW = 10
"""Functions in the largest window that kernels are compiled for, the highest order of splines."""

LONG_BLOCK = 96
"""Number of pairs (q, q') from which on a block is a multiple of two vectors, since filling it up costs little."""


def blocks_of_pairs(n_pairs: int, n_slot_pairs: int, cells: int, window: float) -> tuple[int, int]:
    """Number and width of the blocks into which n_pairs pairs (q, q') are cut.

    cells is the product of dimensions; window the functions in one on the right, which decides whether vectors go over
    the width alone: then it is a multiple of 8. Infinity means that they do.
    """
    most = min(max(CACHE_ENTRIES // cells // LEAST_WIDTH, 1) * LEAST_WIDTH, MOST_WIDTH)
    count = max(-(-n_pairs // most), 1)
    count = max(count, min(-(-TASKS // n_slot_pairs), n_pairs // LEAST_WIDTH))
    width = -(-n_pairs // count)
    if width > 1 and width * window > kernels.LANES:
        multiple = kernels.VECTOR * (1 + (width >= LONG_BLOCK))
        width = -(-width // multiple) * multiple
    return -(-n_pairs // width), width


class Window(Frozen):
    """Where the functions of a block of coefficients lie: slots, dimension and width, and their place in the matrix."""

    slots: int
    dim: int
    width: int
    offset: int

    @property
    def lengths(self) -> tuple[int, ...]:
        """A tuple of `width` items, from which kernels know the length."""
        return (0,) * self.width


class Sums:
    """Sums over samples of T phi phi' for two blocks of functions and pairs (q, q') of outputs.

    Parameters
    ----------
    windows : pair of Window
    q_pairs : pair of arrays (K,)
    same : bool
        Whether the two blocks are one: slots p <= p' suffice.

    Attributes
    ----------
    few : bool
        Whether there are few pairs (q, q') in a block, and several slots on the left for one on the right, for all of
        which `accumulate_windows` forms products once.
    fast : bool
        Whether the kernels are compiled for these windows.
    count : int
        Number of parts of the samples with separate sums, which `write` adds in order: several threads may add samples,
        each to its part.
    """

    fast, count = True, 1

    def __init__(self, windows: tuple[Window, Window], q_pairs: tuple[IntArray, IntArray], same: bool) -> None:
        self.windows, self.q_pairs, self.same = windows, q_pairs, same
        a, b = windows
        # In the order of the right slot, which is faster in `accumulate_windows`.
        if same:
            right, left = ordered_pairs(a.slots)
        else:
            right, left = all_pairs(b.slots, a.slots)
        self.slot_pairs = left, right
        window = b.width if left.size >= FEW_SLOTS * b.slots else inf
        self.blocks, self.width = blocks_of_pairs(q_pairs[0].size, left.size, a.dim * b.dim, window)
        self.few = self.width * window <= kernels.LANES
        self.shape = left.size, self.blocks, a.dim, b.dim * self.width
        self._begun: set[int] = set()

    @property
    def saved(self) -> float:
        """Nanoseconds that the fast kernels save for each sample."""
        a, b = self.windows
        products = self.slot_pairs[0].size * self.blocks * a.width * b.width
        return products * (SAVED_PRODUCT + SAVED_SUM * self.width)

    @property
    def _lanes(self) -> tuple[int, ...]:
        """As many items as vectors of pairs (q, q') have numbers: two registers of the processor, if they fill them."""
        lanes = 2 * widest()
        if self.width % lanes:
            lanes = kernels.VECTOR
        return (0,) * lanes

    @lazy
    def store(self) -> FloatArray:
        """Memory for the sums of all parts, aligned to cache lines, which takes 0.8 of the time."""
        store: FloatArray = recycled((self.count, *self.shape), aligned=True)
        return store

    def of_part(self, part: int) -> FloatArray:
        """The sums (pairs of slots, blocks, dim, dim' width) of a part, zero before its first sample."""
        sums: FloatArray = self.store[part]
        if part not in self._begun:
            self._begun.add(part)
            sums[...] = 0.0
        return sums

    def _total(self) -> FloatArray:
        """The sums over all samples, in the memory of the first part."""
        total, *others = map(self.of_part, range(self.count))
        for other in others:
            total += other
        return total

    def pack(self, T: FloatArray) -> FloatArray:
        """Cut T (n, Q, Q') into blocks (B, n, width)."""
        packed = np.zeros((T.shape[0], self.blocks * self.width))
        packed[:, : self.q_pairs[0].size] = T[:, self.q_pairs[0], self.q_pairs[1]]
        return np.ascontiguousarray(np.moveaxis(packed.reshape(-1, self.blocks, self.width), 1, 0))

    def couple(self, G: FloatArray, H: FloatArray) -> FloatArray:
        """T = sum_o G[s, o, q] H[s, o, q'] in blocks (B, n, width)."""
        out = np.empty((self.blocks, G.shape[0], self.width))
        launch(kernels.couple, G.shape[0], 3 * out.size * G.shape[1], G, H, *self.q_pairs, out)
        return out

    def add(
        self,
        start: IntArray,
        rows: FloatArray,
        right_functions: Features,
        T: FloatArray,
        slot: int | None = None,
        part: int = 0,
    ) -> None:
        """Add samples: windows start (n, P) and rows (n, P, width) on the left, functions on the right, T in blocks.

        `slot` restricts the sums to one slot on the left; for blocks that are not the same.
        """
        sums = self.of_part(part)
        a, b = self.windows
        left, right = self.slot_pairs
        numbers = np.arange(left.size)
        if slot is not None:
            numbers = np.flatnonzero(left == slot)
        operations = 2 * numbers.size * T.size * (a.width + 1) * b.width
        arguments = numbers, left, right, self.same, start, rows, right_functions.start, right_functions.values
        items = numbers.size * self.blocks
        if not self.fast:
            launch(plain_sums.accumulate, items, operations, *arguments, T, sums)
            return
        lengths = a.lengths, b.lengths
        if self.width == 1:
            launch(kernels.accumulate_single, items, operations, *arguments, *lengths, T, sums)
        elif self.few:
            launch(kernels.accumulate_windows, numbers.size, operations, *arguments, *lengths, T, sums)
        else:
            launch(kernels.accumulate_pairs, items, operations, *arguments, *lengths, self._lanes, T, sums)

    def write(self, H: FloatArray, other_order: bool) -> None:
        """Write the sums into H, and at the transposed places; `other_order`: also for q' <= q, T being symmetric.

        For one and the same block of functions also for slots p' < p.
        """
        a, b = self.windows
        places = (a.offset, b.offset), (a.slots, b.slots)
        arguments = self._total(), self.width, *self.slot_pairs, *self.q_pairs, self.same, other_order, *places
        launch(kernels.write_sums, self.slot_pairs[0].size, 2 * prod(self.shape), *arguments, H)


def all_pairs(n: int, m: int) -> tuple[IntArray, IntArray]:
    """Numbers (left, right) of all pairs of n and m things."""
    left, right = np.divmod(np.arange(n * m), m)
    return left, right


def ordered_pairs(n: int) -> tuple[IntArray, IntArray]:
    """Numbers (left, right) of all pairs of n things with left >= right."""
    left = np.repeat(np.arange(n), np.arange(1, n + 1))
    return left, np.arange(left.size) - left * (left + 1) // 2


def unordered_pairs(n: int) -> tuple[IntArray, IntArray]:
    """Numbers (left, right) of all pairs of n things with left <= right."""
    left, right = ordered_pairs(n)
    return n - 1 - left[::-1], n - 1 - right[::-1]
