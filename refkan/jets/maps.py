"""Node maps applied to jets."""

from __future__ import annotations

import numpy as np

from refkan.array_types import Array
from refkan.jets.statistics import Constants
from refkan.layers.jets import Channels
from refkan.layers.pointwise_jets import AffineJet, PointwiseJet
from refkan.node_maps import NodeMap, PointwiseMap


def map_jet(node_map: NodeMap, y: Array, constants: Constants | None, channels: Channels) -> AffineJet | PointwiseJet:
    """Apply a node map to a jet y (N, channels, Q); `constants` of a map that takes them from statistics."""
    if constants is not None:
        return AffineJet(y, *constants)
    assert isinstance(node_map, PointwiseMap)
    if node_map.curved:
        return PointwiseJet(node_map.derivatives, y, channels)
    zero = np.zeros(y.shape[-1])
    return AffineJet(y, node_map.slope(zero), node_map.value(zero))
