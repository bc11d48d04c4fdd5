r"""What indicators see of a layer: its inputs on the data, its spline spaces, and how much its outputs matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from refkan.arguments import check_count
from refkan.array_types import FloatArray, IntArray
from refkan.conversion import convert_coefficients
from refkan.layers import EdgeLayer, Layer, SiluLayer
from refkan.networks import Network
from refkan.node_maps import PointwiseMap
from refkan.short_reprs import ShortRepr
from refkan.spaces import SplineSpace


def splines_of(layer: Layer) -> EdgeLayer | None:
    """Return the splines of a layer: itself, the spline part of SiLU edges, None for a dense layer."""
    if isinstance(layer, SiluLayer):
        return layer.spline
    return layer if isinstance(layer, EdgeLayer) else None


def with_spaces(layer: Layer, spaces: Sequence[SplineSpace]) -> Layer:
    """Return the layer with its splines on other spaces, one for each input."""
    if isinstance(layer, SiluLayer):
        return replace(layer, spline=replace(layer.spline, spaces=tuple(spaces)))
    assert isinstance(layer, EdgeLayer)
    return replace(layer, spaces=tuple(spaces))


def spaces_of(layer: Layer, theta: FloatArray) -> tuple[SplineSpace, ...]:
    """Return the spline spaces of a layer at its parameters theta, one for each input."""
    splines = splines_of(layer)
    assert splines is not None
    return splines.spaces_at(theta[: splines.n_params])


def coefficients_of(layer: Layer, theta: FloatArray) -> FloatArray:
    """Return B-spline coefficients (Q, P, dim) of the edges of a layer; those of SiLU edges times w_s."""
    splines = splines_of(layer)
    assert splines is not None
    blocks = layer.unpack(theta)
    c = convert_coefficients(splines, theta[: splines.n_params], blocks["coefficients"], splines.basis, "spline")
    scaled: FloatArray = c * blocks["w_s"][:, :, None] if "w_s" in blocks else c
    return scaled


def check_layers(net: Network, layers: Sequence[int] | None) -> tuple[int, ...]:
    """Return the numbers of the layers to refine, ascending; by default all with splines."""
    with_splines = [k for k, layer in enumerate(net.layers) if splines_of(layer) is not None]
    if layers is None:
        if not with_splines:
            raise ValueError("net must have a layer with knots; got dense layers only")
        return tuple(with_splines)
    chosen = sorted({check_count(f"layers[{i}]", k, 0, len(net.layers) - 1) for i, k in enumerate(layers)})
    if not chosen:
        raise ValueError("layers must name at least one layer; got none")
    for k in chosen:
        if k not in with_splines:
            raise ValueError(f"layers must name layers with knots; got layer {k}, a {type(net.layers[k]).__name__}")
    return tuple(chosen)


@dataclass(frozen=True, eq=False)
class LayerState(ShortRepr):
    r"""A layer with splines at (theta, x).

    Attributes
    ----------
    layer : Layer
    theta : array
        Its own parameters.
    z : array (N, P)
        Its inputs.
    sensitivity : array (N, Q)
        ``sum_o (dF_o/dy_q)^2``: by how much the squared output of the network moves with output q of the layer.
        Constants of node maps that take statistics are held.
    """

    layer: Layer
    theta: FloatArray
    z: FloatArray
    sensitivity: FloatArray

    @property
    def spaces(self) -> tuple[SplineSpace, ...]:
        """The spline spaces, one for each input."""
        return spaces_of(self.layer, self.theta)

    @property
    def coefficients(self) -> FloatArray:
        """B-spline coefficients (Q, P, dim)."""
        return coefficients_of(self.layer, self.theta)

    def intervals_of_samples(self) -> IntArray:
        """Interval (N, P) in which each input lies, the last one closed; outside the domain that at the near end."""
        at = np.empty(self.z.shape, dtype=np.int64)
        for p, space in enumerate(self.spaces):
            at[:, p] = np.searchsorted(space.breakpoints[1:-1], self.z[:, p], side="right")
        return at

    def sum_over_intervals(self, weights: FloatArray) -> FloatArray:
        """Sum weights (N,) of the samples interval by interval: (P, n)."""
        at, n = self.intervals_of_samples(), self.spaces[0].intervals
        return np.array([np.bincount(at[:, p], weights, minlength=n) for p in range(at.shape[1])])


def layer_states(net: Network, theta: FloatArray, x: FloatArray) -> dict[int, LayerState]:
    """Return the state of every layer with splines, by its number, from one sweep forward and one backward."""
    frozen = net.freeze(theta)
    z, inputs, linearizations, slopes = x, [], [], []
    for k, (layer, where) in enumerate(zip(frozen.layers, frozen.slices, strict=True)):
        inputs.append(z)
        linearizations.append(layer.linearize(theta[where], z))
        if k < len(frozen.node_maps):
            node_map = frozen.node_maps[k]
            assert isinstance(node_map, PointwiseMap)
            y = linearizations[-1].value
            slopes.append(np.broadcast_to(node_map.slope(y), y.shape))
            z = node_map.value(y)
    states: dict[int, LayerState] = {}
    n_outputs = net.widths[-1]
    G = np.broadcast_to(np.eye(n_outputs), (x.shape[0], n_outputs, n_outputs))
    for k in range(len(frozen.layers) - 1, -1, -1):
        if splines_of(frozen.layers[k]) is not None:
            states[k] = LayerState(frozen.layers[k], theta[frozen.slices[k]], inputs[k], np.sum(G * G, axis=1))
        if k > 0:
            G = linearizations[k].pullback_inputs(np.ascontiguousarray(G)) * slopes[k - 1][:, None, :]
    return dict(sorted(states.items()))
