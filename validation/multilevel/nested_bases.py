"""Networks over any nested basis, exactly: with phi = E phi' a coarse network is the fine one with weights W E (L6).

A basis is a function x -> its values, over the rationals; a nesting is a coarse basis, a fine one, and E.
"""

from collections.abc import Callable
from fractions import Fraction
from math import comb
from typing import NamedTuple

import numpy as np

from refkan.truth.bases.prolongation import prolongation
from validation import rationals
from validation.rationals import Matrix, Vector, apply, identity, multiply, random_rationals, relu_design, spline_design


class Nesting(NamedTuple):
    """Basis functions phi and phi', and E with phi = E phi'."""

    coarse: Callable[[Fraction], list[Fraction]]
    fine: Callable[[Fraction], list[Fraction]]
    embedding: Matrix


def monomials(degree: int, x: Fraction) -> list[Fraction]:
    return [x**k for k in range(degree + 1)]


def chebyshev(degree: int, x: Fraction) -> list[Fraction]:
    """T_0, ..., T_degree."""
    values = [Fraction(1), x]
    for _ in range(degree - 1):
        values.append(2 * x * values[-1] - values[-2])
    return values[: degree + 1]


def bernstein(degree: int, x: Fraction) -> list[Fraction]:
    return [comb(degree, i) * x**i * (1 - x) ** (degree - i) for i in range(degree + 1)]


def haar(levels: int, x: Fraction) -> list[Fraction]:
    """The constant and the wavelets psi(2^k x - j), k < levels, on [0, 1)."""
    values = [Fraction(0 <= x < 1)]
    for k in range(levels):
        for j in range(2**k):
            at = 2**k * x - j
            values.append(Fraction((0 <= at < Fraction(1, 2)) - (Fraction(1, 2) <= at < 1)))
    return values


def appended(coarse: int, fine: int) -> Matrix:
    """E of a basis whose first functions are the coarse ones."""
    return [row[:fine] for row in identity(max(coarse, fine))[:coarse]]


def invertible(rng: np.random.Generator, size: int) -> Matrix:
    while True:
        matrix = [random_rationals(rng, size) for _ in range(size)]
        if rationals.rank(matrix) == size:
            return matrix


def nestings(seed: int, d: int = 3, m: int = 5) -> dict[str, Nesting]:
    """Nested bases of polynomials of degree d in m, splines, ReLU powers and wavelets, and random combinations."""
    rng = np.random.default_rng(seed)
    order, coarse = 3, rationals.random_knots(rng, 3, 2)
    fine = sorted([*coarse, (coarse[2] + coarse[3]) / 2, (coarse[3] + coarse[4]) / 3 + coarse[4] / 3])
    zeros_and_ones = [[Fraction(s == t) for s in fine[:-order]] for t in coarse[:-order]]
    M, inner = invertible(rng, d + 1), invertible(rng, m + 1)
    powers = Nesting(lambda x: monomials(d, x), lambda x: monomials(m, x), appended(d + 1, m + 1))
    return {
        "monomials": powers,
        "Chebyshev polynomials": powers._replace(coarse=lambda x: chebyshev(d, x), fine=lambda x: chebyshev(m, x)),
        "Bernstein polynomials": Nesting(
            lambda x: bernstein(d, x),
            lambda x: bernstein(m, x),
            [[Fraction(comb(d, i) * comb(m - d, j - i) if j >= i else 0, comb(m, j)) for j in range(m + 1)]
             for i in range(d + 1)],
        ),
        "B-splines": Nesting(
            lambda x: spline_design(coarse, order, [x])[0],
            lambda x: spline_design(fine, order, [x])[0],
            rationals.transpose(prolongation(coarse, fine, order)),
        ),
        "ReLU powers": Nesting(
            lambda x: relu_design(coarse, order, [x])[0], lambda x: relu_design(fine, order, [x])[0], zeros_and_ones
        ),
        "Haar wavelets": Nesting(lambda x: haar(2, x), lambda x: haar(3, x), appended(4, 8)),
        # phi' = inner (1, ..., x^m), phi = M (its first functions): a coarse space in general position
        "random combinations": Nesting(
            lambda x: apply(multiply(M, appended(d + 1, m + 1), inner), monomials(m, x)),
            lambda x: apply(inner, monomials(m, x)),
            multiply(M, appended(d + 1, m + 1)),
        ),
    }  # fmt: skip


Weights = list[list[list[Vector]]]
"""W_qpi of each layer."""


def network(basis: Callable[[Fraction], list[Fraction]], weights: Weights, x: Vector) -> Vector:
    """Layers of sums over inputs and basis functions, sum_p sum_i W_qpi phi_i(x_p)."""
    for layer in weights:
        values = [basis(at) for at in x]
        x = [sum(map(rationals.dot, edges, values), Fraction(0)) for edges in layer]
    return x


def properly_nested(nesting: Nesting, seed: int, embedding: Matrix | None = None, points: int = 5) -> bool:
    """Whether networks [2, 2, 1] with random weights W, and W E on the fine basis, are equal at random points."""
    rng = np.random.default_rng([seed, 1])
    E = nesting.embedding if embedding is None else embedding
    sizes = ((2, 2), (1, 2))
    coarse = [[[random_rationals(rng, len(E)) for _ in range(p)] for _ in range(q)] for q, p in sizes]
    fine = [[[multiply([row], E)[0] for row in edges] for edges in layer] for layer in coarse]
    x = [random_rationals(rng, 2) for _ in range(points)]
    return all(network(nesting.coarse, coarse, at) == network(nesting.fine, fine, at) for at in x)
