"""The spline layer of jaxkan (tested with 0.3.7), on the grid that it makes itself where this is equally spaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refkan.conformance.adapters import Capabilities
from refkan.conformance.jax_base import JaxAdapter, JaxModel
from refkan.conformance.specs import LayerSpec
from refkan.extras import needed


class Jaxkan(JaxAdapter):
    """`jaxkan.layers.Spline.SplineLayer` without residual branch, outer weights and bias, under x64.

    Raises
    ------
    ImportError
        If JAX or jaxkan is not installed.
    """

    name = "jaxkan"
    replace_grid = False
    capabilities = Capabilities(
        degrees=(1, 2, 3, 4, 5),
        knots=("uniform", "arbitrary", "clamped", "repeated"),
        outside=("natural",),
        derivatives=("inputs", "coefficients", "second", "gauss-newton"),
        refine=("nested", "any"),
        update=True,
        network=True,
        state=True,
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
            residual=None, external_weights=False, add_bias=False,
        )  # fmt: skip
        if spec.kind != "uniform" or self.replace_grid:
            module.grid.item = self.tensor(spec.knots, spec.dtype)
        module.c_basis = self.nnx.Param(self.tensor(spec.coefficients, spec.dtype))
        return module

    def function(self, spec: LayerSpec) -> Callable[..., Any]:
        """Return the layer as a function of coefficients and x."""
        return self._function_of(self.module(spec))

    def _function_of(self, module: Any) -> Callable[..., Any]:
        graph, state = self.nnx.split(module)

        def layer(coefficients: Any, x: Any) -> Any:
            traced = self.nnx.merge(graph, state)
            traced.c_basis = self.nnx.Param(coefficients)
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
        return JaxModel(lambda C, x: call(C[0], x), coefficients, module.grid.item, order, dtype, module)

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
