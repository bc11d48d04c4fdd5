"""A base for layers in JAX: its transformations give all derivatives, so that an adapter only builds a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from refkan.conformance.adapters import Adapter
from refkan.conformance.packages import needed
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

    Attributes
    ----------
    compiler_options : mapping
        For `jax.jit`. By default code is generated without optimisation, which takes half the time of a whole run and
        keeps each operation's rounding; an empty mapping judges the layer as JAX compiles it otherwise.

    Raises
    ------
    ImportError
        If JAX is not installed.
    """

    compiler_options: Mapping[str, Any] = MappingProxyType({"xla_backend_optimization_level": 0})

    def __init__(self) -> None:
        self.jax: Any = needed(type(self).__name__, "jax", "jax")
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

    def array(self, value: Any) -> Any:
        """Return an array of JAX as one of NumPy; lower formats are widened to float64."""
        return np.asarray(value.astype("float64") if value.dtype == self.jnp.bfloat16 else value)

    def forward(self, model: JaxModel, x: Any) -> Any:
        """Outputs."""
        return self.array(self._run("forward", model, x))

    def vjp(self, model: JaxModel, x: Any, dy: Any) -> Mapping[str, Any]:
        """Gradients by jax.vjp, those in the knots by a program of their own and when they are asked for."""
        *parts, inputs = (self.array(part) for part in self._run("vjp", model, x, dy))
        out = {"coefficients": parts if len(parts) > 1 else parts[0], "inputs": inputs}
        if "knots" not in self.capabilities.derivatives or len(parts) > 1:
            return out

        def knots() -> Any:
            found = self.array(self._run("knots", model, x, dy))
            return found[:, model.order : found.shape[1] - model.order]

        return _Lazy(out, {"knots": knots})

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
            *parts, _ = self._run("vjp", model, x, dy)
            rows.append(np.concatenate([self.array(part).ravel() for part in parts]))
        J = np.stack(rows)
        return J.T @ J / x.shape[0]

    def _run(self, name: str, model: JaxModel, x: Any, *vectors: Any) -> Any:
        """Run a program on the coefficients, x and (where they are an argument) the knots; on cotangents, directions.

        A layer is traced once for each shape of x; what is differentiated is the expression found by that, and layers
        whose expressions differ only in arrays that they hold share one compilation: compiling takes most of the time.
        """
        extra = (model.knots,) if self._takes_knots(model) else ()
        leaves = (*model.coefficients, self.tensor(x, model.dtype), *extra)
        if x.shape not in model.traced:
            model.traced[x.shape] = self._trace(model, leaves)
        key, expression, held = model.traced[x.shape]
        if (key, name) not in self._compiled:
            program = self._program(name, expression, len(model.coefficients))
            self._compiled[key, name] = self.jax.jit(program, compiler_options=dict(self.compiler_options))
        return self._compiled[key, name](held, leaves, *(self.tensor(v, model.dtype) for v in vectors))

    def _takes_knots(self, model: JaxModel) -> bool:
        return "knots" in self.capabilities.derivatives and len(model.coefficients) == 1

    def _trace(self, model: JaxModel, leaves: tuple[Any, ...]) -> tuple[str, Any, list[Any]]:
        """The expression of a model as text and as a program, and the arrays that it holds."""
        count = len(model.coefficients)
        closed = self.jax.make_jaxpr(lambda *flat: model.function(list(flat[:count]), *flat[count:]))(*leaves)
        return str(closed.jaxpr), closed.jaxpr, closed.consts

    def _program(self, name: str, expression: Any, count: int) -> Callable[..., Any]:
        """Values, or derivatives of them, as a function of arrays alone; x is the leaf with the number `count`."""

        def values(held: Any, leaves: Any) -> Any:
            return self.jax.core.eval_jaxpr(expression, held, *leaves)[0]

        def gradients(held: Any, leaves: Any, dy: Any) -> Any:
            after = leaves[count + 1 :]
            return self.jax.vjp(lambda *at: values(held, (*at, *after)), *leaves[: count + 1])[1](dy)

        def knots(held: Any, leaves: Any, dy: Any) -> Any:
            return self.jax.vjp(lambda t: values(held, (*leaves[:-1], t)), leaves[-1])[1](dy)[0]

        def second(held: Any, leaves: Any, dy: Any, direction: Any) -> Any:
            def gradient(x: Any) -> Any:
                return self.jax.vjp(lambda z: values(held, (*leaves[:count], z, *leaves[count + 1 :])), x)[1](dy)[0]

            return self.jax.jvp(gradient, (leaves[count],), (direction,))[1]

        programs: dict[str, Callable[..., Any]]
        programs = {"forward": values, "vjp": gradients, "knots": knots, "second": second}
        return programs[name]


class _Lazy(Mapping[str, Any]):
    """Entries, some of which are computed when they are looked up."""

    def __init__(self, known: Mapping[str, Any], asked: Mapping[str, Callable[[], Any]]) -> None:
        self.known, self.asked = dict(known), dict(asked)

    def __getitem__(self, name: str) -> Any:
        if name in self.asked:
            self.known[name] = self.asked.pop(name)()
        return self.known[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self.known, *self.asked))

    def __len__(self) -> int:
        return len(self.known) + len(self.asked)
