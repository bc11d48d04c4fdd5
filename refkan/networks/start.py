r"""The start of a network: parameters drawn layer by layer, and node maps bound to the activations that reach them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refkan.array_types import FloatArray
from refkan.engines.channels import VALUES
from refkan.layers import Layer
from refkan.networks.sweep import at_layer
from refkan.node_maps import NodeMap


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
        with at_layer(k):
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
