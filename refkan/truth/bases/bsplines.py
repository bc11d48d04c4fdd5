"""B-splines of any order on any knots: values, derivatives in x, derivatives in a knot.

Indices: a knot vector of order r on n intervals holds n + 2r - 1 knots t_{1-r} <= ... <= t_{n+r-1}. Position
p of `knots` holds the papers' t_{p-r+1}, and their basis functions 1-r, ..., n-1 are 0, ..., n+r-2 here. So
b_i lives on knots[i] .. knots[i+r], psi_i starts at knots[i], and the domain [a, b] = [t_0, t_n] is
[knots[r-1], knots[-r]]. In the formulas, t_i stands for knots[i].

On the domain a function is continuous from the right, except that the last interval is closed: at the right end it is
the limit from the left. Outside, a policy decides: "natural" (the formula's own values), "linear" (the tangent at the
end point), "polynomial" (the end piece continued), "error" (raise).

[B01] is de Boor, A Practical Guide to Splines, revised edition, Springer 2001.
"""

from refkan.truth.arithmetic.number_types import Number, Numbers
from refkan.truth.bases.outside import Row, check_integer, check_number, dimension, interval, with_tails


def bsplines(knots: Numbers, order: int, x: Number, derivative: int = 0, outside: str = "natural") -> Row:
    """Evaluate at x a derivative of all B-splines that do not vanish around x: at most r of them, by number.

    On the interval [t_m, t_{m+1}) those are b_{m-r+1}, ..., b_m.

    Parameters
    ----------
    knots : sequence of numbers
        In ascending order, n + 2r - 1 of them. Give Fractions for integers, whose quotients are floats.
    order : int
        r = degree + 1.
    x : number
    derivative : int
        Which one, from 0.
    outside : {"natural", "linear", "polynomial", "error"}

    Raises
    ------
    ValueError, TypeError
        As for `interval`; if the derivative is no integer, or negative.
    UndecidedError
        If x is a ball that holds a knot.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from refkan.truth import bsplines
    >>> knots = [Fraction(t) for t in (-2, -1, 0, 1, 2, 3)]
    >>> {i: str(b) for i, b in bsplines(knots, 3, Fraction(1, 2)).items()}
    {0: '1/8', 1: '3/4', 2: '1/8'}
    """
    m = interval(knots, order, x, outside)
    check_integer("derivative", derivative, 0)
    domain = knots[order - 1], knots[-order]
    return with_tails(lambda z, k: blossoms(knots, order, m, [z] * (order - 1), k), domain, x, derivative, outside)


def blossoms(t: Numbers, r: int, m: int, arguments: Numbers, derivative: int = 0) -> Row:
    """Evaluate the polynomials that the B-splines of order r are on interval m, by the recursion of Cox and de Boor.

    With c_i^[r] = b_i^[r-1] / (t_{i+r-1} - t_i), zero for all i but m-r+2, ..., m::

        b_m^[1] = 1
        b_i^[r] = (x - t_i) c_i^[r] + (t_{i+r} - x) c_{i+1}^[r]                ([B01] chapter IX)
        d/dx b_i^[r] = (r-1) (c_i^[r] - c_{i+1}^[r])                           ([B01] chapter X)

    No denominator is zero, since those intervals [t_i, t_{i+r-1}] contain interval m. Each level has an x of its own:
    equal ones give the value at x, others the blossom, the symmetric form that is affine in each argument ([B01] XI).

    Parameters
    ----------
    t : sequence of numbers
    r, m : int
        Order, and an interval that is not empty; before the first and after the last knot nothing is in force.
    arguments : sequence of r - 1 numbers
        The x of each level, from order 2 to order r.
    derivative : int

    Examples
    --------
    >>> from refkan.truth.bases.bsplines import blossoms
    >>> blossoms([-1.0, 0.0, 1.0, 3.0], 2, 1, [0.25])
    {0: 0.75, 1: 0.25}
    """
    if r == 1:
        return {m: 0 if derivative else 1} if 0 <= m < len(t) - 1 else {}
    *others, x = arguments
    lower = blossoms(t, r - 1, m, others, max(derivative - 1, 0))
    c = {i: b / (t[i + r - 1] - t[i]) for i, b in lower.items()}
    numbers = range(max(m - r + 1, 0), min(m, len(t) - r - 1) + 1)
    if derivative:
        return {i: (r - 1) * (c.get(i, 0) - c.get(i + 1, 0)) for i in numbers}
    return {i: (x - t[i]) * c.get(i, 0) + (t[i + r] - x) * c.get(i + 1, 0) for i in numbers}


def bspline(knots: Numbers, order: int, i: int, x: Number, outside: str = "natural") -> Number:
    """Evaluate the B-spline b_i, number 0 <= i <= n + r - 2; other arguments and errors as for `bsplines`.

    Raises
    ------
    ValueError, TypeError
        If i is not the number of a B-spline.

    Examples
    --------
    >>> from refkan.truth.bases.bsplines import bspline
    >>> [bspline([-1.0, 0.0, 1.0, 2.0], 2, i, 0.25) for i in range(2)]
    [0.75, 0.25]
    """
    return bspline_derivative(knots, order, i, x, 0, outside)


def bspline_derivative(
    knots: Numbers, order: int, i: int, x: Number, derivative: int = 1, outside: str = "natural"
) -> Number:
    """Evaluate a derivative of the B-spline b_i; arguments and errors as for `bsplines`.

    Examples
    --------
    >>> from refkan.truth.bases.bsplines import bspline_derivative
    >>> [bspline_derivative([-1.0, 0.0, 1.0, 2.0], 2, i, 0.5) for i in range(2)]
    [-1.0, 1.0]
    """
    check_number(i, dimension(knots, order))
    return bsplines(knots, order, x, derivative, outside).get(i, 0)


def knot_derivative(
    knots: Numbers, order: int, coefficients: Numbers, j: int, x: Number, outside: str = "natural"
) -> Number:
    """Evaluate the derivative of f(x) = sum_i c_i b_i(x) by its breakpoint t_j, 0 < j < n, for r >= 2.

    With p = j + r - 1 its position and bhat the B-splines on the knots with that knot doubled::

        df/dt_j (x) = - sum_{i = p-r+1..p} (c_i - c_{i-1}) / (t_{i+r-1} - t_i) bhat_i(x)

    This is a spline on the same domain, so `outside` means for it what it means for f. For r = 2 it jumps at
    the knot, where it is the limit from the right. (Derivative of Boehm's knot insertion.)

    Raises
    ------
    ValueError
        If r = 1 or t_j is not an interior breakpoint.

    Examples
    --------
    >>> from refkan.truth.bases.bsplines import knot_derivative
    >>> knot_derivative([-1.0, 0.0, 1.0, 2.0, 3.0], 2, [0.0, 1.0, 0.0], j=1, x=0.5)  # f = x/t_1
    -0.5
    """
    check_integer("order", order, 2)
    n = dimension(knots, order) - order + 1
    if check_integer("j", j, 1) >= n:
        raise ValueError(f"j must be the number of an interior breakpoint, 0 < j < n = {n}; got {j}")
    t, c, p = knots, coefficients, j + order - 1
    bhat = bsplines([*t[: p + 1], *t[p:]], order, x, 0, outside)
    return -sum(
        (c[i] - c[i - 1]) / (t[i + order - 1] - t[i]) * bhat[i] for i in range(p - order + 1, p + 1) if i in bhat
    )
