r"""The spline space S_r(T): order, knots, and what follows from them."""

from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, KnotError, as_array, check_count, lazy, real
from refkan.splines.knots import (
    MAX_INTERVALS,
    check_domain,
    check_knots,
    check_order,
    extend_uniformly,
    greville_points,
    is_uniform,
    uniform_breakpoints,
)


class SplineSpace(Frozen):
    r"""Piecewise polynomials of order r (degree r - 1) on [a, b], joined as smoothly as the knots allow.

    The knot vector t_{1-r} <= ... <= t_{n+r-1} has n + 2r - 1 knots; n is the number of intervals between the
    breakpoints a = t_0, ..., t_n = b, and the dimension is n + r - 1. Knots may repeat up to r times (clamped ends,
    reduced smoothness); a change to the ReLU-power basis requires strictly increasing knots.

    Parameters
    ----------
    knots : array (n + 2r - 1,)
        The extended knot vector, ascending.
    order : int
        r = degree + 1, from 1 to 10.

    Raises
    ------
    KnotError
        If a requirement on the knots does not hold; the message names the first offending knot.

    Notes
    -----
    [S26] section 2.1; array position i holds the function b_{i-r+1} and the knot t_{i-r+1} of the paper.

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=3, intervals=4, domain=(0.0, 1.0))
    >>> space.dim, space.knots
    (6, array([-0.5 , -0.25,  0.  ,  0.25,  0.5 ,  0.75,  1.  ,  1.25,  1.5 ]))
    """

    knots: FloatArray
    order: int

    def __post_init__(self) -> None:
        order = check_order(self.order)
        vars(self).update(order=order, knots=check_knots(self.knots, order))

    @classmethod
    def uniform(cls, order: int, intervals: int, domain: tuple[float, float] = (0.0, 1.0)) -> "SplineSpace":
        r"""Return the space on equally spaced knots t_k = a + (b-a) k/n, with r - 1 more of them on both sides.

        Parameters
        ----------
        order, intervals : int
            r, from 1 to 10, and n, at least 1.
        domain : pair of float
            (a, b), a < b.

        Raises
        ------
        KnotError, ValueError, TypeError
            On numbers that make no space, by name.

        Examples
        --------
        >>> import refkan as rk
        >>> rk.SplineSpace.uniform(order=2, intervals=2, domain=(0.0, 4.0)).knots
        array([-2.,  0.,  2.,  4.,  6.])
        """
        intervals = check_count("intervals", intervals, 1, MAX_INTERVALS)
        points = uniform_breakpoints(intervals, check_domain(domain))
        if not (points[1:] > points[:-1]).all():
            raise KnotError(f"domain must hold {intervals + 1} different floats, the breakpoints; got {tuple(domain)}")
        return cls.from_breakpoints(order, points)

    @classmethod
    def from_breakpoints(cls, order: int, breakpoints: Any) -> "SplineSpace":
        """Return the space on any breakpoints t_0..t_n, extended on both sides at their mean spacing (t_n - t_0)/n.

        Parameters
        ----------
        order : int
            r, from 1 to 10.
        breakpoints : array (n + 1,)
            Ascending, at least two.

        Raises
        ------
        KnotError, ValueError, TypeError
            On breakpoints that make no space; the first offending one is named.

        Examples
        --------
        >>> import refkan as rk
        >>> rk.SplineSpace.from_breakpoints(order=2, breakpoints=[0, 1, 4]).knots
        array([-2.,  0.,  1.,  4.,  6.])
        """
        order = check_order(order)
        points = _breakpoints(breakpoints)
        return cls(extend_uniformly(points, order), order)

    @classmethod
    def clamped(cls, order: int, breakpoints: Any) -> "SplineSpace":
        """Return the space on any breakpoints t_0..t_n with ends repeated r times, the convention of most codes.

        Parameters and errors as for `from_breakpoints`. Such a space has no ReLU-power basis if r > 1.

        Examples
        --------
        >>> import refkan as rk
        >>> rk.SplineSpace.clamped(order=3, breakpoints=[0, 1, 3]).knots
        array([0., 0., 0., 1., 3., 3., 3.])
        """
        order = check_order(order)
        points = _breakpoints(breakpoints)
        ends = np.full(order - 1, points[0]), np.full(order - 1, points[-1])
        return cls(np.concatenate([ends[0], points, ends[1]]), order)

    @property
    def degree(self) -> int:
        """The polynomial degree r - 1."""
        return self.order - 1

    @property
    def intervals(self) -> int:
        """The number n of intervals between breakpoints, including empty ones."""
        return self.knots.size - 2 * self.order + 1

    @property
    def dim(self) -> int:
        """The dimension n + r - 1: the number of basis functions."""
        return self.knots.size - self.order

    @property
    def domain(self) -> tuple[float, float]:
        """The ends (a, b) = (t_0, t_n)."""
        return float(self.knots[self.order - 1]), float(self.knots[-self.order])

    @property
    def breakpoints(self) -> FloatArray:
        """The knots t_0, ..., t_n on the domain, shape (n + 1,)."""
        return self.knots[self.order - 1 : self.knots.size - self.order + 1]

    @property
    def mean_spacing(self) -> float:
        """The mean spacing h = (b - a)/n, the scale of the scaled ReLU-power basis."""
        a, b = self.domain
        return (b - a) / self.intervals

    @lazy
    def greville(self) -> FloatArray:
        """The Greville points (t_{i+1} + ... + t_{i+r-1})/(r-1), shape (dim,): the coefficients of f(x) = x.

        For r = 1 they are the midpoints of the intervals. Knots beyond the domain count as well: for r > 2 the outer
        points of `uniform` and `from_breakpoints` lie outside the domain, and clipped to it those of r > 3 coincide, so
        that their collocation matrix is singular. For collocation take `clamped`, whose points all lie in the domain.
        """
        return greville_points(self.knots, self.order)

    @lazy
    def is_uniform(self) -> bool:
        """Whether all knots are equally spaced, up to their own rounding."""
        return is_uniform(self.knots)

    def refine(self, factor: int = 2) -> "SplineSpace":
        r"""Cut every interval into `factor` equal ones; on [a, b] the new space contains this one.

        All knots of this space on the domain are knots of the new one, bit for bit. The exterior knots follow their
        kind: uniform or mean spacing, clamped, or, for any others, the r - 1 nearest after the exterior spans are
        cut in the same way. They are not nested outside [a, b]: h/2 apart after refinement by 2, not h.

        Parameters
        ----------
        factor : int
            At least 1.

        Raises
        ------
        ValueError, TypeError
            If it is no integer from 1 on, or would make more than 10,000,000 intervals.

        Examples
        --------
        >>> import refkan as rk
        >>> rk.SplineSpace.uniform(order=2, intervals=2).refine().breakpoints
        array([0.  , 0.25, 0.5 , 0.75, 1.  ])
        """
        factor = check_count("factor", factor, 1, MAX_INTERVALS // self.intervals)
        if factor == 1:
            return self
        # Built anew where possible: k/n and 2k/2n are one float, so that two steps by 2 equal one by 4 in all bits.
        uniform = SplineSpace.uniform(self.order, self.intervals, self.domain)
        if self == uniform:
            return SplineSpace.uniform(self.order, self.intervals * factor, self.domain)
        fine = _cut(self.knots, factor)
        first = int(np.searchsorted(fine, self.domain[0], side="right")) - 1
        last = int(np.searchsorted(fine, self.domain[1], side="left"))
        if np.array_equal(self.knots, extend_uniformly(self.breakpoints, self.order)):
            return SplineSpace.from_breakpoints(self.order, fine[first : last + 1])
        return SplineSpace(fine[first - self.order + 1 : last + self.order], self.order)

    def insert(self, new_knots: Any) -> "SplineSpace":
        """Insert knots inside the domain; exterior knots are kept, so the new space contains this one everywhere.

        Parameters
        ----------
        new_knots : array (m,)
            Distinct points inside (a, b), none of them a knot, in any order.

        Raises
        ------
        KnotError
            Naming the first new knot outside the domain, at an existing knot, or given twice.
        ValueError, TypeError
            If they are no vector of finite real numbers.

        Examples
        --------
        >>> import refkan as rk
        >>> rk.SplineSpace.uniform(order=2, intervals=2).insert([0.9, 0.6]).breakpoints
        array([0. , 0.5, 0.6, 0.9, 1. ])
        """
        new = real("new_knots", as_array("new_knots", new_knots, ndim=1))
        a, b = self.domain
        outside, known = (new <= a) | (new >= b), np.isin(new, self.breakpoints)
        again = np.ones(new.size, bool)
        again[np.unique(new, return_index=True)[1]] = False  # the first of each
        for k in np.flatnonzero(outside | known | again)[:1]:
            got = f"got new_knots[{k}]={new[k]}"
            if outside[k]:
                raise KnotError(f"new_knots must lie inside the domain ({a}, {b}); {got}")
            if known[k]:
                raise KnotError(f"new_knots must not be knots already; {got}")
            raise KnotError(f"new_knots must be distinct; {got} twice")
        return SplineSpace(np.sort(np.concatenate([self.knots, new])), self.order)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SplineSpace):
            return NotImplemented
        return self.order == other.order and np.array_equal(self.knots, other.knots)

    def __hash__(self) -> int:
        return hash((self.order, (self.knots + 0.0).tobytes()))  # -0.0 equals 0.0

    def __repr__(self) -> str:
        a, b = self.domain
        spans = np.diff(self.breakpoints)
        kind = "uniform knots" if self.is_uniform else f"intervals of {spans.min():.3g} to {spans.max():.3g}"
        return f"SplineSpace(order={self.order}, intervals={self.intervals}, domain=({a:g}, {b:g}), {kind})"


def _cut(knots: FloatArray, factor: int) -> FloatArray:
    """Cut every span between knots into equal parts; empty spans stay single, so that multiplicities do."""
    spans = np.diff(knots)
    parts = knots[:-1, None] + spans[:, None] * (np.arange(factor) / factor)
    keep = (np.arange(factor) == 0) | (spans[:, None] > 0)
    return np.append(parts[keep], knots[-1])


def _breakpoints(values: Any) -> FloatArray:
    points = real("breakpoints", as_array("breakpoints", values, ndim=1))
    if points.size < 2:
        raise KnotError(f"breakpoints must hold at least two points; got {points.size}")
    falls = points[1:] < points[:-1]
    if falls.any():
        i = int(falls.argmax()) + 1
        told = f"breakpoints[{i}]={points[i]} after breakpoints[{i - 1}]={points[i - 1]}"
        raise KnotError(f"breakpoints must be in ascending order; got {told}")
    return points
