"""A lean KAN in JAX, compiled: value and gradients in all coefficients and x."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from validation.benchmarks.gauss_newton_case import GaussNewtonCase
from validation.benchmarks.harness import Timed
from validation.benchmarks.peers.jax_lean import basis

jax.config.update("jax_enable_x64", True)


def network(case: GaussNewtonCase) -> Timed:
    """Return the timed sweeps."""
    case.require_memory(4)
    knots = jnp.asarray(case.knots)
    maps = [(jnp.asarray(scale), jnp.asarray(shift)) for scale, shift in case.maps]

    def output(coefficients: Any, z: Any) -> Any:
        for k, c in enumerate(coefficients):
            z = jnp.einsum("npi,qpi->nq", basis(z, knots), c)
            if k < len(maps):
                z = maps[k][0] * z + maps[k][1]
        return z

    @jax.jit
    def sweeps(coefficients: Any, x: Any, dy: Any) -> Any:
        y, pullback = jax.vjp(output, coefficients, x)
        return (y, *pullback(dy))

    arguments = jax.device_put((case.data[1], case.data[0], case.cotangent))

    def collect(result: Any) -> tuple[Any, ...]:
        y, gradients, dx = result
        return np.asarray(y), np.concatenate([np.asarray(g).ravel() for g in gradients]), np.asarray(dx)

    return Timed(lambda: jax.block_until_ready(sweeps(*arguments)), collect)
