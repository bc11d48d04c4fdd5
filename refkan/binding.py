"""Node maps bound to data as it runs through a network: at the start, and frozen where they take statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.layers.base import Layer
from refkan.node_maps import AffineMap, NodeMap, StatisticsMap, apply_map
from refkan.sweeps import at_layer, layer_value


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
    z, z_batch = samples, batch
    parameters: list[FloatArray] = []
    maps: list[NodeMap] = []
    for k, layer in enumerate(layers):
        with at_layer(k):
            parameters.append(layer.initialize(rng, z, scheme))
        if k == len(node_maps):
            break
        y = layer_value(layer, k, parameters[-1], z)
        y_batch = y if z_batch is z else layer_value(layer, k, parameters[-1], z_batch)
        template = node_maps[k]
        seen = y_batch if template.uses_statistics else y
        maps.append(template.bind(seen, input_domains(layers[k + 1]), k))
        z, z_batch = (apply_map(maps[-1], v, y_batch, k) for v in (y, y_batch))
        z_batch = z if y_batch is y else z_batch
    return parameters, tuple(maps)


def input_domains(layer: Layer) -> FloatArray:
    """Domains (P, 2) of the inputs of a layer; the unit interval where it has none."""
    inner = getattr(layer, "spline", layer)
    domains: FloatArray = getattr(inner, "domains", np.tile([0.0, 1.0], (layer.n_inputs, 1)))
    return domains


def frozen_maps(
    parts: Iterable[tuple[Layer, Array]], node_maps: Sequence[NodeMap], statistics: FloatArray
) -> tuple[NodeMap, ...]:
    """Return the maps with those of the statistics batch replaced by affine ones with their constants.

    `parts` are the layers with their parameters.
    """
    z: Array = statistics
    maps: list[NodeMap] = []
    for k, (layer, part) in enumerate(parts):
        if k == len(node_maps):
            break
        y = layer_value(layer, k, part, z)
        node_map = node_maps[k]
        if isinstance(node_map, StatisticsMap):
            node_map = AffineMap(*node_map.constants(y, k))
        maps.append(node_map)
        z = apply_map(node_map, y, y, k)
    return tuple(maps)
