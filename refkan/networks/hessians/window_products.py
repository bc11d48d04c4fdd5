r"""Sums over samples of T[q, q'] phi_{p,i} phi'_{p',i'} for two blocks of functions and pairs (q, q') of outputs."""

from math import prod

import numpy as np

from refkan.base import FloatArray, Frozen, IntArray, lazy
from refkan.kernels import gauss_newton_sums as kernels
from refkan.kernels import plain_sums
from refkan.kernels.launch import launch
from refkan.kernels.recycled_memory import recycled
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

LONGEST_TUPLE = 10
"""Largest window whose length the compiler knows, the highest order of splines; longer windows have long loops."""


def blocks_of_pairs(n_pairs: int, n_slot_pairs: int, cells: int, window: int) -> tuple[int, int]:
    """Number and width of the blocks into which n_pairs pairs (q, q') are cut.

    cells is the product of dimensions; window the functions in one on the right, which decides whether loops go over
    the width alone: then it is a multiple of 8.
    """
    most = min(max(CACHE_ENTRIES // cells // LEAST_WIDTH, 1) * LEAST_WIDTH, MOST_WIDTH)
    count = max(-(-n_pairs // most), 1)
    count = max(count, min(-(-TASKS // n_slot_pairs), n_pairs // LEAST_WIDTH))
    width = -(-n_pairs // count)
    if width > 1 and width * window > kernels.LANES:
        width = -(-width // kernels.VECTOR) * kernels.VECTOR
    return -(-n_pairs // width), width


class Window(Frozen):
    """Where the functions of a block of coefficients lie: slots, dimension and width, and their place in the matrix."""

    slots: int
    dim: int
    width: int
    offset: int

    @property
    def lengths(self) -> tuple[int, ...] | IntArray:
        """A sequence of `width` items, from which the kernel takes the length."""
        if self.width > LONGEST_TUPLE:
            return np.zeros(self.width, np.int64)
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
        self.blocks, self.width = blocks_of_pairs(q_pairs[0].size, left.size, a.dim * b.dim, b.width)
        self.shape = left.size, self.blocks, a.dim, b.dim * self.width
        self._begun: set[int] = set()

    @property
    def few(self) -> bool:
        """Whether there are few pairs (q, q') in a block: loops go over windows as well."""
        return self.width == 1 or self.width * self.windows[1].width <= kernels.LANES

    @property
    def saved(self) -> float:
        """Nanoseconds that the fast kernels save for each sample."""
        a, b = self.windows
        products = self.slot_pairs[0].size * self.blocks * a.width * b.width
        return products * (SAVED_PRODUCT + SAVED_SUM * self.width)

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
        run = kernels.accumulate_pairs
        if self.width == 1:
            run = kernels.accumulate_single
        elif self.few:
            run, items = kernels.accumulate_windows, numbers.size
        launch(run, items, operations, *arguments, a.lengths, b.lengths, T, sums)

    def write(self, H: FloatArray, other_order: bool) -> None:
        """Write the sums into H, and at the transposed places; `other_order`: also for q' <= q, T being symmetric.

        For one and the same block of functions also for slots p' < p.
        """
        (a, b), (p, p_right), K = self.windows, self.slot_pairs, self.width
        sums = self._total().reshape(p.size, self.blocks, a.dim, b.dim, K)
        if self.same:  # of a slot with itself the sums for i <= j alone were taken
            for n in np.flatnonzero(p == p_right):
                for i in range(1, a.dim):
                    sums[n, :, i, :i] = sums[n, :, :i, i]
        of_a, of_b = (
            (int(q.max()) + 1, window.slots, window.dim) for q, window in zip(self.q_pairs, self.windows, strict=True)
        )
        rows, columns = slice(a.offset, a.offset + prod(of_a)), slice(b.offset, b.offset + prod(of_b))
        orders = [1]
        if other_order and of_a[0] > 1:  # for one output both orders are the same
            orders.append(-1)
        for order in orders:
            for block in range(self.blocks):
                q, q_right = (numbers[block * K : (block + 1) * K] for numbers in self.q_pairs[::order])
                values = sums[:, block].transpose(0, 3, 1, 2)[:, : q.size]
                left, right = (q, p[:, None]), (q_right, p_right[:, None])
                H[rows, columns].reshape(*of_a, *of_b)[*left, :, *right] = values
                H[columns, rows].reshape(*of_b, *of_a)[*right, :, *left] = values.swapaxes(2, 3)


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
