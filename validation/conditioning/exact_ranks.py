r"""N3: the rank of J at generic theta is the number of parameters less the nullity that structure gives, exactly.

Every case is a theorem: `rk.exact.certified_rank` proves the rank, over the rationals and, with mean-std maps and
SiLU edges, in balls, where the null vectors are those of theory and a minor proves that there are no more. A rank at
one theta is a lower bound of that at almost all theta of the same pieces, where minors of J are analytic, and the null
vectors of the structure are an upper bound: where the two agree at one theta, they agree at almost all.

Not all null vectors are in the analytic list. Beyond it come, for a layer on n intervals after a hidden layer,

    n = 2, maps none and affine   one a hidden node: phi'(z) (z - t), t the only interior knot, is a spline in z, since
                                  the jump of the derivative of phi' at t is multiplied by zero
    n = 1                         two a hidden node, phi'(z) and phi'(z) z, and more where polynomials are composed
    Q > P (n + r - 2)             Q - P (n + r - 2) linear relations among the Q outputs of a layer from P inputs (n + 1
                                  in the place of n with SiLU edges), of which each moves linear functions between the
                                  edges into every node that follows

The criterion, fixed before the run:

As printed: nullity = analytic nullity, in every case with at least two inputs, r >= 2, and n >= 2 after hidden layers.

As corrected: nullity = analytic nullity + the first and the third line, in all of these cases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import refkan as rk
from refkan.base.errors import ConvergenceError
from refkan.claims.verdicts import Verdict, judge
from validation.grounds import require

CLAIMS = ("N3",)


SEEDS = 10
"""Random theta and samples to try: the rank at generic ones is the largest, and one that reaches it proves it.

Three, as an earlier version had, were too few for a network without maps whose activations did not reach all pieces.
"""


@dataclass(frozen=True)
class Case:
    """A network of splines at a random start.

    Attributes
    ----------
    widths, order, intervals, basis, node_map
        As for `rk.kan`; one number of intervals a layer.
    edge : {"spline", "silu"}
    dead : int
        How many hidden nodes of the first layer have no influence: not generic then.
    """

    widths: tuple[int, ...]
    order: int
    intervals: tuple[int, ...]
    basis: str = "spline"
    node_map: str = "affine"
    edge: str = "spline"
    dead: int = 0

    def posed(self, seed: int) -> tuple[rk.LeastSquares, np.ndarray]:
        """The problem on three samples a parameter, and parameters."""
        rng = np.random.default_rng([seed, self.order, *self.widths, *self.intervals])
        shape = rk.kan(
            self.widths, self.order, self.intervals, node_map=self.node_map, edge=self.edge, outside="polynomial"
        )
        x = rng.uniform(size=(3 * shape.n_params, self.widths[0]))
        net, theta = shape.initialize(rng, x)
        if self.node_map == "none":  # activations in [0, 1], and in most of it
            for layer, where in zip(net.layers[:-1], net.slices, strict=False):
                C = rng.uniform(size=(layer.n_inputs * layer.n_outputs, layer.dim))  # type: ignore[attr-defined]
                C = (C - C.min(axis=1, keepdims=True)) / np.ptp(C, axis=1, keepdims=True)
                low, high = rng.uniform(0.0, 0.1, (len(C), 1)), rng.uniform(0.9, 1.0, (len(C), 1))
                theta[where] = (low + (high - low) * C).ravel() / layer.n_inputs
        if self.dead:
            net.layers[1].unpack(theta[net.slices[1]])["coefficients"][:, : self.dead] = 0.0
        target = net.to_basis(self.basis)
        return rk.LeastSquares(target, x, np.zeros((len(x), self.widths[-1]))), net.convert(theta, target)


def accidents(case: Case) -> int:
    """The null vectors beyond the analytic ones: of two intervals, and of dependent outputs.

    The SiLU of an edge is no spline, and one function more: phi'(z) (z - t) has nothing that undoes it.
    """
    found, silu = 0, case.edge == "silu"
    for k, (P, Q) in enumerate(pairwise(case.widths[:-1])):
        if case.intervals[k + 1] == 2 and case.node_map in ("none", "affine") and not silu:
            found += Q
        found += max(0, Q - P * (case.intervals[k] + case.order - 2 + silu)) * case.widths[k + 2]
    return found


QUICK = (
    Case((2, 2, 1), 2, (2, 3)),
    Case((2, 2, 1), 3, (1, 3)),
    Case((2, 2, 1), 3, (1, 2)),
    Case((2, 3, 1), 2, (1, 3), node_map="none"),
    Case((2, 2, 1), 2, (2, 2), "relu"),
    Case((2, 2, 1), 2, (1, 3), node_map="min-max"),
    Case((2, 2, 1), 3, (1, 3), node_map="mean-std"),
)

FULL = (
    *QUICK,
    *(Case((2, 2, 1), r, n) for r in (2, 3, 4) for n in ((2, 4), (3, 3), (4, 2))),
    *(Case((2, 3, 2), r, (2, n)) for r in (2, 3) for n in (2, 3)),
    *(Case((3, 2, 1), 3, (2, n), basis) for n in (2, 3) for basis in ("relu", "scaled-relu")),
    *(Case((2, 5, 1), 3, n, node_map=m) for n in ((1, 3), (2, 3), (3, 2)) for m in ("affine", "min-max")),
    *(Case((2, 2, 2, 1), 2, n, node_map=m) for n in ((2, 3, 3), (2, 2, 3)) for m in ("none", "affine", "min-max")),
    *(Case((2, 5, 1), 3, n, node_map="mean-std") for n in ((2, 2), (2, 3), (4, 4))),
    *(
        Case((2, 2, 1), r, (2, n), node_map=m, edge="silu")
        for r in (3, 4)
        for n in (2, 3)
        for m in ("affine", "mean-std")
    ),
)


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Answer the row."""
    require(CLAIMS)
    return [verdict(measure(QUICK if quick else FULL, progress))]


def measure(cases: Sequence[Case], progress: Callable[[str], None] = lambda message: None) -> list[dict[str, Any]]:
    """Prove the rank of every case, and of the first one once more with a node that has no influence."""
    found = []
    for case in (*cases, Case(cases[0].widths, cases[0].order, cases[0].intervals, dead=1)):
        progress(f"N3: {case}")
        found.append(asdict(case) | {"beyond it": accidents(case)} | best(case))
    return found


def best(case: Case) -> dict[str, Any]:
    """The rank at the first start that reaches the formula, or else the last one; nullity -1 where none is proven.

    With mean-std maps and SiLU edges no other nullity is proven than that of theory.
    """
    result: dict[str, Any] = {"nullity": -1}
    for seed in range(SEEDS):
        problem, theta = case.posed(seed)
        try:
            certificate = rk.exact.certified_rank(problem, theta)
        except ConvergenceError:
            continue
        known = certificate.analytic_nullity
        assert known is not None
        result = {"parameters": certificate.size, "rank": certificate.rank, "nullity": certificate.nullity}
        result |= {"analytic nullity": known, "rank by": certificate.rank_by, "seed": seed}
        if certificate.nullity <= known + accidents(case):
            break
    return result


Nullity = Callable[[dict[str, Any]], int]


def as_printed(item: dict[str, Any]) -> int:
    """The analytic nullity alone."""
    return int(item.get("analytic nullity", 0))


def as_corrected(item: dict[str, Any]) -> int:
    """The analytic nullity, and what two intervals and dependent outputs add."""
    return as_printed(item) + int(item["beyond it"])


def equal(found: Sequence[dict[str, Any]], nullity: Nullity) -> bool:
    """Whether the exact nullity is that of a formula in every case."""
    return all(item["nullity"] == nullity(item) for item in found)


def verdict(results: Sequence[dict[str, Any]]) -> Verdict:
    """Judge, and say where the formulas fail."""
    generic = [item for item in results if not item["dead"]]
    sizes = [item["parameters"] for item in generic if "parameters" in item]
    dead = [item for item in results if item["dead"]]
    printed = sum(item["nullity"] == as_printed(item) for item in generic)
    wrong = [item for item in generic if item["nullity"] != as_corrected(item)]
    return Verdict(
        "N3",
        judge(equal(generic, as_printed), equal(generic, as_corrected)),
        f"exact ranks of {len(generic)} networks with {min(sizes, default=0)} to"
        f" {max(sizes, default=0)} parameters: nullity as in the analytic list in {printed}, as"
        f" corrected in {len(generic) - len(wrong)}"
        + "".join(f"; not {named(item)}: {item['nullity']}, formula {as_corrected(item)}" for item in wrong),
        corrected=" ".join(CORRECTED.split()),
        details=DETAILS,
        data={"cases": list(results)},
        mutations={
            "constants are not moved between the edges into a node": judge(
                equal(generic, lambda item: as_corrected(item) - moved(item))
            ),
            "two intervals add nothing": judge(equal(generic, lambda item: as_corrected(item) - of_two(item))),
            "two intervals add two a hidden node": judge(
                equal(generic, lambda item: as_corrected(item) + of_two(item))
            ),
            "dependent outputs add nothing": judge(equal(generic, lambda item: as_printed(item) + of_two(item))),
            "at theta with a node that has no influence": judge(equal(dead, as_corrected)),
        },
    )


def moved(item: dict[str, Any]) -> int:
    """(P - 1) Q of all layers."""
    return sum((P - 1) * Q for P, Q in pairwise(item["widths"]))


def of_two(item: dict[str, Any]) -> int:
    """One for each hidden node before a layer on two intervals, without statistics."""
    maps = item["node_map"] in ("none", "affine")
    counts = maps and item["edge"] == "spline"
    return sum(Q for Q, n in zip(item["widths"][1:-1], item["intervals"][1:], strict=True) if counts and n == 2)


def named(item: dict[str, Any]) -> str:
    """A case in words."""
    return f"{list(item['widths'])}, r = {item['order']}, n = {item['intervals']}, {item['basis']}, {item['node_map']}"


CORRECTED = """The nullity is that of the analytic list, and one more for each hidden node before a layer on two
intervals under maps none and affine, and Q - P (n + r - 2), where that is positive, for each node after a layer from P
to Q nodes."""

DETAILS = """Ranks over the rationals, each proven by a minor that is not zero modulo a prime and by null vectors,
multiplied out; with mean-std maps and SiLU edges by a minor in balls that does not hold zero, and the null vectors of
theory. Random starts and three samples a parameter, in the ReLU bases after conversion; under the map none
coefficients from near 0 to near 1/P on each edge. Of at most ten starts the first that reaches the formula: a rank at
one theta is one at almost all. One interval after a hidden layer is left out: polynomials are composed there, and more
null vectors come than are counted here; so are r = 1, where hidden layers have no gradient, and one input."""
