r"""Values and cotangents of spline layers in two ways: by polynomials, for few outputs, and by runs of sorted samples.

By the polynomials that splines are on each interval no B-spline is evaluated. By runs samples are cut into blocks whose
basis stays in a cache, and for the backward sweep inputs into groups and blocks into parts, by sizes alone: nothing
depends on the number of threads. Accumulators belong to a part and a group; parts are added in order.
"""

from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, IntArray
from refkan.kernels import bspline_basis, polynomial_layer, sorted_layer
from refkan.kernels.launch import launch_real
from refkan.kernels.recycled_memory import recycled
from refkan.kernels.sorted_layer import ROW, RUN, TILE
from refkan.kernels.vectors import lanes, widest
from refkan.splines.local_basis import OUTSIDE, KnotTables
from refkan.splines.sums.input_jet import InputJet
from refkan.splines.sums.windows import in_order, in_tiles, out_of_tiles

Order = tuple[IntArray, IntArray, Array]
"""Samples by interval, see `kernels.sorted_layer`: places, ends of runs, and whether some of a block are outside."""

Places = tuple[Array, FloatArray, FloatArray, Array]
"""Pieces and places of pairs, see `kernels.polynomial_layer`, and whether some of a block are outside."""

KEPT = 2**15
"""Pairs up to which their pieces and places are kept for the way back, 24 bytes each. Memory for more of them comes and
goes with its pages, which cost more than they save."""

PART, PARTS = 16_384, 8
"""Pairs, at least, and parts, at most, of a backward sweep: each part has sums of its own. A power of two, so that two
or four threads get the same number."""

LARGEST_BLOCK = 512
"""Samples of a block: their rows of an input stay in a cache of 32 kB."""

WIDE = 64
"""Outputs beyond which a block has half as many, if runs are not too short then: it stays in the second-level cache."""

GROUP = 40
"""Inputs of a group: its accumulators and the cotangents of a block stay in the second level of a cache."""

TASKS = 4
"""Tasks of a backward sweep, at least, where there are blocks enough."""


def operations_of_pair(order: int, outputs: int) -> float:
    """Operations for a sample of an input on the way forward, as `launch` reckons with them: 1.6 a nanosecond."""
    return 6 + 0.4 * order * outputs


class PolynomialSweep:
    """A spline layer by the polynomial of each interval: the same bits on any number of threads.

    Parameters as for `SortedSweep`, but that under "natural" any inputs are as good.
    """

    def __init__(self, tables: KnotTables, C: FloatArray, at: InputJet, outside: str, back: bool) -> None:
        self.tables, self.at, self.x, self.back, self.outside = tables, at, at.x, back, OUTSIDE[outside]
        self.pieces = tables.natural_pieces if outside == "natural" else tables.pieces
        # Under "natural" there are B-splines of more knots, see `natural_pieces`, with coefficients zero.
        self.more = tables.order - 1 if outside == "natural" else 0
        self.C = C
        if self.more:
            self.C = np.zeros((*C.shape[:2], C.shape[2] + 2 * self.more))
            self.C[:, :, self.more : -self.more] = C
        self.n_outputs, self.n_inputs = C.shape[:2]
        self._lengths = (0,) * tables.order, (0,) * self.n_outputs, (0,) * lanes(self.n_outputs)
        self.operations = self.x.size * operations_of_pair(tables.order, self.n_outputs)

    def forward(self) -> FloatArray:
        """y (N, Q)."""
        y: FloatArray = recycled((self.x.shape[0], self.n_outputs))
        if self.at.fixed and self.back:
            first: list[Places] = []

            def find() -> Places:
                first.append(self._fill(y, self.x.size))
                return first[0]

            self.kept = self.at.once(self.tables, ("places", self.outside), find)
            if not first:
                self._fill(y, 0)
        else:
            self.kept = self._fill(y, self.x.size if self.back and self.x.size <= KEPT else 0)
        return y

    def _fill(self, y: FloatArray, n_kept: int) -> Places:
        """Write y, and return where the pairs lie if they are to be kept."""
        pieces = self.pieces
        n_blocks = -(-self.x.size // pieces.cells.shape[1])
        strays = np.empty(n_kept // self.n_inputs, np.bool_)
        kept = recycled((n_kept,), np.uint64), recycled((n_kept,)), recycled((n_kept,)), strays
        launch_real(
            polynomial_layer.forward, n_blocks, self.operations,
            self.x, *pieces.search, pieces.places, pieces.values, pieces.windows,
            self.outside, self.C, *self._lengths, kept, y,
        )  # fmt: skip
        return kept

    def sums_of_rows(self, dy: FloatArray, stride: int, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Sums over samples of b_i dy[s, q] and dx, as `SortedSweep.sums_of_rows`."""
        pieces, order = self.pieces, self.tables.order
        parts = min(PARTS, 1 << max(1, self.x.size // PART).bit_length() - 1)
        dC = np.empty((parts, self.n_outputs, self.n_inputs, (self.C.shape[2] - order) * stride + order))
        dx: FloatArray = recycled((self.x.shape[0] if inputs else 0, self.n_inputs))
        launch_real(
            polynomial_layer.pull_back, parts, 2 * self.operations,
            self.x, *pieces.search, pieces.places, pieces.values, pieces.slopes, pieces.windows,
            self.outside, self.C, *self._lengths, self.kept,
            dy, stride, dC, dx,
        )  # fmt: skip
        total = dC[0] if parts == 1 else np.add.reduce(dC, axis=0)
        return total[:, :, self.more : total.shape[2] - self.more], dx if inputs else None


def largest_block(intervals: int, outputs: int) -> int:
    """Samples of a block, so that the runs of all intervals, each filled up, fit into a row."""
    padding, half = RUN - 1, LARGEST_BLOCK // 2
    if outputs > WIDE and half >= RUN * intervals:
        return half
    return max(ROW // (1 + padding), min(LARGEST_BLOCK, ROW - padding * intervals))


class SortedSweep:
    """A spline layer by sums over the runs of intervals: the same bits on any number of threads.

    Parameters
    ----------
    tables : KnotTables
        Real.
    C : array (Q, P, dim)
        Coefficients.
    at : InputJet
        Of values; not written to as long as the sweep lives.
    outside : {"linear", "polynomial", "error", "natural"}
        What happens to inputs outside the domain; under "natural" there must be none.
    back : bool
        Whether there is likely to be a way back, for which nothing is kept but the order of samples.
    """

    def __init__(self, tables: KnotTables, C: FloatArray, at: InputJet, outside: str, back: bool) -> None:
        self.tables, self.at, self.x, self.linear = tables, at, at.x, outside == "linear"
        self.n_outputs, self.n_inputs, self.dim = C.shape
        tiled = in_tiles(C, TILE, aligned=True)
        self.tiles, self.C = tiled.shape[1], tiled.reshape(-1)
        strays = self.linear and tables.strays(self.x)
        self.tangents = tables.tangents if strays else np.empty((2, 2, self.n_inputs, tables.order))
        intervals = tables.breakpoints.shape[1] - 1
        N = self.x.shape[0]
        least = -(-N // largest_block(intervals, self.n_outputs))
        self.size = -(-N // least)
        self.n_blocks = -(-N // self.size)
        self._row = self.size + (RUN - 1) * min(self.size, intervals)

    @property
    def _operations(self) -> float:
        """Operations of a forward sweep as `launch` reckons with them, 1.6 a nanosecond.

        Some 10 ns for a sample of an input, and what its sums take at more than ten times that rate.
        """
        return self.x.size * (16 + 0.14 * self.tables.order * self.n_outputs)

    @property
    def _knots(self) -> tuple[Any, ...]:
        return self.tables.knots, self.tables.inverse_spans, self.tangents, (0,) * self.tables.order, (0,) * widest()

    def forward(self) -> FloatArray:
        """y (N, Q): sort, and sum input by input."""
        y: FloatArray = recycled((self.x.shape[0], self.n_outputs))
        if self.at.fixed:
            self.order = self.at.once(self.tables, ("order", self.size, self.linear), self._sorted)
        else:
            self.order = self._new_order()
        arguments: tuple[Any, ...] = self.x, *self._knots, self.size, self.C, *self.order, y

        def work(first: int, last: int) -> None:
            """Both steps for some of the blocks: threads need not meet in between."""
            if not self.at.fixed:
                self._sort(first, last, self.order)
            sorted_layer.forward(first, last, *arguments)

        launch_real(work, self.n_blocks, 14 * self.x.size * (not self.at.fixed) + self._operations)
        return y

    def _new_order(self) -> Order:
        blocks, intervals = (self.n_blocks, self.n_inputs), self.tables.breakpoints.shape[1] - 1
        places, ends = recycled((*blocks, self._row), np.uint16), recycled((*blocks, intervals + 1), np.int32)
        return places, ends, np.empty(blocks, np.bool_)

    def _sort(self, first: int, last: int, order: Order) -> None:
        """Sort the samples of some blocks."""
        knots = self.tables.breakpoints, *self.tables.search
        bspline_basis.sort_blocks(first, last, self.x, *knots, self.size, RUN, *order)
        if not self.linear:
            order[2][first:last] = False

    def _sorted(self) -> Order:
        order = self._new_order()
        launch_real(self._sort, self.n_blocks, 14 * self.x.size, order)
        return order

    def sums_of_rows(self, dy: FloatArray, stride: int, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Sums over samples of b_i dy[s, q] at [q, p, m stride + i], m the interval of x[s, p]; and dx if `inputs`.

        dy (N, Q), dx (N, P). At stride 1 the sums are dC; at stride r those of each interval by itself.
        """
        groups = -(-self.n_inputs // GROUP)
        parts = min(self.n_blocks, -(-TASKS // groups))
        dim = (self.tables.breakpoints.shape[1] - 2) * stride + self.tables.order
        dC = recycled((parts, self.n_inputs, self.tiles, dim, TILE), aligned=True)
        dx: FloatArray = recycled((self.x.shape[0] if inputs else 0, self.n_inputs))
        launch_real(
            sorted_layer.pull_back, parts * groups, 1.5 * self._operations,
            self.x, *self._knots, self.size, self.C, *self.order,
            dy, stride, groups, dC.reshape(parts, -1), dx,
        )  # fmt: skip
        return out_of_tiles(in_order(dC), self.n_outputs), dx if inputs else None
