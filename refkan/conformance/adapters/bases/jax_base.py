"""A base for layers in JAX: its transformations give all derivatives, so that an adapter only builds a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from refkan.base.extras import needed
from refkan.base.lazy import lazy
from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.cases.specs import PARTS, LayerSpec, as_specs, attribute
from refkan.conformance.cases.truths.precision import LOW

RULES = "custom_"
"""Begin of the names of primitives that carry rules of differentiation: Python functions, which cannot be compared."""


@dataclass
class JaxModel:
    """A pure function of coefficients, x and parts, with the arrays that it is evaluated at.

    `parts` has the arrays of each part that the layers have, one a layer, by the name of the part; if there are any,
    the function takes them as `parts`, a list with a mapping for each layer, by the names of attributes of the spec.

    Examples
    --------
    >>> from refkan.conformance import JaxModel
    >>> model = JaxModel(lambda C, x: x @ C[:, :, 0].T, coefficients=[[[[2.0]]]], knots=None, order=2, dtype="float64")
    >>> model.order, model.dtype
    (2, 'float64')
    """

    function: Callable[..., Any]
    coefficients: list[Any]
    knots: Any
    order: int
    dtype: str
    module: Any = None
    parts: dict[str, list[Any]] = field(default_factory=dict)
    traced: dict[Any, Expression] = field(default_factory=dict)


@dataclass(frozen=True)
class Expression:
    """A traced function, `evaluate(held, *arguments)`, and the arrays that it holds.

    Its key is equal for expressions that compute the same from their arguments and from what they hold; `results` has
    the shapes of what comes out.
    """

    key: Any
    held: Sequence[Any]
    has_rules: bool
    evaluate: Callable[..., Any]
    results: Any


class JaxAdapter(Adapter):
    """An adapter whose layers are functions f(coefficients (Q, P, dim), x (N, P)) -> y (N, Q); implement `function`.

    `function(spec)` returns f; it takes the knots as a third argument if the capability is declared, and the parts of
    a spec that has any by name: base, scale, node_scale, bias. Double precision
    is switched on for the process when the first adapter is made: before that, arrays of JAX are float32.

    Attributes
    ----------
    compiler_options : mapping
        For `jax.jit`. By default code is generated without optimisation, by the plainer of XLA's two generators and in
        one piece, which takes an eighth of the time and keeps each operation's rounding; an empty mapping judges the
        layer as JAX compiles it otherwise. Of the default ones those are left out that the installed version does not
        know.

    Raises
    ------
    ImportError
        If JAX is not installed.

    Examples
    --------
    >>> from refkan.conformance import Capabilities, JaxAdapter
    >>> class MyAdapter(JaxAdapter):  # making one, MyAdapter(), needs JAX
    ...     capabilities = Capabilities(degrees=(3,), derivatives=("inputs", "coefficients"))
    ...     def function(self, spec):
    ...         from my_package import my_layer  # the layer to be judged
    ...         return lambda coefficients, x: my_layer(coefficients, x, spec.intervals, spec.domain)
    >>> MyAdapter.capabilities.degrees
    (3,)
    """

    compiler_options: Mapping[str, Any] = MappingProxyType(
        {
            "xla_backend_optimization_level": 0,
            "xla_cpu_use_fusion_emitters": False,
            "xla_cpu_parallel_codegen_split_count": 1,
        }
    )

    def __init__(self) -> None:
        self.jax: Any = needed(type(self).__name__, "jax", "jax")
        self.jax.config.update("jax_enable_x64", True)
        self.jnp: Any = import_module("jax.numpy")
        self._compiled: dict[tuple[Any, str], Any] = {}
        self._without_gradients: set[Any] = set()

    def function(self, spec: LayerSpec) -> Callable[..., Any]:
        """Return the layer as a function of coefficients and x (and knots)."""
        raise NotImplementedError("implement function(spec): f(coefficients, x) -> y")

    def tensor(self, array: Any, dtype: str) -> Any:
        """Return an array of JAX in a format."""
        # What jnp.asarray and astype do, without compiling a program for each shape.
        return self.jax.device_put(np.asarray(array, np.float64).astype(self.jnp.dtype(dtype)))

    def array(self, value: Any) -> Any:
        """Return an array of JAX as one of NumPy; lower formats are widened to float64."""
        found = np.asarray(value)
        return found.astype(np.float64) if str(value.dtype) in LOW else found

    @contextmanager
    def quick_compiler(self) -> Iterator[None]:
        """Compile what JAX runs by itself in here without optimisation, as `compiler_options` say."""
        option = "jax_disable_most_optimizations"
        before = self.jax.config.read(option)
        self.jax.config.update(option, before or bool(self.compiler_options))
        try:
            yield
        finally:
            self.jax.config.update(option, before)

    def built(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> JaxModel:
        """Build a model; layers draw random coefficients first, which takes long to compile for each shape."""
        with self.quick_compiler():
            model: JaxModel = super().built(spec)
        return model

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> JaxModel:
        """Compose the functions of the layers."""
        specs = as_specs(spec)
        functions, first = [self.function(one) for one in specs], specs[0]

        def composed(coefficients: Any, x: Any, *knots: Any, parts: Any = None) -> Any:
            for k, (layer, C) in enumerate(zip(functions, coefficients, strict=True)):
                x = layer(C, x, *knots, **({} if parts is None else parts[k]))
            return x

        coefficients = [self.tensor(one.coefficients, one.dtype) for one in specs]
        parts = {name: [self.tensor(one.part(name), one.dtype) for one in specs] for name in first.parts}
        knots = self.tensor(first.knots, first.dtype)
        return JaxModel(composed, coefficients, knots, first.order, first.dtype, parts=parts)

    def forward(self, model: JaxModel, x: Any) -> Any:
        """Return the outputs.

        Where gradients are declared, they are those of the program that has both, which saves a compilation.

        A layer with a rule of differentiation of its own may have other outputs there, one without derivatives none.
        """
        expression = self._expression(model, x.shape, self._arrays(model, x))
        declared = {"inputs", "coefficients"} & set(self.capabilities.derivatives)
        if declared and not expression.has_rules and expression.key not in self._without_gradients:
            try:
                return self.array(self._run("vjp", model, x, np.zeros(expression.results.shape))[0])
            except Exception:  # of the layer: cases of gradients will tell, values may be right
                self._without_gradients.add(expression.key)
        return self.array(self._run("forward", model, x))

    def vjp(self, model: JaxModel, x: Any, dy: Any) -> Mapping[str, Any]:
        """Return gradients by jax.vjp."""
        out: dict[str, Any] = {}
        for name, found in self._run("vjp", model, x, dy)[1].items():
            layers = [self.array(part) for part in found] if isinstance(found, list) else [self.array(found)]
            out[name] = layers if len(layers) > 1 else layers[0]
        if "knots" in out:
            out["knots"] = out["knots"][:, model.order : -model.order]
        return out

    def second(self, model: JaxModel, x: Any, dy: Any, direction: Any) -> Any:
        """Differentiate the sweep back along the direction, forward over reverse."""
        return self.array(self._run("second", model, x, dy, direction))

    def gauss_newton(self, model: JaxModel, x: Any) -> Any:
        """Return J^T J / N from one backward sweep for each sample and output."""
        shape = self.forward(model, x).shape
        rows = []
        for unit in np.eye(shape[0] * shape[1]):
            parts = self._run("vjp", model, x, unit.reshape(shape))[1]["coefficients"]
            rows.append(np.concatenate([self.array(part).ravel() for part in parts]))
        J = np.stack(rows)
        return J.T @ J / x.shape[0]

    def _arrays(self, model: JaxModel, x: Any) -> dict[str, Any]:
        """What a model is a function of, by name: x, coefficients, parts and (where they are an argument) the knots."""
        arrays = {"inputs": self.tensor(x, model.dtype), "coefficients": model.coefficients, **model.parts}
        if "knots" in self.capabilities.derivatives and len(model.coefficients) == 1:
            arrays["knots"] = model.knots
        return arrays

    def _run(self, name: str, model: JaxModel, x: Any, *vectors: Any) -> Any:
        """Run a program on the arrays of a model, on cotangents and directions.

        A layer is traced once for each shape of x; what is differentiated is the expression found by that, and layers
        whose expressions differ only in arrays that they hold share one compilation: compiling takes most of the time.
        Rules of differentiation of the layer's own may hold arrays too: such a derivative is an expression of its own.
        """
        arrays = self._arrays(model, x)
        arguments = (arrays, *(self.tensor(vector, model.dtype) for vector in vectors))
        expression, program = self._expression(model, x.shape, arrays), getattr(self, f"_{name}_program")
        if name != "forward" and expression.has_rules:
            if (x.shape, name) not in model.traced:
                of_model = self._values(model)
                model.traced[x.shape, name] = self._trace(lambda *at: program(of_model, *at), *arguments)
            expression = model.traced[x.shape, name]
            run = expression.evaluate
        else:
            values = expression.evaluate

            def run(held: Any, *at: Any) -> Any:
                return program(lambda arrays: values(held, arrays), *at)

        if (expression.key, name) not in self._compiled:
            self._compiled[expression.key, name] = self.jax.jit(run, compiler_options=self._options)
        return self._compiled[expression.key, name](expression.held, *arguments)

    def _forward_program(self, values: Callable[[Any], Any], at: Any) -> Any:
        return values(at)

    def _vjp_program(self, values: Callable[[Any], Any], at: Any, dy: Any) -> Any:
        y, pull_back = self.jax.vjp(values, at)
        return y, pull_back(dy)[0]

    def _second_program(self, values: Callable[[Any], Any], at: Any, dy: Any, direction: Any) -> Any:
        def gradient(x: Any) -> Any:
            return self.jax.vjp(lambda z: values(at | {"inputs": z}), x)[1](dy)[0]

        return self.jax.jvp(gradient, (at["inputs"],), (direction,))[1]

    def _values(self, model: JaxModel) -> Callable[[Any], Any]:
        """The outputs of a model as a function of its arrays."""

        def values(at: Mapping[str, Any]) -> Any:
            knots = (at["knots"],) if "knots" in at else ()
            names = [name for name in PARTS if name in at]
            parts = [{attribute(name): at[name][k] for name in names} for k in range(len(model.coefficients))]
            return model.function(at["coefficients"], at["inputs"], *knots, **({"parts": parts} if names else {}))

        return values

    def _expression(self, model: JaxModel, shape: tuple[int, ...], arrays: Any) -> Expression:
        """The outputs of a model as an expression."""
        if shape not in model.traced:
            model.traced[shape] = self._trace(self._values(model), arrays)
        return model.traced[shape]

    def _trace(self, function: Callable[..., Any], *arguments: Any) -> Expression:
        """The expression of a function: what it prints is its key, unless there is something that is not printed."""
        closed, shapes = self.jax.make_jaxpr(function, return_shape=True)(*arguments)
        leaves, tree = self.jax.tree.leaves, self.jax.tree.structure(shapes)
        text = str(closed.jaxpr)

        def evaluate(held: Any, *at: Any) -> Any:
            return self.jax.tree.unflatten(tree, self.jax.core.eval_jaxpr(closed.jaxpr, held, *leaves(at)))

        key = object() if _holds_arrays(closed.jaxpr) else text
        return Expression(key, closed.consts, RULES in text, evaluate, shapes)

    @lazy
    def _options(self) -> dict[str, Any]:
        """The compiler's options; of the default ones those that the installed version knows."""
        chosen = dict(self.compiler_options)
        if self.compiler_options is not JaxAdapter.compiler_options:
            return chosen
        return {name: value for name, value in chosen.items() if self._accepts({name: value})}

    def _accepts(self, options: dict[str, Any]) -> bool:
        try:
            self.jax.jit(lambda x: x, compiler_options=options)(0.0)
        except Exception:  # of the compiler, by version: unknown options raise different types
            return False
        return True


def _holds_arrays(jaxpr: Any) -> bool:
    """Whether an expression holds arrays within, by which others that print the same may differ from it."""
    for equation in jaxpr.eqns:
        values = [variable.val for variable in equation.invars if hasattr(variable, "val")]
        for value in equation.params.values():
            values += value if isinstance(value, list | tuple) else [value]
        for value in values:
            if getattr(value, "consts", None) or (hasattr(value, "__array__") and np.ndim(value)):
                return True
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns") and _holds_arrays(inner):
                return True
    return False
