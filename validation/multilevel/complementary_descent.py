r"""M1 ([S26] section 4.3): after refinement descent in the spline basis is complementary, in the ReLU basis not.

The share of updates in newly added modes, fixed before any run. A coarse network is trained and prolonged, u_f = P u_c.
With J the Jacobian of the fine network there, an update d changes its values on the samples by J d, to first order.
What the coarse network could have done is range(J P), its own tangent space; Q projects onto it, orthogonally in R^N.
Then

    share = sum_k |(I - Q) J d_k|^2 / sum_k |J d_k|^2,    d_1, ..., d_10 the first updates,

of gradient descent in the coordinates of a basis, with the step 1/lambda_max of that basis' Gauss-Newton matrix.

The paper says that descent in the ReLU geometry weighs smooth modes "by orders of magnitude more" than the oscillatory
ones that a refinement adds, and that descent in the spline basis supports those. Estimated is the ratio of the shares
of the two bases, seed by seed, at each of the three refinements of Table 2, [2, 5, 1], r = 3, (1, 3) to (8, 24).

What is new can be asked of the values of the network or of the functions on the edges. An update changes every edge by
a spline; Pi projects splines onto the coarse spline space, orthogonally in L2, and

    share on the edges = sum_k sum_edges |(I - Pi) df|^2 / sum_k sum_edges |df|^2.

Both are readings, besides the scaling of the ReLU basis, the node map, and the start. Two things stand beside them:
shares of coefficients, which tell nothing (see the details), and the limit of coarse training, since trained networks
are at no stationary point: what the coarse tangent space sees of the residual is taken out of the data, y <- y + Q e,
which makes the same network stationary, P^T g = 0.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from refkan.claims import Beside, Estimate, Reading, Table, Verdict, estimate
from refkan.claims.experiments import Choice, written
from validation.multilevel import complementary_shares
from validation.multilevel.complementary_shares import EXPERIMENT, INTERVALS, MEASURES, OPEN, PLACE, RELU, UPDATES
from validation.statements import ByCells, Cells, Progress, each, exchanged, ratios, silent, times

__all__ = ["CLAIMS", "EXPERIMENT", "run", "verdict"]
CLAIMS = ("M1",)
SEEDS = range(25)

SETS = (("affine", "linear"), ("min-max", "normal"))
"""Node maps with starts that are run: ours, and those that come nearest to Table 2."""

ORDERS = 10.0
"""What "orders of magnitude" asks of a ratio at least."""

TINY = np.finfo(float).tiny
"""What a share of zero counts as."""

Results = Sequence[Mapping[str, Any]]


def shares_of(results: Results, basis: str, reading: Choice) -> list[dict[int, float]]:
    wanted = {name: reading[name] for name in ("coarse", "map", "start")}
    key = MEASURES[reading["measure"]]
    chosen = [r for r in results if all(r[name] == value for name, value in wanted.items())]
    return [{r["seed"]: max(r[basis][key], TINY) for r in chosen if tuple(r["intervals"]) == n} for n in INTERVALS]


def cells(results: Results, reading: Choice, size: Choice) -> list[Beside]:
    return [
        Beside(
            f"{name} basis, refinement {k + 1}",
            "share of the first updates in new modes",
            values,
            again=written(reading | {"refinement": str(k + 1), **size}),
        )
        for name, basis in (("spline", "spline"), ("ReLU", RELU[reading["scaling"]]))
        for k, values in enumerate(shares_of(results, basis, reading))
    ]


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """The ratio of the shares at each refinement, at least an order."""
    return tuple(
        estimate(
            f"share in the spline over that in the ReLU basis, refinement {k}",
            ratios(cells, f"spline basis, refinement {k}", f"ReLU basis, refinement {k}"),
            at_least=ORDERS,
        )
        for k in range(1, len(INTERVALS) + 1)
    )


JUDGED = {"M1": ByCells(asked, control=times(spline_basis=1e9), twin=exchanged("spline", "ReLU"), experiment=False)}


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    n_samples, steps, seeds = (200, 20, SEEDS[:3]) if quick else (1000, 80, SEEDS)
    results = []
    for (node_map, start), seed in each(progress, "M1: {0[0]} maps, {0[1]} start, seed {1}", SETS, seeds):
        results += complementary_shares.measure(seed, n_samples, steps, node_map, start)
    return [verdict(results, {"samples": str(n_samples), "steps": str(steps)})]


def choices() -> list[dict[str, str]]:
    """Return every choice whose node map and start were run together."""
    every = (dict(zip((f.name for f in OPEN), c, strict=True)) for c in product(*(f.values for f in OPEN)))
    return [choice for choice in every if (choice["map"], choice["start"]) in SETS]


def judged(reading: Choice) -> bool:
    """Whether a choice is a reading of the statement, and not what stands beside it."""
    return reading["measure"] != "coefficients" and reading["coarse"] == "trained"


def readings(results: Results, size: Choice) -> list[Reading]:
    written_size, small = f"{size['samples']} samples, {size['steps']} steps a level", PLACE[1].values[0]
    made = []
    for reading in filter(judged, choices()):
        spline, other = (
            ", ".join(f"{np.median(list(values.values())):.2g}" for values in shares_of(results, name, reading))
            for name in ("spline", RELU[reading["scaling"]])
        )
        text = f"median shares {spline} in the spline basis and {other} in the ReLU basis"
        more = {"measured": text, "size": written_size, "reduced": size["samples"] != small}
        made.append(JUDGED["M1"].reading(reading, cells(results, reading, size), **more))
    return made


def beside(results: Results, size: Choice) -> Table:
    """Return the ratios of what is no reading: coefficients, and coarse levels at stationary points."""
    rows = [
        (written(c), "; ".join(e.told() for e in asked(cells(results, c, size)))) for c in choices() if not judged(c)
    ]
    return Table("Ratios beside the readings", ("choice", "ratio of shares at each refinement"), tuple(rows))


def verdict(results: Results, size: Choice) -> Verdict:
    left = np.median([result["|P^T g|/|g|"] for result in results if result["coarse"] == "trained"])
    seeds = sorted({result["seed"] for result in results})
    return JUDGED["M1"].verdict(
        "M1",
        readings(results, size),
        details=f"The first {UPDATES} updates (of coefficients: the gradient). |P^T g|/|g| where the coarse level was"
        f" trained: {left:.2g}, median.\n\n{DETAILS}",
        data={"seeds": seeds, "cases": results},
        tables=(beside(results, size),),
    )


DETAILS = """\
Coarse networks are trained by Levenberg-Marquardt, which is the same in every basis up to its damping, so that descent
in all bases starts from one function. At a stationary point of the coarse level P^T g = 0: the residual e is orthogonal
to the coarse tangent space, and the first update, as coefficients, to range(P), in the coordinates of every basis.
Descent moves the values by J M J^T e, M = I in the spline basis and M = A^-T A^-1 in the ReLU basis. B-splines are
nearly orthogonal in L2: coefficients orthogonal to range(P) are functions of which a good part is new. The ReLU powers
are nearly dependent and smooth, and such coefficients are functions that lie in the coarse space but for a small part.

In the values of the network little of this is left even in the spline basis. J J^T has a few large eigenvalues, of
smooth functions which every edge can move, and its inner product is that of the data and of the slopes of the next
layer, not that of L2 on the edges: most of what descent does to the values, the coarse network could have done as well.
The share is largest at the last refinement. In the ReLU basis it is smaller by factors that every measure shows; there
nothing new is moved."""
