r"""N3: the nullity of the Jacobian of spline networks at generic parameters, a theorem (docs/theorems/nullity.md).

    two layers [P, Q, K] of order r >= 2 on n and m intervals
    nullity = (P - 1) Q                           constants moved between the edges into a hidden node
            + K sum_q u_q                         functions of the second layer that no activation reaches
            + K (Q - 1)                           constants moved between the edges into an output
            + K sum_j max(0, Q_j - h_j)           relations among powers, j = 1, ..., r - 1
            + sum_q max(0, 2 - beta_q)            motions of a node that the next layer undoes
            + Q (Q - 1)/2                         rotations, for r = 3, K = 1 and nodes on one polynomial

h_j is the coefficient of t^j in ((1 + (n - 1) t)(1 + (r - 2) t)/(1 - t))^P, Q_j the number of nodes behind which a
polynomial of degree j is a spline, and beta_q the number of breakpoints that the activations of node q cross. It is a
lower bound always, and in networks of any depth where it is summed over pairs of layers, with the rotations of the
first hidden layer alone; `Prediction.sharp` says where it is proven to be the nullity. r = 1, and r = 2 on one
polynomial, have formulas of their own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from itertools import islice
from math import comb
from typing import Any

import numpy as np

import refkan as rk
from refkan.base import Frozen
from refkan.claims import Verdict
from validation.rationals import rank
from validation.statements import by_criterion
from validation.theorems.drawn_networks import DEEP, NAMED, QUICK, RANDOM, STAYING, Case, posed, random_cases

CLAIMS = ("N3",)

MARGIN = 1e-9
"""Activations are computed in float64; one that is nearer to a breakpoint is not decided by it, and not used."""

SAMPLES = (1, 2, 4)
"""Sizes of the sample that are tried: each piece of the domain has to be met often enough to reach the rank."""


class Node(Frozen, eq=True):
    """What the theorem needs of the activations of a hidden node: counts of `Case.tails`, see the module."""

    crossed: int
    unreached: int
    outside: int
    touched: bool


class Prediction(Frozen, eq=True):
    """The terms of the nullity, and whether it is proven to be that or a lower bound."""

    terms: Mapping[str, int]
    sharp: bool

    @property
    def nullity(self) -> int:
        return sum(self.terms.values())


def nodes(case: Case, k: int, inputs: Sequence[np.ndarray]) -> list[Node] | None:
    """Examine the nodes behind layer k (from 1); None where an activation is too near to a breakpoint."""
    r, m, n, z = case.order, case.intervals[k], case.intervals[k - 1], inputs[k]
    inner, natural = [j / m for j in range(1, m)], case.tails == "natural"
    ends = [j / m for j in (*range(1 - r, 1), *range(m, m + r))] if natural else [0.0, 1.0]
    breaks = inner + (ends if natural or (case.tails == "linear" and r >= 3) else [])
    if any(np.abs(z - t).min() < MARGIN for t in breaks):
        return None
    cells, places = np.floor(inputs[k - 1] * n).astype(int), []
    for zq in z.T:
        low, high = zq.min(), zq.max()
        crossed = [t for t in breaks if low < t < high]
        met = [touched_by(zq > t, cells) for t in crossed]
        if natural:
            unreached = sum(not (low < (i + r) / m and high > i / m) for i in range(1 - r, m))
        else:
            unreached = sum(not low < t < high for t in inner)
        outside = sum(low < t < high for t in ends) if natural else int(low < 0) + int(high > 1)
        whole = set().union(*met) == {(p, j) for p in range(cells.shape[1]) for j in range(n)}
        linked = len(crossed) == 0 or (whole and (r > 2 or chained(met)))
        places.append(Node(len(crossed), unreached, outside, linked))
    return places


def touched_by(above: np.ndarray, cells: np.ndarray) -> set[tuple[int, int]]:
    """Intervals (input, number) of the cells in which a node is on both sides of a breakpoint."""
    both = {tuple(c) for c in cells[above].tolist()} & {tuple(c) for c in cells[~above].tolist()}
    return {(p, j) for cell in both for p, j in enumerate(cell)}


def chained(sets: list[set[tuple[int, int]]]) -> bool:
    reached, left = set(sets[0]), sets[1:]
    while near := [s for s in left if s & reached]:
        reached.update(*near)
        left = [s for s in left if not s & reached]
    return not left


def new_powers(P: int, n: int, r: int) -> list[int]:
    """h_0, ..., h_{r-1}: dimensions of sums of products of j functions modulo those of j - 1."""
    series = np.cumsum(np.resize(np.append(np.convolve([1, n - 1], [1, r - 2]), np.zeros(r, dtype=int)), r))
    power = np.array([1])
    for _ in range(P):
        power = np.convolve(power, series)[:r]
    return [int(h) for h in power]


def predict(case: Case, inputs: Sequence[np.ndarray]) -> Prediction | None:
    """The terms of the theorem; None where an activation is too near to a breakpoint to say."""
    if case.order == 1:
        return of_steps(case, inputs)
    terms = {"constants, inputs": (case.widths[0] - 1) * case.widths[1]}
    sharp = len(case.widths) == 3
    for k in range(1, len(case.widths) - 1):
        behind = nodes(case, k, inputs)
        if behind is None:
            return None
        for name, value in of_pair(case, k, behind).items():
            terms[name] = terms.get(name, 0) + value
        sharp = sharp and is_sharp(case, behind)
    prediction = Prediction(terms, sharp)
    if len(case.widths) == 3 and not any(node.crossed for node in behind):
        return on_one_polynomial(case, prediction)
    return prediction


def of_pair(case: Case, k: int, behind: Sequence[Node]) -> dict[str, int]:
    """The terms of the relations behind layer k, and of the motions of its outputs."""
    P, Q, K = case.widths[k - 1 : k + 2]
    h = new_powers(P, case.intervals[k - 1], case.order)
    natural = case.tails == "natural" and any(node.outside for node in behind)
    degrees = [1 if case.tails == "linear" and node.outside else case.order - 1 for node in behind]
    relations = [max(0, sum(d >= j for d in degrees) - h[j]) for j in range(1, case.order)]
    free = [node for node in behind if not (natural and node.outside)]
    smooth = sum(node.crossed == 0 for node in free)
    # Proven behind free inputs only.
    turning = (case.order, K, k, case.node_map) == (3, 1, 1, "none") and smooth <= h[1]
    return {
        "unreached": K * sum(node.unreached for node in behind),
        "constants, nodes": K * max(0, len(free) - 1),
        "linear relations": 0 if natural else K * relations[0],
        "relations of powers": 0 if natural else K * sum(relations[1:]),
        "motions": 2 * Q if case.node_map == "min-max" else sum(max(0, 2 - node.crossed) for node in free),
        "rotations": comb(smooth, 2) if turning else 0,
    }


def is_sharp(case: Case, behind: Sequence[Node]) -> bool:
    """The hypotheses under which two layers have no more null vectors than the theorem lists."""
    P, Q, _ = case.widths
    h = new_powers(P, case.intervals[0], case.order)
    if not all(node.touched for node in behind) or (case.node_map == "min-max" and h[1] == 1):
        return False
    if case.tails == "natural" and any(node.outside for node in behind):
        return h[1] >= Q and all(node.crossed >= (2 if node.outside else 1) for node in behind)
    polynomial = case.tails in (*STAYING, "polynomial")
    one_polynomial = polynomial and case.order >= 3 and Q <= P and case.node_map == "none"
    return one_polynomial or all(node.crossed for node in behind)


def on_one_polynomial(case: Case, prediction: Prediction) -> Prediction:
    """Two layers, no breakpoint crossed: r = 2 in full; else no more rank than products of r - 1 functions allow."""
    P, Q, K = case.widths
    h, size = new_powers(P, case.intervals[0], case.order), case.network.n_params
    if case.order == 2:
        D = h[1]
        image = K + (K * D if min(K, D) <= Q else Q * (K + D - Q))
        return Prediction({"affine": size - image}, sharp=True)
    if case.tails == "linear" or prediction.nullity >= size - K * sum(h):
        return prediction
    return Prediction({"rank of products": size - K * sum(h)}, sharp=False)


def of_steps(case: Case, inputs: Sequence[np.ndarray]) -> Prediction:
    """r = 1: steps have no slope, and the last layer sees which of its pieces come together."""
    z, m, K = inputs[-1], case.intervals[-1], case.widths[-1]
    pieces = np.floor(z * m).astype(int)
    if case.tails != "natural":
        pieces = pieces.clip(0, m - 1)
    rows = np.unique((pieces[:, :, None] == np.arange(m)).reshape(len(z), -1), axis=0)
    unseen = z.shape[1] * m - rank([[Fraction(int(v)) for v in row] for row in rows])
    size = case.network.n_params - z.shape[1] * m * K
    return Prediction({"slopes of steps": size, "pieces that come together": K * unseen}, sharp=True)


def measure(cases: Iterator[Case], progress: Callable[[str], None] = lambda message: None) -> Iterator[dict[str, Any]]:
    """Prove the rank of each case, on more samples where the first do not reach it."""
    for case in cases:
        progress(f"N3: {case}")
        for size in SAMPLES:
            problem, theta, inputs = posed(case, size)
            predicted = predict(case, inputs)
            if predicted is None:
                break
            nullity = rk.exact.certified_rank(problem, theta).nullity
            if nullity <= predicted.nullity:
                break
        if predicted is not None:
            yield asdict(case) | {
                "parameters": problem.net.n_params, "nullity": nullity, "sharp": predicted.sharp,
                "terms": dict(predicted.terms),
            }  # fmt: skip


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    results = list(measure(iter(QUICK if quick else (*QUICK, *NAMED, *DEEP)), progress))
    if not quick:
        sharp = (item for item in measure(random_cases(), progress) if item["sharp"])
        results += islice(sharp, RANDOM)
    return [verdict(results)]


def verdict(results: Sequence[Mapping[str, Any]]) -> Verdict:
    sharp = [item for item in results if item["sharp"]]
    bounds = [item for item in results if not item["sharp"]]
    names = list(dict.fromkeys(name for item in sharp for name, value in item["terms"].items() if value))
    sizes = [item["parameters"] for item in results]
    reached = sum(excess(item) == 0 for item in bounds)
    wrong = [item for item in sharp if excess(item)] + [item for item in bounds if excess(item) < 0]
    altered = {
        f"without {name}": not any(excess(item) + item["terms"].get(name, 0) for item in sharp) for name in names
    } | {
        "one null vector less, in one network": not any(excess(item) + (k == 0) for k, item in enumerate(sharp)),
        "one more, in one network": not any(excess(item) - (k == 0) for k, item in enumerate(sharp)),
        "a bound higher by one": all(excess(item) >= 1 for item in bounds),
    }
    return by_criterion(
        "N3",
        not wrong,
        f"exact ranks of {len(results)} networks with {min(sizes, default=0)} to {max(sizes, default=0)} parameters:"
        f" nullity as the theorem says in {sum(excess(item) == 0 for item in sharp)} of the {len(sharp)} that meet its"
        f" hypotheses; of {len(bounds)} others, deep ones among them, below the bound in"
        f" {sum(excess(item) < 0 for item in bounds)}, equal to it in {reached}"
        + "".join(f"; {described(item)}" for item in wrong[:8]),
        altered,
        details=DETAILS,
        data={"cases": list(results)},
    )


def excess(item: Mapping[str, Any]) -> int:
    return int(item["nullity"]) - sum(item["terms"].values())


def described(item: Mapping[str, Any]) -> str:
    """A network whose nullity is not what the theorem says."""
    return (
        f"not {list(item['widths'])}, r = {item['order']}, n = {list(item['intervals'])}, {item['tails']} tails:"
        f" {item['nullity']}, theorem {sum(item['terms'].values())}"
    )


DETAILS = """The theorem and its proof are on the page docs/theorems/nullity.md. Parameters are random dyadic numbers,
scaled so that activations fill the domain or leave it on both sides; samples are random dyadic points, two to eight a
parameter. What the hypotheses ask, which breakpoints the activations of a node cross, in which cells, and which
functions they do not reach, is read off the samples. Ranks are proven over the rationals, by a minor that is not zero
modulo a prime and by null vectors multiplied out. A rank at one theta is a lower bound of the rank at almost all theta
with the same pieces, and the null vectors of the theorem are an upper bound: where the two agree, they agree for almost
all theta."""
