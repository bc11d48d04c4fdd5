"""L4: A is an r-th difference and A^T A a 2r-th difference away from the boundary ([S26] Lemma 4)."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import comb, factorial
from typing import Any

import numpy as np

from refkan import truth
from refkan.claims import Verdict
from validation.rationals import Vector, random_knots, random_rationals, uniform_knots
from validation.statements import Progress, by_criterion, silent

CLAIMS = ("L4",)
ORDERS = range(1, 7)

CORRECTED = """With delta_+ f_i = f_{i+1} - f_i and delta^2 f_j = f_{j+1} - 2 f_j + f_{j-1} on knots of
spacing h: A = (-1)^r h/(r-1)! (delta_+/h)^r in all but the last r rows, so A f ~ (-1)^r h/(r-1)! f^(r); and
A^T A = (-1)^r (h/(r-1)!)^2 (delta^2/h^2)^r in all but the first r rows (in the last r with f = 0 beyond the
end), so A^T A f ~ (-1)^r (h/(r-1)!)^2 f^(2r). On arbitrary knots row i of A is (-1)^r (t_{i+r} - t_i) times
the divided difference over t_i .. t_{i+r}, and A^T A is no 2r-th difference."""

DETAILS = """Derivation: by Corollary 1, A = h^(1-r)/(r-1)! (I - N)^r with N the shift to the right. I - N is
minus the forward difference, hence the sign (-1)^r; dividing the difference by h^r leaves the factor h. (I -
N)^T (I - N) is minus the central second difference, and the powers commute away from the first r rows.

Checked exactly, for each order and spacing: the rows, entry by entry, and, with no stencil at all, the action
on polynomials. A maps samples of x^k to zero for k < r and x^r to (-1)^r h r; A^T A maps x^k to zero for k <
2r and x^2r to (-1)^r h^2 (2r)!/((r-1)!)^2.

Boundary: the last r rows of A are cut off, as if f vanished beyond the right end, and A^T A inherits this:
its last r rows are the full central stencil with zeros beyond the end, essential conditions. Row j < r of A^T
A lacks the contributions of rows of A above the first. These rows annihilate polynomials of degree r - 1 and
no more: the natural conditions of the energy (f^(r))^2 at the left end. A^T A is the operator of a beam of
order 2r, free at the left and clamped at the right; in A A^T the two ends change places.

Arbitrary knots: row i of A, applied to random samples, equals (-1)^r (t_{i+r} - t_i) times Newton's divided
difference. But A^T A annihilates polynomials of degree r - 1 alone in its interior: A maps x^r to (-1)^r
(t_{i+r} - t_i), which A^T does not annihilate unless the knots are evenly spaced. (For r = 1 it is the second
difference in the index, whatever the knots are.)"""


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    seeds = range(3) if quick else range(10)
    progress("L4: stencils and polynomials")
    spacings = [Fraction(1), Fraction(1, 4), Fraction(7, 3)]
    cases = [{"order": order, "h": h} | examine(order, h) for order in ORDERS for h in spacings]
    random_rows = [
        {"order": order, "seed": seed} | random_knot_rows(order, np.random.default_rng([seed, order]))
        for order in ORDERS
        for seed in seeds
    ]
    exact = [case["A"] and case["AtA"] and case["polynomials"] for case in cases]
    divided = [case["divided_difference"] for case in random_rows]
    measured = (
        "r = 1..6: interior rows of A and A^T A equal the derived stencils, and are exact on polynomials, in"
        f" {sum(exact)} of {len(exact)} uniform cases; on random knots rows of A are divided differences in"
        f" {sum(divided)} of {len(divided)}, A^T A is a 2r-th difference in"
        f" {sum(row['AtA_is_2r_difference'] for row in random_rows)}"
    )
    more = {"corrected": CORRECTED, "details": DETAILS, "data": {"uniform": cases, "random": random_rows}}
    return [by_criterion("L4", all(exact) and all(divided), measured, altered_lemmas(random_rows), **more)]


def forward_scale(order: int, h: Fraction) -> Fraction:
    """Return the factor of (delta_+/h)^r in A."""
    return (-1) ** order * h / factorial(order - 1)


def central_scale(order: int, h: Fraction) -> Fraction:
    """Return the factor of (delta^2/h^2)^r in A^T A."""
    return (-1) ** order * (h / factorial(order - 1)) ** 2


def placed(stencil: Vector, start: int, size: int) -> list[Fraction]:
    """Return a row of `size` entries with the stencil from column `start` on, cut off at both ends."""
    return [stencil[j - start] if 0 <= j - start < len(stencil) else Fraction(0) for j in range(size)]


def examine(
    order: int,
    h: Fraction,
    forward: Callable[[int, Fraction], Fraction] = forward_scale,
    central: Callable[[int, Fraction], Fraction] = central_scale,
    first_row: int = 0,
) -> dict[str, bool]:
    """Compare the rows of A and A^T A on uniform knots with the scaled stencils, and their action on polynomials.

    The rows of A^T A are compared from r + first_row on.
    """
    r = order
    knots = uniform_knots(r, 2 * r + 3, Fraction(-1, 3), h)
    A = np.array(truth.change_of_basis(knots, r))
    size, AtA = len(A), A.T @ A
    # Weights of f_i .. f_{i+r} in (delta_+/h)^r f_i, and of f_{j-r} .. f_{j+r} in (delta^2/h^2)^r f_j.
    differences = [(-1) ** (r - k) * comb(r, k) / h**r for k in range(r + 1)]
    second_differences = [(-1) ** k * comb(2 * r, k) / h ** (2 * r) for k in range(2 * r + 1)]
    rows = [[forward(r, h) * a for a in placed(differences, i, size)] for i in range(size)]
    central_rows = [[central(r, h) * a for a in placed(second_differences, j - r, size)] for j in range(size)]
    start = r + first_row
    return {
        "A": np.array_equal(rows, A),
        "AtA": np.array_equal(AtA[start:], central_rows[start:]),
        "polynomials": polynomials_come_out_right(A, AtA, np.array(knots[:size]), r, forward(r, h), central(r, h)),
    }


def polynomials_come_out_right(A: Any, AtA: Any, t: Any, r: int, forward: Fraction, central: Fraction) -> bool:
    """Apply both to samples of x^k and compare with the derivatives, constant up to k = r and k = 2r."""
    size = len(A)
    for k in range(2 * r + 1):
        if k <= r and ((A @ t**k)[: size - r] != (k == r) * forward * factorial(r)).any():
            return False
        image = AtA @ t**k
        if (image[r : size - r] != (k == 2 * r) * central * factorial(2 * r)).any():
            return False
        if k <= r and image[:r].any() != (k == r):  # the natural boundary conditions: degree r - 1 and no more
            return False
    return True


def random_knot_rows(order: int, rng: np.random.Generator) -> dict[str, bool]:
    """Compare A on random knots with divided differences of random samples; ask if A^T A annihilates degree 2r - 1."""
    knots = random_knots(rng, order, 2 * order + 3)
    A, t = np.array(truth.change_of_basis(knots, order)), np.array(knots)
    size, AtA = len(A), A.T @ A
    samples = random_rationals(rng, size)
    widths = (t[order:] - t[:-order])[: size - order]
    expected = (-1) ** order * widths * divided_differences(knots[:size], samples, order)
    annihilated = [not (AtA @ t[:size] ** k)[order : size - order].any() for k in range(2 * order)]
    return {
        "divided_difference": np.array_equal((A @ samples)[: size - order], expected),
        "AtA_is_2r_difference": all(annihilated),
    }


def divided_differences(t: Vector, values: Vector, order: int) -> list[Fraction]:
    """Return [t_i, ..., t_{i+r}] f for all i, by Newton's table."""
    table = list(values)
    for k in range(1, order + 1):
        table = [(right - left) / (t[i + k] - t[i]) for i, (left, right) in enumerate(pairwise(table))]
    return table


def altered_lemmas(random_rows: list[dict[str, Any]]) -> dict[str, bool]:
    h = Fraction(1, 4)

    def every(key: str, **altered: Any) -> bool:
        return all(examine(order, h, **altered)[key] for order in ORDERS)

    return {
        "A without the factor h": every("A", forward=lambda r, h: forward_scale(r, h) / h),
        "A with the sign of (delta_+)^r": every("A", forward=lambda r, h: abs(forward_scale(r, h))),
        "A^T A without the square of (r-1)!": every("AtA", central=lambda r, h: central_scale(r, h) * factorial(r - 1)),
        "A^T A with the sign of delta^2r": every("AtA", central=lambda r, h: abs(central_scale(r, h))),
        "the stencil from row r - 1 on": every("AtA", first_row=-1),
        "2r-th difference on arbitrary knots": all(row["AtA_is_2r_difference"] for row in random_rows),
    }
