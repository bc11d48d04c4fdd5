"""Primitives of JAX on arrays of exact numbers: a table with a line for each, and what moves numbers by positions.

Primitives that only move numbers (slices, gathers, broadcasts) are applied by JAX itself to the positions of the
numbers, so that their rules are JAX's own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refkan.base.extras import needed
from refkan.conformance.programs import arrays
from refkan.conformance.programs.fields.signs import RefusedError
from refkan.conformance.programs.fields.undefined import NAN

MOVES = (
    "broadcast_in_dim", "reshape", "transpose", "squeeze", "expand_dims", "slice", "dynamic_slice", "rev", "gather",
    "split", "copy", "copy_p",
)  # fmt: skip
"""Primitives whose results are entries of their first operand, at positions that do not depend on the entries."""


def moved(equation: Any, operands: Sequence[Any]) -> list[Any]:
    """Entries of the first operand, where JAX puts their positions; outside of it they are undefined."""
    first, *others = operands
    flat = np.asarray(first).reshape(-1)
    positions = np.arange(flat.size).reshape(np.shape(first))
    params = dict(equation.params)
    filling = params.get("fill_value")
    if filling is not None:
        params["fill_value"] = -1
    found = equation.primitive.bind(positions, *others, **params)
    results = found if equation.primitive.multiple_results else [found]
    return [_taken(flat, np.asarray(where), filling) for where in results]


def _taken(flat: Any, where: Any, filling: Any) -> Any:
    outside = (where < 0) | (where >= flat.size)
    if not outside.any():
        return flat[where]
    if flat.dtype != object:
        raise RefusedError("integers gathered from outside of an array")
    taken = flat[np.where(outside, 0, where)] if flat.size else np.zeros(where.shape, object)
    return np.where(outside, np.array(NAN if filling is None else filling, object), taken)


def scattered_updates(equation: Any, operands: Sequence[Any]) -> Any:
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
