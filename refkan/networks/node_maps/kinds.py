r"""Kinds of node maps: none, affine and sigmoid are pointwise; mean-std and min-max take statistics.

Mean-std and min-max are maps z = scale y + shift with constants computed on the statistics batch, which depend on
theta.
"""

from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, as_array, as_vector, real
from refkan.networks.layers.activations import sigmoid_derivatives
from refkan.networks.node_maps.node_map import (
    Constants,
    NodeMap,
    StatisticsMap,
    Vectors,
    checked_domains,
    nonempty,
    require_spread,
)
from refkan.splines.sums.channels import Channels
from refkan.splines.sums.pointwise import AffineJet, MappedJet, PointwiseJet

KAPPA = 2.5
"""How many standard deviations of the activations reach from the middle to an end of the domain."""


class MeanStdMap(StatisticsMap):
    """The map that normalises each node by mean and standard deviation over the statistics batch.

    ::

        z = scale y + shift,    scale = half/(kappa std),    shift = mid - scale mean

    half is half the length of the domain, mid its middle, kappa = 2.5; std divides by S, the size of the batch.

    Parameters
    ----------
    domains : array (Q, 2), optional
        The domain of each node in the next layer; None until `bind` is given it.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.networks.node_maps.kinds import MeanStdMap
    >>> Y = np.array([[-1.0], [3.0]])  # mean 1, standard deviation 2
    >>> node_map = MeanStdMap([[0.0, 1.0]])
    >>> node_map.value(np.array([[1.0], [6.0]]), node_map.constants(Y, layer=0)).ravel()  # 6 lies 2.5 std above
    array([0.5, 1. ])
    """

    name = "mean-std"

    def truth_form(self) -> dict[str, Any]:
        """Return what all maps return, and kappa."""
        return {**super().truth_form(), "kappa": KAPPA}

    def _parts(self, Y: Array) -> tuple[Array, Array, Array, FloatArray, FloatArray]:
        """Y - mean as rows (Q, S), mean, std, half/kappa and mid."""
        assert self.domains is not None
        # Sums along rows vectorise, and pairwise sums have smaller rounding errors. A copy, for one node too.
        columns = np.array(Y.T, order="C")
        mean = columns.mean(axis=1)
        columns -= mean[:, None]
        std = np.sqrt(np.mean(columns * columns, axis=1))
        a, b = self.domains.T
        return columns, mean, std, 0.5 * (b - a) / KAPPA, 0.5 * (a + b)

    def constants(self, Y: Array, layer: int) -> tuple[Array, Array]:
        """Return scale = half/(kappa std), shift = mid - scale mean."""
        _, mean, std, reach, middle = self._parts(Y)
        # A constant node has a std of rounding size, not exactly 0.
        size = np.abs(np.ascontiguousarray(Y.T)).max(axis=1)
        require_spread(std.real, size, layer, "standard deviation")
        scale = reach / std
        return scale, middle - scale * mean

    def constants_vjp(self, Y: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Return the cotangent of Y (S, Q).

        dmean = -scale dshift; dstd = -(scale/std)(dscale - mean dshift); dY = dmean/S + dstd (Y - mean)/(S std).
        """
        columns, mean, std, reach, _ = self._parts(Y)
        scale = reach / std
        dmean = -scale * dshift
        dstd = -(scale / std) * (dscale - mean * dshift)
        return (columns * (dstd / (std * Y.shape[0]))[:, None] + (dmean / Y.shape[0])[:, None]).T

    def constants_jvp(self, Y: FloatArray, dY: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the tangents of scale and shift along dY (S, Q).

        dstd = <Y - mean, dY>/(S std); dscale = -(scale/std) dstd; dshift = -dscale mean - scale dmean.
        """
        _, mean, std, reach, _ = self._parts(Y)
        scale = reach / std
        dstd = np.mean((Y - mean) * dY, axis=0) / std
        dscale = -(scale / std) * dstd
        return dscale, -dscale * mean - scale * dY.mean(axis=0)

    def constants_hvp(self, Y: FloatArray, dY: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Return the tangent along dY of the cotangent dmean/S + dstd u/S of Y, u = (Y - mean)/std.

        m and v are the tangents of mean and log std.

        scale moves by -scale v, scale/std by -2 v scale/std, and u by (dY - m)/std - v u.
        """
        _, mean, std, reach, _ = self._parts(Y)
        scale, u = reach / std, (Y - mean) / std
        m, v = dY.mean(axis=0), np.mean(u * dY, axis=0) / std
        dstd = -(scale / std) * (dscale - mean * dshift)
        moved_std = -2.0 * v * dstd + (scale / std) * m * dshift
        return (scale * v * dshift + moved_std * u + dstd * ((dY - m) / std - v * u)) / Y.shape[0]

    def constants_curvature(self, Y: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Return dstd/(S std), (Q,).

        S std Hess(std) is the identity minus products of derivatives of mean and std.
        """
        _, mean, std, reach, _ = self._parts(Y)
        return -(reach / std**2) * (dscale - mean * dshift) / (Y.shape[0] * std)


class MinMaxMap(StatisticsMap):
    """The map that sends the extreme activations of the statistics batch to the ends a, b of the domain.

    ::

        z = scale y + shift,    scale = (b - a)/(max - min),    shift = a - scale min

    Derivatives follow the extreme samples, the first ones where several are equal.

    Parameters
    ----------
    domains : array (Q, 2), optional
        The domain of each node in the next layer; None until `bind` is given it.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.networks.node_maps.kinds import MinMaxMap
    >>> Y = np.array([[-1.0], [3.0]])
    >>> node_map = MinMaxMap([[0.0, 1.0]])
    >>> node_map.value(np.array([[-1.0], [1.0], [3.0]]), node_map.constants(Y, layer=0)).ravel()
    array([0. , 0.5, 1. ])
    """

    name = "min-max"
    reaches_ends = True

    def _parts(self, Y: Array) -> tuple[Array, Array, Array, Array, Array]:
        nodes = np.arange(Y.shape[1])
        low, high = Y.real.argmin(axis=0), Y.real.argmax(axis=0)
        return nodes, low, high, Y[low, nodes], Y[high, nodes]

    def _scaled(self, Y: Array) -> tuple[Array, Array, Array, Array, FloatArray, Array]:
        """Nodes, samples of the least and the largest activations, the least ones, length of the domain, and scale."""
        assert self.domains is not None
        nodes, low, high, lowest, highest = self._parts(Y)
        length = self.domains[:, 1] - self.domains[:, 0]
        return nodes, low, high, lowest, length, length / (highest - lowest)

    def constants(self, Y: Array, layer: int) -> tuple[Array, Array]:
        """Return scale = (b-a)/(max - min), shift = a - scale min."""
        assert self.domains is not None
        _, _, _, lowest, highest = self._parts(Y)
        require_spread((highest - lowest).real, np.abs(Y).max(axis=0), layer, "range")
        a, b = self.domains.T
        scale = (b - a) / (highest - lowest)
        return scale, a - scale * lowest

    def constants_vjp(self, Y: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Return the cotangent of Y (S, Q).

        With ds = dscale - min dshift: dmax = -scale^2 ds/(b-a), dmin = -dmax - scale dshift.
        """
        nodes, low, high, lowest, length, scale = self._scaled(Y)
        dmax = -(scale**2) / length * (dscale - lowest * dshift)
        dY = np.zeros_like(Y)
        dY[high, nodes] = dmax
        dY[low, nodes] = -dmax - scale * dshift
        return dY

    def constants_jvp(self, Y: FloatArray, dY: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the tangents of scale and shift along dY (S, Q).

        dscale = -scale^2 (dmax - dmin)/(b-a); dshift = -dscale min - scale dmin.
        """
        nodes, low, high, lowest, length, scale = self._scaled(Y)
        dscale = -(scale**2) / length * (dY[high, nodes] - dY[low, nodes])
        return dscale, -dscale * lowest - scale * dY[low, nodes]

    def constants_hvp(self, Y: FloatArray, dY: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Return the tangent of `constants_vjp` along dY.

        That is of dmax = -scale^2 (dscale - min dshift)/(b-a) and dmin = -dmax - scale dshift.
        """
        nodes, low, high, lowest, length, scale = self._scaled(Y)
        moved_scale, _ = self.constants_jvp(Y, dY)
        moved = 2.0 * moved_scale * (dscale - lowest * dshift) - scale * dY[low, nodes] * dshift
        moved_max = -scale / length * moved
        out = np.zeros_like(Y)
        out[high, nodes] = moved_max
        out[low, nodes] = -moved_max - moved_scale * dshift
        return out

    def constants_curvature(self, Y: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Return 0: scale and shift depend only on the two extremes."""
        return np.zeros(Y.shape[1])


# Second derivatives jump at the ends of a domain under linear tails. Rounding decides on which side an activation there
# is: engines disagree on Hessians, and no difference quotient converges. Steps of differences move activations by much
# less than this margin, which leaves 99.8 % of the domain in use.
MARGIN = 2.0**-10
"""How far inside the domain `AffineMap.bind` puts the extreme activations, as a part of its length, on each side."""


class Unmapped(NodeMap, Frozen):
    """The map that leaves activations as they are: z = y.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.networks.node_maps.kinds import Unmapped
    >>> Unmapped().value(np.array([[7.0]]))
    array([[7.]])
    """

    name = "none"

    def at(self, y: Array, channels: Channels, constants: Constants | None = None, back: bool = True) -> MappedJet:
        """Return y."""
        return AffineJet(y)

    def null_vectors(self, constants: Vectors, scalings: FloatArray, next_scalings: FloatArray) -> FloatArray:
        """Return for each node its scaling by the layer before, cancelled by the layer after, if both have one."""
        count = min(scalings.shape[0], next_scalings.shape[0])
        return np.concatenate([scalings[:count], -next_scalings[:count]], axis=1)


class AffineMap(NodeMap, Frozen):
    """The map z = scale y + shift with fixed constants.

    Parameters
    ----------
    scale, shift : array (Q,), optional
        None until `bind` takes them from the initial activations.

    Raises
    ------
    ValueError, TypeError
        If the constants are no vectors of finite real numbers of one length, or one is given without the other.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.networks.node_maps import AffineMap
    >>> AffineMap([0.25], [0.5]).value(np.array([[-2.0], [2.0]])).ravel()
    array([0., 1.])
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
        scale = real("scale", as_array("scale", self.scale, ndim=1))
        vars(self).update(scale=scale, shift=real("shift", as_vector("shift", self.shift, scale.size)))

    @classmethod
    def of_statistics(cls, scale: Array, shift: Array) -> "AffineMap":
        """Return the map of a batch at theta without checks: constants may be complex, or overflow."""
        made = object.__new__(cls)
        vars(made).update(scale=scale, shift=shift)
        return made

    def bind(self, y: FloatArray, domains: FloatArray, layer: int) -> "AffineMap":
        """Map the range of the initial activations onto the domain, less the margin on each side."""
        margin = MARGIN * np.diff(domains, axis=1) * [1.0, -1.0]
        return AffineMap(*MinMaxMap(domains + margin).constants(nonempty(y, layer, self.name), layer))

    @property
    def bound(self) -> bool:
        """Whether scale and shift are known."""
        return self.scale is not None

    def at(self, y: Array, channels: Channels, constants: Constants | None = None, back: bool = True) -> MappedJet:
        """Return scale y + shift."""
        return AffineJet(y, self.scale, self.shift)


class SigmoidMap(NodeMap, Frozen):
    """The map z = a + (b - a) sigmoid(y), which keeps activations inside the domain (a, b).

    Parameters
    ----------
    domains : array (Q, 2), optional
        The domain of each node in the next layer; None until `bind` is given it.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.networks.node_maps.kinds import SigmoidMap
    >>> SigmoidMap([[0.0, 2.0]]).value(np.array([[-50.0], [0.0], [50.0]])).round(6).ravel()
    array([0., 1., 2.])
    """

    domains: FloatArray | None = None
    name = "sigmoid"

    def __post_init__(self) -> None:
        vars(self).update(domains=checked_domains(self.domains))

    def bind(self, y: FloatArray, domains: FloatArray, layer: int) -> "SigmoidMap":
        """Take the domain."""
        return SigmoidMap(domains)

    @property
    def bound(self) -> bool:
        """Whether the domain is known."""
        return self.domains is not None

    def at(self, y: Array, channels: Channels, constants: Constants | None = None, back: bool = True) -> MappedJet:
        """Return a + (b - a) sigmoid(y)."""
        return PointwiseJet(self.derivatives, y, channels, back)

    def derivatives(self, y: Array, count: int) -> Array:
        """Return the map and its derivatives, those of the sigmoid times b - a: (count, ...), count at most 4."""
        assert self.domains is not None
        a, b = self.domains.T
        rows = (b - a) * sigmoid_derivatives(y, count)
        rows[0] += a
        return rows
