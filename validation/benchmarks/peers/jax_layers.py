"""What the peers written in JAX have in common: double precision, compilation, waiting for the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from validation.benchmarks.harness import Timed
from validation.benchmarks.layer_case import LayerCase

jax.config.update("jax_enable_x64", True)

Layer = Callable[[Any, Any], Any]  # (coefficients (Q, P, dim), x (N, P)) -> y (N, Q)


def forward(case: LayerCase, layer: Layer) -> Timed:
    """Time the compiled ``layer(coefficients, x)``."""
    compiled = jax.jit(layer)
    coefficients, x = jax.device_put((case.coefficients, case.x))
    return Timed(
        lambda: jax.block_until_ready(compiled(coefficients, x)),
        lambda y: (np.asarray(y),),
    )


def backward(case: LayerCase, layer: Layer) -> Timed:
    """Time the compiled layer and its gradients with respect to the coefficients and x."""

    @jax.jit
    def value_and_gradients(coefficients: Any, x: Any, dy: Any) -> Any:
        y, pullback = jax.vjp(layer, coefficients, x)
        return (y, *pullback(dy))

    arguments = jax.device_put((case.coefficients, case.x, case.dy))
    return Timed(
        lambda: jax.block_until_ready(value_and_gradients(*arguments)),
        lambda result: tuple(map(np.asarray, result)),
    )
