r"""Derivatives of a product w_s C of a factor for each edge and its spline coefficients, for values and jets alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from refkan.arguments import check_target
from refkan.array_types import Array, FloatArray

if TYPE_CHECKING:
    from refkan.layers.silu import SiluLayer


class EdgeFactors:
    """What linearisations of a layer of SiLU edges have in common: the spline part sees w_s C alone.

    Attributes
    ----------
    layer : SiluLayer
    w_s : array (Q, P)
    c : array (Q, P, dim)
        The coefficients C.
    """

    layer: SiluLayer
    w_s: Array
    c: Array

    def product_tangent(self, blocks: dict[str, Array]) -> FloatArray:
        """Tangent of the spline part's parameters, d(w_s C) = dw_s C + w_s dC in place of dC."""
        spline = self.layer.spline
        product = blocks["w_s"][:, :, None] * self.c + self.w_s[:, :, None] * blocks["coefficients"]
        tangent: FloatArray = spline.pack(**{name: blocks[name] for name in spline.blocks} | {"coefficients": product})
        return tangent

    def product_cotangents(self, cotangent: FloatArray) -> dict[str, Array]:
        """Blocks of the spline part, and w_s: dC = w_s D and dw_s = sum_i C D, D the cotangent of the product."""
        blocks = self.layer.spline.unpack(cotangent)
        product = blocks["coefficients"]
        return blocks | {"coefficients": self.w_s[:, :, None] * product, "w_s": np.sum(self.c * product, axis=2)}

    def spread_columns(self, out: FloatArray) -> None:
        """Turn the columns of w_s C in a Jacobian (N, O, n_params) into those of C, and write those of w_s."""
        check_target("out", out, (*np.shape(out)[:2], self.layer.n_params), np.iscomplexobj(self.c))
        columns = out[:, :, : self.c.size].reshape(*out.shape[:2], *self.c.shape)
        w_s = out[:, :, -self.w_s.size :]
        w_s[...] = np.einsum("soqpi,qpi->soqp", columns, self.c).reshape(w_s.shape)
        columns *= self.w_s[:, :, None]
