"""The papers' formulas, literally: slow pure Python that is exact over exact numbers.

Every function works over any numbers that add, multiply, divide and have a real part: fractions.Fraction
(exact), float, complex (for complex steps), mpmath. Integers divide into floats: give Fractions instead.

Indices: a knot vector of order r on n intervals holds n + 2r - 1 knots t_{1-r} <= ... <= t_{n+r-1}. Position
p of `knots` holds the papers' t_{p-r+1}, and their basis functions 1-r, ..., n-1 are 0, ..., n+r-2 here. So
b_i lives on knots[i] .. knots[i+r], psi_i starts at knots[i], and the domain [a, b] = [t_0, t_n] is
[knots[r-1], knots[-r]]. In the formulas, t_i stands for knots[i].

Outside the domain `outside` decides: "natural" (the formula's own values), "linear" (the tangent at the end
point), "polynomial" (the end piece continued), "error" (raise). On the domain a function is continuous from
the right, except that the last interval is closed: at the right end it is the limit from the left.

[S26] is Southworth, Actor, Harper, Cyr, arXiv 2603.04827; [B01] de Boor, A Practical Guide to Splines, 2001.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import accumulate
from math import comb, factorial, perm, prod
from typing import Any

Number = Any
Vector = Sequence[Number]
Matrix = list[list[Number]]


def interval(knots: Vector, order: int, x: Number, outside: str = "natural") -> int:
    """Return the m of the polynomial piece in force at x: knots[m] <= x < knots[m+1] on the domain.

    The last interval of the domain is closed. Outside the domain it is the end piece, but for "natural" the
    piece of the extended knots, with -1 before and len(knots) - 1 after all of them.

    Raises
    ------
    ValueError
        If `outside` is unknown, or is "error" and x lies outside the domain.

    Examples
    --------
    >>> [interval([-1, 0, 1, 2, 3], 2, x) for x in (-0.5, 0, 1.5, 2, 2.5)]
    [0, 1, 2, 2, 3]
    >>> [interval([-1, 0, 1, 2, 3], 2, x, outside="linear") for x in (-0.5, 2.5)]
    [1, 2]
    """
    if outside not in ("natural", "linear", "polynomial", "error"):
        raise ValueError(f"outside must be 'natural', 'linear', 'polynomial' or 'error'; got {outside!r}")
    a, b = knots[order - 1], knots[-order]
    inside = a.real <= x.real <= b.real
    if outside == "error" and not inside:
        raise ValueError(f"x must lie in the domain [{a}, {b}]; got {x}")
    m: int = sum(t.real <= x.real for t in knots) - 1
    if outside == "natural" and not inside:
        return m
    first: int = sum(t.real <= a.real for t in knots) - 1
    last: int = sum(t.real < b.real for t in knots) - 1
    return min(max(m, first), last)


def _bspline_piece(t: Vector, r: int, i: int, m: int, x: Number, k: int = 0) -> Number:
    """Evaluate at any x the k-th derivative of the polynomial that b_i^[r] is on the m-th interval."""
    if r == 1:
        return 1 if i == m and k == 0 else 0
    if k == 0:
        rise = _ratio(x - t[i], t[i + r - 1] - t[i])
        fall = _ratio(t[i + r] - x, t[i + r] - t[i + 1])
        return rise * _bspline_piece(t, r - 1, i, m, x) + fall * _bspline_piece(t, r - 1, i + 1, m, x)
    left = _ratio(_bspline_piece(t, r - 1, i, m, x, k - 1), t[i + r - 1] - t[i])
    right = _ratio(_bspline_piece(t, r - 1, i + 1, m, x, k - 1), t[i + r] - t[i + 1])
    return (r - 1) * (left - right)


def _ratio(numerator: Number, denominator: Number) -> Number:
    """Divide, with 0/0 = 0: a B-spline of empty support (repeated knots) is zero."""
    return 0 if denominator == 0 else numerator / denominator


def _evaluate(
    piece: Callable[[int, Number, int], Number],
    knots: Vector, order: int, x: Number, derivative: int, outside: str,
) -> Number:  # fmt: skip
    """Evaluate a derivative at x of the function whose k-th derivative is piece(m, x, k) on interval m."""
    m = interval(knots, order, x, outside)
    a, b = knots[order - 1], knots[-order]
    if outside != "linear" or a.real <= x.real <= b.real:
        return piece(m, x, derivative)
    end = a if x.real < a.real else b
    value, slope = piece(m, end, 0), piece(m, end, 1)
    return (value + slope * (x - end), slope, 0)[min(derivative, 2)]


def bspline(knots: Vector, order: int, i: int, x: Number, outside: str = "natural") -> Number:
    """Evaluate the B-spline b_i by the recursion of Cox and de Boor ([B01] chapter IX).

    With 0/0 = 0, and the last interval of the domain closed::

        b_i^[1] = 1 for t_i <= x < t_{i+1}, else 0
        b_i^[r] = (x - t_i)/(t_{i+r-1} - t_i) b_i^[r-1] + (t_{i+r} - x)/(t_{i+r} - t_{i+1}) b_{i+1}^[r-1]

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
    """Evaluate a derivative, b_i' = (r-1) (b_i^[r-1]/(t_{i+r-1} - t_i) - b_{i+1}^[r-1]/(t_{i+r} - t_{i+1})).

    Examples
    --------
    >>> [bspline_derivative([-1.0, 0.0, 1.0, 2.0], 2, i, 0.5) for i in range(2)]
    [-1.0, 1.0]
    """
    return _evaluate(partial(_bspline_piece, knots, order, i), knots, order, x, derivative, outside)


def truncated_power(
    knots: Vector, order: int, i: int, x: Number, scale: Number = 1, outside: str = "natural"
) -> Number:
    """Evaluate the ReLU power psi_i(x) = max((x - t_i)/scale, 0)^(r-1); for r = 1 it is the step x >= t_i.

    Examples
    --------
    >>> [truncated_power([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], 3, i, 0.5) for i in range(3)]
    [6.25, 2.25, 0.25]
    """
    return truncated_power_derivative(knots, order, i, x, 0, scale, outside)


def truncated_power_derivative(
    knots: Vector, order: int, i: int, x: Number,
    derivative: int = 1, scale: Number = 1, outside: str = "natural",
) -> Number:  # fmt: skip
    """Evaluate the k-th derivative of psi_i, (r-1)!/(r-1-k)! max(x - t_i, 0)^(r-1-k) / scale^(r-1).

    Examples
    --------
    >>> [truncated_power_derivative([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], 3, i, 0.5) for i in range(3)]
    [5.0, 3.0, 1.0]
    """
    d = order - 1

    def piece(m: int, x: Number, k: int) -> Number:
        return perm(d, k) * (x - knots[i]) ** (d - k) / scale**d if i <= m and k <= d else 0

    return _evaluate(piece, knots, order, x, derivative, outside)


def change_of_basis(knots: Vector, order: int) -> Matrix:
    """Return the square matrix A of size dim = n + r - 1 in b_i = sum_j A_ij psi_j ([S26] Lemma 2).

    The knots must be distinct. The row below the last, of the B-spline that starts at t_n, counts as zero::

        A^[1]_ii = 1,  A^[1]_i,i+1 = -1
        A^[r]_ij = A^[r-1]_ij / (t_{i+r-1} - t_i) - A^[r-1]_i+1,j / (t_{i+r} - t_{i+1})

    Examples
    --------
    >>> from fractions import Fraction
    >>> A = change_of_basis([Fraction(t) for t in (-1, 0, 1, 3, 5)], 2)
    >>> [[str(a) for a in row] for row in A]
    [['1', '-2', '1'], ['0', '1', '-3/2'], ['0', '0', '1/2']]
    """
    dim = len(knots) - order
    A: Matrix = [[(i == j) - (i + 1 == j) for j in range(dim)] for i in range(dim)]
    for r in range(2, order + 1):
        width = [knots[i + r - 1] - knots[i] for i in range(dim + 1)]
        A.append([0] * dim)
        A = [[A[i][j] / width[i] - A[i + 1][j] / width[i + 1] for j in range(dim)] for i in range(dim)]
    return A


def change_of_basis_divided_differences(knots: Vector, order: int) -> Matrix:
    """Return A from the other definition of a B-spline, as a scaled divided difference ([B01] IX).

    b_i(x) = (t_{i+r} - t_i) [t_i, ..., t_{i+r}] max(. - x, 0)^(r-1), where max(t - x, 0)^(r-1) is
    (-1)^r max(x - t, 0)^(r-1) plus a polynomial of degree r - 1 in t, whose divided difference is zero::

        A_ij = (-1)^r (t_{i+r} - t_i) / prod_{l = i..i+r, l != j} (t_j - t_l)   for i <= j <= i + r

    Examples
    --------
    >>> change_of_basis_divided_differences([-1, 0, 1, 3, 5], 2)
    [[1.0, -2.0, 1.0], [0, 1.0, -1.5], [0, 0, 0.5]]
    """
    t, r, dim = knots, order, len(knots) - order

    def entry(i: int, j: int) -> Number:
        return (-1) ** r * (t[i + r] - t[i]) / prod(t[j] - t[l] for l in range(i, i + r + 1) if l != j)

    return [[entry(i, j) if i <= j <= i + r else 0 for j in range(dim)] for i in range(dim)]


def change_of_basis_inverse(knots: Vector, order: int) -> Matrix:
    """Return the inverse of A, whose rows are r cumulative sums.

    The recursion reads A^[r] = D Delta_r^-1 A^[r-1] with D = A^[1] and Delta_k = diag(t_{i+k-1} - t_i), so
    A^-1 = D^-1 Delta_2 D^-1 Delta_3 ... Delta_r D^-1, and D^-1, the upper triangle of ones, sums along rows.

    Examples
    --------
    >>> change_of_basis_inverse([-1, 0, 1, 3, 5], 2)
    [[1, 2, 4], [0, 1, 3], [0, 0, 2]]
    """
    dim = len(knots) - order
    inverse: Matrix = [[int(i <= j) for j in range(dim)] for i in range(dim)]
    for k in range(2, order + 1):
        width = [knots[j + k - 1] - knots[j] for j in range(dim)]
        inverse = [list(accumulate(a * h for a, h in zip(row, width, strict=True))) for row in inverse]
    return inverse


def uniform_change_of_basis(order: int, dim: int, h: Number) -> Matrix:
    """Return A on uniform knots: A_ij = (-1)^(j-i) C(r, j-i) / ((r-1)! h^(r-1)) ([S26] Corollary 1).

    Examples
    --------
    >>> uniform_change_of_basis(2, 3, 0.5)
    [[2.0, -4.0, 2.0], [0, 2.0, -4.0], [0, 0, 2.0]]
    """
    scale = factorial(order - 1) * h ** (order - 1)
    stencil = [(-1) ** k * comb(order, k) / scale for k in range(order + 1)]
    return [[stencil[j - i] if 0 <= j - i <= order else 0 for j in range(dim)] for i in range(dim)]


def prolongation(coarse_knots: Vector, fine_knots: Vector, order: int) -> Matrix:
    """Return P with u_fine = P u_coarse, the same spline on the domain; ValueError where the knots are not nested.

    Entry (j, i) is the blossom of the polynomial piece of the coarse b_i at the r - 1 knots inside the support of the
    fine b_j: the recursion of b_i with another of them in the place of x at every step ([B01] XI). The piece is that of
    an interval of the domain on which the fine b_j lives. Exterior knots are free.

    Examples
    --------
    >>> from fractions import Fraction
    >>> P = prolongation([Fraction(t) for t in (-1, 0, 1, 2)], [Fraction(t) for t in (-1, 0, Fraction(1, 3), 1, 2)], 2)
    >>> [[str(p) for p in row] for row in P]
    [['1', '0'], ['2/3', '1/3'], ['0', '1']]
    """
    r, coarse, fine = order, list(coarse_knots), list(fine_knots)
    a, b = coarse[r - 1], coarse[-r]
    missing = [t for t in coarse if a < t < b and fine.count(t) < coarse.count(t)]
    if (fine[r - 1], fine[-r]) != (a, b) or missing:
        raise ValueError(f"fine_knots must have the domain [{a}, {b}] and hold every knot there; missing: {missing}")
    middles = [(max(fine[j], a) + min(fine[j + r], b)) / 2 for j in range(len(fine) - r)]
    pieces = [interval(coarse, r, x, outside="error") for x in middles]
    blossoms = [partial(_blossom, m=m, arguments=fine[j + 1 : j + r]) for j, m in enumerate(pieces)]
    return [[blossom(coarse, r, i) for i in range(len(coarse) - r)] for blossom in blossoms]


def _blossom(t: Vector, r: int, i: int, m: int, arguments: Vector) -> Number:
    """Evaluate the symmetric multi-affine form of the polynomial that b_i^[r] is on the m-th interval."""
    if r == 1 or not i <= m < i + r:
        return int(i <= m < i + r)
    *others, x = arguments
    rise, fall = _ratio(x - t[i], t[i + r - 1] - t[i]), _ratio(t[i + r] - x, t[i + r] - t[i + 1])
    return rise * _blossom(t, r - 1, i, m, others) + fall * _blossom(t, r - 1, i + 1, m, others)


def uniform_prolongation(order: int, intervals: int) -> Matrix:
    """Return P from uniform knots on n intervals to those on 2n: b_i = sum_s 2^(1-r) C(r, s) b'_{2i+s}, s = 0..r.

    In the papers' indices, terms with 2i + s outside 1-r, ..., 2n-1 left out. [S26] eq. (25) prints 2^-r.

    Examples
    --------
    >>> [[str(p) for p in row] for row in uniform_prolongation(2, 1)]
    [['1', '0'], ['1/2', '1/2'], ['0', '1']]
    """
    r, n = order, intervals
    coefficients = {s: Fraction(comb(r, s), 2 ** (r - 1)) for s in range(r + 1)}
    return [[coefficients.get(j - 2 * i, Fraction(0)) for i in range(1 - r, n)] for j in range(1 - r, 2 * n)]


def knot_derivative(
    knots: Vector, order: int, coefficients: Vector, j: int, x: Number, outside: str = "natural"
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
    >>> knot_derivative([-1.0, 0.0, 1.0, 2.0, 3.0], 2, [0.0, 1.0, 0.0], j=1, x=0.5)  # f = x/t_1
    -0.5
    """
    if order < 2 or not 0 < j <= len(knots) - 2 * order:
        raise ValueError(f"order must be at least 2 and 0 < j < n; got order {order}, j = {j}")
    t, c, p = knots, coefficients, j + order - 1
    doubled = [*t[: p + 1], *t[p:]]
    return -sum(
        (c[i] - c[i - 1]) / (t[i + order - 1] - t[i]) * bspline(doubled, order, i, x, outside)
        for i in range(p - order + 1, p + 1)
    )


def spline_layer(
    weights: Sequence[Matrix], knots: Sequence[Any], order: int, x: Vector, outside: str = "natural"
) -> list[Number]:
    """Evaluate the KAN layer y_q = sum_p sum_i weights[q][p][i] b_i(x_p) at one sample x.

    `knots` is one knot vector for all inputs, or a sequence of one per input.

    Examples
    --------
    >>> spline_layer([[[3.0, 5.0], [1.0, 2.0]]], [-1.0, 0.0, 1.0, 2.0], 2, [0.25, 0.5])
    [5.0]
    """
    return _layer(weights, knots, x, lambda t, i, x_p: bspline(t, order, i, x_p, outside))


def relu_layer(
    weights: Sequence[Matrix], knots: Sequence[Any], order: int, x: Vector,
    scale: Number = 1, outside: str = "natural",
) -> list[Number]:  # fmt: skip
    """Evaluate the multichannel MLP layer y_q = sum_p sum_j weights[q][p][j] psi_j(x_p) ([S26] Lemma 3).

    Examples
    --------
    >>> relu_layer([[[3.0, -4.0]]], [-1.0, 0.0, 1.0, 2.0], 2, [0.25])
    [2.75]
    """
    return _layer(weights, knots, x, lambda t, j, x_p: truncated_power(t, order, j, x_p, scale, outside))


def _layer(weights: Any, knots: Any, x: Vector, basis: Callable[..., Number]) -> list[Number]:
    inputs = list(zip(knots if hasattr(knots[0], "__len__") else [knots] * len(x), x, strict=True))
    edges = [zip(row, inputs, strict=True) for row in weights]
    return [sum(w * basis(t, i, x_p) for c, (t, x_p) in row for i, w in enumerate(c)) for row in edges]
