r"""The B-spline basis: values, x-derivatives, knot derivatives, design and Gram matrices.

Everything is local: at a point only r basis functions are non-zero, and only they are computed, by the
Cox-de Boor recursion

    b_i^{[r]} = (x - t_i)/(t_{i+r-1} - t_i) b_i^{[r-1]} + (t_{i+r} - x)/(t_{i+r} - t_{i+1}) b_{i+1}^{[r-1]},

whose terms are all non-negative on the domain, so that nothing cancels. On the last interval the right end is
included. Outside the domain a policy decides: "linear" (the tangent at the end point), "polynomial" (the end piece
continued), "natural" (the basis functions' own values) or "error".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from refkan.arguments import as_array, as_vector, check_choice, check_count
from refkan.array_types import Array, FloatArray, IntArray
from refkan.kernels import bspline_basis, knot_derivatives
from refkan.kernels.launch import launch
from refkan.spaces import SplineSpace

OUTSIDE = {"linear": 0, "polynomial": 1, "natural": 2, "error": 1}
"""Policies outside the domain. "error" raises before a kernel sees the points."""


@dataclass(frozen=True, eq=False)
class KnotTables:
    """What the kernels need to know of P knot vectors of one order and one number of intervals.

    Parameters
    ----------
    knots : array (P, K)
        Real, or complex where a complex step passes through the knots.
    order : int
    """

    knots: Array
    order: int

    @classmethod
    def of(cls, space: SplineSpace) -> KnotTables:
        """Tables of a single space."""
        return cls(space.knots[None, :], space.order)

    @property
    def dim(self) -> int:
        """Number of basis functions of each knot vector."""
        return self.knots.shape[1] - self.order

    @property
    def domains(self) -> FloatArray:
        """Ends (a, b) of each knot vector, shape (P, 2)."""
        return self.breakpoints[:, [0, -1]]

    def require_inside(self, x: Array) -> None:
        """Raise ValueError at the first x[s, p] outside the domain of knot vector p."""
        require_inside(self.domains, x)

    @cached_property
    def breakpoints(self) -> FloatArray:
        """Real breakpoints (P, n+1), contiguous."""
        return np.ascontiguousarray(self.knots.real[:, self.order - 1 : self.knots.shape[1] - self.order + 1])

    @cached_property
    def inverse_spans(self) -> Array:
        """1/(t_{l+k} - t_l) at [p, k, l], 0 for empty spans and for k = 0; shape (P, r, K)."""
        n_vectors, size = self.knots.shape
        table = np.zeros((n_vectors, self.order, size), self.knots.dtype)
        for k in range(1, self.order):
            span = self.knots[:, k:] - self.knots[:, :-k]
            np.divide(1.0, span, out=table[:, k, :-k], where=span != 0)
        return table

    @cached_property
    def halvings(self) -> int:
        """Bisection steps from the guide to any interval: 2^halvings intervals cover three cells of the guide."""
        padded = np.pad(self.guide, ((0, 0), (1, 2)), mode="edge")
        candidates = int((padded[:, 3:] - padded[:, :-3]).max()) + 1
        return (candidates - 1).bit_length()

    @cached_property
    def guide(self) -> IntArray:
        """The interval at a + c (b-a)/n, at [p, c]: where a search for an interval starts; shape (P, n+1)."""
        guide = np.empty(self.breakpoints.shape, np.int64)
        bspline_basis.build_guide(self.breakpoints, guide)
        return guide


@dataclass(frozen=True, eq=False)
class LocalBasis:
    """The r basis functions that matter at each point x[s, p].

    Attributes
    ----------
    start : array (N, P)
        Number of the first of the r functions, which is the number of the interval.
    rows : array (D+1, N, P, r)
        rows[d, s, p, i]: derivative d of function start[s, p] + i.
    """

    start: IntArray
    rows: Array


def local_basis(tables: KnotTables, x: Array, derivatives: int, outside: str) -> LocalBasis:
    """Evaluate the local basis and its first derivatives at x (N, P), column p on knot vector p.

    Raises
    ------
    ValueError
        Under outside="error", if a point lies outside its domain: the message names the first one.
    """
    if outside == "error":
        tables.require_inside(x)
    start = np.empty(x.shape, np.int64)
    rows = np.empty((derivatives + 1, *x.shape, tables.order), np.result_type(x, tables.knots))
    launch(
        bspline_basis.local_basis, x.shape[0], 15 * tables.order**2 * x.size,
        x, tables.knots, tables.breakpoints, tables.inverse_spans, tables.guide, tables.halvings,
        OUTSIDE[outside], start, rows,
    )  # fmt: skip
    return LocalBasis(start, rows)


def knot_rows(tables: KnotTables, x: Array, start: IntArray, outside: str) -> Array:
    """Derivatives of the local basis with respect to the nearby breakpoints.

    Returns
    -------
    array (N, P, 2r-2, r)
        [s, p, w, i]: of function start + i with respect to t_j, j = start - r + 2 + w; 0 unless 0 < j < n.
    """
    if outside == "natural":
        raise ValueError("knot derivatives need outside='linear', 'polynomial' or 'error'; got 'natural'")
    order = tables.order
    rows = np.empty((*x.shape, 2 * order - 2, order), np.result_type(x, tables.knots))
    operations = 15 * order**3 * x.size
    launch(
        knot_derivatives.knot_rows,
        x.shape[0],
        operations,
        x,
        start,
        tables.knots,
        tables.inverse_spans,
        OUTSIDE[outside],
        rows,
    )
    return rows


def require_inside(domains: FloatArray, x: Array) -> None:
    """Raise ValueError at the first x[s, p] outside the domain domains[p] = (a, b)."""
    low, high = domains.T
    bad = np.argwhere((x.real < low) | (x.real > high))
    if bad.size:
        s, p = map(int, bad[0])
        raise ValueError(
            f"x must lie in the domain under outside='error'; got x[{s}, {p}] = {x[s, p]} outside [{low[p]}, {high[p]}]"
        )


def evaluate(space: SplineSpace, coefficients: Any, x: Any, derivative: int = 0, outside: str = "error") -> Array:
    r"""Evaluate the spline sum_i c_i b_i, or one of its derivatives, at points x.

    Parameters
    ----------
    space : SplineSpace
    coefficients : array (dim,)
    x : array (N,)
    derivative : int
        Order of the derivative, 0 for values. Orders >= r are zero inside intervals.
    outside : {"linear", "polynomial", "natural", "error"}
        What happens outside the domain.

    Returns
    -------
    array (N,)

    Raises
    ------
    ValueError
        Wrong shapes, non-finite numbers, an unknown policy, or a point outside the domain under "error".

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=3, intervals=4)
    >>> rk.bsplines.evaluate(space, space.greville, [0.1, 1.0])
    array([0.1, 1. ])
    """
    check_choice("outside", outside, OUTSIDE)
    derivative = check_count("derivative", derivative)
    points = as_array("x", x, ndim=1)
    c = as_vector("coefficients", coefficients, space.dim)
    tables = KnotTables.of(space)
    if outside == "error":
        tables.require_inside(points[:, None])
    out = np.empty(points.size, np.result_type(points, c))
    if derivative >= space.order:
        out[:] = 0.0
        return out
    launch(
        bspline_basis.spline_values, points.size, 15 * space.order**2 * points.size,
        points, tables.knots[0], tables.breakpoints[0], tables.inverse_spans[0], tables.guide[0], tables.halvings,
        OUTSIDE[outside], derivative, c, out,
    )  # fmt: skip
    return out


def design_matrix(space: SplineSpace, x: Any, derivative: int = 0, outside: str = "error") -> sp.csr_array:
    r"""Sparse matrix B[s, i] = b_i^{(derivative)}(x_s), with exactly r stored entries a row.

    Parameters
    ----------
    space : SplineSpace
    x : array (N,)
    derivative : int
    outside : {"linear", "polynomial", "natural", "error"}

    Returns
    -------
    scipy.sparse.csr_array (N, dim)

    Raises
    ------
    ValueError
        Wrong shape, non-finite points, an unknown policy, or a point outside the domain under "error".

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> rk.bsplines.design_matrix(space, [0.0, 0.25, 1.0]).toarray()
    array([[1. , 0. , 0. ],
           [0.5, 0.5, 0. ],
           [0. , 0. , 1. ]])
    """
    check_choice("outside", outside, OUTSIDE)
    derivative = check_count("derivative", derivative)
    points = as_array("x", x, ndim=1)
    basis = local_basis(KnotTables.of(space), points[:, None], derivative, outside)
    columns = basis.start + np.arange(space.order)
    pointers = np.arange(points.size + 1) * space.order
    values = basis.rows[derivative].ravel()
    return sp.csr_array((values, columns.ravel(), pointers), shape=(points.size, space.dim))


def knot_derivative_matrix(space: SplineSpace, coefficients: Any, x: Any, outside: str = "error") -> Array:
    r"""Derivatives of the spline values with respect to the interior breakpoints t_1, ..., t_{n-1}.

    With bhat the B-splines on the knots with t_j doubled,

        df/dt_j = - sum_{i=j-r+1}^{j} (c_i - c_{i-1})/(t_{i+r-1} - t_i) bhat_i(x).

    At x = t_j itself, and for r = 2, the derivative is the one-sided one of the interval that holds x.

    Parameters
    ----------
    space : SplineSpace
        Of order at least 2, with breakpoints strictly increasing.
    coefficients : array (dim,)
    x : array (N,)
    outside : {"linear", "polynomial", "error"}
        Under "linear" the tails move with the value and the slope at the ends.

    Returns
    -------
    array (N, n-1)

    Raises
    ------
    ValueError
        For order 1, whose splines do not depend differentiably on their knots, and on bad shapes or policies.

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> rk.bsplines.knot_derivative_matrix(space, [0.0, 1.0, 0.0], [0.25])
    array([[-1.]])
    """
    check_choice("outside", outside, OUTSIDE)
    if space.order < 2:
        raise ValueError("knot derivatives need order >= 2; got order 1, whose splines jump at the knots")
    points = as_array("x", x, ndim=1)
    c = as_vector("coefficients", coefficients, space.dim)
    tables = KnotTables.of(space)
    basis = local_basis(tables, points[:, None], 0, outside)
    rows = knot_rows(tables, points[:, None], basis.start, outside)[:, 0]
    local = c[basis.start + np.arange(space.order)]
    near = np.einsum("swi,si->sw", rows, local)
    knot = basis.start - space.order + 2 + np.arange(2 * space.order - 2)
    inside = (knot > 0) & (knot < space.intervals)
    out = np.zeros((points.size, space.intervals - 1), near.dtype)
    sample = np.broadcast_to(np.arange(points.size)[:, None], knot.shape)
    out[sample[inside], knot[inside] - 1] = near[inside]
    return out


def gram_matrix(space: SplineSpace, derivative: int = 0) -> sp.csr_array:
    r"""Gram matrix G_ij = int_a^b b_i^{(d)} b_j^{(d)} dx, exact by Gauss quadrature with r points an interval.

    Parameters
    ----------
    space : SplineSpace
    derivative : int
        d = 0 for the mass matrix, 1 for the stiffness matrix, ...

    Returns
    -------
    scipy.sparse.csr_array (dim, dim)
        Symmetric, banded with r - 1 superdiagonals.

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> (12 * rk.bsplines.gram_matrix(space).toarray()).round(12)
    array([[2., 1., 0.],
           [1., 4., 1.],
           [0., 1., 2.]])
    """
    x, weights = gauss_points(space)
    B = design_matrix(space, x, derivative)
    G = (B.T @ (sp.diags_array(weights) @ B)).tocsr()
    return 0.5 * (G + G.T).tocsr()


def gauss_points(space: SplineSpace) -> tuple[FloatArray, FloatArray]:
    """Points and weights of the r-point Gauss rule on every interval: exact for products of two splines."""
    nodes, weights = np.polynomial.legendre.leggauss(space.order)
    t = space.breakpoints
    half = 0.5 * np.diff(t)[:, None]
    middle = 0.5 * (t[1:] + t[:-1])[:, None]
    keep = half[:, 0] > 0
    return (middle + half * nodes)[keep].ravel(), (half * weights)[keep].ravel()
