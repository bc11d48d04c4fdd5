r"""Sweeps of jets through a network: forward with everything kept, backward, forward in tangents, and the Jacobian."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from refkan.arguments import check_target
from refkan.array_types import Array, FloatArray
from refkan.jets.maps import map_jet
from refkan.jets.statistics import Constants, Statistics
from refkan.layers.jets import Channels, JetLinearization
from refkan.layers.pointwise_jets import AffineJet, PointwiseJet
from refkan.sweeps import at_layer

if TYPE_CHECKING:
    from refkan.networks import Network


@dataclass(frozen=True, eq=False)
class JetSweep:
    """A network at theta and a jet z (N, channels, P) of its inputs, every layer linearised.

    Attributes
    ----------
    layers : list of JetLinearization
    maps : list of AffineJet or PointwiseJet
    statistics : Statistics
        Where the constants of the maps come from; shared by all sweeps at one theta.
    """

    net: Network
    layers: list[JetLinearization]
    maps: list[AffineJet | PointwiseJet]
    statistics: Statistics

    @classmethod
    def forward(cls, net: Network, theta: Array, z: Array, channels: Channels, statistics: Statistics) -> JetSweep:
        """Evaluate."""
        layers: list[JetLinearization] = []
        maps: list[AffineJet | PointwiseJet] = []
        for k, (layer, where) in enumerate(zip(net.layers, net.slices, strict=True)):
            with at_layer(k):
                layers.append(layer.linearize_jets(theta[where], z, channels))
            if k < len(net.node_maps):
                maps.append(map_jet(net.node_maps[k], layers[-1].value, statistics.constants[k], channels))
                z = maps[-1].value
        return cls(net, layers, maps, statistics)

    @property
    def value(self) -> Array:
        """The jet (N, channels, d_L) of the outputs."""
        return self.layers[-1].value

    def pull_back_apart(
        self, dy: FloatArray, inputs: bool
    ) -> tuple[FloatArray, list[Constants | None], FloatArray | None]:
        """Cotangents of theta with the constants held, of the constants, and of the inputs' jet (None unless asked)."""
        dtheta = np.zeros(self.net.n_params)
        constants: list[Constants | None] = [None] * len(self.maps)
        dz: FloatArray | None = None
        for k in range(len(self.layers) - 1, -1, -1):
            dtheta[self.net.slices[k]], dz = self.layers[k].pullback(dy, inputs or k > 0)
            if k > 0:
                assert dz is not None
                state, G = self.maps[k - 1], dz[:, None]
                if self.statistics.constants[k - 1] is not None:
                    assert isinstance(state, AffineJet)
                    dscale, dshift = state.pull_back_constants(G)
                    constants[k - 1] = dscale[:, 0].sum(axis=0), dshift[:, 0].sum(axis=0)
                dy = state.pullback(G)[:, 0]
        return dtheta, constants, dz

    def push_forward(self, dtheta: FloatArray, dz: FloatArray, constants: Sequence[Constants | None]) -> FloatArray:
        """Tangent (N, channels, d_L) along dtheta, dz (N, channels, d_0) and the constants of the maps."""
        dy = dz
        for k, layer in enumerate(self.layers):
            dy = layer.pushforward(dtheta[self.net.slices[k]], dz)
            if k < len(self.maps):
                state, moved = self.maps[k], constants[k]
                dz = state.pushforward(dy)
                if moved is not None:
                    assert isinstance(state, AffineJet)
                    dz = dz + state.push_forward_constants(*moved)
        return dy

    def fill_jacobian(self, G: FloatArray, J: FloatArray) -> None:
        """Add to J (N, O, n_params), zero on entry, sum_cq G[s, o, c, q] d(jet[s, c, q])/dtheta."""
        check_target("J", J, (*G.shape[:2], self.net.n_params), np.iscomplexobj(G))
        through: list[FloatArray] = []
        for k in range(len(self.layers) - 1, -1, -1):
            self.layers[k].fill_jacobian(G, J[:, :, self.net.slices[k]])
            if k > 0:
                dz, state = self.layers[k].pullback_inputs(G), self.maps[k - 1]
                if self.statistics.constants[k - 1] is not None:
                    assert isinstance(state, AffineJet)
                    through.insert(0, np.concatenate(state.pull_back_constants(dz), axis=2))
                G = state.pullback(dz)
        if through:
            J += np.concatenate(through, axis=2) @ self.statistics.gradients
