"""Programs of JAX: a jaxpr, each of whose primitives is a line of a table here.

Primitives that only move numbers (slices, gathers, broadcasts) are applied by JAX itself to the positions of the
numbers, so that their rules are JAX's own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refkan.base.extras import needed
from refkan.conformance.programs import arrays
from refkan.conformance.programs.fields.numbers import Field
from refkan.conformance.programs.fields.signs import RefusedError
from refkan.conformance.programs.fields.undefined import NAN


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

MOVES = (
    "broadcast_in_dim", "reshape", "transpose", "squeeze", "expand_dims", "slice", "dynamic_slice", "rev", "gather",
    "split", "copy", "copy_p",
)  # fmt: skip
"""Primitives whose results are entries of their first operand, at positions that do not depend on the entries."""


def _moved(equation: Any, operands: Sequence[Any]) -> list[Any]:
    """Entries of the first operand, where JAX puts their positions; outside of it they are undefined."""
    first, *others = operands
    flat = np.asarray(first).reshape(-1)
    positions = np.arange(flat.size).reshape(np.shape(first))
    params = dict(equation.params)
    filling = params.get("fill_value")
    if filling is not None:
        params["fill_value"] = -1
    moved = equation.primitive.bind(positions, *others, **params)
    results = moved if equation.primitive.multiple_results else [moved]
    return [_taken(flat, np.asarray(where), filling) for where in results]


def _taken(flat: Any, where: Any, filling: Any) -> Any:
    outside = (where < 0) | (where >= flat.size)
    if not outside.any():
        return flat[where]
    if flat.dtype != object:
        raise RefusedError("integers gathered from outside of an array")
    taken = flat[np.where(outside, 0, where)] if flat.size else np.zeros(where.shape, object)
    return np.where(outside, np.array(NAN if filling is None else filling, object), taken)


def _scattered(equation: Any, operands: Sequence[Any]) -> Any:
    """The operand with updates put in place or added.

    Where, is what JAX does: the gradient of a scattered sum, in each update, is the entry at its position. It is 0 for
    updates that are dropped.
    """
    operand, indices, updates = operands
    accumulate = equation.primitive.name in ("scatter-add", "scatter_add")
    out = np.array(operand, object).reshape(-1)
    jax, add = needed("prove", "jax", "jax"), needed("prove", "jax.lax", "jax").scatter_add_p
    params = {**equation.params, "unique_indices": False, "indices_are_sorted": False}
    zeros, numbered = np.zeros(np.shape(operand)), np.arange(1.0, out.size + 1)

    def scattered(values: Any) -> Any:
        return add.bind(zeros, indices, values, **_of_addition(params, add))

    (numbers,) = jax.vjp(scattered, np.zeros(np.shape(updates)))[1](numbered.reshape(zeros.shape))
    positions = np.asarray(numbers).reshape(-1).astype(int) - 1
    kept = positions[positions >= 0]
    if not accumulate and np.unique(kept).size < kept.size:
        raise RefusedError("several numbers put in one place, of which any may stay")
    for position, value in zip(positions, np.asarray(updates).reshape(-1), strict=True):
        if position >= 0:
            out[position] = out[position] + value if accumulate else value
    return out.reshape(np.shape(operand))


def _of_addition(params: dict[str, Any], add: Any) -> dict[str, Any]:
    jax = needed("prove", "jax", "jax")
    combination = jax.make_jaxpr(lambda a, b: a + b)(0.0, 0.0)
    return {**params, "update_jaxpr": combination.jaxpr, "update_consts": ()}


def _padded(a: Any, value: Any, padding_config: Any, **_: Any) -> Any:
    if any(low < 0 or high < 0 or inner for low, high, inner in padding_config):
        raise RefusedError("lax.pad that cuts or dilates")
    return np.pad(a, [(low, high) for low, high, _ in padding_config], constant_values=np.asarray(value).item())


def _dot(a: Any, b: Any, dimension_numbers: Any, **_: Any) -> Any:
    """Sums over contracted axes; batch axes come first, then the others of a, then those of b."""
    (over_a, over_b), (batch_a, batch_b) = dimension_numbers
    names = iter(range(a.ndim + b.ndim))
    in_a = {axis: next(names) for axis in range(a.ndim)}
    in_b = {axis: in_a[k] for axis, k in zip((*over_b, *batch_b), (*over_a, *batch_a), strict=True)}
    in_b |= {axis: next(names) for axis in range(b.ndim) if axis not in in_b}
    out = [in_a[k] for k in batch_a]
    out += [in_a[k] for k in range(a.ndim) if k not in (*over_a, *batch_a)]
    out += [in_b[k] for k in range(b.ndim) if k not in (*over_b, *batch_b)]
    return np.einsum(a, [in_a[k] for k in range(a.ndim)], b, [in_b[k] for k in range(b.ndim)], out)


def _selected(which: Any, *cases: Any, **_: Any) -> Any:
    if len(cases) == 2:
        return np.where(which.astype(bool), cases[1], cases[0])
    return np.choose(which, cases)


def _sorted(*operands: Any, dimension: int, num_keys: int, **_: Any) -> Any:
    order = arrays.order_of(operands[0], dimension)
    if num_keys != 1:
        raise RefusedError("lax.sort by several keys")
    return [operand[arrays.along(operand.shape, dimension, order)] for operand in operands]


def _position(larger: bool) -> Callable[..., Any]:
    return lambda a, axes, **_: np.take(arrays.order_of(a, axes[0], descending=larger), 0, axes[0])


def _quotient(a: Any, b: Any, **_: Any) -> Any:
    if a.dtype.kind in "iu" and np.asarray(b).dtype.kind in "iu":
        return np.asarray(np.trunc(a / b), np.int64)
    return a / b


def _remainder(a: Any, b: Any, **_: Any) -> Any:
    if a.dtype.kind in "iu":
        return np.fmod(a, b)
    return a - b * arrays.truncated(np.asarray(a / b, object))


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of arrays alone, whatever parameters the primitive has."""
    return lambda *operands, **_: function(*operands)


def _cumulated(a: Any, axis: int, reverse: bool) -> Any:
    return np.flip(np.cumsum(np.flip(a, axis), axis), axis) if reverse else np.cumsum(a, axis)


PRIMITIVES: Mapping[str, Callable[..., Any]] = {
    "add": lambda a, b, **_: a + b,
    "add_any": lambda a, b, **_: a + b,
    "sub": lambda a, b, **_: a - b,
    "mul": lambda a, b, **_: a * b,
    "div": _quotient,
    "rem": _remainder,
    "neg": lambda a, **_: -a,
    "abs": _plain(arrays.absolute),
    "sign": _plain(arrays.sign),
    "square": lambda a, **_: a * a,
    "integer_pow": lambda a, y, **_: a**y,
    "pow": lambda a, b, **_: np.asarray(a**b, object),
    "max": _plain(arrays.maximum),
    "min": _plain(arrays.minimum),
    "clamp": lambda low, a, high, **_: arrays.clamp(a, low, high),
    "floor": _plain(arrays.floor),
    "ceil": _plain(arrays.ceil),
    "round": lambda a, **_: arrays.rounded(a),
    "exp": lambda a, **_: arrays.exp(a),
    "tanh": lambda a, **_: arrays.tanh(a),
    "erf": lambda a, **_: arrays.erf(a),
    "logistic": lambda a, **_: arrays.sigmoid(a),
    "stop_gradient": lambda a, **_: a,
    "eq": _plain(np.equal),
    "ne": _plain(np.not_equal),
    "lt": _plain(np.less),
    "le": _plain(np.less_equal),
    "gt": _plain(np.greater),
    "ge": _plain(np.greater_equal),
    "lt_to": _plain(arrays.ordered(np.less)),
    "le_to": _plain(arrays.ordered(np.less_equal)),
    "and": lambda a, b, **_: a & b,
    "or": lambda a, b, **_: a | b,
    "xor": lambda a, b, **_: a ^ b,
    "not": lambda a, **_: ~a,
    "select_n": _selected,
    "convert_element_type": lambda a, **_: a,
    "iota": lambda shape, dimension, **_: np.broadcast_to(
        np.arange(shape[dimension]).reshape([-1 if k == dimension else 1 for k in range(len(shape))]), shape
    ),
    "stack": lambda *parts, axis, **_: np.stack(parts, axis),
    "unstack": lambda a, axis, **_: list(np.moveaxis(a, axis, 0)),
    "concatenate": lambda *parts, dimension, **_: np.concatenate(parts, dimension),
    "pad": _padded,
    "dot_general": _dot,
    "reduce_sum": lambda a, axes, **_: a.sum(axis=tuple(axes)),
    "reduce_prod": lambda a, axes, **_: a.prod(axis=tuple(axes)),
    "reduce_max": lambda a, axes, **_: arrays.extreme(a, axes, False, larger=True),
    "reduce_min": lambda a, axes, **_: arrays.extreme(a, axes, False, larger=False),
    "reduce_and": lambda a, axes, **_: a.all(axis=tuple(axes)),
    "reduce_or": lambda a, axes, **_: a.any(axis=tuple(axes)),
    "argmax": _position(larger=True),
    "argmin": _position(larger=False),
    "cumsum": _cumulated,
    "sort": _sorted,
    "is_finite": lambda a, **_: ~(arrays.is_nan(a).astype(bool) | arrays.is_infinite(a).astype(bool)),
}
"""What each primitive is on arrays."""

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
        return _moved(equation, operands)
    if name.startswith("scatter"):
        if name not in ("scatter", "scatter-add", "scatter_add"):
            raise RefusedError(f"the primitive {name}{_line_of(equation)}")
        return [_scattered(equation, operands)]
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
