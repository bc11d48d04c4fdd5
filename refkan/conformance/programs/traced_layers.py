"""A backend's layer as a program over exact numbers: traced by PyTorch or JAX, or run by NumPy as it is."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.adapters.bases.jax_base import JaxAdapter
from refkan.conformance.adapters.bases.torch_base import TorchAdapter
from refkan.conformance.cases import LayerSpec, attribute
from refkan.conformance.programs import arrays, jax_graphs, torch_graphs
from refkan.conformance.programs.fields.numbers import Exact, Field
from refkan.conformance.programs.fields.signs import RefusedError
from refkan.conformance.programs.symbols import Symbols, object_array, variable_name

Program = Callable[[str, Symbols], Any]
"""(quantity, symbols) -> array of numbers, in the layout of the papers."""


@lru_cache(maxsize=4)
def program_of(adapter: Adapter, spec: LayerSpec, count: int) -> Program:
    """Return the program of a layer for a number of samples.

    Raises
    ------
    RefusedError
        If it cannot be traced.
    """
    if isinstance(adapter, TorchAdapter):
        return _TorchProgram(adapter, spec, count)
    if isinstance(adapter, JaxAdapter):
        return _JaxProgram(adapter, spec, count)
    return _NumpyProgram(adapter, spec)


ENTRIES = {"input-gradients": 0, "coefficient-gradients": 1}
"""Where quantities stand in what the trace of gradients returns."""


def _inputs(spec: LayerSpec, count: int) -> tuple[Any, Any]:
    """Inputs (N, P) with which a program is traced, and others with which the trace is compared."""
    a, b = spec.domains.T
    fractions = np.arange(1, count * a.size + 1).reshape(count, -1) / (count * a.size + 2)
    return a + (b - a) * fractions, b - (b - a) * fractions**2


def _array_of(spec: LayerSpec, name: str) -> Any:
    """The papers' array of coefficients or of a part."""
    return spec.coefficients if name == "coefficients" else spec.part(name)


class _TorchProgram:
    """A traced module. Its tensors of coefficients and weights are replaced by linear forms in those of the papers."""

    def __init__(self, adapter: TorchAdapter, spec: LayerSpec, count: int) -> None:
        self.adapter, self.spec, self.torch = adapter, spec, adapter.torch
        self.model = adapter.built(spec)
        self.examples, self.others = (self._tensors_at(x) for x in _inputs(spec, count))
        self.weights = self._tensors(self.model)
        for name, tensor in self.weights.items():
            tensor.requires_grad_()
            self._check_linear_form(name, tensor)
        self.graphs: dict[str, Any] = {}

    def _tensors_at(self, x: Any) -> list[Any]:
        """Inputs with cotangents and directions."""
        dy, direction = np.ones((len(x), self.spec.n_outputs)), np.ones(x.shape)
        return [self.adapter.tensor(each) for each in (x, dy, direction)]

    def _tensors(self, model: Any) -> dict[str, Any]:
        """The tensors of coefficients and of the parts that the layer has, by the names of capabilities."""
        try:
            found = {"coefficients": self.adapter.coefficients(model)}
            if self.spec.parts:
                found |= self.adapter.parts(model)
        except NotImplementedError as error:
            raise RefusedError(
                "the adapter does not return the tensors in which the layer's numbers stand: implement "
                "coefficients(model), and parts(model) where the layer has parts"
            ) from error
        missing = {*self.spec.parts} - set(found)
        if missing:
            raise RefusedError(f"parts(model) returns no tensor for {', '.join(sorted(missing))}")
        return {name: each[0] if isinstance(each, list | tuple) else each for name, each in found.items()}

    def _check_linear_form(self, name: str, tensor: Any) -> None:
        """Build the layer with other numbers: its tensor must be what the linear form says, up to rounding.

        A wrong form would be taken for an error of the layer.
        """
        given = _array_of(self.spec, name)
        other = 1 + given + np.arange(given.size).reshape(given.shape) % 7 / 8
        rebuilt = self._tensors(self.adapter.built(replace(self.spec, **{attribute(name): other})))[name]
        found = np.asarray(self.adapter.array(rebuilt), float)
        field = Field({}, [])
        form = self._linear_form(field, name, tensor, arrays.lifted(field, other))
        expected = np.array([float(each.at({})) for each in form.reshape(-1)]).reshape(form.shape)
        off = abs(found - expected).max(initial=0.0)
        if not off <= jax_graphs.ROUNDING * abs(expected).max(initial=0.0):
            turning = "to_papers" if name == "coefficients" else "part_to_papers"
            raise RefusedError(
                f"the tensor of {name} does not depend on the layer's numbers as {turning} says: built with others, it "
                f"is off by {off:.2g}"
            )

    def _function(self, quantity: str) -> Callable[..., Any]:
        autograd = self.torch.autograd.grad

        def values(x: Any, dy: Any, direction: Any) -> Any:
            return self.adapter.call(self.model, x)

        def gradients(x: Any, dy: Any, direction: Any) -> Any:
            leaf = x.detach().requires_grad_()
            y = self.adapter.call(self.model, leaf)
            return autograd(y, [leaf, *self.weights.values()], dy, allow_unused=True)

        def second(x: Any, dy: Any, direction: Any) -> Any:
            leaf = x.detach().requires_grad_()
            dx = autograd(self.adapter.call(self.model, leaf), leaf, dy, create_graph=True, allow_unused=True)[0]
            if dx is None or not dx.requires_grad:
                return None
            return autograd(dx, leaf, direction, allow_unused=True)[0]

        def jvp(x: Any, dy: Any, direction: Any) -> Any:
            return self.torch.func.jvp(lambda z: self.adapter.call(self.model, z), (x,), (direction,))[1]

        return {"values": values, "jvp": jvp, "second-derivatives": second, "gradients": gradients}[quantity]

    @property
    def held(self) -> tuple[str, ...]:
        """The tensors that stand for coefficients and weights, in their order."""
        return tuple(self.weights)

    def trace_name(self, quantity: str) -> str:
        """Return which trace has a quantity."""
        return "gradients" if quantity in ENTRIES else quantity

    def linear_forms(self) -> dict[str, Any]:
        """Each tensor as an array of forms in the variables w0, w1, ... of the papers' array, flattened."""
        forms = {}
        for name, tensor in self.weights.items():
            given = _array_of(self.spec, name)
            field = Field({}, [f"w{k}" for k in range(given.size)])
            variables = object_array(list(field.variables.values()), given.shape)
            forms[name] = self._linear_form(field, name, tensor, variables)
        return forms

    def graph_of(self, name: str) -> Any:
        """Return a traced graph."""
        if name not in self.graphs:
            self.graphs[name] = torch_graphs.traced(self._function(name), self.examples, self.others)
        return self.graphs[name]

    def __call__(self, quantity: str, symbols: Symbols) -> Any:
        entry = ENTRIES.get(quantity)
        graph = self.graph_of(self.trace_name(quantity))
        stands = {"coefficients": symbols.coefficients, **symbols.weights}
        held = {
            id(tensor): self._linear_form(symbols.field, name, tensor, stands[name])
            for name, tensor in self.weights.items()
        }
        inputs = (symbols.x, symbols.dy, symbols.direction)
        result = torch_graphs.run(graph, symbols.field, inputs, held)
        if entry is not None:
            result = result[entry]
        if result is None:  # the outputs do not depend on it
            shapes = {"coefficient-gradients": symbols.coefficients, "jvp": symbols.dy}
            like = shapes.get(quantity, symbols.x)
            return arrays.lifted(symbols.field, np.zeros(like.shape))
        return self.adapter.to_papers(result) if quantity == "coefficient-gradients" else result

    def _linear_form(self, field: Field, name: str, tensor: Any, wanted: Any) -> Any:
        """The tensor as a function of the papers' array: T = T_0 + L (W - W_0).

        An adapter turns gradients in T into gradients in W, dW = L^T dT; with variables in the place of dT this gives
        L. T_0 is what `build` makes of the spec's numbers W_0.
        """
        adapter, shape = self.adapter, tuple(tensor.shape)
        probe = Field({}, [variable_name("g", index) for index in np.ndindex(shape)])
        dT = object_array([probe.variables[variable_name("g", index)] for index in np.ndindex(shape)], shape)
        turned = adapter.to_papers(dT) if name == "coefficients" else adapter.part_to_papers(name, dT)
        if np.shape(turned) != wanted.shape:
            raise RefusedError(f"to_papers returned shape {np.shape(turned)} for {name}")
        given = _array_of(self.spec, name)
        T = arrays.lifted(field, adapter.array(tensor)).reshape(-1)
        for index, form in np.ndenumerate(turned):
            moved = wanted[index] - float(given[index])
            for exponents, factor in form.p.terms():
                if sum(exponents) != 1:
                    raise RefusedError(f"to_papers is not linear for {name}")
                k = exponents.index(1)
                T[k] = T[k] + Exact(field, moved.p * factor)
        return T.reshape(shape)


class _JaxProgram:
    """A function that JAX traces; coefficients and weights are its arguments."""

    def __init__(self, adapter: JaxAdapter, spec: LayerSpec, count: int) -> None:
        self.adapter, self.spec, self.count = adapter, spec, count
        self.model = adapter.built(spec)
        self.programs: dict[str, Any] = {}

    def _function(self, quantity: str) -> Callable[..., Any]:
        jax, model = self.adapter.jax, self.model
        knots = (model.knots,) if "knots" in self.adapter.capabilities.derivatives else ()

        def values(x: Any, C: Any, parts: Any) -> Any:
            more = {"parts": [parts]} if parts else {}
            return model.function([C], x, *knots, **more)

        def input_gradient(x: Any, dy: Any, C: Any, parts: Any) -> Any:
            return jax.vjp(lambda z: values(z, C, parts), x)[1](dy)[0]

        def coefficient_gradient(x: Any, dy: Any, C: Any, parts: Any) -> Any:
            return jax.vjp(lambda W: values(x, W, parts), C)[1](dy)[0]

        functions = {
            "values": lambda x, dy, direction, C, parts: values(x, C, parts),
            "input-gradients": lambda x, dy, direction, C, parts: input_gradient(x, dy, C, parts),
            "coefficient-gradients": lambda x, dy, direction, C, parts: coefficient_gradient(x, dy, C, parts),
            "jvp": lambda x, dy, direction, C, parts: jax.jvp(lambda z: values(z, C, parts), (x,), (direction,))[1],
            "second-derivatives": lambda x, dy, direction, C, parts: jax.jvp(
                lambda z: input_gradient(z, dy, C, parts), (x,), (direction,)
            )[1],
        }
        return functions[quantity]

    def _arrays_at(self, x: Any) -> list[Any]:
        """Inputs with cotangents and directions."""
        dy, direction = np.ones((len(x), self.spec.n_outputs)), np.ones(x.shape)
        return [self.adapter.tensor(each, self.spec.dtype) for each in (x, dy, direction)]

    @property
    def held(self) -> tuple[str, ...]:
        """The arguments that stand for coefficients and weights, in their order."""
        return ("coefficients", *(part for _, part in self._sorted_parts()))

    def _sorted_parts(self) -> list[tuple[str, str]]:
        """Attributes and names of parts; JAX sorts the keys of a mapping."""
        return sorted((attribute(part), part) for part in self.spec.parts)

    def trace_name(self, quantity: str) -> str:
        """Return which trace has a quantity."""
        return quantity

    def linear_forms(self) -> dict[str, Any]:
        """The arguments are the papers' arrays."""
        return dict.fromkeys(self.held)

    def graph_of(self, quantity: str) -> Any:
        """Return a traced jaxpr."""
        if quantity not in self.programs:
            parts = dict(self.model.parts[0]) if self.model.parts else {}
            examples, others = (
                [*self._arrays_at(x), self.model.coefficients[0], parts] for x in _inputs(self.spec, self.count)
            )
            with self.adapter.quick_compiler():
                self.programs[quantity] = jax_graphs.traced(self._function(quantity), examples, others)
        return self.programs[quantity]

    def __call__(self, quantity: str, symbols: Symbols) -> Any:
        weights = [symbols.weights[part] for _, part in self._sorted_parts()]
        inputs = [symbols.x, symbols.dy, symbols.direction, symbols.coefficients, *weights]
        (result,) = jax_graphs.run(self.graph_of(quantity), symbols.field, inputs)
        return result


class _NumpyProgram:
    """A layer of NumPy, called with object arrays; what leaves them, such as a cast or compiled code, is refused."""

    def __init__(self, adapter: Adapter, spec: LayerSpec) -> None:
        self.adapter, self.spec = adapter, spec

    def __call__(self, quantity: str, symbols: Symbols) -> Any:
        if quantity in ("second-derivatives", "jvp"):
            raise RefusedError(f"{quantity} of code that is not traced")
        spec = replace(self.spec)
        for name, array in {"coefficients": symbols.coefficients, **symbols.weights}.items():
            object.__setattr__(spec, name, array)
        try:
            model = self.adapter.built(spec)
            if quantity == "values":
                result = self.adapter.forward(model, symbols.x)
            else:
                entry = "inputs" if quantity == "input-gradients" else "coefficients"
                result = self.adapter.vjp(model, symbols.x, symbols.dy)[entry]
        except RefusedError:
            raise
        except Exception as error:
            raise RefusedError(f"object arrays are not accepted: {type(error).__name__}: {error}") from error
        array = np.asarray(result)
        if array.dtype != object:
            raise RefusedError(f"the result has dtype {array.dtype}: the program leaves object arrays")
        return arrays.lifted(symbols.field, array)
