"""A base for layers that are modules of PyTorch: a class says where their numbers lie."""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from refkan.base import check_type
from refkan.base.extras import needed
from refkan.conformance.adapters.bases.torch_base import TorchAdapter
from refkan.conformance.cases import LayerSpec, as_specs


def copied(owner: str, title: str, module: str, variable: str = "", where: str = "") -> Any:
    """Import a module of the user's own copy of a library, from a folder or by another name.

    Raises
    ------
    ImportError
        If it cannot be imported; the message says where it is looked for.
    """
    check_type("where", where, str)
    where = where or os.environ.get(variable, "")
    if where and Path(where).is_dir():
        sys.path.insert(0, where)
        where = ""
    if not (where or module):
        raise ImportError(f"{owner} needs the class of layers: set `layer` to it, or `module` to its module's name")
    try:
        return import_module(where or module)
    except ImportError as error:
        ways = [f"give the folder that holds {module or 'its module'}", "make it importable"]
        if variable:
            ways.insert(1, f"set {variable} to it")
        text = f"{owner} needs a copy of {title}: {', or '.join(ways)}"
        raise ImportError(f"{text} ({error})") from error


class ModuleAdapter(TorchAdapter):
    """Layers that are modules, one after another: a class says what they are called and where their numbers lie.

    A layer with factors of splines is built with the factor `neutral_scale` in cases without factors, and with its
    coefficients divided by it, so that an update or refinement that applies the factor twice changes the function.

    Parameters
    ----------
    where : str
        Of a layer without a release: the folder that holds the module, or the name under which it can be imported; by
        default the value of the environment variable `variable`.

    Attributes
    ----------
    layer : type, optional
        The class of layers; without it `layer_name` of `module` is imported.
    module, release, layer_name, variable : str
        What is imported, what pip installs ("" for the user's own copy), the class of layers, and an environment
        variable that names the folder of a copy.
    grid, weight : str
        Names of the knots (P, K) and of the coefficients, of shape (Q, P, dim) with its axes in the order of `axes`.
    part_weights : mapping of str to str
        Names of the parameters of parts, (P, Q) if `parts_turned`, else (Q, P).
    zeroed : sequence of str
        Parameters beside the splines that no case has.
    options : mapping
        For the class of layers, beside sizes and domain; override `made` if it takes others.

    Raises
    ------
    ImportError
        If PyTorch or the library is not installed.
    """

    layer: Any = None
    module: ClassVar[str] = ""
    release: ClassVar[str] = ""
    layer_name: ClassVar[str] = "KANLayer"
    variable: ClassVar[str] = ""
    grid: ClassVar[str] = "grid"
    weight: ClassVar[str] = "spline_weight"
    axes: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    part_weights: ClassVar[Mapping[str, str]] = {}
    parts_turned: ClassVar[bool] = False
    zeroed: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[Mapping[str, Any]] = {}
    neutral_scale: ClassVar[float] = 0.5

    def __init__(self, where: str = "") -> None:
        super().__init__()
        if self.layer is None:
            module = self._imported(where)
            self.layer = getattr(module, self.layer_name)

    def _imported(self, where: str) -> Any:
        if self.release:
            return needed(type(self).__name__, self.module, self.release)
        return copied(type(self).__name__, self.title, self.module, self.variable, where)

    def made(self, spec: LayerSpec) -> Any:
        """Return the module of a layer, on the grid that it makes, before its numbers are set."""
        sizes = spec.n_inputs, spec.n_outputs, spec.intervals, spec.degree
        return self.layer(*sizes, grid_range=list(spec.domain), **self.options)

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Build one layer after another."""
        return [self._layer(each) for each in as_specs(spec)]

    def _layer(self, spec: LayerSpec) -> Any:
        layer = self.converted(self.made(spec))
        if spec.kind != "uniform":
            self.set_knots(layer, spec)
        for name in self.zeroed:
            getattr(layer, name).data.zero_()
        for part, name in self.part_weights.items():
            array = spec.part(part)
            getattr(layer, name).data = self.tensor(array.T if self.parts_turned else array)
        if self._scaled(spec.parts):
            getattr(layer, self.part_weights["scale"]).data *= self.neutral_scale
        self.set_coefficients(layer, spec)
        return layer

    def converted(self, layer: Any) -> Any:
        """Return a layer in the format of the spec; a method `to` of its own may take devices only."""
        return self.torch.nn.Module.to(layer, self.number)

    def _scaled(self, parts: tuple[str, ...]) -> bool:
        """Whether splines have the neutral factor."""
        return "scale" in self.part_weights and "scale" not in parts

    def set_knots(self, layer: Any, spec: LayerSpec) -> None:
        """Set knots that are not equally spaced."""
        getattr(layer, self.grid).data = self.tensor(spec.knots)

    def set_coefficients(self, layer: Any, spec: LayerSpec) -> None:
        """Set the coefficients of a layer."""
        stored = getattr(layer, self.weight).data
        C = spec.coefficients
        if self._scaled(spec.parts):
            C = C / self.neutral_scale
        stored.copy_(self.tensor(C.transpose(self.axes)).reshape(stored.shape))

    def call(self, model: Any, x: Any) -> Any:
        """Apply the layers."""
        for layer in model:
            x = self.outputs(layer, x)
        return x

    def outputs(self, layer: Any, x: Any) -> Any:
        """Return the outputs (N, Q) of one layer; subtract here what it always adds and no case has."""
        return layer(x)

    def coefficients(self, model: Any) -> Any:
        """The parameters of all layers."""
        return [getattr(layer, self.weight) for layer in model]

    def turned(self, array: Any) -> Any:
        """The axes in the order (Q, P, dim)."""
        shape = np.array(self.spec.coefficients.shape)[list(self.axes)]
        if array.ndim < len(shape):  # stored with two axes in one
            array = array.reshape(*shape[:2], -1)
        return array.transpose(np.argsort(self.axes))

    def to_papers(self, array: Any) -> Any:
        """Gradient in the coefficients of the spec."""
        turned = self.turned(array)
        if self._scaled(self.used_parts):
            return turned / self.neutral_scale
        return turned

    def parts(self, model: Any) -> Mapping[str, Any]:
        """The parameters of parts, of all layers."""
        return {part: [getattr(layer, self.part_weights[part]) for layer in model] for part in self.used_parts}

    def part_to_papers(self, name: str, array: Any) -> Any:
        """(Q, P)."""
        return array.T if self.parts_turned else array

    def state(self, model: Any) -> tuple[Any, Any]:
        """Knots, and coefficients times factors of splines."""
        (layer,) = model
        C = self.turned(self.array(getattr(layer, self.weight)))
        if "scale" in self.part_weights:
            factors = self.array(getattr(layer, self.part_weights["scale"]))
            C = C * self.part_to_papers("scale", factors)[:, :, None]
        return self.array(getattr(layer, self.grid)), C
