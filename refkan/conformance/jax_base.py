"""A base for layers in JAX: its transformations give all derivatives, so that an adapter only builds a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from refkan.conformance.adapters import Adapter
from refkan.conformance.specs import LayerSpec


@dataclass
class JaxModel:
    """A pure function of coefficients and x, with the coefficients and knots that it is evaluated at."""

    function: Callable[..., Any]
    coefficients: list[Any]
    knots: Any
    order: int
    dtype: str
    module: Any = None
    traced: dict[Any, Any] = field(default_factory=dict)


class JaxAdapter(Adapter):
    """An adapter whose layers are functions f(coefficients (Q, P, dim), x (N, P)) -> y (N, Q); implement `function`.

    `function(spec)` returns f; it takes the knots as a third argument if the capability is declared. Double precision
    is switched on for the process when the first adapter is made: before that, arrays of JAX are float32.

    Raises
    ------
    ImportError
        If JAX is not installed.
    """

    def __init__(self) -> None:
        try:
            self.jax: Any = import_module("jax")
        except ImportError as error:
            raise ImportError(f"{type(self).__name__} needs JAX: pip install jax ({error})") from error
        self.jax.config.update("jax_enable_x64", True)
        self.jnp: Any = import_module("jax.numpy")
        self._compiled: dict[Any, Any] = {}

    def function(self, spec: LayerSpec) -> Callable[..., Any]:
        """Return the layer as a function of coefficients and x (and knots)."""
        raise NotImplementedError("implement function(spec): f(coefficients, x) -> y")

    def tensor(self, array: Any, dtype: str) -> Any:
        """Return an array of JAX in a format."""
        return self.jnp.asarray(np.asarray(array, np.float64)).astype(dtype)

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> JaxModel:
        """Compose the functions of the layers."""
        specs = spec if isinstance(spec, tuple) else (spec,)
        functions = [self.function(one) for one in specs]
        first = specs[0]
        if len(specs) == 1:
            call = functions[0]

            def layer(coefficients: Any, x: Any, *knots: Any) -> Any:
                return call(coefficients[0], x, *knots)

            composed: Callable[..., Any] = layer
        else:

            def network(coefficients: Any, x: Any) -> Any:
                for one, C in zip(functions, coefficients, strict=True):
                    x = one(C, x)
                return x

            composed = network
        coefficients = [self.tensor(one.coefficients, one.dtype) for one in specs]
        return JaxModel(composed, coefficients, self.tensor(first.knots, first.dtype), first.order, first.dtype)

    def _differentiates_knots(self, model: JaxModel) -> bool:
        return "knots" in self.capabilities.derivatives and len(model.coefficients) == 1

    def array(self, value: Any) -> Any:
        """Return an array of JAX as one of NumPy; lower formats are widened to float64."""
        return np.asarray(value.astype("float64") if value.dtype == self.jnp.bfloat16 else value)

    def forward(self, model: JaxModel, x: Any) -> Any:
        """Outputs."""
        return self.array(self._run("forward", model, x))

    def vjp(self, model: JaxModel, x: Any, dy: Any) -> Mapping[str, Any]:
        """Gradients by jax.vjp."""
        found = self._pull_back(model, x, dy)
        parts = [self.array(part) for part in found[: len(model.coefficients)]]
        inputs, *knots = (self.array(part) for part in found[len(model.coefficients) :])
        out = {"coefficients": parts if len(parts) > 1 else parts[0], "inputs": inputs}
        if knots:
            out["knots"] = knots[0][:, model.order : knots[0].shape[1] - model.order]
        return out

    def _pull_back(self, model: JaxModel, x: Any, dy: Any) -> Any:
        """Gradients in the coefficients of each layer, in x and, where that is declared, in the knots."""
        return self._run("vjp", model, x, dy)

    def second(self, model: JaxModel, x: Any, dy: Any, direction: Any) -> Any:
        """Forward over reverse."""
        return self.array(self._run("second", model, x, dy, direction))

    def gauss_newton(self, model: JaxModel, x: Any) -> Any:
        """J^T J / N from one backward sweep for each sample and output."""
        shape = (x.shape[0], self.forward(model, x).shape[1])
        rows = []
        for k in range(shape[0] * shape[1]):
            dy = np.zeros(shape)
            dy.flat[k] = 1.0
            parts = self._pull_back(model, x, dy)[: len(model.coefficients)]
            rows.append(np.concatenate([self.array(part).ravel() for part in parts]))
        J = np.stack(rows)
        return J.T @ J / x.shape[0]

    def _run(self, name: str, model: JaxModel, x: Any, *vectors: Any) -> Any:
        """Run a program on the coefficients, x and (if differentiated) the knots, and on cotangents and directions.

        A layer is traced once for each shape of x; what is differentiated is the expression found by that, and layers
        whose expressions differ only in arrays that they hold share one compilation: compiling takes most of the time.
        """
        extra = (model.knots,) if self._differentiates_knots(model) else ()
        leaves = (*model.coefficients, self.tensor(x, model.dtype), *extra)
        if x.shape not in model.traced:
            model.traced[x.shape] = self._trace(model, leaves)
        key, expression, held = model.traced[x.shape]
        if (key, name) not in self._compiled:
            make = {"forward": self._values, "vjp": self._gradients, "second": self._curvature}[name]
            self._compiled[key, name] = self.jax.jit(make(expression, len(model.coefficients)))
        return self._compiled[key, name](held, leaves, *(self.tensor(v, model.dtype) for v in vectors))

    def _trace(self, model: JaxModel, leaves: tuple[Any, ...]) -> tuple[str, Any, list[Any]]:
        """The expression of a model as text and as a program, and the arrays that it holds."""
        count = len(model.coefficients)
        closed = self.jax.make_jaxpr(lambda *flat: model.function(list(flat[:count]), *flat[count:]))(*leaves)
        return str(closed.jaxpr), closed.jaxpr, closed.consts

    def _values(self, expression: Any, count: int) -> Callable[..., Any]:
        def values(held: Any, leaves: Any) -> Any:
            return self.jax.core.eval_jaxpr(expression, held, *leaves)[0]

        return values

    def _gradients(self, expression: Any, count: int) -> Callable[..., Any]:
        values = self._values(expression, count)

        def gradients(held: Any, leaves: Any, dy: Any) -> Any:
            return self.jax.vjp(lambda *at: values(held, at), *leaves)[1](dy)

        return gradients

    def _curvature(self, expression: Any, count: int) -> Callable[..., Any]:
        values = self._values(expression, count)

        def curvature(held: Any, leaves: Any, dy: Any, direction: Any) -> Any:
            def gradient(x: Any) -> Any:
                return self.jax.vjp(lambda z: values(held, (*leaves[:count], z, *leaves[count + 1 :])), x)[1](dy)[0]

            return self.jax.jvp(gradient, (leaves[count],), (direction,))[1]

        return curvature
