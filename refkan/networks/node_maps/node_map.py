r"""The interface of node maps: pointwise maps, and maps with constants from a statistics batch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from refkan.base import Array, DegenerateNodeError, FloatArray, Frozen, ShortRepr, as_samples, real
from refkan.splines.sums.channels import VALUES, Channels
from refkan.splines.sums.pointwise import AffineJet, MappedJet

Constants = tuple[Array, Array]
"""Scale and shift (Q,) of a node map, or their tangents or cotangents."""

Vectors = Sequence[FloatArray]
"""For each node some vectors (count, m) of the parameters of a layer."""


class NodeMap(ShortRepr, ABC):
    """A map of the activations between two layers, node by node.

    Attributes
    ----------
    name : str
    uses_statistics : bool
        Whether the map takes constants from the statistics batch.
    reaches_ends : bool
        Whether it sends the extreme activations exactly to the ends of the next domain.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.networks.node_maps import NODE_MAPS
    >>> bound = NODE_MAPS["affine"].bind(np.array([[-1.0], [3.0]]), np.array([[0.0, 1.0]]), layer=0)
    >>> bound.value(np.array([[-1.0], [1.0], [3.0]])).ravel().round(4), bound.slope(np.array([[1.0]])).round(4)
    (array([0.001, 0.5  , 0.999]), array([0.2495]))
    """

    name: str
    uses_statistics: bool = False
    reaches_ends: bool = False

    def bind(self, y: FloatArray, domains: FloatArray, layer: int) -> "NodeMap":
        """Set the map up from the initial activations y (N, Q) and the domains (Q, 2); errors name `layer`."""
        return self

    @property
    def bound(self) -> bool:
        """Whether the map has its constants or domains."""
        return True

    @abstractmethod
    def at(self, y: Array, channels: Channels, constants: Constants | None = None, back: bool = True) -> MappedJet:
        """Apply the map to a jet y (N, channels, Q).

        Parameters
        ----------
        constants : (scale, shift), optional
            Constants of a map that takes statistics.
        back : bool
            Whether derivatives will be needed.
        """

    def value(self, y: Array, constants: tuple[Array, Array] | None = None) -> Array:
        """Apply the map to activations y (N, Q)."""
        return self.at(y[:, None], VALUES, constants, back=False).value[:, 0]

    def slope(self, y: Array, constants: tuple[Array, Array] | None = None) -> Array:
        """Return the derivative dz/dy at activations y (N, Q), broadcastable to y, with fixed constants."""
        return self.at(y[:, None], VALUES, constants).slope

    def constants(self, Y: Array, layer: int) -> tuple[Array, Array]:
        """Return scale and shift, (Q,) each, from the activations Y (S, Q) of the statistics batch.

        Raises
        ------
        DegenerateNodeError
            If the activations of a node have no spread; the node is named.
        """
        raise TypeError(f"node map {self.name!r} takes no constants from statistics")

    def constants_vjp(self, Y: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Return the cotangent of Y (S, Q) from those of scale and shift."""
        raise TypeError(f"node map {self.name!r} takes no constants from statistics")

    def constants_jvp(self, Y: FloatArray, dY: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the tangents of scale and shift along dY (S, Q)."""
        raise TypeError(f"node map {self.name!r} takes no constants from statistics")

    def constants_hvp(self, Y: FloatArray, dY: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Return the Hessian of <dscale, scale> + <dshift, shift> in Y times dY.

        This is the derivative of `constants_vjp` along dY.
        """
        raise TypeError(f"node map {self.name!r} takes no constants from statistics")

    def constants_curvature(self, Y: FloatArray, dscale: FloatArray, dshift: FloatArray) -> FloatArray:
        """Return the multiple (Q,) of the identity in that Hessian, node by node.

        The remainder is quadratic in the derivatives of scale and shift, of rank two at most for each node.
        """
        raise TypeError(f"node map {self.name!r} takes no constants from statistics")

    def require_nodes(self, n_nodes: int, layer: int) -> None:
        """Raise ValueError unless constants and domains have one entry for each node; `layer` is for errors."""
        # Kernels do not check where an array ends, so this check precedes them.
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray) and value.shape[0] != n_nodes:
                raise ValueError(
                    f"{name} of node map {self.name!r} after layer {layer} must have one entry for each of the "
                    f"{n_nodes} nodes; got {value.shape[0]}"
                )

    def truth_form(self) -> dict[str, Any]:
        """Describe the map by plain data for `refkan.truth`, see `truth.reading`: its name, constants and domains."""
        arrays = {name: value.tolist() for name, value in vars(self).items() if value is not None}
        return {"kind": self.name, **arrays}

    def null_vectors(self, constants: Vectors, scalings: FloatArray, next_scalings: FloatArray) -> FloatArray:
        """Return vectors (count, m + m') of parameters of both neighbouring layers along which the network is constant.

        Parameters
        ----------
        constants : sequence of array (count, m)
            For each node the vectors of the layer before that raise it by one, if any.
        scalings : array (Q, m) or (0, m)
            Vectors of the layer before that change one node by its own value.
        next_scalings : array (Q, m') or (0, m')
            Vectors of the layer after that act as a relative change of its inputs.
        """
        return np.empty((0, scalings.shape[1] + next_scalings.shape[1]))


class StatisticsMap(NodeMap, Frozen):
    """A map z = scale y + shift whose constants come from the activations of a statistics batch.

    Parameters
    ----------
    domains : array (Q, 2), optional
        The domain of each node in the next layer; None until `bind` is given it.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.networks.node_maps.kinds import MeanStdMap
    >>> from refkan.networks.node_maps.node_map import StatisticsMap
    >>> bound = MeanStdMap().bind(np.array([[-1.0], [3.0]]), np.array([[0.0, 1.0]]), layer=0)
    >>> isinstance(bound, StatisticsMap), bound.constants(np.array([[-1.0], [3.0]]), layer=0)  # scale and shift
    (True, (array([0.1]), array([0.4])))
    """

    domains: FloatArray | None = None
    uses_statistics = True

    def __post_init__(self) -> None:
        vars(self).update(domains=checked_domains(self.domains))

    def bind(self, y: FloatArray, domains: FloatArray, layer: int) -> "StatisticsMap":
        """Store the domain; raise if the initial activations have no spread."""
        bound = type(self)(domains)
        bound.constants(nonempty(y, layer, self.name), layer)
        return bound

    @property
    def bound(self) -> bool:
        """Whether the domain is known."""
        return self.domains is not None

    def null_vectors(self, constants: Vectors, scalings: FloatArray, next_scalings: FloatArray) -> FloatArray:
        """Return the shift and the scale of each node, which the statistics cancel."""
        rows = np.concatenate([*(vectors[:1] for vectors in constants), scalings])
        return np.pad(rows, ((0, 0), (0, next_scalings.shape[1])))

    def at(self, y: Array, channels: Channels, constants: Constants | None = None, back: bool = True) -> MappedJet:
        """Return scale y + shift."""
        assert constants is not None
        return AffineJet(y, *constants)


def checked_domains(domains: object) -> FloatArray | None:
    """Return domains (Q, 2) with ends a < b, or None if they are not known yet.

    Raises
    ------
    ValueError, TypeError
        For other shapes, ends that are not finite real numbers, and a >= b.
    """
    if domains is None:
        return None
    pairs = real("domains", as_samples("domains", domains, 2))
    bad = np.flatnonzero(pairs[:, 0] >= pairs[:, 1])
    if bad.size:
        k, pair = bad[0], tuple(pairs[bad[0]].tolist())
        raise ValueError(f"domains must hold pairs (a, b) with a < b; got domains[{k}] = {pair}")
    return pairs


def nonempty(y: FloatArray, layer: int, name: str) -> FloatArray:
    """Return y if it holds a sample, else raise ValueError."""
    if y.shape[0] == 0:
        raise ValueError(f"node map {name!r} after layer {layer} needs at least one sample; got none")
    return y


def require_spread(spread: FloatArray, size: FloatArray, layer: int, measure: str) -> None:
    """Raise DegenerateNodeError at the first node whose activations, of that size, have no finite spread above 0."""
    infinite = np.flatnonzero(~np.isfinite(spread))
    if infinite.size:
        raise DegenerateNodeError(
            f"node {infinite[0]} after layer {layer} has {measure} {spread[infinite[0]]:.3g} on the data, beyond "
            "float64, so that its map would make it constant: give smaller parameters or inputs"
        )
    # Rounding alone gives a constant activation a spread of a few eps times its size.
    bad = np.flatnonzero(spread <= 8 * np.finfo(np.float64).eps * size)
    if bad.size:
        raise DegenerateNodeError(
            f"node {bad[0]} after layer {layer} has {measure} {spread[bad[0]]:.3g} on the data: its activations are "
            "constant, so that no map takes them onto the next domain"
        )
