"""Expressions of JAX, compared by what they compute: equal ones can share a compilation, whatever arrays they hold."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

INLINED = ("jit", "pjit")
"""Primitives whose arrays are arguments of the whole expression: layers are often functions under `jax.jit`."""

CUSTOM = "custom_"
"""Begin of the names of primitives that carry rules of differentiation: Python functions, which cannot be compared."""


@dataclass(frozen=True)
class Expression:
    """A traced function.

    Attributes
    ----------
    key : hashable
        Equal for expressions that compute the same from their arguments and the arrays held, derivatives as well.
    values_key : hashable
        Equal for expressions that compute the same, whatever the rules of differentiation in them.
    held : tuple of arrays
        In the order in which `evaluate` takes them.
    has_rules : bool
        Whether a rule of differentiation is part of it: such an expression is equal to itself alone.
    jaxpr : Jaxpr
    """

    key: Any
    values_key: Any
    held: tuple[Any, ...]
    has_rules: bool
    jaxpr: Any

    def evaluate(self, held: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
        """Results for other arrays in the place of those held."""
        return _evaluate(self.jaxpr, iter(held), arguments)


def trace(make_jaxpr: Callable[..., Any], function: Callable[..., Any], *arguments: Any) -> Expression:
    """Return the expression that `jax.make_jaxpr` finds for a function at arguments of these shapes."""
    closed = make_jaxpr(function)(*arguments)
    reader = _Reader()
    key = reader.jaxpr(closed.jaxpr, closed.consts, held=True)
    values_key = _Reader(False).jaxpr(closed.jaxpr, closed.consts, held=True) if reader.has_rules else key
    return Expression(key, values_key, tuple(reader.held), reader.has_rules, closed.jaxpr)


def _evaluate(jaxpr: Any, held: Iterator[Any], arguments: Sequence[Any]) -> list[Any]:
    known: dict[Any, Any] = {variable: next(held) for variable in jaxpr.constvars}
    known |= dict(zip(jaxpr.invars, arguments, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if hasattr(variable, "val") else known[variable]

    for equation in jaxpr.eqns:
        at = [read(variable) for variable in equation.invars]
        outputs: Sequence[Any]
        if equation.primitive.name in INLINED:
            outputs = _evaluate(equation.params["jaxpr"].jaxpr, held, at)
        else:
            outputs = _applied(equation, at)
        known |= dict(zip(equation.outvars, outputs, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _applied(equation: Any, at: list[Any]) -> Sequence[Any]:
    """One primitive; some versions of JAX give the functions that it takes apart from its other parameters."""
    parameters = equation.primitive.get_bind_params(equation.params)
    functions, named = parameters if isinstance(parameters, tuple) else ((), parameters)
    context = getattr(equation, "ctx", None)
    with nullcontext() if context is None else context.manager:
        outputs = equation.primitive.bind(*functions, *at, **named)
    return outputs if equation.primitive.multiple_results else [outputs]


class _Reader:
    """Makes the key of an expression, and collects the arrays that are not part of it."""

    def __init__(self, with_rules: bool = True) -> None:
        self.with_rules = with_rules
        self.held: list[Any] = []
        self.has_rules = False

    def jaxpr(self, jaxpr: Any, constants: Sequence[Any], held: bool = False) -> Any:
        """Variables by number, primitives by name and parameters; arrays by content where they cannot be held apart."""
        if held:
            self.held += constants
        numbers: dict[Any, int] = {}

        def number(variable: Any) -> Any:
            if hasattr(variable, "val"):
                return (_content(variable.val), variable.aval)
            return numbers.setdefault(variable, len(numbers))

        known = [(number(variable), variable.aval) for variable in (*jaxpr.constvars, *jaxpr.invars)]
        equations = [
            (
                equation.primitive.name,
                tuple(number(variable) for variable in equation.invars),
                self._parameters(equation, held),
                tuple((number(variable), variable.aval) for variable in equation.outvars),
            )
            for equation in jaxpr.eqns
        ]
        contents = () if held else tuple(_content(constant) for constant in constants)
        return (tuple(known), contents, tuple(equations), tuple(number(variable) for variable in jaxpr.outvars))

    def _parameters(self, equation: Any, held: bool) -> Any:
        name, parameters = equation.primitive.name, equation.params
        if name in INLINED:
            return self.jaxpr(parameters["jaxpr"].jaxpr, parameters["jaxpr"].consts, held)
        if name.startswith(CUSTOM) and not self.with_rules and _is_closed(parameters.get("call_jaxpr")):
            return self._value(parameters["call_jaxpr"])
        if name.startswith(CUSTOM):  # rules of differentiation may hold arrays of their own
            self.has_rules = True
            return _Itself(equation)
        return tuple((key, self._value(value)) for key, value in sorted(parameters.items()))

    def _value(self, value: Any) -> Any:
        if _is_closed(value):
            return self.jaxpr(value.jaxpr, value.consts)
        if hasattr(value, "eqns"):
            return self.jaxpr(value, ())
        if isinstance(value, list | tuple):
            return (type(value), tuple(self._value(item) for item in value))
        if isinstance(value, dict):
            return (dict, tuple((key, self._value(item)) for key, item in value.items()))
        return _content(value)


def _is_closed(value: Any) -> bool:
    return hasattr(value, "jaxpr") and hasattr(value, "consts")


def _content(value: Any) -> Any:
    """Something that is equal for equal values: numbers and arrays by their bytes, other objects as they compare."""
    if value is None or isinstance(value, bool | int | str):
        return (type(value), value)
    if isinstance(value, float | complex | np.generic) or hasattr(value, "__array__"):
        try:
            array = np.asarray(value)
        except Exception:  # keys of random numbers and the like
            return _Itself(value)
        return (str(array.dtype), array.shape, array.tobytes())
    try:
        hash(value)
    except TypeError:
        return _Itself(value)
    return (type(value), value)


@dataclass(frozen=True, eq=False)
class _Itself:
    """An object that is equal to nothing but itself, as long as this is kept."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)
