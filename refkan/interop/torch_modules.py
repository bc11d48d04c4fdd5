"""Networks as modules of PyTorch: values and derivatives by refkan, in float64."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from refkan.base import Frozen, as_vector, check_annotated, check_type, real
from refkan.base.extras import needed
from refkan.interop.derivative_forms import form, gradient_of_form
from refkan.networks import Network


def as_torch(net: Network, theta: Any) -> Any:
    """Return a `torch.nn.Module` of the network, in float64, whose only parameter `theta` starts at the given values.

    refkan computes values and derivatives. These are available in reverse mode, in forward mode and in any mixture of
    the two, so also in `torch.func`: all second derivatives in theta and x, gradients in theta and x of second
    derivatives in x (a loss with u_xx can be trained), and third derivatives in x. All others raise an error.

    Parameters
    ----------
    net : Network
        Second derivatives in theta need fixed knots and node maps without statistics: `Network.with_fixed_knots`,
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
        For a network that is not bound to data. When the module is called, as `Network.__call__`, and for tensors of
        another shape. When it is differentiated, for derivatives that are not available, among them those in x of an
        order r or more of splines of order r. If x requires a gradient, ``backward`` computes it: the loss of a second
        derivative needs splines of order 4 then, or ``torch.func.grad`` with respect to theta alone.
    TypeError
        For arguments that are not dense tensors of real numbers, and after ``module.float()``.

    Warns
    -----
    UserWarning
        If a derivative in x is part of a differentiable result and jumps at the knots: second ones of splines of
        order 3.

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
    """The module and the two functions of which it consists, defined at the first call because they need PyTorch."""
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
            _check_tensor("x", x, self.net.widths[0])
            if self.theta.dtype != torch.float64:
                raise TypeError(f"theta must be float64, its original type; got {self.theta.dtype}: module.double()")
            rows = x.to(torch.float64).reshape(-1, x.shape[-1])
            y = Form.apply(self.net, self.theta, rows)
            return y.reshape(*x.shape[:-1], self.net.widths[-1])

        def extra_repr(self) -> str:
            return str(self.net)

    class Form(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """D_k of `derivative_forms`, a function of theta, x and the parts of k directions in theta and in x."""

        @staticmethod
        def forward(*arguments: Any) -> Any:  # PyTorch binds arguments by the signature at each call: this one is short
            net, *tensors = arguments
            theta, x, *parts = map(_array, tensors)
            return from_numpy(form(net, theta, x, _pairs(parts)))

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.net, *tensors = inputs
            _save(ctx, tensors)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            if dy is None:
                return (None,) * len(ctx.needs_input_grad)
            theta, x, *parts = ctx.saved_tensors
            directions, needs = _pairs(parts), _pairs(ctx.needs_input_grad[1:])
            cotangents = [*gradients(ctx.net, needs[0], theta, x, dy, directions)]
            for k in range(len(directions)):
                others = directions[:k] + directions[k + 1 :]
                cotangents += gradients(ctx.net, needs[1 + k], theta, x, dy, others)
            return None, *cotangents

        @staticmethod
        def jvp(ctx: Any, _: Any, dtheta: Any, dx: Any, *dparts: Any) -> Any:
            theta, x, *parts = ctx.saved_tensors
            tangents = _filled([dtheta, dx, *dparts], [theta, x, *parts])
            lists = _moved(_pairs(parts), _pairs(tangents))
            return _sum(Form.apply(ctx.net, theta, x, *_flat(along)) for along in lists)

        @staticmethod
        def vmap(info: Any, in_dims: Any, net: Network, *tensors: Any) -> Any:
            dims, count = in_dims[1:], info.batch_size
            of_theta = dims[::2]  # theta and the directions' parts in theta
            if all(dim is None for dim in of_theta):
                rows = _joined(count, tensors, dims)
                return Form.apply(net, *rows).unflatten(0, (count, -1)), 0
            members = _one_by_one(count, tensors, dims)
            return torch.stack([Form.apply(net, *member) for member in members]), 0

    class Gradient(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """G_k of `derivative_forms`, of which it returns the parts that are wanted."""

        @staticmethod
        def forward(*arguments: Any) -> Any:
            net, wanted, *tensors = arguments
            dy, theta, x, *parts = map(_array, tensors)
            results = gradient_of_form(net, theta, x, dy, _pairs(parts), 1 in wanted.parts, wanted.quiet)
            return tuple(from_numpy(results[k]) for k in wanted.parts)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.net, ctx.wanted, *tensors = inputs
            _save(ctx, tensors)

        @staticmethod
        def backward(ctx: Any, *moved: Any) -> Any:
            if all(part is None for part in moved):
                return (None,) * len(ctx.needs_input_grad)
            dy, theta, x, *parts = ctx.saved_tensors
            along = dict(zip(ctx.wanted.parts, moved, strict=True))
            last = tuple(_filled([along.get(0), along.get(1)], [theta, x]))
            directions, needs = _pairs(parts), _pairs(ctx.needs_input_grad[3:])
            of_dy = None
            if ctx.needs_input_grad[2]:
                of_dy = Form.apply(ctx.net, theta, x, *_flat([*directions, last]))
            cotangents = [*gradients(ctx.net, needs[0], theta, x, dy, [*directions, last])]
            for k in range(len(directions)):
                others = directions[:k] + directions[k + 1 :]
                cotangents += gradients(ctx.net, needs[1 + k], theta, x, dy, [*others, last])
            return None, None, of_dy, *cotangents

        @staticmethod
        def jvp(ctx: Any, _: Any, __: Any, ddy: Any, dtheta: Any, dx: Any, *dparts: Any) -> Any:
            dy, theta, x, *parts = ctx.saved_tensors
            directions = _pairs(parts)
            tangents = _pairs(_filled([dtheta, dx, *dparts], [theta, x, *parts]))
            terms = [(dy, moved) for moved in _moved(directions, tangents)]
            if ddy is not None:
                terms.append((ddy, directions))
            results = []
            for cotangent, along in terms:
                at = cotangent, theta, x, *_flat(along)
                results.append(Gradient.apply(ctx.net, ctx.wanted, *at))
            return tuple(map(_sum, zip(*results, strict=True)))

        @staticmethod
        def vmap(info: Any, in_dims: Any, net: Network, wanted: Wanted, *tensors: Any) -> Any:
            dims, count = in_dims[2:], info.batch_size
            of_theta = dims[1::2]
            if wanted.parts == (1,) and all(dim is None for dim in of_theta):
                (dx,) = Gradient.apply(net, wanted, *_joined(count, tensors, dims))
                return (dx.unflatten(0, (count, -1)),), (0,)
            members = _one_by_one(count, tensors, dims)
            results = [Gradient.apply(net, wanted, *member) for member in members]
            by_part = tuple(map(torch.stack, zip(*results, strict=True)))
            return by_part, (0,) * len(by_part)

    def from_numpy(array: Any) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array))

    def gradients(net: Network, needs: Any, theta: Any, x: Any, dy: Any, directions: Any) -> tuple[Any, Any]:
        """The parts of G_k that are needed, None in place of the others."""
        parts = tuple(k for k in (0, 1) if needs[k])
        if not parts:
            return None, None
        wanted = Wanted(parts, quiet=not torch.is_grad_enabled())
        results = Gradient.apply(net, wanted, dy, theta, x, *_flat(directions))
        by_part = dict(zip(parts, results, strict=True))
        return by_part.get(0), by_part.get(1)

    return NetworkModule, Form, Gradient


class Wanted(Frozen):
    """Which gradients are computed.

    Attributes
    ----------
    parts : tuple of int
        0 of theta, 1 of x.
    quiet : bool
        Whether to leave out the warning of a derivative in x that jumps, because the result is not differentiated.
    """

    parts: tuple[int, ...]
    quiet: bool


def _without_state() -> Any:
    """A module for pickle to fill."""
    module = _classes()[0]
    return module.__new__(module)


def _check_tensor(name: str, x: Any, width: int) -> None:
    """Refuse tensors that are not dense, real, on the CPU and of shape (..., width)."""
    kinds = {
        "nested": x.is_nested,
        "quantized": x.is_quantized,
        str(x.layout).removeprefix("torch.").lstrip("_"): str(x.layout) != "torch.strided",
        str(x.dtype).removeprefix("torch."): x.is_complex(),
        f"on the device {x.device}": x.device.type != "cpu",
    }
    for kind, other in kinds.items():
        if other:
            raise TypeError(f"{name} must be a dense tensor of real numbers on the CPU; got one that is {kind}")
    if x.ndim == 0 or x.shape[-1] != width:
        raise ValueError(f"{name} must have shape (..., {width}); got {tuple(x.shape)}")


def _array(tensor: Any) -> Any:
    return tensor.detach().resolve_neg().numpy()


def _save(ctx: Any, tensors: Sequence[Any]) -> None:
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def _pairs(parts: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Directions (dtheta, dx) from their parts, one after the other."""
    return list(zip(parts[::2], parts[1::2], strict=True))


def _flat(directions: Sequence[tuple[Any, Any]]) -> list[Any]:
    """The inverse of `_pairs`."""
    return [part for direction in directions for part in direction]


def _filled(changes: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    """Changes of tensors, zeros in place of None."""
    filled = []
    for change, tensor in zip(changes, like, strict=True):
        if change is None:
            change = tensor.new_zeros(tensor.shape)
        filled.append(change)
    return filled


def _moved(directions: list[Any], tangents: list[Any]) -> list[list[Any]]:
    """Product rule: the directions followed by the tangent of (theta, x), and with each one replaced by its tangent."""
    lists = [[*directions, tangents[0]]]
    for k, tangent in enumerate(tangents[1:]):
        lists.append([*directions[:k], tangent, *directions[k + 1 :]])
    return lists


def _sum(terms: Any) -> Any:
    first, *others = terms
    for other in others:
        first = first + other
    return first


def _joined(count: int, tensors: Sequence[Any], dims: Sequence[int | None]) -> list[Any]:
    """Tensors of a batch with the rows of all its members one after the other; theta has no batch and stays.

    Rows without a batch are repeated for each member.
    """
    joined = []
    for tensor, dim in zip(tensors, dims, strict=True):
        if dim is not None:
            joined.append(tensor.movedim(dim, 0).flatten(0, 1))
        elif tensor.ndim == 2:
            joined.append(tensor.expand(count, *tensor.shape).flatten(0, 1))
        else:
            joined.append(tensor)
    return joined


def _one_by_one(count: int, tensors: Sequence[Any], dims: Sequence[int | None]) -> Any:
    """Yield the tensors of each member of a batch."""
    pairs = list(zip(tensors, dims, strict=True))
    for k in range(count):
        members = []
        for tensor, dim in pairs:
            if dim is not None:
                tensor = tensor.select(dim, k)
            members.append(tensor)
        yield members
