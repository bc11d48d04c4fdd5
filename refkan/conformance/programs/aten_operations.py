"""What operations of PyTorch are on NumPy arrays in the place of tensors: a line of a table each.

The table has the operations of the core ATen set that layers use.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refkan.conformance.programs import arrays
from refkan.conformance.programs.arrays import along
from refkan.conformance.programs.fields.signs import RefusedError
from refkan.conformance.programs.fields.undefined import NAN


def _slice(a: Any, axis: int = 0, start: Any = None, end: Any = None, step: int = 1) -> tuple[slice, ...]:
    return (slice(None),) * (axis % a.ndim) + (slice(start, end, step),)


def _select(a: Any, axis: int, k: int) -> tuple[Any, ...]:
    return (slice(None),) * (axis % a.ndim) + (k,)


def _scattered(a: Any, index: tuple[Any, ...], values: Any) -> Any:
    return arrays.added_at(a, index, values, accumulate=False)


def _axes(a: Any, axis: Any) -> Any:
    """The axes of a reduction: a number, a list, or all for None and an empty list."""
    if axis is None or (isinstance(axis, list | tuple) and not axis):
        return tuple(range(a.ndim))
    return tuple(axis) if isinstance(axis, list | tuple) else (axis,)


def _expanded(a: Any, shape: Sequence[int]) -> Any:
    lead = len(shape) - a.ndim
    own = (1,) * lead + a.shape
    return np.broadcast_to(a.reshape(own), [own[k] if n < 0 else n for k, n in enumerate(shape)])


def _indexed(index: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(slice(None) if k is None else k for k in index)


def _divided(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    turned = {None: lambda q: q, "floor": arrays.floor, "trunc": arrays.truncated}[rounding_mode]
    if _is_integer(a) and _is_integer(b):
        if rounding_mode == "floor":
            return np.floor_divide(a, b)
        raise RefusedError("aten.div of integers")
    return turned(np.asarray(a / b, object))


def _is_integer(a: Any) -> bool:
    return np.asarray(a).dtype.kind in "iub"


def _remainder(a: Any, b: Any) -> Any:
    return np.mod(a, b) if _is_integer(a) and _is_integer(b) else arrays.remainder(a, b)


def _summed(a: Any, axis: Any = None, keepdim: bool = False) -> Any:
    return a.sum(axis=_axes(a, axis), keepdims=keepdim)


def _mean(a: Any, axis: Any = None, keepdim: bool = False) -> Any:
    total = _summed(a, axis, keepdim)
    return total / (a.size // np.asarray(total).size)


def _with_positions(larger: bool) -> Callable[..., Any]:
    def found(a: Any, axis: Any = None, keepdim: bool = False) -> Any:
        values = arrays.extreme(a, _axes(a, axis), keepdim, larger)
        if axis is None:
            return values
        order = arrays.order_of(a, axis, descending=larger).take([0], axis)
        return values, order if keepdim else np.squeeze(order, axis)

    return found


def _embedding(weight: Any, index: Any, *_: Any) -> Any:
    return weight[index]


def _sorted(a: Any, axis: int = -1, descending: bool = False) -> Any:
    order = arrays.order_of(a, axis % a.ndim, descending)
    return a[along(a.shape, axis % a.ndim, order)], order


def _padded(a: Any, widths: Sequence[int], value: Any = 0) -> Any:
    pairs = [(0, 0)] * (a.ndim - len(widths) // 2)
    pairs += [(widths[k], widths[k + 1]) for k in range(len(widths) - 2, -1, -2)]
    return np.pad(a, pairs, constant_values=value)


def _full(shape: Sequence[int], value: Any) -> Any:
    return np.full(tuple(shape), value, object)


def _finite(a: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Any:
    kept = np.where(arrays.is_nan(a).astype(bool), 0 if nan is None else nan, a)
    if arrays.is_infinite(kept).any():
        raise RefusedError("aten.nan_to_num of an infinite number")
    return kept


def _searched(ordered: Any, values: Any, right: bool = False, side: str | None = None, **_: Any) -> Any:
    return arrays.counted(ordered, values, right or side == "right")


def _squeezable(a: Any, axes: Any) -> tuple[int, ...]:
    """The axes of length one among those named."""
    return tuple(k for k in _axes(a, axes) if a.shape[k] == 1)


def _partial(a: Any, index: Any, axis: int) -> tuple[Any, ...]:
    """The index of gather and scatter, which may cover a part of the other axes."""
    return along(index.shape, axis % a.ndim, index)


def _gelu(a: Any, approximate: str = "none") -> Any:
    if approximate != "none":
        raise RefusedError("gelu by tanh")
    return arrays.gelu(a)


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    # other views of the same numbers
    "alias": lambda a: a,
    "clone": lambda a: a,
    "lift_fresh_copy": lambda a: a,
    "_to_copy": lambda a: a,
    "view": lambda a, shape: a.reshape(shape),
    "expand": _expanded,
    "permute": lambda a, axes: a.transpose(axes),
    "unsqueeze": np.expand_dims,
    "squeeze": lambda a, axes=None: np.squeeze(a, _squeezable(a, axes)),
    "select": lambda a, axis, k: a[_select(a, axis, k)],
    "slice": lambda a, *where, **more: a[_slice(a, *where, **more)],
    "select_scatter": lambda a, b, axis, k: _scattered(a, _select(a, axis, k), b),
    "slice_scatter": lambda a, b, *where, **more: _scattered(a, _slice(a, *where, **more), b),
    "diagonal": np.diagonal,
    "flip": np.flip,
    "repeat": np.tile,
    "cat": lambda parts, axis=0: np.concatenate(parts, axis),
    "split_with_sizes": lambda a, sizes, axis=0: np.split(a, np.cumsum(sizes)[:-1], axis),
    "constant_pad_nd": _padded,
    # entries by their positions
    "index": lambda a, index: a[_indexed(index)],
    "index_put": lambda a, index, values, accumulate=False: arrays.added_at(a, _indexed(index), values, accumulate),
    "index_select": lambda a, axis, index: a.take(index, axis),
    "gather": lambda a, axis, index: a[_partial(a, index, axis)],
    "scatter": lambda a, axis, index, values: arrays.added_at(a, _partial(a, index, axis), values, accumulate=False),
    "scatter_add": lambda a, axis, index, values: arrays.added_at(a, _partial(a, index, axis), values),
    "embedding": _embedding,
    "where": np.where,
    # new arrays
    "full": _full,
    "full_like": lambda a, value: _full(a.shape, value),
    "_efficientzerotensor": lambda shape: _full(shape, 0),
    "empty": lambda shape: _full(shape, NAN),
    "empty_permuted": lambda shape, order: _full(shape, NAN),
    "scalar_tensor": lambda value: _full((), value),
    "arange": lambda *ends: np.arange(*ends),
    # arithmetic
    "add": lambda a, b, alpha=1: a + (b if alpha == 1 else alpha * b),
    "sub": lambda a, b, alpha=1: a - (b if alpha == 1 else alpha * b),
    "mul": lambda a, b: a * b,
    "div": _divided,
    "neg": lambda a: -a,
    "abs": arrays.absolute,
    "sign": arrays.sign,
    "reciprocal": lambda a: 1 / a,
    "pow": lambda a, exponent: a**exponent,
    "fmod": lambda a, b: a - b * arrays.truncated(np.asarray(a / b, object)),
    "remainder": _remainder,
    "floor": arrays.floor,
    "ceil": arrays.ceil,
    "trunc": arrays.truncated,
    "round": arrays.rounded,
    "minimum": arrays.minimum,
    "maximum": arrays.maximum,
    "clamp": arrays.clamp,
    "relu": lambda a: arrays.clamp(a, 0),
    "nan_to_num": _finite,
    # functions
    "exp": arrays.exp,
    "sigmoid": arrays.sigmoid,
    "tanh": arrays.tanh,
    "erf": arrays.erf,
    "gelu": _gelu,
    # sums
    "sum": _summed,
    "mean": _mean,
    "prod": lambda a, axis=None, keepdim=False: a.prod(axis=axis, keepdims=keepdim),
    "cumsum": np.cumsum,
    "dot": np.dot,
    "mm": np.matmul,
    "bmm": np.matmul,
    "addmm": lambda c, a, b, beta=1, alpha=1: beta * c + alpha * (a @ b),
    "amax": lambda a, axis=(), keepdim=False: arrays.extreme(a, _axes(a, axis), keepdim, larger=True),
    "amin": lambda a, axis=(), keepdim=False: arrays.extreme(a, _axes(a, axis), keepdim, larger=False),
    "max": _with_positions(larger=True),
    "min": _with_positions(larger=False),
    "argmax": lambda a, axis, keepdim=False: _with_positions(larger=True)(a, axis, keepdim)[1],
    "argmin": lambda a, axis, keepdim=False: _with_positions(larger=False)(a, axis, keepdim)[1],
    # comparisons and what follows from them
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "isnan": lambda a: arrays.is_nan(a).astype(bool),
    "isinf": lambda a: arrays.is_infinite(a).astype(bool),
    "logical_and": lambda a, b: a.astype(bool) & b.astype(bool),
    "logical_or": lambda a, b: a.astype(bool) | b.astype(bool),
    "logical_not": lambda a: ~a.astype(bool),
    "bitwise_and": lambda a, b: a & b,
    "bitwise_or": lambda a, b: a | b,
    "bitwise_xor": lambda a, b: a ^ b,
    "bitwise_not": lambda a: ~a,
    "any": lambda a, axis=None, keepdim=False: np.any(a.astype(bool), axis=_axes(a, axis), keepdims=keepdim),
    "all": lambda a, axis=None, keepdim=False: np.all(a.astype(bool), axis=_axes(a, axis), keepdims=keepdim),
    "bucketize": lambda a, ordered, right=False, **_: arrays.counted(ordered, a, right),
    "searchsorted": _searched,
    "sort": _sorted,
}
"""What each operation of the core ATen set is on arrays; its name without the overload."""
