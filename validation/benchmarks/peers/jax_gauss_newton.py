"""The Gauss-Newton matrix in JAX: the Jacobian by vmap of grad, alone or compiled together with its product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from validation.benchmarks.gauss_newton_case import GaussNewtonCase
from validation.benchmarks.harness import Timed
from validation.benchmarks.peers.jax_lean import basis


def _rows(case: GaussNewtonCase) -> Callable[[Any, Any], Any]:
    """Return the function (theta, x) -> J (N, M)."""
    case.require_memory(4)
    knots, shapes = jnp.asarray(case.knots), case.shapes
    maps = [(jnp.asarray(scale), jnp.asarray(shift)) for scale, shift in case.maps]

    def output(theta: Any, z: Any) -> Any:
        start = 0
        for k, shape in enumerate(shapes):
            size = int(np.prod(shape))
            z = jnp.einsum("pi,qpi->q", basis(z, knots), theta[start : start + size].reshape(shape))
            start += size
            if k < len(maps):
                z = maps[k][0] * z + maps[k][1]
        return z[0]

    return jax.vmap(jax.grad(output), in_axes=(None, 0))


def _timed(case: GaussNewtonCase, function: Callable[[Any, Any], Any]) -> Timed:
    compiled = jax.jit(function)
    arguments = jax.device_put((case.theta, case.data[0]))
    return Timed(lambda: jax.block_until_ready(compiled(*arguments)), lambda found: (np.asarray(found),))


def jacobian(case: GaussNewtonCase) -> Timed:
    """Return the timed Jacobian."""
    return _timed(case, _rows(case))


def gauss_newton(case: GaussNewtonCase) -> Timed:
    """Return the timed assembly."""
    rows = _rows(case)

    def assemble(theta: Any, x: Any) -> Any:
        J = rows(theta, x)
        return J.T @ J / x.shape[0]

    return _timed(case, assemble)
