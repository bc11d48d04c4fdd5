r"""Sweeps through a network: forward with everything kept, backward, forward in tangents, and the Jacobian.

The statistics batch of the network, if it has one, rides along as the first rows. Under a map that takes statistics,
z = scale y + shift with (scale, shift) functions of those rows, so a cotangent of any row also reaches the statistics
rows through scale and shift.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.errors import OutsideDomainError
from refkan.layers.base import Layer, Linearization
from refkan.lazy import lazy
from refkan.node_maps import AffineMap, PointwiseMap, StatisticsMap, affine

if TYPE_CHECKING:
    from refkan.networks import Network


@contextmanager
def at_layer(k: int) -> Iterator[None]:
    """Name the layer in errors about points outside its domain."""
    try:
        yield
    except OutsideDomainError as error:
        raise OutsideDomainError(f"layer {k}: {error}" if k else str(error)) from None


def layer_value(layer: Layer, k: int, theta: Array, z: Array) -> Array:
    """Value of layer number k at its parameters and inputs."""
    with at_layer(k):
        return layer.linearize(theta, z, slopes=False).value


@dataclass(frozen=True, eq=False)
class MapState:
    """A node map at activations y (rows, Q), of which the first S are the statistics batch: z and dz/dy.

    Under a map that takes statistics z = slope y + shift; other maps have no `shift` here.
    """

    node_map: PointwiseMap | StatisticsMap
    y: FloatArray
    n_statistics: int
    z: FloatArray
    slope: FloatArray
    shift: FloatArray | None = None

    @classmethod
    def at(cls, node_map: PointwiseMap | StatisticsMap, y: Array, n_statistics: int, layer: int) -> MapState:
        """Evaluate; `layer` is for errors."""
        if isinstance(node_map, StatisticsMap):
            scale, shift = node_map.constants(y[:n_statistics], layer)
            return cls(node_map, y, n_statistics, affine(y, scale, shift), scale, shift)
        return cls(node_map, y, n_statistics, node_map.value(y), node_map.slope(y))

    def pull_back(self, dz: FloatArray) -> FloatArray:
        """Cotangent of y, through the constants too."""
        if self.slope.ndim == 2:
            return dz * self.slope
        dy = affine(dz, self.slope, np.zeros(self.slope.shape))
        if isinstance(self.node_map, StatisticsMap):
            dscale, dshift = np.einsum("sq,sq->q", dz, self.y), np.einsum("sq->q", dz)
            dy[: self.n_statistics] += self.node_map.constants_vjp(self.y[: self.n_statistics], dscale, dshift)
        return dy

    def push_forward(self, dy: FloatArray) -> FloatArray:
        """Tangent of z, through the constants too."""
        dz: FloatArray = dy * self.slope
        if isinstance(self.node_map, StatisticsMap):
            first = slice(self.n_statistics)
            dscale, dshift = self.node_map.constants_jvp(self.y[first], dy[first])
            dz += dscale * self.y + dshift
        return dz

    def pull_back_tangent(self, dy: FloatArray, Z: FloatArray, dZ: FloatArray) -> FloatArray:
        """Tangent of `pull_back` (Z) along the tangents dy of y and dZ of the cotangent Z.

        Pointwise: z'(y) dZ + z''(y) dy Z. Through constants: with s, t the cotangents of scale and shift, s = sum Z y,
        t = sum Z, scale dZ + dscale Z for all rows, and for the statistics rows the pullback of (ds, dt) and the
        Hessian of <s, scale> + <t, shift> times dy.
        """
        moved: FloatArray = dZ * self.slope
        if isinstance(self.node_map, StatisticsMap):
            first = slice(self.n_statistics)
            Y, dY = self.y[first], dy[first]
            s, t = np.sum(Z * self.y, axis=0), Z.sum(axis=0)
            ds, dt = np.sum(dZ * self.y + Z * dy, axis=0), dZ.sum(axis=0)
            moved += self.node_map.constants_jvp(Y, dY)[0] * Z
            moved[first] += self.node_map.constants_vjp(Y, ds, dt)
            moved[first] += self.node_map.constants_hvp(Y, dY, s, t)
        else:
            moved += self.node_map.curvature(self.y) * dy * Z
        return moved


@dataclass(frozen=True, eq=False)
class Sweep:
    """A network at (theta, x) with every layer linearised.

    Attributes
    ----------
    layers : list of Linearization
    maps : list of MapState
    n_statistics : int
        Number of leading rows that belong to the statistics batch.
    shared : bool
        Whether x is the statistics batch and its rows are carried once.
    """

    net: Network
    layers: list[Linearization]
    maps: list[MapState]
    n_statistics: int
    shared: bool

    @classmethod
    def forward(
        cls, net: Network, theta: Array, x: Array, share: bool, inputs: bool = True, depth: int | None = None
    ) -> Sweep:
        """Evaluate at theta and x; `share` lets x and an equal statistics batch use the same rows.

        Without `inputs` the first layer knows no derivatives in x: cotangents may be pulled back to theta alone.
        `depth` is the number of layers, by default all.
        """
        batch = net.statistics
        shared = share and batch is not None and (x is batch or np.array_equal(x, batch))
        n_statistics = 0 if batch is None else batch.shape[0]
        z = x if batch is None or shared else np.concatenate([batch, x])
        layers: list[Linearization] = []
        maps: list[MapState] = []
        for k, (layer, where) in enumerate(zip(net.layers[:depth], net.slices[:depth], strict=True)):
            with at_layer(k):
                layers.append(layer.linearize(theta[where], z, slopes=inputs or k > 0))
            if k < len(net.node_maps):
                node_map = net.node_maps[k]
                assert isinstance(node_map, PointwiseMap | StatisticsMap)
                maps.append(MapState.at(node_map, layers[-1].value, n_statistics, k))
                z = maps[-1].z
        return cls(net, layers, maps, n_statistics, shared)

    @property
    def _first(self) -> int:
        """First row that belongs to x."""
        return 0 if self.shared else self.n_statistics

    @property
    def value(self) -> FloatArray:
        """Values y (N, d_L)."""
        return self.layers[-1].value[self._first :]

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents (dtheta, dx) of dy (N, d_L)."""
        full = np.zeros_like(self.layers[-1].value)
        full[self._first :] = dy
        dtheta = np.zeros(self.net.n_params, dy.dtype)
        dx: FloatArray | None = None
        for k in range(len(self.layers) - 1, -1, -1):
            part, dx = self.layers[k].pullback(full, inputs or k > 0)
            dtheta[self.net.slices[k]] = part
            if k > 0:
                assert dx is not None
                full = self.maps[k - 1].pull_back(dx)
        return dtheta, None if dx is None else dx[self._first :]

    def push_forward(self, dtheta: FloatArray, dx: FloatArray) -> FloatArray:
        """Tangent dy (N, d_L); the statistics batch itself does not move with dx."""
        dz = np.zeros((self.layers[0].value.shape[0], dx.shape[1]))
        dz[self._first :] = dx
        dy = dz
        for k, layer in enumerate(self.layers):
            dy = layer.pushforward(dtheta[self.net.slices[k]], dz)
            if k < len(self.maps):
                dz = self.maps[k].push_forward(dy)
        return dy[self._first :]

    def cotangents(self, dy: FloatArray) -> list[FloatArray]:
        """Cotangents (rows, Q) of the outputs of every layer, from dy (N, d_L)."""
        full = np.zeros_like(self.layers[-1].value)
        full[self._first :] = dy
        cotangents = [full]
        for layer, state in zip(self.layers[:0:-1], self.maps[::-1], strict=True):
            cotangents.append(state.pull_back(layer.pullback_inputs(cotangents[-1][:, None, :])[:, 0]))
        return cotangents[::-1]

    def tangents(self, dtheta: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
        """Tangents along dtheta of the inputs (rows, P) and outputs (rows, Q) of every layer."""
        dz = np.zeros((self.layers[0].value.shape[0], self.net.widths[0]))
        tangents = []
        for k, layer in enumerate(self.layers):
            tangents.append((dz, layer.pushforward(dtheta[self.net.slices[k]], dz)))
            if k < len(self.maps):
                dz = self.maps[k].push_forward(tangents[-1][1])
        return tangents

    def pull_back_tangent(
        self,
        dtheta: FloatArray,
        tangents: list[tuple[FloatArray, FloatArray]],
        cotangents: list[FloatArray],
        ddy: FloatArray,
    ) -> FloatArray:
        r"""Forward over reverse: the tangent along dtheta of the cotangent of theta, where dy moves by ddy (N, d_L).

        With Y_k, Z_k the cotangents of outputs and inputs of layer k, ' a tangent and H_k the Hessian of <Y_k, y_k>:

            (theta_k*', Z_k') = pullback_k(Y_k') + H_k (dtheta_k, z_k'),    Y_{k-1}' as in MapState.pull_back_tangent.

        Parameters
        ----------
        dtheta : array (n_params,)
        tangents, cotangents
            What `tangents` (dtheta) and `cotangents` (dy) return.
        ddy : array (N, d_L)
        """
        moved = np.zeros_like(cotangents[-1])
        moved[self._first :] = ddy
        result = np.zeros(self.net.n_params)
        for k in range(len(self.layers) - 1, -1, -1):
            layer, where = self.layers[k], self.net.slices[k]
            part, dx = layer.pullback(moved, k > 0)
            curved, bent = layer.hessian_product(dtheta[where], tangents[k][0], cotangents[k])
            result[where] = part + curved
            if k > 0:
                assert dx is not None
                Z = layer.pullback_inputs(cotangents[k][:, None, :])[:, 0]
                moved = self.maps[k - 1].pull_back_tangent(tangents[k - 1][1], Z, dx + bent)
        return result

    def pull_back_several(self, G: FloatArray, maps: Sequence[int]) -> tuple[list[FloatArray], FloatArray]:
        """Pull cotangents of the outputs back sample by sample, the constants of the maps of these numbers held.

        Parameters
        ----------
        G : array (rows, O, d_L)
        maps : sequence of int
            Of maps z = scale y + shift whose constants are variables of their own.

        Returns
        -------
        list of arrays (rows, O, Q)
            Cotangents of the outputs of every layer.
        array (rows, O, C)
            Cotangents of the constants: for each of these maps of its scales, then of its shifts.
        """
        cotangents, through = [G], [np.empty((*G.shape[:2], 0))]
        for k in range(len(self.layers) - 2, -1, -1):
            dz, state = self.layers[k + 1].pullback_inputs(cotangents[-1]), self.maps[k]
            if k in maps:
                through += [dz, dz * state.y[:, None, :]]
            cotangents.append(dz * (state.slope if state.slope.ndim == 1 else state.slope[:, None, :]))
        return cotangents[::-1], np.concatenate(through[::-1], axis=2)

    def jacobian(self, batch: Sweep | None = None) -> FloatArray:
        r"""Jacobian (N d_L, n_params) of a network whose maps act on each sample alone, plus E S for that of `batch`.

        A network with a statistics batch is one with fixed constants whose outputs depend on theta also through these:
        E (N d_L, C) their derivatives in the constants, S (C, n_params) those of the constants in theta.
        """
        n_samples, n_outputs = self.layers[-1].value.shape
        J = np.zeros((n_samples, n_outputs, self.net.n_params))
        unit = np.broadcast_to(np.eye(n_outputs), (n_samples, n_outputs, n_outputs))
        G, E = self.pull_back_several(unit, () if batch is None else batch.statistics_maps)
        for layer, cotangents, where in zip(self.layers, G, self.net.slices, strict=True):
            layer.fill_jacobian(cotangents, J[:, :, where])
        if batch is not None:
            J += E @ batch.constant_gradients
        return J.reshape(-1, self.net.n_params)

    # -------------------------------------------- constants of node maps

    @classmethod
    def of_statistics(cls, net: Network, theta: Array, tangents: bool = False) -> Sweep:
        """The statistics batch alone, to the last map that takes constants from it; for `tangents` too if asked."""
        depth = max(k for k, node_map in enumerate(net.node_maps) if isinstance(node_map, StatisticsMap)) + 1
        return cls.forward(net, theta, np.empty((0, net.widths[0])), share=False, inputs=tangents, depth=depth)

    @property
    def statistics_maps(self) -> list[int]:
        """Numbers of the maps that take constants from the statistics batch."""
        return [k for k, state in enumerate(self.maps) if isinstance(state.node_map, StatisticsMap)]

    @property
    def frozen(self) -> Network:
        """The network whose constants are fixed at what they are here."""
        maps = list(self.net.node_maps)
        for k in self.statistics_maps:
            maps[k] = AffineMap(self.maps[k].slope, self.maps[k].shift)
        return replace(self.net, node_maps=tuple(maps), statistics=None)

    @lazy
    def constant_gradients(self) -> FloatArray:
        r"""Gradients S (C, n_params) of the constants: for each map that has some of its scales, then of its shifts.

        Those of map k depend on the activations of its layer at the statistics batch, one column each; these on theta
        directly, and through the constants c_l of maps before:  S_k = (dc_k/dtheta at fixed c) + sum_l (dc_k/dc_l) S_l.
        """
        maps = self.statistics_maps
        sizes = [2 * self.maps[k].y.shape[1] for k in maps]
        ends = np.cumsum([0, *sizes])
        S = np.zeros((ends[-1], self.net.n_params))
        for number, k in enumerate(maps):
            rows, part = S[ends[number] : ends[number + 1]], S[: ends[number]]
            self._differentiate_constants(k, rows, maps[:number], part)
        return S

    def _differentiate_constants(self, k: int, out: FloatArray, before: Sequence[int], S: FloatArray) -> None:
        """Write S_k into out (2 Q, n_params), given the rows S of the maps `before`."""
        state, n = self.maps[k], self.maps[k].y.shape[1]
        node_map, Y = state.node_map, state.y[: self.n_statistics]
        assert isinstance(node_map, StatisticsMap)
        one, zero = np.ones(n), np.zeros(n)
        columns = []
        for first, units in ((0, (one, zero)), (n, (zero, one))):
            dy = np.zeros_like(state.y)
            dy[: self.n_statistics] = node_map.constants_vjp(Y, *units)
            out[first : first + n, self.net.slices[k]] = self.layers[k].pullback_apart(dy)
            columns.append(dy)
        if k == 0:
            return
        G = np.concatenate([dy[:, None, :] * np.eye(n) for dy in columns], axis=1)
        head = replace(self, layers=self.layers[: k + 1], maps=self.maps[:k])
        cotangents, E = head.pull_back_several(G, before)
        for layer, g, where in zip(self.layers[:k], cotangents[:-1], self.net.slices[:k], strict=True):
            out[:, where] = layer.pullback_several(g)
        out += E.sum(axis=0) @ S
