r"""The B-spline basis: values, x-derivatives, knot derivatives, design and Gram matrices.

Everything is local: at a point only r basis functions are non-zero, and only they are computed, by the
Cox-de Boor recursion

    b_i^{[r]} = (x - t_i)/(t_{i+r-1} - t_i) b_i^{[r-1]} + (t_{i+r} - x)/(t_{i+r} - t_{i+1}) b_{i+1}^{[r-1]},

whose terms are all non-negative on the domain, so that nothing cancels, and derivatives by

    d/dx b_i^{[r]} = (r-1) (b_i^{[r-1]}/(t_{i+r-1} - t_i) - b_{i+1}^{[r-1]}/(t_{i+r} - t_{i+1}))

(de Boor, A Practical Guide to Splines, 2001, chapters IX and X). On the last interval the right end is
included. Outside the domain a policy decides: "linear" (the tangent at the end point), "polynomial" (the end piece
continued), "natural" (the basis functions' own values) or "error".
"""

from typing import Any

import numpy as np
import scipy.sparse as sp

from refkan.base import Array, FloatArray, as_array, as_vector, check_choice, check_type
from refkan.kernels import bspline_basis
from refkan.kernels.engine_choice import takes_fast
from refkan.kernels.launch import launch
from refkan.splines.knots import check_derivative, check_strictly_increasing
from refkan.splines.local_basis import OUTSIDE, KnotTables, equal_intervals, local_basis, require_inside
from refkan.splines.spaces import SplineSpace

__all__ = ["design_matrix", "evaluate", "gram_matrix"]

SAVED = 10.0
"""Nanoseconds that polynomial pieces save for each function of a point."""


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
        Wrong shapes, non-finite numbers, an unknown policy, a negative derivative, or a point outside the domain under
        "error" (an OutsideDomainError).
    TypeError
        If `space` is no SplineSpace, `derivative` no integer, or coefficients or points are not numbers.

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=3, intervals=4)
    >>> rk.bsplines.evaluate(space, space.greville, [0.1, 1.0])
    array([0.1, 1. ])
    """
    check_choice("outside", outside, OUTSIDE)
    derivative = check_derivative(derivative)
    check_type("space", space, SplineSpace)
    points = as_array("x", x, ndim=1, finite=False)  # NaN and infinity are checked with the points outside
    c = as_vector("coefficients", coefficients, space.dim)
    few = points.size < space.order * space.intervals or not takes_fast(SAVED * space.order * points.size)
    if np.iscomplexobj(points) or np.iscomplexobj(c) or few:
        return _by_local_basis(space, c, as_array("x", points), derivative, outside)
    if derivative >= space.order:
        out = np.zeros(points.size)
        beyond = np.array([True])
    else:
        out, beyond = _by_pieces(space, c, np.require(points, requirements=["C", "W"]), derivative)
    if beyond.any():
        as_array("x", points)
        if outside == "error":
            require_inside(np.array([space.domain]), points[:, None])
        a, b = space.domain
        strays = (points < a) | (points > b)
        out[strays] = _by_local_basis(space, c, points[strays], derivative, outside)
    return out


def _by_local_basis(space: SplineSpace, c: Array, x: Array, derivative: int, outside: str) -> Array:
    """Sum over the r B-splines at each point."""
    basis = local_basis(KnotTables.of(space), x[:, None], min(derivative, space.order), outside)
    local = c[basis.start + np.arange(space.order)]
    return np.einsum("si,si->s", basis.rows[-1, :, 0], local)


def _by_pieces(space: SplineSpace, c: FloatArray, x: FloatArray, derivative: int) -> tuple[FloatArray, Array]:
    """Values on the domain by the Bernstein form of each interval's polynomial, and the blocks with points outside.

    It is faster from r points per interval on: the coefficients of an interval cost as much as r values.
    """
    order = space.order - derivative
    knots = space.knots.copy()
    for k in range(space.order - 1, order - 1, -1):  # differentiate: k (c_i - c_{i-1})/(t_{i+k} - t_i)
        spans = knots[k + 1 : -1] - knots[1 : -k - 1]
        c = k * np.divide(np.diff(c), spans, out=np.zeros_like(spans), where=spans > 0)
        knots = knots[1:-1]
    tables = KnotTables(knots[None].copy(), order)
    t, n = tables.breakpoints[0], space.intervals
    pieces = np.empty((n, 3 + order))
    launch(
        bspline_basis.bernstein_coefficients, n, 5 * order**3 * n, tables.knots[0], tables.inverse_spans[0],
        np.ascontiguousarray(c), pieces,
    )  # fmt: skip
    if equal_intervals(tables.breakpoints):
        guide, scale, halvings = np.empty(0, np.int32), n / (t[-1] - t[0]), -1
    else:
        guides, scales, halvings = tables.search
        guide, scale = guides[0], scales[0]
    out = np.empty(x.size)
    blocks = -(-x.size // bspline_basis.BLOCK)
    beyond = np.empty(blocks, np.bool_)
    launch(
        bspline_basis.bernstein_values, blocks, (20 + 6 * order) * x.size,
        x, t, guide, scale, halvings, (0,) * order, pieces.reshape(-1), out, beyond,
    )  # fmt: skip
    return out, beyond


def design_matrix(space: SplineSpace, x: Any, derivative: int = 0, outside: str = "error") -> sp.csr_array:
    r"""Return the sparse matrix B[s, i] = b_i^{(derivative)}(x_s), with exactly r stored entries a row.

    Parameters
    ----------
    space : SplineSpace
    x : array (N,)
    derivative : int
        Order of the derivative, 0 for values.
    outside : {"linear", "polynomial", "natural", "error"}
        What happens outside the domain; on it, a point between t_m and t_{m+1} has the columns m, ..., m + r - 1.

    Returns
    -------
    scipy.sparse.csr_array (N, dim)
        Its r entries a row are stored even where they are zero.

    Raises
    ------
    ValueError, TypeError
        As `evaluate`.

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
    derivative = check_derivative(derivative)
    check_type("space", space, SplineSpace)
    points = as_array("x", x, ndim=1)
    basis = local_basis(KnotTables.of(space), points[:, None], min(derivative, space.order), outside)
    columns = basis.start + np.arange(space.order)
    pointers = np.arange(points.size + 1) * space.order
    values = basis.rows[-1].ravel()  # derivatives of order >= r are all zero
    return sp.csr_array((values, columns.ravel(), pointers), shape=(points.size, space.dim))


def knot_derivative_matrix(space: SplineSpace, coefficients: Any, x: Any, outside: str = "error") -> Array:
    r"""Return the derivatives of spline values with respect to the interior breakpoints t_1, ..., t_{n-1}.

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
    KnotError
        If breakpoints repeat.
    ValueError
        For order 1, whose splines do not depend differentiably on their knots, under "natural", and on bad shapes or
        policies.
    TypeError
        As `evaluate`.

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> rk.bsplines.knot_derivative_matrix(space, [0.0, 1.0, 0.0], [0.25])
    array([[-1.]])
    """
    check_choice("outside", outside, tuple(policy for policy in OUTSIDE if policy != "natural"))
    check_type("space", space, SplineSpace)
    check_strictly_increasing(space.breakpoints, "breakpoints")
    if space.order < 2:
        raise ValueError("knot derivatives need order >= 2; got order 1, whose splines jump at the knots")
    points = as_array("x", x, ndim=1)
    c = as_vector("coefficients", coefficients, space.dim)
    if outside == "error":
        require_inside(np.array([space.domain]), points[:, None])
    r, t = space.order, space.knots
    out = np.zeros((points.size, space.intervals - 1), np.result_type(points, c))
    for j in range(1, space.intervals):
        p = j + r - 1  # where t_j stands
        quotients = np.zeros(space.dim + 1, c.dtype)
        i = np.arange(j, p + 1)
        quotients[i] = (c[i] - c[i - 1]) / (t[i + r - 1] - t[i])
        hats = design_matrix(SplineSpace(np.insert(t, p, t[p]), r), points, 0, outside)
        out[:, j - 1] = -(hats @ quotients)
    return out


def gram_matrix(space: SplineSpace, derivative: int = 0) -> sp.csr_array:
    r"""Return the Gram matrix G_ij = int_a^b b_i^{(d)} b_j^{(d)} dx.

    Gauss quadrature with r points an interval is exact for it.

    Parameters
    ----------
    space : SplineSpace
    derivative : int
        d = 0 for the mass matrix, 1 for the stiffness matrix, ...

    Returns
    -------
    scipy.sparse.csr_array (dim, dim)
        Symmetric, banded with r - 1 superdiagonals.

    Raises
    ------
    ValueError, TypeError
        If `derivative` is no integer from 0 on, or `space` no SplineSpace.

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
    r"""Return points and weights of the r-point Gauss rule on every interval.

    The rule is exact for products of two splines.

    On [t_m, t_{m+1}] with middle c and half length h: points c + h xi_k, weights h omega_k, for the nodes xi_k and the
    weights omega_k of Gauss and Legendre on [-1, 1]. Empty intervals have none.

    Parameters
    ----------
    space : SplineSpace

    Returns
    -------
    points, weights : array (r times the number of intervals that are not empty,)
        Points from left to right; weights sum to b - a.

    Raises
    ------
    TypeError
        If `space` is no SplineSpace.

    Examples
    --------
    >>> import refkan as rk
    >>> x, weights = rk.bsplines.gauss_points(rk.SplineSpace.uniform(order=1, intervals=4))
    >>> x, weights
    (array([0.125, 0.375, 0.625, 0.875]), array([0.25, 0.25, 0.25, 0.25]))
    """
    check_type("space", space, SplineSpace)
    nodes, weights = np.polynomial.legendre.leggauss(space.order)
    t = space.breakpoints
    half = 0.5 * np.diff(t)[:, None]
    middle = 0.5 * (t[1:] + t[:-1])[:, None]
    keep = half[:, 0] > 0
    return (middle + half * nodes)[keep].ravel(), (half * weights)[keep].ravel()
