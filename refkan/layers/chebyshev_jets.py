r"""Jets of Chebyshev layers: the jets of all polynomials as one matrix, and BLAS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.layers.jets import Channels, JetLinearization, channel_row_tangents, channel_rows, pull_back_rows

if TYPE_CHECKING:
    from refkan.layers.chebyshev import ChebyshevLayer


class ChebyshevJet(JetLinearization):
    """A Chebyshev layer at (theta, z): T_k and derivatives, rows (D+1, N, P, dim), and their jets W."""

    layer: ChebyshevLayer

    def __init__(self, layer: ChebyshevLayer, theta: Array, z: Array, channels: Channels) -> None:
        self.layer, self.channels = layer, channels
        self.z = np.ascontiguousarray(z)
        self.rows = layer.rows(self.z[:, 0], channels.order + 1)
        self.W = channel_rows(self.rows, self.z, channels)
        self.C = layer.unpack(theta)["coefficients"]
        self.value = _contract(self.W, self.C)

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """dC[q,p,k] = sum_s sum_c dy[s,c,q] W[s,c,p,k], and the cotangent of z."""
        dC = np.tensordot(dy, self.W, axes=((0, 1), (0, 1)))
        return self.layer.pack(coefficients=dC), self.pullback_inputs(dy[:, None])[:, 0] if inputs else None

    def pushforward(self, dtheta: FloatArray, dz: FloatArray) -> FloatArray:
        """dy_c = sum_p sum_k (dC W_c + C dW_c)."""
        dW = channel_row_tangents(self.rows, self.z, dz, self.channels)
        return _contract(self.W, self.layer.unpack(dtheta)["coefficients"]) + _contract(dW, self.C)

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents of (x, u, v) of every input, from those of the jets of the outputs."""
        return pull_back_rows(self.rows, self.z, np.tensordot(G, self.C, axes=(3, 0)), self.channels)

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Columns sum_c G[s,o,c,q] W[s,c,p,k]."""
        self._check_target(G, out)
        W = self.W.reshape(*self.W.shape[:2], -1)[:, None]
        out[...] = np.matmul(np.swapaxes(G, 2, 3), W).reshape(out.shape)


def _contract(W: Array, C: Array) -> Array:
    """sum_p sum_k W[s, c, p, k] C[q, p, k]."""
    out: Array = np.tensordot(W, C, axes=((2, 3), (1, 2)))
    return out
