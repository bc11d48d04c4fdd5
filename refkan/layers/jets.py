r"""Jets through layers: what a layer is to values that carry derivatives along directions with them.

A jet of P quantities at N samples is one array z (N, channels, P): channel 0 holds the value x, channels 1, ..., K the
first derivatives u_d along K directions, and the remaining ones the second derivatives v_d along the first K2 <= K of
them. A function phi of a single input takes (x, u, v) to

    phi(x),    phi'(x) u,    phi''(x) u^2 + phi'(x) v.

Everything that a layer does with single inputs is a sum of such functions, so that its jet is linear in its
coefficients, with these three in the place of the values of basis functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from refkan.array_types import Array, FloatArray
from refkan.engines.channels import Channels, channel_row_tangents, channel_rows, pull_back_rows

__all__ = ["Channels", "JetLinearization", "channel_row_tangents", "channel_rows", "pull_back_rows"]


class JetLinearization(ABC):
    """A layer at parameters theta and a jet z (N, channels, P): its jet, and the derivative of that as a linear map.

    Attributes
    ----------
    value : array (N, channels, Q)
    """

    value: Array

    @abstractmethod
    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents (dtheta, dz) of a cotangent dy (N, channels, Q); dz is None when `inputs` is false."""

    @abstractmethod
    def pushforward(self, dtheta: FloatArray, dz: FloatArray) -> FloatArray:
        """Tangent of the jet (N, channels, Q) along the tangents dtheta and dz (N, channels, P)."""

    @abstractmethod
    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Pull several cotangents G (N, O, channels, Q) back to the inputs at once: (N, O, channels, P)."""

    @abstractmethod
    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Write sum_cq G[s, o, c, q] dy[s, c, q]/dtheta into out (N, O, n_params), which is zero on entry."""
