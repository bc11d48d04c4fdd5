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
* Where a function vanishes inside the domain, its piece is zero and shows no unit of errors. There it is allowed

      eps/2 sum_j |b_j^(d)(x)|, which for d = 0 is eps/2, for sum_j b_j = 1.

  For let all b_j^(d) be the exact numbers rounded to the format, the best that any algorithm can return. Each is off
  by up to eps/2 |b_j^(d)|, and sum_j c_j b_j^(d) by up to eps/2 max |c| sum_j |b_j^(d)|, which |c_j| = max |c| attains.
  An error of that size in one more function doubles the bound at most: no sum of functions tells it from rounding.
  Recursions, Bernstein and power forms of the pieces leave exactly 0 instead. Truncated powers, summed or in divided
  differences, leave u sum_j |A_ij| |psi_j^(d)| with unit roundoff u: as little if u is small enough, else it is for
  the backend to declare.
* A shift: codes for equal spacing compute (x - a)/h, which carries four roundings relative to the size L of the domain.

At a knot both intervals count, since either piece gives the value there. A sum of T terms adds T eps times the sum
of their absolute values; a piece's own numbers are sums over r basis functions, of the size of norms. Beyond the domain
the rule "linear" adds the slope's error times the way to the end point. In networks the error of activations is
carried along through the absolute values of the next derivatives. The bound is a worst case to first order in eps;
correct layers stay well below it.

A backend may declare that it sums truncated powers instead of local functions: b_i = sum_j A_ij psi_j. Its terms are
larger: M_d = N_d = sum_j |A_ij| |psi_j^(d)|, which grows without bound to the right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import factorial, perm
from typing import Any

import numpy as np

from refkan.base import FloatArray, IntArray
from refkan.conformance.cases.specs import CONSTANT, LayerSpec
from refkan.conformance.cases.truths.precision import EPS
from refkan.conformance.cases.truths.quantities import LATEST, FloatQuantities, Quantities, doubled, silu
from refkan.networks.layers.activations import sigmoid_and_complement
from refkan.splines.change_of_basis import ChangeOfBasis
from refkan.splines.spaces import SplineSpace

ROUNDINGS, SHIFTS = 5, 4
FORMS = ("local", "truncated powers")

SILU_ROUNDINGS = 8
"""Of silu(x), in units of eps: an exponential, a sum, a quotient and a product, each by a library of a few ulps."""


def magnitudes(spec: LayerSpec, p: int, x: FloatArray, form: str = "local") -> FloatArray:
    """Of all basis functions of input p at x (N,): norms N_0 .. N_2, M_0 .. M_3, third summands.

    All are absolute, (10, N, dim). Under the rule "linear" those at the end point: what follows from them is for
    `basis_errors` to add.
    """
    knots = np.ascontiguousarray(spec.knots[p])
    return _magnitudes(knots.tobytes(), spec.order, spec.outside, np.ascontiguousarray(x).tobytes(), form)


@lru_cache(LATEST)
def _magnitudes(knots: bytes, order: int, outside: str, points: bytes, form: str) -> FloatArray:
    t, x = np.frombuffer(knots)[None], np.frombuffer(points)
    spec = LayerSpec(t, np.zeros((1, 1, t.size - order)), order, outside)
    at = np.clip(x, *spec.domain) if outside == "linear" else x
    if form != "local":
        M = _truncated(spec, 0, at)
        return np.concatenate([M[:3], M, np.zeros_like(M[:3])])
    return np.asarray(np.maximum(*(_norms(spec, 0, m, at) for m in _intervals(spec, 0, at))))


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
    slopes = np.abs(piece_derivatives(t, r, m, start))
    w = (t[np.clip(m + 1, 1, t.size - 1)] - start)[:, None]
    away = np.abs(at - np.clip(at, start, start + w[:, 0]))[:, None]
    way = np.maximum(w, np.abs(at - start)[:, None])
    out = np.zeros((10, *slopes.shape[1:]))
    for d in range(min(3, r)):
        out[d] = sum(slopes[k] * way ** (k - d) / factorial(k - d) for k in range(d, r))
    out[3 : 3 + min(4, r)] = np.abs(piece_derivatives(t, r, m, at)[:4])
    own = sum(slopes[k] * w**k / factorial(k) for k in range(r))
    share = np.divide(2.0, w, out=np.zeros_like(w), where=w > 0)  # beyond all knots an interval may be empty
    out[7:] = [perm(r - 1, d) * share**d * (1 + away * share) ** (r - 1 - d) * own for d in range(3)]
    return out


def piece_derivatives(t: FloatArray, r: int, m: IntArray, at: FloatArray) -> FloatArray:
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


def basis_errors(spec: LayerSpec, x: FloatArray, form: str = "local") -> tuple[FloatArray, FloatArray, FloatArray]:
    """Absolute values M, norms N and, in units of eps, allowed errors E of all basis functions: (3, N, P, dim) each."""
    if spec.outside == CONSTANT:  # values at the nearer end; derivatives are zero, which is exact
        held = np.clip(x, *spec.domains.T)
        inside = (held == x)[..., None]
        parts = basis_errors(replace(spec, outside="natural"), held, form)
        return tuple(np.stack([part[0], *(part[1:] * inside)]) for part in parts)  # type: ignore[return-value]
    errors = np.stack([magnitudes(spec, p, x[:, p], form) for p in range(spec.n_inputs)], axis=2)
    N, M, third = errors[:3], errors[3:7], errors[7:]
    a, b = spec.domains.T
    beside = np.where((x >= a) & (x <= b), M[:3].sum(axis=3) / 2, 0.0)[..., None]
    size = np.maximum(np.maximum(np.abs(a), np.abs(b)), b - a)[:, None]
    factors = ROUNDINGS * spec.order * (1 + np.arange(3))[:, None, None, None]
    E = factors * M[:3] + (spec.order + 0.5) * N + np.maximum(third, beside) + SHIFTS * size * M[1:]
    if spec.outside == "linear":  # the value and, times the way, the slope at the end; the second derivative is zero
        far = np.abs(x - np.clip(x, a, b))[:, :, None]
        E[0] += far * (E[1] + factors[0] * M[1])
        for part in (N, M):
            part[0] += far * part[1]
        for part in (N, M, E):
            part[2] = np.where(far > 0, part[1], part[2])  # room for a slope's rounding
    return M[:3], N, E


@dataclass(frozen=True)
class Bounds:
    """Arrays of sums of absolute terms, and of what rounding may do to them in units of eps.

    A product carries the errors of its factors and one rounding more, a sum of T terms T - 1 roundings of the sum of
    their absolute values, whatever the order of the terms.

    Examples
    --------
    >>> import numpy as np
    >>> a = Bounds(np.array([2.0, 3.0]), np.array([0.5, 0.0]))
    >>> (a * np.array([1.0, -1.0])).sum(axis=0)
    Bounds(size=np.float64(5.0), error=np.float64(10.5))
    """

    size: FloatArray
    error: FloatArray
    __array_ufunc__ = None  # products with arrays are those below

    @classmethod
    def of(cls, values: Any) -> "Bounds":
        """Return those of numbers that are given."""
        return values if isinstance(values, Bounds) else cls(np.abs(values), np.zeros(np.shape(values)))

    def __mul__(self, other: Any) -> "Bounds":
        b = Bounds.of(other)
        size = self.size * b.size
        return Bounds(size, self.size * b.error + self.error * b.size + size)

    __rmul__ = __mul__

    def __add__(self, other: "Bounds") -> "Bounds":
        size = self.size + other.size
        return Bounds(size, self.error + other.error + size)

    def __getitem__(self, index: Any) -> "Bounds":
        return Bounds(self.size[index], self.error[index])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of both arrays."""
        return self.size.shape

    def reshape(self, *shape: int) -> "Bounds":
        """Return both arrays in another shape."""
        return Bounds(self.size.reshape(*shape), self.error.reshape(*shape))

    def sum(self, axis: int) -> "Bounds":
        """Sum over an axis."""
        size = self.size.sum(axis=axis)
        return Bounds(size, self.error.sum(axis=axis) + (self.shape[axis] - 1) * size)

    def moved(self, slope: FloatArray, way: FloatArray) -> "Bounds":
        """Return those at points that are off by `way`, where the slope is `slope`."""
        return Bounds(self.size, self.error + np.abs(slope) * way)


class Tolerances:
    """Allowed errors of the quantities of a layer or network, as arrays of their shapes.

    Parameters
    ----------
    specs : sequence of LayerSpec
    x : array (N, P)
    form : {"local", "truncated powers"}
    """

    def __init__(self, specs: Sequence[LayerSpec], x: FloatArray, form: str = "local") -> None:
        self.eps = EPS[specs[0].dtype]
        self.bounds = BoundedQuantities(specs, x, form)

    def __getattr__(self, name: str) -> Any:
        """Return what `Quantities` has under the name, as allowed errors."""
        bound = getattr(self.bounds, name)
        return (lambda *arguments: self._allowed(bound(*arguments))) if callable(bound) else self._allowed(bound)

    def _allowed(self, bound: Any) -> Any:
        return [self._allowed(part) for part in bound] if isinstance(bound, list) else self.eps * bound.error


class BoundedQuantities(Quantities):
    """Bounds of the quantities of a layer or network."""

    def __init__(self, specs: Sequence[LayerSpec], x: FloatArray, form: str = "local") -> None:
        self.at, self.form = FloatQuantities(specs, x), form
        super().__init__(specs, Bounds.of(x))

    def given(self, values: Any) -> Bounds:
        """Absolute values, without an error."""
        return Bounds.of(values)

    def splines_at(self, spec: LayerSpec, z: Bounds) -> tuple[Bounds, Bounds]:
        """Of the conditioning of the pieces, and of the slopes times the errors of the points."""
        k = len(self.splines)
        M, N, E = basis_errors(spec, self.at.z[k], self.form)
        C = np.abs(spec.coefficients)
        size = np.einsum("dspi,qpi->dsqp", M, C)
        # All P r terms may be in one sum; of its roundings the sum over inputs adds P - 1.
        terms = spec.n_inputs * (spec.order - 1) + 1
        error = np.einsum("dspi,qpi->dsqp", E + spec.order * N, C) + terms * size
        basis = Bounds(M[0], E[0]).moved(M[1], z.error[:, :, None])
        return basis, Bounds(size, error).moved(_slopes(self.at.splines[k]), z.error[:, None])

    def silu_at(self, k: int) -> Bounds:
        """Of sums of the absolute terms of silu = x g, its slope g + x (g - g^2) and its second derivative."""
        x = self.at.z[k]
        g = sigmoid_and_complement(x)[0]
        steep, away = g + g * g, np.abs(x)
        terms = np.stack([away * g, g + away * steep, 2 * steep + away * steep * (1 + 2 * g)])
        rounded = SILU_ROUNDINGS * (1 + np.arange(3))[:, None, None] * terms
        return Bounds(terms, rounded).moved(_slopes(silu(x)), self.z[k].error)

    def gauss_newton(self) -> Bounds:
        """Of J^T J / N."""
        jacobian_rows, n = self.jacobian(), len(self.at.values)
        J = np.block([[part.size for part in parts] for parts in jacobian_rows])
        dJ = np.block([[part.error for part in parts] for parts in jacobian_rows])
        return Bounds(J.T @ J / n, (J.T @ dJ + dJ.T @ J + len(J) * (J.T @ J)) / n)

    def knot_gradients(self, dy: FloatArray) -> Bounds:
        """Twice the error of the functions on doubled knots, and a rounding for each term of any sum over them."""
        (spec,) = self.specs
        r, t = spec.order, spec.knots
        out = np.zeros((spec.n_inputs, spec.intervals - 1))
        terms = dy.shape[0] * (2 * r + spec.n_outputs)
        for p, j in np.ndindex(out.shape):
            M, _, E = basis_errors(*doubled(spec, self.at.z[0], p, j + 1))
            i = np.arange(j + 1, j + 1 + r)
            C = np.abs(spec.coefficients[:, p])
            weight = (C[:, i] + C[:, i - 1]) / (t[p, i + r - 1] - t[p, i])
            allowed = 2 * E[0][:, 0, i] + terms * M[0][:, 0, i]
            out[p, j] = np.einsum("sq,si,qi->", np.abs(dy), allowed, weight)
        return Bounds(out, out)


def _slopes(derivatives: FloatArray) -> FloatArray:
    """The derivative that follows each one, and zero after the last."""
    return np.concatenate([derivatives[1:], np.zeros_like(derivatives[:1])])
