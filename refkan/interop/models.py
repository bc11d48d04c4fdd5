"""Models of pykan, efficient-kan and jaxkan: their arrays by name, written back whole or not at all, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refkan.array_types import FloatArray
from refkan.extras import needed
from refkan.interop.edges import ConversionError, disassemble
from refkan.interop.states import from_state, to_state
from refkan.networks.network import Network

ROOM = {"float64": 1e-12, "float32": 1e-4}
"""Largest difference of values that a check accepts, relative to the largest value."""

PROBES = 64


def state_of(model: Any) -> dict[str, Any]:
    """Return the arrays of a model by name, as `from_state` takes them and ``numpy.savez(file, **state)`` keeps them.

    They do not say what the base function is; `from_pykan` and the like look at the model, `from_state` assumes SiLU.

    Examples
    --------
    >>> from refkan.interop import state_of
    >>> state_of([1.0, 2.0])
    Traceback (most recent call last):
    refkan.interop.edges.ConversionError: not a model of spline layers: list
    """
    if hasattr(model, "state_dict"):
        return {name: _numpy(tensor) for name, tensor in model.state_dict().items()}
    _require_layers(model)
    state = {}
    for k, layer in enumerate(model.layers):
        for name in ("c_basis", "c_res", "c_spl", "bias"):
            value = getattr(layer, name, None)
            if value is not None:
                state[f"layers.{k}.{name}"] = np.array(value[...])
        state[f"layers.{k}.grid"] = np.array(layer.grid.item)
    return state


def _numpy(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy().copy()


def _require_layers(model: Any) -> None:
    if not hasattr(model, "layers") or not all(hasattr(x, "grid") and hasattr(x, "c_basis") for x in model.layers):
        raise ConversionError(f"not a model of spline layers: {type(model).__name__}")


def from_pykan(model: Any, check: bool = True) -> tuple[Network, FloatArray]:
    """Return network and parameters of a `kan.KAN` (pykan 0.2.8).

    Parameters
    ----------
    model : kan.KAN
    check : bool
        Whether values of both are compared, inside and outside the domain.

    Raises
    ------
    ConversionError
        For symbolic edges, multiplication nodes, removed inputs and base functions other than SiLU.

    Examples
    --------
    >>> from refkan.interop import from_pykan
    >>> from_pykan("model.pt")  # a file is read by `read`
    Traceback (most recent call last):
    refkan.interop.edges.ConversionError: not a model of pykan: str has no act_fun
    """
    _require_pykan(model)
    return _taken(model, _torch_call(model), check)


def to_pykan(net: Network, theta: Any, model: Any, check: bool = True) -> None:
    """Write a network into a `kan.KAN` of the same widths; grids may have another number of intervals.

    Parameters
    ----------
    net, theta : Network, array (n_params,)
    model : kan.KAN
        Its arrays are overwritten, all of them or none.
    check : bool
        Whether values of both are compared then; where they differ, the old arrays are put back.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.interop import to_pykan
    >>> to_pykan(rk.kan([1, 1], 4, 5), [0.0] * 8, model="model.pt")  # `to_state` serves files
    Traceback (most recent call last):
    refkan.interop.edges.ConversionError: not a model of pykan: str has no act_fun
    """
    _require_pykan(model)

    def grids() -> None:
        for layer in model.act_fun:
            layer.num = layer.grid.shape[1] - 2 * layer.k - 1
        model.grid = model.act_fun[0].num

    _written(net, theta, model, _torch_put, _torch_call(model), check, grids)


def _require_pykan(model: Any) -> None:
    for name in ("act_fun", "symbolic_fun", "input_id", "width"):
        if not hasattr(model, name):
            raise ConversionError(f"not a model of pykan: {type(model).__name__} has no {name}")
    if any(len(w) > 1 and w[1] for w in model.width if isinstance(w, list | tuple)):
        raise ConversionError("the model has multiplication nodes, which refkan has no name for")
    if model.input_id.tolist() != list(range(len(model.input_id))):
        raise ConversionError("inputs of the model are pruned or reordered (input_id): refkan has no name for that")
    for k, layer in enumerate(model.act_fun):
        _require_silu(layer.base_fun, k)


def _require_silu(function: Any, k: int) -> None:
    name = getattr(function, "__name__", type(function).__name__).lower()
    if name not in ("silu", "swish"):
        raise ConversionError(f"layer {k}: the base function is {name}; refkan has silu alone")


def from_efficient_kan(model: Any, check: bool = True) -> tuple[Network, FloatArray]:
    """Return network and parameters of an `efficient_kan.KAN` (7b6ce1c), or of a module of the same names.

    Parameters
    ----------
    model : efficient_kan.KAN
    check : bool
        Whether values of both are compared, inside and outside the domain.

    Examples
    --------
    >>> from refkan.interop import from_efficient_kan
    >>> from_efficient_kan("model.pt")  # a file is read by `read`
    Traceback (most recent call last):
    refkan.interop.edges.ConversionError: not a model of efficient-kan: str has no layers with spline_weight
    """
    _require_efficient(model)
    return _taken(model, _torch_call(model), check)


def _require_efficient(model: Any) -> None:
    layers = getattr(model, "layers", ())
    if not layers or not all(hasattr(layer, "spline_weight") for layer in layers):
        raise ConversionError(f"not a model of efficient-kan: {type(model).__name__} has no layers with spline_weight")
    for k, layer in enumerate(layers):
        _require_silu(layer.base_activation, k)


def to_efficient_kan(net: Network, theta: Any, model: Any, check: bool = True) -> None:
    """Write a network into an `efficient_kan.KAN` of the same widths; grids may have more intervals.

    Parameters
    ----------
    net, theta : Network, array (n_params,)
    model : efficient_kan.KAN
        Its arrays are overwritten, all of them or none.
    check : bool
        Whether values of both are compared then; where they differ, the old arrays are put back.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.interop import to_efficient_kan
    >>> to_efficient_kan(rk.kan([1, 1], 4, 5), [0.0] * 8, model="model.pt")  # `to_state` serves files
    Traceback (most recent call last):
    refkan.interop.edges.ConversionError: not a model of efficient-kan: str has no layers with spline_weight
    """
    _require_efficient(model)

    def grids() -> None:
        for layer in model.layers:
            layer.grid_size = layer.grid.shape[1] - 2 * layer.spline_order - 1

    _written(net, theta, model, _torch_put, _torch_call(model), check, grids)


def from_jaxkan(model: Any, check: bool = True) -> tuple[Network, FloatArray]:
    """Return network and parameters of a `jaxkan.models.KAN.KAN` of spline or base layers (jaxkan 0.3.7).

    Parameters
    ----------
    model : jaxkan.models.KAN.KAN
    check : bool
        Whether values of both are compared, inside and outside the domain.

    Examples
    --------
    >>> from refkan.interop import from_jaxkan
    >>> from_jaxkan("model.npz")  # a file is read by `read`
    Traceback (most recent call last):
    refkan.interop.edges.ConversionError: not a model of spline layers: str
    """
    _require_layers(model)
    for k, layer in enumerate(model.layers):
        if layer.residual is not None:
            _require_silu(layer.residual, k)
    return _taken(model, _jax_call(model), check)


def to_jaxkan(net: Network, theta: Any, model: Any, check: bool = True) -> None:
    """Write a network into a `jaxkan.models.KAN.KAN` of the same widths, under x64 in float64.

    Parameters
    ----------
    net, theta : Network, array (n_params,)
    model : jaxkan.models.KAN.KAN
        Its arrays are overwritten, all of them or none.
    check : bool
        Whether values of both are compared then; where they differ, the old arrays are put back.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.interop import to_jaxkan
    >>> to_jaxkan(rk.kan([1, 1], 4, 5), [0.0] * 8, model="model.npz")  # `to_state` serves files
    Traceback (most recent call last):
    refkan.interop.edges.ConversionError: not a model of spline layers: str
    """
    _require_layers(model)

    def grids() -> None:
        for layer in model.layers:
            layer.grid.G = layer.grid.item.shape[1] - 2 * layer.k - 1

    _written(net, theta, model, _jax_put, _jax_call(model), check, grids)


# ---------------------------------------------------------------- the steps


def _taken(model: Any, call: Callable[[FloatArray], FloatArray], check: bool) -> tuple[Network, FloatArray]:
    state = state_of(model)
    net, theta = from_state(state)
    if check:
        _agree(net, theta, call, _format(state))
    return net, theta


def _written(
    net: Network, theta: Any, model: Any, put: Callable[[Any, Mapping[str, Any]], None],
    call: Callable[[FloatArray], FloatArray], check: bool, grids: Callable[[], None],
) -> None:  # fmt: skip
    """Put the new arrays into the model; where values differ then, put the old ones back."""
    old = state_of(model)
    new = to_state(net, theta, old)
    try:
        put(model, new)
        grids()
        if check:
            _agree(net, theta, call, _format(old))
    except BaseException:
        put(model, old)
        grids()
        raise


def _format(state: Mapping[str, Any]) -> str:
    """The lowest format of the arrays."""
    return "float32" if any(np.asarray(array).dtype == np.float32 for array in state.values()) else "float64"


def _agree(net: Network, theta: Any, call: Callable[[FloatArray], FloatArray], form: str) -> None:
    """Raise ConversionError unless both have the same values inside the domain and outside."""
    knots = disassemble(net, theta)[0].knots
    low, high = knots[:, 0], knots[:, -1]
    share = np.random.default_rng(0).uniform(-0.2, 1.2, (PROBES, len(knots)))
    x = low + (high - low) * share
    x = x.astype(np.float32).astype(np.float64)
    ours, theirs = net(theta, x), call(x)
    off = float(np.abs(ours - theirs).max()) if np.isfinite(theirs).all() else float("nan")
    size = max(float(np.abs(ours).max()), 1e-300)
    if not off <= ROOM[form] * size:
        raise ConversionError(
            f"values of the model and of the network differ by {off:.1e} of {size:.1e}, beyond {form} rounding: the "
            "model has a part that was not converted"
        )


def _torch_call(model: Any) -> Callable[[FloatArray], FloatArray]:
    def call(x: FloatArray) -> FloatArray:
        torch = needed("refkan.interop", "torch", "torch")
        number = next(p.dtype for p in model.parameters() if p.dtype.is_floating_point)
        saving, model_save = hasattr(model, "save_act"), getattr(model, "save_act", None)
        if saving:
            model.save_act = False
        try:
            with torch.no_grad():
                return np.asarray(model(torch.tensor(x, dtype=number)).double().numpy())
        finally:
            if saving:
                model.save_act = model_save

    return call


def _torch_put(model: Any, state: Mapping[str, Any]) -> None:
    torch = needed("refkan.interop", "torch", "torch")
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    for name, array in state.items():
        own[name].data = torch.as_tensor(np.array(array)).to(own[name].device)


def _jax_call(model: Any) -> Callable[[FloatArray], FloatArray]:
    def call(x: FloatArray) -> FloatArray:
        jnp = needed("refkan.interop", "jax.numpy", "jax")
        number = model.layers[0].c_basis[...].dtype
        return np.asarray(model(jnp.asarray(x, number)), np.float64)

    return call


def _jax_put(model: Any, state: Mapping[str, Any]) -> None:
    jnp = needed("refkan.interop", "jax.numpy", "jax")
    for name, array in state.items():
        _, k, part = name.split(".")
        layer = model.layers[int(k)]
        if part == "grid":
            layer.grid.item = jnp.asarray(array)
        else:
            variable, value = getattr(layer, part), jnp.asarray(array)
            if hasattr(variable, "set_value"):
                variable.set_value(value)
            else:  # of older versions of flax
                variable.value = value
