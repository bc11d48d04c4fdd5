r"""The local B-spline basis: tables of knots, and the r B-splines at a point with their derivatives."""

import numpy as np

from refkan.base import Array, FloatArray, Frozen, IntArray, OutsideDomainError, lazy
from refkan.kernels import (
    bspline_basis,
    plain_sums,
    polynomial_layer,
    polynomials_of_intervals,
    tables_of_new_knots,
)
from refkan.kernels.engine_choice import BASIS, takes_fast
from refkan.kernels.launch import launch
from refkan.kernels.recycled_memory import dtype_of, recycled
from refkan.splines.knots import extend_uniformly
from refkan.splines.pieces import Pieces
from refkan.splines.spaces import SplineSpace

OUTSIDE = {"linear": 0, "polynomial": 1, "natural": 2, "error": 1}
"""Rules outside the domain; under "error" points are checked before kernels run."""

CELLS_PER_INTERVAL = 8
"""Cells of the search guide per interval: two breakpoints seldom share one."""

MOST_KNOTS = 2**13
"""Knots up to which layers take values and slopes from the polynomials of intervals, whose tables stay in a cache. The
number of points does not matter, so that each point has the same bits among many."""

CELLS = 2**16
"""Largest number of cells, which stay in a cache."""


class KnotTables(Frozen):
    """Tables for kernels of P knot vectors of one order and one number of intervals.

    Parameters
    ----------
    knots : array (P, K)
        Real, or complex where a complex step passes through the knots.
    order : int
    """

    knots: Array
    order: int

    @classmethod
    def of(cls, space: SplineSpace) -> "KnotTables":
        """Tables of a single space."""
        # A copy: read-only arrays have another type in Numba, which would compile the kernels a second time.
        return cls(space.knots[None, :].copy(), space.order)

    @classmethod
    def extended(cls, breakpoints: Array, order: int) -> "KnotTables":
        """Tables of the knots `extend_uniformly(breakpoints, order)`, breakpoints (P, n+1), new at every call.

        For real breakpoints, those of free knots, one kernel computes all properties that sweeps need. It does not look
        for equal intervals, which occur only at the start of a training.
        """
        if breakpoints.dtype.kind == "c":
            return cls(extend_uniformly(breakpoints, order), order)
        P, n = breakpoints.shape[0], breakpoints.shape[1] - 1
        pairs = pairs_of_block(P)
        knots = np.empty((P, n + 2 * order - 1))
        inverse_spans, guide = np.empty((P, order, knots.shape[1])), np.empty((P, cell_count(n) + 1), np.int32)
        filled, windows = np.empty((2, P), np.int64), np.empty((P, n + 2), np.int64)
        scale, most, cells = np.empty(P), np.empty(P, np.int64), np.empty((4, pairs))
        origins = np.empty(pairs, np.uint64)
        launch(
            tables_of_new_knots.fill_tables, P, 8 * inverse_spans.size + 2 * guide.size + 5 * pairs,
            breakpoints, knots, inverse_spans, filled, windows, guide, scale, most, cells, origins,
        )  # fmt: skip
        halvings = max(most.tolist()).bit_length()
        tables = cls(knots, order)
        vars(tables).update(  # the lazy properties
            breakpoints=breakpoints, inverse_spans=inverse_spans, filled=filled, windows=windows,
            search=(guide, scale, halvings), cells=(cells, origins, guide, halvings),
        )  # fmt: skip
        return tables

    @property
    def dim(self) -> int:
        """Number of basis functions of each knot vector."""
        return self.knots.shape[1] - self.order

    @lazy
    def domains(self) -> FloatArray:
        """Ends (a, b) of each knot vector, shape (P, 2)."""
        return self.breakpoints[:, [0, -1]]

    def require_inside(self, x: Array, slack: float = 0.0) -> None:
        """Raise OutsideDomainError at the first x[s, p] outside the domain of knot vector p."""
        require_inside(self.domains, x, slack)

    def strays(self, x: FloatArray) -> bool:
        """Whether some x[s, p] lies outside the domain of knot vector p."""
        a, b = self.domains.T
        if x.size and x.min() >= a.max() and x.max() <= b.min():  # usually sufficient, and six times faster
            return False
        return not bool(np.all((a <= x) & (x <= b)))

    @lazy
    def breakpoints(self) -> FloatArray:
        """Real breakpoints (P, n+1), contiguous."""
        return np.ascontiguousarray(self.knots.real[:, self.order - 1 : self.knots.shape[1] - self.order + 1])

    @lazy
    def inverse_spans(self) -> Array:
        """1/(t_{l+k} - t_l) at [p, k, l], 0 for empty spans and for k = 0; shape (P, r, K)."""
        n_vectors, size = self.knots.shape
        table = np.zeros((n_vectors, self.order, size), self.knots.dtype)
        for k in range(1, self.order):
            span = self.knots[:, k:] - self.knots[:, :-k]
            np.divide(1.0, span, out=table[:, k, :-k], where=span != 0)
        return table

    @lazy
    def search(self) -> tuple[IntArray, FloatArray, int]:
        """Guide, scale and number of bisection steps of the search for an interval.

        The domain is cut into equal cells, scale[p] of them per unit of x. guide[p, c] is the last interval that starts
        before cell c, from which the bisection starts.
        """
        a, b = self.domains.T
        n_vectors, n = self.breakpoints.shape[0], self.breakpoints.shape[1] - 1
        cells = cell_count(n)
        with np.errstate(over="ignore"):  # domains as short as numbers can be
            scale = np.minimum(cells / (b - a), np.finfo(np.float64).max)
        # Breakpoints in earlier cells start before; rounding keeps their order.
        cell = ((self.breakpoints - a[:, None]) * scale[:, None]).astype(np.int64)
        rows = np.arange(n_vectors)[:, None] * (cells + 2)
        counts = np.bincount((rows + cell).ravel(), minlength=n_vectors * (cells + 2)).reshape(n_vectors, -1)
        first, last = self.filled
        before = np.cumsum(counts[:, :cells], axis=1) - counts[:, :cells] - 1
        guide: IntArray = np.empty((n_vectors, cells + 1), np.int32)
        guide[:, :cells] = np.clip(before, first[:, None], last[:, None])
        guide[:, cells] = last
        return guide, scale, int(counts[:, :cells].max()).bit_length()

    @lazy
    def filled(self) -> IntArray:
        """The first and the last interval that is not empty, (2, P)."""
        filled = np.diff(self.breakpoints) > 0
        return np.stack([np.argmax(filled, axis=1), filled.shape[1] - 1 - np.argmax(filled[:, ::-1], axis=1)])

    @lazy
    def windows(self) -> IntArray:
        """Number of the first of the r B-splines on each interval, right and left of the domain: (P, n+2).

        Outside the domain these are the B-splines of the last and the first interval that is not empty.
        """
        P, n = self.breakpoints.shape[0], self.breakpoints.shape[1] - 1
        windows = np.empty((P, n + 2), np.int64)
        windows[:, :n] = np.arange(n)
        windows[:, n + 1], windows[:, n] = self.filled
        return windows

    @lazy
    def tangents(self) -> Array:
        """Values (d = 0) and slopes (d = 1) at the ends a (0) and b (1) of the domain: [d, end, p, i]."""
        return local_basis(self, self.domains.T, 1, "polynomial", fast=False).rows

    @lazy
    def pieces(self) -> Pieces:
        """The polynomials of the B-splines on each interval and beyond the ends, for real knots."""
        (P, n), r = (self.breakpoints.shape[0], self.breakpoints.shape[1] - 1), self.order
        places, values, slopes = np.empty((P, n + 2, 4)), np.empty((P, n + 2, r, r)), np.empty((P, n + 2, r - 1, r))
        launch(
            polynomials_of_intervals.fill_pieces, P, 4 * values.size * r,
            self.knots, self.inverse_spans, self.windows, places, values, slopes,
        )  # fmt: skip
        return Pieces(places.reshape(-1), values.reshape(-1), slopes.reshape(-1), self.windows, *self.cells)

    @lazy
    def natural_pieces(self) -> Pieces:
        """The same for natural tails, where the pieces are the intervals between all knots.

        A B-spline depends only on its own r + 1 knots. With r - 1 more copies of the first and of the last knot, the
        domain of the space covers all knots, and its B-splines are the given ones and r - 1 more at each end. The
        domain includes its right end b: the piece that begins at b begins with the next number.
        """
        ends = (np.repeat(end, self.order - 1, axis=1) for end in (self.knots[:, :1], self.knots[:, -1:]))
        whole = KnotTables(np.concatenate([next(ends), self.knots, next(ends)], axis=1), self.order).pieces
        places, b = whole.places.reshape(len(self.knots), -1, 4), self.domains[:, 1:]
        places[..., 3] = np.where(places[..., 0] == b, np.nextafter(b, np.inf), places[..., 0])
        return whole

    @lazy
    def cells(self) -> tuple[FloatArray, IntArray, IntArray, int]:
        """Cells, origins, guide and halvings of `pieces`, the same for each sample of a block."""
        (a, b), (P, n) = self.domains.T, (self.breakpoints.shape[0], self.breakpoints.shape[1] - 1)
        guide: IntArray = np.empty((P, 0), np.int32)
        if equal_intervals(self.breakpoints):
            scale, halvings = n / (b - a), -1
            delta = 2e-15 * (1.0 + np.max([np.abs(a), np.abs(b), b - a], axis=0) * scale)
        else:
            (guide, scale, halvings), delta = self.search, np.zeros(P)
        size = pairs_of_block(P) // P
        origins: IntArray = np.tile(np.arange(P, dtype=np.uint64) * np.uint64(n + 2), size)
        return np.tile([a, b, scale, delta], (1, size)), origins, guide, halvings


def cell_count(intervals: int) -> int:
    """Number of cells of a guide."""
    return intervals * max(1, min(CELLS_PER_INTERVAL, CELLS // intervals))


def pairs_of_block(n_inputs: int) -> int:
    """Number of pairs of a sample and an input in a block of `polynomial_layer`."""
    return n_inputs * max(1, polynomial_layer.PAIRS // n_inputs)


def equal_intervals(breakpoints: FloatArray) -> bool:
    """Whether the intervals of each row t of breakpoints (P, n+1) are equal up to the rounding of t.

    The intervals must also be much longer than that rounding, which `find_uniform_intervals` allows for.
    """
    a, b, n = breakpoints[:, :1], breakpoints[:, -1:], breakpoints.shape[1] - 1
    spacing = np.spacing(np.maximum(np.abs(a), np.abs(b)))
    if (b - a < 64 * spacing * n).any():
        return False
    equal = a + (b - a) / n * np.arange(n)
    return bool((np.abs(breakpoints[:, :-1] - equal) <= 2 * spacing).all())


class LocalBasis(Frozen):
    """The r basis functions that may be non-zero at each point x[s, p].

    Attributes
    ----------
    start : array (N, P)
        Number of the first of the r functions, which is the number of the interval.
    rows : array (D+1, N, P, r)
        rows[d, s, p, i]: derivative d of function start[s, p] + i.
    """

    start: IntArray
    rows: Array

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return self.start.nbytes + self.rows.nbytes


def local_basis(
    tables: KnotTables,
    x: Array,
    derivatives: int,
    outside: str,
    slack: float = 0.0,
    fast: bool | None = None,
    pieces: bool = False,
) -> LocalBasis:
    """Evaluate the local basis and its first derivatives at x (N, P), column p on knot vector p.

    With `fast` the kernel is compiled for this order and number of derivatives; by default the engine in use decides.
    With `pieces` it takes values and slopes from the polynomials of intervals, which pays if the tables are kept.

    Raises
    ------
    OutsideDomainError
        Under outside="error", if a point lies outside its domain by more than slack (b - a).
    """
    if outside == "error":
        tables.require_inside(x, slack)
    if not x.flags.carray:  # one type for the kernels
        x = np.require(x, requirements=["C", "W"])
    if fast is None:
        fast = takes_fast(BASIS * x.size * tables.order)
    if not fast or dtype_of(x, tables.knots) is np.complex128:
        return basis_and_sums(tables, x, derivatives, outside, np.empty((0, x.shape[1], 0)))[0]
    start: IntArray = recycled(x.shape, np.int64)
    rows: FloatArray = recycled((derivatives + 1, *x.shape, tables.order))
    pieces = pieces and derivatives < 2 and tables.knots.size <= MOST_KNOTS
    if pieces:
        tables.pieces.fill_basis(x, outside == "linear", start, rows)
    else:
        _fill_fast(tables, x, start, rows)
    continued = outside == "natural" or (outside == "linear" and not pieces)
    if continued and tables.strays(x):  # few points: the plain kernel
        a, b = tables.domains.T
        beyond = ~((a <= x) & (x <= b))
        of_samples = np.flatnonzero(beyond.any(axis=1))
        tails, beyond = local_basis(tables, x[of_samples], derivatives, outside, fast=False), beyond[of_samples]
        start[of_samples] = np.where(beyond, tails.start, start[of_samples])
        rows[:, of_samples] = np.where(beyond[..., None], tails.rows, rows[:, of_samples])
    return LocalBasis(start, rows)


def basis_and_sums(tables: KnotTables, x: Array, derivatives: int, outside: str, C: Array) -> tuple[LocalBasis, Array]:
    """Return the local basis by the plain kernel, and sums of its values times C (Q, P, dim), (N, 1, Q), in one call.

    Under outside="error" points are not checked.
    """
    kind = dtype_of(x, tables.knots, C)
    start: IntArray = recycled(x.shape, np.int64)
    rows: Array = recycled((derivatives + 1, *x.shape, tables.order), kind)
    sums: Array = recycled((x.shape[0], 1, C.shape[0]), kind)
    knots = tables.knots
    if kind is np.complex128:  # one type for all
        x, knots, C = x.astype(kind), knots.astype(kind), C.astype(kind)
    operations = 4 * rows.size * tables.order + 2 * x.size * tables.order * C.shape[0]
    launch(plain_sums.local_basis, x.shape[0], operations, x, knots, OUTSIDE[outside], start, rows, C, sums)
    return LocalBasis(start, rows), sums


def _fill_fast(tables: KnotTables, x: FloatArray, start: IntArray, rows: FloatArray) -> None:
    depth, order = rows.shape[0], tables.order
    launch(
        bspline_basis.local_basis, x.shape[0], 2 * (depth + 1) * order**2 * x.size,
        x, tables.knots, tables.breakpoints, tables.inverse_spans, *tables.search,
        (0,) * order, (0,) * depth, start, rows,
    )  # fmt: skip


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
