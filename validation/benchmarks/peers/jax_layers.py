"""Layers in JAX, the leanest one and that of jaxkan: in double precision, compiled, their results waited for."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from validation.benchmarks.cases.layer_case import DEGREE, DOMAIN, LayerCase
from validation.benchmarks.running.harness import Timed

jax.config.update("jax_enable_x64", True)

Layer = Callable[[Any, Any], Any]  # (coefficients (Q, P, dim), x (N, P)) -> y (N, Q)


def orders(x: Any, knots: Any) -> list[Any]:
    """Return all basis functions of degrees 0 to 3 at x (N, P), each (N, P, dim), as KAN codes compute them."""
    x = x[..., None]
    values = [((x >= knots[:-1]) & (x < knots[1:])).astype(x.dtype)]
    for k in range(1, DEGREE + 1):
        left = (x - knots[: -k - 1]) / (knots[k:-1] - knots[: -k - 1])
        right = (knots[k + 1 :] - x) / (knots[k + 1 :] - knots[1:-k])
        values.append(left * values[-1][..., :-1] + right * values[-1][..., 1:])
    return values


def basis(x: Any, knots: Any) -> Any:
    return orders(x, knots)[-1]


def lean(case: LayerCase) -> Layer:
    """Cox-de Boor over all intervals at once, then one einsum."""
    case.require_memory(12)
    knots = jnp.asarray(case.knots)
    return lambda coefficients, x: jnp.einsum("npi,qpi->nq", basis(x, knots), coefficients)


def jaxkan(case: LayerCase) -> Layer:
    """The spline layer of jaxkan without the residual branch, the outer weights and the bias."""
    from flax import nnx
    from jaxkan.layers.Spline import SplineLayer

    case.require_memory(12)
    off = {"residual": None, "external_weights": False, "add_bias": False}
    module = SplineLayer(case.n_in, case.n_out, DEGREE, case.intervals, DOMAIN, **off)
    module.grid.item = jnp.broadcast_to(jnp.asarray(case.knots), (case.n_in, case.knots.size))
    graph, state = nnx.split(module)

    def layer(coefficients: Any, x: Any) -> Any:
        traced = nnx.merge(graph, state)
        traced.c_basis = nnx.Param(coefficients)
        return traced(x)

    return layer


def timed(function: Callable[..., Any], *arguments: Any, collect: Callable[[Any], Any]) -> Timed:
    """Time a function, compiled, at arguments that lie on the device."""
    compiled, placed = jax.jit(function), jax.device_put(arguments)
    return Timed(lambda: jax.block_until_ready(compiled(*placed)), collect)


def sweeps(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the function (coefficients, x, dy) -> (y, gradients in the coefficients and x)."""

    def value_and_gradients(coefficients: Any, x: Any, dy: Any) -> Any:
        y, pullback = jax.vjp(function, coefficients, x)
        return (y, *pullback(dy))

    return value_and_gradients


def forward(case: LayerCase, make: Callable[[LayerCase], Layer]) -> Timed:
    return timed(make(case), case.coefficients, case.x, collect=lambda y: (np.asarray(y),))


def backward(case: LayerCase, make: Callable[[LayerCase], Layer]) -> Timed:
    """Time a layer and its gradients with respect to the coefficients and x."""
    arguments = case.coefficients, case.x, case.dy
    return timed(sweeps(make(case)), *arguments, collect=lambda result: tuple(map(np.asarray, result)))
