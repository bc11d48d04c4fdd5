r"""The truth behind cases: rows of local basis functions, exact over rationals or in float64, and what follows.

All quantities of a layer or network are contractions of rows: at each sample and input the r basis functions that
matter and their derivatives. Over rationals they come from the recursion of Cox and de Boor on one interval, in which
no 0/0 occurs, equal to `refkan.definitions`; in float64 from `refkan.local_basis`. The contractions below are the
same code for both kinds of numbers (arrays of Fractions have dtype object).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from refkan.array_types import Array
from refkan.conformance.specs import LayerSpec
from refkan.local_basis import KnotTables, local_basis

DERIVATIVES = 2

Vector = tuple[Any, ...]


def exact(values: Any) -> Array:
    """Return the numbers as an array of Fractions: every finite float is a fraction."""
    array = np.asarray(values)
    out = np.empty(array.shape, object)
    out.ravel()[:] = [Fraction(v) if isinstance(v, Fraction) else Fraction(float(v)) for v in array.ravel()]
    return out


def rounded(values: Array) -> Array:
    """Round Fractions to float64, once."""
    return np.array([float(v) for v in values.ravel()], np.float64).reshape(values.shape)


@lru_cache(maxsize=200_000)
def exact_rows(knots: Vector, order: int, x: Any, outside: str) -> tuple[int, tuple[Vector, ...]]:
    """Number of the first of r functions, and their values, first and second derivatives at x, over Fractions."""
    a, b = knots[order - 1], knots[-order]
    zero = Fraction(0)
    if a <= x <= b or outside == "polynomial":
        first, last = bisect_right(knots, a) - 1, bisect_left(knots, b) - 1
        m = min(max(bisect_right(knots, x) - 1, first), last)
        return m - order + 1, _piece(knots, order, m, x)
    if outside == "linear":
        end = a if x < a else b
        start, (value, slope, *_) = exact_rows(knots, order, end, "polynomial")
        moved = tuple(v + s * (x - end) for v, s in zip(value, slope, strict=True))
        return start, (moved, slope, (zero,) * order)
    m = bisect_right(knots, x) - 1
    dim = len(knots) - order
    if not 0 <= m < len(knots) - 1:
        return 0, ((zero,) * order,) * (DERIVATIVES + 1)
    # The functions that begin before the first knot or end after the last do not exist; those that do are
    # computed from their own knots alone, so that any further knots may stand beside them.
    padded = (*(knots[0] - 1,) * order, *knots, *(knots[-1] + 1,) * order)
    piece = _piece(padded, order, m + order, x)
    start = min(max(m - order + 1, 0), dim - order)
    shift = start - (m - order + 1)
    rows = tuple(tuple(row[k + shift] if 0 <= k + shift < order else zero for k in range(order)) for row in piece)
    return start, rows


def _piece(t: Vector, r: int, m: int, x: Any) -> tuple[Vector, ...]:
    """Values and derivatives at x of the functions m-r+1..m, as the polynomials that they are on interval m."""
    levels: list[list[Any]] = [[Fraction(1)]]
    for k in range(2, r + 1):
        old = levels[-1]
        new = [Fraction(0)] * k
        for j in range(k - 1):  # old[j] is function m-k+2+j of order k-1, and goes to two functions of order k
            i = m - k + 2 + j
            share = old[j] / (t[i + k - 1] - t[i])
            new[j + 1] += (x - t[i]) * share
            new[j] += (t[i + k - 1] - x) * share
        levels.append(new)
    rows = []
    for d in range(DERIVATIVES + 1):
        row = levels[r - d - 1] if d < r else []
        for k in range(r - d + 1, r + 1) if d < r else ():
            lifted = [Fraction(0)] * k
            for j in range(k - 1):
                i = m - k + 2 + j
                share = (k - 1) * row[j] / (t[i + k - 1] - t[i])
                lifted[j + 1] += share
                lifted[j] -= share
            row = lifted
        rows.append(tuple(row) if row else (Fraction(0),) * r)
    return tuple(rows)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one layer at x (N, P): `start` (N, P) and `rows` (3, N, P, r), of Fractions or float64."""

    start: Any
    rows: Any


def rows_at(spec: LayerSpec, x: Array) -> Rows:
    """Rows of the layer at x: exact if x holds Fractions, else in float64."""
    if x.dtype != object:
        basis = local_basis(KnotTables(spec.knots.copy(), spec.order), x, DERIVATIVES, spec.outside)
        return Rows(basis.start, basis.rows)
    start = np.zeros(x.shape, int)
    rows = np.empty((DERIVATIVES + 1, *x.shape, spec.order), object)
    for p, row in enumerate(exact(spec.knots)):
        knots = tuple(row)
        for s in range(x.shape[0]):
            start[s, p], piece = exact_rows(knots, spec.order, x[s, p], spec.outside)
            rows[:, s, p] = piece
    return Rows(start, rows)


def edge_values(C: Array, rows: Rows) -> Array:
    """f_{qp} and derivatives at the samples: (3, N, Q, P)."""
    n_samples, n_inputs = rows.start.shape
    order = rows.rows.shape[-1]
    out = np.zeros((DERIVATIVES + 1, n_samples, C.shape[0], n_inputs), C.dtype)
    if C.dtype != object:
        for p in range(n_inputs):
            local = C[:, p, rows.start[:, p, None] + np.arange(order)]
            out[..., p] = np.einsum("qsi,dsi->dsq", local, rows.rows[:, :, p])
        return out
    for s in range(n_samples):
        for p in range(n_inputs):
            start = rows.start[s, p]
            local = C[:, p, start : start + order]
            out[:, s, :, p] = (local[None] * rows.rows[:, s, p][:, None]).sum(axis=2)
    return out


class Truth:
    """Every quantity of a layer or network at samples x (N, P).

    Parameters
    ----------
    specs : sequence of LayerSpec
    x : array (N, P)
        Of Fractions for exact results, of float64 otherwise.
    """

    def __init__(self, specs: Sequence[LayerSpec], x: Array) -> None:
        self.specs = tuple(specs)
        self.C = [exact(s.coefficients) if x.dtype == object else s.coefficients for s in self.specs]
        self.z, self.rows, self.edges = [x], [], []
        for spec, C in zip(self.specs, self.C, strict=True):
            rows = rows_at(spec, self.z[-1])
            self.rows.append(rows)
            self.edges.append(edge_values(C, rows))
            self.z.append(self.edges[-1][0].sum(axis=2))

    @property
    def values(self) -> Array:
        """Outputs (N, Q)."""
        return self.z[-1]

    def cotangents(self, dy: Array) -> list[Array]:
        """Cotangents of the inputs of each layer and, last, of the outputs."""
        g = [dy]
        for edges in reversed(self.edges):
            g.insert(0, (g[0][:, :, None] * edges[1]).sum(axis=1))
        return g

    def input_gradients(self, dy: Array) -> Array:
        """Gradient (N, P) of sum dy * y in the inputs."""
        return self.cotangents(dy)[0]

    def coefficient_gradients(self, dy: Array) -> list[Array]:
        """Gradients (Q, P, dim) of sum dy * y in the coefficients of each layer."""
        g = self.cotangents(dy)
        return [self._scatter(k, g[k + 1]) for k in range(len(self.specs))]

    def _scatter(self, k: int, g: Array) -> Array:
        out = np.zeros(self.C[k].shape, self.C[k].dtype)
        start, values = self.rows[k].start, self.rows[k].rows[0]
        if out.dtype != object:
            for p in range(start.shape[1]):
                terms = values[:, p, :, None] * g[:, None, :]
                where = (start[:, p, None] + np.arange(values.shape[-1])).ravel()
                np.add.at(out[:, p].T, where, terms.reshape(-1, g.shape[1]))
            return out
        for s in range(g.shape[0]):
            for p in range(start.shape[1]):
                out[:, p, start[s, p] : start[s, p] + values.shape[-1]] += g[s][:, None] * values[s, p]
        return out

    def second_derivatives(self, dy: Array, direction: Array) -> Array:
        """Derivative (N, P) of the input gradient along a direction (N, P)."""
        tangents = [direction]
        for edges in self.edges:
            tangents.append((edges[1] * tangents[-1][:, None, :]).sum(axis=2))
        g, gd = self.cotangents(dy), dy * 0
        for k in reversed(range(len(self.edges))):
            curved = g[k + 1][:, :, None] * self.edges[k][2] * tangents[k][:, None, :]
            gd = (gd[:, :, None] * self.edges[k][1] + curved).sum(axis=1)
        return gd

    def jacobian(self) -> Array:
        """Jacobian (N, Q, M) of the outputs in all coefficients."""
        n_samples, n_outputs = self.values.shape
        J = np.zeros((n_samples, n_outputs, sum(C.size for C in self.C)), self.C[0].dtype)
        for q in range(n_outputs):
            dy = self.values * 0
            dy[:, q] = dy[:, q] + 1
            g = self.cotangents(dy)
            begin = 0
            for k, C in enumerate(self.C):
                start, values = self.rows[k].start, self.rows[k].rows[0]
                view = J[:, q, begin : begin + C.size].reshape(n_samples, *C.shape)
                for s in range(n_samples):
                    for p in range(C.shape[1]):
                        view[s, :, p, start[s, p] : start[s, p] + values.shape[-1]] = (
                            g[k + 1][s][:, None] * values[s, p]
                        )
                begin += C.size
        return J

    def gauss_newton(self) -> Array:
        """J^T J / N, shape (M, M)."""
        J = self.jacobian()
        rows = J.reshape(-1, J.shape[2])
        if rows.dtype != object:
            return rows.T @ rows / J.shape[0]
        out = np.zeros((rows.shape[1],) * 2, object)
        for row in rows:
            (hit,) = np.nonzero(row)
            out[np.ix_(hit, hit)] += row[hit][:, None] * row[hit]
        return out / J.shape[0]

    def knot_gradients(self, dy: Array) -> Array:
        """Gradient (P, n-1) in the interior breakpoints of a layer of order at least 2 (theory: Boehm's insertion)."""
        (spec,) = self.specs
        r, t = spec.order, spec.knots
        number = exact if self.C[0].dtype == object else np.asarray
        out = np.zeros((spec.n_inputs, spec.intervals - 1), self.C[0].dtype)
        for p in range(spec.n_inputs):
            for j in range(1, spec.intervals):
                at = j + r - 1
                doubled = np.insert(t[p], at, t[p, at])
                bhat = LayerSpec(doubled[None], np.zeros((1, 1, doubled.size - r)), r, spec.outside)
                rows = rows_at(bhat, self.z[0][:, p : p + 1])
                i = np.arange(at - r + 1, at + 1)
                difference = self.C[0][:, p, i] - self.C[0][:, p, i - 1]
                weights = np.zeros((spec.n_outputs, 1, doubled.size - r), self.C[0].dtype)
                weights[:, 0, i] = -difference / (number(t[p, i + r - 1]) - number(t[p, i]))
                out[p, j - 1] = (dy * edge_values(weights, rows)[0][:, :, 0]).sum()
        return out
