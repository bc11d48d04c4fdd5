"""A base for layers in JAX: its transformations give all derivatives, so that an adapter only builds a function."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from refkan.base.extras import needed
from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.adapters.bases.jax_expressions import Expression, trace
from refkan.conformance.cases.specs import PARTS, LayerSpec, as_specs, attribute
from refkan.conformance.cases.truths.precision import LOW


@dataclass
class JaxModel:
    """A pure function of coefficients, x and parts, with the arrays that it is evaluated at.

    `parts` has name and array of each part of each layer, in the order of `PARTS` and then of layers; the function
    takes them as a list of arrays by name, one a layer, if there are any.

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
    parts: list[tuple[str, Any]] = field(default_factory=list)
    traced: dict[Any, Any] = field(default_factory=dict)


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
        self._compiled: dict[tuple[int, str], Any] = {}
        self._numbers: dict[Any, int] = {}
        self._without_gradients: set[int] = set()
        self._known_options: dict[str, Any] | None = None

    def function(self, spec: LayerSpec) -> Callable[..., Any]:
        """Return the layer as a function of coefficients and x (and knots)."""
        raise NotImplementedError("implement function(spec): f(coefficients, x) -> y")

    def tensor(self, array: Any, dtype: str) -> Any:
        """Return an array of JAX in a format."""
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
        """Build a model; layers draw random coefficients first, which takes long to compile for each shape."""
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
        return JaxModel(composed, coefficients, knots, first.order, first.dtype, parts=self.parts_of(specs))

    def parts_of(self, specs: Sequence[LayerSpec]) -> list[tuple[str, Any]]:
        """Return name and array of each part of each layer."""
        return [
            (name, self.tensor(spec.part(name), spec.dtype)) for name in PARTS for spec in specs if name in spec.parts
        ]  # fmt: skip

    def array(self, value: Any) -> Any:
        """Return an array of JAX as one of NumPy; lower formats are widened to float64."""
        array = np.asarray(value)
        return array.astype(np.float64) if str(value.dtype) in LOW else array

    def forward(self, model: JaxModel, x: Any) -> Any:
        """Return the outputs.

        Where gradients are declared, they are those of the program that has both, which saves a compilation.

        A layer with a rule of differentiation of its own may have other outputs there, one without derivatives none.
        """
        expression, number = self._expression(model, self._leaves(model, x), x.shape)
        declared = {"inputs", "coefficients"} & set(self.capabilities.derivatives)
        if declared and not expression.has_rules and number not in self._without_gradients:
            try:
                return self.array(self._run("vjp", model, x, np.zeros(expression.jaxpr.outvars[0].aval.shape))[0])
            except Exception:  # of the layer: cases of gradients will tell, values may be right
                self._without_gradients.add(number)
        return self.array(self._run("forward", model, x)[0])

    def vjp(self, model: JaxModel, x: Any, dy: Any) -> Mapping[str, Any]:
        """Return gradients by jax.vjp."""
        _, *arrays = (self.array(part) for part in self._run("vjp", model, x, dy))
        groups: dict[str, list[Any]] = {}
        names = ["coefficients"] * len(model.coefficients) + [name for name, _ in model.parts] + ["inputs"]
        names += ["knots"] * self._takes_knots(model)
        for name, array in zip(names, arrays, strict=True):
            inner = array[:, model.order : array.shape[1] - model.order] if name == "knots" else array
            groups.setdefault(name, []).append(inner)
        return {name: parts if len(parts) > 1 else parts[0] for name, parts in groups.items()}

    def second(self, model: JaxModel, x: Any, dy: Any, direction: Any) -> Any:
        """Differentiate the sweep back along the direction, forward over reverse."""
        return self.array(self._run("second", model, x, dy, direction)[0])

    def _run(self, name: str, model: JaxModel, x: Any, *vectors: Any) -> Any:
        """Run a program on the coefficients, x and (where they are an argument) the knots; on cotangents, directions.

        A layer is traced once for each shape of x; what is differentiated is the expression found by that, and layers
        whose expressions differ only in arrays that they hold share one compilation: compiling takes most of the time.
        Rules of differentiation of the layer's own may hold arrays too: such a derivative is an expression of its own.
        """
        leaves = self._leaves(model, x)
        arguments = (leaves, *(self.tensor(vector, model.dtype) for vector in vectors))
        expression, number = self._expression(model, leaves, x.shape)
        program = self._program(name, expression, len(model.coefficients) + len(model.parts))
        if name != "forward" and expression.has_rules:
            if (x.shape, name) not in model.traced:
                asked, held = program, expression.held
                traced_expression = trace(self.jax.make_jaxpr, lambda *at: asked(held, *at), *arguments)
                model.traced[x.shape, name] = (traced_expression, self._number(traced_expression))
            expression, number = model.traced[x.shape, name]
            program = self._program("derivative", expression, 0)
        if (number, name) not in self._compiled:
            self._compiled[number, name] = self.jax.jit(program, compiler_options=self._options())
        return self._compiled[number, name](expression.held, *arguments)

    def _leaves(self, model: JaxModel, x: Any) -> tuple[Any, ...]:
        """Coefficients, parts, x and (where they are an argument) the knots."""
        extra = (model.knots,) if self._takes_knots(model) else ()
        return (*model.coefficients, *(array for _, array in model.parts), self.tensor(x, model.dtype), *extra)

    def _takes_knots(self, model: JaxModel) -> bool:
        return "knots" in self.capabilities.derivatives and len(model.coefficients) == 1

    def _number(self, expression: Expression) -> int:
        """Equal for expressions of equal key, which are slow to compare."""
        return self._numbers.setdefault(expression.key, len(self._numbers))

    def _expression(self, model: JaxModel, leaves: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Expression, int]:
        """The values of a model as a function of its leaves, and the number of the expression."""
        if shape not in model.traced:
            count, names = len(model.coefficients), [name for name, _ in model.parts]

            def values(*flat: Any) -> Any:
                coefficients, rest = list(flat[:count]), flat[count + len(names) :]
                if not names:
                    return model.function(coefficients, *rest)
                by_layer: list[dict[str, Any]] = [{} for _ in coefficients]
                for k, name in enumerate(names):
                    place = k - names.index(name)  # every layer has the part
                    by_layer[place][attribute(name)] = flat[count + k]
                return model.function(coefficients, *rest, parts=by_layer)

            expression = trace(self.jax.make_jaxpr, values, *leaves)
            model.traced[shape] = (expression, self._number(expression))
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

    def _program(self, name: str, expression: Expression, count: int) -> Callable[..., Any]:
        """Values, or derivatives of them, as a function of arrays alone; x is the leaf with the number `count`."""

        def values(held: Any, leaves: Any) -> Any:
            return expression.evaluate(held, leaves)

        def gradients(held: Any, leaves: Any, dy: Any) -> Any:
            y, pull_back = self.jax.vjp(lambda *at: values(held, at)[0], *leaves)
            return (y, *pull_back(dy))

        def second(held: Any, leaves: Any, dy: Any, direction: Any) -> Any:
            def gradient(x: Any) -> Any:
                return self.jax.vjp(lambda z: values(held, (*leaves[:count], z, *leaves[count + 1 :]))[0], x)[1](dy)

            return self.jax.jvp(gradient, (leaves[count],), (direction,))[1]

        def derivative(held: Any, leaves: Any, *vectors: Any) -> Any:
            return expression.evaluate(held, (*leaves, *vectors))

        programs: dict[str, Callable[..., Any]]
        programs = {"forward": values, "vjp": gradients, "second": second, "derivative": derivative}
        return programs[name]
