r"""Sweeps through a network: forward with everything kept, backward, forward in tangents, and the Jacobian.

The statistics batch of the network, if it has one, rides along as the first rows. Under a map that takes statistics,
z = scale y + shift with (scale, shift) functions of those rows, so a cotangent of any row also reaches the statistics
rows through scale and shift.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.errors import OutsideDomainError
from refkan.layers.base import Layer, Linearization
from refkan.node_maps import PointwiseMap, StatisticsMap

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
    """A node map at activations y (rows, Q), of which the first S are the statistics batch: z and dz/dy."""

    node_map: PointwiseMap | StatisticsMap
    y: FloatArray
    n_statistics: int
    z: FloatArray
    slope: FloatArray

    @classmethod
    def at(cls, node_map: PointwiseMap | StatisticsMap, y: Array, n_statistics: int, layer: int) -> MapState:
        """Evaluate; `layer` is for errors."""
        if isinstance(node_map, StatisticsMap):
            scale, shift = node_map.constants(y[:n_statistics], layer)
            return cls(node_map, y, n_statistics, scale * y + shift, scale)
        return cls(node_map, y, n_statistics, node_map.value(y), node_map.slope(y))

    def pull_back(self, dz: FloatArray) -> FloatArray:
        """Cotangent of y, through the constants too."""
        dy: FloatArray = dz * self.slope
        if isinstance(self.node_map, StatisticsMap):
            dscale, dshift = np.sum(dz * self.y, axis=0), dz.sum(axis=0)
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
    def forward(cls, net: Network, theta: FloatArray, x: FloatArray, share: bool, inputs: bool = True) -> Sweep:
        """Evaluate at theta and x; `share` lets x and an equal statistics batch use the same rows.

        Without `inputs` the first layer knows no derivatives in x: cotangents may be pulled back to theta alone.
        """
        batch = net.statistics
        shared = share and batch is not None and (x is batch or np.array_equal(x, batch))
        n_statistics = 0 if batch is None else batch.shape[0]
        z = x if batch is None or shared else np.concatenate([batch, x])
        layers: list[Linearization] = []
        maps: list[MapState] = []
        for k, (layer, where) in enumerate(zip(net.layers, net.slices, strict=True)):
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
        dtheta, dx = self._pull_back_from(len(self.layers) - 1, full, inputs)
        return dtheta, None if dx is None else dx[self._first :]

    def _pull_back_from(self, top: int, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents of all parameters, and of the inputs, from one dy of the outputs of layer `top`."""
        dtheta = np.zeros(self.net.n_params, dy.dtype)
        dx: FloatArray | None = None
        for k in range(top, -1, -1):
            part, dx = self.layers[k].pullback(dy, inputs or k > 0)
            dtheta[self.net.slices[k]] = part
            if k > 0:
                assert dx is not None
                dy = self.maps[k - 1].pull_back(dx)
        return dtheta, dx

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

    def jacobian(self) -> FloatArray:
        r"""J (N d_L, n_params): the constants of maps held fixed, plus dy/dconstants dconstants/dtheta."""
        first, n_outputs = self._first, self.layers[-1].value.shape[1]
        rows = self.layers[-1].value.shape[0]
        J = np.zeros((rows - first, n_outputs, self.net.n_params))
        G = np.zeros((rows, n_outputs, n_outputs))
        G[first:] = np.eye(n_outputs)
        # Row slices of a linearisation are not offered: the statistics rows carry zero cotangents instead.
        for k in range(len(self.layers) - 1, -1, -1):
            columns = self.net.slices[k]
            if first:
                full = np.zeros((rows, n_outputs, columns.stop - columns.start))
                self.layers[k].fill_jacobian(G, full)
                J[:, :, columns] += full[first:]
            else:
                self.layers[k].fill_jacobian(G, J[:, :, columns])
            if k > 0:
                dz = self.layers[k].pullback_inputs(G)
                state = self.maps[k - 1]
                if isinstance(state.node_map, StatisticsMap):
                    self._add_constants(J, k - 1, dz[first:])
                G = dz * (state.slope if state.slope.ndim == 1 else state.slope[:, None, :])
        return J.reshape(-1, self.net.n_params)

    def _add_constants(self, J: FloatArray, k: int, dz: FloatArray) -> None:
        """Add to J what flows through scale and shift of map k: (dz y, dz) times d(scale, shift)/dtheta."""
        y = self.maps[k].y[self._first :, None, :]
        through = np.concatenate([dz * y, dz], axis=2)
        J[:, :, : self.net.slices[k].stop] += through @ self.constant_gradients(k)

    def constant_gradients(self, k: int) -> FloatArray:
        """Gradients (2 Q, m) of scale and shift of map k in the m parameters of layers 0, ..., k."""
        state = self.maps[k]
        node_map = state.node_map
        assert isinstance(node_map, StatisticsMap)
        Y = state.y[: self.n_statistics]
        n_nodes = Y.shape[1]
        width = self.net.slices[k].stop
        gradients = np.empty((2 * n_nodes, width))
        for c in range(2 * n_nodes):
            unit = np.zeros(2 * n_nodes)
            unit[c] = 1.0
            dy = np.zeros_like(state.y)
            dy[: self.n_statistics] = node_map.constants_vjp(Y, unit[:n_nodes], unit[n_nodes:])
            gradients[c] = self._pull_back_from(k, dy, inputs=False)[0][:width]
        return gradients
