"""S2: the eigenvectors of A^T A are ordered by their sign changes ([S26] section 2.2, fig. 2b)."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import refkan as rk
from refkan.analysis.exact.spectra.condition_numbers import eigenpairs
from refkan.claims import Figure, Verdict
from validation.panels import figure, panel
from validation.statements import Progress, by_criterion, each, silent

CLAIMS = ("S2",)
ORDERS = (1, 2, 3, 4)

Case = tuple[int, int, int | None]
"""(order, dim, seed) of the eigenvectors; seed None stands for uniform knots."""

QUICK: tuple[Case, ...] = (*((r, 24, seed) for r in ORDERS for seed in (None, 0)), (3, 40, 0))
FULL: tuple[Case, ...] = tuple((r, 100, seed) for r in ORDERS for seed in (None, *range(5)))


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    return [verdict(QUICK if quick else FULL, progress)]


def signs(order: int, dim: int, seed: int | None) -> dict[str, Any]:
    """Certified sign changes of the eigenvectors of A^T A and of (A A^T)^-1, eigenvalues ascending."""
    space = knots_of_case(order, dim, seed)
    normal, outer = eigenpairs(space, "AtA"), eigenpairs(space, "AAt")
    return {
        "order": order,
        "dim": dim,
        "seed": seed,
        "bits": [normal.bits, outer.bits],
        "AtA": list(normal.sign_changes),
        "inverse of AAt": list(reversed(outer.sign_changes)),
        "components of unknown sign": [list(at) for at in normal.undecided],
    }


def knots_of_case(order: int, dim: int, seed: int | None) -> rk.SplineSpace:
    """Uniform knots for seed None, else all knots, exterior ones too, uniformly distributed on [0, 1]."""
    if seed is None:
        return rk.SplineSpace.uniform(order, dim - order + 1)
    rng = np.random.default_rng([seed, order, dim])
    return rk.SplineSpace(np.sort(rng.uniform(size=dim + order)), order)


def exact_zeros(dim: int) -> list[list[int]]:
    """The (k, i), from 0, of the zeros of all eigenvectors of A^T A for r = 1.

    A^T A is then tridiagonal, (-1, 2, -1) with 1 in the first place, whatever the knots; its eigenvectors are
    cos((2k + 1)(2i + 1) pi/(4 dim + 2)), zero where (2k + 1)(2i + 1)/(2 dim + 1) is an (odd) integer.
    """
    return [[k, i] for k in range(dim) for i in range(dim) if (2 * k + 1) * (2 * i + 1) % (2 * dim + 1) == 0]


def counting_zeros(case: dict[str, Any]) -> list[int]:
    """Sign changes of the eigenvectors of A^T A where + 0 - has two, as numpy.diff(numpy.sign(v)) would have it."""
    zeros = Counter(k for k, _ in case["components of unknown sign"])
    return [changes + zeros[k] for k, changes in enumerate(case["AtA"])]


def exceptions(cases: Sequence[dict[str, Any]], matrix: str, expected: Callable[[int, int], int]) -> int:
    """Number of eigenvectors k (from 1) that are not certified to have expected(k, dim) sign changes."""
    return sum(changes != expected(k, case["dim"]) for case in cases for k, changes in enumerate(case[matrix], start=1))


def verdict(where: Sequence[Case], progress: Progress = silent) -> Verdict:
    cases = [signs(*case) for case in each(progress, "S2: order {0[0]}, dim {0[1]}, seed {0[2]}", where)]
    steps = [case for case in cases if case["order"] == 1]
    zeros = all(case["components of unknown sign"] == exact_zeros(case["dim"]) for case in steps)
    swapped = [{"dim": 12, "gram": eigenpairs(knots_of_case(r, 12, 0), "gram").sign_changes} for r in (2, 3, 4)]
    counted = [case | {"AtA": counting_zeros(case)} for case in steps]
    dims = sorted({case["dim"] for case in cases})
    random = sum(case["dim"] == dims[-1] and case["seed"] is not None for case in cases)
    vectors = sum(case["dim"] for case in cases)

    def smooth_first(k: int, dim: int) -> int:
        return k - 1

    def smooth_last(k: int, dim: int) -> int:
        return dim - k

    normal, outer = exceptions(cases, "AtA", smooth_first), exceptions(cases, "inverse of AAt", smooth_last)
    measured = (
        f"{len(cases)} knot vectors, r = 1..4, dim {', '.join(map(str, dims))}, {random} random ones at dim {dims[-1]}:"
        f" {normal} exceptions among {vectors} eigenvectors of A^T A, {outer} among {vectors} of (A A^T)^-1; for r = 1"
        f" {sum(len(case['components of unknown sign']) for case in steps)} components of unknown sign,"
        f" {'exactly' if zeros else 'not'} the known zeros"
    )
    altered = {
        "k sign changes": exceptions(cases, "AtA", lambda k, dim: k) == 0,
        "A^T A in the opposite order": exceptions(cases, "AtA", smooth_last) == 0,
        "(A A^T)^-1 in the same order": exceptions(cases, "inverse of AAt", smooth_first) == 0,
        "the Gram matrix of the B-splines in place of A^T A": exceptions(swapped, "gram", smooth_first) == 0,
        "r = 1, a zero counts as one more change": exceptions(counted, "AtA", smooth_first) == 0,
    }
    data = {"cases": cases, "seeds": sorted({case["seed"] for case in cases if case["seed"] is not None})}
    more = {"details": SIGNS, "data": data, "figures": (vector_figure(),)}
    return by_criterion("S2", normal == outer == 0 and zeros, measured, altered, **more)


def vector_figure(intervals: int = 20) -> Figure:
    """Figure 2 of [S26]: eigenvectors of A^T A, the smoothest and the most oscillatory ones."""
    panels = []
    for order in ORDERS:
        pairs = eigenpairs(rk.SplineSpace.uniform(order, intervals))
        dim, vectors = len(pairs.values), np.array([[entry.midpoint for entry in row] for row in pairs.vectors], float)
        lines = [
            (np.arange(dim), vectors[k] / np.linalg.norm(vectors[k]), ".-", {"label": f"k = {k + 1}"})
            for k in (0, 1, 2, dim - 1)
        ]
        panels.append(panel(lines, "plot", levels=[0.0], title=f"r = {order}", xlabel="component"))
    caption = (
        "Eigenvectors of A^T A, uniform knots: of the three smallest eigenvalues and of the largest ([S26], figure 2)."
    )
    return figure("eigenvectors", caption, *panels, size=(12.0, 3.0), sharey=True)


SIGNS = """All eigenvectors enclosed in ball arithmetic. A number of sign changes is certified if it is the same
whatever the components are whose balls hold 0. Random knots: all of them, those beyond the ends too, are uniformly
distributed and sorted. Why it holds for all strictly increasing knots: A^-1 is a product of totally non-negative
matrices, so A^-1 A^-T is oscillatory, and the eigenvector of its k-th largest eigenvalue has k - 1 sign changes
(Gantmacher and Krein). The same goes for A^-T A^-1 = (A A^T)^-1, whose eigenvalues ascend the other way.

For r = 1 A^T A does not depend on the knots; its eigenvectors cos((2k - 1)(2i - 1) pi/(4 dim + 2)) vanish where
2 dim + 1 divides (2k - 1)(2i - 1), between components of opposite signs. The components left open by ball
arithmetic are required to be these zeros, all of them and no others."""
