r"""The traditional KAN edge: w_b silu(x) + w_s sum_i c_i b_i(x)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from refkan.arguments import check_type
from refkan.array_types import Array, FloatArray
from refkan.layers.activations import ACTIVATIONS
from refkan.layers.base import Layer, Linearization
from refkan.layers.edge_factors import EdgeFactors
from refkan.layers.jets import Channels
from refkan.layers.local_forms import Chart, Features, LocalForm
from refkan.layers.silu_jets import SiluJet
from refkan.layers.spline import SplineLayer, SplineLinearization


@dataclass(frozen=True)
class SiluLayer(Layer):
    r"""y_q = sum_p (w_b[q,p] silu(x_p) + w_s[q,p] sum_i C[q,p,i] b_i(x_p)), silu(x) = x/(1 + exp(-x)).

    The edge of Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), eqs. (2.10) to (2.12).

    Parameters
    ----------
    spline : SplineLayer
        The spline part; its blocks come first, then w_b (Q, P) and w_s (Q, P).

    Raises
    ------
    TypeError
        If `spline` is no SplineLayer.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.SiluLayer(rk.SplineLayer((rk.SplineSpace.uniform(order=2, intervals=2),), n_outputs=1))
    >>> layer.linearize(np.array([0.0, 1.0, 4.0, 0.0, 2.0]), np.array([[0.25]])).value  # w_b = 0, w_s = 2
    array([[1.]])
    """

    spline: SplineLayer

    def __post_init__(self) -> None:
        check_type("spline", self.spline, SplineLayer)

    @property
    def n_inputs(self) -> int:  # type: ignore[override]
        """Number of inputs P."""
        return self.spline.n_inputs

    @property
    def n_outputs(self) -> int:  # type: ignore[override]
        """Number of outputs Q."""
        return self.spline.n_outputs

    @property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Blocks of the spline part, then w_b and w_s."""
        edges = (self.n_outputs, self.n_inputs)
        return {**self.spline.blocks, "w_b": edges, "w_s": edges}

    @property
    def shared_blocks(self) -> tuple[str, ...]:  # type: ignore[override]
        """As in the spline part."""
        return self.spline.shared_blocks

    @property
    def sums_to_one(self) -> bool:  # type: ignore[override]
        """As in the spline part."""
        return self.spline.sums_to_one

    def split(self, theta: Array) -> tuple[Array, Array, Array, Array]:
        """Parameters of the spline part alone, their coefficients times w_s in place, and w_b, w_s, coefficients."""
        blocks = self.unpack(theta)
        w_b, w_s, c = blocks["w_b"], blocks["w_s"], blocks["coefficients"]
        scaled = {name: blocks[name] for name in self.spline.blocks} | {"coefficients": w_s[:, :, None] * c}
        return self.spline.pack(**scaled), w_b, w_s, c

    def linearize(self, theta: Array, x: Array, slopes: bool = True) -> SiluLinearization:
        """Evaluate at theta and x (N, P)."""
        theta, x = self._point(theta, x)
        return SiluLinearization(self, theta, x, slopes)

    def linearize_jets(self, theta: Array, z: Array, channels: Channels) -> SiluJet:
        """Evaluate at theta and a jet z (N, channels, P)."""
        return SiluJet(self, theta, z, channels)

    def truth_form(self) -> dict[str, Any]:
        """The form of the spline part."""
        return {"kind": "silu", "spline": self.spline.truth_form()}

    def require_derivatives(self, order: int) -> str | None:
        """As for the spline part."""
        return self.spline.require_derivatives(order)

    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        """Start with w_s = 1, the spline part as for SplineLayer, w_b uniform in +-1/sqrt(P)."""
        spline = self.spline.unpack(self.spline.initialize(rng, x, scheme))
        edges = (self.n_outputs, self.n_inputs)
        bound = 1.0 / np.sqrt(self.n_inputs)
        theta: FloatArray = self.pack(**spline, w_b=rng.uniform(-bound, bound, edges), w_s=np.ones(edges))
        return theta

    def constant_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> list[FloatArray]:
        """For each output one vector an edge of w_s != 0: the spline part of w_s C = 1."""
        if translations:  # 1/w_s depends on theta
            return super().constant_vectors(theta, x, translations)
        w_s = self.unpack(theta)["w_s"]
        vectors = []
        for q, rows in enumerate(self.spline.constant_vectors(theta[: self.spline.n_params], x)):
            live = np.flatnonzero(w_s[q, : rows.shape[0]])
            vectors.append(self._padded(rows[live] / w_s[q, live, None]))
        return vectors

    def scaling_vectors(self, theta: FloatArray) -> FloatArray:
        """Row q: the coefficients C and w_b of output q."""
        vectors = self._padded(self.spline.scaling_vectors(theta[: self.spline.n_params]))
        w_b = self.unpack(theta)["w_b"]
        for q in range(self.n_outputs):
            self.unpack(vectors[q])["w_b"][q] = w_b[q]
        return vectors

    def null_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> FloatArray:
        """Moved constants and shifts of s as in the spline part; and (C, -w_s) on each edge, whose product stays."""
        part = self.spline.null_vectors(theta[: self.spline.n_params], x, translations=True)
        shifts = self._padded(part[part.shape[0] - self.n_inputs :] if self.spline.free_knots else part[:0])
        if translations:
            return shifts
        moved = super().null_vectors(theta, x)
        blocks = self.unpack(theta)
        products = np.zeros((self.n_outputs * self.n_inputs, self.n_params))
        for row, edge in zip(products, np.ndindex(self.n_outputs, self.n_inputs), strict=True):
            views = self.unpack(row)
            views["coefficients"][edge] = blocks["coefficients"][edge]
            views["w_s"][edge] = -blocks["w_s"][edge]
        return np.concatenate([moved, shifts, products])

    def _padded(self, rows: FloatArray) -> FloatArray:
        """Vectors of the spline part, with w_b and w_s left as they are."""
        return np.pad(rows, ((0, 0), (0, self.n_params - rows.shape[1])))


class SiluLinearization(EdgeFactors, Linearization):
    """A SiLU-edge layer at (theta, x): the spline layer with coefficients w_s C, plus a dense one in silu(x)."""

    layer: SiluLayer

    def __init__(self, layer: SiluLayer, theta: Array, x: Array, slopes: bool) -> None:
        spline_theta, self.w_b, self.w_s, self.c = layer.split(theta)
        self.layer = layer
        self.spline: SplineLinearization = layer.spline.linearize(spline_theta, x, slopes)
        silu = ACTIVATIONS["silu"]
        self.x, self.branch = x, silu.value(x)
        self.branch_slope: Array = silu.slope(x) if slopes else np.empty(0)
        self.value = self.spline.value + self.branch @ self.w_b.T

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents: dC = w_s d(w_s C), dw_s = sum_i C d(w_s C); dw_b[q,p] = sum_s dy[s,q] silu(x[s,p])."""
        dy = self._cotangent(dy)
        spline_cotangent, dx = self.spline.pullback(dy, inputs)
        if dx is not None:
            dx = dx + (dy @ self.w_b) * self.branch_slope
        return self.layer.pack(**self.product_cotangents(spline_cotangent), w_b=dy.T @ self.branch), dx

    def pushforward(self, dtheta: FloatArray, dx: FloatArray) -> FloatArray:
        """Tangent along d(w_s C) = dw_s C + w_s dC, dw_b and dx."""
        dtheta, dx = self._tangents(dtheta, dx)
        blocks = self.layer.unpack(dtheta)
        dy = self.spline.pushforward(self.product_tangent(blocks), dx)
        return dy + self.branch @ blocks["w_b"].T + (self.branch_slope * dx) @ self.w_b.T

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Spline part plus silu'(x[s,p]) sum_q w_b[q,p] G[s,o,q]."""
        G = self._cotangents(G)
        branch = np.tensordot(G, self.w_b, axes=(2, 0)) * self.branch_slope[:, None, :]
        return self.spline.pullback_inputs(G) + branch

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Columns of the spline blocks times w_s, then w_b and w_s."""
        G = self._cotangents(G)
        edges = self.w_s.size
        self.spline.fill_jacobian(G, out[:, :, : self.layer.spline.n_params])
        self.spread_columns(out)
        w_b = out[:, :, -2 * edges : -edges]
        w_b[...] = (G[:, :, :, None] * self.branch[:, None, None, :]).reshape(w_b.shape)

    def hessian_product(self, dtheta: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """w_s D' + dw_s D for C, sum_i (C D' + dC D) for w_s, sum_s dy[s,q] silu'(x) dx for w_b.

        D is the cotangent of the product w_s C, and D' its tangent along d(w_s C) and dx. To what the spline part gives
        for x comes sum_q dy[s,q] (dw_b silu' + w_b silu'' dx).
        """
        (dtheta, dx), dy = self._tangents(dtheta, dx), self._cotangent(dy)
        spline, blocks = self.layer.spline, self.layer.unpack(dtheta)
        dC, dw_b, dw_s = blocks["coefficients"], blocks["w_b"], blocks["w_s"]
        D = spline.unpack(self.spline.pullback(dy, inputs=False)[0])["coefficients"]
        moved, inputs = self.spline.hessian_product(self.product_tangent(blocks), dx, dy)
        dD = spline.unpack(moved)["coefficients"]
        bend = ACTIVATIONS["silu"].curvature(self.x)
        result = self.layer.pack(
            coefficients=self.w_s[:, :, None] * dD + dw_s[:, :, None] * D,
            w_b=dy.T @ (self.branch_slope * dx),
            w_s=np.sum(self.c * dD + dC * D, axis=2),
        )
        return result, inputs + (dy @ dw_b) * self.branch_slope + (dy @ self.w_b) * bend * dx

    def local_form(self, curved: bool = False) -> LocalForm:
        """The functions b_i with the raw coefficients w_s C, then silu with w_b."""
        spline = self.spline.local_form(curved)
        slopes = self.branch_slope[:, :, None] if curved else None
        start = np.zeros(self.x.shape, np.int64)
        branch = Features(start, np.ascontiguousarray(self.branch[:, :, None]), slopes, 1)
        blocks, chart = (*spline.blocks, branch), self._chart()
        if not curved:
            return LocalForm(blocks, self.layer.n_outputs, chart=chart)
        bend = ACTIVATIONS["silu"].curvature(self.x)

        def curvatures(du: FloatArray) -> FloatArray:
            assert spline.curvatures is not None
            return spline.curvatures(du) + (du @ self.w_b) * bend

        edge_slopes = spline.slopes + self.branch_slope[:, None, :] * self.w_b
        return LocalForm(blocks, self.layer.n_outputs, None, edge_slopes, curvatures, chart)

    def _chart(self) -> Chart:
        """(C, w_b, w_s) -> (w_s C, w_b)."""
        edges, dim = self.w_s.size, self.c.shape[2]
        size = edges * dim
        coefficient, edge = np.arange(size), np.arange(edges)
        factor = np.repeat(edge, dim) + size + edges  # column of the w_s that multiplies a coefficient
        raw = np.concatenate([coefficient, coefficient, size + edge])
        column = np.concatenate([coefficient, factor, size + edge])
        entries = np.concatenate([np.repeat(self.w_s.ravel(), dim), self.c.ravel(), np.ones(edges)])
        n_params = self.layer.n_params

        def hessian(cotangent: FloatArray) -> sp.csr_array:
            upper = sp.coo_array((cotangent[:size], (coefficient, factor)), (n_params, n_params))
            return (upper + upper.T).tocsr()

        return Chart(sp.coo_array((entries, (raw, column)), (size + edges, n_params)).tocsr(), hessian)
