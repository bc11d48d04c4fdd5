r"""E19, E20, E30, E31, E40, D2, L7, N4, S4: formulas of [S26] that are algebra, one law for all.

Each entry of `formulas` evaluates a statement as printed, as it should be, and altered, over the rationals. The law: as
printed it holds, or as corrected; what is altered does not.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, product
from math import comb, factorial, log2
from typing import Any

import numpy as np

import refkan as rk
from refkan import truth
from refkan.analysis.exact.spectra.condition_numbers import eigenpairs
from refkan.claims import Verdict
from validation.rationals import random_knots, random_rationals, uniform_knots
from validation.statements import Progress, each, silent
from validation.theorems.formula import Formula

CLAIMS = ("E19", "E20", "E30", "E31", "E40", "D2", "L7", "N4", "S4")
F = Fraction


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    formulas: dict[str, Callable[[], Formula]] = {
        "E19": ascent, "E20": richardson, "E30": shifted_notation, "E31": product_of_powers, "E40": generating_function,
        "D2": order_of_preconditioner, "L7": cancelling_powers, "N4": plain_powers, "S4": growth_of_eigenvalues,
    }  # fmt: skip
    return [formulas[id]().verdict(id) for id in each(progress, "{}", CLAIMS)]


def changes(sign: int, eta: Fraction | None = None, shifted: bool = True) -> list[Fraction]:
    """How a convex quadratic loss changes in one step u + sign eta P^T grad L(P u); eta = 1/trace(P^T L P) by default.

    L(v) = v^T L v/2 - b^T v, with b = 0 unless `shifted`.
    """
    differences = []
    for seed in range(8):
        rng = np.random.default_rng([19, seed])
        P, B = (np.array([random_rationals(rng, size) for _ in range(5)]) for size in (3, 5))
        L = B.T @ B + np.eye(5, dtype=int)
        u, b = np.array(random_rationals(rng, 3)), np.array(random_rationals(rng, 5)) * int(shifted)
        step = eta or 1 / np.trace(P.T @ L @ P)

        def loss(u: Any, P: Any = P, L: Any = L, b: Any = b) -> Fraction:
            v = P @ u
            return Fraction(v @ L @ v / 2 - b @ v)

        gradient = P.T @ (L @ P @ u - b)
        differences.append(loss(u + sign * step * gradient) - loss(u))
    return differences


def ascent() -> Formula:
    """(19): the sign of a descent step."""
    printed, right = changes(1), changes(-1)
    return Formula(
        all(change < 0 for change in printed),
        f"random convex quadratic losses, step 1/trace(P^T L P): the loss falls in {sum(c < 0 for c in printed)} of"
        f" {len(printed)} with the printed sign, in {sum(c < 0 for c in right)} with a minus",
        {"a step of 1/2 at any scale of the loss": all(c < 0 for c in changes(-1, F(1, 2)))},
        all(change < 0 for change in right),
        "u_{k+1} = u_k - eta P^T grad L(P u_k)",
        """(19) prints u_{k+1} = u_k + eta P^T grad L(P u_k). With the gradient g = P^T grad L(P u) and M
= P^T L P the loss changes by eta |g|^2 + eta^2 g^T M g/2 > 0 under the printed sign: it rises for every eta > 0. With
a minus it changes by -eta |g|^2 + eta^2 g^T M g/2 <= -(eta/2) |g|^2 for eta <= 1/trace(M).""",
    )


def richardson() -> Formula:
    """(20): Richardson's iteration for P^T L P."""
    printed, right = changes(1, shifted=False), changes(-1, shifted=False)
    return Formula(
        all(change < 0 for change in printed),
        f"the energy u^T P^T L P u falls in {sum(c < 0 for c in printed)} of {len(printed)} steps as printed, in"
        f" {sum(c < 0 for c in right)} with a minus",
        {"a step of 1/2 at any scale of L": all(c < 0 for c in changes(-1, F(1, 2), shifted=False))},
        all(change < 0 for change in right),
        "u_{k+1} = u_k - eta P^T L P u_k, Richardson's iteration for P^T L P u = 0",
        """(20) prints u_{k+1} = u_k + eta P^T L P u_k and calls it Richardson's iteration, which is u +
eta (f - M u) for M u = f. With f = 0 the sign is a minus; I + eta M has spectral radius above 1 for every eta > 0.""",
    )


def shifted_notation() -> Formula:
    """(30): the layers of an MLP regrouped."""

    def equal(sign: int) -> bool:
        for seed in range(8):
            rng = np.random.default_rng([30, seed])
            widths = (2, 3, 4, 2)
            W = [np.array([random_rationals(rng, P) for _ in range(Q)]) for P, Q in pairwise(widths)]
            b = [np.array(random_rationals(rng, Q)) for Q in widths[1:]]
            half = full = np.array(random_rationals(rng, 2))
            for k, (weights, bias) in enumerate(zip(W, b, strict=True)):
                before = weights @ full  # (29)
                full = np.maximum(before + bias, F(0))
                half = weights @ (half if k == 0 else np.maximum(half - sign * b[k - 1], F(0)))  # (30), t = -b
                if (half != before).any():
                    return False
        return True

    return Formula(
        equal(-1),
        "random ReLU networks of three layers: (30) gives the x^(l+1/2) of (29), exactly",
        {"with t = b": equal(1)},
        why="""(30): x^(l+1/2) = W^(l) sigma(x^(l-1/2) - t^(l-1)), t = -b, for l >= 1. The output is printed
NN(x) = W^(L) x^(l); it is W^(L) x^(L).""",
    )


def product_of_powers() -> Formula:
    """(31), Proposition 2."""

    def holds(sign: int) -> bool:
        rng = np.random.default_rng(31)
        points = product(*(random_rationals(rng, 7) for _ in range(3)), range(2, 7))
        return all(
            (x - a) * max(x - b, F(0)) ** r == max(x - b, F(0)) ** (r + 1) + sign * (b - a) * max(x - b, F(0)) ** r
            for x, a, b, r in points
        )

    return Formula(
        holds(1),
        "equal at 343 rational (x, a, b) for r = 2..6",
        {"(a - b) in the place of (b - a)": holds(-1)},
        why="(x - a)(x - b)^r = (x - b)^(r+1) + (b - a)(x - b)^r for x > b, and both sides are zero for x <= b.",
    )


def cancelling_powers() -> Formula:
    """Appendix B: the coefficients of the lower powers cancel."""

    def cancel(shift: int) -> bool:
        for r, n in product(range(2, 7), (1, 2, 4)):
            t = random_knots(np.random.default_rng([7, r, n]), r, n)
            low, size = truth.change_of_basis(t, r - 1), n + r - 1
            for i, j in product(range(size), repeat=2):
                left = low[i][j] * (t[j] - t[i]) / (t[i + r - 1] - t[i])
                if left != low[i + 1][j] * (t[j] - t[i + r - shift]) / (t[i + r] - t[i + 1]):
                    return False
        return True

    return Formula(
        cancel(0),
        "exactly zero for all i, j, random knots, r = 2..6",
        {"with t_{i+r-1} in the second product": cancel(1)},
        why="""The proof of Lemma 2 (Lemma 7) drops the terms in ReLU(x - t_j)^(r-2) by an argument of
smoothness; "this can also be shown directly through laborious arithmetic". Their coefficients are A'_ij (t_j -
t_i)/(t_{i+r-1} - t_i) - A'_{i+1,j} (t_j - t_{i+r})/(t_{i+r} - t_{i+1}), A' of order r - 1. (The proof quotes
Proposition 2 as "Lemma 2".)""",
    )


def generating_function() -> Formula:
    """(40), as Laurent polynomials in e^(ix)."""

    def members(r: int, sign: int, factor: Fraction) -> tuple[dict[int, Fraction], dict[int, Fraction]]:
        first = {-k: F(r * (-1) ** k, factorial(k) * factorial(r - k)) for k in range(r + 1)}
        last = {sign * k: factor * F((-1) ** k * comb(r, k), factorial(r - 1)) for k in range(r + 1)}
        return first, last

    def equal(sign: int, factor: Callable[[int], Fraction] = lambda r: F(1)) -> bool:
        return all(first == last for first, last in (members(r, sign, factor(r)) for r in range(1, 7)))

    bound = all(F(2**r, factorial(r - 1)) <= 4 for r in range(1, 30))
    return Formula(
        equal(1) and equal(1, lambda r: F(10) ** (r - 1)),
        f"coefficients compared for r = 1..6; the bound (41), 2^r/(r - 1)! <= 4, is right: {bound}",
        {"with e^(+ix)": equal(1), "with n^(r-1), n = 2": equal(-1, lambda r: F(2) ** (r - 1)),
         "with r! below": equal(-1, lambda r: F(1, r))},
        equal(-1) and bound,
        "F_r(x) = (1 - e^(-ix))^r/(r - 1)!; the bound 2^r/(r - 1)! <= 4 is right",
        """(40) prints r sum_l (-1)^l/(l! (r-l)!) e^(-ilx) = r (1 - e^(ix))^r/r! = n^(r-1) (1 -
e^(ix))^r/(r-1)!. By the binomial theorem the sum is (1 - e^(-ix))^r/(r-1)!; n^(r-1) is stray. The maximum of |F_r|
and (41) do not depend on it.""",
    )  # fmt: skip


def order_of_preconditioner() -> Formula:
    """4.3: (A A^T)^-1 is the inverse of a difference of order 2r."""

    def order(r: int) -> int:
        size = 4 * r + 2
        A = np.array(truth.change_of_basis(uniform_knots(r, size - r + 1), r))
        rows, x = (A @ A.T)[r : size - r], np.array([F(x) for x in range(size)])
        return next(k for k in range(4 * r) if (rows @ x**k).any())

    orders = {r: order(r) for r in range(1, 7)}
    return Formula(
        all(k == r for r, k in orders.items()),
        "interior rows of A A^T annihilate polynomials of degree below " + ", ".join(map(str, orders.values()))
        + " for r = 1..6",
        {"order 2r - 1": all(k == 2 * r - 1 for r, k in orders.items()),
         "order 2r + 1": all(k == 2 * r + 1 for r, k in orders.items())},
        all(k == 2 * r for r, k in orders.items()),
        "(A A^T)^-1 ~ ((-1)^r d_x^(2r))^-1",
        """4.3 prints (A A^T)^-1 ~ (d_x)^(-r), and a line later, for r = 1, ~ Delta^-1, which is of order
2. A is a difference of order r (Lemma 4), A^T up to the sign its adjoint, and A A^T a difference of order 2r.""",
    )  # fmt: skip


def growth_of_eigenvalues() -> Formula:
    """2.2, figure 1: how the eigenvalues of A^T A grow with their index."""
    exponents: dict[int, list[tuple[float, float]]] = {}
    for r in (1, 2, 3):
        values = eigenpairs(rk.SplineSpace.uniform(r, 51 - r)).values
        ends = [(values[k - 1], values[2 * k - 1]) for k in (6, 25)]
        exponents[r] = [(log2(high.low / low.high), log2(high.high / low.low)) for low, high in ends]

    def near(at: int, power: Callable[[int], float], width: float = 0.3) -> bool:
        ends = ((r, *both[at]) for r, both in exponents.items())
        return all(power(r) - width <= low and high <= power(r) + width for r, low, high in ends)

    shown = ", ".join(f"r = {r}: {both[0][0]:.2f} and {both[1][0]:.2f}" for r, both in exponents.items())
    return Formula(
        near(0, lambda r: 2 * r) and near(1, lambda r: 2 * r),
        f"dim = 50, exponents from l = 6 to 12 and from 25 to 50, enclosed: {shown}",
        {"2r - 1 over the last doubling": near(1, lambda r: 2 * r - 1), "r at low indices": near(0, lambda r: r)},
        near(0, lambda r: 2 * r) and near(1, lambda r: r),
        "like l^(2r) for small l; over the upper half the slope is r on average, that of sin(pi l/(2 dim))^(2r)",
        """The symbol of A^T A is (2 sin(x/2))^(2r) up to a factor. Its values at x = pi l/n grow like
l^(2r) while sin x is x, and from x = pi/2 to pi by 2^r. Eigenvalues are enclosed in ball arithmetic.""",
        {"exponents": {str(r): both for r, both in exponents.items()}},
    )


def plain_powers() -> Formula:
    """Theorem 2 with the powers of (3), not scaled by h: one layer, one sample at a."""

    def ratio(r: int, n: int, scaled: bool = False) -> Fraction:
        h = F(1) if scaled else F(1, n)
        knots = uniform_knots(r, n, F(0), F(1, n))
        spline = sum((F(v) ** 2 for v in truth.bsplines(knots, r, F(0)).values()), F(0))
        return spline / (h ** (2 * r - 2) * sum(k ** (2 * r - 2) for k in range(1, r)))

    cases = [(r, n) for r in range(2, 7) for n in (1, 2, 5, 10, 20)]
    return Formula(
        all(ratio(r, n) <= 4 for r, n in cases),
        f"ratio {float(ratio(3, 10)):.1f} at r = 3, n = 10, and 4^(r-1) times as much for each doubling of n; with"
        f" (x - t_i)/h at most {float(max(ratio(r, n, True) for r, n in cases)):.3f}",
        {"growth like n^(2r-1)": all(ratio(r, 2 * n) == 2 ** (2 * r - 1) * ratio(r, n) for r, n in cases),
         "the plain powers, bound 294": all(ratio(r, n) <= 294 for r, n in cases)},
        all(ratio(r, 2 * n) == 4 ** (r - 1) * ratio(r, n) and ratio(r, n, True) <= 1 for r, n in cases),
        "a constant that is free of n asks for the powers of (x - t_i)/h; those of (3) have none. N1 says which it is",
        """(38) is stated for the ReLU basis; (3) defines it as ReLU(x - t_i)^(r-1), and the proof goes
over to powers of (x - t_i)/h, "equivalent again". The kernel is not: at the sample x = a one layer has rho(NTK_R) =
sum_k (k h)^(2r-2), k < r, and rho(NTK_S) = sum_i b_i(a)^2, so that their ratio grows like n^(2r-2).""",
    )  # fmt: skip
