"""The spline layer of jaxkan, compiled, without the residual branch, the outer weights and the bias."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxkan.layers.Spline import SplineLayer

from validation.benchmarks.harness import Timed
from validation.benchmarks.layer_case import DEGREE, DOMAIN, LayerCase
from validation.benchmarks.peers import jax_layers


def _layer(case: LayerCase) -> jax_layers.Layer:
    case.require_memory(12)
    module = SplineLayer(
        case.n_in,
        case.n_out,
        DEGREE,
        case.intervals,
        DOMAIN,
        residual=None,
        external_weights=False,
        add_bias=False,
    )
    module.grid.item = jnp.broadcast_to(jnp.asarray(case.knots), (case.n_in, case.knots.size))
    graph, state = nnx.split(module)

    def layer(coefficients: Any, x: Any) -> Any:
        traced = nnx.merge(graph, state)
        traced.c_basis = nnx.Param(coefficients)
        return traced(x)

    return layer


def forward(case: LayerCase) -> Timed:
    """Return the timed forward pass."""
    return jax_layers.forward(case, _layer(case))


def backward(case: LayerCase) -> Timed:
    """Return the timed forward and backward pass."""
    return jax_layers.backward(case, _layer(case))
