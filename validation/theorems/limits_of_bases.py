"""T4, S6, H7: what descent becomes when knots get dense (docs/theorems/mixed-updates.md, docs/theorems/relu-kernel.md).

T4  rows 2 and 4 of Table 1 with several independent inputs: eigenvalues are inverse zeros of Mittag-Leffler functions
S6  eigenvalues of the tangent kernel in the ReLU basis are those of repeated integration, with an explicit bound
H7  descent in the ReLU basis learns a constant like k^(-1/(4r)) in k steps, however many knots there are: the square
    of the error times k^(1/(2r)) tends to (2r/pi) Gamma(1 + 1/(2r)) (sigma_1(V^r)^2/2)^(1/(2r))
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, factorial, gamma, pi, prod
from typing import Any

import flint

import refkan as rk
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra.rational import rational_change_of_basis, rational_gram
from refkan.claims import Verdict, judge
from validation.panels import figure, panel
from validation.rationals import identity, real_eigenvalues, roots_of, to_flint
from validation.volterra import characteristic_entries, characteristic_function, volterra_norm

CLAIMS = ("T4", "S6", "H7")
HALF = flint.fmpq(1, 2)
Ball = Any


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    with precision(320):
        return [mixed_updates(quick), relu_kernel(quick), landweber(quick)]


def zeros_within(series: Sequence[flint.fmpq], radius: flint.fmpq) -> list[tuple[Ball, Ball]]:
    """Enclose real and imaginary parts of all zeros in |z| < radius, nearest first, by Rouche's theorem.

    The function has log-concave absolute values of its coefficients, so that those beyond the given ones sum to at
    most |c_K| R^K q/(1 - q) on |z| = R, q = |c_K/c_(K-1)| R. The polynomial is larger than that on the circle, and on
    circles of radius 1e-60 about its own zeros.
    """
    share = abs(series[-1] / series[-2]) * radius
    assert share < 1
    rest, small = flint.arb(abs(series[-1]) * radius ** (len(series) - 1) * share / (1 - share)), flint.arb(10) ** -60
    roots = roots_of(flint.fmpq_poly(list(series)))
    lead, inside = flint.arb(abs(series[-1])), [z for z in roots if abs(z) < radius]
    assert lead * prod(abs(abs(z) - flint.arb(radius)) for z in roots) > rest
    assert all(lead * small * prod(abs(z - w) - 2 * small for w in roots if w is not z) > rest for z in inside)
    near = flint.arb(0, small)
    return sorted(((z.real + near, z.imag + near) for z in inside), key=lambda z: float(abs(flint.acb(*z))))


def mittag_leffler(r: int, value: flint.fmpq) -> list[flint.fmpq]:
    """Coefficients of E_{r,2}(z) - value, E_{r,2}(z) = sum_k z^k/(rk + 1)!."""
    return [1 - value, *(flint.fmpq(1, factorial(r * k + 1)) for k in range(1, 40))]


def limits(r: int, inputs: int) -> tuple[Ball, Ball, bool]:
    """Inverse zeros of E - P/(P-1) and of E, and whether they are the only ones within 1.05 times the latter zero."""
    negative = zeros_within(mittag_leffler(r, flint.fmpq(0)), flint.fmpq(2 * factorial(r + 1)))[0][0]
    radius = flint.fmpq(ceil(-105 * float(negative)), 100)
    near = [zeros_within(mittag_leffler(r, flint.fmpq(*v)), radius) for v in ((inputs, inputs - 1), (0, 1))]
    alone = [len(zeros) == 1 and zeros[0][1].contains(0) for zeros in near]
    return 1 / near[0][0][0], 1 / near[1][0][0], all(alone)


def mixed_eigenvalues(r: int, n: int, inputs: int) -> tuple[Ball, Ball]:
    """The largest and the least real part of an eigenvalue of A^-T H, uniform knots and independent uniform inputs.

    H has the blocks M, beside the diagonal m m^T, m_i = int b_i; on vectors (a_p u)_p it is M + (P - 1) m m^T where all
    a_p are equal, and M - m m^T where they sum to zero. A^-T M has the spectrum of its transpose, hence of A^-1 M. In
    units of (r-1)!.
    """
    space = rk.SplineSpace.uniform(r, n)
    M, A = rational_gram(space), rational_change_of_basis(space)
    m = M * flint.fmpq_mat([[1]] * space.dim)
    blocks = [A.inv() * (M + theta * m * m.transpose()) for theta in (inputs - 1, -1)]
    roots = sorted((z / factorial(r - 1) for block in blocks for z in real_eigenvalues(block)), key=float)
    return roots[-1], roots[0]


def mixed_updates(quick: bool) -> Verdict:
    sizes = (16, 32) if quick else (16, 32, 64, 128, 256)
    cases = [(r, P) for r in (2, 3, 4) for P in ((2,) if quick else (2, 3))]
    ends = {case: limits(*case) for case in dict.fromkeys([*((r, 2) for r in range(2, 9)), *cases])}
    spectra = {case: [mixed_eigenvalues(case[0], n, case[1]) for n in sizes] for case in cases}
    ratios = {case: [float(low / high) for high, low in spectra[case]] for case in cases}

    def every(end: int, value: Callable[[tuple[int, int]], Ball]) -> bool:
        """Whether the departure of an end from a value falls 1.8 times or more at each doubling of n, in all cases."""
        rows = [[abs(float(pair[end] / value(case) - 1)) for pair in spectra[case]] for case in cases]
        return all(a >= 1.8 * b for row in rows for a, b in pairwise(row))

    def of_three(case: tuple[int, int]) -> Ball:
        return 1 / zeros_within(mittag_leffler(case[0], flint.fmpq(3)), flint.fmpq(2 * factorial(case[0] + 1)))[0][0]

    printed = ", ".join(f"{float(ends[r, 2][1] / ends[r, 2][0]):.10g}" for r in range(2, 9))
    lines = [(sizes, ratios[r, 2], f"C{r}o-", {"label": f"r = {r}"}) for r in (2, 3, 4)]
    levels = [float(ends[r, 2][1] / ends[r, 2][0]) for r in (2, 3, 4)]
    return Verdict(
        "T4",
        judge(all(e[2] for e in ends.values()) and every(0, lambda c: ends[c][0]) and every(1, lambda c: ends[c][1])),
        f"two inputs: least real part over largest eigenvalue tends to {printed} for r = 2..8; at n = {sizes[-1]} it"
        " is "
        + ", ".join(f"{ratios[r, 2][-1]:.4f}" for r in (2, 3, 4))
        + ", and both ends come nearer to their limits by 1.8 times or more at each doubling of n",
        details="""Limits: zeros of Mittag-Leffler functions, proven to be the only ones within 1.05 times their
distance. Spectra: roots of characteristic polynomials over the rationals. Proof: docs/theorems/mixed-updates.md.""",
        data={"inputs and ratios": [[*case, *rows] for case, rows in ratios.items()], "intervals": sizes},
        figures=(figure("mixed", "Least real part over the largest eigenvalue, and its limits.",
                        panel(lines, "semilogx", levels=levels, ticks=sizes, xlabel="intervals"), size=(5, 3.2)),),
        mutations={"zeros of E_{r,2} - 3": judge(every(0, of_three)),
                   "rows that tend to -1 for every r": judge(every(1, lambda c: -ends[c][0]))},
    )  # fmt: skip


def relu_kernel(quick: bool) -> Verdict:
    orders, sizes = range(1, 5), (8, 16, 32) if quick else (8, 16, 32, 64, 128)
    series = {r: characteristic_function(r, 60) for r in orders}
    sigma = {r: [1 / z for z, _ in zeros_within(series[r], flint.fmpq(12**2) ** r)][:4] for r in orders}
    spaces = {(r, n): rk.SplineSpace.uniform(r, n) for r in orders for n in sizes}
    grams = {case: rational_gram(space, "relu", scaled=True) for case, space in spaces.items()}
    eigenvalues = {case: real_eigenvalues(G)[:-5:-1] for case, G in grams.items()}

    def departure(r: int, n: int, k: int, shift: flint.fmpq = HALF, power: int = 2) -> tuple[Ball, Ball]:
        """Of lambda_k/n^(2r-1) from ((r-1)!)^2 sigma_k^2 L^(2r), L = (dim + 1/2)/n, and its bound."""
        L, own = (n + r - 1 + shift) / n, flint.fmpq(2 * r - 1, 2)
        ends = (own ** (2 * r) + flint.fmpq(1, 4) ** r) / flint.fmpq(n) ** (2 * r) / (2 * r * (2 * r - 1))
        limit = factorial(r - 1) ** power * sigma[r][k] * L ** (2 * r)
        return eigenvalues[r, n][k] / n ** (2 * r - 1) - limit, (r - 1) * L ** (2 * r - 3) / (4 * n**2) + ends

    def bounded(**changes: Any) -> bool:
        pairs = (departure(r, n, k, **changes) for r, n in grams for k in range(4))
        return all(abs(difference) <= bound for difference, bound in pairs)

    used = {(r, n, k): float(abs(a) / b) for r, n in grams for k in range(4) for a, b in [departure(r, n, k)]}
    most = max(used.values())
    lines = [(sizes, [used[r, n, 0] for n in sizes], f"C{r}o-", {"label": f"r = {r}"}) for r in orders]
    return Verdict(
        "S6",
        judge(bounded() and all(sampled(spaces[case], G) for case, G in grams.items() if case[1] <= 16)),
        f"within the bound for r = 1..4, k = 1..4, n = {', '.join(map(str, sizes))}, of which {most:.2f} is used;"
        " sigma_1(V^r)^2 = " + ", ".join(f"{float(sigma[r][0]):.10g}" for r in orders),
        details="""Eigenvalues of exact Gram matrices and zeros of the characteristic function, in balls; kernels of
equally spaced samples by their Gram matrices over the rationals. Proof: docs/theorems/relu-kernel.md.""",
        data={"singular values, squared": {str(r): [float(s) for s in sigma[r]] for r in orders}},
        figures=(figure("kernel", "Departure of the largest eigenvalue over its bound.",
                        panel(lines, "semilogx", ticks=sizes, xlabel="intervals", ylim=(0, 1)), size=(5, 3.2)),),
        mutations={"dim in the place of dim + 1/2": judge(bounded(shift=0 * HALF)),
                   "dim + 1": judge(bounded(shift=2 * HALF)),
                   "(r-1)! not squared": judge(bounded(power=1))},
    )  # fmt: skip


def sampled(space: rk.SplineSpace, G: flint.fmpq_mat, samples: int = 40) -> bool:
    """Whether J^T J/N departs from G by at most D sum_i psi_i(1)^2 at midpoints, of discrepancy D = 1/(2N)."""
    h, r = flint.fmpq(1, space.intervals), space.order
    knots = [(i - r + 1) * h for i in range(space.dim)]
    x = [flint.fmpq(2 * s + 1, 2 * samples) for s in range(samples)]
    J = flint.fmpq_mat([[((s - t) / h) ** (r - 1) if s >= t else 0 for t in knots] for s in x])
    difference = J.transpose() * J / flint.fmpq(samples) - G
    bound: Any = sum(((1 - t) / h) ** (2 * r - 2) for t in knots) / (2 * samples)
    return bool(sum(entry**2 for entry in difference.entries()) <= bound**2)


def landweber(quick: bool) -> Verdict:
    orders, steps = (2, 3) if quick else (2, 3, 4), [4**m for m in range(3, 9)]
    errors = {r: constant_left(r, steps, *((40, 200) if r == 2 else (20, 120))) for r in orders}
    narrow = all(e.rad() < e / 1000 for row in errors.values() for e in row)
    sizes = (16, 32) if quick else (16, 32, 64)
    finite = {(r, n): constant_left_on(r, n, 64) for r in orders for n in sizes}

    def tends(
        factor: Callable[[int], float] = lambda r: 1.0, exponent: Callable[[int], float] = lambda r: 1 / (4 * r)
    ) -> bool:
        """Whether error k^exponent, from k = 1024 on, is within 1 % of its limit times a factor."""
        own = [(e, k, factor(r) * constant_of_steps(r), exponent(r)) for r in orders
               for e, k in zip(errors[r], steps, strict=True) if k >= 1024]  # fmt: skip
        return all(abs(float(e) ** 0.5 * k**power / limit - 1) < 0.01 for e, k, limit, power in own)

    def nears(r: int) -> bool:
        """Whether errors after 64 steps come nearer to the limit as n doubles, by at least a third."""
        gaps = [float(errors[r][0] - finite[r, n]) for n in sizes]
        return all(0 < b < 2 * a / 3 for a, b in pairwise(gaps))

    lines = [(steps, [float(e) ** 0.5 for e in errors[r]], f"C{r}o-", {"label": f"r = {r}"}) for r in orders]
    return Verdict(
        "H7",
        judge(narrow and tends() and all(map(nears, orders))),
        "error of the constant 1 after k steps times k^(1/(4r)), many knots: "
        + ", ".join(f"{float(errors[r][-1]) ** 0.5 * steps[-1] ** (1 / (4 * r)):.3f}" for r in orders)
        + f" for r = {', '.join(map(str, orders))} at k = {steps[-1]}, where for r = 3"
        f" {float(errors[3][-1]) ** 0.5:.2f} of it is left; limits "
        + ", ".join(f"{constant_of_steps(r):.4f}" for r in orders),
        details="""Components of 1 along singular functions of V^r as residues, in balls; on finitely many knots by
powers of I - G/lambda_max. Proof: docs/theorems/relu-kernel.md.""",
        data={"steps": steps, "squared errors": {str(r): [float(e) for e in errors[r]] for r in orders},
              "after 64 steps": [[*case, float(e)] for case, e in finite.items()]},
        figures=(figure("constant", "Error of the constant 1 in the ReLU basis, many knots.",
                        panel(lines, xlabel="steps"), size=(5, 3.2)),),
        mutations={"k^(-1/(4r+2))": judge(tends(exponent=lambda r: 1 / (4 * r + 2))),
                   "k^(-1/(2r))": judge(tends(exponent=lambda r: 1 / (2 * r))),
                   "a limit without its factor Gamma": judge(tends(lambda r: gamma(1 + 1 / (2 * r)) ** -0.5)),
                   "sigma_1^2 in the place of its half": judge(tends(lambda r: 2 ** (1 / (4 * r))))},
    )  # fmt: skip


def constant_of_steps(r: int) -> float:
    """The limit of the error of the constant 1 after k steps times k^(1/(4r)): (2/pi^3)^(1/4) for r = 1."""
    half = float(volterra_norm(r)[0]) / 2
    return float((2 * r / pi * gamma(1 + 1 / (2 * r)) * half ** (1 / (2 * r))) ** 0.5)


def constant_left(r: int, steps: Sequence[int], count: int, terms: int) -> list[Ball]:
    """Enclose sum_j c_j^2 (1 - mu_j/mu_1)^(2k), c_j the components of 1 along the eigenfunctions of V^r V^*r.

    <1, (I - l V^r V^*r)^-1 1> = sum_j c_j^2/(1 - l mu_j) is N/F, so that c_j^2 = -N(l_j)/(l_j F'(l_j)). F is the
    determinant of E, and -(-1)^r l N that of E whose last column is replaced by -sum_{m>=1} s^m/(2rm - r - i)!.
    """
    zeros = [z for z, _ in zeros_within(characteristic_function(r, terms), flint.fmpq(22 * (count + 1), 7) ** (2 * r))]
    weights = []
    for l in zeros:
        E, slopes, right = characteristic_entries(r, l, terms)
        slope = sum((replaced(E, k, [row[k] for row in slopes]).det() for k in range(r)), flint.arb(0))
        weights.append((-1) ** r * replaced(E, r - 1, right).det() / l / (l * slope))
    rest = 1 - sum(weights, flint.arb(0))
    return [
        sum((c * (1 - zeros[0] / l) ** (2 * k) for c, l in zip(weights[1:], zeros[1:], strict=True)), flint.arb(0))
        + rest * ((1 - zeros[0] / zeros[-1]) ** (2 * k)).union(1)
        for k in steps
    ]


def replaced(rows: Sequence[Sequence[Ball]], k: int, column: Sequence[Ball]) -> flint.arb_mat:
    return flint.arb_mat([[*row[:k], own, *row[k + 1 :]] for row, own in zip(rows, column, strict=True)])


def constant_left_on(r: int, n: int, steps: int) -> Ball:
    """The squared error of the constant 1 on n intervals, after a power of two of steps of 1/lambda_max from zero."""
    space = rk.SplineSpace.uniform(r, n)
    G, A = rational_gram(space, "relu", scaled=True), rational_change_of_basis(space, scaled=True)
    left = flint.arb_mat(A.transpose() * flint.fmpq_mat([[1]] * space.dim))
    factor = flint.arb_mat(to_flint(identity(space.dim))) - flint.arb_mat(G) * (1 / real_eigenvalues(G)[-1])
    while steps > 1:
        factor, steps = factor * factor, steps // 2
    left = factor * left
    return (left.transpose() * flint.arb_mat(G) * left)[0, 0]
