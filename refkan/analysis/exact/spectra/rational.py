r"""The change of basis and the Gram matrices as exact rational matrices.

A float64 knot is a rational number, and so are all entries of A and of both Gram matrices on such knots: nothing is
rounded here.
"""

from fractions import Fraction
from itertools import combinations_with_replacement
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np

from refkan.analysis.exact.extra import require
from refkan.base import Array, KnotError, check_annotated, check_choice
from refkan.splines import change_of_basis
from refkan.splines.knots import check_strictly_increasing
from refkan.splines.spaces import SplineSpace
from refkan.truth.bases.bsplines import blossoms

if TYPE_CHECKING:
    from flint import fmpq_mat


def knots(space: SplineSpace) -> list[Any]:
    """The exact values of the knots, as fmpq."""
    fmpq = require("flint").fmpq
    return [fmpq(*t.as_integer_ratio()) for t in space.knots.tolist()]


def _knots_of_powers(space: SplineSpace, scaled: bool) -> Array:
    """Knots that `change_of_basis` computes exactly with; in units of (t_n - t_0)/n, not rounded, if scaled."""
    t = np.array(knots(space), dtype=object)
    return t / ((t[-space.order] - t[space.order - 1]) / space.intervals) if scaled else t


def rational_change_of_basis(space: SplineSpace, scaled: bool = False) -> "fmpq_mat":
    r"""Return the exact change of basis A in b = A psi, for the float64 knots as rational numbers.

    Parameters
    ----------
    space : SplineSpace
        With strictly increasing knots.
    scaled : bool
        Whether psi is the scaled basis; then A is multiplied by h^(r-1), h = (t_n - t_0)/n not rounded.

    Returns
    -------
    flint.fmpq_mat (dim, dim)
        `as_fractions` turns it into lists of Fractions.

    Raises
    ------
    KnotError
        If knots repeat.
    ImportError
        If python-flint is not installed.

    Notes
    -----
    [S26] Lemmas 1 and 2.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.analysis.exact.spectra.rational import rational_change_of_basis
    >>> rational_change_of_basis(rk.SplineSpace([-1, 0, 1, 3, 5], order=2))
    [1, -2,    1]
    [0,  1, -3/2]
    [0,  0,  1/2]
    """
    check_annotated(rational_change_of_basis, locals())
    check_strictly_increasing(space.knots)
    A = require("flint").fmpq_mat(space.dim, space.dim)
    for k, diagonal in enumerate(change_of_basis.diagonals(_knots_of_powers(space, scaled), space.order)[: space.dim]):
        for i, entry in enumerate(diagonal[: space.dim - k]):
            A[i, i + k] = entry
    return A


def rational_gram(space: SplineSpace, basis: str = "spline", scaled: bool = False) -> "fmpq_mat":
    r"""Return the exact Gram matrix int_a^b phi_i phi_j dx of the B-splines or the ReLU powers.

    The second follows from the first by b = A psi: G_relu = A^-1 G A^-T, 2 r cumulative sums without a subtraction.

    Parameters
    ----------
    space : SplineSpace
        With strictly increasing knots for the ReLU powers.
    basis : {"spline", "relu"}
    scaled : bool
        Whether the ReLU powers are the scaled ones, ((x - t_i)_+/h)^(r-1).

    Returns
    -------
    flint.fmpq_mat (dim, dim)

    Raises
    ------
    KnotError
        If knots repeat (ReLU powers), or a B-spline vanishes on the domain.
    ValueError
        For an unknown basis.
    ImportError
        If python-flint is not installed.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.analysis.exact.spectra.rational import rational_gram
    >>> space = rk.SplineSpace.uniform(order=2, intervals=1)
    >>> rational_gram(space)
    [1/3, 1/6]
    [1/6, 1/3]
    >>> rational_gram(space, "relu")
    [7/3, 5/6]
    [5/6, 1/3]
    """
    check_annotated(rational_gram, locals())
    check_choice("basis", basis, ("spline", "relu"))
    flint = require("flint")
    if basis == "relu":
        check_strictly_increasing(space.knots)
    t, r = knots(space), space.order
    G = np.full((space.dim, space.dim), flint.fmpq(0), dtype=object)
    for m in range(r - 1, r - 1 + space.intervals):
        h, local = t[m + 1] - t[m], range(m - r + 1, m + 1)
        if h == 0:
            continue
        # On an interval of length h the r local B-splines are polynomials in s = (x - t_m)/h.
        slopes = [blossoms(t, r, m, [t[m]] * (r - 1), k) for k in range(r)]
        pieces = {i: flint.fmpq_poly([slopes[k].get(i, 0) * h**k / factorial(k) for k in range(r)]) for i in local}
        for i, j in combinations_with_replacement(local, 2):
            G[i, j] = G[j, i] = G[i, j] + h * (pieces[i] * pieces[j]).integral()(1)
    for i in np.flatnonzero(np.diag(G) == 0)[:1]:
        raise KnotError(
            f"B-spline {i} vanishes on the domain [{float(t[r - 1])}, {float(t[-r])}], which makes the Gram matrix "
            f"singular: its support is knots[{i}]={float(t[i])} to knots[{i + r}]={float(t[i + r])}"
        )
    if basis == "relu":
        deltas = change_of_basis.spans(_knots_of_powers(space, scaled), r)
        G = change_of_basis.solve(deltas, change_of_basis.solve(deltas, G).T)
    return flint.fmpq_mat(G.tolist())


def as_fractions(matrix: "fmpq_mat") -> list[list[Fraction]]:
    """Return the entries of a rational matrix as a list of rows of Fractions.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.analysis.exact.spectra.rational import as_fractions, rational_change_of_basis
    >>> as_fractions(rational_change_of_basis(rk.SplineSpace.uniform(order=1, intervals=2)))
    [[Fraction(1, 1), Fraction(-1, 1)], [Fraction(0, 1), Fraction(1, 1)]]
    """
    if not hasattr(matrix, "tolist"):
        raise TypeError(f"matrix must be a flint.fmpq_mat; got {type(matrix).__name__}")
    return [[Fraction(int(entry.p), int(entry.q)) for entry in row] for row in matrix.tolist()]
