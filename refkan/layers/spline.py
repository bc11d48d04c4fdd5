r"""Spline layers: y_q = sum_p sum_i C[q, p, i] b_i(x_p), local in every sweep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.kernels import local_layer
from refkan.kernels.launch import launch
from refkan.knots import free_breakpoints_jvp, free_breakpoints_vjp
from refkan.layers.base import Linearization
from refkan.layers.edges import SLACK, EdgeLayer, require_fixed_knots
from refkan.layers.jets import Channels
from refkan.layers.local_forms import Features, LocalForm
from refkan.layers.spline_jets import SplineJet
from refkan.local_basis import KnotTables, LocalBasis, knot_rows, local_basis

FEW_OUTPUTS = 8
"""Outputs below which a loop over them has less work than overhead, so that the compiler had better unroll it."""


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
        tables = self.tables(theta)
        basis = local_basis(tables, x, 1 if slopes else 0, self.outside, SLACK)
        return SplineLinearization(self, theta, x, tables, basis)

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

    def __init__(self, layer: SplineLayer, theta: Array, x: Array, tables: KnotTables, basis: LocalBasis) -> None:
        self.layer, self.theta, self.x, self.tables, self.basis = layer, theta, x, tables, basis
        # Kernels keep coefficients as (P, dim, Q): the rows that a sample touches are contiguous over outputs.
        self.C = np.ascontiguousarray(np.moveaxis(layer.unpack(theta)["coefficients"], 0, 2))
        self.value = self._contract(basis.rows[0], self.C)

    def _operations(self, n_cotangents: int) -> int:
        """Operations of one contraction of the r local rows with the coefficients, for each of the cotangents."""
        return 2 * self.basis.rows[0].size * self.layer.n_outputs * n_cotangents

    def _contract(self, rows: Array, C: Array) -> Array:
        out = np.empty((rows.shape[0], C.shape[2]), np.result_type(rows, C))
        run = local_layer.contract_few if self._few else local_layer.contract
        launch(run, out.shape[0], self._operations(1), self.basis.start, rows, C, *self._lengths, out)
        return out

    @property
    def _few(self) -> bool:
        return self.layer.n_outputs < FEW_OUTPUTS

    @property
    def _lengths(self) -> tuple[tuple[int, ...], ...]:
        """What tells a compiled form how many functions a window has and, if few, how many outputs there are."""
        width = (0,) * self.layer.order
        return (width, (0,) * self.layer.n_outputs) if self._few else (width,)

    def _knot_rows(self) -> FloatArray:
        return knot_rows(self.tables, self.x, self.basis.start, self.layer.outside)

    def _nearby_knots(self) -> tuple[Array, Array]:
        """Numbers j - 1 of the nearby interior breakpoints, clipped into range, [s, p, w], and which are real."""
        r, n = self.layer.order, self.layer.intervals
        j = self.basis.start[:, :, None] + np.arange(-r + 2, r)
        return np.clip(j - 1, 0, max(n - 2, 0)), (j > 0) & (j < n)

    def _gather_knots(self, dt: FloatArray) -> FloatArray:
        """dt (P, n-1) at the nearby breakpoints of each sample and input, 0 where there is none."""
        nearby, real = self._nearby_knots()
        return np.where(real, dt[np.arange(dt.shape[0])[:, None], nearby], 0.0)

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents: dC[q,p,i] = sum_s dy[s,q] b_i(x[s,p]); dx[s,p] = sum_q dy[s,q] sum_i C[q,p,i] b_i'(x[s,p])."""
        blocks = {"coefficients": self._pull_back_coefficients(self.basis.rows[0], dy)}
        if self.layer.free_knots:
            blocks["s"] = self._pull_back_knots(dy)
        dx = self.pullback_inputs(dy[:, None, :])[:, 0] if inputs else None
        return self.layer.pack(**blocks), dx

    def _pull_back_knots(self, dy: FloatArray) -> FloatArray:
        """ds from dt_j = sum_{s,q} dy[s,q] sum_i C[q,p,i] db_i/dt_j (x[s,p])."""
        n_samples, n_inputs, order = self.basis.rows[0].shape
        g = np.empty((n_samples, 1, n_inputs, order))
        launch(local_layer.project, n_samples, self._operations(1), self.basis.start, self.C, dy[:, None, :], g)
        near = np.einsum("spwi,spi->spw", self._knot_rows(), g[:, 0])
        nearby, _ = self._nearby_knots()
        dt = np.zeros((n_inputs, self.layer.intervals - 1))
        if dt.size:
            for p in range(n_inputs):
                dt[p] = np.bincount(nearby[:, p].ravel(), near[:, p].ravel(), minlength=dt.shape[1])
        return free_breakpoints_vjp(self.layer.unpack(self.theta)["s"], self.layer.domains, dt)

    def pushforward(self, dtheta: FloatArray, dx: FloatArray) -> FloatArray:
        """Tangent dy = sum_p sum_i (dC b_i + C b_i' dx_p + C sum_j db_i/dt_j dt_j)."""
        blocks = self.layer.unpack(dtheta)
        dC = np.ascontiguousarray(np.moveaxis(blocks["coefficients"], 0, 2))
        rows = self.basis.rows[1] * dx[:, :, None]
        if self.layer.free_knots:
            s = self.layer.unpack(self.theta)["s"]
            dt = free_breakpoints_jvp(s, self.layer.domains, blocks["s"])
            if dt.size:
                rows = rows + np.einsum("spwi,spw->spi", self._knot_rows(), self._gather_knots(dt))
        return self._contract(self.basis.rows[0], dC) + self._contract(rows, self.C)

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """dx[s, o, p] = sum_q G[s, o, q] sum_i C[q, p, i] b_i'(x[s, p])."""
        return self._pull_back_inputs(self.basis.rows[1], self.C, G)

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Coefficient columns G[s,o,q] b_i(x[s,p]), then the columns of s."""
        layer = self.layer
        size = layer.n_outputs * layer.n_inputs * layer.dim
        columns = out[:, :, :size].reshape(*out.shape[:2], layer.n_outputs, layer.n_inputs, layer.dim)
        G = np.ascontiguousarray(G)
        launch(
            local_layer.scatter_jacobian, G.shape[0], self._operations(G.shape[1]),
            self.basis.start, self.basis.rows[0], G, columns,
        )  # fmt: skip
        if layer.free_knots:
            n_samples, n_cotangents = G.shape[:2]
            g = np.empty((n_samples, n_cotangents, layer.n_inputs, layer.order))
            launch(local_layer.project, n_samples, self._operations(n_cotangents), self.basis.start, self.C, G, g)
            near = np.einsum("spwi,sopi->sopw", self._knot_rows(), g)
            nearby, real = self._nearby_knots()
            dt = np.zeros((n_samples, n_cotangents, layer.n_inputs, layer.intervals - 1))
            s, p, w = np.nonzero(real)
            dt[s, :, p, nearby[s, p, w]] = near[s, :, p, w]
            out[:, :, size:] = free_breakpoints_vjp(layer.unpack(self.theta)["s"], layer.domains, dt).reshape(
                n_samples, n_cotangents, out.shape[2] - size
            )

    @cached_property
    def _curvature_rows(self) -> FloatArray:
        """b_i''(x[s, p]) of the functions in the window, shape (N, P, r)."""
        return local_basis(self.tables, self.x, 2, self.layer.outside, SLACK).rows[2]

    def _pull_back_coefficients(self, rows: Array, dy: FloatArray) -> FloatArray:
        """dC[q,p,i] = sum_s dy[s,q] rows[s,p,i], each entry at the window of its sample; a view (Q, P, dim)."""
        dy = np.ascontiguousarray(dy)
        n_inputs, dim, n_outputs = self.C.shape
        # One owner for each input; for few inputs fixed parts of the samples, added in order: independent of threads.
        parts = 1 if n_inputs >= 8 else min(8, max(1, dy.shape[0] // 512))
        dC = np.zeros((parts, n_inputs, dim, n_outputs), np.result_type(rows, dy))
        owners = parts * n_inputs
        arguments = (owners, self._operations(1), self.basis.start, rows, dy)
        if self._few:
            launch(local_layer.pull_back_coefficients_few, *arguments, *self._lengths, dC)
        else:
            launch(local_layer.pull_back_coefficients, *arguments, dC)
        return np.moveaxis(_sum_in_order(dC), 2, 0)

    def _pull_back_inputs(self, rows: Array, C: Array, G: FloatArray) -> FloatArray:
        """out[s, o, p] = sum_q G[s, o, q] sum_i C[p, i, q] rows[s, p, i]; C (P, dim, Q)."""
        out = np.empty((G.shape[0], G.shape[1], self.layer.n_inputs), np.result_type(rows, C, G))
        G = np.ascontiguousarray(G)
        run = local_layer.pull_back_inputs_few if self._few else local_layer.pull_back_inputs
        launch(run, G.shape[0], self._operations(G.shape[1]), self.basis.start, rows, C, G, *self._lengths, out)
        return out

    def hessian_product(self, dtheta: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """sum_s dy[s,q] b_i' dx[s,p] for C[q,p,i]; sum_q dy[s,q] sum_i (dC b_i' + C b_i'' dx) for x[s,p]."""
        require_fixed_knots(self.layer)
        dC = np.ascontiguousarray(np.moveaxis(self.layer.unpack(dtheta)["coefficients"], 0, 2))
        slopes, G = self.basis.rows[1], dy[:, None, :]
        coefficients = self._pull_back_coefficients(slopes * dx[:, :, None], dy)
        moving = self._pull_back_inputs(slopes, dC, G)[:, 0]
        bending = self._pull_back_inputs(self._curvature_rows, self.C, G)[:, 0]
        return self.layer.pack(coefficients=coefficients), moving + bending * dx

    def local_form(self, curved: bool = False) -> LocalForm:
        """The functions b_i, r of them in a window; free knots are held where they are."""
        layer = self.layer
        rows = self.basis.rows
        features = Features(self.basis.start, rows[0], rows[1] if curved else None, layer.dim)
        if not curved:
            return LocalForm((features,), layer.n_outputs)
        identity = np.broadcast_to(np.eye(layer.n_outputs), (rows.shape[1], layer.n_outputs, layer.n_outputs))

        def curvatures(du: FloatArray) -> FloatArray:
            return self._pull_back_inputs(self._curvature_rows, self.C, du[:, None, :])[:, 0]

        return LocalForm((features,), layer.n_outputs, None, self.pullback_inputs(identity), curvatures)


def _sum_in_order(parts: FloatArray) -> FloatArray:
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total
