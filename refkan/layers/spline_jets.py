r"""Jets of spline layers, local in every sweep: y_c = sum_p sum_i W_c[p, i] C[q, p, i] with the jets W of the basis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.kernels import knot_derivatives, local_jets, local_layer
from refkan.kernels.launch import launch
from refkan.knots import free_breakpoints_jvp, free_breakpoints_vjp
from refkan.layers.edges import SLACK
from refkan.layers.jets import Channels, JetLinearization, channel_row_tangents, channel_rows
from refkan.local_basis import OUTSIDE, local_basis

if TYPE_CHECKING:
    from refkan.layers.spline import SplineLayer

FEW_OUTPUTS = 2
"""Outputs up to which a loop over them has less work than overhead."""

PARTS = 8
"""Parts of the samples that sum coefficient gradients apart: fixed, so that bits do not depend on threads."""

LEAST_SAMPLES = 64
"""Samples that are worth a part of their own."""

GROUP_ENTRIES = 32768
"""Entries of the sums that one task adds to, to stay in the second cache (256 kB)."""


class SplineJet(JetLinearization):
    """A spline layer at (theta, z), through the local basis at z and its jets W (N, channels, P, r)."""

    def __init__(self, layer: SplineLayer, theta: Array, z: Array, channels: Channels) -> None:
        self.layer, self.theta, self.channels = layer, theta, channels
        self.z = np.ascontiguousarray(z)
        self.x = np.ascontiguousarray(self.z[:, 0])
        self.tables = layer.tables(theta)
        self.basis = local_basis(self.tables, self.x, channels.order + 1, layer.outside, SLACK)
        self.W = channel_rows(self.basis.rows, self.z, channels)
        self.C = np.ascontiguousarray(np.moveaxis(layer.unpack(theta)["coefficients"], 0, 2))
        self.value = self._contract(self.W, self.C)

    def _operations(self, n_cotangents: int = 1) -> int:
        """Operations of one contraction of the jets of the basis with the coefficients, for each of the cotangents."""
        return 2 * self.W.size * self.layer.n_outputs * n_cotangents

    def _contract(self, W: Array, C: Array) -> Array:
        out = np.empty((*W.shape[:2], C.shape[2]), np.result_type(W, C))
        arguments = W.shape[0], self._operations(), self.basis.start, W, C
        if C.shape[2] <= FEW_OUTPUTS:
            launch(local_jets.contract_few_outputs, *arguments, out)
        else:
            launch(local_jets.contract, *arguments, self._width, out)
        return out

    @property
    def _width(self) -> tuple[int, ...]:
        """A sequence of r items, as the kernels want it."""
        return (0,) * self.layer.order

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """dC[q,p,i] = sum_s sum_c dy[s,c,q] W[s,c,p,i], and the cotangent of z."""
        dy = np.ascontiguousarray(dy)
        blocks = {"coefficients": self._pull_back_coefficients(dy)}
        if self.layer.free_knots:
            near = np.einsum("scpwi,scpi->spw", self._knot_rows(), self._project(dy[:, None])[:, 0])
            knots, real = nearby_knots(self.layer, self.basis.start)
            dt = np.zeros((self.layer.n_inputs, self.layer.intervals - 1))
            np.add.at(dt, (np.nonzero(real)[1], knots[real]), near[real])
            blocks["s"] = free_breakpoints_vjp(self.layer.unpack(self.theta)["s"], self.layer.domains, dt)
        dz = self.pullback_inputs(dy[:, None])[:, 0] if inputs else None
        return self.layer.pack(**blocks), dz

    def _pull_back_coefficients(self, dy: FloatArray) -> FloatArray:
        """dC as a view (Q, P, dim)."""
        P, dim, Q = self.C.shape
        parts = min(PARTS, max(1, dy.shape[0] // LEAST_SAMPLES))
        groups = min(P, -(-self.C.size // GROUP_ENTRIES))
        dC = np.zeros((parts, P, dim, Q))
        launch(
            local_jets.pull_back_coefficients, parts * groups, self._operations(),
            self.basis.start, self.W, dy, groups, self._width, (0,) * self.channels.count, dC,
        )  # fmt: skip
        total = dC[0]
        for part in dC[1:]:
            total += part
        return np.moveaxis(total, 2, 0)

    def pushforward(self, dtheta: FloatArray, dz: FloatArray) -> FloatArray:
        """dy_c = sum_p sum_i (dC W_c + C dW_c), W moving with z and with the knots."""
        blocks = self.layer.unpack(dtheta)
        dW = channel_row_tangents(self.basis.rows, self.z, dz, self.channels)
        if self.layer.free_knots:
            dt = free_breakpoints_jvp(self.layer.unpack(self.theta)["s"], self.layer.domains, blocks["s"])
            if dt.size:
                knots, real = nearby_knots(self.layer, self.basis.start)
                moved = np.where(real, dt[np.arange(dt.shape[0])[:, None], knots], 0.0)
                dW += np.einsum("scpwi,spw->scpi", self._knot_rows(), moved)
        dC = np.ascontiguousarray(np.moveaxis(blocks["coefficients"], 0, 2))
        return self._contract(self.W, dC) + self._contract(dW, self.C)

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents of (x, u, v) of every input, from those of the jets of the outputs."""
        G = np.ascontiguousarray(G)
        dz = np.empty((*G.shape[:3], self.layer.n_inputs))
        launch(
            local_jets.pull_back_inputs, G.shape[0], 2 * self._operations(G.shape[1]),
            self.basis.start, self.basis.rows, self.z, self.channels.n_first, self.C, G, self._width, dz,
        )  # fmt: skip
        return dz

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Coefficient columns sum_c G[s,o,c,q] W[s,c,p,i], then the columns of s."""
        layer, size = self.layer, self.C.size
        G = np.ascontiguousarray(G)
        columns = out[:, :, :size].reshape(*out.shape[:2], layer.n_outputs, layer.n_inputs, layer.dim)
        operations = self._operations(G.shape[1])
        launch(local_jets.scatter_jacobian, G.shape[0], operations, self.basis.start, self.W, G, columns)
        if layer.free_knots:
            near = np.einsum("scpwi,socpi->sopw", self._knot_rows(), self._project(G))
            knots, real = nearby_knots(layer, self.basis.start)
            dt = np.zeros((*G.shape[:2], layer.n_inputs, layer.intervals - 1))
            s, p, w = np.nonzero(real)
            dt[s, :, p, knots[s, p, w]] = near[s, :, p, w]
            ds = free_breakpoints_vjp(layer.unpack(self.theta)["s"], layer.domains, dt)
            out[:, :, size:] = ds.reshape(*out.shape[:2], out.shape[2] - size)

    def _project(self, G: FloatArray) -> FloatArray:
        """Cotangents of the jets of the basis, sum_q C[p, start + i, q] G[s, o, c, q]: (N, O, channels, P, r)."""
        N, O, count, Q = G.shape
        h = np.empty((N, O * count, self.layer.n_inputs, self.layer.order))
        launch(
            local_layer.project, N, self._operations(O), self.basis.start, self.C,
            np.ascontiguousarray(G).reshape(N, O * count, Q), h,
        )  # fmt: skip
        return h.reshape(N, O, count, *h.shape[2:])

    def _knot_rows(self) -> FloatArray:
        """Derivatives of W in the nearby breakpoints, (N, channels, P, 2r-2, r)."""
        order = self.layer.order
        # Tangents outside the domain need slopes, whatever the order of the channels.
        rows = np.empty((max(self.channels.order, 1) + 1, *self.x.shape, 2 * order - 2, order))
        launch(
            knot_derivatives.knot_jets, self.x.shape[0], 15 * order * rows.size,
            self.x, self.basis.start, self.tables.knots, self.tables.inverse_spans, OUTSIDE[self.layer.outside], rows,
        )  # fmt: skip
        flat = rows.reshape(*rows.shape[:3], rows.shape[3] * rows.shape[4])
        W = channel_rows(flat, self.z, self.channels)
        return W.reshape(*W.shape[:3], *rows.shape[3:])


def nearby_knots(layer: SplineLayer, start: Array) -> tuple[Array, Array]:
    """Numbers j - 1 of the nearby interior breakpoints, clipped into range, [s, p, w], and which are real."""
    r, n = layer.order, layer.intervals
    j = start[:, :, None] + np.arange(-r + 2, r)
    return np.clip(j - 1, 0, max(n - 2, 0)), (j > 0) & (j < n)
