"""A base for layers that are modules of PyTorch: a class says where their numbers lie."""

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from refkan.base.extras import needed
from refkan.conformance.adapters.bases.torch_base import TorchAdapter
from refkan.conformance.cases import LayerSpec, as_specs


class ModuleAdapter(TorchAdapter):
    """Layers that are modules, one after another: a class says what they are called and where their numbers lie.

    Attributes
    ----------
    module, release, layer_name : str
        What is imported, what pip installs ("" for the user's own copy), and the class of layers.
    weight : str
        Name of the parameter of coefficients, of shape (Q, P, dim) with its axes in the order of `axes`.
    part_weights : mapping of str to str
        Names of the parameters of parts, (P, Q) if `parts_turned`, else (Q, P).
    zeroed : sequence of str
        Parameters beside the splines that no case has.
    options : mapping
        For the class of layers, beside sizes and domain; override `made` where it takes others.

    Raises
    ------
    ImportError
        If PyTorch or the library is not installed.
    """

    module: ClassVar[str]
    release: ClassVar[str] = ""
    layer_name: ClassVar[str] = "KANLayer"
    weight: ClassVar[str] = "spline_weight"
    axes: ClassVar[tuple[int, int, int]] = (0, 1, 2)
    part_weights: ClassVar[Mapping[str, str]] = {}
    parts_turned: ClassVar[bool] = False
    zeroed: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.layer: Any = getattr(needed(type(self).__name__, self.module, self.release), self.layer_name)

    def made(self, spec: LayerSpec) -> Any:
        """Return the module of a layer, on the grid that it makes, before its numbers are set."""
        sizes = spec.n_inputs, spec.n_outputs, spec.intervals, spec.degree
        return self.layer(*sizes, grid_range=list(spec.domain), **self.options)

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Build one layer after another."""
        return [self._layer(each) for each in as_specs(spec)]

    def _layer(self, spec: LayerSpec) -> Any:
        layer = self.made(spec).to(self.number)
        if spec.kind != "uniform":
            layer.grid.data = self.tensor(spec.knots)
        for name in self.zeroed:
            getattr(layer, name).data.zero_()
        for part, name in self.part_weights.items():
            array = spec.part(part)
            getattr(layer, name).data = self.tensor(array.T if self.parts_turned else array)
        self.set_coefficients(layer, spec)
        return layer

    def set_coefficients(self, layer: Any, spec: LayerSpec) -> None:
        """Set the coefficients of a layer."""
        stored = getattr(layer, self.weight).data
        stored.copy_(self.tensor(spec.coefficients.transpose(self.axes)).reshape(stored.shape))

    def call(self, model: Any, x: Any) -> Any:
        """Apply the layers."""
        for layer in model:
            x = layer(x)
        return x

    def coefficients(self, model: Any) -> Any:
        """The parameters of all layers."""
        return [getattr(layer, self.weight) for layer in model]

    def to_papers(self, array: Any) -> Any:
        """The axes in the order (Q, P, dim)."""
        return array.transpose(np.argsort(self.axes))

    def parts(self, model: Any) -> Mapping[str, Any]:
        """The parameters of parts, of all layers."""
        return {part: [getattr(layer, self.part_weights[part]) for layer in model] for part in self.used_parts}

    def part_to_papers(self, name: str, array: Any) -> Any:
        """(Q, P)."""
        return array.T if self.parts_turned else array


class CopiedModule(ModuleAdapter):
    """A layer of which there is no release: imported from the user's own copy.

    Parameters
    ----------
    where : str
        The folder that holds the module, or the name under which it can be imported.
    """

    def __init__(self, where: str = "") -> None:
        TorchAdapter.__init__(self)
        if Path(where).is_dir() and where:
            sys.path.insert(0, where)
            where = ""
        try:
            self.layer = getattr(import_module(where or self.module), self.layer_name)
        except ImportError as error:
            text = f"{type(self).__name__} needs a copy of {self.title}: give the folder that holds {self.module}"
            raise ImportError(f"{text}, or make it importable ({error})") from error
