"""L2, C1: the recursion for the change of basis A, and its closed form on uniform knots ([S26] section 2.1)."""

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import factorial
from typing import Any

import numpy as np

from refkan import truth
from refkan.claims import Verdict, judge
from refkan.claims.statuses import Status
from refkan.truth.bases.change_of_basis import change_of_basis_inverse, uniform_change_of_basis
from validation.rationals import Matrix, Vector, random_knots, uniform_knots

CLAIMS = ("L2", "C1")
Recursion = Callable[[Vector, int], Matrix]
Cases = list[tuple[dict[str, int], list[Fraction]]]


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    seeds, most_intervals = (range(3), 5) if quick else (range(10), 12)
    places = product(range(1, 7), range(1, most_intervals + 1), seeds)
    cases = [
        ({"order": r, "intervals": n, "seed": seed}, random_knots(np.random.default_rng([seed, r, n]), r, n))
        for r, n, seed in places
    ]
    progress(f"L2: {len(cases)} knot vectors")
    recursion = recursion_verdict(cases)
    progress(f"C1: {len(cases)} spacings")
    return [recursion, uniform_verdict(cases)]


def recursion_verdict(cases: Cases) -> Verdict:
    equal = [formulas_agree(knots, case["order"], truth.change_of_basis) for case, knots in cases]

    def altered(recursion: Recursion) -> Status:
        return judge(all(formulas_agree(knots, case["order"], recursion) for case, knots in cases))

    return Verdict(
        "L2",
        judge(all(equal)),
        f"{sum(equal)} of {len(equal)} random knot vectors, r = 1..6: recursion = divided differences = product of"
        " factors, inverted by r cumulative sums; all exactly",
        details=RECURSION_DETAILS,
        data={"cases": [case | {"equal": same} for (case, _), same in zip(cases, equal, strict=True)]},
        mutations={
            "a sum in place of the difference": altered(altered_recursion(sign=1)),
            "the same width under both terms": altered(altered_recursion(next_width=0)),
            "row i in place of row i + 1": altered(altered_recursion(below=0)),
            "knots shifted by one": altered(lambda t, order: truth.change_of_basis([*t[1:], t[-1] + 1], order)),
        },
    )


RECURSION_DETAILS = """Independent of the recursion: b_i is (t_{i+r} - t_i) times the divided difference over
t_i .. t_{i+r} of max(. - x, 0)^(r-1), whose weights give A_ij = (-1)^r (t_{i+r} - t_i) / prod_{l != j} (t_j -
t_l).

With D = I - N (N the shift to the superdiagonal) and Delta_k = diag(t_{i+k-1} - t_i) the recursion reads
A^[r] = D Delta_r^-1 A^[r-1], A^[1] = D. Hence A = D Delta_r^-1 D ... Delta_2^-1 D, and A^-1 = D^-1 Delta_2
D^-1 ... Delta_r D^-1 is r cumulative sums without a subtraction. Checked in every case as well: no entry of
A^-1 is negative, and the entries of A are positive on the diagonal and alternate in sign along a row."""


def formulas_agree(knots: Vector, order: int, recursion: Recursion) -> bool:
    """Compare A by a recursion with the divided differences, the product of its factors and the inverse."""
    A, t, size = np.array(recursion(knots, order)), np.array(knots), len(knots) - order
    factors = D = np.array(uniform_change_of_basis(1, size, Fraction(1)))
    for k in range(2, order + 1):
        factors = D @ (factors / (t[k - 1 : k - 1 + size] - t[:size])[:, None])
    inverse = np.array(change_of_basis_inverse(knots, order))
    band = [(i, j) for i in range(size) for j in range(i, min(i + order + 1, size))]
    return (
        np.array_equal(A, truth.change_of_basis_divided_differences(knots, order))
        and np.array_equal(A, factors)
        and np.array_equal(A @ inverse, np.eye(size, dtype=int))
        and inverse.min() >= 0
        and all((-1) ** (j - i) * A[i, j] > 0 for i, j in band)
    )


def altered_recursion(sign: int = -1, below: int = 1, next_width: int = 1) -> Recursion:
    """Return the recursion of Lemma 2, which the default arguments leave right and any others make wrong."""

    def recursion(knots: Vector, order: int) -> Matrix:
        size = len(knots) - order
        A = uniform_change_of_basis(1, size, Fraction(1))
        for r in range(2, order + 1):
            width = [knots[i + r - 1] - knots[i] for i in range(size + 1)]
            rows = [*A, [Fraction(0)] * size]
            A = [
                [rows[i][j] / width[i] + sign * rows[i + below][j] / width[i + next_width] for j in range(size)]
                for i in range(size)
            ]
        return A

    return recursion


def uniform_verdict(cases: Cases) -> Verdict:
    uniform = [
        (case | {"h": str(h := knots[1] - knots[0])}, uniform_knots(case["order"], case["intervals"], knots[0], h))
        for case, knots in cases
    ]
    equal = [closed_forms_agree(knots, case["order"]) for case, knots in uniform]

    def altered(**alteration: Any) -> Status:
        return judge(all(closed_forms_agree(knots, case["order"], **alteration) for case, knots in uniform))

    return Verdict(
        "C1",
        judge(all(equal)),
        f"{sum(equal)} of {len(equal)} uniform knot vectors of random spacing, r = 1..6: A = the Toeplitz formula ="
        " h^(1-r)/(r-1)! (A^[1])^r, exactly",
        details=UNIFORM_DETAILS,
        data={"cases": [case | {"equal": same} for (case, _), same in zip(uniform, equal, strict=True)]},
        mutations={
            "h^-r in place of h^(1-r)": altered(scale=lambda r, h: uniform_scale(r, h) / h),
            "no factorial": altered(scale=lambda r, h: h ** (1 - r)),
            "the power r - 1": altered(power=-1),
            "arbitrary knots": judge(all(closed_forms_agree(knots, case["order"]) for case, knots in cases)),
        },
    )


UNIFORM_DETAILS = """A_ij = (-1)^(j-i) C(r, j-i) / ((r-1)! h^(r-1)) for i <= j <= i + r. The power of the
square A^[1] needs no care at the end: polynomials in the nilpotent shift are upper triangular Toeplitz
matrices, and the last r rows come out truncated in both."""


def uniform_scale(order: int, h: Fraction) -> Fraction:
    """Return h^(1-r)/(r-1)!, the factor of (A^[1])^r in A^[r]."""
    return h ** (1 - order) / factorial(order - 1)


def closed_forms_agree(
    knots: Vector, order: int, scale: Callable[[int, Fraction], Fraction] = uniform_scale, power: int = 0
) -> bool:
    """Compare A with the Toeplitz formula and with a multiple of a power of A^[1], h the first gap."""
    A, size, h = truth.change_of_basis(knots, order), len(knots) - order, knots[1] - knots[0]
    D = uniform_change_of_basis(1, size, Fraction(1))
    powers = scale(order, h) * np.linalg.matrix_power(np.array(D), order + power)
    return uniform_change_of_basis(order, size, h) == A and np.array_equal(A, powers)
