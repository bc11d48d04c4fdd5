r"""Jets of spline layers, local in every sweep: y_c = sum_p sum_i W_c[p, i] C[q, p, i] with the jets W of the basis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray, IntArray
from refkan.kernels import local_jets
from refkan.kernels.launch import launch
from refkan.layers.edges import SLACK
from refkan.layers.free_knots import FreeKnots
from refkan.layers.jets import Channels, JetLinearization, channel_row_tangents, channel_rows
from refkan.lazy import lazy
from refkan.local_basis import local_basis
from refkan.memory import recycled

if TYPE_CHECKING:
    from refkan.layers.spline import SplineLayer

FEW_OUTPUTS = 2
"""Outputs up to which a loop over them has less work than overhead."""

PARTS = 8
"""Parts of the samples that sum coefficient gradients apart: fixed, so that bits do not depend on threads."""

LEAST_SAMPLES = 64
"""Samples that are worth a part of their own."""

GROUP_ENTRIES = 32768
"""Entries of the sums that one task adds to, to stay in the second cache (256 kB)."""


class SplineJet(JetLinearization):
    """A spline layer at (theta, z), through the local basis at z and its jets W (N, channels, P, r)."""

    def __init__(self, layer: SplineLayer, theta: Array, z: Array, channels: Channels) -> None:
        self.layer, self.theta, self.channels = layer, theta, channels
        self.z = np.ascontiguousarray(z)
        self.x = np.ascontiguousarray(self.z[:, 0])
        self.tables = layer.tables(theta)
        self.basis = local_basis(self.tables, self.x, channels.order + 1, layer.outside, SLACK)
        self.C = np.ascontiguousarray(layer.unpack(theta)["coefficients"].transpose(1, 2, 0))
        self.value = self._contract(self.C, self.basis.start)

    @lazy
    def W(self) -> Array:
        """Jets of the basis (N, channels, P, r), which the sweeps of values and of gradients form on their way."""
        return channel_rows(self.basis.rows, self.z, self.channels)

    @lazy
    def _packed(self) -> FloatArray:
        return pack(self.C)

    @property
    def _few(self) -> bool:
        return self.layer.n_outputs <= FEW_OUTPUTS

    @property
    def _count(self) -> tuple[int, ...]:
        return (0,) * self.channels.count

    def _operations(self, n_cotangents: int = 1) -> int:
        """Operations of one contraction of the jets of the basis with the coefficients, for each of the cotangents."""
        return 2 * self.z.size * self.layer.order * self.layer.n_outputs * n_cotangents

    def _contract(self, C: Array, start: IntArray) -> Array:
        """sum_p sum_i W_c[p, i] C[q, p, start + i]."""
        out: Array = recycled((*self.z.shape[:2], C.shape[2]), np.result_type(self.basis.rows, self.z, C))
        if not self._few and not np.iscomplexobj(out):
            C = self._packed if C is self.C else pack(C)
        jets = start, self.basis.rows, self.z, C, *self._lengths
        launch(local_jets.contract_jets, out.shape[0], self._operations(), *jets, out)
        return out

    def _contract_tangents(self, W: FloatArray) -> FloatArray:
        """The same for tangents of the jets of the basis."""
        out: FloatArray = recycled((*self.z.shape[:2], self.layer.n_outputs))
        run, C = (local_jets.contract_few, self.C) if self._few else (local_jets.contract, self._packed)
        launch(run, out.shape[0], self._operations(), self.basis.start, W, C, self._width, self._count, out)
        return out

    @property
    def _width(self) -> tuple[int, ...]:
        """A sequence of r items, as the kernels want it."""
        return (0,) * self.layer.order

    @property
    def _lengths(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Sequences of as many items as functions in a window, channels, and first derivatives."""
        return self._width, self._count, (0,) * self.channels.n_first

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """dC[q,p,i] = sum_s sum_c dy[s,c,q] W[s,c,p,i], and the cotangent of z."""
        dy = np.ascontiguousarray(dy)
        if self.layer.free_knots:
            knots = self._knots
            moments = self._sums_of_rows(knots.local_start(self.basis.start), dy, knots.local_dim)
            blocks = {"coefficients": knots.fold(moments).transpose(2, 0, 1), "s": knots.pull_back(moments)}
        else:
            sums = self._sums_of_rows(self.basis.start, dy, self.layer.dim)
            blocks = {"coefficients": sums.transpose(2, 0, 1)}
        dz = self.pullback_inputs(dy[:, None])[:, 0] if inputs else None
        return self.layer.pack(**blocks), dz

    def _sums_of_rows(self, start: IntArray, dy: FloatArray, dim: int) -> FloatArray:
        """Sums over samples of sum_c W[s, c, p, i] dy[s, c, q] at [p, start + i, q]: (P, dim, Q)."""
        P, Q = self.z.shape[2], dy.shape[2]
        parts = min(PARTS, max(1, dy.shape[0] // LEAST_SAMPLES))
        columns = Q if self._few else local_jets.TILE * n_tiles(Q)
        groups = min(P, -(-P * dim * columns // GROUP_ENTRIES))
        few = self._few
        dC = np.zeros((parts, P, dim, Q) if few else (parts, P, n_tiles(Q), dim, local_jets.TILE))
        jets = start, self.basis.rows, self.z, dy, groups, *self._lengths
        launch(local_jets.pull_back_jets, parts * groups, self._operations(), *jets, dC)
        total = dC[0]
        for part in dC[1:]:
            total += part
        return total if few else unpack(total, Q)

    @lazy
    def _knots(self) -> FreeKnots:
        return FreeKnots(self.layer, self.theta, self.tables, self.C)

    def pushforward(self, dtheta: FloatArray, dz: FloatArray) -> FloatArray:
        """dy_c = sum_p sum_i (dC W_c + C dW_c), W moving with z, and dC with the knots from interval to interval."""
        blocks = self.layer.unpack(dtheta)
        dC = np.ascontiguousarray(blocks["coefficients"].transpose(1, 2, 0))
        moving = self._contract_tangents(channel_row_tangents(self.basis.rows, self.z, dz, self.channels))
        if not self.layer.free_knots:
            return self._contract(dC, self.basis.start) + moving
        knots = self._knots
        return self._contract(knots.move(dC, blocks["s"]), knots.local_start(self.basis.start)) + moving

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents of (x, u, v) of every input, from those of the jets of the outputs."""
        G = np.ascontiguousarray(G)
        dz: FloatArray = recycled((*G.shape[:3], self.layer.n_inputs))
        arguments = G.shape[0], 2 * self._operations(G.shape[1]), self.basis.start, self.basis.rows, self.z
        if self._few:
            launch(local_jets.pull_back_inputs_few, *arguments, self.C, G, *self._lengths, dz)
        else:
            launch(local_jets.pull_back_inputs, *arguments, self._packed, G, *self._lengths, local_jets.LANES, dz)
        return dz

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Coefficient columns sum_c G[s,o,c,q] W[s,c,p,i], then the columns of s."""
        layer, size = self.layer, self.C.size
        G = np.ascontiguousarray(G)
        columns = out[:, :, :size].reshape(*out.shape[:2], layer.n_outputs, layer.n_inputs, layer.dim)
        operations = self._operations(G.shape[1])
        launch(local_jets.scatter_jacobian, G.shape[0], operations, self.basis.start, self.W, G, columns)
        if layer.free_knots:
            s = np.empty((*G.shape[:2], layer.n_inputs, layer.intervals))
            self._knots.fill_jacobian(self.basis.start, self.W, G, s)
            out[:, :, size:] = s.reshape(*G.shape[:2], out.shape[2] - size)


def n_tiles(n_outputs: int) -> int:
    """Number of tiles of outputs."""
    return -(-n_outputs // local_jets.TILE)


def pack(C: FloatArray) -> FloatArray:
    """Coefficients (P, dim, Q) as kernels want them, (P, tiles, dim, TILE), filled up with zeros."""
    P, dim, Q = C.shape
    packed = np.zeros((P, n_tiles(Q), dim, local_jets.TILE))
    for tile in range(packed.shape[1]):
        part = C[:, :, tile * local_jets.TILE : (tile + 1) * local_jets.TILE]
        packed[:, tile, :, : part.shape[2]] = part
    return packed


def unpack(packed: FloatArray, n_outputs: int) -> FloatArray:
    """Undo `pack`."""
    P, tiles, dim, width = packed.shape
    return packed.transpose(0, 2, 1, 3).reshape(P, dim, tiles * width)[:, :, :n_outputs]
