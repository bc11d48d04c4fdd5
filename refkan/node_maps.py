r"""Node maps: what takes the outputs y of one layer into the domain [a, b] of the next.

    affine     z = a + (b-a)(y - low)/(high - low), low and high of the initial activations, then fixed
    mean-std   z = mid + half (y - mean)/(kappa std), mean and std of the activations of the statistics batch
    min-max    z = a + (b-a)(y - min)/(max - min), extremes of the activations of the statistics batch
    sigmoid    z = a + (b-a)/(1 + exp(-y))
    none       z = y

All but the sigmoid are z = scale y + shift, node by node. Under mean-std and min-max scale and shift follow theta
through the statistics batch, and every derivative in theta goes through them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.errors import DegenerateNodeError
from refkan.layers.activations import sigmoid

KAPPA = 2.5
"""How many standard deviations of the activations reach from the middle to an end of the domain."""


class NodeMap(ABC):
    """A map of activations, node by node.

    Attributes
    ----------
    name : str
    """

    name: str
    uses_statistics: bool = False

    def bind(self, y: FloatArray, domains: FloatArray, layer: int) -> NodeMap:
        """Take from the initial activations y (N, Q) and the domains (Q, 2) what the map needs; `layer` for errors."""
        return self

    @property
    def bound(self) -> bool:
        """Whether the map has what it needs from data."""
        return True

    def null_vectors(
        self, constants: Sequence[FloatArray], scalings: FloatArray, next_scalings: FloatArray
    ) -> FloatArray:
        """Vectors (count, m + m') in the parameters of the layers before and after along which nothing changes.

        Parameters
        ----------
        constants : sequence of array (count, m)
            For each node the vectors of the layer before that raise it by one (none where there are none).
        scalings : array (Q, m) or (0, m)
            Vectors of the layer before that change one node by its own value.
        next_scalings : array (Q, m') or (0, m')
            Vectors of the layer after that act as a relative change of its inputs.
        """
        return np.empty((0, scalings.shape[1] + next_scalings.shape[1]))


class PointwiseMap(NodeMap):
    """A map that acts on each activation alone."""

    @abstractmethod
    def value(self, y: Array) -> Array:
        """Map y (..., Q) to z."""

    @abstractmethod
    def slope(self, y: Array) -> Array:
        """Derivative dz/dy, broadcastable to y."""

    def curvature(self, y: Array) -> Array:
        """Second derivative d^2z/dy^2, broadcastable to y: 0 unless a map is curved."""
        return np.zeros(y.shape[-1])


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
    """z = scale y + shift with fixed constants (Q,), None before they are bound."""

    scale: FloatArray | None = None
    shift: FloatArray | None = None
    name = "affine"

    def bind(self, y: FloatArray, domains: FloatArray, layer: int) -> AffineMap:
        """Map the range of the initial activations onto the domain."""
        return AffineMap(*MinMaxMap(domains).constants(_nonempty(y, layer, self.name), layer))

    @property
    def bound(self) -> bool:
        """Whether scale and shift are there."""
        return self.scale is not None

    def value(self, y: Array) -> Array:
        """Return scale y + shift."""
        assert self.scale is not None
        assert self.shift is not None
        return self.scale * y + self.shift

    def slope(self, y: Array) -> Array:
        """Return scale."""
        assert self.scale is not None
        return self.scale


@dataclass(frozen=True, eq=False)
class SigmoidMap(PointwiseMap):
    """z = a + (b - a) sigmoid(y), domains (Q, 2)."""

    domains: FloatArray | None = None
    name = "sigmoid"

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
        g = sigmoid(y)
        return (b - a) * g * (1.0 - g)

    def curvature(self, y: Array) -> Array:
        """Return (b - a) g (1 - g) (1 - 2 g), g = sigmoid(y)."""
        return self.slope(y) * (1.0 - 2.0 * sigmoid(y))


@dataclass(frozen=True, eq=False)
class StatisticsMap(NodeMap):
    """z = scale y + shift, the constants from the activations Y (S, Q) of the statistics batch; domains (Q, 2)."""

    domains: FloatArray | None = None
    uses_statistics = True

    def bind(self, y: FloatArray, domains: FloatArray, layer: int) -> StatisticsMap:
        """Take the domain; raise now where the starting activations have no spread."""
        bound = type(self)(domains)
        bound.constants(_nonempty(y, layer, self.name), layer)
        return bound

    @property
    def bound(self) -> bool:
        """Whether the domain is known."""
        return self.domains is not None

    def null_vectors(
        self, constants: Sequence[FloatArray], scalings: FloatArray, next_scalings: FloatArray
    ) -> FloatArray:
        """Shift and scale of each node, which the statistics take out again."""
        rows = np.concatenate([*(vectors[:1] for vectors in constants), scalings])
        return np.pad(rows, ((0, 0), (0, next_scalings.shape[1])))

    @abstractmethod
    def constants(self, Y: Array, layer: int) -> tuple[Array, Array]:
        """Scale and shift (Q,) each; raises DegenerateNodeError naming the node whose activations have no spread."""

    @abstractmethod
    def constants_vjp(self, Y: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Cotangent of Y (S, Q)."""

    @abstractmethod
    def constants_jvp(self, Y: FloatArray, dY: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Tangents of scale and shift along dY (S, Q)."""

    @abstractmethod
    def constants_hvp(self, Y: FloatArray, dY: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Hessian of <dscale, scale> + <dshift, shift> in Y times dY: the derivative of `constants_vjp` along dY."""


@dataclass(frozen=True, eq=False)
class MeanStdMap(StatisticsMap):
    """scale = half/(kappa std), shift = mid - scale mean; std with ddof = 0."""

    name = "mean-std"

    def _parts(self, Y: Array) -> tuple[Array, Array, FloatArray, FloatArray]:
        assert self.domains is not None
        mean = Y.mean(axis=0)
        std = np.sqrt(np.mean((Y - mean) ** 2, axis=0))
        a, b = self.domains.T
        return mean, std, 0.5 * (b - a) / KAPPA, 0.5 * (a + b)

    def constants(self, Y: Array, layer: int) -> tuple[Array, Array]:
        """Return scale = half/(kappa std), shift = mid - scale mean."""
        mean, std, reach, middle = self._parts(Y)
        # A constant node has a std of rounding size, not exactly 0.
        _require_spread(std.real, np.abs(Y).max(axis=0), layer, "standard deviation")
        scale = reach / std
        return scale, middle - scale * mean

    def constants_vjp(self, Y: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """dmean = -scale dshift; dstd = -(scale/std)(dscale - mean dshift); dY = dmean/S + dstd (Y - mean)/(S std)."""
        mean, std, reach, _ = self._parts(Y)
        scale = reach / std
        dmean = -scale * dshift
        dstd = -(scale / std) * (dscale - mean * dshift)
        return (dmean + dstd * (Y - mean) / std) / Y.shape[0]

    def constants_jvp(self, Y: FloatArray, dY: FloatArray) -> tuple[FloatArray, FloatArray]:
        """dstd = <Y - mean, dY>/(S std); dscale = -(scale/std) dstd; dshift = -dscale mean - scale dmean."""
        mean, std, reach, _ = self._parts(Y)
        scale = reach / std
        dstd = np.mean((Y - mean) * dY, axis=0) / std
        dscale = -(scale / std) * dstd
        return dscale, -dscale * mean - scale * dY.mean(axis=0)

    def constants_hvp(self, Y: FloatArray, dY: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Tangent of dmean/S + dstd u/S, u = (Y - mean)/std, along dY, with m and v the tangents of mean and log std.

        scale moves by -scale v, scale/std by -2 v scale/std, and u by (dY - m)/std - v u.
        """
        mean, std, reach, _ = self._parts(Y)
        scale, u = reach / std, (Y - mean) / std
        m, v = dY.mean(axis=0), np.mean(u * dY, axis=0) / std
        dstd = -(scale / std) * (dscale - mean * dshift)
        moved_std = -2.0 * v * dstd + (scale / std) * m * dshift
        return (scale * v * dshift + moved_std * u + dstd * ((dY - m) / std - v * u)) / Y.shape[0]


@dataclass(frozen=True, eq=False)
class MinMaxMap(StatisticsMap):
    """scale = (b-a)/(max - min), shift = a - scale min; the derivative follows the extreme samples (the first ones)."""

    name = "min-max"

    def _parts(self, Y: Array) -> tuple[Array, Array, Array, Array, Array]:
        nodes = np.arange(Y.shape[1])
        low, high = Y.real.argmin(axis=0), Y.real.argmax(axis=0)
        return nodes, low, high, Y[low, nodes], Y[high, nodes]

    def constants(self, Y: Array, layer: int) -> tuple[Array, Array]:
        """Return scale = (b-a)/(max - min), shift = a - scale min."""
        assert self.domains is not None
        _, _, _, lowest, highest = self._parts(Y)
        _require_spread((highest - lowest).real, np.abs(Y).max(axis=0), layer, "range")
        a, b = self.domains.T
        scale = (b - a) / (highest - lowest)
        return scale, a - scale * lowest

    def constants_vjp(self, Y: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """With ds = dscale - min dshift: dmax = -scale^2 ds/(b-a), dmin = -dmax - scale dshift."""
        assert self.domains is not None
        nodes, low, high, lowest, highest = self._parts(Y)
        length = self.domains[:, 1] - self.domains[:, 0]
        scale = length / (highest - lowest)
        dmax = -(scale**2) / length * (dscale - lowest * dshift)
        dY = np.zeros_like(Y)
        dY[high, nodes] = dmax
        dY[low, nodes] = -dmax - scale * dshift
        return dY

    def constants_jvp(self, Y: FloatArray, dY: FloatArray) -> tuple[FloatArray, FloatArray]:
        """dscale = -scale^2 (dmax - dmin)/(b-a); dshift = -dscale min - scale dmin."""
        assert self.domains is not None
        nodes, low, high, lowest, highest = self._parts(Y)
        length = self.domains[:, 1] - self.domains[:, 0]
        scale = length / (highest - lowest)
        dscale = -(scale**2) / length * (dY[high, nodes] - dY[low, nodes])
        return dscale, -dscale * lowest - scale * dY[low, nodes]

    def constants_hvp(self, Y: FloatArray, dY: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Tangents of dmax = -scale^2 (dscale - min dshift)/(b-a) and dmin = -dmax - scale dshift along dY."""
        assert self.domains is not None
        nodes, low, high, lowest, highest = self._parts(Y)
        length = self.domains[:, 1] - self.domains[:, 0]
        scale = length / (highest - lowest)
        moved_scale, _ = self.constants_jvp(Y, dY)
        moved = 2.0 * moved_scale * (dscale - lowest * dshift) - scale * dY[low, nodes] * dshift
        moved_max = -scale / length * moved
        out = np.zeros_like(Y)
        out[high, nodes] = moved_max
        out[low, nodes] = -moved_max - moved_scale * dshift
        return out


NODE_MAPS: dict[str, NodeMap] = {
    node_map.name: node_map for node_map in (AffineMap(), MeanStdMap(), MinMaxMap(), SigmoidMap(), Unmapped())
}
"""The node maps by name, not yet bound to data."""


def apply_map(node_map: NodeMap, y: Array, y_batch: Array, layer: int) -> Array:
    """Map activations y after a layer, given those of the statistics batch."""
    if isinstance(node_map, StatisticsMap):
        scale, shift = node_map.constants(y_batch, layer)
        return scale * y + shift
    assert isinstance(node_map, PointwiseMap)
    return node_map.value(y)


def same_map(mine: NodeMap, theirs: NodeMap) -> bool:
    """Whether two maps are of one kind and bound to the same data."""
    if type(mine) is not type(theirs):
        return False
    return all(np.array_equal(value, vars(theirs)[name]) for name, value in vars(mine).items())


def _nonempty(y: FloatArray, layer: int, name: str) -> FloatArray:
    if y.shape[0] == 0:
        raise ValueError(f"node map {name!r} after layer {layer} needs at least one sample; got none")
    return y


def _require_spread(spread: FloatArray, size: FloatArray, layer: int, what: str) -> None:
    # Rounding alone gives a constant activation a spread of a few eps times its size.
    bad = np.flatnonzero(spread <= 8 * np.finfo(np.float64).eps * size)
    if bad.size:
        raise DegenerateNodeError(
            f"node {bad[0]} after layer {layer} has {what} {spread[bad[0]]:.3g} on the data: its activations are "
            "constant, so that no map takes them onto the next domain"
        )
