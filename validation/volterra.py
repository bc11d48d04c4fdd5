"""Singular values of V^r, V integration on [0, 1]: constants of the change of basis and of the ReLU basis."""

from fractions import Fraction
from functools import cache
from itertools import accumulate
from math import factorial
from operator import mul
from typing import Any

import flint

F = Fraction


def characteristic_entries(r: int, l: Any, terms: int) -> tuple[list[list[Any]], list[list[Any]], list[Any]]:
    """Enclose E_ij = sum_m s^m/(2rm + j - i)!, s = (-1)^r l, its derivatives by l, and -sum_{m>0} s^m/(2rm - r - i)!.

    Terms without a factorial are left out; those beyond `terms` are, all together, below twice the next one.
    """
    s, sign = (-1) ** r * l, (-1) ** r
    powers = list(accumulate([s] * terms, mul, initial=0 * l + 1))

    @cache  # entries of one j - i are the same
    def total(shift: int, derivative: int = 0, first: int = 0) -> Any:
        def term(m: int) -> Any:
            k = 2 * r * m + shift
            return powers[m - derivative] * (sign * m) ** derivative / factorial(k) if k >= 0 and m >= derivative else 0

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
