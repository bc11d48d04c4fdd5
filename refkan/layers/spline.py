r"""Spline layers: y_q = sum_p sum_i C[q, p, i] b_i(x_p), local in every sweep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.engines import VALUES, Channels, spline_sums
from refkan.layers.base import Linearization
from refkan.layers.edges import SLACK, EdgeLayer, require_fixed_knots
from refkan.layers.free_knots import FreeKnots
from refkan.layers.local_forms import Features, LocalForm
from refkan.layers.spline_jets import SplineJet
from refkan.local_basis import KnotTables, LocalBasis


@dataclass(frozen=True)
class SplineLayer(EdgeLayer):
    r"""A Kolmogorov-Arnold layer in the B-spline basis: y_q = sum_p sum_i C[q, p, i] b_i(x_p).

    Parameters as for `EdgeLayer`; blocks: coefficients (Q, P, dim) and, with free knots, s (P, n). [S26] eq. (2).

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.SplineLayer((rk.SplineSpace.uniform(order=2, intervals=2),), n_outputs=1)
    >>> layer.linearize(np.array([0.0, 1.0, 4.0]), np.array([[0.25], [0.75]])).value
    array([[0.5],
           [2.5]])
    """

    @property
    def basis(self) -> str:
        """The B-spline basis."""
        return "spline"

    @property
    def sums_to_one(self) -> bool:  # type: ignore[override]
        """B-splines do, but for natural tails."""
        return self.outside != "natural"

    def linearize(self, theta: Array, x: Array, slopes: bool = True) -> SplineLinearization:
        """Evaluate at theta and x (N, P)."""
        theta, x = self._point(theta, x)
        return SplineLinearization(self, theta, x, self.tables(theta), slopes)

    def linearize_jets(self, theta: Array, z: Array, channels: Channels) -> SplineJet:
        """Evaluate at theta and a jet z (N, channels, P)."""
        return SplineJet(self, theta, z, channels)

    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        """Draw a random linear function plus noise, or Gaussian coefficients of the same output variance on x."""
        blocks = {"coefficients": self.draw_spline_coefficients(rng)}
        if self.free_knots:
            blocks["s"] = self.starting_s()
        theta: FloatArray = self.pack(**blocks)
        if scheme == "gaussian":
            blocks["coefficients"] = _matched_gaussian(rng, self.linearize(theta, x, slopes=False))
            theta = self.pack(**blocks)
        return theta


def _matched_gaussian(rng: np.random.Generator, start: SplineLinearization) -> FloatArray:
    """Independent N(0, sigma^2) coefficients with the output variance of `start`, averaged over samples and outputs."""
    layer = start.layer
    per_unit = np.mean(np.sum(start.basis.rows[0] ** 2, axis=(1, 2))) if start.value.size else 1.0
    variance = np.mean(start.value**2) if start.value.size else 1.0
    return rng.normal(0.0, np.sqrt(variance / per_unit), (layer.n_outputs, layer.n_inputs, layer.dim))


class SplineLinearization(Linearization):
    """A spline layer at (theta, x), through the local basis at x."""

    layer: SplineLayer

    def __init__(self, layer: SplineLayer, theta: Array, x: Array, tables: KnotTables, slopes: bool) -> None:
        self.layer, self.theta, self.x, self.tables, self.slopes = layer, theta, x, tables, slopes
        C = layer.unpack(theta)["coefficients"]
        self.sums = spline_sums(tables, C, x[:, None], VALUES, layer.outside, SLACK, slopes)
        self.value = self.sums.value[:, 0]

    @property
    def basis(self) -> LocalBasis:
        """The local basis at all samples."""
        return LocalBasis(self.sums.start, self.sums.rows(1 if self.slopes else 0))

    @cached_property
    def C(self) -> Array:
        """Coefficients as (P, dim, Q)."""
        return np.ascontiguousarray(self.layer.unpack(self.theta)["coefficients"].transpose(1, 2, 0))

    @cached_property
    def _knots(self) -> FreeKnots:
        return FreeKnots(self.layer, self.theta, self.tables, self.C)

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents: dC[q,p,i] = sum_s dy[s,q] b_i(x[s,p]); dx[s,p] = sum_q dy[s,q] sum_i C[q,p,i] b_i'(x[s,p])."""
        dy, free = self._cotangent(dy), self.layer.free_knots
        sums, dz = self.sums.pull_back(dy[:, None], inputs, apart=free)
        dx = None if dz is None else dz[:, 0]
        return (self._with_knots(sums) if free else sums.reshape(-1)), dx

    def _with_knots(self, sums: FloatArray) -> FloatArray:
        """Cotangent of theta from the sums (Q, P, n r) of each interval apart."""
        moments = np.ascontiguousarray(sums.transpose(1, 2, 0))
        coefficients = self._knots.fold(moments).transpose(2, 0, 1)
        return self.layer.pack(coefficients=coefficients, s=self._knots.pull_back(moments))

    def pullback_several(self, G: FloatArray) -> FloatArray:
        """All cotangents in one pass over the samples; then the knots, one by one."""
        G = self._cotangents(G)
        sums = self.sums.pull_back_several(G, apart=self.layer.free_knots)
        rows = [self._with_knots(one) for one in sums] if self.layer.free_knots else sums
        return np.asarray(rows).reshape(G.shape[1], self.layer.n_params)

    def pushforward(self, dtheta: FloatArray, dx: FloatArray) -> FloatArray:
        """Tangent dy = sum_p sum_i (dC b_i + C b_i' dx_p), dC moving with the knots from interval to interval."""
        dtheta, dx = self._tangents(dtheta, dx)
        blocks, free = self.layer.unpack(dtheta), self.layer.free_knots
        dC = blocks["coefficients"]
        if free:
            dC = self._knots.move(np.ascontiguousarray(dC.transpose(1, 2, 0)), blocks["s"]).transpose(2, 0, 1)
        return self.sums.push_forward(dC, dx[:, None], apart=free)[:, 0]

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """dx[s, o, p] = sum_q G[s, o, q] sum_i C[q, p, i] b_i'(x[s, p])."""
        G = self._cotangents(G)
        return self.sums.pull_back_inputs(G[:, :, None])[:, :, 0]

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Coefficient columns G[s,o,q] b_i(x[s,p]), then the columns of s."""
        G = np.ascontiguousarray(self._cotangents(G))[:, :, None]
        layer = self.layer
        size = layer.n_outputs * layer.n_inputs * layer.dim
        columns = out[:, :, :size].reshape(*out.shape[:2], layer.n_outputs, layer.n_inputs, layer.dim)
        self.sums.fill_jacobian(G, columns)
        if layer.free_knots:
            s = np.empty((*G.shape[:2], layer.n_inputs, layer.intervals))
            self._knots.fill_jacobian(self.sums.start, self.sums.W, G, s)
            out[:, :, size:] = s.reshape(*G.shape[:2], out.shape[2] - size)

    def hessian_product(self, dtheta: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """sum_s dy[s,q] b_i' dx[s,p] for C[q,p,i]; sum_q dy[s,q] sum_i (dC b_i' + C b_i'' dx) for x[s,p]."""
        (dtheta, dx), dy = self._tangents(dtheta, dx), self._cotangent(dy)
        require_fixed_knots(self.layer)
        dC = self.layer.unpack(dtheta)["coefficients"]
        coefficients, dz = self.sums.hessian_product(dC, dx, dy)
        return self.layer.pack(coefficients=coefficients), dz

    def local_form(self, curved: bool = False) -> LocalForm:
        """The functions b_i, r of them in a window; free knots are held where they are."""
        layer = self.layer
        rows = self.basis.rows
        features = Features(self.basis.start, rows[0], rows[1] if curved else None, layer.dim)
        if not curved:
            return LocalForm((features,), layer.n_outputs)
        identity = np.broadcast_to(np.eye(layer.n_outputs), (rows.shape[1], layer.n_outputs, layer.n_outputs))

        def curvatures(du: FloatArray) -> FloatArray:
            return self.sums.project(du[:, None, :], 2)[:, 0]

        return LocalForm((features,), layer.n_outputs, None, self.pullback_inputs(identity), curvatures)
