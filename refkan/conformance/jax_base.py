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

    def _arguments(self, model: JaxModel, x: Any) -> tuple[Any, ...]:
        extra = (model.knots,) if self._differentiates_knots(model) else ()
        return (model.coefficients, self.tensor(x, model.dtype), *extra)

    def _differentiates_knots(self, model: JaxModel) -> bool:
        return "knots" in self.capabilities.derivatives and len(model.coefficients) == 1

    def array(self, value: Any) -> Any:
        """Return an array of JAX as one of NumPy; lower formats are widened to float64."""
        return np.asarray(value.astype("float64") if value.dtype == self.jnp.bfloat16 else value)

    def forward(self, model: JaxModel, x: Any) -> Any:
        """Outputs."""
        return self.array(self.run("forward", model, model.function, *self._arguments(model, x)))

    def vjp(self, model: JaxModel, x: Any, dy: Any) -> Mapping[str, Any]:
        """Gradients by jax.vjp."""
        found = self._pull_back(model, x, dy)
        parts = [self.array(part) for part in found[0]]
        out = {"coefficients": parts if len(parts) > 1 else parts[0], "inputs": self.array(found[1])}
        if self._differentiates_knots(model):
            out["knots"] = self.array(found[2])[:, model.order : found[2].shape[1] - model.order]
        return out

    def _pull_back(self, model: JaxModel, x: Any, dy: Any) -> Any:
        def pull_back(dy: Any, *arguments: Any) -> Any:
            return self.jax.vjp(model.function, *arguments)[1](dy)

        return self.run("vjp", model, pull_back, self.tensor(dy, model.dtype), *self._arguments(model, x))

    def second(self, model: JaxModel, x: Any, dy: Any, direction: Any) -> Any:
        """Forward over reverse."""

        def curvature(dy: Any, direction: Any, C: Any, at: Any, *extra: Any) -> Any:
            def gradient(at: Any) -> Any:
                return self.jax.vjp(lambda z: model.function(C, z, *extra), at)[1](dy)[0]

            return self.jax.jvp(gradient, (at,), (direction,))[1]

        arguments = (self.tensor(dy, model.dtype), self.tensor(direction, model.dtype), *self._arguments(model, x))
        return self.array(self.run("second", model, curvature, *arguments))

    def gauss_newton(self, model: JaxModel, x: Any) -> Any:
        """J^T J / N from one backward sweep for each sample and output."""
        shape = (x.shape[0], self.forward(model, x).shape[1])
        rows = []
        for k in range(shape[0] * shape[1]):
            dy = np.zeros(shape)
            dy.flat[k] = 1.0
            rows.append(np.concatenate([self.array(part).ravel() for part in self._pull_back(model, x, dy)[0]]))
        J = np.stack(rows)
        return J.T @ J / x.shape[0]

    def run(self, name: str, model: JaxModel, function: Callable[..., Any], *arguments: Any) -> Any:
        """Compile and run a function; functions that differ only in arrays that they hold share one compilation."""
        flat, tree = self.jax.tree.flatten(arguments)
        shapes = (name, *(leaf.shape for leaf in flat))
        if shapes not in model.traced:
            structure: list[Any] = []

            def flattened(*leaves: Any) -> Any:
                out, tree_out = self.jax.tree.flatten(function(*self.jax.tree.unflatten(tree, leaves)))
                structure.append(tree_out)
                return out

            closed = self.jax.make_jaxpr(flattened)(*flat)
            jaxpr, key = closed.jaxpr, str(closed.jaxpr)
            if key not in self._compiled:
                self._compiled[key] = self.jax.jit(lambda held, *leaves: self.jax.core.eval_jaxpr(jaxpr, held, *leaves))
            model.traced[shapes] = (self._compiled[key], closed.consts, structure[0])
        compiled, held, tree_out = model.traced[shapes]
        return self.jax.tree.unflatten(tree_out, compiled(held, *flat))
