r"""Maps of each activation alone: none, affine and sigmoid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refkan.base import Array, FloatArray, as_array, as_vector, real
from refkan.networks.layers.activations import sigmoid_derivatives
from refkan.networks.node_maps.node_map import Constants, NodeMap, Vectors, checked_domains, nonempty
from refkan.networks.node_maps.statistics_maps import MinMaxMap
from refkan.splines.sums.channels import Channels
from refkan.splines.sums.pointwise import AffineJet, MappedJet, PointwiseJet

# Second derivatives jump at the ends of a domain under linear tails. Rounding decides on which side an activation there
# is: engines disagree on Hessians, and no difference quotient converges. Steps of differences move activations by much
# less than this margin, which leaves 99.8 % of the domain in use.
MARGIN = 2.0**-10
"""How far inside the domain `AffineMap.bind` puts the extreme activations, as a part of its length, on each side."""


@dataclass(frozen=True, eq=False)
class Unmapped(NodeMap):
    """The map that leaves activations as they are: z = y.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.networks.node_maps import Unmapped
    >>> Unmapped().value(np.array([[7.0]]))
    array([[7.]])
    """

    name = "none"

    def at(self, y: Array, channels: Channels, constants: Constants | None = None, back: bool = True) -> MappedJet:
        """Return y."""
        return AffineJet(y)

    def null_vectors(self, constants: Vectors, scalings: FloatArray, next_scalings: FloatArray) -> FloatArray:
        """Return for each node its scaling by the layer before, undone by the layer after, where both can."""
        count = min(scalings.shape[0], next_scalings.shape[0])
        return np.concatenate([scalings[:count], -next_scalings[:count]], axis=1)


@dataclass(frozen=True, eq=False)
class AffineMap(NodeMap):
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
    def of_statistics(cls, scale: Array, shift: Array) -> AffineMap:
        """Return the map of a batch at theta: complex in complex steps, and where it overflows, values say so."""
        made = object.__new__(cls)
        vars(made).update(scale=scale, shift=shift)
        return made

    def bind(self, y: FloatArray, domains: FloatArray, layer: int) -> AffineMap:
        """Map the range of the initial activations onto the domain, less the margin on each side."""
        margin = MARGIN * np.diff(domains, axis=1) * [1.0, -1.0]
        return AffineMap(*MinMaxMap(domains + margin).constants(nonempty(y, layer, self.name), layer))

    @property
    def bound(self) -> bool:
        """Whether scale and shift are there."""
        return self.scale is not None

    def at(self, y: Array, channels: Channels, constants: Constants | None = None, back: bool = True) -> MappedJet:
        """Return scale y + shift."""
        return AffineJet(y, self.scale, self.shift)


@dataclass(frozen=True, eq=False)
class SigmoidMap(NodeMap):
    """The map z = a + (b - a) sigmoid(y), which keeps activations inside the domain (a, b).

    Parameters
    ----------
    domains : array (Q, 2), optional
        The domain of each node in the next layer; None until `bind` is given it.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.networks.node_maps import SigmoidMap
    >>> SigmoidMap([[0.0, 2.0]]).value(np.array([[-50.0], [0.0], [50.0]])).round(6).ravel()
    array([0., 1., 2.])
    """

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
