r"""Spline layers: y_q = sum_p sum_i C[q, p, i] b_i(x_p), local in every sweep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refkan.array_types import Array, FloatArray, IntArray
from refkan.kernels import local_layer
from refkan.kernels.launch import launch
from refkan.layers.base import Linearization
from refkan.layers.edges import SLACK, EdgeLayer, require_fixed_knots
from refkan.layers.free_knots import FreeKnots
from refkan.layers.jets import Channels
from refkan.layers.local_forms import Features, LocalForm
from refkan.layers.local_sweeps import SortedSweep
from refkan.layers.polynomial_sweeps import PolynomialSweep
from refkan.layers.spline_jets import SplineJet
from refkan.lazy import lazy
from refkan.local_basis import KnotTables, LocalBasis, local_basis
from refkan.memory import recycled

FEW_OUTPUTS = 8
"""Outputs below which a loop over them has less work than overhead, so that the compiler had better unroll it, and
sums go sample by sample, through the polynomials of intervals."""

MANY_SAMPLES, MUCH_WORK = 64, 40_000
"""Samples, and their number times P (Q + 10), from which on sorting by interval pays for the calls that it takes."""

SHORT_RUNS = 100, 6
"""Intervals up to which sorting by them pays: so many, and so many more for each output. Beyond, a block has a sample
or two in an interval, and filling up their runs costs more than sums of samples in turn (docs/kernels.md)."""


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


def fastest_sweep(layer: SplineLayer, n_samples: int) -> type[PolynomialSweep | SortedSweep] | None:
    """Return how to sum over so many samples; None says in turn, through the basis at each (docs/kernels.md)."""
    P, Q, n, r = layer.n_inputs, layer.n_outputs, layer.intervals, layer.order
    if Q < FEW_OUTPUTS:
        # To make polynomials, against calls and samples that are faster with them.
        return PolynomialSweep if P * n * Q * r**2 <= 15_000 + 2 * n_samples * P * (Q + 4) else None
    if n_samples < MANY_SAMPLES or n_samples * P * (Q + 10) < MUCH_WORK or n > SHORT_RUNS[0] + SHORT_RUNS[1] * Q:
        return None
    return SortedSweep


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
        self._sweep: PolynomialSweep | SortedSweep | None = None
        kind = fastest_sweep(layer, x.shape[0])
        real = x.dtype.kind != "c" and theta.dtype.kind != "c"
        if kind is not None and real and not (layer.outside == "natural" and tables.strays(x)):
            if layer.outside == "error":
                tables.require_inside(x, SLACK)
            C = layer.unpack(self.theta)["coefficients"]
            self._sweep = kind(tables, C, self.x, layer.outside == "linear", slopes)
            self.value = self._sweep.forward()
        else:
            self.value = self._contract(self.basis.rows[0], self.C)

    @lazy
    def basis(self) -> LocalBasis:
        """The local basis at all samples."""
        return local_basis(self.tables, self.x, 1 if self.slopes else 0, self.layer.outside, SLACK)

    @lazy
    def C(self) -> Array:
        """Coefficients as (P, dim, Q): the rows that a sample touches are contiguous over outputs."""
        return np.ascontiguousarray(self.layer.unpack(self.theta)["coefficients"].transpose(1, 2, 0))

    def _operations(self, n_cotangents: int) -> int:
        """Operations of one contraction of the r local rows with the coefficients, for each of the cotangents."""
        return 2 * self.basis.rows[0].size * self.layer.n_outputs * n_cotangents

    def _contract(self, rows: Array, C: Array, start: IntArray | None = None) -> Array:
        out: Array = recycled((rows.shape[0], C.shape[2]), np.result_type(rows, C))
        run = local_layer.contract_few if self._few else local_layer.contract
        start = self.basis.start if start is None else start
        launch(run, out.shape[0], self._operations(1), start, rows, C, *self._lengths, out)
        return out

    @property
    def _few(self) -> bool:
        return self.layer.n_outputs < FEW_OUTPUTS

    @property
    def _lengths(self) -> tuple[tuple[int, ...], ...]:
        """What tells a compiled form how many functions a window has and, if few, how many outputs there are."""
        width = (0,) * self.layer.order
        return (width, (0,) * self.layer.n_outputs) if self._few else (width,)

    @lazy
    def _knots(self) -> FreeKnots:
        return FreeKnots(self.layer, self.theta, self.tables, self.C)

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents: dC[q,p,i] = sum_s dy[s,q] b_i(x[s,p]); dx[s,p] = sum_q dy[s,q] sum_i C[q,p,i] b_i'(x[s,p])."""
        dy = self._cotangent(dy)
        sweep = None if np.iscomplexobj(dy) else self._sweep
        if sweep is not None and self.layer.free_knots:
            sums, dx = sweep.sums_of_rows(dy, self.layer.order, inputs)
            moments = np.ascontiguousarray(sums.transpose(1, 2, 0))
            coefficients = self._knots.fold(moments).transpose(2, 0, 1)
            return self.layer.pack(coefficients=coefficients, s=self._knots.pull_back(moments)), dx
        if sweep is not None:
            coefficients, dx = sweep.pull_back(dy, inputs)
        else:
            coefficients = self._pull_back_coefficients(self.basis.rows[0], dy)
            dx = self.pullback_inputs(dy[:, None, :])[:, 0] if inputs else None
        if not self.layer.free_knots:
            return coefficients.reshape(-1), dx
        return self.layer.pack(coefficients=coefficients, s=self._pull_back_knots(dy)), dx

    def _pull_back_knots(self, dy: FloatArray) -> FloatArray:
        """ds, from the sums of dy b_i over the samples of each interval."""
        knots = self._knots
        start = knots.local_start(self.basis.start)
        return knots.pull_back(self._sums_of_rows(start, self.basis.rows[0], dy, knots.local_dim))

    def pullback_several(self, G: FloatArray) -> FloatArray:
        """All cotangents in one pass over the samples, as so many more outputs; then the knots, one by one."""
        G = self._cotangents(G)
        n_samples, n_cotangents, n_outputs = G.shape
        shape = n_samples, n_cotangents * n_outputs
        if not self.layer.free_knots:
            sums = self._sums_of_rows(self.basis.start, self.basis.rows[0], G.reshape(shape), self.layer.dim)
            return np.moveaxis(sums, 2, 0).reshape(n_cotangents, self.layer.n_params)
        knots = self._knots
        start = knots.local_start(self.basis.start)
        sums = self._sums_of_rows(start, self.basis.rows[0], G.reshape(shape), knots.local_dim)
        several = np.empty((n_cotangents, self.layer.n_params))
        for row, moments in zip(several, np.split(sums, n_cotangents, axis=2), strict=True):
            blocks, moments = self.layer.unpack(row), np.ascontiguousarray(moments)
            blocks["coefficients"][...] = np.moveaxis(knots.fold(moments), 2, 0)
            blocks["s"][...] = knots.pull_back(moments)
        return several

    def pushforward(self, dtheta: FloatArray, dx: FloatArray) -> FloatArray:
        """Tangent dy = sum_p sum_i (dC b_i + C b_i' dx_p), dC moving with the knots from interval to interval."""
        dtheta, dx = self._tangents(dtheta, dx)
        blocks = self.layer.unpack(dtheta)
        dC = np.ascontiguousarray(np.moveaxis(blocks["coefficients"], 0, 2))
        moving = self._contract(self.basis.rows[1] * dx[:, :, None], self.C)
        if not self.layer.free_knots:
            return self._contract(self.basis.rows[0], dC) + moving
        knots = self._knots
        start = knots.local_start(self.basis.start)
        return self._contract(self.basis.rows[0], knots.move(dC, blocks["s"]), start) + moving

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """dx[s, o, p] = sum_q G[s, o, q] sum_i C[q, p, i] b_i'(x[s, p])."""
        G = self._cotangents(G)
        return self._pull_back_inputs(self.basis.rows[1], self.C, G)

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Coefficient columns G[s,o,q] b_i(x[s,p]), then the columns of s."""
        G = self._cotangents(G)
        layer = self.layer
        size = layer.n_outputs * layer.n_inputs * layer.dim
        columns = out[:, :, :size].reshape(*out.shape[:2], layer.n_outputs, layer.n_inputs, layer.dim)
        G = np.ascontiguousarray(G)
        launch(
            local_layer.scatter_jacobian, G.shape[0], self._operations(G.shape[1]),
            self.basis.start, self.basis.rows[0], G, columns,
        )  # fmt: skip
        if layer.free_knots:
            s = np.empty((*G.shape[:2], layer.n_inputs, layer.intervals))
            self._knots.fill_jacobian(self.basis.start, self.basis.rows[0][:, None], G[:, :, None], s)
            out[:, :, size:] = s.reshape(*G.shape[:2], out.shape[2] - size)

    @lazy
    def _curvature_rows(self) -> FloatArray:
        """b_i''(x[s, p]) of the functions in the window, shape (N, P, r)."""
        return local_basis(self.tables, self.x, 2, self.layer.outside, SLACK).rows[2]

    def _pull_back_coefficients(self, rows: Array, dy: FloatArray) -> FloatArray:
        """dC[q,p,i] = sum_s dy[s,q] rows[s,p,i], each entry at the window of its sample; a view (Q, P, dim)."""
        return np.moveaxis(self._sums_of_rows(self.basis.start, rows, dy, self.layer.dim), 2, 0)

    def _sums_of_rows(self, start: IntArray, rows: Array, dy: FloatArray, dim: int) -> FloatArray:
        """Sums over samples of rows[s, p, i] dy[s, q] at [p, start + i, q]: (P, dim, columns of dy)."""
        dy = np.ascontiguousarray(dy)
        n_inputs, n_columns = rows.shape[1], dy.shape[1]
        # One owner for each input; for few inputs fixed parts of the samples, added in order: independent of threads.
        parts = 1 if n_inputs >= 8 else min(8, max(1, dy.shape[0] // 512))
        dC = np.zeros((parts, n_inputs, dim, n_columns), np.result_type(rows, dy))
        arguments = (parts * n_inputs, 2 * rows.size * n_columns, start, rows, dy)
        if n_columns < FEW_OUTPUTS:
            few = (0,) * self.layer.order, (0,) * n_columns
            launch(local_layer.pull_back_coefficients_few, *arguments, *few, dC)
        else:
            launch(local_layer.pull_back_coefficients, *arguments, dC)
        return _sum_in_order(dC)

    def _pull_back_inputs(self, rows: Array, C: Array, G: FloatArray) -> FloatArray:
        """out[s, o, p] = sum_q G[s, o, q] sum_i C[p, i, q] rows[s, p, i]; C (P, dim, Q)."""
        out: Array = recycled((G.shape[0], G.shape[1], self.layer.n_inputs), np.result_type(rows, C, G))
        G = np.ascontiguousarray(G)
        run = local_layer.pull_back_inputs_few if self._few else local_layer.pull_back_inputs
        launch(run, G.shape[0], self._operations(G.shape[1]), self.basis.start, rows, C, G, *self._lengths, out)
        return out

    def hessian_product(self, dtheta: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """sum_s dy[s,q] b_i' dx[s,p] for C[q,p,i]; sum_q dy[s,q] sum_i (dC b_i' + C b_i'' dx) for x[s,p]."""
        (dtheta, dx), dy = self._tangents(dtheta, dx), self._cotangent(dy)
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
