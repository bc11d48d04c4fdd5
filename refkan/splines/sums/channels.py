r"""Jets: values that carry derivatives along directions, as channels of one array, and jets of functions of them.

A jet of P quantities at N samples is one array z (N, channels, P): channel 0 holds the value x, channels 1, ..., K the
first derivatives u_d along K directions, and the remaining ones the second derivatives v_d along the first K2 <= K of
them. A function phi of a single input takes (x, u, v) to

    phi(x),    phi'(x) u,    phi''(x) u^2 + phi'(x) v.
"""

from dataclasses import dataclass

import numpy as np

from refkan.base import Array, FloatArray, lazy
from refkan.kernels import jets_of_functions
from refkan.kernels.launch import launch
from refkan.kernels.recycled_memory import dtype_of, recycled
from refkan.splines.sums.input_jet import packed


@dataclass(frozen=True)
class Channels:
    """How many derivatives a jet carries.

    Attributes
    ----------
    n_first : int
        Number K of directions with a first derivative.
    n_second : int
        Number K2 <= K of directions, the first ones, with a second derivative as well.

    Examples
    --------
    >>> from refkan.splines.sums.channels import Channels
    >>> channels = Channels(n_first=2, n_second=1)  # x, two first derivatives, one second one
    >>> channels.count, channels.order, channels.second
    (4, 2, slice(3, 4, None))
    """

    n_first: int
    n_second: int

    @lazy
    def count(self) -> int:
        """Number of channels 1 + K + K2."""
        return 1 + self.n_first + self.n_second

    @lazy
    def order(self) -> int:
        """The highest derivative: 0, 1 or 2."""
        if self.n_second:
            return 2
        return min(self.n_first, 1)

    @property
    def second(self) -> slice:
        """The channels of second derivatives."""
        return slice(1 + self.n_first, self.count)

    @property
    def bent(self) -> slice:
        """The channels of first derivatives in directions that also have a second derivative."""
        return slice(1, 1 + self.n_second)


VALUES = Channels(0, 0)
"""No directions: a value is a jet with none."""


def channel_rows(rows: Array, z: Array, channels: Channels) -> Array:
    """Jets of functions of single inputs: phi, phi' u, phi'' u^2 + phi' v.

    Parameters
    ----------
    rows : array (D+1, N, P, r)
        rows[k, s, p, i] = phi_{p,i}^(k)(x[s, p]), at least up to the order of the channels.
    z : array (N, channels, P)

    Returns
    -------
    array (N, channels, P, r)
    """
    out: Array = recycled((*z.shape, rows.shape[3]), dtype_of(rows, z))
    if rows.shape[3] == 1:
        values = packed(rows[..., 0]), z, channels.n_first, out[..., 0]
        launch(jets_of_functions.channel_values, z.shape[0], 3 * out.size, *values)
    else:
        launch(jets_of_functions.channel_rows, z.shape[0], 3 * out.size, rows, z, channels.n_first, out)
    return out


def pull_back_rows(rows: FloatArray, z: FloatArray, h: FloatArray, channels: Channels) -> FloatArray:
    """Cotangent (N, O, channels, P) of the jet z from cotangents h (N, O, channels, P, r) of its `channel_rows`.

    ``rows`` reach one derivative further than the order of the channels.

    x: sum_i h b' + h_d b'' u + h_dd (b''' u^2 + b'' v);  u: sum_i h_d b' + 2 h_dd b'' u;  v: sum_i h_dd b'.
    """
    if rows.shape[3] == 1:
        out: FloatArray = recycled(h.shape[:-1], dtype_of(rows, z, h))
        values = packed(rows[..., 0]), z, packed(h[..., 0]), channels.n_first, out
        launch(jets_of_functions.pull_back_values, z.shape[0], 8 * out.size, *values)
        return out

    def along(derivative: int, of: slice) -> FloatArray:
        """sum_i h b^(derivative) of some channels, (N, O, channels, P)."""
        sums: FloatArray = np.einsum("socpi,spi->socp", h[:, :, of], rows[derivative])
        return sums

    dz = along(1, slice(None))
    if channels.n_first:
        bend = along(2, slice(1, None))
        dz[:, :, 0] += (bend * z[:, None, 1:]).sum(axis=2)
    if channels.n_second:
        u, second = z[:, None, channels.bent], channels.second
        dz[:, :, channels.bent] += 2.0 * bend[:, :, channels.n_first :] * u
        dz[:, :, 0] += (along(3, second) * u * u).sum(axis=2)
    return dz


def channel_row_tangents(rows: FloatArray, z: FloatArray, dz: FloatArray, channels: Channels) -> FloatArray:
    """Tangent (N, channels, P, r) of `channel_rows` along the tangent dz (N, channels, P) of the jet.

    phi' dx;  phi'' dx u + phi' du;  phi''' dx u^2 + 2 phi'' u du + phi'' dx v + phi' dv.
    """
    dx, first, second, bent = dz[:, :1], slice(1, 1 + channels.n_first), channels.second, channels.bent
    out = dz[:, :, :, None] * rows[1][:, None]
    if channels.n_first:
        out[:, first] += (dx * z[:, first])[..., None] * rows[2][:, None]
    if channels.n_second:
        u, v = z[:, bent], z[:, second]
        out[:, second] += (dx * u * u)[..., None] * rows[3][:, None]
        out[:, second] += (2 * u * dz[:, bent] + dx * v)[..., None] * rows[2][:, None]
    return out
