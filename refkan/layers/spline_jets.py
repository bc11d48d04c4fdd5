r"""Jets of spline layers, local in every sweep: y_c = sum_p sum_i W_c[p, i] C[q, p, i] with the jets W of the basis."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.engines import Channels, spline_sums
from refkan.layers.edges import SLACK
from refkan.layers.free_knots import FreeKnots
from refkan.layers.jets import JetLinearization

if TYPE_CHECKING:
    from refkan.layers.spline import SplineLayer


class SplineJet(JetLinearization):
    """A spline layer at (theta, z), through the local basis at z and its jets W (N, channels, P, r)."""

    def __init__(self, layer: SplineLayer, theta: Array, z: Array, channels: Channels) -> None:
        self.layer, self.theta, self.channels = layer, theta, channels
        self.tables = layer.tables(theta)
        self.sums = spline_sums(self.tables, layer.unpack(theta)["coefficients"], z, channels, layer.outside, SLACK)
        self.z, self.value = self.sums.z, self.sums.value

    @cached_property
    def _knots(self) -> FreeKnots:
        C = self.layer.unpack(self.theta)["coefficients"]
        return FreeKnots(self.layer, self.theta, self.tables, np.ascontiguousarray(C.transpose(1, 2, 0)))

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """dC[q,p,i] = sum_s sum_c dy[s,c,q] W[s,c,p,i], and the cotangent of z."""
        free = self.layer.free_knots
        sums, dz = self.sums.pull_back(dy, inputs, apart=free)
        blocks = {"coefficients": sums}
        if free:
            moments = np.ascontiguousarray(sums.transpose(1, 2, 0))
            blocks = {
                "coefficients": self._knots.fold(moments).transpose(2, 0, 1),
                "s": self._knots.pull_back(moments),
            }
        return self.layer.pack(**blocks), dz

    def pushforward(self, dtheta: FloatArray, dz: FloatArray) -> FloatArray:
        """dy_c = sum_p sum_i (dC W_c + C dW_c), W moving with z, and dC with the knots from interval to interval."""
        blocks, free = self.layer.unpack(dtheta), self.layer.free_knots
        dC = blocks["coefficients"]
        if free:
            dC = self._knots.move(np.ascontiguousarray(dC.transpose(1, 2, 0)), blocks["s"]).transpose(2, 0, 1)
        return self.sums.push_forward(dC, dz, apart=free)

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents of (x, u, v) of every input, from those of the jets of the outputs."""
        return self.sums.pull_back_inputs(G)

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Coefficient columns sum_c G[s,o,c,q] W[s,c,p,i], then the columns of s."""
        layer = self.layer
        size = layer.n_outputs * layer.n_inputs * layer.dim
        G = np.ascontiguousarray(G)
        columns = out[:, :, :size].reshape(*out.shape[:2], layer.n_outputs, layer.n_inputs, layer.dim)
        self.sums.fill_jacobian(G, columns)
        if layer.free_knots:
            s = np.empty((*G.shape[:2], layer.n_inputs, layer.intervals))
            self._knots.fill_jacobian(self.sums.start, self.sums.W, G, s)
            out[:, :, size:] = s.reshape(*G.shape[:2], out.shape[2] - size)
