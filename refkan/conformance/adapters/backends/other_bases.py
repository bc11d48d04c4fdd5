"""Layers whose functions are no splines: declared as such, they are identified, and no case is judged."""

from dataclasses import replace
from typing import Any

from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.bases.module_base import CopiedModule
from refkan.conformance.cases.specs import LayerSpec


class FastKan(CopiedModule):
    """`fastkan.FastKANLayer` without its normalization and its base: Gaussian bumps on equally spaced centres."""

    name = "FastKAN"
    module, layer_name = "fastkan", "FastKANLayer"
    weight = "spline_linear_weight"
    capabilities = Capabilities(
        basis="Gaussian bumps", dtypes=("float64", "float32"), derivatives=("inputs", "coefficients", "second")
    )

    def made(self, spec: LayerSpec) -> Any:
        """A centre for each coefficient, from a to b."""
        layer = self.layer(
            spec.n_inputs, spec.n_outputs, *spec.domain, spec.dim, use_base_update=False, use_layernorm=False
        )
        layer.spline_linear_weight = layer.spline_linear.weight
        return layer

    def to_papers(self, array: Any) -> Any:
        """(Q, P dim) to (Q, P, dim)."""
        return array.reshape(array.shape[0], self.spec.n_inputs, -1)


class ChebyKan(CopiedModule):
    """`ChebyKANLayer.ChebyKANLayer`: Chebyshev polynomials of tanh(x)."""

    name = "ChebyKAN"
    module, layer_name = "ChebyKANLayer", "ChebyKANLayer"
    weight, axes = "cheby_coeffs", (1, 0, 2)
    capabilities = replace(FastKan.capabilities, basis="Chebyshev polynomials of tanh(x)")

    def made(self, spec: LayerSpec) -> Any:
        """A polynomial for each coefficient."""
        return self.layer(spec.n_inputs, spec.n_outputs, spec.dim - 1)
