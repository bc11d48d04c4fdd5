"""Certified extreme eigenvalues and condition numbers, against mpmath, known values and exact definiteness."""

import math
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import refkan as rk
from refkan import exact
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra.perron import ALTERNATING, collatz_wielandt, matrix_of
from tests.analysis.exact.certified_matrices import MATRICES, dense, uniform_random
from tests.shared.factories import EPS
from tests.shared.factories import space as make

flint = pytest.importorskip("flint")


def is_positive_definite(matrix):
    """Whether a rational symmetric matrix is positive definite, by the signs of its exact pivots."""
    rows = [list(row) for row in matrix.tolist()]
    for i, row in enumerate(rows):
        if not row[i] > 0:
            return False
        for below in rows[i + 1 :]:
            factor = below[i] / row[i]
            below[:] = [b - factor * a for a, b in zip(row, below, strict=True)]
    return True


def shifted(matrix, shift, sign=1):
    """Return sign (matrix - shift)."""
    identity = flint.fmpq_mat(
        matrix.nrows(), matrix.nrows(), [int(i % (matrix.nrows() + 1) == 0) for i in range(matrix.nrows() ** 2)]
    )
    return flint.fmpq(sign) * (matrix - flint.fmpq(shift.numerator, shift.denominator) * identity)


def is_enclosure(matrix, smallest, largest):
    """Whether the extreme eigenvalues lie in the enclosures: decided exactly, with no theorem on signs."""
    return (
        (is_positive_definite(shifted(matrix, smallest.low)) or smallest.low == smallest.high)
        and not is_positive_definite(shifted(matrix, smallest.high))
        and (is_positive_definite(shifted(matrix, largest.high, -1)) or largest.low == largest.high)
        and not is_positive_definite(shifted(matrix, largest.low, -1))
    )


@pytest.mark.parametrize("which", MATRICES)
@pytest.mark.parametrize("order", range(1, 5))
@pytest.mark.parametrize("kind", ["uniform", "random", "graded", "uneven"])
def test_extreme_eigenvalues_decided_exactly(kind, order, which):
    space = uniform_random(order, 7) if kind == "uneven" else make(kind, order, 5)
    smallest, largest = exact.extreme_eigenvalues(space, which)
    assert is_enclosure(dense(space, which), smallest, largest)
    assert max(smallest.relative_width, largest.relative_width) <= 2.0**-58


def test_step_functions_have_known_eigenvalues():
    dim = 300
    smallest, largest = exact.extreme_eigenvalues(rk.SplineSpace.uniform(1, dim))
    with mpmath.workdps(40):
        for k, enclosure in ((1, smallest), (dim, largest)):
            value = 4 * mpmath.sin((2 * k - 1) * mpmath.pi / (4 * dim + 2)) ** 2
            assert mpmath.mpf(enclosure.low.numerator) / enclosure.low.denominator <= value
            assert value <= mpmath.mpf(enclosure.high.numerator) / enclosure.high.denominator


@pytest.mark.parametrize("which", MATRICES)
def test_signs_that_the_enclosures_rest_on(which):
    for order in (1, 2, 3, 5):
        X = dense(uniform_random(order, 8), which)
        inverse = X.inv()
        for i in range(8):
            for j in range(8):
                sign = (-1) ** (i + j)
                positive, alternating = (inverse, X) if which == "AtA" else (X, inverse)
                assert positive[i, j] >= 0
                assert sign * alternating[i, j] >= 0


@pytest.mark.parametrize("which", MATRICES)
@pytest.mark.parametrize("end", ["smallest", "largest"])
def test_any_positive_vector_gives_true_bounds(which, end, rng):
    space = make("random", 3, 6)
    enclosure = exact.extreme_eigenvalues(space, which)[end == "largest"]
    with precision(256):
        M = flint.arb_mat(matrix_of(space, which))
        if end == ALTERNATING[which]:
            M = flint.arb_mat([[(-1) ** (i + k) * x for k, x in enumerate(row)] for i, row in enumerate(M.tolist())])
        for _ in range(20):
            z = flint.arb_mat([[x] for x in rng.uniform(0.1, 1.0, space.dim)])
            if end == "smallest":  # a vector whose image is positive: z = M^-1 x
                z = M.solve(z).mid()
            bounds = Enclosure.between(*collatz_wielandt((M * z).entries(), z.entries()))
            assert bounds.low <= enclosure.low <= enclosure.high <= bounds.high


def test_scaled_relu_powers():
    space = rk.SplineSpace.uniform(3, 5, (0.0, 2.5))  # h = 1/2 exactly
    for which, factor in (("AtA", Fraction(1, 16)), ("relu_gram", Fraction(16))):
        plain, scaled = (exact.extreme_eigenvalues(space, which, scaled=s) for s in (False, True))
        for a, b in zip(plain, scaled, strict=True):
            assert max(a.low * factor, b.low) <= min(a.high * factor, b.high)


def test_condition_number_of_order_six_at_dim_200():
    space = rk.SplineSpace.uniform(6, 195)
    low, high = exact.certified_condition_number(space)
    assert low < high <= math.nextafter(math.nextafter(low, math.inf), math.inf)
    assert low == pytest.approx(1.0520500506663970e25, rel=1e-13)
    # Float64 finds both ends when neither is drowned by the other: singular values of A, and of the non-negative A^-1.
    A = rk.ChangeOfBasis(space)
    condition = (np.linalg.norm(A.dense(), 2) * np.linalg.norm(A.solve(np.eye(space.dim)), 2)) ** 2
    assert low == pytest.approx(condition, rel=8 * space.dim * EPS)


def test_blocks_of_a_gram_matrix():
    # Two intervals of lengths 1 and 2, all Bernstein polynomials of degree 3 on each: condition number 2 * 35.
    low, high = exact.certified_condition_number(rk.SplineSpace.clamped(4, [0, 1, 1, 1, 1, 3]), "gram")
    assert low <= 70 <= high
    # Order 1: the diagonal matrix of the interval lengths.
    low, high = exact.certified_condition_number(rk.SplineSpace([0.0, 0.1, 0.4, 0.5], 1), "gram")
    assert (
        Fraction(low)
        <= (Fraction(0.4) - Fraction(0.1)) / min(Fraction(0.1), Fraction(0.5) - Fraction(0.4))
        <= Fraction(high)
    )
    assert exact.certified_condition_number(rk.SplineSpace.uniform(1, 1)) == (1.0, 1.0)


def test_condition_numbers_beyond_the_range_of_floats():
    breakpoints = np.concatenate([[0.0], 10.0 ** np.linspace(-120, 0, 25)])
    space = rk.SplineSpace.from_breakpoints(4, breakpoints)
    for which in MATRICES[::2]:
        assert exact.certified_condition_number(space, which) == (sys.float_info.max, math.inf)
    smallest, largest = exact.extreme_eigenvalues(space)
    assert largest.low / smallest.high > 10**400
