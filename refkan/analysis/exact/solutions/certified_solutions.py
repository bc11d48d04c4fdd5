r"""Proven error bounds of networks as solutions of boundary value problems, from enclosures of their residuals.

For div(c grad u) + q u = f in a box, q = k^2 - r, u = g on its boundary, and a network v, the error e = v - u solves

    div(c grad e) + q e = rho,    rho = div(c grad v) + q v - f,    e = delta = v - g on the boundary

It is bounded by comparison with functions that the equation takes below zero, and by eigenfunctions, from bounds of
|rho| and |delta|. In one dimension it is an integral of rho, which is enclosed at many points, the signs of rho
included: the bound is then sharp where the residual oscillates (`bounds_of_errors`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.boxes import BUDGET
from refkan.analysis.exact.enclosures.float_intervals import Intervals, concatenated, up
from refkan.analysis.exact.enclosures.network_intervals import IntervalNetwork
from refkan.analysis.exact.enclosures.subdivision import Evaluation, absolute, of_range, range_over
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, units
from refkan.analysis.exact.solutions.bounds_of_errors import bound_by_integration, by_eigenfunctions, comparisons
from refkan.analysis.exact.solutions.equation_functions import Order, evaluated, posed_equation
from refkan.base import FloatArray, Frozen, Natural, Positive, check_positive
from refkan.networks import Network

POINTS = 4000
"""Intervals of integration in one dimension, by default."""


class CertifiedError(Frozen, eq=True):
    """Proven bounds; each is an upper bound of a maximum absolute value.

    Attributes
    ----------
    residual : float
        Of Lap v + k^2 v - f in the box.
    boundary : float
        Of v - g on the boundary.
    by_maximum_principle : float
        Of v - u; infinite where there is no such principle: for k^2 - r above the first eigenvalue of -Lap in the box.
    by_integration : float
        Of v - u, in one dimension; infinite otherwise.
    reached : bool
        Whether the bound of the residual is attained but for the tolerance.
    by_eigenfunctions : float
        Of v - u, in two or three dimensions for k > 0 without r and c; infinite otherwise.

    Examples
    --------
    >>> import refkan as rk
    >>> net, line = rk.kan([1, 1], order=3, intervals=1), [-0.5, 0.5, 1.5]  # the function x
    >>> bounds = rk.exact.certified_error(net, line, lambda x: 0.0 * x, lambda x: x, [[0.0, 1.0]])
    >>> bounds.error < 1e-14, bounds.reached
    (True, True)
    """

    residual: float
    boundary: float
    by_maximum_principle: float
    by_integration: float
    reached: bool
    by_eigenfunctions: float = np.inf

    @property
    def error(self) -> float:
        """The best bound of |v - u|."""
        return min(self.by_maximum_principle, self.by_integration, self.by_eigenfunctions)


def certified_error(
    net: Network,
    theta: Any,
    source: Callable[..., Any],
    boundary: Callable[..., Any],
    box: Any,
    wavenumber: float = 0.0,
    tolerance: Positive = 1e-9,
    order: Order = 5,
    points: Natural = POINTS,
    budget: Natural = BUDGET,
    coefficient: Callable[..., Any] | None = None,
    reaction: Callable[..., Any] | None = None,
) -> CertifiedError:
    r"""Bound the error of a network that approximates div(c grad u) + (k^2 - r) u = f in a box, u = g on its boundary.

    Parameters
    ----------
    net, theta
        As for `enclose`; one output, continuous first derivatives (splines of order 3 or more).
    source, boundary : callable
        f and g as functions of the inputs, one argument each, made by + - *, division by constants, powers, ``sin()``,
        ``cos()`` and ``exp()``. Constants are the numbers that they are: floats of any length, integers, fractions.
    box : array (P, 2)
    wavenumber : float
        k.
    tolerance : float
        By how much the bound of the residual may exceed the residual.
    order : int
        Degree of the Taylor polynomials, from 2.
    points : int
        Intervals of integration in one dimension.
    budget : int
        Boxes that may be evaluated for the residual; the bounds hold in any case.
    coefficient : callable, optional
        c, as `source`; 1 by default. That it is positive follows from m > 0, or is checked in one dimension.
    reaction : callable, optional
        r, as `source`; 0 by default. -u'' + u = f is u'' - 1 u = -f: source -f and reaction ``lambda x: 1``.

    Returns
    -------
    CertifiedError

    Raises
    ------
    ValueError
        Where no bound has its hypotheses, each of which is named: coefficients that vary too much for the comparison,
        k^2 - r at an eigenvalue, or above the first one where r or c is a function, resonance. For more than one
        output, networks whose first derivatives jump, an empty box, ends of a box or wavenumbers that are no floats,
        constants that are not finite, and what `enclose` refuses.
    TypeError
        If f, g or c takes a number out of its arguments, or returns what is neither made of them nor a real constant.

    Notes
    -----
    f, g and c being analytic, there is one solution u in W^(2,p) of every compact part of the box, for all p, that is
    continuous up to the boundary; splines of order 3 are in W^(2,inf). The maximum principle for such strong solutions
    (Gilbarg and Trudinger, Elliptic Partial Differential Equations of Second Order, 2001, theorems 9.1 and 9.30) needs
    second derivatives almost everywhere alone. With s = x - (a + b)/2, m is the least (s c)' in the box: m > 0 makes
    c >= m by integration from s = 0, so that the equation is elliptic. In one dimension: variation of constants. Where
    k^2 > r the solution is meant to be continuous in the closed box; the bounds prove that there is no other.

    Examples
    --------
    The solution of u'' = 2, u(0) = 0, u(1) = 1 is x^2, which a cubic spline holds but for the last coefficient here:

    >>> import refkan as rk
    >>> net = rk.kan([1, 1], order=4, intervals=1)  # coefficients of x^2 are (2, -1, 2, 11)/3
    >>> theta = [2 / 3, -1 / 3, 2 / 3, 11 / 3 + 6e-6]
    >>> bounds = rk.exact.certified_error(net, theta, lambda x: 0 * x + 2.0, lambda x: x * x, [[0.0, 1.0]])
    >>> round(bounds.residual / 6e-6, 6), 0.99 < bounds.error / 1e-6 < 1.01
    (1.0, True)
    """
    counts = dict.fromkeys(("source", "boundary", "coefficient", "reaction"))
    k = 0.0 if np.ndim(wavenumber) == 0 and wavenumber == 0 else check_positive("wavenumber", wavenumber)
    steps, ends = posed_equation(certified_error, locals(), counts, "a boundary value problem", wavenumber=k)
    if steps.n_outputs != 1:
        raise ValueError(f"net must have one output, the solution; got {steps.n_outputs}")
    residual_over = partial(_residual, steps, k, order, source, coefficient, reaction)
    ranges = range_over(lambda boxes: Evaluation.of_value(residual_over(boxes)), ends, absolute(tolerance), budget)
    residual = float(ranges.outer.magnitude[0])
    delta = _boundary_error(steps, boundary, ends, tolerance, order, budget)
    worst = float(delta.magnitude.max())
    sides = Intervals.of(ends[:, 1]) - Intervals.of(ends[:, 0])
    q = Intervals.of(k) * Intervals.of(k) if k else Intervals.of(0.0)
    if reaction is not None:
        q = q - _range(lambda at: evaluated("reaction", reaction, at, 0).value, ends, 1e-3, budget)
    slopes = np.array([_slope(ends, p, coefficient, budget) for p in range(steps.n_inputs)])
    functions = []
    if _is_positive(coefficient, slopes, ends, budget):  # the maximum principle is one of elliptic equations
        functions = [*comparisons(sides, q, slopes, coefficient is None)]
    principle = min((function.bound(worst, residual) for function in functions), default=np.inf)
    integrated, expanded, reasons = np.inf, np.inf, [] if functions else [_reason(q, slopes)]
    exactly = coefficient is None and reaction is None
    growth = 1.0 if q.hi <= 0 else np.inf  # of an error that is integrated without q e
    growth = min([growth, *(float(up(float(q.magnitude) * function.source)) for function in functions)])
    if steps.n_inputs == 1 and (exactly or (growth < np.inf and (functions or reaction is None))):
        wave = k if exactly else 0.0
        integrated = bound_by_integration(residual_over, wave, ends[0], delta, residual, points, coefficient)
        if not exactly:
            integrated = float(up(integrated * up(1.0 + growth)))
    elif k and exactly and steps.n_inputs > 1:
        factor = by_eigenfunctions(sides, q)
        if isinstance(factor, tuple):
            reasons.append(
                f"wavenumber must stay away from eigenvalues; k^2 - r may be that of the half waves {factor}"
            )
        else:
            expanded = float(up(worst + up(up(residual + up(float(q.magnitude) * worst)) * factor)))
    if not functions and integrated == expanded == np.inf:
        raise ValueError("; ".join(reasons))
    return CertifiedError(residual, worst, principle, integrated, ranges.reached, expanded)


def _reason(q: Intervals, slopes: FloatArray) -> str:
    """Why there is no comparison function."""
    if not (slopes > 0).any():
        return (
            "coefficient must vary less: c - c_x ((a + b)/2 - x) must be positive for an input x; where k^2 - r is "
            "negative c must be positive"
        )
    return f"k^2 - r must stay below the first eigenvalue; it reaches {float(q.hi):.6g}, too large for the comparison"


def _residual(
    steps: IntervalNetwork,
    k: float,
    order: int,
    source: Callable[..., Any],
    coefficient: Callable[..., Any] | None,
    reaction: Callable[..., Any] | None,
    boxes: Intervals,
) -> Expansion:
    """rho as Taylor numbers (B,) at the centres and over boxes."""

    def of(y: TaylorIntervals, at: Intervals) -> TaylorIntervals:
        v = y[:, 0]
        rho = -evaluated("source", source, at, order - 2)
        for unit in units(steps.n_inputs):
            flux = v.derivative(unit)
            if coefficient is not None:
                flux = flux * evaluated("coefficient", coefficient, at, order - 1)
            rho = rho + flux.derivative(unit)
        if k:
            rho = rho + v * (Intervals.of(k) * Intervals.of(k))
        if reaction is not None:
            rho = rho - v * evaluated("reaction", reaction, at, order - 2)
        return TaylorIntervals({i: c for i, c in rho.parts.items() if sum(i) <= order - 2}, order - 2)

    rho = steps.sweep(boxes, order).map(of, boxes)
    return rho._replace(smoothness=rho.smoothness - 2)


def _range(function: Callable[[Intervals], Intervals], ends: FloatArray, tolerance: float, budget: int) -> Intervals:
    """The range in the box of a function of points or boxes (B, P), to a part of it."""

    def quantities(boxes: Intervals) -> Evaluation:
        return Evaluation(function(boxes)[:, None], function(Intervals.of(boxes.middle))[:, None])

    return range_over(quantities, ends, of_range(tolerance), budget).outer[0]


def _is_positive(coefficient: Callable[..., Any] | None, slopes: FloatArray, ends: FloatArray, budget: int) -> bool:
    """Whether c > 0 in the box: by m > 0 along an input, or by its range."""
    if coefficient is None or (slopes > 0).any():
        return True
    return bool(_range(lambda at: evaluated("coefficient", coefficient, at, 0).value, ends, 1e-2, budget).lo > 0)


def _slope(ends: FloatArray, p: int, coefficient: Callable[..., Any] | None, budget: int) -> float:
    """A lower bound of m, the least c - c_p ((a + b)/2 - x_p) in the box."""
    if coefficient is None:
        return 1.0
    middle = (Intervals.of(ends[p, 0]) + Intervals.of(ends[p, 1])) * Intervals.of(0.5)

    def minus_source(at: Intervals) -> Intervals:
        c = evaluated("coefficient", coefficient, at, 1)
        return c.value - c.derivative(units(len(ends))[p]).value * (middle - at[:, p])

    return float(_range(minus_source, ends, 1e-3, budget).lo)


def _boundary_error(
    steps: IntervalNetwork, boundary: Callable[..., Any], ends: FloatArray, tolerance: float, order: int, budget: int
) -> Intervals:
    """v - g on the faces of the box, one entry a face: x_0 = a_0, x_0 = b_0, x_1 = a_1, ..."""

    def quantities(boxes: Intervals) -> Evaluation:
        v = steps.sweep(boxes, order)
        return Evaluation.of_value(v.map(lambda y, at: y[:, 0] - evaluated("boundary", boundary, at, order), boxes))

    faces = []
    for p, end in np.ndindex(ends.shape):
        face = ends.copy()
        face[p] = ends[p, end]
        faces.append(range_over(quantities, face, absolute(tolerance), budget).outer)
    return concatenated(faces)
