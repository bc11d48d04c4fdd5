"""Layers of two published libraries, as examples of adapters: efficient-kan, from a copy, and pykan."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.bases.module_base import CopiedModule, ModuleAdapter
from refkan.conformance.cases import KNOTS, LayerSpec

FORMATS = ("float64", "float32")
DERIVATIVES = ("inputs", "coefficients", "second", "gauss-newton")
"""What autograd gives."""


class EfficientKan(CopiedModule):
    """`KANLinear`, converted by `.double()` in float64, on the grid that it makes itself where that is equally spaced.

    Where a case has no scales the spline scaler is 1/2, and the weights are the coefficients doubled, so that the
    coefficients in effect are exactly those of the spec.
    """

    name = "efficient-kan"
    module, layer_name = "efficient_kan", "KANLinear"
    part_weights: ClassVar = {"base": "base_weight", "scale": "spline_scaler"}
    scaler = 0.5
    capabilities = Capabilities(
        knots=KNOTS, outside=("natural",), dtypes=FORMATS, derivatives=DERIVATIVES, parts=("base", "scale"),
        update=True, network=True, state=True,
    )  # fmt: skip

    def set_coefficients(self, layer: Any, spec: LayerSpec) -> None:
        """Set the coefficients, divided by a scaler that no case has."""
        scaler = 1.0 if spec.scale is not None else self.scaler
        layer.spline_weight.data = self.tensor(spec.coefficients / scaler)
        layer.spline_scaler.data *= scaler

    def to_papers(self, array: Any) -> Any:
        """Gradient in the coefficients of the spec."""
        return array if "scale" in self.used_parts else array / self.scaler

    def update(self, model: Any, x: Any) -> Any:
        """`update_grid`."""
        (layer,) = model
        layer.update_grid(self.tensor(x))
        return model

    def state(self, model: Any) -> tuple[Any, Any]:
        """Grid and coefficients in effect."""
        (layer,) = model
        return self.array(layer.grid), self.array(layer.scaled_spline_weight)


class Pykan(ModuleAdapter):
    """`kan.KANLayer.KANLayer`, converted by `.double()` in float64, with SiLU where a case has it."""

    name = "pykan"
    module, release = "kan.KANLayer", "pykan==0.2.8"
    weight, axes = "coef", (1, 0, 2)
    part_weights: ClassVar = {"base": "scale_base", "scale": "scale_sp"}
    parts_turned = True
    default_dtype_first = False
    capabilities = replace(EfficientKan.capabilities, refine=("nested", "any"))

    @contextmanager
    def _default_dtype(self) -> Iterator[None]:
        """Set the default dtype of PyTorch meanwhile, if the class says so."""
        before = self.torch.get_default_dtype()
        if self.default_dtype_first:
            self.torch.set_default_dtype(self.number)
        try:
            yield
        finally:
            self.torch.set_default_dtype(before)

    def made(self, spec: LayerSpec) -> Any:
        """The layer on the grid that it makes in the format that is set."""
        with self._default_dtype():
            return super().made(spec)

    def call(self, model: Any, x: Any) -> Any:
        """Apply the layers."""
        for layer in model:
            x = layer(x)[0]
        return x

    def refine(self, model: Any, intervals: int, x: Any) -> Any:
        """`initialize_grid_from_parent`, what `KAN.refine` does for each layer."""
        (parent,) = model
        with self._default_dtype():
            child = self.layer(parent.in_dim, parent.out_dim, intervals, parent.k).to(self.number)
            child.scale_base.data, child.scale_sp.data = parent.scale_base.data, parent.scale_sp.data
            child.initialize_grid_from_parent(parent, self.tensor(x))
        return [child]

    def update(self, model: Any, x: Any) -> Any:
        """`update_grid_from_samples`."""
        (layer,) = model
        with self._default_dtype():
            layer.update_grid_from_samples(self.tensor(x))
        return model

    def state(self, model: Any) -> tuple[Any, Any]:
        """Grid and coefficients."""
        (layer,) = model
        return self.array(layer.grid), self.to_papers(self.array(layer.coef))
