"""The layer of flashkan (tested with 0.2.0), converted by `.double()` in float64."""

from __future__ import annotations

from typing import Any, ClassVar

from refkan.base.extras import needed
from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.torch_base import TorchAdapter
from refkan.conformance.cases.specs import LayerSpec


class Flashkan(TorchAdapter):
    """`flashkan.KANLayer` with its residual weights zero; its basis is evaluated as written, not compiled.

    Raises
    ------
    ImportError
        If PyTorch or flashkan is not installed.
    """

    name = "flashkan"
    package, release = "flashkan", "0.2.0"
    options: ClassVar[dict[str, Any]] = {}
    capabilities = Capabilities(
        degrees=(1, 2, 3, 4, 5), outside=("natural",), dtypes=("float64", "float32"),
        derivatives=("inputs", "coefficients", "second", "gauss-newton"), network=True,
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        install = f"{self.package}=={self.release}"
        self.layer: Any = needed(type(self).__name__, self.package, install).KANLayer

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Build one layer after another."""
        return [self._layer(one) for one in (spec if isinstance(spec, tuple) else (spec,))]

    def _layer(self, spec: LayerSpec) -> Any:
        layer = self.layer(
            spec.n_inputs, spec.n_outputs, spec.intervals, spec.degree, grid_range=spec.domain, **self.options
        ).to(self.number)
        layer.base_weight.data.zero_()
        layer.spline_weight.data.copy_(self.tensor(spec.coefficients))
        return layer

    def call(self, model: Any, x: Any) -> Any:
        """Apply the layers without compiling them."""
        with self.torch.compiler.set_stance("force_eager"):
            for layer in model:
                x = layer(x)
        return x

    def coefficients(self, model: Any) -> Any:
        """Coefficients of all layers, (Q, P, dim) each."""
        return [layer.spline_weight for layer in model]
