r"""Jets through a network by blocks of samples, and the seeds that start them.

Each block goes through all layers on one thread and stays in a cache. The block size depends on the network only, and
sums of blocks are added in order, so that results have the same bits for any number of threads. Seeds are the
directions and orders of differentiation, as the jet of the inputs.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from refkan.base import (
    Array,
    FloatArray,
    Frozen,
    IntArray,
    OutsideDomainError,
    as_array,
    check_count,
    is_sequence,
    lazy,
)
from refkan.kernels.launch import run_blocks
from refkan.networks.composition import Composition
from refkan.networks.node_maps.node_map import Constants
from refkan.networks.sweeps.statistics_sweep import Statistics, add_constants
from refkan.networks.sweeps.sweep import Sweep
from refkan.splines.sums.channels import Channels


class Seeds(Frozen):
    """Directions of differentiation, checked.

    Attributes
    ----------
    first : array (K, P) or (N, K, P)
        Derivatives of the inputs along each direction.
    second : array of the same kind, or None
        Second derivatives of the inputs along each direction: 0 but for curved input maps.
    orders : tuple of int
        The highest derivative, 1 or 2, along each direction.
    """

    first: Array
    second: Array | None
    orders: tuple[int, ...]

    @classmethod
    def check(cls, first: Any, second: Any, orders: Any, shape: tuple[int, int]) -> "Seeds":
        """Check seeds for inputs of shape (N, P).

        Second derivatives of the inputs along directions of order 1 are ignored: dF/dh at h = 0 does not contain them.

        Raises
        ------
        ValueError
            For shapes other than (K, P) or (N, K, P), NaN or infinity, or orders other than 1 and 2.
        TypeError
            If the entries are not numbers.
        """
        N, P = shape
        directions = np.empty((0, P))
        if first is not None:
            directions = as_array("first", first)
        K = _directions("first", directions, N, P)
        if second is not None:
            second = as_array("second", second)
            if _directions("second", second, N, P) != K:
                raise ValueError(f"second must have as many directions as first, {K}; got shape {second.shape}")
        return cls(directions, second, _orders(orders, K))

    @lazy
    def channels(self) -> Channels:
        """The channels that these seeds fill."""
        return Channels(len(self.orders), sum(order == 2 for order in self.orders))

    @lazy
    def twice(self) -> IntArray:
        """Numbers of the directions of order 2."""
        return np.flatnonzero(np.array(self.orders, dtype=int) == 2)

    @lazy
    def arrangement(self) -> IntArray:
        """Numbers of the directions in the order of the channels: first all directions of order 2."""
        once = np.flatnonzero(np.array(self.orders, dtype=int) == 1)
        return np.concatenate([self.twice, once]).astype(np.int64)

    @lazy
    def places(self) -> IntArray:
        """Where each direction lies among the channels of first derivatives: the inverse of `arrangement`."""
        return np.argsort(self.arrangement)

    def inputs(self, x: Array) -> Array:
        """The jet (N, channels, P) of the inputs x (N, P)."""
        channels = self.channels
        kinds = [array for array in (x, self.first, self.second) if array is not None]
        z = np.zeros((x.shape[0], channels.count, x.shape[1]), np.result_type(*kinds))
        z[:, 0] = x
        z[:, 1 : 1 + channels.n_first] = self.first[..., self.arrangement, :]
        if self.second is not None:
            z[:, channels.second] = self.second[..., self.twice, :]
        return z


def _directions(name: str, seeds: Array, N: int, P: int) -> int:
    """Number K of directions."""
    for_all = seeds.ndim == 2 and seeds.shape[1] == P
    for_each = seeds.ndim == 3 and (seeds.shape[0], seeds.shape[2]) == (N, P)
    if not (for_all or for_each):
        raise ValueError(f"{name} must have shape (K, {P}) or ({N}, K, {P}); got {seeds.shape}")
    return seeds.shape[-2]


def _orders(orders: Any, K: int) -> tuple[int, ...]:
    if not is_sequence(orders):
        orders = [orders] * K
    if len(orders) != K:
        raise ValueError(f"orders must be one number or one for each of the {K} directions; got {len(orders)} numbers")
    return tuple(check_count(f"orders[{d}]", order, 1, 2) for d, order in enumerate(orders))


BLOCK = 1024
"""Samples in a block: some MB for layers of 20 inputs, and enough work to hide the interpreter's overhead."""


def block_slices(n_samples: int, size: int | None = None) -> list[slice]:
    """Cut samples into blocks of nearly equal size, at most `size` or BLOCK; one empty block where there are none.

    Examples
    --------
    >>> block_slices(5, 2)
    [slice(0, 1, None), slice(1, 3, None), slice(3, 5, None)]
    """
    count = max(1, -(-n_samples // (size or BLOCK)))
    bounds = [k * n_samples // count for k in range(count + 1)]
    return [slice(low, high) for low, high in pairwise(bounds)]


class BlockedSweep(Frozen):
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
    def forward(cls, net: Composition, theta: Array, z: Array, channels: Channels) -> "BlockedSweep":
        """Evaluate."""
        statistics, rows = Statistics(net, theta), block_slices(z.shape[0])

        def sweep(k: int) -> Sweep:
            return Sweep.forward(net, theta, z[rows[k]], channels, statistics.constants)

        try:
            sweeps = run_blocks(sweep, len(rows))
        except OutsideDomainError:
            # Raises with the number of the sample among all.
            Sweep.forward(net, theta, z, channels, statistics.constants)
            raise
        value = sweeps[0].value
        if len(sweeps) > 1:
            value = np.concatenate([part.value for part in sweeps])
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
        if not inputs:
            return dtheta, None
        return dtheta, np.concatenate([dz for _, _, dz in parts])

    def push_forward(self, dtheta: FloatArray) -> FloatArray:
        """Tangent (N, channels, d_L) along dtheta."""
        constants = self.statistics.push_forward(dtheta).constants

        def push(k: int) -> FloatArray:
            return self.sweeps[k].push_forward(dtheta, None, constants).outputs[-1]

        return np.concatenate(run_blocks(push, len(self.rows)))

    def jacobian(self, G: FloatArray) -> FloatArray:
        """Rows (N, O, n_params): sum_cq G[s, o, c, q] d(jet[s, c, q])/dtheta."""
        J = np.zeros((*G.shape[:2], self.net.n_params))
        gradients = self.statistics.gradients  # before the blocks ask for them

        def fill(k: int) -> None:
            rows = self.rows[k]
            self.sweeps[k].fill_jacobian(G[rows], J[rows], gradients)

        run_blocks(fill, len(self.rows))
        return J
