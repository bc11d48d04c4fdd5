"""L1: the B-splines and the ReLU powers are both bases of the spline space S_r(T) ([S26] Lemma 1)."""

from collections.abc import Callable
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np

from refkan import truth
from refkan.analysis.exact.spectra.rational import as_fractions
from refkan.claims import Verdict
from validation import rationals
from validation.rationals import Matrix, Vector, random_knots, relu_design
from validation.statements import Progress, by_criterion, each, silent

CLAIMS = ("L1",)
ORDERS = range(1, 7)
Design = Callable[[Vector, int, Vector], Matrix]
ChangeOfBasis = Callable[[Vector, int], Matrix]


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    seeds, most_intervals = (range(2), 4) if quick else (range(10), 8)
    cases = []
    places = ORDERS, range(1, most_intervals + 1), seeds
    for order, intervals, seed in each(progress, "L1: order {}, {} intervals, seed {}", *places):
        knots = random_knots(np.random.default_rng([seed, order, intervals]), order, intervals)
        cases.append({"order": order, "intervals": intervals, "seed": seed} | examine(knots, order))
    dims = sorted({case["dim"] for case in cases})
    measured = (
        f"{sum(map(holds, cases))} of {len(cases)} random knot vectors, r = 1..6, dim {dims[0]}..{dims[-1]}: the"
        " identity b = A psi is exact, both bases lie in S_r(T), both have rank dim = dim S_r(T)"
    )
    true = all(map(holds, cases))
    return [by_criterion("L1", true, measured, altered_lemmas(), details=DETAILS, data={"cases": cases})]


DETAILS = """Everything is exact, over Fractions. S_r(T) is taken at its word, from neither basis: the
piecewise polynomials of degree r - 1 on the n intervals that have r - 2 continuous derivatives at the n - 1
interior breakpoints.

(1) b_i = sum_j A_ij psi_j is compared at every breakpoint, at both ends of the domain (at b the limit from
the left) and at r further points of every interval: both sides are polynomials of degree r - 1 there, so
equality at r points is equality. (2) Each basis function is interpolated at r + 1 points of each interval;
the coefficient of degree r must vanish, and the others must meet the conditions of continuity. (3) n r minus
the rank of these conditions, dim S_r(T), must be n + r - 1, and so must the rank of the values of each set of
basis functions at these points."""


def holds(case: dict[str, Any]) -> bool:
    full_rank = case["spline_rank"] == case["relu_rank"] == case["dim"] == case["space_dim"]
    return bool(full_rank and case["identity"] and case["in_space"])


def examine(
    knots: Vector,
    order: int,
    relu: Design = relu_design,
    change_of_basis: ChangeOfBasis = truth.change_of_basis,
) -> dict[str, Any]:
    """Return what the lemma says, measured for one knot vector."""
    t = rationals.breakpoints(knots, order)
    samples = rationals.sample_points(knots, order, order + 1)
    points = [x for interval in samples for x in interval] + [t[-1]]
    b, psi = rationals.spline_design(knots, order, points), relu(knots, order, points)
    A = change_of_basis(knots, order)
    conditions = continuity(t, order)
    spline_pieces, relu_pieces = (pieces(values, samples, order) for values in (b, psi))
    return {
        "dim": len(A),
        "space_dim": order * (len(t) - 1) - rationals.rank(conditions),
        "identity": all(rationals.apply(A, right) == left for left, right in zip(b, psi, strict=True)),
        "in_space": all(
            coefficients is not None and not any(rationals.apply(conditions, coefficients))
            for coefficients in spline_pieces + relu_pieces
        ),
        "spline_rank": rationals.rank(b),
        "relu_rank": rationals.rank(psi),
    }


def pieces(values: Matrix, samples: list[list[Fraction]], order: int) -> list[list[Fraction] | None]:
    """Return the monomial coefficients, interval by interval, of each function whose values these are.

    None for a function that is not a polynomial of degree order - 1 on every interval.
    """
    size, fits = order + 1, []
    for m, points in enumerate(samples):
        powers = rationals.to_flint([[x**k for k in range(size)] for x in points])
        fits.append(as_fractions(powers.inv() * rationals.to_flint(values[m * size : (m + 1) * size])))
    functions = list(zip(*(rationals.transpose(fit) for fit in fits), strict=True))
    return [None if any(f[-1] for f in own) else [c for f in own for c in f[:-1]] for own in functions]


def continuity(t: Vector, order: int) -> Matrix:
    """Return the conditions on the coefficients: derivatives 0..r-2 have no jump at interior breakpoints."""
    intervals = len(t) - 1
    conditions = []
    for m in range(1, intervals):
        for k in range(order - 1):
            taylor = [comb(n, k) * t[m] ** (n - k) if n >= k else Fraction(0) for n in range(order)]
            row = [Fraction(0)] * (order * intervals)
            row[(m - 1) * order : m * order] = [-value for value in taylor]
            row[m * order : (m + 1) * order] = taylor
            conditions.append(row)
    return conditions


def altered_lemmas() -> dict[str, bool]:
    """Return whether altered lemmas hold for any order, on the knots of seed 0 with three intervals."""
    knots_of = {order: random_knots(np.random.default_rng([0, order, 3]), order, 3) for order in ORDERS}

    def shifted(knots: Vector, order: int, points: Vector) -> Matrix:
        return relu_design([*knots[1:], knots[-1] + 1], order, points)

    def next_power(knots: Vector, order: int, points: Vector) -> Matrix:
        size, longer = len(knots) - order, [*knots, knots[-1] + 1]
        return [[truth.truncated_power(longer, order + 1, i, x) for i in range(size)] for x in points]

    def without_signs(knots: Vector, order: int) -> Matrix:
        return [[abs(a) for a in row] for row in truth.change_of_basis(knots, order)]

    def doubled(knots: Vector, order: int) -> Matrix:
        return [[2 * a for a in row] for row in truth.change_of_basis(knots, order)]

    def anywhere(**altered: Any) -> bool:
        return any(holds(examine(knots, order, **altered)) for order, knots in knots_of.items())

    return {
        "ReLU powers that start one knot later": anywhere(relu=shifted),
        "ReLU powers of degree r": anywhere(relu=next_power),
        "A without its signs": anywhere(change_of_basis=without_signs),
        "twice A": anywhere(change_of_basis=doubled),
    }
