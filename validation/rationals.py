"""Exact linear algebra and exact random data over Fractions, for claims that are equalities; products by FLINT."""

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from operator import mul
from typing import Any

import flint
import numpy as np

from refkan import truth
from refkan.analysis.exact.spectra.rational import as_fractions

Vector = Sequence[Fraction]
Matrix = list[list[Fraction]]
ZERO, ONE = Fraction(0), Fraction(1)


def identity(size: int) -> Matrix:
    return [[ONE if i == j else ZERO for j in range(size)] for i in range(size)]


def transpose(matrix: Matrix) -> Matrix:
    return [list(column) for column in zip(*matrix, strict=True)]


def apply(matrix: Matrix, vector: Vector) -> list[Fraction]:
    """Return the matrix times the vector; zeros, of which banded matrices are full, cost nothing."""
    return [sum((a * v for a, v in zip(row, vector, strict=True) if a), ZERO) for row in matrix]


def multiply(*factors: Matrix) -> Matrix:
    return as_fractions(reduce(mul, map(to_flint, factors)))


def rational(number: Any) -> flint.fmpq:
    """Return a float or a Fraction as one of FLINT's rational numbers, several times as quick; those as they are."""
    return number if isinstance(number, flint.fmpq) else flint.fmpq(*number.as_integer_ratio())


rationals_of = np.vectorize(rational, otypes=[object])
"""The same of each entry of an array."""


def to_flint(matrix: Any) -> flint.fmpq_mat:
    return flint.fmpq_mat([[rational(a) for a in row] for row in matrix])


def eigenvalues(matrix: flint.fmpq_mat) -> tuple[int, list[Any]]:
    """Return the multiplicity of the eigenvalue zero, and enclosures of all others, those that are real as such."""
    p = matrix.charpoly()
    zeros = next(k for k in range(p.degree() + 1) if p[k] != 0)
    return zeros, roots_of(flint.fmpq_poly([p[k] for k in range(zeros, p.degree() + 1)]))


def real_eigenvalues(matrix: flint.fmpq_mat) -> list[Any]:
    """Enclose the real parts of all eigenvalues, in ascending order."""
    return sorted((z.real for z in roots_of(matrix.charpoly())), key=float)


def roots_of(polynomial: Any) -> list[Any]:
    """Enclose the roots of one of FLINT's polynomials over the rationals, each as often as it occurs."""
    return [root for root, times in polynomial.complex_roots() for _ in range(times)]


def dot(left: Vector, right: Vector) -> Fraction:
    return sum((a * b for a, b in zip(left, right, strict=True)), ZERO)


def rank(matrix: Matrix) -> int:
    return int(to_flint(matrix).rank()) if matrix else 0


def spline_design(knots: Vector, order: int, points: Vector) -> Matrix:
    """Return the values of the B-splines, a row for each point."""
    rows = [truth.bsplines(knots, order, x) for x in points]
    return [[Fraction(row.get(i, 0)) for i in range(len(knots) - order)] for row in rows]


def relu_design(knots: Vector, order: int, points: Vector) -> Matrix:
    """Return the values of the ReLU powers, a row for each point."""
    size = len(knots) - order
    return [[Fraction(truth.truncated_power(knots, order, i, x)) for i in range(size)] for x in points]


def random_rationals(rng: np.random.Generator, count: int, low: int = -12, high: int = 12) -> list[Fraction]:
    """Return random multiples of 1/8 between low/8 and high/8."""
    return [Fraction(int(k), 8) for k in rng.integers(low, high + 1, count)]


def random_knots(rng: np.random.Generator, order: int, intervals: int) -> list[Fraction]:
    """Return a knot vector whose gaps are random multiples of 1/12, the widest 24 times the narrowest."""
    knots = random_rationals(rng, 1)
    for gap in rng.integers(1, 25, intervals + 2 * order - 2):
        knots.append(knots[-1] + Fraction(int(gap), 12))
    return knots


def uniform_knots(order: int, intervals: int, start: Fraction = ZERO, h: Fraction = ONE) -> list[Fraction]:
    """Return uniform knots of spacing h whose domain begins at `start`."""
    start, h = Fraction(start), Fraction(h)
    return [start + (k - order + 1) * h for k in range(intervals + 2 * order - 1)]


def breakpoints(knots: Vector, order: int) -> list[Fraction]:
    """Return t_0, ..., t_n."""
    return list(knots[order - 1 : len(knots) - order + 1])


def sample_points(knots: Vector, order: int, per_interval: int) -> list[list[Fraction]]:
    """Return for each interval its left end and further points inside, `per_interval` in all, equally spaced."""
    return [
        [left + (right - left) * Fraction(k, per_interval) for k in range(per_interval)]
        for left, right in pairwise(breakpoints(knots, order))
    ]


def random_points(rng: np.random.Generator, knots: Vector, order: int, count: int) -> list[Fraction]:
    """Return random points of the domain, multiples of 1/64 of its length."""
    a, b = knots[order - 1], knots[-order]
    return [a + (b - a) * Fraction(int(k), 64) for k in rng.integers(0, 65, count)]
