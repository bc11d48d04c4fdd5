"""Programs of JAX: a jaxpr, each of whose primitives is a line of a table, with its loops, branches and calls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refkan.base.extras import needed
from refkan.conformance.programs import arrays
from refkan.conformance.programs.fields.numbers import Field
from refkan.conformance.programs.fields.signs import RefusedError
from refkan.conformance.programs.jax_primitives import MOVES, PRIMITIVES, moved, scattered_updates


def traced(function: Callable[..., Any], examples: Sequence[Any], others: Sequence[Any] = ()) -> Any:
    """Return the closed jaxpr of a function of arrays.

    Parameters
    ----------
    function : callable
    examples : sequence of arrays
        The arguments with which it is traced; arrays may stand in mappings.
    others : sequence of arrays
        Other arguments of the same shapes, for which the jaxpr must return what the function does, up to rounding.

    Raises
    ------
    RefusedError
        If it cannot be traced, or the jaxpr returns something else.
    """
    jax = needed("prove", "jax", "jax")
    try:
        program = jax.make_jaxpr(function)(*examples)
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RefusedError(f"JAX cannot trace the layer: {first}") from error
    if others:
        evaluate = needed("prove", "jax.extend.core", "jax").jaxpr_as_fun(program)
        (result,) = evaluate(*jax.tree.leaves(others))
        expected = np.asarray(function(*others))
        size = abs(np.nan_to_num(expected, posinf=0.0, neginf=0.0)).max(initial=0.0)
        if not np.allclose(result, expected, rtol=0.0, atol=ROUNDING * size, equal_nan=True):
            raise RefusedError("the trace returns other numbers than the layer at inputs other than those traced")
    return program


ROUNDING = 1e-12
"""How far a jaxpr may be from the function, of which XLA may fuse other operations, relative to the largest result."""

CALLS = {
    "pjit": "jaxpr",
    "jit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}
"""Primitives that call another program, and the parameter that holds it."""


def run(program: Any, field: Field, inputs: Sequence[Any]) -> list[Any]:
    """Run a closed jaxpr on arrays of numbers of a field; return its results.

    Raises
    ------
    RefusedError
        On a primitive that the table lacks, or whose result depends on which input of the region it is.
    """
    jaxpr = getattr(program, "jaxpr", program)
    values: dict[Any, Any] = {}
    for variable, constant in zip(jaxpr.constvars, getattr(program, "consts", ()), strict=True):
        values[variable] = _typed(field, np.asarray(constant), variable.aval.dtype)
    values |= dict(zip(jaxpr.invars, inputs, strict=True))

    def value_of(atom: Any) -> Any:
        if hasattr(atom, "val"):
            return _typed(field, np.asarray(atom.val), atom.aval.dtype)
        return values[atom]

    for equation in jaxpr.eqns:
        operands = [value_of(atom) for atom in equation.invars]
        try:
            results = _results(field, equation, operands)
            for variable, result in zip(equation.outvars, results, strict=True):
                values[variable] = _checked(field, result, variable.aval, equation)
        except RefusedError:
            raise
        except Exception as error:
            where = f"{equation.primitive.name}{_line_of(equation)}"
            raise RefusedError(f"{type(error).__name__}: {error} ({where})") from error
    return [value_of(atom) for atom in jaxpr.outvars]


def _results(field: Field, equation: Any, operands: list[Any]) -> Sequence[Any]:
    name, params = equation.primitive.name, equation.params
    if name in CALLS:
        return run(params[CALLS[name]], field, operands)
    if name in CONTROL:
        return CONTROL[name](field, params, operands)
    if name in MOVES:
        return moved(equation, operands)
    if name.startswith("scatter"):
        if name not in ("scatter", "scatter-add", "scatter_add"):
            raise RefusedError(f"the primitive {name}{_line_of(equation)}")
        return [scattered_updates(equation, operands)]
    operation = PRIMITIVES.get(name)
    if operation is None:
        raise RefusedError(f"the primitive {name}{_line_of(equation)}")
    try:
        result = operation(*operands, **params)
    except RefusedError as error:
        raise error.within(f"{name}{_line_of(equation)}") from error
    return result if equation.primitive.multiple_results else [result]


def _scan(field: Field, params: Mapping[str, Any], operands: list[Any]) -> list[Any]:
    """A loop over the leading axes of its inputs."""
    n_constants, n_carried = params["num_consts"], params["num_carry"]
    constants, carried = operands[:n_constants], operands[n_constants : n_constants + n_carried]
    streams = operands[n_constants + n_carried :]
    steps = range(params["length"])
    collected: list[list[Any]] = []
    for k in reversed(steps) if params["reverse"] else steps:
        results = run(params["jaxpr"], field, [*constants, *carried, *(stream[k] for stream in streams)])
        carried = results[:n_carried]
        collected.append(results[n_carried:])
    if params["reverse"]:
        collected.reverse()
    return [*carried, *(np.stack(rows) for rows in zip(*collected, strict=True))]


def _while(field: Field, params: Mapping[str, Any], operands: list[Any]) -> list[Any]:
    """A loop whose condition is decided."""
    n_condition, n_body = params["cond_nconsts"], params["body_nconsts"]
    for_condition, for_body = operands[:n_condition], operands[n_condition : n_condition + n_body]
    state = operands[n_condition + n_body :]
    while bool(run(params["cond_jaxpr"], field, [*for_condition, *state])[0]):
        state = run(params["body_jaxpr"], field, [*for_body, *state])
    return state


def _cond(field: Field, params: Mapping[str, Any], operands: list[Any]) -> list[Any]:
    """One of several branches, the first or last for numbers beyond."""
    branches = params["branches"]
    number = min(max(int(operands[0]), 0), len(branches) - 1)
    return run(branches[number], field, operands[1:])


SEVERAL_ROUNDINGS = (
    "reduce_sum", "reduce_prod", "cumsum", "dot_general", "integer_pow", "pow", "rem", "scatter-add", "scatter_add",
)  # fmt: skip
"""Primitives that round more than once in a lower format, in an order that is not theirs to say."""

CONTROL = {"scan": _scan, "while": _while, "cond": _cond}


def _typed(field: Field, array: Any, dtype: Any) -> Any:
    """An array as numbers of the field, integers or truth values, by the type that it has in JAX."""
    kind = np.dtype(dtype).kind if np.dtype(dtype).kind in "biufc" else "f"  # bfloat16 is of kind V
    if kind == "c":
        raise RefusedError("complex numbers")
    if kind == "f":
        array = array if array.dtype == object else array.astype(np.float64)
        return arrays.lifted(field, array)
    if kind == "b":
        return array.astype(bool)
    return arrays.as_integers(array, np.iinfo(dtype).min, np.iinfo(dtype).max)


def _checked(field: Field, result: Any, aval: Any, equation: Any) -> Any:
    name = equation.primitive.name
    array = np.asarray(result)
    if array.shape != tuple(aval.shape):
        raise RefusedError(f"a result of shape {array.shape} in place of {tuple(aval.shape)} ({name})")
    array = _typed(field, array, aval.dtype)
    if array.dtype == object and np.dtype(aval.dtype) != np.float64:
        if name in SEVERAL_ROUNDINGS:
            raise RefusedError(f"several roundings to a format below float64 ({name})")
        return arrays.elementwise(lambda v: _rounded(field, v, aval.dtype))(array)
    return array


def _rounded(field: Field, v: Any, dtype: Any) -> Any:
    """Round a constant to a lower format; inputs that are rounded are refused."""
    if not hasattr(v, "p"):
        return v
    if not v.p.is_constant():
        raise RefusedError(f"inputs or coefficients are rounded to {np.dtype(dtype).name}")
    return field.number(float(np.asarray(float(v.at({}))).astype(dtype)))


def _line_of(equation: Any) -> str:
    """The line of the author's code that made an equation."""
    summary = str(getattr(equation.source_info, "traceback", None) or "")
    lines = [line for line in summary.splitlines() if line.strip() and "conformance/programs" not in line]
    return f", {lines[-1].strip()}" if lines else ""
