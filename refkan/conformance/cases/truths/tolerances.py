r"""How far a correct backend may be from the truth: eps times the conditioning of the problem.

On an interval [t_m, t_{m+1}] of length w a basis function is a polynomial b, and whatever the algorithm, b is known by
r numbers that are rounded: values of the recursion, Taylor coefficients, ordinates in the Bernstein basis. So beside
the function itself, M_d = |b^(d)(x)|, the unit of errors is a norm of the piece, not the size of terms in one formula:

    N_d = sum_k |b^(d+k)(t_m)| W^k / k!,    W = max(w, |x - t_m|),

an upper bound of |b^(d)| on the whole interval, and on the way to x outside. A basis function or derivative of it
(d = 0, 1, 2) is allowed the error

    eps (5 r (1 + d) M_d + (r + 1/2) N_d + (r-1)!/(r-1-d)! (2/w)^d (1 + 2 s)^(r-1-d) n_0 + 4 L M_{d+1})

with n_0 the norm N_0 for W = w, and s the distance of x from the interval in units of w.

* Recursion: r levels of five roundings, once for each differentiation; no term of b cancels. In b' = T_1 - T_2 the
  terms may be larger than M_1, but (r-1) b(x) >= (x - t_i) T_1 + (t_{i+r} - x) T_2, so that they are at most a multiple
  of n_0 / w: of the third summand, which is the condition of differentiation on an interval.
* Power form: of the terms b^(k)(t_m) (x - t_m)^k / k! the k-th shows k + 3/2 roundings, in all at most (r + 1/2) N_0;
  its derivatives likewise N_d.
* Bernstein form: the ordinates sum_j C(k, j)/C(r-1, j) b^(j)(t_m) w^j / j! are at most n_0 and rounded; d differences
  double errors, with the factors (r-1)/w, (r-2)/w; a distance s away the absolute values of Bernstein polynomials of
  degree n sum to (1 + 2 s)^n: the third summand.
* A shift: codes for equal spacing compute (x - a)/h, which carries four roundings relative to the size L of the domain.

At a knot both intervals count, since either piece gives the value there. A sum of T terms adds T eps times the sum
of their absolute values; a piece's own numbers are sums over r basis functions, of the size of norms. Beyond the domain
the rule "linear" adds the slope's error times the way to the end point. In networks the error of activations is
carried along through the absolute values of the next derivatives. The bound is a worst case to first order in eps;
correct layers stay well below it.

A backend may declare that it sums truncated powers instead of local functions: b_i = sum_j A_ij psi_j. Its terms are
larger: M_d = N_d = sum_j |A_ij| |psi_j^(d)|, which grows without bound to the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial, perm

import numpy as np

from refkan.base.array_types import FloatArray, IntArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths import branches
from refkan.conformance.cases.truths.precision import EPS
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.splines.change_of_basis import ChangeOfBasis
from refkan.splines.spaces import SplineSpace

ROUNDINGS, SHIFTS = 5, 4
FORMS = ("local", "truncated powers")


def magnitudes(spec: LayerSpec, p: int, x: FloatArray, form: str = "local") -> FloatArray:
    """Of all basis functions of input p at x (N,): norms N_0 .. N_2, M_0 .. M_3, third summands.

    All are absolute, (10, N, dim). Under the rule "linear" those at the end point: what follows from them is for
    `basis_errors` to add.
    """
    at = np.clip(x, *spec.domains[p]) if spec.outside == "linear" else x
    if form != "local":
        M = _truncated(spec, p, at)
        return np.concatenate([M[:3], M, np.zeros_like(M[:3])])
    return np.asarray(np.maximum(*(_norms(spec, p, m, at) for m in _intervals(spec, p, at))))


def _truncated(spec: LayerSpec, p: int, x: FloatArray) -> FloatArray:
    """Sum_j |A_ij| times derivatives of max(x - t_j, 0)^(r-1)."""
    t, d = spec.knots[p], spec.order - 1
    A = np.abs(ChangeOfBasis(SplineSpace(t, spec.order)).dense())
    a, b = spec.domains[p]
    active = t[: spec.dim] <= (np.clip(x, a, b) if spec.outside != "natural" else x)[:, None]  # those of the end piece
    rise = np.abs(x[:, None] - t[: spec.dim])
    powers = [perm(d, k) * rise ** (d - k) * active if k <= d else 0.0 * rise for k in range(4)]
    return np.stack([power @ A.T for power in powers])


def _intervals(spec: LayerSpec, p: int, at: FloatArray) -> tuple[IntArray, IntArray]:
    """The intervals on the left and on the right of points, the same off the knots.

    Where a spline is smooth, either piece gives its value there, and zero of one is rounded terms of the other.
    """
    t, r = spec.knots[p], spec.order
    a, b = t[r - 1], t[-r]
    first, last = np.searchsorted(t, a, side="right") - 1, np.searchsorted(t, b, side="left") - 1
    right = np.searchsorted(t, at, side="right") - 1
    left = np.where(at > a, np.searchsorted(t, at, side="left") - 1, right)
    if spec.outside == "natural":
        return left, np.where(at == b, last, right)
    return np.clip(left, first, last), np.clip(right, first, last)


def _norms(spec: LayerSpec, p: int, m: IntArray, at: FloatArray) -> FloatArray:
    """What `magnitudes` returns, of the pieces on intervals m: zero beyond all knots."""
    t, r = spec.knots[p], spec.order
    start = t[np.clip(m, 0, t.size - 2)]
    slopes = np.abs(_derivatives(t, r, m, start))
    w = (t[np.clip(m + 1, 1, t.size - 1)] - start)[:, None]
    away = np.abs(at - np.clip(at, start, start + w[:, 0]))[:, None]
    way = np.maximum(w, np.abs(at - start)[:, None])
    out = np.zeros((10, *slopes.shape[1:]))
    for d in range(min(3, r)):
        out[d] = sum(slopes[k] * way ** (k - d) / factorial(k - d) for k in range(d, r))
    out[3 : 3 + min(4, r)] = np.abs(_derivatives(t, r, m, at)[:4])
    own = sum(slopes[k] * w**k / factorial(k) for k in range(r))
    share = np.divide(2.0, w, out=np.zeros_like(w), where=w > 0)  # beyond all knots an interval may be empty
    out[7:] = [perm(r - 1, d) * share**d * (1 + away * share) ** (r - 1 - d) * own for d in range(3)]
    return out


def _derivatives(t: FloatArray, r: int, m: IntArray, at: FloatArray) -> FloatArray:
    """Derivatives of order 0 to r - 1 of the polynomials of intervals m, (r, N, dim), by recursion and differences."""
    levels = [(np.arange(t.size - 1) == m[:, None]).astype(float)]
    for k in range(2, r + 1):
        share = levels[-1] * _inverse(t, k - 1)[: t.size - k + 1]
        count = t.size - k
        left, right = at[:, None] - t[:count], t[k : k + count] - at[:, None]
        levels.append(left * share[:, :-1] + right * share[:, 1:])
    out = []
    for d in range(r):
        level = levels[r - d - 1]
        for k in range(r - d + 1, r + 1):
            share = level * _inverse(t, k - 1)[: level.shape[1]]
            level = (k - 1) * (share[:, :-1] - share[:, 1:])
        out.append(level)
    return np.stack(out)


def _inverse(t: FloatArray, width: int) -> FloatArray:
    span = t[width:] - t[:-width]
    return np.divide(1.0, span, out=np.zeros_like(span), where=span != 0)


def basis_errors(
    spec: LayerSpec, x: FloatArray, form: str = "local"
) -> tuple[FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Absolute values M, norms N and, in units of eps, allowed errors E of all basis functions: (3, N, P, dim) each."""
    found = np.stack([magnitudes(spec, p, x[:, p], form) for p in range(spec.n_inputs)], axis=2)
    N, M, third = found[:3], found[3:7], found[7:]
    a, b = spec.domains.T
    size = np.maximum(np.maximum(np.abs(a), np.abs(b)), b - a)[:, None]
    factors = ROUNDINGS * spec.order * (1 + np.arange(3))[:, None, None, None]
    E = factors * M[:3] + (spec.order + 0.5) * N + third + SHIFTS * size * M[1:]
    if spec.outside == "linear":  # the value and, times the way, the slope at the end; the second derivative is zero
        far = np.abs(x - np.clip(x, a, b))[:, :, None]
        E[0] += far * (E[1] + factors[0] * M[1])
        for part in (N, M):
            part[0] += far * part[1]
        for part in (N, M, E):
            part[2] = np.where(far > 0, part[1], part[2])  # room for a slope's rounding
    return M[:3], N, E


class Tolerances:
    """Allowed errors of the quantities of a layer or network, as arrays of their shapes.

    Parameters
    ----------
    specs : sequence of LayerSpec
    x : array (N, P)
    form : {"local", "truncated powers"}
    """

    def __init__(self, specs: Sequence[LayerSpec], x: FloatArray, form: str = "local") -> None:
        self.specs = tuple(specs)
        self.eps = EPS[self.specs[0].dtype]
        self.quantities = FloatQuantities(self.specs, x)
        self.error, self.M, self.E = [np.zeros_like(x)], [], []
        self.size: list[FloatArray] = []  # sums of absolute terms of f_qp, f'_qp, f''_qp
        self.allowed: list[FloatArray] = []  # their errors in units of eps, at exact activations
        self.splines: list[tuple[FloatArray, FloatArray]] = []  # both of the splines alone
        for k, spec in enumerate(self.specs):
            M, N, E = basis_errors(spec, self.quantities.z[k], form)
            C = np.abs(spec.coefficients)
            self.M.append(M)
            self.E.append(E)
            size = np.einsum("dspi,qpi->dsqp", M, C)
            error = np.einsum("dspi,qpi->dsqp", E + spec.order * N, C) + spec.n_inputs * spec.order * size
            self.splines.append((size, error))
            size, error = branches.allowed(spec, size, error, self.quantities.z[k])
            self.size.append(size)
            self.allowed.append(error)
            moved = np.abs(self.quantities.edges[k][1]) * self.error[-1][:, None, :]
            self.error.append((error[0] + moved).sum(axis=2) + self._added(spec, size))

    @staticmethod
    def _added(spec: LayerSpec, size: FloatArray) -> FloatArray:
        """What adding a bias rounds: the last sum."""
        if "bias" not in spec.parts:
            return np.zeros(size.shape[1:3])
        return np.asarray(np.abs(spec.part("bias")) + size[0].sum(axis=2))

    @property
    def values(self) -> FloatArray:
        """Allowed errors of the outputs (N, Q)."""
        return self.eps * self.error[-1]

    def _cotangents(self, dy: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
        """Absolute sums of the cotangents of each layer's inputs and, last, of the outputs; and their errors."""
        sizes, errors = [np.abs(dy)], [np.zeros_like(dy)]
        for k in reversed(range(len(self.specs))):
            size, allowed = self.size[k], self.allowed[k]
            slope_error = allowed[1] + size[2] * self.error[k][:, None, :]
            terms = self.specs[k].n_outputs
            error = (sizes[0][:, :, None] * (slope_error + terms * size[1])).sum(axis=1)
            error += (errors[0][:, :, None] * size[1]).sum(axis=1)
            sizes.insert(0, (sizes[0][:, :, None] * size[1]).sum(axis=1))
            errors.insert(0, error)
        return sizes, errors

    def input_gradients(self, dy: FloatArray) -> FloatArray:
        """Allowed errors (N, P)."""
        return self.eps * self._cotangents(dy)[1][0]

    def coefficient_gradients(self, dy: FloatArray) -> list[FloatArray]:
        """Allowed errors (Q, P, dim) of each layer."""
        sizes, errors = self._cotangents(dy)
        out = []
        for k in range(len(self.specs)):
            value_error = self.E[k][0] + self.M[k][1] * self.error[k][:, :, None] + dy.shape[0] * self.M[k][0]
            allowed = np.einsum("sq,spi->qpi", sizes[k + 1], value_error)
            found = allowed + np.einsum("sq,spi->qpi", errors[k + 1], self.M[k][0])
            if self.specs[k].parts:  # two products more
                found += 2 * np.einsum("sq,spi->qpi", sizes[k + 1], self.M[k][0])
                found *= np.abs(self.specs[k].gain)[:, :, None]
            out.append(self.eps * found)
        return out

    def part_gradients(self, name: str, dy: FloatArray) -> list[FloatArray]:
        """Allowed errors of the gradients in a part of each layer that has it."""
        sizes, errors = self._cotangents(dy)
        out = []
        for k, spec in enumerate(self.specs):
            if name in spec.parts:
                size, error = self.splines[k]
                of_cotangents = sizes[k + 1], errors[k + 1]
                z, moved = self.quantities.z[k], self.error[k]
                found = branches.part_allowed(spec, name, size[:2], error[:2], z, moved, *of_cotangents)
                out.append(self.eps * found)
        return out

    def second_derivatives(self, dy: FloatArray, direction: FloatArray) -> FloatArray:
        """Allowed errors (N, P); for networks to leading order."""
        tangents = [np.abs(direction)]
        for size in self.size:
            tangents.append((size[1] * tangents[-1][:, None, :]).sum(axis=2))
        sizes, errors = self._cotangents(dy)
        total, error = np.zeros_like(dy), np.zeros_like(dy)
        for k in reversed(range(len(self.specs))):
            size, allowed = self.size[k], self.allowed[k]
            terms = self.specs[k].n_outputs + self.specs[k].n_inputs
            curved = sizes[k + 1][:, :, None] * tangents[k][:, None, :]
            own = curved * (allowed[2] + terms * size[2])
            own += errors[k + 1][:, :, None] * size[2] * tangents[k][:, None, :]
            passed = error[:, :, None] * size[1] + total[:, :, None] * (allowed[1] + terms * size[1])
            error = (own + passed).sum(axis=1)
            total = (total[:, :, None] * size[1] + curved * size[2]).sum(axis=1)
        return self.eps * error

    def gauss_newton(self) -> FloatArray:
        """Allowed errors (M, M)."""
        n_samples, n_outputs = self.quantities.values.shape
        sizes: list[FloatArray] = []
        errors: list[FloatArray] = []
        for unit in np.eye(n_outputs):
            g, g_error = self._cotangents(np.tile(unit, (n_samples, 1)))
            blocks: list[tuple[FloatArray, FloatArray]] = []
            for k, spec in enumerate(self.specs):
                value_error = self.E[k][0] + self.M[k][1] * self.error[k][:, :, None]
                gain = np.abs(spec.gain)[:, :, None]
                size = gain * np.einsum("sq,spi->sqpi", g[k + 1], self.M[k][0])
                error = gain * np.einsum("sq,spi->sqpi", g[k + 1], value_error)
                error += gain * np.einsum("sq,spi->sqpi", g_error[k + 1], self.M[k][0])
                blocks.append((size.reshape(n_samples, -1), error.reshape(n_samples, -1)))
            sizes.append(np.concatenate([size for size, _ in blocks], axis=1))
            errors.append(np.concatenate([error for _, error in blocks], axis=1))
        J, dJ = (np.stack(parts, axis=1) for parts in (sizes, errors))  # (N, Q, M)
        flat, off = J.reshape(n_samples * n_outputs, -1), dJ.reshape(n_samples * n_outputs, -1)
        return self.eps * (flat.T @ off + off.T @ flat + (len(flat) + 2) * (flat.T @ flat)) / n_samples

    def knot_gradients(self, dy: FloatArray) -> FloatArray:
        """Allowed errors (P, n-1)."""
        (spec,) = self.specs
        r, t = spec.order, spec.knots
        out = np.zeros((spec.n_inputs, spec.intervals - 1))
        terms = dy.shape[0] * (2 * r + spec.n_outputs)
        for p in range(spec.n_inputs):
            for j in range(1, spec.intervals):
                at = j + r - 1
                doubled = np.insert(t[p], at, t[p, at])[None]
                bhat = LayerSpec(doubled, np.zeros((1, 1, doubled.size - r)), r, spec.outside)
                M, _, E = basis_errors(bhat, self.quantities.z[0][:, p : p + 1])
                i = np.arange(at - r + 1, at + 1)
                C = np.abs(spec.coefficients[:, p])
                weight = (C[:, i] + C[:, i - 1]) / (t[p, i + r - 1] - t[p, i])
                allowed = 2 * E[0][:, 0, i] + terms * M[0][:, 0, i]
                out[p, j - 1] = np.einsum("sq,si,qi->", np.abs(dy), allowed, weight)
        return self.eps * out
