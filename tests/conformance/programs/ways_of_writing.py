"""Ways of writing a spline layer's basis and sums, with the arrays of PyTorch or JAX.

Each way is given the arrays of a framework as `xp`, and what the two call differently as `own`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import comb, factorial
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Torch:
    """What PyTorch calls otherwise than JAX."""

    xp: Any

    def count(self, t, x):
        return self.xp.searchsorted(t.contiguous(), x.T.contiguous(), right=True).T

    def taken(self, a, index):
        return self.xp.gather(a.expand(*index.shape[:-1], a.shape[-1]), -1, index)

    def integers(self, a):
        return a.long()

    def added(self, zeros, index, values):
        return zeros.scatter_add(2, index, values)

    def placed(self, zeros, index, values):
        s, p = self.xp.arange(len(zeros))[:, None, None], self.xp.arange(zeros.shape[1])[None, :, None]
        return self.xp.index_put(zeros, (s, p, index), values, accumulate=True)

    def mapped(self, function):
        return self.xp.vmap(function)

    def loop(self, steps, body, first, streams):
        for k in range(steps):
            first = body(first, [stream[k] for stream in streams])
        return first

    def silu(self, x):
        return self.xp.nn.functional.silu(x)

    def detached(self, a):
        return a.detach()


@dataclass(frozen=True)
class Jax:
    """What JAX calls otherwise than PyTorch."""

    xp: Any
    jax: Any

    def count(self, t, x):
        search = self.jax.vmap(lambda row, at: self.xp.searchsorted(row, at, side="right"), (0, 1), 1)
        return search(t, x)

    def taken(self, a, index):
        return self.xp.take_along_axis(self.xp.broadcast_to(a, (*index.shape[:-1], a.shape[-1])), index, -1)

    def integers(self, a):
        return a.astype(int)

    def added(self, zeros, index, values):
        s, p = self.xp.arange(len(zeros))[:, None, None], self.xp.arange(zeros.shape[1])[None, :, None]
        return zeros.at[s, p, index].add(values)

    placed = added

    def mapped(self, function):
        return self.jax.vmap(function)

    def loop(self, steps, body, first, streams):
        return self.jax.lax.scan(lambda carry, at: (body(carry, at), None), first, streams, length=steps)[0]

    def silu(self, x):
        return self.jax.nn.silu(x)

    def detached(self, a):
        return self.jax.lax.stop_gradient(a)


def _quotient(xp, above, below, shift):
    """With 0/0 = 0; a defect shifts denominators."""
    if shift:
        return above / (below + shift)
    return xp.where(below == 0, 0.0 * above, above / xp.where(below == 0, 1.0 + 0.0 * below, below))


def _first(xp, x, t, order):
    """The indicators of intervals, the last one that is not empty at x = b; x (N, P, 1)."""
    b = t[:, t.shape[1] - order, None]
    left, right = t[:, :-1], t[:, 1:]
    inside = xp.where(x == b, (left < b) & (right == b), (left <= x) & (x < right))
    return xp.where(inside, xp.ones_like(x), xp.zeros_like(x))


def recursion(own, x, t, order, defect):
    """All functions of one degree after the other, by slices."""
    xp, x = own.xp, x[:, :, None]
    shift = 1e-8 if defect == "shifted denominators" else 0.0
    b = _first(xp, x, t, order)
    for k in range(1, order):
        rising = _quotient(xp, x - t[:, : -k - 1], t[:, k:-1] - t[:, : -k - 1], shift)
        falling = _quotient(xp, t[:, k + 1 :] - x, t[:, k + 1 :] - t[:, 1:-k], shift)
        b = rising * b[:, :, :-1] + falling * b[:, :, 1:]
    return b


def unguarded_recursion(own, x, t, order, defect):
    """The same without a guard, of distinct knots alone."""
    x = x[..., None]
    b = _first(own.xp, x, t, order)
    for k in range(1, order):
        left = (x - t[:, : -k - 1]) / (t[:, k:-1] - t[:, : -k - 1]) * b[..., :-1]
        b = left + (t[:, k + 1 :] - x) / (t[:, k + 1 :] - t[:, 1:-k]) * b[..., 1:]
    return b


def definition(own, x, t, order, defect):
    """One function after another, each by a call of itself."""
    xp, first = own.xp, _first(own.xp, x[:, :, None], t, order)

    def function(i, k):
        if k == 0:
            return first[:, :, i]
        rising = _quotient(xp, x - t[:, i], t[:, i + k] - t[:, i], 0.0)
        falling = _quotient(xp, t[:, i + k + 1] - x, t[:, i + k + 1] - t[:, i + 1], 0.0)
        return rising * function(i, k - 1) + falling * function(i + 1, k - 1)

    return xp.stack([function(i, order - 1) for i in range(t.shape[1] - order)], -1)


def truncated_powers(own, x, t, order, defect):
    """Divided differences of (t - x)_+^d."""
    width = t[:, order:] - t[:, :-order]
    table = own.xp.maximum(t - x[:, :, None], own.xp.zeros_like(t)) ** (order - 1)
    for k in range(1, order + 1):
        table = (table[..., 1:] - table[..., :-1]) / (t[:, k:] - t[:, :-k])
    return width * table


def cardinal(own, x, t, order, defect):
    """Sums of truncated powers of one function on integers, of equally spaced knots alone."""
    degree = order - 1
    u = (x[:, :, None] - t[:, :-order]) / (t[:, 1:2] - t[:, :1])
    terms = [(-1) ** j * comb(order, j) * own.xp.clip(u - j, 0.0, None) ** degree for j in range(order + 1)]
    return sum(terms) / factorial(degree)


def hats(own, x, t, order, defect):
    """Of degree 1: the smaller one of two lines, not below zero."""
    x = x[:, :, None]
    left, middle, right = t[:, :-2], t[:, 1:-1], t[:, 2:]
    lower = own.xp.minimum((x - left) / (middle - left), (right - x) / (right - middle))
    return own.xp.maximum(lower, own.xp.zeros_like(lower))


def absolute(own, x, t, order, defect):
    """Of degree 1 on equally spaced knots: 1 - |x - t|/h, not below zero."""
    u = abs(x[:, :, None] - t[:, 1:-1]) / (t[:, 1:2] - t[:, :1])
    return own.xp.clip(1 - u, 0.0, None)


def in_loop(own, x, t, order, defect):
    """The recursion as a loop over padded arrays; a scan in JAX."""
    xp, n = own.xp, t.shape[1] - 1

    def padded(rows):
        ends = [row[:, -1:] * xp.ones_like(t[:, : n - row.shape[1]]) for row in rows]
        return xp.stack([xp.concatenate([row, end], 1) for row, end in zip(rows, ends, strict=True)])

    starts = padded([t[:, : -k - 1] for k in range(1, order)])
    first_width = padded([t[:, k:-1] - t[:, : -k - 1] for k in range(1, order)])
    ends = padded([t[:, k + 1 :] for k in range(1, order)])
    second_width = padded([t[:, k + 1 :] - t[:, 1:-k] for k in range(1, order)])
    at = x[:, :, None]

    def body(b, streams):
        start, first, end, second = streams
        following = xp.concatenate([b[:, :, 1:], xp.zeros_like(b[:, :, :1])], 2)
        return _quotient(xp, at - start, first, 0.0) * b + _quotient(xp, end - at, second, 0.0) * following

    b = own.loop(order - 1, body, _first(xp, at, t, order), [starts, first_width, ends, second_width])
    return b[:, :, : t.shape[1] - order]


def row_by_row(own, x, t, order, defect):
    """The recursion of one sample, mapped over samples."""
    return own.mapped(lambda row: recursion(own, row[None], t, order, defect)[0])(x)


def _interval(own, x, t, order):
    """The number of the interval of the domain, and the knots around it: t_{j - d}, ..., t_{j + d + 1}."""
    j = own.xp.clip(own.count(t, x) - 1, order - 1, t.shape[1] - order - 1)
    around = own.xp.arange(2 * order)
    return j, own.taken(t[None], j[:, :, None] - (order - 1) + around)


def _local_functions(own, x, t, order):
    """The functions that are not zero, one degree after the other, from knots around."""
    degree = order - 1
    j, near = _interval(own, x, t, order)
    values = [own.xp.ones_like(x)]
    for k in range(1, order):
        saved, following = own.xp.zeros_like(x), []
        for m in range(k):
            left, right = near[:, :, degree + 1 - k + m], near[:, :, degree + m + 1]
            ratio = values[m] / (right - left)
            following.append(saved + (right - x) * ratio)
            saved = (x - left) * ratio
        values = [*following, saved]
    return j, own.xp.stack(values, -1)


def scattered(own, x, t, order, defect):
    """Local functions, added to zeros at their positions."""
    j, values = _local_functions(own, x, t, order)
    zeros = own.xp.zeros_like(x[:, :, None] * t[:, : t.shape[1] - order])
    return own.added(zeros, j[:, :, None] - (order - 1) + own.xp.arange(order), values)


def put(own, x, t, order, defect):
    """Local functions, put at their positions by an index of all axes."""
    j, values = _local_functions(own, x, t, order)
    zeros = own.xp.zeros_like(x[:, :, None] * t[:, : t.shape[1] - order])
    return own.placed(zeros, j[:, :, None] - (order - 1) + own.xp.arange(order), values)


def matrix(own, x, t, order, defect):
    """Powers of the position in its interval times a matrix, on equally spaced knots alone."""
    degree, dim = order - 1, t.shape[1] - order
    u = (x - t[:, degree]) / (t[:, degree + 1] - t[:, degree])
    j = own.xp.clip(own.xp.floor(u), 0, t.shape[1] - 2 * order)
    s = u - j
    powers = own.xp.stack([s**k for k in range(order)], -1)
    rows = own.xp.stack([(powers * own.xp.asarray(row)).sum(-1) for row in _pieces(degree)], -1) / factorial(degree)
    placed = own.integers(j)[:, :, None, None] + own.xp.arange(order)[:, None] == own.xp.arange(dim)
    return (rows[:, :, :, None] * placed).sum(2)


def _pieces(degree):
    """d! times the polynomials of the d + 1 functions on [0, 1), by their integer coefficients."""
    rows = []
    for m in range(degree + 1):
        row = np.zeros(degree + 1)
        for j in range(degree - m + 1):
            power = np.array([1])
            for _ in range(degree):
                power = np.convolve(power, [degree - m - j, 1])
            row = row + (-1) ** j * comb(degree + 1, j) * power
        rows.append(row)
    return np.array(rows, float)


@dataclass(frozen=True)
class Way:
    """How a basis is computed, and for which knots, degrees and rules outside it is right."""

    function: Callable[..., Any]
    outside: str = "natural"
    knots: tuple[str, ...] = ("uniform", "arbitrary", "clamped", "repeated")
    degrees: tuple[int, ...] = (0, 1, 2, 3, 4, 5)


DISTINCT, SMOOTH = ("uniform", "arbitrary"), (1, 2, 3, 4, 5)
WAYS = {
    "recursion": Way(recursion),
    "unguarded recursion": Way(unguarded_recursion, knots=DISTINCT),
    "definition": Way(definition, degrees=(0, 1, 2, 3)),
    "truncated powers": Way(truncated_powers, knots=DISTINCT, degrees=SMOOTH),
    "cardinal": Way(cardinal, knots=("uniform",), degrees=SMOOTH),
    "hats": Way(hats, knots=DISTINCT, degrees=(1,)),
    "absolute": Way(absolute, knots=("uniform",), degrees=(1,)),
    "loop": Way(in_loop, degrees=SMOOTH),
    "row by row": Way(row_by_row),
    "scattered": Way(scattered, outside="polynomial"),
    "put": Way(put, outside="polynomial"),
    "matrix": Way(matrix, outside="polynomial", knots=("uniform",)),
}


def flat(own, B, C):
    return B.reshape(B.shape[0], -1) @ C.reshape(C.shape[0], -1).T


def over_inputs(own, B, C):
    return sum(B[:, p] @ C[:, p].T for p in range(B.shape[1]))


def batched(own, B, C):
    return own.xp.matmul(own.xp.stack([B[:, p] for p in range(B.shape[1])]), own.xp.stack(
        [C[:, p].T for p in range(B.shape[1])])).sum(0)  # fmt: skip


SUMS: dict[str, Callable[..., Any]] = {
    "einsum": lambda own, B, C: own.xp.einsum("spi,qpi->sq", B, C),
    "matrix product": flat,
    "products": lambda own, B, C: (B[:, None] * C[None]).sum(-1).sum(-1),
    "inputs one by one": over_inputs,
    "batched": batched,
    "tensordot": lambda own, B, C: own.xp.tensordot(B, C, ([1, 2], [1, 2])),
}

SILUS: dict[str, Callable[..., Any]] = {
    "silu": lambda own, x: own.silu(x),
    "sigmoid": lambda own, x: x / (1 + own.xp.exp(-x)),
    "tanh": lambda own, x: 0.5 * x * (1 + own.xp.tanh(0.5 * x)),
}
