r"""Jets through a network by blocks of samples: each goes through all layers on one thread, and stays in a cache.

Blocks are of a size that depends on the network alone, and their sums are added in order: the bits of a result do not
depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.errors import OutsideDomainError
from refkan.jets.statistics import Constants, Statistics
from refkan.jets.sweep import JetSweep
from refkan.kernels.launch import run_blocks
from refkan.layers.jets import Channels

if TYPE_CHECKING:
    from refkan.networks import Network

BLOCK = 1024
"""Samples in a block: some MB for layers of 20 inputs, and enough work for the interpreter's share to be small."""


def block_slices(n_samples: int, size: int | None = None) -> list[slice]:
    """Cut samples into blocks of nearly equal size, at most `size` or BLOCK; one empty block where there are none.

    Examples
    --------
    >>> block_slices(5, 2)
    [slice(0, 1, None), slice(1, 3, None), slice(3, 5, None)]
    """
    count = max(1, -(-n_samples // (BLOCK if size is None else size)))
    bounds = [k * n_samples // count for k in range(count + 1)]
    return [slice(low, high) for low, high in pairwise(bounds)]


class ConstantSums:
    """Sums of cotangents of the constants of node maps.

    Attributes
    ----------
    sums : list of (dscale, dshift) or None, one for each map
    """

    def __init__(self, n_maps: int) -> None:
        self.sums: list[Constants | None] = [None] * n_maps

    def add(self, parts: list[Constants | None]) -> None:
        """Add those of one sweep."""
        for k, part in enumerate(parts):
            before = self.sums[k]
            if part is not None:
                self.sums[k] = part if before is None else (before[0] + part[0], before[1] + part[1])


@dataclass(frozen=True, eq=False)
class BlockedSweep:
    """A network at theta and a jet z (N, channels, P) of its inputs, as sweeps of blocks.

    Attributes
    ----------
    value : array (N, channels, d_L)
        The jet of the outputs.
    """

    net: Network
    rows: list[slice]
    sweeps: list[JetSweep]
    statistics: Statistics
    value: Array

    @classmethod
    def forward(cls, net: Network, theta: Array, z: Array, channels: Channels) -> BlockedSweep:
        """Evaluate."""
        statistics, rows = Statistics(net, theta), block_slices(z.shape[0])

        def sweep(k: int) -> JetSweep:
            return JetSweep.forward(net, theta, z[rows[k]], channels, statistics)

        try:
            sweeps = run_blocks(sweep, len(rows))
        except OutsideDomainError:
            JetSweep.forward(net, theta, z, channels, statistics)  # names the sample by its number among all
            raise
        value = sweeps[0].value if len(sweeps) == 1 else np.concatenate([one.value for one in sweeps])
        return cls(net, rows, sweeps, statistics, value)

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents of theta, through the statistics too, and of the inputs' jet; dy (N, channels, d_L)."""
        parts = run_blocks(lambda k: self.sweeps[k].pull_back_apart(dy[self.rows[k]], inputs), len(self.rows))
        dtheta, through = np.zeros(self.net.n_params), ConstantSums(len(self.net.node_maps))
        for part, constants, _ in parts:
            dtheta += part
            through.add(constants)
        dtheta += self.statistics.pull_back(through.sums)
        return dtheta, np.concatenate([dz for _, _, dz in parts]) if inputs else None

    def push_forward(self, dtheta: FloatArray) -> FloatArray:
        """Tangent (N, channels, d_L) along dtheta."""
        constants, width = self.statistics.push_forward(dtheta), self.net.widths[0]

        def push(k: int) -> FloatArray:
            sweep = self.sweeps[k]
            dz = np.zeros((*sweep.value.shape[:2], width))
            return sweep.push_forward(dtheta, dz, constants)

        return np.concatenate(run_blocks(push, len(self.rows)))

    def jacobian(self, G: FloatArray) -> FloatArray:
        """Rows (N, O, n_params): sum_cq G[s, o, c, q] d(jet[s, c, q])/dtheta."""
        J = np.zeros((*G.shape[:2], self.net.n_params))
        if self.statistics.count:
            _ = self.statistics.gradients  # once, before the blocks ask for them
        run_blocks(lambda k: self.sweeps[k].fill_jacobian(G[self.rows[k]], J[self.rows[k]]), len(self.rows))
        return J
