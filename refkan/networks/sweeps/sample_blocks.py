r"""Jets through a network by blocks of samples: each goes through all layers on one thread, and stays in a cache.

Blocks are of a size that depends on the network alone, and their sums are added in order: the bits of a result do not
depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from refkan.base import Array, FloatArray, OutsideDomainError, ShortRepr
from refkan.kernels.launch import run_blocks
from refkan.networks.composition import Composition
from refkan.networks.node_maps.node_map import Constants
from refkan.networks.sweeps.statistics_sweep import Statistics, add_constants
from refkan.networks.sweeps.sweep import Sweep
from refkan.splines.sums.channels import Channels

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


@dataclass(frozen=True, eq=False)
class BlockedSweep(ShortRepr):
    """A network at theta and a jet z (N, channels, P) of its inputs, as sweeps of blocks.

    Attributes
    ----------
    value : array (N, channels, d_L)
        The jet of the outputs.
    """

    net: Composition
    rows: list[slice]
    sweeps: list[Sweep]
    statistics: Statistics
    value: Array

    @classmethod
    def forward(cls, net: Composition, theta: Array, z: Array, channels: Channels) -> BlockedSweep:
        """Evaluate."""
        statistics, rows = Statistics(net, theta), block_slices(z.shape[0])

        def sweep(k: int) -> Sweep:
            return Sweep.forward(net, theta, z[rows[k]], channels, statistics.constants)

        try:
            sweeps = run_blocks(sweep, len(rows))
        except OutsideDomainError:
            Sweep.forward(net, theta, z, channels, statistics.constants)  # names the sample by its number among all
            raise
        value = sweeps[0].value if len(sweeps) == 1 else np.concatenate([part.value for part in sweeps])
        return cls(net, rows, sweeps, statistics, value)

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents of theta, through the statistics too, and of the inputs' jet; dy (N, channels, d_L)."""
        parts = run_blocks(lambda k: self.sweeps[k].pull_back(dy[self.rows[k]], inputs), len(self.rows))
        dtheta = np.zeros(self.net.n_params)
        through: list[Constants | None] = [None] * len(self.net.node_maps)
        for part, constants, _ in parts:
            dtheta += part
            add_constants(through, constants)
        dtheta += self.statistics.pull_back(through)
        return dtheta, np.concatenate([dz for _, _, dz in parts]) if inputs else None

    def push_forward(self, dtheta: FloatArray) -> FloatArray:
        """Tangent (N, channels, d_L) along dtheta."""
        constants = self.statistics.push_forward(dtheta).constants

        def push(k: int) -> FloatArray:
            return self.sweeps[k].push_forward(dtheta, None, constants).outputs[-1]

        return np.concatenate(run_blocks(push, len(self.rows)))

    def jacobian(self, G: FloatArray) -> FloatArray:
        """Rows (N, O, n_params): sum_cq G[s, o, c, q] d(jet[s, c, q])/dtheta."""
        J = np.zeros((*G.shape[:2], self.net.n_params))
        gradients = self.statistics.gradients if self.statistics.count else None  # before the blocks ask for them
        run_blocks(lambda k: self.sweeps[k].fill_jacobian(G[self.rows[k]], J[self.rows[k]], gradients), len(self.rows))
        return J
