r"""The change of basis A between B-splines and ReLU powers: b = A psi, w = A^T u.

On [a, b]: b_i = sum_j A_ij psi_j with A square, upper triangular, banded with r superdiagonals,

    A^{[1]} = I - N,    A^{[r]}_ij = A^{[r-1]}_ij / (t_{i+r-1} - t_i) - A^{[r-1]}_{i+1,j} / (t_{i+r} - t_{i+1}),

N the superdiagonal shift (Lemmas 1 and 2 of [S26]). With D = I - N and Delta_k = diag(t_{i+k-1} - t_i),

    A = D Delta_r^-1 D Delta_{r-1}^-1 ... Delta_2^-1 D,

so that A, A^T and their inverses cost r passes of differences or cumulative sums. The inverse has no subtraction;
all entries of A^-1 are non-negative.
"""

from math import comb, factorial
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, as_array, check_annotated, check_count, check_positive
from refkan.splines.knots import check_order, check_strictly_increasing
from refkan.splines.spaces import SplineSpace


def _difference(v: Array) -> Array:
    """D v: v_i - v_{i+1}, the last entry kept."""
    out = v.copy()
    out[..., :-1] -= v[..., 1:]
    return out


def _difference_transposed(v: Array) -> Array:
    """D^T v: v_i - v_{i-1}, the first entry kept."""
    out = v.copy()
    out[..., 1:] -= v[..., :-1]
    return out


def _sum(v: Array) -> Array:
    """D^-1 v: sums from the end."""
    return np.cumsum(v[..., ::-1], axis=-1)[..., ::-1]


def _sum_transposed(v: Array) -> Array:
    """D^-T v: sums from the start."""
    return np.cumsum(v, axis=-1)


def spans(knots: Array, order: int, h: Any = 1) -> list[Array]:
    """Delta_2, ..., Delta_r: the spans (t_{i+k-1} - t_i)/h, i = 0..dim-1, each of shape (..., dim).

    A is multiplied by h^(r-1) then. Knots are not divided by h before: of near ones nothing would be left.
    """
    dim = knots.shape[-1] - order
    return [(knots[..., k - 1 : k - 1 + dim] - knots[..., :dim]) / h for k in range(2, order + 1)]


def diagonals(knots: Array, order: int, h: Any = 1) -> Array:
    """The diagonals (r + 1, dim) of A, see `ChangeOfBasis.banded`, of one knot vector; exact of exact numbers."""
    dim = knots.size - order
    band = np.zeros((order + 1, dim + 1), knots.dtype)  # one more row of A, which is zero: the row below the last
    band[0, :dim], band[1, : dim - 1] = 1, -1
    for delta in spans(knots, order, h):
        quotient = band[:, :dim] / delta
        below = np.zeros_like(quotient)
        below[:, :-1] = quotient[:, 1:]
        band[:, :dim] = quotient
        band[1:, :dim] -= below[:-1]  # A_{i+1,j} sits one diagonal lower
    return band[:, :dim]


def apply(deltas: list[Array], v: Array) -> Array:
    """A v along the last axis."""
    v = _difference(v)
    for delta in deltas:
        v = _difference(v / delta)
    return v


def apply_transposed(deltas: list[Array], v: Array) -> Array:
    """A^T v along the last axis."""
    v = _difference_transposed(v)
    for delta in reversed(deltas):
        v = _difference_transposed(v / delta)
    return v


def solve(deltas: list[Array], v: Array) -> Array:
    """A^-1 v along the last axis."""
    v = _sum(v)
    for delta in reversed(deltas):
        v = _sum(v * delta)
    return v


def solve_transposed(deltas: list[Array], v: Array) -> Array:
    """A^-T v along the last axis."""
    v = _sum_transposed(v)
    for delta in deltas:
        v = _sum_transposed(v * delta)
    return v


class ChangeOfBasis(Frozen):
    r"""The matrix A of a spline space as an operator: b = A psi; coefficients w = A^T u, gradients grad_u = A grad_w.

    All methods act on the last axis of an array of any shape, and need O(r dim) operations for each vector.

    Parameters
    ----------
    space : SplineSpace
        With strictly increasing knots.
    scaled : bool
        Whether psi is the scaled basis ((x - t_i)_+/h)^(r-1); then A is multiplied by h^(r-1).

    Raises
    ------
    KnotError
        If knots repeat: the ReLU powers at a repeated knot are linearly dependent.
    ValueError, TypeError
        From its methods: if the last axis has another length than dim, or entries are not finite numbers.

    Notes
    -----
    [S26] Lemmas 1 and 2. A round trip w = A^T u, u = A^-T w is accurate componentwise,
    |error| <= C r eps |A^-T| |A^T| |u|, which grows with n like the condition number of A.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> A = rk.ChangeOfBasis(rk.SplineSpace.uniform(order=2, intervals=2))
    >>> A.dense()
    array([[ 2., -4.,  2.],
           [ 0.,  2., -4.],
           [ 0.,  0.,  2.]])
    >>> A.to_spline(A.to_relu(np.array([1.0, 2.0, 3.0])))
    array([1., 2., 3.])
    """

    space: SplineSpace
    scaled: bool = False

    def __post_init__(self) -> None:
        check_annotated(ChangeOfBasis, vars(self))
        check_strictly_increasing(self.space.knots)

    @property
    def _deltas(self) -> list[Array]:
        return spans(self.space.knots, self.space.order, self._unit)

    @property
    def _unit(self) -> float:
        """The h of the scaled basis."""
        return self.space.mean_spacing if self.scaled else 1.0

    def _vectors(self, name: str, values: Any) -> Array:
        v = as_array(name, values)
        if v.ndim == 0 or v.shape[-1] != self.space.dim:
            raise ValueError(f"{name} must have last axis of length dim = {self.space.dim}; got shape {v.shape}")
        return v

    def to_relu(self, u: Any) -> Array:
        """Return w = A^T u: ReLU-power coefficients of the function with B-spline coefficients u, shape (..., dim)."""
        return apply_transposed(self._deltas, self._vectors("u", u))

    def to_spline(self, w: Any) -> Array:
        """Return u = A^-T w: B-spline coefficients of the function with ReLU-power coefficients w, shape (..., dim)."""
        return solve_transposed(self._deltas, self._vectors("w", w))

    def apply(self, v: Any) -> Array:
        """Return A v: maps values of psi to values of b, and gradients in w to gradients in u."""
        return apply(self._deltas, self._vectors("v", v))

    def solve(self, v: Any) -> Array:
        """Return A^-1 v: maps values of b to values of psi, and gradients in u to gradients in w."""
        return solve(self._deltas, self._vectors("v", v))

    def banded(self) -> FloatArray:
        """Return the diagonals (r + 1, dim) of A, by the recursion of Lemma 2 of [S26].

        banded()[k, i] is A_{i,i+k}, and 0 beyond the last column.

        Examples
        --------
        >>> import refkan as rk
        >>> rk.ChangeOfBasis(rk.SplineSpace.uniform(order=2, intervals=2)).banded()
        array([[ 2.,  2.,  2.],
               [-4., -4.,  0.],
               [ 2.,  0.,  0.]])
        """
        return diagonals(self.space.knots, self.space.order, self._unit)

    def dense(self) -> FloatArray:
        """Return A as a dense array (dim, dim)."""
        A = np.zeros((self.space.dim, self.space.dim))
        for k, diagonal in enumerate(self.banded()):
            i = np.arange(self.space.dim - k) if k < self.space.dim else np.arange(0)
            A[i, i + k] = diagonal[i]
        return A

    @staticmethod
    def uniform(order: int, dim: int, spacing: float = 1.0) -> FloatArray:
        r"""Return A on uniform knots by its Toeplitz closed form.

        A_ij = (-1)^(j-i) C(r, j-i) / ((r-1)! h^(r-1)) for i <= j <= i + r.

        Corollary 1 of [S26]: h^(1-r)/(r-1)! times the r-th power of A^{[1]}.

        Parameters
        ----------
        order, dim : int
            r and the number of basis functions.
        spacing : float
            h, the distance of two knots.

        Returns
        -------
        array (dim, dim)

        Raises
        ------
        ValueError, TypeError
            Unless order is an integer from 1 to 10, dim a positive integer, and spacing finite and positive.

        Examples
        --------
        >>> import refkan as rk
        >>> rk.ChangeOfBasis.uniform(order=3, dim=3)
        array([[ 0.5, -1.5,  1.5],
               [ 0. ,  0.5, -1.5],
               [ 0. ,  0. ,  0.5]])
        """
        order, dim = check_order(order), check_count("dim", dim, 1)
        scale = factorial(order - 1) * check_positive("spacing", spacing) ** (order - 1)
        A = np.zeros((dim, dim))
        for k in range(min(order, dim - 1) + 1):
            A += np.diag(np.full(dim - k, (-1) ** k * comb(order, k) / scale), k)
        return A
