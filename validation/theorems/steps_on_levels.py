"""G2, M5, H6: gradients and steps of descent on nested levels of one layer (docs/theorems/steps-on-levels.md).

G2  the fine gradient at a coarse optimum: zero at old knots in the ReLU basis, alternating in the spline basis
M5  which schedules of steps over levels are best at equal work, and when none beats the finest level alone
H6  in the spline basis k steps from zero leave (r h^2/12)^k |y^(2k)| of what can be learned: half an order each
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from math import comb, factorial
from typing import TypeAlias

import flint
import numpy as np

import refkan as rk
from refkan.analysis.exact.spectra.rational import rational_change_of_basis, rational_gram
from refkan.claims import Verdict, judge
from validation.panels import figure, panel
from validation.rationals import rational, roots_of
from validation.theorems.levels_added_up import F, cardinal, nested_spaces, periodic_gram, prolongation, tangent_number
from validation.volterra import volterra_norm

CLAIMS = ("G2", "M5", "H6")
q: TypeAlias = flint.fmpq
X = flint.fmpq_poly([0, 1])
Pair: TypeAlias = Sequence[rk.SplineSpace]


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    return [gradient_at_coarse_optimum(quick), schedules(quick), smooth_targets(quick)]


def moments(space: rk.SplineSpace, y: flint.fmpq_poly, start: q | None = None) -> flint.fmpq_mat:
    """The integrals of y b_i over the domain, of y zero left of `start`: those with ReLU powers times A."""
    a, b = map(rational, space.domain)
    column = []
    for t in map(rational, space.knots[: space.dim]):
        antiderivative = (y * (X - t) ** (space.order - 1)).integral()
        column.append([antiderivative(b) - antiderivative(max(t, a, start or a))])
    return rational_change_of_basis(space) * flint.fmpq_mat(column)


def fine_gradient(pair: Pair, y: flint.fmpq_poly, start: q | None = None, moved: q | int = 0) -> flint.fmpq_mat:
    """The fine gradient, in the spline basis, at the best coarse coefficients, all of them moved, prolonged."""
    coarse, fine = pair
    best = rational_gram(coarse).solve(moments(coarse, y, start))
    best += flint.fmpq_mat([[moved]] * coarse.dim)
    return rational_gram(fine) * (prolongation(coarse, fine) * best) - moments(fine, y, start)


def lies_on_new_knots(pair: Pair, g: flint.fmpq_mat) -> bool:
    """Whether the gradient in the ReLU basis, A^-1 g, is zero at all old knots, and is not at all new ones."""
    coarse, fine = pair
    w, old = rational_change_of_basis(fine).inv() * g, set(coarse.breakpoints)
    new = [i for i, t in enumerate(fine.knots[: fine.dim]) if t > fine.domain[0] and t not in old]
    return any(w[i, 0] != 0 for i in new) and all(w[i, 0] == 0 for i in range(fine.dim) if i not in new)


def departures(r: int, n: int) -> dict[str, float]:
    """How far gradient, excess loss and first steps for y = x^r/r! are from their asymptotic formulas, relatively."""
    coarse, fine = (rk.SplineSpace.uniform(r, size) for size in (n, 2 * n))
    y, h, mu = X**r / factorial(r), q(1, 2 * n), q(tangent_number(r), factorial(2 * r - 1))
    M, g = rational_gram(fine), fine_gradient((coarse, fine), y)
    to_relu = rational_change_of_basis(fine).inv()

    def excess(gradient: flint.fmpq_mat) -> q:
        return (gradient.transpose() * M.solve(gradient))[0, 0]

    left = excess(g - M * g / h) / excess(g)
    largest = rk.exact.extreme_eigenvalues(fine, "relu_gram")[1].high
    removed = 1 - excess(g - M * (to_relu.transpose() * (to_relu * g)) / rational(largest)) / excess(g)
    norm = rational(volterra_norm(r)[0])
    share = 4 * mu * (h / 2) ** (2 * r) / norm * (1 - 1 / (4 * norm * (2 * r + 1) * factorial(r) ** 2))
    middle = abs(g[n + r // 2, 0]) / (mu * h ** (r + 1) / 2**r)
    formulas = {"gradient": middle, "excess": excess(g) / (mu * (h / 2) ** (2 * r)), "step in splines":
                (left or 1) / ((1 - mu) ** 2 or 1), "step in ReLU powers": removed / share}  # fmt: skip
    signs = [(-1) ** i * g[i, 0] for i in range(fine.dim // 4, fine.dim - fine.dim // 4)]
    assert all(s > 0 for s in signs) or all(s < 0 for s in signs)
    return {name: float(abs(value - 1)) for name, value in formulas.items()} | {"removed": float(removed)}


def decay(r: int) -> float:
    """The largest zero within the unit circle, in absolute value, of the Euler-Frobenius polynomial of order 2r."""
    polynomial = flint.fmpq_poly([rational(cardinal(2 * r, k + 1)) for k in range(2 * r - 1)])
    return max((size for z in roots_of(polynomial) if (size := float(abs(z))) < 0.99), default=0.0)


def left_of_singularity(r: int, p: int, n: int) -> q:
    """The mean over xi in two cells of 2n of the squared distance of (x - xi)_+^p from splines on n, and on 2n, ratio.

    On each cell it is a polynomial in xi of degree 2(p + r) at most: Newton's and Cotes' weights integrate it.
    """
    degree, h = 2 * (p + r), q(1, 2 * n)
    nodes = [q(k, degree) for k in range(degree + 1)]
    powers = flint.fmpq_mat([[node**k for node in nodes] for k in range(degree + 1)])
    weights = powers.solve(flint.fmpq_mat([[q(1, k + 1)] for k in range(degree + 1)]))
    spaces = [rk.SplineSpace.uniform(r, size) for size in (n, 2 * n)]
    grams, means = [rational_gram(space) for space in spaces], [q(0), q(0)]
    for k, node in enumerate(nodes):
        for cell in (n, n + 1):
            xi = (cell + node) * h
            for level, (space, G) in enumerate(zip(spaces, grams, strict=True)):
                g = moments(space, (X - xi) ** p, xi)
                distance = (1 - xi) ** (2 * p + 1) / (2 * p + 1) - (g.transpose() * G.solve(g))[0, 0]
                means[level] += weights[k, 0] * distance
    return means[1] / means[0]


def gradient_at_coarse_optimum(quick: bool) -> Verdict:
    seeds, sizes, orders = range(2 if quick else 10), (8, 16) if quick else (8, 16, 32), range(1, 5)
    pairs = [nested_spaces(r, 2, seed, middle=False) for r in range(1, 6) for seed in seeds]

    def new_knots_only(moved: q | int = 0) -> bool:
        """Whether gradients of a polynomial and of a jump lie on new knots."""
        jumps = [rational(coarse.breakpoints[1] + np.diff(coarse.breakpoints)[1] / 3) for coarse, _ in pairs]
        smooth = (fine_gradient(pair, X**7, moved=moved) for pair in pairs)
        rough = (fine_gradient(pair, X**0, jump, moved) for pair, jump in zip(pairs, jumps, strict=True))
        return all(lies_on_new_knots(pair, g) for both in (smooth, rough) for pair, g in zip(pairs, both, strict=True))

    far = {(r, n): departures(r, n) for r in orders for n in sizes}
    local = all(far[case]["gradient"] <= 4 * decay(case[0]) ** (case[1] // 2) for case in far)
    halved = [(far[r, a][name], far[r, b][name]) for r in orders for a, b in pairwise(sizes) for name in far[r, a]]
    rough = {(r, p): left_of_singularity(r, p, 12 if quick else 24) for r in range(1, 4) for p in range(r)}

    def falls(smoothness: float) -> bool:
        """Whether the squared error of (x - xi)_+^p falls 4^(p + smoothness) times."""
        return all(abs(float(ratio) * 4 ** (p + smoothness) - 1) < 1e-3 for (_, p), ratio in rough.items())

    asymptotic = local and all(b <= 0.65 * a + 1e-12 for a, b in halved)
    kept = {r: float((1 - q(tangent_number(r), factorial(2 * r - 1))) ** 2) for r in orders}
    coarse, fine = (rk.SplineSpace.uniform(3, n) for n in (16, 32))
    g = fine_gradient((coarse, fine), X**3)
    w = rational_change_of_basis(fine, scaled=True).inv() * g
    lines = ([float(v) for v in (vector / max(abs(e) for e in vector.entries())).entries()] for vector in (g, w))
    return Verdict(
        "G2",
        judge(new_knots_only() and asymptotic and falls(0.5)),
        f"ReLU gradients exactly zero at all but the new knots in {2 * len(pairs)} cases; for y = x^r/r! a step of 1/h"
        f" leaves {', '.join(f'{share:.4f}' for share in kept.values())} of the excess for r = 1..4, in the ReLU basis"
        f" all but {far[3, sizes[-1]]['removed']:.1e} for r = 3 and n = {2 * sizes[-1]}; squared errors of (x - xi)_+^p"
        f" fall by 4^(p + 1/2) up to {max(abs(float(v) * 4 ** (p + 0.5) - 1) for (_, p), v in rough.items()):.0e}",
        details="""Everything over the rationals: random nested knots, a polynomial and a jump; departures from the
asymptotic formulas fall with h, in the middle exponentially. Proof: docs/theorems/steps-on-levels.md.""",
        data={"departures": [[*case, values] for case, values in far.items()]},
        figures=(figure("fine_gradient", "Fine gradient at the coarse optimum of x^3: spline basis, ReLU basis.",
                        *(panel([(range(fine.dim), line, "C0.-", {})], "plot") for line in lines), size=(7, 2.6)),),
        mutations={"at coefficients moved by 1/1000": judge(new_knots_only(q(1, 1000))),
                   "smoothness p": judge(falls(0.0)), "smoothness p + 1": judge(falls(1.0))},
    )  # fmt: skip


def learned(order: int, levels: int, steps: Sequence[int], factor: F, seed: int) -> tuple[list[F], F]:
    """Squared norms of what each level adds to the best approximation of x^7, and of what a schedule leaves of it.

    A step moves the coefficients by 1 - factor of the way to the level's best ones.
    """
    spaces = nested_spaces(order, levels, seed)
    sides, grams = [moments(space, X**7) for space in spaces], [rational_gram(space) for space in spaces]
    bests = [G.solve(g) for G, g in zip(grams, sides, strict=True)]
    squares = [F(int(s.p), int(s.q)) for s in ((g.transpose() * u)[0, 0] for g, u in zip(sides, bests, strict=True))]
    u = flint.fmpq_mat(spaces[0].dim, 1)
    for level, (space, best, count) in enumerate(zip(spaces, bests, steps, strict=True)):
        u = prolongation(spaces[level - 1], space) * u if level else u
        for _ in range(count):
            u += (best - u) * rational(1 - factor)
    left = ((u - bests[-1]).transpose() * grams[-1] * (u - bests[-1]))[0, 0]
    return [b - a for a, b in pairwise([F(0), *squares])], F(int(left.p), int(left.q))


def left_by(details: Sequence[F], steps: Sequence[int], factor: F) -> F:
    """The closed form: level j's part shrinks in all steps on levels j, j + 1, ..."""
    remaining = list(accumulate(reversed(steps)))[::-1]
    return sum((d * factor ** (2 * m) for d, m in zip(details, remaining, strict=True)), F(0))


def of_work(levels: int, work: int) -> Iterator[tuple[int, ...]]:
    """All schedules of the work of some steps on the finest level, where a step on the next coarser costs half."""
    if levels == 1:
        yield (work,)
        return
    for fine in range(work + 1):
        yield from ((*coarse, fine) for coarse in of_work(levels - 1, 2 * (work - fine)))


def schedules(quick: bool) -> Verdict:
    rng, J = np.random.default_rng(5), 3
    tried = [(r, steps) for r in range(1, 5) for steps in ((2, 1, 3), (0, 2, 1), (5, 0, 0))]
    closed = [(learned(r, J, steps, F(2, 3), 0), steps) for r, steps in tried]
    drawn = [[F(int(d)) for d in rng.integers(1, 40, J) * (1, 2, 6)] for _ in range(12 if quick else 60)]

    def alone(details: Sequence[F]) -> bool:
        """Whether no schedule of the work of two fine steps is better than these, for small steps."""
        own = left_by(details, (0,) * (J - 1) + (2,), F(9999, 10000))
        return all(left_by(details, steps, F(9999, 10000)) >= own for steps in of_work(J, 2))

    def criterion(base: int) -> bool:
        """Whether that is so just where the share of every coarse level in the square is at most base^(j-J)."""
        shares = ([s / sum(d) for s in accumulate(d)][:-1] for d in drawn)
        white = [all(s <= F(1, base ** (J - 1 - j)) for j, s in enumerate(row)) for row in shares]
        return any(white) and white == [alone(d) for d in drawn]

    best = {}
    for s in (F(1, 2), F(3, 2), F(5, 2)):
        smooth = [F(1, int(4 ** (s * j))) for j in range(4)]
        best[s] = min((left_by(smooth, steps, F(1, 2)), steps) for steps in of_work(4, 6))[1]
    optimal = all(abs(k - (2 * s + 1) / 2) <= 1 for s, steps in best.items() for k in steps[1:3])
    return Verdict(
        "M5",
        judge(all(left_by(d, steps, F(2, 3)) == left for (d, left), steps in closed) and criterion(2) and optimal),
        f"closed form exact in {len(closed)} runs, r = 1..4; the finest level alone is best in"
        f" {sum(map(alone, drawn))} of {len(drawn)} random targets, those of the criterion; best of all schedules for"
        f" factor 1/2 and details 4^(-sj): {', '.join(f'{steps} for s = {float(s):g}' for s, steps in best.items())}",
        details="""Runs and errors over the rationals, all schedules of equal work compared. Proof:
docs/theorems/steps-on-levels.md.""",
        mutations={"shares at most 3^(j-J)": judge(criterion(3)), "shares at most 1": judge(criterion(1)),
                   "steps of the finest level only": judge(
                       all(d[-1] * F(2, 3) ** (2 * steps[-1]) == left for (d, left), steps in closed))},
    )  # fmt: skip


def smooth_targets(quick: bool) -> Verdict:
    cases = [(r, n, k) for r in range(2, 7) for n in ((8, 16) if quick else (8, 16, 32)) for k in range(1, r // 2 + 2)]
    used = {case: share_of_bound(*case) for case in cases}
    shown = {r: [float(used[r, 16, k]) ** 0.5 for k in range(1, r // 2 + 2)] for r in (2, 4, 6)}
    lines = [(range(1, len(row) + 1), row, f"C{r}o-", {"label": f"r = {r}"}) for r, row in shown.items()]
    return Verdict(
        "H6",
        judge(all(share <= 1 for share in used.values())),
        f"below the bound in {len(used)} cases, r = 2..6, of which {float(min(used.values())) ** 0.5:.3f} to"
        f" {float(max(used.values())) ** 0.5:.4f} is used",
        details="""Periodic splines and a Bernoulli polynomial as target, over the rationals. Proof:
docs/theorems/steps-on-levels.md.""",
        figures=(figure("steps", "Error after k steps over its bound, 16 intervals.",
                        panel(lines, "plot", xlabel="steps", ylim=(0, 1.05)), size=(5, 3.2)),),
        mutations={"r/13, not r/12": judge(all(s * q(13, 12) ** (2 * k) <= 1 for (_, _, k), s in used.items())),
                   "one order more a step": judge(all(s * n**2 <= 1 for (_, n, _), s in used.items()))},
    )  # fmt: skip


def share_of_bound(r: int, n: int, k: int) -> q:
    """What k steps of 1/h from zero leave of the best approximation of B_p(x), squared, over its bound (p = 2k + 2).

    int B_p b_i = (-1)^r h^(1-r) p!/(p + r)! sum_j (-1)^j C(r, j) B_(p+r)(t_(i+j)), and |B_p^(2k)|^2 = p!^2 |B_4|/4!.
    """
    p, h = 2 * k + 2, q(1, n)
    B = flint.fmpq_poly.bernoulli_poly(p + r)
    at = [B(i * h) for i in range(n)]
    sums = [sum((-1) ** j * comb(r, j) * at[(i + j) % n] for j in range(r + 1)) for i in range(n)]
    g = flint.fmpq_mat([[(-1) ** r * v * q(factorial(p), factorial(p + r)) / h ** (r - 1)] for v in sums])
    M = periodic_gram(r, n, F(1, n))
    left = M.solve(g)
    for _ in range(k):
        left -= M * left / h
    slope = factorial(p) ** 2 * abs(flint.fmpq_poly.bernoulli_poly(4)(0)) / factorial(4)
    return (left.transpose() * M * left)[0, 0] / (slope * (r * h**2 / 12) ** (2 * k))
