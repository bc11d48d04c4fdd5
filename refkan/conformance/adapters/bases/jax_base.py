"""A base for layers in JAX: its transformations give all derivatives, so that an adapter only builds a function."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from refkan.base.extras import needed
from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.adapters.bases.jax_expressions import Expression, trace
from refkan.conformance.cases import LOW, LayerSpec, as_specs, attribute


@dataclass
class JaxModel:
    """A pure function of coefficients, x and parts, with the arrays that it is evaluated at.

    `parts` has the arrays of each layer's parts, by the names of attributes of a `LayerSpec`; the function takes it as
    it is, if there are any.

    Examples
    --------
    >>> from refkan.conformance.adapters.bases.jax_base import JaxModel
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
    parts: list[dict[str, Any]] = field(default_factory=list)
    traced: dict[Any, Any] = field(default_factory=dict)


class JaxAdapter(Adapter):
    """An adapter whose layers are functions f(coefficients (Q, P, dim), x (N, P)) -> y (N, Q); implement `function`.

    `function(spec)` returns f. If the capability is declared, f takes the knots as a third argument; if the spec has
    parts, f takes them by name: base, scale, node_scale, bias. The first adapter switches double precision on for the
    process; JAX arrays created before that are float32.

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
        self._compiled: dict[tuple[int, str], Any] = {}
        self._numbers: dict[Any, int] = {}
        self._without_gradients: set[int] = set()
        self._values_alone = False
        self._known_options: dict[str, Any] | None = None

    def function(self, spec: LayerSpec) -> Callable[..., Any]:
        """Return the layer as a function of coefficients and x (and knots)."""
        raise NotImplementedError("implement function(spec): f(coefficients, x) -> y")

    def tensor(self, array: Any, dtype: str) -> Any:
        """Return a JAX array in a format."""
        # What jnp.asarray and astype do, without compiling a program for each shape.
        return self.jax.device_put(np.asarray(array, np.float64).astype(self.jnp.dtype(dtype)))

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
        """Build a model; layers first draw random coefficients, which takes long to compile for each shape."""
        with self.quick_compiler():
            model: JaxModel = super().built(spec)
        return model

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> JaxModel:
        """Compose the functions of the layers."""
        specs = as_specs(spec)
        functions = [self.function(each) for each in specs]
        first = specs[0]

        def composed(coefficients: Any, x: Any, *knots: Any, parts: Any = None) -> Any:
            for k, (each, C) in enumerate(zip(functions, coefficients, strict=True)):
                x = each(C, x, *knots, **({} if parts is None else parts[k]))
            return x

        coefficients = [self.tensor(each.coefficients, each.dtype) for each in specs]
        knots = self.tensor(first.knots, first.dtype)
        parts = [{attribute(name): self.tensor(each.part(name), each.dtype) for name in each.parts} for each in specs]
        return JaxModel(composed, coefficients, knots, first.order, first.dtype, parts=parts)

    def array(self, value: Any) -> Any:
        """Return a JAX array as a NumPy array; lower formats are widened to float64."""
        array = np.asarray(value)
        return array.astype(np.float64) if str(value.dtype) in LOW else array

    @contextmanager
    def values_alone(self) -> Iterator[None]:
        """Return a context that compiles values without gradients."""
        before, self._values_alone = self._values_alone, True
        try:
            yield
        finally:
            self._values_alone = before

    def forward(self, model: JaxModel, x: Any) -> Any:
        """Return the outputs.

        Where gradients are asked for, too, they are those of the program that has both, which saves a compilation.

        A layer with a rule of differentiation of its own may have other outputs there, one without derivatives none.
        """
        expression, number = self._expression(model, self._arguments(model, x))
        declared = not self._values_alone and {"inputs", "coefficients"} & set(self.capabilities.derivatives)
        alone = (number, "forward") in self._compiled or expression.has_rules or number in self._without_gradients
        if not alone and (declared or (number, "vjp") in self._compiled):
            try:
                return self.array(self._run("vjp", model, x, np.zeros(expression.jaxpr.outvars[0].aval.shape))[0])
            except Exception:  # of the layer: cases of gradients will tell, values may be right
                self._without_gradients.add(number)
        return self.array(self._run("forward", model, x))

    def vjp(self, model: JaxModel, x: Any, dy: Any) -> Mapping[str, Any]:
        """Return gradients by jax.vjp."""
        _, gradients = self._run("vjp", model, x, dy)
        groups: dict[str, list[Any]] = {"inputs": [gradients["inputs"]], "coefficients": gradients["coefficients"]}
        for parts in gradients.get("parts", ()):
            for name, array in parts.items():
                groups.setdefault(name.replace("_", "-"), []).append(array)
        if "knots" in gradients:
            groups["knots"] = [gradients["knots"][:, model.order : gradients["knots"].shape[1] - model.order]]
        by_name = {name: [self.array(array) for array in group] for name, group in groups.items()}
        return {name: group if len(group) > 1 else group[0] for name, group in by_name.items()}

    def second(self, model: JaxModel, x: Any, dy: Any, direction: Any) -> Any:
        """Differentiate the backward sweep along the direction, forward over reverse."""
        return self.array(self._run("second", model, x, dy, direction))

    def _run(self, name: str, model: JaxModel, x: Any, *vectors: Any) -> Any:
        """Run a program on the arguments of a model at x, and on cotangents and directions.

        A layer is traced once for each shape of x; what is differentiated is the expression found by that, and layers
        whose expressions differ only in arrays that they hold share one compilation: compiling takes most of the time.
        """
        arguments = self._arguments(model, x)
        expression, number = self._expression(model, arguments)
        if name == "forward":
            number = self._numbers.setdefault(expression.values_key, len(self._numbers))
        if (number, name) not in self._compiled:
            self._compiled[number, name] = self.jax.jit(
                self._program(name, expression), compiler_options=self._options()
            )
        tensors = (self.tensor(vector, model.dtype) for vector in vectors)
        return self._compiled[number, name](expression.held, arguments, *tensors)

    def _arguments(self, model: JaxModel, x: Any) -> dict[str, Any]:
        """Coefficients and x, and what else gradients are asked in: parts, knots of a single layer."""
        arguments = {"coefficients": model.coefficients, "inputs": self.tensor(x, model.dtype)}
        if any(model.parts):
            arguments["parts"] = model.parts
        if "knots" in self.capabilities.derivatives and len(model.coefficients) == 1:
            arguments["knots"] = model.knots
        return arguments

    def _expression(self, model: JaxModel, arguments: dict[str, Any]) -> tuple[Expression, int]:
        """The values of a model as a function of its arguments, and the number of the expression."""
        shape = arguments["inputs"].shape
        if shape not in model.traced:

            def values(at: dict[str, Any]) -> Any:
                knots = (at["knots"],) if "knots" in at else ()
                return model.function(
                    at["coefficients"], at["inputs"], *knots, **{name: at[name] for name in ("parts",) if name in at}
                )

            expression = trace(self.jax.make_jaxpr, values, arguments)
            number = self._numbers.setdefault(expression.key, len(self._numbers))  # keys are slow to compare
            model.traced[shape] = (expression, number)
        traced: tuple[Expression, int] = model.traced[shape]
        return traced

    def _options(self) -> dict[str, Any]:
        """The compiler's options; of the default ones those that the installed version knows."""
        if self._known_options is None:
            chosen = dict(self.compiler_options)
            if self.compiler_options is JaxAdapter.compiler_options:
                chosen = {name: value for name, value in chosen.items() if self._accepts({name: value})}
            self._known_options = chosen
        return self._known_options

    def _accepts(self, options: dict[str, Any]) -> bool:
        try:
            self.jax.jit(lambda x: x, compiler_options=options)(0.0)
        except Exception:  # of the compiler, by version: unknown options raise different types
            return False
        return True

    def _program(self, name: str, expression: Expression) -> Callable[..., Any]:
        """Values, or derivatives of them, as a function of arrays alone."""

        def values(held: Any, at: Any) -> Any:
            return expression.evaluate(held, self.jax.tree.leaves(at))[0]

        def gradients(held: Any, at: Any, dy: Any) -> Any:
            y, pull_back = self.jax.vjp(lambda moved: values(held, moved), at)
            return y, pull_back(dy)[0]

        def second(held: Any, at: Any, dy: Any, direction: Any) -> Any:
            def gradient(x: Any) -> Any:
                return self.jax.vjp(lambda z: values(held, {**at, "inputs": z}), x)[1](dy)[0]

            return self.jax.jvp(gradient, (at["inputs"],), (direction,))[1]

        programs: dict[str, Callable[..., Any]] = {"forward": values, "vjp": gradients, "second": second}
        return programs[name]
