r"""M2, M3: why sums over levels do not precondition one layer, in either basis (ours; theory of [S26] section 4.3).

M2, ReLU basis. Where knots are inserted, every coarse power is a fine one: prolongation P_l is a matrix of zeros and
ones with a single one in each column. An additive multilevel preconditioner sum_l P_l D_l P_l^T, D_l diagonal, is
therefore diagonal: it scales, and no more.

M3, spline basis. A sum over levels, as in the method of Bramble, Pasciak and Xu, counts smooth functions once for every
level. Control: the matrix of the H1 inner product, for which such sums are made: Jacobi grows by at least 3 at the last
doubling, the sum with weights by at most 1.2 (r = 2, 3, 4).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log
from typing import Any

import numpy as np
from scipy.linalg import cholesky, eigvalsh, solve_triangular

import refkan as rk
from refkan.claims import Verdict, judge
from refkan.splines import bsplines
from refkan.splines.transfer.matrices import injection_matrix
from validation.statements import Progress, each, silent

CLAIMS = ("M2", "M3")
ORDERS = (1, 2, 3, 4)
COARSEST = 4
SLACK = 0.3


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    sizes = tuple(COARSEST * 2**k for k in range(7 if quick else 8))
    progress("M2: injections")
    diagonal = [injections_are_diagonal(order, seed) for order in ORDERS for seed in range(3 if quick else 20)]
    relu = [relu_conditions(order, sizes) for order in each(progress, "M2: order {}", ORDERS)]
    spline = [spline_conditions(order, sizes) for order in each(progress, "M3: order {}", ORDERS)]
    energy = [spline_conditions(order, sizes, derivative=1) for order in ORDERS if order > 1]
    return [relu_verdict(diagonal, relu), spline_verdict(spline, energy)]


def injections_are_diagonal(order: int, seed: int, re_extended: bool = False) -> bool:
    """Whether sum_l P_l D_l P_l^T is diagonal for three levels of random knots, positive random D_l."""
    rng = np.random.default_rng([order, seed])
    space = rk.SplineSpace(np.cumsum(rng.uniform(0.2, 1.8, 3 + 2 * order)), order)
    if re_extended:
        spaces = [rk.SplineSpace.uniform(order, n) for n in (2, 4, 8)]
    else:
        spaces = [space]
        for _ in range(2):
            t = spaces[-1].breakpoints
            spaces.append(spaces[-1].insert(t[:-1] + rng.uniform(0.2, 0.8, t.size - 1) * np.diff(t)))
    total = np.zeros((spaces[-1].dim, spaces[-1].dim))
    for level in spaces:
        P = injection_matrix(level, spaces[-1]).toarray().T
        total += P @ np.diag(rng.uniform(0.5, 2.0, level.dim)) @ P.T
    return bool(np.count_nonzero(total - np.diag(np.diag(total))) == 0)


def scaled_condition(A: np.ndarray, G: np.ndarray, d: np.ndarray) -> float:
    """Condition number of D^1/2 G_w D^1/2 for the ReLU Gram matrix G_w = A^-1 G A^-T and a positive diagonal d.

    Its inverse is M^T M with M = L^-1 A D^-1/2, G = L L^T, and it is K K^T with K = D^1/2 A^-1 L: both largest singular
    values are exact to a few eps, whatever their product.
    """
    L = cholesky(G, lower=True)
    M = solve_triangular(L, A / np.sqrt(d), lower=True)
    K = np.sqrt(d)[:, None] * solve_triangular(A, L)
    return float((np.linalg.norm(M, 2) * np.linalg.norm(K, 2)) ** 2)


def level_counts(order: int, n: int) -> tuple[list[np.ndarray], rk.SplineSpace]:
    """Positions of the powers of each level among the finest ones; every level made from the coarsest by insertion."""
    space = rk.SplineSpace.uniform(order, COARSEST)
    spaces = [space]
    while spaces[-1].intervals < n:
        t = spaces[-1].breakpoints
        spaces.append(spaces[-1].insert((t[1:] + t[:-1]) / 2))
    fine = spaces[-1]
    return [np.searchsorted(fine.knots, level.knots[: level.dim]) for level in spaces], fine


def relu_conditions(order: int, sizes: Sequence[int]) -> dict[str, Any]:
    """Condition numbers of the ReLU Gram matrix: as it is, Jacobi-scaled, scaled by the sum of Jacobi over levels."""
    results: dict[str, list[float]] = {"plain": [], "Jacobi": [], "sum over levels": []}
    dims = [n + order - 1 for n in sizes]
    for n in sizes:
        positions, space = level_counts(order, n)
        A, G = rk.ChangeOfBasis(space).dense(), bsplines.gram_matrix(space).toarray()
        K = solve_triangular(A, cholesky(G, lower=True))
        jacobi = 1.0 / np.sum(K**2, axis=1)  # 1 / diag(G_w); a level's powers are the fine ones: the same entries
        total = np.zeros(space.dim)
        for at in positions:
            total[at] += jacobi[at]
        for name, d in (("plain", np.ones(space.dim)), ("Jacobi", jacobi), ("sum over levels", total)):
            results[name].append(scaled_condition(A, G, d))
    return {"order": order, "intervals": list(sizes), "dims": dims, "conditions": results}


def exponent(result: dict[str, Any], name: str) -> float:
    (d0, d1), (c0, c1) = result["dims"][-2:], result["conditions"][name][-2:]
    return log(c1 / c0) / log(d1 / d0)


def grows(results: list[dict[str, Any]], name: str, power: Callable[[int], float] = lambda r: 2 * r) -> bool:
    return all(abs(exponent(result, name) - power(result["order"])) <= SLACK for result in results)


def relu_verdict(diagonal: list[bool], results: list[dict[str, Any]]) -> Verdict:
    shown = {
        name: ", ".join(f"{exponent(result, name):.2f}" for result in results)
        for name in ("Jacobi", "sum over levels", "plain")
    }
    last = [{name: values[-1] for name, values in result["conditions"].items()} for result in results]
    factors = [conditions["sum over levels"] / conditions["Jacobi"] for conditions in last]
    return Verdict(
        "M2",
        judge(all(diagonal) and grows(results, "Jacobi") and grows(results, "sum over levels")),
        f"sums over levels have no entry off the diagonal for {sum(diagonal)} of {len(diagonal)} hierarchies of random"
        f" knots. Exponents of dim at n = {results[0]['intervals'][-1]}, r = 1..4: Jacobi-scaled {shown['Jacobi']},"
        f" scaled by the sum over levels {shown['sum over levels']} (unscaled {shown['plain']}); the sum changes the"
        f" Jacobi-scaled condition number by factors {min(factors):.2g} to {max(factors):.2g}",
        details="psi_c = I psi_f with zeros and ones where knots are inserted, exterior knots kept. Levels from n = 4,"
        " each by the midpoints of the one before; the diagonal of a coarse Gram matrix is part of that of the fine"
        " one, the functions being the same. Condition numbers are products of two largest singular values, each"
        " without cancellation. With re-extended exterior knots a block of r - 1 polynomials remains beside the"
        " diagonal. By van der Sluis (1969) no diagonal scaling is better than Jacobi's by more than the factor dim:"
        " at best n^(2r-1).",
        data={"diagonal": diagonal, "conditions": results},
        mutations={
            "scaling takes one power of n": judge(grows(results, "Jacobi", lambda r: 2 * r - 1)),
            "bounded": judge(grows(results, "sum over levels", lambda r: 0)),
            "diagonal with re-extended knots as well": judge(
                all(injections_are_diagonal(order, 0, re_extended=True) for order in (3, 4))
            ),
        },
    )


def spline_conditions(order: int, sizes: Sequence[int], derivative: int = 0) -> dict[str, Any]:
    """Condition numbers of the B-spline Gram matrix (derivative 1: of the H1 inner product), scaled in two ways.

    The sum over levels is sum_l P_l D_l^-1 P_l^T with D_l the diagonal of the matrix of level l.
    """
    spaces = [rk.SplineSpace.uniform(order, n) for n in sizes]

    def matrix(space: rk.SplineSpace) -> np.ndarray:
        G: np.ndarray = bsplines.gram_matrix(space).toarray()
        return G + bsplines.gram_matrix(space, derivative=1).toarray() if derivative else G

    conditions: dict[str, list[float]] = {"plain": [], "Jacobi": [], "sum over levels": []}
    for k, space in enumerate(spaces):
        G = matrix(space)
        total = np.zeros(G.shape)
        for level in spaces[: k + 1]:
            P = rk.prolongation_matrix(level, space).toarray()
            total += (P / np.diag(matrix(level))) @ P.T
        L = cholesky(G, lower=True)
        scale = 1.0 / np.sqrt(np.diag(G))
        for name, values in (
            ("plain", eigvalsh(G)),
            ("Jacobi", eigvalsh(scale[:, None] * G * scale)),
            ("sum over levels", eigvalsh(L.T @ total @ L)),
        ):
            conditions[name].append(float(values[-1] / values[0]))
    return {"order": order, "intervals": list(sizes), "conditions": conditions}


def bounded(result: dict[str, Any], name: str) -> bool:
    """Whether a condition number at n = 256 is at most 1.1 times that at n = 16."""
    at = dict(zip(result["intervals"], result["conditions"][name], strict=True))
    return at[256] <= 1.1 * at[16]


def worse_at_each_level(result: dict[str, Any]) -> bool:
    """Whether the sum is worse than Jacobi's scaling from two levels on, and grows at each refinement."""
    ours, jacobi = result["conditions"]["sum over levels"], result["conditions"]["Jacobi"]
    above = all(a > b for a, b in zip(ours[1:], jacobi[1:], strict=True))
    return above and all(b > a for a, b in pairwise(ours))


def needs_levels(result: dict[str, Any]) -> bool:
    """Whether, at the last doubling, Jacobi's condition number grows threefold and that of the sum hardly."""
    jacobi, levels = (result["conditions"][name] for name in ("Jacobi", "sum over levels"))
    return jacobi[-1] >= 3 * jacobi[-2] and levels[-1] <= 1.2 * levels[-2]


def spline_verdict(results: list[dict[str, Any]], energy: list[dict[str, Any]]) -> Verdict:
    control = all(needs_levels(result) for result in energy)
    holds = all(bounded(result, "Jacobi") and worse_at_each_level(result) for result in results)

    def last(chosen: list[dict[str, Any]], name: str) -> str:
        return ", ".join(f"{result['conditions'][name][-1]:.3g}" for result in chosen)

    return Verdict(
        "M3",
        judge(holds and control),
        f"Gram matrix of B-splines at n = {results[0]['intervals'][-1]}, r = 1..4: condition number"
        f" {last(results, 'Jacobi')} Jacobi-scaled, {last(results, 'sum over levels')} by the sum over"
        f" {len(results[0]['intervals'])} levels. Control, H1 inner product, r = 2..4: {last(energy, 'Jacobi')}"
        f" Jacobi-scaled, {last(energy, 'sum over levels')} by the sum",
        details="sum_l P_l D_l^-1 P_l^T, levels n = 4, 8, ... The mass matrix measures all scales alike: its inverse "
        "needs the finest level alone, and every further level adds to the smooth functions again, so that the "
        "largest eigenvalue grows with the number of levels. In the H1 inner product smooth functions are small, and "
        "the sum makes up for that.",
        data={"mass": results, "H1": energy},
        mutations={
            "the sum over levels is bounded as Jacobi is": judge(all(bounded(r, "sum over levels") for r in results)),
            "the sum over levels is worse for the H1 inner product too": judge(
                all(worse_at_each_level(result) for result in energy)
            ),
            "Jacobi is bounded for the H1 inner product": judge(all(bounded(result, "Jacobi") for result in energy)),
        },
    )
