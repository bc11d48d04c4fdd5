"""Cubic KANs to be trained: starts, targets and loss, the same for all libraries."""

from functools import cached_property

import numpy as np

import refkan as rk
from validation.benchmarks.cases.network_cases import DEGREE, Array, GaussNewtonCase


class TrainingCase(GaussNewtonCase):
    """A network to be fitted to the rotated target of [S26] from start number `start`."""

    start: int = 0

    @cached_property
    def begun(self) -> tuple[rk.Network, Array]:
        net = rk.kan(self.widths, DEGREE + 1, self.intervals, outside="natural")
        return net.initialize(np.random.default_rng(self.start), self.data[0])

    @property
    def theta(self) -> Array:
        return self.begun[1]

    @property
    def maps(self) -> list[tuple[Array, Array]]:
        """Scale and shift of the map after each hidden layer."""
        return [(node_map.scale, node_map.shift) for node_map in self.begun[0].node_maps]  # type: ignore[attr-defined]

    @cached_property
    def targets(self) -> Array:
        """The target (N, 1) at the samples."""
        return rk.problems.regression_target(self.data[0])

    @property
    def problem(self) -> rk.LeastSquares:
        return rk.LeastSquares(self.begun[0], self.data[0], self.targets)
