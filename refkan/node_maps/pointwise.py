r"""Maps of each activation alone: none, affine and sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refkan.arguments import as_array, as_vector
from refkan.array_types import Array, FloatArray
from refkan.layers.activations import complement_minus_sigmoid, sigmoid, sigmoid_and_complement, sigmoid_derivatives
from refkan.node_maps.base import PointwiseMap, affine, checked_domains, nonempty
from refkan.node_maps.statistics import MinMaxMap


@dataclass(frozen=True, eq=False)
class Unmapped(PointwiseMap):
    """z = y."""

    name = "none"

    def value(self, y: Array) -> Array:
        """Return y."""
        return y

    def slope(self, y: Array) -> Array:
        """Return 1."""
        return np.ones(y.shape[-1])

    def null_vectors(
        self, constants: Sequence[FloatArray], scalings: FloatArray, next_scalings: FloatArray
    ) -> FloatArray:
        """A node scaled by the layer before and scaled back by the layer after, where both can."""
        count = min(scalings.shape[0], next_scalings.shape[0])
        return np.concatenate([scalings[:count], -next_scalings[:count]], axis=1)


@dataclass(frozen=True, eq=False)
class AffineMap(PointwiseMap):
    """z = scale y + shift with fixed constants (Q,), None before they are bound.

    Raises
    ------
    ValueError, TypeError
        If the constants are no vectors of numbers of one length, or one is given without the other.
    """

    scale: FloatArray | None = None
    shift: FloatArray | None = None
    name = "affine"

    def __post_init__(self) -> None:
        if self.scale is None and self.shift is None:
            return
        if self.scale is None or self.shift is None:
            missing = "scale" if self.scale is None else "shift"
            raise ValueError(f"scale and shift must be given together; got no {missing}")
        # Constants of a statistics batch at theta may overflow: values say so, as they do in layers.
        scale = as_array("scale", self.scale, ndim=1, finite=False)
        shift = as_vector("shift", self.shift, scale.size, finite=False)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "shift", shift)

    def bind(self, y: FloatArray, domains: FloatArray, layer: int) -> AffineMap:
        """Map the range of the initial activations onto the domain."""
        return AffineMap(*MinMaxMap(domains).constants(nonempty(y, layer, self.name), layer))

    @property
    def bound(self) -> bool:
        """Whether scale and shift are there."""
        return self.scale is not None

    def value(self, y: Array) -> Array:
        """Return scale y + shift."""
        assert self.scale is not None
        assert self.shift is not None
        return affine(y, self.scale, self.shift) if y.ndim == 2 else self.scale * y + self.shift

    def slope(self, y: Array) -> Array:
        """Return scale."""
        assert self.scale is not None
        return self.scale


@dataclass(frozen=True, eq=False)
class SigmoidMap(PointwiseMap):
    """z = a + (b - a) sigmoid(y), domains (Q, 2)."""

    domains: FloatArray | None = None
    name = "sigmoid"

    def __post_init__(self) -> None:
        object.__setattr__(self, "domains", checked_domains(self.domains))

    def bind(self, y: FloatArray, domains: FloatArray, layer: int) -> SigmoidMap:
        """Take the domain."""
        return SigmoidMap(domains)

    @property
    def bound(self) -> bool:
        """Whether the domain is known."""
        return self.domains is not None

    def value(self, y: Array) -> Array:
        """Return a + (b - a) sigmoid(y)."""
        assert self.domains is not None
        a, b = self.domains.T
        return a + (b - a) * sigmoid(y)

    def slope(self, y: Array) -> Array:
        """Return (b - a) sigmoid(y) (1 - sigmoid(y))."""
        assert self.domains is not None
        a, b = self.domains.T
        g, complement = sigmoid_and_complement(y)
        return (b - a) * g * complement

    def curvature(self, y: Array) -> Array:
        """Return (b - a) g h (h - g), g = sigmoid(y), h = 1 - g."""
        return self.slope(y) * complement_minus_sigmoid(y)

    def derivatives(self, y: Array, count: int) -> Array:
        """Return the map and its derivatives, those of the sigmoid times b - a."""
        assert self.domains is not None
        a, b = self.domains.T
        rows = (b - a) * sigmoid_derivatives(y, count)
        rows[0] += a
        return rows

    @property
    def curved(self) -> bool:
        """The sigmoid is curved."""
        return True
