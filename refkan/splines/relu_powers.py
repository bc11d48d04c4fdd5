r"""The ReLU-power basis, with the interface of the B-splines.

psi_i(x) = max(x - t_i, 0)^(r-1) for i = 1-r, ..., n-1 (for r = 1 the step x >= t_i), of [S26] section 2.1. The scaled
basis divides x - t_i by the mean spacing h = (b-a)/n. The functions are not local: rows of a design matrix are dense,
and the evaluation of a spline in this basis has rounding errors like eps n^(r-1). No truth of this library uses it.
"""

from math import perm
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, as_array, as_vector, check_annotated, check_choice
from refkan.kernels.launch import launch
from refkan.kernels.recycled_memory import recycled
from refkan.kernels.truncated_powers import power_rows
from refkan.splines.bsplines import gauss_points
from refkan.splines.knots import check_derivative, check_strictly_increasing
from refkan.splines.local_basis import OUTSIDE, require_inside
from refkan.splines.spaces import SplineSpace

__all__ = ["design_matrix", "evaluate", "gram_matrix"]

FAR = 500
"""Binary exponent of h^(r-1) from which on powers of x - t_i come near the ends of the range of numbers."""


def relu_rows(knots: Array, order: int, inverse_scale: FloatArray, x: Array, derivatives: int, outside: str) -> Array:
    """Return values and x-derivatives [d, s, p, i] of all dim functions at x (N, P), column p on knots[p].

    Parameters
    ----------
    knots : array (P, n + 2r - 1)
        Extended knot vectors.
    order : int
    inverse_scale : array (P,)
        Factor of x - t_i, see `inverse_scale`.
    x : array (N, P)
    derivatives : int
        The highest derivative.
    outside : {"linear", "polynomial", "natural", "error"}
        What happens outside the domain.

    Returns
    -------
    array (derivatives + 1, N, P, dim)

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> knots, x = np.array([[-1.0, 0.0, 1.0, 2.0]]), np.array([[0.25]])
    >>> rk.relu_powers.relu_rows(knots, 2, np.ones(1), x, 1, "linear").shape
    (2, 1, 1, 2)
    """
    dim = knots.shape[1] - order
    _, exponents = np.frexp(inverse_scale)
    if (order - 1) * np.abs(exponents).max(initial=0) > FAR:
        # Powers of two are factored out exactly: x^(r-1) and h^(r-1) are out of range, but their quotient is not.
        unit = np.ldexp(1.0, exponents)
        rows = relu_rows(knots * unit[:, None], order, inverse_scale / unit, x * unit, derivatives, outside)
        return rows * unit[:, None] ** np.arange(derivatives + 1)[:, None, None, None]
    (N, P), kind = x.shape, np.result_type(x, knots, inverse_scale)
    rows = recycled((derivatives + 1, N, P, dim), kind)
    at, ends, t = np.ascontiguousarray(x), knots[:, [order - 1, dim]].T.copy(), knots[:, :dim].copy()
    perms = np.array([perm(order - 1, d) for d in range(order)], np.float64)
    factors = np.repeat(np.multiply.outer(perms, inverse_scale ** (order - 1))[..., None], dim, axis=2)
    launch(power_rows, N, (order + derivatives) * N * t.size, at, ends, t, factors, OUTSIDE[outside], rows)
    rows[order:] = 0.0
    return rows


def inverse_scale(space: SplineSpace, scaled: bool) -> float:
    """Return the factor of x - t_i: 1/h in the scaled basis and 1 in the plain basis.

    Examples
    --------
    >>> import refkan as rk
    >>> rk.relu_powers.inverse_scale(rk.SplineSpace.uniform(order=2, intervals=4), scaled=True)
    4.0
    """
    if not scaled:
        return 1.0
    return 1.0 / space.mean_spacing


def design_matrix(
    space: SplineSpace, x: Any, derivative: int = 0, outside: str = "error", scaled: bool = False
) -> Array:
    r"""Return the dense matrix Psi[s, i] = psi_i^{(derivative)}(x_s).

    Parameters
    ----------
    space : SplineSpace
        With strictly increasing knots.
    x : array (N,)
    derivative : int
        psi_i' = (r-1) max(x - t_i, 0)^(r-2), and so on.
    outside : {"linear", "polynomial", "natural", "error"}
        "natural": the functions' own values, which keep growing to the right.
    scaled : bool
        Whether x - t_i is divided by the mean spacing h = (b-a)/n.

    Returns
    -------
    array (N, dim)

    Raises
    ------
    KnotError
        If knots repeat.
    ValueError
        Wrong shape, non-finite points, an unknown policy, a negative derivative, or a point outside the domain under
        "error" (an OutsideDomainError).
    TypeError
        If `space` is no SplineSpace, `derivative` no integer, or points are not numbers.

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> rk.relu_powers.design_matrix(space, [0.0, 0.25, 1.0])
    array([[0.5 , 0.  , 0.  ],
           [0.75, 0.25, 0.  ],
           [1.5 , 1.  , 0.5 ]])
    """
    check_annotated(design_matrix, locals(), but=("derivative", "outside"))
    check_strictly_increasing(space.knots)
    check_choice("outside", outside, OUTSIDE)
    derivative = check_derivative(derivative)
    points = as_array("x", x, ndim=1)[:, None]
    if outside == "error":
        require_inside(np.array([space.domain]), points)
    scale = np.array([inverse_scale(space, scaled)])
    return relu_rows(space.knots[None, :].copy(), space.order, scale, points, derivative, outside)[derivative, :, 0]


def evaluate(
    space: SplineSpace,
    coefficients: Any,
    x: Any,
    derivative: int = 0,
    outside: str = "error",
    scaled: bool = False,
) -> Array:
    r"""Evaluate sum_j w_j psi_j, or one of its derivatives, at points x.

    The result carries the rounding errors of this basis, of size eps n^(r-1) times the coefficients of the same
    function in the B-spline basis.

    Parameters
    ----------
    coefficients : array (dim,)
        w_j.
    space, x, derivative, outside, scaled
        As for `design_matrix`.

    Returns
    -------
    array (N,)

    Raises
    ------
    KnotError, ValueError, TypeError
        As `design_matrix`, and for coefficients of another length or not finite.

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> rk.relu_powers.evaluate(space, [1.0, -2.0, 0.0], [0.25])
    array([0.25])
    """
    check_annotated(evaluate, locals(), but=("derivative", "outside"))
    c = as_vector("coefficients", coefficients, space.dim)
    return design_matrix(space, x, derivative, outside, scaled) @ c


def gram_matrix(space: SplineSpace, derivative: int = 0, scaled: bool = False) -> FloatArray:
    r"""Return the Gram matrix G_ij = int_a^b psi_i^{(d)} psi_j^{(d)} dx.

    Gauss quadrature with r points an interval is exact for it.

    Parameters
    ----------
    space : SplineSpace
        With strictly increasing knots.
    derivative : int
        d.
    scaled : bool
        Whether x - t_i is divided by the mean spacing.

    Returns
    -------
    array (dim, dim)
        Dense and symmetric. Its rounding errors, of size eps, exceed its smallest eigenvalues on many intervals:
        `rk.exact` has them to all digits.

    Raises
    ------
    KnotError, ValueError, TypeError
        If knots repeat, `derivative` is no integer from 0 on, or `space` no SplineSpace.

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=1, intervals=2)
    >>> rk.relu_powers.gram_matrix(space)
    array([[1. , 0.5],
           [0.5, 0.5]])
    """
    check_annotated(gram_matrix, {"scaled": scaled})
    x, weights = gauss_points(space)
    Psi = design_matrix(space, x, derivative, scaled=scaled)
    weighted = np.sqrt(weights)[:, None] * Psi
    return weighted.T @ weighted
