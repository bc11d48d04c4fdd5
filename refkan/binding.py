"""What a network takes from data: the domain of its first layer, its node maps at the start, statistics frozen."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.errors import OutsideDomainWarning
from refkan.knots import check_domain
from refkan.layers import ChebyshevLayer, EdgeLayer, SiluLayer
from refkan.layers.base import Layer
from refkan.node_maps import AffineMap, NodeMap, StatisticsMap, apply_map
from refkan.spaces import SplineSpace
from refkan.sweeps import at_layer, layer_value

E = TypeVar("E", bound=EdgeLayer)

MANY = 0.1
"""Share of the values of an input outside the domain beyond which `Network.initialize` warns: more than a tail."""

ROOM = 2**20
"""Least length of a domain taken from data, in units of eps times its ends: room for a million intervals."""


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


def warn_outside(layer: Layer, x: FloatArray, stacklevel: int) -> None:
    """Warn if many of the samples x (N, P) lie outside the domain of the first layer."""
    if x.shape[0] == 0 or not hasattr(getattr(layer, "spline", layer), "domains"):
        return
    low, high = input_domains(layer).T
    counts = ((x < low) | (x > high)).sum(axis=0)
    inputs = np.flatnonzero(counts > MANY * x.shape[0])
    if inputs.size == 0:
        return
    p = int(inputs[0])
    more = f", and many of {inputs.size - 1} more inputs" if inputs.size > 1 else ""
    warnings.warn(
        f"{counts[p]} of {x.shape[0]} values of input {p} lie outside the domain [{low[p]:g}, {high[p]:g}] of the "
        f"first layer{more}: they range from {x[:, p].min():g} to {x[:, p].max():g}, and beyond a domain splines are "
        'straight lines by default. Give kan the domain of each input, or domain="data"',
        OutsideDomainWarning,
        stacklevel=stacklevel + 1,
    )


def ranges(x: FloatArray) -> FloatArray:
    """Return the least and the largest value of each column of x (N, P), shape (P, 2).

    Raises
    ------
    ValueError
        If there is no sample, or a column has one value only, or so close values that no knots fit between them.
    """
    if x.shape[0] == 0:
        raise ValueError("domain='data' needs x to hold at least two samples; got none")
    pairs = np.stack([x.min(axis=0), x.max(axis=0)], axis=1)
    for p, (low, high) in enumerate(pairs):
        if not high - low > ROOM * np.finfo(np.float64).eps * max(-low, high):
            raise ValueError(
                f"domain='data' needs x to vary in each input; got x[:, {p}] between {low} and {high}: leave that "
                "input out, or give kan the domain of each input"
            )
    return pairs


def on_domains(layer: Layer, domains: FloatArray) -> Layer:
    """Return a layer of uniform knots, or of Chebyshev polynomials, with other domains (P, 2) of its inputs.

    Raises
    ------
    ValueError
        For a layer without domains, and knots that are not uniform, which have no place in another domain.
    """
    if isinstance(layer, SiluLayer):
        return replace(layer, spline=_splines_on_domains(layer.spline, domains))
    if isinstance(layer, ChebyshevLayer):
        return replace(layer, ends=tuple((float(low), float(high)) for low, high in domains))
    if isinstance(layer, EdgeLayer):
        return _splines_on_domains(layer, domains)
    raise ValueError(f"domain_from_data needs a first layer with a domain; got a {type(layer).__name__}")


def _splines_on_domains(layer: E, domains: FloatArray) -> E:
    """Return a layer of splines with other domains: inputs with one domain share one space, as in `kan`."""
    pairs = [(float(low), float(high)) for low, high in domains]
    made: dict[tuple[float, float], SplineSpace] = {}
    for p, (space, pair) in enumerate(zip(layer.spaces, pairs, strict=True)):
        if not space.is_uniform:
            raise ValueError(f"domain_from_data needs uniform knots in the first layer; got others for input {p}")
        if pair not in made:
            made[pair] = SplineSpace.uniform(space.order, space.intervals, check_domain(pair, f"range of x[:, {p}]"))
    return replace(layer, spaces=tuple(made[pair] for pair in pairs))


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
