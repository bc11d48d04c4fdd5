"""The papers' formulas, literally: slow pure Python that is exact over exact numbers.

Every function works over any numbers that add, multiply, divide and have a real part: `fractions.Fraction`
(exact), float, complex (for complex steps), mpmath. Integers divide into floats: give Fractions for exactness.

Indices: the knot vector of order r on n intervals holds n + 2r - 1 knots t_{1-r} <= ... <= t_{n+r-1}; position p
of the sequence `knots` holds the papers' t_{p-r+1}, and their basis functions 1-r, ..., n-1 are i = 0, ...,
n+r-2 here. So b_i lives on knots[i] .. knots[i+r], psi_i starts at knots[i], and the domain [a, b] = [t_0, t_n]
is [knots[r-1], knots[-r]]. In the formulas below, t_i is knots[i].

Outside the domain `outside` decides: "natural" (the formula's own values), "linear" (the tangent at the end
point), "polynomial" (the end piece continued), "error" (raise). On the domain every function is continuous from
the right, except that the last interval is closed: at b it is the limit from the left.

Sources: [S26] Southworth, Actor, Harper, Cyr, arXiv 2603.04827; [B01] de Boor, A Practical Guide to Splines,
revised edition 2001, chapters IX and X.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import comb, factorial, perm, prod
from typing import Any

Number = Any
Vector = Sequence[Number]
Matrix = list[list[Number]]


def domain(knots: Vector, order: int) -> tuple[Number, Number]:
    """Return (a, b), the ends of the interval on which the B-splines sum to one."""
    return knots[order - 1], knots[-order]


def interval(knots: Vector, order: int, x: Number, outside: str = "natural") -> int:
    """Return the m whose polynomial piece, that of knots[m] <= x < knots[m+1], is in force at x.

    The last interval of the domain is closed. Outside the domain it is the end piece, but for "natural" the
    piece of the extended knots, with -1 before and len(knots) - 1 after all of them.

    Raises
    ------
    ValueError
        If `outside` is unknown, or is "error" and x lies outside the domain.

    Examples
    --------
    >>> knots = [-1, 0, 1, 2, 3]
    >>> [interval(knots, 2, x) for x in (-0.5, 0, 1.5, 2, 2.5)]
    [0, 1, 2, 2, 3]
    >>> [interval(knots, 2, x, outside="linear") for x in (-0.5, 2.5)]
    [1, 2]
    """
    if outside not in ("natural", "linear", "polynomial", "error"):
        raise ValueError(f"outside must be 'natural', 'linear', 'polynomial' or 'error'; got {outside!r}")
    a, b = domain(knots, order)
    m: int = sum(t.real <= x.real for t in knots) - 1
    if not a.real <= x.real <= b.real:
        if outside == "error":
            raise ValueError(f"x must lie in the domain [{a}, {b}]; got {x}")
        if outside == "natural":
            return m
    first: int = sum(t.real <= a.real for t in knots) - 1
    last: int = sum(t.real < b.real for t in knots) - 1
    return min(max(m, first), last)


def bspline(knots: Vector, order: int, i: int, x: Number, outside: str = "natural") -> Number:
    """Evaluate the B-spline b_i by the recursion of Cox and de Boor ([B01] IX).

        b_i^[1](x) = 1 if t_i <= x < t_{i+1} else 0
        b_i^[r](x) =   (x - t_i) / (t_{i+r-1} - t_i)         b_i^[r-1](x)
                     + (t_{i+r} - x) / (t_{i+r} - t_{i+1})   b_{i+1}^[r-1](x),    0/0 = 0

    Examples
    --------
    >>> from fractions import Fraction
    >>> knots = [Fraction(t) for t in (-2, -1, 0, 1, 2, 3)]
    >>> [str(bspline(knots, 3, i, Fraction(1, 2))) for i in range(3)]
    ['1/8', '3/4', '1/8']
    """
    return bspline_derivative(knots, order, i, x, 0, outside)


def bspline_derivative(
    knots: Vector, order: int, i: int, x: Number, derivative: int = 1, outside: str = "natural"
) -> Number:
    """Evaluate a derivative of b_i by its recursion ([B01] X).

        (b_i^[r])' = (r-1) ( b_i^[r-1] / (t_{i+r-1} - t_i) - b_{i+1}^[r-1] / (t_{i+r} - t_{i+1}) )

    Examples
    --------
    >>> [bspline_derivative([-1.0, 0.0, 1.0, 2.0], 2, i, 0.5) for i in range(2)]
    [-1.0, 1.0]
    """

    def b(i: int, r: int, k: int, x: Number, m: int) -> Number:
        """k-th derivative at x of the polynomial that b_i^[r] is on the m-th interval."""
        if r == 1:
            return 1 if i == m and k == 0 else 0
        width, next_width = knots[i + r - 1] - knots[i], knots[i + r] - knots[i + 1]
        if k > 0:
            return (r - 1) * (
                _ratio(b(i, r - 1, k - 1, x, m), width) - _ratio(b(i + 1, r - 1, k - 1, x, m), next_width)
            )
        return _ratio(x - knots[i], width) * b(i, r - 1, 0, x, m) + _ratio(
            knots[i + r] - x, next_width
        ) * b(i + 1, r - 1, 0, x, m)

    return _evaluate(lambda x, m, k: b(i, order, k, x, m), knots, order, x, derivative, outside)
