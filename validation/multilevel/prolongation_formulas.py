"""E24, E25, P2: nested spline spaces, the dyadic coefficients, and the formula through the ReLU basis ([S26] 4.2)."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, product
from math import comb, log2

import numpy as np

import refkan as rk
from refkan import truth
from refkan.claims import Verdict, judge
from refkan.claims.statuses import Status
from refkan.splines.transfer.matrices import dyadic_prolongation, prolongation_through_relu
from refkan.truth.bases.change_of_basis import change_of_basis_inverse
from refkan.truth.bases.prolongation import prolongation, uniform_prolongation
from validation import rationals
from validation.rationals import Matrix, Vector, breakpoints, multiply, spline_design, transpose, uniform_knots

CLAIMS = ("E24", "E25", "P2")
ORDERS = range(1, 7)

LIBRARY = 1e-12
"""Largest error of the library's formula in float64, n = 16, r = 2 and 3: a mistake is of the size of 1."""

Pair = tuple[int, list[Fraction], list[Fraction]]
"""An order, a knot vector, and one that contains it."""


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    seeds, most_intervals = (range(2), 3) if quick else (range(8), 6)
    pairs = [nested_pair(*place) for place in product(ORDERS, range(1, most_intervals + 1), seeds)]
    sizes = (16, 32, 64, 128) if quick else (16, 32, 64, 128, 256)
    return [
        inclusion_verdict(pairs),
        dyadic_verdict(most_intervals + 1),
        formula_verdict(pairs, float64_errors((2, 3, 4, 5), sizes)),
    ]


def nested_pair(order: int, intervals: int, seed: int) -> Pair:
    """Random knots, and the same with one to three more inside; both exterior parts are shared."""
    rng = np.random.default_rng([seed, order, intervals])
    coarse = rationals.random_knots(rng, order, intervals)
    t = breakpoints(coarse, order)
    places = [left + (right - left) * Fraction(k, 5) for left, right in pairwise(t) for k in range(1, 5)]
    chosen = rng.choice(len(places), size=int(rng.integers(1, 4)), replace=False)
    return order, coarse, sorted([*coarse, *(places[k] for k in chosen)])


def contains(order: int, larger: Vector, smaller: Vector) -> bool:
    """Whether S_r on the knots `smaller` is contained in S_r on `larger`, both on one domain.

    Sampled at r points of every interval between knots of either vector, where both are polynomials, so that equality
    of rank with and without the functions in question is inclusion.
    """
    t = sorted({*breakpoints(larger, order), *breakpoints(smaller, order)})
    points = [
        x for left, right in pairwise(t) for x in (left + (right - left) * Fraction(k, order) for k in range(order))
    ]
    large, small = spline_design(larger, order, points), spline_design(smaller, order, points)
    both = [[*row, *other] for row, other in zip(large, small, strict=True)]
    return rationals.rank(both) == rationals.rank(large)


def inclusion_verdict(pairs: list[Pair]) -> Verdict:
    printed = [contains(order, coarse, fine) for order, coarse, fine in pairs]
    reverse = [contains(order, fine, coarse) for order, coarse, fine in pairs]

    def altered(change: Callable[[int, list[Fraction], list[Fraction]], Vector]) -> Status:
        return judge(
            any(contains(r, change(r, coarse, fine), coarse) for r, coarse, fine in pairs if len(coarse) > 2 * r)
        )

    return Verdict(
        "E24",
        judge(any(printed), all(reverse)),
        f"{len(pairs)} nested pairs, r = 1..6: S_r(T') lies in S_r(T) in {sum(printed)} of them, S_r(T) in S_r(T') in"
        f" {sum(reverse)}",
        corrected="T in T' implies S_r(T) in S_r(T')",
        details="Ranks over the rationals of all basis functions together against those of one space alone, sampled "
        "at r points of every interval between the knots of both.",
        data={"pairs": len(pairs), "as printed": printed, "reversed": reverse},
        mutations={
            "a fine vector without one of the coarse breakpoints": altered(
                lambda order, coarse, fine: [t for t in fine if t != breakpoints(coarse, order)[1]]
            ),
            "a fine vector with a coarse breakpoint moved": altered(with_a_moved_breakpoint),
            "inclusion both ways": judge(all(printed) and all(reverse)),
        },
    )


def with_a_moved_breakpoint(order: int, coarse: list[Fraction], fine: list[Fraction]) -> list[Fraction]:
    """The fine knots with the first interior breakpoint of the coarse ones moved towards its neighbour."""
    at = fine.index(breakpoints(coarse, order)[1])
    return [*fine[:at], (fine[at] + fine[at + 1]) / 2, *fine[at + 1 :]]


Coefficient = Callable[[int, int, int], Fraction]
"""(r, i, j) -> the coefficient of the fine b'_j in the coarse b_i, in the indices of the paper."""


def printed(r: int, i: int, j: int) -> Fraction:
    """2^-r C(r, s) at j = 2 i + s."""
    return Fraction(comb(r, j - 2 * i), 2**r) if 0 <= j - 2 * i <= r else Fraction(0)


def corrected(r: int, i: int, j: int) -> Fraction:
    """2^(1-r) C(r, s) at j = 2 i + s."""
    return 2 * printed(r, i, j)


def dyadic_identity(order: int, intervals: int, coefficient: Coefficient) -> bool:
    """Whether b_i = sum_j coefficient b'_j for every i, at r points of every fine interval; uniform knots."""
    r, n = order, intervals
    coarse = uniform_knots(r, n)
    fine = uniform_knots(r, 2 * n, h=Fraction(1, 2))
    points = [x for interval in rationals.sample_points(fine, r, r) for x in interval]
    P = [[coefficient(r, i, j) for i in range(1 - r, n)] for j in range(1 - r, 2 * n)]
    return multiply(spline_design(fine, r, points), P) == spline_design(coarse, r, points)


def dyadic_verdict(most_intervals: int) -> Verdict:
    cases = [(r, n) for r in ORDERS for n in range(1, most_intervals + 1)]
    as_printed = [dyadic_identity(r, n, printed) for r, n in cases]
    as_corrected = [dyadic_identity(r, n, corrected) for r, n in cases]
    library = [
        dyadic_prolongation(r, n).toarray().tolist() == [[float(p) for p in row] for row in uniform_prolongation(r, n)]
        for r, n in cases
    ]
    blossoms = [
        uniform_prolongation(r, n) == prolongation(uniform_knots(r, n), uniform_knots(r, 2 * n, h=Fraction(1, 2)), r)
        for r, n in cases
    ]

    def altered(coefficient: Coefficient) -> Status:
        return judge(any(dyadic_identity(r, n, coefficient) for r, n in cases if r > 1))

    return Verdict(
        "E25",
        judge(all(as_printed), all(as_corrected) and all(library) and all(blossoms)),
        f"{len(cases)} cases, r = 1..6: with the printed 2^-r the identity holds in {sum(as_printed)}, with 2^(1-r) in"
        f" {sum(as_corrected)}; the library's matrix has these numbers exactly in {sum(library)}, blossoms give them in"
        f" {sum(blossoms)}",
        corrected="P_ij = 2^(1-r) C(r, s) at j = 2i + s, that is b_i = sum_{s=0..r} 2^(1-r) C(r, s) b'_{2i+s}",
        details="Compared at r points of every fine interval: both sides are polynomials of degree r - 1 there. Terms "
        "with 2i + s outside 1-r..2n-1 belong to B-splines that vanish on the domain. Hat functions (r = 2) show the "
        "factor: 1/2, 1, 1/2.",
        data={"cases": cases, "as printed": as_printed, "as corrected": as_corrected},
        mutations={
            "shifted by one": altered(lambda r, i, j: corrected(r, i, j - 1)),
            "binomials of r - 1": altered(lambda r, i, j: 2 * printed(r - 1, i, j)),
            "s counted down": altered(lambda r, i, j: corrected(r, i, 4 * i - j)),
            "the factor 2^-r": judge(any(as_printed)),
        },
    )


def injection(coarse: Vector, fine: Vector, order: int, polynomials: bool) -> Matrix:
    """I with psi_coarse = I psi_fine: zeros and ones, and with `polynomials` the rows of powers that start before t_0.

    (x - t)^(r-1) over the r fine powers that start at s_1..s_r <= t_0, by Lagrange's interpolation; elsewhere a power
    that does not start at a fine knot gets a row of zeros.
    """
    size, nodes = len(fine) - order, fine[:order]

    def lagrange(t: Fraction, j: int) -> Fraction:
        value = Fraction(1)
        for m, s in enumerate(nodes):
            value *= (t - s) / (nodes[j] - s) if m != j else 1
        return value

    return [
        [lagrange(t, j) if j < order else Fraction(0) for j in range(size)]
        if polynomials and i < order
        else [Fraction(int(s == t)) for s in fine[:size]]
        for i, t in enumerate(coarse[: len(coarse) - order])
    ]


def formula(coarse: Vector, fine: Vector, order: int, polynomials: bool, off: Fraction | int = 0) -> Matrix:
    """The P of P^T = A I A'^-1; the first entry of I moved by `off`."""
    A, inverse = truth.change_of_basis(coarse, order), change_of_basis_inverse(fine, order)
    first, *rest = injection(coarse, fine, order, polynomials)
    return transpose(multiply(A, [[first[0] + off, *first[1:]], *rest], inverse))


def re_extended(order: int, intervals: int) -> Pair:
    """Uniform knots and their refinement, whose exterior knots are h/2 apart: nested on the domain alone."""
    return order, uniform_knots(order, intervals), uniform_knots(order, 2 * intervals, h=Fraction(1, 2))


def float64_errors(orders: tuple[int, ...], sizes: tuple[int, ...]) -> dict[str, list[float]]:
    """Largest error of an entry of P by the formula and by knot insertion, uniform knots on (0, 0.7)."""
    errors: dict[str, list[float]] = {}
    for order in orders:
        for n in sizes:
            coarse = rk.SplineSpace.uniform(order, n, (0.0, 0.7))
            fine, exact = coarse.refine(), dyadic_prolongation(order, n).toarray()
            through = float(np.abs(prolongation_through_relu(coarse, fine) - exact).max())
            directly = float(np.abs(rk.prolongation_matrix(coarse, fine).toarray() - exact).max())
            errors.setdefault(f"r = {order}, formula", []).append(through)
            errors.setdefault(f"r = {order}, knot insertion", []).append(directly)
    return errors | {"intervals": list(map(float, sizes))}


def formula_verdict(pairs: list[Pair], errors: dict[str, list[float]]) -> Verdict:
    uniform = [re_extended(order, n) for order in ORDERS for n in (1, 2, 4)]

    def agrees(pair: Pair, polynomials: bool, off: Fraction | int = 0) -> bool:
        order, coarse, fine = pair
        return formula(coarse, fine, order, polynomials, off) == prolongation(coarse, fine, order)

    everywhere = [agrees(pair, False) for pair in pairs]
    naive = [agrees(pair, False) for pair in uniform]
    extended = [agrees(pair, True) for pair in uniform]
    right = sorted({pair[0] for pair, same in zip(uniform, naive, strict=True) if same})
    library = max(float(errors[f"r = {r}, formula"][0]) for r in (2, 3))
    at_128 = errors["intervals"].index(128.0)
    lost = {r: errors[f"r = {r}, formula"][at_128] for r in (2, 3, 4, 5)}
    growth = log2(errors["r = 4, formula"][at_128] / errors["r = 4, formula"][at_128 - 1])
    kept = max(max(errors[f"r = {r}, knot insertion"]) for r in (2, 3, 4, 5))

    def altered(change: Callable[[Pair], Matrix]) -> Status:
        judged = [pair for pair in pairs if pair[0] > 1]  # of order 1 rows may be the same after a change
        return judge(any(change(pair) == prolongation(pair[1], pair[2], pair[0]) for pair in judged))

    return Verdict(
        "P2",
        judge(
            all(everywhere) and all(naive) and library <= LIBRARY,
            all(everywhere) and all(extended) and library <= LIBRARY,
        ),
        f"P of (24), b_i = sum_j P_ij b'_j, is A I A'^-1 for {sum(everywhere)} of {len(pairs)} pairs nested everywhere,"
        f" r = 1..6, exactly. For the paper's uniform refinement, whose exterior knots have the fine spacing, the"
        f" printed I of zeros and ones is right in {sum(naive)} of {len(uniform)} cases (of orders {right}), with"
        f" polynomial rows for the powers that start outside in {sum(extended)}. In float64 at n = 128 entries are off"
        f" by {', '.join(f'{lost[r]:.1e} (r = {r})' for r in lost)}, for r = 4 like n^{growth:.1f}; the library's"
        f" formula at n = 16, r = 2, 3 by {library:.1e}, its knot insertion by {kept:.1e} at most",
        corrected="P = A I A'^-1 where psi = I psi' on [a, b]: the rows of I are zeros and ones where every coarse knot"
        " is a fine one, the exterior ones too; under uniform refinement those of powers that start outside the domain"
        " are Lagrange's polynomials in the first r fine knots. Weights go by its transpose, v = P^T u, where section"
        " 4.1 writes P u",
        details=P2_DETAILS,
        data={"pairs": len(pairs), "float64": errors, "zeros and ones on re-extended knots": naive},
        mutations={
            "zeros and ones on re-extended knots": judge(all(naive)),
            "a Lagrange row off by 1/1000": judge(
                any(agrees(pair, True, Fraction(1, 1000)) for pair in uniform if pair[0] > 1)
            ),
            "A' in place of its inverse": altered(
                lambda pair: transpose(
                    multiply(
                        truth.change_of_basis(pair[1], pair[0]),
                        injection(pair[1], pair[2], pair[0], False),
                        truth.change_of_basis(pair[2], pair[0]),
                    )
                )
            ),
            "a neighbour of each injected power": altered(
                lambda pair: [row[1:] + row[:1] for row in formula(pair[1], pair[2], pair[0], False)]
            ),
            "exact in float64 too, to 1e-12": judge(lost[4] <= 1e-12),
        },
    )


P2_DETAILS = """\
P is taken from blossoms, which know nothing of the ReLU basis. psi_coarse = I psi_fine holds with zeros and ones
where every coarse knot is a fine one, exterior knots included: insertion. Refined uniform knots are usually extended
anew, a - h/2, a - h, ... in place of a - h, a - 2h, ...: a - (r-1) h is no fine knot, so that no row of zeros and ones
gives its power. On [a, b] it is a polynomial, and Lagrange's interpolation in the first r fine knots gives its row:
(2, -1) for r = 2; (6, -8, 3), (1, 0, 0) for r = 3; (20, -45, 36, -10), (4, -6, 4, -1), (0, 1, 0, 0) for r = 4.

In float64 the product loses digits as the ReLU basis does. A general inverse of A' in place of its r cumulative sums
loses about as many on these knots, ten times more where the knots themselves are floats. P itself has convex weights
and loses none: the formula is a check, not an algorithm."""
