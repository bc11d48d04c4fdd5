"""Networks with maps that take statistics, and the rows of which the scale is free."""

import numpy as np
import pytest

import refkan as rk
from tests.shared.factories import EVERY_NETWORK, NetworkCase

STATISTICS = ("mean-std", "min-max")
WITH_GAUGE = [case for case in EVERY_NETWORK if case.couples_samples] + [
    NetworkCase("chebyshev", node_map, order=5) for node_map in STATISTICS
]
with_gauge = pytest.mark.parametrize("case", WITH_GAUGE, ids=str)


@pytest.fixture
def plain():
    """The engine that compiles nothing."""
    with rk.use_engine("plain"):
        yield


def homogeneous(layer):
    """Which parameters of a layer belong to each output's homogeneous blocks, (Q, m)."""
    blocks = layer.unpack(np.arange(layer.n_params, dtype=float))
    rows = [blocks[name].reshape(layer.n_outputs, -1) for name in layer.homogeneous]
    return np.concatenate(rows, axis=1).astype(int)


def rows_of(net):
    """The parameters of every row before a map that takes statistics, in theta."""
    return [net.slices[k].start + row for k in net.statistics_maps for row in homogeneous(net.layers[k])]


def scaled(net, theta, factors):
    """Theta with these rows times numbers."""
    made = theta.copy()
    for row, factor in zip(rows_of(net), factors, strict=True):
        made[row] *= factor
    return made
