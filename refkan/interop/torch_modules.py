"""Networks as modules of PyTorch: its graph and its optimizers, derivatives by hand in float64."""

from functools import cache
from typing import Any

from refkan.base import as_vector, check_annotated, check_type, real
from refkan.base.extras import needed
from refkan.networks import Network
from refkan.networks.hessians.products import tangent_of_pullback


def as_torch(net: Network, theta: Any) -> Any:
    """Return a `torch.nn.Module` of the network, in float64, whose one parameter `theta` starts as given.

    Values and derivatives are refkan's: ``backward`` runs the pullback of `Network.vjp`, and a backward pass through
    that one the product with the Hessian of <dy, F> in theta and x together. Third derivatives are refused by PyTorch.

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
                raise TypeError(f"theta must be float64, as it was made; got {self.theta.dtype}: module.double()")
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
