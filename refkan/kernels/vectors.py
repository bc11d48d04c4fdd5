r"""Vectors of float64 in kernels: several numbers, side by side in a flat array, that are computed with at once.

The compiler makes vectors of a loop only where it knows that the arrays do not overlap, or checks that before each
loop; and a vector that it has loaded it loads again after a store. Loops over the outputs of a layer are too short for
either. Kernels therefore name their vectors. In Python each function is its body, on arrays of NumPy of any type, and
this is how it is to be read; in a compiled kernel it becomes the instructions that the second part of this file emits.

A vector has as many lanes as the least power of two that holds its numbers; the others are zero. LLVM cuts it into
what the processor has. Lengths come as tuples, of which only the number of items counts, because it must be known when
a kernel is compiled. A product and a sum may become one operation that rounds once, as in a `fused_kernel`; sums are
taken in the order of the bodies.

Machine code that is kept on disk holds these instructions, and is made anew only when the file of its kernel changes:
files that use them name the digest of this one as VECTORS.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, reduce, wraps
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, config, types
from numba.extending import lower_builtin, models, register_model, type_callable

Vector = Any
"""Of NumPy in Python; of LLVM in a compiled kernel."""


def lanes(count: int) -> int:
    """Lanes of a vector of so many numbers."""
    return 1 << (count - 1).bit_length()


@cache
def widest() -> int:
    """Numbers of a register of vectors for which Numba compiles, and that is worth filling: four, or eight.

    Where registers hold eight there are thirty-two of them, too, and no sum has to leave them for longer vectors. Of
    processors whose registers hold two, a vector of four takes two.
    """
    # Of NUMBA_CPU_FEATURES and NUMBA_CPU_NAME; None stands for those of this processor.
    features = getattr(config, "CPU_FEATURES", None)
    if features is None:
        features = binding.get_host_cpu_features().flatten()
    return 8 if "+avx512f" in features.split(",") else 4


def zeros(count: tuple[int, ...]) -> Vector:
    """Zeros."""
    return np.zeros(lanes(len(count)))


def load(flat: Any, at: Any, count: tuple[int, ...]) -> Vector:
    """Numbers `at`, `at` + 1, ... of a flat array."""
    vector = np.zeros(lanes(len(count)), flat.dtype)
    vector[: len(count)] = flat[at : int(at) + len(count)]
    return vector


def store(flat: Any, at: Any, vector: Vector, count: tuple[int, ...]) -> None:
    """Write the first numbers of a vector, as many as `count` has items, to where `load` reads them."""
    flat[at : int(at) + len(count)] = vector[: len(count)]


def rows(flat: Any, at: Any, stride: Any, width: tuple[int, ...], count: tuple[int, ...]) -> tuple[Vector, ...]:
    """As many vectors as `width` has items, at `at`, `at` + stride, ..."""
    return tuple(load(flat, int(at) + k * int(stride), count) for k in range(len(width)))


def column(flat: Any, at: Any, stride: Any, width: tuple[int, ...]) -> tuple[Any, ...]:
    """As many numbers as `width` has items, `at`, `at` + stride, ... of a flat array."""
    return tuple(flat[int(at) + k * int(stride)] for k in range(len(width)))


def add(left: Vector, right: Vector) -> Vector:
    """Their sum."""
    return left + right


def multiply(left: Vector, right: Vector) -> Vector:
    """Their products, lane by lane."""
    return left * right


def total(vector: Vector, count: tuple[int, ...]) -> Any:
    """The sum of as many numbers as `count` has items, by halves: of L lanes, i and i + L/2 first."""
    vector = np.where(np.arange(vector.shape[0]) < len(count), vector, 0.0)
    while vector.shape[0] > 1:
        vector = vector[: vector.shape[0] // 2] + vector[vector.shape[0] // 2 :]
    return vector[0]


def weighted_sum(weights: tuple[Any, ...], vectors: tuple[Vector, ...]) -> Vector:
    """sum_k weights[k] vectors[k]."""
    return add_weighted(weights[0] * vectors[0], weights[1:], vectors[1:])


def add_weighted(total: Vector, weights: tuple[Any, ...], vectors: tuple[Vector, ...]) -> Vector:
    """total + sum_k weights[k] vectors[k], added one after another."""
    for weight, vector in zip(weights, vectors, strict=True):
        total = total + weight * vector
    return total


def no_rows(width: tuple[int, ...], count: tuple[int, ...]) -> tuple[Vector, ...]:
    """As many vectors of zeros as `width` has items."""
    return tuple(zeros(count) for _ in width)


def add_products(totals: tuple[Vector, ...], vectors: tuple[Vector, ...], vector: Vector) -> tuple[Vector, ...]:
    """totals[k] + vectors[k] vector, for all k."""
    return tuple(sum_ + other * vector for sum_, other in zip(totals, vectors, strict=True))


def add_scaled(totals: tuple[Vector, ...], weights: tuple[Any, ...], vector: Vector) -> tuple[Vector, ...]:
    """totals[k] + weights[k] vector, for all k."""
    return tuple(sum_ + weight * vector for sum_, weight in zip(totals, weights, strict=True))


def store_rows(flat: Any, at: Any, stride: Any, vectors: tuple[Vector, ...]) -> None:
    """Write whole vectors to where `rows` reads them."""
    for k, vector in enumerate(vectors):
        first = int(at) + k * int(stride)
        flat[first : first + vector.shape[0]] = vector


def add_multiples(flat: Any, at: Any, stride: Any, weights: tuple[Any, ...], vector: Vector) -> None:
    """Add weights[k] vector to the numbers from `at` + k stride on, for all k."""
    for k, weight in enumerate(weights):
        first = int(at) + k * int(stride)
        flat[first : first + vector.shape[0]] += weight * vector


# The second part: how each of these is compiled.

DOUBLE, INDEX = ir.DoubleType(), ir.IntType(32)
ALIGNMENT = 8
"""Bytes: arrays begin anywhere."""

FUSED = ("contract",)


class VectorType(types.Type):
    """A vector of so many lanes."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"vector of {lanes} float64")


class VectorModel(models.PrimitiveModel):
    """What LLVM knows it as."""

    def __init__(self, manager: Any, kind: VectorType) -> None:
        super().__init__(manager, kind, ir.VectorType(DOUBLE, kind.lanes))


register_model(VectorType)(VectorModel)


def vector(count: Any) -> VectorType:
    """The type of a vector of as many numbers as a tuple of this type has items."""
    return VectorType(lanes(count.count))


def instructions(function: Any, typed: Any, *kinds: Any) -> Callable[[Any], Any]:
    """Compile a function by what this decorates, which gets (context, builder, signature, arguments).

    typed(*types of arguments) is the type of the result; None is an error of types. An array must be flat and hold
    float64, or its memory would be read as if it did.
    """

    @wraps(typed)
    def of_flat(array: Any, *others: Any) -> Any:
        known = not isinstance(array, types.Array) or (array.ndim, array.layout, array.dtype) == (1, "C", types.float64)
        return typed(array, *others) if known else None

    type_callable(function)(lambda context: of_flat)
    compiled: Callable[[Any], Any] = lower_builtin(function, *kinds)
    return compiled


Flat, Whole, Items = types.Array, types.Integer, types.BaseTuple


def _pointer(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """To `at` of a flat array, the first two arguments."""
    from numba.np.arrayobj import make_array  # loaded by Numba when it compiles, and not by `import refkan`

    return builder.gep(make_array(sig.args[0])(context, builder, args[0]).data, [args[1]])


def _pointers(context: Any, builder: Any, sig: Any, args: Any, count: int) -> list[Any]:
    """To `at`, `at` + stride, ... of a flat array, the first three arguments."""
    first = _pointer(context, builder, sig, args)
    return [builder.gep(first, [builder.mul(args[2], ir.Constant(args[2].type, k))]) for k in range(count)]


def _as_vectors(builder: Any, pointer: Any, count: int) -> Any:
    return builder.bitcast(pointer, ir.VectorType(DOUBLE, count).as_pointer())


def _shuffled(builder: Any, left: Any, right: Any, places: Any) -> Any:
    places = list(places)
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(INDEX, len(places)), places))


def _zero(count: int) -> Any:
    return ir.Constant(ir.VectorType(DOUBLE, count), [0.0] * count)


def _load(builder: Any, pointer: Any, count: int) -> Any:
    loaded = builder.load(_as_vectors(builder, pointer, count), align=ALIGNMENT)
    return loaded if count == lanes(count) else _shuffled(builder, loaded, _zero(count), range(lanes(count)))


def _store(builder: Any, pointer: Any, value: Any) -> None:
    builder.store(value, _as_vectors(builder, pointer, value.type.count), align=ALIGNMENT)


def _times(builder: Any, number: Any, factor: Any) -> Any:
    first = builder.insert_element(ir.Constant(factor.type, ir.Undefined), number, ir.Constant(INDEX, 0))
    return builder.fmul(_shuffled(builder, first, first, [0] * factor.type.count), factor, flags=FUSED)


def _sum(builder: Any, *terms: Any) -> Any:
    return reduce(lambda left, right: builder.fadd(left, right, flags=FUSED), terms)


def _items(builder: Any, args: Any) -> Any:
    """The items of tuples of one length, side by side."""
    return zip(*(cgutils.unpack_tuple(builder, items) for items in args), strict=True)


@instructions(zeros, vector, Items)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _zero(sig.return_type.lanes)


@instructions(load, lambda flat, at, count: vector(count), Flat, Whole, Items)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _load(builder, _pointer(context, builder, sig, args), sig.args[2].count)


@instructions(store, lambda flat, at, value, count: types.none, Flat, Whole, VectorType, Items)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    value, count = args[2], sig.args[3].count
    if count < value.type.count:
        value = _shuffled(builder, value, value, range(count))
    _store(builder, _pointer(context, builder, sig, args), value)
    return context.get_dummy_value()


@instructions(
    rows,
    lambda flat, at, stride, width, count: types.UniTuple(vector(count), width.count),
    *(Flat, Whole, Whole, Items, Items),
)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    pointers = _pointers(context, builder, sig, args, sig.args[3].count)
    loaded = [_load(builder, pointer, sig.args[4].count) for pointer in pointers]
    return context.make_tuple(builder, sig.return_type, loaded)


@instructions(
    column,
    lambda flat, at, stride, width: types.UniTuple(types.float64, width.count),
    *(Flat, Whole, Whole, Items),
)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    loaded = [builder.load(pointer) for pointer in _pointers(context, builder, sig, args, sig.args[3].count)]
    return context.make_tuple(builder, sig.return_type, loaded)


@instructions(add, lambda left, right: left, VectorType, VectorType)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _sum(builder, *args)


@instructions(multiply, lambda left, right: left, VectorType, VectorType)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fmul(*args, flags=FUSED)


@instructions(total, lambda value, count: types.float64, VectorType, Items)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    value, count, size = args[0], sig.args[1].count, args[0].type.count
    if count < size:  # what is there may be infinite, times zero
        value = _shuffled(builder, value, _zero(size), (k if k < count else size for k in range(size)))
    while size > 1:
        size //= 2
        value = _sum(builder, *(_shuffled(builder, value, value, range(k, k + size)) for k in (0, size)))
    return builder.extract_element(value, ir.Constant(INDEX, 0))


@instructions(weighted_sum, lambda weights, vectors: vectors.dtype, Items, Items)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _sum(builder, *(_times(builder, *pair) for pair in _items(builder, args)))


@instructions(add_weighted, lambda start, weights, vectors: start, VectorType, Items, Items)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _sum(builder, args[0], *(_times(builder, *pair) for pair in _items(builder, args[1:])))


@instructions(no_rows, lambda width, count: types.UniTuple(vector(count), width.count), Items, Items)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return context.make_tuple(builder, sig.return_type, [_zero(sig.return_type.dtype.lanes)] * sig.args[0].count)


@instructions(add_products, lambda totals, vectors, factor: totals, Items, Items, VectorType)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    pairs = _items(builder, args[:2])
    after = [_sum(builder, before, builder.fmul(other, args[2], flags=FUSED)) for before, other in pairs]
    return context.make_tuple(builder, sig.return_type, after)


@instructions(add_scaled, lambda totals, weights, factor: totals, Items, Items, VectorType)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    pairs = _items(builder, args[:2])
    after = [_sum(builder, before, _times(builder, weight, args[2])) for before, weight in pairs]
    return context.make_tuple(builder, sig.return_type, after)


@instructions(store_rows, lambda flat, at, stride, values: types.none, Flat, Whole, Whole, Items)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    values = cgutils.unpack_tuple(builder, args[3])
    for value, pointer in zip(values, _pointers(context, builder, sig, args, len(values)), strict=True):
        _store(builder, pointer, value)
    return context.get_dummy_value()


@instructions(add_multiples, lambda flat, at, stride, weights, value: types.none, Flat, Whole, Whole, Items, VectorType)
def _(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    weights, value = cgutils.unpack_tuple(builder, args[3]), args[4]
    for weight, pointer in zip(weights, _pointers(context, builder, sig, args, len(weights)), strict=True):
        before = _load(builder, pointer, value.type.count)
        _store(builder, pointer, _sum(builder, before, _times(builder, weight, value)))
    return context.get_dummy_value()
