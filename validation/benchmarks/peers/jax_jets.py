"""Input derivatives of a KAN and the gradient of a residual in JAX: by nested jvp, by Taylor mode, and by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.jet import jet

from validation.benchmarks.harness import Timed
from validation.benchmarks.jet_case import DEGREE, NU, JetCase
from validation.benchmarks.peers.jax_lean import basis

jax.config.update("jax_enable_x64", True)

Jets = Callable[[Any, Any], tuple[Any, Any, Any]]  # (theta, x) -> u, u_x, u_xx, each (N,)


class _Network:
    """The network of a case on a whole batch, one matrix product a layer."""

    def __init__(self, case: JetCase) -> None:
        self.knots, self.shapes = jnp.asarray(case.knots), case.shapes
        self.maps = [(jnp.asarray(scale), jnp.asarray(shift)) for scale, shift in case.maps]

    def matrices(self, theta: Any) -> list[Any]:
        """Coefficients of each layer as (P dim, Q)."""
        found, start = [], 0
        for q, p, dim in self.shapes:
            found.append(theta[start : start + q * p * dim].reshape(q, p * dim).T)
            start += q * p * dim
        return found

    def __call__(self, theta: Any, z: Any) -> Any:
        for k, matrix in enumerate(self.matrices(theta)):
            z = basis(z, self.knots).reshape(z.shape[0], -1) @ matrix
            if k < len(self.maps):
                z = self.maps[k][0] * z + self.maps[k][1]
        return z[:, 0]


def _timed(case: JetCase, jets: Jets) -> Timed:
    def loss(theta: Any, x: Any) -> Any:
        u, u_x, u_xx = jets(theta, x)
        return jnp.sum((u * u_x - NU * u_xx) ** 2) / (2 * x.shape[0]), (u, u_x, u_xx)

    compiled = jax.jit(jax.grad(loss, has_aux=True))
    arguments = jax.device_put((case.theta, case.data[0]))
    return Timed(
        lambda: jax.block_until_ready(compiled(*arguments)),
        lambda found: (*map(np.asarray, found[1]), np.asarray(found[0])),
    )


def nested(case: JetCase) -> Timed:
    """Return the timed computation by jvp of jvp."""
    network = _Network(case)

    def jets(theta: Any, x: Any) -> tuple[Any, Any, Any]:
        def along(h: Any) -> Any:
            return network(theta, x + h * jnp.array([1.0, 0.0]))

        (u, u_x), (_, u_xx) = jax.jvp(lambda h: jax.jvp(along, (h,), (1.0,)), (0.0,), (1.0,))
        return u, u_x, u_xx

    return _timed(case, jets)


def taylor(case: JetCase) -> Timed:
    """Return the timed computation by Taylor mode."""
    network = _Network(case)

    def jets(theta: Any, x: Any) -> tuple[Any, Any, Any]:
        u, (u_x, u_xx) = jet(lambda h: network(theta, x + h * jnp.array([1.0, 0.0])), (0.0,), ((1.0, 0.0),))
        return u, u_x, u_xx

    return _timed(case, jets)


def _bases(x: Any, knots: Any) -> tuple[Any, Any, Any]:
    """The basis at x (N, P) and its first two derivatives, each (N, P, dim)."""
    x = x[..., None]
    orders = [((x >= knots[:-1]) & (x < knots[1:])).astype(x.dtype)]
    for k in range(1, DEGREE + 1):
        values = orders[-1]
        left = (x - knots[: -k - 1]) / (knots[k:-1] - knots[: -k - 1])
        right = (knots[k + 1 :] - x) / (knots[k + 1 :] - knots[1:-k])
        orders.append(left * values[..., :-1] + right * values[..., 1:])

    def differentiate(values: Any, k: int) -> Any:
        size = values.shape[-1]
        scaled = values / (knots[k : size + k] - knots[:size])
        return k * (scaled[..., :-1] - scaled[..., 1:])

    second = differentiate(differentiate(orders[DEGREE - 2], DEGREE - 1), DEGREE)
    return orders[DEGREE], differentiate(orders[DEGREE - 1], DEGREE), second


def by_hand(case: JetCase) -> Timed:
    """Return the timed computation with jets carried from layer to layer by their formula."""
    network = _Network(case)

    def jets(theta: Any, x: Any) -> tuple[Any, Any, Any]:
        z, u, v = x, jnp.zeros_like(x).at[:, 0].set(1.0), jnp.zeros_like(x)
        for k, matrix in enumerate(network.matrices(theta)):
            values, slopes, bends = _bases(z, network.knots)
            du, dv = u[..., None], v[..., None]
            channels = values, slopes * du, bends * du**2 + slopes * dv
            z, u, v = (rows.reshape(rows.shape[0], -1) @ matrix for rows in channels)
            if k < len(network.maps):
                scale, shift = network.maps[k]
                z, u, v = scale * z + shift, scale * u, scale * v
        return z[:, 0], u[:, 0], v[:, 0]

    return _timed(case, jets)
