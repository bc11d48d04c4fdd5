r"""Every quantity that a backend is asked for, by one set of formulas for Fractions, float64 and bounds of errors.

A layer is y_q = sum_p f_qp(x_p) + c_q with f_qp(x) = g_q (b_qp silu(x) + s_qp sum_i C[q, p, i] b_i(x)), the parts b
(base), s (scale), g (node-scale) and c (bias) of a `LayerSpec`. What the formulas need of it is its basis functions and
two derivatives of them at the samples, the exact ones by `refkan.truth`. SiLU is not rational: layers that have it are
computed in float64.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, IntArray
from refkan.conformance.cases.specs import CONSTANT, LayerSpec
from refkan.networks.layers.activations import ACTIVATIONS
from refkan.splines.local_basis import KnotTables, local_basis
from refkan.truth.bases.bsplines import blossoms
from refkan.truth.bases.outside import interval, with_tails
from refkan.truth.derivatives import square

DERIVATIVES = 2

LATEST = 512
"""Results that are kept of what depends on knots and points alone."""


def exact(values: Any) -> Array:
    """Return the numbers as an array of Fractions: every finite float is one."""
    array = np.asarray(values)
    out = np.empty(array.shape, object)
    out.ravel()[:] = [v if type(v) is Fraction else Fraction(v) for v in array.ravel().tolist()]
    return out


def rounded(values: Array) -> Array:
    """Round Fractions to float64, once."""
    return np.array([float(v) for v in values.ravel()], np.float64).reshape(values.shape)


def silu(x: FloatArray, derivatives: int = DERIVATIVES) -> FloatArray:
    """SiLU and its derivatives: (derivatives + 1, N, P)."""
    return np.asarray(ACTIVATIONS["silu"].derivatives(x, derivatives + 1))


class Quantities:
    """Quantities of a layer or network: chain rule and sums, over the numbers that `given` and `splines_at` return.

    Parameters
    ----------
    specs : sequence of LayerSpec
    x : array (N, P)

    Attributes
    ----------
    z : list of array
        Inputs of each layer and, last, the outputs (N, Q).
    basis : list of array (N, P, dim)
        Basis functions at the inputs of each layer.
    splines, edges : list of array (3, N, Q, P)
        Splines and f_qp of each layer, with two derivatives.
    """

    def __init__(self, specs: Sequence[LayerSpec], x: Any) -> None:
        self.specs = tuple(specs)
        self.z, self.basis, self.splines, self.edges = [x], list[Any](), list[Any](), list[Any]()
        for spec in self.specs:
            basis, splines = self.splines_at(spec, self.z[-1])
            edges = splines
            if spec.parts:
                branch = self.part(spec, "node-scale")[:, None] * self.part(spec, "base")
                edges = self.gain(spec) * splines + branch * self.silu_at(len(self.edges))[:, :, None, :]
            self.basis.append(basis)
            self.splines.append(splines)
            self.edges.append(edges)
            y = edges[0].sum(axis=2)
            self.z.append(y + self.part(spec, "bias") if "bias" in spec.parts else y)

    def given(self, values: Any) -> Any:
        """Take numbers that are given into the numbers of the formulas."""
        return values

    def splines_at(self, spec: LayerSpec, z: Any) -> tuple[Any, Any]:
        """Return basis functions (N, P, dim) at z (N, P), and splines with two derivatives (3, N, Q, P)."""
        raise NotImplementedError

    def silu_at(self, k: int) -> Any:
        """SiLU and two derivatives at the inputs of layer k: (3, N, P)."""
        return silu(self.z[k])

    def part(self, spec: LayerSpec, name: str) -> Any:
        """A part of a layer, neutral where it is not given."""
        return self.given(spec.part(name))

    def gain(self, spec: LayerSpec) -> Any:
        """What splines are multiplied by (Q, P)."""
        return self.part(spec, "node-scale")[:, None] * self.part(spec, "scale")

    @property
    def values(self) -> Any:
        """Outputs (N, Q)."""
        return self.z[-1]

    def cotangents(self, dy: Any) -> list[Any]:
        """Cotangents of the inputs of each layer and, last, of the outputs."""
        g = [self.given(dy)]
        for edges in reversed(self.edges):
            g.insert(0, (g[0][:, :, None] * edges[1]).sum(axis=1))
        return g

    def input_gradients(self, dy: Any) -> Any:
        """Gradient (N, P) of sum dy * y in the inputs."""
        return self.cotangents(dy)[0]

    def coefficient_gradients(self, dy: Any) -> list[Any]:
        """Gradients (Q, P, dim) of sum dy * y in the coefficients of each layer."""
        layers = zip(self.specs, self.basis, self.cotangents(dy)[1:], strict=True)
        gradients = [(spec, (g[:, :, None, None] * basis[:, None]).sum(axis=0)) for spec, basis, g in layers]
        return [self.gain(spec)[:, :, None] * part if spec.parts else part for spec, part in gradients]

    def part_gradients(self, name: str, dy: Any) -> list[Any]:
        """Gradients of sum dy * y in a part of each layer that has it."""
        return [
            self._part_gradient(k, name, g)
            for k, g in enumerate(self.cotangents(dy)[1:])
            if name in self.specs[k].parts
        ]

    def _part_gradient(self, k: int, name: str, g: Any) -> Any:
        spec, splines, branch = self.specs[k], self.splines[k][0], self.silu_at(k)[0]
        if name == "bias":
            return g.sum(axis=0)
        if name == "node-scale":
            inner = self.part(spec, "scale") * splines + self.part(spec, "base") * branch[:, None]
            return (g[:, :, None] * inner).sum(axis=2).sum(axis=0)
        terms = g[:, :, None] * (splines if name == "scale" else branch[:, None])
        return self.part(spec, "node-scale")[:, None] * terms.sum(axis=0)

    def second_derivatives(self, dy: Any, direction: Any) -> Any:
        """Derivative (N, P) of the input gradient along a direction (N, P)."""
        tangents = [self.given(direction)]
        for edges in self.edges[:-1]:
            tangents.append((edges[1] * tangents[-1][:, None, :]).sum(axis=2))
        g, gd = self.cotangents(dy), None
        for k in reversed(range(len(self.edges))):
            curved = g[k + 1][:, :, None] * self.edges[k][2] * tangents[k][:, None, :]
            gd = (curved if gd is None else gd[:, :, None] * self.edges[k][1] + curved).sum(axis=1)
        return gd

    def jacobian(self) -> list[list[Any]]:
        """For each output the Jacobian in the coefficients of each layer, (N, M_k)."""
        n_samples, n_outputs = self.values.shape
        out = []
        for unit in np.eye(n_outputs):
            g = self.cotangents(np.tile(unit, (n_samples, 1)))
            scaled = [
                (self.gain(spec) * g_k[:, :, None] if spec.parts else g_k[:, :, None])[..., None]
                for spec, g_k in zip(self.specs, g[1:], strict=True)
            ]
            pairs = zip(self.basis, scaled, strict=True)
            out.append([(basis[:, None] * g_k).reshape(n_samples, -1) for basis, g_k in pairs])
        return out

    def gauss_newton(self) -> Any:
        """J^T J / N, shape (M, M)."""
        J = np.block(self.jacobian())
        return J.T @ J / len(self.values)

    def knot_gradients(self, dy: Any) -> Any:
        """Gradient (P, n-1) in the interior breakpoints of a layer, as `truth.knot_derivative`."""
        (spec,) = self.specs
        r, dy, C = spec.order, self.given(dy), self.given(spec.coefficients)
        out = np.zeros((spec.n_inputs, spec.intervals - 1), object)
        for p in range(spec.n_inputs):
            t = self.given(spec.knots[p])
            for j in range(1, spec.intervals):
                i = np.arange(j, j + r)
                bhat = self.splines_at(*doubled(spec, self.z[0], p, j))[0][:, 0, i]
                weights = (C[:, p, i] - C[:, p, i - 1]) / (t[i + r - 1] - t[i])
                out[p, j - 1] = -(dy * (bhat[:, None] * weights).sum(axis=2)).sum()
        return out


def doubled(spec: LayerSpec, x: Any, p: int, j: int) -> tuple[LayerSpec, Any]:
    """Return a layer of functions on the knots of input p with breakpoint j doubled, and its samples."""
    at = j + spec.order - 1
    t = np.insert(spec.knots[p], at, spec.knots[p, at])
    return LayerSpec(t[None], np.zeros((1, 1, t.size - spec.order)), spec.order, spec.outside), x[:, p : p + 1]


class OnLocalRows(Quantities):
    """Quantities from the r functions that matter at each sample and input."""

    def rows_at(self, spec: LayerSpec, x: Any) -> tuple[Any, Any]:
        """Numbers (N, P) of the first of them, and their values and two derivatives (3, N, P, r)."""
        raise NotImplementedError

    def splines_at(self, spec: LayerSpec, z: Any) -> tuple[Any, Any]:
        """From sums of r terms; all other functions are zero."""
        if spec.outside == CONSTANT:
            start, rows = self._held_rows(spec, z)
        else:
            start, rows = self.rows_at(spec, z)
        C, basis = self.given(spec.coefficients), np.zeros((*z.shape, spec.dim), int).astype(rows.dtype)
        where = start[:, :, None] + np.arange(spec.order)
        np.put_along_axis(basis, where, rows[0], axis=2)
        splines = np.zeros((DERIVATIVES + 1, len(z), spec.n_outputs, spec.n_inputs), rows.dtype)
        for p in range(spec.n_inputs):
            splines[..., p] = np.einsum("qsi,dsi->dsq", C[:, p, where[:, p]], rows[:, :, p])
        return basis, splines

    def _held_rows(self, spec: LayerSpec, z: Any) -> tuple[Any, Any]:
        """Rows under the rule "constant": values at the nearer end, derivatives of zero."""
        a, b = self.given(spec.domains).T
        held = np.minimum(np.maximum(z, a), b)
        start, rows = self.rows_at(replace(spec, outside="natural"), held)
        inside = (held == z).astype(bool)[:, :, None]
        return start, np.stack([rows[0], *(row * inside for row in rows[1:])])


@lru_cache(LATEST)
def _local_rows(
    knots: bytes, shape: tuple[int, ...], order: int, outside: str, x: bytes, of: tuple[int, ...]
) -> tuple[IntArray, FloatArray]:  # fmt: skip
    t, at = np.frombuffer(knots).reshape(shape).copy(), np.frombuffer(x).reshape(of).copy()
    local = local_basis(KnotTables(t, order), at, DERIVATIVES, outside)
    for array in (local.start, local.rows):
        array.flags.writeable = False
    return local.start, local.rows


class FloatQuantities(OnLocalRows):
    """Quantities in float64."""

    def rows_at(self, spec: LayerSpec, x: FloatArray) -> tuple[Any, Any]:
        """By the recursion of de Boor, once for each knots and points: layers differ in coefficients more often."""
        x = np.ascontiguousarray(x, np.float64)
        return _local_rows(spec.knots.tobytes(), spec.knots.shape, spec.order, spec.outside, x.tobytes(), x.shape)

    def knot_gradients(self, dy: FloatArray) -> FloatArray:
        """In float64."""
        return np.asarray(super().knot_gradients(dy), np.float64)


def true_values(spec: LayerSpec, x: FloatArray) -> FloatArray:
    """Outputs (N, Q) of a layer, in float64."""
    return np.asarray(FloatQuantities((spec,), x).values)


class ExactQuantities(OnLocalRows):
    """Quantities over Fractions, as arrays of dtype object, from floats or Fractions."""

    def __init__(self, specs: Sequence[LayerSpec], x: Array) -> None:
        super().__init__(specs, exact(x))

    def given(self, values: Any) -> Array:
        """As Fractions."""
        return exact(values)

    def rows_at(self, spec: LayerSpec, x: Array) -> tuple[Any, Any]:
        """By `refkan.truth`, once for each number among the samples."""
        knots, r = exact(spec.knots).tolist(), spec.order

        @cache
        def row(p: int, v: Fraction) -> list[dict[int, Any]]:
            t, m = knots[p], interval(knots[p], r, v, spec.outside)
            pieces = partial(blossoms, t, r, m)
            return [
                with_tails(lambda z, k: pieces([z] * (r - 1), k), (t[r - 1], t[-r]), v, d, spec.outside)
                for d in range(DERIVATIVES + 1)
            ]

        start, rows = np.zeros(x.shape, int), np.zeros((DERIVATIVES + 1, *x.shape, r), object)
        values = x.tolist()
        for s, p in np.ndindex(x.shape):
            functions = row(p, values[s][p])
            start[s, p] = first = min(min(functions[0], default=0), spec.dim - r)
            rows[:, s, p] = [[of_order.get(first + i, 0) for i in range(r)] for of_order in functions]
        return start, rows

    def gauss_newton(self) -> Array:
        """Sums of products of entries that are not zero alone."""
        rows = [np.concatenate(row) for parts in self.jacobian() for row in zip(*parts, strict=True)]
        sparse = [{m: row[m] for m in np.flatnonzero(row).tolist()} for row in rows]
        return exact(square(sparse, rows[0].size)) / len(self.values)
