"""The layer of inkan (tested with 0.5.2), converted by `.double()` in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from refkan.conformance.adapters.backends.flashkan import Flashkan
from refkan.conformance.cases.specs import LayerSpec


class Inkan(Flashkan):
    """`inkan.KANLayer(compile_basis=False)` with its residual weights zero; its interface is that of flashkan.

    Its coefficients and residual weights are one tensor (Q, P dim + P), which gradients are taken in. It makes cubic
    splines alone.
    """

    name = "inkan"
    package, release = "inkan", "0.5.2"
    options: ClassVar[dict[str, Any]] = {"compile_basis": False}
    capabilities = replace(Flashkan.capabilities, degrees=(3,), network=False)

    def remember(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> LayerSpec:
        """Keep the shape of the coefficients."""
        first = super().remember(spec)
        self.shape = first.coefficients.shape
        return first

    def coefficients(self, model: Any) -> Any:
        """The packed tensor."""
        return [layer.weight for layer in model]

    def to_papers(self, array: Any) -> Any:
        """The part of the splines, (Q, P, dim)."""
        n_outputs, n_inputs, dim = self.shape
        return array[:, : n_inputs * dim].reshape(n_outputs, n_inputs, dim)
