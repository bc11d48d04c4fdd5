r"""Proven error bounds of networks as solutions of boundary value problems, from enclosures of their residuals.

For Lap u + k^2 u = f in a box, u = g on its boundary, and a network v, the error e = v - u solves

    Lap e + k^2 e = rho,    rho = Lap v + k^2 v - f,    e = delta = v - g on the boundary

k = 0, in one or more dimensions, by the maximum principle: +-e is compared with the function
|delta| + |rho| (x - a)(b - x)/2, so that |e| <= |delta| + |rho| L^2/8, L the shortest side. It holds for v with
continuous first and bounded second derivatives. With a coefficient, div(c grad u) = f, w = (x - a)(b - x)/2 satisfies
div(c grad w) = -c + c_x ((a + b)/2 - x); where that is at most -m < 0, the bound is |delta| + |rho|/m L^2/8.

One dimension: with K(t) = t, or sin(k t)/k, the error is the integral of what is known,

    e(x) = delta_a K'(x - a) + B K(x - a) + int_a^x K(x - s) rho(s) ds,    B from e(b) = delta_b,

which is enclosed at many points, the signs of rho included: the bound is then sharp where the residual oscillates. Away
from resonance: K(b - a) must not be zero. Between points |e| exceeds its ends by at most w^2/8 |e''|.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.boxes import BUDGET, posed, smoothness_over
from refkan.analysis.exact.enclosures.float_intervals import Intervals, concatenated, up
from refkan.analysis.exact.enclosures.network_intervals import IntervalNetwork
from refkan.analysis.exact.enclosures.subdivision import Evaluation, absolute, range_over
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, units
from refkan.analysis.exact.solutions.equation_functions import evaluated, require_floats
from refkan.analysis.exact.solutions.integrated_errors import bound_by_integration
from refkan.base.arguments import check_count, check_function, check_positive
from refkan.base.array_types import FloatArray
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network

POINTS = 4000
"""Intervals of integration in one dimension, by default."""


@dataclass(frozen=True)
class CertifiedError(ShortRepr):
    """Proven bounds; each is an upper bound of a greatest absolute value.

    Attributes
    ----------
    residual : float
        Of Lap v + k^2 v - f in the box.
    boundary : float
        Of v - g on the boundary.
    by_maximum_principle : float
        Of v - u; infinite for k > 0, where there is no such principle.
    by_integration : float
        Of v - u, in one dimension; infinite otherwise.
    reached : bool
        Whether the bound of the residual is attained but for the tolerance.

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

    @property
    def error(self) -> float:
        """The better bound of |v - u|."""
        return min(self.by_maximum_principle, self.by_integration)


def certified_error(
    net: Network,
    theta: Any,
    source: Callable[..., Any],
    boundary: Callable[..., Any],
    box: Any,
    wavenumber: float = 0.0,
    tolerance: float = 1e-9,
    order: int = 5,
    points: int = POINTS,
    budget: int = BUDGET,
    coefficient: Callable[..., Any] | None = None,
) -> CertifiedError:
    r"""Bound the distance of a network from the solution of Lap u + k^2 u = f in a box, u = g on its boundary.

    Parameters
    ----------
    net, theta
        As for `enclose`; one output, continuous first derivatives (splines of order 3 or more).
    source, boundary : callable
        f and g as functions of the inputs, one argument each, made by + - *, division by constants, powers, ``sin()``,
        ``cos()`` and ``exp()``. Constants are the numbers that they are: floats of any length, integers, fractions.
    box : array (P, 2)
    wavenumber : float
        k; with k > 0 in one dimension only.
    tolerance : float
        By how much the bound of the residual may exceed the residual.
    order : int
        Degree of the Taylor polynomials, from 2.
    points : int
        Intervals of integration in one dimension.
    budget : int
        Boxes that may be evaluated for the residual; the bounds hold in any case.
    coefficient : callable, optional
        c in div(c grad u) = f, as `source`; 1 by default. With k = 0 only. That it is positive follows from m > 0.

    Returns
    -------
    CertifiedError

    Raises
    ------
    ValueError
        For coefficients that vary too much for the comparison, more than one output, networks whose first
        derivatives jump, k > 0 in more dimensions, resonance, an empty box, ends of a box or wavenumbers that are no
        floats, constants that are not finite, and what `enclose` refuses.
    TypeError
        If f, g or c takes a number out of its arguments, or returns what is neither made of them nor a real constant.

    Notes
    -----
    f, g and c being analytic, there is one solution u in W^(2,p) of every compact part of the box, for all p, that is
    continuous up to the boundary; splines of order 3 are in W^(2,inf). The maximum principle for such strong solutions
    (Gilbarg and Trudinger, Elliptic Partial Differential Equations of Second Order, 2001, theorems 9.1 and 9.30) needs
    second derivatives almost everywhere alone. With s = x - (a + b)/2, m is the least (s c)' in the box: m > 0 makes
    c >= m by integration from s = 0, so that the equation is elliptic. In one dimension: variation of constants.

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
    steps, ends = posed(certified_error, locals())
    check_function("source", source, steps.n_inputs)
    check_function("boundary", boundary, steps.n_inputs)
    check_count("order", order, 2)
    check_count("points", points, 1)
    k = 0.0 if wavenumber == 0 else check_positive("wavenumber", wavenumber)
    for name, given, taken in (("box", box, ends), ("wavenumber", wavenumber, k)):
        require_floats(name, given, taken)
    if steps.n_outputs != 1:
        raise ValueError(f"net must have one output, the solution; got {steps.n_outputs}")
    if smoothness_over(steps, ends) < 1:
        raise ValueError("net must have continuous first derivatives: splines of order 3 or more, knots that differ")
    if k and steps.n_inputs > 1:
        raise ValueError(
            f"wavenumber must be 0 in {steps.n_inputs} dimensions: there is no maximum principle for k > 0"
        )
    if coefficient is not None:
        check_function("coefficient", coefficient, steps.n_inputs)
        if k:
            raise ValueError("coefficient must be left out for wavenumber > 0")
    if not (ends[:, 0] < ends[:, 1]).all():
        raise ValueError("box must have sides of positive length to have a boundary value problem in it")

    def quantities(boxes: Intervals) -> Evaluation:
        return Evaluation.of_value(_residual(steps, source, k, boxes, order, coefficient))

    ranges = range_over(quantities, ends, absolute(tolerance), budget)
    residual = float(ranges.outer.magnitude[0])
    delta = _boundary_error(steps, boundary, ends, tolerance, order, budget)
    worst = float(delta.magnitude.max())
    principle = np.inf
    if not k:
        comparison = min(_comparison(ends, p, coefficient, budget) for p in range(steps.n_inputs))
        if comparison == np.inf:
            raise ValueError("coefficient must vary less: c - c_x ((a + b)/2 - x) must be positive for an input x")
        principle = float(up(worst + up(residual * comparison)))
    integrated = np.inf
    if steps.n_inputs == 1 and coefficient is None:
        residual_over = partial(_residual, steps, source, k, order=order)
        integrated = bound_by_integration(residual_over, k, ends[0], delta, residual, points)
    return CertifiedError(residual, float(worst), principle, integrated, ranges.reached)


def _residual(
    steps: IntervalNetwork,
    source: Callable[..., Any],
    k: float,
    boxes: Intervals,
    order: int,
    coefficient: Callable[..., Any] | None = None,
) -> Expansion:
    """rho as Taylor numbers (B,) at the centres and over boxes."""

    def of(y: TaylorIntervals, at: Intervals) -> TaylorIntervals:
        v = y[:, 0]
        rho = -evaluated("source", source, at, order - 2)
        c = None if coefficient is None else evaluated("coefficient", coefficient, at, order - 1)
        for unit in units(steps.n_inputs):
            flux = v.derivative(unit) if c is None else v.derivative(unit) * c
            rho = rho + flux.derivative(unit)
        if k:
            rho = rho + v * (Intervals.of(k) * Intervals.of(k))
        return TaylorIntervals({i: c for i, c in rho.parts.items() if sum(i) <= order - 2}, order - 2)

    rho = steps.sweep(boxes, order).map(of, boxes)
    return replace(rho, smoothness=rho.smoothness - 2)


def _comparison(ends: FloatArray, p: int, coefficient: Callable[..., Any] | None, budget: int) -> float:
    """max w/m, w = (x_p - a)(b - x_p)/2, m the least c - c_p ((a + b)/2 - x_p) in the box; infinite if m <= 0."""
    a, b = ends[p]
    length = up(b - a)
    greatest = up(up(length * length) / 8)
    if coefficient is None:
        return float(greatest)
    given: Callable[..., Any] = coefficient
    unit = units(len(ends))[p]
    middle = (Intervals.of(a) + Intervals.of(b)) * Intervals.of(0.5)

    def minus_source(at: Intervals) -> Intervals:
        c = evaluated("coefficient", given, at, 1)
        slope = c.parts.get(unit, Intervals.of(np.zeros_like(c.value.lo)))
        return (c.value - slope * (middle - at[:, p]))[:, None]

    def quantities(boxes: Intervals) -> Evaluation:
        return Evaluation(minus_source(boxes), minus_source(Intervals.of(boxes.middle)))

    least = float(range_over(quantities, ends, absolute(1e-2), budget).outer.lo[0])
    return float(up(greatest / least)) if least > 0 else np.inf


def _boundary_error(
    steps: IntervalNetwork, boundary: Callable[..., Any], ends: FloatArray, tolerance: float, order: int, budget: int
) -> Intervals:
    """v - g on the faces of the box, one entry a face: x_0 = a_0, x_0 = b_0, x_1 = a_1, ..."""

    def quantities(boxes: Intervals) -> Evaluation:
        v = steps.sweep(boxes, order)
        return Evaluation.of_value(v.map(lambda y, at: y[:, 0] - evaluated("boundary", boundary, at, order), boxes))

    faces = []
    for p in range(steps.n_inputs):
        for end in (0, 1):
            face = ends.copy()
            face[p] = ends[p, end]
            faces.append(range_over(quantities, face, absolute(tolerance), budget).outer)
    return concatenated(faces)
