r"""Networks: layers joined by node maps, as functions of flat parameters theta and samples x.

A network is a function of each sample alone, given theta. Node maps that take statistics (mean-std, min-max) take
them from a statistics batch that travels with the network; sweeps carry its rows along, in front of those of x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from refkan.arguments import as_samples, as_shape, as_vector, check_choice, real
from refkan.array_types import Array, FloatArray
from refkan.conversion import Coordinates, convert_layer, coordinates, layer_basis, layer_in_basis
from refkan.layers.base import SCHEMES, Layer
from refkan.node_maps import AffineMap, NodeMap, StatisticsMap, apply_map, same_map
from refkan.sweeps import Sweep, at_layer, layer_value

Pullback = Callable[[Any], tuple[FloatArray, FloatArray | None]]

CHUNK = 65536
"""Samples evaluated at once where only values are asked for: bounds the memory of large evaluations."""


@dataclass(frozen=True, eq=False)
class Network:
    r"""A composition of layers and node maps; build it with `kan` or `mlp`.

    Parameters
    ----------
    layers : tuple of Layer
        The outputs of each are as many as the inputs of the next.
    node_maps : tuple of NodeMap
        One between every two layers.
    statistics : array (S, d_0), optional
        The statistics batch of maps that need one.

    Raises
    ------
    ValueError
        If widths disagree, or the number of node maps is not one less than that of layers.
    """

    layers: tuple[Layer, ...]
    node_maps: tuple[NodeMap, ...]
    statistics: FloatArray | None = None

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("layers must hold at least one layer; got none")
        if len(self.node_maps) != len(self.layers) - 1:
            raise ValueError(
                f"{len(self.layers)} layers need {len(self.layers) - 1} node maps; got {len(self.node_maps)}"
            )
        for k, (layer, following) in enumerate(pairwise(self.layers)):
            if layer.n_outputs != following.n_inputs:
                raise ValueError(
                    f"widths must agree; got {layer.n_outputs} outputs of layer {k} "
                    f"and {following.n_inputs} inputs of layer {k + 1}"
                )

    # ------------------------------------------------------------------ shape

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths (d_0, d_1, ..., d_L)."""
        return (self.layers[0].n_inputs, *(layer.n_outputs for layer in self.layers))

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where the parameters of each layer lie in theta."""
        ends = np.cumsum([0, *(layer.n_params for layer in self.layers)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @property
    def n_params(self) -> int:
        """Number of parameters M."""
        return self.slices[-1].stop

    @property
    def basis(self) -> str | None:
        """Basis of the coefficients: "spline", "relu" or "scaled-relu"; None for a network without splines."""
        return next((name for layer in self.layers if (name := layer_basis(layer)) is not None), None)

    def unpack(self, theta: Any) -> tuple[dict[str, Array], ...]:
        """Views of the parameter blocks (coefficients, w_b, w_s, s, ...) by name, layer by layer.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([2, 1], order=2, intervals=2)
        >>> {name: block.shape for name, block in net.unpack(np.zeros(net.n_params))[0].items()}
        {'coefficients': (1, 2, 3)}
        """
        theta = as_vector("theta", theta, self.n_params)
        return tuple(layer.unpack(part) for layer, part in self._parts(theta))

    def _parts(self, theta: Array) -> Iterator[tuple[Layer, Array]]:
        for layer, where in zip(self.layers, self.slices, strict=True):
            yield layer, theta[where]

    # ------------------------------------------------------------- start

    def initialize(
        self, rng: np.random.Generator, x: Any, scheme: str = "linear", statistics: Any = None
    ) -> tuple[Network, FloatArray]:
        r"""Draw parameters and bind the node maps to data.

        Parameters
        ----------
        rng : numpy.random.Generator
        x : array (N, d_0)
            Samples whose activations the node maps see first.
        scheme : {"linear", "gaussian"}
            "linear": on each edge a random linear function, slope N(0, 1/P) over the domain, plus N(0, 0.1^2) on
            the B-spline coefficients, the same function in every basis. "gaussian": independent Gaussian
            coefficients in the layer's own basis, with the output variance that "linear" has on x.
        statistics : array (S, d_0), optional
            Statistics batch of the maps that need one; x itself by default.

        Returns
        -------
        net : Network
            This network with its node maps bound.
        theta : array (n_params,)

        Raises
        ------
        DegenerateNodeError
            If a node's activations are constant on the data, where its map needs a spread: the node is named.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> x = np.random.default_rng(0).uniform(size=(100, 2))
        >>> net, theta = rk.kan([2, 5, 1], order=3, intervals=4).initialize(np.random.default_rng(7), x)
        >>> net(theta, x).shape
        (100, 1)
        """
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng must be a numpy.random.Generator; got {type(rng).__name__}")
        check_choice("scheme", scheme, SCHEMES)
        samples = real("x", as_samples("x", x, self.widths[0]))
        batch = samples
        if statistics is not None:
            batch = real("statistics", as_samples("statistics", statistics, self.widths[0]))
        z, z_batch = samples, batch
        parameters: list[FloatArray] = []
        maps: list[NodeMap] = []
        for k, layer in enumerate(self.layers):
            with at_layer(k):
                parameters.append(layer.initialize(rng, z, scheme))
            if k == len(self.node_maps):
                break
            y = layer_value(layer, k, parameters[-1], z)
            y_batch = y if z_batch is z else layer_value(layer, k, parameters[-1], z_batch)
            template = self.node_maps[k]
            seen = y_batch if template.uses_statistics else y
            maps.append(template.bind(seen, self._domains_after(k), k))
            z, z_batch = (apply_map(maps[-1], v, y_batch, k) for v in (y, y_batch))
            z_batch = z if y_batch is y else z_batch
        uses = any(node_map.uses_statistics for node_map in maps)
        kept = batch.copy() if uses else None
        if kept is not None:
            kept.flags.writeable = False
        return replace(self, node_maps=tuple(maps), statistics=kept), np.concatenate(parameters)

    def _domains_after(self, k: int) -> FloatArray:
        """Domains (Q, 2) of the inputs of layer k + 1; the unit interval where it has none."""
        layer = self.layers[k + 1]
        inner = getattr(layer, "spline", layer)
        domains: FloatArray = getattr(inner, "domains", np.tile([0.0, 1.0], (layer.n_inputs, 1)))
        return domains

    def _require_bound(self) -> None:
        for k, node_map in enumerate(self.node_maps):
            if not node_map.bound or (node_map.uses_statistics and self.statistics is None):
                raise ValueError(
                    f"node map {node_map.name!r} after layer {k} is not bound to data: "
                    "net, theta = net.initialize(rng, x) first"
                )

    # ------------------------------------------------------------- values

    def __call__(self, theta: Any, x: Any) -> Array:
        """Values y (N, d_L) at theta (n_params,) and x (N, d_0).

        Raises
        ------
        ValueError
            On wrong shapes, NaN or infinity, a node map not bound to data, or an input outside its domain under
            outside="error".
        DegenerateNodeError
            If a node is constant on the statistics batch of a mean-std or min-max map.
        """
        theta, x = self._arguments(theta, x)
        frozen = self.freeze(theta)
        y = np.empty((x.shape[0], self.widths[-1]), np.result_type(theta, x))
        for start in range(0, x.shape[0], CHUNK):
            z = x[start : start + CHUNK]
            for k, (layer, part) in enumerate(self._parts(theta)):
                z = layer_value(layer, k, part, z)
                if k < len(frozen.node_maps):
                    z = apply_map(frozen.node_maps[k], z, z, k)
            y[start : start + CHUNK] = z
        return y

    def _arguments(self, theta: Any, x: Any) -> tuple[Array, Array]:
        theta = as_vector("theta", theta, self.n_params)
        x = as_samples("x", x, self.widths[0])
        self._require_bound()
        return theta, x

    def freeze(self, theta: Any) -> Network:
        """Return the network whose mean-std and min-max maps are affine, with the constants that they have at theta.

        The same function of x at this theta; at other theta it no longer follows the statistics.
        """
        theta = as_vector("theta", theta, self.n_params)
        self._require_bound()
        if self.statistics is None:
            return self
        z: Array = self.statistics
        maps: list[NodeMap] = []
        for k, (layer, part) in enumerate(self._parts(theta)):
            if k == len(self.node_maps):
                break
            y = layer_value(layer, k, part, z)
            node_map = self.node_maps[k]
            if isinstance(node_map, StatisticsMap):
                node_map = AffineMap(*node_map.constants(y, k))
            maps.append(node_map)
            z = apply_map(node_map, y, y, k)
        return replace(self, node_maps=tuple(maps), statistics=None)

    # -------------------------------------------------------- derivatives

    def vjp(self, theta: Any, x: Any, inputs: bool = True) -> tuple[FloatArray, Pullback]:
        r"""Value and pullback: dtheta = J_theta^T dy, dx = J_x^T dy.

        Derivatives in theta go through the statistics of mean-std and min-max maps; those in x hold them fixed.

        Parameters
        ----------
        theta : array (n_params,)
        x : array (N, d_0)
        inputs : bool
            Whether the pullback also returns dx; without it x may share the rows of the statistics batch,
            which halves the work of training.

        Returns
        -------
        y : array (N, d_L)
        pullback : callable
            dy (N, d_L) -> (dtheta (n_params,), dx (N, d_0) or None)

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([1, 1], order=2, intervals=2)
        >>> y, pullback = net.vjp(np.array([0.0, 1.0, 4.0]), np.array([[0.25]]))
        >>> pullback(np.array([[1.0]]))
        (array([0.5, 0.5, 0. ]), array([[2.]]))
        """
        theta, x = self._real_arguments(theta, x)
        sweep = Sweep.forward(self, theta, x, share=not inputs)

        def pullback(dy: Any) -> tuple[FloatArray, FloatArray | None]:
            return sweep.pull_back(real("dy", as_shape("dy", dy, sweep.value.shape)), inputs)

        return sweep.value, pullback

    def jvp(self, theta: Any, x: Any, dtheta: Any, dx: Any = None) -> FloatArray:
        """Tangent dy (N, d_L) of the value along dtheta (n_params,) and, if given, dx (N, d_0)."""
        theta, x = self._real_arguments(theta, x)
        dtheta = real("dtheta", as_vector("dtheta", dtheta, self.n_params))
        dx = np.zeros_like(x) if dx is None else real("dx", as_shape("dx", dx, x.shape))
        return Sweep.forward(self, theta, x, share=False).push_forward(dtheta, dx)

    def jacobian(self, theta: Any, x: Any) -> FloatArray:
        r"""Jacobian J (N d_L, n_params) in the parameters, rows sample-major: row s d_L + q is dy[s, q]/dtheta."""
        theta, x = self._real_arguments(theta, x)
        return Sweep.forward(self, theta, x, share=False).jacobian()

    def _real_arguments(self, theta: Any, x: Any) -> tuple[FloatArray, FloatArray]:
        theta, x = self._arguments(theta, x)
        # Copies: a pullback is that of the point where it was made, whatever becomes of the caller's arrays.
        return real("theta", theta).copy(), real("x", x).copy()

    # ------------------------------------------------------------- bases

    def to_basis(self, basis: str) -> Network:
        """Return the same network with its coefficients in another basis: "spline", "relu" or "scaled-relu".

        Use `convert` for the parameters.
        """
        return replace(self, layers=tuple(layer_in_basis(layer, basis) for layer in self.layers))

    def convert(self, theta: Any, other: Network, allow_inexact: bool = False) -> FloatArray:
        r"""Parameters of `other` that make it the same function of x as this network at theta.

        Layer by layer: w = A^T u and its inverse. Node maps are carried over by `to_basis`; they must agree.

        Raises
        ------
        ValueError
            Where the two are not the same function for every x: other widths, node maps or knots, or bases that
            differ outside the domain under outside="natural" (unless allow_inexact).
        """
        theta = as_vector("theta", theta, self.n_params)
        if not isinstance(other, Network):
            raise TypeError(f"other must be a Network; got {type(other).__name__}")
        if other.widths != self.widths:
            raise ValueError(f"other must have widths {self.widths}; got {other.widths}")
        for k, (mine, theirs) in enumerate(zip(self.node_maps, other.node_maps, strict=True)):
            if not same_map(mine, theirs):
                raise ValueError(
                    f"other must have the same node map after layer {k} as this network ({mine.name!r}); "
                    f"got {theirs.name!r}, of another kind or with other constants"
                )
        empty = np.empty((0, 0))
        batches = [empty if net.statistics is None else net.statistics for net in (self, other)]
        if not np.array_equal(batches[0], batches[1]):
            raise ValueError("other must have the same statistics batch")
        parts = [
            convert_layer(layer, part, target, k, allow_inexact)
            for k, ((layer, part), target) in enumerate(zip(self._parts(theta), other.layers, strict=True))
        ]
        return np.concatenate(parts)

    def coordinates(self, basis: str) -> Coordinates:
        """Linear maps between theta and the coefficients in another basis: the geometries of descent methods."""
        return coordinates(self.layers, self.slices, basis)
