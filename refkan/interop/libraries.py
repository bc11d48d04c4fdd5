"""Libraries of models: how a model of each is called, which arrays it has, and how others get into it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray
from refkan.base.extras import needed
from refkan.interop.kan_edges import ConversionError, disassemble
from refkan.interop.states import as_numpy, from_state, to_state
from refkan.networks.network import Network

ROOM = {"float64": 1e-12, "float32": 1e-4}
"""Largest difference of values that a check accepts, relative to the largest value."""

PROBES = 64


def _require_silu(function: Any, k: int) -> None:
    name = getattr(function, "__name__", type(function).__name__).lower()
    if name not in ("silu", "swish"):
        raise ConversionError(f"layer {k}: the base function is {name}; refkan supports only silu")


class Library(ABC):
    """Models of one library: how they are called, and how arrays get into them."""

    @abstractmethod
    def require(self, model: Any) -> None:
        """Raise ConversionError unless it is a model of the library, without parts that its arrays do not show."""

    @abstractmethod
    def arrays(self, model: Any) -> dict[str, Array]:
        """Copies of the arrays of the model by name."""

    @abstractmethod
    def call(self, model: Any, x: FloatArray) -> FloatArray:
        """The model's own values at x."""

    @abstractmethod
    def put(self, model: Any, state: Mapping[str, Any]) -> None:
        """Put arrays into the model, and the numbers of intervals that follow from them."""

    def restoring(self, model: Any) -> Callable[[], None]:
        """Return what takes the model back to where it is now."""
        old = self.arrays(model)
        return lambda: self.put(model, old)

    def taken(self, model: Any) -> tuple[Network, FloatArray]:
        """Network and parameters of the model, whose values agree with it."""
        self.require(model)
        state = self.arrays(model)
        net, theta = from_state(state)
        self.agree(net, theta, model, state)
        return net, theta

    def written(self, net: Network, theta: Any, model: Any) -> None:
        """Put the new arrays into the model, and the old ones back if the values differ then."""
        self.require(model)
        old = self.arrays(model)
        new = to_state(net, theta, old)
        restore = self.restoring(model)
        try:
            self.put(model, new)
            self.agree(net, theta, model, old)
        except BaseException:
            restore()
            raise

    def agree(self, net: Network, theta: Any, model: Any, state: Mapping[str, Any]) -> None:
        """Raise ConversionError unless both have the same values inside the domain and outside."""
        knots = disassemble(net, theta)[0].knots
        low, high = knots[:, 0], knots[:, -1]
        share = np.random.default_rng(0).uniform(-0.2, 1.2, (PROBES, len(knots)))
        x = (low + (high - low) * share).astype(np.float32).astype(np.float64)
        values = net(theta, x)
        off = float(np.abs(values - self.call(model, x)).max())
        size = max(float(np.abs(values).max()), 1e-300)
        form = "float64"
        if any(array.dtype == np.float32 for array in state.values()):
            form = "float32"
        if not off <= ROOM[form] * size:
            raise ConversionError(
                f"values of the model and of the network differ by {off:.1e} of {size:.1e}, beyond {form} rounding: "
                "the model has a part that was not converted"
            )


class OfTorch(Library):
    """Models of PyTorch."""

    def arrays(self, model: Any) -> dict[str, Array]:
        """Those of the state dict."""
        return {name: as_numpy(name, tensor).copy() for name, tensor in model.state_dict().items()}

    def call(self, model: Any, x: FloatArray) -> FloatArray:
        """Values; a model of pykan keeps no activations of them."""
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

    def put(self, model: Any, state: Mapping[str, Any]) -> None:
        """Overwrite tensors of the same shape, which optimizers and lists of the model hold; make others anew.

        Parameters whose shape changes by assignment to their data could not be trained: their gradients, and the nodes
        of autograd behind them, keep the old shape.
        """
        torch = needed("refkan.interop", "torch", "torch")
        for name, array in state.items():
            module, leaf, old = _place(model, name)
            new = torch.from_numpy(np.array(array, order="C")).to(old.device, old.dtype)
            if old.shape == new.shape and old.is_contiguous():
                with torch.no_grad():
                    old.copy_(new)
            else:
                if isinstance(old, torch.nn.Parameter):
                    new = torch.nn.Parameter(new, old.requires_grad)
                setattr(module, leaf, new)
        self.regrid(model)

    def restoring(self, model: Any) -> Callable[[], None]:
        """Put back the tensors themselves, with the numbers that they held."""
        torch = needed("refkan.interop", "torch", "torch")
        places = [(*_place(model, name), array) for name, array in self.arrays(model).items()]

        def restore() -> None:
            for module, leaf, tensor, array in places:
                setattr(module, leaf, tensor)
                with torch.no_grad():
                    tensor.copy_(torch.from_numpy(array))
            self.regrid(model)

        return restore

    @abstractmethod
    def regrid(self, model: Any) -> None:
        """Set the numbers of intervals to those of the grids."""


def _place(model: Any, name: str) -> tuple[Any, str, Any]:
    """The module that holds a tensor, its name there, and the tensor."""
    path, _, leaf = name.rpartition(".")
    module = model.get_submodule(path)
    return module, leaf, getattr(module, leaf)


class Pykan(OfTorch):
    """Models `kan.KAN`."""

    def require(self, model: Any) -> None:
        """Refuse multiplication nodes, missing or reordered inputs, and base functions other than SiLU."""
        for name in ("act_fun", "symbolic_fun", "input_id", "width"):
            if not hasattr(model, name):
                raise ConversionError(f"not a model of pykan: {type(model).__name__} has no {name}")
        if any(len(w) > 1 and w[1] for w in model.width if isinstance(w, list | tuple)):
            raise ConversionError("the model has multiplication nodes, which refkan does not support")
        if model.input_id.tolist() != list(range(len(model.input_id))):
            raise ConversionError("inputs of the model are pruned or reordered (input_id), which refkan rejects")
        for k, layer in enumerate(model.act_fun):
            _require_silu(layer.base_fun, k)

    def regrid(self, model: Any) -> None:
        """Set those of layers and model."""
        for layer in model.act_fun:
            layer.num = layer.grid.shape[1] - 2 * layer.k - 1
        model.grid = model.act_fun[0].num


class EfficientKan(OfTorch):
    """Models `efficient_kan.KAN`."""

    def require(self, model: Any) -> None:
        """SiLU."""
        layers = getattr(model, "layers", ())
        if not layers or not all(hasattr(layer, "spline_weight") for layer in layers):
            name = type(model).__name__
            raise ConversionError(f"not a model of efficient-kan: {name} has no layers with spline_weight")
        for k, layer in enumerate(layers):
            _require_silu(layer.base_activation, k)

    def regrid(self, model: Any) -> None:
        """Set those of layers."""
        for layer in model.layers:
            layer.grid_size = layer.grid.shape[1] - 2 * layer.spline_order - 1


class Jaxkan(Library):
    """Models `jaxkan.models.KAN.KAN` of spline or base layers."""

    def arrays(self, model: Any) -> dict[str, Array]:
        """Those of its layers."""
        layers = getattr(model, "layers", None)
        if layers is None or not all(hasattr(x, "grid") and hasattr(x, "c_basis") for x in layers):
            raise ConversionError(
                f"not a model of pykan, efficient-kan or jaxkan: {type(model).__name__} has no layers"
            )
        arrays = {}
        for k, layer in enumerate(model.layers):
            for name in ("c_basis", "c_res", "c_spl", "bias"):
                value = getattr(layer, name, None)
                if value is not None:
                    arrays[f"layers.{k}.{name}"] = np.array(value[...])
            arrays[f"layers.{k}.grid"] = np.array(layer.grid.item)
        return arrays

    def require(self, model: Any) -> None:
        """SiLU or no residual."""
        self.arrays(model)  # of spline or base layers
        for k, layer in enumerate(model.layers):
            if layer.residual is not None:
                _require_silu(layer.residual, k)

    def call(self, model: Any, x: FloatArray) -> FloatArray:
        """Values in the format of the coefficients."""
        jnp = needed("refkan.interop", "jax.numpy", "jax")
        return np.asarray(model(jnp.asarray(x, model.layers[0].c_basis[...].dtype)), np.float64)

    def put(self, model: Any, state: Mapping[str, Any]) -> None:
        """Set the values of variables, and the grids."""
        jnp = needed("refkan.interop", "jax.numpy", "jax")
        for name, array in state.items():
            _, k, part = name.split(".")
            layer, value = model.layers[int(k)], jnp.asarray(array)
            if part == "grid":
                layer.grid.item = value
                layer.grid.G = value.shape[1] - 2 * layer.k - 1
                continue
            variable = getattr(layer, part)
            if hasattr(variable, "set_value"):
                variable.set_value(value)
            else:  # older versions of flax
                variable.value = value


PYKAN, EFFICIENT_KAN, JAXKAN = Pykan(), EfficientKan(), Jaxkan()
