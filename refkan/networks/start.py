r"""The start of a network: parameters drawn layer by layer, and node maps bound to the activations that reach them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from refkan.base import (
    FloatArray,
    OutsideDomainError,
    RandomSource,
    as_generator,
    as_samples,
    check_choice,
    located,
    real,
)
from refkan.networks.composition import warn_of_domain
from refkan.networks.layers import SCHEMES, Layer
from refkan.networks.node_maps import NodeMap
from refkan.networks.same_function import SameFunction
from refkan.splines.sums.channels import VALUES


def start(
    layers: Sequence[Layer],
    node_maps: Sequence[NodeMap],
    rng: np.random.Generator,
    samples: FloatArray,
    batch: FloatArray,
    scheme: str,
) -> tuple[list[FloatArray], tuple[NodeMap, ...]]:
    """Draw the parameters of each layer on the samples that reach it, and bind the map behind it to its activations.

    Maps that take statistics are bound to those of `batch`, which may be `samples` itself.
    """
    z, z_batch = samples[:, None], batch[:, None]
    parameters: list[FloatArray] = []
    maps: list[NodeMap] = []
    for k, layer in enumerate(layers):
        with located(f"layer {k}" if k else "", OutsideDomainError):
            parameters.append(layer.initialize(rng, z[:, 0], scheme))
            if k == len(node_maps):
                break
            y = layer.at(parameters[-1], z, VALUES, slopes=False).value
            y_batch = y if batch is samples else layer.at(parameters[-1], z_batch, VALUES, slopes=False).value
        template = node_maps[k]
        seen = y_batch if template.uses_statistics else y
        node_map = template.bind(seen[:, 0], layers[k + 1].domains, k)
        constants = node_map.constants(y_batch[:, 0], k) if node_map.uses_statistics else None
        z, z_batch = (node_map.at(v, VALUES, constants, back=False).value for v in (y, y_batch))
        maps.append(node_map)
    return parameters, tuple(maps)


@dataclass(frozen=True, eq=False, repr=False)
class Startable(SameFunction):
    """A composition with a start; parameters and errors as for `Network`."""

    def initialize(
        self, rng: RandomSource, x: Any, scheme: str = "linear", statistics: Any = None
    ) -> tuple[Self, FloatArray]:
        r"""Draw parameters and bind the node maps to data.

        Parameters
        ----------
        rng : numpy.random.Generator or seed
        x : array (N, d_0)
            Samples whose activations the node maps see first; under domain="data" their ranges are the domain.
        scheme : {"linear", "normal", "gaussian"}
            "linear": on each edge a random linear function, slope N(0, 1/P) over the domain, plus N(0, 0.1^2) on
            the B-spline coefficients, the same function in every basis. "normal": independent N(0, 1) B-spline
            coefficients, the same function in every basis (and N(0, 1) Chebyshev coefficients). "gaussian":
            independent Gaussian coefficients in the layer's own basis, with the output variance that "linear" has on
            x. Dense layers start in one way.
        statistics : array (S, d_0), optional
            Statistics batch of the maps that need one; x itself by default.

        Returns
        -------
        net : Network
            This network with its domain and its node maps bound.
        theta : array (n_params,)

        Raises
        ------
        DegenerateNodeError
            If a node's activations are constant on the data, where its map needs a spread: the node is named.
        ValueError, TypeError
            For another `rng`, an unknown scheme, samples of a wrong shape or not finite, none where a map
            needs some, or activations outside a domain under outside="error"; under domain="data" for an input that
            has one value only.

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
        parameters, maps = start(net.layers, net.node_maps, rng, samples, batch, scheme)
        uses = any(node_map.uses_statistics for node_map in maps)
        kept = batch.copy() if uses else None
        if kept is not None:
            kept.flags.writeable = False
        return replace(net, node_maps=maps, statistics=kept), np.concatenate(parameters)
