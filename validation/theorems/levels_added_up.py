"""H5, M4: sums over levels of diagonal scalings of Gram matrices, exactly (docs/theorems/levels.md).

H5  hats scaled by the diagonal of their Gram matrix have the condition number 3, on every knot vector
M4  the sum over J levels of such scalings has J times that of one level: J for r = 1, 3 J for r = 2, and for periodic
    uniform splines J (2r-1)!/T_r, T_r the tangent numbers 1, 2, 16, 272
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import comb, factorial

import flint
import numpy as np

import refkan as rk
from refkan import truth
from refkan.analysis.exact.spectra.rational import rational_gram
from refkan.claims import Verdict, judge
from validation.rationals import rational, to_flint

CLAIMS = ("H5", "M4")
F = Fraction
Pair = tuple[flint.fmpq_mat, flint.fmpq_mat]


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    return [scaled_hats(quick), levels_added_up(quick)]


def nested_spaces(order: int, levels: int, seed: int, middle: bool = True) -> list[rk.SplineSpace]:
    """Random dyadic knots, each level bisected to make the next, in the middle or anywhere."""
    rng = np.random.default_rng([4, order, levels, seed])
    spaces = [rk.SplineSpace(np.cumsum(rng.integers(8, 40, 2 + 2 * order)) / 8.0, order)]
    for _ in range(levels - 1):
        t = spaces[-1].breakpoints
        shares = 0.5 if middle else rng.integers(1, 8, t.size - 1) / 8.0
        spaces.append(spaces[-1].insert(t[:-1] + shares * np.diff(t)))
    return spaces


def sum_over_levels(spaces: Sequence[rk.SplineSpace]) -> Pair:
    """The Gram matrix M of the finest level, and B M with B = sum_l P_l diag(M_l)^-1 P_l^T."""
    fine = spaces[-1]
    M = rational_gram(fine)
    total = flint.fmpq_mat(fine.dim, fine.dim)
    for space in spaces:
        P, G = prolongation(space, fine), rational_gram(space)
        D = flint.fmpq_mat(space.dim, space.dim)
        for i in range(space.dim):
            D[i, i] = 1 / G[i, i]
        total += P * D * P.transpose()
    return M, total * M


def prolongation(coarse: rk.SplineSpace, fine: rk.SplineSpace) -> flint.fmpq_mat:
    knots = [[F(t) for t in space.knots] for space in (coarse, fine)]
    return to_flint(truth.bases.prolongation.prolongation(knots[0], knots[1], fine.order))


def circulant(size: int, entries: Mapping[int, Fraction], step: int = 1) -> flint.fmpq_mat:
    """The matrix with entries at the places (step j + k) mod `size` of its columns j."""
    C = flint.fmpq_mat(size, size // step)
    for j in range(size // step):
        for k, entry in entries.items():
            C[(step * j + k) % size, j] += rational(entry)
    return C


def periodic_gram(order: int, size: int, h: Fraction) -> flint.fmpq_mat:
    """The Gram matrix of periodic B-splines on uniform knots."""
    return circulant(size, {k: h * cardinal(2 * order, order + k) for k in range(-order, order + 1)})


def periodic_sum(order: int, coarsest: int, levels: int) -> Pair:
    """The same for periodic uniform splines, h = 1 on the finest level; `coarsest` is the order or more."""
    n, mask = coarsest * 2 ** (levels - 1), {s: F(comb(order, s), 2 ** (order - 1)) for s in range(order + 1)}
    M, P, total = periodic_gram(order, n, F(1)), circulant(n, {0: F(1)}), flint.fmpq_mat(n, n)
    for level in range(levels):
        total += P * P.transpose() / rational(2**level * cardinal(2 * order, order))
        if level < levels - 1:
            P = P * circulant(n >> level, mask, 2)
    return M, total * M


def cardinal(order: int, x: int) -> Fraction:
    """The uniform B-spline of an order on [0, order] at an integer."""
    terms = ((-1) ** j * comb(order, j) * (x - j) ** (order - 1) for j in range(x))
    return F(sum(terms), factorial(order - 1)) if 0 < x < order else F(0)


def tangent_number(r: int) -> int:
    """T_r in tan x = sum_r T_r x^(2r-1)/(2r-1)!: 1, 2, 16, 272, ..."""
    flint.ctx.cap = max(flint.ctx.cap, 2 * r)
    series = flint.fmpq_series([0, 1], prec=2 * r).tan()
    return int(series[2 * r - 1] * factorial(2 * r - 1))


def has_extremes(M: flint.fmpq_mat, product: flint.fmpq_mat, low: Fraction, high: Fraction) -> bool:
    """Whether the least and the largest eigenvalue of B M are low and high, exactly.

    Both are eigenvalues, with the alternating vector and with ones; M B M - low M and high M - M B M have no negative
    eigenvalue: the coefficients of their characteristic polynomials, whose roots are real, alternate in sign.
    """
    size, (bottom, top) = M.nrows(), map(rational, (low, high))
    ones, alternating = (flint.fmpq_mat([[sign**i] for i in range(size)]) for sign in (1, -1))
    if product * ones != ones * top or product * alternating != alternating * bottom:
        return False
    energy = M * product
    polynomials = ((energy - M * bottom).charpoly(), (M * top - energy).charpoly())
    return all((-1) ** (size - k) * p[k] >= 0 for p in polynomials for k in range(size + 1))


def scaled_hats(quick: bool) -> Verdict:
    cases = [nested_spaces(2, levels, seed)[-1:] for levels in (1, 2, 3) for seed in range(3 if quick else 20)]
    pairs = [sum_over_levels(case) for case in cases]

    def exact(low: Fraction, high: Fraction) -> bool:
        return all(has_extremes(*pair, low, high) for pair in pairs)

    return Verdict(
        "H5",
        judge(exact(F(1, 2), F(3, 2))),
        f"extreme eigenvalues 1/2 and 3/2, condition number 3, exactly on {len(cases)} random knot vectors",
        details="Exact extremes, with eigenvectors 1 and (-1)^i. Proof: docs/theorems/levels.md.",
        mutations={"a least eigenvalue of 501/1000": judge(exact(F(501, 1000), F(3, 2))),
                   "a largest one of 1499/1000": judge(exact(F(1, 2), F(1499, 1000)))},
    )  # fmt: skip


def levels_added_up(quick: bool) -> Verdict:
    seeds, levels = range(2 if quick else 10), range(1, 4 if quick else 5)
    steps = [(J, sum_over_levels(nested_spaces(1, J, s, middle=False)), F(1), F(1)) for J in levels for s in seeds]
    hats = [(J, sum_over_levels(nested_spaces(2, J, s)), F(1, 2), F(3, 2)) for J in levels for s in seeds]
    periodic = []
    for r in range(2, 6):
        a, least = cardinal(2 * r, r), F(tangent_number(r), factorial(2 * r - 1))
        periodic += [(J, periodic_sum(r, r + r % 2, J), least / a, 1 / a) for J in levels]
    anywhere = [
        (J, sum_over_levels(nested_spaces(2, J, s, middle=False)), F(1, 2), F(3, 2)) for J in levels for s in seeds
    ]

    def exact(cases: Sequence[tuple[int, Pair, Fraction, Fraction]], more: int = 0) -> bool:
        if not more and cases is steps:
            return all(product.charpoly() == nested_projections(product.nrows(), J) for J, (_, product), _, _ in cases)
        return all(has_extremes(*pair, low, (J + more) * high) for J, pair, low, high in cases)

    return Verdict(
        "M4",
        judge(exact(steps) and exact(hats) and exact(periodic)),
        f"up to {max(levels)} levels: eigenvalues exactly 1 to J for r = 1, any nested knots ({len(steps)} cases);"
        f" condition number 3 J for r = 2, bisected random knots ({len(hats)}); J (2r - 1)!/T_r = "
        + ", ".join(f"{float(F(factorial(2 * r - 1), tangent_number(r))):.5g} J" for r in range(2, 6))
        + f" for periodic uniform splines, r = 2..5 ({len(periodic)})",
        details="Exact extremes, with eigenvectors; for r = 1 all eigenvalues. Proof: docs/theorems/levels.md.",
        mutations={
            "(J + 1) times one level": judge(exact(hats, 1) or exact(periodic, 1)),
            "3 J for hats on knots not bisected in the middle": judge(exact(anywhere)),
        },
    )


def nested_projections(dim: int, levels: int) -> flint.fmpq_poly:
    """The characteristic polynomial of a sum of nested projections of ranks dim, dim/2, ..."""
    s, p, ranks = flint.fmpq_poly([0, 1]), flint.fmpq_poly([1]), [dim >> k for k in range(levels)]
    for k, size in enumerate(ranks, start=1):
        p *= (s - k) ** (size - (ranks[k] if k < levels else 0))
    return p
