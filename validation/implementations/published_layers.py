"""Adapters of published libraries, beside those of efficient-kan and pykan that come with refkan.

Modules of PyTorch, two of which declare functions that are not splines, and jaxkan. The spline layer of jaxkan was
tested with 0.3.7, on the grid that it makes itself if this is equally spaced.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from refkan.base.extras import needed
from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.backends.published_layers import Pykan
from refkan.conformance.adapters.bases.copied_layers import DERIVATIVES, FORMATS
from refkan.conformance.adapters.bases.jax_base import JaxAdapter, JaxModel
from refkan.conformance.adapters.bases.module_base import ModuleAdapter
from refkan.conformance.cases import KNOTS, LayerSpec


class Flashkan(ModuleAdapter):
    """`flashkan.KANLayer` with its residual weights zero; its basis is evaluated as written, not compiled."""

    name = "flashkan"
    module, release = "flashkan", "flashkan==0.2.0"
    zeroed = ("base_weight",)
    capabilities = Capabilities(outside=("natural",), dtypes=FORMATS, derivatives=DERIVATIVES, network=True)

    def outputs(self, layer: Any, x: Any) -> Any:
        """Those of the layer without compiling it."""
        with self.torch.compiler.set_stance("force_eager"):
            return layer(x)


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


class PykanDefaultDtype(Pykan):
    """The same with the default dtype of PyTorch set before each call, so that its grids are made in float64."""

    name = "pykan, default dtype set first"
    default_dtype_first = True


class FastKan(ModuleAdapter):
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


class ChebyKan(ModuleAdapter):
    """`ChebyKANLayer.ChebyKANLayer`: Chebyshev polynomials of tanh(x)."""

    name = "ChebyKAN"
    module, layer_name = "ChebyKANLayer", "ChebyKANLayer"
    weight, axes = "cheby_coeffs", (1, 0, 2)
    capabilities = replace(FastKan.capabilities, basis="Chebyshev polynomials of tanh(x)")

    def made(self, spec: LayerSpec) -> Any:
        """A polynomial for each coefficient."""
        return self.layer(spec.n_inputs, spec.n_outputs, spec.dim - 1)


PLACES = {"base": "c_res", "scale": "c_spl", "bias": "bias"}
"""What jaxkan calls the parts of a layer."""


class Jaxkan(JaxAdapter):
    """`jaxkan.layers.Spline.SplineLayer` under x64, with SiLU, outer weights and bias where a case has them.

    Raises
    ------
    ImportError
        If JAX or jaxkan is not installed.
    """

    name = "jaxkan"
    replace_grid = False
    capabilities = Capabilities(
        knots=KNOTS,
        outside=("natural",),
        derivatives=("inputs", "coefficients", "second", "gauss-newton"),
        refine=("nested", "any"),
        update=True,
        network=True,
        state=True,
        parts=tuple(PLACES),
    )

    def __init__(self) -> None:
        super().__init__()
        owner, install = type(self).__name__, "jaxkan==0.3.7"
        self.layer: Any = needed(owner, "jaxkan.layers.Spline", install).SplineLayer
        self.nnx: Any = needed(owner, "flax.nnx", install)

    def module(self, spec: LayerSpec) -> Any:
        """Return a layer with the coefficients of the spec."""
        module = self.layer(
            spec.n_inputs, spec.n_outputs, spec.degree, spec.intervals, spec.domain,
            residual=self.nnx.silu if "base" in spec.parts else None, external_weights="scale" in spec.parts,
            add_bias="bias" in spec.parts,
        )  # fmt: skip
        for part in spec.parts:
            setattr(module, PLACES[part], self.nnx.Param(self.tensor(spec.part(part), spec.dtype)))
        if spec.kind != "uniform" or self.replace_grid:
            module.grid.item = self.tensor(spec.knots, spec.dtype)
        module.c_basis = self.nnx.Param(self.tensor(spec.coefficients, spec.dtype))
        return module

    def function(self, spec: LayerSpec) -> Callable[..., Any]:
        """Return the layer as a function of coefficients and x."""
        return self._function_of(self.module(spec))

    def _function_of(self, module: Any) -> Callable[..., Any]:
        graph, state = self.nnx.split(module)

        def layer(coefficients: Any, x: Any, **parts: Any) -> Any:
            traced = self.nnx.merge(graph, state)
            traced.c_basis = self.nnx.Param(coefficients)
            for part, array in parts.items():
                setattr(traced, PLACES[part], self.nnx.Param(array))
            return traced(x)

        return layer

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> JaxModel:
        """Keep the module of a single layer, for changes of its grid."""
        if isinstance(spec, tuple):
            return super().build(spec)
        return self._model_of(self.module(spec), spec.order, spec.dtype)

    def _model_of(self, module: Any, order: int, dtype: str) -> JaxModel:
        call = self._function_of(module)
        coefficients = [module.c_basis[...]]
        values = {part: getattr(module, PLACES[part], None) for part in self.capabilities.parts}
        parts = {part: value[...] for part, value in values.items() if value is not None}

        def composed(C: Any, x: Any, parts: Any = ({},)) -> Any:
            return call(C[0], x, **parts[0])

        return JaxModel(composed, coefficients, module.grid.item, order, dtype, module, [parts])

    def refine(self, model: JaxModel, intervals: int, x: Any) -> JaxModel:
        """`update_grid(x, intervals)`."""
        with self.quick_compiler():
            model.module.update_grid(self.tensor(x, model.dtype), intervals)
        return self._model_of(model.module, model.order, model.dtype)

    def update(self, model: JaxModel, x: Any) -> JaxModel:
        """`update_grid(x, G)` with the number of intervals that it has."""
        return self.refine(model, model.module.grid.G, x)

    def state(self, model: JaxModel) -> tuple[Any, Any]:
        """Grid and coefficients."""
        return self.array(model.module.grid.item), self.array(model.coefficients[0])


class JaxkanReplacedGrid(Jaxkan):
    """The same with its grid replaced by one in float64."""

    name = "jaxkan, grid replaced"
    replace_grid = True
