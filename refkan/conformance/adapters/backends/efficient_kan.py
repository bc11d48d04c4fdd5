"""The layer of efficient-kan, imported from the user's own copy; refkan does not ship it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.torch_base import TorchAdapter
from refkan.conformance.cases.specs import LayerSpec


class EfficientKan(TorchAdapter):
    """`KANLinear`, converted by `.double()` in float64, on the grid that it makes itself where that is equally spaced.

    Parameters
    ----------
    where : str
        The folder that holds the package `efficient_kan` (src/ of a clone), or the name of an importable module.

    Notes
    -----
    Where a case has no scales the spline scaler is 1/2, and the weights are the coefficients doubled, so that the
    coefficients in effect are exactly those of the spec.
    """

    name = "efficient-kan"
    scaler = 0.5
    capabilities = Capabilities(
        degrees=(1, 2, 3, 4, 5),
        knots=("uniform", "arbitrary", "clamped", "repeated"),
        outside=("natural",),
        dtypes=("float64", "float32"),
        derivatives=("inputs", "coefficients", "second", "gauss-newton"),
        update=True,
        network=True,
        state=True,
        parts=("base", "scale"),
    )

    def __init__(self, where: str = "efficient_kan") -> None:
        super().__init__()
        if Path(where).is_dir():
            sys.path.insert(0, where)
            where = "efficient_kan"
        try:
            self.layer: Any = import_module(where).KANLinear
        except ImportError as error:
            raise ImportError(
                f"EfficientKan needs a copy of efficient-kan: give its folder src, or make it importable ({error})"
            ) from error

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Build one layer after another."""
        return [self._layer(one) for one in (spec if isinstance(spec, tuple) else (spec,))]

    def _layer(self, spec: LayerSpec) -> Any:
        layer = self.layer(
            spec.n_inputs, spec.n_outputs, grid_size=spec.intervals, spline_order=spec.degree,
            grid_range=list(spec.domain),
        )  # fmt: skip
        layer = layer.double() if self.dtype == "float64" else layer
        if spec.kind != "uniform":
            layer.grid.data = self.tensor(spec.knots)
        layer.base_weight.data = self.tensor(spec.part("base"))
        scales = spec.scale is not None
        layer.spline_scaler.data = self.tensor(spec.part("scale") * (1.0 if scales else self.scaler))
        layer.spline_weight.data = self.tensor(spec.coefficients / (1.0 if scales else self.scaler))
        return layer

    def parts(self, model: Any) -> Mapping[str, Any]:
        """Weights of both branches."""
        found = {"base": [layer.base_weight for layer in model], "scale": [layer.spline_scaler for layer in model]}
        return {name: found[name] for name in self.used_parts}

    def call(self, model: Any, x: Any) -> Any:
        """Apply the layers."""
        for layer in model:
            x = layer(x)
        return x

    def coefficients(self, model: Any) -> Any:
        """Weights of all layers: the coefficients divided by the scaler."""
        return [layer.spline_weight for layer in model]

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
