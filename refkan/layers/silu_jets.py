r"""Jets of the traditional KAN edge: those of its spline part with coefficients w_s C, and of w_b silu(x)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.layers.activations import ACTIVATIONS
from refkan.layers.edge_factors import EdgeFactors
from refkan.layers.jets import Channels, JetLinearization
from refkan.layers.pointwise_jets import PointwiseJet
from refkan.layers.spline_jets import SplineJet

if TYPE_CHECKING:
    from refkan.layers.silu import SiluLayer


class SiluJet(EdgeFactors, JetLinearization):
    """A layer of SiLU edges at (theta, z): a spline layer in the product w_s C, plus w_b times the jet of silu."""

    layer: SiluLayer

    def __init__(self, layer: SiluLayer, theta: Array, z: Array, channels: Channels) -> None:
        self.layer = layer
        product, self.w_b, self.w_s, self.c = layer.split(theta)
        self.spline = SplineJet(layer.spline, product, z, channels)
        self.branch = PointwiseJet(ACTIVATIONS["silu"].derivatives, self.spline.z, channels)
        self.value = self.spline.value + self.branch.value @ self.w_b.T

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """dC = w_s D, dw_s = sum_i C D with D that of the product; dw_b[q,p] = sum_s sum_c dy[s,c,q] branch[s,c,p]."""
        cotangent, dz = self.spline.pullback(dy, inputs)
        w_b = np.tensordot(dy, self.branch.value, axes=((0, 1), (0, 1)))
        if dz is not None:
            dz = dz + self.branch.pullback((dy @ self.w_b)[:, None])[:, 0]
        return self.layer.pack(**self.product_cotangents(cotangent), w_b=w_b), dz

    def pushforward(self, dtheta: FloatArray, dz: FloatArray) -> FloatArray:
        """Tangent along d(w_s C) = dw_s C + w_s dC, dw_b and dz."""
        blocks = self.layer.unpack(dtheta)
        dy = self.spline.pushforward(self.product_tangent(blocks), dz)
        moved: FloatArray = dy + self.branch.value @ blocks["w_b"].T + self.branch.pushforward(dz) @ self.w_b.T
        return moved

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Spline part plus the branch's."""
        return self.spline.pullback_inputs(G) + self.branch.pullback(G @ self.w_b)

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Columns of the spline blocks times w_s, then w_b and w_s."""
        self._check_target(G, out)
        edges = self.w_s.size
        self.spline.fill_jacobian(G, out[:, :, : self.layer.spline.n_params])
        self.spread_columns(out)
        w_b = out[:, :, -2 * edges : -edges]
        w_b[...] = np.matmul(np.swapaxes(G, 2, 3), self.branch.value[:, None]).reshape(w_b.shape)
