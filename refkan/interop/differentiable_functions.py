"""Networks as modules of PyTorch and as functions of JAX, for their gradients: derivatives by hand in float64."""

from functools import cache
from typing import Any

import numpy as np

from refkan.base import as_vector, check_annotated, check_type, real
from refkan.base.extras import needed
from refkan.networks import Network
from refkan.networks.hessians.products import tangent_of_pullback


def as_torch(net: Network, theta: Any) -> Any:
    """Return a `torch.nn.Module` of the network, in float64, whose only parameter `theta` starts at the given values.

    refkan computes values and derivatives: ``backward`` runs the pullback of `Network.vjp`, and double backward
    computes the product with the Hessian of <dy, F> in theta and x together. PyTorch refuses third derivatives.

    Parameters
    ----------
    net : Network
        Double backward needs fixed knots and node maps without statistics: `Network.with_fixed_knots`,
        `Network.freeze`.
    theta : array (n_params,)

    Returns
    -------
    torch.nn.Module
        Takes tensors (..., d_0) of real numbers on the CPU, which are widened to float64, and returns (..., d_L).
        `module.net` is the network, and ``module.theta.detach().numpy()`` its parameters. It can be copied and pickled,
        by ``torch.save`` as well.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ValueError
        For a network that is not bound to data; as `Network.__call__`, when the module is called.
    TypeError
        For what is no tensor, and after ``module.float()``: derivatives by hand are in float64.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> rk.interop.as_torch(rk.kan([1, 1], order=3, intervals=2), np.zeros(3))
    Traceback (most recent call last):
    ValueError: theta must have length 4; got length 3

    With PyTorch::

        module = rk.interop.as_torch(net, theta)
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
        model = torch.nn.Sequential(torch.nn.Linear(8, 2, dtype=torch.float64), module)
    """
    check_annotated(as_torch, locals())
    start = real("theta", as_vector("theta", theta, net.n_params))
    net.require_bound()
    return _classes()[0](net, start)


@cache
def _classes() -> tuple[Any, Any, Any]:
    """The module and its two functions, made when PyTorch is first asked for."""
    torch = needed("rk.interop.as_torch", "torch")

    class NetworkModule(torch.nn.Module):  # type: ignore[misc, name-defined]
        """A network of refkan."""

        def __init__(self, net: Network, theta: Any) -> None:
            super().__init__()
            self.net = net
            self.theta = torch.nn.Parameter(torch.from_numpy(theta.copy()))

        def __reduce__(self) -> tuple[Any, ...]:
            # Pickle finds no class within a function by its name.
            return _without_state, (), self.__dict__

        def forward(self, x: Any) -> Any:
            check_type("x", x, torch.Tensor)
            if self.theta.dtype != torch.float64:
                raise TypeError(f"theta must be float64, its original type; got {self.theta.dtype}: module.double()")
            rows = x.to(torch.float64).reshape(-1, x.shape[-1])
            return Value.apply(self.theta, rows, self.net).reshape(*x.shape[:-1], self.net.widths[-1])

        def extra_repr(self) -> str:
            return str(self.net)

    class Value(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """F(x; theta)."""

        @staticmethod
        def forward(ctx: Any, theta: Any, x: Any, net: Network) -> Any:
            ctx.net = net
            ctx.save_for_backward(theta, x)
            return torch.from_numpy(net(_array(theta), _array(x)))

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return *Pullback.apply(*ctx.saved_tensors, dy, ctx.net), None

    class Pullback(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """(J_theta^T dy, J_x^T dy), linear in dy."""

        @staticmethod
        def forward(ctx: Any, theta: Any, x: Any, dy: Any, net: Network) -> Any:
            ctx.net = net
            ctx.save_for_backward(theta, x, dy)
            return tuple(map(torch.from_numpy, net.vjp(_array(theta), _array(x))[1](_array(dy))))

        @staticmethod
        def moved(ctx: Any, dtheta: Any, dx: Any) -> Any:
            require_second_derivatives(ctx.net)
            moved = moved_pullback(ctx.net, *map(_array, (*ctx.saved_tensors, dtheta, dx)))
            return *map(torch.from_numpy, moved), None

        backward = staticmethod(torch.autograd.function.once_differentiable(moved))

    return NetworkModule, Value, Pullback


def _without_state() -> Any:
    """A module for pickle to fill."""
    module = _classes()[0]
    return module.__new__(module)


def _array(tensor: Any) -> Any:
    return tensor.detach().numpy()


def moved_pullback(net: Network, theta: Any, x: Any, dy: Any, dtheta: Any, dx: Any) -> tuple[Any, Any, Any]:
    """Return the pullback of (theta, x, dy) -> (J_theta^T dy, J_x^T dy) at (dtheta, dx).

    <dtheta, J_theta^T dy> + <dx, J_x^T dy> = <dy, J_theta dtheta + J_x dx>: in dy the tangent, in theta and x the
    Hessian of <dy, F>, which is symmetric, times (dtheta, dx).
    """
    return *tangent_of_pullback(net, theta, x, dy, dtheta, dx), net.jvp(theta, x, dtheta, dx)


def require_second_derivatives(net: Network) -> None:
    """Refuse networks whose pullback depends on more than tangents of each sample tell."""
    net.require_fixed_knots()
    if net.statistics_maps:
        raise ValueError(
            "second derivatives need node maps that act on each sample alone; "
            f"{net.node_maps[net.statistics_maps[0]].name!r} takes statistics: net.freeze(theta)"
        )


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
        theta, x = jax.numpy.asarray(theta), jax.numpy.asarray(x)
        for name, array in (("theta", theta), ("x", x)):
            if jax.numpy.iscomplexobj(array):
                raise TypeError(f"{name} must be real; got {array.dtype}")
        if theta.shape != (net.n_params,):
            raise ValueError(f"theta must have shape ({net.n_params},); got {theta.shape}")
        if x.shape[-1:] != net.widths[:1]:
            raise ValueError(f"x must have shape (..., {net.widths[0]}); got {x.shape}")
        rows = value(theta.astype(float), x.astype(float).reshape(-1, net.widths[0]))
        return rows.reshape(*x.shape[:-1], net.widths[-1])

    _require_float64(jax)
    F.net, F.theta = net, jax.numpy.asarray(start)  # type: ignore[attr-defined]
    return F


def _value(jax: Any, net: Network) -> Any:
    """F on rows, with its pullback, which is linear in dy and has one of its own."""

    def called(function: Any, like: Any, *arrays: Any) -> Any:
        # JAX hands over arrays of its own, whose arithmetic would wait for the very thread that calls.
        return jax.pure_callback(
            lambda *given: function(net, *map(np.asarray, given)), like, *arrays, vmap_method="sequential"
        )

    def moved(at: Any, directions: Any) -> Any:
        require_second_derivatives(net)
        return called(moved_pullback, at, *at, *directions)

    value = jax.custom_vjp(
        lambda theta, x: called(Network.__call__, jax.ShapeDtypeStruct((len(x), net.widths[-1]), float), theta, x)
    )
    pullback = jax.custom_vjp(
        lambda theta, x, dy: called(lambda net, *at: net.vjp(*at[:2])[1](at[2]), (theta, x), theta, x, dy)
    )
    value.defvjp(lambda *at: (value(*at), at), lambda at, dy: pullback(*at, dy))
    pullback.defvjp(lambda *at: (pullback(*at), at), moved)
    return value


def _require_float64(jax: Any) -> None:
    if not jax.config.jax_enable_x64:
        raise ValueError("JAX must compute in float64; got float32: jax.config.update('jax_enable_x64', True)")
