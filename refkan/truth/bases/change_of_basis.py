"""The change of basis: B-splines as combinations of ReLU powers, b_i = sum_j A_ij psi_j on the domain.

Indices are those of `bsplines`; matrices are lists of rows. [S26] is Southworth, Actor, Harper, Cyr, "Multilevel
Training for Kolmogorov Arnold Networks", arXiv 2603.04827; [B01] de Boor, A Practical Guide to Splines, 2001.
"""

from itertools import accumulate
from math import comb, factorial, prod

from refkan.truth.arithmetic.number_types import Matrix, Number, Numbers
from refkan.truth.bases.outside import check_integer, dimension


def change_of_basis(knots: Numbers, order: int) -> Matrix:
    """Return the square matrix A of size dim = n + r - 1 in b_i = sum_j A_ij psi_j ([S26] Lemma 2).

    The knots must be distinct. The row below the last, of the B-spline that starts at t_n, counts as zero::

        A^[1]_ii = 1,  A^[1]_i,i+1 = -1
        A^[r]_ij = A^[r-1]_ij / (t_{i+r-1} - t_i) - A^[r-1]_i+1,j / (t_{i+r} - t_{i+1})

    Examples
    --------
    >>> from fractions import Fraction
    >>> from refkan.truth import change_of_basis
    >>> A = change_of_basis([Fraction(t) for t in (-1, 0, 1, 3, 5)], 2)
    >>> [[str(a) for a in row] for row in A]
    [['1', '-2', '1'], ['0', '1', '-3/2'], ['0', '0', '1/2']]
    """
    dim = dimension(knots, order)
    A: Matrix = [[(i == j) - (i + 1 == j) for j in range(dim)] for i in range(dim)]
    for r in range(2, order + 1):
        width = [knots[i + r - 1] - knots[i] for i in range(dim + 1)]
        A.append([0] * dim)
        A = [[A[i][j] / width[i] - A[i + 1][j] / width[i + 1] for j in range(dim)] for i in range(dim)]
    return A


def change_of_basis_divided_differences(knots: Numbers, order: int) -> Matrix:
    """Return A from the other definition of a B-spline, as a scaled divided difference ([B01] IX).

    b_i(x) = (t_{i+r} - t_i) [t_i, ..., t_{i+r}] max(. - x, 0)^(r-1), where max(t - x, 0)^(r-1) is
    (-1)^r max(x - t, 0)^(r-1) plus a polynomial of degree r - 1 in t, whose divided difference is zero::

        A_ij = (-1)^r (t_{i+r} - t_i) / prod_{l = i..i+r, l != j} (t_j - t_l)   for i <= j <= i + r

    Examples
    --------
    >>> from refkan.truth import change_of_basis_divided_differences
    >>> change_of_basis_divided_differences([-1, 0, 1, 3, 5], 2)
    [[1.0, -2.0, 1.0], [0, 1.0, -1.5], [0, 0, 0.5]]
    """
    t, r, dim = knots, order, dimension(knots, order)

    def entry(i: int, j: int) -> Number:
        return (-1) ** r * (t[i + r] - t[i]) / prod(t[j] - t[l] for l in range(i, i + r + 1) if l != j)

    return [[entry(i, j) if i <= j <= i + r else 0 for j in range(dim)] for i in range(dim)]


def change_of_basis_inverse(knots: Numbers, order: int) -> Matrix:
    """Return the inverse of A, whose rows are r cumulative sums.

    The recursion reads A^[r] = D Delta_r^-1 A^[r-1] with D = A^[1] and Delta_k = diag(t_{i+k-1} - t_i), so
    A^-1 = D^-1 Delta_2 D^-1 Delta_3 ... Delta_r D^-1, and D^-1, the upper triangle of ones, sums along rows.

    Examples
    --------
    >>> from refkan.truth.bases.change_of_basis import change_of_basis_inverse
    >>> change_of_basis_inverse([-1, 0, 1, 3, 5], 2)
    [[1, 2, 4], [0, 1, 3], [0, 0, 2]]
    """
    dim = dimension(knots, order)
    inverse: Matrix = [[int(i <= j) for j in range(dim)] for i in range(dim)]
    for k in range(2, order + 1):
        width = [knots[j + k - 1] - knots[j] for j in range(dim)]
        inverse = [list(accumulate(a * h for a, h in zip(row, width, strict=True))) for row in inverse]
    return inverse


def uniform_change_of_basis(order: int, dim: int, h: Number) -> Matrix:
    """Return A on uniform knots: A_ij = (-1)^(j-i) C(r, j-i) / ((r-1)! h^(r-1)) ([S26] Corollary 1).

    Examples
    --------
    >>> from refkan.truth.bases.change_of_basis import uniform_change_of_basis
    >>> uniform_change_of_basis(2, 3, 0.5)
    [[2.0, -4.0, 2.0], [0, 2.0, -4.0], [0, 0, 2.0]]
    """
    check_integer("order", order, 1)
    check_integer("dim", dim, 1)
    scale = factorial(order - 1) * h ** (order - 1)
    stencil = [(-1) ** k * comb(order, k) / scale for k in range(order + 1)]
    return [[stencil[j - i] if 0 <= j - i <= order else 0 for j in range(dim)] for i in range(dim)]
