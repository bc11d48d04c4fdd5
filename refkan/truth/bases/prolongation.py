"""Prolongation: the coefficients of the same splines on finer knots, u_fine = P u_coarse.

Indices are those of `bsplines`; matrices are lists of rows. [S26] is Southworth, Actor, Harper, Cyr, "Multilevel
Training for Kolmogorov Arnold Networks", arXiv 2603.04827; [B01] de Boor, A Practical Guide to Splines, 2001.
"""

from fractions import Fraction
from math import comb

from refkan.truth.arithmetic.number_types import Matrix, Numbers, equal, less
from refkan.truth.bases.bsplines import blossoms
from refkan.truth.bases.outside import check_integer, dimension, interval


def prolongation(coarse_knots: Numbers, fine_knots: Numbers, order: int) -> Matrix:
    """Return P with u_fine = P u_coarse, the same spline on the domain.

    Entry (j, i) is the blossom of the polynomial piece of the coarse b_i at the r - 1 knots inside the support of the
    fine b_j: the recursion of b_i with another of them in the place of x at every step ([B01] XI). The piece is that of
    an interval of the domain on which the fine b_j lives. Exterior knots are free.

    Raises
    ------
    ValueError
        Where the knots are not nested: another domain, or a knot of the coarse ones that the fine ones lack.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from refkan.truth.bases.prolongation import prolongation
    >>> P = prolongation([Fraction(t) for t in (-1, 0, 1, 2)], [Fraction(t) for t in (-1, 0, Fraction(1, 3), 1, 2)], 2)
    >>> [[str(p) for p in row] for row in P]
    [['1', '0'], ['2/3', '1/3'], ['0', '1']]
    """
    coarse_dim = dimension(coarse_knots, order, "coarse_knots")
    fine_dim = dimension(fine_knots, order, "fine_knots")
    r, coarse, fine = order, list(coarse_knots), list(fine_knots)
    a, b = coarse[r - 1], coarse[-r]
    inside = [t for t in coarse if less(a, t) and less(t, b)]
    missing = [t for t in inside if sum(equal(s, t) for s in fine) < sum(equal(s, t) for s in coarse)]
    if not (equal(fine[r - 1], a) and equal(fine[-r], b)) or missing:
        raise ValueError(f"fine_knots must have the domain [{a}, {b}] and hold every knot there; missing: {missing}")
    P = []
    for j in range(fine_dim):
        low = a if less(fine[j], a) else fine[j]
        high = b if less(b, fine[j + r]) else fine[j + r]
        m = interval(coarse, r, (low + high) / 2, outside="error")
        row = blossoms(coarse, r, m, fine[j + 1 : j + r])
        P.append([row.get(i, 0) for i in range(coarse_dim)])
    return P


def uniform_prolongation(order: int, intervals: int) -> Matrix:
    """Return P from uniform knots on n intervals to those on 2n: b_i = sum_s 2^(1-r) C(r, s) b'_{2i+s}, s = 0..r.

    In the papers' indices, terms with 2i + s outside 1-r, ..., 2n-1 left out. [S26] eq. (25) prints 2^-r.

    Examples
    --------
    >>> from refkan.truth.bases.prolongation import uniform_prolongation
    >>> [[str(p) for p in row] for row in uniform_prolongation(2, 1)]
    [['1', '0'], ['1/2', '1/2'], ['0', '1']]
    """
    r = check_integer("order", order, 1)
    n = check_integer("intervals", intervals, 1)
    coefficients = {s: Fraction(comb(r, s), 2 ** (r - 1)) for s in range(r + 1)}
    return [[coefficients.get(j - 2 * i, Fraction(0)) for i in range(1 - r, n)] for j in range(1 - r, 2 * n)]
