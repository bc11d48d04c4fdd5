r"""Values and cotangents of spline layers: by polynomials, for few outputs, or by runs of sorted samples.

The polynomial form evaluates no B-splines. The sorted form cuts samples into blocks whose basis stays in a cache. Its
backward sweep also cuts inputs into groups and blocks into parts. Sizes alone determine the cuts: each part and group
has its own accumulators, and parts are added in order, so that bits do not depend on the number of threads.
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
"""Samples by interval, see `kernels.sorted_layer`: places, ends of runs, and whether a block has points outside."""

Places = tuple[Array, FloatArray, FloatArray, Array]
"""Pieces and places of pairs, see `kernels.polynomial_layer`, and whether a block has points outside."""

KEPT = 2**15
"""Largest number of pairs whose pieces and places are stored for the backward sweep, 24 bytes each. For more pairs the
memory is mapped anew at each call, which costs more than it saves."""

PART, PARTS = 16_384, 8
"""Least number of pairs in a part, and largest number of parts of a backward sweep: each part has its own sums. A power
of two, so that two or four threads get the same number."""

LARGEST_BLOCK = 512
"""Samples of a block: their rows of an input stay in a cache of 32 kB."""

WIDE = 64
"""Number of outputs beyond which a block is half as large, unless runs become too short: it stays in the second-level
cache."""

GROUP = 40
"""Inputs of a group: its accumulators and the cotangents of a block stay in the second-level cache."""

TASKS = 4
"""Least number of tasks of a backward sweep, if there are enough blocks."""


def operations_of_pair(order: int, outputs: int) -> float:
    """Operations of a forward sweep for one sample of one input, in the unit of `launch`: 1.6 a nanosecond."""
    return 6 + 0.4 * order * outputs


class PolynomialSweep:
    """A spline layer by the polynomial of each interval: the same bits on any number of threads.

    Parameters as for `SortedSweep`, except that outside="natural" accepts any input.
    """

    def __init__(self, tables: KnotTables, C: FloatArray, at: InputJet, outside: str, back: bool) -> None:
        self.tables, self.at, self.x, self.back, self.outside = tables, at, at.x, back, OUTSIDE[outside]
        self.C, self.more = C, 0
        if outside == "natural":
            # There are B-splines on more knots, see `natural_pieces`, with coefficients zero.
            self.pieces, self.more = tables.natural_pieces, tables.order - 1
            self.C = np.zeros((*C.shape[:2], C.shape[2] + 2 * self.more))
            self.C[:, :, self.more : self.more + C.shape[2]] = C
        else:
            self.pieces = tables.pieces
        self.n_outputs, self.n_inputs = C.shape[:2]
        self._lengths = (0,) * tables.order, (0,) * self.n_outputs, (0,) * lanes(self.n_outputs)
        self.operations = self.x.size * operations_of_pair(tables.order, self.n_outputs)

    def forward(self) -> FloatArray:
        """y (N, Q)."""
        y: FloatArray = recycled((self.x.shape[0], self.n_outputs))
        n_pairs = self.x.size
        if self.at.fixed and self.back:
            first: list[Places] = []

            def find() -> Places:
                first.append(self._fill(y, n_pairs))
                return first[0]

            self.kept = self.at.once(self.tables, ("places", self.outside), find)
            if not first:
                self._fill(y, 0)
        elif self.back and n_pairs <= KEPT:
            self.kept = self._fill(y, n_pairs)
        else:
            self.kept = self._fill(y, 0)
        return y

    def _fill(self, y: FloatArray, n_kept: int) -> Places:
        """Write y, and return the places of n_kept pairs: all or none."""
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
        dim = (self.C.shape[2] - order) * stride + order
        dC = np.empty((parts, self.n_outputs, self.n_inputs, dim))
        dx: FloatArray = recycled((self.x.shape[0] * inputs, self.n_inputs))
        launch_real(
            polynomial_layer.pull_back, parts, 2 * self.operations,
            self.x, *pieces.search, pieces.places, pieces.values, pieces.slopes, pieces.windows,
            self.outside, self.C, *self._lengths, self.kept,
            dy, stride, dC, dx,
        )  # fmt: skip
        total = dC[0]
        if parts > 1:
            total = np.add.reduce(dC, axis=0)
        total = total[:, :, self.more : dim - self.more]
        if not inputs:
            return total, None
        return total, dx


def largest_block(intervals: int, outputs: int) -> int:
    """Samples of a block, so that the padded runs of all intervals fit into a row."""
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
        Of values; do not write to it while the sweep is in use.
    outside : {"linear", "polynomial", "error", "natural"}
        Rule for inputs outside the domain; under "natural" all inputs must lie in it.
    back : bool
        Whether a backward sweep is likely; it needs the order of samples only.
    """

    def __init__(self, tables: KnotTables, C: FloatArray, at: InputJet, outside: str, back: bool) -> None:
        self.tables, self.at, self.x, self.linear = tables, at, at.x, outside == "linear"
        self.n_outputs, self.n_inputs, self.dim = C.shape
        tiled = in_tiles(C, TILE, aligned=True)
        self.tiles, self.C = tiled.shape[1], tiled.reshape(-1)
        if self.linear and tables.strays(self.x):
            self.tangents = tables.tangents
        else:
            self.tangents = np.empty((2, 2, self.n_inputs, tables.order))
        intervals = tables.breakpoints.shape[1] - 1
        N = self.x.shape[0]
        least = -(-N // largest_block(intervals, self.n_outputs))
        self.size = -(-N // least)
        self.n_blocks = -(-N // self.size)
        self._row = self.size + (RUN - 1) * min(self.size, intervals)

    @property
    def _operations(self) -> float:
        """Operations of a forward sweep in the unit of `launch`, 1.6 a nanosecond.

        One sample of one input takes some 10 ns, and its sums run at more than ten times that rate.
        """
        return self.x.size * (16 + 0.14 * self.tables.order * self.n_outputs)

    @property
    def _knots(self) -> tuple[Any, ...]:
        order, lanes = (0,) * self.tables.order, (0,) * widest()
        return self.tables.knots, self.tables.inverse_spans, self.tangents, order, lanes

    def forward(self) -> FloatArray:
        """y (N, Q): sort, and sum input by input."""
        y: FloatArray = recycled((self.x.shape[0], self.n_outputs))
        if self.at.fixed:
            self.order = self.at.once(self.tables, ("order", self.size, self.linear), self._sorted)
        else:
            self.order = self._new_order()
        arguments: tuple[Any, ...] = self.x, *self._knots, self.size, self.C, *self.order, y

        def work(first: int, last: int) -> None:
            """Both steps for some of the blocks, without a barrier between them."""
            if not self.at.fixed:
                self._sort(first, last, self.order)
            sorted_layer.forward(first, last, *arguments)

        operations = self._operations
        if not self.at.fixed:
            operations += 14 * self.x.size
        launch_real(work, self.n_blocks, operations)
        return y

    def _new_order(self) -> Order:
        blocks = self.n_blocks, self.n_inputs
        places = recycled((*blocks, self._row), np.uint16)
        ends = recycled((*blocks, self.tables.breakpoints.shape[1]), np.int32)
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
        dx: FloatArray = recycled((self.x.shape[0] * inputs, self.n_inputs))
        launch_real(
            sorted_layer.pull_back, parts * groups, 1.5 * self._operations,
            self.x, *self._knots, self.size, self.C, *self.order,
            dy, stride, groups, dC.reshape(parts, -1), dx,
        )  # fmt: skip
        total = out_of_tiles(in_order(dC), self.n_outputs)
        if not inputs:
            return total, None
        return total, dx
