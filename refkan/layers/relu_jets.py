r"""Jets of ReLU-power layers: the jets of all powers as one matrix, and BLAS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.knots import free_breakpoints_jvp, free_breakpoints_vjp
from refkan.layers.edges import SLACK
from refkan.layers.jets import Channels, JetLinearization, channel_row_tangents, channel_rows, pull_back_rows
from refkan.relu_powers import relu_rows

if TYPE_CHECKING:
    from refkan.layers.relu import ReluLayer


class ReluJet(JetLinearization):
    """A ReLU-power layer at (theta, z): psi_j and derivatives, rows (D+1, N, P, dim), and their jets W."""

    layer: ReluLayer

    def __init__(self, layer: ReluLayer, theta: Array, z: Array, channels: Channels) -> None:
        self.layer, self.theta, self.channels = layer, theta, channels
        self.z = np.ascontiguousarray(z)
        self.x = np.ascontiguousarray(self.z[:, 0])
        self.tables = layer.tables(theta)
        if layer.outside == "error":
            self.tables.require_inside(self.x, SLACK)
        self.rows = self._powers(self.x, channels.order + 1, layer.outside)
        self.W = channel_rows(self.rows, self.z, channels)
        self.weights = layer.unpack(theta)["coefficients"]
        self.value = self._contract(self.W, self.weights)

    def _powers(self, x: Array, derivatives: int, outside: str) -> Array:
        layer = self.layer
        return relu_rows(self.tables.knots, layer.order, layer.inverse_scale, x, derivatives, outside)

    def _contract(self, W: Array, weights: Array) -> Array:
        flat = W.reshape(W.shape[0] * W.shape[1], W.shape[2] * W.shape[3])
        out: Array = flat @ weights.reshape(weights.shape[0], -1).T
        return out.reshape(*W.shape[:2], weights.shape[0])

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """dweights[q,p,j] = sum_s sum_c dy[s,c,q] W[s,c,p,j], and the cotangent of z."""
        flat = self.W.reshape(self.W.shape[0] * self.W.shape[1], -1)
        blocks = {"coefficients": (dy.reshape(flat.shape[0], -1).T @ flat).reshape(self.weights.shape)}
        h = self._project(dy[:, None]) if inputs or self.layer.free_knots else None
        if self.layer.free_knots:
            assert h is not None
            dt = np.einsum("scpj,scpj->pj", self._knot_rows(), h[:, 0, :, :, self._moving])
            blocks["s"] = free_breakpoints_vjp(self.layer.unpack(self.theta)["s"], self.layer.domains, dt)
        dz = None
        if inputs:
            assert h is not None
            dz = pull_back_rows(self.rows, self.z, h, self.channels)[:, 0]
        return self.layer.pack(**blocks), dz

    def pushforward(self, dtheta: FloatArray, dz: FloatArray) -> FloatArray:
        """dy_c = sum_p sum_j (dweights W_c + weights dW_c), W moving with z and with the knots."""
        blocks = self.layer.unpack(dtheta)
        dW = channel_row_tangents(self.rows, self.z, dz, self.channels)
        if self.layer.free_knots:
            dt = free_breakpoints_jvp(self.layer.unpack(self.theta)["s"], self.layer.domains, blocks["s"])
            dW[..., self._moving] += self._knot_rows() * dt
        return self._contract(self.W, blocks["coefficients"]) + self._contract(dW, self.weights)

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents of (x, u, v) of every input, from those of the jets of the outputs."""
        return pull_back_rows(self.rows, self.z, self._project(G), self.channels)

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Coefficient columns sum_c G[s,o,c,q] W[s,c,p,j], then the columns of s."""
        self._check_target(G, out)
        N, O, count = G.shape[:3]
        size = self.weights.size
        W = self.W.reshape(N, 1, count, -1)
        out[:, :, :size] = np.matmul(np.swapaxes(G, 2, 3), W).reshape(N, O, size)
        if self.layer.free_knots:
            dt = np.einsum("scpj,socpj->sopj", self._knot_rows(), self._project(G)[..., self._moving])
            ds = free_breakpoints_vjp(self.layer.unpack(self.theta)["s"], self.layer.domains, dt)
            out[:, :, size:] = ds.reshape(N, O, out.shape[2] - size)

    @property
    def _moving(self) -> slice:
        """The functions that start at an interior breakpoint."""
        return slice(self.layer.order, self.layer.dim)

    def _project(self, G: FloatArray) -> FloatArray:
        """Cotangents of W: sum_q weights[q, p, j] G[s, o, c, q], shape (N, O, channels, P, dim)."""
        return np.tensordot(G, self.weights, axes=(3, 0))

    def _knot_rows(self) -> FloatArray:
        """Derivatives of the moving columns of W in their own breakpoint, (N, channels, P, n-1).

        d psi/dt = -psi' at a fixed point; the tangent at an end b, psi(b) + (x - b) psi'(b), moves with
        -psi'(b) - (x - b) psi''(b), and its slope with -psi''(b).
        """
        low, high = self.layer.domains.T
        linear = self.layer.outside == "linear"
        at = np.clip(self.x, low, high) if linear else self.x
        beyond = (self.x - at)[None, :, :, None]
        top = self.channels.order
        powers = -self._powers(at, top + 2, "polynomial")[1:, :, :, self._moving]
        rows = powers[: top + 1].copy()
        if linear:
            rows[:1] += beyond * powers[1:2]
            rows[2:] *= beyond == 0
        return channel_rows(rows, self.z, self.channels)
