"""The spline layer of jaxkan (tested with 0.3.7), on the grid that it makes itself where this is equally spaced."""

from collections.abc import Callable
from typing import Any

from refkan.base.extras import needed
from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.bases.jax_base import JaxAdapter, JaxModel
from refkan.conformance.cases import KNOTS, LayerSpec

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
