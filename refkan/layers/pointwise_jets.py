r"""Functions of single entries applied to jets: activations, SiLU branches and node maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.kernels import pointwise_jets
from refkan.kernels.launch import launch
from refkan.layers.jets import Channels, channel_row_tangents
from refkan.memory import recycled


class PointwiseJet:
    """f at a jet z (N, channels, Q): f, f' u, f'' u^2 + f' v, and its linearisation in z.

    Parameters
    ----------
    derivatives : callable
        (x, count) -> f and its derivatives, count of them in all, as an array (count, ...).
    z : array (N, channels, Q)
    channels : Channels
    """

    def __init__(self, derivatives: Callable[[Array, int], Array], z: Array, channels: Channels) -> None:
        self.z, self.channels = z, channels
        # One more than the order of the channels: for the sweeps back.
        self.f = np.ascontiguousarray(derivatives(z[:, 0], channels.order + 2))
        self.value: Array = recycled(z.shape, np.result_type(self.f, z))
        launch(pointwise_jets.compose, z.shape[0], 3 * z.size, self.f, z, channels.n_first, self.value)

    def pullback(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, Q) of z from those of the value, of the same shape."""
        G = np.ascontiguousarray(G)
        dz: FloatArray = recycled(G.shape)
        launch(pointwise_jets.pull_back, G.shape[0], 6 * G.size, self.f, self.z, self.channels.n_first, G, dz)
        return dz

    def pushforward(self, dz: FloatArray) -> FloatArray:
        """Tangent (N, channels, Q) of the value along dz."""
        return channel_row_tangents(self.f[..., None], self.z, dz, self.channels)[..., 0]


class AffineJet:
    """z = scale y + shift at a jet y (N, channels, Q): the shift reaches the value alone."""

    def __init__(self, y: Array, scale: Array, shift: Array) -> None:
        self.y, self.scale = y, np.array(scale)
        self.value = self._apply(y[:, None], np.array(shift))[:, 0]

    def _apply(self, y: Array, shift: Array) -> Array:
        y = np.ascontiguousarray(y)
        out: Array = recycled(y.shape, np.result_type(y, self.scale))
        launch(pointwise_jets.scale_and_shift, y.shape[0], 2 * y.size, self.scale, shift, y, out)
        return out

    def pullback(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, Q) of y: scale G."""
        return self._apply(G, np.zeros(self.scale.shape))

    def pushforward(self, dy: FloatArray) -> FloatArray:
        """Tangent scale dy of the value, constants held."""
        return self.scale * dy

    def pull_back_constants(self, G: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Cotangents (N, O, Q) of scale and shift, sample by sample: sum_c G_c y_c, and G of the value."""
        return np.einsum("socq,scq->soq", G, self.y), G[:, :, 0]

    def push_forward_constants(self, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Tangent of the value along tangents of the constants: dscale y + dshift."""
        dz: FloatArray = dscale * self.y
        dz[:, 0] += dshift
        return dz
