r"""Every quantity that a backend is asked for: exact over rationals by `refkan.truth`, or in float64 for large cases.

In float64 all quantities of a layer or network are contractions of rows: at each sample and input the r basis functions
that matter and their derivatives, from `refkan.splines.local_basis`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from refkan import truth
from refkan.base.array_types import Array, FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths import branches
from refkan.conformance.cases.truths.kept_rows import KeptRows
from refkan.splines.local_basis import KnotTables, LocalBasis, local_basis
from refkan.truth.arithmetic import taylor
from refkan.truth.derivatives import square
from refkan.truth.layers import SumLayer
from refkan.truth.networks import Network
from refkan.truth.node_maps import Unmapped

DERIVATIVES = 2


def exact(values: Any) -> Array:
    """Return the numbers as an array of Fractions: every finite float is one."""
    array = np.asarray(values)
    out = np.empty(array.shape, object)
    out.ravel()[:] = [v if type(v) is Fraction else Fraction(v) for v in array.ravel().tolist()]
    return out


def rounded(values: Array) -> Array:
    """Round Fractions to float64, once."""
    return np.array([float(v) for v in values.ravel()], np.float64).reshape(values.shape)


class ExactQuantities:
    """Quantities of a layer or network over Fractions, as arrays of dtype object.

    Parameters
    ----------
    specs : sequence of LayerSpec
    x : array (N, P)
        Floats or Fractions.
    """

    def __init__(self, specs: Sequence[LayerSpec], x: Array) -> None:
        self.specs, self.x = tuple(specs), exact(x).tolist()
        self.layers: list[SumLayer] = []
        for spec in self.specs:
            families = [KeptRows(knots, spec.order, spec.outside) for knots in exact(spec.knots).tolist()]
            self.layers.append(SumLayer(families, spec.n_outputs))
        self.network = Network(self.layers, [Unmapped()] * (len(self.layers) - 1))
        self.theta = [c for spec in self.specs for c in exact(spec.coefficients).ravel()]
        self.at = truth.Evaluation(self.network, self.theta, self.x, Fraction)
        self.sweep = self.network.sweep(self.theta, self.x)

    @property
    def values(self) -> Array:
        """Outputs (N, Q)."""
        return exact(self.sweep.value)

    def input_gradients(self, dy: Array) -> Array:
        """Gradient (N, P) of sum dy * y in the inputs."""
        return exact(self.sweep.input_gradient(exact(dy).tolist()))

    def coefficient_gradients(self, dy: Array) -> list[Array]:
        """Gradients (Q, P, dim) of sum dy * y in the coefficients of each layer."""
        parts = self.network.parts(self.sweep.gradient(exact(dy).tolist()))
        return [exact(part).reshape(spec.coefficients.shape) for part, spec in zip(parts, self.specs, strict=True)]

    def second_derivatives(self, dy: Array, direction: Array) -> Array:
        """Derivative (N, P) of the input gradient along a direction (N, P)."""
        if len(self.specs) == 1:  # no layer passes on what the first one curves
            rows = zip(self.x, exact(dy), strict=True)
            curved = [exact(dy_s) @ exact(self._curvatures(x_s)) for x_s, dy_s in rows]
            return exact(direction) * exact(curved)
        pairs = zip(self.x, exact(direction), strict=True)
        moved = [[taylor.curve(x_p, [d], 0, 1) for x_p, d in zip(*rows, strict=True)] for rows in pairs]
        gradient = self.network.sweep(self.theta, moved).input_gradient(exact(dy).tolist())
        return exact([[taylor.coefficient(entry, (0,)) for entry in row] for row in gradient])

    def _curvatures(self, x: list[Fraction]) -> list[list[Fraction]]:
        """Second derivatives (Q, P) of the first layer at a sample."""
        layer = self.layers[0]
        return layer.sums(self.theta, layer.functions(x, 2))

    def jacobian(self) -> Array:
        """Jacobian (N, Q, M) of the outputs in all coefficients."""
        return exact(self.at.jacobian()).reshape(len(self.x), self.specs[-1].n_outputs, len(self.theta))

    def gauss_newton(self) -> Array:
        """J^T J / N, shape (M, M)."""
        return exact(square(self.at.jacobian_rows, len(self.theta))) / len(self.x)

    def knot_gradients(self, dy: Array) -> Array:
        """Gradient (P, n-1) in the interior breakpoints of a layer."""
        (gradients,) = self.sweep.knot_gradients(exact(dy).tolist())
        return exact(gradients)


def rows_at(spec: LayerSpec, x: FloatArray) -> LocalBasis:
    """Rows of the layer at x (N, P): `start` (N, P) and `rows` (3, N, P, r)."""
    return local_basis(KnotTables(spec.knots.copy(), spec.order), x, DERIVATIVES, spec.outside)


def edge_values(C: FloatArray, rows: LocalBasis) -> FloatArray:
    """f_{qp} and derivatives at the samples: (3, N, Q, P)."""
    n_samples, n_inputs = rows.start.shape
    out = np.zeros((DERIVATIVES + 1, n_samples, C.shape[0], n_inputs))
    for p in range(n_inputs):
        local = C[:, p, rows.start[:, p, None] + np.arange(rows.rows.shape[-1])]
        out[..., p] = np.einsum("qsi,dsi->dsq", local, rows.rows[:, :, p])
    return out


class FloatQuantities:
    """The same quantities in float64.

    Parameters
    ----------
    specs : sequence of LayerSpec
    x : array (N, P)
    """

    def __init__(self, specs: Sequence[LayerSpec], x: FloatArray) -> None:
        self.specs = tuple(specs)
        self.z = [x]
        self.rows: list[LocalBasis] = []
        self.splines: list[FloatArray] = []
        self.edges: list[FloatArray] = []
        for spec in self.specs:
            rows = rows_at(spec, self.z[-1])
            self.rows.append(rows)
            self.splines.append(edge_values(spec.coefficients, rows))
            self.edges.append(branches.edges(spec, self.splines[-1], self.z[-1]))
            self.z.append(self.edges[-1][0].sum(axis=2) + spec.part("bias"))

    @property
    def values(self) -> FloatArray:
        """Outputs (N, Q)."""
        return self.z[-1]

    def cotangents(self, dy: FloatArray) -> list[FloatArray]:
        """Cotangents of the inputs of each layer and, last, of the outputs."""
        g = [dy]
        for edges in reversed(self.edges):
            g.insert(0, (g[0][:, :, None] * edges[1]).sum(axis=1))
        return g

    def input_gradients(self, dy: FloatArray) -> FloatArray:
        """Gradient (N, P) of sum dy * y in the inputs."""
        return self.cotangents(dy)[0]

    def coefficient_gradients(self, dy: FloatArray) -> list[FloatArray]:
        """Gradients (Q, P, dim) of sum dy * y in the coefficients of each layer."""
        g, found = self.cotangents(dy), []
        for k, spec in enumerate(self.specs):
            out, start, values = np.zeros(spec.coefficients.shape), self.rows[k].start, self.rows[k].rows[0]
            for p in range(start.shape[1]):
                terms = values[:, p, :, None] * g[k + 1][:, None, :]
                where = (start[:, p, None] + np.arange(values.shape[-1])).ravel()
                np.add.at(out[:, p].T, where, terms.reshape(-1, spec.n_outputs))
            found.append(out if not spec.parts else spec.gain[:, :, None] * out)
        return found

    def part_gradients(self, name: str, dy: FloatArray) -> list[FloatArray]:
        """Gradients of sum dy * y in a part of each layer that has it."""
        g = self.cotangents(dy)
        return [
            branches.part_gradient(spec, name, self.splines[k][0], self.z[k], g[k + 1])
            for k, spec in enumerate(self.specs)
            if name in spec.parts
        ]

    def second_derivatives(self, dy: FloatArray, direction: FloatArray) -> FloatArray:
        """Derivative (N, P) of the input gradient along a direction (N, P)."""
        tangents = [direction]
        for edges in self.edges:
            tangents.append((edges[1] * tangents[-1][:, None, :]).sum(axis=2))
        g, gd = self.cotangents(dy), np.zeros_like(dy)
        for k in reversed(range(len(self.edges))):
            curved = g[k + 1][:, :, None] * self.edges[k][2] * tangents[k][:, None, :]
            gd = (gd[:, :, None] * self.edges[k][1] + curved).sum(axis=1)
        return gd

    def gauss_newton(self) -> FloatArray:
        """J^T J / N, shape (M, M)."""
        n_samples, n_outputs = self.values.shape
        J = np.concatenate([self._jacobian_of(q) for q in range(n_outputs)])
        return J.T @ J / n_samples

    def _jacobian_of(self, q: int) -> FloatArray:
        """Jacobian (N, M) of output q."""
        n_samples, n_outputs = self.values.shape
        g = self.cotangents(np.tile(np.eye(n_outputs)[q], (n_samples, 1)))
        parts, every = [], np.arange(n_samples)[:, None]
        for k, spec in enumerate(self.specs):
            start, values = self.rows[k].start, self.rows[k].rows[0]
            part = np.zeros((n_samples, *spec.coefficients.shape))
            for p in range(start.shape[1]):
                where = start[:, p, None] + np.arange(values.shape[-1])
                part[every, :, p, where] = values[:, p, :, None] * (spec.gain[:, p] * g[k + 1])[:, None, :]
            parts.append(part.reshape(n_samples, -1))
        return np.concatenate(parts, axis=1)

    def knot_gradients(self, dy: FloatArray) -> FloatArray:
        """Gradient (P, n-1) in the interior breakpoints of a layer, as `truth.knot_derivative`."""
        (spec,) = self.specs
        r, t = spec.order, spec.knots
        out = np.zeros((spec.n_inputs, spec.intervals - 1))
        for p in range(spec.n_inputs):
            for j in range(1, spec.intervals):
                at = j + r - 1
                doubled = np.insert(t[p], at, t[p, at])
                bhat = LayerSpec(doubled[None], np.zeros((1, 1, doubled.size - r)), r, spec.outside)
                i = np.arange(at - r + 1, at + 1)
                difference = spec.coefficients[:, p, i] - spec.coefficients[:, p, i - 1]
                weights = np.zeros((spec.n_outputs, 1, doubled.size - r))
                weights[:, 0, i] = -difference / (t[p, i + r - 1] - t[p, i])
                rows = rows_at(bhat, self.z[0][:, p : p + 1])
                out[p, j - 1] = (dy * edge_values(weights, rows)[0][:, :, 0]).sum()
        return out
