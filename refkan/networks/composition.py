r"""The structure of networks, layers joined by node maps with flat parameters, and their initialisation.

Initialisation takes the domain of the first layer from the data, or compares the two; it draws parameters layer by
layer and binds each node map to the activations on the data.
"""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, Self

import numpy as np

from refkan.base import (
    Array,
    FloatArray,
    Frozen,
    OutsideDomainError,
    RandomSource,
    lazy,
    located,
)
from refkan.base.arguments import as_generator, as_samples, as_vector, check_choice, check_flag, check_sequence, real
from refkan.networks.domain_of_data import ranges, require_activations, warn_of_domain
from refkan.networks.layers import Layer
from refkan.networks.layers.layer import SCHEMES
from refkan.networks.node_maps import NODE_MAPS
from refkan.networks.node_maps.node_map import NodeMap
from refkan.splines.sums.channels import VALUES
from refkan.splines.sums.input_jet import FixedJet


class Composition(Frozen):
    """Layers joined by node maps: parameters and errors as for `Network`, which adds values and derivatives."""

    layers: tuple[Layer, ...]
    node_maps: tuple[NodeMap, ...]
    statistics: FloatArray | None = None
    domain_from_data: bool = False

    def __post_init__(self) -> None:
        check_flag("domain_from_data", self.domain_from_data)
        for name, kind in (("layers", Layer), ("node_maps", NodeMap)):
            object.__setattr__(self, name, _tuple_of(name, getattr(self, name), kind))
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
            self.node_maps[k].require_nodes(layer.n_outputs, k)
        if self.statistics is not None:
            width = self.layers[0].n_inputs
            batch = real("statistics", as_samples("statistics", self.statistics, width))
            if batch.flags.writeable:
                batch = batch.copy()
                batch.flags.writeable = False
            vars(self).update(statistics=batch)

    # ------------------------------------------------------------------ shape

    @lazy
    def widths(self) -> tuple[int, ...]:
        """The widths (d_0, d_1, ..., d_L)."""
        return (self.layers[0].n_inputs, *(layer.n_outputs for layer in self.layers))

    @lazy
    def slices(self) -> tuple[slice, ...]:
        """Where the parameters of each layer lie in theta."""
        ends = np.cumsum([0, *(layer.n_params for layer in self.layers)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @property
    def n_params(self) -> int:
        """Number of parameters M."""
        return self.slices[-1].stop

    @lazy
    def statistics_maps(self) -> list[int]:
        """Numbers of the node maps that take constants from the statistics batch."""
        return [k for k, node_map in enumerate(self.node_maps) if node_map.uses_statistics]

    @lazy
    def batch(self) -> FixedJet:
        """The statistics batch, with cached results of the first layer."""
        assert self.statistics is not None
        return FixedJet(self.statistics[:, None])

    @property
    def basis(self) -> str | None:
        """Basis of the coefficients: "spline", "relu" or "scaled-relu"; None for a network without, or with several."""
        bases = {layer.basis for layer in self.layers if layer.basis is not None}
        if len(bases) == 1:
            return bases.pop()
        return None

    def unpack(self, theta: Any) -> tuple[dict[str, Array], ...]:
        """Return views of the parameter blocks (coefficients, w_b, w_s, s, ...) by name, layer by layer.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([2, 1], order=2, intervals=2)
        >>> {name: block.shape for name, block in net.unpack(np.zeros(net.n_params))[0].items()}
        {'coefficients': (1, 2, 3)}
        """
        theta = as_vector("theta", theta, self.n_params)
        return tuple(layer.unpack(part) for layer, part in self._parts(theta))

    def require_bound(self) -> None:
        """Raise ValueError unless the first layer and every node map are bound to data."""
        _ = self._bound  # once: networks do not change

    @lazy
    def _bound(self) -> bool:
        self.require_domain()
        for k, node_map in enumerate(self.node_maps):
            if not node_map.bound or (node_map.uses_statistics and self.statistics is None):
                raise ValueError(
                    f"node map {node_map.name!r} after layer {k} is not bound to data: "
                    "net, theta = net.initialize(rng, x) first"
                )
        return True

    def require_derivatives(self, order: int, stacklevel: int = 2, quiet: bool = False) -> None:
        """Refuse derivatives in x of an order that a layer does not have; warn once if they jump, unless quiet.

        Raises
        ------
        ValueError
            Naming the layer: splines of order 2 for second derivatives, or free knots of order 3.
        """
        warning = None
        for k, layer in enumerate(self.layers):
            with located(f"layer {k}"):
                warning = layer.require_derivatives(order) or warning
        if warning is not None and not quiet:
            warnings.warn(warning, stacklevel=stacklevel + 1)

    def _parts(self, theta: Array) -> Iterator[tuple[Layer, Array]]:
        for layer, where in zip(self.layers, self.slices, strict=True):
            yield layer, theta[where]

    def with_domain_of(self, x: Any) -> Self:
        """Return the network with the range of each column of x (N, d_0) as domain under domain="data"; else itself.

        `initialize` calls it with its own x. Call it with all data first if several networks are initialised on parts.

        Raises
        ------
        ValueError, TypeError
            As `initialize`.

        Examples
        --------
        >>> import refkan as rk
        >>> net = rk.kan([1, 1], order=3, intervals=4, domain="data")
        >>> net.with_domain_of([[-2.0], [3.0], [1.0]]).layers[0].domains
        array([[-2.,  3.]])
        """
        if not self.domain_from_data:
            return self
        domains = ranges(real("x", as_samples("x", x, self.widths[0])))
        first, *others = self.layers
        layers = (first.on_domains(domains), *others)
        return replace(self, layers=layers, domain_from_data=False)

    def initialize(
        self, rng: RandomSource, x: Any, scheme: str = "linear", statistics: Any = None
    ) -> tuple[Self, FloatArray]:
        r"""Draw parameters and bind the node maps to data.

        Parameters
        ----------
        rng : numpy.random.Generator or seed
        x : array (N, d_0)
            Samples whose activations the node maps are bound to; under domain="data" their ranges are the domain.
        scheme : {"linear", "normal", "gaussian"}
            "linear": on each edge a random linear function, slope N(0, 1/P) over the domain, plus N(0, 0.1^2) on
            the B-spline coefficients, the same function in every basis. "normal": independent N(0, 1) B-spline
            coefficients, the same function in every basis (and N(0, 1) Chebyshev coefficients). "gaussian":
            independent Gaussian coefficients in the layer's own basis, with the output variance of "linear" on x.
            Dense layers ignore the scheme.
        statistics : array (S, d_0), optional
            Statistics batch of the maps that need one; x itself by default.

        Returns
        -------
        net : Network
            This network with domain and node maps bound to the data.
        theta : array (n_params,)

        Raises
        ------
        DegenerateNodeError
            If the activations of a node are constant on the data and its map needs a spread; the node is named.
        ValueError, TypeError
            For a bad `rng`, an unknown scheme, samples of a wrong shape or not finite, no samples for a map that needs
            some, or activations outside a domain under outside="error"; for a constant input under domain="data"; if
            activations on x or the statistics batch overflow.

        Warns
        -----
        OutsideDomainWarning
            If more than a tenth of the values of an input lie outside the domain of the first layer.
        NarrowInputWarning
            If the values of an input, 20 or more, cover less than a tenth of that domain.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> x = np.random.default_rng(0).uniform(size=(100, 2))
        >>> net, theta = rk.kan([2, 5, 1], order=3, intervals=4).initialize(np.random.default_rng(7), x)
        >>> net(theta, x).shape
        (100, 1)
        """
        rng = as_generator("rng", rng)
        check_choice("scheme", scheme, SCHEMES)
        samples = real("x", as_samples("x", x, self.widths[0]))
        batch = samples
        if statistics is not None:
            batch = real("statistics", as_samples("statistics", statistics, self.widths[0]))
        net = self.with_domain_of(samples)
        warn_of_domain(net.layers[0], samples, stacklevel=2)
        z, z_batch = samples[:, None], batch[:, None]
        parameters: list[FloatArray] = []
        maps: list[NodeMap] = []
        for k, layer in enumerate(net.layers):
            where = f"layer {k}" if k > 0 else ""
            with located(where, OutsideDomainError):
                theta = layer.initialize(rng, z[:, 0], scheme)
                parameters.append(theta)
                if k == len(net.node_maps):
                    break
                y = y_batch = layer.at(theta, z, VALUES, slopes=False).value
                if batch is not samples:
                    y_batch = layer.at(theta, z_batch, VALUES, slopes=False).value
            require_activations("x", samples, y[:, 0], k)
            require_activations("statistics", batch, y_batch[:, 0], k)
            node_map, constants = net.node_maps[k], None
            domains = net.layers[k + 1].domains
            if node_map.uses_statistics:
                node_map = node_map.bind(y_batch[:, 0], domains, k)
                constants = node_map.constants(y_batch[:, 0], k)
            else:
                node_map = node_map.bind(y[:, 0], domains, k)
            z = node_map.at(y, VALUES, constants, back=False).value
            z_batch = node_map.at(y_batch, VALUES, constants, back=False).value
            maps.append(node_map)
        kept = None
        if any(node_map.uses_statistics for node_map in maps):
            kept = batch.copy()
        net = replace(net, node_maps=tuple(maps), statistics=kept)
        return net, np.concatenate(parameters)

    def require_domain(self) -> None:
        """Raise ValueError if the domain of the first layer is not yet taken from data."""
        if self.domain_from_data:
            raise ValueError(
                "the domain of the first layer is not bound to data (domain='data'): "
                "net, theta = net.initialize(rng, x) first"
            )

    def __repr__(self) -> str:
        layers = ", ".join(layer.describe() for layer in self.layers)
        maps = ", ".join(dict.fromkeys(node_map.name for node_map in self.node_maps))
        text = f"{list(self.widths)}: {layers}"
        if maps:
            text += f", maps: {maps}"
        if self.domain_from_data:
            text += ", domain: from data"
        return f"{type(self).__name__}({text}; {self.n_params} parameters)"


def _tuple_of(name: str, items: Any, kind: type[Any]) -> tuple[Any, ...]:
    """Return the items as a tuple; TypeError with a remedy unless all are of the class `kind`."""
    items = tuple(check_sequence(name, items, f"{kind.__name__} objects"))
    for k, item in enumerate(items):
        if not isinstance(item, kind):
            raise TypeError(f"{name}[{k}] must be a {kind.__name__}; got {item!r}{REMEDIES[kind]}")
    return items


REMEDIES = {
    Layer: ": build layers with rk.SplineLayer, rk.DenseLayer and others, or the network with rk.kan",
    NodeMap: f": take one of rk.networks.node_maps.NODE_MAPS[name], name one of {', '.join(map(repr, NODE_MAPS))}",
}
"""Ends of error messages for other objects."""
