"""Layers of published libraries that are modules of PyTorch; the last ones declare functions that are no splines."""

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


class Flashkan(ModuleAdapter):
    """`flashkan.KANLayer` with its residual weights zero; its basis is evaluated as written, not compiled."""

    name = "flashkan"
    module, release = "flashkan", "flashkan==0.2.0"
    zeroed = ("base_weight",)
    capabilities = Capabilities(outside=("natural",), dtypes=FORMATS, derivatives=DERIVATIVES, network=True)

    def call(self, model: Any, x: Any) -> Any:
        """Apply the layers without compiling them."""
        with self.torch.compiler.set_stance("force_eager"):
            return super().call(model, x)


class Inkan(Flashkan):
    """`inkan.KANLayer(compile_basis=False)` with its residual weights zero; its interface is that of flashkan.

    Its coefficients and residual weights are one tensor (Q, P dim + P), which gradients are taken in. It makes cubic
    splines alone.
    """

    name = "inkan"
    module, release = "inkan", "inkan==0.5.2"
    options: ClassVar[dict[str, Any]] = {"compile_basis": False}
    capabilities = replace(Flashkan.capabilities, degrees=(3,), network=False)

    def coefficients(self, model: Any) -> Any:
        """The packed tensor."""
        return [layer.weight for layer in model]

    def to_papers(self, array: Any) -> Any:
        """The part of the splines, (Q, P, dim)."""
        n_outputs, n_inputs, dim = self.spec.coefficients.shape
        return array[:, : n_inputs * dim].reshape(n_outputs, n_inputs, dim)


class Kanditioned(ModuleAdapter):
    """`KANditioned.KANLayer(variant="B-spline", impl="embedding")`: splines of degree 1 on [-2, 2], zero at first."""

    name = "kanditioned"
    module, release = "KANditioned", "kanditioned==1.0.4"
    weight, axes = "kan_weight", (1, 2, 0)
    capabilities = Capabilities(
        degrees=(1,), outside=("linear", "polynomial"), dtypes=FORMATS, domain=(-2.0, 2.0), network=True
    )

    def made(self, spec: LayerSpec) -> Any:
        """The layer, which counts the ends of intervals."""
        low, high = spec.domain
        return self.layer(spec.n_inputs, spec.n_outputs, "zero", spec.dim, high - low, "B-spline", "embedding")


class Kanx(ModuleAdapter):
    """`kanx.torch.KANLinear`, converted by `.double()` in float64, with SiLU where a case has it."""

    name = "kanx"
    module, release, layer_name = "kanx.torch", "kanx==0.2.1", "KANLinear"
    axes = (1, 0, 2)
    part_weights: ClassVar = {"base": "base_weight"}
    parts_turned = True
    capabilities = replace(Flashkan.capabilities, parts=("base",))


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


class PykanDefaultDtype(Pykan):
    """The same with the default dtype of PyTorch set before each call, so that its grids are made in float64."""

    name = "pykan, default dtype set first"
    default_dtype_first = True


class FastKan(CopiedModule):
    """`fastkan.FastKANLayer` without its normalization and its base: Gaussian bumps on equally spaced centres."""

    name = "FastKAN"
    module, layer_name = "fastkan", "FastKANLayer"
    weight = "spline_linear_weight"
    capabilities = Capabilities(basis="Gaussian bumps", dtypes=FORMATS, derivatives=DERIVATIVES[:3])

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
