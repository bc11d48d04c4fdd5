"""Operations of programs on object arrays, shared by the tables of the frameworks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refkan.conformance.programs.fields import transcendental
from refkan.conformance.programs.fields.numbers import Exact, Field
from refkan.conformance.programs.fields.signs import RefusedError
from refkan.conformance.programs.fields.undefined import NAN, Undefined

Array = Any
"""A NumPy array: of objects for floats, of bool or int64 otherwise."""


def elementwise(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    """Return the function of arrays that applies a function of numbers to each entry."""
    over = np.frompyfunc(function, 1, 1)

    def applied(a: Array) -> Array:
        with np.errstate(invalid="ignore"):  # comparisons of nan set the processor's flag
            return np.asarray(over(a), object)

    return applied


def lifted(field: Field, array: Any) -> Array:
    """Return an array of floats as numbers of the field, each with its exact value."""
    return elementwise(field.number)(np.asarray(array, object))


def integers(a: Array) -> Array:
    """Cut entries towards zero, as a conversion to integers does."""
    return np.asarray(elementwise(lambda v: v.truncated() if isinstance(v, Exact) else int(v))(a), np.int64)


exp = elementwise(transcendental.exp)
tanh = elementwise(transcendental.tanh)
sigmoid = elementwise(transcendental.sigmoid)
silu = elementwise(transcendental.silu)
erf = elementwise(transcendental.erf)
gelu = elementwise(transcendental.gelu)
absolute = elementwise(abs)


def _is_undefined(kinds: tuple[str, ...]) -> Callable[[Any], bool]:
    def decide(v: Any) -> bool:
        if isinstance(v, Undefined) and v.kind == "nan or inf":
            raise RefusedError("whether a number is nan or infinite")
        return isinstance(v, Undefined) and v.kind in kinds

    return decide


is_nan = elementwise(_is_undefined(("nan",)))
is_infinite = elementwise(_is_undefined(("inf", "-inf", "inf or -inf")))
floor = elementwise(lambda v: v.floored())
ceil = elementwise(lambda v: -(-v).floored())
truncated = elementwise(lambda v: v.field.number(v.truncated()))
sign = elementwise(lambda v: v.field.number(v.sign()))


@elementwise
def rounded(v: Any) -> Any:
    """Round to the nearest integer, halves to even numbers."""
    k = (v + 0.5).floor()
    is_half = (v + 0.5 - k).sign() == 0
    return v.field.number(k - 1 if is_half and k % 2 else k)


def pairwise(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Array]:
    """Return the function of arrays that applies a function to each pair of entries."""
    over = np.frompyfunc(function, 2, 1)
    return lambda a, b: np.asarray(over(a, b), object)


maximum = pairwise(lambda a, b: a if a is NAN or a >= b else b)  # b may be nan, too: nothing is >= nan
minimum = pairwise(lambda a, b: a if a is NAN or a <= b else b)


def clamp(a: Array, low: Any = None, high: Any = None) -> Array:
    """Bound entries from below and from above."""
    if low is not None:
        a = maximum(a, low)
    return a if high is None else minimum(a, high)


def remainder(a: Any, b: Any) -> Any:
    """Return a - b floor(a/b)."""
    return a - b * floor(np.asarray(a / b, object))


def _refuse_undefined(*arrays: Any, of: str) -> None:
    if any(isinstance(v, Undefined) for a in arrays for v in np.ravel(a)):
        raise RefusedError(f"{of} with numbers that are nan or infinite")


def ordered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a comparison by the total order of floats, in which nan is the largest number: it refuses nan."""

    def compared(a: Any, b: Any) -> Any:
        _refuse_undefined(a, b, of="a comparison by total order")
        return function(a, b)

    return compared


def as_integers(a: Array, low: int, high: int) -> Array:
    """Convert to integers of a type, which does not wrap around; those that are not known stay as they are.

    Raises
    ------
    RefusedError
        If an entry is not in [low, high].
    """
    if a.dtype == object and any(isinstance(v, Exact) and v.is_unknown_integer() for v in a.flat):
        return a
    whole = integers(a) if a.dtype == object else a.astype(np.int64)
    if whole.size and (whole.min() < low or whole.max() > high):
        raise RefusedError("an integer beyond its type")
    return whole


def counted(ordered: Array, values: Array, right: bool) -> Array:
    """Count the numbers of `ordered` (..., K) that are smaller than each of `values`, or not larger if `right`."""
    _refuse_undefined(ordered, values, of="a search")
    before = np.less_equal if right else np.less
    ordered = ordered.reshape((1,) * np.ndim(values) + (-1,)) if ordered.ndim == 1 else ordered[..., None, :]
    return before(ordered, np.asarray(values)[..., None]).sum(axis=-1)


def along(shape: Sequence[int], axis: int, index: Array) -> tuple[Any, ...]:
    """Return the index of entries whose position along an axis `index` says, and elsewhere is their own."""
    grids = list(np.ogrid[tuple(slice(n) for n in shape)])
    grids[axis] = index
    return tuple(grids)


def added_at(target: Array, index: Any, values: Array, accumulate: bool = True) -> Array:
    """Return a copy of an array with values added to, or put in place of, the entries at an index."""
    out = target.copy()
    positions = np.arange(out.size).reshape(out.shape)[index]
    if not accumulate:
        if np.unique(positions).size < positions.size:
            raise RefusedError("several numbers put in one place, of which any may stay")
        out[index] = values
        return out
    flat = out.reshape(-1)
    for position, value in zip(positions.ravel(), np.broadcast_to(values, positions.shape).ravel(), strict=True):
        flat[position] = flat[position] + value
    return flat.reshape(out.shape)


def order_of(a: Array, axis: int, descending: bool = False) -> Array:
    """Return the positions that sort entries along an axis, equal ones in their order."""

    def sorted_row(row: Array) -> Array:
        positions = list(range(len(row)))
        for i in range(1, len(row)):  # by insertion: every comparison must be decided
            k = i
            while k and (row[positions[k]] < row[positions[k - 1]]) != descending:
                if descending and row[positions[k]] == row[positions[k - 1]]:
                    break
                positions[k - 1], positions[k] = positions[k], positions[k - 1]
                k -= 1
        return np.array(positions)

    _refuse_undefined(a, of="sorting")
    moved = np.moveaxis(a, axis, -1)
    order = np.array([sorted_row(row) for row in moved.reshape(-1, moved.shape[-1])], np.int64)
    return np.moveaxis(order.reshape(moved.shape), -1, axis)


def extreme(a: Array, axes: Any, keep: bool, larger: bool) -> Array:
    """Return the largest or smallest entries along axes."""
    pick = maximum if larger else minimum
    for axis in sorted((k % a.ndim for k in axes), reverse=True):
        parts = np.split(a, a.shape[axis], axis)
        a = parts[0]
        for part in parts[1:]:
            a = pick(a, part)
        a = a if keep else np.squeeze(a, axis)
    return np.asarray(a, object)


def refuse(name: str) -> Callable[..., Any]:
    """Return an operation that refuses the program."""

    def refused(*_: Any, **__: Any) -> Any:
        raise RefusedError(name)

    return refused
