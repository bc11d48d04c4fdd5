r"""E42, E43: what the abstract of [A25] says of the two bases, over the rationals.

That descent in one basis is preconditioned descent in the other is T1, and what follows for conditioning H1; refinement
that accelerates training is R9, free knots are K1 and K2.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import product

import numpy as np

from refkan import truth
from refkan.claims import Verdict
from refkan.truth.bases.prolongation import prolongation
from validation import rationals
from validation.rationals import Vector, random_knots, random_rationals
from validation.theorems.formula import Formula

CLAIMS = ("E42", "E43")
CASES = tuple(product(range(1, 7), (1, 3, 6)))


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    return [local_support().verdict("E42"), appended_channels().verdict("E43")]


def local_support() -> Formula:
    def local(relu: bool, length: int = 0) -> bool:
        """Whether functions are positive on r + `length` intervals of knots, and zero elsewhere in the domain."""
        for r, n in CASES:
            t = random_knots(np.random.default_rng([42, r, n]), r, n)
            points = [x for interval in rationals.sample_points(t, r, 3) for x in interval[1:]]
            values = (rationals.relu_design if relu else rationals.spline_design)(t, r, points)
            for x, row in zip(points, values, strict=True):
                if any((value > 0) != (t[i] < x < t[min(i + r + length, len(t) - 1)]) for i, value in enumerate(row)):
                    return False
        return True

    return Formula(
        local(relu=False),
        f"b_i > 0 exactly on (t_i, t_(i+r)), at points of every interval, {len(CASES)} random knot vectors, r = 1..6",
        {"of ReLU powers": local(relu=True), "on an interval more": local(False, 1), "on one less": local(False, -1)},
        why="A power ReLU(x - t_i)^(r-1) lives on all that follows t_i.",
    )


def with_breakpoint(t: Vector, r: int, share: Fraction) -> tuple[list[Fraction], int]:
    """Return knots with one more in the middle interval of the domain, and its index."""
    places = rationals.breakpoints(t, r)
    left, right = places[len(places) // 2 - 1], places[len(places) // 2]
    new = left + share * (right - left)
    k = t.index(right)
    return [*t[:k], new, *t[k:]], k


def appended_channels() -> Formula:
    def appended(moved: bool = False, transposed: bool = True) -> bool:
        """Whether weights stay and the new channel has weight 0; with its knot elsewhere in A, or with w = A u."""
        for r, n in CASES:
            rng = np.random.default_rng([43, r, n])
            t = random_knots(rng, r, n)
            u = random_rationals(rng, n + r - 1)
            fine, k = with_breakpoint(t, r, Fraction(int(rng.integers(1, 12)), 12))
            weights = []
            there = [*fine[:k], (fine[k] + fine[k + 1]) / 2, *fine[k + 1 :]] if moved else fine
            for knots, coefficients in ((t, u), (there, prolongation(t, fine, r) @ np.array(u))):
                A = np.array(truth.change_of_basis(knots, r))
                weights.append((A.T if transposed else A) @ coefficients)
            if not np.array_equal(weights[1], np.insert(weights[0], k, Fraction(0))[: len(weights[1])]):
                return False
        return True

    return Formula(
        appended(),
        f"w = A^T u of the refined spline is that of the coarse one with a zero at the new knot, in {len(CASES)} cases,"
        " r = 1..6, random knots, coefficients and breakpoints",
        {"with the new knot elsewhere": appended(moved=True), "with w = A u": appended(transposed=False)},
        why="The new ReLU power is not in the coarse spline. Breakpoints that are trained are biases of the MLP.",
    )
