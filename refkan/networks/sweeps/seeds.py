r"""Seeds: along which directions a network is differentiated, and how far, as the jet of its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.base import Array, IntArray, ShortRepr, as_array, check_count, is_sequence
from refkan.splines.sums.channels import Channels


@dataclass(frozen=True, eq=False)
class Seeds(ShortRepr):
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
    def check(cls, first: Any, second: Any, orders: Any, shape: tuple[int, int]) -> Seeds:
        """Check seeds for inputs of shape (N, P).

        Second derivatives of the inputs along directions of order 1 do not matter: dF/dh at h = 0 has none of them.

        Raises
        ------
        ValueError
            On shapes other than (K, P) or (N, K, P), NaN or infinity, and orders other than 1 and 2.
        TypeError
            If they are no numbers.
        """
        N, P = shape
        directions = np.empty((0, P)) if first is None else as_array("first", first)
        K = _directions("first", directions, N, P)
        if second is not None:
            second = as_array("second", second)
            if _directions("second", second, N, P) != K:
                raise ValueError(f"second must have as many directions as first, {K}; got shape {second.shape}")
        return cls(directions, second, _orders(orders, K))

    @property
    def channels(self) -> Channels:
        """The channels that these seeds fill."""
        return Channels(len(self.orders), sum(order == 2 for order in self.orders))

    @property
    def twice(self) -> IntArray:
        """Numbers of the directions of order 2."""
        return np.flatnonzero(np.array(self.orders, dtype=int) == 2)

    @property
    def arrangement(self) -> IntArray:
        """Numbers of the directions in the order of the channels: those of order 2 come first."""
        return np.concatenate([self.twice, np.flatnonzero(np.array(self.orders, dtype=int) == 1)]).astype(np.int64)

    @property
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
    fits = (seeds.ndim == 2 and seeds.shape[1] == P) or (seeds.ndim == 3 and (seeds.shape[0], seeds.shape[2]) == (N, P))
    if not fits:
        raise ValueError(f"{name} must have shape (K, {P}) or ({N}, K, {P}); got {seeds.shape}")
    return seeds.shape[-2]


def _orders(orders: Any, K: int) -> tuple[int, ...]:
    if not is_sequence(orders):
        orders = [orders] * K
    if len(orders) != K:
        raise ValueError(f"orders must be one number or one for each of the {K} directions; got {len(orders)} numbers")
    return tuple(check_count(f"orders[{d}]", order, 1, 2) for d, order in enumerate(orders))
