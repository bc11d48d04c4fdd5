r"""Constants of node maps that follow theta through the statistics batch, apart from the samples that use them.

Under mean-std and min-max maps z = scale y + shift. Derivatives in x hold scale and shift fixed, so that jets see
affine maps; derivatives in theta go through them: what cotangents of scale and shift mean for theta is found on the
statistics batch, whose values alone are needed, once for any number of jets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.node_maps import StatisticsMap
from refkan.sweeps import Sweep

if TYPE_CHECKING:
    from refkan.networks import Network

Constants = tuple[Array, Array]
"""Scale and shift (Q,) of a node map, or their tangents or cotangents."""


class Statistics:
    """The statistics batch at theta, up to the last map that takes constants from it.

    Attributes
    ----------
    constants : list
        For each node map its (scale, shift), or None where it takes none.
    """

    def __init__(self, net: Network, theta: Array) -> None:
        self.net = net
        self._maps = [k for k, node_map in enumerate(net.node_maps) if isinstance(node_map, StatisticsMap)]
        self.constants: list[Constants | None] = [None] * len(net.node_maps)
        if not self._maps:
            return
        self._sweep = Sweep.of_statistics(net, theta, tangents=True)
        for k in self._maps:
            state = self._sweep.maps[k]
            assert state.shift is not None
            self.constants[k] = state.slope, state.shift

    @property
    def count(self) -> int:
        """Number of constants: scale and shift of each node under such a map."""
        return sum(2 * self.net.widths[k + 1] for k in self._maps)

    def pull_back(self, cotangents: Sequence[Constants | None]) -> FloatArray:
        """Cotangent of theta (n_params,) from cotangents of scale and shift of every map."""
        dtheta = np.zeros(self.net.n_params)
        if not self._maps:
            return dtheta
        dz: FloatArray | None = None
        for k in range(self._maps[-1], -1, -1):
            state = self._sweep.maps[k]
            dy = np.zeros_like(state.y) if dz is None else state.pull_back(dz)
            mine = cotangents[k]
            if mine is not None:
                assert isinstance(state.node_map, StatisticsMap)
                dy += state.node_map.constants_vjp(state.y, *mine)
            part, dz = self._sweep.layers[k].pullback(dy, inputs=k > 0)
            dtheta[self.net.slices[k]] = part
        return dtheta

    def push_forward(self, dtheta: FloatArray) -> list[Constants | None]:
        """Tangents of scale and shift of every map along dtheta."""
        tangents: list[Constants | None] = [None] * len(self.constants)
        if not self._maps:
            return tangents
        dz = np.zeros((self._sweep.layers[0].value.shape[0], self.net.widths[0]))
        for k in range(self._maps[-1] + 1):
            state = self._sweep.maps[k]
            dy = self._sweep.layers[k].pushforward(dtheta[self.net.slices[k]], dz)
            if isinstance(state.node_map, StatisticsMap):
                tangents[k] = state.node_map.constants_jvp(state.y, dy)
            dz = state.push_forward(dy)
        return tangents

    @property
    def gradients(self) -> FloatArray:
        """Gradients (C, n_params) of the constants: for each map its scales, then its shifts."""
        return self._sweep.constant_gradients
