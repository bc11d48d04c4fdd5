r"""Jets of dense layers: linear maps of every channel, then the activation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.layers.activations import ACTIVATIONS
from refkan.layers.jets import Channels, JetLinearization
from refkan.layers.pointwise_jets import PointwiseJet

if TYPE_CHECKING:
    from refkan.layers.dense import DenseLayer


class DenseJet(JetLinearization):
    """A dense layer at (theta, z): a = W z in every channel, the bias in the value alone, then the activation."""

    layer: DenseLayer

    def __init__(self, layer: DenseLayer, theta: Array, z: Array, channels: Channels) -> None:
        blocks = layer.unpack(theta)
        self.layer, self.z, self.W = layer, z, blocks["weights"]
        a: Array = z @ self.W.T
        a[:, 0] += blocks.get("bias", 0.0)
        self.activation: PointwiseJet | None = None
        if layer.activation != "identity":
            self.activation = PointwiseJet(ACTIVATIONS[layer.activation].derivatives, a, channels)
        self.value = a if self.activation is None else self.activation.value

    def _before_activation(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, Q) of a."""
        return G if self.activation is None else self.activation.pullback(G)

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """With da the cotangent of a: dW = sum_s sum_c da^T z, dbias = sum_s da of the value, dz = da W."""
        da = self._before_activation(dy[:, None])[:, 0]
        weights = np.tensordot(da, self.z, axes=((0, 1), (0, 1)))
        return self.layer.pack(weights=weights, bias=da[:, 0].sum(axis=0)), da @ self.W if inputs else None

    def pushforward(self, dtheta: FloatArray, dz: FloatArray) -> FloatArray:
        """Tangent of the activation along dW z + W dz + dbias."""
        blocks = self.layer.unpack(dtheta)
        da: FloatArray = self.z @ blocks["weights"].T + dz @ self.W.T
        da[:, 0] += blocks.get("bias", 0.0)
        return da if self.activation is None else self.activation.pushforward(da)

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents of a, times W."""
        return self._before_activation(G) @ self.W

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Columns sum_c da[s,o,c,q] z[s,c,p] of the weights, da of the value for the biases."""
        self._check_target(G, out)
        da = self._before_activation(G)
        size = self.W.size
        out[:, :, :size] = np.matmul(np.swapaxes(da, 2, 3), self.z[:, None]).reshape(*out.shape[:2], size)
        if self.layer.bias:
            out[:, :, size:] = da[:, :, 0]
