"""The leanest KAN layer in JAX: Cox-de Boor over all intervals at once, then one einsum, compiled."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from validation.benchmarks.harness import Timed
from validation.benchmarks.layer_case import DEGREE, LayerCase
from validation.benchmarks.peers import jax_layers


def basis(x: Any, knots: Any) -> Any:
    """Return all basis functions at x (N, P): (N, P, dim), as KAN codes compute them."""
    x = x[..., None]
    values = ((x >= knots[:-1]) & (x < knots[1:])).astype(x.dtype)
    for k in range(1, DEGREE + 1):
        left = (x - knots[: -k - 1]) / (knots[k:-1] - knots[: -k - 1])
        right = (knots[k + 1 :] - x) / (knots[k + 1 :] - knots[1:-k])
        values = left * values[..., :-1] + right * values[..., 1:]
    return values


def _layer(case: LayerCase) -> jax_layers.Layer:
    case.require_memory(12)
    knots = jnp.asarray(case.knots)
    return lambda coefficients, x: jnp.einsum("npi,qpi->nq", basis(x, knots), coefficients)


def forward(case: LayerCase) -> Timed:
    """Return the timed forward pass."""
    return jax_layers.forward(case, _layer(case))


def backward(case: LayerCase) -> Timed:
    """Return the timed forward and backward pass."""
    return jax_layers.backward(case, _layer(case))
