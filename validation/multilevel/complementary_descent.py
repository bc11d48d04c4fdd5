r"""M1 ([S26] section 4.3): after refinement descent in the spline basis is complementary, in the ReLU basis not.

The share of updates in newly added modes, fixed before any run. A coarse network is trained and prolonged, u_f = P u_c.
With J the Jacobian of the fine network there, an update d changes its values on the samples by J d, to first order.
What the coarse network could have done is range(J P), its own tangent space; Q projects onto it, orthogonally in R^N.
Then

    share = sum_k |(I - Q) J d_k|^2 / sum_k |J d_k|^2,    d_1, ..., d_10 the first updates,

of gradient descent in the coordinates of a basis, with the step 1/lambda_max of that basis' Gauss-Newton matrix.

Why values and not coefficients: if the coarse network is at a stationary point, P^T g = 0 in the coordinates of every
basis, so that the first update is orthogonal to range(P) as a vector in the spline basis and in the ReLU basis alike:
orthogonality of coefficients does not tell the two apart (it is reported beside). Orthogonality of functions does.

The paper says that descent in the ReLU geometry weighs smooth modes "by orders of magnitude more" than the oscillatory
ones that a refinement adds, and that descent in the spline basis supports those. Estimated is the ratio of the shares
of the two bases, seed by seed, at each of the three refinements of Table 2, [2, 5, 1], r = 3, (1, 3) to (8, 24). The
statement holds where the 95 % interval of the median (percentiles of 2000 bootstrap samples of the seeds) lies above
10 at each of them. An earlier criterion asked shares of at least 0.5 and at most 0.1, numbers of our own.

What is new can be asked of the values of the network or of the functions on the edges. An update changes every edge by
a spline; Pi projects splines onto the coarse spline space, orthogonally in L2, and

    share on the edges = sum_k sum_edges |(I - Pi) df|^2 / sum_k sum_edges |df|^2.

Both are readings, besides the scaling of the ReLU basis, the node map, and the start. Two things stand beside them.
Shares of coefficients, which tell nothing, as above. And, since trained coarse networks are not at stationary points
and descent goes on with what was left undone, the limit of coarse training: the part of the residual that the coarse
tangent space sees, Q e, is taken out of the data, y <- y + Q e, which makes the same network a stationary point of the
coarse level, P^T g = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from refkan.claims import Beside, Choice, Figure, Reading, Readings, Table, Verdict, judge
from refkan.claims.experiments import written
from validation.grounds import require
from validation.multilevel.complementary_shares import (
    BASES,
    EXPERIMENT,
    INTERVALS,
    MEASURES,
    OPEN,
    PLACE,
    RELU,
    UPDATES,
    measure,
)

__all__ = ["CLAIMS", "EXPERIMENT", "run", "verdict"]

CLAIMS = ("M1",)

SEEDS = range(20)

SETS = (("affine", "linear"), ("min-max", "normal"))
"""Node maps with starts that are run: ours, and those that come nearest to Table 2."""

ORDERS = 10.0
"""What "orders of magnitude" asks of a ratio at least."""

Results = Sequence[Mapping[str, Any]]


def shares_of(results: Results, basis: str, reading: Choice) -> list[dict[int, float]]:
    """The shares under a reading in a basis at each refinement, by seed."""
    wanted = {name: reading[name] for name in ("coarse", "map", "start")}
    key = MEASURES[reading["measure"]]
    chosen = [r for r in results if all(r[name] == value for name, value in wanted.items())]
    return [{r["seed"]: r[basis][key] for r in chosen if tuple(r["intervals"]) == n} for n in INTERVALS]


def medians(results: Results, basis: str, reading: Choice) -> list[float]:
    """Median over seeds at each refinement."""
    return [float(np.median(list(values.values()))) for values in shares_of(results, basis, reading)]


def ratios(results: Results, reading: Choice, relu: str | None = None) -> list[np.ndarray]:
    """Ratios of the share in the spline basis to that in the ReLU basis of the reading, or another, at each refinement.

    A share of zero counts as the least positive number.
    """
    other = shares_of(results, RELU[reading["scaling"]] if relu is None else relu, reading)
    tiny = np.finfo(float).tiny
    return [
        np.array([max(mine[seed], tiny) / max(theirs[seed], tiny) for seed in mine])
        for mine, theirs in zip(shares_of(results, "spline", reading), other, strict=True)
    ]


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a median."""
    draws = np.random.default_rng(0).choice(values, (2000, values.size))
    low, high = np.percentile(np.median(draws, axis=1), (2.5, 97.5))
    return float(low), float(high)


def complementary(results: Results, reading: Choice) -> bool | None:
    """Whether every interval lies above an order; not if one lies below, None where one straddles."""
    intervals = [interval(values) for values in ratios(results, reading)]
    if any(high < ORDERS for _, high in intervals):
        return False
    return True if all(low > ORDERS for low, _ in intervals) else None


def told(results: Results, reading: Choice) -> str:
    """Write the median ratios with their intervals."""
    return ", ".join(
        "{:.3g} [{:.3g}, {:.3g}]".format(float(np.median(values)), *interval(values))
        for values in ratios(results, reading)
    )


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Measure for 20 seeds, quickly for 3."""
    require(CLAIMS)
    n_samples, steps, seeds = (200, 20, SEEDS[:3]) if quick else (1000, 80, SEEDS)
    results = []
    for node_map, start in SETS:
        for seed in seeds:
            progress(f"M1: {node_map} maps, {start} start, seed {seed}")
            results += measure(seed, n_samples, steps, node_map, start)
    return [verdict(results, {"samples": str(n_samples), "steps": str(steps)})]


def judged(reading: Choice) -> bool:
    """Whether a choice is a reading of the statement, and not what stands beside it."""
    return reading["measure"] != "coefficients" and reading["coarse"] == "trained"


def readings(results: Results, size: Choice) -> Readings:
    """Return the statement under every reading whose node map and start were run together."""
    made = []
    for choice in product(*(factor.values for factor in OPEN)):
        reading = dict(zip((factor.name for factor in OPEN), choice, strict=True))
        if (reading["map"], reading["start"]) not in SETS or not judged(reading):
            continue
        relu = RELU[reading["scaling"]]
        spline, other = (", ".join(f"{m:.2g}" for m in medians(results, name, reading)) for name in ("spline", relu))
        text = (
            f"share in the spline over that in the ReLU basis at the three refinements {told(results, reading)}; median"
        )
        text += f" shares {spline} and {other}"
        cells = []
        for name, basis in (("spline", "spline"), ("ReLU", relu)):
            for k, values in enumerate(shares_of(results, basis, reading)):
                again = written(reading | {"refinement": str(k + 1), **size})
                unit = "share of the first updates in new modes"
                cells.append(Beside(f"{name} basis, refinement {k + 1}", unit, values, again=again))
        holds = complementary(results, reading)
        written_size = f"{size['samples']} samples, {size['steps']} steps a level"
        small = size["samples"] != PLACE[1].values[0]
        made.append(Reading(reading, holds, text, cells=tuple(cells), size=written_size, reduced=small))
    return Readings(made, experiment=False)


def between_scalings(results: Results, reading: Choice) -> list[float]:
    """Lower ends of the intervals of the ratio of the share in the plain to that in the scaled ReLU basis, or back."""
    plain, scaled = (ratios(results, reading, relu) for relu in ("relu", "scaled-relu"))
    return [min(interval(b / a)[0], interval(a / b)[0]) for a, b in zip(plain, scaled, strict=True)]


def beside(results: Results) -> Table:
    """Return the ratios of what is no reading: coefficients, and coarse levels at stationary points."""
    rows = []
    for choice in product(*(factor.values for factor in OPEN)):
        reading = dict(zip((factor.name for factor in OPEN), choice, strict=True))
        if (reading["map"], reading["start"]) in SETS and not judged(reading):
            rows.append((written(reading), told(results, reading)))
    return Table("Ratios beside the readings", ("choice", "ratio of shares at each refinement"), tuple(rows))


def verdict(results: Results, size: Choice) -> Verdict:
    """Return the verdict over readings and those of altered claims."""
    made = readings(results, size)
    choices = [reading.choice for reading in made.results]
    left = np.median([result["|P^T g|/|g|"] for result in results if result["coarse"] == "trained"])
    seeds = sorted({result["seed"] for result in results})
    return Verdict(
        "M1",
        made.status,
        f"{made.told()}. Medians of {len(seeds)} seeds, the first {UPDATES} updates (of coefficients: the gradient);"
        f" |P^T g|/|g| where the coarse level was trained: {left:.2g}, median",
        details=DETAILS,
        data={"seeds": seeds, "cases": results},
        figures=(figure(results),),
        tables=(beside(results),),
        mutations={
            "with the bases exchanged": judge(
                any(all(interval(1 / values)[0] > ORDERS for values in ratios(results, c)) for c in choices),
                experiment=True,
            ),
            "between the two scalings of the ReLU basis": judge(
                any(
                    all(low > ORDERS for low in between_scalings(results, c))
                    for c in choices
                    if c["scaling"] == "plain"
                ),
                experiment=True,
            ),
        },
        readings=tuple(made.plain()),
    )


DETAILS = """\
Coarse networks are trained by Levenberg-Marquardt, which is the same in every basis up to its damping, so that descent
in all bases starts from one function. At a stationary point of the coarse level P^T g = 0: the residual e is orthogonal
to the coarse tangent space, and the first update, as coefficients, to range(P), in the coordinates of every basis. \
Descent
moves the values by J M J^T e, M = I in the spline basis and M = A^-T A^-1 in the ReLU basis. \
B-splines are nearly orthogonal in
L2: coefficients orthogonal to range(P) are functions of which a good part is new. \
The ReLU powers are nearly dependent and
smooth, and such coefficients are functions that lie in the coarse space but for a small part.

In the values of the network little of this is left even in the spline basis. \
J J^T has a few large eigenvalues, of smooth
functions which every edge can move, and its inner product is that of the data and of the slopes of the next layer, \
not that of
L2 on the edges: most of what descent does to the values, the coarse network could have done as well. \
The share is largest
at the last refinement. In the ReLU basis it is smaller by factors that every measure shows; there nothing new is
moved."""


def figure(results: Results) -> Figure:
    """Draw two of the measures, of every seed."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(10, 3.4), layout="constrained")
    node_map, start = SETS[0]
    drawn = (("values", "trained"), ("edges", "stationary"))
    for axis, (what, coarse) in zip(canvas.subplots(1, 2, sharey=True), drawn, strict=True):
        reading = {"measure": what, "coarse": coarse, "map": node_map, "start": start}
        for b, basis in enumerate(BASES):
            for k, values in enumerate(shares_of(results, basis, reading)):
                at = 4 * k + b + np.linspace(-0.25, 0.25, len(values))
                axis.plot(at, sorted(values.values()), ".", color=f"C{b}", label=basis if k == 0 else None)
        labels = [f"{i} to\n{tuple(2 * n for n in i)}" for i in INTERVALS]
        axis.set_xticks([4 * k + 1 for k in range(len(INTERVALS))], labels=labels)
        where = "values of the network" if what == "values" else "functions on the edges"
        axis.set(yscale="log", title=f"{where}, coarse level {coarse}", xlabel="refinement of the intervals")
    canvas.axes[0].set_ylabel("share in new modes")
    canvas.axes[0].legend(fontsize="small")
    caption = (
        "Share of the first ten updates of gradient descent in modes that the coarse network lacks; every seed,"
        f" {node_map} maps, {start} start."
    )
    return Figure.from_matplotlib(canvas, "complementary-descent", caption)
