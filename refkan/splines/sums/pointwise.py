r"""Functions of single entries applied to jets: activations and node maps."""

from collections.abc import Callable

import numpy as np

from refkan.base import Array, FloatArray
from refkan.kernels import pointwise_jets
from refkan.kernels.launch import launch
from refkan.kernels.recycled_memory import dtype_of, recycled
from refkan.splines.sums.channels import Channels, channel_row_tangents, channel_rows, pull_back_rows
from refkan.splines.sums.input_jet import packed


class PointwiseJet:
    """f at a jet z (N, channels, Q): f, f' u, f'' u^2 + f' v, and its linearisation in z.

    Parameters
    ----------
    derivatives : callable
        (x, count) -> f and its derivatives, count of them in all, as an array (count, ...).
    z : array (N, channels, Q)
    channels : Channels
    back : bool
        Whether there is likely to be a way back, which takes one derivative more.
    """

    def __init__(
        self, derivatives: Callable[[Array, int], Array], z: Array, channels: Channels, back: bool = True
    ) -> None:
        self.derivatives, self.z, self.channels = derivatives, z, channels
        f = self._f = np.ascontiguousarray(derivatives(z[:, 0], channels.order + (2 if back else 1)))
        self.value: Array = f[0][:, None]
        if channels.count > 1:
            self.value = channel_rows(f[..., None], z, channels)[..., 0]

    def rows(self, derivatives: int) -> Array:
        """f and at least so many derivatives at the values, (derivatives + 1, N, Q)."""
        if self._f.shape[0] <= derivatives:
            self._f = np.ascontiguousarray(self.derivatives(self.z[:, 0], derivatives + 1))
        return self._f

    @property
    def slope(self) -> Array:
        """f' at the values, (N, Q)."""
        return self.rows(1)[1]

    @property
    def curvature(self) -> Array:
        """f'' at the values, (N, Q)."""
        return self.rows(2)[2]

    def pull_back(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, Q) of z from those of the value, of the same shape."""
        if self.channels.count == 1:
            return G * self.slope[:, None, None]
        return pull_back_rows(self.rows(self.channels.order + 1)[..., None], self.z, G[..., None], self.channels)

    def push_forward(self, dz: FloatArray) -> FloatArray:
        """Tangent (N, channels, Q) of the value along dz."""
        if self.channels.count == 1:
            return dz * self.slope[:, None]
        return channel_row_tangents(self.rows(self.channels.order + 1)[..., None], self.z, dz, self.channels)[..., 0]

    def bend(self, dy: FloatArray, Z: FloatArray) -> FloatArray:
        """What `pull_back` of a cotangent Z (N, Q) of the values moves by along the tangent dy: f'' dy Z."""
        return self.curvature * dy * Z


class AffineJet:
    """z = scale y + shift at a jet y (N, channels, Q), the shift reaching the value alone; z = y without constants."""

    def __init__(self, y: Array, scale: Array | None = None, shift: Array | None = None) -> None:
        self.y, self.same = y, scale is None
        self.slope: Array = np.ones(y.shape[-1]) if scale is None else scale
        self.shift: Array = np.zeros(y.shape[-1]) if shift is None else shift
        self.value = y if self.same else self._apply(y, self.shift)

    def _apply(self, y: Array, shift: Array) -> Array:
        """The map with this shift of jets y (..., channels, Q)."""
        slope = packed(self.slope)
        jets = packed(y).reshape(-1, *y.shape[-2:])
        out: Array = recycled(jets.shape, dtype_of(jets, slope))
        launch(pointwise_jets.scale_and_shift, jets.shape[0], 2 * y.size, slope, packed(shift), jets, out)
        return out.reshape(y.shape)

    def pull_back(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, Q) of y: scale G."""
        return G if self.same else self._apply(G, np.zeros(self.slope.shape))

    def push_forward(self, dy: FloatArray) -> FloatArray:
        """Tangent scale dy of the value, constants held."""
        return dy if self.same else self.slope * dy

    def bend(self, dy: FloatArray, Z: FloatArray) -> FloatArray:
        """As `PointwiseJet.bend`: 0, constants held."""
        return np.zeros(Z.shape)

    def pull_back_constants(self, G: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Cotangents (N, O, Q) of scale and shift, sample by sample: sum_c G_c y_c, and G of the value."""
        return np.einsum("socq,scq->soq", G, self.y), G[:, :, 0]

    def sum_constants(self, dz: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same (Q,) of one cotangent dz (N, channels, Q), summed over samples."""
        return np.einsum("scq,scq->q", dz, self.y), np.einsum("sq->q", dz[:, 0])

    def push_forward_constants(self, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Tangent of the value along tangents of the constants: dscale y + dshift."""
        dz: FloatArray = dscale * self.y
        dz[:, 0] += dshift
        return dz


MappedJet = AffineJet | PointwiseJet
"""A jet and what a map of single values made of it."""
