r"""The local B-spline basis: tables of knots, and the r functions that matter at a point with their derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from refkan.array_types import Array, FloatArray, IntArray
from refkan.errors import OutsideDomainError
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
        # A copy: read-only arrays are another type to Numba, which would compile the kernels a second time.
        return cls(space.knots[None, :].copy(), space.order)

    @property
    def dim(self) -> int:
        """Number of basis functions of each knot vector."""
        return self.knots.shape[1] - self.order

    @property
    def domains(self) -> FloatArray:
        """Ends (a, b) of each knot vector, shape (P, 2)."""
        return self.breakpoints[:, [0, -1]]

    def require_inside(self, x: Array, slack: float = 0.0) -> None:
        """Raise OutsideDomainError at the first x[s, p] outside the domain of knot vector p."""
        require_inside(self.domains, x, slack)

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


def local_basis(tables: KnotTables, x: Array, derivatives: int, outside: str, slack: float = 0.0) -> LocalBasis:
    """Evaluate the local basis and its first derivatives at x (N, P), column p on knot vector p.

    Raises
    ------
    OutsideDomainError
        Under outside="error", if a point lies outside its domain by more than slack (b - a).
    """
    if outside == "error":
        tables.require_inside(x, slack)
    x = np.require(x, requirements=["C", "W"])  # one type for the kernels, whatever came
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


def require_inside(domains: FloatArray, x: Array, slack: float = 0.0) -> None:
    """Raise OutsideDomainError at the first x[s, p] outside (a, b) = domains[p] by more than slack (b - a)."""
    low, high = domains.T
    margin = slack * (high - low)
    bad = np.argwhere((x.real < low - margin) | (x.real > high + margin))
    if bad.size:
        s, p = map(int, bad[0])
        raise OutsideDomainError(
            f"x must lie in the domain under outside='error'; got x[{s}, {p}] = {x[s, p]} outside [{low[p]}, {high[p]}]"
        )
