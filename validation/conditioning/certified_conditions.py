"""H4: condition numbers of Gauss-Newton matrices of small networks, enclosed, beside those that float64 finds.

Networks continue their end pieces ("polynomial"): where the affine map leaves an extreme sample an ulp outside, linear
tails give the exact network null directions less, with eigenvalues of the order of eps^2, which no other number here
counts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

import refkan as rk
from refkan.analysis.exact.ranks.network_rows import checked
from refkan.analysis.exact.spectra.certified_spectra import enclosed
from refkan.analysis.exact.spectra.curvatures import curvature
from refkan.base import Frozen
from refkan.claims import Verdict
from validation.conditioning.network_spectra import BASES, START, TRAINED, TRAINED_ELSEWHERE, at_states, started
from validation.measures import log_slope
from validation.statements import Progress, by_criterion, each, silent

CLAIMS = ("H4",)

BEYOND = 1e20
"""Condition numbers that float64 has no digits for where it forms J^T J, and that some of these exceed."""

WIDTH = 1e-14
"""Relative width of enclosures, at most: float64 is to be seen beside them."""

AGREEMENT = 1e-6
"""Relative difference of float64's condition numbers from the enclosures, at most."""


class Small(Frozen, eq=True):
    """A network whose condition numbers are enclosed."""

    widths: tuple[int, ...]
    order: int
    level: tuple[int, int]
    node_map: str = "affine"
    seed: int = 0
    samples: int = 50
    steps: int = 50
    states: tuple[str, ...] = (START, TRAINED, TRAINED_ELSEWHERE)


QUICK = (Small((2, 2, 1), 3, (1, 3), samples=30), Small((2, 1, 1), 6, (2, 10), samples=34, states=(START,)))
LEVELS = ((1, 3), (2, 6))

FULL = (
    *QUICK,
    *(Small((2, 2, 1), r, level, seed=seed, samples=60) for r in (2, 3, 4) for level in LEVELS for seed in range(2)),
    *(Small((2, 2, 1), r, level, "mean-std", samples=60, states=(START,)) for r in (2, 3, 4) for level in LEVELS),
    *(Small((2, 2, 1), r, (4, 12), seed=seed, samples=120, states=(START,)) for r in (2, 3) for seed in range(2)),
    *(Small((2, 2, 1), r, (2, 6), samples=80) for r in (5, 6)),
)


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    return [verdict(measure(QUICK if quick else FULL, progress))]


def measure(small: Sequence[Small], progress: Progress = silent) -> list[dict[str, Any]]:
    """Enclose condition numbers in all bases, one record a network and state."""
    records = []
    for case in each(progress, "H4: {0.widths}, {0.node_map}, order {0.order}, intervals {0.level}", small):
        net = rk.kan(case.widths, case.order, case.level, node_map=case.node_map, outside="polynomial")
        problem, theta = started(net, case.seed, case.samples)
        records += [record(case, state, problem, at) for state, at in at_states(problem, theta, case)]
    return records


def record(case: Small, state: str, problem: Any, theta: Any) -> dict[str, Any]:
    """The condition numbers of one network at one theta."""
    posed = checked(problem, theta)
    matrix = curvature(posed, "gauss-newton")
    bounds = {basis: enclosed(posed, matrix, basis, WIDTH) for basis in BASES}
    float64 = {basis: rk.spectrum(problem, theta, basis=basis) for basis in BASES}
    own = bounds["spline"]
    return {
        "widths": case.widths, "order": case.order, "level": case.level, "node map": case.node_map,
        "seed": case.seed, "state": state, "parameters": own.size, "rank": own.rank, "rank by": own.rank_by,
        "float64 rank": float64["spline"].rank,
        "bounds": {basis: spectrum.condition.floats() for basis, spectrum in bounds.items()},
        "float64": {basis: spectrum.condition for basis, spectrum in float64.items()},
    }  # fmt: skip


def proven_lower(cases: Sequence[dict[str, Any]], basis: str = "spline") -> bool:
    """Whether the condition number in a basis is proven to be below those in all others, in all these cases."""
    return all(
        case["bounds"][basis][1] < case["bounds"][other][0] for case in cases for other in BASES if other != basis
    )


def at_starts(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [case for case in cases if case["state"] == START]


def float64_agrees(cases: Sequence[dict[str, Any]], room: float = AGREEMENT) -> bool:
    """Whether float64's condition numbers are those enclosed, wherever its numerical rank is the proven one."""
    return all(
        low * (1 - room) <= case["float64"][basis] <= high * (1 + room)
        for case in cases
        for basis, (low, high) in case["bounds"].items()
        if case["rank"] == case["float64 rank"]
    )


def beyond(cases: Sequence[dict[str, Any]]) -> list[float]:
    return [low for case in cases for low, _ in case["bounds"].values() if low > BEYOND]


def growth(cases: Sequence[dict[str, Any]]) -> dict[int, float]:
    """Exponent of n in the ratio of condition numbers, ReLU powers to B-splines, of [2, 2, 1] at starts, by order.

    Fitted to the geometric means over the seeds, under the affine map, where there are two sizes or more.
    """
    sizes: dict[int, dict[int, list[float]]] = {}
    for case in at_starts(cases):
        if (tuple(case["widths"]), case["node map"]) == ((2, 2, 1), "affine"):
            ratio = case["bounds"]["relu"][0] / case["bounds"]["spline"][1]
            sizes.setdefault(case["order"], {}).setdefault(case["level"][1], []).append(np.log(ratio))
    means = {order: {n: np.exp(np.mean(logs)) for n, logs in of.items()} for order, of in sizes.items()}
    return {order: log_slope(list(of), list(of.values())) for order, of in means.items() if len(of) > 1}


def sentence(cases: Sequence[dict[str, Any]]) -> str:
    starts = at_starts(cases)
    lower = sum(proven_lower([case]) for case in starts)
    trained = [case for case in cases if case["state"] == TRAINED]
    elsewhere = [case for case in cases if case["state"] == TRAINED_ELSEWHERE]
    same = [case for case in cases if case["rank"] == case["float64 rank"]]
    large = beyond(cases)
    exponents = ", ".join(f"{exponent:.1f} (r = {order})" for order, exponent in growth(cases).items())
    grows = f" the proven ratio of [2, 2, 1] at starts grows with the exponents of n {exponents};" if exponents else ""
    worst = max(abs(case["float64"][b] / low - 1) for case in same for b, (low, _) in case["bounds"].items())
    return (
        f"proven: the B-splines lower in {lower} of {len(starts)} at a start,"
        f" {sum(proven_lower([case]) for case in trained)} of {len(trained)} trained and"
        f" {sum(proven_lower([case]) for case in elsewhere)} of {len(elsewhere)} trained in the ReLU basis;{grows}"
        f" {len(large)} condition numbers beyond {BEYOND:.0e}, up to {max(large, default=0.0):.2g}; float64 finds the"
        f" proven rank in {len(same)} of {len(cases)}, and there differs by {worst:.0e} at most"
    )


def holds(cases: Sequence[dict[str, Any]], basis: str = "spline", room: float = AGREEMENT, share: float = 0.0) -> bool:
    """Whether the criterion is met, for a basis, an agreement, and the share of condition numbers beyond BEYOND."""
    count = len(beyond(cases))
    enough = count > 0 and count >= share * len(cases) * len(BASES)
    return proven_lower(at_starts(cases), basis) and enough and float64_agrees(cases, room)


def verdict(cases: Sequence[dict[str, Any]]) -> Verdict:
    altered = {
        "the ReLU powers have the lower one": holds(cases, "relu"),
        "scaling the ReLU powers is enough": holds(cases, "scaled-relu"),
        "float64 agrees to 1e-15": holds(cases, room=1e-15),
        "all condition numbers beyond 1e20": holds(cases, share=1.0),
    }
    return by_criterion("H4", holds(cases), sentence(cases), altered, details=DETAILS, data={"cases": list(cases)})


DETAILS = """Networks [2, 2, 1] and [2, 1, 1] on the regression target of [S26] section 5.1, at random starts and after
L-BFGS in the spline or in the ReLU basis. J over the rationals, its null space proven; with mean-std maps in balls, the
null vectors those of theory. Every eigenvalue is enclosed to 1e-10; the change of basis is exact. Float64 takes
singular values of J in the spline basis and the change of basis by structure, which keeps condition numbers far beyond
1e16 right to many digits: here that is checked against proof."""
