r"""Constants of node maps that follow theta through the statistics batch, apart from the samples that use them.

Under mean-std and min-max maps z = scale y + shift, with (scale, shift) = c(theta) functions of the activations at the
statistics batch. Derivatives in x hold the constants fixed; derivatives in theta go through them: with F = F(theta, c),

    dF/dtheta = J_f + E S,    J_f at fixed c,    E = dF/dc,    S = dc/dtheta (C, n_params).

What cotangents of c mean for theta is found on the statistics batch, once for any number of sweeps over samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refkan.base import Array, FloatArray, lazy
from refkan.networks.composition import Composition
from refkan.networks.node_maps.node_map import Constants
from refkan.networks.sweeps.second_sweep import Cotangents, cotangents
from refkan.networks.sweeps.sweep import Sweep, Tangents


class Statistics:
    """The statistics batch at theta, up to the last map that takes constants from it.

    Attributes
    ----------
    net : Composition
    sweep : Sweep or None
        None for a network without such maps.
    constants : list
        For each node map its (scale, shift), or None where it takes none.
    """

    def __init__(self, net: Composition, theta: Array, slopes: bool = True, inputs: bool = False) -> None:
        self.net = net
        self.maps = net.statistics_maps
        self.sweep: Sweep | None = None
        self.constants: list[Constants | None] = [None] * len(net.node_maps)
        if self.maps:
            assert net.statistics is not None
            batch = net.statistics[:, None]
            depth = self.maps[-1] + 1
            self.sweep = Sweep.forward(net, theta, batch, slopes=slopes, inputs=inputs, depth=depth)
            self.constants = self.sweep.constants

    @property
    def count(self) -> int:
        """Number C of constants: scale and shift of each node under such a map."""
        return sum(2 * self.net.widths[k + 1] for k in self.maps)

    @property
    def frozen(self) -> Composition:
        """The network whose constants are fixed at what they are here."""
        return self.net if self.sweep is None else self.sweep.frozen

    def pull_back(self, constants: Sequence[Constants | None]) -> FloatArray:
        """Cotangent of theta (n_params,) from cotangents of scale and shift of every map."""
        if self.sweep is None:
            return np.zeros(self.net.n_params)
        return self.sweep.pull_back(None, constants=self._all(constants))[0]

    def push_forward(self, dtheta: FloatArray) -> Tangents:
        """Tangents of the batch, and with them of the constants, along dtheta."""
        if self.sweep is None:
            return Tangents([], [], [None] * len(self.net.node_maps))
        return self.sweep.push_forward(dtheta)

    def cotangents(self, constants: Sequence[Constants | None]) -> Cotangents:
        """Cotangents of everything on the batch from those of the constants."""
        assert self.sweep is not None
        return cotangents(self.sweep, None, self._all(constants))

    def _all(self, constants: Sequence[Constants | None]) -> list[Constants | None]:
        """Zero where a map's constants have no cotangents."""
        complete = list(constants)
        for k in self.maps:
            if complete[k] is None:
                complete[k] = np.zeros(self.net.widths[k + 1]), np.zeros(self.net.widths[k + 1])
        return complete

    @lazy
    def gradients(self) -> FloatArray:
        r"""Gradients S (C, n_params) of the constants: for each map that has some of its scales, then of its shifts.

        Those of map k depend on the activations of its layer at the statistics batch, one column each; these on theta
        directly, and through the constants c_l of maps before:  S_k = (dc_k/dtheta at fixed c) + sum_l (dc_k/dc_l) S_l.
        """
        ends = np.cumsum([0, *(2 * self.net.widths[k + 1] for k in self.maps)])
        S = np.zeros((ends[-1], self.net.n_params))
        for number, k in enumerate(self.maps):
            self._differentiate_constants(k, S[ends[number] : ends[number + 1]], S[: ends[number]])
        return S

    def _differentiate_constants(self, k: int, out: FloatArray, before: FloatArray) -> None:
        """Write S_k into out (2 Q, n_params), given the rows S_l of the maps before."""
        sweep, node_map = self.sweep, self.net.node_maps[k]
        assert sweep is not None
        Y = sweep.layers[k].value[:, 0]
        n = Y.shape[1]
        ones, zeros = np.ones(n), np.zeros(n)
        columns = []
        for first, units in ((0, (ones, zeros)), (n, (zeros, ones))):
            dy = node_map.constants_vjp(Y, *units)
            out[first : first + n, self.net.slices[k]] = sweep.layers[k].pullback_apart(dy[:, None])
            columns.append(dy)
        if k == 0:
            return
        G = np.concatenate([dy[:, None, :] * np.eye(n) for dy in columns], axis=1)
        head = replace(sweep, layers=sweep.layers[: k + 1], maps=sweep.maps[:k])
        through: list[FloatArray] = []
        for l, g, constants in head.pull_back_apart(G[:, :, None]):
            if l < k:
                out[:, self.net.slices[l]] = sweep.layers[l].pullback_several(g)
            if constants is not None:
                through.insert(0, np.concatenate(constants, axis=2).sum(axis=0))
        if through:
            out += np.concatenate(through, axis=1) @ before


def add_constants(sums: list[Constants | None], parts: Sequence[Constants | None]) -> None:
    """Add cotangents of the constants of one sweep to sums over several."""
    for k, part in enumerate(parts):
        before = sums[k]
        if part is not None:
            sums[k] = part if before is None else (before[0] + part[0], before[1] + part[1])
