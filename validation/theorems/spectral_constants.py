"""S5: lambda_max/lambda_min of A^T A is 4^r |V^r|^2 (dim + r/2)^(2r) (1 + O(dim^-2)), V integration on [0, 1].

Proof: docs/theorems/spectral-constants.md.
"""

from collections.abc import Callable
from fractions import Fraction
from math import factorial
from typing import Any

import flint
import numpy as np

import refkan as rk
from refkan.claims import Verdict, judge

CLAIMS = ("S5",)

F = Fraction


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Answer the row."""
    return [spectral_constants(quick)]


def characteristic_entries(r: int, l: Any, terms: int) -> tuple[list[list[Any]], list[list[Any]], list[Any]]:
    """Enclose E_ij = sum_m s^m/(2rm + j - i)!, s = (-1)^r l, its derivatives by l, and -sum_{m>0} s^m/(2rm - r - i)!.

    Terms without a factorial are left out; those beyond `terms` are, all together, below twice the next one.
    """
    s, sign = (-1) ** r * l, (-1) ** r

    def total(shift: int, derivative: int = 0, first: int = 0) -> Any:
        def term(m: int) -> Any:
            k = 2 * r * m + shift
            return s ** (m - derivative) * (sign * m) ** derivative / factorial(k) if k >= 0 and m >= derivative else 0

        ball = flint.arb(0, 2 * abs(term(terms)).upper())
        return sum((term(m) for m in range(first, terms)), ball)

    at = [[j - i for j in range(r)] for i in range(r)]
    values, slopes = ([[total(k, d) for k in row] for row in at] for d in (0, 1))
    return values, slopes, [-total(-r - i, first=1) for i in range(r)]


def characteristic_function(r: int, terms: int) -> list[flint.fmpq]:
    """Coefficients of F(l) = det(E), whose zeros are the inverses of the eigenvalues of V^r V^*r, V integration."""
    flint.ctx.cap = max(flint.ctx.cap, terms)  # python-flint cuts all series there

    def entry(shift: int) -> flint.fmpq_series:
        powers = (2 * r * m + shift for m in range(terms))
        top = [flint.fmpq((-1) ** (r * m), factorial(k)) if k >= 0 else 0 for m, k in enumerate(powers)]
        return flint.fmpq_series(top, prec=terms)

    rows = [[entry(j - i) for j in range(r)] for i in range(r)]
    det = flint.fmpq_series([1], prec=terms)
    for k in range(r):  # the diagonal begins with 1: pivots are units
        det = det * rows[k][k]
        for i in range(k + 1, r):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return det.coeffs()


def volterra_norm(r: int, terms: int = 14) -> tuple[Fraction, Fraction]:
    """Enclose |V^r|^2, V integration on [0, 1], by power sums of the eigenvalues mu_j of V^r V^*r.

    F is of order 1/(2r) < 1 and F(0) = 1: F = prod (1 - mu_j l), and -l F'/F = sum_m p_m l^m with p_m = sum_j mu_j^m.
    Then p_{m+1}/p_m <= mu_1 <= p_m^(1/m).
    """
    series = flint.fmpq_series(characteristic_function(r, terms), prec=terms)
    sums = [-c for c in (series.derivative() / series).coeffs()]  # p_1, p_2, ...
    before, last = (F(int(c.p), int(c.q)) for c in sums[-2:])
    m = len(sums) - 1
    high = F(float(before) ** (1.0 / m)) * (1 + F(1, 10**13))
    assert high**m >= before
    return last / before, high


def spectral_constants(quick: bool) -> Verdict:
    """S5."""
    orders = range(1, 9)
    constants = {r: volterra_norm(r) for r in orders}
    sizes = (32, 64) if quick else (32, 64, 128, 256)

    def scaled(r: int, n: int, shift: Fraction) -> tuple[Fraction, Fraction]:
        """Enclose the departure of a ratio from the formula times (dim + shift)^2."""
        (low, high), size = extremes[r, n], n + r - 1 + shift
        ends = (high.low / low.high / constants[r][1], high.high / low.low / constants[r][0])
        below, above = ((end / (4**r * size ** (2 * r)) - 1) * size**2 for end in ends)
        return below, above

    spaces = {(r, n): rk.SplineSpace.uniform(r, n) for r in range(1, 5 if quick else 7) for n in sizes}
    extremes = {case: rk.exact.extreme_eigenvalues(space) for case, space in spaces.items()}
    departures = {r: [(n, float(scaled(r, n, F(r, 2))[0])) for n in sizes] for r in range(1, 5 if quick else 7)}

    def second_order(shift: Fraction) -> bool:
        """Whether the departure times the squared length settles: the last doubling of n moves it by less than 5 %."""
        ends = ([scaled(r, n, F(r, 2) + shift) for n in sizes[-2:]] for r in departures)
        return all(max(abs(b / a - 1) for a in first for b in second) <= F(1, 20) for first, second in ends)

    known = float(constants[1][0]) * np.pi**2 / 4
    width = max(float(high / low - 1) for low, high in constants.values())
    return Verdict(
        "S5",
        judge(second_order(F(0)) and abs(known - 1) < 1e-9),
        "4^r |V^r|^2 = "
        + ", ".join(f"{float(4**r * low):.10g}" for r, (low, _) in constants.items())
        + f" for r = 1..8, enclosed to {width:.0e}; certified ratios over the formula are 1 + c (dim +"
        + f" r/2)^-2, at n = {sizes[-1]} with c = "
        + ", ".join(f"{rows[-1][1]:.4g}" for rows in departures.values()),
        details="""|V^r|^2 by power sums of eigenvalues, exact rationals; extreme eigenvalues of A^T A enclosed by
Collatz-Wielandt ratios. An earlier criterion asked that departures fall by 4 within 15 % wherever n doubles: for r = 6
they do not yet at n = 32, where dim + r/2 grows by less than 2. Proof: docs/theorems/spectral-constants.md.""",
        data={
            "constants": {str(r): [float(bound) for bound in pair] for r, pair in constants.items()},
            "departures times (dim + r/2)^2": {str(r): rows for r, rows in departures.items()},
        },
        mutations={
            f"(dim + r/2 {sign} 1/8)": judge(second_order(F(shift, 8))) for sign, shift in (("+", 1), ("-", -1))
        },
    )
