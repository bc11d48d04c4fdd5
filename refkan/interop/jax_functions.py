"""Networks as functions of JAX: values and derivatives by refkan, in float64."""

from typing import Any

import numpy as np

from refkan.base import as_vector, check_annotated, numbers, real
from refkan.base.arguments import require_finite
from refkan.base.extras import needed
from refkan.interop.derivative_forms import gradient_of_form, require_second_derivatives
from refkan.networks import Network


def as_jax(net: Network, theta: Any) -> Any:
    """Return the network as a JAX function F(theta, x), in float64; its member `theta` holds the given theta.

    refkan computes values and derivatives, through `jax.pure_callback`. Reverse mode runs the pullback of
    `Network.vjp`, and reverse mode through reverse mode computes the product with the Hessian of <dy, F> in theta and x
    together, as in `as_torch`. JAX refuses forward mode and third derivatives. Under `jax.jit` the calls go back to the
    host. Under `jax.vmap`, and therefore in `jax.jacrev`, they process one sample after another, so pass all rows to F
    at once instead.

    Parameters
    ----------
    net : Network
        Second derivatives need fixed knots and node maps without statistics: `Network.with_fixed_knots`,
        `Network.freeze`.
    theta : array (n_params,)

    Returns
    -------
    callable
        Takes theta (n_params,) and x (..., d_0), real numbers that are widened to float64, and returns (..., d_L).

    Raises
    ------
    ImportError
        If JAX is not installed.
    ValueError
        For a network that is not bound to data, and if JAX computes in float32, as it does by default; for arrays of a
        wrong shape, when the function is called.
    TypeError
        For complex arrays, when the function is called.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> rk.interop.as_jax(rk.kan([1, 1], order=3, intervals=2), np.zeros(3))
    Traceback (most recent call last):
    ValueError: theta must have length 4; got length 3

    With JAX::

        jax.config.update("jax_enable_x64", True)
        F = rk.interop.as_jax(net, theta)
        loss = jax.jit(lambda theta: jnp.mean((F(theta, x) - y) ** 2))
        jax.grad(loss)(F.theta)
    """
    check_annotated(as_jax, locals())
    start = real("theta", as_vector("theta", theta, net.n_params))
    net.require_bound()
    jax = needed("rk.interop.as_jax", "jax")
    value = _value(jax, net)

    def F(theta: Any, x: Any) -> Any:
        _require_float64(jax)
        theta, x = _as_array(jax, "theta", theta), _as_array(jax, "x", x)
        for name, array in (("theta", theta), ("x", x)):
            if jax.numpy.iscomplexobj(array):
                raise TypeError(f"{name} must be real; got {array.dtype}")
        if theta.shape != (net.n_params,):
            raise ValueError(f"theta must have shape ({net.n_params},); got {theta.shape}")
        if x.shape[-1:] != net.widths[:1]:
            raise ValueError(f"x must have shape (..., {net.widths[0]}); got {x.shape}")
        for name, array in (("theta", theta), ("x", x)):
            if not isinstance(array, jax.core.Tracer):  # else JAX would wrap the message of the network in its own
                require_finite(name, np.asarray(array))
        rows = value(theta.astype(float), x.astype(float).reshape(-1, net.widths[0]))
        return rows.reshape(*x.shape[:-1], net.widths[-1])

    _require_float64(jax)
    F.net, F.theta = net, jax.numpy.asarray(start)  # type: ignore[attr-defined]
    return F


def _as_array(jax: Any, name: str, given: Any) -> Any:
    """Return an array of JAX, or say in our words that these are no numbers."""
    try:
        return jax.numpy.asarray(given)
    except (TypeError, ValueError):
        numbers(name, given)
        raise


def _value(jax: Any, net: Network) -> Any:
    """F on rows, with its pullback, which is linear in dy and has one of its own."""

    def called(function: Any, like: Any, *arrays: Any) -> Any:
        # JAX hands over arrays of its own, whose arithmetic would wait for the very thread that calls.
        return jax.pure_callback(
            lambda *given: function(net, *map(np.asarray, given)), like, *arrays, vmap_method="sequential"
        )

    def moved(at: Any, direction: Any) -> Any:
        require_second_derivatives(net)
        return called(_tangent_of_pullback, at, *at, *direction)

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def value(theta: Any, x: Any) -> Any:
        shape = len(x), net.widths[-1]
        return called(Network.__call__, jax.ShapeDtypeStruct(shape, float), theta, x)

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def pullback(theta: Any, x: Any, dy: Any) -> Any:
        return called(gradient_of_value, (theta, x), theta, x, dy)

    def gradient_of_value(net: Network, theta: Any, x: Any, dy: Any) -> Any:
        return net.vjp(theta, x)[1](dy)

    value.defvjp(lambda *at: (value(*at), at), lambda at, dy: pullback(*at, dy))
    pullback.defvjp(lambda *at: (pullback(*at), at), moved)
    return value


def _require_float64(jax: Any) -> None:
    if not jax.config.jax_enable_x64:
        raise ValueError("JAX must compute in float64; got float32: jax.config.update('jax_enable_x64', True)")


def _tangent_of_pullback(net: Network, theta: Any, x: Any, dy: Any, dtheta: Any, dx: Any) -> tuple[Any, Any, Any]:
    """Pull (dtheta, dx) back through (theta, x, dy) -> (J_theta^T dy, J_x^T dy), see `derivative_forms`."""
    of_theta, of_x = gradient_of_form(net, theta, x, dy, [(dtheta, dx)])
    return of_theta, of_x, net.jvp(theta, x, dtheta, dx)
