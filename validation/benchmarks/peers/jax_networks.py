"""Lean KANs in JAX, compiled: sweeps, the Gauss-Newton matrix by vmap of grad, jets by jvp, Taylor mode and hand."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.jet import jet

from validation.benchmarks.cases.network_cases import DEGREE, NU, Array, GaussNewtonCase, JetCase
from validation.benchmarks.cases.training_case import TrainingCase
from validation.benchmarks.peers.jax_layers import basis, orders, sweeps, timed
from validation.benchmarks.running.harness import Timed

Jets = Callable[[Any, Any], tuple[Any, Any, Any]]  # (theta, x) -> u, u_x, u_xx, each (N,)


def network(case: GaussNewtonCase) -> Timed:
    """Return the timed sweeps: value and gradients in all coefficients and x."""
    case.require_memory(4)
    output = case.network(jnp.asarray, basis, lambda rows, c: jnp.einsum("npi,qpi->nq", rows, c))

    def collect(result: Any) -> tuple[Any, ...]:
        y, gradients, dx = result
        return np.asarray(y), np.concatenate([np.asarray(g).ravel() for g in gradients]), np.asarray(dx)

    return timed(sweeps(output), case.data[1], case.data[0], case.cotangent, collect=collect)


def loss(case: TrainingCase) -> Callable[[Array], tuple[float, Array]]:
    """Return value and gradient of half the mean square error, compiled together."""
    output, x, y = case.network(jnp.asarray, basis, _flat), jnp.asarray(case.data[0]), jnp.asarray(case.targets)

    def value(theta: Any) -> Any:
        return jnp.sum((output(case.parts(theta), x) - y) ** 2) / (2 * x.shape[0])

    compiled = jax.jit(jax.value_and_grad(value))

    def value_and_gradient(theta: Array) -> tuple[float, Array]:
        number, gradient = compiled(theta)
        return float(number), np.asarray(gradient)

    return value_and_gradient


def _rows(case: GaussNewtonCase) -> Callable[[Any, Any], Any]:
    """Return the function (theta, x) -> J (N, M)."""
    case.require_memory(4)
    output = case.network(jnp.asarray, basis, lambda rows, c: jnp.einsum("pi,qpi->q", rows, c))
    return jax.vmap(jax.grad(lambda theta, z: output(case.parts(theta), z)[0]), in_axes=(None, 0))


def jacobian(case: GaussNewtonCase) -> Timed:
    return timed(_rows(case), case.theta, case.data[0], collect=lambda J: (np.asarray(J),))


def gauss_newton(case: GaussNewtonCase) -> Timed:
    rows = _rows(case)

    def assemble(theta: Any, x: Any) -> Any:
        J = rows(theta, x)
        return J.T @ J / x.shape[0]

    return timed(assemble, case.theta, case.data[0], collect=lambda H: (np.asarray(H),))


def _flat(rows: Any, c: Any) -> Any:
    return rows.reshape(rows.shape[0], -1) @ c.reshape(c.shape[0], -1).T


def _timed_jets(case: JetCase, jets: Jets) -> Timed:
    def loss(theta: Any, x: Any) -> Any:
        u, u_x, u_xx = jets(theta, x)
        return jnp.sum((u * u_x - NU * u_xx) ** 2) / (2 * x.shape[0]), (u, u_x, u_xx)

    return timed(
        jax.grad(loss, has_aux=True),
        case.theta,
        case.data[0],
        collect=lambda result: (*map(np.asarray, result[1]), np.asarray(result[0])),
    )


def _along(case: JetCase) -> Callable[[Any, Any], Callable[[Any], Any]]:
    """Return the function (theta, x) -> (h -> u(x + h e_1))."""
    output = case.network(jnp.asarray, basis, _flat)
    return lambda theta, x: lambda h: output(case.parts(theta), x + h * jnp.array([1.0, 0.0]))[:, 0]


def nested(case: JetCase) -> Timed:
    """Return the timed computation by jvp of jvp."""
    along = _along(case)

    def jets(theta: Any, x: Any) -> tuple[Any, Any, Any]:
        u = along(theta, x)
        (value, u_x), (_, u_xx) = jax.jvp(lambda h: jax.jvp(u, (h,), (1.0,)), (0.0,), (1.0,))
        return value, u_x, u_xx

    return _timed_jets(case, jets)


def taylor(case: JetCase) -> Timed:
    """Return the timed computation by Taylor mode."""
    along = _along(case)

    def jets(theta: Any, x: Any) -> tuple[Any, Any, Any]:
        u, (u_x, u_xx) = jet(along(theta, x), (0.0,), ((1.0, 0.0),))
        return u, u_x, u_xx

    return _timed_jets(case, jets)


def _bases(x: Any, knots: Any) -> tuple[Any, Any, Any]:
    """The basis at x (N, P) and its first two derivatives, each (N, P, dim)."""
    values = orders(x, knots)

    def differentiate(values: Any, k: int) -> Any:
        size = values.shape[-1]
        scaled = values / (knots[k : size + k] - knots[:size])
        return k * (scaled[..., :-1] - scaled[..., 1:])

    second = differentiate(differentiate(values[DEGREE - 2], DEGREE - 1), DEGREE)
    return values[DEGREE], differentiate(values[DEGREE - 1], DEGREE), second


def by_hand(case: JetCase) -> Timed:
    """Return the timed computation with jets carried from layer to layer by their formula."""
    knots, maps = jnp.asarray(case.knots), [(jnp.asarray(scale), jnp.asarray(shift)) for scale, shift in case.maps]

    def jets(theta: Any, x: Any) -> tuple[Any, Any, Any]:
        z, u, v = x, jnp.zeros_like(x).at[:, 0].set(1.0), jnp.zeros_like(x)
        for k, c in enumerate(case.parts(theta)):
            values, slopes, bends = _bases(z, knots)
            du, dv = u[..., None], v[..., None]
            z, u, v = (_flat(rows, c) for rows in (values, slopes * du, bends * du**2 + slopes * dv))
            if k < len(maps):
                scale, shift = maps[k]
                z, u, v = scale * z + shift, scale * u, scale * v
        return z[:, 0], u[:, 0], v[:, 0]

    return _timed_jets(case, jets)
