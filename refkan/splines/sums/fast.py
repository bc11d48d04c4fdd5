"""The fast engine for values: polynomials for few outputs, sorted runs for many, else samples in turn."""

from __future__ import annotations

from refkan.base.array_types import Array, FloatArray
from refkan.splines.sums.polynomial import PolynomialSweep
from refkan.splines.sums.sorted import SortedSweep
from refkan.splines.sums.sums import packed
from refkan.splines.sums.window import FEW_OUTPUTS, WindowSums

MANY_SAMPLES, MUCH_WORK = 64, 40_000
"""Samples, and their number times P (Q + 10), from which on sorting by interval pays for the calls that it takes."""

MAKING = 15_000
"""What making polynomials costs at least: up to so much, whatever the number of samples, they are made."""

SHORT_RUNS = 100, 6
"""Sorting pays up to 100 + 6 Q intervals. Beyond, a block has a sample or two in an interval, and filling up their runs
costs more than sums of samples in turn (docs/kernels.md)."""

Sweep = PolynomialSweep | SortedSweep


def fastest_sweep(N: int, P: int, Q: int, n: int, r: int) -> type[Sweep] | None:
    """Return how to sum over N samples fastest; None says in turn, through the basis at each (docs/kernels.md).

    P inputs, Q outputs, n intervals, order r.
    """
    if Q < FEW_OUTPUTS:
        # To make polynomials, against calls and samples that are faster with them.
        return PolynomialSweep if P * n * Q * r**2 <= MAKING + 2 * N * P * (Q + 4) else None
    if N < MANY_SAMPLES or N * P * (Q + 10) < MUCH_WORK or n > SHORT_RUNS[0] + SHORT_RUNS[1] * Q:
        return None
    return SortedSweep


class FastSums(WindowSums):
    """Values (one channel) in the fastest way; of real numbers."""

    sweep: Sweep | None = None

    def _first_value(self) -> Array:
        tables = self.tables
        intervals = tables.breakpoints.shape[1] - 1
        kind = fastest_sweep(self.x.shape[0], self.n_inputs, self.n_outputs, intervals, self.order)
        if kind is None or (self.outside == "natural" and tables.strays(self.x)):
            return super()._first_value()
        self.sweep = kind(tables, self.C, self.x, self.outside == "linear", self.back)
        return self.sweep.forward()[:, None]

    def pull_back(
        self, dy: FloatArray, inputs: bool = True, apart: bool = False
    ) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents (dC, dz), from dy (N, 1, Q)."""
        if self.sweep is None or dy.dtype.kind == "c":
            return super().pull_back(dy, inputs, apart)
        dC, dx = self.sweep.sums_of_rows(packed(dy[:, 0]), self.order if apart else 1, inputs)
        return dC, None if dx is None else dx[:, None]
