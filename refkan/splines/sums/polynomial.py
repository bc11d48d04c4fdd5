"""Values and cotangents of spline layers of few outputs, by the polynomials that splines are on each interval."""

from __future__ import annotations

import numpy as np

from refkan.base import FloatArray
from refkan.kernels import polynomial_layer
from refkan.kernels.launch import launch_real
from refkan.kernels.recycled_memory import recycled
from refkan.splines.local_basis import KnotTables

KEPT = 2**15
"""Pairs up to which their pieces and places are kept for the way back, 24 bytes each. Memory for more of them comes and
goes with its pages, which cost more than they save."""

PART, PARTS = 16_384, 8
"""Pairs, at least, and parts, at most, of a backward sweep: each part has sums of its own. A power of two, so that two
or four threads get the same number."""


class PolynomialSweep:
    """A spline layer by the polynomial of each interval: the same bits on any number of threads.

    Parameters as for `SortedSweep`, and

    back : bool
        Whether there is likely to be a way back.
    """

    def __init__(self, tables: KnotTables, C: FloatArray, x: FloatArray, linear: bool, back: bool) -> None:
        self.tables, self.C, self.x, self.linear = tables, C, x, linear
        self.n_outputs, self.n_inputs = C.shape[:2]
        n_kept = x.size if back and x.size <= KEPT else 0
        strays = np.empty(n_kept // self.n_inputs, np.bool_)
        self.kept = recycled((n_kept,), np.uint64), recycled((n_kept,)), recycled((n_kept,)), strays
        # Operations as `launch` reckons with them, 1.6 a nanosecond.
        self.operations = x.size * (6 + 0.4 * tables.order * self.n_outputs)

    def forward(self) -> FloatArray:
        """y (N, Q)."""
        pieces = self.tables.pieces
        n_blocks = -(-self.x.size // pieces.cells.shape[1])
        y: FloatArray = recycled((self.x.shape[0], self.n_outputs))
        launch_real(
            polynomial_layer.forward, n_blocks, self.operations,
            self.x, *pieces.search, pieces.places, pieces.values, pieces.windows,
            self.linear, self.C, (0,) * self.tables.order, (0,) * self.n_outputs, self.kept, y,
        )  # fmt: skip
        return y

    def sums_of_rows(self, dy: FloatArray, stride: int, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Sums over samples of b_i dy[s, q] and dx, as `SortedSweep.sums_of_rows`."""
        pieces, order = self.tables.pieces, self.tables.order
        parts = min(PARTS, 1 << max(1, self.x.size // PART).bit_length() - 1)
        dC = np.zeros((parts, self.n_outputs, self.n_inputs, (pieces.windows.shape[1] - 3) * stride + order))
        dx: FloatArray = recycled((self.x.shape[0] if inputs else 0, self.n_inputs))
        launch_real(
            polynomial_layer.pull_back, parts, 2 * self.operations,
            self.x, *pieces.search, pieces.places, pieces.values, pieces.slopes, pieces.windows,
            self.linear, self.C, (0,) * order, (0,) * self.n_outputs, self.kept,
            dy, stride, dC, dx,
        )  # fmt: skip
        return dC[0] if parts == 1 else np.add.reduce(dC, axis=0), dx if inputs else None
