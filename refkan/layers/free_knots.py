r"""Free knots of a spline layer: derivatives in the parameters s of its breakpoints, `knots.free_breakpoints`.

On interval m a breakpoint that moves is as good as local coefficients that move (see `kernels.moving_knots`). Sweeps
therefore see a layer of n r local coefficients (P, n r, Q), r of its own for each interval: their tangents follow those
of coefficients and knots, and sums over samples of their cotangents, taken once, give those of the knots.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray, IntArray
from refkan.kernels import moving_knots
from refkan.kernels.launch import launch
from refkan.knots import FLOOR, free_breakpoints_jvp, free_breakpoints_vjp, softmax
from refkan.local_basis import KnotTables

if TYPE_CHECKING:
    from refkan.layers.spline import SplineLayer


class FreeKnots:
    """The knots of a spline layer with free knots at theta, with its coefficients C (P, dim, Q)."""

    def __init__(self, layer: SplineLayer, theta: Array, tables: KnotTables, C: Array) -> None:
        self.s: Array = layer.unpack(theta)["s"]
        self.domains, self.order, self.n = layer.domains, layer.order, layer.intervals
        self.tables, self.C = tables, C

    @cached_property
    def weights(self) -> Array:
        """What each breakpoint does to the local coefficients, (P, n, r, r-1, r-1)."""
        P, r = self.C.shape[0], self.order
        out = np.empty((P, self.n, r, r - 1, r - 1), self.tables.knots.dtype)
        launch(moving_knots.motion_weights, P, 4 * out.size * r, self.tables.knots, out)
        return out

    @cached_property
    def slopes(self) -> Array:
        """d_v = (c_v - c_{v-1})/(t_{v+r-1} - t_v) for v = 1, ..., dim - 1: (P, dim - 1, Q)."""
        spans = self.tables.inverse_spans[:, self.order - 1, 1 : self.C.shape[1]]
        return (self.C[:, 1:] - self.C[:, :-1]) * spans[:, :, None]

    def local_start(self, start: IntArray) -> IntArray:
        """Number of the first of the r local coefficients, from the number of the interval."""
        return start * self.order

    @property
    def local_dim(self) -> int:
        """Number n r of local coefficients of an edge."""
        return self.n * self.order

    def fold(self, moments: FloatArray) -> FloatArray:
        """Cotangent of C (P, dim, Q) from that of the local coefficients: neighbours share r - 1 of theirs."""
        P, dim, _ = self.C.shape
        dC = np.empty((P, dim, moments.shape[2]))
        launch(moving_knots.fold, P, moments.size, moments, self.order, dC)
        return dC

    def pull_back(self, moments: FloatArray) -> FloatArray:
        """Cotangent of s (P, n) from that of the local coefficients (P, n r, Q)."""
        P = self.C.shape[0]
        dt = np.empty((P, self.n - 1))
        operations = 2 * moments.size * self.order
        launch(moving_knots.pull_back_knots, P, operations, self.weights, self.slopes, moments, dt)
        return free_breakpoints_vjp(self.s, self.domains, dt)

    def move(self, dC: FloatArray, ds: FloatArray) -> FloatArray:
        """Tangent of the local coefficients (P, n r, Q) along dC (P, dim, Q) and ds (P, n)."""
        dt = free_breakpoints_jvp(self.s, self.domains, ds)
        P, _, Q = self.C.shape
        out = np.empty((P, self.local_dim, Q))
        launch(
            moving_knots.move_coefficients, P, 2 * out.size * self.order,
            self.weights, self.slopes, np.ascontiguousarray(dC), dt, out,
        )  # fmt: skip
        return out

    def fill_jacobian(self, start: IntArray, W: FloatArray, G: FloatArray, out: FloatArray) -> None:
        """Columns of s: out (N, O, P, n) from functions W (N, channels, P, r) and cotangents G (N, O, channels, Q)."""
        p = softmax(self.s)
        peaks, sums = np.argmax(p, axis=1), np.zeros((p.shape[0], self.n + 1))
        for row, shares, peak in zip(sums, p, peaks, strict=True):
            row[1 : peak + 1] = np.cumsum(shares[:peak])
            row[peak + 1 :] = -np.append(np.cumsum(shares[:peak:-1])[::-1], 0.0)
        operations = 2 * G.size * W.shape[2] * self.order + out.size
        launch(
            moving_knots.scatter_knots, G.shape[0], operations, start, W, G, self.weights, self.slopes,
            (1 - FLOOR) * p, sums, peaks, self.domains[:, 1] - self.domains[:, 0], out,
        )  # fmt: skip
