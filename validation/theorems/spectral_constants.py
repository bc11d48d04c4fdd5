"""S5: lambda_max/lambda_min of A^T A is 4^r |V^r|^2 (dim + r/2)^(2r) (1 + O(dim^-2)), V integration on [0, 1].

Proof: docs/theorems/spectral-constants.md.
"""

from collections.abc import Callable
from fractions import Fraction
from math import factorial

import flint
import numpy as np

import refkan as rk
from refkan.claims import Verdict, judge

CLAIMS = ("S5",)

F = Fraction


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Answer the row."""
    return [spectral_constants(quick)]


def volterra_norm(r: int, terms: int = 14) -> tuple[Fraction, Fraction]:
    """Enclose |V^r|^2, V integration on [0, 1], by power sums of the eigenvalues mu_j of V^r V^*r.

    1/mu_j are the zeros of F(l) = det(sum_m s^m/(2 r m + j - i)!)_{ij}, s = (-1)^r l, of order 1/(2r) < 1 and F(0) = 1:
    F = prod (1 - mu_j l), and -l F'/F = sum_m p_m l^m with p_m = sum_j mu_j^m. Then p_{m+1}/p_m <= mu_1 <= p_m^(1/m).
    """

    def entry(i: int, j: int) -> flint.fmpq_series:
        top = [
            flint.fmpq((-1) ** (r * m), factorial(2 * r * m + j - i)) if 2 * r * m + j >= i else 0 for m in range(terms)
        ]
        return flint.fmpq_series(top, prec=terms)

    flint.ctx.cap = max(flint.ctx.cap, terms)  # python-flint cuts all series there
    rows = [[entry(i, j) for j in range(r)] for i in range(r)]
    det = flint.fmpq_series([1], prec=terms)
    for k in range(r):  # the diagonal begins with 1: pivots are units
        det = det * rows[k][k]
        for i in range(k + 1, r):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    sums = [-c for c in (det.derivative() / det).coeffs()]  # p_1, p_2, ...
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
    departures: dict[int, list[tuple[int, float]]] = {}

    def departure(r: int, n: int, shift: Fraction) -> float:
        low, high = extremes[r, n]
        size = n + r - 1 + shift
        return float((high.low / low.high) / (4**r * constants[r][0] * size ** (2 * r)) - 1)

    extremes = {}
    for r in range(1, 5 if quick else 7):
        for n in sizes:
            extremes[r, n] = rk.exact.extreme_eigenvalues(rk.SplineSpace.uniform(r, n))
        departures[r] = [(n, departure(r, n, F(r, 2))) for n in sizes]

    def second_order(shift: Callable[[int], Fraction]) -> bool:
        """Whether halving h divides the departure by 4, within 15 %."""
        pairs = [(departure(r, n, shift(r)), departure(r, 2 * n, shift(r))) for r in departures for n in sizes[:-1]]
        return all(abs(first / second / 4 - 1) <= 0.15 for first, second in pairs)

    known = float(constants[1][0]) * np.pi**2 / 4
    width = max(float(high / low - 1) for low, high in constants.values())
    return Verdict(
        "S5",
        judge(second_order(lambda r: F(r, 2)) and abs(known - 1) < 1e-9),
        "4^r |V^r|^2 = "
        + ", ".join(f"{float(4**r * low):.10g}" for r, (low, _) in constants.items())
        + f" for r = 1..8, enclosed to {width:.0e}; certified ratios depart from it times (dim + r/2)^(2r) at n ="
        + f" {sizes[-1]} by "
        + ", ".join(f"{rows[-1][1]:.1e}" for rows in departures.values()),
        details="""|V^r|^2 by power sums of eigenvalues, exact rationals; extreme eigenvalues of A^T A enclosed by
Collatz-Wielandt ratios. Halving h must divide the departure by 4. Proof: docs/theorems/spectral-constants.md.""",
        data={
            "constants": {str(r): [float(bound) for bound in pair] for r, pair in constants.items()},
            "departures": {str(r): rows for r, rows in departures.items()},
        },
        mutations={
            f"(dim + r/2 {sign} 1/8)": judge(second_order(lambda r, shift=shift: F(4 * r + shift, 8)))
            for sign, shift in (("+", 1), ("-", -1))
        },
    )
