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
        count = channels.order + 1 + back
        f = self._f = np.ascontiguousarray(derivatives(z[:, 0], count))
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
        rows = self.rows(self.channels.order + 1)[..., None]
        return pull_back_rows(rows, self.z, G[..., None], self.channels)

    def push_forward(self, dz: FloatArray) -> FloatArray:
        """Tangent (N, channels, Q) of the value along dz."""
        if self.channels.count == 1:
            return dz * self.slope[:, None]
        rows = self.rows(self.channels.order + 1)[..., None]
        return channel_row_tangents(rows, self.z, dz, self.channels)[..., 0]

    def bend(self, dy: FloatArray, Z: FloatArray) -> FloatArray:
        """Derivative along dy of the pulled back cotangent Z (N, Q) of the values: f'' dy Z."""
        return self.curvature * dy * Z


class AffineJet:
    """z = scale y + shift at a jet y (N, channels, Q), the shift in channel 0 only; z = y without constants."""

    def __init__(self, y: Array, scale: Array | None = None, shift: Array | None = None) -> None:
        self.y, self.same = y, scale is None or shift is None
        if scale is None or shift is None:
            self.slope: Array = np.ones(y.shape[-1])
            self.shift: Array = np.zeros(y.shape[-1])
            self.value = y
            return
        self.slope, self.shift = scale, shift
        self.value = self._apply(y, shift)

    def _apply(self, y: Array, shift: Array) -> Array:
        """The map with this shift of jets y (..., channels, Q)."""
        slope = packed(self.slope)
        jets = packed(y).reshape(-1, *y.shape[-2:])
        out: Array = recycled(jets.shape, dtype_of(jets, slope))
        launch(pointwise_jets.scale_and_shift, jets.shape[0], 2 * y.size, slope, packed(shift), jets, out)
        return out.reshape(y.shape)

    def pull_back(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, Q) of y: scale G."""
        if self.same:
            return G
        return self._apply(G, np.zeros(self.slope.shape))

    def push_forward(self, dy: FloatArray) -> FloatArray:
        """Tangent scale dy of the value, constants fixed."""
        if self.same:
            return dy
        return self.slope * dy

    def bend(self, dy: FloatArray, Z: FloatArray) -> FloatArray:
        """As `PointwiseJet.bend`: 0, constants fixed."""
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
"""A jet of a function of single entries."""
