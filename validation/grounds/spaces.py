"""Bases, changes of basis and prolongations of spline spaces, against the truth over the rationals.

Knots are not uniform, for on uniform ones a span taken in the place of another does not show; exterior knots of the
finer space lie farther out than those of the coarser one, for then a prolongation has negative entries.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

import refkan as rk
from refkan import truth
from refkan.splines import transfer
from refkan.splines.transfer.matrices import dyadic_prolongation, injection_matrix, prolongation_through_relu
from refkan.truth.bases.change_of_basis import change_of_basis_inverse, uniform_change_of_basis
from refkan.truth.bases.prolongation import prolongation, uniform_prolongation
from validation.rationals import Matrix, apply, breakpoints, multiply, relu_design, spline_design, transpose

ORDER = 3

KNOTS = (-0.75, -0.25, 0.0, 0.125, 0.5, 1.0, 1.5, 2.25)
"""Three unequal intervals of [0, 1]."""

FINER = (-2.0, -0.5, 0.0, 0.0625, 0.125, 0.25, 0.5, 0.875, 1.0, 1.25, 3.0)
"""The same with three knots more, and exterior knots of their own."""

HANGING = (-0.5, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 2.0)
"""An end repeated three times, and a knot before it: the first and the last B-spline vanish on [0, 1]."""

POINTS = (0.0, 0.0625, 0.125, 0.375, 0.5, 0.8125)
Departures = Iterator[tuple[str, float]]


def departure(ours: Any, exact: Any, scale: float | None = None) -> float:
    """Largest difference between arrays over the largest entry of the exact one; infinite where shapes differ."""
    a, b = np.asarray(ours, dtype=float), np.asarray(exact, dtype=float)
    if a.shape != b.shape or not np.isfinite(a).all():
        return np.inf
    return float(np.abs(a - b).max() / (np.abs(b).max() if scale is None else scale))


def fractions(knots: Any) -> list[Fraction]:
    """The rational numbers that floats are."""
    return [Fraction(Fraction(float(t))) for t in knots]


def bases() -> Departures:
    """Values of both bases, and Gram matrices by Boole's rule, which is exact for their products."""
    t, space = fractions(KNOTS), rk.SplineSpace(KNOTS, ORDER)
    designs = {"B-splines": (rk.bsplines, spline_design), "ReLU powers": (rk.relu_powers, relu_design)}
    for name, (ours, exact) in designs.items():
        values = ours.design_matrix(space, POINTS)
        values = values.toarray() if hasattr(values, "toarray") else values
        yield f"values of {name}", departure(values, exact(t, ORDER, fractions(POINTS)))
        gram: Any = np.zeros((space.dim, space.dim), dtype=object)
        ends = breakpoints(t, ORDER)
        for left, right in pairwise(ends):
            for k, weight in enumerate((7, 32, 12, 32, 7)):
                # A point inside in the place of the right end, where a new piece begins: both are of one polynomial.
                at = left + (right - left) * Fraction(k, 4)
                row = np.array(one_sided(exact, t, at, left, right), dtype=object)
                gram = gram + (right - left) * Fraction(weight, 90) * np.outer(row, row)
        matrix = ours.gram_matrix(space)
        matrix = matrix.toarray() if hasattr(matrix, "toarray") else matrix
        yield f"the Gram matrix of {name}", departure(matrix, gram)


def one_sided(design: Any, t: list[Fraction], at: Fraction, left: Fraction, right: Fraction) -> list[Fraction]:
    """Values at a point of the polynomials of the piece on [left, right), by quadratic extrapolation at its end."""
    if at < right:
        return list(design(t, ORDER, [at])[0])
    h = (right - left) / 4
    a, b, c = design(t, ORDER, [right - 3 * h, right - 2 * h, right - h])
    return [u - 3 * v + 3 * w for u, v, w in zip(a, b, c, strict=True)]


def change_of_basis() -> Departures:
    """A, its transpose and their inverses on vectors, and A itself; solutions by multiplying them out."""
    t, space = fractions(KNOTS), rk.SplineSpace(KNOTS, ORDER)
    A = truth.change_of_basis(t, ORDER)
    v = np.array([0.5, -1.0, 2.0, 0.25, -3.0])[: space.dim]
    for scaled in (False, True):
        h = Fraction(1, space.intervals if scaled else 1)
        B = [[a * h ** (ORDER - 1) for a in row] for row in A]
        ours, given = rk.ChangeOfBasis(space, scaled), fractions(v)
        yield "A^T u", departure(ours.to_relu(v), apply(transpose(B), given))
        yield "A v", departure(ours.apply(v), apply(B, given))
        yield "A^-T w", departure(apply(transpose(B), fractions(ours.to_spline(v))), given)
        yield "A^-1 v", departure(apply(B, fractions(ours.solve(v))), given)
        yield "A", departure(ours.dense(), B)
    uniform = uniform_change_of_basis(ORDER, 5, Fraction(1, 2))
    yield "A on uniform knots", departure(rk.ChangeOfBasis.uniform(ORDER, 5, 0.5), uniform)


def in_relu(P: Matrix, coarse: Any, fine: Any, scaled: bool) -> Any:
    """The prolongation of ReLU coefficients, A_fine^T P A_coarse^-T, both bases scaled by their mean spacings."""
    back = transpose(change_of_basis_inverse(coarse, ORDER))
    W = multiply(transpose(truth.change_of_basis(fine, ORDER)), P, back)
    factor = Fraction(len(coarse) - 2 * ORDER + 1, len(fine) - 2 * ORDER + 1) ** (ORDER - 1) if scaled else 1
    return [[factor * w for w in row] for row in W]


def prolongations() -> Departures:
    """Matrices of prolongation in all bases, the injection, the operator, the printed formula and the dyadic one."""
    t, s = fractions(KNOTS), fractions(FINER)
    coarse, fine = rk.SplineSpace(KNOTS, ORDER), rk.SplineSpace(FINER, ORDER)
    P = prolongation(t, s, ORDER)
    yield "P", departure(rk.prolongation_matrix(coarse, fine).toarray(), P)
    yield "P by the printed formula", departure(prolongation_through_relu(coarse, fine), P)
    u = np.arange(1.0, coarse.dim + 1.0)
    yield "P u", departure(transfer.prolong(coarse, fine, u), apply(P, fractions(u)))
    for basis in ("relu", "scaled-relu"):
        exact = in_relu(P, t, s, basis == "scaled-relu")
        yield f"P, {basis}", departure(rk.prolongation_matrix(coarse, fine, basis).toarray(), exact)
        injection = injection_matrix(coarse, fine, scaled=basis == "scaled-relu").toarray()
        yield f"the injection, {basis}", departure(injection, transpose(exact))
    exact = uniform_prolongation(ORDER, 3)
    yield "P of a dyadic refinement", departure(dyadic_prolongation(ORDER, 3).toarray(), exact)
    hanging = rk.SplineSpace(HANGING, ORDER)
    yield "P from a space to itself", departure(rk.prolongation_matrix(hanging, hanging).toarray(), np.eye(hanging.dim))
    x = np.array(POINTS)
    kept = rk.bsplines.design_matrix(coarse, x).toarray() @ u
    refit = transfer.least_squares_transfer(coarse, fine, u, np.linspace(0.0, 1.0, 60))[0]
    exact_values = apply(spline_design(t, ORDER, fractions(POINTS)), fractions(u))
    yield "values before a transfer", departure(kept, exact_values)
    fitted = apply(spline_design(s, ORDER, fractions(POINTS)), fractions(refit))
    yield "values after a fit", departure(fitted, exact_values)
