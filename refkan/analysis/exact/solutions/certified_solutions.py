r"""Proven error bounds of networks as solutions of boundary value problems, from enclosures of their residuals.

For div(c grad u) + q u = f in a box, q = k^2 - r, u = g on its boundary, and a network v, the error e = v - u solves

    div(c grad e) + q e = rho,    rho = div(c grad v) + q v - f,    e = delta = v - g on the boundary

It is bounded by comparison with functions that the equation takes below zero, and by eigenfunctions, from bounds of
|rho| and |delta|. In one dimension it is an integral of rho, which is enclosed at many points, the signs of rho
included: the bound is then sharp where the residual oscillates (`bounds_of_errors`).
"""

from fractions import Fraction
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.boxes import BUDGET, posed, smoothness_over
from refkan.analysis.exact.enclosures.float_intervals import Intervals, quiet, up
from refkan.analysis.exact.enclosures.subdivision import Evaluation, absolute, range_over
from refkan.analysis.exact.solutions.bounds_of_errors import (
    Comparison,
    bound_by_integration,
    by_eigenfunctions,
    comparisons,
)
from refkan.analysis.exact.solutions.equation_functions import TaylorDegree, require_function_of_inputs
from refkan.analysis.exact.solutions.equations import Equation, Function
from refkan.base import FloatArray, Frozen, Natural, Positive, check_positive, require_floats
from refkan.base.plain_text import rounded
from refkan.networks import Network

INTEGRATION_INTERVALS = 4000
"""Intervals of integration in one dimension, by default."""


class CertifiedError(Frozen, eq=True):
    """Proven bounds; each is an upper bound of a maximum absolute value.

    Attributes
    ----------
    equation : str
        What u solves, with the functions as they were understood.
    residual : float
        Of div(c grad v) + (k^2 - r) v - f in the box.
    boundary_error : float
        Of v - g on the boundary.
    by_maximum_principle : float
        Of v - u; infinite where there is no such principle: for k^2 - r above the first eigenvalue of -Lap in the box.
    by_integration : float
        Of v - u, in one dimension; infinite otherwise.
    by_eigenfunctions : float
        Of v - u, in two or three dimensions for k > 0 without r and c; infinite otherwise.
    reached : bool
        Whether the bound of the residual is attained but for the tolerance.

    Examples
    --------
    >>> import refkan as rk
    >>> net, line = rk.kan([1, 1], order=3, intervals=1), [-0.5, 0.5, 1.5]  # the function x
    >>> bounds = rk.exact.certified_error(net, line, lambda x: 0.0 * x, lambda x: x, [[0.0, 1.0]])
    >>> bounds.error < 1e-14, bounds.reached, bounds.equation
    (True, True, "u'' = f for x in [0, 1], u = g on the boundary, with f = 0, g = x")
    """

    equation: str
    residual: float
    boundary_error: float
    by_maximum_principle: float
    by_integration: float
    by_eigenfunctions: float
    reached: bool

    @property
    def error(self) -> float:
        """The best bound of |v - u|."""
        return min(self.by_maximum_principle, self.by_integration, self.by_eigenfunctions)

    def __str__(self) -> str:
        bound = "infinity"
        if np.isfinite(self.error):
            bound = f"{rounded(Fraction(self.error), 4, above=True):.3e}"
        return f"|v - u| <= {bound} for the solution u of {self.equation}"

    def __repr__(self) -> str:
        return f"CertifiedError({self})"


def certified_error(
    net: Network,
    theta: Any,
    source: Function,
    boundary: Function,
    box: Any,
    wavenumber: float = 0.0,
    residual_tolerance: Positive = 1e-9,
    taylor_degree: TaylorDegree = 5,
    integration_intervals: Natural = INTEGRATION_INTERVALS,
    budget: Natural = BUDGET,
    diffusion_coefficient: Function | None = None,
    reaction_coefficient: Function | None = None,
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
    residual_tolerance : float
        By how much the bound of the residual may exceed the residual.
    taylor_degree : int
        Degree of the Taylor polynomials, from 2.
    integration_intervals : int
        Intervals of integration in one dimension.
    budget : int
        Boxes that may be evaluated for the residual; the bounds hold in any case.
    diffusion_coefficient : callable, optional
        c(x), the factor of grad u, as `source`; 1 by default. That it is positive follows from m > 0, or is checked in
        one dimension.
    reaction_coefficient : callable, optional
        r(x), the factor of u, as `source`; 0 by default. It is a function of the inputs: the equation is linear, and
        reactions G(u) are not supported. -u'' + u = f is u'' - 1 u = -f: the source is -f, and the reaction coefficient
        ``lambda x: 1``.

    Returns
    -------
    CertifiedError
        ``.equation`` and ``print`` say for which equation the bound is proven, with all functions.

    Raises
    ------
    ValueError
        Where no bound has its hypotheses, each of which is named: coefficients that vary too much for the comparison,
        k^2 - r at an eigenvalue, or above the first one where r or c is a function, resonance. For more than one
        output, networks whose first derivatives jump, an empty box, numbers that are no floats, constants that are not
        finite, and what `enclose` refuses.
    TypeError
        If a function takes a number out of its arguments, returns what is neither made of them nor a real constant, or
        calls an argument u, like the solution.

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
    >>> bounds = rk.exact.certified_error(net, theta, lambda x: 2.0, lambda x: x * x, [[0.0, 1.0]])
    >>> round(bounds.residual / 6e-6, 6), 0.99 < bounds.error / 1e-6 < 1.01
    (1.0, True)
    >>> print(bounds)
    |v - u| <= 1.001e-6 for the solution u of u'' = f for x in [0, 1], u = g on the boundary, with f = 2, g = x*x
    """
    k = 0.0
    if np.ndim(wavenumber) != 0 or wavenumber != 0:
        k = check_positive("wavenumber", wavenumber)
        require_floats("wavenumber", wavenumber)
    given = locals()
    v, ends = posed(certified_error, given)
    for name in ("source", "boundary", "diffusion_coefficient", "reaction_coefficient"):
        if given[name] is not None:
            require_function_of_inputs(name, given[name], v.n_inputs)
    if smoothness_over(v, ends) < 1:
        raise ValueError("net must have continuous first derivatives: use order 3 or more and distinct knots")
    if not (ends[:, 0] < ends[:, 1]).all():
        raise ValueError("box must have sides of positive length to have a boundary value problem in it")
    if v.n_outputs != 1:
        raise ValueError(f"net must have one output, the solution; got {v.n_outputs}")
    equation = Equation(v, ends, source, boundary, k, diffusion_coefficient, reaction_coefficient, taylor_degree)
    return _bounded(equation, residual_tolerance, integration_intervals, budget)


@quiet()
def _bounded(equation: Equation, tolerance: float, intervals: int, budget: int) -> CertifiedError:
    """All bounds of the error that have their hypotheses; at least one."""
    statement = str(equation)
    ranges = range_over(
        lambda boxes: Evaluation.of_value(equation.residual(boxes)), equation.box, absolute(tolerance), budget
    )
    residual = float(ranges.outer.magnitude[0])
    delta = equation.boundary_errors(tolerance, budget)
    worst = float(delta.magnitude.max())
    sides = Intervals.of(equation.box[:, 1]) - Intervals.of(equation.box[:, 0])
    q = equation.factor(budget)
    P = len(equation.box)
    slopes = np.array([equation.slope(p, budget) for p in range(P)])
    functions: list[Comparison] = []
    if equation.is_elliptic(slopes, budget):  # the maximum principle is one of elliptic equations
        functions = [*comparisons(sides, q, slopes, equation.diffusion is None)]
    by_principle = min((function.bound(worst, residual) for function in functions), default=np.inf)
    by_integration, by_expansion = np.inf, np.inf
    reasons = [] if functions else [_reason(q, slopes)]
    constant = equation.diffusion is None and equation.reaction is None
    if P == 1:
        by_integration = _by_integration(equation, q, delta, residual, functions, intervals)
    elif equation.wavenumber and constant:
        factor = by_eigenfunctions(sides, q)
        if isinstance(factor, tuple):
            reasons.append(
                f"wavenumber must stay away from eigenvalues; k^2 - r may be that of the half waves {factor}"
            )
        else:
            # |e| <= D + (R + |q| D) (2^P sum (lambda_n - q)^-2)^(1/2)
            right_side = up(residual + up(float(q.magnitude) * worst))
            by_expansion = float(up(worst + up(right_side * factor)))
    if not functions and by_integration == by_expansion == np.inf:
        raise ValueError("; ".join(reasons))
    return CertifiedError(statement, residual, worst, by_principle, by_integration, by_expansion, ranges.reached)


def _by_integration(
    equation: Equation, q: Intervals, delta: Intervals, residual: float, functions: list[Comparison], intervals: int
) -> float:
    """Bound |e| in one dimension; infinite where r or c vary and no comparison bounds what they add."""
    ends = equation.box[0]
    if equation.diffusion is None and equation.reaction is None:
        return bound_by_integration(equation.residual, equation.wavenumber, ends, delta, residual, intervals)
    if equation.reaction is not None and not functions:
        return np.inf
    # e_0 solves the equation without q e, and |e - e_0| <= growth max |e_0|.
    growth = [float(up(float(q.magnitude) * function.source)) for function in functions]
    if q.hi <= 0:
        growth.append(1.0)
    if not min(growth, default=np.inf) < np.inf:
        return np.inf
    bound = bound_by_integration(equation.residual, 0.0, ends, delta, residual, intervals, equation.diffusion)
    return float(up(bound * up(1.0 + min(growth))))


def _reason(q: Intervals, slopes: FloatArray) -> str:
    """Why there is no comparison function."""
    if not (slopes > 0).any():
        return (
            "diffusion_coefficient must vary less: c - c_x ((a + b)/2 - x) must be positive for an input x; where "
            "k^2 - r is negative c must be positive"
        )
    return f"k^2 - r must stay below the first eigenvalue; it reaches {float(q.hi):.6g}, too large for the comparison"
