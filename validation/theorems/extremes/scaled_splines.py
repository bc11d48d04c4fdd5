"""H8, H9: B-splines scaled by the diagonal of their Gram matrix, on every knot vector.

Proofs: docs/theorems/scaled-splines.md.

H8  cut off by the domain, exterior knots anywhere: the supremum for order 3, and none for order 4 and higher
H9  whole B-splines, knots simple or not: bounds of the condition number from both sides, orders 3 to 6
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import combinations_with_replacement, pairwise, product
from math import comb, factorial
from typing import Any

import flint
import numpy as np

import refkan as rk
from refkan.analysis.exact.spectra.rational import rational_gram
from refkan.claims import Verdict, judge
from validation.panels import figure, panel
from validation.rationals import rational, real_eigenvalues

CLAIMS = ("H8", "H9")
F = Fraction

AT_MOST = {3: 64.7, 4: 308, 5: 2040, 6: 11300}
"""Bounds of H9 at full size."""

Ball = Any


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    return [cut_off(quick), whole(quick)]


def extremes(M: flint.fmpq_mat) -> tuple[Ball, Ball]:
    """The least and the largest eigenvalue of D^-1 M, D the diagonal of M."""
    size = M.nrows()
    values = real_eigenvalues(flint.fmpq_mat([[M[i, j] / M[i, i] for j in range(size)] for i in range(size)]))
    return values[0], values[-1]


def on_one_interval(order: int, exterior: int) -> tuple[Ball, Ball]:
    """The same on [0, 1] with the exterior knots -j T and 1 + j T."""
    left = [-float(exterior * j) for j in range(order - 1, 0, -1)]
    knots = [*left, 0.0, 1.0, *(1.0 - t for t in left[::-1])]
    return extremes(rational_gram(rk.SplineSpace(np.array(knots), order)))


def cut_off(quick: bool) -> Verdict:
    root = flint.arb(161).sqrt()
    low, high = (13 - root) / 12, (13 + root) / 12
    rng = np.random.default_rng(8)
    spread = [np.cumsum(2.0 ** rng.integers(-8, 9, n + 5)) for n in range(1, 6) for _ in range(4 if quick else 40)]
    random = [extremes(rational_gram(rk.SplineSpace(knots, 3))) for knots in spread]
    far = [2**k for k in range(2, 9 if quick else 15)]
    quadratic = [on_one_interval(3, T) for T in far]
    kappas = {r: [b / a for a, b in (on_one_interval(r, T) for T in far)] for r in (4, 5, 6)}

    def within(factor: int | Fraction) -> bool:
        return all(a > low / rational(F(factor)) and b < high for a, b in (*random, *quadratic))

    gaps = [1 - b / a / (high / low) for a, b in quadratic]
    nears = all(0 < b < flint.fmpq(3, 5) * a for a, b in pairwise(gaps))
    grows = {r: all(b > flint.fmpq(7, 2) * a for a, b in pairwise(values[2:])) for r, values in kappas.items()}
    lines = [(far, [float(b / a) for a, b in quadratic], "C3o-", {"label": "r = 3"})]
    lines += [(far, [float(k) for k in values], f"C{r}o-", {"label": f"r = {r}"}) for r, values in kappas.items()]
    return Verdict(
        "H8",
        judge(within(1) and nears and all(grows.values())),
        f"order 3: eigenvalues within (13 -+ sqrt(161))/12 on {len(random)} random knot vectors, the least"
        f" {min(float(a) for a, _ in random):.4g}; one interval, exterior knots up to {far[-1]} away:"
        f" condition number {float(quadratic[-1][1] / quadratic[-1][0]):.6g} of {float(high / low):.6g}; there "
        + ", ".join(f"{float(values[-1]):.3g} for order {r}" for r, values in kappas.items())
        + ", more than 3.5 times as large at each doubling",
        details="""Gram matrices over the rationals, roots of characteristic polynomials in balls. Spacings of random
knot vectors are powers of two from 2^-8 to 2^8. Proof: docs/theorems/scaled-splines.md.""",
        data={"exterior": far, "order 3": [float(b / a) for a, b in quadratic]},
        figures=(figure("exterior", "Condition number on one interval against the distance of exterior knots.",
                        panel(lines, xlabel="distance"), size=(5, 3.2)),),
        mutations={"a least eigenvalue twice as large": judge(within(F(1, 2))),
                   "bounded for order 4": judge(not grows[4])},
    )  # fmt: skip


def bernstein_gram(order: int) -> flint.fmpq_mat:
    """The Gram matrix of the Bernstein polynomials: B-splines on knots that are `order`-fold at 0 and 1."""
    k = order - 1
    return flint.fmpq_mat(
        [[flint.fmpq(comb(k, i) * comb(k, j), comb(2 * k, i + j) * (2 * k + 1)) for j in range(order)]
         for i in range(order)]
    )  # fmt: skip


def steps(order: int, degree: int) -> list[flint.fmpq_poly]:
    """Polynomials h on [0, 1] with h = h' = ... = 0 to order r at both ends, but for h(1): h' = (x (1-x))^(r-1) q."""
    x = flint.fmpq_poly([0, 1])
    bumps = [(x * (1 - x)) ** (order - 1) * (2 * x - 1) ** m for m in range(degree + 1)]
    return [bump.integral() for bump in bumps]


def functional(order: int, tau: Iterable[Fraction], h: flint.fmpq_poly) -> flint.fmpq_poly:
    """f = D^r (psi h), psi = prod (x - tau)/(r-1)!: the integral of f s is the coefficient of s, where h(1) = 1."""
    f = h / factorial(order - 1)
    for t in tau:
        f = f * flint.fmpq_poly([rational(-t), 1])
    for _ in range(order):
        f = f.derivative()
    return f


def inner(f: flint.fmpq_poly, g: flint.fmpq_poly) -> flint.fmpq:
    return (f * g).integral()(flint.fmpq(1))


def least_norm(order: int, corners: Sequence[tuple[Fraction, ...]], degree: int) -> flint.fmpq:
    """An upper bound of min_h max_tau |f|^2 over corners of a cell, exactly, h found in floating point."""
    H = steps(order, degree)
    rows = [[functional(order, tau, h) for h in H] for tau in corners]
    grams = np.array([[[float(inner(f, g)) for g in row] for f in row] for row in rows])
    ends = np.array([float(h(flint.fmpq(1))) for h in H])
    weights, best, c = np.full(len(corners), 1 / len(corners)), np.inf, ends
    for k in range(300):
        trial = np.linalg.solve(np.tensordot(weights, grams, 1), ends)
        trial /= ends @ trial
        norms = np.einsum("kij,i,j->k", grams, trial, trial)
        if norms.max() < best:
            best, c = norms.max(), trial
        weights *= np.exp(2 * (norms / norms.max() - 1) / (1 + k / 20))
        weights /= weights.sum()
    exact = [flint.fmpq(round(float(a) * 2**40), 2**40) for a in c]
    h = sum((a * each for a, each in zip(exact, H, strict=True)), flint.fmpq_poly([]))
    h /= h(flint.fmpq(1))
    return max(inner(f, f) for f in (functional(order, tau, h) for tau in corners))


def bound(order: int, parts: int, degree: int) -> flint.fmpq:
    """F_r: the largest over cells of ordered inner knots, [0, 1] cut into parts, up to reflection."""
    largest = flint.fmpq(0)
    for cell in combinations_with_replacement(range(parts), order - 1):
        if tuple(parts - 1 - k for k in reversed(cell)) >= cell:
            corners = {tuple(sorted(c)) for c in product(*((F(k, parts), F(k + 1, parts)) for k in cell))}
            largest = max(largest, least_norm(order, sorted(corners), degree))
    return largest


def whole(quick: bool) -> Verdict:
    parts, degree = ({3: 4, 4: 3}, 8) if quick else ({3: 16, 4: 12, 5: 7, 6: 5}, 12)
    lower = {r: b / a for r in range(3, 7) for a, b in [extremes(bernstein_gram(r))]}
    upper = {r: r * bound(r, m, degree) for r, m in parts.items()}
    rng = np.random.default_rng(9)
    samples = {r: [whole_extremes(r, rng) for _ in range(4 if quick else 40)] for r in parts}

    def between(least: Callable[[int], Ball]) -> bool:
        return all(b / a <= upper[r] and a >= least(r) for r, pairs in samples.items() for a, b in pairs)

    root = flint.arb(109).sqrt()
    exact = abs(lower[3] - (13 + root) / (13 - root)) < flint.arb(10) ** -9
    stated = quick or all(float(upper[r]) <= most for r, most in AT_MOST.items())
    ordered = all(lower[r] <= upper[r] for r in parts)
    return Verdict(
        "H9",
        judge(exact and stated and ordered and between(lambda r: r / flint.arb(upper[r]))),
        "at least "
        + ", ".join(f"{float(k):.6g}" for k in lower.values())
        + " for r = 3..6, at most "
        + ", ".join(f"{float(k):.4g}" for k in upper.values())
        + f" for r = {', '.join(map(str, upper))}; the largest on random knots "
        + ", ".join(f"{max(float(b / a) for a, b in pairs):.4g}" for pairs in samples.values()),
        details="""At least: Bernstein polynomials, knots r-fold at both ends, exactly; others are worse, r >= 4.
At most: r F_r, F_r a bound of the dual functionals, exact on the corners of a cover of all inner knots. Proof:
docs/theorems/scaled-splines.md.""",
        data={"cells a side": parts, "at most": {str(r): float(k) for r, k in upper.items()}},
        mutations={"a least eigenvalue ten times that of Bernstein polynomials":
                   judge(between(lambda r: 10 * extremes(bernstein_gram(r))[0])),
                   "below the number of one interval": judge(all(upper[r] < lower[r] for r in parts))},
    )  # fmt: skip


def whole_extremes(order: int, rng: np.random.Generator) -> tuple[Ball, Ball]:
    """Extreme eigenvalues of whole B-splines: clustered at two ends, with some knots anywhere between."""
    count = order + int(rng.integers(0, 3))
    inner_knots = np.sort(rng.integers(1, 2**10, count - order)) / 2.0**10
    ends = np.arange(order) / 2.0**20
    knots = np.unique(np.concatenate([ends, inner_knots, 1 - ends]))
    beyond = np.arange(1, order) / 2.0**20
    space = rk.SplineSpace(np.concatenate([knots[0] - beyond[::-1], knots, knots[-1] + beyond]), order)
    M, first = rational_gram(space), order - 1
    inside = range(first, first + len(knots) - order)
    return extremes(flint.fmpq_mat([[M[i, j] for j in inside] for i in inside]))
